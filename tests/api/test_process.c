/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Processes of real containers through the public API: streams, terminals, signals, receipts; that a host finds its own
 * process state as it left it; and that hosts which ignore or steal SIGCHLD get their exit codes.
 */
#include "api_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static scow_process *start(scow_container_config *config, const scow_io *io)
{
	SCOW_AUTO(scow_container) *container = NULL;
	scow_process *process = NULL;
	scow_error *error = NULL;

	scow_container_config_set_ephemeral(config, 1);
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &container, &error), &error);
	expect_ok(scow_container_start(container, io, &process, &error), &error);
	return process;
}

static void expect_code(scow_process *process, int expected)
{
	scow_error *error = NULL;
	int code = -1;

	expect_ok(scow_process_wait(process, 30000, &code, &error), &error);
	assert_int_equal(code, expected);
}

static void wait_for(scow_process *process, const char *words)
{
	for (int i = 0; i < 2000 && !strstr(scow_process_output(process, SCOW_STDOUT, NULL), words); i++)
		scow_process_wait(process, 10, NULL, NULL);
	if (!strstr(scow_process_output(process, SCOW_STDOUT, NULL), words))
		fail_msg("'%s' is not in '%s'", words, scow_process_output(process, SCOW_STDOUT, NULL));
}

/* ---- streams ---- */

static void test_streams(void **state)
{
	SCOW_AUTO(scow_container_config) *config = shell_config("echo to stdout; echo to stderr >&2; echo again >/dev/stdout; cat");
	SCOW_AUTO(scow_process) *process = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	scow_error *error = NULL;

	(void) state;
	scow_io_set_capture(io, 10000);
	scow_container_config_set_open_stdin(config, 1);
	process = start(config, io);
	wait_for(process, "again");
	expect_ok(scow_process_write(process, "typed\n", 6, &error), &error);
	wait_for(process, "typed");
	expect_ok(scow_process_write(process, NULL, 0, &error), &error);
	expect_code(process, 0);
	assert_string_equal(scow_process_output(process, SCOW_STDOUT, NULL), "to stdout\nagain\ntyped\n");
	assert_string_equal(scow_process_output(process, SCOW_STDERR, NULL), "to stderr\n");
}

static bool one_id_only(void)
{
	char *info = NULL;
	bool one;

	expect_ok(scow_engine_info_json(fixture.engine, &info, NULL), NULL);
	one = strstr(info, "SingleIdReason") != NULL;
	scow_free(info);
	return one;
}

/* Another user may open /dev/stdout, too: the pipes are his. */
static void test_streams_of_a_user(void **state)
{
	(void) state;
	if (one_id_only())
		skip();
	SCOW_AUTO(scow_container_config) *config = shell_config("id -u; echo opened >/dev/stdout && echo also >/dev/stderr");
	SCOW_AUTO(scow_process) *process = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	scow_io_set_capture(io, 10000);
	scow_container_config_set_user(config, "1000:1000");
	process = start(config, io);
	expect_code(process, 0);
	assert_string_equal(scow_process_output(process, SCOW_STDOUT, NULL), "1000\nopened\n");
	assert_string_equal(scow_process_output(process, SCOW_STDERR, NULL), "also\n");
}

static void test_given_descriptors(void **state)
{
	SCOW_AUTO(scow_container_config) *config = shell_config("cat; ls /proc/self/fd | wc -l");
	SCOW_AUTO(scow_process) *process = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	char path[] = "/tmp/scow-api-io.XXXXXX", text[64] = "";
	int in[2], out = mkostemp(path, O_CLOEXEC);
	struct stat before, after;

	(void) state;
	assert_true(out >= 0);
	unlink(path);
	assert_int_equal(fstat(out, &before), 0);
	assert_int_equal(pipe(in), 0); /* not close-on-exec: must not get into the container all the same */
	assert_int_equal(write(in[1], "through\n", 8), 8);
	scow_io_set_fd(io, SCOW_STDIN, in[0]);
	scow_io_set_fd(io, SCOW_STDOUT, out);
	process = start(config, io);
	close(in[0]);
	close(in[1]);
	expect_code(process, 0);
	assert_true(pread(out, text, sizeof(text) - 1, 0) > 0);
	assert_string_equal(text, "through\n4\n"); /* 0, 1, 2 and the directory that ls reads */
	assert_int_equal(fstat(out, &after), 0);
	assert_int_equal(before.st_uid, after.st_uid);
	close(out);
}

