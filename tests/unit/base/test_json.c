/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit/unit.h"

#include "base/json.h"
#include "base/str.h"

static int parse(const char *text, cJSON **out)
{
	return json_parse(text, strlen(text), "test", out, NULL);
}

static void test_refused(void **state)
{
	static const char *const bad[] = { "", "{", "{}x", "{} {}", "{\"a\":\"\\u0000\"}", "[1,", "nul", "{\"a\":1}}" };
	struct str deep = { 0 };
	cJSON *item;
	char *text;

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse(bad[i], &item), SCOW_E_CORRUPT);
	assert_int_equal(json_parse("{}\0", 3, "test", &item, NULL), SCOW_E_CORRUPT);
	for (int i = 0; i < 100000; i++)
		str_add_char(&deep, '[');
	text = str_take(&deep);
	assert_int_equal(parse(text, &item), SCOW_E_CORRUPT);
	free(text);
}

static void test_members(void **state)
{
	_cleanup_json_ cJSON *item = NULL;
	const char *text;
	const cJSON *list;
	int64_t number = 5;

	(void) state;
	assert_ok(parse("{\"s\":\"x\",\"n\":-3,\"b\":false,\"half\":1.5,\"l\":[\"a\"],\"mixed\":[\"a\",1],\"z\":null} \n", &item));
	assert_ok(json_string(item, "s", &text, NULL));
	assert_string_equal(text, "x");
	assert_ok(json_string(item, "z", &text, NULL));
	assert_null(text);
	assert_int_equal(json_string(item, "n", &text, NULL), SCOW_E_CORRUPT);
	assert_ok(json_i64(item, "missing", &number, NULL));
	assert_int_equal(number, 5);
	assert_ok(json_i64(item, "n", &number, NULL));
	assert_int_equal(number, -3);
	assert_int_equal(json_i64(item, "half", &number, NULL), SCOW_E_CORRUPT);
	assert_ok(json_strings(item, "l", &list, NULL));
	assert_int_equal(cJSON_GetArraySize(list), 1);
	assert_int_equal(json_strings(item, "mixed", &list, NULL), SCOW_E_CORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_refused), cmocka_unit_test(test_members) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
