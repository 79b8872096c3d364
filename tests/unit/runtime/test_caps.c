/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "runtime/caps.h"

static void test_parse(void **state)
{
	(void) state;
	assert_int_equal(caps_parse("CAP_NET_ADMIN"), CAP_NET_ADMIN);
	assert_int_equal(caps_parse("net_admin"), CAP_NET_ADMIN);
	assert_int_equal(caps_parse("cap_chown"), 0);
	assert_int_equal(caps_parse("CHECKPOINT_RESTORE"), 40);
	assert_int_equal(caps_parse("BPF"), 39);
	assert_int_equal(caps_parse(""), -1);
	assert_int_equal(caps_parse(NULL), -1);
	assert_int_equal(caps_parse("CAP_"), -1);
	assert_int_equal(caps_parse("NET_ADMINS"), -1);
	assert_int_equal(caps_parse("ALL"), -1); /* a set, not a capability: the caller's */
	for (int i = 0; i <= 40; i++)
		assert_int_equal(caps_parse(caps_name(i)), i);
	assert_null(caps_name(41));
	assert_null(caps_name(-1));
}

static void test_default(void **state)
{
	(void) state;
	assert_int_equal(__builtin_popcountll(caps_default()), 14);
	assert_true(caps_default() == UINT64_C(0xa80425fb)); /* as in every Docker container's /proc/1/status */
}

static void test_last(void **state)
{
	unsigned int last = 0;
	FILE *f = fopen("/proc/sys/kernel/cap_last_cap", "re");

	(void) state;
	if (!f || fscanf(f, "%u", &last) != 1)
		last = 0;
	if (f)
		fclose(f);
	if (!last)
		skip();
	assert_true(caps_last() == (UINT64_C(2) << last) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_default),
		cmocka_unit_test(test_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
