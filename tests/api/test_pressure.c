/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pressure: whoever watches a container's memory hears of its limit before the kernel acts, may raise it, and misses no kill. It runs on
 * cgroup v1 and, in the guest, on v2.
 */
#include "api_fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)
#define LONG_MS 30000
/* 130 MB in steps of 10, all of it in the memory of PID 1, and touched by itself: v1 lets nobody wait inside a system call. */
#define AWK "awk 'BEGIN { for (i = 0; i < 13; i++) a[i] = sprintf(\"%10000000s\", \"x\"); for (i in a) n += length(a[i]); print n }'"
#define GROW "read go; exec " AWK

struct heard {
	scow_container *container;
	uint64_t doubles; /* how often the limit may be doubled */
	unsigned int counts[SCOW_PRESSURE_STALL_IO + 1];
	uint64_t kills, stop_with;
	char output[64];
	int go; /* the program waits for a line until it is watched */
};

static bool is_v2(void)
{
	return access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0;
}

static int hear(int kind, uint64_t value, uint64_t limit, void *userdata)
{
	struct heard *heard = userdata;
	scow_error *error = NULL;

	assert_in_range(kind, SCOW_PRESSURE_MEMORY, SCOW_PRESSURE_STALL_IO);
	heard->counts[kind]++;
	if (kind == SCOW_PRESSURE_OOM_KILL)
		heard->kills = value;
	if (kind == SCOW_PRESSURE_HELD && heard->doubles) {
		SCOW_AUTO(scow_container_config) *changes = scow_container_config_new();

		assert_in_range(value, limit / 100 * 80, limit);
		scow_container_config_set_memory_bytes(changes, limit * 2);
		scow_container_config_set_memory_swap_bytes(changes, (int64_t) limit * 2);
		expect_ok(scow_container_update(heard->container, changes, &error), &error);
		heard->doubles--;
	}
	return (int) heard->stop_with;
}

static void keep_output(int stream, const void *data, size_t size, void *userdata)
{
	struct heard *heard = userdata;
	size_t kept = strlen(heard->output);

	(void) stream;
	if (kept + size < sizeof(heard->output))
		memcpy(heard->output + kept, data, size);
}

static scow_container *make(const char *script, uint64_t bytes)
{
	SCOW_AUTO(scow_container_config) *config = shell_config(script);
	scow_container *container = NULL;
	scow_error *error = NULL;

	scow_container_config_set_namespace(config, SCOW_NAMESPACE_NETWORK, "none");
	if (bytes) {
		scow_container_config_set_memory_bytes(config, bytes);
		scow_container_config_set_memory_swap_bytes(config, (int64_t) bytes);
	}
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &container, &error), &error);
	return container;
}

static scow_process *start(scow_container *container, struct heard *heard)
{
	SCOW_AUTO(scow_io) *io = scow_io_new();
	scow_process *process = NULL;
	scow_error *error = NULL;
	int fds[2];

	heard->container = container;
	scow_io_set_output(io, keep_output, heard);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	scow_io_set_fd(io, SCOW_STDIN, fds[0]);
	expect_ok(scow_container_start(container, io, &process, &error), &error);
	close(fds[0]);
	heard->go = fds[1];
	return process;
}

static scow_pressure *watch(struct heard *heard, const scow_pressure_options *options)
{
	scow_pressure *pressure = NULL;
	scow_error *error = NULL;

	expect_ok(scow_container_watch_pressure(heard->container, options, hear, heard, &pressure, &error), &error);
	assert_true(scow_pressure_fd(pressure) >= 0);
	if (heard->go > 0)
		close(heard->go);
	return pressure;
}

/* One loop for both, until both have ended. Which is dispatched first is the caller's choice. */
static void follow(scow_process *process, scow_pressure *pressure, bool process_first)
{
	struct pollfd fds[] = { { scow_process_fd(process), POLLIN, 0 }, { scow_pressure_fd(pressure), POLLIN, 0 } };
	scow_error *error = NULL;
	int runs = 1, watches = 1;

	while (runs || watches) {
		if (poll(fds, 2, LONG_MS) <= 0)
			fail_msg("nothing happened: runs %d, watches %d", runs, watches);
		for (int i = 0; i < 2; i++) {
			if ((i == 0) == process_first && runs)
				runs = expect_ok(scow_process_dispatch(process, &error), &error);
			else if ((i == 0) != process_first && watches)
				watches = expect_ok(scow_pressure_dispatch(pressure, &error), &error);
		}
		fds[0].fd = runs ? fds[0].fd : -1;
		fds[1].fd = watches ? fds[1].fd : -1;
	}
}

