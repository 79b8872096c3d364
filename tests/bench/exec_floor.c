/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * exec_floor PID N [FILTER [own]]: what the kernel charges for one more program in a container. A bare program that joins, N times, the
 * cgroups and namespaces of PID, drops capabilities, loads the seccomp filter (a raw BPF program) and executes /bin/true there, and waits
 * for it. No plan, no helper program, no checks of whose PID it is. "own": in a freezer cgroup of its own, made and removed each time.
 * Prints median, 10th percentile and mean microseconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_CAPS 0xa80425fbULL
#define NAMESPACES (CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS | CLONE_NEWCGROUP)
#define die(what) (perror(what), _exit(125))

static char cgroups[16][256], own_dir[256];
static int n_cgroups;
static struct sock_fprog filter;
static bool own;

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec * 1e6 + (double) t.tv_nsec / 1e3;
}

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

static void program(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2] = { { (uint32_t) DEFAULT_CAPS | 1 << CAP_SYS_ADMIN,
						    (uint32_t) DEFAULT_CAPS | 1 << CAP_SYS_ADMIN, 0 } };
	char *const argv[] = { (char *) "/bin/true", NULL }, *const envp[] = { (char *) "PATH=/bin", NULL };

	setsid();
	syscall(SYS_keyctl, 1, NULL); /* a session keyring of its own */
	for (int cap = 0; cap < 41; cap++)
		if (!(DEFAULT_CAPS & 1ULL << cap))
			prctl(PR_CAPBSET_DROP, cap);
	(void) !syscall(SYS_setgroups, 0, NULL);
	if (syscall(SYS_setresgid, 0, 0, 0) < 0 || syscall(SYS_setresuid, 0, 0, 0) < 0)
		die("setresuid");
	if (syscall(SYS_capset, &header, caps) < 0)
		die("capset");
	syscall(SYS_close_range, 3, ~0U, 0);
	if (filter.len && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &filter) < 0)
		die("seccomp");
	execve(argv[0], argv, envp);
	die("execve");
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
		program();
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

static int compare(const void *a, const void *b)
{
	double x = *(const double *) a, y = *(const double *) b;

	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	int pid = argc > 1 ? atoi(argv[1]) : 0, count = argc > 2 ? atoi(argv[2]) : 0, fd;
	static struct sock_filter code[4096];
	double *times, mean = 0;

	if (pid < 1 || count < 1)
		return fprintf(stderr, "usage: exec_floor PID N [FILTER [own]]\n"), 2;
	if (argc > 3 && argv[3][0]) {
		fd = open(argv[3], O_RDONLY | O_CLOEXEC);
		filter.filter = code;
		filter.len = (unsigned short) (read(fd, code, sizeof(code)) / (long) sizeof(*code));
		close(fd);
	}
	own = argc > 4;
	find_cgroups(pid);
	times = calloc((size_t) count, sizeof(*times));
	once(pid);
	for (int i = 0; i < count; i++) {
		times[i] = once(pid);
		mean += times[i] / count;
	}
	qsort(times, (size_t) count, sizeof(*times), compare);
	printf("median %.0f p10 %.0f mean %.0f us\n", times[count / 2], times[count / 10], mean);
	free(times);
	return 0;
}
