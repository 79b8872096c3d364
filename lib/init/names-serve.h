/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The responder from inside: two processes, and one that waits to be the first. The first (names.c) holds every socket and record,
 * hears from the library, and sees containers end; the second (names-serve.c), a fork of it, reads what strangers send and can do little
 * else. It may die; the first then makes another.
 */
#pragma once

#include <netinet/in.h>

#include "init/init.h"
#include "init/names-answer.h"

#define NAMES_QUERY_BYTES 1024 /* more of a question is not passed on */

/* From the first to the second process: the place, and the record or none; with its two sockets, or without: they stay. */
struct names_order {
	uint32_t place, size;
};

/* What an event of the second one's epoll is about: the high half; the place of it is the low one. */
enum names_event { NAMES_ORDERS, NAMES_DATAGRAMS, NAMES_CONNECTIONS, NAMES_STREAM, NAMES_PENDING };

/* names.c */
long names_receive(int socket, void *data, size_t size, int *fds, unsigned int *n_fds); /* all fds of a message; the caller's */
void names_close(int *fd);
uint64_t names_now(void); /* ms */

/* names-serve.c */
noreturn void names_serve(int orders);
void names_give_back(void *from, size_t size); /* whole pages only; they read as zeros */
void names_watch(int op, int fd, uint32_t events, enum names_event what, unsigned int place);
/* How an answer goes back. */
struct names_asker {
	uint16_t client, generation;
	int stream;                  /* its connection, or -1: by datagram to @from */
	uint16_t stream_generation;
	struct sockaddr_in from;
};
void names_reply(const struct names_asker *asker, const unsigned char *message, size_t size);
bool names_asker_gone(const struct names_asker *asker);
/* One question of a client less is out. */
void names_pending_less(const struct names_asker *asker);

/* names-upstream.c */
#define NAMES_PENDING_OF_ONE 64 /* a client's datagrams beyond that wait in its socket */
/* Passes a question on to the client's servers. */
void names_ask(const struct names_asker *asker, const struct dns_query *query);
void names_pending_event(unsigned int place, uint32_t events);
/* What waits for too long goes on; ms until it is to be called again, -1: never. */
int names_pending_tick(void);
void names_pending_rest(void); /* gives memory back */