static bool was_oom_killed(scow_container *container)
{
	char *json = NULL;
	scow_error *error = NULL;
	bool killed;

	expect_ok(scow_container_inspect_json(container, &json, &error), &error);
	killed = strstr(json, "\"OOMKilled\":true") || strstr(json, "\"OOMKilled\": true");
	scow_free(json);
	return killed;
}

static void test_host_decides(void **state)
{
	SCOW_AUTO(scow_pressure_options) *options = scow_pressure_options_new();
	struct heard heard = { .doubles = 3 };
	scow_container *container = make(GROW, 32 * MIB);
	scow_process *process = start(container, &heard);
	scow_pressure *pressure;
	scow_error *error = NULL;
	int code;

	(void) state;
	scow_pressure_options_set_hold(options, 1);
	pressure = watch(&heard, options);
	follow(process, pressure, false);
	expect_ok(scow_process_wait(process, LONG_MS, &code, &error), &error);
	assert_int_equal(code, 0);
	assert_string_equal(heard.output, "130000000\n");
	assert_int_equal(heard.doubles, 0);
	assert_true(heard.counts[SCOW_PRESSURE_HELD] >= 3);
	assert_int_equal(heard.kills, 0);
	assert_false(was_oom_killed(container));
	scow_pressure_unref(pressure);
	scow_process_unref(process);
	remove_it(container, SCOW_REMOVE_FORCE);
}

/* Each kill is told of, whichever descriptor is looked at first. */
static void test_every_kill_is_told(void **state)
{
	(void) state;
	for (int i = 0; i < 10; i++) {
		struct heard heard = { 0 };
		scow_container *container = make(GROW, 16 * MIB);
		scow_process *process = start(container, &heard);
		scow_pressure *pressure = watch(&heard, NULL);
		scow_error *error = NULL;
		int code;

		follow(process, pressure, i % 2);
		expect_ok(scow_process_wait(process, LONG_MS, &code, &error), &error);
		assert_int_equal(code, 137);
		assert_true(was_oom_killed(container));
		assert_true(heard.counts[SCOW_PRESSURE_OOM_KILL] >= 1);
		assert_true(heard.kills >= 1);
		scow_pressure_unref(pressure);
		scow_process_unref(process);
		remove_it(container, SCOW_REMOVE_FORCE);
	}
}

/*
 * A child's death by it does not end the container, and is told at once. The child alone asks for memory: while a dying one gives its own
 * back the kernel may find no other victim than PID 1 for somebody else who asks.
 */
static void test_kill_of_a_child(void **state)
{
	struct heard heard = { 0 };
	scow_container *container = make("read go; " AWK "; sleep 1000", 16 * MIB);
	scow_process *process = start(container, &heard);
	scow_pressure *pressure = watch(&heard, NULL);
	struct pollfd fds = { scow_pressure_fd(pressure), POLLIN, 0 };
	scow_error *error = NULL;
	int more = 0;

	(void) state;
	while (!heard.kills) {
		assert_int_equal(poll(&fds, 1, LONG_MS), 1);
		assert_int_equal(expect_ok(scow_pressure_dispatch(pressure, &error), &error), 1);
	}
	assert_true(heard.counts[SCOW_PRESSURE_OOM] >= 1);
	/* What belongs to it may come a moment later; then it is quiet. */
	while (poll(&fds, 1, 200) == 1) {
		assert_true(++more < 100);
		assert_int_equal(expect_ok(scow_pressure_dispatch(pressure, &error), &error), 1);
	}
	scow_pressure_unref(pressure);
	scow_process_unref(process);
	remove_it(container, SCOW_REMOVE_FORCE);
}

