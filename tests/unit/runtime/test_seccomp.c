/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Filters are tried, not read: each case is a system call made by a child under the filter, and what comes of it.
 * "Allowed" means anything but the filter's answer; calls are made with arguments that the kernel refuses otherwise.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "runtime/caps.h"
#include "runtime/seccomp-internal.h"
#include "runtime/seccomp.h"

#define CAP(name) (UINT64_C(1) << caps_parse(#name))

static scow_engine engine;
static char root[] = "/tmp/scow-test-seccomp.XXXXXX";

struct filter {
	struct sock_filter *insns;
	size_t count;
	unsigned int flags;
};

static struct filter compile(const char *profile, uint64_t capabilities)
{
	struct filter filter = { 0 };
	scow_error *error = NULL;

	if (seccomp_compile(&engine, profile, capabilities, &filter.insns, &filter.count, &filter.flags, &error) < 0)
		fail_msg("%s", scow_error_message(error));
	assert_in_range(filter.count, 1, 4096);
	return filter;
}

static void refuse(const char *profile, scow_status status, const char *text)
{
	struct filter filter = { 0 };
	scow_error *error = NULL;

	assert_int_equal(seccomp_compile(&engine, profile, 0, &filter.insns, &filter.count, &filter.flags, &error), status);
	if (!strstr(scow_error_message(error), text))
		fail_msg("'%s' does not say '%s'", scow_error_message(error), text);
	assert_null(filter.insns);
	scow_error_unref(error);
}

#define DIED 10000 /* + signal */

static int under(const struct filter *filter, int (*run)(const void *data), const void *data)
{
	struct sock_fprog program = { .len = (unsigned short) filter->count, .filter = filter->insns };
	int *result = mmap(NULL, sizeof(*result), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status, answer;
	pid_t pid;

	*result = -1;
	pid = fork();
	if (pid == 0) {
		signal(SIGSYS, SIG_DFL); /* cmocka catches it */
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, filter->flags, &program) < 0)
			syscall(SYS_exit_group, 99);
		*result = run(data);
		syscall(SYS_exit_group, 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 99)
		fail_msg("the kernel does not take the filter");
	answer = WIFSIGNALED(status) ? DIED + WTERMSIG(status) : *result;
	munmap(result, sizeof(*result));
	return answer;
}

struct call {
	long number, args[6];
};

static int run_call(const void *data)
{
	const struct call *call = data;
	const long *a = call->args;

	return syscall(call->number, a[0], a[1], a[2], a[3], a[4], a[5]) < 0 ? errno : 0;
}

/* errno, 0, or DIED + signal. */
#define CALL(filter, number, ...) under(filter, run_call, &(struct call){ number, { __VA_ARGS__ } })

#if defined(__x86_64__)
/* The 32-bit door of the same kernel. */
static int run_int80(const void *data)
{
	const struct call *call = data;
	long result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(call->number), "b"(call->args[0]), "c"(call->args[1]), "d"(call->args[2])
			 : "memory", "r8", "r9", "r10", "r11");
	return (int) result < 0 ? -(int) result : 0;
}
#define CALL32(filter, number, ...) under(filter, run_int80, &(struct call){ number, { __VA_ARGS__ } })
#endif

static void test_default_allows(void **state)
{
	struct filter filter = compile(NULL, caps_default());

	(void) state;
	assert_int_equal(CALL(&filter, SYS_getpid, 0), 0);
	assert_int_equal(CALL(&filter, SYS_openat, -1, 0), EFAULT);
	assert_int_equal(CALL(&filter, SYS_ptrace, -1), ESRCH);
	assert_int_equal(CALL(&filter, SYS_chroot, 0), EFAULT); /* CAP_SYS_CHROOT is one of the 14 */
	free(filter.insns);
}

