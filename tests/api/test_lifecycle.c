/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A container's life: every operation in every state; pause, rename, and who waits for what. */
#include "life.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Ends with 7 on SIGTERM; "busy" also works without a pause. */
static const char patient[] = "trap 'exit 7' TERM; sleep 1000 & echo ready; wait";
static const char busy[] = "trap 'exit 7' TERM; echo ready; while :; do :; done";
static const char *const state_names[] = { "created", "running", "paused", "detached", "detached and paused", "exited", "gone" };

/* ---- the state machine ---- */

static int op_start(struct life *life, scow_error **error)
{
	SCOW_AUTO(scow_process) *process = NULL;
	int r = scow_container_start(life->container, NULL, &process, error);

	if (r == 0)
		scow_container_stop(life->container, 0, NULL);
	return r;
}

static int op_start_detached(struct life *life, scow_error **error)
{
	return scow_container_start_detached(life->container, error);
}

static int op_restart(struct life *life, scow_error **error)
{
	return scow_container_restart(life->container, 0, error);
}

static int op_kill(struct life *life, scow_error **error)
{
	return scow_container_kill(life->container, SIGCONT, error);
}

static int op_stop(struct life *life, scow_error **error)
{
	return scow_container_stop(life->container, -2, error);
}

static int op_pause(struct life *life, scow_error **error)
{
	return scow_container_pause(life->container, error);
}

static int op_unpause(struct life *life, scow_error **error)
{
	return scow_container_unpause(life->container, error);
}

static int op_rename(struct life *life, scow_error **error)
{
	return scow_container_rename(life->container, "renamed", error);
}

static int op_update(struct life *life, scow_error **error)
{
	SCOW_AUTO(scow_container_config) *changes = scow_container_config_new();

	scow_container_config_set_pids_max(changes, 100);
	return scow_container_update(life->container, changes, error);
}

static int op_wait(struct life *life, scow_error **error)
{
	return scow_container_wait(life->container, 20, NULL, error);
}

static int op_next_exit(struct life *life, scow_error **error)
{
	return scow_container_wait_for(life->container, SCOW_WAIT_NEXT_EXIT, 20, NULL, error);
}

static int op_removed(struct life *life, scow_error **error)
{
	return scow_container_wait_for(life->container, SCOW_WAIT_REMOVED, 20, NULL, error);
}

static int op_document(struct life *life, int (*get)(scow_container *, char **, scow_error **), scow_error **error)
{
	char *text = NULL;
	int r = get(life->container, &text, error);

	scow_free(text);
	return r;
}

static int op_top(struct life *life, scow_error **error)
{
	return op_document(life, scow_container_top_json, error);
}

static int op_stats(struct life *life, scow_error **error)
{
	return op_document(life, scow_container_stats_json, error);
}

static int op_inspect(struct life *life, scow_error **error)
{
	return op_document(life, scow_container_inspect_json, error);
}

static int op_size(struct life *life, scow_error **error)
{
	uint64_t written, total;

	return scow_container_size(life->container, &written, &total, error);
}

static int op_remove(struct life *life, scow_error **error)
{
	return scow_container_remove(life->container, 0, error);
}

static int op_force(struct life *life, scow_error **error)
{
	return scow_container_remove(life->container, SCOW_REMOVE_FORCE, error);
}