/* The watch goes, and the kernel may kill again. */
static void test_end_of_hold(void **state)
{
	SCOW_AUTO(scow_pressure_options) *options = scow_pressure_options_new();
	struct heard heard = { 0 };
	scow_container *container = make(GROW, 16 * MIB);
	scow_process *process = start(container, &heard);
	scow_pressure *pressure;
	struct pollfd fds;
	scow_error *error = NULL;
	int code;

	(void) state;
	scow_pressure_options_set_hold(options, 1);
	pressure = watch(&heard, options);
	fds = (struct pollfd){ scow_pressure_fd(pressure), POLLIN, 0 };
	while (!heard.counts[SCOW_PRESSURE_HELD]) {
		assert_int_equal(poll(&fds, 1, LONG_MS), 1);
		assert_int_equal(expect_ok(scow_pressure_dispatch(pressure, &error), &error), 1);
	}
	/* It waits. */
	assert_int_equal(scow_process_wait(process, 200, &code, &error), SCOW_E_TIMEOUT);
	error = scow_error_unref(error);
	assert_int_equal(heard.kills, 0);
	scow_pressure_unref(pressure);
	expect_ok(scow_process_wait(process, LONG_MS, &code, &error), &error);
	assert_int_equal(code, 137);
	scow_process_unref(process);
	remove_it(container, SCOW_REMOVE_FORCE);
}

static void test_mark(void **state)
{
	SCOW_AUTO(scow_pressure_options) *options = scow_pressure_options_new();
	struct heard heard = { .stop_with = 5 };
	scow_container *container = make("read go; head -c 60000000 /dev/zero | tail -c 60000000 | { sleep 1000; }", 64 * MIB);
	scow_process *process = start(container, &heard);
	scow_pressure *pressure;
	struct pollfd fds;
	scow_error *error = NULL;
	int r = 1;

	(void) state;
	scow_pressure_options_set_memory_percent(options, 50);
	pressure = watch(&heard, options);
	fds = (struct pollfd){ scow_pressure_fd(pressure), POLLIN, 0 };
	while (r == 1) {
		assert_int_equal(poll(&fds, 1, LONG_MS), 1);
		r = scow_pressure_dispatch(pressure, &error);
	}
	expect_error(r, SCOW_E_CANCELED, &error, "stopped watching");
	assert_int_equal(heard.counts[SCOW_PRESSURE_MEMORY], 1);
	scow_pressure_unref(pressure);
	scow_process_unref(process);
	remove_it(container, SCOW_REMOVE_FORCE);
}

static void test_stalls(void **state)
{
	SCOW_AUTO(scow_pressure_options) *options = scow_pressure_options_new();
	struct heard heard = { 0 };
	scow_container *container = make("read go; while :; do :; done & while :; do :; done & while :; do :; done & wait", 0);
	scow_process *process = start(container, &heard);
	scow_pressure *pressure = NULL;
	scow_error *error = NULL;
	int r;

	(void) state;
	scow_pressure_options_add_stall(options, SCOW_PRESSURE_STALL_CPU, 0, 50000, 2000000);
	r = scow_container_watch_pressure(container, options, hear, &heard, &pressure, &error);
	if (!is_v2() || access("/proc/pressure/cpu", F_OK) < 0) {
		expect_error(r, SCOW_E_UNSUPPORTED, &error, is_v2() ? "cpu.pressure" : "cgroup v2 only");
	} else {
		struct pollfd fds;

		expect_ok(r, &error);
		assert_int_equal(write(heard.go, "\n", 1), 1);
		fds = (struct pollfd){ scow_pressure_fd(pressure), POLLIN, 0 };
		while (!heard.counts[SCOW_PRESSURE_STALL_CPU]) {
			assert_int_equal(poll(&fds, 1, LONG_MS), 1);
			assert_int_equal(expect_ok(scow_pressure_dispatch(pressure, &error), &error), 1);
		}
	}
	scow_pressure_unref(pressure);
	close(heard.go);
	scow_process_unref(process);
	remove_it(container, SCOW_REMOVE_FORCE);
}

