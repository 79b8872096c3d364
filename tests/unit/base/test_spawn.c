/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit/unit.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/spawn.h"

static int run_shell(const char *script, const struct spawn_fd *fds, size_t n_fds, int *status)
{
	char *const argv[] = { (char *) "sh", (char *) "-c", (char *) script, NULL };
	struct spawn spawn = { .exec_fd = -1, .path = "/bin/sh", .argv = argv, .fds = fds, .n_fds = n_fds, .cgroup_fd = -1 };
	pid_t pid;
	int pidfd, r;

	r = spawn_process(&spawn, &pid, &pidfd, NULL);
	if (r < 0)
		return r;
	r = spawn_wait(pidfd, status, NULL);
	close(pidfd);
	return r;
}

static void test_exit_status(void **state)
{
	int status;

	(void) state;
	assert_ok(run_shell("exit 7", NULL, 0, &status));
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	assert_ok(run_shell("kill -9 $$", NULL, 0, &status));
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void test_descriptors(void **state)
{
	_cleanup_fd_ int leaked = open("/etc/passwd", O_RDONLY); /* no CLOEXEC, on purpose */
	char text[256] = { 0 };
	int out[2], status;
	struct spawn_fd fds[] = { { -1, 1 }, { -1, 4 } };

	(void) state;
	assert_ok(pipe2(out, O_CLOEXEC));
	fds[0].fd = fds[1].fd = out[1];
	assert_ok(run_shell("echo /proc/$$/fd/*", fds, 2, &status));
	close(out[1]);
	assert_true(fd_read_full(out[0], text, sizeof(text) - 1) > 0);
	close(out[0]);
	/* 1 and 4 as asked; 0 is the directory that the glob reads. The leaked one is gone. */
	assert_null(strstr(text, "/fd/5"));
	assert_null(strstr(text, "/fd/2"));
	assert_non_null(strstr(text, "/fd/4"));
	assert_true(leaked >= 0);
}

/* Targets that are each other's sources. */
static void test_descriptors_cross(void **state)
{
	int a[2], b[2], status;
	char text[2];

	(void) state;
	assert_ok(pipe2(a, O_CLOEXEC));
	assert_ok(pipe2(b, O_CLOEXEC));
	struct spawn_fd fds[] = { { a[1], b[1] }, { b[1], a[1] } };
	char script[64];

	snprintf(script, sizeof(script), "printf A >&%d; printf B >&%d", b[1], a[1]);
	assert_ok(run_shell(script, fds, 2, &status));
	assert_int_equal(status, 0);
	assert_int_equal(read(a[0], text, 1), 1);
	assert_int_equal(text[0], 'A');
	assert_int_equal(read(b[0], text, 1), 1);
	assert_int_equal(text[0], 'B');
	close(a[0]), close(a[1]), close(b[0]), close(b[1]);
}

static void test_failures_are_reported(void **state)
{
	char *const argv[] = { (char *) "x", NULL };
	struct spawn spawn = { .exec_fd = -1, .path = "/no/such/program", .argv = argv, .cgroup_fd = -1 };
	scow_error *error = NULL;
	pid_t pid;
	int pidfd;

	(void) state;
	assert_int_equal(spawn_process(&spawn, &pid, &pidfd, &error), SCOW_E_NOT_FOUND);
	assert_string_equal(scow_error_syscall(error), "execve");
	scow_error_unref(error);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* A host that ignores SIGCHLD: the kernel reaps, and the pidfd still tells. */
static void test_ignored_sigchld(void **state)
{
	int status = 0;

	(void) state;
	signal(SIGCHLD, SIG_IGN);
	assert_ok(run_shell("exit 9", NULL, 0, &status));
	signal(SIGCHLD, SIG_DFL);
	/* -1 on kernels before 6.15, where the report socket tells instead. */
	assert_true(status == -1 || (WIFEXITED(status) && WEXITSTATUS(status) == 9));
}

static void test_signal_state(void **state)
{
	sigset_t before, after;
	int status;

	(void) state;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	/* Neither ignored nor blocked in the child. By exec: a shell blocks signals itself while it waits. */
	assert_ok(run_shell("exec grep -q 'SigIgn:.0000000000000000' /proc/self/status", NULL, 0, &status));
	assert_int_equal(status, 0);
	assert_ok(run_shell("exec grep -q 'SigBlk:.0000000000000000' /proc/self/status", NULL, 0, &status));
	assert_int_equal(status, 0);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	assert_memory_equal(&before, &after, 8); /* what the kernel keeps of it */
	assert_true(signal(SIGUSR1, SIG_DFL) == SIG_IGN);
	signal(SIGPIPE, SIG_DFL);
}

/* A host's real-time thread starts ordinary processes: field 41 of stat is the policy. */
static void test_scheduler(void **state)
{
	const struct sched_param high = { .sched_priority = 1 }, none = { .sched_priority = 0 };
	int status, r;

	(void) state;
	if (sched_setscheduler(0, SCHED_FIFO, &high) < 0)
		skip();
	r = run_shell("read -r line </proc/self/stat; set -- ${line##*) }; exit ${39}", NULL, 0, &status);
	assert_int_equal(sched_getscheduler(0), SCHED_FIFO);
	assert_return_code(sched_setscheduler(0, SCHED_OTHER, &none), errno);
	assert_ok(r);
	assert_int_equal(status, SCHED_OTHER);
}

static void *spawn_many(void *arg)
{
	for (int i = 0; i < 50; i++) {
		int status = -1;

		if (run_shell("exit 3", NULL, 0, &status) < 0 || status != 3 << 8)
			return arg;
	}
	return NULL;
}

static void test_threads(void **state)
{
	int names[8];
	pthread_t threads[8];
	void *failed;

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, spawn_many, &names[i]), 0);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exit_status),       cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_descriptors_cross), cmocka_unit_test(test_failures_are_reported),
		cmocka_unit_test(test_ignored_sigchld),   cmocka_unit_test(test_signal_state),
		cmocka_unit_test(test_scheduler),         cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
