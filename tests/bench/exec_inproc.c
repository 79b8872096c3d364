/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * exec_inproc ROOT IMAGE N [THREADS [FLOOR [FILTER]]]: starts a container that sleeps, executes /bin/true in it N times from each of
 * THREADS threads, and prints median, 10th percentile and mean microseconds of one exec with its wait. With FLOOR, the path of exec_floor,
 * that runs on the same container before and after, for comparison: FILTER is the raw BPF program that it loads.
 */
#include <scow/cleanup.h>
#include <stdio.h>
#include <stdlib.h>

#include "timing.h"

static const char *const sleeper[] = { "sleep", "100000", NULL };
static const char *const command[] = { "/bin/true", NULL };

struct job {
	scow_container *container;
	double *times;
	int count, failed;
};

static void *work(void *data)
{
	struct job *job = data;
	SCOW_AUTO(scow_process_config) *config = scow_process_config_new(command);

	for (int i = 0; i < job->count; i++) {
		SCOW_AUTO(scow_error) *error = NULL;
		SCOW_AUTO(scow_process) *process = NULL;
		double start = now_us();
		int code = -1, r = scow_container_exec(job->container, config, NULL, &process, &error);

		if (r == 0)
			r = scow_process_wait(process, -1, &code, &error);
		process = scow_process_unref(process);
		job->times[i] = now_us() - start;
		if (code != 0) {
			job->failed++;
			fprintf(stderr, "exec_inproc: %d %s\n", code, scow_error_message(error));
		}
	}
	return NULL;
}

static void run_floor(int argc, char **argv, int pid, int count)
{
	static const char *const own[] = { "", " own" };

	for (int i = 0; argc > 5 && i < 2; i++) {
		char line[1024];

		snprintf(line, sizeof(line), "%s %d %d '%s'%s", argv[5], pid, count, argc > 6 ? argv[6] : "", own[i]);
		printf("floor%s: ", own[i]);
		fflush(stdout);
		if (system(line) != 0)
			fprintf(stderr, "exec_inproc: the floor failed\n");
	}
}

int main(int argc, char **argv)
{
	SCOW_AUTO(scow_error) *error = NULL;
	SCOW_AUTO(scow_engine) *engine = NULL;
	SCOW_AUTO(scow_image) *image = NULL;
	SCOW_AUTO(scow_container) *container = NULL;
	SCOW_AUTO(scow_process) *process = NULL;
	SCOW_AUTO(scow_engine_options) *options = scow_engine_options_new();
	SCOW_AUTO(scow_container_config) *config = scow_container_config_new();
	int count = argc > 3 ? atoi(argv[3]) : 0, threads = argc > 4 ? atoi(argv[4]) : 1, failed = 0;
	struct job jobs[THREADS_MAX];
	double total, *times;

	if (count < 1 || threads < 1 || threads > THREADS_MAX)
		return fprintf(stderr, "usage: exec_inproc ROOT IMAGE N [THREADS [FLOOR [FILTER]]]\n"), 2;
	scow_engine_options_set_root(options, argv[1]);
	scow_container_config_set_ephemeral(config, 1);
	scow_container_config_set_command(config, sleeper);
	if (scow_engine_open(options, &engine, &error) < 0 || scow_image_get(engine, argv[2], &image, &error) < 0 ||
	    scow_container_create(engine, image, config, &container, &error) < 0 ||
	    scow_container_start(container, NULL, &process, &error) < 0)
		return fprintf(stderr, "exec_inproc: %s\n", scow_error_message(error)), 1;
	run_floor(argc, argv, scow_process_pid(process), count);
	times = calloc((size_t) count * (size_t) threads, sizeof(*times));
	jobs[0] = (struct job){ container, times, 1, 0 };
	work(&jobs[0]);
	for (int i = 0; i < threads; i++)
		jobs[i] = (struct job){ container, times + (long) i * count, count, 0 };
	total = run_jobs(work, jobs, sizeof(*jobs), threads);
	for (int i = 0; i < threads; i++)
		failed += jobs[i].failed;
	count *= threads;
	printf("exec: ");
	print_times(times, count);
	printf(", %.0f a second, %d failed\n", count / (total / 1e6), failed);
	run_floor(argc, argv, scow_process_pid(process), count / threads);
	free(times);
	return failed != 0;
}