#define STATE SCOW_E_STATE
#define LATE SCOW_E_TIMEOUT
#define NONE SCOW_E_NOT_FOUND
static const struct {
	const char *name;
	int (*run)(struct life *life, scow_error **error);
	int expected[STATES];
	int left_in[STATES]; /* the state after it; -1: gone */
} operations[] = {
	/* created, running, paused, detached, detached and paused, exited, gone; then what it leaves: created 0, running 1, paused 2,
	   exited 5 */
	{ "start", op_start, { 0, STATE, STATE, STATE, STATE, 0, NONE }, { 5, 1, 2, 1, 2, 5, -1 } },
	{ "start detached", op_start_detached, { 0, STATE, STATE, STATE, STATE, 0, NONE }, { 1, 1, 2, 1, 2, 1, -1 } },
	{ "kill", op_kill, { STATE, 0, 0, 0, 0, STATE, NONE }, { 0, 1, 1, 1, 1, 5, -1 } },
	{ "stop", op_stop, { 0, 0, 0, 0, 0, 0, NONE }, { 0, 5, 5, 5, 5, 5, -1 } },
	{ "restart", op_restart, { 0, 0, 0, 0, 0, 0, NONE }, { 1, 1, 1, 1, 1, 1, -1 } },
	{ "pause", op_pause, { STATE, 0, STATE, 0, STATE, STATE, NONE }, { 0, 2, 2, 2, 2, 5, -1 } },
	{ "unpause", op_unpause, { STATE, STATE, 0, STATE, 0, STATE, NONE }, { 0, 1, 1, 1, 1, 5, -1 } },
	{ "rename", op_rename, { 0, 0, 0, 0, 0, 0, NONE }, { 0, 1, 2, 1, 2, 5, -1 } },
	{ "update", op_update, { 0, 0, 0, 0, 0, 0, NONE }, { 0, 1, 2, 1, 2, 5, -1 } },
	{ "wait", op_wait, { 0, LATE, LATE, LATE, LATE, 0, NONE }, { 0, 1, 2, 1, 2, 5, -1 } },
	{ "wait for the next exit", op_next_exit, { LATE, LATE, LATE, LATE, LATE, LATE, NONE }, { 0, 1, 2, 1, 2, 5, -1 } },
	{ "wait for its removal", op_removed, { LATE, LATE, LATE, LATE, LATE, LATE, 0 }, { 0, 1, 2, 1, 2, 5, -1 } },
	{ "top", op_top, { STATE, 0, 0, 0, 0, STATE, NONE }, { 0, 1, 2, 1, 2, 5, -1 } },
	{ "stats", op_stats, { 0, 0, 0, 0, 0, 0, NONE }, { 0, 1, 2, 1, 2, 5, -1 } },
	{ "inspect", op_inspect, { 0, 0, 0, 0, 0, 0, NONE }, { 0, 1, 2, 1, 2, 5, -1 } },
	{ "size", op_size, { 0, 0, 0, 0, 0, 0, NONE }, { 0, 1, 2, 1, 2, 5, -1 } },
	{ "remove", op_remove, { 0, STATE, STATE, STATE, STATE, 0, NONE }, { -1, 1, 2, 1, 2, -1, -1 } },
	{ "remove by force", op_force, { 0, 0, 0, 0, 0, 0, NONE }, { -1, -1, -1, -1, -1, -1, -1 } },
};

static void test_every_operation_in_every_state(void **unused)
{
	(void) unused;
	for (size_t i = 0; i < sizeof(operations) / sizeof(*operations); i++) {
		for (int state = 0; state < STATES; state++) {
			struct life life;
			scow_error *error = NULL;
			int r, after;

			if (!can_limit() && (state == PAUSED || state == DETACHED_PAUSED || operations[i].run == op_pause ||
					     operations[i].run == op_update))
				continue;
			life = life_begin(patient, (enum state) state);
			r = operations[i].run(&life, &error);
			if (r != operations[i].expected[state])
				fail_msg("%s, %s: %s instead of %s: %s", operations[i].name, state_names[state], scow_status_name(r),
					 scow_status_name(operations[i].expected[state]), scow_error_message(error));
			if (r < 0) { /* it says which container, and in what state */
				assert_int_equal(scow_error_status(error), r);
				assert_non_null(strchr(scow_error_message(error), '\''));
			}
			error = scow_error_unref(error);
			after = scow_container_state_now(life.container, NULL);
			if (after != (operations[i].left_in[state] < 0 ? SCOW_E_NOT_FOUND : operations[i].left_in[state]))
				fail_msg("%s, %s: leaves it in state %d", operations[i].name, state_names[state], after);
			life_end(&life);
		}
	}
}

/* ---- pause ---- */

