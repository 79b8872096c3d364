/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Detached containers through the public API: they live on without us, their log, their restarts, their end whoever sees it, and what
 * is left when the supervisor, PID 1 or the caller is killed.
 */
#include "api_fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FOREVER "while :; do sleep 60; done"

static scow_container *start_config(scow_container_config *config, const char *name)
{
	scow_container *container = NULL;
	scow_error *error = NULL;

	if (name)
		scow_container_config_set_name(config, name);
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &container, &error), &error);
	expect_ok(scow_container_start_detached(container, &error), &error);
	return container;
}

static scow_container *start(const char *name, const char *script)
{
	SCOW_AUTO(scow_container_config) *config = shell_config(script);

	return start_config(config, name);
}

static int wait_for(scow_container *container)
{
	scow_error *error = NULL;
	int code = -1;

	expect_ok(scow_container_wait(container, 20000, &code, &error), &error);
	return code;
}

/* A file of ROOT/containers/ID, malloc'ed. */
static char *read_file(scow_container *container, const char *name, size_t *size)
{
	char path[512], *text = calloc(1, 1 << 22);
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "%s/containers/%s/%s", fixture.root, scow_container_id(container), name);
	file = fopen(path, "r");
	if (!file)
		fail_msg("no %s", path);
	n = fread(text, 1, (1 << 22) - 1, file);
	fclose(file);
	if (size)
		*size = n;
	return text;
}

static void test_life(void **state)
{
	scow_container *container = start("life", "echo out; echo err >&2; printf partial; exit 7");
	scow_container *other = NULL;
	scow_error *error = NULL;
	char *log;

	(void) state;
	expect_ok(scow_container_get(fixture.engine, "life", &other, &error), &error);
	assert_int_equal(wait_for(other), 7);
	expect_state(container, SCOW_CONTAINER_EXITED);
	log = read_file(container, "log.json", NULL);
	assert_non_null(strstr(log, "{\"log\":\"out\\n\",\"stream\":\"stdout\",\"time\":\"20"));
	assert_non_null(strstr(log, "{\"log\":\"err\\n\",\"stream\":\"stderr\",\"time\":\"20"));
	assert_non_null(strstr(log, "{\"log\":\"partial\",\"stream\":\"stdout\",\"time\":\"20"));
	free(log);
	/* Again, with what it wrote; the log goes on. */
	expect_ok(scow_container_start_detached(container, &error), &error);
	assert_int_equal(wait_for(container), 7);
	scow_container_unref(other);
	remove_it(container, 0);
}

static void test_running(void **state)
{
	scow_container *container = start("running", FOREVER);
	scow_error *error = NULL;

	(void) state;
	expect_state(container, SCOW_CONTAINER_RUNNING);
	assert_true(scow_container_pid(container, NULL) > 0);
	assert_int_equal(kill(scow_container_pid(container, NULL), 0), 0);
	expect_error(scow_container_start_detached(container, &error), SCOW_E_STATE, &error, "is running");
	expect_error(scow_container_wait(container, 10, NULL, &error), SCOW_E_TIMEOUT, &error, "still runs");
	expect_error(scow_container_remove(container, 0, &error), SCOW_E_STATE, &error, "is running");
	expect_ok(scow_container_stop(container, 0, &error), &error);
	expect_state(container, SCOW_CONTAINER_EXITED);
	assert_int_equal(wait_for(container), 137);
	remove_it(container, 0);
}

static void test_failures(void **state)
{
	static const char *const missing[] = { "/no/such/program", NULL };
	SCOW_AUTO(scow_container_config) *config = scow_container_config_new();
	scow_container *container = NULL;
	scow_error *error = NULL;

	(void) state;
	scow_container_config_set_command(config, missing);
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &container, &error), &error);
	expect_error(scow_container_start_detached(container, &error), SCOW_E_COMMAND_NOT_FOUND, &error, "/no/such/program");
	expect_state(container, SCOW_CONTAINER_CREATED);
	remove_it(container, 0);
}

