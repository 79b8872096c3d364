/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Restart policies, beside those who stop, kill and restart. */
#include "life.h"

#include <signal.h>
#include <unistd.h>

/* Ends with 7 on SIGTERM. */
static const char patient[] = "trap 'exit 7' TERM; sleep 1000 & echo ready; wait";

/* Until it runs as another process than @first. */
static void await_restart(scow_container *container, int first)
{
	for (int i = 0; i < 2000 && (scow_container_pid(container, NULL) == first || !scow_container_pid(container, NULL)); i++)
		usleep(5000);
	assert_int_equal(scow_container_state_now(container, NULL), SCOW_CONTAINER_RUNNING);
}

static void expect_rest(scow_container *container, int code)
{
	scow_error *error = NULL;
	int now;

	expect_ok(scow_container_wait(container, 10000, &now, &error), &error);
	assert_int_equal(now, code);
	usleep(300000);
	assert_int_equal(scow_container_state_now(container, NULL), SCOW_CONTAINER_EXITED);
}

static struct life begin_with_policy(const char *script, scow_restart policy, const char *stop_signal)
{
	SCOW_AUTO(scow_container_config) *config = shell_config(script);
	struct life life = { NULL, NULL };
	scow_error *error = NULL;

	scow_container_config_set_restart(config, policy, 0);
	if (stop_signal)
		scow_container_config_set_stop_signal(config, stop_signal);
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &life.container, &error), &error);
	expect_ok(scow_container_start_detached(life.container, &error), &error);
	await_log(life.container, "ready");
	return life;
}

/* What a stop ends, its policy does not start again; what ends by itself, it does. */
static void test_stop_with_a_policy(void **state)
{
	struct life life = begin_with_policy(patient, SCOW_RESTART_ALWAYS, NULL);
	struct waiting next;
	scow_error *error = NULL;
	int first = scow_container_pid(life.container, NULL);

	(void) state;
	start_waiting(&next, &life, SCOW_WAIT_NEXT_EXIT);
	assert_int_equal(kill(first, SIGTERM), 0);
	pthread_join(next.thread, NULL);
	assert_int_equal(next.result, 0);
	assert_int_equal(next.code, 7);
	await_restart(life.container, first);
	expect_ok(scow_container_stop(life.container, 5000, &error), &error);
	assert_int_equal(scow_container_state_now(life.container, NULL), SCOW_CONTAINER_EXITED);
	usleep(300000);
	assert_int_equal(scow_container_state_now(life.container, NULL), SCOW_CONTAINER_EXITED);
	life_end(&life);
}

/* As Docker's kill: which signals are taken to mean that it is to end for good. */
static void test_kill_with_a_policy(void **state)
{
	static const char script[] = "trap 'exit 7' TERM; trap 'exit 8' QUIT; sleep 1000 & echo ready; wait";
	scow_error *error = NULL;
	struct life life;
	int first;

	(void) state;
	/* No stop signal is named: any signal. */
	life = begin_with_policy(script, SCOW_RESTART_ALWAYS, NULL);
	expect_ok(scow_container_kill(life.container, SIGQUIT, &error), &error);
	expect_rest(life.container, 8);
	life_end(&life);
	/* One is: that one, and SIGKILL. */
	life = begin_with_policy(script, SCOW_RESTART_ALWAYS, "SIGQUIT");
	first = scow_container_pid(life.container, NULL);
	expect_ok(scow_container_kill(life.container, SIGTERM, &error), &error);
	await_restart(life.container, first);
	expect_ok(scow_container_kill(life.container, SIGKILL, &error), &error);
	expect_rest(life.container, 137);
	life_end(&life);
	life = begin_with_policy(script, SCOW_RESTART_ALWAYS, "SIGQUIT");
	expect_ok(scow_container_kill(life.container, SIGQUIT, &error), &error);
	expect_rest(life.container, 8);
	life_end(&life);
	/* Somebody has stopped it by hand. */
	life = begin_with_policy(script, SCOW_RESTART_UNLESS_STOPPED, "SIGQUIT");
	expect_ok(scow_container_kill(life.container, SIGTERM, &error), &error);
	expect_rest(life.container, 7);
	life_end(&life);
}

/* A policy that is taken away while it runs. */
static void test_policy_changed_while_running(void **state)
{
	SCOW_AUTO(scow_container_config) *always = scow_container_config_new(), *no = scow_container_config_new();
	struct life life = life_begin(patient, CREATED);
	scow_error *error = NULL;
	int code;

	(void) state;
	scow_container_config_set_restart(always, SCOW_RESTART_ALWAYS, 0);
	scow_container_config_set_restart(no, SCOW_RESTART_NO, 0);
	expect_ok(scow_container_update(life.container, always, &error), &error);
	expect_ok(scow_container_start_detached(life.container, &error), &error);
	await_log(life.container, "ready");
	expect_ok(scow_container_update(life.container, no, &error), &error);
	expect_ok(scow_container_kill(life.container, SIGTERM, &error), &error);
	expect_ok(scow_container_wait(life.container, 10000, &code, &error), &error);
	assert_int_equal(code, 7);
	life_end(&life);
}

/* It becomes one that lives by itself, with what it wrote. */
static void test_restart(void **state)
{
	struct life life =
		life_begin("cat /count 2>/dev/null; echo again >>/count; trap 'exit 7' TERM; echo ready; sleep 1000 & wait", RUNNING);
	scow_error *error = NULL;
	int first = scow_container_pid(life.container, NULL);

	(void) state;
	expect_ok(scow_container_restart(life.container, -2, &error), &error);
	await_log(life.container, "again");
	await_log(life.container, "ready");
	assert_int_not_equal(scow_container_pid(life.container, NULL), first);
	expect_ok(scow_container_restart(life.container, 10000, &error), &error);
	assert_int_equal(scow_container_state_now(life.container, NULL), SCOW_CONTAINER_RUNNING);
	life_end(&life);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_stop_with_a_policy, fixture_clear),
		cmocka_unit_test_teardown(test_kill_with_a_policy, fixture_clear),
		cmocka_unit_test_teardown(test_policy_changed_while_running, fixture_clear),
		cmocka_unit_test_teardown(test_restart, fixture_clear),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
