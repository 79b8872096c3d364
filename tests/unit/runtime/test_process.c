/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The process handle over plain children of this test: no root, no namespaces. Exit codes, output, input, the
 * terminal, and hosts that take the child's status away.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/spawn.h"
#include "runtime/process.h"

#define SHELL "/bin/busybox"

static int exits, frees;
static struct process_exit last_exit;

static void engine_close(scow_engine *engine)
{
	pthread_mutex_destroy(&engine->lock);
	free(engine);
}

static scow_engine *fake_engine(void)
{
	scow_engine *engine = calloc(1, sizeof(*engine));

	assert_non_null(engine);
	atomic_init(&engine->refs, 1);
	engine->pid = getpid();
	engine->guard_fd = engine->owner_fd = engine->helper_fd = -1;
	engine->close = engine_close;
	pthread_mutex_init(&engine->lock, NULL);
	return engine;
}

static void count_exit(void *data, const struct process_exit *exit)
{
	(void) data;
	exits++;
	last_exit = *exit;
}

static void count_free(void *data)
{
	(void) data;
	frees++;
}

static void fail_with(int r, scow_error *error)
{
	if (r < 0)
		fail_msg("%d: %s", r, scow_error_message(error));
}

/* Runs a shell command with what @io asks for; @terminal: the other side of a terminal, or -1. */
static scow_process *start_on(const scow_io *io, const char *command, int master, int slave)
{
	char *argv[] = { (char *) "busybox", (char *) "sh", (char *) "-c", (char *) command, NULL };
	char *envp[] = { (char *) "PATH=/bin:/usr/bin", NULL };
	scow_engine *engine = fake_engine();
	scow_process *process = NULL;
	struct io_setup setup;
	scow_error *error = NULL;
	struct spawn_fd fds[3];
	int r;

	r = io_setup_open(io, master >= 0, false, &setup, &error);
	fail_with(r, error);
	for (int i = 0; i < 3; i++)
		fds[i] = (struct spawn_fd){ .fd = slave >= 0 ? slave : setup.child_fds[i], .target = i };
	struct spawn spawn = { .exec_fd = -1, .path = SHELL, .argv = argv, .envp = envp, .fds = fds, .n_fds = 3, .cgroup_fd = -1 };
	struct process_params params = {
		.terminal_fd = master,
		.output = setup.output,
		.output_data = setup.output_data,
		.capture_limit = setup.capture_limit,
		.started_us = clock_us(),
		.on_exit = count_exit,
		.on_free = count_free,
	};
	r = spawn_process(&spawn, &params.pid, &params.pidfd, &error);
	fail_with(r, error);
	io_setup_close_child(&setup);
	params.stdin_fd = take_fd(&setup.our_stdin);
	params.stdout_fd = take_fd(&setup.our_stdout);
	params.stderr_fd = take_fd(&setup.our_stderr);
	params.ready_us = clock_us();
	exits = frees = 0;
	r = process_new(engine, &params, &process, &error);
	fail_with(r, error);
	io_setup_done(&setup);
	scow_engine_unref(engine);
	return process;
}

static scow_process *start(const scow_io *io, const char *command)
{
	return start_on(io, command, -1, -1);
}

static void expect_code(scow_process *process, int expected)
{
	scow_error *error = NULL;
	int code = -2, r = scow_process_wait(process, 20000, &code, &error);

	fail_with(r, error);
	assert_int_equal(code, expected);
	assert_int_equal(scow_process_exit_code(process), expected);
	assert_int_equal(scow_process_exited(process), 1);
	assert_int_equal(exits, 1);
}

static void test_exit_codes(void **state)
{
	scow_process *process = start(NULL, "exit 7");

	(void) state;
	assert_int_equal(scow_process_exit_code(process), -1);
	assert_null(scow_process_receipt(process));
	expect_code(process, 7);
	assert_int_equal(scow_process_exit_signal(process), 0);
	assert_true(scow_receipt_wall_us(scow_process_receipt(process)) > 0);
	assert_int_equal(scow_process_dispatch(process, NULL), 0);
	assert_null(scow_process_unref(process));
	assert_int_equal(exits, 1);
	assert_int_equal(frees, 1);

	process = start(NULL, "kill -9 $$");
	expect_code(process, 128 + SIGKILL);
	assert_int_equal(scow_process_exit_signal(process), SIGKILL);
	scow_process_unref(process);
}

