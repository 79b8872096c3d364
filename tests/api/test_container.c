/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Containers through the public API: their life, their names, who may do what in which state, and what happens when
 * several threads and several processes want the same one, or their owner is killed.
 */
#include "api_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FOREVER "while :; do sleep 60; done"

static scow_container *create(scow_container_config *config)
{
	scow_container *container = NULL;
	scow_error *error = NULL;

	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &container, &error), &error);
	return container;
}

static scow_container *create_shell(const char *name, const char *script)
{
	SCOW_AUTO(scow_container_config) *config = shell_config(script);

	if (name)
		scow_container_config_set_name(config, name);
	return create(config);
}

static scow_process *start(scow_container *container)
{
	scow_process *process = NULL;
	scow_error *error = NULL;

	expect_ok(scow_container_start(container, NULL, &process, &error), &error);
	return process;
}

/* ---- create, get, list ---- */

static void test_life(void **state)
{
	struct remains before = count_remains(), after;
	scow_container *container = create_shell("life", "exit 5");
	scow_process *process;
	scow_error *error = NULL;
	int code = -1;

	(void) state;
	assert_int_equal(strlen(scow_container_id(container)), 64);
	assert_string_equal(scow_container_name(container), "life");
	assert_string_equal(scow_container_image_name(container), "busybox");
	assert_string_equal(scow_container_image_id(container), scow_image_id(fixture.image));
	assert_string_equal(scow_container_command(container), "sh -c 'exit 5'");
	assert_true(scow_container_created(container) >= time(NULL) - 5);
	assert_string_equal(scow_container_status_text(container), "Created");
	expect_state(container, SCOW_CONTAINER_CREATED);
	assert_int_equal(scow_container_pid(container, NULL), 0);

	process = start(container);
	assert_true(scow_container_pid(container, NULL) > 0);
	expect_ok(scow_process_wait(process, -1, &code, &error), &error);
	assert_int_equal(code, 5);
	scow_process_unref(process);
	expect_state(container, SCOW_CONTAINER_EXITED);
	assert_non_null(strstr(scow_container_status_text(container), "Exited (5) Less than a second ago"));
	expect_ok(scow_container_wait(container, 0, &code, &error), &error);
	assert_int_equal(code, 5);

	/* Again: a container that exited may be started again, with what it wrote. */
	process = start(container);
	expect_ok(scow_container_wait(container, -1, &code, &error), &error);
	scow_process_unref(process);
	expect_ok(scow_container_remove(container, 0, &error), &error);
	expect_error(scow_container_remove(container, 0, &error), SCOW_E_NOT_FOUND, &error, "no such container");
	assert_int_equal(scow_container_state_now(container, NULL), SCOW_E_NOT_FOUND);
	scow_container_unref(container);
	after = count_remains();
	assert_int_equal(before.directories, after.directories);
	assert_int_equal(before.children, after.children - (before.children == 0)); /* the guard came with the first start */
}

static void test_writes_survive(void **state)
{
	scow_container *container = create_shell(NULL, "test -e /kept && exit 3; echo x >/kept; exit 2");
	scow_error *error = NULL;
	int code;

	(void) state;
	for (int i = 2; i <= 3; i++) {
		SCOW_AUTO(scow_process) *process = start(container);

		expect_ok(scow_process_wait(process, -1, &code, &error), &error);
		assert_int_equal(code, i);
	}
	remove_it(container, 0);
}

