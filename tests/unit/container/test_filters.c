/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Docker's filters, in both their shapes; what "until" may say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "container/container.h"
#include "container/filters.h"

static const char *const known[] = { "status", "label", "label!", "until", NULL };

static void parse(const char *text, struct filters *out)
{
	scow_error *error = NULL;

	if (filters_parse(text, known, out, &error) < 0)
		fail_msg("%s: %s", text, scow_error_message(error));
}

static void refused(const char *text, const char *words)
{
	struct filters filters;
	scow_error *error = NULL;

	assert_int_equal(filters_parse(text, known, &filters, &error), SCOW_E_INVALID);
	if (!strstr(scow_error_message(error), words))
		fail_msg("'%s' is not in '%s'", words, scow_error_message(error));
	assert_null(filters.document);
	scow_error_unref(error);
}

static void test_shapes(void **state)
{
	static const char *const texts[] = { "{\"status\":[\"a\",\"b\"]}", "{\"status\":{\"a\":true,\"b\":true}}" };
	struct filters filters;

	(void) state;
	for (size_t i = 0; i < 2; i++) {
		parse(texts[i], &filters);
		assert_string_equal(filters_value(&filters, "status", 0), "a");
		assert_string_equal(filters_value(&filters, "status", 1), "b");
		assert_null(filters_value(&filters, "status", 2));
		assert_null(filters_value(&filters, "label", 0));
		assert_true(filters_have(&filters, "status") && !filters_have(&filters, "label"));
		assert_true(filters_allow(&filters, "status", "b") && !filters_allow(&filters, "status", "c"));
		assert_true(filters_allow(&filters, "until", "anything"));
		filters_done(&filters);
	}
	for (size_t i = 0; i < 4; i++) {
		parse((const char *const[]){ NULL, "", "{}", "null" }[i], &filters);
		assert_false(filters_have(&filters, "status"));
		assert_true(filters_allow(&filters, "status", "x"));
		assert_true(filters_allow_labels(&filters, NULL));
		filters_done(&filters);
	}
	refused("{", "no JSON document");
	refused("[]", "no JSON object");
	refused("7", "no JSON object");
	refused("{\"colour\":[]}", "'colour' is not a filter here");
	refused("{\"status\":\"a\"}", "neither a list");
	refused("{\"status\":[1]}", "neither a list");
}

static bool labels_pass(const char *filter, const char *labels)
{
	cJSON *object = cJSON_Parse(labels);
	struct filters filters;
	bool pass;

	parse(filter, &filters);
	pass = filters_allow_labels(&filters, object);
	filters_done(&filters);
	cJSON_Delete(object);
	return pass;
}

static void test_labels(void **state)
{
	static const char labels[] = "{\"a\":\"1\",\"b\":\"\",\"c\":\"x=y\"}";

	(void) state;
	assert_true(labels_pass("{\"label\":[\"a\"]}", labels));
	assert_true(labels_pass("{\"label\":[\"a=1\",\"b\"]}", labels));
	assert_true(labels_pass("{\"label\":[\"c=x=y\"]}", labels));
	assert_true(labels_pass("{\"label\":[\"b=\"]}", labels));
	assert_false(labels_pass("{\"label\":[\"a=\"]}", labels));
	assert_false(labels_pass("{\"label\":[\"a=1\",\"d\"]}", labels));
	assert_false(labels_pass("{\"label!\":[\"a\"]}", labels));
	assert_true(labels_pass("{\"label!\":[\"a=2\"]}", labels));
	assert_false(labels_pass("{\"label\":[\"a\"]}", "null"));
}

static int until(const char *value, int64_t *ns)
{
	cJSON *document = cJSON_CreateObject();
	const char *values[] = { value };
	struct filters filters;
	char *text;
	int r;

	cJSON_AddItemToObject(document, "until", cJSON_CreateStringArray(values, 1));
	text = cJSON_PrintUnformatted(document);
	parse(text, &filters);
	r = filters_until(&filters, ns, NULL);
	filters_done(&filters);
	cJSON_free(text);
	cJSON_Delete(document);
	return r;
}

static void expect_before(const char *value, double seconds)
{
	int64_t ns, now = now_ns();

	assert_int_equal(until(value, &ns), 0);
	if (ns < now - (int64_t) (seconds * 1e9) - 1000 || ns > now_ns() - (int64_t) (seconds * 1e9) + 1000)
		fail_msg("%s is %lld ns ago", value, (long long) (now - ns));
}

static void test_until(void **state)
{
	static const char *const bad[] = { "soon", "", "-3h", "3x", "h", "2026-13-01", "2026-01-01T00:00:00+1", "1e99" };
	struct filters none = { NULL };
	int64_t ns;

	(void) state;
	expect_before("10s", 10);
	expect_before("1h30m", 5400);
	expect_before("1.5h", 5400);
	expect_before("300ms", 0.3);
	assert_int_equal(until("1700000000", &ns), 0);
	assert_true(ns == INT64_C(1700000000) * 1000000000);
	assert_int_equal(until("2023-11-14T22:13:20Z", &ns), 0);
	assert_true(ns == INT64_C(1700000000) * 1000000000);
	assert_int_equal(until("2023-11-15T00:13:20.5+02:00", &ns), 0);
	assert_true(ns == INT64_C(1700000000) * 1000000000);
	assert_int_equal(until("2023-11-14", &ns), 0);
	assert_true(ns == INT64_C(1699920000) * 1000000000);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (until(bad[i], &ns) != SCOW_E_INVALID)
			fail_msg("'%s' is taken", bad[i]);
	assert_int_equal(filters_until(&none, &ns, NULL), 0);
	assert_true(ns == INT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_until),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