static void test_capture(void **state)
{
	scow_io *io = scow_io_new();
	scow_process *process;
	size_t size;

	(void) state;
	scow_io_set_capture(io, 8);
	process = start(io, "echo out; echo err >&2; exit 3");
	expect_code(process, 3);
	assert_string_equal(scow_process_output(process, SCOW_STDOUT, &size), "out\n");
	assert_int_equal(size, 4);
	assert_string_equal(scow_process_output(process, SCOW_STDERR, NULL), "err\n");
	scow_process_unref(process);

	process = start(io, "echo 0123456789; echo more");
	expect_code(process, 0);
	assert_string_equal(scow_process_output(process, SCOW_STDOUT, &size), "01234567");
	scow_process_unref(process);

	process = start(NULL, "echo nobody listens");
	expect_code(process, 0);
	assert_string_equal(scow_process_output(process, SCOW_STDOUT, &size), "");
	assert_int_equal(size, 0);
	scow_process_unref(process);
	scow_io_unref(io);
}

struct seen {
	size_t bytes[3];
	scow_process *drop; /* a reference to give back in the callback */
};

static void see(int stream, const void *data, size_t size, void *userdata)
{
	struct seen *seen = userdata;

	(void) data;
	seen->bytes[stream] += size;
	scow_process_unref(take_ptr(&seen->drop));
}

static void test_dispatch_in_a_loop(void **state)
{
	struct seen seen = { 0 };
	scow_io *io = scow_io_new();
	scow_process *process;
	int r;

	(void) state;
	scow_io_set_output(io, see, &seen);
	process = start(io, "i=0; while [ $i -lt 3 ]; do echo line; echo problem >&2; i=$((i+1)); sleep 0.02; done");
	do {
		struct pollfd fds = { .fd = scow_process_fd(process), .events = POLLIN };

		assert_int_equal(poll(&fds, 1, 10000), 1);
		r = scow_process_dispatch(process, NULL);
	} while (r > 0);
	assert_int_equal(r, 0);
	assert_int_equal(seen.bytes[SCOW_STDOUT], 15);
	assert_int_equal(seen.bytes[SCOW_STDERR], 24);
	scow_process_unref(process);

	/* More than a pipe holds, and a callback that gives back the last reference. */
	memset(&seen, 0, sizeof(seen));
	process = start(io, "dd if=/dev/zero bs=1000 count=3000 2>/dev/null");
	expect_code(process, 0);
	assert_int_equal(seen.bytes[SCOW_STDOUT], 3000000);
	scow_process_unref(process);
	seen.drop = process = start(io, "echo once; exec sleep 60");
	{
		struct pollfd fds = { .fd = scow_process_fd(process), .events = POLLIN };

		assert_int_equal(poll(&fds, 1, 10000), 1);
		assert_int_equal(scow_process_dispatch(process, NULL), 1);
	}
	assert_int_equal(frees, 1);
	scow_io_unref(io);
}

static void test_timeout(void **state)
{
	scow_process *process = start(NULL, "exec sleep 60");
	scow_error *error = NULL;
	int pid = scow_process_pid(process);

	(void) state;
	assert_int_equal(scow_process_wait(process, 0, NULL, NULL), SCOW_E_TIMEOUT);
	assert_int_equal(scow_process_wait(process, 50, NULL, &error), SCOW_E_TIMEOUT);
	assert_non_null(strstr(scow_error_message(error), "still runs after 50 ms"));
	scow_error_unref(error);
	assert_int_equal(scow_process_signal(process, 0, NULL), SCOW_E_INVALID);
	assert_int_equal(scow_process_signal(process, 65, NULL), SCOW_E_INVALID);
	assert_int_equal(scow_process_signal(process, SIGTERM, NULL), 0);
	expect_code(process, 128 + SIGTERM);
	assert_int_equal(scow_process_signal(process, SIGTERM, NULL), SCOW_E_STATE);
	scow_process_unref(process);

	process = start(NULL, "exec sleep 60");
	pid = scow_process_pid(process);
	scow_process_unref(process);
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(exits, 1);
	assert_int_equal(last_exit.signal, SIGKILL);
}

