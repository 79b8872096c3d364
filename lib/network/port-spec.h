/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What `-p` and `--expose` say: which ports of a container are published, and where. Pure text: nothing here looks at the host. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "network/address.h"

/* One port of a container, on one place of the host. */
struct port_spec {
	int protocol;         /* IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP */
	uint16_t port;        /* the container's; never 0 */
	struct address host;  /* none: whatever the network says, mostly any of both families */
	uint16_t first, last; /* of the host: the same: that one; different: a free one of these; 0: any free one */
};

/* Ports that are only exposed: none of them is 0. */
struct port_range {
	int protocol;
	uint16_t first, last;
};

#define PORT_SPEC_TEXT (ADDRESS_TEXT + 32)
#define PORT_TEXT 16

const char *port_protocol_name(int protocol); /* "tcp" */

/*
 * One argument of -p, in all of Docker's forms: [address:][host]:container[/protocol] with ranges, or
 * target=80,published=8080,protocol=tcp. Appends one spec for each port of the container, ranges of the same length side by side.
 * SCOW_E_INVALID.
 */
int port_spec_parse(const char *text, struct arena *arena, struct port_spec **specs, size_t *count, scow_error **error) _must_check_;
/* The same of a PortBindings entry: @port "80/tcp", @address "" or an address, @host "", "8080" or "8080-8090". Either of the last may be
 * NULL. */
int port_binding_parse(const char *port, const char *address, const char *host, struct port_spec *out, scow_error **error) _must_check_;
/* "80", "80/udp", "8000-8010/tcp": an argument of --expose, or an image's EXPOSE. SCOW_E_INVALID. */
int port_range_parse(const char *text, struct port_range *out, scow_error **error) _must_check_;
/* "80/tcp": one port, as Docker's documents name it. SCOW_E_INVALID. */
int port_parse(const char *text, int *protocol, uint16_t *port, scow_error **error) _must_check_;

/* "127.0.0.1:8080-8090:80/tcp", "[::1]::80/udp": parses to the same. Returns @out. */
char *port_spec_format(const struct port_spec *spec, char out[PORT_SPEC_TEXT]);
/* "80/tcp". Returns @out. */
char *port_format(int protocol, uint16_t port, char out[PORT_TEXT]);
/* By protocol, port, address, host ports: what comes first. As memcmp. */
int port_spec_compare(const struct port_spec *a, const struct port_spec *b);
