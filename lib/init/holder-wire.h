/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the library, a supervisor and the holder of a plain user's networks (holder.c) say to each other.
 *
 * The holder listens on ROOT/networks.sock (SOCK_SEQPACKET). It answers each request, and stays as long as anybody has a connection:
 * who has a container on its networks keeps one. It may be of an older build than who talks to it: a change here changes
 * WIRE_HOLDER_MAGIC.
 */
#pragma once

#include <stdint.h>

#define WIRE_HOLDER_MAGIC 0x31646c68u /* "hld1" */
#define WIRE_HOLDER_NAME "scow-networks" /* of the process */
#define WIRE_HOLDER_SOCKET_NAME "networks.sock" /* in ROOT */
#define WIRE_HOLDER_TEXT 128

/* What comes along with the answer to WIRE_HOLDER_JOIN. */
enum wire_holder_fd {
	WIRE_HOLDER_USER,    /* its user namespace */
	WIRE_HOLDER_NETWORK, /* its network namespace */
	WIRE_HOLDER_PIDFD,   /* itself */
	WIRE_HOLDER_ROUTE,   /* a new NETLINK_ROUTE socket in there */
	WIRE_HOLDER_FILTER,  /* a new NETLINK_NETFILTER one; not there in kernels without nf_tables */
	WIRE_HOLDER_FDS
};

enum wire_holder_op {
	WIRE_HOLDER_JOIN = 1,
	WIRE_HOLDER_SYSCTL, /* name ("net/ipv4/ip_forward") and value: written */
	WIRE_HOLDER_ASK,    /* name: a sysctl, whose value is the answer's */
	WIRE_HOLDER_UPLINK, /* a pidfd comes along: of what makes the way out, from now on */
	WIRE_HOLDER_PORT,   /* a bound socket of the host comes along, and one that hangs up when it is to end: leads to that address */
};

struct wire_holder_request {
	uint32_t magic, op;
	uint32_t protocol, port, family; /* IPPROTO_*, its number, AF_* */
	unsigned char address[16];
	char name[WIRE_HOLDER_TEXT], value[WIRE_HOLDER_TEXT];
};

struct wire_holder_answer {
	uint32_t magic;
	int32_t error;   /* an errno; EOVERFLOW: as many ports as it can have */
	uint32_t uplink; /* 1: there is a way out */
	uint32_t reserved;
	char value[WIRE_HOLDER_TEXT];
};

_Static_assert(sizeof(struct wire_holder_request) == 292 && sizeof(struct wire_holder_answer) == 144, "the same bytes on both sides");
