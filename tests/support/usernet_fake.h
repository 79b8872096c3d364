/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The pure parts of usernet (lib/init/usernet.h), with a host, a link and a clock that are played here: for its unit test and its
 * fuzzer. One socket stands for all.
 */
#pragma once

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "init/usernet-datagram.c" /* NOLINT */
#include "init/usernet-early.c"    /* NOLINT */
#include "init/usernet-flow.c"     /* NOLINT */
#include "init/usernet-frame.c"    /* NOLINT */
#include "init/usernet-near.c"     /* NOLINT */
#include "init/usernet-tcp.c"      /* NOLINT */

#define FAKE_FD 7
#define FAKE_FRAMES 256

static struct {
	/* the host */
	int open_error, connect_error;
	unsigned char queue[1 << 20]; /* what its peer has sent */
	size_t queued, peeked;
	bool ended; /* and the peer sends no more */
	int broken; /* why not */
	uint32_t room;
	unsigned char sent[1 << 20];
	size_t n_sent;
	bool end_sent;
	unsigned int opened, closed, reset, watched;
	/* the link */
	struct {
		unsigned char bytes[FRAME_ROOM];
		size_t size;
	} frames[FAKE_FRAMES];
	unsigned int n_frames;
	/* the clock */
	uint64_t now;
} fake = { .room = 1 << 18, .now = 1000 };

uint64_t usernet_now(void)
{
	return fake.now;
}

bool usernet_allows_ip6(void)
{
	return true;
}

void link_learn(const unsigned char mac[6])
{
	(void) mac;
}

void link_send(const struct headers *headers, const unsigned char *data, size_t size)
{
	unsigned int i = fake.n_frames < FAKE_FRAMES ? fake.n_frames++ : FAKE_FRAMES - 1;

	if (headers->size > HEADERS_ROOM || headers->size + size > FRAME_ROOM)
		abort();
	memcpy(fake.frames[i].bytes, headers->bytes, headers->size);
	if (size)
		memcpy(fake.frames[i].bytes + headers->size, data, size);
	fake.frames[i].size = headers->size + size;
}

static int fake_open(void)
{
	fake.opened++;
	return fake.open_error ? fake.open_error : FAKE_FD;
}

int host_open(const struct flow *flow)
{
	(void) flow;
	return fake_open();
}

int host_adopt(int fd, const struct flow *flow)
{
	(void) flow;
	return fd < 0 ? -EBADF : 0;
}

int host_error(int fd)
{
	(void) fd;
	return fake.connect_error;
}

long host_send(int fd, const unsigned char *data, size_t size)
{
	size_t n = size < fake.room ? size : fake.room;

	(void) fd;
	if (size && !n)
		return -EAGAIN;
	if (n > sizeof(fake.sent) - fake.n_sent)
		fake.n_sent = 0;
	memcpy(fake.sent + fake.n_sent, data, n);
	fake.n_sent += n;
	return (long) n;
}

long host_send_to(int fd, const struct net_endpoint *to, const struct net_address *from, const unsigned char *data, size_t size)
{
	(void) to;
	(void) from;
	return host_send(fd, data, size);
}

long host_peek(int fd, uint32_t skip, unsigned char *out, size_t size)
{
	size_t left = fake.queued - fake.peeked, n = size < left ? size : left;

	(void) fd;
	(void) skip;
	if (!n)
		return fake.broken ? fake.broken : fake.ended ? 0 : -EAGAIN;
	memcpy(out, fake.queue + fake.peeked, n);
	fake.peeked += n;
	return (long) n;
}

void host_drop(int fd, uint32_t size)
{
	size_t n = size < fake.queued ? size : fake.queued;

	(void) fd;
	memmove(fake.queue, fake.queue + n, fake.queued - n);
	fake.queued -= n;
	fake.peeked -= n < fake.peeked ? n : fake.peeked;
}

void host_rewind(int fd)
{
	(void) fd;
	fake.peeked = 0;
}

long host_receive(int fd, unsigned char *out, size_t size)
{
	size_t n = size < fake.queued ? size : fake.queued;

	(void) fd;
	if (!n)
		return -EAGAIN;
	memcpy(out, fake.queue, n);
	fake.queued = fake.peeked = 0;
	return (long) n;
}

uint32_t host_room(int fd)
{
	(void) fd;
	return fake.room;
}

void host_watch_room(const struct flow *flow)
{
	(void) flow;
	fake.watched++;
}

void host_end_sending(int fd)
{
	(void) fd;
	fake.end_sent = true;
}

void host_close(int fd, bool reset)
{
	(void) fd;
	fake.closed++;
	fake.reset += reset;
}

void host_resolver_next(void)
{
}

void host_show(struct net_address *peer)
{
	(void) peer;
}