static void test_names(void **state)
{
	scow_container *one = create_shell("taken", "true"), *made = create_shell(NULL, "true"), *found = NULL, *other = NULL;
	SCOW_AUTO(scow_container_config) *same = shell_config("true"), *bad = shell_config("true");
	scow_error *error = NULL;
	char prefix[13], words[128];

	(void) state;
	scow_container_config_set_name(same, "taken");
	snprintf(words, sizeof(words), "the name 'taken' is in use by container %.12s", scow_container_id(one));
	expect_error(scow_container_create(fixture.engine, fixture.image, same, &other, &error), SCOW_E_EXISTS, &error, words);
	scow_container_config_set_name(bad, "-x");
	expect_error(scow_container_create(fixture.engine, fixture.image, bad, &other, &error), SCOW_E_INVALID, &error,
		     "set_name: '-x' is not a name");
	assert_non_null(strchr(scow_container_name(made), '_'));

	expect_ok(scow_container_get(fixture.engine, "/taken", &found, &error), &error);
	assert_string_equal(scow_container_id(found), scow_container_id(one));
	assert_string_equal(scow_container_command(found), "sh -c true");
	found = scow_container_unref(found);
	snprintf(prefix, sizeof(prefix), "%.12s", scow_container_id(made));
	expect_ok(scow_container_get(fixture.engine, prefix, &found, &error), &error);
	assert_string_equal(scow_container_name(found), scow_container_name(made));
	found = scow_container_unref(found);
	expect_ok(scow_container_get(fixture.engine, scow_container_id(made), &found, &error), &error);
	found = scow_container_unref(found);
	expect_error(scow_container_get(fixture.engine, "nobody", &found, &error), SCOW_E_NOT_FOUND, &error, "'nobody'");
	expect_error(scow_container_get(fixture.engine, "", &found, &error), SCOW_E_INVALID, &error, NULL);
	remove_it(one, 0);
	remove_it(made, 0);
}

/* The order of look-up: a name wins over another's id prefix; a prefix of two ids is an error of its own. */
static void test_prefixes(void **state)
{
	scow_container *many[20], *found = NULL, *named;
	scow_error *error = NULL;
	char first[2] = "";

	(void) state;
	for (int i = 0; i < 20; i++)
		many[i] = create_shell(NULL, "true");
	/* Of twenty, two begin with the same digit. */
	for (int i = 0; i < 20 && !first[0]; i++)
		for (int j = 0; j < i; j++)
			if (scow_container_id(many[i])[0] == scow_container_id(many[j])[0])
				first[0] = scow_container_id(many[i])[0];
	expect_error(scow_container_get(fixture.engine, first, &found, &error), SCOW_E_INVALID, &error, "is the beginning of");
	{
		char prefix[9];

		snprintf(prefix, sizeof(prefix), "%.8s", scow_container_id(many[0]));
		named = create_shell(prefix, "true");
		expect_ok(scow_container_get(fixture.engine, prefix, &found, &error), &error);
		assert_string_equal(scow_container_id(found), scow_container_id(named));
		scow_container_unref(found);
		remove_it(named, 0);
	}
	for (int i = 0; i < 20; i++)
		remove_it(many[i], 0);
}

static size_t list_count(unsigned int flags)
{
	SCOW_AUTO(scow_iter) *iter = NULL;
	scow_error *error = NULL;

	expect_ok(scow_container_list(fixture.engine, flags, &iter, &error), &error);
	return scow_iter_count(iter);
}

static void test_list(void **state)
{
	scow_container *first = create_shell("first", FOREVER), *second = create_shell("second", "true");
	SCOW_AUTO(scow_process) *process = start(first);
	SCOW_AUTO(scow_iter) *iter = NULL;
	scow_error *error = NULL;

	(void) state;
	assert_int_equal(list_count(0), 1);
	assert_int_equal(list_count(SCOW_LIST_ALL), 2);
	expect_ok(scow_container_list(fixture.engine, SCOW_LIST_ALL, &iter, &error), &error);
	assert_string_equal(scow_container_name(scow_iter_next_container(iter)), "second");
	assert_string_equal(scow_container_name(scow_iter_next_container(iter)), "first");
	assert_null(scow_iter_next_container(iter));
	assert_non_null(strstr(scow_container_status_text(first), "Up "));
	remove_it(first, SCOW_REMOVE_FORCE);
	remove_it(second, 0);
}

