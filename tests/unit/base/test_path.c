/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit/unit.h"

#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fd.h"

static void test_clean(void **state)
{
	static const struct {
		const char *in, *out;
	} table[] = {
		{ "", "/" },	       { "/", "/" },	      { "a", "/a" },	     { "//a///b/", "/a/b" }, { "/a/./b/..", "/a" },
		{ "/../../x", "/x" },  { "/a/../..", "/" },   { "/a/..b", "/a/..b" }, { "/...", "/..." },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_free_ char *clean = path_clean(table[i].in);

		assert_string_equal(clean, table[i].out);
	}
	assert_true(path_is_plain("a/b"));
	assert_false(path_is_plain("a//b"));
	assert_false(path_is_plain("/a"));
	assert_false(path_is_plain("a/"));
	assert_false(path_is_plain("../a"));
	assert_false(path_is_plain(""));
}

static void test_links_stay_inside(void **state)
{
	struct scratch scratch = scratch_new();

	(void) state;
	assert_ok(mkdirat(scratch.fd, "etc", 0755));
	assert_ok(symlinkat("/", scratch.fd, "abs"));
	assert_ok(symlinkat("../../../../../..", scratch.fd, "up"));

	/* /etc/passwd of the host exists; the root's own etc is empty. */
	assert_int_equal(path_open_in(scratch.fd, "/abs/etc/passwd", O_RDONLY, 0), -ENOENT);
	assert_int_equal(path_open_in(scratch.fd, "/up/etc/passwd", O_RDONLY, 0), -ENOENT);
	assert_int_equal(path_open_in(scratch.fd, "../../etc/passwd", O_RDONLY, 0), -ENOENT);
	assert_int_equal(path_open_beneath(scratch.fd, "abs/etc", O_PATH, 0), -ELOOP);
	assert_int_equal(path_open_beneath(scratch.fd, "../x", O_PATH, 0), -EXDEV);
	scratch_done(&scratch);
}

static void test_remove_deep(void **state)
{
	struct scratch scratch = scratch_new();
	int at = dup(scratch.fd);

	(void) state;
	/* Far deeper than descriptors or PATH_MAX allow. */
	for (int i = 0; i < 3000; i++) {
		int next;

		assert_ok(mkdirat(at, "directory", 0700));
		assert_ok(file_publish_at(at, "file", "x", 1, 0400));
		assert_ok(symlinkat("/etc", at, "link"));
		next = openat(at, "directory", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_ok(next);
		close(at);
		at = next;
	}
	assert_ok(fchmod(at, 0));
	close(at);
	assert_ok(path_remove_tree(scratch.fd, "directory"));
	assert_int_equal(faccessat(scratch.fd, "directory", F_OK, 0), -1);
	assert_ok(path_remove_tree(scratch.fd, "link"));
	assert_ok(access("/etc/passwd", F_OK));
	assert_ok(path_remove_tree(scratch.fd, "missing"));
	scratch_done(&scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_links_stay_inside),
		cmocka_unit_test(test_remove_deep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