static void test_default_denies(void **state)
{
	static const long denied[] = { SYS_keyctl,
				       SYS_add_key,
				       SYS_bpf,
				       SYS_perf_event_open,
				       SYS_userfaultfd,
				       SYS_mount,
				       SYS_umount2,
				       SYS_setns,
				       SYS_unshare,
				       SYS_pivot_root,
				       SYS_reboot,
				       SYS_swapon,
				       SYS_acct,
				       SYS_kexec_load,
				       SYS_syslog,
				       SYS_open_by_handle_at,
				       SYS_quotactl,
				       SYS_init_module,
				       SYS_io_uring_setup,
				       SYS_io_uring_enter,
				       SYS_io_uring_register,
				       SYS_fsopen,
				       SYS_open_tree,
				       SYS_move_mount,
				       SYS_mbind,
				       SYS_settimeofday,
				       SYS_kcmp,
				       SYS_vhangup,
				       SYS_fanotify_init,
				       SYS_nfsservctl };
	struct filter filter = compile(NULL, caps_default());

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(denied); i++) {
		int answer = CALL(&filter, denied[i], 0);

		if (answer != EPERM)
			fail_msg("system call %ld gives %d", denied[i], answer);
	}
	free(filter.insns);
}

static void test_unknown_is_enosys(void **state)
{
	struct filter filter = compile(NULL, caps_default()), privileged = compile(NULL, CAPS_ALL);

	(void) state;
	assert_int_equal(CALL(&filter, 600, 0), ENOSYS);
	assert_int_equal(CALL(&filter, 470, 0), ENOSYS);
	assert_int_equal(CALL(&filter, SYS_clone3, 0, 0), ENOSYS);
	assert_int_equal(CALL(&privileged, SYS_clone3, 0, 0), EINVAL);
	/* Newer than libseccomp 2.5.4, and allowed: the kernel's answer, not ours. */
	assert_int_not_equal(CALL(&filter, 452 /* fchmodat2 */, -1, 0, 0, 0), EPERM);
	assert_int_equal(CALL(&filter, 460 /* lsm_set_self_attr */, 0), EPERM); /* CAP_SYS_ADMIN's */
#if defined(__x86_64__)
	assert_int_equal(CALL32(&filter, 600, 0), ENOSYS);
	assert_int_equal(CALL(&filter, 0x40000000 | 600, 0), ENOSYS);
#endif
	free(filter.insns);
	free(privileged.insns);
}

