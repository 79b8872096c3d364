/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lives of programs in containers that run: how they end, with whom, what they leave, and many of them at once.
 */
#include "executing.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 50
#define EACH 4

/* ---- how it ends ---- */

static void test_codes(void **state)
{
	SCOW_AUTO(scow_process_config) *missing = scow_process_config_new((const char *const[]){ "nosuchprogram", NULL });
	SCOW_AUTO(scow_process_config) *absolute = scow_process_config_new((const char *const[]){ "/nosuchprogram", NULL });
	SCOW_AUTO(scow_process_config) *plain = scow_process_config_new((const char *const[]){ "/etc/passwd", NULL });
	SCOW_AUTO(scow_process_config) *directory = scow_process_config_new((const char *const[]){ "/etc", NULL });
	SCOW_AUTO(scow_process_config) *nothing = scow_process_config_new((const char *const[]){ NULL });

	(void) state;
	for (int code = 0; code < 256; code += 51) {
		char script[32];

		snprintf(script, sizeof(script), "exit %d", code);
		assert_int_equal(exec_script(script, NULL), code);
	}
	assert_int_equal(exec_script("kill -TERM $$", NULL), 143);
	exec_refused(missing, SCOW_E_COMMAND_NOT_FOUND, "nosuchprogram");
	exec_refused(absolute, SCOW_E_COMMAND_NOT_FOUND, "nosuchprogram");
	exec_refused(plain, SCOW_E_NOT_EXECUTABLE, "/etc/passwd");
	exec_refused(directory, SCOW_E_NOT_EXECUTABLE, "/etc");
	exec_refused(nothing, SCOW_E_INVALID, "no command");
	exec_refused(NULL, SCOW_E_INVALID, NULL);
}

static void test_signal(void **state)
{
	SCOW_AUTO(scow_process_config) *config = exec_shell("trap 'exit 12' USR1; echo ready; while :; do sleep 1 & wait; done");
	SCOW_AUTO(scow_process) *process = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	scow_error *error = NULL;

	(void) state;
	scow_io_set_capture(io, 1000);
	process = exec_start(config, io);
	exec_wait_for(process, "ready");
	expect_ok(scow_process_signal(process, SIGUSR1, &error), &error);
	assert_int_equal(exec_code(process), 12);
	expect_error(scow_process_signal(process, SIGUSR1, &error), SCOW_E_STATE, &error, NULL);
	expect_error(scow_process_kill_tree(process, &error), SCOW_E_STATE, &error, NULL);
}

/* It ends with the container, and then there is no other. */
static void test_ends_with_the_container(void **state)
{
	SCOW_AUTO(scow_process_config) *config = exec_shell("setsid sleep 1000 & exec sleep 1000");
	SCOW_AUTO(scow_process) *process = exec_start(config, NULL);
	SCOW_AUTO(scow_container) *kept = NULL;
	SCOW_AUTO(scow_container_config) *again = shell_config("true");
	scow_error *error = NULL;

	(void) state;
	expect_ok(scow_process_signal(executing.first, SIGKILL, &error), &error);
	assert_int_equal(exec_code(process), 137);
	assert_int_equal(exec_code(executing.first), 137);
	exec_refused(config, SCOW_E_NOT_FOUND, NULL); /* ephemeral */
	executing.first = scow_process_unref(executing.first);
	executing.container = scow_container_unref(executing.container);
	expect_ok(scow_container_create(fixture.engine, fixture.image, again, &kept, &error), &error);
	executing.container = kept;
	exec_refused(config, SCOW_E_STATE, "not running");
	executing.container = NULL;
	expect_ok(scow_container_remove(kept, 0, &error), &error);
}

static void test_paused(void **state)
{
	SCOW_AUTO(scow_process_config) *config = exec_shell("true");
	scow_error *error = NULL;
	int r = scow_container_pause(executing.container, &error);

	(void) state;
	if (r == SCOW_E_UNSUPPORTED) {
		scow_error_unref(error);
		skip();
	}
	expect_ok(r, &error);
	exec_refused(config, SCOW_E_STATE, "paused");
	expect_ok(scow_container_unpause(executing.container, &error), &error);
	assert_int_equal(exec_run(config, NULL), 0);
}