/* ---- the log ---- */

static void test_log_format(void **state)
{
	/* A long line, characters to escape, bytes that are no UTF-8. */
	scow_container *container = start(NULL, "i=0; while [ $i -lt 2000 ]; do printf 0123456789; i=$((i+1)); done; echo;"
						"printf 'a\"b\\\\c<\\t\\001\\303\\244\\377\\n'");
	char *log;

	(void) state;
	assert_int_equal(wait_for(container), 0);
	log = read_file(container, "log.json", NULL);
	assert_memory_equal(log, "{\"log\":\"0123456789", 18);
	/* 16384 bytes, no newline; then the rest with one. */
	assert_memory_equal(log + 8 + 16384, "\",\"stream\":\"stdout\",\"time\":\"", 28);
	assert_non_null(strstr(log, "6789\\n\",\"stream\":\"stdout\""));
	assert_non_null(strstr(log, "{\"log\":\"a\\\"b\\\\c\\u003c\\u0009\\u0001\303\244\\ufffd\\n\","));
	free(log);
	remove_it(container, 0);
}

static void test_log_rotation(void **state)
{
	SCOW_AUTO(scow_container_config) *config = shell_config("i=0; while [ $i -lt 400 ]; do echo line $i; i=$((i+1)); done");
	scow_container *container;
	size_t sizes[3];
	char *logs[3];

	(void) state;
	scow_container_config_add_log_option(config, "max-size", "8k"); /* thousands, as with Docker */
	scow_container_config_add_log_option(config, "max-file", "3");
	container = start_config(config, NULL);
	assert_int_equal(wait_for(container), 0);
	logs[0] = read_file(container, "log.json", &sizes[0]);
	logs[1] = read_file(container, "log.json.1", &sizes[1]);
	logs[2] = read_file(container, "log.json.2", &sizes[2]);
	assert_non_null(strstr(logs[0], "\"line 399\\n\""));
	for (int i = 0; i < 3; i++) {
		assert_true(sizes[i] > 0 && sizes[i] < 8000 + 200);
		assert_true(i == 0 || sizes[i] >= 8000);
		assert_int_equal(logs[i][0], '{');
		assert_int_equal(logs[i][sizes[i] - 1], '\n');
		free(logs[i]);
	}
	remove_it(container, 0);
}

static void test_log_none(void **state)
{
	SCOW_AUTO(scow_container_config) *config = shell_config("echo unheard");
	scow_container *container;
	char path[512];

	(void) state;
	scow_container_config_set_log_driver(config, "none");
	container = start_config(config, NULL);
	assert_int_equal(wait_for(container), 0);
	snprintf(path, sizeof(path), "%s/containers/%s/log.json", fixture.root, scow_container_id(container));
	assert_int_equal(access(path, F_OK), -1);
	remove_it(container, 0);
}

static void do_inside(scow_container *container, const char *script)
{
	const char *const command[] = { "sh", "-c", script, NULL };
	SCOW_AUTO(scow_process_config) *config = scow_process_config_new(command);
	SCOW_AUTO(scow_process) *process = NULL;
	scow_error *error = NULL;
	int code = -1;

	expect_ok(scow_container_exec(container, config, NULL, &process, &error), &error);
	expect_ok(scow_process_wait(process, 20000, &code, &error), &error);
	assert_int_equal(code, 0);
}

/* ---- attaching ---- */

