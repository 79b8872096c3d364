/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Programs in containers that run: what they get, their limits, and that they take nothing of the host in with them.
 */
#include "executing.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* ---- what it is ---- */

static void test_is_inside(void **state)
{
	char out[4096], expected[256];

	(void) state;
	exec_expect("cat /tmp/first; readlink /proc/1/exe | grep -c busybox; pwd", "1\n1\n/\n");
	snprintf(expected, sizeof(expected), "%.12s\n", scow_container_id(executing.container));
	exec_expect("hostname", expected);
	for (const char *const *ns = (const char *const[]){ "ipc", "mnt", "net", "pid", "uts", "user", "cgroup", NULL }; *ns; ns++) {
		snprintf(expected, sizeof(expected), "[ $(readlink /proc/1/ns/%s) = $(readlink /proc/self/ns/%s) ]", *ns, *ns);
		if (exec_script(expected, out) != 0)
			fail_msg("another %s namespace", *ns);
	}
	/* The same rights as PID 1's. */
	exec_expect("for i in 1 self; do grep -E '^(Cap|Seccomp|NoNewPrivs)' /proc/$i/status; done | sort | uniq -c | grep -vc ' 2 '",
		    "0\n");
}

static void test_environment(void **state)
{
	SCOW_AUTO(scow_process_config) *config = exec_shell("echo $FROM,$ADDED,${PATH+path},${REMOVED-gone},${TERM-none},$HOME");
	char out[4096];

	(void) state;
	scow_process_config_set_env(config, "ADDED", "by exec");
	scow_process_config_set_env(config, "REMOVED", NULL);
	assert_int_equal(exec_run(config, out), 0);
	assert_string_equal(out, "container,by exec,path,gone,none,/root\n");
	scow_process_config_set_env(config, "FROM", "exec");
	scow_process_config_set_env(config, "HOME", "/elsewhere");
	assert_int_equal(exec_run(config, out), 0);
	assert_string_equal(out, "exec,by exec,path,gone,none,/elsewhere\n");
}

static void test_arguments(void **state)
{
	const char *const command[] = { "sh", "-c", "for i; do echo \"<$i>\"; done", "", "", "a b", "$HOME", "\xc3\xa9", NULL };
	SCOW_AUTO(scow_process_config) *config = scow_process_config_new(command);
	char out[4096];

	(void) state;
	assert_int_equal(exec_run(config, out), 0);
	assert_string_equal(out, "<>\n<a b>\n<$HOME>\n<\xc3\xa9>\n");
}

static void test_workdir(void **state)
{
	SCOW_AUTO(scow_process_config) *config = exec_shell("pwd");
	char out[4096];

	(void) state;
	scow_process_config_set_workdir(config, "/tmp/../etc");
	assert_int_equal(exec_run(config, out), 0);
	assert_string_equal(out, "/etc\n");
	scow_process_config_set_workdir(config, "/missing");
	exec_refused(config, SCOW_E_NOT_FOUND, "/missing");
	scow_process_config_set_workdir(config, "relative");
	exec_refused(config, SCOW_E_INVALID, "set_workdir");
}

static void test_user(void **state)
{
	SCOW_AUTO(scow_process_config) *config =
		exec_shell("id -u; id -g; id -G; grep CapEff /proc/self/status; echo x >/dev/stdout; echo $HOME");
	char out[4096];

	(void) state;
	if (scow_engine_rootless(fixture.engine)) /* may have one id only */
		skip();
	scow_process_config_set_user(config, "4321:8765");
	assert_int_equal(exec_run(config, out), 0);
	assert_string_equal(out, "4321\n8765\n8765\nCapEff:\t0000000000000000\nx\n/\n");
	scow_process_config_set_user(config, "nosuchuser");
	exec_refused(config, SCOW_E_INVALID, "nosuchuser");
	scow_process_config_set_user(config, "0:nosuchgroup");
	exec_refused(config, SCOW_E_INVALID, "group");
}