/* Nobody dispatches a program that has joined: the container ends all the same, for each way to wait for that. */
static void test_holds_nobody_up(void **state)
{
	SCOW_AUTO(scow_process_config) *config = exec_shell("sleep 1000");
	scow_process *idle[3];
	scow_error *error = NULL;
	int code = -1;

	(void) state;
	for (int way = 0; way < 4; way++) {
		for (int i = 0; i < 3; i++)
			idle[i] = exec_start(config, NULL);
		if (way == 0) {
			expect_ok(scow_process_signal(executing.first, SIGKILL, &error), &error);
			assert_int_equal(exec_code(executing.first), 137);
		} else if (way == 1) {
			expect_ok(scow_container_stop(executing.container, 0, &error), &error);
		} else if (way == 2) {
			expect_ok(scow_container_kill(executing.container, SIGKILL, &error), &error);
			expect_ok(scow_container_wait(executing.container, 20000, &code, &error), &error);
		}
		executing.first = scow_process_unref(executing.first);
		executing.container = scow_container_unref(executing.container);
		for (int i = 0; i < 3; i++) {
			assert_int_equal(exec_code(idle[i]), 137);
			scow_process_unref(idle[i]);
		}
		exec_begin(NULL);
	}
}

/* What it leaves in the background is the container's, as in Docker. */
static void test_leaves_children(void **state)
{
	int before = exec_count();

	(void) state;
	assert_int_equal(exec_script("sleep 1000 </dev/null >/dev/null 2>&1 & setsid sleep 1000 </dev/null >/dev/null 2>&1 &", NULL), 0);
	assert_int_equal(exec_count(), before + 2);
	assert_int_equal(
		exec_script("grep -c exec- /proc/1/cgroup; for i in $(pidof sleep); do ! grep -q exec- /proc/$i/cgroup || exit 1; done",
			    NULL),
		0);
}

static void test_kill_tree(void **state)
{
	SCOW_AUTO(scow_process_config) *config = exec_shell("(sleep 1000 & sleep 1000 & wait) & sleep 1000 & echo ready; wait");
	SCOW_AUTO(scow_process) *process = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	scow_error *error = NULL;
	int before = exec_count();

	(void) state;
	scow_io_set_capture(io, 1000);
	process = exec_start(config, io);
	exec_wait_for(process, "ready");
	assert_true(exec_count() > before);
	expect_ok(scow_process_kill_tree(process, &error), &error);
	assert_int_equal(exec_code(process), 137);
	assert_int_equal(exec_count(), before);
}

/* Also those that left its session and its parents, where there are cgroups. */
static void test_kill_tree_of_runaways(void **state)
{
	SCOW_AUTO(scow_process_config) *config =
		exec_shell("for i in 1 2 3; do (setsid sh -c 'setsid sleep 1000 & sleep 1000' &) ; done; echo ready; sleep 1000");
	SCOW_AUTO(scow_process) *process = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	int before = exec_count();

	(void) state;
	if (scow_engine_rootless(fixture.engine))
		skip();
	scow_io_set_capture(io, 1000);
	process = exec_start(config, io);
	exec_wait_for(process, "ready");
	process = scow_process_unref(process); /* the last reference is as good */
	assert_int_equal(exec_count(), before);
}

/* ---- without an owner ---- */

static void test_detached(void **state)
{
	SCOW_AUTO(scow_process_config) *config = exec_shell("sleep 1; echo done >/tmp/detached; sleep 1000");
	SCOW_AUTO(scow_process_config) *terminal = exec_shell("true");
	SCOW_AUTO(scow_process) *process = NULL;

	(void) state;
	scow_process_config_set_detached(config, 1);
	process = exec_start(config, NULL);
	assert_true(scow_process_pid(process) > 0);
	process = scow_process_unref(process);
	assert_int_equal(exec_script("for i in 1 2 3 4 5 6 7 8 9; do [ -e /tmp/detached ] && exit 0; sleep 1; done; exit 1", NULL), 0);
	scow_process_config_set_detached(terminal, 1);
	scow_process_config_set_tty(terminal, 1);
	exec_refused(terminal, SCOW_E_INVALID, "terminal");
}

