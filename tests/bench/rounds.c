/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rounds N COMMAND... [-- COMMAND...]...: runs the commands in turn, N rounds, and prints one line each:
 * median and 10th percentile of the wall time in microseconds, and how many failed. Interleaved, so that a
 * noisy machine is noisy for all of them alike; with ROUNDS_PAUSE_MS before each, because the kernel takes
 * down the namespaces of the one before for about 100 ms, and that is charged to the next. posix_spawn by hand:
 * a shell or Python would cost more than what is measured.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "timing.h"

extern char **environ;

int main(int argc, char **argv)
{
	char **commands[32];
	double *times[32];
	int n = 0, failed[32] = { 0 }, rounds = argc > 2 ? atoi(argv[1]) : 0;
	long pause_ms = getenv("ROUNDS_PAUSE_MS") ? atol(getenv("ROUNDS_PAUSE_MS")) : 0;
	struct timespec pause = { pause_ms / 1000, pause_ms % 1000 * 1000000 };
	posix_spawn_file_actions_t quiet;

	if (rounds < 1)
		return fprintf(stderr, "usage: rounds N COMMAND... [-- COMMAND...]...\n"), 2;
	for (int i = 2, start = 2; i <= argc && n < 32; i++) {
		if (i < argc && strcmp(argv[i], "--") != 0)
			continue;
		argv[i] = NULL;
		commands[n] = argv + start;
		times[n++] = calloc((size_t) rounds, sizeof(double));
		start = i + 1;
	}
	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
	for (int round = -1; round < rounds; round++) { /* the first warms up */
		for (int i = 0; i < n; i++) {
			double start;
			int status = -1;
			pid_t pid;

			if (pause_ms)
				nanosleep(&pause, NULL);
			start = now_us();
			if (posix_spawnp(&pid, commands[i][0], &quiet, NULL, commands[i], environ) == 0)
				while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
					;
			if (round >= 0) {
				times[i][round] = now_us() - start;
				failed[i] += status != 0;
			}
		}
	}
	for (int i = 0; i < n; i++) {
		sort_times(times[i], rounds);
		printf("%.0f %.0f %d\n", times[i][rounds / 2], times[i][rounds / 10], failed[i]);
	}
	return 0;
}
