/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The part of YAML that programs write: what becomes of it, and that all else is refused by its line. */
#include "unit.h"

#include <string.h>

#include "base/yaml.h"

static void expect(const char *text, const char *json)
{
	_cleanup_json_ cJSON *document = NULL;
	_cleanup_free_ char *printed = NULL, *exact = malloc(strlen(text) + 1);
	scow_error *error = NULL;

	/* Without a NUL behind it, so that a sanitizer sees what is read beyond the end. */
	exact = realloc(exact, strlen(text) ? strlen(text) : 1);
	memcpy(exact, text, strlen(text));
	if (yaml_parse(exact, strlen(text), "it", &document, &error) < 0)
		fail_msg("%s\n%s", text, scow_error_message(error));
	printed = json_print(document);
	if (strcmp(printed, json) != 0)
		fail_msg("%s\n%s\n%s", text, json, printed);
}

static void expect_refusal(const char *text, const char *reason)
{
	cJSON *document = NULL;
	scow_error *error = NULL;
	int r = yaml_parse(text, strlen(text), "it", &document, &error);

	if (r != SCOW_E_CORRUPT || document || !strstr(scow_error_message(error), reason))
		fail_msg("%s\n%d: %s", text, r, scow_error_message(error));
	scow_error_unref(error);
}

static void test_structure(void **state)
{
	(void) state;
	expect("a: 1", "{\"a\":1}");
	expect("---\n# all of it\na: 1 # one\nb:   x y  \n...\n# end", "{\"a\":1,\"b\":\"x y\"}");
	expect("\xef\xbb\xbf--- # so\r\na:\r\n  b:\r\n    c: d\r\ne: f\r\n", "{\"a\":{\"b\":{\"c\":\"d\"}},\"e\":\"f\"}");
	/* A list as deep as its key, or deeper. */
	expect("a:\n- 1\n- 2\nb:\n  - 3\n", "{\"a\":[1,2],\"b\":[3]}");
	expect("- a: 1\n  b:\n  - x\n  - y\n  c: 2\n-   d: 3\n    e: 4\n- - p\n  - q\n-\n  r: s\n-\n- t",
	       "[{\"a\":1,\"b\":[\"x\",\"y\"],\"c\":2},{\"d\":3,\"e\":4},[\"p\",\"q\"],{\"r\":\"s\"},null,\"t\"]");
	expect("a:\nb: # nothing\n\n\n  # still nothing\nc: []\nd: {} # empty\ne:\n- []\n",
	       "{\"a\":null,\"b\":null,\"c\":[],\"d\":{},\"e\":[[]]}");
	expect("\"a b\": 1\n'c: d' : 2\ne:f: 3\n", "{\"a b\":1,\"c: d\":2,\"e:f\":3}");
	expect("just this", "\"just this\"");
}

static void test_scalars(void **state)
{
	(void) state;
	expect("- 0\n- -7\n- +7\n- 0660\n- 0o17\n- 0x1f\n- 08\n- \"0\"\n- '1'\n", "[0,-7,7,432,15,31,8,\"0\",\"1\"]");
	expect("- true\n- False\n- null\n- ~\n- yes\n- nullable\n- True story\n",
	       "[true,false,null,null,\"yes\",\"nullable\",\"True story\"]");
	/* Signs that mean nothing where they are. */
	expect("- 0.5.0\n- --flag\n- -1a\n- a#b\n- a:b\n- :x\n- ?x\n- /usr/lib::/lib/x.so.1\n- it's\n- 12-5\n- 1:2\n- e3\n",
	       "[\"0.5.0\",\"--flag\",\"-1a\",\"a#b\",\"a:b\",\":x\",\"?x\",\"/usr/lib::/lib/x.so.1\",\"it's\",\"12-5\",\"1:2\",\"e3\"]");
	expect("- 'it''s # no comment: \"so\"'\n- ''\n- \"\"\n- \"a\\tb\\\"\\\\\\/\\x41\\u00e9\\U0001F600\"\n",
	       "[\"it's # no comment: \\\"so\\\"\",\"\",\"\",\"a\\tb\\\"\\\\/A\xc3\xa9\xf0\x9f\x98\x80\"]");
}

static void test_refused(void **state)
{
	static const char *const bad[][2] = {
		{ "", "it: line 0: there is nothing in it" },
		{ "# only\n---\n", "there is nothing in it" },
		{ "a: 1\n b: 2", "line 2: it is indented more" },
		{ "a:\n    b: 1\n  c: 2", "line 3: it is indented more" },
		{ " a: 1\nb: 2", "line 2: it does not belong" },
		{ "a: 1\n- b", "line 2: it does not belong" },
		{ "- a\nb: 1", "line 2: it does not belong" },
		{ "a: 1\nb", "line 2: expected KEY: VALUE" },
		{ "a: several\n  lines", "line 2: it is indented more" },
		{ "a: 1\na: 2", "line 2: 'a' is there twice" },
		{ "a: b: c", "line 1: a second key" },
		{ "a: - b", "line 1: a second key, or an item" },
		{ "a: &x 1", "line 1: an anchor" },
		{ "a: *x", "an alias" },
		{ "a: !!str 1", "a tag" },
		{ "a: |\n  text", "line 1: a text of several lines" },
		{ "a: >-\n  text", "a text of several lines" },
		{ "a: [1, 2]", "a list in one line" },
		{ "a: {b: 1}", "a second key" },
		{ "- {b}", "a mapping in one line" },
		{ "{a: 1}", "a mapping in one line" },
		{ "%YAML 1.2\n---\na: 1", "line 1: a directive" },
		{ "? a\n: b", "line 1: a '?'" },
		{ ": b", "a ':'" },
		{ "<<: x", "a merge" },
		{ "a: 1\n---\nb: 2", "line 2: a second document" },
		{ "a: 1\n...\nb: 2", "line 3: it does not belong" },
		{ "--- a", "something behind '---'" },
		{ "a:\n\t- b", "line 2: a tab" },
		{ "a: \x01", "a control character" },
		{ "a: 'x", "a quote has no end" },
		{ "a: \"x\\\"", "a quote has no end" },
		{ "a: \"\\q\"", "an escape that is none" },
		{ "a: \"\\u12\"", "an escape that is none" },
		{ "a: \"\\u12zz\"", "is no character" },
		{ "a: \"\\u1", "an escape that is none" },
		{ "a: \"\\ud800\"", "is no character" },
		{ "a: 'x' y", "'y' is one thing too much" },
		{ "a: 'x'#y", "one thing too much" },
		{ "a: [] 1", "one thing too much" },
		{ "'a' 1", "one thing too much" },
		{ "a: 1.5", "line 1: '1.5' is a fraction" },
		{ "a: 1e3", "is a fraction" },
		{ "a: .5", "is a fraction" },
		{ "a: 12345678901234567890", "too large" },
		{ "- - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - x", "deeper than 32" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		expect_refusal(bad[i][0], bad[i][1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_structure),
		cmocka_unit_test(test_scalars),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