static void test_attach(void **state)
{
	SCOW_AUTO(scow_container_config) *config =
		shell_config("echo first; while read line; do echo got $line; done; echo last >&2; exit 4");
	SCOW_AUTO(scow_process) *one = NULL, *two = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	scow_container *container;
	scow_error *error = NULL;
	int code = -1;

	(void) state;
	scow_container_config_set_open_stdin(config, 1);
	container = start_config(config, NULL);
	scow_io_set_capture(io, 1 << 20);
	expect_ok(scow_container_attach(container, io, SCOW_ATTACH_STDIN | SCOW_ATTACH_LOGS, &one, &error), &error);
	/* One that only looks, and goes: nothing comes of it. */
	expect_ok(scow_container_attach(container, NULL, 0, &two, &error), &error);
	expect_error(scow_process_write(two, "x", 1, &error), SCOW_E_STATE, &error, "not open");
	two = scow_process_unref(two);
	expect_ok(scow_process_write(one, "a\nb\n", 4, &error), &error);
	expect_error(scow_process_wait(one, 50, &code, &error), SCOW_E_TIMEOUT, &error, NULL);
	expect_error(scow_process_resize(one, 10, 10, &error), SCOW_E_STATE, &error, "no terminal");
	expect_ok(scow_process_write(one, NULL, 0, &error), &error);
	expect_ok(scow_process_wait(one, 20000, &code, &error), &error);
	assert_int_equal(code, 4);
	assert_string_equal(scow_process_output(one, SCOW_STDOUT, NULL), "first\ngot a\ngot b\n");
	assert_string_equal(scow_process_output(one, SCOW_STDERR, NULL), "last\n");
	assert_int_equal(wait_for(container), 4);
	expect_error(scow_container_attach(container, io, 0, &two, &error), SCOW_E_STATE, &error, "exited");
	remove_it(container, 0);
}

/* Who leaves: stdin stays open for the next, or (once) is closed behind what was written. A slow reader gets all of it. */
static void test_stdin_once(void **state)
{
	(void) state;
	for (int once = 0; once < 2; once++) {
		SCOW_AUTO(scow_container_config) *config = shell_config("sleep 0.3; cat | wc -c; exit 9");
		SCOW_AUTO(scow_process) *looks = NULL, *writes = NULL, *next = NULL;
		SCOW_AUTO(scow_io) *io = scow_io_new();
		static char bytes[65536 + 5000];
		scow_container *container;
		scow_error *error = NULL;
		int code = -1;

		scow_container_config_set_open_stdin(config, 1);
		scow_container_config_set_stdin_once(config, once);
		container = start_config(config, NULL);
		scow_io_set_capture(io, 1 << 20);
		/* No guest with stdin, so nothing is closed behind it. */
		expect_ok(scow_container_attach(container, io, 0, &looks, &error), &error);
		looks = scow_process_unref(looks);
		expect_ok(scow_container_attach(container, io, SCOW_ATTACH_LOGS, &looks, &error), &error);
		expect_ok(scow_container_attach(container, NULL, SCOW_ATTACH_STDIN, &writes, &error), &error);
		/* More than its pipe takes while it sleeps. */
		expect_ok(scow_process_write(writes, bytes, sizeof(bytes), &error), &error);
		writes = scow_process_unref(writes);
		if (!once) {
			expect_error(scow_process_wait(looks, 600, &code, &error), SCOW_E_TIMEOUT, &error, NULL);
			expect_ok(scow_container_attach(container, NULL, SCOW_ATTACH_STDIN, &next, &error), &error);
			expect_ok(scow_process_write(next, NULL, 0, &error), &error);
		}
		expect_ok(scow_process_wait(looks, 20000, &code, &error), &error);
		assert_int_equal(code, 9);
		assert_string_equal(scow_process_output(looks, SCOW_STDOUT, NULL), "70536\n");
		remove_it(container, 0);
	}
}

struct closing {
	scow_process *process;
	char mark[300]; /* a file that the program waits for before it reads */
	char said[64];
};

