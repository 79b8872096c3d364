/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Programs in containers that run: what they get, how they end, their limits, and that they take nothing of the host in with them.
 */
#include "api_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS 50
#define EACH 4

static scow_container *container;
static scow_process *first; /* its PID 1 */

static long now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static scow_process_config *shell(const char *script)
{
	const char *const command[] = { "sh", "-c", script, NULL };
	scow_process_config *config = scow_process_config_new(command);

	assert_non_null(config);
	return config;
}

static scow_process *start(const scow_process_config *config, const scow_io *io)
{
	scow_process *process = NULL;
	scow_error *error = NULL;

	expect_ok(scow_container_exec(container, config, io, &process, &error), &error);
	return process;
}

static int code_of(scow_process *process)
{
	scow_error *error = NULL;
	int code = -1;

	expect_ok(scow_process_wait(process, 30000, &code, &error), &error);
	return code;
}

/* Executes it to its end; its code, and in @out what it printed. */
static int execute(const scow_process_config *config, char out[4096])
{
	SCOW_AUTO(scow_io) *io = scow_io_new();
	SCOW_AUTO(scow_process) *process = NULL;
	int code;

	scow_io_set_capture(io, 4000);
	process = start(config, io);
	code = code_of(process);
	if (out)
		snprintf(out, 4096, "%s%s", scow_process_output(process, SCOW_STDOUT, NULL),
			 scow_process_output(process, SCOW_STDERR, NULL));
	return code;
}

static int execute_shell(const char *script, char out[4096])
{
	SCOW_AUTO(scow_process_config) *config = shell(script);

	return execute(config, out);
}

static void expect_output(const char *script, const char *expected)
{
	char out[4096];

	execute_shell(script, out);
	assert_string_equal(out, expected);
}

static void refused(const scow_process_config *config, scow_status status, const char *words)
{
	scow_process *process = NULL;
	scow_error *error = NULL;

	expect_error(scow_container_exec(container, config, NULL, &process, &error), status, &error, words);
	assert_null(process);
}

/* A container that sleeps, with @change made to its settings. */
static void begin(void (*change)(scow_container_config *config))
{
	SCOW_AUTO(scow_container_config) *config = shell_config("sleep 1000 & echo $$ >/tmp/first; while :; do wait $!; done");
	scow_error *error = NULL;

	scow_container_config_set_ephemeral(config, 1);
	scow_container_config_set_env(config, "FROM", "container");
	scow_container_config_set_env(config, "REMOVED", "not");
	if (change)
		change(config);
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &container, &error), &error);
	expect_ok(scow_container_start(container, NULL, &first, &error), &error);
	for (int i = 0; i < 1000 && execute_shell("[ -s /tmp/first ]", NULL) != 0; i++)
		poll(NULL, 0, 10);
}

static void end(void)
{
	scow_error *error = NULL;

	assert_false(scow_process_exited(first));
	expect_ok(scow_process_signal(first, SIGKILL, &error), &error);
	assert_int_equal(code_of(first), 137);
	first = scow_process_unref(first);
	container = scow_container_unref(container);
}

static int each_setup(void **state)
{
	(void) state;
	begin(NULL);
	return 0;
}

static int each_teardown(void **state)
{
	if (first && scow_process_exited(first))
		return -1;
	first = scow_process_unref(first);
	container = scow_container_unref(container);
	return fixture_clear(state);
}

/* Processes in the container that live, without the shell that counts. */
static int count_processes(void)
{
	char out[4096];

	execute_shell("n=0; for i in /proc/[0-9]*/stat; do { read -r line <$i; } 2>/dev/null && case ${line##*)} in ' Z'*|' X'*) ;; *) "
		      "n=$((n + 1)); esac; done; echo $n",
		      out);
	return atoi(out) - 1;
}

static void wait_for(scow_process *process, const char *words)
{
	for (int i = 0; i < 2000 && !strstr(scow_process_output(process, SCOW_STDOUT, NULL), words); i++)
		scow_process_wait(process, 10, NULL, NULL);
	if (!strstr(scow_process_output(process, SCOW_STDOUT, NULL), words))
		fail_msg("'%s' is not in '%s'", words, scow_process_output(process, SCOW_STDOUT, NULL));
}

