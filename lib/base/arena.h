/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Many small allocations with one lifetime: a config, a spec, a parsed document.
 * Failure is sticky: allocations return NULL and arena_failed() stays true, so that a builder may check once at its end.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct arena {
	struct arena_chunk *chunks;
	bool failed;
};

/* Zeroed and aligned for any type. An arena starts as all zeros. */
void *arena_alloc(struct arena *arena, size_t size);
char *arena_strdup(struct arena *arena, const char *s); /* NULL gives NULL */
char *arena_strndup(struct arena *arena, const char *s, size_t size);
char *arena_printf(struct arena *arena, const char *format, ...) _printf_(2, 3);
/* A NULL-terminated copy of an array of strings. */
char **arena_strv(struct arena *arena, const char *const *strings, size_t count);
/* Makes room for one more element in an arena array, doubling; returns the address of the new, zeroed element, or NULL. */
void *arena_append(struct arena *arena, void *array_address, size_t *count, size_t element_size);
bool arena_failed(const struct arena *arena);
void arena_done(struct arena *arena);
#define _cleanup_arena_ __attribute__((cleanup(arena_done)))
