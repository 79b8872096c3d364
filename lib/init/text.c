/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Strings and memory, without a libc. Small rather than fast: nothing here handles more than a few kilobytes. */
#include "init/init.h"

void *memcpy(void *to, const void *from, size_t size)
{
	unsigned char *a = to;
	const unsigned char *b = from;

#if defined(__x86_64__)
	__asm__ volatile("rep movsb" : "+D"(a), "+S"(b), "+c"(size) : : "memory");
#else
	while (size--)
		*a++ = *b++;
#endif
	return to;
}

void *memset(void *to, int byte, size_t size)
{
	unsigned char *a = to;

	while (size--)
		*a++ = (unsigned char) byte;
	return to;
}

int memcmp(const void *a, const void *b, size_t size)
{
	const unsigned char *p = a, *q = b;

	for (; size; size--, p++, q++)
		if (*p != *q)
			return *p - *q;
	return 0;
}

size_t text_length(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

bool text_equal(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

bool text_starts(const char *s, const char *prefix)
{
	while (*prefix)
		if (*s++ != *prefix++)
			return false;
	return true;
}

const char *text_find(const char *s, char c)
{
	while (*s && *s != c)
		s++;
	return s;
}

bool text_number(const char *s, uint32_t *out)
{
	uint64_t number = 0;

	if (!*s)
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return false;
		number = number * 10 + (uint64_t) (*s - '0');
		/* UINT32_MAX is "leave as is" to the kernel. */
		if (number >= UINT32_MAX)
			return false;
	}
	*out = (uint32_t) number;
	return true;
}

char *text_add(char *at, const char *end, const char *s)
{
	while (*s && at + 1 < end)
		*at++ = *s++;
	if (at < end)
		*at = 0;
	return at;
}

char *text_add_number(char *at, const char *end, uint64_t number)
{
	char digits[24];
	char *first = digits + sizeof(digits) - 1;

	*first = 0;
	do
		*--first = (char) ('0' + number % 10);
	while (number /= 10);
	return text_add(at, end, first);
}
