/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A container's life: every operation in every state, and what pause, rename, update, wait, top, stats, lists and pruning do.
 */
#include "api_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Ends with 7 on SIGTERM; "busy" also works without a pause. */
static const char patient[] = "trap 'exit 7' TERM; sleep 1000 & echo ready; wait";
static const char busy[] = "trap 'exit 7' TERM; echo ready; while :; do :; done";

struct life {
	scow_container *container;
	scow_process *process;
};

enum state { CREATED, RUNNING, PAUSED, DETACHED, DETACHED_PAUSED, EXITED, GONE, STATES };
static const char *const state_names[] = { "created", "running", "paused", "detached", "detached and paused", "exited", "gone" };

/* Until it has printed that. */
static void await_log(scow_container *container, const char *words)
{
	char path[512], text[4096];

	snprintf(path, sizeof(path), "%s/containers/%s/log.json", fixture.root, scow_container_id(container));
	for (int i = 0; i < 2000; i++) {
		FILE *file = fopen(path, "re");
		size_t size = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

		if (file)
			fclose(file);
		text[size] = 0;
		if (strstr(text, words))
			return;
		usleep(5000);
	}
	fail_msg("it never said '%s'", words);
}

static struct life begin(const char *script, enum state state)
{
	SCOW_AUTO(scow_container_config) *config = shell_config(script);
	SCOW_AUTO(scow_io) *io = scow_io_new();
	struct life life = { NULL, NULL };
	scow_error *error = NULL;

	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &life.container, &error), &error);
	if (state == CREATED)
		return life;
	if (state == GONE) {
		expect_ok(scow_container_remove(life.container, 0, &error), &error);
		return life;
	}
	if (state == DETACHED || state == DETACHED_PAUSED) {
		expect_ok(scow_container_start_detached(life.container, &error), &error);
		await_log(life.container, "ready");
		if (state == DETACHED_PAUSED)
			expect_ok(scow_container_pause(life.container, &error), &error);
		return life;
	}
	scow_io_set_capture(io, 1 << 16);
	expect_ok(scow_container_start(life.container, io, &life.process, &error), &error);
	/* Its trap is set when it has said so. */
	for (size_t size = 0; !size;) {
		expect_ok(scow_process_dispatch(life.process, &error), &error);
		scow_process_output(life.process, SCOW_STDOUT, &size);
		usleep(1000);
	}
	if (state == PAUSED)
		expect_ok(scow_container_pause(life.container, &error), &error);
	if (state == EXITED)
		expect_ok(scow_container_stop(life.container, 0, &error), &error);
	return life;
}

static void end(struct life *life)
{
	scow_container_remove(life->container, SCOW_REMOVE_FORCE, NULL);
	life->process = scow_process_unref(life->process);
	life->container = scow_container_unref(life->container);
}

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

static bool can_limit(void)
{
	return !scow_engine_rootless(fixture.engine);
}

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
			life = begin(patient, (enum state) state);
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
			end(&life);
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

static char *document(struct life *life, int (*get)(scow_container *, char **, scow_error **))
{
	scow_error *error = NULL;
	char *text = NULL;

	expect_ok(get(life->container, &text, &error), &error);
	return text;
}

static void expect_in(char *text, const char *words)
{
	if (!strstr(text, words))
		fail_msg("'%s' is not in %s", words, text);
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
	life = begin(busy, PAUSED);
	pid = scow_container_pid(life.container, NULL);
	ticks = cpu_ticks(pid);
	usleep(200000);
	assert_int_equal(cpu_ticks(pid), ticks);
	text = document(&life, scow_container_inspect_json);
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
	end(&life);
}

static void test_end_of_a_paused_one(void **state)
{
	struct life life;
	scow_error *error = NULL;
	int code;

	(void) state;
	if (!can_limit())
		skip();
	life = begin(patient, PAUSED);
	expect_ok(scow_container_kill(life.container, SIGKILL, &error), &error);
	expect_ok(scow_container_wait(life.container, 10000, &code, &error), &error);
	assert_int_equal(code, 137);
	end(&life);
	life = begin(patient, PAUSED);
	expect_ok(scow_container_stop(life.container, 10000, &error), &error);
	expect_ok(scow_container_wait(life.container, 0, &code, &error), &error);
	assert_int_equal(code, 7);
	end(&life);
	life = begin(patient, PAUSED);
	expect_ok(scow_container_remove(life.container, SCOW_REMOVE_FORCE, &error), &error);
	end(&life);
}

