/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Many members and frames, every boundary, and each way in which a stream can be bad. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <zlib.h>
#include <zstd.h>

#include "archive/codec.h"
#include "build-config.h"
#if HAVE_LZMA
#include <lzma.h>
#endif
#if HAVE_BZIP2
#include <bzlib.h>
#endif

#include "base/str.h"

static int (*deflate_init)(z_streamp, int, int, int, int, int, const char *, int);
static int (*deflate_run)(z_streamp, int);
static int (*deflate_done)(z_streamp);
static int (*deflate_header)(z_streamp, gz_headerp);
static size_t (*zstd_pack)(void *, size_t, const void *, size_t, int);

static int load(void **state)
{
	void *z = dlopen("libz.so.1", RTLD_NOW), *zstd = dlopen("libzstd.so.1", RTLD_NOW);

	(void) state;
	if (!z || !zstd)
		return -1;
	*(void **) &deflate_init = dlsym(z, "deflateInit2_");
	*(void **) &deflate_run = dlsym(z, "deflate");
	*(void **) &deflate_done = dlsym(z, "deflateEnd");
	*(void **) &deflate_header = dlsym(z, "deflateSetHeader");
	*(void **) &zstd_pack = dlsym(zstd, "ZSTD_compress");
	return 0;
}

/* One member; @fancy: with all the optional fields of a gzip header. */
static void gzip_add(struct str *out, const void *data, size_t size, int level, bool fancy)
{
	z_stream z = { 0 };
	gz_header header = { 0 };
	size_t room = size + size / 100 + 1000;
	unsigned char *packed = malloc(room);

	assert_int_equal(deflate_init(&z, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, sizeof(z)), Z_OK);
	if (fancy) {
		header.extra = (Bytef *) (uintptr_t) "XX\3\0abc";
		header.extra_len = 7;
		header.name = (Bytef *) (uintptr_t) "layer.tar";
		header.comment = (Bytef *) (uintptr_t) "a comment";
		header.hcrc = 1;
		assert_int_equal(deflate_header(&z, &header), Z_OK);
	}
	z.next_in = (Bytef *) (uintptr_t) data;
	z.avail_in = (uInt) size;
	z.next_out = packed;
	z.avail_out = (uInt) room;
	assert_int_equal(deflate_run(&z, Z_FINISH), Z_STREAM_END);
	str_add_bytes(out, packed, room - z.avail_out);
	deflate_done(&z);
	free(packed);
}

static void zstd_add(struct str *out, const void *data, size_t size)
{
	size_t room = size + size / 100 + 1000, n;
	void *packed = malloc(room);

	n = zstd_pack(packed, room, data, size, 3);
	assert_true(n < room);
	str_add_bytes(out, packed, n);
	free(packed);
}

static void random_text(struct str *out, size_t size, unsigned int seed)
{
	while (size--) {
		seed = seed * 1103515245 + 12345;
		str_add_char(out, "abcdefghijklmnop"[seed >> 28]);
	}
}

static int collect(void *userdata, const void *data, size_t size, scow_error **error)
{
	(void) error;
	str_add_bytes(userdata, data, size);
	return 0;
}

/* The status of decoding @packed in steps; what came out in @plain. */
static int decode(enum codec_kind kind, const struct str *packed, size_t step, struct str *plain, scow_error **error)
{
	struct codec *codec;
	int r = codec_new(kind, collect, plain, &codec, error);

	if (r < 0)
		return r;
	for (size_t i = 0; i < packed->size && r == 0; i += step)
		r = codec_feed(codec, packed->data + i, packed->size - i < step ? packed->size - i : step, error);
	if (r == 0)
		r = codec_finish(codec, error);
	codec_free(codec);
	return r;
}

static void check_equal(enum codec_kind kind, const struct str *packed, const struct str *expected)
{
	static const size_t steps[] = { 1, 2, 3, 7, 100, 4096, 1 << 17, 3 << 20 };

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		_cleanup_str_ struct str plain = { 0 };
		scow_error *error = NULL;
		int r;

		if (packed->size / steps[i] > 3000000)
			continue;
		r = decode(kind, packed, steps[i], &plain, &error);
		if (r < 0)
			fail_msg("step %zu: %s", steps[i], scow_error_message(error));
		assert_int_equal(plain.size, expected->size);
		if (plain.size)
			assert_memory_equal(plain.data, expected->data, plain.size);
	}
}

static void check_corrupt(enum codec_kind kind, const struct str *packed, const char *message)
{
	static const size_t steps[] = { 1, 4096, 1 << 20 };

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		_cleanup_str_ struct str plain = { 0 };
		scow_error *error = NULL;

		assert_int_equal(decode(kind, packed, steps[i], &plain, &error), SCOW_E_CORRUPT);
		if (!strstr(scow_error_message(error), message))
			fail_msg("'%s' does not say '%s'", scow_error_message(error), message);
		scow_error_unref(error);
	}
}

