/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One writer and one reader: each copies or uses its part of the ring outside the lock, since the other never touches it.
 * The reader frees space in runs of up to 128 KiB, and the waiting side is woken only if it may be waiting.
 */
#include "image/channel.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define RUN_MAX (128u << 10)

bool channel_init(struct channel *channel, size_t size)
{
	*channel = (struct channel){ .size = size };
	pthread_mutex_init(&channel->lock, NULL);
	pthread_cond_init(&channel->readable, NULL);
	pthread_cond_init(&channel->writable, NULL);
	channel->bytes = malloc(size);
	return channel->bytes;
}

void channel_done(struct channel *channel)
{
	free(channel->bytes);
	channel->bytes = NULL;
	pthread_cond_destroy(&channel->readable);
	pthread_cond_destroy(&channel->writable);
	pthread_mutex_destroy(&channel->lock);
}

bool channel_write(struct channel *channel, const void *data, size_t size)
{
	const unsigned char *p = data;
	size_t tail, n;
	bool broken;

	while (size) {
		pthread_mutex_lock(&channel->lock);
		while (channel->fill == channel->size && !channel->broken)
			pthread_cond_wait(&channel->writable, &channel->lock);
		tail = (channel->head + channel->fill) % channel->size;
		n = channel->size - channel->fill;
		broken = channel->broken;
		pthread_mutex_unlock(&channel->lock);
		if (broken)
			return false;
		if (n > channel->size - tail)
			n = channel->size - tail;
		if (n > RUN_MAX)
			n = RUN_MAX;
		if (n > size)
			n = size;
		memcpy(channel->bytes + tail, p, n);
		p += n;
		size -= n;
		pthread_mutex_lock(&channel->lock);
		channel->fill += n;
		pthread_cond_signal(&channel->readable);
		pthread_mutex_unlock(&channel->lock);
	}
	return true;
}

void channel_end(struct channel *channel)
{
	pthread_mutex_lock(&channel->lock);
	channel->ended = true;
	pthread_cond_signal(&channel->readable);
	pthread_mutex_unlock(&channel->lock);
}

void channel_break(struct channel *channel)
{
	pthread_mutex_lock(&channel->lock);
	channel->broken = true;
	pthread_cond_signal(&channel->readable);
	pthread_cond_signal(&channel->writable);
	pthread_mutex_unlock(&channel->lock);
}

size_t channel_room(struct channel *channel)
{
	size_t room;

	pthread_mutex_lock(&channel->lock);
	room = channel->broken ? SIZE_MAX : channel->size - channel->fill;
	pthread_mutex_unlock(&channel->lock);
	return room;
}

ssize_t channel_read(struct channel *channel, size_t least, const void **data)
{
	ssize_t n;

	pthread_mutex_lock(&channel->lock);
	while (channel->fill < least && !channel->ended && !channel->broken)
		pthread_cond_wait(&channel->readable, &channel->lock);
	n = (ssize_t) channel->fill;
	if ((size_t) n > channel->size - channel->head)
		n = (ssize_t) (channel->size - channel->head);
	if (n > (ssize_t) RUN_MAX)
		n = RUN_MAX;
	if (channel->broken)
		n = -1;
	*data = channel->bytes + channel->head;
	pthread_mutex_unlock(&channel->lock);
	return n;
}

void channel_consume(struct channel *channel, size_t size)
{
	pthread_mutex_lock(&channel->lock);
	channel->head = (channel->head + size) % channel->size;
	channel->fill -= size;
	pthread_cond_signal(&channel->writable);
	pthread_mutex_unlock(&channel->lock);
}
