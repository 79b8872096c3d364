/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a scow_io asks for, as descriptors; and writing into a pipe that nobody reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/process.h"

static bool is_null_device(int fd)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && stat("/dev/null", &b) == 0 && a.st_rdev == b.st_rdev;
}

static bool is_pipe(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

static void test_nothing(void **state)
{
	struct io_setup setup;

	(void) state;
	assert_int_equal(io_setup_open(NULL, false, false, &setup, NULL), 0);
	for (int i = 0; i < 3; i++) {
		assert_true(is_null_device(setup.child_fds[i]));
		assert_true(setup.owned[i]);
		assert_int_equal(fcntl(setup.child_fds[i], F_GETFD), FD_CLOEXEC);
	}
	assert_int_equal(setup.our_stdin, -1);
	assert_int_equal(setup.our_stdout, -1);
	assert_int_equal(setup.rows, 24);
	assert_int_equal(setup.columns, 80);
	io_setup_done(&setup);
	assert_int_equal(setup.child_fds[0], -1);
}

static void test_pipes(void **state)
{
	scow_io *io = scow_io_new();
	struct io_setup setup;
	int given[2];

	(void) state;
	assert_int_equal(pipe(given), 0);
	scow_io_set_capture(io, 10);
	scow_io_set_fd(io, SCOW_STDERR, given[1]);
	assert_int_equal(io_setup_open(io, false, true, &setup, NULL), 0);
	assert_true(is_pipe(setup.child_fds[0]));
	assert_true(is_pipe(setup.child_fds[1]));
	assert_int_equal(setup.child_fds[2], given[1]);
	assert_false(setup.owned[2]);
	assert_true(fcntl(setup.our_stdin, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(setup.our_stdout, F_GETFL) & O_NONBLOCK);
	assert_false(fcntl(setup.child_fds[0], F_GETFL) & O_NONBLOCK);
	assert_false(fcntl(setup.child_fds[1], F_GETFL) & O_NONBLOCK);
	assert_int_equal(setup.our_stderr, -1);
	io_setup_done(&setup);
	/* What was given stays the caller's. */
	assert_true(fcntl(given[1], F_GETFD) >= 0);
	close(given[0]);
	close(given[1]);
	scow_io_unref(io);
}

static void expect_refused(scow_io *io, bool terminal, const char *words)
{
	struct io_setup setup;
	scow_error *error = NULL;

	assert_int_equal(io_setup_open(io, terminal, false, &setup, &error), SCOW_E_INVALID);
	assert_non_null(strstr(scow_error_message(error), words));
	scow_error_unref(error);
	io_setup_done(&setup);
	scow_io_unref(io);
}

/* Descriptor 0 of a host that was started without a stdin is whatever was opened first. */
static void test_no_stream(void **state)
{
	int saved = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10), directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	scow_io *io = scow_io_new();
	struct io_setup setup;

	(void) state;
	scow_io_set_inherit(io);
	for (int closed = 0; closed < 2; closed++) {
		assert_int_equal(closed ? close(STDIN_FILENO) : dup3(directory, STDIN_FILENO, O_CLOEXEC), 0);
		assert_int_equal(io_setup_open(io, false, false, &setup, NULL), 0);
		assert_true(is_null_device(setup.child_fds[0]));
		assert_int_equal(setup.child_fds[1], STDOUT_FILENO);
		io_setup_done(&setup);
	}
	if (saved >= 0)
		dup2(saved, STDIN_FILENO);
	close(saved);
	close(directory);
	scow_io_unref(io);
}

static void test_refusals(void **state)
{
	scow_io *io = scow_io_new();

	(void) state;
	scow_io_set_inherit(io);
	expect_refused(io, true, "a terminal of its own cannot use descriptor 0");
	io = scow_io_new();
	scow_io_set_fd(io, SCOW_STDOUT, -4);
	scow_io_set_window(io, 100000, 1);
	expect_refused(io, false, "scow_io_set_fd: a negative descriptor");
	io = scow_io_new();
	scow_io_set_fd(io, (scow_stream) 7, 0);
	expect_refused(io, false, "no such stream");
	io = scow_io_new();
	scow_io_set_window(io, 100000, 1);
	expect_refused(io, true, "scow_io_set_window");
	assert_null(scow_io_unref(NULL));
}

static volatile sig_atomic_t signals;

static void count(int signal)
{
	(void) signal;
	signals++;
}

static void test_broken_pipe(void **state)
{
	struct sigaction action = { .sa_handler = count }, saved, after;
	sigset_t before_mask, after_mask, pipe_only, pending;
	int fds[2];

	(void) state;
	sigaction(SIGPIPE, &action, &saved);
	pthread_sigmask(SIG_SETMASK, NULL, &before_mask);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(pipe_write(fds[1], "abc", 3), 3);
	close(fds[0]);
	assert_int_equal(pipe_write(fds[1], "abc", 3), -EPIPE);
	assert_int_equal(signals, 0);
	sigpending(&pending);
	assert_false(sigismember(&pending, SIGPIPE));
	pthread_sigmask(SIG_SETMASK, NULL, &after_mask);
	for (int i = 1; i < 65; i++)
		assert_int_equal(sigismember(&before_mask, i), sigismember(&after_mask, i));
	sigaction(SIGPIPE, NULL, &after);
	assert_ptr_equal(after.sa_handler, count);

	/* One that the host has pending is its own: it is not eaten. */
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_only, NULL);
	raise(SIGPIPE);
	assert_int_equal(pipe_write(fds[1], "abc", 3), -EPIPE);
	sigpending(&pending);
	assert_true(sigismember(&pending, SIGPIPE));
	pthread_sigmask(SIG_SETMASK, &before_mask, NULL);
	assert_int_equal(signals, 1);
	sigaction(SIGPIPE, &saved, NULL);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),  cmocka_unit_test(test_pipes),       cmocka_unit_test(test_no_stream),
		cmocka_unit_test(test_refusals), cmocka_unit_test(test_broken_pipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
