/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Containers with a supervisor that are their starter's until it lets them go; and ephemeral ones that outlive their maker's handle. */
#include "api_fixture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define FOREVER "while :; do sleep 60; done"

static scow_container *make(scow_engine *engine, const char *name, int ephemeral)
{
	SCOW_AUTO(scow_container_config) *config = shell_config(FOREVER);
	scow_container *container = NULL;
	scow_error *error = NULL;

	scow_container_config_set_name(config, name);
	scow_container_config_set_ephemeral(config, ephemeral);
	scow_container_config_set_restart(config, ephemeral ? SCOW_RESTART_NO : SCOW_RESTART_ALWAYS, 0);
	expect_ok(scow_container_create(engine, fixture.image, config, &container, &error), &error);
	return container;
}

static scow_container *get(const char *name)
{
	scow_container *container = NULL;
	scow_error *error = NULL;

	expect_ok(scow_container_get(fixture.engine, name, &container, &error), &error);
	return container;
}

static void expect_end(scow_container *container)
{
	scow_error *error = NULL;
	int code = -1;

	expect_ok(scow_container_wait(container, 20000, &code, &error), &error);
	assert_int_equal(code, 137);
	assert_int_equal(scow_container_state_now(container, NULL), SCOW_CONTAINER_EXITED);
}

static void test_goes_with_its_handle(void **state)
{
	scow_container *container = make(fixture.engine, "held", 0), *other;
	scow_error *error = NULL;

	(void) state;
	expect_ok(scow_container_start_detachable(container, NULL, &error), &error);
	other = get("held");
	scow_container_unref(container);
	/* Its policy does not start it again. */
	expect_end(other);
	remove_it(other, 0);
}

static void test_let_go(void **state)
{
	scow_container *container = make(fixture.engine, "free", 0), *other;
	scow_error *error = NULL;

	(void) state;
	expect_ok(scow_container_start_detachable(container, NULL, &error), &error);
	expect_ok(scow_container_detach(container, &error), &error);
	scow_container_unref(container);
	usleep(200000);
	other = get("free");
	assert_int_equal(scow_container_state_now(other, NULL), SCOW_CONTAINER_RUNNING);
	expect_ok(scow_container_detach(other, &error), &error); /* not ours to hold: nothing to do */
	remove_it(other, SCOW_REMOVE_FORCE);
}

/* In a process of its own, which ends without a word. */
static void run_and_die(int let_go)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		scow_engine *engine = fixture_open();
		scow_container *container = NULL;

		if (scow_container_get(engine, "orphan", &container, NULL) < 0 ||
		    scow_container_start_detachable(container, NULL, NULL) < 0)
			_exit(1);
		if (let_go && scow_container_detach(container, NULL) < 0)
			_exit(2);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void test_starter_dies(void **state)
{
	scow_container *container = make(fixture.engine, "orphan", 0);

	(void) state;
	run_and_die(0);
	expect_end(container);
	run_and_die(1);
	usleep(200000);
	assert_int_equal(scow_container_state_now(container, NULL), SCOW_CONTAINER_RUNNING);
	remove_it(container, SCOW_REMOVE_FORCE);
}

static void test_own_child_stays(void **state)
{
	scow_container *container = make(fixture.engine, "child", 0);
	SCOW_AUTO(scow_process) *process = NULL;
	scow_error *error = NULL;

	(void) state;
	expect_ok(scow_container_start(container, NULL, &process, &error), &error);
	expect_error(scow_container_detach(container, &error), SCOW_E_STATE, &error, "no supervisor");
	expect_ok(scow_process_signal(process, 9, &error), &error);
	expect_ok(scow_process_wait(process, 20000, NULL, &error), &error);
	remove_it(container, 0);
}

/* As `create --rm`: it waits for whoever starts it, and goes once it has run. */
static void test_ephemeral(void **state)
{
	scow_container *container = make(fixture.engine, "later", 1), *other;
	scow_error *error = NULL;

	(void) state;
	expect_ok(scow_container_detach(container, &error), &error);
	scow_container_unref(container);
	other = get("later");
	expect_ok(scow_container_start_detached(other, &error), &error);
	expect_ok(scow_container_kill(other, 9, &error), &error);
	expect_ok(scow_container_wait_for(other, SCOW_WAIT_REMOVED, 20000, NULL, &error), &error);
	scow_container_unref(other);
	expect_error(scow_container_get(fixture.engine, "later", &other, &error), SCOW_E_NOT_FOUND, &error, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_goes_with_its_handle, fixture_clear),
		cmocka_unit_test_teardown(test_let_go, fixture_clear),
		cmocka_unit_test_teardown(test_starter_dies, fixture_clear),
		cmocka_unit_test_teardown(test_own_child_stays, fixture_clear),
		cmocka_unit_test_teardown(test_ephemeral, fixture_clear),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