static void test_other_archs(void **state)
{
#if defined(__x86_64__)
	struct filter filter = compile(NULL, caps_default());

	(void) state;
	if (run_int80(&(struct call){ 20, { 0 } }) != 0) /* a kernel without 32-bit calls */
		skip();
	assert_int_equal(CALL32(&filter, 20 /* getpid */, 0), 0);
	assert_int_equal(CALL32(&filter, 21 /* mount */, 0), EPERM);
	assert_int_equal(CALL32(&filter, 288 /* keyctl */, 0), EPERM);
	assert_int_equal(CALL32(&filter, 435 /* clone3 */, 0, 0), ENOSYS);
	assert_int_equal(CALL(&filter, 0x40000000 | 165 /* x32 mount */, 0), EPERM);
	assert_int_not_equal(CALL(&filter, 0x40000000 | SYS_getpid, 0), EPERM); /* allowed, if the kernel has x32 */
	free(filter.insns);
	/* A profile of one architecture forbids the others altogether. */
	filter = compile("{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": [{\"names\": [\"getpid\", \"exit_group\"], \"action\": "
			 "\"SCMP_ACT_ALLOW\"}]}",
			 0);
	assert_int_equal(CALL(&filter, SYS_getpid, 0), 0);
	assert_int_equal(CALL32(&filter, 20, 0), DIED + SIGSYS);
	assert_int_equal(CALL(&filter, 0x40000000 | SYS_getpid, 0), DIED + SIGSYS);
	free(filter.insns);
#else
	(void) state;
	skip();
#endif
}

static void test_default_arguments(void **state)
{
	struct filter filter = compile(NULL, caps_default()), privileged = compile(NULL, CAPS_ALL);

	(void) state;
	assert_int_equal(CALL(&filter, SYS_personality, 0xffffffff), 0);
	assert_int_equal(CALL(&filter, SYS_personality, 0x0008), 0);
	assert_int_equal(CALL(&filter, SYS_personality, 0x0040000 /* ADDR_NO_RANDOMIZE */), EPERM);
	assert_int_equal(CALL(&filter, SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0), EPERM);
	assert_int_equal(CALL(&filter, SYS_clone, CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0), EPERM);
	assert_int_equal(CALL(&filter, SYS_clone, CLONE_SIGHAND /* without CLONE_VM */, 0, 0, 0, 0), EINVAL);
	assert_int_equal(CALL(&privileged, SYS_clone, CLONE_NEWUSER | CLONE_FS, 0, 0, 0, 0), EINVAL);
	assert_int_equal(CALL(&filter, SYS_socket, AF_UNIX, SOCK_STREAM, 0), 0);
	assert_int_equal(CALL(&filter, SYS_socket, AF_INET6, 99, 0), EINVAL);
	assert_int_equal(CALL(&filter, SYS_socket, AF_NETLINK, SOCK_RAW, 0), 0);
	assert_int_equal(CALL(&filter, SYS_socket, AF_VSOCK, SOCK_STREAM, 0), EPERM);
	assert_int_equal(CALL(&filter, SYS_socket, 38 /* AF_ALG */, SOCK_SEQPACKET, 0), EPERM);
	/* The kernel looks at 32 bits of the family, the filter at 64. */
	assert_int_equal(CALL(&filter, SYS_socket, 0x100000000L | AF_VSOCK, SOCK_STREAM, 0), EPERM);
	assert_int_equal(CALL(&filter, SYS_socket, 0x100000000L | 38, SOCK_SEQPACKET, 0), EPERM);
	free(filter.insns);
	free(privileged.insns);
}

static void test_capabilities_decide(void **state)
{
	static const struct {
		const char *capability;
		long number, args[2];
	} table[] = {
		{ "SYS_ADMIN", SYS_mount, { 0 } },
		{ "SYS_ADMIN", SYS_setns, { -1, 0 } },
		{ "DAC_READ_SEARCH", SYS_open_by_handle_at, { -1, 0 } },
		{ "SYS_CHROOT", SYS_chroot, { 0 } },
		{ "SYS_BOOT", SYS_reboot, { 0 } },
		{ "SYS_PTRACE", SYS_kcmp, { -1, -1 } },
		{ "SYS_NICE", SYS_set_mempolicy, { 99, 0 } },
		{ "SYSLOG", SYS_syslog, { 99, 0 } },
		{ "BPF", SYS_bpf, { 9999, 0 } },
		{ "PERFMON", SYS_perf_event_open, { 0 } },
		{ "SYS_MODULE", SYS_delete_module, { 0 } },
		{ "SYS_TIME", SYS_clock_settime, { 0 } },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		uint64_t bit = UINT64_C(1) << caps_parse(table[i].capability);
		struct filter with = compile(NULL, bit), without = compile(NULL, 0);
		int answer = CALL(&without, table[i].number, table[i].args[0], table[i].args[1]);

		if (answer != EPERM)
			fail_msg("without %s: %d", table[i].capability, answer);
		/* With it the filter lets the call through; what the kernel says then is no EPERM for root, or is one for lack of the
		 * capability. */
		if (geteuid() == 0) {
			answer = CALL(&with, table[i].number, table[i].args[0], table[i].args[1]);
			if (answer == EPERM)
				fail_msg("with %s: EPERM", table[i].capability);
		}
		free(with.insns);
		free(without.insns);
	}
}

#define PROFILE(body) "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [" body "]}"

static void test_actions(void **state)
{
	struct filter filter = compile(PROFILE("{\"names\": [\"getppid\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 99},"
					       "{\"names\": [\"getuid\"], \"action\": \"SCMP_ACT_ERRNO\"},"
					       "{\"name\": \"geteuid\", \"action\": \"SCMP_ACT_KILL_PROCESS\"},"
					       "{\"names\": [\"getegid\"], \"action\": \"SCMP_ACT_TRAP\"},"
					       "{\"names\": [\"getpgrp\"], \"action\": \"SCMP_ACT_TRACE\"},"
					       "{\"names\": [\"no_such_call_yet\"], \"action\": \"SCMP_ACT_KILL\"},"
					       "{\"names\": [\"sync\"], \"action\": \"SCMP_ACT_LOG\"}"),
				       0);

	(void) state;
	assert_int_equal(CALL(&filter, SYS_getppid, 0), 99);
	assert_int_equal(CALL(&filter, SYS_getuid, 0), EPERM);
	assert_int_equal(CALL(&filter, SYS_geteuid, 0), DIED + SIGSYS);
	assert_int_equal(CALL(&filter, SYS_getegid, 0), DIED + SIGSYS);
	assert_int_equal(CALL(&filter, SYS_getpgrp, 0), ENOSYS); /* nobody traces */
	assert_int_equal(CALL(&filter, 600, 0), ENOSYS);         /* the kernel's own */
	free(filter.insns);
	filter = compile("{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"defaultErrnoRet\": 38, \"flags\": [\"SECCOMP_FILTER_FLAG_LOG\", "
			 "\"SECCOMP_FILTER_FLAG_TSYNC\"], \"architectures\": [\"SCMP_ARCH_X86_64\", \"SCMP_ARCH_X86\"], \"syscalls\": "
			 "[{\"names\": [\"exit_group\"], \"action\": \"SCMP_ACT_ALLOW\"}]}",
			 0);
	assert_int_equal(filter.flags, SECCOMP_FILTER_FLAG_LOG);
	assert_int_equal(CALL(&filter, SYS_getpid, 0), ENOSYS);
	free(filter.insns);
}

static void test_operators(void **state)
{
	static const struct {
		const char *op;
		unsigned int value, two;
		bool matches[5]; /* arguments 0 to 4 */
	} table[] = {
		{ "EQ", 2, 0, { 0, 0, 1, 0, 0 } },        { "NE", 2, 0, { 1, 1, 0, 1, 1 } }, { "LT", 2, 0, { 1, 1, 0, 0, 0 } },
		{ "LE", 2, 0, { 1, 1, 1, 0, 0 } },        { "GT", 2, 0, { 0, 0, 0, 1, 1 } }, { "GE", 2, 0, { 0, 0, 1, 1, 1 } },
		{ "MASKED_EQ", 3, 1, { 0, 1, 0, 0, 0 } },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_free_ char *profile =
			strf(PROFILE("{\"names\": [\"getppid\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 77, \"args\": "
				     "[{\"index\": 3, \"value\": %u, \"valueTwo\": %u, \"op\": \"SCMP_CMP_%s\"}]}"),
			     table[i].value, table[i].two, table[i].op);
		struct filter filter = compile(profile, 0);

		for (int arg = 0; arg < 5; arg++)
			assert_int_equal(CALL(&filter, SYS_getppid, 0, 0, 0, arg), table[i].matches[arg] ? 77 : 0);
		free(filter.insns);
	}
}

static void test_several_arguments(void **state)
{
	struct filter filter = compile(
		PROFILE("{\"names\": [\"getppid\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 77, \"args\": ["
			"{\"index\": 0, \"value\": 1, \"op\": \"SCMP_CMP_EQ\"}, {\"index\": 1, \"value\": 2, \"op\": \"SCMP_CMP_EQ\"}]},"
			"{\"names\": [\"getuid\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 78, \"args\": ["
			"{\"index\": 0, \"value\": 1, \"op\": \"SCMP_CMP_EQ\"}, {\"index\": 0, \"value\": 2, \"op\": \"SCMP_CMP_EQ\"}]}"),
		0);

	(void) state;
	assert_int_equal(CALL(&filter, SYS_getppid, 1, 2), 77); /* both */
	assert_int_equal(CALL(&filter, SYS_getppid, 1, 3), 0);
	assert_int_equal(CALL(&filter, SYS_getuid, 1), 78); /* either */
	assert_int_equal(CALL(&filter, SYS_getuid, 2), 78);
	assert_int_equal(CALL(&filter, SYS_getuid, 3), 0);
	free(filter.insns);
}

static void test_conditions(void **state)
{
	static const struct {
		const char *condition;
		bool applies;
	} table[] = {
		{ "\"includes\": {\"caps\": [\"CAP_KILL\"]}", true },
		{ "\"includes\": {\"caps\": [\"CAP_KILL\", \"CAP_SYS_ADMIN\"]}", false },
		{ "\"includes\": {\"caps\": [\"CAP_FROM_THE_FUTURE\"]}", false },
		{ "\"excludes\": {\"caps\": [\"CAP_SYS_ADMIN\"]}", true },
		{ "\"excludes\": {\"caps\": [\"CAP_SYS_ADMIN\", \"CAP_KILL\"]}", false },
		{ "\"includes\": {\"arches\": [\"" SECCOMP_MACHINE "\", \"z80\"]}", true },
		{ "\"includes\": {\"arches\": [\"z80\"]}", false },
		{ "\"excludes\": {\"arches\": [\"" SECCOMP_MACHINE "\"]}", false },
		{ "\"includes\": {\"minKernel\": \"4.8\"}", true },
		{ "\"includes\": {\"minKernel\": \"5.15\"}", true },
		{ "\"includes\": {\"minKernel\": \"5.16\"}", false },
		{ "\"excludes\": {\"minKernel\": \"6.0\"}", true },
		{ "\"includes\": {}, \"excludes\": null, \"comment\": \"x\"", true },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_free_ char *profile =
			strf(PROFILE("{\"names\": [\"getppid\"], \"action\": \"SCMP_ACT_ERRNO\", %s}"), table[i].condition);
		struct seccomp_profile parsed;
		scow_error *error = NULL;

		assert_int_equal(seccomp_profile_parse(profile, strlen(profile), CAP(KILL), 5 << 16 | 15, &parsed, &error), 0);
		assert_int_equal(parsed.n_rules, table[i].applies);
		seccomp_profile_done(&parsed);
	}
}

static void test_bad_profiles(void **state)
{
	(void) state;
	refuse("", SCOW_E_INVALID, "seccomp profile");
	refuse("[]", SCOW_E_INVALID, "expected an object");
	refuse("{}", SCOW_E_INVALID, "no defaultAction");
	refuse("{\"defaultAction\": 5}", SCOW_E_INVALID, "defaultAction");
	refuse("{\"defaultAction\": \"ALLOW\"}", SCOW_E_INVALID, "'ALLOW' is no defaultAction");
	refuse("{\"defaultAction\": \"SCMP_ACT_NOTIFY\"}", SCOW_E_UNSUPPORTED, "SCMP_ACT_NOTIFY");
	refuse("{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"defaultErrnoRet\": 70000}", SCOW_E_INVALID, "defaultErrnoRet");
	refuse("{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"architectures\": [\"SCMP_ARCH_Z80\"]}", SCOW_E_INVALID, "SCMP_ARCH_Z80");
	refuse("{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"flags\": [\"SPEED\"]}", SCOW_E_INVALID, "'SPEED' is no flag");
	refuse("{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"architectures\": [\"SCMP_ARCH_X86\"], \"archMap\": [{}]}", SCOW_E_INVALID,
	       "only one of");
	refuse(PROFILE("{\"names\": [\"getpid\"]}"), SCOW_E_INVALID, "syscalls[0]");
	refuse(PROFILE("{\"names\": [], \"action\": \"SCMP_ACT_KILL\"}"), SCOW_E_INVALID, "names no system call");
	refuse(PROFILE("{\"names\": [3], \"action\": \"SCMP_ACT_KILL\"}"), SCOW_E_INVALID, "names");
	refuse(PROFILE("{\"names\": [\"getpid\"], \"action\": \"SCMP_ACT_KILL\", \"args\": [{\"index\": 6, \"op\": \"SCMP_CMP_EQ\"}]}"),
	       SCOW_E_INVALID, "index 6");
	refuse(PROFILE("{\"names\": [\"getpid\"], \"action\": \"SCMP_ACT_KILL\", \"args\": [{\"index\": 0, \"op\": \"EQ\"}]}"),
	       SCOW_E_INVALID, "'EQ' is no op");
	refuse(PROFILE("{\"names\": [\"getpid\"], \"action\": \"SCMP_ACT_KILL\", \"args\": [{\"index\": 0, \"value\": 1.5, \"op\": "
		       "\"SCMP_CMP_EQ\"}]}"),
	       SCOW_E_INVALID, "whole number");
	refuse(PROFILE("{\"names\": [\"getpid\"], \"action\": \"SCMP_ACT_KILL\", \"args\": [{\"index\": 0, \"value\": "
		       "18446744073709551615, "
		       "\"op\": \"SCMP_CMP_EQ\"}]}"),
	       SCOW_E_INVALID, "2^53");
	refuse(PROFILE("{\"names\": [\"getpid\"], \"action\": \"SCMP_ACT_KILL\", \"includes\": {\"minKernel\": \"new\"}}"), SCOW_E_INVALID,
	       "minKernel");
}

static char *only_file(void)
{
	_cleanup_free_ char *dir_path = strf("%s/cache/seccomp", root);
	_cleanup_dir_ DIR *dir = opendir(dir_path);
	struct dirent *entry;
	char *found = NULL;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.') {
			assert_null(found);
			found = strf("%s/%s", dir_path, entry->d_name);
		}
	assert_non_null(found);
	return found;
}

static void forget(void)
{
	engine.seccomp_cache_free(engine.seccomp_cache);
	engine.seccomp_cache = NULL;
}

static void test_cache(void **state)
{
	struct filter first, again;
	char *file, *text;
	struct stat st;
	size_t size;

	(void) state;
	if (engine.seccomp_cache)
		forget();
	assert_int_equal(path_remove_tree(engine.root_fd, "cache"), 0);
	first = compile(NULL, 0);
	file = only_file();
	assert_non_null(strstr(file, "/default-"));
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* In turn: from memory, from the file, and from files that a crash or a bad disk left. */
	for (int turn = 0; turn < 6; turn++) {
		if (turn)
			forget();
		assert_int_equal(file_read_at(AT_FDCWD, file, 1 << 20, &text, &size), 0);
		if (turn == 2)
			assert_int_equal(truncate(file, (off_t) size / 2), 0);
		if (turn == 3)
			assert_int_equal(truncate(file, 0), 0);
		if (turn == 4) {
			int fd = open(file, O_WRONLY | O_CLOEXEC);

			assert_int_equal(pwrite(fd, "\x06\0\0\0\0\0\xff\x7f", 8, (off_t) size - 8),
					 8); /* ret ALLOW, in place of the last */
			close(fd);
		}
		if (turn == 5)
			assert_int_equal(truncate(file, (off_t) size + 8), 0);
		again = compile(NULL, 0);
		assert_int_equal(again.count, first.count);
		assert_memory_equal(again.insns, first.insns, first.count * sizeof(*first.insns));
		free(again.insns);
		free(text);
	}
	free(first.insns);
	free(file);
	/* Another profile with the same capabilities is another filter. */
	first = compile(PROFILE("{\"names\": [\"getppid\"], \"action\": \"SCMP_ACT_KILL\"}"), 0);
	again = compile(PROFILE("{\"names\": [\"getppid\"], \"action\": \"SCMP_ACT_ERRNO\"}"), 0);
	assert_memory_not_equal(first.insns, again.insns, (first.count < again.count ? first.count : again.count) * sizeof(*first.insns));
	free(first.insns);
	free(again.insns);
}

static void test_cost(void **state)
{
	uint64_t start = clock_us(), compiled, loaded, recalled;
	struct filter filter;

	(void) state;
	filter = compile(NULL, caps_default() ^ 1);
	compiled = clock_us() - start;
	print_message("# %zu instructions\n", filter.count);
	free(filter.insns);
	forget();
	start = clock_us();
	filter = compile(NULL, caps_default() ^ 1);
	loaded = clock_us() - start;
	free(filter.insns);
	start = clock_us();
	filter = compile(NULL, caps_default() ^ 1);
	recalled = clock_us() - start;
	free(filter.insns);
	print_message("# compile %.0f us, from a file %.0f us, from memory %.0f us\n", (double) compiled, (double) loaded,
		      (double) recalled);
}

static int set_up(void **state)
{
	(void) state;
	if (!mkdtemp(root))
		return -1;
	pthread_mutex_init(&engine.lock, NULL);
	engine.root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	engine.facts.kernel = 6 << 16 | 1;
	return engine.root_fd < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	(void) state;
	if (engine.seccomp_cache)
		forget();
	close(engine.root_fd);
	return path_remove_tree(AT_FDCWD, root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default_allows), cmocka_unit_test(test_default_denies),    cmocka_unit_test(test_unknown_is_enosys),
		cmocka_unit_test(test_other_archs),    cmocka_unit_test(test_default_arguments), cmocka_unit_test(test_capabilities_decide),
		cmocka_unit_test(test_actions),        cmocka_unit_test(test_operators),         cmocka_unit_test(test_several_arguments),
		cmocka_unit_test(test_conditions),     cmocka_unit_test(test_bad_profiles),      cmocka_unit_test(test_cache),
		cmocka_unit_test(test_cost),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
