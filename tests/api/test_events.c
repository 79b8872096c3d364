/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Events: Docker's names and attributes; none missing and none twice, for whoever comes back with a number; filters; times. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api_fixture.h"

#define LONG_MS 20000

/* What a stream gave. */
struct heard {
	uint64_t numbers[4096];
	char *json[4096];
	size_t count, stop_at; /* stop_at: the callback stops at so many; 0: never */
};

static int hear(uint64_t number, const char *json, void *userdata)
{
	struct heard *heard = userdata;

	assert_true(heard->count < 4096);
	heard->numbers[heard->count] = number;
	heard->json[heard->count++] = strdup(json);
	return heard->count == heard->stop_at ? 7 : 0;
}

static void forget(struct heard *heard)
{
	for (size_t i = 0; i < heard->count; i++)
		free(heard->json[i]);
	heard->count = 0;
}

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static scow_events *open_stream(scow_engine *engine, uint64_t after, const char *filters, struct heard *heard)
{
	scow_events *events = NULL;
	scow_error *error = NULL;

	memset(heard, 0, sizeof(*heard));
	expect_ok(scow_events_open(engine, after, 0, 0, filters, hear, heard, &events, &error), &error);
	assert_true(scow_events_fd(events) >= 0);
	return events;
}

static bool readable(const scow_events *events, int timeout_ms)
{
	struct pollfd fds = { .fd = scow_events_fd(events), .events = POLLIN };

	return poll(&fds, 1, timeout_ms) == 1;
}

/* Dispatches while there is something to do. What the last dispatch returned. */
static int take(scow_events *events)
{
	scow_error *error = NULL;
	int r = 1;

	while (r == 1 && readable(events, 0))
		r = expect_ok(scow_events_dispatch(events, &error), &error);
	return r;
}

/* Waits until it has heard @count. */
static void await(scow_events *events, struct heard *heard, size_t count)
{
	while (heard->count < count) {
		if (!readable(events, LONG_MS))
			fail_msg("only %zu of %zu events came", heard->count, count);
		assert_int_equal(take(events), 1);
	}
	assert_int_equal(heard->count, count);
}

static bool has(const struct heard *heard, size_t n, const char *words)
{
	return n < heard->count && strstr(heard->json[n], words);
}

static void expect_actions(const struct heard *heard, const char *const *actions)
{
	char text[128];
	size_t n;

	for (n = 0; actions[n]; n++) {
		snprintf(text, sizeof(text), "\"Action\":\"%s\"", actions[n]);
		if (!has(heard, n, text))
			fail_msg("event %zu is not %s but %s", n, actions[n], n < heard->count ? heard->json[n] : "missing");
		if (n)
			assert_int_equal(heard->numbers[n], heard->numbers[n - 1] + 1);
	}
	assert_int_equal(heard->count, n);
}

static void test_life_of_a_container(void **state)
{
	static const char *const actions[] = { "create", "start", "die", "destroy", NULL };
	SCOW_AUTO(scow_container_config) *config = shell_config("exit 5");
	SCOW_AUTO(scow_events) *events = NULL;
	SCOW_AUTO(scow_error) *error = NULL;
	static struct heard heard;

	(void) state;
	events = open_stream(fixture.engine, UINT64_MAX, NULL, &heard);
	assert_int_equal(take(events), 1);
	assert_int_equal(heard.count, 0);
	assert_false(readable(events, 0));
	scow_container_config_set_name(config, "events-life");
	scow_container_config_set_ephemeral(config, 1);
	scow_container_config_add_label(config, "stage", "a \"b\"");
	scow_container_config_add_label(config, "name", "not this");
	assert_int_equal(expect_ok(scow_container_run(fixture.engine, fixture.image, config, NULL, NULL, &error), &error), 5);
	assert_true(readable(events, 0));
	assert_int_equal(take(events), 1);
	expect_actions(&heard, actions);
	for (size_t i = 0; i < heard.count; i++) {
		assert_true(has(&heard, i, "\"Type\":\"container\""));
		assert_true(has(&heard, i, "\"from\":\"busybox\""));
		assert_true(has(&heard, i, "\"image\":\"busybox\""));
		assert_true(has(&heard, i, "\"name\":\"events-life\""));
		assert_false(has(&heard, i, "not this"));
		assert_true(has(&heard, i, "\"stage\":\"a \\\"b\\\"\""));
		assert_true(has(&heard, i, "\"scope\":\"local\",\"time\":1"));
	}
	assert_true(has(&heard, 2, "\"exitCode\":\"5\""));
	assert_false(has(&heard, 1, "exitCode"));
	forget(&heard);
}

