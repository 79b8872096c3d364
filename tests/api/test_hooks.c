/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hooks and passed descriptors through the public API: order, namespaces, what hooks are told, what their failures do, for owned and
 * detached containers; the caller's own function; descriptors that keep their numbers.
 *
 * Each hook is this program itself: it notes in a file what it was told and where it is.
 */
#include "api_fixture.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FOREVER "while :; do sleep 60; done"

static char notes[256]; /* the file */
static char self[256];

/* ---- the hook ---- */

/* NOTES NAME [fail|hang|quiet]: "NAME STATUS pid=PID netns=same|other mntns=same|other\n" is added to NOTES. */
static int be_hook(char **argv)
{
	char state[4096] = "", line[512], status[32] = "?", mine[64] = "", theirs[64] = "", path[64];
	size_t n = fread(state, 1, sizeof(state) - 1, stdin);
	const char *at = strstr(state, "\"status\":\"");
	int pid = 0, fd;

	state[n] = 0;
	if (at)
		sscanf(at + 10, "%31[a-z]", status);
	at = strstr(state, "\"pid\":");
	if (at)
		sscanf(at + 6, "%d", &pid);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	(void) !readlink("/proc/self/ns/mnt", mine, sizeof(mine) - 1);
	(void) !readlink(path, theirs, sizeof(theirs) - 1);
	snprintf(line, sizeof(line), "%s %s pid=%d ns=%s net=%s id=%d annotation=%d bundle=%d env=%s fds=%d\n", argv[2], status, pid, mine,
		 theirs, strstr(state, "\"id\":\"") != NULL, strstr(state, "\"annotations\":{\"a\":\"b\"}") != NULL,
		 strstr(state, "/containers/") != NULL, getenv("HOOK") ? getenv("HOOK") : "-", fcntl(3, F_GETFD) >= 0);
	fd = open(argv[1], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0 || write(fd, line, strlen(line)) < 0)
		return 9;
	if (argv[3] && strcmp(argv[3], "fail") == 0) {
		fprintf(stderr, "first line\nthe reason\n");
		return 3;
	}
	if (argv[3] && strcmp(argv[3], "hang") == 0)
		sleep(1000);
	while (argv[3] && strcmp(argv[3], "flood") == 0)
		(void) !write(STDERR_FILENO, argv[3], strlen(argv[3]));
	return 0;
}

static void add(scow_container_config *config, scow_hook_stage stage, const char *name, const char *how, unsigned int timeout_ms)
{
	const char *const args[] = { "hook", notes, name, how, NULL };
	static const char *const env[] = { "HOOK=1", NULL };

	scow_container_config_add_hook(config, stage, self, args, env, timeout_ms);
}

static char *read_notes(void)
{
	char *text = calloc(1, 65536);
	FILE *file = fopen(notes, "r");

	if (file) {
		(void) !fread(text, 1, 65535, file);
		fclose(file);
	}
	return text;
}

/* The names, in the order in which the hooks ran: "a b c". */
static void expect_names(const char *names)
{
	char *text = read_notes(), got[512] = "", *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (*got)
			strcat(got, " ");
		strncat(got, line, strcspn(line, " "));
	}
	assert_string_equal(got, names);
	free(text);
}

static void line_of(const char *name, char *out, size_t size)
{
	char *text = read_notes(), *at = strstr(text, name);

	if (!at)
		fail_msg("no '%s' in '%s'", name, text);
	at[strcspn(at, "\n")] = 0;
	snprintf(out, size, "%s", at);
	free(text);
}

static void own_namespace(char *out, size_t size)
{
	ssize_t n = readlink("/proc/self/ns/mnt", out, size - 1);

	out[n > 0 ? n : 0] = 0;
}

static void add_all(scow_container_config *config)
{
	scow_container_config_add_annotation(config, "a", "b");
	add(config, SCOW_HOOK_POSTSTOP, "poststop", NULL, 0);
	add(config, SCOW_HOOK_POSTSTART, "poststart", NULL, 0);
	add(config, SCOW_HOOK_CREATE_CONTAINER, "container", NULL, 0);
	add(config, SCOW_HOOK_CREATE_RUNTIME, "runtime1", NULL, 5000);
	add(config, SCOW_HOOK_CREATE_RUNTIME, "runtime2", NULL, 0);
	add(config, SCOW_HOOK_PRESTART, "prestart", NULL, 0);
}