static void test_inspect(void **state)
{
	SCOW_AUTO(scow_container_config) *config = shell_config("exit 3");
	static const char *const expected[] = {
		"\"Name\":\"/looked-at\"",
		"\"Path\":\"sh\",\"Args\":[\"-c\",\"exit 3\"]",
		"\"Status\":\"exited\",\"Running\":false",
		"\"ExitCode\":3",
		"\"Hostname\":\"inside\"",
		"\"Cmd\":[\"sh\",\"-c\",\"exit 3\"]",
		"\"Entrypoint\":null",
		"\"A=1\"",
		"\"Labels\":{\"l\":\"m\"}",
		"\"Image\":\"busybox\"",
		"\"Memory\":33554432",
		"\"NetworkMode\":\"none\"",
		"\"GraphDriver\":{",
		"\"UpperDir\":",
		"\"NetworkSettings\":{",
		"\"Mounts\":[]",
		"\"Driver\":\"overlay2\"",
		"\"Platform\":\"linux\"",
	};
	scow_container *container;
	scow_error *error = NULL;
	char *json = NULL;

	(void) state;
	scow_container_config_set_name(config, "looked-at");
	scow_container_config_set_hostname(config, "inside");
	scow_container_config_set_env(config, "A", "1");
	scow_container_config_add_label(config, "l", "m");
	if (!scow_engine_rootless(fixture.engine))
		scow_container_config_set_memory_bytes(config, 32 << 20);
	container = create(config);
	scow_process_unref(start(container)); /* killed, or quicker */
	{
		SCOW_AUTO(scow_process) *process = start(container);

		scow_process_wait(process, -1, NULL, NULL);
	}
	expect_ok(scow_container_inspect_json(container, &json, &error), &error);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		if (!strstr(json, expected[i]) && !(strstr(expected[i], "Memory") && scow_engine_rootless(fixture.engine)))
			fail_msg("%s is not in %s", expected[i], json);
	scow_free(json);
	remove_it(container, 0);
}

/* ---- run ---- */

static void test_run(void **state)
{
	struct remains before, after;
	char *output = NULL;

	(void) state;
	run_shell("true", NULL); /* the guard, the owner's file */
	before = count_remains();
	assert_int_equal(run_shell("echo hello; exit 42", &output), 42);
	assert_string_equal(output, "hello\n");
	free(output);
	assert_int_equal(run_shell("kill -TERM $$; kill -KILL $$", NULL), 0); /* PID 1 does not even notice */
	assert_int_equal(run_shell("sh -c 'kill -9 $$'; exit $?", NULL), 137);
	after = count_remains();
	assert_int_equal(list_count(SCOW_LIST_ALL), 0);
	assert_memory_equal(&before, &after, sizeof(before));
}

static void test_failed_starts(void **state)
{
	static const char *const missing[] = { "/no/such/program", NULL }, *const a_file[] = { "/etc/passwd", NULL };
	SCOW_AUTO(scow_container_config) *config = scow_container_config_new();
	scow_process *process = NULL;
	scow_container *container;
	scow_error *error = NULL;
	struct remains before, after;
	char *json;

	(void) state;
	run_shell("true", NULL);
	before = count_remains();
	scow_container_config_set_namespace(config, SCOW_NAMESPACE_NETWORK, "none");
	scow_container_config_set_command(config, missing);
	scow_container_config_set_ephemeral(config, 1);
	expect_error(scow_container_run(fixture.engine, fixture.image, config, NULL, NULL, &error), SCOW_E_COMMAND_NOT_FOUND, &error,
		     "/no/such/program");
	scow_container_config_set_command(config, a_file);
	expect_error(scow_container_run(fixture.engine, fixture.image, config, NULL, NULL, &error), SCOW_E_NOT_EXECUTABLE, &error,
		     "/etc/passwd");
	assert_int_equal(list_count(SCOW_LIST_ALL), 0);

	scow_container_config_set_command(config, missing);
	scow_container_config_set_ephemeral(config, 0);
	container = create(config);
	expect_error(scow_container_start(container, NULL, &process, &error), SCOW_E_COMMAND_NOT_FOUND, &error, "start container");
	expect_state(container, SCOW_CONTAINER_CREATED);
	expect_ok(scow_container_inspect_json(container, &json, &error), &error);
	assert_non_null(strstr(json, "\"ExitCode\":127,\"Error\":\""));
	scow_free(json);
	/* An attempt changes nothing: it may be tried again. */
	expect_error(scow_container_start(container, NULL, &process, &error), SCOW_E_COMMAND_NOT_FOUND, &error, NULL);
	remove_it(container, 0);
	after = count_remains();
	assert_memory_equal(&before, &after, sizeof(before));
}

