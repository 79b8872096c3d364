/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is told of containers: top, stats, health, lists with filters, disk usage, and pruning by that. */
#include "life.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Ends with 7 on SIGTERM; "busy" also works without a pause. */
static const char patient[] = "trap 'exit 7' TERM; sleep 1000 & echo ready; wait";
static const char busy[] = "trap 'exit 7' TERM; echo ready; while :; do :; done";

/* ---- top and stats ---- */

static void test_top(void **state)
{
	struct life life = life_begin(patient, RUNNING);
	scow_error *error = NULL;
	char pid[40], *text = life_document(&life, scow_container_top_json);

	(void) state;
	for (int i = 0; i < 500 && !strstr(text, "\"sleep 1000\""); i++) { /* forked, and not yet that */
		scow_free(text);
		usleep(10000);
		text = life_document(&life, scow_container_top_json);
	}
	expect_in(text, "{\"Titles\":[\"UID\",\"PID\",\"PPID\",\"C\",\"STIME\",\"TTY\",\"TIME\",\"CMD\"],\"Processes\":[[\"");
	snprintf(pid, sizeof(pid), "\"%d\"", scow_container_pid(life.container, NULL));
	expect_in(text, pid);
	expect_in(text, "\"?\",\"00:00:00\",\"sleep 1000\"]");
	scow_free(text);
	expect_error(scow_container_top_json(life.container, NULL, &error), SCOW_E_INVALID, &error, "no place");
	life_end(&life);
}

static void test_stats(void **state)
{
	struct life life;
	double before, system;
	char *text;

	(void) state;
	if (!can_limit())
		skip();
	life = life_begin(busy, RUNNING);
	text = life_document(&life, scow_container_stats_json);
	before = number_in(text, "total_usage");
	system = number_in(text, "system_cpu_usage");
	assert_true(number_in(text, "online_cpus") == (double) sysconf(_SC_NPROCESSORS_ONLN));
	assert_true(number_in(text, "usage") > 0);
	assert_true(number_in(text, "limit") > 0);
	assert_true(number_in(text, "current") >= 1);
	expect_in(text, "inactive_file\":");
	expect_in(text, "\"precpu_stats\":{\"cpu_usage\":{\"total_usage\":0");
	expect_in(text, "\"io_service_bytes_recursive\":[");
	assert_null(strstr(text, "\"networks\"")); /* it has none but lo */
	scow_free(text);
	usleep(300000);
	text = life_document(&life, scow_container_stats_json);
	assert_true(number_in(text, "total_usage") > before + 1e6);
	assert_true(number_in(text, "system_cpu_usage") > system);
	scow_free(text);
	life_end(&life);
	life = life_begin(patient, EXITED);
	text = life_document(&life, scow_container_stats_json);
	assert_true(number_in(text, "total_usage") == 0);
	expect_in(text, "\"read\":\"0001-01-01T00:00:00Z\"");
	scow_free(text);
	life_end(&life);
}

/* ---- lists ---- */

static void expect_listed(const char *filters, const char *names)
{
	SCOW_AUTO(scow_iter) *iter = NULL;
	scow_container *container;
	scow_error *error = NULL;
	char found[256] = "";

	expect_ok(scow_container_list_filtered(fixture.engine, 0, filters, &iter, &error), &error);
	while ((container = scow_iter_next_container(iter))) {
		strcat(found, *found ? " " : "");
		strcat(found, scow_container_name(container));
	}
	if (strcmp(found, names) != 0)
		fail_msg("%s: '%s' instead of '%s'", filters ? filters : "no filters", found, names);
}

static scow_container *make(const char *name, const char *script, const char *label, const char *value)
{
	SCOW_AUTO(scow_container_config) *config = shell_config(script);
	scow_container *container = NULL;
	scow_error *error = NULL;

	scow_container_config_set_name(config, name);
	scow_container_config_add_label(config, label, value);
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &container, &error), &error);
	return container;
}

static void refuse_filters(const char *filters, scow_status status, const char *words)
{
	SCOW_AUTO(scow_iter) *iter = NULL;
	scow_error *error = NULL;

	expect_error(scow_container_list_filtered(fixture.engine, 0, filters, &iter, &error), status, &error, words);
}

