/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The clock of the bench programs, what they say of many times, and a job done by several threads. */
#pragma once

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec * 1e6 + (double) t.tv_nsec / 1e3;
}

static inline int compare_times(const void *a, const void *b)
{
	double x = *(const double *) a, y = *(const double *) b;

	return x < y ? -1 : x > y;
}

static inline void sort_times(double *times, int count)
{
	qsort(times, (size_t) count, sizeof(*times), compare_times);
}

/* Sorts them. The line is the caller's to end. */
static inline void print_times(double *times, int count)
{
	double mean = 0;

	sort_times(times, count);
	for (int i = 0; i < count; i++)
		mean += times[i] / count;
	printf("median %.0f p10 %.0f mean %.0f us", times[count / 2], times[count / 10], mean);
}

#define THREADS_MAX 256
/* Does @work with each of @count @jobs of @size bytes, at once; one alone on this thread. How long that took, in microseconds. */
static inline double run_jobs(void *(*work)(void *job), void *jobs, size_t size, int count)
{
	pthread_t ids[THREADS_MAX];
	double start = now_us();

	if (count == 1)
		work(jobs);
	for (int i = 0; count > 1 && i < count; i++)
		pthread_create(&ids[i], NULL, work, (char *) jobs + (size_t) i * size);
	for (int i = 0; count > 1 && i < count; i++)
		pthread_join(ids[i], NULL);
	return now_us() - start;
}
