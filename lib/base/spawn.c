/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one place that makes a process.
 *
 * Between clone and exec the child shares our memory and runs on a piece of our stack, while this
 * thread sleeps (CLONE_VFORK) and every other thread goes on. So the child takes no lock, calls no
 * libc, and touches nothing but its own frame and `struct child`.
 *
 * 1. Signals are blocked in this thread before the clone: a handler of the host must not run in the child.
 * 2. CLONE_CLEAR_SIGHAND drops the host's handlers; what the host ignores is reset by hand, because
 *    ignoring survives exec, and a program in a container does not expect to ignore SIGPIPE.
 * 3. Descriptors are first copied above all targets, so that no target overwrites a source.
 * 4. A real-time policy of this thread is not the child's: a v1 cgroup without real-time budget would not take it in (EINVAL).
 */
#include "base/spawn.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/cleanup.h"

#define STACK_BYTES (16 * 1024)
#define FDS_MAX 96

#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ULL
#endif
#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif

#define no_sanitize __attribute__((no_sanitize("address", "undefined", "thread"), noinline))

/* The kernel's struct of rt_sigaction; libc's is another one. */
struct kernel_sigaction {
	void *handler;
	unsigned long flags;
	void *restorer;
	unsigned long mask;
};

enum child_step { STEP_NONE, STEP_CGROUP, STEP_FDS, STEP_EXEC };

struct child {
	const struct spawn *spawn;
	int copies[FDS_MAX];
	int first_free; /* one above the highest target */
	enum child_step step;
	int errnum;
};

#if defined(__x86_64__)
static inline long raw(long number, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	long result;

	__asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
	return result;
}

static long clone_call(struct clone_args *args, void (*child)(void *), void *data)
{
	register void *fn __asm__("r8") = (void *) child;
	register void *arg __asm__("r9") = data;
	long result;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "mov %%r9, %%rdi\n\t"
			 "call *%%r8\n\t"
			 "hlt\n"
			 "1:"
			 : "=a"(result)
			 : "a"(SYS_clone3), "D"(args), "S"(sizeof(*args)), "r"(fn), "r"(arg)
			 : "rcx", "r11", "memory");
	return result;
}
#elif defined(__aarch64__)
static inline long raw(long number, long a, long b, long c, long d, long e)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
	return x0;
}

static long clone_call(struct clone_args *args, void (*child)(void *), void *data)
{
	register long x8 __asm__("x8") = SYS_clone3;
	register long x0 __asm__("x0") = (long) args;
	register long x1 __asm__("x1") = sizeof(*args);
	register void *fn __asm__("x9") = (void *) child;
	register void *arg __asm__("x10") = data;

	__asm__ volatile("svc 0\n\t"
			 "cbnz x0, 1f\n\t"
			 "mov x29, xzr\n\t"
			 "mov x0, x10\n\t"
			 "blr x9\n\t"
			 "brk 1\n"
			 "1:"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(fn), "r"(arg)
			 : "memory", "cc", "x30");
	return x0;
}
#else
#error "spawn.c knows x86_64 and aarch64"
#endif

static no_sanitize void child_die(struct child *child, enum child_step step, long result)
{
	child->step = step;
	child->errnum = (int) -result;
	for (;;)
		raw(SYS_exit, 127, 0, 0, 0, 0);
}

static no_sanitize void child_signals(void)
{
	struct kernel_sigaction action;
	unsigned long none = 0;

	for (int sig = 1; sig <= 64; sig++) {
		if (sig == SIGKILL || sig == SIGSTOP)
			continue;
		if (raw(SYS_rt_sigaction, sig, 0, (long) &action, 8, 0) < 0 || action.handler == (void *) SIG_DFL)
			continue;
		action.handler = (void *) SIG_DFL;
		action.flags = 0;
		action.restorer = NULL;
		action.mask = 0;
		raw(SYS_rt_sigaction, sig, (long) &action, 0, 8, 0);
	}
	raw(SYS_rt_sigprocmask, SIG_SETMASK, (long) &none, 0, 8, 0);
}

static no_sanitize void child_scheduler(void)
{
	const struct sched_param none = { .sched_priority = 0 };
	long policy = raw(SYS_sched_getscheduler, 0, 0, 0, 0, 0) & ~(long) SCHED_RESET_ON_FORK;

	if (policy == SCHED_FIFO || policy == SCHED_RR)
		raw(SYS_sched_setscheduler, 0, SCHED_OTHER, (long) &none, 0, 0);
}

