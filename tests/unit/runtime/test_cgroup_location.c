/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a cgroup is, as text: what one process writes, another reads the same, whatever cgroup it is in itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "runtime/cgroup-internal.h"

static char *locate(struct cgroup_base *base)
{
	scow_engine engine = { .cgroup_base = base, .lock = PTHREAD_MUTEX_INITIALIZER };
	char *text = NULL;

	assert_int_equal(cgroup_location(&engine, "scow-1", &text, NULL), 0);
	return text;
}

static void expect_own(const char *location, const struct cgroup_base *base, size_t hierarchy, const char *own)
{
	char *found = cgroup_location_own(location, base, &base->hierarchies[hierarchy]);

	if (!str_eq(found, own))
		fail_msg("'%s' instead of '%s'", found ? found : "(null)", own ? own : "(null)");
	free(found);
}

static void test_v1(void **state)
{
	char own[] = "a", other[] = "b/c", top[] = "";
	struct cgroup_base base = {
		.mode = CGROUP_V1,
		.n_hierarchies = 4,
		.hierarchies = {
			{ .controllers = CG_BIT(CG_MEMORY), .own = other },
			{ .controllers = CG_BIT(CG_CPU) | CG_BIT(CG_CPUACCT), .own = own },
			{ .controllers = CG_BIT(CG_PIDS), .own = own },
			{ .controllers = 0, .own = top }, /* not writable: of no use to anybody here */
		},
	};
	struct cgroup_base elsewhere = base;
	char *text = locate(&base), *name = cgroup_location_name(text);

	(void) state;
	assert_string_equal(text, "scow-1\nmemory:b/c\n*:a");
	assert_string_equal(name, "scow-1");
	/* The reader is somewhere else, and may even have less. */
	for (size_t i = 0; i < 4; i++)
		elsewhere.hierarchies[i].own = top;
	expect_own(text, &elsewhere, 0, "b/c");
	expect_own(text, &elsewhere, 1, "a");
	expect_own(text, &elsewhere, 2, "a");
	free(name);
	free(text);
}

static void test_v2(void **state)
{
	char own[] = "user.slice/x:y";
	struct cgroup_base base = { .mode = CGROUP_V2, .n_hierarchies = 1, .hierarchies = { { .own = own } } };
	char *text = locate(&base);

	(void) state;
	assert_string_equal(text, "scow-1\n*:user.slice/x:y");
	expect_own(text, &base, 0, "user.slice/x:y");
	free(text);
}

/* At the top of the mounts; and where nothing can be made, or an older library wrote the row. */
static void test_nowhere(void **state)
{
	char top[] = "", reason[] = "no";
	struct cgroup_base base = { .mode = CGROUP_V2, .n_hierarchies = 1, .hierarchies = { { .own = top } } };
	char *text = locate(&base), *name;

	(void) state;
	assert_string_equal(text, "scow-1\n*:");
	expect_own(text, &base, 0, "");
	free(text);
	base.reason = reason;
	text = locate(&base);
	assert_string_equal(text, "scow-1");
	expect_own(text, &base, 0, NULL);
	name = cgroup_location_name(text);
	assert_string_equal(name, "scow-1");
	free(name);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_v1),
		cmocka_unit_test(test_v2),
		cmocka_unit_test(test_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