static scow_container *create(scow_container_config *config)
{
	scow_container *container = NULL;
	scow_error *error = NULL;

	unlink(notes);
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &container, &error), &error);
	return container;
}

/* What each was told, and where it ran. */
static void expect_told(int pid)
{
	char line[512], words[128], host[64];

	own_namespace(host, sizeof(host));
	line_of("runtime1", line, sizeof(line));
	snprintf(words, sizeof(words), "runtime1 creating pid=%d ns=%s net=net:[", pid, host);
	if (strncmp(line, words, strlen(words)) != 0)
		fail_msg("'%s' is not '%s...'", line, words);
	assert_non_null(strstr(line, " id=1 annotation=1 bundle=1 env=1 fds=0"));
	line_of("container", line, sizeof(line));
	assert_non_null(strstr(line, "container creating pid=1 "));
	assert_null(strstr(line, host));
	line_of("poststart", line, sizeof(line));
	snprintf(words, sizeof(words), "poststart running pid=%d ns=%s", pid, host);
	assert_non_null(strstr(line, words));
}

static void test_owned(void **state)
{
	SCOW_AUTO(scow_container_config) *config = shell_config("exit 4");
	SCOW_AUTO(scow_process) *process = NULL;
	scow_container *container;
	scow_error *error = NULL;
	char line[512];
	int code;

	(void) state;
	add_all(config);
	container = create(config);
	expect_ok(scow_container_start(container, NULL, &process, &error), &error);
	expect_names("prestart runtime1 runtime2 container poststart");
	expect_told(scow_process_pid(process));
	expect_ok(scow_process_wait(process, 20000, &code, &error), &error);
	assert_int_equal(code, 4);
	expect_names("prestart runtime1 runtime2 container poststart poststop");
	line_of("poststop", line, sizeof(line));
	if (!strstr(line, "poststop stopped pid=0 "))
		fail_msg("%s", line);
	/* Each start has them. */
	process = scow_process_unref(process);
	unlink(notes);
	expect_ok(scow_container_start(container, NULL, &process, &error), &error);
	expect_ok(scow_process_wait(process, 20000, &code, &error), &error);
	expect_names("prestart runtime1 runtime2 container poststart poststop");
	remove_it(container, SCOW_REMOVE_FORCE);
}

static void test_run(void **state)
{
	SCOW_AUTO(scow_container_config) *config = shell_config("exit 5");
	scow_error *error = NULL;

	(void) state;
	unlink(notes);
	add_all(config);
	scow_container_config_set_ephemeral(config, 1);
	assert_int_equal(expect_ok(scow_container_run(fixture.engine, fixture.image, config, NULL, NULL, &error), &error), 5);
	expect_names("prestart runtime1 runtime2 container poststart poststop");
}

static void test_detached(void **state)
{
	SCOW_AUTO(scow_container_config) *config = shell_config(FOREVER);
	scow_container *container;
	scow_error *error = NULL;

	(void) state;
	add_all(config);
	container = create(config);
	expect_ok(scow_container_start_detached(container, &error), &error);
	expect_names("prestart runtime1 runtime2 container poststart");
	expect_told(scow_container_pid(container, NULL));
	expect_ok(scow_container_stop(container, 0, &error), &error);
	expect_names("prestart runtime1 runtime2 container poststart poststop");
	remove_it(container, SCOW_REMOVE_FORCE);
}

/* How often @name was noted. */
static int count_notes(const char *name)
{
	char *text = read_notes();
	int count = 0;

	for (char *at = text; (at = strstr(at, name)); at++)
		count++;
	free(text);
	return count;
}