/* ---- rename ---- */

static void test_rename(void **state)
{
	struct life life = begin(patient, RUNNING), other = begin(patient, CREATED);
	SCOW_AUTO(scow_container) *same = NULL, *found = NULL;
	const char *before = scow_container_name(life.container);
	scow_error *error = NULL;
	char *text;

	(void) state;
	expect_ok(scow_container_get(fixture.engine, scow_container_id(life.container), &same, &error), &error);
	expect_ok(scow_container_rename(life.container, "fresh", &error), &error);
	assert_string_equal(scow_container_name(life.container), "fresh");
	assert_string_equal(before, scow_container_name(same)); /* what was given out is still there */
	text = document(&(struct life){ same, NULL }, scow_container_inspect_json);
	expect_in(text, "\"Name\":\"/fresh\"");
	scow_free(text);
	expect_ok(scow_container_get(fixture.engine, "fresh", &found, &error), &error);
	expect_error(scow_container_get(fixture.engine, before, &found, &error), SCOW_E_NOT_FOUND, &error, before);
	expect_error(scow_container_rename(other.container, "fresh", &error), SCOW_E_EXISTS, &error, "in use by container");
	expect_error(scow_container_rename(life.container, "fresh", &error), SCOW_E_INVALID, &error, "already");
	expect_error(scow_container_rename(life.container, "a b", &error), SCOW_E_INVALID, &error, "'a b' is not a name");
	expect_error(scow_container_rename(life.container, "", &error), SCOW_E_INVALID, &error, "no name");
	expect_error(scow_container_rename(life.container, NULL, &error), SCOW_E_INVALID, &error, "no name");
	end(&life);
	end(&other);
}

/* ---- update ---- */

/* A file of the container's cgroup, its line end cut off. */
static char *cgroup_file(struct life *life, const char *controller, const char *v1, const char *v2, char out[64])
{
	char path[512], line[512], cgroup[400] = "";
	bool is_v2 = access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", scow_container_pid(life->container, NULL));
	file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		char *names = strchr(line, ':') + 1, *where = strchr(names, ':');

		*where++ = 0;
		where[strcspn(where, "\n")] = 0;
		if (strcmp(names, is_v2 ? "" : controller) == 0)
			snprintf(cgroup, sizeof(cgroup), "%s", where);
	}
	fclose(file);
	snprintf(path, sizeof(path), "/sys/fs/cgroup/%s%s/%s", is_v2 ? "" : controller, cgroup, is_v2 ? v2 : v1);
	file = fopen(path, "re");
	if (!file)
		fail_msg("%s is not there", path);
	assert_non_null(fgets(out, 64, file));
	fclose(file);
	out[strcspn(out, "\n")] = 0;
	return out;
}

static bool has_v2(void)
{
	return access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0;
}

/* Not every kernel has it as a controller of v2. */
static bool has_cpuset(void)
{
	char text[256] = "";
	FILE *file = has_v2() ? fopen("/sys/fs/cgroup/cgroup.controllers", "re") : NULL;
	bool found;

	if (!file)
		return !has_v2();
	found = fgets(text, sizeof(text), file) && strstr(text, "cpuset");
	fclose(file);
	return found;
}

static void expect_limits(struct life *life, const char *memory, const char *pids, const char *shares, const char *quota)
{
	char text[64];

	assert_string_equal(cgroup_file(life, "memory", "memory.limit_in_bytes", "memory.max", text), memory);
	assert_string_equal(cgroup_file(life, "pids", "pids.max", "pids.max", text), pids);
	if (has_v2())
		return;
	assert_string_equal(cgroup_file(life, "cpu", "cpu.shares", "", text), shares);
	assert_string_equal(cgroup_file(life, "cpu", "cpu.cfs_quota_us", "", text), quota);
}