static void test_killed_and_removed(void **state)
{
	static const char *const stopped[] = { "create", "start", "kill", "kill", "die", "stop", "destroy", NULL };
	static const char *const forced[] = { "create", "start", "kill", "die", "destroy", NULL };
	SCOW_AUTO(scow_container_config) *config = shell_config("exec sleep 100");
	SCOW_AUTO(scow_error) *error = NULL;
	static struct heard heard;

	(void) state;
	for (int force = 0; force < 2; force++) {
		SCOW_AUTO(scow_container) *container = NULL;
		SCOW_AUTO(scow_process) *process = NULL;
		SCOW_AUTO(scow_events) *events = open_stream(fixture.engine, UINT64_MAX, NULL, &heard);

		expect_ok(scow_container_create(fixture.engine, fixture.image, config, &container, &error), &error);
		expect_ok(scow_container_start(container, NULL, &process, &error), &error);
		if (!force) {
			/* PID 1 without a handler ignores it. */
			expect_ok(scow_container_kill(container, SIGUSR1, &error), &error);
			expect_ok(scow_container_stop(container, 0, &error), &error);
		}
		expect_ok(scow_container_remove(container, force ? SCOW_REMOVE_FORCE : 0, &error), &error);
		take(events);
		expect_actions(&heard, force ? forced : stopped);
		assert_true(has(&heard, force ? 3 : 4, "\"exitCode\":\"137\""));
		assert_true(has(&heard, force ? 2 : 3, "\"signal\":\"9\""));
		if (!force)
			assert_true(has(&heard, 2, "\"signal\":\"10\""));
		forget(&heard);
	}
}

static void test_exec(void **state)
{
	static const char *const command[] = { "sh", "-c", "exit 4", NULL };
	SCOW_AUTO(scow_container_config) *config = shell_config("exec sleep 100");
	SCOW_AUTO(scow_process_config) *program = scow_process_config_new(command);
	SCOW_AUTO(scow_container) *container = NULL;
	SCOW_AUTO(scow_process) *process = NULL, *executed = NULL;
	SCOW_AUTO(scow_events) *events = NULL;
	SCOW_AUTO(scow_error) *error = NULL;
	static struct heard heard;
	int code;

	(void) state;
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &container, &error), &error);
	expect_ok(scow_container_start(container, NULL, &process, &error), &error);
	events = open_stream(fixture.engine, UINT64_MAX, "{\"event\":[\"exec_create\",\"exec_start\",\"exec_die\"]}", &heard);
	expect_ok(scow_container_exec(container, program, NULL, &executed, &error), &error);
	expect_ok(scow_process_wait(executed, LONG_MS, &code, &error), &error);
	take(events);
	assert_int_equal(heard.count, 3);
	assert_true(has(&heard, 0, "\"Action\":\"exec_create: sh -c exit 4\""));
	assert_true(has(&heard, 1, "\"Action\":\"exec_start: sh -c exit 4\""));
	assert_true(has(&heard, 2, "\"Action\":\"exec_die\""));
	assert_true(has(&heard, 2, "\"exitCode\":\"4\""));
	for (int i = 0; i < 3; i++) {
		assert_true(has(&heard, (size_t) i, scow_container_id(container)));
		assert_memory_equal(strstr(heard.json[i], "\"execID\""), strstr(heard.json[0], "\"execID\""), 64);
	}
	forget(&heard);
}

