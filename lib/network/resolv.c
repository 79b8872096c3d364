/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * resolv.conf and hosts, by Docker's rules. The host's file is understood as the C library does: the last "search" or "domain" counts,
 * "#" and ";" begin a comment at the beginning of a line, and behind a blank.
 */
#include "network/resolv.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"

#define FILE_BYTES_MAX (1u << 20)
#define HOST_FILE "/etc/resolv.conf"
#define RESOLVED_FILE "/run/systemd/resolve/resolv.conf"
#define OUR_SERVER "127.0.0.11"
#define BLANKS " \t\r"

/* ---- reading ---- */

static const char *next_word(const char **at, const char *end, size_t *size)
{
	const char *word = *at;

	while (word < end && strchr(BLANKS, *word))
		word++;
	*size = 0;
	while (word + *size < end && !strchr(BLANKS, word[*size]))
		++*size;
	*at = word + *size;
	return *size && *word != '#' && *word != ';' ? word : NULL;
}

static bool add_words(const char *at, const char *end, struct arena *arena, const char ***array, size_t *count)
{
	const char *word;
	size_t size;

	while ((word = next_word(&at, end, &size))) {
		const char **slot = arena_append(arena, array, count, sizeof(*slot));

		if (!slot || !(*slot = arena_strndup(arena, word, size)))
			return false;
	}
	return true;
}

static bool read_line(const char *at, const char *end, struct arena *arena, struct resolv *out)
{
	size_t size;
	const char *key = next_word(&at, end, &size);

	if (!key)
		return true;
	if (size == strlen("nameserver") && memcmp(key, "nameserver", size) == 0) {
		const char *server = next_word(&at, end, &size);

		return !server || add_words(server, server + size, arena, &out->servers, &out->n_servers);
	}
	if (size == strlen("options") && memcmp(key, "options", size) == 0)
		return add_words(at, end, arena, &out->options, &out->n_options);
	if (size == 6 && (memcmp(key, "search", size) == 0 || memcmp(key, "domain", size) == 0)) {
		out->search = NULL;
		out->n_search = 0;
		return add_words(at, end, arena, &out->search, &out->n_search);
	}
	return true;
}

int resolv_parse(const char *text, struct arena *arena, struct resolv *out, scow_error **error)
{
	*out = (struct resolv){ NULL };
	while (*text) {
		const char *end = text + strcspn(text, "\n");

		if (!read_line(text, end, arena, out))
			return error_oom(error);
		text = *end ? end + 1 : end;
	}
	return 0;
}

static int read_file(const char *path, struct arena *arena, struct resolv *out, scow_error **error)
{
	_cleanup_free_ char *text = NULL;
	int r = file_read_at(AT_FDCWD, path, FILE_BYTES_MAX, &text, NULL);

	if (r < 0 && r != -ENOENT)
		return error_errno(error, -r, "read", "read the host's '%s'", path);
	return resolv_parse(r < 0 ? "" : text, arena, out, error);
}

/* A zone is no part of the address: "fe80::1%eth0". */
static bool server_parse(const char *text, struct address *out)
{
	char address[ADDRESS_TEXT];
	size_t n = strcspn(text, "%");

	if (n >= sizeof(address))
		return false;
	memcpy(address, text, n);
	address[n] = 0;
	return address_parse(address, out);
}

static bool is_reachable(const char *server, bool ipv6)
{
	struct address address;

	return server_parse(server, &address) && !address_is_loopback(&address) && (ipv6 || address.family == AF_INET);
}

static bool has_reachable(const struct resolv *resolv)
{
	for (size_t i = 0; i < resolv->n_servers; i++)
		if (is_reachable(resolv->servers[i], true))
			return true;
	return false;
}

int resolv_host(enum resolv_kind kind, struct arena *arena, struct resolv *out, scow_error **error)
{
	struct resolv real;
	int r = read_file(HOST_FILE, arena, out, error);

	if (r < 0 || kind != RESOLV_PLAIN || has_reachable(out))
		return r;
	r = read_file(RESOLVED_FILE, arena, &real, error);
	if (r == 0 && has_reachable(&real))
		*out = real;
	return r;
}

/* ---- merging ---- */

static bool put(struct arena *arena, const char ***array, size_t *count, const char *text)
{
	const char **slot = text ? arena_append(arena, array, count, sizeof(*slot)) : NULL;

	if (slot)
		*slot = text;
	return slot;
}

static bool put_all(struct arena *arena, const char ***array, size_t *count, const char *const *texts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!put(arena, array, count, arena_strdup(arena, texts[i])))
			return false;
	return true;
}

