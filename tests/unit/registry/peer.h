/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A peer on loopback that answers each connection with the next line of a script, whatever it is asked, and
 * keeps what it was asked. "%P" in an answer is its own port.
 */
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

#include "../unit.h"

#define PEER_MAX 16

struct peer {
	int fd, port;
	pthread_t thread;
	const char *const *answers; /* NULL-terminated; "" closes without a word, "hang" says nothing */
	char requests[PEER_MAX][4096];
	int n_requests;
};

static inline void peer_read(int fd, char *request, size_t size)
{
	size_t have = 0;
	char *end = NULL;
	ssize_t n;

	while (have < size - 1 && !end) {
		n = read(fd, request + have, size - 1 - have);
		if (n <= 0)
			break;
		have += (size_t) n;
		request[have] = '\0';
		end = strstr(request, "\r\n\r\n");
	}
	/* A form follows in the same packet or the next. */
	if (end && strncmp(request, "POST", 4) == 0 && !end[4] && have < size - 1) {
		n = read(fd, request + have, size - 1 - have);
		request[have + (size_t) (n > 0 ? n : 0)] = '\0';
	}
}

static inline void peer_write(const struct peer *peer, int fd, const char *answer)
{
	for (const char *p = answer; *p;) {
		const char *mark = strstr(p, "%P");
		char number[16];

		if (send(fd, p, mark ? (size_t) (mark - p) : strlen(p), MSG_NOSIGNAL) < 0 || !mark)
			break;
		snprintf(number, sizeof number, "%d", peer->port);
		(void) send(fd, number, strlen(number), MSG_NOSIGNAL);
		p = mark + 2;
	}
}

static inline void *peer_run(void *userdata)
{
	struct peer *peer = userdata;

	for (int i = 0; peer->answers[i] && i < PEER_MAX; i++) {
		int fd = accept4(peer->fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			break;
		peer_read(fd, peer->requests[i], sizeof peer->requests[i]);
		peer->n_requests = i + 1;
		if (strcmp(peer->answers[i], "hang") == 0)
			while (recv(fd, peer->requests[PEER_MAX - 1], 1, 0) > 0)
				;
		else
			peer_write(peer, fd, peer->answers[i]);
		close(fd);
	}
	return NULL;
}

static inline void peer_start(struct peer *peer, const char *const *answers)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof address;

	memset(peer, 0, sizeof *peer);
	peer->answers = answers;
	peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(peer->fd >= 0);
	assert_int_equal(bind(peer->fd, (struct sockaddr *) &address, sizeof address), 0);
	assert_int_equal(listen(peer->fd, 16), 0);
	assert_int_equal(getsockname(peer->fd, (struct sockaddr *) &address, &size), 0);
	peer->port = ntohs(address.sin_port);
	assert_int_equal(pthread_create(&peer->thread, NULL, peer_run, peer), 0);
}

static inline void peer_stop(struct peer *peer)
{
	shutdown(peer->fd, SHUT_RDWR); /* wakes accept() */
	pthread_join(peer->thread, NULL);
	close(peer->fd);
}
