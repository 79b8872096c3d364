/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* URLs that peers gave us, and which hosts they may lead to. */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

#include "base/error.h"

struct url {
	char *text; /* absolute, without credentials and fragment */
	char *host; /* lower case; IPv6 without brackets */
	int port;
	bool https;
};

/* @base (NULL: none) and a possibly relative @text. SCOW_E_INVALID: neither http nor https, or with a user in it. */
int url_parse(const char *base, const char *text, struct url *out, scow_error **error) _must_check_;
void url_done(struct url *url);
#define _cleanup_url_ __attribute__((cleanup(url_done)))
/* Same scheme, host and port: credentials may go along. */
bool url_same_origin(const struct url *a, const struct url *b);

/* "localhost", "localhost:5000", 127.0.0.0/8, ::1, "[::1]:5000". */
bool host_is_loopback(const char *host);
/* Loopback, link-local (cloud metadata lives there), or unspecified: where a remote peer has no business sending us. */
bool address_is_local(const struct sockaddr *address);
/* The same for a literal address in text; false for a name. */
bool host_is_local_literal(const char *host);