static void test_ephemeral(void **state)
{
	SCOW_AUTO(scow_container_config) *config = shell_config("exit 1");
	scow_container *container;
	scow_process *process;
	scow_error *error = NULL;

	(void) state;
	scow_container_config_set_ephemeral(config, 1);
	scow_container_unref(create(config));
	assert_int_equal(list_count(SCOW_LIST_ALL), 0);

	container = create(config);
	process = start(container);
	scow_container_unref(container);
	assert_int_equal(list_count(SCOW_LIST_ALL), 1);
	expect_ok(scow_process_wait(process, -1, NULL, &error), &error);
	assert_int_equal(list_count(SCOW_LIST_ALL), 0);
	scow_process_unref(process);

	/* Its process dropped while it runs: killed, and gone. */
	config = scow_container_config_unref(config);
	config = shell_config(FOREVER);
	scow_container_config_set_ephemeral(config, 1);
	container = create(config);
	scow_process_unref(start(container));
	assert_int_equal(list_count(SCOW_LIST_ALL), 0);
	assert_int_equal(scow_container_state_now(container, NULL), SCOW_E_NOT_FOUND);
	scow_container_unref(container);
}

/* ---- kill, stop, remove ---- */

static void test_states(void **state)
{
	scow_container *container = create_shell("states", FOREVER);
	scow_process *process = NULL, *second = NULL;
	scow_error *error = NULL;
	int code;

	(void) state;
	expect_error(scow_container_kill(container, SIGKILL, &error), SCOW_E_STATE, &error, "is created, not running");
	expect_ok(scow_container_stop(container, -2, &error), &error);
	process = start(container);
	expect_error(scow_container_start(container, NULL, &second, &error), SCOW_E_STATE, &error, "is running and cannot be started");
	if (scow_container_remove(container, 0, &error) == SCOW_E_STATE)
		assert_non_null(strstr(scow_error_hint(error), "stop the container before removing it"));
	expect_error(scow_error_status(error), SCOW_E_STATE, &error, "cannot be removed");
	expect_error(scow_container_kill(container, 0, &error), SCOW_E_INVALID, &error, NULL);
	expect_error(scow_container_wait(container, 20, NULL, &error), SCOW_E_TIMEOUT, &error, "still runs after 20 ms");
	expect_ok(scow_container_kill(container, SIGKILL, &error), &error);
	/* Nobody dispatches: the wait records the end itself. */
	expect_ok(scow_container_wait(container, 10000, &code, &error), &error);
	assert_int_equal(code, 137);
	expect_state(container, SCOW_CONTAINER_EXITED);
	expect_error(scow_container_kill(container, SIGKILL, &error), SCOW_E_STATE, &error, "is exited");
	assert_int_equal(scow_process_exited(process), 0);
	expect_ok(scow_process_wait(process, 0, &code, &error), &error);
	assert_int_equal(code, 137);
	scow_process_unref(process);
	remove_it(container, 0);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int stop_code(const char *script, const char *signal, int timeout_ms, int64_t *took_ms)
{
	SCOW_AUTO(scow_container_config) *config = shell_config(script);
	SCOW_AUTO(scow_process) *process = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	scow_container *container;
	scow_error *error = NULL;
	int code;

	if (signal)
		scow_container_config_set_stop_signal(config, signal);
	scow_container_config_set_stop_timeout_ms(config, 300);
	container = create(config);
	scow_io_set_capture(io, 100);
	expect_ok(scow_container_start(container, io, &process, &error), &error);
	while (!strstr(scow_process_output(process, SCOW_STDOUT, NULL), "ready"))
		scow_process_wait(process, 5, NULL, NULL);
	*took_ms = now_ms();
	expect_ok(scow_container_stop(container, timeout_ms, &error), &error);
	*took_ms = now_ms() - *took_ms;
	expect_ok(scow_container_wait(container, 0, &code, &error), &error);
	expect_state(container, SCOW_CONTAINER_EXITED);
	expect_ok(scow_container_stop(container, timeout_ms, &error), &error);
	remove_it(container, 0);
	return code;
}

static void test_stop(void **state)
{
	int64_t ms;

	(void) state;
	/* Without a handler PID 1 ignores SIGTERM, so stop takes the whole timeout. */
	assert_int_equal(stop_code("echo ready; " FOREVER, NULL, -2, &ms), 137);
	assert_in_range(ms, 290, 3000);
	assert_int_equal(stop_code("trap 'exit 8' TERM; echo ready; sleep 60 & wait", NULL, 10000, &ms), 8);
	assert_in_range(ms, 0, 2000);
	assert_int_equal(stop_code("trap 'exit 9' USR1; trap '' TERM; echo ready; sleep 60 & wait", "USR1", -1, &ms), 9);
	assert_int_equal(stop_code("trap 'exit 8' TERM; echo ready; sleep 60 & wait", NULL, 0, &ms), 137);
	assert_in_range(ms, 0, 2000);
}

static void test_forced_removal(void **state)
{
	scow_container *container = create_shell("forced", FOREVER);
	SCOW_AUTO(scow_process) *process = start(container);
	SCOW_AUTO(scow_container_config) *config = shell_config(FOREVER);
	struct remains before = count_remains(), after;
	int code;

	(void) state;
	remove_it(container, SCOW_REMOVE_FORCE);
	assert_int_equal(scow_process_wait(process, 1000, &code, NULL), 0);
	assert_int_equal(code, 137);
	after = count_remains();
	assert_int_equal(before.directories - 1, after.directories);

	scow_container_config_set_ephemeral(config, 1);
	container = create(config);
	process = scow_process_unref(process);
	process = start(container);
	remove_it(container, SCOW_REMOVE_FORCE);
	assert_int_equal(list_count(SCOW_LIST_ALL), 0);
}

/* ---- several at once ---- */

struct contest {
	pthread_barrier_t barrier;
	char name[32];
	int (*act)(scow_container *container);
	int own_engine; /* each thread opens its own, as another process would */
};

static int act_remove(scow_container *container)
{
	return scow_container_remove(container, 0, NULL);
}

static int act_start(scow_container *container)
{
	scow_process *process = NULL;
	int r = scow_container_start(container, NULL, &process, NULL);

	if (r == 0)
		r = scow_process_wait(process, -1, NULL, NULL);
	scow_process_unref(process);
	return r;
}

static void *contend(void *data)
{
	struct contest *contest = data;
	SCOW_AUTO(scow_engine) *engine = contest->own_engine ? fixture_open() : scow_engine_ref(fixture.engine);
	SCOW_AUTO(scow_container) *container = NULL;

	if (scow_container_get(engine, contest->name, &container, NULL) < 0)
		return (void *) 1;
	pthread_barrier_wait(&contest->barrier);
	return (void *) (intptr_t) contest->act(container);
}

static void hold_contest(int (*act)(scow_container *), const char *script, int other, int round)
{
	struct contest contest = { .act = act, .own_engine = round % 2 };
	scow_container *container;
	pthread_t threads[4];
	int winners = 0;

	snprintf(contest.name, sizeof(contest.name), "contest-%d", round);
	container = create_shell(contest.name, script);
	pthread_barrier_init(&contest.barrier, NULL, 4);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, contend, &contest), 0);
	for (int i = 0; i < 4; i++) {
		void *result;

		pthread_join(threads[i], &result);
		if ((intptr_t) result == 0)
			winners++;
		else
			assert_int_equal((intptr_t) result, other);
	}
	assert_int_equal(winners, 1);
	pthread_barrier_destroy(&contest.barrier);
	scow_container_remove(container, SCOW_REMOVE_FORCE, NULL);
	scow_container_unref(container);
}

