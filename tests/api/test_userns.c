/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * User and time namespaces through the public API: whose files are, ranges that no two containers share however many make them at
 * once, the same ids over starts, what is refused. The commands are in tests/integration/test_userns.py.
 */
#include "api_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define THREADS 6
#define EACH 5

static scow_container_config *config_of(const char *script, const char *mode)
{
	scow_container_config *config = shell_config(script);

	scow_container_config_set_namespace(config, SCOW_NAMESPACE_NETWORK, "none");
	scow_container_config_set_namespace(config, SCOW_NAMESPACE_USER, mode);
	return config;
}

static scow_container *create(scow_container_config *config)
{
	scow_container *container = NULL;
	scow_error *error = NULL;

	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &container, &error), &error);
	scow_container_config_unref(config);
	return container;
}

/* "IDMappings":{"UidMap":["0:FIRST:COUNT"] */
static unsigned int first_id(scow_container *container, unsigned int *count)
{
	scow_error *error = NULL;
	unsigned int first = 0;
	const char *at;
	char *json;

	expect_ok(scow_container_inspect_json(container, &json, &error), &error);
	at = strstr(json, "\"UidMap\":[\"0:");
	assert_non_null(at);
	assert_int_equal(sscanf(at, "\"UidMap\":[\"0:%u:%u\"", &first, count), 2);
	scow_free(json);
	return first;
}

static int run(scow_container *container)
{
	scow_process *process = NULL;
	scow_error *error = NULL;
	int code = -1;

	expect_ok(scow_container_start(container, NULL, &process, &error), &error);
	expect_ok(scow_process_wait(process, 30000, &code, &error), &error);
	scow_process_unref(process);
	return code;
}

