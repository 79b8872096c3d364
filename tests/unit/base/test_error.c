/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit/unit.h"

#include "base/error.h"

static void test_everything_is_kept(void **state)
{
	scow_error *error = NULL;
	char call[] = "openat";
	int r;

	(void) state;
	errno = 77;
	r = error_errno(&error, ENOENT, call, "open layer '%s'", "x");
	memset(call, 'x', sizeof(call)); /* the call's name, too */
	r = error_at(&error, r, "read layer", "x");
	r = error_at(&error, r, "an outer step", "y");
	r = error_hint(&error, r, "pull it again");
	r = error_hint(&error, r, "another hint");
	r = error_wrap(&error, r, "start '%s'", "c");
	assert_int_equal(errno, 77);
	assert_int_equal(r, SCOW_E_NOT_FOUND);
	assert_int_equal(scow_error_status(error), SCOW_E_NOT_FOUND);
	assert_string_equal(scow_error_message(error), "start 'c': open layer 'x': No such file or directory");
	assert_string_equal(scow_error_hint(error), "pull it again");
	assert_string_equal(scow_error_step(error), "read layer");
	assert_string_equal(scow_error_object(error), "x");
	assert_string_equal(scow_error_syscall(error), "openat");
	assert_int_equal(scow_error_errno(error), ENOENT);
	assert_null(scow_error_unref(error));
}

static void test_null_is_allowed(void **state)
{
	(void) state;
	assert_int_equal(error_set(NULL, SCOW_E_BUSY, "x"), SCOW_E_BUSY);
	assert_int_equal(error_wrap(NULL, SCOW_E_BUSY, "x"), SCOW_E_BUSY);
	assert_int_equal(error_oom(NULL), SCOW_E_NO_MEMORY);
	assert_null(scow_error_unref(NULL));
	assert_string_equal(scow_error_message(NULL), "no error");
	assert_int_equal(scow_error_status(NULL), SCOW_OK);
}

static void test_out_of_memory_is_static(void **state)
{
	scow_error *error = NULL;

	(void) state;
	assert_int_equal(error_oom(&error), SCOW_E_NO_MEMORY);
	assert_int_equal(error_wrap(&error, SCOW_E_NO_MEMORY, "x"), SCOW_E_NO_MEMORY);
	assert_string_equal(scow_error_message(error), "out of memory");
	scow_error_unref(scow_error_ref(error));
	scow_error_unref(error);
}

static void test_control_characters_are_escaped(void **state)
{
	scow_error *error = NULL;

	(void) state;
	error_set(&error, SCOW_E_INVALID, "no such image 'a\x1b[31m\nb'");
	error_wrap(&error, SCOW_E_INVALID, "pull '\t'");
	assert_string_equal(scow_error_message(error), "pull '\\x09': no such image 'a\\x1b[31m\\x0ab'");
	scow_error_unref(error);
}

static void test_names(void **state)
{
	(void) state;
	assert_string_equal(scow_status_name(0), "SCOW_OK");
	assert_string_equal(scow_status_name(SCOW_E_LIMIT), "SCOW_E_LIMIT");
	assert_string_equal(scow_status_name(SCOW_E_NOT_EXECUTABLE), "SCOW_E_NOT_EXECUTABLE");
	assert_string_equal(scow_status_name(-1000), "SCOW_E_UNKNOWN");
}

static void test_first_bad_value_is_kept(void **state)
{
	scow_error *kept = NULL, *error = NULL;

	(void) state;
	assert_int_equal(error_kept(kept, &error), 0);
	assert_null(error);
	error_keep(&kept, SCOW_E_INVALID, "set_mtu", "'%s' is not a size", "x");
	error_keep(&kept, SCOW_E_UNSUPPORTED, "set_driver", "there is none");
	assert_int_equal(error_kept(kept, &error), SCOW_E_INVALID);
	assert_string_equal(scow_error_message(error), "set_mtu: 'x' is not a size");
	assert_int_equal(error_kept(kept, NULL), SCOW_E_INVALID);
	scow_error_unref(error);
	scow_error_unref(kept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_is_kept),
		cmocka_unit_test(test_null_is_allowed),
		cmocka_unit_test(test_out_of_memory_is_static),
		cmocka_unit_test(test_control_characters_are_escaped),
		cmocka_unit_test(test_first_bad_value_is_kept),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