static long cpu_ticks(int pid)
{
	char path[40], text[1024] = "", *at;
	unsigned long user = 0, kernel = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_non_null(fgets(text, sizeof(text), file));
	fclose(file);
	at = strrchr(text, ')');
	assert_int_equal(sscanf(at, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel), 2);
	return (long) (user + kernel);
}

static void test_pause(void **state)
{
	struct life life;
	scow_error *error = NULL;
	char *text;
	long ticks;
	int pid, code;

	(void) state;
	if (!can_limit())
		skip();
	life = life_begin(busy, PAUSED);
	pid = scow_container_pid(life.container, NULL);
	ticks = cpu_ticks(pid);
	usleep(200000);
	assert_int_equal(cpu_ticks(pid), ticks);
	text = life_document(&life, scow_container_inspect_json);
	expect_in(text, "\"Status\":\"paused\"");
	expect_in(text, "\"Running\":true");
	expect_in(text, "\"Paused\":true");
	scow_free(text);
	assert_non_null(strstr(scow_container_status_text(life.container), "(Paused)"));
	expect_error(scow_container_pause(life.container, &error), SCOW_E_STATE, &error, "is paused and cannot be paused");
	expect_ok(scow_container_unpause(life.container, &error), &error);
	for (int i = 0; i < 500 && cpu_ticks(pid) == ticks; i++)
		usleep(10000);
	assert_true(cpu_ticks(pid) > ticks);
	/* A signal that is meant to end it lets it go on. */
	expect_ok(scow_container_pause(life.container, &error), &error);
	expect_ok(scow_container_kill(life.container, SIGTERM, &error), &error);
	expect_ok(scow_container_wait(life.container, 10000, &code, &error), &error);
	assert_int_equal(code, 7);
	life_end(&life);
}

static void test_end_of_a_paused_one(void **state)
{
	struct life life;
	scow_error *error = NULL;
	int code;

	(void) state;
	if (!can_limit())
		skip();
	life = life_begin(patient, PAUSED);
	expect_ok(scow_container_kill(life.container, SIGKILL, &error), &error);
	expect_ok(scow_container_wait(life.container, 10000, &code, &error), &error);
	assert_int_equal(code, 137);
	life_end(&life);
	life = life_begin(patient, PAUSED);
	expect_ok(scow_container_stop(life.container, 10000, &error), &error);
	expect_ok(scow_container_wait(life.container, 0, &code, &error), &error);
	assert_int_equal(code, 7);
	life_end(&life);
	life = life_begin(patient, PAUSED);
	expect_ok(scow_container_remove(life.container, SCOW_REMOVE_FORCE, &error), &error);
	life_end(&life);
}

/* ---- rename ---- */

static void test_rename(void **state)
{
	struct life life = life_begin(patient, RUNNING), other = life_begin(patient, CREATED);
	SCOW_AUTO(scow_container) *same = NULL, *found = NULL;
	const char *before = scow_container_name(life.container);
	scow_error *error = NULL;
	char *text;

	(void) state;
	expect_ok(scow_container_get(fixture.engine, scow_container_id(life.container), &same, &error), &error);
	expect_ok(scow_container_rename(life.container, "fresh", &error), &error);
	assert_string_equal(scow_container_name(life.container), "fresh");
	assert_string_equal(before, scow_container_name(same)); /* what was given out is still there */
	text = life_document(&(struct life){ same, NULL }, scow_container_inspect_json);
	expect_in(text, "\"Name\":\"/fresh\"");
	scow_free(text);
	expect_ok(scow_container_get(fixture.engine, "fresh", &found, &error), &error);
	expect_error(scow_container_get(fixture.engine, before, &found, &error), SCOW_E_NOT_FOUND, &error, before);
	expect_error(scow_container_rename(other.container, "fresh", &error), SCOW_E_EXISTS, &error, "in use by container");
	expect_error(scow_container_rename(life.container, "fresh", &error), SCOW_E_INVALID, &error, "already");
	expect_error(scow_container_rename(life.container, "a b", &error), SCOW_E_INVALID, &error, "'a b' is not a name");
	expect_error(scow_container_rename(life.container, "", &error), SCOW_E_INVALID, &error, "no name");
	expect_error(scow_container_rename(life.container, NULL, &error), SCOW_E_INVALID, &error, "no name");
	life_end(&life);
	life_end(&other);
}

