/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a test runs in a container to see from inside what busybox cannot show: a keyring, system calls, groups in their order,
 * a rename race. Linked statically.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int keyring(void)
{
	printf("%ld\n", syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -3 /* the session's */, 0));
	return 0;
}

static int system_calls(void)
{
	static const struct {
		const char *name;
		long number, arguments[3];
	} calls[] = {
		{ "add_key", SYS_add_key, { 0 } },
		{ "bpf", SYS_bpf, { 0 } },
		{ "clone3", SYS_clone3, { 0 } },
		{ "io_uring_setup", 425, { 1 } },
		{ "keyctl", SYS_keyctl, { 0, -3 } },
		{ "mount", SYS_mount, { 0 } },
		{ "open_by_handle_at", SYS_open_by_handle_at, { -1 } },
		{ "perf_event_open", SYS_perf_event_open, { 0 } },
		{ "setns", SYS_setns, { -1 } },
		{ "unshare", SYS_unshare, { 0x10000000 /* CLONE_NEWUSER */ } },
		{ "userfaultfd", SYS_userfaultfd, { 0 } },
		{ "unknown", 4000, { 0 } },
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		long r = syscall(calls[i].number, calls[i].arguments[0], calls[i].arguments[1], calls[i].arguments[2], 0, 0, 0);

		printf("%s %s\n", calls[i].name, r < 0 ? strerrorname_np(errno) : "allowed");
	}
	return 0;
}

static int groups(void)
{
	gid_t list[64];
	int n = getgroups(64, list);

	for (int i = 0; i < n; i++)
		printf("%u%c", list[i], i + 1 < n ? ' ' : '\n');
	return n < 0;
}

/* Exchanges two names for so many seconds. */
static int swap(const char *a, const char *b, int seconds)
{
	time_t end = time(NULL) + seconds;
	unsigned long rounds = 0;

	while (rounds % 1024 || time(NULL) < end) {
		if (renameat2(AT_FDCWD, a, AT_FDCWD, b, 2 /* RENAME_EXCHANGE */) < 0 && errno != EBUSY)
			return perror("renameat2"), 1;
		rounds++;
	}
	printf("%lu\n", rounds);
	return 0;
}

/* All that it becomes goes on forking, whether that succeeds or not. */
static int bomb(void)
{
	printf("ready\n");
	fflush(stdout);
	for (;;)
		if (fork() < 0)
			usleep(100);
}

/* "policy nice priority | i/o class level | memory mode nodes | CPUs" */
static int scheduling(void)
{
	struct {
		unsigned int size, policy;
		unsigned long long flags;
		int nice;
		unsigned int priority;
		unsigned long long runtime, deadline, period;
	} attr = { .size = sizeof(attr) };
	unsigned long nodes[16] = { 0 }, cpus[16] = { 0 };
	long io = syscall(SYS_ioprio_get, 1 /* IOPRIO_WHO_PROCESS */, 0);
	int mode = -1;

	if (syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0) < 0)
		return perror("sched_getattr"), 1;
	syscall(SYS_get_mempolicy, &mode, nodes, 1024UL, 0, 0);
	syscall(SYS_sched_getaffinity, 0, sizeof(cpus), cpus);
	printf("%u %d %u %llu | %ld %ld | %d %lx | %lx\n", attr.policy, attr.nice, attr.priority, attr.flags, io >> 13, io & 7, mode,
	       nodes[0], cpus[0]);
	if (attr.policy == 6) /* the fair ones have their slice there */
		printf("%llu %llu %llu\n", attr.runtime, attr.deadline, attr.period);
	return 0;
}

/* Arguments as they came, each in brackets. */
static int arguments(char **argv)
{
	for (; *argv; argv++)
		printf("[%s]", *argv);
	printf("\n");
	return 0;
}

static int limits(void)
{
	static const int kinds[] = { RLIMIT_NOFILE, RLIMIT_CORE, RLIMIT_FSIZE };
	struct rlimit limit;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (getrlimit((__rlimit_resource_t) kinds[i], &limit) == 0)
			printf("%llu %llu\n", (unsigned long long) limit.rlim_cur, (unsigned long long) limit.rlim_max);
	return 0;
}

/* Orphans for PID 1 to reap: each child leaves a grandchild behind. */
static int orphans(int count)
{
	for (int i = 0; i < count; i++) {
		pid_t child = fork();

		if (child < 0)
			return perror("fork"), 1;
		if (child == 0) {
			if (fork() == 0)
				usleep(1000);
			_exit(0);
		}
		waitpid(child, NULL, 0);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "keyring"))
		return keyring();
	if (!strcmp(what, "calls"))
		return system_calls();
	if (!strcmp(what, "groups"))
		return groups();
	if (!strcmp(what, "ids"))
		return printf("%d %d\n", (int) getuid(), (int) geteuid()) < 0;
	if (!strcmp(what, "limits"))
		return limits();
	if (!strcmp(what, "swap") && argc == 5)
		return swap(argv[2], argv[3], atoi(argv[4]));
	if (!strcmp(what, "orphans") && argc == 3)
		return orphans(atoi(argv[2]));
	if (!strcmp(what, "bomb"))
		return bomb();
	if (!strcmp(what, "scheduling"))
		return scheduling();
	if (!strcmp(what, "arguments"))
		return arguments(argv + 2);
	fprintf(stderr, "probe: what?\n");
	return 2;
}
