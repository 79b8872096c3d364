/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* XXH64 by its known values, and the same for any way in which a stream is cut. */
#include "unit.h"

#include "base/checksum.h"

static uint64_t sum_of(const void *data, size_t size, size_t piece)
{
	struct checksum sum;

	checksum_begin(&sum);
	for (size_t at = 0; at < size; at += piece)
		checksum_add(&sum, (const char *) data + at, size - at < piece ? size - at : piece);
	return checksum_end(&sum);
}

static void test_values(void **state)
{
	static const struct {
		const char *text;
		uint64_t sum;
	} known[] = {
		{ "", UINT64_C(0xef46db3751d8e999) },
		{ "a", UINT64_C(0xd24ec4f1a98c6e5b) },
		{ "abc", UINT64_C(0x44bc2cf5ad770999) },
		{ "Nobody inspects the spammish repetition", UINT64_C(0xfbcea83c8a378bf1) },
	};

	(void) state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		assert_true(sum_of(known[i].text, strlen(known[i].text), 100) == known[i].sum);
}

static void test_pieces(void **state)
{
	unsigned char data[4099];
	uint64_t whole;

	(void) state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char) (i * 167 + i / 251);
	whole = sum_of(data, sizeof(data), sizeof(data));
	for (size_t piece = 1; piece < 200; piece++)
		assert_true(sum_of(data, sizeof(data), piece) == whole);
	data[4000] ^= 1;
	assert_false(sum_of(data, sizeof(data), 64) == whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_values), cmocka_unit_test(test_pieces) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