/* What is done to one that runs detached, and what its health check finds. */
static void test_attached_and_checked(void **state)
{
	static const char *const seen[] = {
		"health_status: healthy", "attach", "resize", "top", "detach", "health_status: unhealthy", NULL
	};
	static const char *const test[] = { "CMD-SHELL", "[ ! -e /tmp/bad ]", NULL };
	static const char *const spoil[] = { "touch", "/tmp/bad", NULL };
	SCOW_AUTO(scow_container_config) *config = shell_config("sleep 1000");
	SCOW_AUTO(scow_process_config) *program = scow_process_config_new(spoil);
	SCOW_AUTO(scow_container) *container = NULL;
	SCOW_AUTO(scow_process) *executed = NULL;
	SCOW_AUTO(scow_events) *events = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	scow_process *guest = NULL;
	scow_error *error = NULL;
	static struct heard heard;
	char *top = NULL;
	int code;

	(void) state;
	scow_container_config_set_tty(config, 1);
	scow_container_config_set_namespace(config, SCOW_NAMESPACE_NETWORK, "none");
	scow_container_config_set_health(config, test, 50, 0, 0, 0, 1);
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &container, &error), &error);
	events =
		open_stream(fixture.engine, UINT64_MAX, "{\"event\":[\"attach\",\"detach\",\"resize\",\"top\",\"health_status\"]}", &heard);
	expect_ok(scow_container_start_detached(container, &error), &error);
	await(events, &heard, 1);
	expect_ok(scow_container_attach(container, io, 0, &guest, &error), &error);
	expect_ok(scow_process_resize(guest, 33, 99, &error), &error);
	expect_ok(scow_container_top_json(container, &top, &error), &error);
	scow_free(top);
	scow_process_unref(guest);
	await(events, &heard, 5);
	assert_true(has(&heard, 2, "\"height\":\"33\"") && has(&heard, 2, "\"width\":\"99\""));
	expect_ok(scow_container_exec(container, program, NULL, &executed, &error), &error);
	expect_ok(scow_process_wait(executed, LONG_MS, &code, &error), &error);
	await(events, &heard, 6);
	/* Not one after the other: the exec's are left out. */
	for (size_t i = 0; seen[i]; i++)
		assert_true(has(&heard, i, seen[i]));
	expect_ok(scow_container_remove(container, SCOW_REMOVE_FORCE, &error), &error);
	forget(&heard);
}

static void test_images(void **state)
{
	static const char *const actions[] = { "tag", "untag", NULL };
	SCOW_AUTO(scow_events) *events = NULL;
	SCOW_AUTO(scow_error) *error = NULL;
	static struct heard heard;

	(void) state;
	events = open_stream(fixture.engine, UINT64_MAX, "{\"type\":[\"image\"]}", &heard);
	expect_ok(scow_image_tag(fixture.image, "localhost:5000/other:1", &error), &error);
	run_shell("true", NULL);
	expect_ok(scow_image_remove(fixture.engine, "localhost:5000/other:1", 0, NULL, &error), &error);
	take(events);
	assert_true(has(&heard, 0, "\"name\":\"localhost:5000/other:1\""));
	assert_true(has(&heard, 0, scow_image_id(fixture.image)));
	/* Other events came in between. */
	heard.numbers[1] = heard.numbers[0] + 1;
	expect_actions(&heard, actions);
	forget(&heard);
}

static size_t count_with(const char *filters)
{
	static struct heard heard;
	SCOW_AUTO(scow_events) *events = open_stream(fixture.engine, 0, filters, &heard);
	size_t count;

	take(events);
	count = heard.count;
	forget(&heard);
	return count;
}

