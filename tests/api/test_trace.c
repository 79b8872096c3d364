/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tracing: each operation's phases are all of its time, scow-init's steps are parts of one, and without a listener nothing is asked of it.
 */
#include "api_fixture.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct span {
	uint64_t number, parent;
	char name[32], attributes[200];
	int64_t begin, end;
};

static struct {
	struct span spans[1024];
	size_t count;
} told;

static void tell(uint64_t number, uint64_t parent, const char *name, int64_t begin, int64_t end, const char *attributes, void *userdata)
{
	struct span *span = &told.spans[told.count++];

	assert_ptr_equal(userdata, &told);
	assert_true(told.count < 1024);
	*span = (struct span){ .number = number, .parent = parent, .begin = begin, .end = end };
	snprintf(span->name, sizeof(span->name), "%s", name);
	snprintf(span->attributes, sizeof(span->attributes), "%s", attributes);
}

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static const struct span *find(const char *name, uint64_t parent)
{
	for (size_t i = 0; i < told.count; i++)
		if (strcmp(told.spans[i].name, name) == 0 && (parent == UINT64_MAX || told.spans[i].parent == parent))
			return &told.spans[i];
	fail_msg("no span '%s'", name);
	return NULL;
}

/* The operation's time, which the caller measured as @wall, and that its phases sum up to it within 2 % (and what a busy machine takes). */
static const struct span *check_operation(const char *name, const scow_container *container, int64_t wall)
{
	const struct span *operation = find(name, 0);
	int64_t sum = 0, last = operation->begin, whole = operation->end - operation->begin;

	assert_non_null(strstr(operation->attributes, scow_container_id(container)));
	assert_non_null(strstr(operation->attributes, "\"status\":0"));
	for (size_t i = 0; i < told.count; i++) {
		const struct span *span = &told.spans[i];

		for (size_t k = 0; k < i; k++)
			assert_true(told.spans[k].number != span->number);
		if (span->parent != operation->number)
			continue;
		assert_true(span->begin == last && span->end >= span->begin);
		last = span->end;
		sum += span->end - span->begin;
	}
	assert_true(sum == whole && last == operation->end);
	if (wall - whole > wall / 50 + 2000000 || whole > wall)
		fail_msg("%s took %lld ns, of which %lld are told", name, (long long) wall, (long long) whole);
	return operation;
}

static void test_operations(void **state)
{
	SCOW_AUTO(scow_engine_options) *options = scow_engine_options_new();
	SCOW_AUTO(scow_container_config) *config = shell_config("sleep 1000");
	SCOW_AUTO(scow_process_config) *command = scow_process_config_new((const char *const[]){ "true", NULL });
	SCOW_AUTO(scow_engine) *engine = NULL;
	SCOW_AUTO(scow_image) *image = NULL;
	SCOW_AUTO(scow_container) *container = NULL;
	SCOW_AUTO(scow_process) *process = NULL, *joined = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	const struct span *launch;
	scow_error *error = NULL;
	int64_t began, parts = 0;
	int code;

	(void) state;
	scow_container_config_set_namespace(config, SCOW_NAMESPACE_NETWORK, "none");
	scow_engine_options_set_root(options, fixture.root);
	scow_engine_options_set_trace(options, tell, &told);
	expect_ok(scow_engine_open(options, &engine, &error), &error);
	expect_ok(scow_image_get(engine, "busybox", &image, &error), &error);

	began = now();
	expect_ok(scow_container_create(engine, image, config, &container, &error), &error);
	check_operation("create", container, now() - began);
	told.count = 0;

	began = now();
	expect_ok(scow_container_start(container, io, &process, &error), &error);
	launch = find("launch", check_operation("start", container, now() - began)->number);
	for (size_t i = 0; i < told.count; i++) {
		const struct span *span = &told.spans[i];

		if (span->parent != launch->number)
			continue;
		assert_true(span->begin >= launch->begin && span->end <= launch->end && span->begin <= span->end);
		parts++;
	}
	assert_true(parts >= 5);
	find("root", launch->number);
	find("mounts", launch->number);
	find("pivot", launch->number);
	told.count = 0;

	began = now();
	expect_ok(scow_container_exec(container, command, io, &joined, &error), &error);
	launch = find("launch", check_operation("exec", container, now() - began)->number);
	find("namespaces", launch->number);
	expect_ok(scow_process_wait(joined, -1, &code, &error), &error);
	assert_int_equal(code, 0);
	told.count = 0;

	began = now();
	expect_ok(scow_container_remove(container, SCOW_REMOVE_FORCE, &error), &error);
	check_operation("remove", container, now() - began);
}

/* Detached, and what fails: told, too. */
static void test_detached_and_failed(void **state)
{
	SCOW_AUTO(scow_engine_options) *options = scow_engine_options_new();
	SCOW_AUTO(scow_container_config) *config = shell_config("sleep 1000");
	SCOW_AUTO(scow_engine) *engine = NULL;
	SCOW_AUTO(scow_image) *image = NULL;
	SCOW_AUTO(scow_container) *container = NULL;
	SCOW_AUTO(scow_process) *process = NULL;
	scow_error *error = NULL;

	(void) state;
	scow_container_config_set_namespace(config, SCOW_NAMESPACE_NETWORK, "none");
	scow_engine_options_set_root(options, fixture.root);
	scow_engine_options_set_trace(options, tell, &told);
	expect_ok(scow_engine_open(options, &engine, &error), &error);
	expect_ok(scow_image_get(engine, "busybox", &image, &error), &error);
	expect_ok(scow_container_create(engine, image, config, &container, &error), &error);
	expect_ok(scow_container_start_detached(container, &error), &error);
	find("supervisor", find("start", 0)->number);
	expect_ok(scow_container_remove(container, SCOW_REMOVE_FORCE, &error), &error);
	container = scow_container_unref(container);

	told.count = 0;
	scow_container_config_set_command(config, (const char *const[]){ "/no/such/program", NULL });
	expect_ok(scow_container_create(engine, image, config, &container, &error), &error);
	expect_error(scow_container_start(container, NULL, &process, &error), SCOW_E_COMMAND_NOT_FOUND, &error, "no/such");
	assert_non_null(strstr(find("start", 0)->attributes, "\"status\":-17"));
	expect_ok(scow_container_remove(container, 0, &error), &error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_operations, fixture_clear),
		cmocka_unit_test_teardown(test_detached_and_failed, fixture_clear),
	};

	return cmocka_run_group_tests_name("trace", tests, fixture_setup, fixture_teardown);
}