static void test_update_running(void **state)
{
	SCOW_AUTO(scow_container_config) *config = NULL, *smaller = NULL;
	SCOW_AUTO(scow_container) *other = NULL;
	struct life life;
	scow_error *error = NULL;
	char *text;

	(void) state;
	if (!can_limit())
		skip();
	life = begin(patient, RUNNING);
	/* A handle that has read the settings before they change. */
	expect_ok(scow_container_get(fixture.engine, scow_container_id(life.container), &other, &error), &error);
	scow_free(document(&(struct life){ other, NULL }, scow_container_inspect_json));
	config = scow_container_config_new();
	scow_container_config_set_memory_bytes(config, 128 << 20);
	scow_container_config_set_memory_swap_bytes(config, 256 << 20);
	scow_container_config_set_pids_max(config, 77);
	scow_container_config_set_cpu_shares(config, 512);
	scow_container_config_set_cpu_millis(config, 500);
	if (has_cpuset())
		scow_container_config_set_cpuset(config, "0", NULL);
	expect_ok(scow_container_update(life.container, config, &error), &error);
	expect_limits(&life, "134217728", "77", "512", "50000");
	text = document(&(struct life){ other, NULL }, scow_container_inspect_json);
	expect_in(text, "\"Memory\":134217728");
	expect_in(text, "\"PidsLimit\":77");
	expect_in(text, has_cpuset() ? "\"CpusetCpus\":\"0\"" : "\"CpusetCpus\":\"\"");
	expect_in(text, "\"NanoCpus\":500000000");
	scow_free(text);
	/* Below both, then above both: whatever the order, memory stays below memory and swap. */
	smaller = scow_container_config_new();
	scow_container_config_set_memory_bytes(smaller, 32 << 20);
	scow_container_config_set_memory_swap_bytes(smaller, 48 << 20);
	scow_container_config_set_pids_max(smaller, -1);
	expect_ok(scow_container_update(life.container, smaller, &error), &error);
	expect_limits(&life, "33554432", "max", "512", "50000");
	expect_ok(scow_container_update(life.container, config, &error), &error);
	expect_limits(&life, "134217728", "77", "512", "50000");
	end(&life);
}

static void test_update_refuses(void **state)
{
	struct life life = begin(patient, can_limit() ? RUNNING : CREATED);
	SCOW_AUTO(scow_container_config) *hostname = scow_container_config_new(), *swap = scow_container_config_new();
	SCOW_AUTO(scow_container_config) *cap = scow_container_config_new(), *bad = scow_container_config_new();
	SCOW_AUTO(scow_container_config) *cpus = scow_container_config_new();
	scow_error *error = NULL;
	char *text;

	(void) state;
	scow_container_config_set_hostname(hostname, "x");
	scow_container_config_set_pids_max(hostname, 10);
	expect_error(scow_container_update(life.container, hostname, &error), SCOW_E_INVALID, &error, "'Hostname' cannot be changed");
	scow_container_config_add_capability(cap, "NET_ADMIN");
	expect_error(scow_container_update(life.container, cap, &error), SCOW_E_INVALID, &error, "'CapAdd'");
	scow_container_config_set_memory_swap_bytes(swap, 64 << 20);
	expect_error(scow_container_update(life.container, swap, &error), SCOW_E_INVALID, &error, "needs a limit on memory");
	scow_container_config_set_memory_bytes(bad, 1);
	expect_error(scow_container_update(life.container, bad, &error), SCOW_E_INVALID, &error, "set_memory_bytes");
	scow_container_config_set_cpu_millis(cpus, 1000000);
	assert_int_equal(scow_container_update(life.container, cpus, NULL), SCOW_E_INVALID);
	expect_error(scow_container_update(life.container, NULL, &error), SCOW_E_INVALID, &error, "no changes");
	text = document(&life, scow_container_inspect_json);
	expect_in(text, "\"PidsLimit\":null");
	scow_free(text);
	end(&life);
}

static void test_update_stored(void **state)
{
	struct life life = begin(patient, EXITED);
	SCOW_AUTO(scow_container_config) *config = scow_container_config_new(), *no = scow_container_config_new();
	scow_error *error = NULL;
	char *text;

	(void) state;
	scow_container_config_set_restart(config, SCOW_RESTART_ON_FAILURE, 3);
	expect_ok(scow_container_update(life.container, config, &error), &error);
	text = document(&life, scow_container_inspect_json);
	expect_in(text, "\"RestartPolicy\":{\"Name\":\"on-failure\",\"MaximumRetryCount\":3}");
	scow_free(text);
	scow_container_config_set_restart(no, SCOW_RESTART_NO, 0);
	expect_ok(scow_container_update(life.container, no, &error), &error);
	text = document(&life, scow_container_inspect_json);
	expect_in(text, "\"RestartPolicy\":{\"Name\":\"no\",\"MaximumRetryCount\":0}");
	scow_free(text);
	end(&life);
	if (!can_limit())
		return;
	/* The next start has what was stored. */
	life = begin(patient, CREATED);
	scow_container_config_set_pids_max(no, 33);
	expect_ok(scow_container_update(life.container, no, &error), &error);
	expect_ok(scow_container_start(life.container, NULL, &life.process, &error), &error);
	{
		char value[64];

		assert_string_equal(cgroup_file(&life, "pids", "pids.max", "pids.max", value), "33");
	}
	end(&life);
}