static void test_refusals(void **state)
{
	SCOW_AUTO(scow_pressure_options) *hold = scow_pressure_options_new(), *bad = scow_pressure_options_new();
	SCOW_AUTO(scow_pressure_options) *window = scow_pressure_options_new();
	struct heard heard = { 0 };
	scow_container *container = make("sleep 1000", 0), *detached = make("sleep 1000", 32 * MIB);
	scow_process *process;
	scow_pressure *pressure = NULL;
	scow_error *error = NULL;

	(void) state;
	scow_pressure_options_set_hold(hold, 1);
	expect_error(scow_container_watch_pressure(container, NULL, hear, &heard, &pressure, &error), SCOW_E_STATE, &error, "not running");
	process = start(container, &heard);
	expect_error(scow_container_watch_pressure(container, hold, hear, &heard, &pressure, &error), SCOW_E_INVALID, &error, "no limit");
	scow_pressure_options_set_memory_percent(bad, 100);
	expect_error(scow_container_watch_pressure(container, bad, hear, &heard, &pressure, &error), SCOW_E_INVALID, &error, "percent");
	scow_pressure_options_add_stall(window, SCOW_PRESSURE_STALL_IO, 0, 1000, 1000);
	expect_error(scow_container_watch_pressure(container, window, hear, &heard, &pressure, &error), SCOW_E_INVALID, &error, "window");
	expect_error(scow_container_watch_pressure(container, NULL, NULL, NULL, &pressure, &error), SCOW_E_INVALID, &error, "function");
	expect_ok(scow_container_start_detached(detached, &error), &error);
	expect_error(scow_container_watch_pressure(detached, hold, hear, &heard, &pressure, &error), SCOW_E_UNSUPPORTED, &error,
		     "lives on");
	expect_error(scow_pressure_dispatch(NULL, &error), SCOW_E_INVALID, &error, "no watch");
	assert_int_equal(scow_pressure_fd(NULL), -1);
	assert_null(scow_pressure_unref(NULL));
	assert_null(pressure);
	close(heard.go);
	scow_process_unref(process);
	remove_it(container, SCOW_REMOVE_FORCE);
	remove_it(detached, SCOW_REMOVE_FORCE);
}

/* A detached one restarts after each kill: all are told, and the watch ends with the last. */
static void test_detached(void **state)
{
	SCOW_AUTO(scow_container_config) *config = shell_config("sleep 0.2; " GROW);
	scow_container *container = NULL;
	struct heard heard = { 0 };
	scow_pressure *pressure;
	struct pollfd fds;
	scow_error *error = NULL;
	int r = 1;

	(void) state;
	scow_container_config_set_memory_bytes(config, 16 * MIB);
	scow_container_config_set_memory_swap_bytes(config, 16 * MIB);
	scow_container_config_set_namespace(config, SCOW_NAMESPACE_NETWORK, "none");
	scow_container_config_set_restart(config, SCOW_RESTART_ON_FAILURE, 1);
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &container, &error), &error);
	expect_ok(scow_container_start_detached(container, &error), &error);
	heard.container = container;
	pressure = watch(&heard, NULL);
	fds = (struct pollfd){ scow_pressure_fd(pressure), POLLIN, 0 };
	while (r == 1) {
		assert_int_equal(poll(&fds, 1, LONG_MS), 1);
		r = expect_ok(scow_pressure_dispatch(pressure, &error), &error);
	}
	assert_true(heard.kills >= 1);
	assert_true(was_oom_killed(container));
	scow_pressure_unref(pressure);
	remove_it(container, SCOW_REMOVE_FORCE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_host_decides, fixture_clear),
		cmocka_unit_test_teardown(test_every_kill_is_told, fixture_clear),
		cmocka_unit_test_teardown(test_kill_of_a_child, fixture_clear),
		cmocka_unit_test_teardown(test_end_of_hold, fixture_clear),
		cmocka_unit_test_teardown(test_mark, fixture_clear),
		cmocka_unit_test_teardown(test_stalls, fixture_clear),
		cmocka_unit_test_teardown(test_refusals, fixture_clear),
		cmocka_unit_test_teardown(test_detached, fixture_clear),
	};

	return cmocka_run_group_tests_name("pressure", tests, fixture_setup, fixture_teardown);
}
