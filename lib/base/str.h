/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The growable string: the only string builder. Out of memory is sticky, as in the arena. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct str {
	char *data; /* NUL-terminated once anything was added; may hold NUL bytes */
	size_t size, room;
	bool failed;
};

void str_add(struct str *s, const char *text);
void str_add_bytes(struct str *s, const void *data, size_t size);
void str_add_char(struct str *s, char c);
void str_printf(struct str *s, const char *format, ...) _printf_(2, 3);
void str_reset(struct str *s); /* size 0, keeps the room */
void str_done(struct str *s);
/* The finished string, owned by the caller (free()), or NULL when memory ran out; "" if nothing was added. */
char *str_take(struct str *s);

#define _cleanup_str_ __attribute__((cleanup(str_done)))

/* asprintf that returns the string, or NULL. */
char *strf(const char *format, ...) _printf_(1, 2);
bool str_eq(const char *a, const char *b);            /* NULL equals NULL only */
bool str_has_prefix(const char *s, const char *prefix);
bool str_has_suffix(const char *s, const char *suffix);
/* Whole-string decimal; false on anything else, overflow included. */
bool str_to_u64(const char *s, unsigned long long *out);
bool str_to_i64(const char *s, long long *out);
/* A copy of @text, or NULL for NULL, in place of what @to has; false without memory. */
bool str_assign(char **to, const char *text);
/* A NULL-terminated copy, malloc'ed; NULL without memory, or for NULL. */
char **strv_copy(const char *const *strv);
/* Appends @text, whose owner it becomes, and keeps the vector NULL-terminated. False, and @text freed, without memory, or for NULL. */
bool strv_push(char ***strv, size_t *count, char *text);
/* Frees a NULL-terminated vector and its strings. */
void strv_free(char **strv);
