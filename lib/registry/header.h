/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values of HTTP headers that strangers wrote. Pure functions; fuzzed by tests/fuzz/fuzz_auth.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

#define HEADER_MAX_BYTES 8192
#define HEADER_MAX_CHALLENGES 16
#define HEADER_MAX_PARAMETERS 32

/* One challenge of WWW-Authenticate: a scheme and name="value" pairs (name, value, name, value ...). */
struct challenge {
	char *scheme;
	char **parameters;
	size_t n_parameters; /* strings: twice the pairs */
};

/* Appends every challenge of one header value to @list. False where it is malformed or too much; what came before stays. */
bool challenges_parse(struct arena *arena, const char *value, struct challenge **list, size_t *count);
/* Case-insensitive; NULL where the challenge has none. */
const char *challenge_get(const struct challenge *challenge, const char *name);
/* The first of a scheme, case-insensitive, or NULL. */
const struct challenge *challenge_find(const struct challenge *list, size_t count, const char *scheme);

/* "bytes 5-9/10": @total is UINT64_MAX for "*". False on anything else, and where the numbers contradict each other. */
bool content_range_parse(const char *value, uint64_t *first, uint64_t *last, uint64_t *total);

/* Text of a stranger made fit for an error message: one line, printable, at most @size - 1 bytes. */
void text_clean(const char *text, size_t length, char *out, size_t size);
