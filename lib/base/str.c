/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The growable string, and the few string questions that libc leaves open. */
#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool make_room(struct str *s, size_t more)
{
	size_t room = s->room ? s->room : 64;
	char *grown;

	if (s->failed || more > SIZE_MAX / 4)
		return s->failed = true, false;
	if (s->room >= s->size + more + 1)
		return true;
	while (room < s->size + more + 1)
		room *= 2;
	grown = realloc(s->data, room);
	if (!grown)
		return s->failed = true, false;
	s->data = grown;
	s->room = room;
	return true;
}

void str_add_bytes(struct str *s, const void *data, size_t size)
{
	if (!make_room(s, size))
		return;
	if (size)
		memcpy(s->data + s->size, data, size);
	s->size += size;
	s->data[s->size] = 0;
}

void str_add(struct str *s, const char *text)
{
	str_add_bytes(s, text, strlen(text));
}

void str_add_char(struct str *s, char c)
{
	str_add_bytes(s, &c, 1);
}

void str_printf(struct str *s, const char *format, ...)
{
	va_list args, again;
	int size;

	va_start(args, format);
	va_copy(again, args);
	size = vsnprintf(NULL, 0, format, args);
	if (size < 0)
		s->failed = true;
	else if (make_room(s, (size_t) size)) {
		vsnprintf(s->data + s->size, (size_t) size + 1, format, again);
		s->size += (size_t) size;
	}
	va_end(again);
	va_end(args);
}

void str_reset(struct str *s)
{
	s->size = 0;
	if (s->data)
		s->data[0] = 0;
}

void str_done(struct str *s)
{
	int saved = errno;

	free(s->data);
	*s = (struct str){ 0 };
	errno = saved;
}

char *str_take(struct str *s)
{
	char *data;

	if (!make_room(s, 0)) {
		str_done(s);
		return NULL;
	}
	s->data[s->size] = 0;
	data = s->data;
	*s = (struct str){ 0 };
	return data;
}

char *strf(const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	return text;
}

bool str_assign(char **to, const char *text)
{
	free(*to);
	*to = text ? strdup(text) : NULL;
	return *to || !text;
}

bool str_eq(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool str_has_prefix(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_has_suffix(const char *s, const char *suffix)
{
	size_t size = strlen(s), tail = strlen(suffix);

	return size >= tail && memcmp(s + size - tail, suffix, tail) == 0;
}

bool str_to_u64(const char *s, unsigned long long *out)
{
	unsigned long long value = 0;

	if (!*s)
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9' || __builtin_mul_overflow(value, 10ULL, &value) ||
		    __builtin_add_overflow(value, (unsigned long long) (*s - '0'), &value))
			return false;
	}
	*out = value;
	return true;
}

bool str_to_i64(const char *s, long long *out)
{
	bool negative = *s == '-';
	unsigned long long value;

	if (!str_to_u64(s + negative, &value) || value > (unsigned long long) INT64_MAX + negative)
		return false;
	*out = (long long) (negative ? 0 - value : value);
	return true;
}

bool strv_push(char ***strv, size_t *count, char *text)
{
	char **grown = text ? realloc(*strv, (*count + 2) * sizeof(*grown)) : NULL;

	if (!grown) {
		free(text);
		return false;
	}
	*strv = grown;
	grown[(*count)++] = text;
	grown[*count] = NULL;
	return true;
}

void strv_free(char **strv)
{
	for (size_t i = 0; strv && strv[i]; i++)
		free(strv[i]);
	free(strv);
}

char **strv_copy(const char *const *strv)
{
	size_t n = 0;
	char **copy;

	while (strv && strv[n])
		n++;
	copy = strv ? calloc(n + 1, sizeof(*copy)) : NULL;
	for (size_t i = 0; copy && i < n; i++) {
		copy[i] = strdup(strv[i]);
		if (!copy[i]) {
			strv_free(copy);
			return NULL;
		}
	}
	return copy;
}
