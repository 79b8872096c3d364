/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The two files by which a container finds others: what its /etc/resolv.conf and /etc/hosts say. Texts in, texts out: the host's files
 * are read by resolv_host(), and nothing else here looks at the host.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "network/address.h"

#define RESOLV_SERVERS_MAX 3 /* as many as the C library asks */

struct resolv {
	const char **servers; size_t n_servers;
	const char **search; size_t n_search;
	const char **options; size_t n_options;
};

/* What the user said; each kind takes the place of the host's. Borrowed. */
struct resolv_wish {
	const char *const *servers; size_t n_servers;
	const char *const *search; size_t n_search;   /* "." alone: none */
	const char *const *options; size_t n_options;
};

enum resolv_kind {
	RESOLV_HOST,  /* it has the host's network: the host's servers, whatever they are */
	RESOLV_PLAIN, /* a network of its own without names: servers that can be reached from there */
	RESOLV_NAMES, /* it asks 127.0.0.11; the servers are for who answers there, in the host's network */
};

/* Reads a resolv.conf; what it does not know it leaves out. */
int resolv_parse(const char *text, struct arena *arena, struct resolv *out, scow_error **error) _must_check_;
/*
 * The host's, for a container of @kind: with RESOLV_PLAIN and no server but loopback ones, systemd-resolved's own list of the real ones
 * (/run/systemd/resolve/resolv.conf), where it has one. A missing file is an empty one.
 */
int resolv_host(enum resolv_kind kind, struct arena *arena, struct resolv *out, scow_error **error) _must_check_;
/*
 * What comes of the host's and the wish. RESOLV_PLAIN: loopback servers of the host, and those of IPv6 where the container has none,
 * are left out; if nothing is left Docker's default servers are taken. RESOLV_NAMES: "ndots:0" unless somebody has said another number.
 */
int resolv_merge(enum resolv_kind kind, const struct resolv *host, const struct resolv_wish *wish, bool ipv6, struct arena *arena,
		 struct resolv *out, scow_error **error) _must_check_;
/* The file. NULL without memory. */
char *resolv_format(enum resolv_kind kind, const struct resolv *resolv, struct arena *arena);
/* The number of dots that the user asked for; -1: he did not. */
int resolv_ndots(const struct resolv_wish *wish);

struct hosts_line {
	const char *address, *names; /* names: one or more, apart by blanks */
};

/* /etc/hosts: @before, or (NULL) localhost by its names, then @lines in their order. NULL without memory. */
char *hosts_format(const char *before, const struct hosts_line *lines, size_t n_lines, struct arena *arena);
