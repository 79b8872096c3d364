/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bounded ring of bytes between two threads, one writing, one reading: the joint between the stages of a layer's pipeline. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct channel {
	pthread_mutex_t lock;
	pthread_cond_t readable, writable;
	unsigned char *bytes;
	size_t size, head, fill;
	bool ended;  /* the writer has declared the end */
	bool broken; /* one side gave up: both are released */
};

/* False without memory; channel_done() either way. */
bool channel_init(struct channel *channel, size_t size);
void channel_done(struct channel *channel);
/* Blocks while it is full. False once broken. */
bool channel_write(struct channel *channel, const void *data, size_t size);
void channel_end(struct channel *channel);
void channel_break(struct channel *channel);
/* Bytes that channel_write would take without blocking; SIZE_MAX once broken. */
size_t channel_room(struct channel *channel);
/*
 * Waits for at least @least bytes (or the end), and gives the next run of them, borrowed until channel_consume().
 * 0 at the end, -1 once broken. A run is shorter than @least only at the end or where the ring wraps.
 */
ssize_t channel_read(struct channel *channel, size_t least, const void **data);
void channel_consume(struct channel *channel, size_t size);