static void test_contests(void **state)
{
	(void) state;
	for (int round = 0; round < 6; round++)
		hold_contest(act_remove, "true", SCOW_E_NOT_FOUND, round);
	for (int round = 0; round < 4; round++)
		hold_contest(act_start, "sleep 0.5", SCOW_E_STATE, round);
}

/* Runs @act in a process of its own, with its own engine; returns its pid. */
static pid_t in_child(void (*act)(scow_engine *engine, int report_fd), int report_fd)
{
	pid_t pid = fork();

	if (pid == 0) {
		scow_engine *engine = fixture_open();

		act(engine, report_fd);
		scow_engine_unref(engine);
		_exit(0);
	}
	assert_true(pid > 0);
	return pid;
}

static void child_stops(scow_engine *engine, int report_fd)
{
	scow_container *container = NULL;
	int code = -1, r = scow_container_get(engine, "shared", &container, NULL);

	(void) report_fd;
	if (r < 0 || scow_container_state_now(container, NULL) != SCOW_CONTAINER_RUNNING)
		_exit(1);
	if (scow_container_wait(container, 10, NULL, NULL) != SCOW_E_TIMEOUT)
		_exit(2);
	if (scow_container_kill(container, SIGKILL, NULL) < 0)
		_exit(3);
	if (scow_container_wait(container, 10000, &code, NULL) < 0 || code != 137)
		_exit(4);
	scow_container_unref(container);
}