static void close_input(int stream, const void *data, size_t size, void *userdata)
{
	struct closing *closing = userdata;

	(void) stream;
	if (!*closing->said) {
		close(open(closing->mark, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
		(void) scow_process_write(closing->process, NULL, 0, NULL);
	}
	snprintf(closing->said + strlen(closing->said), sizeof(closing->said) - strlen(closing->said), "%.*s", (int) size,
		 (const char *) data);
}

/* Closed by a callback in the middle of a write: it sees the end of what had gone, and nothing of ours besides. */
static void test_closed_while_writing(void **state)
{
	SCOW_AUTO(scow_container_config) *config = shell_config("echo x; until test -e /mnt/mark; do sleep 0.05; done; tr -d a | wc -c; "
								"until test -e /go; do sleep 0.05; done; exit 8");
	SCOW_AUTO(scow_io) *io = scow_io_new();
	static char bytes[1 << 22];
	struct closing closing = { .process = NULL };
	scow_container *container;
	scow_error *error = NULL;
	int code = -1;

	(void) state;
	memset(bytes, 'a', sizeof(bytes));
	snprintf(closing.mark, sizeof(closing.mark), "%s/closing", fixture.root);
	assert_int_equal(mkdir(closing.mark, 0700), 0);
	scow_container_config_add_bind(config, closing.mark, "/mnt", NULL);
	strcat(closing.mark, "/mark");
	scow_container_config_set_open_stdin(config, 1);
	container = start_config(config, NULL);
	scow_io_set_output(io, close_input, &closing);
	expect_ok(scow_container_attach(container, io, SCOW_ATTACH_STDIN | SCOW_ATTACH_LOGS, &closing.process, &error), &error);
	expect_error(scow_process_write(closing.process, bytes, sizeof(bytes), &error), SCOW_E_STATE, &error, "not open");
	do_inside(container, "touch /go");
	expect_ok(scow_process_wait(closing.process, 20000, &code, &error), &error);
	assert_int_equal(code, 8);
	assert_string_equal(closing.said, "x\n0\n");
	scow_process_unref(closing.process);
	remove_it(container, 0);
}

static void test_attach_terminal(void **state)
{
	SCOW_AUTO(scow_container_config) *config = shell_config("stty size; read x; stty size; tty; exit 3");
	SCOW_AUTO(scow_process) *process = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	scow_container *container;
	scow_error *error = NULL;
	int code = -1;

	(void) state;
	scow_container_config_set_tty(config, 1);
	scow_container_config_set_open_stdin(config, 1);
	container = start_config(config, NULL);
	scow_io_set_capture(io, 1 << 20);
	expect_ok(scow_container_attach(container, io, SCOW_ATTACH_STDIN | SCOW_ATTACH_LOGS, &process, &error), &error);
	expect_ok(scow_process_resize(process, 33, 77, &error), &error);
	expect_ok(scow_process_write(process, "go\n", 3, &error), &error);
	expect_ok(scow_process_wait(process, 20000, &code, &error), &error);
	assert_int_equal(code, 3);
	assert_non_null(strstr(scow_process_output(process, SCOW_STDOUT, NULL), "33 77\r\n"));
	assert_non_null(strstr(scow_process_output(process, SCOW_STDOUT, NULL), "33 77\r\n/dev/"));
	remove_it(container, SCOW_REMOVE_FORCE);
}

/* One who does not read misses something; the container does not wait for it, and the log has all. */
static void test_attach_slow(void **state)
{
	scow_container *container = start(NULL, "read x; yes 0123456789012345678901234567890123456789 | head -n 100000; exit 6");
	SCOW_AUTO(scow_process) *slow = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	scow_error *error = NULL;
	size_t size;
	int code;

	(void) state;
	scow_io_set_capture(io, 1 << 24);
	expect_ok(scow_container_attach(container, io, SCOW_ATTACH_LOGS, &slow, &error), &error);
	assert_int_equal(wait_for(container), 6);
	expect_ok(scow_process_wait(slow, 20000, &code, &error), &error);
	assert_int_equal(code, 6);
	scow_process_output(slow, SCOW_STDOUT, &size);
	assert_true(size > 0 && size <= 4100000);
	remove_it(container, 0);
}

/* ---- restarting ---- */

static void test_on_failure(void **state)
{
	SCOW_AUTO(scow_container_config) *config = shell_config("echo run; echo x >>/runs; exit 3");
	scow_container *container;
	char *log;
	int runs = 0;

	(void) state;
	scow_container_config_set_restart(config, SCOW_RESTART_ON_FAILURE, 2);
	container = start_config(config, NULL);
	assert_int_equal(wait_for(container), 3);
	log = read_file(container, "log.json", NULL);
	for (char *at = log; (at = strstr(at, "\"run\\n\"")); at++)
		runs++;
	free(log);
	assert_int_equal(runs, 3);
	log = read_file(container, "diff/runs", NULL);
	assert_string_equal(log, "x\nx\nx\n");
	free(log);
	remove_it(container, 0);
}

static void test_always(void **state)
{
	SCOW_AUTO(scow_container_config) *config = shell_config("exit 0");
	scow_container *container;
	scow_error *error = NULL;
	int seen = 0;

	(void) state;
	scow_container_config_set_restart(config, SCOW_RESTART_ALWAYS, 0);
	container = start_config(config, "always");
	for (int i = 0; i < 500 && !seen; i++) {
		seen = scow_container_state_now(container, NULL) == SCOW_CONTAINER_RESTARTING;
		poll(NULL, 0, 10);
	}
	assert_true(seen);
	expect_ok(scow_container_stop(container, 1000, &error), &error);
	expect_state(container, SCOW_CONTAINER_EXITED);
	expect_ok(scow_container_start_detached(container, &error), &error);
	remove_it(container, SCOW_REMOVE_FORCE);
}

static void test_killed_is_restarted(void **state)
{
	SCOW_AUTO(scow_container_config) *config = shell_config(FOREVER);
	scow_container *container;
	scow_error *error = NULL;
	int first, now = 0;

	(void) state;
	scow_container_config_set_restart(config, SCOW_RESTART_UNLESS_STOPPED, 0);
	container = start_config(config, NULL);
	first = scow_container_pid(container, NULL);
	assert_int_equal(kill(first, SIGKILL), 0);
	for (int i = 0; i < 500 && (now <= 0 || now == first); i++) {
		poll(NULL, 0, 10);
		now = scow_container_pid(container, NULL);
	}
	assert_true(now > 0 && now != first);
	expect_ok(scow_container_stop(container, 0, &error), &error);
	expect_state(container, SCOW_CONTAINER_EXITED);
	remove_it(container, 0);
}

static void test_policy_update(void **state)
{
	SCOW_AUTO(scow_container_config) *config = shell_config("sleep 1; exit 8"), *changes = scow_container_config_new();
	scow_container *container;
	scow_error *error = NULL;

	(void) state;
	scow_container_config_set_restart(config, SCOW_RESTART_ALWAYS, 0);
	container = start_config(config, NULL);
	scow_container_config_set_restart(changes, SCOW_RESTART_NO, 0);
	expect_ok(scow_container_update(container, changes, &error), &error);
	assert_int_equal(wait_for(container), 8);
	remove_it(container, 0);
}

/* ---- health ---- */

/* Waits until @words are in what inspect says. */
static void until_inspect(scow_container *container, const char *words)
{
	char *json = NULL;

	for (int i = 0; i < 1000; i++) {
		scow_error *error = NULL;
		bool found;

		expect_ok(scow_container_inspect_json(container, &json, &error), &error);
		found = strstr(json, words) != NULL;
		if (!found && i == 999)
			fail_msg("no %s in %s", words, json);
		scow_free(json);
		if (found)
			return;
		poll(NULL, 0, 10);
	}
}

static void test_health(void **state)
{
	static const char *const test[] = { "CMD-SHELL", "echo checked; test -e /well", NULL };
	SCOW_AUTO(scow_container_config) *config = shell_config(FOREVER);
	scow_container *container;
	scow_error *error = NULL;

	(void) state;
	scow_container_config_set_health(config, test, 100, 5000, 60000, 100, 2);
	container = start_config(config, NULL);
	assert_non_null(strstr(scow_container_status_text(container), "(health: starting)"));
	do_inside(container, "touch /well");
	until_inspect(container, "\"Status\":\"healthy\",\"FailingStreak\":0");
	until_inspect(container, "\"Output\":\"checked\\n\"");
	do_inside(container, "rm /well");
	until_inspect(container, "\"Status\":\"unhealthy\"");
	assert_non_null(strstr(scow_container_status_text(container), "(unhealthy)"));
	expect_ok(scow_container_stop(container, 0, &error), &error);
	remove_it(container, 0);
}

/* One that hangs, and one that is not there. */
static void test_health_failures(void **state)
{
	static const char *const hangs[] = { "CMD", "sleep", "100", NULL }, *const missing[] = { "CMD", "/no/such/test", NULL };
	SCOW_AUTO(scow_container_config) *config = shell_config(FOREVER);
	scow_container *one, *two;

	(void) state;
	scow_container_config_set_health(config, hangs, 100, 200, 0, 0, 1);
	one = start_config(config, NULL);
	scow_container_config_set_health(config, missing, 100, 5000, 0, 0, 1);
	two = start_config(config, NULL);
	until_inspect(one, "\"ExitCode\":-1,\"Output\":\"Health check exceeded timeout\"");
	until_inspect(one, "\"Status\":\"unhealthy\"");
	until_inspect(two, "\"Status\":\"unhealthy\"");
	until_inspect(two, "execute '/no/such/test'");
	remove_it(one, SCOW_REMOVE_FORCE);
	remove_it(two, SCOW_REMOVE_FORCE);
}

/* ---- attach, then start ---- */

static scow_process *attach_first(scow_container *container, scow_io *io, unsigned int flags)
{
	scow_process *process = NULL;
	scow_error *error = NULL;

	expect_ok(scow_container_attach(container, io, flags | SCOW_ATTACH_NEXT, &process, &error), &error);
	return process;
}

/* However short it is, and though it is gone when we look: not a byte is missed, and not the code. */
static void test_attach_then_start(void **state)
{
	SCOW_AUTO(scow_container_config) *config = shell_config("echo x; echo y >&2; exit 7");

	(void) state;
	scow_container_config_set_ephemeral(config, 1);
	for (int i = 0; i < 20; i++) {
		SCOW_AUTO(scow_io) *io = scow_io_new();
		SCOW_AUTO(scow_container) *container = NULL;
		SCOW_AUTO(scow_process) *process = NULL, *second = NULL;
		scow_error *error = NULL;
		int code = -1;

		scow_io_set_capture(io, 100);
		expect_ok(scow_container_create(fixture.engine, fixture.image, config, &container, &error), &error);
		process = attach_first(container, io, 0);
		second = attach_first(container, io, SCOW_ATTACH_LOGS);
		assert_int_equal(scow_process_pid(process), 0);
		assert_int_equal(expect_ok(scow_process_dispatch(process, &error), &error), 1);
		expect_error(scow_process_signal(process, SIGTERM, &error), SCOW_E_STATE, &error, "does not run");
		expect_ok(scow_container_start_detached(container, &error), &error);
		expect_ok(scow_process_wait(process, 20000, &code, &error), &error);
		assert_int_equal(code, 7);
		assert_string_equal(scow_process_output(process, SCOW_STDOUT, NULL), "x\n");
		assert_string_equal(scow_process_output(process, SCOW_STDERR, NULL), "y\n");
		expect_ok(scow_process_wait(second, 20000, &code, &error), &error);
		assert_int_equal(code, 7);
		assert_string_equal(scow_process_output(second, SCOW_STDOUT, NULL), "x\n");
	}
}

static void test_attach_before(void **state)
{
	static const char *const command[] = { "cat", NULL }, *const missing[] = { "/nothing", NULL };
	SCOW_AUTO(scow_container_config) *config = shell_config(""), *bad = shell_config("");
	SCOW_AUTO(scow_io) *io = scow_io_new();
	SCOW_AUTO(scow_container) *container = NULL, *never = NULL;
	SCOW_AUTO(scow_process) *process = NULL, *other = NULL, *runs = NULL;
	scow_error *error = NULL;
	int code = -1;

	(void) state;
	scow_io_set_capture(io, 100);
	scow_container_config_set_command(config, command);
	scow_container_config_set_open_stdin(config, 1);
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &container, &error), &error);
	/* Who has left is not waited for. */
	scow_process_unref(attach_first(container, io, SCOW_ATTACH_STDIN));
	process = attach_first(container, io, SCOW_ATTACH_STDIN);
	expect_error(scow_process_write(process, "early", 5, &error), SCOW_E_STATE, &error, "not open");
	expect_ok(scow_container_start_detached(container, &error), &error);
	expect_ok(scow_process_write(process, "hello", 5, &error), &error);
	assert_int_equal(scow_process_pid(process), scow_container_pid(container, &error));
	/* One that runs is attached to as it is. */
	runs = attach_first(container, NULL, SCOW_ATTACH_STDIN);
	expect_ok(scow_process_write(process, NULL, 0, &error), &error);
	expect_ok(scow_process_wait(process, 20000, &code, &error), &error);
	assert_int_equal(code, 0);
	assert_string_equal(scow_process_output(process, SCOW_STDOUT, NULL), "hello");
	/* A start that fails is none, and a removal ends it. */
	scow_container_config_set_command(bad, missing);
	expect_ok(scow_container_create(fixture.engine, fixture.image, bad, &never, &error), &error);
	other = attach_first(never, io, 0);
	expect_error(scow_container_start_detached(never, &error), SCOW_E_COMMAND_NOT_FOUND, &error, "/nothing");
	assert_int_equal(expect_ok(scow_process_dispatch(other, &error), &error), 1);
	expect_ok(scow_container_remove(never, 0, &error), &error);
	expect_ok(scow_process_wait(other, 20000, &code, &error), &error);
	assert_int_equal(code, 137);
}