/* ---- what it is ---- */

static void test_is_inside(void **state)
{
	char out[4096], expected[256];

	(void) state;
	expect_output("cat /tmp/first; readlink /proc/1/exe | grep -c busybox; pwd", "1\n1\n/\n");
	snprintf(expected, sizeof(expected), "%.12s\n", scow_container_id(container));
	expect_output("hostname", expected);
	for (const char *const *ns = (const char *const[]){ "ipc", "mnt", "net", "pid", "uts", "user", "cgroup", NULL }; *ns; ns++) {
		snprintf(expected, sizeof(expected), "[ $(readlink /proc/1/ns/%s) = $(readlink /proc/self/ns/%s) ]", *ns, *ns);
		if (execute_shell(expected, out) != 0)
			fail_msg("another %s namespace", *ns);
	}
	/* The same rights as PID 1's. */
	expect_output("for i in 1 self; do grep -E '^(Cap|Seccomp|NoNewPrivs)' /proc/$i/status; done | sort | uniq -c | grep -vc ' 2 '",
		      "0\n");
}

static void test_environment(void **state)
{
	SCOW_AUTO(scow_process_config) *config = shell("echo $FROM,$ADDED,${PATH+path},${REMOVED-gone},${TERM-none},$HOME");
	char out[4096];

	(void) state;
	scow_process_config_set_env(config, "ADDED", "by exec");
	scow_process_config_set_env(config, "REMOVED", NULL);
	assert_int_equal(execute(config, out), 0);
	assert_string_equal(out, "container,by exec,path,gone,none,/root\n");
	scow_process_config_set_env(config, "FROM", "exec");
	scow_process_config_set_env(config, "HOME", "/elsewhere");
	assert_int_equal(execute(config, out), 0);
	assert_string_equal(out, "exec,by exec,path,gone,none,/elsewhere\n");
}

static void test_arguments(void **state)
{
	const char *const command[] = { "sh", "-c", "for i; do echo \"<$i>\"; done", "", "", "a b", "$HOME", "\xc3\xa9", NULL };
	SCOW_AUTO(scow_process_config) *config = scow_process_config_new(command);
	char out[4096];

	(void) state;
	assert_int_equal(execute(config, out), 0);
	assert_string_equal(out, "<>\n<a b>\n<$HOME>\n<\xc3\xa9>\n");
}

static void test_workdir(void **state)
{
	SCOW_AUTO(scow_process_config) *config = shell("pwd");
	char out[4096];

	(void) state;
	scow_process_config_set_workdir(config, "/tmp/../etc");
	assert_int_equal(execute(config, out), 0);
	assert_string_equal(out, "/etc\n");
	scow_process_config_set_workdir(config, "/missing");
	refused(config, SCOW_E_NOT_FOUND, "/missing");
	scow_process_config_set_workdir(config, "relative");
	refused(config, SCOW_E_INVALID, "set_workdir");
}

static void test_user(void **state)
{
	SCOW_AUTO(scow_process_config) *config =
		shell("id -u; id -g; id -G; grep CapEff /proc/self/status; echo x >/dev/stdout; echo $HOME");
	char out[4096];

	(void) state;
	if (scow_engine_rootless(fixture.engine)) /* may have one id only */
		skip();
	scow_process_config_set_user(config, "4321:8765");
	assert_int_equal(execute(config, out), 0);
	assert_string_equal(out, "4321\n8765\n8765\nCapEff:\t0000000000000000\nx\n/\n");
	scow_process_config_set_user(config, "nosuchuser");
	refused(config, SCOW_E_INVALID, "nosuchuser");
	scow_process_config_set_user(config, "0:nosuchgroup");
	refused(config, SCOW_E_INVALID, "group");
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
	SCOW_AUTO(scow_process_config) *config = shell("id -u; pwd; ulimit -n; ulimit -Hn; grep -E 'CapBnd|NoNew' /proc/self/status");
	char out[4096];

	(void) state;
	if (scow_engine_rootless(fixture.engine))
		skip();
	end();
	begin(make_other_user);
	assert_int_equal(execute(config, out), 0);
	assert_string_equal(out, "4321\n/usr\n77\n88\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\n");
	scow_process_config_set_user(config, "0");
	scow_process_config_set_privileged(config, 1);
	assert_int_equal(execute(config, out), 0);
	assert_memory_equal(out, "0\n/usr\n77\n88\n", 12);
	assert_null(strstr(out, "CapBnd:\t0000000000000000"));
}

