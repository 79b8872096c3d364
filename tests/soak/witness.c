/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A witness for LD_PRELOAD: it stands before each function that libscow.so exports, and compares what the process is before a call with
 * what it is after it. tests/soak/host.py makes the functions, and runs the API tests with it.
 *
 * Each one puts our own way back in the place of its return address, so that arguments on the stack stay where they are.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH 64
#define BYTES 8192

extern const char *const witness_names[];
extern const unsigned int witness_count;
extern void witness_leave(void);
extern char **environ;

struct call {
	unsigned int index;
	void *back;
	char before[BYTES];
};
static __thread struct call *calls;
static __thread int depth;
static __thread int inside;
static void *real[1024];
static unsigned char called[1024];

static void tell(const char *text)
{
	int fd = open(getenv("WITNESS") ? getenv("WITNESS") : "/dev/stderr", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

	(void) !write(fd, text, strlen(text));
	close(fd);
}

static void add_link(char **at, char *end, const char *path)
{
	char to[512];
	ssize_t n = readlink(path, to, sizeof(to) - 1);

	to[n > 0 ? n : 0] = 0;
	*at += snprintf(*at, (size_t) (end - *at), "%s -> %s\n", path, to);
}

/* What a program has for itself, and a library must leave alone. */
static void look(char text[BYTES])
{
	static const char *const kept[] = { "Umask", "TracerPid", "Uid", "Gid", "Groups", "SigBlk", "SigIgn", "SigCgt", "CapInh", "CapPrm",
					    "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Cpus_allowed", "Mems_allowed" };
	static const char *const links[] = { "cwd", "root", "ns/mnt", "ns/net", "ns/pid", "ns/user", "ns/uts", "ns/ipc", "ns/cgroup", "fd/0", "fd/1",
					     "fd/2" };
	char status[8192], path[64], *at = text, *end = text + BYTES;
	int fd = open("/proc/thread-self/status", O_RDONLY | O_CLOEXEC), value = 0;
	ssize_t n = read(fd, status, sizeof(status) - 1);
	unsigned long hash = 5381;

	close(fd);
	status[n > 0 ? n : 0] = 0;
	for (char *save = NULL, *line = strtok_r(status, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
			if (strncmp(line, kept[i], strlen(kept[i])) == 0 && line[strlen(kept[i])] == ':')
				at += snprintf(at, (size_t) (end - at), "%s\n", line);
	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++) {
		snprintf(path, sizeof(path), "/proc/self/%s", links[i]);
		add_link(&at, end, path);
	}
	prctl(PR_GET_CHILD_SUBREAPER, &value);
	for (char **e = environ; *e; e++)
		for (const char *c = *e; *c; c++)
			hash = hash * 33 + (unsigned char) *c;
	at += snprintf(at, (size_t) (end - at), "subreaper %d dumpable %d keepcaps %d pdeath %d nice %d session %d group %d env %lx\n", value,
		       prctl(PR_GET_DUMPABLE), prctl(PR_GET_KEEPCAPS), (prctl(PR_GET_PDEATHSIG, &value), value), getpriority(PRIO_PROCESS, 0),
		       getsid(0), getpgrp(), hash);
	for (int i = 0; i < RLIMIT_NLIMITS; i++) {
		struct rlimit limit = { 0 };

		getrlimit((__rlimit_resource_t) i, &limit);
		at += snprintf(at, (size_t) (end - at), "limit %d %lx %lx\n", i, (long) limit.rlim_cur, (long) limit.rlim_max);
	}
}

/* A descriptor that would go to a program that the host executes. */
static void check_descriptors(const char *name)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	char text[256], path[64], to[128];

	while (dir && (entry = readdir(dir))) {
		int fd = atoi(entry->d_name), flags = fcntl(fd, F_GETFD);
		ssize_t n;

		if (fd < 3 || flags < 0 || flags & FD_CLOEXEC)
			continue;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, to, sizeof(to) - 1);
		to[n > 0 ? n : 0] = 0;
		snprintf(text, sizeof(text), "open %s: %d %s is not close-on-exec\n", name, fd, to);
		tell(text);
	}
	if (dir)
		closedir(dir);
}

void *witness_before(unsigned int index, void **back);
void *witness_before(unsigned int index, void **back)
{
	if (!real[index])
		real[index] = dlsym(RTLD_NEXT, witness_names[index]);
	if (inside || depth == DEPTH)
		return real[index];
	inside = 1;
	if (!calls)
		calls = calloc(DEPTH, sizeof(*calls));
	called[index] = 1;
	calls[depth].index = index;
	calls[depth].back = *back;
	look(calls[depth].before);
	*back = (void *) witness_leave;
	depth++;
	inside = 0;
	return real[index];
}

void *witness_after(void);
void *witness_after(void)
{
	struct call *call = &calls[--depth];
	char now[BYTES], text[3 * BYTES];
	int saved = errno;

	inside = 1;
	look(now);
	if (strcmp(now, call->before) != 0) {
		snprintf(text, sizeof(text), "changed %s\n--- before\n%s--- after\n%s---\n", witness_names[call->index], call->before, now);
		tell(text);
	}
	if (getenv("WITNESS_FDS") && depth == 0)
		check_descriptors(witness_names[call->index]);
	inside = 0;
	errno = saved;
	return call->back;
}

static __attribute__((destructor)) void sum_up(void)
{
	char text[128];

	for (unsigned int i = 0; i < witness_count; i++) {
		if (!called[i])
			continue;
		snprintf(text, sizeof(text), "called %s\n", witness_names[i]);
		tell(text);
	}
}

__asm__(".globl witness_enter\n"
	"witness_enter:\n"
	"\tpush %rdi\n\tpush %rsi\n\tpush %rdx\n\tpush %rcx\n\tpush %r8\n\tpush %r9\n"
	"\tsub $136, %rsp\n"
	"\tmovups %xmm0, (%rsp)\n\tmovups %xmm1, 16(%rsp)\n\tmovups %xmm2, 32(%rsp)\n\tmovups %xmm3, 48(%rsp)\n"
	"\tmov %eax, %edi\n\tlea 184(%rsp), %rsi\n"
	"\tcall witness_before@PLT\n"
	"\tmovups (%rsp), %xmm0\n\tmovups 16(%rsp), %xmm1\n\tmovups 32(%rsp), %xmm2\n\tmovups 48(%rsp), %xmm3\n"
	"\tadd $136, %rsp\n"
	"\tpop %r9\n\tpop %r8\n\tpop %rcx\n\tpop %rdx\n\tpop %rsi\n\tpop %rdi\n"
	"\tjmp *%rax\n"
	".globl witness_leave\n"
	"witness_leave:\n"
	"\tpush %rax\n\tpush %rdx\n"
	"\tcall witness_after@PLT\n"
	"\tmov %rax, %r11\n"
	"\tpop %rdx\n\tpop %rax\n"
	"\tjmp *%r11\n");
