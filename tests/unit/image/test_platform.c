/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Platforms: reading, normal form, and which of an index runs best on what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "image/manifest.h"

static void test_parse(void **state)
{
	static const struct {
		const char *text, *normal;
	} table[] = {
		{ "linux/amd64", "linux/amd64" },     { "linux/amd64/v1", "linux/amd64" },  { "linux/amd64/v3", "linux/amd64/v3" },
		{ "linux/x86_64", "linux/amd64" },    { "Linux/X86-64", "linux/amd64" },    { "amd64", "linux/amd64" },
		{ "386", "linux/386" },		      { "linux/i386", "linux/386" },	    { "arm64", "linux/arm64/v8" },
		{ "linux/aarch64", "linux/arm64/v8" }, { "linux/arm64/8", "linux/arm64/v8" }, { "linux/arm64/v8.0", "linux/arm64/v8" },
		{ "linux/arm64/v8.2", "linux/arm64/v8.2" }, { "linux/arm64/v9.0", "linux/arm64/v9" }, { "arm", "linux/arm/v7" },
		{ "linux/arm", "linux/arm/v7" },      { "linux/arm/6", "linux/arm/v6" },    { "linux/armhf", "linux/arm/v7" },
		{ "armel", "linux/arm/v6" },	      { "linux/arm/v5", "linux/arm/v5" },   { "linux/riscv64", "linux/riscv64" },
		{ "windows/amd64", "windows/amd64" }, { "macos/arm64", "darwin/arm64/v8" }, { "linux/s390x", "linux/s390x" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct platform p;
		char text[160];

		assert_int_equal(platform_parse(table[i].text, &p, NULL), 0);
		platform_format(&p, text, sizeof(text));
		assert_string_equal(text, table[i].normal);
	}
}

static void test_parse_refuses(void **state)
{
	static const char *const table[] = { "linux/", "/amd64", "linux//v8", "linux/amd64/", "linux/amd64/v1/x", "nonsense", "linux/am d64",
					     "linux/\n", "linux/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "*/amd64" };

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct platform p;
		scow_error *error = NULL;

		if (platform_parse(table[i], &p, &error) != SCOW_E_INVALID)
			fail_msg("'%s' was taken", table[i]);
		assert_non_null(scow_error_hint(error));
		scow_error_unref(error);
	}
}

static void test_host(void **state)
{
	struct platform p;

	(void) state;
	assert_int_equal(platform_parse(NULL, &p, NULL), 0);
	assert_string_equal(p.os, "linux");
	assert_int_equal(platform_rank(&p, &p), 0);
}

/* The order of containerd/platforms: for each wanted one, what it can run, best first. */
static void test_order(void **state)
{
	static const char *const table[][16] = {
		{ "linux/amd64", "linux/amd64", "linux/386" },
		{ "linux/amd64/v2", "linux/amd64/v2", "linux/amd64", "linux/386" },
		{ "linux/amd64/v4", "linux/amd64/v4", "linux/amd64/v3", "linux/amd64/v2", "linux/amd64/v1", "linux/386" },
		{ "linux/arm", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5" },
		{ "linux/arm/v8", "linux/arm/v8", "linux/arm", "linux/arm/v6", "linux/arm/v5" },
		{ "linux/arm/v5", "linux/arm/v5" },
		{ "linux/arm64", "linux/arm64", "linux/arm/v8", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5" },
		{ "linux/arm64/v8.2", "linux/arm64/v8.2", "linux/arm64/v8.1", "linux/arm64/v8", "linux/arm/v8" },
		{ "linux/arm64/v9.1", "linux/arm64/v9.1", "linux/arm64/v9", "linux/arm64/v8.6", "linux/arm64/v8.5", "linux/arm64/v8", "linux/arm/v7" },
		{ "linux/s390x", "linux/s390x" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct platform wanted, offered;
		int last = -1;

		assert_int_equal(platform_parse(table[i][0], &wanted, NULL), 0);
		for (size_t j = 1; j < 16 && table[i][j]; j++) {
			int rank;

			assert_int_equal(platform_parse(table[i][j], &offered, NULL), 0);
			rank = platform_rank(&wanted, &offered);
			if (rank <= last)
				fail_msg("%s: %s has rank %d after %d", table[i][0], table[i][j], rank, last);
			last = rank;
		}
	}
}

static void test_never(void **state)
{
	static const char *const table[][2] = {
		{ "linux/amd64", "linux/amd64/v2" }, { "linux/amd64/v2", "linux/amd64/v3" }, { "linux/amd64", "windows/amd64" },
		{ "linux/386", "linux/amd64" },	     { "linux/arm/v6", "linux/arm/v7" },     { "linux/arm/v7", "linux/arm64" },
		{ "linux/arm64", "linux/arm64/v8.1" }, { "linux/arm64/v8.9", "linux/arm64/v9" }, { "linux/arm64/v9", "linux/arm64/v8.6" },
		{ "linux/amd64", "linux/arm64" },    { "linux/riscv64", "linux/ppc64le" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct platform wanted, offered;

		assert_int_equal(platform_parse(table[i][0], &wanted, NULL), 0);
		assert_int_equal(platform_parse(table[i][1], &offered, NULL), 0);
		if (platform_rank(&wanted, &offered) != -1)
			fail_msg("%s would run on %s", table[i][1], table[i][0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse), cmocka_unit_test(test_parse_refuses), cmocka_unit_test(test_host),
		cmocka_unit_test(test_order), cmocka_unit_test(test_never),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