static void test_sniff(void **state)
{
	(void) state;
	assert_int_equal(codec_sniff("\x1f\x8b\x08\x00", 4), CODEC_GZIP);
	assert_int_equal(codec_sniff("\x28\xb5\x2f\xfd", 4), CODEC_ZSTD);
	assert_int_equal(codec_sniff("\x5a\x2a\x4d\x18", 4), CODEC_ZSTD);
	assert_int_equal(codec_sniff("\xfd\x37zXZ\0", 6), CODEC_XZ);
	assert_int_equal(codec_sniff("BZh9", 4), CODEC_BZIP2);
	assert_int_equal(codec_sniff("BZh9", 3), CODEC_NONE);
	assert_int_equal(codec_sniff("etc/passwd", 10), CODEC_NONE);
	assert_int_equal(codec_sniff("", 0), CODEC_NONE);
}

static void test_gzip_members(void **state)
{
	_cleanup_str_ struct str plain = { 0 }, packed = { 0 };

	(void) state;
	for (unsigned int i = 0; i < 200; i++) {
		static const size_t sizes[] = { 0, 1, 5, 300, 5000, 70000 };
		size_t before = plain.size;

		random_text(&plain, sizes[i % 6], i);
		gzip_add(&packed, plain.data ? plain.data + before : "", plain.size - before, (int) (i % 10), i % 3 == 0);
	}
	check_equal(CODEC_GZIP, &packed, &plain);
	/* Tape padding. */
	for (int i = 0; i < 1000; i++)
		str_add_char(&packed, 0);
	check_equal(CODEC_GZIP, &packed, &plain);
	str_add_char(&packed, 'x');
	check_corrupt(CODEC_GZIP, &packed, "garbage after the end");
}

static void test_gzip_large(void **state)
{
	_cleanup_str_ struct str plain = { 0 }, packed = { 0 };

	(void) state;
	random_text(&plain, 3 << 20, 7);
	gzip_add(&packed, plain.data, plain.size, 6, true);
	check_equal(CODEC_GZIP, &packed, &plain);
}

static void test_gzip_bad(void **state)
{
	_cleanup_str_ struct str plain = { 0 }, packed = { 0 }, bad = { 0 };

	(void) state;
	random_text(&plain, 100000, 3);
	gzip_add(&packed, plain.data, plain.size, 6, false);

	for (size_t cut = 0; cut < packed.size; cut += cut < 30 || cut > packed.size - 30 ? 1 : 997) {
		str_reset(&bad);
		str_add_bytes(&bad, packed.data, cut);
		check_corrupt(CODEC_GZIP, &bad, "ends in the middle");
	}
	str_reset(&bad);
	str_add_bytes(&bad, packed.data, packed.size);
	bad.data[bad.size - 6] ^= 1; /* CRC */
	check_corrupt(CODEC_GZIP, &bad, "corrupt");
	bad.data[bad.size - 6] ^= 1;
	bad.data[bad.size - 2] ^= 1; /* length */
	check_corrupt(CODEC_GZIP, &bad, "corrupt");
	bad.data[bad.size - 2] ^= 1;
	str_add(&bad, "garbage");
	check_corrupt(CODEC_GZIP, &bad, "garbage after the end");
	str_reset(&bad);
	str_add(&bad, "this is not gzip at all, whatever its name says");
	check_corrupt(CODEC_GZIP, &bad, "corrupt");
}

static void test_zstd(void **state)
{
	_cleanup_str_ struct str plain = { 0 }, packed = { 0 }, bad = { 0 };

	(void) state;
	for (unsigned int i = 0; i < 50; i++) {
		static const size_t sizes[] = { 0, 1, 300, 256 << 10, 70000 };
		size_t before = plain.size;

		random_text(&plain, sizes[i % 5], i);
		zstd_add(&packed, plain.data ? plain.data + before : "", plain.size - before);
		str_add_bytes(&packed, "\x50\x2a\x4d\x18\x05\0\0\0skip!", 13);
	}
	check_equal(CODEC_ZSTD, &packed, &plain);
	str_add_bytes(&bad, packed.data, packed.size);
	str_add(&bad, "garbage");
	check_corrupt(CODEC_ZSTD, &bad, "garbage after the end");
	str_reset(&bad);
	str_add_bytes(&bad, packed.data, packed.size / 2);
	check_corrupt(CODEC_ZSTD, &bad, "ends in the middle");
	str_reset(&bad);
	check_corrupt(CODEC_ZSTD, &bad, "ends in the middle");
}

static void test_none(void **state)
{
	_cleanup_str_ struct str plain = { 0 }, out = { 0 };

	(void) state;
	random_text(&plain, 5000, 1);
	check_equal(CODEC_NONE, &plain, &plain);
	str_reset(&plain);
	assert_int_equal(decode(CODEC_NONE, &plain, 1, &out, NULL), 0);
}

