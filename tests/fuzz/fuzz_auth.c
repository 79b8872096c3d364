/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a registry may say in headers and credential files: challenges, ranges, config.json. First byte: which of them. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "registry/credentials.h"
#include "registry/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed_challenges(const char *text)
{
	struct arena arena = { 0 };
	struct challenge *list = NULL;
	size_t count = 0;

	(void) challenges_parse(&arena, text, &list, &count);
	if (count > HEADER_MAX_CHALLENGES)
		abort();
	for (size_t i = 0; i < count; i++) {
		(void) challenge_get(&list[i], "realm");
		(void) challenge_find(list, count, list[i].scheme ? list[i].scheme : "");
	}
	arena_done(&arena);
}

static void feed_range(const char *text)
{
	uint64_t first, last, total;

	if (content_range_parse(text, &first, &last, &total) && (first > last || (total != UINT64_MAX && last >= total)))
		abort();
}

static void feed_text(const char *text, size_t size)
{
	char out[40];

	text_clean(text, size, out, sizeof out);
	for (const char *p = out; *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			abort();
}

static void feed_credentials(const char *text, size_t size)
{
	_cleanup_credentials_ struct credentials found = { 0 };
	scow_error *error = NULL;

	(void) credentials_parse(text, size, "file", "docker.io", "library/a", &found, &error);
	scow_error_unref(error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (!size)
		return 0;
	text = malloc(size);
	if (!text)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	switch (data[0] % 4) {
	case 0:
		feed_challenges(text);
		break;
	case 1:
		feed_range(text);
		break;
	case 2:
		feed_text(text, size - 1);
		break;
	default:
		feed_credentials(text, size - 1);
		break;
	}
	free(text);
	return 0;
}
