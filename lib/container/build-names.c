/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /etc/hosts and /etc/resolv.conf of a container with networks.
 *
 * hosts has the container's own addresses under its host name, and what was added by hand. resolv.conf is the host's, but for servers
 * that only the host reaches by loopback (systemd-resolved's 127.0.0.53: the real ones are in its own file); on a network with names
 * the only server is the responder at 127.0.0.11, which asks those of the host itself.
 */
#include "container/build.h"

#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"
#include "network/network.h"

#define FILE_BYTES_MAX (1u << 20)
#define RESPONDER "127.0.0.11"

/* ---- hosts ---- */

static const char first_hosts[] = "127.0.0.1\tlocalhost\n"
				  "::1\tlocalhost ip6-localhost ip6-loopback\n"
				  "fe00::\tip6-localnet\n"
				  "ff00::\tip6-mcastprefix\n"
				  "ff02::1\tip6-allnodes\n"
				  "ff02::2\tip6-allrouters\n";

/* The host's own address, as the container reaches it. */
static bool add_host_gateway(const struct build *b, const char *name, struct str *out)
{
	static const int families[] = { AF_INET, AF_INET6 };
	char text[ADDRESS_TEXT];
	bool found = false;

	for (size_t i = 0; b->attachment && i < ARRAY_SIZE(families); i++) {
		const struct endpoint *endpoint = attachment_gateway(b->attachment, families[i]);

		if (!endpoint)
			continue;
		str_printf(out, "%s\t%s\n", address_format(endpoint_gateway(endpoint, families[i]), text), name);
		found = true;
	}
	if (!found && b->spec->namespaces[SPEC_NS_NETWORK].mode == SPEC_NS_HOST) {
		str_printf(out, "127.0.0.1\t%s\n", name);
		found = true;
	}
	return found;
}

static int add_extra(const struct build *b, struct str *out, scow_error **error)
{
	for (size_t i = 0; i < b->config->n_extra_hosts; i++) {
		const struct config_pair *pair = &b->config->extra_hosts[i];

		if (!str_eq(pair->value, CONFIG_HOST_GATEWAY))
			str_printf(out, "%s\t%s\n", pair->value, pair->name);
		else if (!add_host_gateway(b, pair->name, out))
			return error_set(error, SCOW_E_INVALID, "the host '%s' cannot be its gateway: the container has none", pair->name);
	}
	return 0;
}

static void add_own(const struct build *b, const char *hostname, struct str *out)
{
	char text[ADDRESS_TEXT];

	for (size_t i = 0; b->attachment && i < b->attachment->n_endpoints; i++) {
		const struct endpoint *endpoint = &b->attachment->endpoints[i];
		const struct address *addresses[] = { &endpoint->ip4, &endpoint->ip6 };

		for (size_t k = 0; k < ARRAY_SIZE(addresses); k++)
			if (addresses[k]->family && b->spec->domainname)
				str_printf(out, "%s\t%s.%s %s\n", address_format(addresses[k], text), hostname, b->spec->domainname, hostname);
			else if (addresses[k]->family)
				str_printf(out, "%s\t%s\n", address_format(addresses[k], text), hostname);
	}
}

int build_hosts(const struct build *b, const char *before, char **out, scow_error **error)
{
	_cleanup_str_ struct str text = { 0 };
	int r;

	str_add(&text, before ? before : first_hosts);
	r = add_extra(b, &text, error);
	if (r < 0)
		return r;
	if (b->spec->hostname)
		add_own(b, b->spec->hostname, &text);
	*out = str_take(&text);
	return *out ? 0 : error_oom(error);
}

/* ---- resolv.conf ---- */

struct resolver {
	struct str servers, search, options; /* lines; the rest of a line */
};

static void resolver_done(struct resolver *resolver)
{
	str_done(&resolver->servers);
	str_done(&resolver->search);
	str_done(&resolver->options);
}

static void take_words(struct str *out, const char *words)
{
	str_reset(out);
	str_add(out, words);
}

static void take_line(struct resolver *resolver, char *line, bool loopback)
{
	char *rest = line + strcspn(line, " \t");
	struct address address;
	char *zone;

	if (*rest)
		*rest++ = 0;
	rest += strspn(rest, " \t");
	if (str_eq(line, "search") || str_eq(line, "domain"))
		return take_words(&resolver->search, rest);
	if (str_eq(line, "options"))
		return take_words(&resolver->options, rest);
	if (!str_eq(line, "nameserver"))
		return;
	zone = rest + strcspn(rest, " \t%#;");
	*zone = 0;
	if (address_parse(rest, &address) && (loopback || !address_is_loopback(&address)))
		str_printf(&resolver->servers, "nameserver %s\n", rest);
}

static void read_resolv(struct resolver *resolver, const char *path, bool loopback)
{
	_cleanup_free_ char *text = NULL;
	char *line, *at;

	if (file_read_at(AT_FDCWD, path, FILE_BYTES_MAX, &text, NULL) < 0)
		return;
	for (at = text; (line = strsep(&at, "\n"));)
		take_line(resolver, line, loopback);
}

static void put_own(struct str *out, const char *const *words, size_t n)
{
	if (!n)
		return;
	str_reset(out);
	for (size_t i = 0; i < n; i++)
		str_printf(out, "%s%s", i ? " " : "", words[i]);
	/* "." is none at all. */
	if (n == 1 && str_eq(words[0], "."))
		str_reset(out);
}

static void read_host(const struct build *b, struct resolver *resolver)
{
	bool loopback = build_shares_host(b, SPEC_NS_NETWORK);

	read_resolv(resolver, "/etc/resolv.conf", loopback);
	if (!resolver->servers.size && !loopback)
		read_resolv(resolver, "/run/systemd/resolve/resolv.conf", false);
}

int build_resolv(const struct build *b, char **out, scow_error **error)
{
	_cleanup_(resolver_done) struct resolver resolver = { .servers = { 0 } };
	_cleanup_str_ struct str text = { 0 };
	bool names = b->attachment && attachment_has_names(b->attachment);

	read_host(b, &resolver);
	put_own(&resolver.search, b->config->dns_search, b->config->n_dns_search);
	put_own(&resolver.options, b->config->dns_options, b->config->n_dns_options);
	if (names || b->config->n_dns)
		str_reset(&resolver.servers);
	for (size_t i = 0; !names && i < b->config->n_dns; i++)
		str_printf(&resolver.servers, "nameserver %s\n", b->config->dns[i]);
	if (names)
		str_add(&resolver.servers, "nameserver " RESPONDER "\n");
	str_add_bytes(&text, resolver.servers.data, resolver.servers.size);
	if (resolver.search.size)
		str_printf(&text, "search %.*s\n", (int) resolver.search.size, resolver.search.data);
	if (names && !(resolver.options.size && strstr(resolver.options.data, "ndots:")))
		str_printf(&text, "options ndots:0%s%.*s\n", resolver.options.size ? " " : "", (int) resolver.options.size,
			   resolver.options.size ? resolver.options.data : "");
	else if (resolver.options.size)
		str_printf(&text, "options %.*s\n", (int) resolver.options.size, resolver.options.data);
	text.failed = text.failed || resolver.servers.failed || resolver.search.failed || resolver.options.failed;
	*out = str_take(&text);
	return *out ? 0 : error_oom(error);
}