static no_sanitize int child_fds(struct child *child)
{
	const struct spawn *spawn = child->spawn;
	int exec_fd = spawn->exec_fd;
	long r;

	if (exec_fd >= 0 && exec_fd < child->first_free) {
		r = raw(SYS_fcntl, exec_fd, F_DUPFD_CLOEXEC, child->first_free, 0, 0);
		if (r < 0)
			child_die(child, STEP_FDS, r);
		exec_fd = (int) r;
	}
	for (size_t i = 0; i < spawn->n_fds; i++) {
		child->copies[i] = spawn->fds[i].fd;
		if (child->copies[i] >= child->first_free)
			continue;
		r = raw(SYS_fcntl, spawn->fds[i].fd, F_DUPFD_CLOEXEC, child->first_free, 0, 0);
		if (r < 0)
			child_die(child, STEP_FDS, r);
		child->copies[i] = (int) r;
	}
	/* What is not listed goes away at exec, targets not given included (CVE-2024-21626 began with one that stayed). */
	r = raw(SYS_close_range, 0, ~0U, CLOSE_RANGE_CLOEXEC, 0, 0);
	if (r < 0)
		child_die(child, STEP_FDS, r);
#ifdef FAULT_FD
	raw(SYS_fcntl, FAULT_FD, F_SETFD, 0, 0, 0);
	raw(SYS_fcntl, FAULT_FD + 1, F_SETFD, 0, 0, 0);
#endif
	for (size_t i = 0; i < spawn->n_fds; i++) {
		r = raw(SYS_dup3, child->copies[i], spawn->fds[i].target, 0, 0, 0);
		if (r < 0)
			child_die(child, STEP_FDS, r);
	}
	return exec_fd;
}

static no_sanitize void child_main(void *data)
{
	struct child *child = data;
	const struct spawn *spawn = child->spawn;
	char *const none[] = { NULL };
	char *const *envp = spawn->envp ? spawn->envp : none;
	int exec_fd;
	long r;

	child_scheduler();
	for (size_t i = 0; i < spawn->n_join_procs_fds; i++) {
		r = raw(SYS_write, spawn->join_procs_fds[i], (long) "0", 1, 0, 0);
		if (r < 0)
			child_die(child, STEP_CGROUP, r);
	}
	child_signals();
	exec_fd = child_fds(child);
	if (exec_fd >= 0)
		r = raw(SYS_execveat, exec_fd, (long) "", (long) spawn->argv, (long) envp, AT_EMPTY_PATH);
	else
		r = raw(SYS_execve, (long) spawn->path, (long) spawn->argv, (long) envp, 0, 0);
	child_die(child, STEP_EXEC, r);
}

static int child_main_clone(void *data)
{
	child_main(data);
	return 127;
}

/* Kernels and seccomp filters (Docker's, of some years) without clone3. */
static long clone_old(const struct clone_args *args, struct child *child, char *stack_top, int *pidfd)
{
	int flags = (int) ((args->flags & ~(CLONE_CLEAR_SIGHAND | CLONE_INTO_CGROUP)) | SIGCHLD);
	int pid;

	if (args->flags & CLONE_INTO_CGROUP)
		return -ENOSYS;
	pid = clone(child_main_clone, stack_top, flags, child, pidfd);
	return pid < 0 ? -errno : pid;
}

static long clone_child(const struct spawn *spawn, struct child *child, int *pidfd)
{
	char stack[STACK_BYTES] __attribute__((aligned(16)));
	struct clone_args args = {
		.flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_CLEAR_SIGHAND | spawn->clone_flags,
		.pidfd = (uint64_t) (uintptr_t) pidfd,
		.exit_signal = SIGCHLD,
		.stack = (uint64_t) (uintptr_t) stack,
		.stack_size = sizeof(stack),
	};
	sigset_t all, saved;
	long r;

	if (spawn->cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t) spawn->cgroup_fd;
	}
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &saved);
	r = clone_call(&args, child_main, child);
	if (r == -ENOSYS)
		r = clone_old(&args, child, stack + sizeof(stack), pidfd);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	return r;
}