/* ---- wait ---- */

static void test_wait_conditions(void **state)
{
	struct life life = life_begin(patient, CREATED);
	struct waiting next, removed;
	scow_error *error = NULL;
	int code;

	(void) state;
	/* Created does not run; the next exit is to come. */
	expect_ok(scow_container_wait_for(life.container, SCOW_WAIT_NOT_RUNNING, 0, &code, &error), &error);
	start_waiting(&next, &life, SCOW_WAIT_NEXT_EXIT);
	start_waiting(&removed, &life, SCOW_WAIT_REMOVED);
	expect_ok(scow_container_start(life.container, NULL, &life.process, &error), &error);
	/* Its trap may not be set yet: then it ends by SIGKILL. */
	expect_ok(scow_container_kill(life.container, SIGKILL, &error), &error);
	pthread_join(next.thread, NULL);
	assert_int_equal(next.result, 0);
	assert_int_equal(next.code, 137);
	expect_error(scow_container_wait_for(life.container, SCOW_WAIT_NEXT_EXIT, 10, &code, &error), SCOW_E_TIMEOUT, &error,
		     "has not ended");
	expect_ok(scow_container_remove(life.container, 0, &error), &error);
	pthread_join(removed.thread, NULL);
	assert_int_equal(removed.result, 0);
	assert_int_equal(removed.code, 137);
	expect_error(scow_container_wait(life.container, 10, &code, &error), SCOW_E_NOT_FOUND, &error, scow_container_name(life.container));
	expect_error(scow_container_wait_for(life.container, (scow_wait_condition) 9, 10, &code, &error), SCOW_E_INVALID, &error, "9");
	life_end(&life);
}

/* By another engine, as it is for another process, of an ephemeral one: its end and its removal are one. */
static void test_wait_for_ephemeral(void **state)
{
	SCOW_AUTO(scow_container_config) *config = shell_config("sleep 0.1; exit 3");
	SCOW_AUTO(scow_engine) *engine = fixture_open();
	SCOW_AUTO(scow_container) *container = NULL, *seen = NULL;
	SCOW_AUTO(scow_process) *process = NULL;
	struct waiting removed, not_running;
	scow_error *error = NULL;

	(void) state;
	scow_container_config_set_ephemeral(config, 1);
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &container, &error), &error);
	expect_ok(scow_container_get(engine, scow_container_id(container), &seen, &error), &error);
	expect_ok(scow_container_start(container, NULL, &process, &error), &error);
	start_waiting(&removed, &(struct life){ seen, NULL }, SCOW_WAIT_REMOVED);
	start_waiting(&not_running, &(struct life){ seen, NULL }, SCOW_WAIT_NOT_RUNNING);
	expect_ok(scow_process_wait(process, 10000, NULL, &error), &error);
	pthread_join(removed.thread, NULL);
	pthread_join(not_running.thread, NULL);
	assert_int_equal(removed.result, 0);
	assert_int_equal(removed.code, 3);
	assert_int_equal(not_running.result, 0);
	assert_int_equal(not_running.code, 3);
}

static void test_wait_for_detached(void **state)
{
	struct life life = life_begin(patient, DETACHED);
	struct waiting next, not_running, removed;
	scow_error *error = NULL;

	(void) state;
	start_waiting(&next, &life, SCOW_WAIT_NEXT_EXIT);
	start_waiting(&not_running, &life, SCOW_WAIT_NOT_RUNNING);
	start_waiting(&removed, &life, SCOW_WAIT_REMOVED);
	expect_ok(scow_container_kill(life.container, SIGTERM, &error), &error);
	pthread_join(next.thread, NULL);
	pthread_join(not_running.thread, NULL);
	assert_int_equal(next.result, 0);
	assert_int_equal(next.code, 7);
	assert_int_equal(not_running.result, 0);
	assert_int_equal(not_running.code, 7);
	expect_ok(scow_container_remove(life.container, 0, &error), &error);
	pthread_join(removed.thread, NULL);
	assert_int_equal(removed.result, 0);
	assert_int_equal(removed.code, 7);
	life_end(&life);
}