static void test_privileged(void **state)
{
	SCOW_AUTO(scow_process_config) *config = shell("grep -E '^Seccomp:|CapEff' /proc/self/status");
	char out[4096], plain[4096];

	(void) state;
	assert_int_equal(execute(config, plain), 0);
	assert_non_null(strstr(plain, "Seccomp:\t2"));
	scow_process_config_set_privileged(config, 1);
	assert_int_equal(execute(config, out), 0);
	assert_non_null(strstr(out, "Seccomp:\t0"));
	assert_true(strtoull(strstr(out, "CapEff:") + 7, NULL, 16) >= strtoull(strstr(plain, "CapEff:") + 7, NULL, 16));
}

/* ---- streams and terminals ---- */

static void test_input(void **state)
{
	SCOW_AUTO(scow_process_config) *config = shell("cat; echo end >&2; exit 4");
	SCOW_AUTO(scow_process) *process = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	scow_error *error = NULL;

	(void) state;
	scow_io_set_capture(io, 1000);
	scow_io_set_input(io, 1);
	process = start(config, io);
	expect_ok(scow_process_write(process, "typed\n", 6, &error), &error);
	wait_for(process, "typed");
	expect_ok(scow_process_write(process, NULL, 0, &error), &error);
	assert_int_equal(code_of(process), 4);
	assert_string_equal(scow_process_output(process, SCOW_STDERR, NULL), "end\n");
}

static void test_terminal(void **state)
{
	SCOW_AUTO(scow_process_config) *config =
		shell("tty; stty size; echo $TERM; trap 'stty size; exit 6' WINCH; echo ready; while :; do sleep 1; done");
	SCOW_AUTO(scow_process) *process = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	scow_error *error = NULL;

	(void) state;
	scow_io_set_capture(io, 1000);
	scow_io_set_window(io, 33, 44);
	scow_process_config_set_tty(config, 1);
	process = start(config, io);
	wait_for(process, "ready");
	assert_memory_equal(scow_process_output(process, SCOW_STDOUT, NULL), "/dev/pts/0\r\n33 44\r\nxterm\r\nready", 31);
	expect_ok(scow_process_resize(process, 55, 66, &error), &error);
	assert_int_equal(code_of(process), 6);
	assert_non_null(strstr(scow_process_output(process, SCOW_STDOUT, NULL), "55 66"));
}

/* The container's own console stays what it is. */
static void make_terminal(scow_container_config *config)
{
	scow_container_config_set_tty(config, 1);
}

static void test_two_terminals(void **state)
{
	SCOW_AUTO(scow_process_config) *config = shell("tty; ls -l /dev/console | tr -s ' ' | cut -d' ' -f5,6; echo hidden >/dev/console");
	char out[4096];

	(void) state;
	end();
	begin(make_terminal);
	scow_process_config_set_tty(config, 1);
	assert_int_equal(execute(config, out), 0);
	assert_string_equal(out, "/dev/pts/1\r\n136, 0\r\n");
}

static void test_ctrl_c(void **state)
{
	SCOW_AUTO(scow_process_config) *config = shell("echo ready; sleep 100");
	SCOW_AUTO(scow_process) *process = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	scow_error *error = NULL;

	(void) state;
	scow_io_set_capture(io, 1000);
	scow_process_config_set_tty(config, 1);
	process = start(config, io);
	wait_for(process, "ready");
	expect_ok(scow_process_write(process, "\003", 1, &error), &error);
	assert_int_equal(code_of(process), 130);
}

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
		assert_int_equal(execute_shell(script, NULL), code);
	}
	assert_int_equal(execute_shell("kill -TERM $$", NULL), 143);
	refused(missing, SCOW_E_COMMAND_NOT_FOUND, "nosuchprogram");
	refused(absolute, SCOW_E_COMMAND_NOT_FOUND, "nosuchprogram");
	refused(plain, SCOW_E_NOT_EXECUTABLE, "/etc/passwd");
	refused(directory, SCOW_E_NOT_EXECUTABLE, "/etc");
	refused(nothing, SCOW_E_INVALID, "no command");
	refused(NULL, SCOW_E_INVALID, NULL);
}