static bool merge_servers(enum resolv_kind kind, const struct resolv *host, const struct resolv_wish *wish, bool ipv6, struct arena *arena,
			  struct resolv *out)
{
	static const char *const defaults[] = { "8.8.8.8", "8.8.4.4", "2001:4860:4860::8888", "2001:4860:4860::8844" };

	if (wish->n_servers)
		return put_all(arena, &out->servers, &out->n_servers, wish->servers, wish->n_servers);
	for (size_t i = 0; i < host->n_servers; i++)
		if ((kind != RESOLV_PLAIN || is_reachable(host->servers[i], ipv6)) &&
		    !put(arena, &out->servers, &out->n_servers, host->servers[i]))
			return false;
	if (kind != RESOLV_PLAIN || out->n_servers)
		return true;
	return put_all(arena, &out->servers, &out->n_servers, defaults, ipv6 ? 4 : 2);
}

static bool is_ndots(const char *option)
{
	return str_has_prefix(option, "ndots:");
}

int resolv_ndots(const struct resolv_wish *wish)
{
	int ndots = -1;
	unsigned long long number;

	for (size_t i = 0; i < wish->n_options; i++)
		if (is_ndots(wish->options[i]) && str_to_u64(wish->options[i] + strlen("ndots:"), &number))
			ndots = number > 15 ? 15 : (int) number; /* as the C library counts */
	return ndots;
}

int resolv_merge(enum resolv_kind kind, const struct resolv *host, const struct resolv_wish *wish, bool ipv6, struct arena *arena,
		 struct resolv *out, scow_error **error)
{
	const char *const *options = wish->n_options ? wish->options : host->options;
	size_t n_options = wish->n_options ? wish->n_options : host->n_options;
	const char *const *search = wish->n_search ? wish->search : host->search;
	size_t n_search = wish->n_search ? wish->n_search : host->n_search;
	bool ndots = false, ok;

	*out = (struct resolv){ NULL };
	ok = merge_servers(kind, host, wish, ipv6, arena, out) && put_all(arena, &out->options, &out->n_options, options, n_options);
	for (size_t i = 0; ok && i < n_search; i++)
		if (!str_eq(search[i], "."))
			ok = put(arena, &out->search, &out->n_search, arena_strdup(arena, search[i]));
	for (size_t i = 0; i < n_options; i++)
		ndots = ndots || is_ndots(options[i]);
	/* So that a name without a dot comes to us as it is, and not first as a name of the host's domain. */
	if (ok && kind == RESOLV_NAMES && !ndots)
		ok = put(arena, &out->options, &out->n_options, "ndots:0");
	return ok ? 0 : error_oom(error);
}

/* ---- writing ---- */

static void add_line(struct str *out, const char *key, const char *const *words, size_t n)
{
	if (!n)
		return;
	str_add(out, key);
	for (size_t i = 0; i < n; i++) {
		str_add_char(out, ' ');
		str_add(out, words[i]);
	}
	str_add_char(out, '\n');
}

char *resolv_format(enum resolv_kind kind, const struct resolv *resolv, struct arena *arena)
{
	_cleanup_str_ struct str out = { 0 };

	if (kind == RESOLV_NAMES) {
		str_add(&out, "# Names of containers are answered here; others are asked of:");
		for (size_t i = 0; i < resolv->n_servers && i < RESOLV_SERVERS_MAX; i++)
			str_printf(&out, " %s", resolv->servers[i]);
		str_add(&out, resolv->n_servers ? "\nnameserver " OUR_SERVER "\n" : " nobody\nnameserver " OUR_SERVER "\n");
	} else {
		for (size_t i = 0; i < resolv->n_servers; i++)
			str_printf(&out, "nameserver %s\n", resolv->servers[i]);
	}
	add_line(&out, "search", resolv->search, resolv->n_search);
	add_line(&out, "options", resolv->options, resolv->n_options);
	return out.failed ? NULL : arena_strdup(arena, out.data ? out.data : "");
}

char *hosts_format(const char *before, const struct hosts_line *lines, size_t n_lines, struct arena *arena)
{
	static const char usual[] = "127.0.0.1\tlocalhost\n"
				    "::1\tlocalhost ip6-localhost ip6-loopback\n"
				    "fe00::\tip6-localnet\n"
				    "ff00::\tip6-mcastprefix\n"
				    "ff02::1\tip6-allnodes\n"
				    "ff02::2\tip6-allrouters\n";
	_cleanup_str_ struct str out = { 0 };

	str_add(&out, before ? before : usual);
	if (out.size && out.data[out.size - 1] != '\n')
		str_add_char(&out, '\n');
	for (size_t i = 0; i < n_lines; i++)
		str_printf(&out, "%s\t%s\n", lines[i].address, lines[i].names);
	return out.failed ? NULL : arena_strdup(arena, out.data ? out.data : "");
}
