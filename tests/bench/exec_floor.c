/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * exec_floor PID N [FILTER [own]]: what the kernel charges for one more program in a container. A bare program that joins, N times, the
 * cgroups and namespaces of PID, drops capabilities, loads the seccomp filter (a raw BPF program) and executes /bin/true there, and waits
 * for it. No plan, no helper program, no checks of whose PID it is. "own": in a freezer cgroup of its own, made and removed each time.
 * Prints median, 10th percentile and mean microseconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "floor.h"
#include "timing.h"

#define NAMESPACES (CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS | CLONE_NEWCGROUP)

static char cgroups[16][256], own_dir[256];
static int n_cgroups;
static struct sock_fprog filter;
static bool own;

static void find_cgroups(int pid)
{
	char line[512], path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file) && n_cgroups < 16) {
		char *name = strchr(line, ':') + 1, *at = strchr(name, ':');

		*at++ = 0;
		at[strcspn(at, "\n")] = 0;
		if (!strstr(at, "scow-"))
			continue;
		if (own && strcmp(name, "freezer") == 0) {
			snprintf(own_dir, sizeof(own_dir), "/sys/fs/cgroup/%s%.200s/exec-floor", name, at);
			snprintf(cgroups[n_cgroups++], sizeof(*cgroups), "%.240s/tasks", own_dir);
		} else {
			snprintf(cgroups[n_cgroups++], sizeof(*cgroups), "/sys/fs/cgroup/%s%.200s/tasks", name, at);
		}
	}
	if (file)
		fclose(file);
}

static void joiner(int target, const int *tasks, int report)
{
	struct clone_args args = { .flags = CLONE_PARENT };
	long pid;

	for (int i = 0; i < n_cgroups; i++)
		if (write(tasks[i], "0", 1) < 0)
			die("tasks");
	if (setns(target, NAMESPACES) < 0)
		die("setns");
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0)
		die("clone3");
	if (pid == 0)
		run_true(&filter);
	(void) !write(report, &pid, sizeof(pid));
	_exit(0);
}

static double once(int pid)
{
	int pidfd = -1, target, tasks[16], report[2], status;
	struct clone_args args = { .flags = CLONE_PIDFD, .pidfd = (uint64_t) (uintptr_t) &pidfd, .exit_signal = SIGCHLD };
	double start = now_us();
	pid_t first;
	long child;

	target = (int) syscall(SYS_pidfd_open, pid, 0);
	if (own && mkdir(own_dir, 0755) < 0)
		die(own_dir);
	for (int i = 0; i < n_cgroups; i++)
		if ((tasks[i] = open(cgroups[i], O_WRONLY | O_CLOEXEC)) < 0)
			die(cgroups[i]);
	if (pipe2(report, O_CLOEXEC) < 0)
		die("pipe2");
	first = (pid_t) syscall(SYS_clone3, &args, sizeof(args));
	if (first < 0)
		die("clone3");
	if (first == 0)
		joiner(target, tasks, report[1]);
	/* The program's pid is one of its own namespace; any child of ours is it. */
	if (read(report[0], &child, sizeof(child)) != sizeof(child))
		die("read");
	for (int i = 0; i < n_cgroups; i++)
		close(tasks[i]);
	close(report[0]), close(report[1]);
	for (int left = 2; left; left--)
		if (waitpid(-1, &status, 0) < 0 || status)
			die("waitpid");
	close(pidfd), close(target);
	if (own && rmdir(own_dir) < 0)
		die("rmdir");
	return now_us() - start;
}

int main(int argc, char **argv)
{
	int pid = argc > 1 ? atoi(argv[1]) : 0, count = argc > 2 ? atoi(argv[2]) : 0;
	double *times;

	if (pid < 1 || count < 1)
		return fprintf(stderr, "usage: exec_floor PID N [FILTER [own]]\n"), 2;
	if (argc > 3 && argv[3][0])
		read_filter(argv[3], &filter);
	own = argc > 4;
	find_cgroups(pid);
	times = calloc((size_t) count, sizeof(*times));
	once(pid);
	for (int i = 0; i < count; i++)
		times[i] = once(pid);
	print_times(times, count);
	puts("");
	free(times);
	return 0;
}