/* ---- whoever dies ---- */

static pid_t supervisor_of(scow_container *container)
{
	char path[64], text[512] = "";
	int parent = 0;
	FILE *file;
	char *at;

	snprintf(path, sizeof(path), "/proc/%d/status", scow_container_pid(container, NULL));
	file = fopen(path, "r");
	assert_non_null(file);
	assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
	fclose(file);
	at = strstr(text, "PPid:");
	assert_non_null(at);
	parent = atoi(at + 5);
	assert_true(parent > 1 && parent != getpid());
	return parent;
}

/* A zombie is not: it may be that of an init that takes its time. */
static bool is_alive(pid_t pid)
{
	char path[64], text[512] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "r");
	if (!file)
		return false;
	if (!fgets(text, sizeof(text), file))
		text[0] = 0;
	fclose(file);
	return text[0] && !strstr(text, ") Z ");
}

static void test_supervisor_killed(void **state)
{
	scow_container *container = start("orphan", FOREVER);
	SCOW_AUTO(scow_process) *process = NULL;
	pid_t supervisor = supervisor_of(container), pid = scow_container_pid(container, NULL);
	scow_error *error = NULL;
	int code;

	(void) state;
	expect_ok(scow_container_attach(container, NULL, 0, &process, &error), &error);
	assert_int_equal(kill(supervisor, SIGKILL), 0);
	assert_int_equal(wait_for(container), 137);
	expect_ok(scow_process_wait(process, 5000, &code, &error), &error);
	assert_int_equal(code, 137);
	expect_state(container, SCOW_CONTAINER_EXITED);
	assert_false(is_alive(pid));
	remove_it(container, 0);
	remove_it(start("orphan", "exit 0"), SCOW_REMOVE_FORCE);
}

