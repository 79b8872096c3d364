/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Detached containers through the public API: they live on without us, their log, their restarts, their end whoever sees it, and what
 * is left when the supervisor, PID 1 or the caller is killed.
 */
#include "api_fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FOREVER "while :; do sleep 60; done"

static scow_container *start_config(scow_container_config *config, const char *name)
{
	scow_container *container = NULL;
	scow_error *error = NULL;

	if (name)
		scow_container_config_set_name(config, name);
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &container, &error), &error);
	expect_ok(scow_container_start_detached(container, &error), &error);
	return container;
}

static scow_container *start(const char *name, const char *script)
{
	SCOW_AUTO(scow_container_config) *config = shell_config(script);

	return start_config(config, name);
}

static int wait_for(scow_container *container)
{
	scow_error *error = NULL;
	int code = -1;

	expect_ok(scow_container_wait(container, 20000, &code, &error), &error);
	return code;
}

static void remove_it(scow_container *container, unsigned int flags)
{
	scow_error *error = NULL;

	expect_ok(scow_container_remove(container, flags, &error), &error);
	scow_container_unref(container);
}

static void expect_state(scow_container *container, int state)
{
	scow_error *error = NULL;

	assert_int_equal(expect_ok(scow_container_state_now(container, &error), &error), state);
}

/* A file of ROOT/containers/ID, malloc'ed. */
static char *read_file(scow_container *container, const char *name, size_t *size)
{
	char path[512], *text = calloc(1, 1 << 22);
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "%s/containers/%s/%s", fixture.root, scow_container_id(container), name);
	file = fopen(path, "r");
	if (!file)
		fail_msg("no %s", path);
	n = fread(text, 1, (1 << 22) - 1, file);
	fclose(file);
	if (size)
		*size = n;
	return text;
}

static void test_life(void **state)
{
	scow_container *container = start("life", "echo out; echo err >&2; printf partial; exit 7");
	scow_container *other = NULL;
	scow_error *error = NULL;
	char *log;

	(void) state;
	expect_ok(scow_container_get(fixture.engine, "life", &other, &error), &error);
	assert_int_equal(wait_for(other), 7);
	expect_state(container, SCOW_CONTAINER_EXITED);
	log = read_file(container, "log.json", NULL);
	assert_non_null(strstr(log, "{\"log\":\"out\\n\",\"stream\":\"stdout\",\"time\":\"20"));
	assert_non_null(strstr(log, "{\"log\":\"err\\n\",\"stream\":\"stderr\",\"time\":\"20"));
	assert_non_null(strstr(log, "{\"log\":\"partial\",\"stream\":\"stdout\",\"time\":\"20"));
	free(log);
	/* Again, with what it wrote; the log goes on. */
	expect_ok(scow_container_start_detached(container, &error), &error);
	assert_int_equal(wait_for(container), 7);
	scow_container_unref(other);
	remove_it(container, 0);
}

static void test_running(void **state)
{
	scow_container *container = start("running", FOREVER);
	scow_error *error = NULL;

	(void) state;
	expect_state(container, SCOW_CONTAINER_RUNNING);
	assert_true(scow_container_pid(container, NULL) > 0);
	assert_int_equal(kill(scow_container_pid(container, NULL), 0), 0);
	expect_error(scow_container_start_detached(container, &error), SCOW_E_STATE, &error, "is running");
	expect_error(scow_container_wait(container, 10, NULL, &error), SCOW_E_TIMEOUT, &error, "still runs");
	expect_error(scow_container_remove(container, 0, &error), SCOW_E_STATE, &error, "is running");
	expect_ok(scow_container_stop(container, 0, &error), &error);
	expect_state(container, SCOW_CONTAINER_EXITED);
	assert_int_equal(wait_for(container), 137);
	remove_it(container, 0);
}

static void test_failures(void **state)
{
	static const char *const missing[] = { "/no/such/program", NULL };
	SCOW_AUTO(scow_container_config) *config = scow_container_config_new();
	scow_container *container = NULL;
	scow_error *error = NULL;

	(void) state;
	scow_container_config_set_command(config, missing);
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &container, &error), &error);
	expect_error(scow_container_start_detached(container, &error), SCOW_E_COMMAND_NOT_FOUND, &error, "/no/such/program");
	expect_state(container, SCOW_CONTAINER_CREATED);
	remove_it(container, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_life, fixture_clear),
		cmocka_unit_test_teardown(test_running, fixture_clear),
		cmocka_unit_test_teardown(test_failures, fixture_clear),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