static void test_filters(void **state)
{
	static const char *const bad[] = { "[]", "{", "x", "{\"colour\":[\"red\"]}", "{\"type\":\"container\"}", "{\"type\":[1]}" };
	SCOW_AUTO(scow_container_config) *config = shell_config("true");
	SCOW_AUTO(scow_events) *events = NULL;
	SCOW_AUTO(scow_error) *error = NULL;

	(void) state;
	scow_container_config_set_ephemeral(config, 1);
	scow_container_config_set_name(config, "events-filters");
	scow_container_config_add_label(config, "blue", "sky");
	expect_ok(scow_container_run(fixture.engine, fixture.image, config, NULL, NULL, &error), &error);
	assert_int_equal(count_with("{\"container\":[\"events-filters\"]}"), 4);
	assert_int_equal(count_with("{\"container\":{\"events-filters\":true}}"), 4);
	assert_int_equal(count_with("{\"container\":[\"events-filters\",\"nobody\"],\"event\":[\"die\",\"start\"]}"), 2);
	assert_int_equal(count_with("{\"container\":[\"nobody\"]}"), 0);
	assert_int_equal(count_with("{\"label\":[\"blue\"]}"), 4);
	assert_int_equal(count_with("{\"label\":[\"blue=sky\"],\"type\":[\"container\"],\"image\":[\"busybox\"]}"), 4);
	assert_int_equal(count_with("{\"label\":[\"blue=sky\",\"red\"]}"), 0);
	assert_int_equal(count_with("{\"label\":[\"blue=sk\"]}"), 0);
	assert_int_equal(count_with("{\"image\":[\"busybo\"]}"), 0);
	assert_true(count_with("{\"image\":[\"busybox\"]}") > 4);
	assert_int_equal(count_with("{\"network\":[\"x\"]}"), 0);
	assert_true(count_with("{\"type\":[]}") > 4);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		expect_error(scow_events_open(fixture.engine, 0, 0, 0, bad[i], hear, NULL, &events, &error), SCOW_E_INVALID, &error,
			     "filter");
	expect_error(scow_events_open(fixture.engine, 1 << 30, 0, 0, NULL, hear, NULL, &events, &error), SCOW_E_INVALID, &error, "journal");
	expect_error(scow_events_open(fixture.engine, 0, 0, 0, NULL, NULL, NULL, &events, &error), SCOW_E_INVALID, &error, NULL);
	expect_error(scow_events_dispatch(NULL, &error), SCOW_E_INVALID, &error, NULL);
	assert_null(scow_events_unref(NULL));
	assert_int_equal(scow_events_fd(NULL), -1);
}

static void test_callback_stops(void **state)
{
	SCOW_AUTO(scow_events) *events = NULL;
	SCOW_AUTO(scow_error) *error = NULL;
	static struct heard heard;

	(void) state;
	events = open_stream(fixture.engine, UINT64_MAX, NULL, &heard);
	run_shell("true", NULL);
	heard.stop_at = 2;
	expect_error(scow_events_dispatch(events, &error), SCOW_E_CANCELED, &error, "stopped");
	assert_int_equal(heard.count, 2);
	/* It goes on behind it. */
	assert_true(readable(events, 0));
	await(events, &heard, 4);
	for (size_t i = 1; i < 4; i++)
		assert_int_equal(heard.numbers[i], heard.numbers[i - 1] + 1);
	forget(&heard);
}