static void test_another_process(void **state)
{
	scow_container *container = create_shell("shared", FOREVER);
	SCOW_AUTO(scow_process) *process = start(container);
	pid_t child = in_child(child_stops, -1);
	int status;

	(void) state;
	/* The owner does not dispatch while the other waits: it must find the end all the same. */
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(scow_process_wait(process, 5000, NULL, NULL), 0);
	expect_state(container, SCOW_CONTAINER_EXITED);
	remove_it(container, 0);
}

static void child_removes(scow_engine *engine, int report_fd)
{
	scow_container *container = NULL;

	(void) report_fd;
	if (scow_container_get(engine, "shared", &container, NULL) < 0 || scow_container_remove(container, SCOW_REMOVE_FORCE, NULL) < 0)
		_exit(1);
	scow_container_unref(container);
}

static void test_removed_by_another(void **state)
{
	scow_container *container = create_shell("shared", FOREVER);
	SCOW_AUTO(scow_process) *process = start(container);
	pid_t child = in_child(child_removes, -1);
	int status, code = 0;

	(void) state;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(scow_container_state_now(container, NULL), SCOW_E_NOT_FOUND);
	assert_int_equal(scow_process_wait(process, 5000, &code, NULL), 0);
	assert_int_equal(code, 137);
	scow_container_unref(container);
}

static void child_owns(scow_engine *engine, int report_fd)
{
	SCOW_AUTO(scow_container_config) *config = shell_config(FOREVER);
	SCOW_AUTO(scow_image) *image = NULL;
	int pids[2];

	if (scow_image_get(engine, "busybox", &image, NULL) < 0)
		_exit(1);
	for (int i = 0; i < 2; i++) {
		scow_container *container = NULL;
		scow_process *process = NULL;

		scow_container_config_set_name(config, i ? "orphan-gone" : "orphan-stays");
		scow_container_config_set_ephemeral(config, i);
		if (scow_container_create(engine, image, config, &container, NULL) < 0 ||
		    scow_container_start(container, NULL, &process, NULL) < 0)
			_exit(2);
		pids[i] = scow_process_pid(process);
	}
	if (write(report_fd, pids, sizeof(pids)) != sizeof(pids))
		_exit(3);
	pause();
}

/* kill -9 of the owner: its containers end, and the next look at the store finds them so. */
static void test_owner_killed(void **state)
{
	SCOW_AUTO(scow_container) *stays = NULL;
	scow_container *gone = NULL;
	int fds[2], pids[2] = { 0 }, status, code = 0;
	scow_error *error = NULL;
	pid_t child;

	(void) state;
	assert_int_equal(pipe(fds), 0);
	child = in_child(child_owns, fds[1]);
	close(fds[1]);
	assert_int_equal(read(fds[0], pids, sizeof(pids)), sizeof(pids));
	close(fds[0]);
	expect_ok(scow_container_get(fixture.engine, "orphan-stays", &stays, &error), &error);
	expect_state(stays, SCOW_CONTAINER_RUNNING);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);

	expect_ok(scow_container_wait(stays, 10000, &code, &error), &error);
	assert_int_equal(code, 137);
	expect_state(stays, SCOW_CONTAINER_EXITED);
	assert_int_equal(scow_container_get(fixture.engine, "orphan-gone", &gone, NULL), SCOW_E_NOT_FOUND);
	for (int i = 0; i < 2; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/%d/root/bin/busybox", pids[i]);
		assert_int_equal(access(path, F_OK), -1);
	}
	assert_int_equal(list_count(SCOW_LIST_ALL), 1);
	expect_ok(scow_container_remove(stays, 0, &error), &error);
}

/* ---- namespaces of another container ---- */