/* ---- wait ---- */

struct waiting {
	scow_container *container;
	scow_wait_condition condition;
	int code, result;
	pthread_t thread;
};

static void *wait_in_thread(void *data)
{
	struct waiting *waiting = data;

	waiting->result = scow_container_wait_for(waiting->container, waiting->condition, 20000, &waiting->code, NULL);
	return NULL;
}

static void start_waiting(struct waiting *waiting, struct life *life, scow_wait_condition condition)
{
	*waiting = (struct waiting){ .container = life->container, .condition = condition, .code = -1 };
	assert_int_equal(pthread_create(&waiting->thread, NULL, wait_in_thread, waiting), 0);
	usleep(20000);
}

static void test_wait_conditions(void **state)
{
	struct life life = begin(patient, CREATED);
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
	end(&life);
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
	struct life life = begin(patient, DETACHED);
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
	end(&life);
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
		char *text = document(&life, scow_container_inspect_json);
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
	end(&life);
	/* There is no process that could be told, but the policy is. */
	life = begin_restarting();
	expect_ok(scow_container_kill(life.container, SIGCONT, &error), &error);
	expect_ok(scow_container_wait(life.container, 5000, NULL, &error), &error);
	end(&life);
	life = begin_restarting();
	expect_ok(scow_container_remove(life.container, SCOW_REMOVE_FORCE, &error), &error);
	assert_int_equal(scow_container_state_now(life.container, NULL), SCOW_E_NOT_FOUND);
	end(&life);
}

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
	end(&life);
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
	end(&life);
	/* One is: that one, and SIGKILL. */
	life = begin_with_policy(script, SCOW_RESTART_ALWAYS, "SIGQUIT");
	first = scow_container_pid(life.container, NULL);
	expect_ok(scow_container_kill(life.container, SIGTERM, &error), &error);
	await_restart(life.container, first);
	expect_ok(scow_container_kill(life.container, SIGKILL, &error), &error);
	expect_rest(life.container, 137);
	end(&life);
	life = begin_with_policy(script, SCOW_RESTART_ALWAYS, "SIGQUIT");
	expect_ok(scow_container_kill(life.container, SIGQUIT, &error), &error);
	expect_rest(life.container, 8);
	end(&life);
	/* Somebody has stopped it by hand. */
	life = begin_with_policy(script, SCOW_RESTART_UNLESS_STOPPED, "SIGQUIT");
	expect_ok(scow_container_kill(life.container, SIGTERM, &error), &error);
	expect_rest(life.container, 7);
	end(&life);
}

/* A policy that is taken away while it runs. */
static void test_policy_changed_while_running(void **state)
{
	SCOW_AUTO(scow_container_config) *always = scow_container_config_new(), *no = scow_container_config_new();
	struct life life = begin(patient, CREATED);
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
	end(&life);
}

/* It becomes one that lives by itself, with what it wrote. */
static void test_restart(void **state)
{
	struct life life = begin("cat /count 2>/dev/null; echo again >>/count; trap 'exit 7' TERM; echo ready; sleep 1000 & wait", RUNNING);
	scow_error *error = NULL;
	int first = scow_container_pid(life.container, NULL);

	(void) state;
	expect_ok(scow_container_restart(life.container, -2, &error), &error);
	await_log(life.container, "again");
	await_log(life.container, "ready");
	assert_int_not_equal(scow_container_pid(life.container, NULL), first);
	expect_ok(scow_container_restart(life.container, 10000, &error), &error);
	assert_int_equal(scow_container_state_now(life.container, NULL), SCOW_CONTAINER_RUNNING);
	end(&life);
}

/* ---- top and stats ---- */