static void test_life(void **state)
{
	char directory[] = "/tmp/scow-userns.XXXXXX", script[256], path[64];
	scow_container_config *config;
	scow_container *container;
	unsigned int first, count;
	scow_error *error = NULL;
	struct stat st;

	(void) state;
	assert_non_null(mkdtemp(directory));
	assert_int_equal(chmod(directory, 0777), 0);
	snprintf(script, sizeof(script), "touch /host/$(cat /runs 2>/dev/null || echo 0); echo 1 >/runs; [ $(stat -c %%u /runs) = 0 ]");
	config = config_of(script, "private");
	scow_container_config_add_bind(config, directory, "/host", NULL);
	container = create(config);
	first = first_id(container, &count);
	assert_int_equal(count, 65536);
	/* Two starts, the second of which finds the file of the first. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(run(container), 0);
		snprintf(path, sizeof(path), "%s/%d", directory, i);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_uid, first);
		assert_int_equal(st.st_gid, first);
		assert_int_equal(unlink(path), 0);
		assert_int_equal(first_id(container, &count), first);
	}
	assert_int_equal(rmdir(directory), 0);
	expect_ok(scow_container_remove(container, 0, &error), &error);
	scow_container_unref(container);
}

struct maker {
	pthread_t thread;
	scow_engine *engine;
	scow_container *made[EACH];
};

static void *make(void *data)
{
	struct maker *maker = data;
	scow_image *image = NULL;

	if (scow_image_get(maker->engine, scow_image_id(fixture.image), &image, NULL) < 0)
		return NULL;
	for (int i = 0; i < EACH; i++) {
		scow_container_config *config = config_of("true", i % 2 ? "auto:size=1000" : "auto");

		(void) scow_container_create(maker->engine, image, config, &maker->made[i], NULL);
		scow_container_config_unref(config);
	}
	scow_image_unref(image);
	return NULL;
}

/* From several engines and threads at once. */
static void test_ranges(void **state)
{
	struct maker makers[THREADS] = { 0 };
	unsigned int first[THREADS * EACH], count[THREADS * EACH];

	(void) state;
	for (int i = 0; i < THREADS; i++) {
		makers[i].engine = fixture_open();
		assert_int_equal(pthread_create(&makers[i].thread, NULL, make, &makers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(makers[i].thread, NULL);
	for (int i = 0; i < THREADS * EACH; i++) {
		scow_container *container = makers[i / EACH].made[i % EACH];

		assert_non_null(container);
		first[i] = first_id(container, &count[i]);
		assert_int_equal(count[i], i % EACH % 2 ? 1000 : 65536);
		for (int k = 0; k < i; k++)
			assert_true(first[k] + count[k] <= first[i] || first[i] + count[i] <= first[k]);
	}
	for (int i = 0; i < THREADS * EACH; i++) {
		scow_error *error = NULL;

		expect_ok(scow_container_remove(makers[i / EACH].made[i % EACH], 0, &error), &error);
		scow_container_unref(makers[i / EACH].made[i % EACH]);
	}
	for (int i = 0; i < THREADS; i++)
		scow_engine_unref(makers[i].engine);
}

static void test_maps(void **state)
{
	scow_container_config *config = config_of("[ \"$(cat /proc/self/uid_map /proc/self/gid_map | tr -s ' \\n' ' ')\" = "
						  "' 0 300000 10 10 5 1 0 400000 20 ' ]",
						  NULL);
	scow_error *error = NULL;
	scow_container *container;

	(void) state;
	scow_container_config_add_uid_map(config, 0, 300000, 10);
	scow_container_config_add_uid_map(config, 10, 5, 1);
	scow_container_config_add_gid_map(config, 0, 400000, 20);
	container = create(config);
	assert_int_equal(run(container), 0);
	expect_ok(scow_container_remove(container, 0, &error), &error);
	scow_container_unref(container);
}

static void refuse(scow_container_config *config, scow_status status, const char *words)
{
	scow_error *error = NULL;

	expect_error(scow_container_run(fixture.engine, fixture.image, config, NULL, NULL, &error), status, &error, words);
	scow_container_config_unref(config);
}

static void test_refusals(void **state)
{
	scow_container_config *config = config_of("true", "host");

	(void) state;
	scow_container_config_add_uid_map(config, 0, 300000, 10);
	refuse(config, SCOW_E_INVALID, "conflicting options");
	config = config_of("true", NULL);
	scow_container_config_add_gid_map(config, 3, 300000, 10);
	refuse(config, SCOW_E_INVALID, "must map the id 0");
	config = config_of("true", NULL);
	scow_container_config_add_gid_map(config, 0, 300000, 0);
	refuse(config, SCOW_E_INVALID, "add_gid_map");
	refuse(config_of("true", "auto:size=4294967294"), SCOW_E_LIMIT, "ids in a row");
	refuse(config_of("true", "keep-id"), SCOW_E_INVALID, "plain user");
	refuse(config_of("true", "maybe"), SCOW_E_INVALID, "set_namespace");
	config = config_of("true", "auto:size=10");
	scow_container_config_set_user(config, "10");
	refuse(config, SCOW_E_INVALID, "become the user");
	config = config_of("true", NULL);
	scow_container_config_add_bind(config, "/tmp", "/t", "idmap");
	refuse(config, SCOW_E_INVALID, "needs a user namespace");
}

static void test_time(void **state)
{
	char own[64] = "", script[128];
	scow_container_config *config;
	scow_error *error = NULL;

	(void) state;
	assert_true(readlink("/proc/self/ns/time", own, sizeof(own) - 1) > 0);
	snprintf(script, sizeof(script), "[ $(readlink /proc/self/ns/time) != '%s' ]", own);
	config = config_of(script, NULL);
	scow_container_config_set_ephemeral(config, 1);
	scow_container_config_set_namespace(config, SCOW_NAMESPACE_TIME, "private");
	assert_int_equal(expect_ok(scow_container_run(fixture.engine, fixture.image, config, NULL, NULL, &error), &error), 0);
	scow_container_config_set_init(config, 1);
	scow_container_config_set_namespace(config, SCOW_NAMESPACE_USER, "private");
	assert_int_equal(expect_ok(scow_container_run(fixture.engine, fixture.image, config, NULL, NULL, &error), &error), 0);
	scow_container_config_unref(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_life, fixture_clear), cmocka_unit_test_teardown(test_ranges, fixture_clear),
		cmocka_unit_test_teardown(test_maps, fixture_clear), cmocka_unit_test_teardown(test_refusals, fixture_clear),
		cmocka_unit_test_teardown(test_time, fixture_clear),
	};

	if (geteuid() != 0) {
		printf("1..0 # SKIP needs root: a plain user's user namespaces are in test_rootless.py\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
