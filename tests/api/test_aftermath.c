/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What comes after: restarts that nobody watched are in the journal, one by one; nobody's leisure holds up a container's end; what
 * a subreaper is given as children leaves no zombies.
 */
#include "api_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RETRIES 3

static int64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- restarts ---- */

struct history {
	const char *id;
	char actions[512];
	int64_t last; /* timeNano */
	int codes;    /* how many died with 3 */
};

static int note(uint64_t number, const char *json, void *userdata)
{
	struct history *history = userdata;
	const char *action = strstr(json, "\"Action\":\""), *time = strstr(json, "\"timeNano\":");
	char name[64];
	int64_t at;

	(void) number;
	if (!strstr(json, history->id) || !action || !time || sscanf(action, "\"Action\":\"%63[^\"]", name) != 1)
		return 0;
	if (strcmp(name, "die") != 0 && strcmp(name, "start") != 0)
		return 0;
	at = strtoll(time + strlen("\"timeNano\":"), NULL, 10);
	if (at <= history->last)
		fail_msg("%s after '%s' at %lld: %s", name, history->actions, (long long) history->last, json);
	/* when it was, not when it was noted: at least a back-off lies between two runs */
	history->last = at;
	history->codes += strcmp(name, "die") == 0 && strstr(json, "\"exitCode\":\"3\"") != NULL;
	strcat(strcat(history->actions, name), " ");
	return 0;
}

static void test_unwatched_restarts(void **state)
{
	SCOW_AUTO(scow_container_config) *config = shell_config("exit 3");
	SCOW_AUTO(scow_container) *container = NULL;
	SCOW_AUTO(scow_events) *events = NULL;
	struct history history = { .last = 0 };
	scow_error *error = NULL;
	char *text = NULL;
	int code, r;

	(void) state;
	scow_container_config_set_restart(config, SCOW_RESTART_ON_FAILURE, RETRIES);
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &container, &error), &error);
	expect_ok(scow_container_start_detached(container, &error), &error);
	expect_ok(scow_container_wait(container, 30000, &code, &error), &error);
	assert_int_equal(code, 3);
	expect_ok(scow_container_inspect_json(container, &text, &error), &error);
	assert_non_null(strstr(text, "\"RestartCount\":3"));
	scow_free(text);
	history.id = scow_container_id(container);
	expect_ok(scow_events_open(fixture.engine, 0, 0, now_ns(CLOCK_REALTIME), NULL, note, &history, &events, &error), &error);
	while ((r = scow_events_dispatch(events, &error)) > 0)
		usleep(1000);
	expect_ok(r, &error);
	assert_string_equal(history.actions, "start die start die start die start die ");
	assert_int_equal(history.codes, RETRIES + 1);
	/* Started by hand, it begins to count anew. */
	expect_ok(scow_container_start_detached(container, &error), &error);
	expect_ok(scow_container_inspect_json(container, &text, &error), &error);
	assert_null(strstr(text, "\"RestartCount\":3"));
	scow_free(text);
	expect_ok(scow_container_remove(container, SCOW_REMOVE_FORCE, &error), &error);
}

/* ---- an exec that nobody sees to ---- */

static const char patient[] = "trap 'exit 7' TERM; sleep 1000 & wait";

static void test_idle_exec(void **state)
{
	static const char *const command[] = { "sleep", "1000", NULL };
	SCOW_AUTO(scow_process_config) *exec = scow_process_config_new(command);
	SCOW_AUTO(scow_container_config) *config = shell_config(patient);
	SCOW_AUTO(scow_container) *container = NULL, *theirs = NULL;
	SCOW_AUTO(scow_engine) *other = fixture_open();
	SCOW_AUTO(scow_process) *idle = NULL;
	scow_error *error = NULL;
	int64_t began;
	int code;

	(void) state;
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &container, &error), &error);
	expect_ok(scow_container_start_detached(container, &error), &error);
	expect_ok(scow_container_get(other, scow_container_id(container), &theirs, &error), &error);
	expect_ok(scow_container_exec(theirs, exec, NULL, &idle, &error), &error);
	began = now_ns(CLOCK_MONOTONIC);
	expect_ok(scow_container_stop(container, 0, &error), &error);
	assert_true(now_ns(CLOCK_MONOTONIC) - began < INT64_C(3000000000));
	assert_int_equal(scow_container_state_now(container, NULL), SCOW_CONTAINER_EXITED);
	/* It hears of it whenever it comes to that. */
	expect_ok(scow_process_wait(idle, 10000, &code, &error), &error);
	assert_int_equal(code, 137);
	expect_ok(scow_container_remove(container, 0, &error), &error);
}