static void test_nobody_listens(void **state)
{
	SCOW_AUTO(scow_container_config) *config = shell_config("cat; echo nobody hears; test \"$(cat)\" = \"\"");
	SCOW_AUTO(scow_process) *process = start(config, NULL);

	(void) state;
	expect_code(process, 0);
	assert_int_equal(scow_process_write(process, "x", 1, NULL), SCOW_E_STATE);
}

struct flood {
	size_t bytes;
	unsigned int calls;
};

static void take(int stream, const void *data, size_t size, void *userdata)
{
	struct flood *flood = userdata;

	(void) data;
	assert_int_equal(stream, SCOW_STDOUT);
	flood->bytes += size;
	flood->calls++;
}

static void test_flood(void **state)
{
	SCOW_AUTO(scow_container_config) *config = shell_config("dd if=/dev/zero bs=65536 count=256 2>/dev/null");
	SCOW_AUTO(scow_process) *process = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	struct flood flood = { 0 };
	int r;

	(void) state;
	scow_io_set_output(io, take, &flood);
	process = start(config, io);
	do {
		struct pollfd fds = { .fd = scow_process_fd(process), .events = POLLIN };

		assert_true(poll(&fds, 1, 30000) > 0);
		r = scow_process_dispatch(process, NULL);
	} while (r > 0);
	assert_int_equal(r, 0);
	assert_int_equal(flood.bytes, 16 << 20);
}

/* What PID 1 leaves running dies with it, and cannot hold the output open. */
static void test_left_behind(void **state)
{
	char *output;

	(void) state;
	assert_int_equal(run_shell("sleep 100 & echo started; exit 3", &output), 3);
	assert_string_equal(output, "started\n");
	free(output);
}

/* ---- terminals ---- */

static void test_terminal(void **state)
{
	SCOW_AUTO(scow_container_config) *config =
		shell_config("tty; stty size; echo err >&2; trap 'stty size; exit 7' WINCH; echo ready; while :; do sleep 0.05; done");
	SCOW_AUTO(scow_process) *process = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	scow_error *error = NULL;

	(void) state;
	scow_container_config_set_tty(config, 1);
	scow_io_set_capture(io, 10000);
	scow_io_set_window(io, 41, 133);
	process = start(config, io);
	wait_for(process, "ready");
	/* The size is there from the first line on; one stream, with carriage returns. */
	assert_non_null(strstr(scow_process_output(process, SCOW_STDOUT, NULL), "/dev/"));
	assert_non_null(strstr(scow_process_output(process, SCOW_STDOUT, NULL), "41 133\r\nerr\r\n"));
	expect_ok(scow_process_resize(process, 50, 100, &error), &error);
	expect_code(process, 7);
	assert_non_null(strstr(scow_process_output(process, SCOW_STDOUT, NULL), "50 100\r\n"));
}

static void test_terminal_input(void **state)
{
	SCOW_AUTO(scow_container_config) *config = shell_config("cat; echo end; exec sleep 100");
	SCOW_AUTO(scow_process) *process = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();

	(void) state;
	scow_container_config_set_tty(config, 1);
	scow_container_config_set_init(config, 1); /* or PID 1 would ignore ctrl-C */
	scow_io_set_capture(io, 10000);
	process = start(config, io);
	assert_true(scow_process_terminal_fd(process) >= 0);
	assert_int_equal(scow_process_write(process, "line\n", 5, NULL), 0);
	wait_for(process, "line\r\nline\r\n"); /* the echo, and cat */
	assert_int_equal(scow_process_write(process, "", 0, NULL), 0);
	wait_for(process, "end");
	assert_int_equal(scow_process_write(process, "\003", 1, NULL), 0);
	expect_code(process, 128 + SIGINT);
}