/* ---- hosts that get in the way ---- */

static void *steal(void *data)
{
	atomic_bool *stop = data;

	while (!atomic_load(stop))
		if (waitpid(-1, NULL, WNOHANG) <= 0)
			usleep(100);
	return NULL;
}

/* Their exit codes come from the pidfd, which tells them twice from Linux 6.15 on. */
static void test_stolen_children(void **state)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, saved;
	struct utsname host;
	int major = 0, minor = 0;
	atomic_bool stop = 0;
	pthread_t thread;

	(void) state;
	uname(&host);
	if (sscanf(host.release, "%d.%d", &major, &minor) != 2 || major < 6 || (major == 6 && minor < 15))
		skip();
	sigaction(SIGCHLD, &ignore, &saved);
	for (int i = 0; i < 5; i++)
		assert_int_equal(exec_script("exit 33", NULL), 33);
	sigaction(SIGCHLD, &saved, NULL);
	assert_int_equal(pthread_create(&thread, NULL, steal, &stop), 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(exec_script("exit 34", NULL), 34);
	atomic_store(&stop, 1);
	pthread_join(thread, NULL);
}

/* The process state of the host is as it was. */
static void test_leaves_no_trace(void **state)
{
	struct remains before, after;
	sigset_t mask, now;
	char *directory = getcwd(NULL, 0), *later;

	(void) state;
	exec_script("true", NULL);
	before = count_remains();
	sigprocmask(SIG_BLOCK, NULL, &mask);
	for (int i = 0; i < 10; i++)
		exec_script("exit 3", NULL);
	exec_refused(NULL, SCOW_E_INVALID, NULL);
	after = count_remains();
	assert_memory_equal(&before, &after, sizeof(before));
	sigprocmask(SIG_BLOCK, NULL, &now);
	for (int i = 1; i < 64; i++)
		assert_int_equal(sigismember(&mask, i), sigismember(&now, i));
	later = getcwd(NULL, 0);
	assert_string_equal(directory, later);
	free(directory);
	free(later);
}

/* ---- many at once ---- */

static void *many(void *data)
{
	long number = (long) data;

	for (int i = 0; i < EACH; i++) {
		SCOW_AUTO(scow_process_config) *config = NULL;
		SCOW_AUTO(scow_process) *process = NULL;
		SCOW_AUTO(scow_io) *io = scow_io_new();
		SCOW_AUTO(scow_error) *error = NULL;
		char script[64], expected[32];
		int code = -1;

		snprintf(script, sizeof(script), "echo %ld.%d; exit %ld", number, i, (number + i) % 100);
		snprintf(expected, sizeof(expected), "%ld.%d\n", number, i);
		config = scow_process_config_new((const char *const[]){ "sh", "-c", script, NULL });
		scow_io_set_capture(io, 100);
		if (scow_container_exec(executing.container, config, io, &process, &error) < 0 ||
		    scow_process_wait(process, 60000, &code, &error) < 0)
			return strdup(scow_error_message(error));
		if (code != (number + i) % 100 || strcmp(scow_process_output(process, SCOW_STDOUT, NULL), expected) != 0)
			return strdup(scow_process_output(process, SCOW_STDOUT, NULL));
	}
	return NULL;
}

static void test_many(void **state)
{
	int before = exec_count();
	pthread_t threads[THREADS];

	(void) state;
	for (long i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, many, (void *) i), 0);
	for (int i = 0; i < THREADS; i++) {
		void *problem = NULL;

		pthread_join(threads[i], &problem);
		if (problem)
			fail_msg("%s", (char *) problem);
	}
	assert_int_equal(exec_count(), before);
}