/* One whose program fails again and again, in the pause before its next try. */
static struct life begin_restarting(void)
{
	SCOW_AUTO(scow_container_config) *config = shell_config("exit 9");
	struct life life = { NULL, NULL };
	scow_error *error = NULL;

	scow_container_config_set_restart(config, SCOW_RESTART_ALWAYS, 0);
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &life.container, &error), &error);
	expect_ok(scow_container_start_detached(life.container, &error), &error);
	/* The pauses double: in the fourth there is time to look. */
	for (int i = 0, seen = 0; i < 4000 && seen < 4; i++) {
		char *text = life_document(&life, scow_container_inspect_json);
		bool now = strstr(text, "\"Status\":\"restarting\"") != NULL;

		seen = now && !strstr(text, "\"RestartCount\":0,") && !strstr(text, "\"RestartCount\":1,") &&
				       !strstr(text, "\"RestartCount\":2,") && !strstr(text, "\"RestartCount\":3,")
			       ? 4
			       : 0;
		scow_free(text);
		usleep(5000);
	}
	assert_int_equal(scow_container_state_now(life.container, NULL), SCOW_CONTAINER_RESTARTING);
	return life;
}

static void test_operations_while_restarting(void **state)
{
	static const struct {
		const char *name;
		int (*run)(struct life *life, scow_error **error);
		int expected;
	} tries[] = {
		{ "start", op_start, STATE },   { "pause", op_pause, STATE },    { "unpause", op_unpause, STATE },
		{ "top", op_top, STATE },       { "stats", op_stats, 0 },        { "inspect", op_inspect, 0 },
		{ "rename", op_rename, 0 },     { "removal", op_removed, LATE }, { "wait", op_wait, LATE },
		{ "remove", op_remove, STATE },
	};
	struct life life = begin_restarting();
	scow_error *error = NULL;
	int code;

	(void) state;
	for (size_t i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
		int r = tries[i].run(&life, &error);

		/* It may have been in one of its short runs. */
		if (r != tries[i].expected)
			fail_msg("%s: %s: %s", tries[i].name, scow_status_name(r), scow_error_message(error));
		error = scow_error_unref(error);
	}
	expect_ok(scow_container_stop(life.container, 5000, &error), &error);
	assert_int_equal(scow_container_state_now(life.container, NULL), SCOW_CONTAINER_EXITED);
	expect_ok(scow_container_wait(life.container, 0, &code, &error), &error);
	assert_int_equal(code, 9);
	life_end(&life);
	/* There is no process that could be told, but the policy is. */
	life = begin_restarting();
	expect_ok(scow_container_kill(life.container, SIGCONT, &error), &error);
	expect_ok(scow_container_wait(life.container, 5000, NULL, &error), &error);
	life_end(&life);
	life = begin_restarting();
	expect_ok(scow_container_remove(life.container, SCOW_REMOVE_FORCE, &error), &error);
	assert_int_equal(scow_container_state_now(life.container, NULL), SCOW_E_NOT_FOUND);
	life_end(&life);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_every_operation_in_every_state, fixture_clear),
		cmocka_unit_test_teardown(test_pause, fixture_clear),
		cmocka_unit_test_teardown(test_end_of_a_paused_one, fixture_clear),
		cmocka_unit_test_teardown(test_rename, fixture_clear),
		cmocka_unit_test_teardown(test_wait_conditions, fixture_clear),
		cmocka_unit_test_teardown(test_wait_for_ephemeral, fixture_clear),
		cmocka_unit_test_teardown(test_wait_for_detached, fixture_clear),
		cmocka_unit_test_teardown(test_operations_while_restarting, fixture_clear),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