static void test_terminal_refuses_descriptors(void **state)
{
	SCOW_AUTO(scow_container_config) *config = shell_config("true");
	SCOW_AUTO(scow_io) *io = scow_io_new();
	scow_error *error = NULL;

	(void) state;
	scow_container_config_set_tty(config, 1);
	scow_container_config_set_ephemeral(config, 1);
	scow_io_set_inherit(io);
	expect_error(scow_container_run(fixture.engine, fixture.image, config, io, NULL, &error), SCOW_E_INVALID, &error,
		     "a terminal of its own");
}

/* ---- ends ---- */

static void test_signals(void **state)
{
	SCOW_AUTO(scow_container_config) *config = shell_config("trap 'exit 20' USR2; echo ready; while :; do sleep 0.05; done");
	SCOW_AUTO(scow_process) *process = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();

	(void) state;
	scow_io_set_capture(io, 100);
	process = start(config, io);
	wait_for(process, "ready");
	assert_int_equal(scow_process_signal(process, SIGUSR2, NULL), 0);
	expect_code(process, 20);
	assert_int_equal(scow_process_exit_signal(process), 0);
	process = scow_process_unref(process);
	process = start(config, io);
	assert_int_equal(scow_process_signal(process, SIGKILL, NULL), 0);
	expect_code(process, 137);
	assert_int_equal(scow_process_exit_signal(process), SIGKILL);
	assert_int_equal(scow_process_signal(process, SIGKILL, NULL), SCOW_E_STATE);
}

static void test_receipt(void **state)
{
	SCOW_AUTO(scow_container_config) *config =
		shell_config("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; dd if=/dev/zero of=/dev/shm/x bs=1M count=8 2>/dev/null");
	SCOW_AUTO(scow_process) *process = start(config, NULL);
	const scow_receipt *receipt;

	(void) state;
	assert_null(scow_process_receipt(process));
	expect_code(process, 0);
	receipt = scow_process_receipt(process);
	assert_non_null(receipt);
	assert_true(scow_receipt_wall_us(receipt) >= scow_receipt_start_us(receipt));
	assert_true(scow_receipt_start_us(receipt) > 0);
	if (scow_engine_rootless(fixture.engine))
		return;
	assert_true(scow_receipt_cpu_user_us(receipt) + scow_receipt_cpu_system_us(receipt) > 1000);
	if (scow_receipt_memory_peak_bytes(receipt))
		assert_true(scow_receipt_memory_peak_bytes(receipt) >= 8 << 20);
	assert_int_equal(scow_receipt_oom_kills(receipt), 0);
}

/* ---- the host's own state ---- */

struct host {
	mode_t mask;
	char cwd[512];
	sigset_t blocked;
	struct sigaction actions[65];
	char **environment;
	char *first;
	char descriptors[4096];
};

static void list_descriptors(char *out, size_t size)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	*out = 0;
	while (dir && (entry = readdir(dir))) {
		char path[300], target[256] = "";

		snprintf(path, sizeof(path), "/proc/self/fd/%s", entry->d_name);
		if (readlink(path, target, sizeof(target) - 1) > 0)
			snprintf(out + strlen(out), size - strlen(out), "%s %s\n", entry->d_name, target);
	}
	if (dir)
		closedir(dir);
}

static void look(struct host *host)
{
	memset(host, 0, sizeof(*host));
	host->mask = umask(0);
	umask(host->mask);
	assert_non_null(getcwd(host->cwd, sizeof(host->cwd)));
	pthread_sigmask(SIG_SETMASK, NULL, &host->blocked);
	for (int i = 1; i < 65; i++)
		sigaction(i, NULL, &host->actions[i]);
	host->environment = environ;
	host->first = environ[0];
	list_descriptors(host->descriptors, sizeof(host->descriptors));
}

