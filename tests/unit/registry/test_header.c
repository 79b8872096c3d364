/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Header values: challenges with their commas, content ranges, and words of strangers. */
#include "../unit.h"

#include "base/cleanup.h"
#include "registry/header.h"

struct parsed {
	struct arena arena;
	struct challenge *list;
	size_t count;
};

static bool parse(struct parsed *p, const char *value)
{
	memset(p, 0, sizeof *p);
	return challenges_parse(&p->arena, value, &p->list, &p->count);
}

static void test_bearer_with_commas(void **state)
{
	struct parsed p;

	(void) state;
	assert_true(parse(&p, "Bearer realm=\"https://auth.example/token?a=1,2\",service=\"registry.example\","
			      "scope=\"repository:a/b:pull,push repository:c:pull\""));
	assert_int_equal(p.count, 1);
	assert_string_equal(p.list[0].scheme, "Bearer");
	assert_string_equal(challenge_get(&p.list[0], "REALM"), "https://auth.example/token?a=1,2");
	assert_string_equal(challenge_get(&p.list[0], "service"), "registry.example");
	assert_string_equal(challenge_get(&p.list[0], "scope"), "repository:a/b:pull,push repository:c:pull");
	assert_null(challenge_get(&p.list[0], "error"));
	arena_done(&p.arena);
}

static void test_several_challenges(void **state)
{
	struct parsed p;

	(void) state;
	assert_true(parse(&p, "Negotiate, Basic realm=\"a \\\"quoted\\\" one\" , bearer realm = https://x/t ,service=s, Foo dG9rZW4=="));
	assert_int_equal(p.count, 4);
	assert_non_null(challenge_find(p.list, p.count, "negotiate"));
	assert_string_equal(challenge_get(challenge_find(p.list, p.count, "basic"), "realm"), "a \"quoted\" one");
	assert_string_equal(challenge_get(challenge_find(p.list, p.count, "Bearer"), "realm"), "https://x/t");
	assert_string_equal(challenge_get(challenge_find(p.list, p.count, "Bearer"), "service"), "s");
	assert_int_equal(challenge_find(p.list, p.count, "Foo")->n_parameters, 0);
	assert_null(challenge_find(p.list, p.count, "Digest"));
	arena_done(&p.arena);
}

static void test_malformed_challenges(void **state)
{
	static const char *const bad[] = { "",
					   ",",
					   "=\"x\"",
					   "Bearer realm=\"open",
					   "Bearer realm=\"x",
					   "@@ x",
					   "Bearer realm=\"x\\",
					   "Bearer \"x\"",
					   "Bearer realm=\"a\"\"b\"" };
	_cleanup_free_ char *many = calloc(1, 40000);
	struct parsed p;

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (parse(&p, bad[i]))
			fail_msg("'%s' was taken", bad[i]);
		arena_done(&p.arena);
	}
	for (int i = 0; i < 17; i++)
		strcat(many, "Basic,");
	assert_false(parse(&p, many));
	assert_int_equal(p.count, HEADER_MAX_CHALLENGES);
	arena_done(&p.arena);
	memset(many, 'a', 39999);
	assert_false(parse(&p, many));
	arena_done(&p.arena);
}

static void test_content_range(void **state)
{
	static const char *const bad[] = { "",
					   "bytes",
					   "bytes 5-4/10",
					   "bytes 5-10/10",
					   "bytes */10",
					   "bytes 5-9",
					   "bytes -9/10",
					   "bytes 5-9/10x",
					   "items 0-1/2",
					   "bytes5-9/10",
					   "bytes 5-9/",
					   "bytes 18446744073709551616-18446744073709551617/*",
					   "bytes +5-9/10" };
	uint64_t first, last, total;

	(void) state;
	assert_true(content_range_parse("bytes 5-9/10", &first, &last, &total));
	assert_int_equal(first, 5);
	assert_int_equal(last, 9);
	assert_int_equal(total, 10);
	assert_true(content_range_parse(" Bytes 0-0/*\r\n", &first, &last, &total));
	assert_true(total == UINT64_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (content_range_parse(bad[i], &first, &last, &total))
			fail_msg("'%s' was taken", bad[i]);
}

static void test_text_clean(void **state)
{
	char out[12];

	(void) state;
	text_clean("a\x1b[31m\xc3\xa9\n b  ", 13, out, sizeof out);
	assert_string_equal(out, "a?[31m??  b");
	text_clean("0123456789abcdef", 16, out, sizeof out);
	assert_string_equal(out, "0123456789a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bearer_with_commas),   cmocka_unit_test(test_several_challenges),
		cmocka_unit_test(test_malformed_challenges), cmocka_unit_test(test_content_range),
		cmocka_unit_test(test_text_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