/* Its parent is a process of ours that somebody kills: then it goes, too. */
static void test_killed_keeper(void **state)
{
	static const char *const command[] = { "sh", "-c", "echo up; sleep 1000", NULL };
	SCOW_AUTO(scow_process_config) *exec = scow_process_config_new(command);
	SCOW_AUTO(scow_container_config) *config = shell_config(patient);
	SCOW_AUTO(scow_container) *container = NULL;
	SCOW_AUTO(scow_process) *process = NULL;
	char path[64], text[512] = "", *fields;
	scow_error *error = NULL;
	int code, parent = 0, fd;

	(void) state;
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &container, &error), &error);
	expect_ok(scow_container_start_detached(container, &error), &error);
	expect_ok(scow_container_exec(container, exec, NULL, &process, &error), &error);
	snprintf(path, sizeof(path), "/proc/%d/stat", scow_process_pid(process));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	fields = strrchr(text, ')');
	assert_true(fields && sscanf(fields, ") %*c %d", &parent) == 1);
	assert_int_not_equal(parent, getpid());
	assert_int_equal(kill(parent, SIGKILL), 0);
	expect_ok(scow_process_wait(process, 10000, &code, &error), &error);
	assert_int_equal(code, 137);
	for (int i = 0; i < 1000 && kill(scow_process_pid(process), 0) == 0; i++)
		usleep(5000);
	expect_ok(scow_container_remove(container, SCOW_REMOVE_FORCE, &error), &error);
}

/* ---- a subreaper ---- */

/* Children of ours that are dead and not reaped. */
static int zombies(void)
{
	char path[64], text[4096] = "", *at = text;
	int count = 0, fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	close(fd);
	for (long pid; (pid = strtol(at, &at, 10)) > 0;) {
		siginfo_t info = { 0 };

		if (waitid(P_PID, (id_t) pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid)
			count++;
	}
	return count;
}

static void test_subreaper(void **state)
{
	static const char *const command[] = { "true", NULL };
	SCOW_AUTO(scow_process_config) *exec = scow_process_config_new(command);
	SCOW_AUTO(scow_container_config) *config = shell_config(patient);
	scow_error *error = NULL;
	int code;

	(void) state;
	scow_process_config_set_detached(exec, 1);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	for (int i = 0; i < 3; i++) {
		SCOW_AUTO(scow_container) *container = NULL;
		SCOW_AUTO(scow_process) *process = NULL;

		expect_ok(scow_container_create(fixture.engine, fixture.image, config, &container, &error), &error);
		expect_ok(scow_container_start_detached(container, &error), &error);
		expect_ok(scow_container_exec(container, exec, NULL, &process, &error), &error);
		process = scow_process_unref(process);
		expect_ok(scow_container_stop(container, 0, &error), &error);
		expect_ok(scow_container_wait(container, 10000, &code, &error), &error);
		expect_ok(scow_container_remove(container, SCOW_REMOVE_FORCE, &error), &error);
	}
	for (int i = 0, left = 1; left && i < 200; i++) {
		SCOW_AUTO(scow_iter) *list = NULL;

		expect_ok(scow_container_list(fixture.engine, SCOW_LIST_ALL, &list, &error), &error);
		left = zombies();
		if (left)
			usleep(10000);
	}
	assert_int_equal(zombies(), 0);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_unwatched_restarts, fixture_clear),
		cmocka_unit_test_teardown(test_idle_exec, fixture_clear),
		cmocka_unit_test_teardown(test_killed_keeper, fixture_clear),
		cmocka_unit_test_teardown(test_subreaper, fixture_clear),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