static void make_other_user(scow_container_config *config)
{
	scow_container_config_set_user(config, "4321:8765");
	scow_container_config_set_workdir(config, "/usr");
	scow_container_config_drop_capability(config, "ALL");
	scow_container_config_add_ulimit(config, "nofile", 77, 88);
	scow_container_config_set_no_new_privileges(config, 1);
}

/* What the container has of its own, it gets as well. */
static void test_like_the_container(void **state)
{
	SCOW_AUTO(scow_process_config) *config = exec_shell("id -u; pwd; ulimit -n; ulimit -Hn; grep -E 'CapBnd|NoNew' /proc/self/status");
	char out[4096];

	(void) state;
	if (scow_engine_rootless(fixture.engine))
		skip();
	exec_end();
	exec_begin(make_other_user);
	assert_int_equal(exec_run(config, out), 0);
	assert_string_equal(out, "4321\n/usr\n77\n88\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\n");
	scow_process_config_set_user(config, "0");
	scow_process_config_set_privileged(config, 1);
	assert_int_equal(exec_run(config, out), 0);
	assert_memory_equal(out, "0\n/usr\n77\n88\n", 12);
	assert_null(strstr(out, "CapBnd:\t0000000000000000"));
}

static void test_privileged(void **state)
{
	SCOW_AUTO(scow_process_config) *config = exec_shell("grep -E '^Seccomp:|CapEff' /proc/self/status");
	char out[4096], plain[4096];

	(void) state;
	assert_int_equal(exec_run(config, plain), 0);
	assert_non_null(strstr(plain, "Seccomp:\t2"));
	scow_process_config_set_privileged(config, 1);
	assert_int_equal(exec_run(config, out), 0);
	assert_non_null(strstr(out, "Seccomp:\t0"));
	assert_true(strtoull(strstr(out, "CapEff:") + 7, NULL, 16) >= strtoull(strstr(plain, "CapEff:") + 7, NULL, 16));
}

/* ---- streams and terminals ---- */

static void test_input(void **state)
{
	SCOW_AUTO(scow_process_config) *config = exec_shell("cat; echo end >&2; exit 4");
	SCOW_AUTO(scow_process) *process = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	scow_error *error = NULL;

	(void) state;
	scow_io_set_capture(io, 1000);
	scow_io_set_input(io, 1);
	process = exec_start(config, io);
	expect_ok(scow_process_write(process, "typed\n", 6, &error), &error);
	exec_wait_for(process, "typed");
	expect_ok(scow_process_write(process, NULL, 0, &error), &error);
	assert_int_equal(exec_code(process), 4);
	assert_string_equal(scow_process_output(process, SCOW_STDERR, NULL), "end\n");
}

static void test_terminal(void **state)
{
	SCOW_AUTO(scow_process_config) *config =
		exec_shell("tty; stty size; echo $TERM; trap 'stty size; exit 6' WINCH; echo ready; while :; do sleep 1; done");
	SCOW_AUTO(scow_process) *process = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	scow_error *error = NULL;

	(void) state;
	scow_io_set_capture(io, 1000);
	scow_io_set_window(io, 33, 44);
	scow_process_config_set_tty(config, 1);
	process = exec_start(config, io);
	exec_wait_for(process, "ready");
	assert_memory_equal(scow_process_output(process, SCOW_STDOUT, NULL), "/dev/pts/0\r\n33 44\r\nxterm\r\nready", 31);
	expect_ok(scow_process_resize(process, 55, 66, &error), &error);
	assert_int_equal(exec_code(process), 6);
	assert_non_null(strstr(scow_process_output(process, SCOW_STDOUT, NULL), "55 66"));
}

/* The container's own console stays what it is. */
static void make_terminal(scow_container_config *config)
{
	scow_container_config_set_tty(config, 1);
}

static void test_two_terminals(void **state)
{
	SCOW_AUTO(scow_process_config) *config =
		exec_shell("tty; ls -l /dev/console | tr -s ' ' | cut -d' ' -f5,6; echo hidden >/dev/console");
	char out[4096];

	(void) state;
	exec_end();
	exec_begin(make_terminal);
	scow_process_config_set_tty(config, 1);
	assert_int_equal(exec_run(config, out), 0);
	assert_string_equal(out, "/dev/pts/1\r\n136, 0\r\n");
}

