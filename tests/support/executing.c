/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A container that sleeps, and programs that are executed in it. */
#include "executing.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct executing executing;

scow_process_config *exec_shell(const char *script)
{
	const char *const command[] = { "sh", "-c", script, NULL };
	scow_process_config *config = scow_process_config_new(command);

	assert_non_null(config);
	return config;
}

scow_process *exec_start(const scow_process_config *config, const scow_io *io)
{
	scow_process *process = NULL;
	scow_error *error = NULL;

	expect_ok(scow_container_exec(executing.container, config, io, &process, &error), &error);
	return process;
}

int exec_code(scow_process *process)
{
	scow_error *error = NULL;
	int code = -1;

	expect_ok(scow_process_wait(process, 30000, &code, &error), &error);
	return code;
}

int exec_run(const scow_process_config *config, char out[4096])
{
	SCOW_AUTO(scow_io) *io = scow_io_new();
	SCOW_AUTO(scow_process) *process = NULL;
	int code;

	scow_io_set_capture(io, 4000);
	process = exec_start(config, io);
	code = exec_code(process);
	if (out)
		snprintf(out, 4096, "%s%s", scow_process_output(process, SCOW_STDOUT, NULL),
			 scow_process_output(process, SCOW_STDERR, NULL));
	return code;
}

int exec_script(const char *script, char out[4096])
{
	SCOW_AUTO(scow_process_config) *config = exec_shell(script);

	return exec_run(config, out);
}

void exec_expect(const char *script, const char *expected)
{
	char out[4096];

	exec_script(script, out);
	assert_string_equal(out, expected);
}

void exec_refused(const scow_process_config *config, scow_status status, const char *words)
{
	scow_process *process = NULL;
	scow_error *error = NULL;

	expect_error(scow_container_exec(executing.container, config, NULL, &process, &error), status, &error, words);
	assert_null(process);
}

void exec_begin(void (*change)(scow_container_config *config))
{
	SCOW_AUTO(scow_container_config) *config = shell_config("sleep 1000 & echo $$ >/tmp/first; while :; do wait $!; done");
	scow_error *error = NULL;

	scow_container_config_set_ephemeral(config, 1);
	scow_container_config_set_env(config, "FROM", "container");
	scow_container_config_set_env(config, "REMOVED", "not");
	if (change)
		change(config);
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &executing.container, &error), &error);
	expect_ok(scow_container_start(executing.container, NULL, &executing.first, &error), &error);
	for (int i = 0; i < 1000 && exec_script("[ -s /tmp/first ]", NULL) != 0; i++)
		poll(NULL, 0, 10);
}

void exec_end(void)
{
	scow_error *error = NULL;

	assert_false(scow_process_exited(executing.first));
	expect_ok(scow_process_signal(executing.first, SIGKILL, &error), &error);
	assert_int_equal(exec_code(executing.first), 137);
	executing.first = scow_process_unref(executing.first);
	executing.container = scow_container_unref(executing.container);
}

int exec_setup(void **state)
{
	(void) state;
	exec_begin(NULL);
	return 0;
}

int exec_teardown(void **state)
{
	if (executing.first && scow_process_exited(executing.first))
		return -1;
	executing.first = scow_process_unref(executing.first);
	executing.container = scow_container_unref(executing.container);
	return fixture_clear(state);
}

int exec_count(void)
{
	char out[4096];

	exec_script("n=0; for i in /proc/[0-9]*/stat; do { read -r line <$i; } 2>/dev/null && case ${line##*)} in ' Z'*|' X'*) ;; *) "
		    "n=$((n + 1)); esac; done; echo $n",
		    out);
	return atoi(out) - 1;
}

void exec_wait_for(scow_process *process, const char *words)
{
	for (int i = 0; i < 2000 && !strstr(scow_process_output(process, SCOW_STDOUT, NULL), words); i++)
		scow_process_wait(process, 10, NULL, NULL);
	if (!strstr(scow_process_output(process, SCOW_STDOUT, NULL), words))
		fail_msg("'%s' is not in '%s'", words, scow_process_output(process, SCOW_STDOUT, NULL));
}