static void test_restarts(void **state)
{
	SCOW_AUTO(scow_container_config) *config = shell_config("exit 1");
	scow_container *container;
	scow_error *error = NULL;

	(void) state;
	add_all(config);
	scow_container_config_set_restart(config, SCOW_RESTART_ON_FAILURE, 2);
	container = create(config);
	expect_ok(scow_container_start_detached(container, &error), &error);
	expect_ok(scow_container_wait(container, 20000, NULL, &error), &error);
	assert_int_equal(count_notes("runtime1 "), 3);
	assert_int_equal(count_notes("container "), 3);
	assert_int_equal(count_notes("poststop "), 3);
	/* Those of restarts are waited for by nobody. */
	for (int i = 0; i < 500 && count_notes("poststart ") < 3; i++)
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	assert_int_equal(count_notes("poststart "), 3);
	remove_it(container, SCOW_REMOVE_FORCE);
}

static int start_either(scow_container *container, bool detached, scow_error **error)
{
	SCOW_AUTO(scow_process) *process = NULL;

	return detached ? scow_container_start_detached(container, error) : scow_container_start(container, NULL, &process, error);
}

static void expect_refusal(scow_hook_stage stage, const char *path, const char *how, unsigned int timeout_ms, bool detached,
			   const char *words)
{
	SCOW_AUTO(scow_container_config) *config = shell_config("echo ran >&2");
	const char *const args[] = { "hook", notes, "bad", how, NULL };
	scow_container *container;
	scow_error *error = NULL;
	int r;

	scow_container_config_add_hook(config, stage, path, args, NULL, timeout_ms);
	add(config, SCOW_HOOK_POSTSTART, "poststart", NULL, 0);
	add(config, SCOW_HOOK_POSTSTOP, "poststop", NULL, 0);
	container = create(config);
	r = start_either(container, detached, &error);
	assert_true(r < 0);
	if (!strstr(scow_error_message(error), words))
		fail_msg("'%s' is not in '%s'", words, scow_error_message(error));
	scow_error_unref(error);
	assert_int_equal(count_notes("poststart "), 0);
	assert_int_equal(count_notes("poststop "), 1);
	assert_int_equal(scow_container_state_now(container, NULL), SCOW_CONTAINER_CREATED);
	remove_it(container, SCOW_REMOVE_FORCE);
}

static void test_failures(void **state)
{
	(void) state;
	for (int detached = 0; detached < 2; detached++) {
		expect_refusal(SCOW_HOOK_CREATE_RUNTIME, self, "fail", 0, detached, "' failed with exit code 3: first line the reason");
		expect_refusal(SCOW_HOOK_PRESTART, "/no/such/hook", NULL, 0, detached,
			       "prestart hook '/no/such/hook': execute it: No such file");
		expect_refusal(SCOW_HOOK_CREATE_CONTAINER, self, "fail", 0, detached, "createContainer hook '");
		expect_refusal(SCOW_HOOK_CREATE_RUNTIME, self, detached ? "flood" : "hang", 200, detached,
			       "was killed: it took longer than 200 ms");
		expect_refusal(SCOW_HOOK_START_CONTAINER, "/bin/false", NULL, 0, detached,
			       "startContainer hook '/bin/false' failed with exit code 1");
	}
}

static char logged[1024];

static void keep_log(int level, const char *message, void *userdata)
{
	(void) level;
	(void) userdata;
	snprintf(logged, sizeof(logged), "%s", message);
}

static void test_late_failures(void **state)
{
	SCOW_AUTO(scow_container_config) *config = shell_config("exit 6");
	SCOW_AUTO(scow_engine_options) *options = scow_engine_options_new();
	SCOW_AUTO(scow_engine) *engine = NULL;
	SCOW_AUTO(scow_image) *image = NULL;
	scow_error *error = NULL;

	(void) state;
	unlink(notes);
	add(config, SCOW_HOOK_POSTSTART, "one", "fail", 0);
	add(config, SCOW_HOOK_POSTSTART, "two", NULL, 0);
	scow_container_config_set_ephemeral(config, 1);
	scow_engine_options_set_root(options, fixture.root);
	scow_engine_options_set_log(options, keep_log, NULL);
	expect_ok(scow_engine_open(options, &engine, &error), &error);
	expect_ok(scow_image_get(engine, scow_image_id(fixture.image), &image, &error), &error);
	assert_int_equal(expect_ok(scow_container_run(engine, image, config, NULL, NULL, &error), &error), 6);
	expect_names("one two");
	assert_non_null(strstr(logged, "poststart hook '"));
	assert_non_null(strstr(logged, "exit code 3: first line the reason"));
}