static void test_top(void **state)
{
	struct life life = begin(patient, RUNNING);
	scow_error *error = NULL;
	char pid[40], *text = document(&life, scow_container_top_json);

	(void) state;
	for (int i = 0; i < 500 && !strstr(text, "\"sleep 1000\""); i++) { /* forked, and not yet that */
		scow_free(text);
		usleep(10000);
		text = document(&life, scow_container_top_json);
	}
	expect_in(text, "{\"Titles\":[\"UID\",\"PID\",\"PPID\",\"C\",\"STIME\",\"TTY\",\"TIME\",\"CMD\"],\"Processes\":[[\"");
	snprintf(pid, sizeof(pid), "\"%d\"", scow_container_pid(life.container, NULL));
	expect_in(text, pid);
	expect_in(text, "\"?\",\"00:00:00\",\"sleep 1000\"]");
	scow_free(text);
	expect_error(scow_container_top_json(life.container, NULL, &error), SCOW_E_INVALID, &error, "no place");
	end(&life);
}

static double number_in(char *text, const char *name)
{
	const char *at;
	char key[64];

	snprintf(key, sizeof(key), "\"%s\":", name);
	at = strstr(text, key);
	if (!at)
		fail_msg("%s is not in %s", name, text);
	return strtod(at + strlen(key), NULL);
}

static void test_stats(void **state)
{
	struct life life;
	double before, system;
	char *text;

	(void) state;
	if (!can_limit())
		skip();
	life = begin(busy, RUNNING);
	text = document(&life, scow_container_stats_json);
	before = number_in(text, "total_usage");
	system = number_in(text, "system_cpu_usage");
	assert_true(number_in(text, "online_cpus") == (double) sysconf(_SC_NPROCESSORS_ONLN));
	assert_true(number_in(text, "usage") > 0);
	assert_true(number_in(text, "limit") > 0);
	assert_true(number_in(text, "current") >= 1);
	expect_in(text, "inactive_file\":");
	expect_in(text, "\"precpu_stats\":{\"cpu_usage\":{\"total_usage\":0");
	expect_in(text, "\"io_service_bytes_recursive\":[");
	assert_null(strstr(text, "\"networks\"")); /* it has none but lo */
	scow_free(text);
	usleep(300000);
	text = document(&life, scow_container_stats_json);
	assert_true(number_in(text, "total_usage") > before + 1e6);
	assert_true(number_in(text, "system_cpu_usage") > system);
	scow_free(text);
	end(&life);
	life = begin(patient, EXITED);
	text = document(&life, scow_container_stats_json);
	assert_true(number_in(text, "total_usage") == 0);
	expect_in(text, "\"read\":\"0001-01-01T00:00:00Z\"");
	scow_free(text);
	end(&life);
}

/* ---- lists ---- */

static void expect_listed(const char *filters, const char *names)
{
	SCOW_AUTO(scow_iter) *iter = NULL;
	scow_container *container;
	scow_error *error = NULL;
	char found[256] = "";

	expect_ok(scow_container_list_filtered(fixture.engine, 0, filters, &iter, &error), &error);
	while ((container = scow_iter_next_container(iter))) {
		strcat(found, *found ? " " : "");
		strcat(found, scow_container_name(container));
	}
	if (strcmp(found, names) != 0)
		fail_msg("%s: '%s' instead of '%s'", filters ? filters : "no filters", found, names);
}

static scow_container *make(const char *name, const char *script, const char *label, const char *value)
{
	SCOW_AUTO(scow_container_config) *config = shell_config(script);
	scow_container *container = NULL;
	scow_error *error = NULL;

	scow_container_config_set_name(config, name);
	scow_container_config_add_label(config, label, value);
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &container, &error), &error);
	return container;
}

static void refuse_filters(const char *filters, scow_status status, const char *words)
{
	SCOW_AUTO(scow_iter) *iter = NULL;
	scow_error *error = NULL;

	expect_error(scow_container_list_filtered(fixture.engine, 0, filters, &iter, &error), status, &error, words);
}

