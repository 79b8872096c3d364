/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One engine, many threads, mixed calls: what the thread sanitizer watches. SCOW_THREADS and SCOW_ROUNDS set how many, and how long.
 */
#include "api_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 8
#define THREADS_MAX 256

static atomic_int failures;

static void check(int r, scow_error **error, const char *what)
{
	if (r < 0) {
		fprintf(stderr, "%s: %d %s\n", what, r, scow_error_message(*error));
		atomic_fetch_add(&failures, 1);
	}
	*error = scow_error_unref(*error);
}

static void run_one(int thread, int round)
{
	SCOW_AUTO(scow_process) *process = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	scow_error *error = NULL;
	char script[64], want[32];
	int code;

	snprintf(script, sizeof(script), "echo %d-%d; exit %d", thread, round, round % 7);
	snprintf(want, sizeof(want), "%d-%d\n", thread, round);
	SCOW_AUTO(scow_container_config) *config = shell_config(script);
	scow_container_config_set_ephemeral(config, 1);
	scow_io_set_capture(io, 4096);
	code = scow_container_run(fixture.engine, fixture.image, config, io, &process, &error);
	check(code, &error, "run");
	if (code >= 0 && (code != round % 7 || strcmp(scow_process_output(process, SCOW_STDOUT, NULL), want) != 0)) {
		fprintf(stderr, "run: code %d, output '%s'\n", code, scow_process_output(process, SCOW_STDOUT, NULL));
		atomic_fetch_add(&failures, 1);
	}
}

static void live_one(int thread, int round)
{
	SCOW_AUTO(scow_container_config) *config = shell_config("while :; do sleep 60; done");
	SCOW_AUTO(scow_container) *container = NULL, *again = NULL;
	SCOW_AUTO(scow_process) *process = NULL;
	scow_error *error = NULL;
	char name[32], *json = NULL;
	int code;

	snprintf(name, sizeof(name), "t%d-%d", thread, round);
	scow_container_config_set_name(config, name);
	check(scow_container_create(fixture.engine, fixture.image, config, &container, &error), &error, "create");
	if (!container)
		return;
	check(scow_container_start(container, NULL, &process, &error), &error, "start");
	check(scow_container_get(fixture.engine, name, &again, &error), &error, "get");
	if (again) {
		check(scow_container_inspect_json(again, &json, &error), &error, "inspect");
		check(scow_container_kill(again, 9, &error), &error, "kill");
		check(scow_container_wait(again, 30000, &code, &error), &error, "wait");
	}
	scow_free(json);
	check(scow_container_remove(container, SCOW_REMOVE_FORCE, &error), &error, "remove");
}

static void look_around(void)
{
	SCOW_AUTO(scow_iter) *containers = NULL, *images = NULL;
	SCOW_AUTO(scow_image) *image = NULL;
	scow_error *error = NULL;
	scow_container *container;
	char *info = NULL;

	check(scow_container_list(fixture.engine, SCOW_LIST_ALL, &containers, &error), &error, "list");
	while (containers && (container = scow_iter_next_container(containers)))
		scow_container_status_text(container);
	check(scow_image_list(fixture.engine, NULL, &images, &error), &error, "images");
	check(scow_image_get(fixture.engine, scow_image_id(fixture.image), &image, &error), &error, "get image");
	check(scow_engine_info_json(fixture.engine, &info, &error), &error, "info");
	scow_free(info);
}

static void *work(void *data)
{
	int thread = *(int *) data, rounds = getenv("SCOW_ROUNDS") ? atoi(getenv("SCOW_ROUNDS")) : 12;

	for (int round = 0; round < rounds; round++) {
		run_one(thread, round);
		if (round % 3 == 0)
			live_one(thread, round);
		look_around();
	}
	return NULL;
}

static void test_mixed(void **state)
{
	struct remains before = count_remains(), after;
	pthread_t ids[THREADS_MAX];
	int numbers[THREADS_MAX], count = getenv("SCOW_THREADS") ? atoi(getenv("SCOW_THREADS")) : THREADS;

	(void) state;
	assert_in_range(count, 1, THREADS_MAX);
	for (int i = 0; i < count; i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&ids[i], NULL, work, &numbers[i]), 0);
	}
	for (int i = 0; i < count; i++)
		pthread_join(ids[i], NULL);
	assert_int_equal(atomic_load(&failures), 0);
	after = count_remains();
	assert_int_equal(after.directories, before.directories);
	assert_true(after.children <= before.children + 1); /* the guard */
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_mixed) };

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