static void test_signal(void **state)
{
	SCOW_AUTO(scow_process_config) *config = shell("trap 'exit 12' USR1; echo ready; while :; do sleep 1 & wait; done");
	SCOW_AUTO(scow_process) *process = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	scow_error *error = NULL;

	(void) state;
	scow_io_set_capture(io, 1000);
	process = start(config, io);
	wait_for(process, "ready");
	expect_ok(scow_process_signal(process, SIGUSR1, &error), &error);
	assert_int_equal(code_of(process), 12);
	expect_error(scow_process_signal(process, SIGUSR1, &error), SCOW_E_STATE, &error, NULL);
	expect_error(scow_process_kill_tree(process, &error), SCOW_E_STATE, &error, NULL);
}

/* It ends with the container, and then there is no other. */
static void test_ends_with_the_container(void **state)
{
	SCOW_AUTO(scow_process_config) *config = shell("setsid sleep 1000 & exec sleep 1000");
	SCOW_AUTO(scow_process) *process = start(config, NULL);
	SCOW_AUTO(scow_container) *kept = NULL;
	SCOW_AUTO(scow_container_config) *again = shell_config("true");
	scow_error *error = NULL;

	(void) state;
	expect_ok(scow_process_signal(first, SIGKILL, &error), &error);
	assert_int_equal(code_of(process), 137);
	assert_int_equal(code_of(first), 137);
	refused(config, SCOW_E_NOT_FOUND, NULL); /* ephemeral */
	first = scow_process_unref(first);
	container = scow_container_unref(container);
	expect_ok(scow_container_create(fixture.engine, fixture.image, again, &kept, &error), &error);
	container = kept;
	refused(config, SCOW_E_STATE, "not running");
	container = NULL;
	expect_ok(scow_container_remove(kept, 0, &error), &error);
}

static void test_paused(void **state)
{
	SCOW_AUTO(scow_process_config) *config = shell("true");
	scow_error *error = NULL;
	int r = scow_container_pause(container, &error);

	(void) state;
	if (r == SCOW_E_UNSUPPORTED) {
		scow_error_unref(error);
		skip();
	}
	expect_ok(r, &error);
	refused(config, SCOW_E_STATE, "paused");
	expect_ok(scow_container_unpause(container, &error), &error);
	assert_int_equal(execute(config, NULL), 0);
}

/* Nobody dispatches a program that has joined: the container ends all the same, for each way to wait for that. */
static void test_holds_nobody_up(void **state)
{
	SCOW_AUTO(scow_process_config) *config = shell("sleep 1000");
	scow_process *idle[3];
	scow_error *error = NULL;
	int code = -1;

	(void) state;
	for (int way = 0; way < 4; way++) {
		for (int i = 0; i < 3; i++)
			idle[i] = start(config, NULL);
		if (way == 0) {
			expect_ok(scow_process_signal(first, SIGKILL, &error), &error);
			assert_int_equal(code_of(first), 137);
		} else if (way == 1) {
			expect_ok(scow_container_stop(container, 0, &error), &error);
		} else if (way == 2) {
			expect_ok(scow_container_kill(container, SIGKILL, &error), &error);
			expect_ok(scow_container_wait(container, 20000, &code, &error), &error);
		}
		first = scow_process_unref(first);
		container = scow_container_unref(container);
		for (int i = 0; i < 3; i++) {
			assert_int_equal(code_of(idle[i]), 137);
			scow_process_unref(idle[i]);
		}
		begin(NULL);
	}
}