static int child_error(const struct spawn *spawn, const struct child *child, scow_error **error)
{
	const char *program = spawn->path ? spawn->path : spawn->argv[0];

	switch (child->step) {
	case STEP_CGROUP:
		return error_errno(error, child->errnum, "write", "join the cgroup");
	case STEP_FDS:
		return error_errno(error, child->errnum, "dup3", "place descriptors for '%s'", program);
	case STEP_EXEC:
	case STEP_NONE:
	default:
		return error_errno(error, child->errnum, "execve", "execute '%s'", program);
	}
}

static int clone_error(const struct spawn *spawn, int errnum, scow_error **error)
{
	const bool namespaces = spawn->clone_flags != 0;
	int r;

	/* user.max_user_namespaces and its like: no disk is full. */
	if (namespaces && (errnum == ENOSPC || errnum == EUSERS))
		r = error_errno_status(error, SCOW_E_LIMIT, errnum, "clone3", "create a process in new namespaces");
	else
		r = error_errno(error, errnum, "clone3", namespaces ? "create a process in new namespaces" : "create a process");
	if (namespaces && errnum == EPERM)
		return error_hint(
			error, r,
			"the host does not let this user make namespaces: look at the seccomp profile of the container that this is in, "
			"or at kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns");
	if (namespaces && (errnum == ENOSPC || errnum == EUSERS))
		return error_hint(error, r, "raise the sysctls user.max_*_namespaces");
	return r;
}

int spawn_process(const struct spawn *spawn, pid_t *pid, int *pidfd, scow_error **error)
{
	struct child child = { .spawn = spawn };
	int fd = -1;
	long r;

	if (spawn->n_fds > FDS_MAX)
		return error_set(error, SCOW_E_LIMIT, "more than %d descriptors for one process", FDS_MAX);
	for (size_t i = 0; i < spawn->n_fds; i++)
		if (spawn->fds[i].target >= child.first_free)
			child.first_free = spawn->fds[i].target + 1;
	r = clone_child(spawn, &child, &fd);
	if (r < 0)
		return clone_error(spawn, (int) -r, error);
	if (child.step != STEP_NONE) {
		spawn_wait(fd, NULL, NULL);
		close(fd);
		return child_error(spawn, &child, error);
	}
	*pid = (pid_t) r;
	*pidfd = fd;
	return 0;
}

/* From 6.15 on a pidfd tells the exit status even after somebody else reaped its process. Not in Debian 12's headers. */
struct pidfd_info_exit {
	uint64_t mask, cgroup_id;
	uint32_t ids[11];
	int32_t exit_code;
};
#define PIDFD_INFO_EXIT_MASK (1ULL << 3)
#define PIDFD_GET_INFO_CALL _IOWR(0xFF, 11, struct pidfd_info_exit)

#define EXIT_NAPS 500 /* of a millisecond */

/* -1: nobody can tell. One that is reaped by the kernel itself wakes us a moment before its status is there. */
static int status_after_reaping(int pidfd)
{
	for (int i = 0; i < EXIT_NAPS; i++) {
		struct pidfd_info_exit info = { .mask = PIDFD_INFO_EXIT_MASK };

		if (ioctl(pidfd, PIDFD_GET_INFO_CALL, &info) < 0)
			return -1;
		if (info.mask & PIDFD_INFO_EXIT_MASK)
			return info.exit_code;
		poll(NULL, 0, 1);
	}
	return -1;
}

static int status_of(const siginfo_t *info)
{
	if (info->si_code == CLD_EXITED)
		return (info->si_status & 0xff) << 8;
	return (info->si_status & 0x7f) | (info->si_code == CLD_DUMPED ? 0x80 : 0);
}

int spawn_wait(int pidfd, int *status, scow_error **error)
{
	struct pollfd fds = { .fd = pidfd, .events = POLLIN };
	siginfo_t info = { 0 };
	int r;

	/* Not a blocking waitid: with SIGCHLD ignored by the host it returns ECHILD only after all children are gone. */
	while ((r = poll(&fds, 1, -1)) < 0 && errno == EINTR)
		;
	if (r < 0)
		return error_errno(error, errno, "poll", "wait for a process");
	while ((r = waitid(P_PIDFD, (id_t) pidfd, &info, WEXITED | __WALL)) < 0 && errno == EINTR)
		;
	if (r == 0) {
		if (status)
			*status = status_of(&info);
		return 0;
	}
	if (errno != ECHILD)
		return error_errno(error, errno, "waitid", "wait for a process");
	if (status)
		*status = status_after_reaping(pidfd);
	return 0;
}
