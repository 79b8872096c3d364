/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * seal IMAGE NEW-IMAGE: run one step in a container, keep the result as an image.
 * Pull, create with limits and a volume, start on a terminal, exec, wait, commit, remove: the whole life of a container on the
 * public API.
 */
#include <scow/cleanup.h>

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

static const char *const step[] = { "sh", "-c", "date >/built && cp /built /data/built && exec sh", NULL };
static const char *const check[] = { "sh", "-c", "while ! [ -s /data/built ]; do sleep 0.01; done; cat /data/built", NULL };

static int fail(const char *doing, const scow_error *error)
{
	fprintf(stderr, "seal: cannot %s: %s\n", doing, scow_error_message(error));
	if (scow_error_hint(error))
		fprintf(stderr, "      %s\n", scow_error_hint(error));
	return scow_error_status(error) == SCOW_E_NOT_FOUND ? 127 : 125;
}

static int show_progress(const char *layer, int phase, uint64_t done, uint64_t total, void *userdata)
{
	(void) phase;
	(void) userdata;
	fprintf(stderr, "\r%.19s %3" PRIu64 "%%", layer, total ? done * 100 / total : 0);
	return 0; /* anything else cancels the pull */
}

static void forward(int stream, const void *data, size_t size, void *userdata)
{
	(void) userdata;
	(void) !write(stream == SCOW_STDERR ? STDERR_FILENO : STDOUT_FILENO, data, size);
}

/* Setters return nothing: the first bad value is kept, and create() reports it. */
static scow_container_config *describe(void)
{
	scow_container_config *config = scow_container_config_new();

	scow_container_config_set_command(config, step);
	scow_container_config_set_env(config, "CI", "1");
	scow_container_config_set_tty(config, 1);
	scow_container_config_set_open_stdin(config, 1);
	scow_container_config_set_memory_bytes(config, UINT64_C(256) << 20);
	scow_container_config_set_cpu_millis(config, 1500);
	scow_container_config_set_pids_max(config, 128);
	scow_container_config_add_tmpfs(config, "/data", NULL); /* like a volume, it is not part of what is kept */
	scow_container_config_set_ephemeral(config, 1);
	return config;
}

/* Our own loop: the process is one descriptor, output arrives inside dispatch(). */
static int converse(scow_process *process, scow_error **error)
{
	struct pollfd fds[] = { { scow_process_fd(process), POLLIN, 0 }, { STDIN_FILENO, POLLIN, 0 } };
	char keys[4096];
	int r;

	do {
		if (poll(fds, 2, -1) > 0 && fds[1].revents) {
			ssize_t n = read(STDIN_FILENO, keys, sizeof keys);

			/* A write of nothing is our end of file. */
			r = scow_process_write(process, n > 0 ? keys : "", n > 0 ? (size_t) n : 0, error);
			if (r < 0)
				return r;
			if (n <= 0)
				fds[1].fd = -1;
		}
		r = scow_process_dispatch(process, error);
	} while (r > 0); /* 0: it has exited and all its output was delivered */
	return r;
}

int main(int argc, char **argv)
{
	SCOW_AUTO(scow_error) *error = NULL;
	SCOW_AUTO(scow_engine) *engine = NULL;
	SCOW_AUTO(scow_image) *base = NULL, *sealed = NULL;
	SCOW_AUTO(scow_container) *container = NULL;
	SCOW_AUTO(scow_process) *shell = NULL, *checker = NULL;
	SCOW_AUTO(scow_pull_options) *options = scow_pull_options_new();
	SCOW_AUTO(scow_commit_options) *commit = scow_commit_options_new();
	SCOW_AUTO(scow_process_config) *cat = scow_process_config_new(check);
	SCOW_AUTO(scow_container_config) *config = describe();
	SCOW_AUTO(scow_io) *io = scow_io_new();
	int code;

	if (argc != 3)
		return fprintf(stderr, "usage: seal IMAGE NEW-IMAGE\n"), 2;
	scow_pull_options_set_progress(options, show_progress, NULL);
	scow_commit_options_set_message(commit, "sealed");
	scow_commit_options_add_change(commit, "LABEL sealed=yes");
	scow_io_set_output(io, forward, NULL);
	scow_io_set_window(io, 24, 80);

	if (scow_engine_open(NULL, &engine, &error) < 0)
		return fail("open the engine", error);
	if (scow_image_get(engine, argv[1], &base, NULL) < 0 && scow_image_pull(engine, argv[1], options, &base, &error) < 0)
		return fail("pull the image", error);
	/* An ephemeral container goes with its last handle: no return below leaves it behind. */
	if (scow_container_create(engine, base, config, &container, &error) < 0)
		return fail("create the container", error);
	if (scow_container_start(container, io, &shell, &error) < 0)
		return fail("start it", error);
	if (scow_container_exec(container, cat, NULL, &checker, &error) < 0 || scow_process_wait(checker, 5000 /* ms */, &code, &error) < 0)
		return fail("look inside", error);
	if (scow_container_commit(container, argv[2], commit, &sealed, &error) < 0)
		return fail("commit it", error);
	if (converse(shell, &error) < 0 || scow_process_wait(shell, -1, &code, &error) < 0)
		return fail("talk to it", error);
	printf("%s\n", scow_image_id(sealed));
	return code;
}
