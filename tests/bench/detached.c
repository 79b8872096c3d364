/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * detached ROOT IMAGE COUNT THREADS: one program that starts COUNT detached containers of `sleep` from THREADS threads, looks at all of
 * them in each way, and stops and removes them. Prints a line for each: what, milliseconds together.
 */
#include <scow/cleanup.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "timing.h"

static scow_engine *engine;
static scow_image *image;
static scow_container **containers;
static int count;
static atomic_int next, failed;

static int start_one(int i, scow_error **error)
{
	SCOW_AUTO(scow_container_config) *config = scow_container_config_new();
	static const char *const command[] = { "sleep", "1000000", NULL };
	int r;

	scow_container_config_set_command(config, command);
	scow_container_config_set_namespace(config, SCOW_NAMESPACE_NETWORK, "none");
	r = scow_container_create(engine, image, config, &containers[i], error);
	return r < 0 ? r : scow_container_start_detached(containers[i], error);
}

static int inspect_one(int i, scow_error **error)
{
	char *json = NULL;
	int r = scow_container_inspect_json(containers[i], &json, error);

	scow_free(json);
	return r;
}

static int stats_one(int i, scow_error **error)
{
	char *json = NULL;
	int r = scow_container_stats_json(containers[i], &json, error);

	scow_free(json);
	return r;
}

static int stop_one(int i, scow_error **error)
{
	return scow_container_stop(containers[i], 0, error);
}

static int remove_one(int i, scow_error **error)
{
	int r = scow_container_remove(containers[i], SCOW_REMOVE_FORCE, error);

	containers[i] = scow_container_unref(containers[i]);
	return r;
}

static int (*job)(int i, scow_error **error);

static void *work(void *unused)
{
	(void) unused;
	for (int i; (i = atomic_fetch_add(&next, 1)) < count;) {
		SCOW_AUTO(scow_error) *error = NULL;

		if (job(i, &error) < 0 && atomic_fetch_add(&failed, 1) < 3)
			fprintf(stderr, "%s\n", scow_error_message(error));
	}
	return NULL;
}

static void measure(const char *what, int (*one)(int i, scow_error **error), int threads)
{
	job = one;
	atomic_store(&next, 0);
	printf("%s %.2f\n", what, run_jobs(work, NULL, 0, threads) / 1e3);
	fflush(stdout);
}

static void list_all(void)
{
	SCOW_AUTO(scow_iter) *iter = NULL;
	double begun = now_us();
	int found;

	if (scow_container_list(engine, 0, &iter, NULL) < 0)
		atomic_fetch_add(&failed, 1);
	found = scow_iter_count(iter) == (size_t) count;
	printf("list %.2f\n", (now_us() - begun) / 1e3);
	if (!found)
		atomic_fetch_add(&failed, 1);
}

int main(int argc, char **argv)
{
	SCOW_AUTO(scow_engine_options) *options = scow_engine_options_new();
	SCOW_AUTO(scow_error) *error = NULL;
	int threads = argc > 4 ? atoi(argv[4]) : 0;

	count = argc > 3 ? atoi(argv[3]) : 0;
	if (count < 1 || threads < 1 || threads > THREADS_MAX)
		return fprintf(stderr, "usage: detached ROOT IMAGE COUNT THREADS\n"), 2;
	containers = calloc((size_t) count, sizeof(*containers));
	scow_engine_options_set_root(options, argv[1]);
	if (scow_engine_open(options, &engine, &error) < 0 || scow_image_get(engine, argv[2], &image, &error) < 0)
		return fprintf(stderr, "%s\n", scow_error_message(error)), 1;
	measure("start", start_one, threads);
	/* Whoever measures what stays beside them has a moment for it. */
	printf("running\n");
	fflush(stdout);
	if (getchar() == EOF && ferror(stdin))
		return 1;
	list_all();
	measure("inspect", inspect_one, 1);
	measure("stats", stats_one, 1);
	measure("stop", stop_one, threads);
	measure("remove", remove_one, threads);
	scow_image_unref(image);
	scow_engine_unref(engine);
	free(containers);
	return failed != 0;
}