static void expect_same(const struct host *a, const struct host *b)
{
	assert_int_equal(a->mask, b->mask);
	assert_string_equal(a->cwd, b->cwd);
	for (int i = 1; i < 65; i++) {
		assert_int_equal(sigismember(&a->blocked, i), sigismember(&b->blocked, i));
		assert_ptr_equal(a->actions[i].sa_handler, b->actions[i].sa_handler);
		assert_int_equal(a->actions[i].sa_flags, b->actions[i].sa_flags);
	}
	assert_ptr_equal(a->environment, b->environment);
	assert_ptr_equal(a->first, b->first);
	if (strcmp(a->descriptors, b->descriptors) != 0) {
		fprintf(stderr, "# before:\n%s# after:\n%s", a->descriptors, b->descriptors);
		fail_msg("other descriptors");
	}
}

static void test_host_purity(void **state)
{
	static struct host before, after;
	mode_t mask = umask(077);
	scow_engine *engine;
	int status;

	(void) state;
	run_shell("true", NULL); /* what an engine opens once */
	/* SQLite keeps the descriptor of a second connection for the third: closing it would drop the first one's locks (POSIX). */
	scow_engine_unref(fixture_open());
	look(&before);
	for (int i = 0; i < 3; i++) {
		char *output;

		/* The host's umask is its own: "/" of the container is for everyone. */
		assert_int_equal(run_shell("stat -c %a / /tmp; umask", &output), 0);
		assert_string_equal(output, "755\n1777\n0022\n");
		free(output);
	}
	look(&after);
	expect_same(&before, &after);
	engine = fixture_open();
	scow_engine_unref(engine);
	look(&after);
	expect_same(&before, &after);
	umask(mask);
	assert_int_equal(waitpid(-1, &status, WNOHANG), 0); /* only the guard is left, and it lives */
}

static void test_sigchld_ignored(void **state)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, saved;

	(void) state;
	sigaction(SIGCHLD, &ignore, &saved);
	for (int i = 0; i < 5; i++)
		assert_int_equal(run_shell("exit 33", NULL), 33);
	sigaction(SIGCHLD, &saved, NULL);
}

static void *steal(void *data)
{
	atomic_bool *stop = data;

	while (!atomic_load(stop))
		if (waitpid(-1, NULL, WNOHANG) <= 0)
			usleep(100);
	return NULL;
}

static void test_waitpid_thief(void **state)
{
	atomic_bool stop = 0;
	pthread_t thread;

	(void) state;
	assert_int_equal(pthread_create(&thread, NULL, steal, &stop), 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(run_shell("exit 44", NULL), 44);
	atomic_store(&stop, 1);
	pthread_join(thread, NULL);
}

static void *run_many(void *data)
{
	(void) data;
	for (int i = 0; i < 10; i++)
		if (run_shell("exit 5", NULL) != 5)
			return (void *) 1;
	return NULL;
}

static void test_threads(void **state)
{
	struct remains before = count_remains(), after;
	pthread_t threads[8];
	void *result;

	(void) state;
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_many, NULL), 0);
	for (int i = 0; i < 8; i++) {
		pthread_join(threads[i], &result);
		assert_null(result);
	}
	after = count_remains();
	assert_memory_equal(&before, &after, sizeof(before));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_streams, fixture_clear),
		cmocka_unit_test_teardown(test_streams_of_a_user, fixture_clear),
		cmocka_unit_test_teardown(test_given_descriptors, fixture_clear),
		cmocka_unit_test_teardown(test_nobody_listens, fixture_clear),
		cmocka_unit_test_teardown(test_flood, fixture_clear),
		cmocka_unit_test_teardown(test_left_behind, fixture_clear),
		cmocka_unit_test_teardown(test_terminal, fixture_clear),
		cmocka_unit_test_teardown(test_terminal_input, fixture_clear),
		cmocka_unit_test_teardown(test_terminal_refuses_descriptors, fixture_clear),
		cmocka_unit_test_teardown(test_signals, fixture_clear),
		cmocka_unit_test_teardown(test_receipt, fixture_clear),
		cmocka_unit_test_teardown(test_host_purity, fixture_clear),
		cmocka_unit_test_teardown(test_sigchld_ignored, fixture_clear),
		cmocka_unit_test_teardown(test_waitpid_thief, fixture_clear),
		cmocka_unit_test_teardown(test_threads, fixture_clear),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
