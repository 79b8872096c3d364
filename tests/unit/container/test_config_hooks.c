/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit/unit.h"

#include "container/config.h"

static void check_written(scow_container_config *config, const char *expected)
{
	scow_container_config *copy = NULL;
	scow_error *error = NULL;
	char *json = NULL, *again = NULL;

	if (scow_container_config_to_json(config, &json, &error) < 0)
		fail_msg("%s", scow_error_message(error));
	assert_string_equal(json, expected);
	if (scow_container_config_from_json(json, &copy, &error) < 0)
		fail_msg("%s", scow_error_message(error));
	assert_int_equal(scow_container_config_to_json(copy, &again, &error), 0);
	assert_string_equal(again, json);
	free(json);
	free(again);
	scow_container_config_unref(copy);
	scow_container_config_unref(config);
}

static void test_json(void **state)
{
	static const char *const args[] = { "hook", "a b", "", NULL }, *const env[] = { "A=1", "B=", NULL }, *const none[] = { NULL };
	scow_container_config *config = scow_container_config_new();

	(void) state;
	scow_container_config_add_hook(config, SCOW_HOOK_POSTSTOP, "/z", NULL, NULL, 1500);
	scow_container_config_add_hook(config, SCOW_HOOK_CREATE_RUNTIME, "/usr/bin/hook", args, env, 2000);
	scow_container_config_add_hook(config, SCOW_HOOK_CREATE_RUNTIME, "/b\"c", none, none, 0);
	scow_container_config_add_hook(config, SCOW_HOOK_PRESTART, "/a", NULL, NULL, 0);
	scow_container_config_add_annotation(config, "x", "y");
	check_written(config,
		      "{\"HostConfig\":{\"Annotations\":{\"x\":\"y\"},\"Hooks\":{\"prestart\":[{\"path\":\"/a\"}],\"createRuntime\":["
		      "{\"path\":\"/usr/bin/hook\",\"args\":[\"hook\",\"a b\",\"\"],\"env\":[\"A=1\",\"B=\"],\"timeout\":2},"
		      "{\"path\":\"/b\\\"c\",\"args\":[],\"env\":[]}],\"poststop\":[{\"path\":\"/z\",\"timeout\":1.500}]}}}");
}

static void refuse_json(const char *hooks, const char *message)
{
	scow_container_config *config = NULL;
	scow_error *error = NULL;
	char json[512];

	snprintf(json, sizeof(json), "{\"HostConfig\":{\"Hooks\":%s}}", hooks);
	assert_int_equal(scow_container_config_from_json(json, &config, &error), SCOW_E_INVALID);
	assert_string_equal(scow_error_message(error), message);
	scow_error_unref(error);
}

static void test_bad_json(void **state)
{
	(void) state;
	refuse_json("[1]", "HostConfig.Hooks: expected an object");
	refuse_json("{\"never\":[{\"path\":\"/a\"}]}", "HostConfig.Hooks.never: there is no such stage");
	refuse_json("{\"prestart\":{\"path\":\"/a\"}}", "HostConfig.Hooks.prestart: expected an array of objects with a 'path'");
	refuse_json("{\"prestart\":[\"/a\"]}", "HostConfig.Hooks.prestart: expected an array of objects with a 'path'");
	refuse_json("{\"prestart\":[{\"path\":\"a\"}]}", "HostConfig.Hooks.prestart: 'a' is not an absolute path");
	refuse_json("{\"prestart\":[{\"path\":\"/a\",\"timeout\":0}]}",
		    "HostConfig.Hooks.prestart: expected a 'timeout' of more than 0 seconds");
	refuse_json("{\"prestart\":[{\"path\":\"/a\",\"timeout\":1e300}]}",
		    "HostConfig.Hooks.prestart: expected a 'timeout' of more than 0 seconds");
	refuse_json("{\"prestart\":[{\"path\":\"/a\",\"args\":[1]}]}", "HostConfig.Hooks.prestart: expected an array of strings");
	refuse_json("{\"prestart\":[{\"path\":\"/a\",\"env\":[\"x\"]}]}",
		    "HostConfig.Hooks.prestart: 'x' of the environment of '/a' is no NAME=value");
}

static void refuse_setter(scow_hook_stage stage, const char *path, const char *const *env, const char *message)
{
	scow_container_config *config = scow_container_config_new();
	scow_error *error = NULL;

	scow_container_config_add_hook(config, stage, path, NULL, env, 0);
	assert_int_equal(config_check(config, &error), SCOW_E_INVALID);
	assert_string_equal(scow_error_message(error), message);
	scow_error_unref(error);
	scow_container_config_unref(config);
}

static void test_bad_values(void **state)
{
	static const char *const env[] = { "A=1", "=x", NULL };

	(void) state;
	refuse_setter((scow_hook_stage) 6, "/a", NULL, "add_hook: 6 is no stage of a hook");
	refuse_setter((scow_hook_stage) -1, "/a", NULL, "add_hook: -1 is no stage of a hook");
	refuse_setter(SCOW_HOOK_POSTSTOP, NULL, NULL, "add_hook: '' is not an absolute path");
	refuse_setter(SCOW_HOOK_POSTSTOP, "a/b", NULL, "add_hook: 'a/b' is not an absolute path");
	refuse_setter(SCOW_HOOK_POSTSTOP, "/a", env, "add_hook: '=x' of the environment of '/a' is no NAME=value");
	scow_container_config_add_hook(NULL, SCOW_HOOK_POSTSTOP, "/a", NULL, NULL, 0);
	scow_container_config_set_hook_callback(NULL, NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_bad_json),
		cmocka_unit_test(test_bad_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