/* What it leaves in the background is the container's, as in Docker. */
static void test_leaves_children(void **state)
{
	int before = count_processes();

	(void) state;
	assert_int_equal(execute_shell("sleep 1000 </dev/null >/dev/null 2>&1 & setsid sleep 1000 </dev/null >/dev/null 2>&1 &", NULL), 0);
	assert_int_equal(count_processes(), before + 2);
	assert_int_equal(
		execute_shell("grep -c exec- /proc/1/cgroup; for i in $(pidof sleep); do ! grep -q exec- /proc/$i/cgroup || exit 1; done",
			      NULL),
		0);
}

static void test_kill_tree(void **state)
{
	SCOW_AUTO(scow_process_config) *config = shell("(sleep 1000 & sleep 1000 & wait) & sleep 1000 & echo ready; wait");
	SCOW_AUTO(scow_process) *process = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	scow_error *error = NULL;
	int before = count_processes();

	(void) state;
	scow_io_set_capture(io, 1000);
	process = start(config, io);
	wait_for(process, "ready");
	assert_true(count_processes() > before);
	expect_ok(scow_process_kill_tree(process, &error), &error);
	assert_int_equal(code_of(process), 137);
	assert_int_equal(count_processes(), before);
}

/* Also those that left its session and its parents, where there are cgroups. */
static void test_kill_tree_of_runaways(void **state)
{
	SCOW_AUTO(scow_process_config) *config =
		shell("for i in 1 2 3; do (setsid sh -c 'setsid sleep 1000 & sleep 1000' &) ; done; echo ready; sleep 1000");
	SCOW_AUTO(scow_process) *process = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	int before = count_processes();

	(void) state;
	if (scow_engine_rootless(fixture.engine))
		skip();
	scow_io_set_capture(io, 1000);
	process = start(config, io);
	wait_for(process, "ready");
	process = scow_process_unref(process); /* the last reference is as good */
	assert_int_equal(count_processes(), before);
}

/* ---- limits of its own ---- */

static void test_fork_bomb(void **state)
{
	SCOW_AUTO(scow_process_config) *config = shell("bomb() { bomb & sleep 1000 & bomb; }; bomb & read wait");
	SCOW_AUTO(scow_process) *process = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	int before = count_processes(), most = 0;
	long started, ended;

	(void) state;
	if (scow_engine_rootless(fixture.engine))
		skip();
	scow_io_set_input(io, 1);
	scow_process_config_set_pids_max(config, 50);
	scow_process_config_set_deadline_ms(config, 2500);
	started = now_ms();
	process = start(config, io);
	while (now_ms() - started < 2000 && most < 20) {
		int now = count_processes() - before;

		most = now > most ? now : most;
	}
	assert_int_equal(code_of(process), 137);
	ended = now_ms();
	assert_int_equal(count_processes(), before);
	print_message("# %d processes at most, all gone %ld ms after the deadline\n", most, ended - started - 2500);
	assert_in_range(most, 3, 50);
	assert_true(ended - started >= 2500 && ended - started < 8000);
	assert_true(scow_receipt_pids_peak(scow_process_receipt(process)) <= 50);
	assert_true(scow_receipt_cpu_user_us(scow_process_receipt(process)) + scow_receipt_cpu_system_us(scow_process_receipt(process)) >
		    0);
	assert_false(scow_process_exited(first));
}

/* Never dropped: it holds, or there is an error that says why not. */
static void test_limit_is_not_dropped(void **state)
{
	SCOW_AUTO(scow_process_config) *config = shell("n=0; while [ $n -lt 20 ] && sleep 1000 & do n=$((n + 1)); done");
	SCOW_AUTO(scow_process) *process = NULL;
	SCOW_AUTO(scow_error) *error = NULL;
	int r;

	(void) state;
	scow_process_config_set_pids_max(config, 5);
	r = scow_container_exec(container, config, NULL, &process, &error);
	if (r == 0)
		assert_int_not_equal(code_of(process), 0);
	else
		assert_int_equal(r, SCOW_E_UNSUPPORTED);
	if (r < 0)
		assert_non_null(strstr(scow_error_message(error), "pids"));
}

