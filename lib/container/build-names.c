/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /etc/hosts and /etc/resolv.conf of one start: what the config and the container's networks say, put into the forms of
 * network/resolv.h.
 *
 * hosts has what was added by hand, those that it is linked to on a network without names, and the container's own addresses under its
 * host name.
 */
#include "container/build.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "container/naming.h"
#include "container/pasta.h"
#include "network/usernet.h"

/* ---- hosts ---- */

struct hosts {
	struct arena arena;
	struct hosts_line *lines;
	size_t n;
};

static void add_line(struct hosts *hosts, const char *address, const char *names)
{
	struct hosts_line *line = arena_append(&hosts->arena, &hosts->lines, &hosts->n, sizeof(*line));

	if (line)
		*line = (struct hosts_line){ arena_strdup(&hosts->arena, address), names };
}

/* The host's own address, as the container reaches it. */
static bool add_host_gateway(const struct build *b, const char *name, struct hosts *hosts)
{
	static const int families[] = { AF_INET, AF_INET6 };
	char text[ADDRESS_TEXT];
	bool found = false;

	for (size_t i = 0; b->attachment && i < ARRAY_SIZE(families); i++) {
		const struct endpoint *endpoint = attachment_gateway(b->attachment, families[i]);

		if (!endpoint)
			continue;
		add_line(hosts, address_format(endpoint_gateway(endpoint, families[i]), text), name);
		found = true;
	}
	if (!found && build_shares_host(b, SPEC_NS_NETWORK)) {
		add_line(hosts, "127.0.0.1", name);
		found = true;
	}
	return found;
}

static int add_extra(const struct build *b, struct hosts *hosts, scow_error **error)
{
	for (size_t i = 0; i < b->config->n_extra_hosts; i++) {
		const struct config_pair *pair = &b->config->extra_hosts[i];

		if (!str_eq(pair->value, CONFIG_HOST_GATEWAY))
			add_line(hosts, pair->value, pair->name);
		else if (!add_host_gateway(b, pair->name, hosts) && !b->checks)
			return error_set(error, SCOW_E_INVALID, "the host '%s' cannot be its gateway: the container has none", pair->name);
	}
	return 0;
}

/* The other container's address on the same network. */
static int add_link(const struct build *b, const struct endpoint *endpoint, const struct endpoint_link *link, struct hosts *hosts,
		    scow_error **error)
{
	_cleanup_(scow_container_unrefp) scow_container *other = NULL;
	_cleanup_attachment_ struct attachment theirs = { .id = "" };
	char text[ADDRESS_TEXT];
	int r = scow_container_get(b->engine, link->container, &other, error);

	if (r == 0)
		r = naming_attachment(other, &theirs, error);
	if (r < 0)
		return error_wrap(error, r, "link to '%s'", link->container);
	for (size_t i = 0; i < theirs.n_endpoints; i++) {
		const struct endpoint *there = &theirs.endpoints[i];

		if (strcmp(there->network->id, endpoint->network->id) != 0 || !there->ip4.family)
			continue;
		add_line(hosts, address_format(&there->ip4, text),
			 arena_printf(&hosts->arena, "%s %.12s %s", link->alias, other->id, other->name));
		return 0;
	}
	return error_hint(error,
			  error_set(error, SCOW_E_STATE, "cannot link to container '%s': it does not run on network '%s'", link->container,
				    endpoint->network->name),
			  "start it first, or put both on a network of your own, where names are found by themselves");
}

static int add_links(const struct build *b, struct hosts *hosts, scow_error **error)
{
	int r = 0;

	for (size_t i = 0; b->attachment && i < b->attachment->n_endpoints; i++) {
		const struct endpoint *endpoint = &b->attachment->endpoints[i];

		for (size_t k = 0; k < endpoint->n_links && r == 0 && !network_has_names(endpoint->network); k++)
			r = add_link(b, endpoint, &endpoint->links[k], hosts, error);
	}
	return r;
}

static void add_own(const struct build *b, struct hosts *hosts)
{
	const char *names = b->spec->hostname;
	char text[ADDRESS_TEXT];

	if (!names || !b->attachment)
		return;
	if (b->spec->domainname)
		names = arena_printf(&hosts->arena, "%s.%s %s", names, b->spec->domainname, names);
	for (size_t i = 0; i < b->attachment->n_endpoints; i++) {
		const struct endpoint *endpoint = &b->attachment->endpoints[i];

		if (endpoint->ip4.family)
			add_line(hosts, address_format(&endpoint->ip4, text), names);
		if (endpoint->ip6.family)
			add_line(hosts, address_format(&endpoint->ip6, text), names);
	}
}

int build_hosts(const struct build *b, const char *before, char **out, scow_error **error)
{
	struct hosts hosts = { .lines = NULL };
	int r = add_extra(b, &hosts, error);

	if (r == 0)
		r = add_links(b, &hosts, error);
	if (r == 0) {
		const char *text;

		add_own(b, &hosts);
		text = arena_failed(&hosts.arena) ? NULL : hosts_format(before, hosts.lines, hosts.n, &hosts.arena);
		*out = text ? strdup(text) : NULL;
		r = *out ? 0 : error_oom(error);
	}
	arena_done(&hosts.arena);
	return r;
}

/* ---- resolv.conf ---- */

int build_resolv(const struct build *b, char **out, scow_error **error)
{
	struct arena arena = { 0 };
	const char *forwarder = USERNET_DNS_TEXT;
	enum resolv_kind kind;
	struct resolv resolv;
	int r = naming_resolv(b->config, b->attachment, build_shares_host(b, SPEC_NS_NETWORK), &arena, &kind, &resolv, error);

	if (r == 0 && !b->config->n_dns && pasta_is_wanted(b->engine, b->config) && pasta_is_usernet(b->config)) {
		resolv.servers = &forwarder;
		resolv.n_servers = 1;
	}
	if (r == 0) {
		const char *text = resolv_format(kind, &resolv, &arena);

		*out = text ? strdup(text) : NULL;
		r = *out ? 0 : error_oom(error);
	}
	arena_done(&arena);
	return r;
}