static void *until_it_ends(void *data)
{
	SCOW_AUTO(scow_process_config) *config = scow_process_config_new((const char *const[]){ "true", NULL });
	long rounds = 0;

	for (;; rounds++) {
		SCOW_AUTO(scow_process) *process = NULL;
		SCOW_AUTO(scow_error) *error = NULL;
		int code = -1, r = scow_container_exec(data, config, NULL, &process, &error);

		if (r == 0)
			r = scow_process_wait(process, 30000, &code, &error);
		if (r == 0 && (code == 0 || code == 137))
			continue;
		if (r == SCOW_E_STATE || r == SCOW_E_NOT_FOUND)
			return (void *) rounds;
		return strdup(scow_error_message(error));
	}
}

/* The container ends while they come. */
static void test_race_with_the_end(void **state)
{
	pthread_t threads[4];
	scow_error *error = NULL;

	(void) state;
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 4; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, until_it_ends, executing.container), 0);
		poll(NULL, 0, 20 + 7 * round);
		if (round % 2)
			expect_ok(scow_container_remove(executing.container, SCOW_REMOVE_FORCE, &error), &error);
		else
			expect_ok(scow_process_kill_tree(executing.first, &error), &error);
		assert_int_equal(exec_code(executing.first), 137);
		for (int i = 0; i < 4; i++) {
			void *result = NULL;

			pthread_join(threads[i], &result);
			if ((uintptr_t) result > 1000000)
				fail_msg("%s", (char *) result);
		}
		executing.first = scow_process_unref(executing.first);
		executing.container = scow_container_unref(executing.container);
		exec_begin(NULL);
	}
}

/* 200 that all live at the same time. */
static void test_many_alive(void **state)
{
	SCOW_AUTO(scow_process_config) *config = exec_shell("read line; echo $line; exit 5");
	SCOW_AUTO(scow_io) *io = scow_io_new();
	scow_process *processes[200];
	scow_error *error = NULL;

	(void) state;
	scow_io_set_input(io, 1);
	scow_io_set_capture(io, 100);
	for (int i = 0; i < 200; i++)
		processes[i] = exec_start(config, io);
	for (int i = 199; i >= 0; i--) {
		char line[16];

		snprintf(line, sizeof(line), "%d\n", i);
		expect_ok(scow_process_write(processes[i], line, strlen(line), &error), &error);
	}
	for (int i = 0; i < 200; i++) {
		char line[16];

		snprintf(line, sizeof(line), "%d\n", i);
		assert_int_equal(exec_code(processes[i]), 5);
		assert_string_equal(scow_process_output(processes[i], SCOW_STDOUT, NULL), line);
		scow_process_unref(processes[i]);
	}
}

/* By another engine on the same store, as in another process. */
static void test_another_engine(void **state)
{
	SCOW_AUTO(scow_engine) *engine = fixture_open();
	SCOW_AUTO(scow_container) *found = NULL;
	SCOW_AUTO(scow_process_config) *config = exec_shell("echo $FROM; exit 8");
	SCOW_AUTO(scow_process) *process = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	scow_error *error = NULL;

	(void) state;
	scow_io_set_capture(io, 100);
	expect_ok(scow_container_get(engine, scow_container_name(executing.container), &found, &error), &error);
	expect_ok(scow_container_exec(found, config, io, &process, &error), &error);
	assert_int_equal(exec_code(process), 8);
	assert_string_equal(scow_process_output(process, SCOW_STDOUT, NULL), "container\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, exec_setup, exec_teardown)

int main(int argc, char **argv)
{
	struct rlimit files;
	const struct CMUnitTest tests[] = {
		TEST(test_codes),
		TEST(test_signal),
		TEST(test_ends_with_the_container),
		TEST(test_holds_nobody_up),
		TEST(test_paused),
		TEST(test_leaves_children),
		TEST(test_kill_tree),
		TEST(test_kill_tree_of_runaways),
		TEST(test_detached),
		TEST(test_stolen_children),
		TEST(test_leaves_no_trace),
		TEST(test_many),
		TEST(test_race_with_the_end),
		TEST(test_many_alive),
		TEST(test_another_engine),
	};

	/* 200 with three pipes each. */
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("exec_lives", tests, fixture_setup, fixture_teardown);
}
