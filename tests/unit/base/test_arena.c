/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit/unit.h"

#include "base/arena.h"

static void test_append_keeps_all(void **state)
{
	struct arena arena = { 0 };
	int *numbers = NULL;
	size_t count = 0;

	(void) state;
	for (int i = 0; i < 1000; i++) {
		int *slot = arena_append(&arena, &numbers, &count, sizeof(*numbers));

		assert_non_null(slot);
		assert_int_equal(*slot, 0);
		*slot = i;
	}
	assert_int_equal(count, 1000);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(numbers[i], i);
	arena_done(&arena);
}

static void test_strings(void **state)
{
	struct arena arena = { 0 };
	const char *const words[] = { "a", "", "c" };
	char **copy = arena_strv(&arena, words, 3);

	(void) state;
	assert_string_equal(copy[1], "");
	assert_null(copy[3]);
	assert_string_equal(arena_printf(&arena, "%s-%d", "x", 7), "x-7");
	assert_null(arena_strdup(&arena, NULL));
	assert_string_equal(arena_strndup(&arena, "abcdef", 3), "abc");
	assert_non_null(arena_alloc(&arena, 100000));
	assert_false(arena_failed(&arena));
	assert_null(arena_alloc(&arena, SIZE_MAX));
	assert_true(arena_failed(&arena));
	arena_done(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_append_keeps_all), cmocka_unit_test(test_strings) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