#if HAVE_LZMA
static void xz_add(struct str *out, const void *data, size_t size)
{
	lzma_ret (*encode)(uint32_t, lzma_check, const lzma_allocator *, const uint8_t *, size_t, uint8_t *, size_t *, size_t);
	size_t room = size + size / 100 + 1000, done = 0;
	unsigned char *packed = malloc(room);

	*(void **) &encode = dlsym(dlopen("liblzma.so.5", RTLD_NOW), "lzma_easy_buffer_encode");
	assert_true(encode && packed);
	assert_int_equal(encode(1, LZMA_CHECK_CRC64, NULL, data, size, packed, &done, room), LZMA_OK);
	str_add_bytes(out, packed, done);
	free(packed);
}
#endif

#if HAVE_BZIP2
static void bzip2_add(struct str *out, const void *data, size_t size)
{
	int (*encode)(char *, unsigned int *, char *, unsigned int, int, int, int);
	unsigned int room = (unsigned int) (size + size / 50 + 1000);
	char *packed = malloc(room);

	*(void **) &encode = dlsym(dlopen("libbz2.so.1.0", RTLD_NOW), "BZ2_bzBuffToBuffCompress");
	assert_true(encode && packed);
	assert_int_equal(encode(packed, &room, (char *) (uintptr_t) data, (unsigned int) size, 1, 0, 0), BZ_OK);
	str_add_bytes(out, packed, room);
	free(packed);
}
#endif

static void check_rare(enum codec_kind kind, void (*add)(struct str *out, const void *data, size_t size), const char *name)
{
	_cleanup_str_ struct str plain = { 0 }, packed = { 0 }, bad = { 0 };
	char text[100];

	for (unsigned int i = 0; i < 12; i++) {
		static const size_t sizes[] = { 0, 1, 300, 600 << 10, 70000 };
		size_t before = plain.size;

		random_text(&plain, sizes[i % 5], i);
		add(&packed, plain.data ? plain.data + before : "", plain.size - before);
	}
	assert_int_equal(codec_sniff(packed.data, packed.size), kind);
	check_equal(kind, &packed, &plain);
	str_add_bytes(&bad, packed.data, packed.size);
	str_add(&bad, "garbage, longer than any header of a stream is");
	check_corrupt(kind, &bad, kind == CODEC_XZ ? "corrupt" : "garbage after the end");
	str_reset(&bad);
	str_add_bytes(&bad, packed.data, packed.size / 2);
	snprintf(text, sizeof(text), "the %s stream ends in the middle", name);
	check_corrupt(kind, &bad, text);
	str_reset(&bad);
	check_corrupt(kind, &bad, text);
	str_add_bytes(&bad, packed.data, packed.size);
	bad.data[bad.size / 2] ^= 16;
	check_corrupt(kind, &bad, "corrupt");
}

static void test_xz(void **state)
{
	(void) state;
#if HAVE_LZMA
	check_rare(CODEC_XZ, xz_add, "xz");
#else
	skip();
#endif
}

static void test_bzip2(void **state)
{
	(void) state;
#if HAVE_BZIP2
	check_rare(CODEC_BZIP2, bzip2_add, "bzip2");
#else
	skip();
#endif
}

static int refuse(void *userdata, const void *data, size_t size, scow_error **error)
{
	(void) userdata;
	(void) data;
	(void) size;
	return error_set(error, SCOW_E_CANCELED, "enough");
}

static void test_output_stops(void **state)
{
	static const enum codec_kind kinds[] = { CODEC_NONE, CODEC_GZIP, CODEC_ZSTD };

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		_cleanup_str_ struct str packed = { 0 };
		struct codec *codec;
		scow_error *error = NULL;

		if (kinds[i] == CODEC_GZIP)
			gzip_add(&packed, "hello", 5, 6, false);
		else if (kinds[i] == CODEC_ZSTD)
			zstd_add(&packed, "hello", 5);
		else
			str_add(&packed, "hello");
		assert_int_equal(codec_new(kinds[i], refuse, NULL, &codec, NULL), 0);
		assert_int_equal(codec_feed(codec, packed.data, packed.size, &error), SCOW_E_CANCELED);
		assert_string_equal(scow_error_message(error), "enough");
		scow_error_unref(error);
		codec_free(codec);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sniff),    cmocka_unit_test(test_gzip_members), cmocka_unit_test(test_gzip_large),
		cmocka_unit_test(test_gzip_bad), cmocka_unit_test(test_zstd),         cmocka_unit_test(test_none),
		cmocka_unit_test(test_xz),       cmocka_unit_test(test_bzip2),        cmocka_unit_test(test_output_stops),
	};

	return cmocka_run_group_tests(tests, load, NULL);
}