static void test_filters(void **state)
{
	SCOW_AUTO(scow_container) *first = make("first", "exit 4", "kind", "a"), *second = make("second", "sleep 1000", "kind", "b");
	SCOW_AUTO(scow_container) *third = make("third-1", "true", "other", "");
	SCOW_AUTO(scow_process) *ended = NULL, *running = NULL;
	scow_error *error = NULL;
	char text[160];

	(void) state;
	(void) third;
	expect_ok(scow_container_start(first, NULL, &ended, &error), &error);
	expect_ok(scow_process_wait(ended, 10000, NULL, &error), &error);
	expect_ok(scow_container_start(second, NULL, &running, &error), &error);
	expect_listed(NULL, "second");
	expect_listed("{}", "second");
	expect_listed("{\"status\":[\"exited\",\"created\"]}", "third-1 first");
	expect_listed("{\"status\":{\"running\":true}}", "second");
	expect_listed("{\"exited\":[\"4\"]}", "first");
	expect_listed("{\"exited\":[\"0\"]}", "");
	expect_listed("{\"status\":[\"created\"],\"exited\":[\"0\"]}", "");
	expect_listed("{\"since\":[\"first\"]}", "third-1 second");
	expect_listed("{\"before\":[\"second\"]}", "first");
	expect_listed("{\"before\":[\"third-1\"],\"since\":[\"first\"]}", "second");
	expect_listed("{\"label\":[\"kind\"]}", "second");
	expect_listed("{\"label\":[\"kind=a\"],\"status\":[\"exited\"]}", "first");
	expect_listed("{\"label\":[\"kind\",\"other\"]}", "");
	expect_listed("{\"label!\":[\"kind=b\"],\"status\":[\"exited\",\"running\"]}", "first");
	expect_listed("{\"name\":[\"^/?sec\"]}", "second");
	expect_listed("{\"name\":[\"ir\"],\"status\":[\"created\",\"exited\"]}", "third-1 first");
	expect_listed("{\"name\":[\"nothing\"]}", "");
	expect_listed("{\"ancestor\":[\"busybox\"]}", "second");
	expect_listed("{\"ancestor\":[\"nothing\"]}", "");
	snprintf(text, sizeof(text), "{\"id\":[\"%.12s\"]}", scow_container_id(second));
	expect_listed(text, "second");
	refuse_filters("{\"colour\":[\"red\"]}", SCOW_E_INVALID, "'colour' is not a filter");
	refuse_filters("{\"status\":[\"asleep\"]}", SCOW_E_INVALID, "'asleep'");
	refuse_filters("{\"status\":\"exited\"}", SCOW_E_INVALID, "neither a list");
	refuse_filters("{\"exited\":[\"x\"]}", SCOW_E_INVALID, "'x'");
	refuse_filters("{\"name\":[\"(\"]}", SCOW_E_INVALID, "regular expression");
	refuse_filters("{\"since\":[\"nobody\"]}", SCOW_E_NOT_FOUND, "nobody");
	refuse_filters("[]", SCOW_E_INVALID, "object");
	refuse_filters("{", SCOW_E_INVALID, "JSON");
}

static void test_health(void **state)
{
	static const char *const test[] = { "CMD-SHELL", "echo fine; test -e /well", NULL };
	SCOW_AUTO(scow_container_config) *config = shell_config("sleep 1000");
	struct life life = { NULL, NULL };
	scow_error *error = NULL;
	char *text = NULL;
	bool ill = false;

	(void) state;
	scow_container_config_set_name(config, "patient");
	scow_container_config_set_health(config, test, 100, 0, 0, 0, 2);
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &life.container, &error), &error);
	expect_listed("{\"status\":[\"created\"],\"health\":[\"none\"]}", "patient");
	expect_ok(scow_container_start_detached(life.container, &error), &error);
	for (int i = 0; i < 1000 && !ill; i++) {
		scow_free(text);
		text = life_document(&life, scow_container_inspect_json);
		ill = strstr(text, "\"Health\":{\"Status\":\"unhealthy\"") != NULL;
		usleep(10000);
	}
	assert_true(ill);
	expect_in(text, "\"ExitCode\":1,\"Output\":\"fine\\n\"");
	scow_free(text);
	expect_listed("{\"health\":[\"unhealthy\",\"starting\"]}", "patient");
	expect_listed("{\"health\":[\"healthy\"]}", "");
	assert_non_null(strstr(scow_container_status_text(life.container), "(unhealthy)"));
	life_end(&life);
}

/* What the list saw, which is what each says of itself; one that waits for its restart is not one that runs. */
static void test_listed(void **state)
{
	SCOW_AUTO(scow_container_config) *config = shell_config("exit 3");
	SCOW_AUTO(scow_container) *created = make("waiting", "true", "kind", "b"), *again = NULL;
	SCOW_AUTO(scow_iter) *iter = NULL;
	struct life life = life_begin(patient, RUNNING);
	scow_container *container;
	scow_error *error = NULL;
	unsigned int found = 0;

	(void) state;
	scow_container_config_set_name(config, "again");
	scow_container_config_set_restart(config, SCOW_RESTART_ALWAYS, 0);
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &again, &error), &error);
	expect_ok(scow_container_start_detached(again, &error), &error);
	assert_null(scow_container_listed(created, SCOW_LISTED_STATE));
	assert_null(scow_container_listed(NULL, SCOW_LISTED_STATE));
	expect_ok(scow_container_list(fixture.engine, SCOW_LIST_ALL, &iter, &error), &error);
	while ((container = scow_iter_next_container(iter))) {
		const char *name = scow_container_name(container);

		found++;
		assert_non_null(scow_container_listed(container, SCOW_LISTED_STATE));
		assert_string_equal(scow_container_listed(container, SCOW_LISTED_PORTS), "{}");
		if (strcmp(name, "again") == 0)
			continue;
		assert_string_equal(scow_container_listed(container, SCOW_LISTED_STATE), strcmp(name, "waiting") ? "running" : "created");
		assert_memory_equal(scow_container_listed(container, SCOW_LISTED_STATUS), scow_container_status_text(container), 2);
		assert_string_equal(scow_container_listed(container, SCOW_LISTED_LABELS),
				    strcmp(name, "waiting") ? "{}" : "{\"kind\":\"b\"}");
	}
	assert_int_equal(found, 3);
	/* In the pause before it is started again, which is short at first. */
	for (found = 0; !found; usleep(10000)) {
		iter = scow_iter_unref(iter);
		expect_ok(scow_container_list_filtered(fixture.engine, 0, "{\"status\":[\"restarting\"]}", &iter, &error), &error);
		found = (unsigned int) scow_iter_count(iter);
	}
	assert_non_null(strstr(scow_container_listed(scow_iter_next_container(iter), SCOW_LISTED_STATUS), "Restarting (3)"));
	life_end(&life);
}

