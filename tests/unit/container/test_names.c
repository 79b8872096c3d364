/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Made-up names are valid ones, differ, and gain a number where two were taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "container/container.h"

static void test_shape(void **state)
{
	(void) state;
	for (int i = 0; i < 2000; i++) {
		char name[NAME_MAX_MADE], *bar;

		name_make(name, (unsigned int) i % 8);
		bar = strchr(name, '_');
		assert_non_null(bar);
		assert_true(bar > name && bar[1]);
		assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_0123456789"), strlen(name));
		assert_int_equal(strpbrk(name, "0123456789") != NULL, i % 8 >= 2);
	}
}

static void test_differ(void **state)
{
	char first[NAME_MAX_MADE], other[NAME_MAX_MADE];
	int same = 0;

	(void) state;
	name_make(first, 0);
	for (int i = 0; i < 20; i++) {
		name_make(other, 0);
		same += strcmp(first, other) == 0;
	}
	assert_true(same < 3);
}

static void test_states(void **state)
{
	(void) state;
	assert_true(container_allows(SCOW_CONTAINER_CREATED, ACTION_START));
	assert_true(container_allows(SCOW_CONTAINER_EXITED, ACTION_START));
	assert_false(container_allows(SCOW_CONTAINER_RUNNING, ACTION_START));
	assert_false(container_allows(SCOW_CONTAINER_REMOVING, ACTION_START));
	assert_false(container_allows(SCOW_CONTAINER_DEAD, ACTION_START));
	assert_false(container_allows(SCOW_CONTAINER_RUNNING, ACTION_REMOVE));
	assert_true(container_allows(SCOW_CONTAINER_RUNNING, ACTION_REMOVE_ENDED));
	assert_false(container_allows(SCOW_CONTAINER_REMOVING, ACTION_REMOVE));
	assert_true(container_allows(SCOW_CONTAINER_DEAD, ACTION_REMOVE));
	assert_false(container_allows(SCOW_CONTAINER_EXITED, ACTION_EXIT));
	assert_false(container_allows(-1, ACTION_START));
	assert_false(container_allows(99, ACTION_START));
	for (int action = 0; action < ACTION_COUNT; action++)
		assert_string_not_equal(container_state_name(container_next_state((enum container_action) action)), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shape),
		cmocka_unit_test(test_differ),
		cmocka_unit_test(test_states),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
