/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Containers in one of the states of their life. */
#include "life.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void await_log(scow_container *container, const char *words)
{
	char path[512], text[4096];

	snprintf(path, sizeof(path), "%s/containers/%s/log.json", fixture.root, scow_container_id(container));
	for (int i = 0; i < 2000; i++) {
		FILE *file = fopen(path, "re");
		size_t size = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

		if (file)
			fclose(file);
		text[size] = 0;
		if (strstr(text, words))
			return;
		usleep(5000);
	}
	fail_msg("it never said '%s'", words);
}

struct life life_begin(const char *script, enum state state)
{
	SCOW_AUTO(scow_container_config) *config = shell_config(script);
	SCOW_AUTO(scow_io) *io = scow_io_new();
	struct life life = { NULL, NULL };
	scow_error *error = NULL;

	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &life.container, &error), &error);
	if (state == CREATED)
		return life;
	if (state == GONE) {
		expect_ok(scow_container_remove(life.container, 0, &error), &error);
		return life;
	}
	if (state == DETACHED || state == DETACHED_PAUSED) {
		expect_ok(scow_container_start_detached(life.container, &error), &error);
		await_log(life.container, "ready");
		if (state == DETACHED_PAUSED)
			expect_ok(scow_container_pause(life.container, &error), &error);
		return life;
	}
	scow_io_set_capture(io, 1 << 16);
	expect_ok(scow_container_start(life.container, io, &life.process, &error), &error);
	/* Its trap is set when it has said so. */
	for (size_t size = 0; !size;) {
		expect_ok(scow_process_dispatch(life.process, &error), &error);
		scow_process_output(life.process, SCOW_STDOUT, &size);
		usleep(1000);
	}
	if (state == PAUSED)
		expect_ok(scow_container_pause(life.container, &error), &error);
	if (state == EXITED)
		expect_ok(scow_container_stop(life.container, 0, &error), &error);
	return life;
}

void life_end(struct life *life)
{
	scow_container_remove(life->container, SCOW_REMOVE_FORCE, NULL);
	life->process = scow_process_unref(life->process);
	life->container = scow_container_unref(life->container);
}

bool can_limit(void)
{
	return !scow_engine_rootless(fixture.engine);
}

char *life_document(struct life *life, int (*get)(scow_container *, char **, scow_error **))
{
	scow_error *error = NULL;
	char *text = NULL;

	expect_ok(get(life->container, &text, &error), &error);
	return text;
}

void expect_in(char *text, const char *words)
{
	if (!strstr(text, words))
		fail_msg("'%s' is not in %s", words, text);
}

double number_in(char *text, const char *name)
{
	const char *at;
	char key[64];

	snprintf(key, sizeof(key), "\"%s\":", name);
	at = strstr(text, key);
	if (!at)
		fail_msg("%s is not in %s", name, text);
	return strtod(at + strlen(key), NULL);
}

static void *wait_in_thread(void *data)
{
	struct waiting *waiting = data;

	waiting->result = scow_container_wait_for(waiting->container, waiting->condition, 20000, &waiting->code, NULL);
	return NULL;
}

void start_waiting(struct waiting *waiting, struct life *life, scow_wait_condition condition)
{
	*waiting = (struct waiting){ .container = life->container, .condition = condition, .code = -1 };
	assert_int_equal(pthread_create(&waiting->thread, NULL, wait_in_thread, waiting), 0);
	usleep(20000);
}
