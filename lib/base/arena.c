/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A bump allocator over a list of chunks. The first chunk is 4 KiB, which holds a usual config or
 * spec whole; larger requests get chunks of their own. Nothing is freed before arena_done().
 */
#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES 4096
#define ALIGNMENT 16

struct arena_chunk {
	struct arena_chunk *next;
	size_t used, room;
	max_align_t data[];
};

void *arena_alloc(struct arena *arena, size_t size)
{
	struct arena_chunk *chunk = arena->chunks;
	void *result;

	if (size > SIZE_MAX / 4)
		return arena->failed = true, NULL;
	size = (size + ALIGNMENT - 1) & ~(size_t) (ALIGNMENT - 1);
	if (!chunk || chunk->room - chunk->used < size) {
		size_t room = size > CHUNK_BYTES - sizeof(*chunk) ? size : CHUNK_BYTES - sizeof(*chunk);

		chunk = malloc(sizeof(*chunk) + room);
		if (!chunk)
			return arena->failed = true, NULL;
		chunk->used = 0;
		chunk->room = room;
		chunk->next = arena->chunks;
		arena->chunks = chunk;
	}
	result = (char *) chunk->data + chunk->used;
	chunk->used += size;
	return memset(result, 0, size);
}

char *arena_strndup(struct arena *arena, const char *s, size_t size)
{
	char *copy;

	if (!s)
		return NULL;
	copy = arena_alloc(arena, size + 1);
	return copy ? memcpy(copy, s, size) : NULL;
}

char *arena_strdup(struct arena *arena, const char *s)
{
	return s ? arena_strndup(arena, s, strlen(s)) : NULL;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
	va_list args, again;
	char *text = NULL;
	int size;

	va_start(args, format);
	va_copy(again, args);
	size = vsnprintf(NULL, 0, format, args);
	if (size >= 0)
		text = arena_alloc(arena, (size_t) size + 1);
	if (text)
		vsnprintf(text, (size_t) size + 1, format, again);
	else
		arena->failed = true;
	va_end(again);
	va_end(args);
	return text;
}

char **arena_strv(struct arena *arena, const char *const *strings, size_t count)
{
	char **copy = arena_alloc(arena, (count + 1) * sizeof(*copy));

	for (size_t i = 0; copy && i < count; i++)
		copy[i] = arena_strdup(arena, strings[i]);
	return copy;
}

void *arena_append(struct arena *arena, void *array_address, size_t *count, size_t element_size)
{
	char *array, *grown;

	memcpy(&array, array_address, sizeof(array)); /* any T **: read it without breaking aliasing */
	/* Room is the next power of two, at least 4: full exactly when the count is one (or 0). */
	if (*count == 0 || (*count >= 4 && (*count & (*count - 1)) == 0)) {
		grown = arena_alloc(arena, (*count ? *count * 2 : 4) * element_size);
		if (!grown)
			return NULL;
		if (*count)
			memcpy(grown, array, *count * element_size);
		array = grown;
		memcpy(array_address, &array, sizeof(array));
	}
	return array + (*count)++ * element_size;
}

bool arena_failed(const struct arena *arena)
{
	return arena->failed;
}

void arena_done(struct arena *arena)
{
	while (arena->chunks) {
		struct arena_chunk *next = arena->chunks->next;

		free(arena->chunks);
		arena->chunks = next;
	}
	arena->failed = false;
}