/* As the container's user, within its limits, with its files. */
static void test_start_container(void **state)
{
	static const char *const args[] = { "sh", "-c",
					    "id -u >/tmp/who; "
					    "sed -n 's/^Seccomp:.//p' /proc/self/status >>/tmp/who; cat >>/tmp/who",
					    NULL };
	SCOW_AUTO(scow_container_config) *config = shell_config("cat /tmp/who");
	SCOW_AUTO(scow_process) *process = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	scow_error *error = NULL;
	char words[128];

	(void) state;
	/* A plain user may have no other id to give. */
	if (geteuid() == 0)
		scow_container_config_set_user(config, "12:34");
	scow_container_config_set_ephemeral(config, 1);
	scow_container_config_add_tmpfs(config, "/tmp", NULL);
	scow_container_config_add_hook(config, SCOW_HOOK_START_CONTAINER, "/bin/sh", args, (const char *const[]){ "PATH=/bin", NULL }, 0);
	scow_io_set_capture(io, 4096);
	assert_int_equal(expect_ok(scow_container_run(fixture.engine, fixture.image, config, io, &process, &error), &error), 0);
	snprintf(words, sizeof(words), "%d\n2\n{\"status\":\"created\",\"pid\":1,\"ociVersion\":\"1.", geteuid() ? 0 : 12);
	assert_non_null(strstr(scow_process_output(process, SCOW_STDOUT, NULL), words));
	/* Below an init the container's process is still that. */
	process = scow_process_unref(process);
	scow_container_config_set_init(config, 1);
	assert_int_equal(expect_ok(scow_container_run(fixture.engine, fixture.image, config, io, &process, &error), &error), 0);
	assert_non_null(strstr(scow_process_output(process, SCOW_STDOUT, NULL), "\"pid\":1,"));
}

/* ---- the caller's own ---- */

struct called {
	int times, pid, answer;
	char id[65], net[64];
};

static int note_call(scow_hook_stage stage, const char *id, int pid, void *userdata)
{
	struct called *called = userdata;
	SCOW_AUTO(scow_iter) *all = NULL;
	char path[64];
	ssize_t n;

	assert_int_equal(stage, SCOW_HOOK_CREATE_RUNTIME);
	called->times++;
	called->pid = pid;
	snprintf(called->id, sizeof(called->id), "%s", id);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	n = readlink(path, called->net, sizeof(called->net) - 1);
	called->net[n > 0 ? n : 0] = 0;
	/* The library may be used. */
	assert_int_equal(scow_container_list(fixture.engine, SCOW_LIST_ALL, &all, NULL), 0);
	return called->answer;
}

static void test_callback(void **state)
{
	SCOW_AUTO(scow_container_config) *config = shell_config(FOREVER);
	struct called called = { .times = 0 };
	scow_container *container;
	scow_error *error = NULL;
	char net[64] = "";

	(void) state;
	(void) !readlink("/proc/self/ns/net", net, sizeof(net) - 1);
	scow_container_config_set_hook_callback(config, note_call, &called);
	add_all(config);
	for (int detached = 0; detached < 2; detached++) {
		SCOW_AUTO(scow_process) *process = NULL;

		container = create(config);
		called.times = called.answer = 0;
		if (detached)
			expect_ok(scow_container_start_detached(container, &error), &error);
		else
			expect_ok(scow_container_start(container, NULL, &process, &error), &error);
		assert_int_equal(called.times, 1);
		assert_string_equal(called.id, scow_container_id(container));
		assert_int_equal(called.pid, scow_container_pid(container, NULL));
		assert_true(strncmp(called.net, "net:[", 5) == 0 && strcmp(called.net, net) != 0);
		expect_names("prestart runtime1 runtime2 container poststart");
		expect_ok(scow_container_stop(container, 0, &error), &error);
		/* And it may say no. */
		called.answer = 17;
		expect_error(start_either(container, detached, &error), SCOW_E_CANCELED, &error, "hook refused the start (17)");
		called.answer = SCOW_E_DENIED;
		expect_error(start_either(container, detached, &error), SCOW_E_DENIED, &error, "hook refused the start");
		assert_int_equal(called.times, 3);
		remove_it(container, SCOW_REMOVE_FORCE);
	}
}

