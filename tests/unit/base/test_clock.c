/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit/unit.h"

#include "base/clock.h"

/* Each day of eight hundred years, and some seconds. */
static void test_utc_seconds(void **state)
{
	(void) state;
	for (int64_t day = -146097; day < 146097; day++) {
		const time_t when = day * 86400 + (day * 7919) % 86400;
		struct tm tm;

		assert_non_null(gmtime_r(&when, &tm));
		assert_int_equal(utc_seconds(&tm), when);
	}
}

static void test_now(void **state)
{
	(void) state;
	assert_true(now_ns() / 1000000000 - time(NULL) >= -1 && now_ns() / 1000000000 - time(NULL) <= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_utc_seconds), cmocka_unit_test(test_now) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
