/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * run_hello IMAGE [COMMAND...]: pull an image, run a command in it with limits, keep what it prints.
 * cc run_hello.c $(pkg-config --cflags --libs scow)
 */
#include <scow/cleanup.h>
#include <stdio.h>

static const char *const hello[] = { "echo", "hello from a container", NULL };

static int fail(const char *doing, const scow_error *error)
{
	fprintf(stderr, "run_hello: cannot %s: %s\n", doing, scow_error_message(error));
	if (scow_error_hint(error))
		fprintf(stderr, "           %s\n", scow_error_hint(error));
	return 125;
}

int main(int argc, char **argv)
{
	SCOW_AUTO(scow_error) *error = NULL;
	SCOW_AUTO(scow_engine) *engine = NULL;
	SCOW_AUTO(scow_image) *image = NULL;
	SCOW_AUTO(scow_process) *process = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	SCOW_AUTO(scow_container_config) *config = scow_container_config_new();
	SCOW_AUTO(scow_pull_options) *pull = scow_pull_options_new();
	int code;

	if (argc < 2)
		return fprintf(stderr, "usage: run_hello IMAGE [COMMAND...]\n"), 2;

	scow_pull_options_set_policy(pull, SCOW_PULL_MISSING);
	scow_container_config_set_command(config, argc > 2 ? (const char *const *) argv + 2 : hello);
	scow_container_config_set_ephemeral(config, 1);
	scow_container_config_add_ulimit(config, "nofile", 256, 256);
	scow_container_config_set_env(config, "GREETING", "hello");
	scow_io_set_capture(io, 1 << 20);

	if (scow_engine_open(NULL, &engine, &error) < 0)
		return fail("open the engine", error);
	if (!scow_engine_rootless(engine)) /* a plain user has no cgroup to limit these by */
		scow_container_config_set_memory_bytes(config, 64 << 20), scow_container_config_set_pids_max(config, 32);
	if (scow_image_pull(engine, argv[1], pull, &image, &error) < 0)
		return fail("pull the image", error);

	code = scow_container_run(engine, image, config, io, &process, &error);
	if (code < 0)
		return fail("run it", error);
	printf("%s", scow_process_output(process, SCOW_STDOUT, NULL));
	printf("exit code %d, %llu us of CPU\n", code,
	       (unsigned long long) scow_receipt_cpu_user_us(scow_process_receipt(process)));
	return code;
}