/* ---- descriptors ---- */

static int make_file(const char *text)
{
	char path[] = "/tmp/scow-passed.XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(write(fd, text, strlen(text)), (int) strlen(text));
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static void test_passed(void **state)
{
	SCOW_AUTO(scow_container_config) *config =
		shell_config("cat <&7; cat <&70; cat <&3; ls /proc/self/fd | tr '\\n' ' '; exec 3<&- 7<&- 70<&-");
	SCOW_AUTO(scow_io) *io = scow_io_new();
	SCOW_AUTO(scow_process) *process = NULL;
	scow_error *error = NULL;
	int fds[3] = { make_file("seven "), make_file("seventy "), make_file("three ") };

	(void) state;
	scow_container_config_set_ephemeral(config, 1);
	scow_io_set_capture(io, 4096);
	scow_io_pass_fd(io, 7, fds[0]);
	scow_io_pass_fd(io, 70, fds[1]);
	scow_io_pass_fd(io, 3, fds[2]);
	assert_int_equal(expect_ok(scow_container_run(fixture.engine, fixture.image, config, io, &process, &error), &error), 0);
	/* 4: ls's own. */
	assert_string_equal(scow_process_output(process, SCOW_STDOUT, NULL), "seven seventy three 0 1 2 3 4 7 70 ");
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}

static void test_bad_passed(void **state)
{
	SCOW_AUTO(scow_container_config) *config = shell_config("true");
	SCOW_AUTO(scow_io) *closed = scow_io_new(), *low = scow_io_new(), *twice = scow_io_new(), *few = scow_io_new(),
			   *many = scow_io_new();
	SCOW_AUTO(scow_io) *streams = scow_io_new();
	scow_container *container = create(config);
	scow_error *error = NULL;

	(void) state;
	scow_container_config_set_ephemeral(config, 1);
	scow_io_pass_fd(closed, 5, 9999);
	expect_error(scow_container_run(fixture.engine, fixture.image, config, closed, NULL, &error), SCOW_E_INVALID, &error,
		     "descriptor 9999");
	scow_io_pass_fd(low, 2, 0);
	expect_error(scow_container_run(fixture.engine, fixture.image, config, low, NULL, &error), SCOW_E_INVALID, &error, "from 3 to 511");
	scow_io_pass_fd(twice, 5, 0);
	scow_io_pass_fd(twice, 5, 1);
	expect_error(scow_container_run(fixture.engine, fixture.image, config, twice, NULL, &error), SCOW_E_INVALID, &error, "twice");
	scow_io_pass_fd(few, 4, 0);
	scow_io_set_listen(few, 2);
	expect_error(scow_container_run(fixture.engine, fixture.image, config, few, NULL, &error), SCOW_E_INVALID, &error,
		     "of which 1 are");
	for (int i = 0; i < 65; i++)
		scow_io_pass_fd(many, 3 + i, 0);
	expect_error(scow_container_run(fixture.engine, fixture.image, config, many, NULL, &error), SCOW_E_INVALID, &error, "more than 64");
	scow_io_set_capture(streams, 10);
	expect_error(scow_container_start_detached_io(container, streams, &error), SCOW_E_INVALID, &error, "its supervisor's");
	remove_it(container, SCOW_REMOVE_FORCE);
}

/* The environment's own LISTEN_* are replaced; the process's id is the right one also below an init, and in an exec. */
static void test_listen(void **state)
{
	static const char script[] =
		"[ $LISTEN_PID = $$ ] && readlink /proc/self/fd/3 | cut -c1-7; echo $LISTEN_FDS; env | grep -c LISTEN_";
	static const char *const command[] = { "sh", "-c", script, NULL };
	SCOW_AUTO(scow_container_config) *config = shell_config(script), *lasting = shell_config(FOREVER);
	SCOW_AUTO(scow_process_config) *exec = scow_process_config_new(command);
	SCOW_AUTO(scow_process) *process = NULL, *main_process = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	scow_container *container;
	scow_error *error = NULL;
	int pair[2], code;

	(void) state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	scow_container_config_set_ephemeral(config, 1);
	scow_container_config_set_env(config, "LISTEN_FDS", "77");
	scow_io_set_capture(io, 4096);
	scow_io_pass_fd(io, 3, pair[0]);
	scow_io_pass_fd(io, 4, pair[1]);
	scow_io_set_listen(io, 2);
	for (int init = 0; init < 2; init++) {
		scow_container_config_set_init(config, init);
		assert_int_equal(expect_ok(scow_container_run(fixture.engine, fixture.image, config, io, &process, &error), &error), 0);
		assert_string_equal(scow_process_output(process, SCOW_STDOUT, NULL), "socket:\n2\n2\n");
		process = scow_process_unref(process);
	}
	container = create(lasting);
	expect_ok(scow_container_start(container, NULL, &main_process, &error), &error);
	expect_ok(scow_container_exec(container, exec, io, &process, &error), &error);
	expect_ok(scow_process_wait(process, 20000, &code, &error), &error);
	assert_string_equal(scow_process_output(process, SCOW_STDOUT, NULL), "socket:\n2\n2\n");
	remove_it(container, SCOW_REMOVE_FORCE);
	close(pair[0]);
	close(pair[1]);
}

/* They are there again after a restart, which is its supervisor's doing. */
static void test_passed_detached(void **state)
{
	SCOW_AUTO(scow_container_config) *config = shell_config("echo run >&9; [ $LISTEN_PID = 1 ] && echo listens >&9; exit 1");
	SCOW_AUTO(scow_io) *io = scow_io_new();
	scow_container *container;
	scow_error *error = NULL;
	char text[128] = "";
	int fd = make_file("");

	(void) state;
	scow_container_config_set_restart(config, SCOW_RESTART_ON_FAILURE, 1);
	scow_io_pass_fd(io, 9, fd);
	scow_io_pass_fd(io, 3, STDIN_FILENO);
	scow_io_set_listen(io, 1);
	container = create(config);
	expect_ok(scow_container_start_detached_io(container, io, &error), &error);
	expect_ok(scow_container_wait(container, 20000, NULL, &error), &error);
	assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
	assert_string_equal(text, "run\nlistens\nrun\nlistens\n");
	remove_it(container, SCOW_REMOVE_FORCE);
	close(fd);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_owned, fixture_clear),
		cmocka_unit_test_teardown(test_run, fixture_clear),
		cmocka_unit_test_teardown(test_detached, fixture_clear),
		cmocka_unit_test_teardown(test_restarts, fixture_clear),
		cmocka_unit_test_teardown(test_failures, fixture_clear),
		cmocka_unit_test_teardown(test_late_failures, fixture_clear),
		cmocka_unit_test_teardown(test_start_container, fixture_clear),
		cmocka_unit_test_teardown(test_callback, fixture_clear),
		cmocka_unit_test_teardown(test_passed, fixture_clear),
		cmocka_unit_test_teardown(test_bad_passed, fixture_clear),
		cmocka_unit_test_teardown(test_listen, fixture_clear),
		cmocka_unit_test_teardown(test_passed_detached, fixture_clear),
	};
	ssize_t n;
	int r;

	if (argc > 2)
		return be_hook(argv);
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[n > 0 ? n : 0] = 0;
	snprintf(notes, sizeof(notes), "/tmp/scow-hooks-notes.%d", (int) getpid());
	r = cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
	unlink(notes);
	return r;
}