static void test_write(void **state)
{
	static char megabyte[1 << 20];
	scow_io *io = scow_io_new();
	scow_process *process;
	scow_error *error = NULL;
	size_t size;

	(void) state;
	memset(megabyte, 'x', sizeof(megabyte));
	process = start(io, "cat");
	assert_int_equal(scow_process_write(process, "x", 1, NULL), SCOW_E_STATE);
	scow_process_unref(process);

	scow_io_set_input(io, 1);
	scow_io_set_capture(io, 4 << 20);
	process = start(io, "cat");
	/* Both pipes fill: this ends only because writing dispatches. */
	assert_int_equal(scow_process_write(process, megabyte, sizeof(megabyte), NULL), 0);
	assert_int_equal(scow_process_write(process, "", 0, NULL), 0);
	assert_int_equal(scow_process_write(process, "", 0, NULL), SCOW_E_STATE);
	expect_code(process, 0);
	scow_process_output(process, SCOW_STDOUT, &size);
	assert_int_equal(size, sizeof(megabyte));
	scow_process_unref(process);

	process = start(io, "exec <&-; sleep 0.2");
	while (scow_process_write(process, megabyte, 4096, NULL) == 0)
		;
	assert_int_equal(scow_process_write(process, "x", 1, &error), SCOW_E_STATE);
	scow_error_unref(error);
	expect_code(process, 0);
	scow_process_unref(process);
	scow_io_unref(io);
}

/* A grandchild that keeps stdout must not keep the wait. */
static void test_held_output(void **state)
{
	scow_io *io = scow_io_new();
	scow_process *process;
	uint64_t begin = clock_us();

	(void) state;
	scow_io_set_capture(io, 100);
	process = start(io, "echo first; (sleep 5) & exit 4");
	expect_code(process, 4);
	assert_true(clock_us() - begin < 4000000);
	assert_string_equal(scow_process_output(process, SCOW_STDOUT, NULL), "first\n");
	scow_process_unref(process);
	scow_io_unref(io);
}

static int open_terminal(int *slave)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	assert_true(master >= 0);
	assert_int_equal(grantpt(master), 0);
	assert_int_equal(unlockpt(master), 0);
	*slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(*slave >= 0);
	return master;
}

static void test_terminal(void **state)
{
	scow_io *io = scow_io_new();
	int slave, master = open_terminal(&slave);
	scow_process *process;

	(void) state;
	scow_io_set_capture(io, 1000);
	process = start_on(io, "echo ready; read x; echo got $x; stty size; cat; exit 5", master, slave);
	close(slave);
	assert_int_equal(scow_process_resize(process, 33, 111, NULL), 0);
	assert_int_equal(scow_process_resize(process, 70000, 1, NULL), SCOW_E_INVALID);
	assert_int_equal(scow_process_write(process, "word\n", 5, NULL), 0);
	assert_int_equal(scow_process_wait(process, 300, NULL, NULL), SCOW_E_TIMEOUT);
	assert_int_equal(scow_process_write(process, "", 0, NULL), 0);
	expect_code(process, 5);
	assert_non_null(strstr(scow_process_output(process, SCOW_STDOUT, NULL), "got word\r\n33 111\r\n"));
	assert_string_equal(scow_process_output(process, SCOW_STDERR, NULL), "");
	scow_process_unref(process);

	process = start(NULL, "exit 0");
	assert_int_equal(scow_process_terminal_fd(process), -1);
	assert_int_equal(scow_process_resize(process, 1, 1, NULL), SCOW_E_STATE);
	expect_code(process, 0);
	scow_process_unref(process);
	scow_io_unref(io);
}

