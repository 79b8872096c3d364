/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit/unit.h"

#include "base/str.h"

static void test_builder(void **state)
{
	struct str s = { 0 };
	char *text;

	(void) state;
	for (int i = 0; i < 100; i++)
		str_printf(&s, "%d,", i);
	str_add_char(&s, '!');
	str_add(&s, "");
	text = str_take(&s);
	assert_int_equal(strlen(text), 291);
	assert_true(str_has_suffix(text, "99,!"));
	free(text);
	text = str_take(&s);
	assert_string_equal(text, "");
	free(text);
}

static void test_numbers(void **state)
{
	unsigned long long u;
	long long i;

	(void) state;
	assert_true(str_to_u64("18446744073709551615", &u) && u == UINT64_MAX);
	assert_false(str_to_u64("18446744073709551616", &u));
	assert_false(str_to_u64("", &u));
	assert_false(str_to_u64("1 ", &u));
	assert_false(str_to_u64("-1", &u));
	assert_false(str_to_u64("+1", &u));
	assert_true(str_to_i64("-9223372036854775808", &i) && i == INT64_MIN);
	assert_false(str_to_i64("9223372036854775808", &i));
	assert_false(str_to_i64("-", &i));
}

static void test_assign(void **state)
{
	char *text = NULL;

	(void) state;
	assert_true(str_assign(&text, "one") && str_eq(text, "one"));
	assert_true(str_assign(&text, "two") && str_eq(text, "two"));
	assert_true(str_assign(&text, NULL) && !text);
}

static void test_vector(void **state)
{
	char **words = NULL;
	size_t count = 0;

	(void) state;
	assert_true(strv_push(&words, &count, strdup("one")));
	assert_true(strv_push(&words, &count, strdup("two")));
	assert_false(strv_push(&words, &count, NULL));
	assert_int_equal(count, 2);
	assert_true(str_eq(words[0], "one") && str_eq(words[1], "two") && !words[2]);
	strv_free(words);
}

static void test_questions(void **state)
{
	(void) state;
	assert_true(str_eq(NULL, NULL));
	assert_false(str_eq(NULL, ""));
	assert_true(str_has_prefix("abc", "ab"));
	assert_false(str_has_suffix("c", "bc"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_builder), cmocka_unit_test(test_numbers),   cmocka_unit_test(test_assign),
		cmocka_unit_test(test_vector),  cmocka_unit_test(test_questions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