static void test_filters(void **state)
{
	SCOW_AUTO(scow_container) *first = make("first", "exit 4", "kind", "a"), *second = make("second", "sleep 1000", "kind", "b");
	SCOW_AUTO(scow_container) *third = make("third-1", "true", "other", "");
	SCOW_AUTO(scow_process) *ended = NULL, *running = NULL;
	scow_error *error = NULL;
	char text[160];

	(void) state;
	(void) third;
	expect_ok(scow_container_start(first, NULL, &ended, &error), &error);
	expect_ok(scow_process_wait(ended, 10000, NULL, &error), &error);
	expect_ok(scow_container_start(second, NULL, &running, &error), &error);
	expect_listed(NULL, "second");
	expect_listed("{}", "second");
	expect_listed("{\"status\":[\"exited\",\"created\"]}", "third-1 first");
	expect_listed("{\"status\":{\"running\":true}}", "second");
	expect_listed("{\"exited\":[\"4\"]}", "first");
	expect_listed("{\"exited\":[\"0\"]}", "");
	expect_listed("{\"status\":[\"created\"],\"exited\":[\"0\"]}", "");
	expect_listed("{\"since\":[\"first\"]}", "third-1 second");
	expect_listed("{\"before\":[\"second\"]}", "first");
	expect_listed("{\"before\":[\"third-1\"],\"since\":[\"first\"]}", "second");
	expect_listed("{\"label\":[\"kind\"]}", "second");
	expect_listed("{\"label\":[\"kind=a\"],\"status\":[\"exited\"]}", "first");
	expect_listed("{\"label\":[\"kind\",\"other\"]}", "");
	expect_listed("{\"label!\":[\"kind=b\"],\"status\":[\"exited\",\"running\"]}", "first");
	expect_listed("{\"name\":[\"^/?sec\"]}", "second");
	expect_listed("{\"name\":[\"ir\"],\"status\":[\"created\",\"exited\"]}", "third-1 first");
	expect_listed("{\"name\":[\"nothing\"]}", "");
	expect_listed("{\"ancestor\":[\"busybox\"]}", "second");
	expect_listed("{\"ancestor\":[\"nothing\"]}", "");
	snprintf(text, sizeof(text), "{\"id\":[\"%.12s\"]}", scow_container_id(second));
	expect_listed(text, "second");
	refuse_filters("{\"colour\":[\"red\"]}", SCOW_E_INVALID, "'colour' is not a filter");
	refuse_filters("{\"status\":[\"asleep\"]}", SCOW_E_INVALID, "'asleep'");
	refuse_filters("{\"status\":\"exited\"}", SCOW_E_INVALID, "neither a list");
	refuse_filters("{\"exited\":[\"x\"]}", SCOW_E_INVALID, "'x'");
	refuse_filters("{\"name\":[\"(\"]}", SCOW_E_INVALID, "regular expression");
	refuse_filters("{\"since\":[\"nobody\"]}", SCOW_E_NOT_FOUND, "nobody");
	refuse_filters("[]", SCOW_E_INVALID, "object");
	refuse_filters("{", SCOW_E_INVALID, "JSON");
}

static void test_health(void **state)
{
	static const char *const test[] = { "CMD-SHELL", "echo fine; test -e /well", NULL };
	SCOW_AUTO(scow_container_config) *config = shell_config("sleep 1000");
	struct life life = { NULL, NULL };
	scow_error *error = NULL;
	char *text = NULL;
	bool ill = false;

	(void) state;
	scow_container_config_set_name(config, "patient");
	scow_container_config_set_health(config, test, 100, 0, 0, 0, 2);
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &life.container, &error), &error);
	expect_listed("{\"status\":[\"created\"],\"health\":[\"none\"]}", "patient");
	expect_ok(scow_container_start_detached(life.container, &error), &error);
	for (int i = 0; i < 1000 && !ill; i++) {
		scow_free(text);
		text = document(&life, scow_container_inspect_json);
		ill = strstr(text, "\"Health\":{\"Status\":\"unhealthy\"") != NULL;
		usleep(10000);
	}
	assert_true(ill);
	expect_in(text, "\"ExitCode\":1,\"Output\":\"fine\\n\"");
	scow_free(text);
	expect_listed("{\"health\":[\"unhealthy\",\"starting\"]}", "patient");
	expect_listed("{\"health\":[\"healthy\"]}", "");
	assert_non_null(strstr(scow_container_status_text(life.container), "(unhealthy)"));
	end(&life);
}

/* ---- usage ---- */