/* Who asks for the master and has no callback reads it himself, undisturbed by dispatch. */
static void test_terminal_of_the_host(void **state)
{
	int slave, master = open_terminal(&slave), r;
	scow_process *process = start_on(NULL, "echo mine", master, slave);
	char buffer[64] = "";

	(void) state;
	close(slave);
	assert_int_equal(scow_process_terminal_fd(process), master);
	expect_code(process, 0);
	r = (int) read(master, buffer, sizeof(buffer) - 1);
	assert_int_equal(r, 6);
	assert_string_equal(buffer, "mine\r\n");
	scow_process_unref(process);
}

static void test_sigchld_ignored(void **state)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, saved;
	scow_process *process;

	(void) state;
	sigaction(SIGCHLD, &ignore, &saved);
	process = start(NULL, "exit 9");
	usleep(50000);
	if (scow_process_wait(process, 20000, NULL, NULL) == 0)
		assert_int_equal(scow_process_exit_code(process), 9);
	else
		assert_true(last_exit.lost); /* before Linux 6.15 nobody can tell */
	assert_int_equal(exits, 1);
	scow_process_unref(process);
	sigaction(SIGCHLD, &saved, NULL);
}

static void *steal(void *data)
{
	atomic_bool *stop = data;

	while (!atomic_load(stop))
		if (waitpid(-1, NULL, WNOHANG) <= 0)
			usleep(200);
	return NULL;
}

static void test_waitpid_thief(void **state)
{
	atomic_bool stop = false;
	pthread_t thread;

	(void) state;
	assert_int_equal(pthread_create(&thread, NULL, steal, &stop), 0);
	for (int i = 0; i < 20; i++) {
		scow_process *process = start(NULL, "exit 11");

		if (scow_process_wait(process, 20000, NULL, NULL) == 0)
			assert_int_equal(scow_process_exit_code(process), 11);
		else
			assert_true(last_exit.lost);
		assert_int_equal(exits, 1);
		scow_process_unref(process);
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
}

static void *reap(void *data)
{
	return (void *) (intptr_t) process_reap(data, NULL);
}

/* The end is recorded once, by whoever is first; output stays for the one that dispatches. */
static void test_reap_elsewhere(void **state)
{
	scow_io *io = scow_io_new();
	scow_process *process;
	pthread_t threads[4];
	void *result;

	(void) state;
	scow_io_set_capture(io, 100);
	process = start(io, "echo kept; sleep 0.05; exit 6");
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, reap, process), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &result);
		assert_int_equal((intptr_t) result, 6);
	}
	assert_int_equal(exits, 1);
	assert_int_equal(scow_process_exited(process), 0);
	expect_code(process, 6);
	assert_string_equal(scow_process_output(process, SCOW_STDOUT, NULL), "kept\n");
	scow_process_unref(process);
	scow_io_unref(io);
}

static void test_fork(void **state)
{
	scow_process *process = start(NULL, "exec sleep 60");
	pid_t child = fork();
	int status;

	(void) state;
	if (child == 0) {
		int r = scow_process_wait(process, 0, NULL, NULL);

		scow_process_unref(process);
		_exit(r == SCOW_E_STATE ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	/* The child's unref has not killed what is ours. */
	assert_int_equal(scow_process_wait(process, 50, NULL, NULL), SCOW_E_TIMEOUT);
	scow_process_unref(process);
}

static void test_nothing(void **state)
{
	(void) state;
	assert_null(scow_process_unref(NULL));
	assert_int_equal(scow_process_fd(NULL), -1);
	assert_int_equal(scow_process_wait(NULL, 0, NULL, NULL), SCOW_E_INVALID);
	assert_int_equal(scow_process_exit_code(NULL), -1);
	assert_int_equal(scow_receipt_wall_us(NULL), 0);
	assert_string_equal(scow_process_output(NULL, SCOW_STDOUT, NULL), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exit_codes),
		cmocka_unit_test(test_capture),
		cmocka_unit_test(test_dispatch_in_a_loop),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_held_output),
		cmocka_unit_test(test_terminal),
		cmocka_unit_test(test_terminal_of_the_host),
		cmocka_unit_test(test_sigchld_ignored),
		cmocka_unit_test(test_waitpid_thief),
		cmocka_unit_test(test_reap_elsewhere),
		cmocka_unit_test(test_fork),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
