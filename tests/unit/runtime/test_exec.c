/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A plan for a program in a running container, carried out as a supervisor does it: scow-init alone, the bytes in a socket, a pidfd of
 * PID 1. What exec itself gives is tested in tests/api/test_exec.c. Needs root and busybox; skipped with the reason otherwise.
 */
#include "unit.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/spawn.h"
#include "engine/guard.h"
#include "engine/helper.h"
#include "init/wire.h"
#include "runtime/caps.h"
#include "runtime/exec.h"
#include "runtime/launch.h"

static struct scratch scratch;
static struct scow_engine engine;
static struct spec spec;
static struct cgroup *cgroup;
static struct launch launch;

static void set_args(const char *script)
{
	const char *const command[] = { "sh", "-c", script };

	spec.args = arena_strv(&spec.arena, command, 3);
	spec.n_args = 3;
}

static void start_container(void)
{
	static char *layers[] = { (char *) "base", NULL };
	static const char *const environment[] = { "PATH=/bin" };
	const struct spec_resources nothing = { 0 };
	char name[64];

	for (int i = 0; i <= SPEC_NS_CGROUP; i++)
		spec.namespaces[i].mode = SPEC_NS_NEW;
	spec.id = "unit";
	spec.layers_fd = openat(scratch.fd, "layers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	spec.container_fd = openat(scratch.fd, "c", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	spec.lowers = layers;
	spec.n_lowers = 1;
	spec.env = arena_strv(&spec.arena, environment, 1);
	spec.n_env = 1;
	spec.cap_bounding = caps_default();
	set_args("exec sleep 1000");
	assert_int_equal(spec_add_defaults(&spec, false, 0, NULL), 0);
	snprintf(name, sizeof(name), "scow-unit-exec-%d", getpid());
	assert_int_equal(cgroup_create(&engine, NULL, name, &nothing, &cgroup, NULL), 0);
	launch = (struct launch){ .spec = &spec, .cgroup = cgroup, .fds = { -1, -1, -1 } };
	assert_int_equal(launch_start(&engine, &launch, NULL), 0);
	cgroup_close_join_fds(cgroup);
}

static int set_up(void **state)
{
	char command[512];

	(void) state;
	if (geteuid() != 0 || access("/bin/busybox", X_OK) < 0)
		return 0;
	engine.pid = getpid();
	engine.helper_fd = engine.guard_fd = engine.owner_fd = -1;
	pthread_mutex_init(&engine.lock, NULL);
	assert_int_equal(facts_probe(&engine.facts, NULL), 0);
	if (engine.facts.rootless)
		return 0;
	scratch = scratch_new();
	snprintf(command, sizeof(command),
		 "cd %s && mkdir -p layers/base/bin layers/base/etc c/diff c/work && cd layers/base && cp /bin/busybox bin/ && "
		 "for a in sh cat sleep id grep readlink; do ln -s busybox bin/$a; done",
		 scratch.path);
	assert_int_equal(system(command), 0);
	start_container();
	return 0;
}

static int tear_down(void **state)
{
	(void) state;
	if (!scratch.fd)
		return 0;
	syscall(SYS_pidfd_send_signal, launch.pidfd, SIGKILL, NULL, 0);
	spawn_wait(launch.pidfd, NULL, NULL);
	close(launch.pidfd);
	cgroup_remove(cgroup, NULL);
	cgroup_free(cgroup);
	close(spec.layers_fd);
	close(spec.container_fd);
	spec_done(&spec);
	guard_dismiss(&engine);
	guard_reap(&engine);
	engine.cgroup_base_free(engine.cgroup_base);
	close(engine.helper_fd);
	facts_done(&engine.facts);
	scratch_done(&scratch);
	return 0;
}

#define need_root()                                                                                                                        \
	do {                                                                                                                               \
		if (!scratch.fd) {                                                                                                         \
			print_message("needs root with CAP_SYS_ADMIN, and a static /bin/busybox\n");                                       \
			skip();                                                                                                            \
		}                                                                                                                          \
	} while (0)

/* What a supervisor does, in short: the child's pidfd, or -1 and the report of why there is none. */
static int carry_out(const void *bytes, size_t size, int out_fd, struct wire_report *report)
{
	char name[] = "scow-init", mode[] = WIRE_MODE_RUN, *argv[] = { name, mode, NULL };
	int pair[2], pidfd, child = -1;
	_cleanup_fd_ int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct wire_report next;
	struct iovec part = { &next, sizeof(next) };
	char text[WIRE_REPORT_TEXT_MAX];
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	const struct spawn_fd fds[] = {
		{ null_fd, 0 }, { out_fd, 1 }, { out_fd, 2 }, { pair[1], WIRE_FD_SOCKET }, { launch.pidfd, WIRE_FD_NS }
	};
	const struct spawn spawn = { .exec_fd = engine_helper(&engine, NULL), .argv = argv, .fds = fds, .n_fds = 5, .cgroup_fd = -1 };
	assert_int_equal(spawn_process(&spawn, &pid, &pidfd, NULL), 0);
	close(pair[1]);
	assert_int_equal(fd_write_all(pair[0], bytes, size), 0);
	for (;;) {
		struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(pair[0], &message, MSG_CMSG_CLOEXEC);

		if (n <= 0)
			break;
		assert_int_equal(n, sizeof(next));
		if (next.kind == WIRE_CHILD_FD)
			memcpy(&child, CMSG_DATA(&control.header), sizeof(child));
		/* A child that fails may say so before it is named. */
		if (next.kind == WIRE_FAILED)
			assert_int_equal(fd_read_full(pair[0], text, next.size), next.size);
		if (report->kind != WIRE_FAILED)
			*report = next;
	}
	close(pair[0]);
	assert_int_equal(spawn_wait(pidfd, NULL, NULL), 0);
	close(pidfd);
	return child;
}

/* The exit status of the program that the spec has; in @output what it said. */
static int execute(struct cgroup *join, char output[4096], struct wire_report *report)
{
	void *bytes;
	size_t size;
	bool enters = false;
	int out[2], status = -1, child;
	ssize_t n;

	assert_int_equal(exec_plan_bytes(&engine, &spec, join, WIRE_FD_NS, &bytes, &size, &enters, NULL), 0);
	assert_true(enters);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	*report = (struct wire_report){ .kind = WIRE_KINDS };
	child = carry_out(bytes, size, out[1], report);
	free(bytes);
	close(out[1]);
	assert_true(child >= 0);
	assert_int_equal(spawn_wait(child, &status, NULL), 0);
	close(child);
	n = fd_read_full(out[0], output, 4095);
	output[n > 0 ? n : 0] = 0;
	close(out[0]);
	return status;
}

static void test_joins_all(void **state)
{
	struct wire_report report;
	char output[4096];

	(void) state;
	need_root();
	set_args("for n in pid net ipc uts mnt cgroup; do [ $(readlink /proc/1/ns/$n) = $(readlink /proc/self/ns/$n) ] || echo $n; done; "
		 "echo $$ >/proc/self/oom_score_adj; cat /proc/1/cgroup >/one; cat /proc/self/cgroup >/self; while read -r a; do echo "
		 "\"$a\"; done </one; "
		 "echo -; while read -r a; do echo \"$a\"; done </self; exit 7");
	assert_int_equal(WEXITSTATUS(execute(cgroup, output, &report)), 7);
	assert_int_equal(report.kind, WIRE_CHILD_FD);
	/* The same cgroups as PID 1's. */
	char *half = strstr(output, "-\n");
	assert_non_null(half);
	*half = 0;
	assert_string_equal(output, half + 2);
}

/* Again and again: a plan is only read. */
static void test_often(void **state)
{
	struct wire_report report;
	char output[4096];

	(void) state;
	need_root();
	set_args("echo fine; exit 1");
	for (int i = 0; i < 20; i++) {
		assert_int_equal(WEXITSTATUS(execute(i % 2 ? cgroup : NULL, output, &report)), 1);
		assert_string_equal(output, "fine\n");
	}
}

static void test_failure_is_reported(void **state)
{
	static char *missing[] = { (char *) "nosuchprogram", NULL };
	struct wire_report report;
	char output[4096];

	(void) state;
	need_root();
	spec.args = missing;
	spec.n_args = 1;
	execute(NULL, output, &report);
	assert_int_equal(report.kind, WIRE_FAILED);
	assert_int_equal(report.step, WIRE_EXEC);
	assert_int_equal(report.error, ENOENT);
	assert_string_equal(output, "");
}

/* Nothing that scow-init had reaches the program. */
static void test_descriptors(void **state)
{
	struct wire_report report;
	char output[4096];

	(void) state;
	need_root();
	set_args("i=0; while [ $i -lt 64 ]; do [ -e /proc/$$/fd/$i ] && echo -n $i,; i=$((i + 1)); done");
	execute(NULL, output, &report);
	assert_string_equal(output, "0,1,2,");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_joins_all),
		cmocka_unit_test(test_often),
		cmocka_unit_test(test_failure_is_reported),
		cmocka_unit_test(test_descriptors),
	};

	return cmocka_run_group_tests_name("runtime/exec", tests, set_up, tear_down);
}
