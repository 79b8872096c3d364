/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What scow-init makes of full logs is gzip: read back byte for byte, whatever the bytes, and smaller where they are a log's. */
#include "unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/codec.h"
#include "base/str.h"

#include "init/deflate.c" /* NOLINT: scow-init's file, built here for the host */

static bool take_packed(void *data, const unsigned char *bytes, size_t size)
{
	str_add_bytes(data, (const char *) bytes, size);
	return true;
}

static bool refuse_all(void *data, const unsigned char *bytes, size_t size)
{
	(void) data;
	(void) bytes;
	(void) size;
	return false;
}

static int take_plain(void *data, const void *bytes, size_t size, scow_error **error)
{
	(void) error;
	str_add_bytes(data, bytes, size);
	return 0;
}

/* How many bytes it became. */
static size_t check(const unsigned char *data, size_t size)
{
	struct str packed = { 0 }, plain = { 0 };
	struct deflate *deflate = calloc(1, sizeof(*deflate));
	struct codec *codec = NULL;
	scow_error *error = NULL;
	size_t result;

	deflate->write = take_packed;
	deflate->write_data = &packed;
	assert_true(deflate_gzip(deflate, data, size, UINT64_C(0x0102030405060708)));
	assert_int_equal(codec_new(CODEC_GZIP, take_plain, &plain, &codec, &error), 0);
	assert_int_equal(codec_feed(codec, packed.data, packed.size, &error), 0);
	assert_int_equal(codec_finish(codec, &error), 0);
	assert_int_equal(plain.size, size);
	if (size)
		assert_memory_equal(plain.data, data, size);
	assert_memory_equal(packed.data + 12, "SC\10\0\10\7\6\5\4\3\2\1", 12);
	result = packed.size;
	codec_free(codec);
	str_done(&packed);
	str_done(&plain);
	free(deflate);
	return result;
}

static void test_bytes(void **state)
{
	static unsigned char data[200000];
	static const unsigned int alphabets[] = { 1, 2, 3, 20, 256 };

	(void) state;
	srand(1);
	check(data, 0);
	for (size_t a = 0; a < sizeof(alphabets) / sizeof(alphabets[0]); a++) {
		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = (unsigned char) ((unsigned int) rand() % alphabets[a]);
		for (size_t size = 1; size < 300; size += 1 + size / 8)
			check(data, size);
		check(data, 65535);
		check(data, sizeof(data));
	}
	/* Matches of each length at each kind of distance, up to the window's. */
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char) rand();
	for (size_t at = 300, distance = 1; at + 300 < sizeof(data) && distance < 40000; distance += 1 + distance / 5) {
		size_t length = 3 + distance % 257;

		for (size_t i = 0; i < length && at >= distance; i++)
			data[at + i] = data[at + i - distance];
		at += length + 5;
	}
	check(data, sizeof(data));
}

static void test_log(void **state)
{
	struct str log = { 0 };

	(void) state;
	for (int i = 0; i < 20000; i++)
		str_printf(&log, "{\"log\":\"request %d took %d ms\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:%02d.%09dZ\"}\n",
			   i, i % 97, i / 1000 % 60, i * 7919 % 1000000000);
	assert_true(check((const unsigned char *) log.data, log.size) < log.size / 3);
	str_done(&log);
}

static void test_write_fails(void **state)
{
	static unsigned char data[300000];
	struct deflate *deflate = calloc(1, sizeof(*deflate));

	(void) state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char) rand();
	deflate->write = refuse_all;
	assert_false(deflate_gzip(deflate, data, sizeof(data), 0));
	free(deflate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_write_fails),
	};

	return cmocka_run_group_tests_name("deflate", tests, NULL, NULL);
}