static void test_joined_namespaces(void **state)
{
	SCOW_AUTO(scow_container_config) *config =
		shell_config("readlink /proc/self/ns/net; readlink /proc/self/ns/ipc; hostname; cat /etc/hostname /etc/hosts; exit 0");
	SCOW_AUTO(scow_container_config) *first = shell_config("echo 10.9.8.7 added >>/etc/hosts; " FOREVER);
	scow_container *host;
	SCOW_AUTO(scow_process) *process = NULL, *joined = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	scow_error *error = NULL;
	char path[64], net[64] = "", words[128];

	(void) state;
	scow_container_config_set_namespace(config, SCOW_NAMESPACE_NETWORK, "container:host");
	scow_container_config_set_namespace(config, SCOW_NAMESPACE_IPC, "container:host");
	scow_container_config_set_name(first, "host");
	scow_container_config_set_hostname(first, "the-first");
	host = create(first);
	process = start(host);
	usleep(300000); /* it writes */
	scow_container_config_set_ephemeral(config, 1);
	scow_io_set_capture(io, 1000);
	assert_int_equal(expect_ok(scow_container_run(fixture.engine, fixture.image, config, io, &joined, &error), &error), 0);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", scow_process_pid(process));
	assert_true(readlink(path, net, sizeof(net) - 1) > 0);
	snprintf(words, sizeof(words), "%s\n", net);
	assert_non_null(strstr(scow_process_output(joined, SCOW_STDOUT, NULL), words));
	/* The names of a shared network, too. */
	assert_non_null(strstr(scow_process_output(joined, SCOW_STDOUT, NULL), "]\nthe-first\n"));
	if (run_shell("test -e /etc/hosts", NULL) == 0) {
		assert_non_null(strstr(scow_process_output(joined, SCOW_STDOUT, NULL), "]\nthe-first\nthe-first\n"));
		assert_non_null(strstr(scow_process_output(joined, SCOW_STDOUT, NULL), "10.9.8.7 added\n"));
	}

	expect_ok(scow_container_stop(host, 0, &error), &error);
	expect_error(scow_container_run(fixture.engine, fixture.image, config, io, NULL, &error), SCOW_E_STATE, &error,
		     "container 'host' does not run");
	scow_container_config_set_namespace(config, SCOW_NAMESPACE_NETWORK, "container:nobody");
	expect_error(scow_container_run(fixture.engine, fixture.image, config, io, NULL, &error), SCOW_E_NOT_FOUND, &error, "nobody");
	assert_int_equal(list_count(SCOW_LIST_ALL), 1);
	remove_it(host, 0);
}

static void test_bad_arguments(void **state)
{
	scow_container *container = NULL;
	scow_process *process = NULL;
	scow_error *error = NULL;

	(void) state;
	expect_error(scow_container_create(NULL, fixture.image, NULL, &container, &error), SCOW_E_INVALID, &error, NULL);
	expect_error(scow_container_create(fixture.engine, NULL, NULL, &container, &error), SCOW_E_INVALID, &error, "image");
	expect_error(scow_container_start(NULL, NULL, &process, &error), SCOW_E_INVALID, &error, "no container");
	assert_null(scow_container_unref(NULL));
	assert_null(scow_container_id(NULL));
	assert_string_equal(scow_container_status_text(NULL), "");
	{
		SCOW_AUTO(scow_engine) *other = fixture_open();

		expect_error(scow_container_create(other, fixture.image, NULL, &container, &error), SCOW_E_INVALID, &error,
			     "another engine");
	}
	/* Without a config: the image's own settings. */
	expect_ok(scow_container_create(fixture.engine, fixture.image, NULL, &container, &error), &error);
	assert_string_equal(scow_container_command(container), "sh");
	remove_it(container, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_life, fixture_clear),
		cmocka_unit_test_teardown(test_writes_survive, fixture_clear),
		cmocka_unit_test_teardown(test_names, fixture_clear),
		cmocka_unit_test_teardown(test_prefixes, fixture_clear),
		cmocka_unit_test_teardown(test_list, fixture_clear),
		cmocka_unit_test_teardown(test_inspect, fixture_clear),
		cmocka_unit_test_teardown(test_run, fixture_clear),
		cmocka_unit_test_teardown(test_failed_starts, fixture_clear),
		cmocka_unit_test_teardown(test_ephemeral, fixture_clear),
		cmocka_unit_test_teardown(test_states, fixture_clear),
		cmocka_unit_test_teardown(test_stop, fixture_clear),
		cmocka_unit_test_teardown(test_forced_removal, fixture_clear),
		cmocka_unit_test_teardown(test_contests, fixture_clear),
		cmocka_unit_test_teardown(test_another_process, fixture_clear),
		cmocka_unit_test_teardown(test_removed_by_another, fixture_clear),
		cmocka_unit_test_teardown(test_owner_killed, fixture_clear),
		cmocka_unit_test_teardown(test_joined_namespaces, fixture_clear),
		cmocka_unit_test_teardown(test_bad_arguments, fixture_clear),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