static void test_times(void **state)
{
	SCOW_AUTO(scow_error) *error = NULL;
	static struct heard heard;
	int64_t before = now(), between;

	(void) state;
	run_shell("true", NULL);
	between = now();
	run_shell("true", NULL);
	{
		SCOW_AUTO(scow_events) *events = NULL;

		memset(&heard, 0, sizeof(heard));
		expect_ok(scow_events_open(fixture.engine, 0, before, between, NULL, hear, &heard, &events, &error), &error);
		assert_int_equal(take(events), 0);
		assert_int_equal(heard.count, 4);
		forget(&heard);
	}
	{
		SCOW_AUTO(scow_events) *events = NULL;
		int64_t end = now() + 300000000;

		expect_ok(scow_events_open(fixture.engine, 0, between, end, NULL, hear, &heard, &events, &error), &error);
		assert_int_equal(take(events), 1);
		assert_int_equal(heard.count, 4);
		assert_true(readable(events, LONG_MS));
		assert_int_equal(take(events), 0);
		assert_true(now() >= end);
		assert_int_equal(heard.count, 4);
		forget(&heard);
	}
}

/* ---- many, from elsewhere ---- */

#define MANY 1000

static void *tag_many(void *data)
{
	scow_engine *other = fixture_open();
	scow_image *image = NULL;

	scow_image_get(other, "busybox", &image, NULL);
	for (int i = 0; i < MANY && image; i++)
		if (scow_image_tag(image, "events-many:1", NULL) < 0)
			break;
	scow_image_unref(image);
	scow_engine_unref(other);
	return data;
}

/* Readers that go and come back with their number while two others write: none missing, none twice. */
static void test_cursor(void **state)
{
	static struct heard heard;
	SCOW_AUTO(scow_events) *last = open_stream(fixture.engine, UINT64_MAX, NULL, &heard);
	SCOW_AUTO(scow_error) *error = NULL;
	pthread_t writers[2];
	uint64_t first, number;
	size_t count = 0;

	(void) state;
	expect_ok(scow_image_tag(fixture.image, "events-many:1", &error), &error);
	await(last, &heard, 1);
	first = number = heard.numbers[0];
	forget(&heard);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&writers[i], NULL, tag_many, NULL), 0);
	while (count < 2 * MANY) {
		SCOW_AUTO(scow_events) *events = open_stream(fixture.engine, number, NULL, &heard);
		size_t pieces = 1 + count % 3;

		while (pieces-- && count + heard.count < (size_t) 2 * MANY) {
			if (!readable(events, LONG_MS))
				fail_msg("nothing after event %llu", (unsigned long long) number);
			assert_int_equal(scow_events_dispatch(events, &error), 1);
		}
		for (size_t i = 0; i < heard.count; i++)
			assert_int_equal(heard.numbers[i], ++number);
		count += heard.count;
		forget(&heard);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(writers[i], NULL);
	assert_int_equal(number, first + 2 * MANY);
	/* The one that only waited has them all, too. */
	memset(&heard, 0, sizeof(heard));
	take(last);
	assert_int_equal(heard.count, 2 * MANY);
	forget(&heard);
	expect_ok(scow_image_remove(fixture.engine, "events-many:1", 0, NULL, &error), &error);
}

static void test_nothing_left(void **state)
{
	struct remains before = count_remains(), after;
	static struct heard heard;

	(void) state;
	for (int i = 0; i < 20; i++)
		scow_events_unref(open_stream(fixture.engine, 0, "{\"type\":[\"image\"]}", &heard));
	after = count_remains();
	assert_int_equal(before.descriptors, after.descriptors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_life_of_a_container, fixture_clear),
		cmocka_unit_test_teardown(test_killed_and_removed, fixture_clear),
		cmocka_unit_test_teardown(test_exec, fixture_clear),
		cmocka_unit_test_teardown(test_attached_and_checked, fixture_clear),
		cmocka_unit_test_teardown(test_images, fixture_clear),
		cmocka_unit_test_teardown(test_filters, fixture_clear),
		cmocka_unit_test_teardown(test_callback_stops, fixture_clear),
		cmocka_unit_test_teardown(test_times, fixture_clear),
		cmocka_unit_test_teardown(test_cursor, fixture_clear),
		cmocka_unit_test_teardown(test_nothing_left, fixture_clear),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
