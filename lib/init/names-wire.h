/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the library, a container's scow-init and the responder (names.c) say to each other.
 *
 * The responder listens on ROOT/names.sock (SOCK_SEQPACKET). A message to it is a struct wire_names_request and, with ADD and UPDATE, a
 * record: what the container is called on which networks, and whom it asks for other names. It answers each with a
 * struct wire_names_answer. ADD brings three descriptors along: the container's UDP socket, its listening TCP socket, and a pidfd of its
 * PID 1, whose end takes all of it away.
 *
 * A record is one block of bytes, proved as a plan is (wire.h):
 *
 *	struct wire_names | networks | names | links | servers | strings[strings_size]
 *
 * Names are in lower case, without a last dot. The responder may be of an older build than who talks to it: a change here changes
 * WIRE_NAMES_MAGIC.
 */
#pragma once

#include <stdint.h>

#define WIRE_NAMES_MAGIC 0x316d616eu /* "nam1" */
#define WIRE_NAMES_SOCKET_NAME "names.sock" /* in ROOT */
#define WIRE_NAMES_RECORD_NAME "names"      /* in ROOT/containers/ID, of a detached one: sent again by its supervisor for each run */
#define WIRE_NAMES_BYTES_MAX (128u << 10)   /* of a record */
#define WIRE_NAMES_NETWORKS_MAX 256
#define WIRE_NAMES_NAMES_MAX 4096
#define WIRE_NAMES_SERVERS_MAX 3            /* as many as the C library asks */
#define WIRE_NAMES_KEY 16
#define WIRE_NAMES_ID 64                    /* hex digits, no NUL */
#define WIRE_NAMES_FDS 3
#define WIRE_NAMES_ADDRESS 0x7f00000bu      /* 127.0.0.11, where a container's resolv.conf leads */
#define WIRE_NAMES_PORT 53

enum wire_names_flag {
	WIRE_NAMES_NO_SERVERS = 1 << 0,  /* only on internal networks: other names are SERVFAIL, as in Docker */
	WIRE_NAMES_NDOTS = 1 << 1,       /* the user has said how many dots make a name whole: those without one are not passed on */
};

struct wire_names {
	uint32_t magic, size; /* of all */
	uint32_t flags;
	uint32_t n_networks, n_names, n_links, n_servers, strings_size;
	char id[WIRE_NAMES_ID];
};

enum wire_names_family { WIRE_NAMES_IP4 = 1 << 0, WIRE_NAMES_IP6 = 1 << 1 };

struct wire_names_network { /* in the order in which they are asked */
	unsigned char key[WIRE_NAMES_KEY]; /* the first half of its id */
	uint32_t name;                     /* "web.NAME" is found as well */
	uint32_t families;                 /* the addresses that are there */
	unsigned char ip4[4], ip6[16];
};

struct wire_names_name { /* the first one of a network is the answer to a reverse lookup */
	uint32_t network, name;
};

struct wire_names_link { /* a name that only this container knows, for @target's */
	uint32_t network, alias, target;
};

struct wire_names_server {
	uint32_t family; /* AF_INET, AF_INET6 */
	uint32_t scope;  /* the link of a link-local one */
	unsigned char address[16];
};

enum wire_names_op {
	WIRE_NAMES_ADD = 1, /* in place of what @id has */
	WIRE_NAMES_UPDATE,  /* the record; ENOENT: such a container is not served */
	WIRE_NAMES_REMOVE,
	WIRE_NAMES_ASK,     /* 0 or ENOENT */
};

struct wire_names_request {
	uint32_t magic, op;
	char id[WIRE_NAMES_ID];
};

struct wire_names_answer {
	uint32_t magic;
	int32_t error;    /* an errno; EOVERFLOW: as many containers as it can serve */
	uint32_t clients; /* that are served now */
	int32_t pid;      /* of the process that answers them */
};

_Static_assert(sizeof(struct wire_names) == 96 && sizeof(struct wire_names_network) == 44, "the same bytes on both sides");
_Static_assert(sizeof(struct wire_names_request) == 72 && sizeof(struct wire_names_answer) == 16, "the same bytes on both sides");