/* ---- usage ---- */

static void test_df_and_prune(void **state)
{
	SCOW_AUTO(scow_container) *writer = make("writer", "dd if=/dev/zero of=/big bs=1k count=300 2>/dev/null", "kind", "a");
	SCOW_AUTO(scow_container) *kept = make("kept", "true", "keep", "");
	struct life life = life_begin(patient, RUNNING);
	scow_error *error = NULL;
	SCOW_AUTO(scow_process) *process = NULL;
	uint64_t written = 0, total = 0;
	scow_iter *images = NULL;
	char *text = NULL;

	(void) state;
	expect_ok(scow_container_start(writer, NULL, &process, &error), &error);
	expect_ok(scow_process_wait(process, 10000, NULL, &error), &error);
	expect_ok(scow_container_size(writer, &written, &total, &error), &error);
	assert_int_equal(written, 300 << 10);
	assert_true(total > written);
	expect_ok(scow_engine_df_json(fixture.engine, &text, &error), &error);
	expect_in(text, "\"SizeRw\":307200");
	expect_in(text, "\"RepoTags\":[\"busybox:latest\"]");
	expect_in(text, "\"Containers\":3");
	expect_in(text, "\"Volumes\":[]");
	assert_true(number_in(text, "LayersSize") == (double) (total - written));
	scow_free(text);
	expect_error(scow_engine_prune_containers(fixture.engine, "{\"until\":[\"soon\"]}", &text, &error), SCOW_E_INVALID, &error,
		     "'soon'");
	expect_ok(scow_engine_prune_containers(fixture.engine, "{\"until\":[\"1h\"]}", &text, &error), &error);
	expect_in(text, "\"ContainersDeleted\":[]");
	scow_free(text);
	expect_ok(scow_engine_prune_containers(fixture.engine, "{\"label!\":[\"keep\"]}", &text, &error), &error);
	expect_in(text, scow_container_id(writer));
	expect_in(text, "\"SpaceReclaimed\":307200");
	scow_free(text);
	assert_int_equal(scow_container_state_now(writer, NULL), SCOW_E_NOT_FOUND);
	assert_int_equal(scow_container_state_now(kept, NULL), SCOW_CONTAINER_CREATED);
	assert_int_equal(scow_container_state_now(life.container, NULL), SCOW_CONTAINER_RUNNING);
	/* The image is in use, and so is nothing to prune. */
	expect_ok(scow_image_prune(fixture.engine, 1, NULL, &text, &error), &error);
	assert_string_equal(text, "{\"ImagesDeleted\":[],\"SpaceReclaimed\":0}");
	scow_free(text);
	expect_error(scow_image_prune(fixture.engine, 0, "{\"dangling\":[\"perhaps\"]}", &text, &error), SCOW_E_INVALID, &error, "perhaps");
	expect_ok(scow_image_list_filtered(fixture.engine, "{\"dangling\":[\"false\"],\"until\":[\"2100-01-01\"]}", &images, &error),
		  &error);
	assert_non_null(scow_iter_next_image(images));
	images = scow_iter_unref(images);
	expect_error(scow_image_list_filtered(fixture.engine, "{\"before\":[\"nothing\"]}", &images, &error), SCOW_E_NOT_FOUND, &error,
		     "filter before");
	expect_error(scow_image_list_filtered(fixture.engine, "[]", &images, &error), SCOW_E_INVALID, &error, "no JSON object");
	expect_ok(scow_engine_prune_containers(fixture.engine, NULL, NULL, &error), &error);
	assert_int_equal(scow_container_state_now(kept, NULL), SCOW_E_NOT_FOUND);
	life_end(&life);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_top, fixture_clear),     cmocka_unit_test_teardown(test_stats, fixture_clear),
		cmocka_unit_test_teardown(test_filters, fixture_clear), cmocka_unit_test_teardown(test_health, fixture_clear),
		cmocka_unit_test_teardown(test_listed, fixture_clear),  cmocka_unit_test_teardown(test_df_and_prune, fixture_clear),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
