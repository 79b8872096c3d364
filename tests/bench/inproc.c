/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * inproc ROOT IMAGE N [THREADS [COMMAND...]]: runs a command (default /bin/true) N times in throw-away containers of one process,
 * from THREADS threads, and prints: median, 10th percentile and mean microseconds of one run, and runs a second.
 * On $BENCH_NETWORK, or none. With a count of descriptors, memory, mounts, children and directories of containers before and after, and
 * an exit code of 1 where any grew.
 */
#include <scow/cleanup.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "timing.h"

static const char *const default_command[] = { "/bin/true", NULL };

struct job {
	scow_engine *engine;
	scow_image *image;
	const char *const *command;
	double *times;
	int count, failed;
};

static void *work(void *data)
{
	struct job *job = data;
	SCOW_AUTO(scow_container_config) *config = scow_container_config_new();

	scow_container_config_set_ephemeral(config, 1);
	scow_container_config_set_command(config, job->command);
	scow_container_config_add_network(config, getenv("BENCH_NETWORK") ? getenv("BENCH_NETWORK") : "none", NULL);
	for (int i = 0; i < job->count; i++) {
		SCOW_AUTO(scow_error) *error = NULL;
		double start = now_us();
		int code = scow_container_run(job->engine, job->image, config, NULL, NULL, &error);

		job->times[i] = now_us() - start;
		if (code != 0) {
			job->failed++;
			fprintf(stderr, "inproc: %d %s\n", code, scow_error_message(error));
		}
	}
	return NULL;
}

static int count_dir(const char *path)
{
	DIR *dir = opendir(path);
	int n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

static int count_lines(const char *path, const char *with)
{
	FILE *file = fopen(path, "r");
	char line[4096];
	int n = 0;

	while (file && fgets(line, sizeof(line), file))
		n += strstr(line, with) != NULL;
	if (file)
		fclose(file);
	return n;
}

static long rss_kib(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	long size, rss = 0;

	if (file && fscanf(file, "%ld %ld", &size, &rss) != 2)
		rss = 0;
	if (file)
		fclose(file);
	return rss * (sysconf(_SC_PAGESIZE) / 1024);
}

struct held {
	int fds, mounts, children, dirs;
	long rss;
};

static struct held look(scow_engine *engine)
{
	char path[4200], tasks[64];
	struct held held = { .fds = count_dir("/proc/self/fd"), .mounts = count_lines("/proc/self/mountinfo", ""), .rss = rss_kib() };

	snprintf(path, sizeof(path), "%s/containers", scow_engine_root(engine));
	held.dirs = count_dir(path);
	snprintf(tasks, sizeof(tasks), "/proc/self/task/%d/children", getpid());
	FILE *file = fopen(tasks, "r");
	for (int pid; file && fscanf(file, "%d", &pid) == 1;)
		held.children++;
	if (file)
		fclose(file);
	return held;
}

int main(int argc, char **argv)
{
	SCOW_AUTO(scow_error) *error = NULL;
	SCOW_AUTO(scow_engine) *engine = NULL;
	SCOW_AUTO(scow_image) *image = NULL;
	SCOW_AUTO(scow_engine_options) *options = scow_engine_options_new();
	int count = argc > 3 ? atoi(argv[3]) : 0, threads = argc > 4 ? atoi(argv[4]) : 1, failed = 0;
	double total, *times;
	struct held before, after;

	if (count < 1 || threads < 1 || threads > 64)
		return fprintf(stderr, "usage: inproc ROOT IMAGE N [THREADS [COMMAND...]]\n"), 2;
	scow_engine_options_set_root(options, argv[1]);
	if (scow_engine_open(options, &engine, &error) < 0 || scow_image_get(engine, argv[2], &image, &error) < 0)
		return fprintf(stderr, "inproc: %s\n", scow_error_message(error)), 1;

	const char *const *command = argc > 5 ? (const char *const *) argv + 5 : default_command;
	struct job warm = { engine, image, command, (double[3]){ 0 }, 3, 0 }, jobs[64];
	work(&warm);
	before = look(engine);
	times = calloc((size_t) count * (size_t) threads, sizeof(*times));
	for (int i = 0; i < threads; i++)
		jobs[i] = (struct job){ engine, image, command, times + (long) i * count, count, 0 };
	total = run_jobs(work, jobs, sizeof(*jobs), threads);
	after = look(engine);
	for (int i = 0; i < threads; i++)
		failed += jobs[i].failed;
	count *= threads;
	print_times(times, count);
	printf(", %.0f runs/s, %d failed\n", count / (total / 1e6), failed);
	free(times);
	printf("before/after: fds %d/%d, mounts %d/%d, children %d/%d, container dirs %d/%d, rss %ld/%ld KiB\n", before.fds, after.fds,
	       before.mounts, after.mounts, before.children, after.children, before.dirs, after.dirs, before.rss, after.rss);
	return failed || warm.failed || after.fds > before.fds || after.mounts > before.mounts || after.children > before.children ||
	       after.dirs > before.dirs || after.rss > before.rss + 4096 + 512 * threads;
}