static void test_process_killed(void **state)
{
	scow_container *container = start(NULL, FOREVER);

	(void) state;
	assert_int_equal(kill(scow_container_pid(container, NULL), SIGKILL), 0);
	assert_int_equal(wait_for(container), 137);
	remove_it(container, 0);
}

/* The program that started it is killed: it runs on, as nobody's child. */
static void test_caller_killed(void **state)
{
	scow_container *container = NULL;
	scow_error *error = NULL;
	int pipes[2], status;
	char byte;
	pid_t child;

	(void) state;
	assert_int_equal(pipe(pipes), 0);
	child = fork();
	if (child == 0) {
		fixture.engine = fixture_open();
		fixture.image = NULL;
		if (scow_image_get(fixture.engine, "busybox", &fixture.image, NULL) < 0)
			_exit(1);
		start("left", "sleep 0.5; exit 9");
		if (write(pipes[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	close(pipes[1]);
	assert_int_equal(read(pipes[0], &byte, 1), 1);
	close(pipes[0]);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	expect_ok(scow_container_get(fixture.engine, "left", &container, &error), &error);
	assert_int_equal(wait_for(container), 9);
	remove_it(container, 0);
}

static void test_ephemeral(void **state)
{
	SCOW_AUTO(scow_container_config) *config = shell_config("sleep 0.2; exit 2");
	scow_container *container, *again;
	scow_error *error = NULL;
	int code;

	(void) state;
	scow_container_config_set_ephemeral(config, 1);
	container = start_config(config, "passing");
	expect_ok(scow_container_wait(container, 20000, &code, &error), &error);
	assert_int_equal(code, 2);
	assert_int_equal(scow_container_state_now(container, NULL), SCOW_E_NOT_FOUND);
	scow_container_unref(container);
	/* Nobody waits for this one; its name is free all the same. */
	scow_container_unref(start_config(config, "passing"));
	poll(NULL, 0, 700);
	again = start("passing", "exit 0");
	assert_int_equal(wait_for(again), 0);
	remove_it(again, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_life, fixture_clear),
		cmocka_unit_test_teardown(test_running, fixture_clear),
		cmocka_unit_test_teardown(test_failures, fixture_clear),
		cmocka_unit_test_teardown(test_log_format, fixture_clear),
		cmocka_unit_test_teardown(test_log_rotation, fixture_clear),
		cmocka_unit_test_teardown(test_log_none, fixture_clear),
		cmocka_unit_test_teardown(test_attach, fixture_clear),
		cmocka_unit_test_teardown(test_stdin_once, fixture_clear),
		cmocka_unit_test_teardown(test_closed_while_writing, fixture_clear),
		cmocka_unit_test_teardown(test_attach_terminal, fixture_clear),
		cmocka_unit_test_teardown(test_attach_slow, fixture_clear),
		cmocka_unit_test_teardown(test_on_failure, fixture_clear),
		cmocka_unit_test_teardown(test_always, fixture_clear),
		cmocka_unit_test_teardown(test_killed_is_restarted, fixture_clear),
		cmocka_unit_test_teardown(test_policy_update, fixture_clear),
		cmocka_unit_test_teardown(test_health, fixture_clear),
		cmocka_unit_test_teardown(test_health_failures, fixture_clear),
		cmocka_unit_test_teardown(test_attach_then_start, fixture_clear),
		cmocka_unit_test_teardown(test_attach_before, fixture_clear),
		cmocka_unit_test_teardown(test_supervisor_killed, fixture_clear),
		cmocka_unit_test_teardown(test_process_killed, fixture_clear),
		cmocka_unit_test_teardown(test_caller_killed, fixture_clear),
		cmocka_unit_test_teardown(test_ephemeral, fixture_clear),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