static void test_df_and_prune(void **state)
{
	SCOW_AUTO(scow_container) *writer = make("writer", "dd if=/dev/zero of=/big bs=1k count=300 2>/dev/null", "kind", "a");
	SCOW_AUTO(scow_container) *kept = make("kept", "true", "keep", "");
	struct life life = begin(patient, RUNNING);
	scow_error *error = NULL;
	SCOW_AUTO(scow_process) *process = NULL;
	uint64_t written = 0, total = 0;
	char *text = NULL;

	(void) state;
	expect_ok(scow_container_start(writer, NULL, &process, &error), &error);
	expect_ok(scow_process_wait(process, 10000, NULL, &error), &error);
	expect_ok(scow_container_size(writer, &written, &total, &error), &error);
	assert_int_equal(written, 300 << 10);
	assert_true(total > written);
	expect_ok(scow_engine_df_json(fixture.engine, &text, &error), &error);
	expect_in(text, "\"SizeRw\":307200");
	expect_in(text, "\"RepoTags\":[\"busybox:latest\"]");
	expect_in(text, "\"Containers\":3");
	expect_in(text, "\"Volumes\":[]");
	assert_true(number_in(text, "LayersSize") == (double) (total - written));
	scow_free(text);
	expect_error(scow_engine_prune_containers(fixture.engine, "{\"until\":[\"soon\"]}", &text, &error), SCOW_E_INVALID, &error,
		     "'soon'");
	expect_ok(scow_engine_prune_containers(fixture.engine, "{\"until\":[\"1h\"]}", &text, &error), &error);
	expect_in(text, "\"ContainersDeleted\":[]");
	scow_free(text);
	expect_ok(scow_engine_prune_containers(fixture.engine, "{\"label!\":[\"keep\"]}", &text, &error), &error);
	expect_in(text, scow_container_id(writer));
	expect_in(text, "\"SpaceReclaimed\":307200");
	scow_free(text);
	assert_int_equal(scow_container_state_now(writer, NULL), SCOW_E_NOT_FOUND);
	assert_int_equal(scow_container_state_now(kept, NULL), SCOW_CONTAINER_CREATED);
	assert_int_equal(scow_container_state_now(life.container, NULL), SCOW_CONTAINER_RUNNING);
	/* The image is in use, and so is nothing to prune. */
	expect_ok(scow_image_prune(fixture.engine, 1, NULL, &text, &error), &error);
	assert_string_equal(text, "{\"ImagesDeleted\":[],\"SpaceReclaimed\":0}");
	scow_free(text);
	expect_error(scow_image_prune(fixture.engine, 0, "{\"dangling\":[\"perhaps\"]}", &text, &error), SCOW_E_INVALID, &error, "perhaps");
	expect_ok(scow_engine_prune_containers(fixture.engine, NULL, NULL, &error), &error);
	assert_int_equal(scow_container_state_now(kept, NULL), SCOW_E_NOT_FOUND);
	end(&life);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_every_operation_in_every_state, fixture_clear),
		cmocka_unit_test_teardown(test_pause, fixture_clear),
		cmocka_unit_test_teardown(test_end_of_a_paused_one, fixture_clear),
		cmocka_unit_test_teardown(test_rename, fixture_clear),
		cmocka_unit_test_teardown(test_update_running, fixture_clear),
		cmocka_unit_test_teardown(test_update_refuses, fixture_clear),
		cmocka_unit_test_teardown(test_update_stored, fixture_clear),
		cmocka_unit_test_teardown(test_wait_conditions, fixture_clear),
		cmocka_unit_test_teardown(test_wait_for_ephemeral, fixture_clear),
		cmocka_unit_test_teardown(test_wait_for_detached, fixture_clear),
		cmocka_unit_test_teardown(test_operations_while_restarting, fixture_clear),
		cmocka_unit_test_teardown(test_stop_with_a_policy, fixture_clear),
		cmocka_unit_test_teardown(test_kill_with_a_policy, fixture_clear),
		cmocka_unit_test_teardown(test_policy_changed_while_running, fixture_clear),
		cmocka_unit_test_teardown(test_restart, fixture_clear),
		cmocka_unit_test_teardown(test_top, fixture_clear),
		cmocka_unit_test_teardown(test_stats, fixture_clear),
		cmocka_unit_test_teardown(test_filters, fixture_clear),
		cmocka_unit_test_teardown(test_health, fixture_clear),
		cmocka_unit_test_teardown(test_df_and_prune, fixture_clear),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
