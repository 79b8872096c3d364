/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whom the responder serves, and what each of them may see. Hosted code may use it as well: the unit test and the fuzzer do. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "init/names-wire.h"

#define NAMES_CLIENTS_MAX 4096
#define NAMES_FOUND_MAX 1024

struct names_client {
	const struct wire_names *record; /* NULL: nobody is here */
	int udp, tcp, pidfd;             /* or -1 */
	/* the serving process's: names-serve.c */
	uint16_t generation;             /* who comes after somebody is somebody else */
	uint16_t pending, streams;
	bool deaf, busy;                 /* its datagrams are left in their socket; its connections in theirs */
};
extern struct names_client names_clients[NAMES_CLIENTS_MAX];
extern unsigned int names_count;         /* of them that are there */
extern unsigned int names_top;           /* beyond the last one that is there */

/* Whether a record is one: everything in it leads to somewhere in it. */
bool names_record_valid(const void *record, size_t size);
/* A place for a container: where it is, or else a free one; -1: none. */
int names_place(const char id[WIRE_NAMES_ID], bool make);
/* Takes a copy of a valid record in place of what is there, which goes in any case. 0 or -ENOMEM. */
int names_put(unsigned int place, const struct wire_names *record);
/* Its record goes; descriptors are the caller's. */
void names_take(unsigned int place);

struct names_found {
	const unsigned char *address[NAMES_FOUND_MAX];
	unsigned int count;
	bool exists; /* the name: perhaps without an address of this family */
};
/* What @client sees under @name, in lower case; @family: one of enum wire_names_family, or 0 to learn only whether it is there. */
void names_find(const struct wire_names *client, const char *name, unsigned int family, struct names_found *out);
/* The other way round: false where it sees nobody at that address. */
bool names_reverse(const struct wire_names *client, const unsigned char *address, size_t size, const char **host, const char **network);
const struct wire_names_server *names_servers(const struct wire_names *client);

/* names.c, or the test: zeroed memory that stays, and more of it (@old may be NULL). NULL: there is none. */
void *names_memory(void *old, size_t old_size, size_t size);