/* The deadline wakes whoever polls. */
static void test_deadline_in_a_loop(void **state)
{
	SCOW_AUTO(scow_process_config) *config = shell("sleep 1000 & sleep 1000 & wait"), *quick = shell("exit 3");
	SCOW_AUTO(scow_process) *process = NULL;
	scow_error *error = NULL;
	int before = count_processes(), r;
	long started = now_ms();

	(void) state;
	scow_process_config_set_deadline_ms(config, 200);
	process = start(config, NULL);
	do {
		struct pollfd fds = { .fd = scow_process_fd(process), .events = POLLIN };

		assert_int_equal(poll(&fds, 1, 20000), 1);
		r = expect_ok(scow_process_dispatch(process, &error), &error);
	} while (r > 0);
	assert_true(now_ms() - started >= 200);
	assert_int_equal(scow_process_exit_code(process), 137);
	assert_int_equal(scow_process_exit_signal(process), SIGKILL);
	assert_int_equal(count_processes(), before);
	/* One that is quicker hears nothing of it. */
	scow_process_config_set_deadline_ms(quick, 20000);
	assert_int_equal(execute(quick, NULL), 3);
}

static void test_memory(void **state)
{
	SCOW_AUTO(scow_process_config) *config = shell("x=$(head -c 60000000 /dev/zero | tr '\\0' x); echo ${#x}");

	(void) state;
	if (scow_engine_rootless(fixture.engine))
		skip();
	scow_process_config_set_memory_bytes(config, UINT64_C(16) << 20);
	assert_int_not_equal(execute(config, NULL), 0);
	scow_process_config_set_memory_bytes(config, 1);
	refused(config, SCOW_E_INVALID, "set_memory_bytes");
	assert_int_equal(execute_shell("true", NULL), 0);
}

static void test_receipt(void **state)
{
	SCOW_AUTO(scow_process_config) *config = shell("i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done");
	SCOW_AUTO(scow_process) *process = start(config, NULL);
	const scow_receipt *receipt;

	(void) state;
	assert_null(scow_process_receipt(process));
	assert_int_equal(code_of(process), 0);
	receipt = scow_process_receipt(process);
	assert_non_null(receipt);
	assert_true(scow_receipt_wall_us(receipt) > 0 && scow_receipt_start_us(receipt) > 0);
	if (!scow_engine_rootless(fixture.engine))
		assert_true(scow_receipt_cpu_user_us(receipt) > 0);
}

/* ---- without an owner ---- */

static void test_detached(void **state)
{
	SCOW_AUTO(scow_process_config) *config = shell("sleep 1; echo done >/tmp/detached; sleep 1000");
	SCOW_AUTO(scow_process_config) *terminal = shell("true");
	SCOW_AUTO(scow_process) *process = NULL;

	(void) state;
	scow_process_config_set_detached(config, 1);
	process = start(config, NULL);
	assert_true(scow_process_pid(process) > 0);
	process = scow_process_unref(process);
	assert_int_equal(execute_shell("for i in 1 2 3 4 5 6 7 8 9; do [ -e /tmp/detached ] && exit 0; sleep 1; done; exit 1", NULL), 0);
	scow_process_config_set_detached(terminal, 1);
	scow_process_config_set_tty(terminal, 1);
	refused(terminal, SCOW_E_INVALID, "terminal");
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
		assert_int_equal(execute_shell("exit 33", NULL), 33);
	sigaction(SIGCHLD, &saved, NULL);
	assert_int_equal(pthread_create(&thread, NULL, steal, &stop), 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(execute_shell("exit 34", NULL), 34);
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
	execute_shell("true", NULL);
	before = count_remains();
	sigprocmask(SIG_BLOCK, NULL, &mask);
	for (int i = 0; i < 10; i++)
		execute_shell("exit 3", NULL);
	refused(NULL, SCOW_E_INVALID, NULL);
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

/* ---- nothing of the host gets in ---- */

static void test_no_descriptor(void **state)
{
	int host[40], n = 0;
	char out[4096];

	(void) state;
	/* Not close-on-exec, some of them where scow-init has its own. */
	for (; n < 40; n++)
		host[n] = open("/", O_RDONLY | O_DIRECTORY);
	assert_int_equal(execute_shell("i=0; while [ $i -lt 100 ]; do [ -e /proc/$$/fd/$i ] && echo -n $i,; i=$((i + 1)); done", out), 0);
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
			SCOW_AUTO(scow_process_config) *config = shell("pwd");
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
			r = scow_container_exec(container, config, io, &process, &error);
			if (r == 0)
				fail_msg("'%s' is a directory", path);
			scow_error_unref(error);
		}
	}
	while (n)
		close(host[--n]);
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
		if (scow_container_exec(container, config, io, &process, &error) < 0 ||
		    scow_process_wait(process, 60000, &code, &error) < 0)
			return strdup(scow_error_message(error));
		if (code != (number + i) % 100 || strcmp(scow_process_output(process, SCOW_STDOUT, NULL), expected) != 0)
			return strdup(scow_process_output(process, SCOW_STDOUT, NULL));
	}
	return NULL;
}