static void test_ctrl_c(void **state)
{
	SCOW_AUTO(scow_process_config) *config = exec_shell("echo ready; sleep 100");
	SCOW_AUTO(scow_process) *process = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	scow_error *error = NULL;

	(void) state;
	scow_io_set_capture(io, 1000);
	scow_process_config_set_tty(config, 1);
	process = exec_start(config, io);
	exec_wait_for(process, "ready");
	expect_ok(scow_process_write(process, "\003", 1, &error), &error);
	assert_int_equal(exec_code(process), 130);
}

/* ---- limits of its own ---- */

static void test_fork_bomb(void **state)
{
	SCOW_AUTO(scow_process_config) *config = exec_shell("bomb() { bomb & sleep 1000 & bomb; }; bomb & read wait");
	SCOW_AUTO(scow_process) *process = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	int before = exec_count(), most = 0;
	long started, ended;

	(void) state;
	if (scow_engine_rootless(fixture.engine))
		skip();
	scow_io_set_input(io, 1);
	scow_process_config_set_pids_max(config, 50);
	scow_process_config_set_deadline_ms(config, 2500);
	started = now_ms();
	process = exec_start(config, io);
	while (now_ms() - started < 2000 && most < 20) {
		int now = exec_count() - before;

		most = now > most ? now : most;
	}
	assert_int_equal(exec_code(process), 137);
	ended = now_ms();
	assert_int_equal(exec_count(), before);
	print_message("# %d processes at most, all gone %ld ms after the deadline\n", most, ended - started - 2500);
	assert_in_range(most, 3, 50);
	assert_true(ended - started >= 2500 && ended - started < 8000);
	assert_true(scow_receipt_pids_peak(scow_process_receipt(process)) <= 50);
	assert_true(scow_receipt_cpu_user_us(scow_process_receipt(process)) + scow_receipt_cpu_system_us(scow_process_receipt(process)) >
		    0);
	assert_false(scow_process_exited(executing.first));
}

/* Never dropped: it holds, or there is an error that says why not. */
static void test_limit_is_not_dropped(void **state)
{
	SCOW_AUTO(scow_process_config) *config = exec_shell("n=0; while [ $n -lt 20 ] && sleep 1000 & do n=$((n + 1)); done");
	SCOW_AUTO(scow_process) *process = NULL;
	SCOW_AUTO(scow_error) *error = NULL;
	int r;

	(void) state;
	scow_process_config_set_pids_max(config, 5);
	r = scow_container_exec(executing.container, config, NULL, &process, &error);
	if (r == 0)
		assert_int_not_equal(exec_code(process), 0);
	else
		assert_int_equal(r, SCOW_E_UNSUPPORTED);
	if (r < 0)
		assert_non_null(strstr(scow_error_message(error), "pids"));
}

/* The deadline wakes whoever polls. */
static void test_deadline_in_a_loop(void **state)
{
	SCOW_AUTO(scow_process_config) *config = exec_shell("sleep 1000 & sleep 1000 & wait"), *quick = exec_shell("exit 3");
	SCOW_AUTO(scow_process) *process = NULL;
	scow_error *error = NULL;
	int before = exec_count(), r;
	long started = now_ms();

	(void) state;
	scow_process_config_set_deadline_ms(config, 200);
	process = exec_start(config, NULL);
	do {
		struct pollfd fds = { .fd = scow_process_fd(process), .events = POLLIN };

		assert_int_equal(poll(&fds, 1, 20000), 1);
		r = expect_ok(scow_process_dispatch(process, &error), &error);
	} while (r > 0);
	assert_true(now_ms() - started >= 200);
	assert_int_equal(scow_process_exit_code(process), 137);
	assert_int_equal(scow_process_exit_signal(process), SIGKILL);
	assert_int_equal(exec_count(), before);
	/* One that is quicker hears nothing of it. */
	scow_process_config_set_deadline_ms(quick, 20000);
	assert_int_equal(exec_run(quick, NULL), 3);
}