static void test_many(void **state)
{
	int before = count_processes();
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
	assert_int_equal(count_processes(), before);
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
			assert_int_equal(pthread_create(&threads[i], NULL, until_it_ends, container), 0);
		poll(NULL, 0, 20 + 7 * round);
		if (round % 2)
			expect_ok(scow_container_remove(container, SCOW_REMOVE_FORCE, &error), &error);
		else
			expect_ok(scow_process_kill_tree(first, &error), &error);
		assert_int_equal(code_of(first), 137);
		for (int i = 0; i < 4; i++) {
			void *result = NULL;

			pthread_join(threads[i], &result);
			if ((uintptr_t) result > 1000000)
				fail_msg("%s", (char *) result);
		}
		first = scow_process_unref(first);
		container = scow_container_unref(container);
		begin(NULL);
	}
}

/* 200 that all live at the same time. */
static void test_many_alive(void **state)
{
	SCOW_AUTO(scow_process_config) *config = shell("read line; echo $line; exit 5");
	SCOW_AUTO(scow_io) *io = scow_io_new();
	scow_process *processes[200];
	scow_error *error = NULL;

	(void) state;
	scow_io_set_input(io, 1);
	scow_io_set_capture(io, 100);
	for (int i = 0; i < 200; i++)
		processes[i] = start(config, io);
	for (int i = 199; i >= 0; i--) {
		char line[16];

		snprintf(line, sizeof(line), "%d\n", i);
		expect_ok(scow_process_write(processes[i], line, strlen(line), &error), &error);
	}
	for (int i = 0; i < 200; i++) {
		char line[16];

		snprintf(line, sizeof(line), "%d\n", i);
		assert_int_equal(code_of(processes[i]), 5);
		assert_string_equal(scow_process_output(processes[i], SCOW_STDOUT, NULL), line);
		scow_process_unref(processes[i]);
	}
}

/* By another engine on the same store, as in another process. */
static void test_another_engine(void **state)
{
	SCOW_AUTO(scow_engine) *engine = fixture_open();
	SCOW_AUTO(scow_container) *found = NULL;
	SCOW_AUTO(scow_process_config) *config = shell("echo $FROM; exit 8");
	SCOW_AUTO(scow_process) *process = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	scow_error *error = NULL;

	(void) state;
	scow_io_set_capture(io, 100);
	expect_ok(scow_container_get(engine, scow_container_name(container), &found, &error), &error);
	expect_ok(scow_container_exec(found, config, io, &process, &error), &error);
	assert_int_equal(code_of(process), 8);
	assert_string_equal(scow_process_output(process, SCOW_STDOUT, NULL), "container\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, each_setup, each_teardown)

int main(int argc, char **argv)
{
	struct rlimit files;
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
		TEST(test_codes),
		TEST(test_signal),
		TEST(test_ends_with_the_container),
		TEST(test_holds_nobody_up),
		TEST(test_paused),
		TEST(test_leaves_children),
		TEST(test_kill_tree),
		TEST(test_kill_tree_of_runaways),
		TEST(test_fork_bomb),
		TEST(test_limit_is_not_dropped),
		TEST(test_deadline_in_a_loop),
		TEST(test_memory),
		TEST(test_receipt),
		TEST(test_detached),
		TEST(test_stolen_children),
		TEST(test_leaves_no_trace),
		TEST(test_no_descriptor),
		TEST(test_no_way_out),
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
	return cmocka_run_group_tests_name("exec", tests, fixture_setup, fixture_teardown);
}