static void test_memory(void **state)
{
	SCOW_AUTO(scow_process_config) *config = exec_shell("x=$(head -c 60000000 /dev/zero | tr '\\0' x); echo ${#x}");

	(void) state;
	if (scow_engine_rootless(fixture.engine))
		skip();
	scow_process_config_set_memory_bytes(config, UINT64_C(16) << 20);
	assert_int_not_equal(exec_run(config, NULL), 0);
	scow_process_config_set_memory_bytes(config, 1);
	exec_refused(config, SCOW_E_INVALID, "set_memory_bytes");
	assert_int_equal(exec_script("true", NULL), 0);
}

static void test_receipt(void **state)
{
	SCOW_AUTO(scow_process_config) *config = exec_shell("i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done");
	SCOW_AUTO(scow_process) *process = exec_start(config, NULL);
	const scow_receipt *receipt;

	(void) state;
	assert_null(scow_process_receipt(process));
	assert_int_equal(exec_code(process), 0);
	receipt = scow_process_receipt(process);
	assert_non_null(receipt);
	assert_true(scow_receipt_wall_us(receipt) > 0 && scow_receipt_start_us(receipt) > 0);
	if (!scow_engine_rootless(fixture.engine))
		assert_true(scow_receipt_cpu_user_us(receipt) > 0);
}

/* ---- nothing of the host gets in ---- */

static void test_no_descriptor(void **state)
{
	int host[40], n = 0;
	char out[4096];

	(void) state;
	/* Not close-on-exec, some of them where scow-init has its own. */
	for (; n < 40; n++)
		host[n] = open("/", O_RDONLY | O_DIRECTORY);
	assert_int_equal(exec_script("i=0; while [ $i -lt 100 ]; do [ -e /proc/$$/fd/$i ] && echo -n $i,; i=$((i + 1)); done", out), 0);
	assert_string_equal(out, "0,1,2,");
	while (n)
		close(host[--n]);
}

/* CVE-2024-21626: a working directory through a descriptor that somebody left open. */
static void test_no_way_out(void **state)
{
	int host[64], n = 0;

	(void) state;
	for (; n < 64; n++)
		host[n] = open(n % 2 ? "/" : "/proc/self/ns", O_RDONLY | O_DIRECTORY);
	for (int i = 0; i < 256; i++) {
		for (int how = 0; how < 2; how++) {
			SCOW_AUTO(scow_process_config) *config = exec_shell("pwd");
			SCOW_AUTO(scow_process) *process = NULL;
			SCOW_AUTO(scow_io) *io = scow_io_new();
			scow_error *error = NULL;
			char path[64];
			int r;

			if (how && i > 8)
				continue;
			snprintf(path, sizeof(path), how ? "/proc/self/task/1/../../fd/%d" : "/proc/self/fd/%d", i);
			scow_process_config_set_workdir(config, path);
			scow_io_set_fd(io, SCOW_STDIN, host[1]); /* a directory of the host, even */
			r = scow_container_exec(executing.container, config, io, &process, &error);
			if (r == 0)
				fail_msg("'%s' is a directory", path);
			scow_error_unref(error);
		}
	}
	while (n)
		close(host[--n]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, exec_setup, exec_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_is_inside),
		TEST(test_environment),
		TEST(test_arguments),
		TEST(test_workdir),
		TEST(test_user),
		TEST(test_like_the_container),
		TEST(test_privileged),
		TEST(test_input),
		TEST(test_terminal),
		TEST(test_two_terminals),
		TEST(test_ctrl_c),
		TEST(test_fork_bomb),
		TEST(test_limit_is_not_dropped),
		TEST(test_deadline_in_a_loop),
		TEST(test_memory),
		TEST(test_receipt),
		TEST(test_no_descriptor),
		TEST(test_no_way_out),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("exec", tests, fixture_setup, fixture_teardown);
}
