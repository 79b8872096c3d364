/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The two lives in which scow-init stays.
 *
 * As init: it is PID 1, the program its child. It passes on every signal it gets, reaps whatever ends, and ends as the
 * program does (128 + n for a signal). All signals are blocked and taken one by one: PID 1 is never sent a signal that it
 * neither blocks nor handles, and nothing has to be a handler.
 *
 * As guard (engine/guard.h): it holds a pidfd for each owned container of one engine, and kills them all when the owner is
 * gone: its socket's other end closed, or the process ended while a forked child of it still holds that end. A program that joined
 * somebody's container has a cgroup there, whose file is held, too: all that it has started goes with it.
 */
#include "init/init.h"
#include "init/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#define SIGNALS_ALL (~0UL)
#define TREE_ROUNDS 1000

static void block_signals(uint64_t set)
{
	must(sys(SYS_rt_sigprocmask, SIG_SETMASK, &set, 0, sizeof(set)), "sigprocmask");
}

static int exit_code(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#else
#define OUR_ARCH AUDIT_ARCH_AARCH64
#endif
#define ALLOW(call, below) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, below, 0)

/*
 * All that it can still do is wait, and signal its children, also those of other users. The program's own filter is not for
 * PID 1; this one is narrower than any, so nobody gains by tracing it.
 */
static void shed_privileges(void)
{
	static struct sock_filter calls[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 0, 6),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(rt_sigtimedwait, 5),
		ALLOW(kill, 4),
		ALLOW(wait4, 3),
		ALLOW(exit_group, 2),
		ALLOW(close_range, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(calls) / sizeof(calls[0]), .filter = calls };
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { .effective = 1U << CAP_KILL, .permitted = 1U << CAP_KILL } };

	sys(SYS_capset, &header, data);
	sys(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* Without seccomp in the kernel it does with the rest. */
	sys(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
	sys(SYS_close_range, 0, ~0U, 0);
}

static noreturn void stay(int child)
{
	uint64_t all = SIGNALS_ALL;

	sys(SYS_prctl, PR_SET_NAME, "scow-init");
	shed_privileges();
	for (;;) {
		long sig = sys(SYS_rt_sigtimedwait, &all, 0, 0, sizeof(all));
		int status;
		long pid;

		if (sig > 0 && sig != SIGCHLD)
			sys(SYS_kill, child, sig);
		while (sig == SIGCHLD && (pid = sys(SYS_wait4, -1, &status, WNOHANG, 0)) > 0)
			if (pid == child)
				finish(exit_code(status));
	}
}

void step_init(const struct wire_step *step)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	int pipe[2];
	char byte;
	long pid;

	(void) step;
	doing("start the program below init", NULL, NULL, NULL);
	/* Before the clone: what comes in between must not be lost. */
	block_signals(SIGNALS_ALL);
	/* In a pid namespace this changes nothing; without one of its own, orphans come here all the same. */
	sys(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1);
	must(sys(SYS_pipe2, pipe, O_CLOEXEC), "pipe2");
	pid = must(sys(SYS_clone3, &args, sizeof(args)), "clone3");
	if (pid > 0) {
		if (init.supervised)
			sys(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
		stay((int) pid);
	}
	init.below_init = true;
	/* The end of the file: PID 1 has nothing left that the program could want from it. */
	sys(SYS_close, pipe[1]);
	while (sys(SYS_read, pipe[0], &byte, 1) == -EINTR)
		;
	sys(SYS_close, pipe[0]);
	block_signals(0);
}

struct ward {
	uint64_t key;
	int pidfd, tree_fd; /* -1: none */
	uint32_t tree;
};

static struct {
	struct ward *wards;
	size_t count, room;
} guard;

static void guard_grow(void)
{
	size_t room = guard.room ? guard.room * 2 : 4096 / sizeof(struct ward);
	long r;

	if (guard.room)
		r = sys(SYS_mremap, guard.wards, guard.room * sizeof(struct ward), room * sizeof(struct ward), MREMAP_MAYMOVE);
	else
		r = sys(SYS_mmap, 0, room * sizeof(struct ward), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (r < 0 && r > -4096)
		return;
	guard.wards = (struct ward *) r;
	guard.room = room;
}

static void guard_note(const struct wire_guard *request, const int fds[2])
{
	if (request->add) {
		if (guard.count == guard.room)
			guard_grow();
		if (guard.count < guard.room)
			guard.wards[guard.count++] = (struct ward){ request->key, fds[0], fds[1], request->tree };
		return;
	}
	/* From the end: what was added last is what is dropped soonest. */
	for (size_t i = guard.count; i-- > 0;) {
		if (guard.wards[i].key != request->key)
			continue;
		sys(SYS_close, guard.wards[i].pidfd);
		sys(SYS_close, guard.wards[i].tree_fd);
		guard.wards[i] = guard.wards[--guard.count];
		return;
	}
}

/* False at the end of file. */
static bool guard_receive(void)
{
	struct wire_guard request;
	struct iovec part = { &request, sizeof(request) };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control;
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	long n = sys(SYS_recvmsg, WIRE_FD_SOCKET, &message, MSG_CMSG_CLOEXEC);
	int fds[2] = { -1, -1 };

	if (n == -EINTR || n == -EAGAIN)
		return true;
	if (n < (long) sizeof(request))
		return false;
	if (message.msg_controllen >= CMSG_LEN(sizeof(int)) && control.header.cmsg_type == SCM_RIGHTS)
		memcpy(fds, CMSG_DATA(&control.header), control.header.cmsg_len < CMSG_LEN(sizeof(fds)) ? sizeof(int) : sizeof(fds));
	guard_note(&request, fds);
	FAULT_POINT("guard.noted");
	return true;
}

/* As many descriptors as this process can have: the owner's soft limit is for the owner. */
static void raise_limit(void)
{
	struct rlimit64 limit;

	if (sys(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	sys(SYS_prlimit64, 0, RLIMIT_NOFILE, &limit, 0);
}

/* All that a cgroup.procs file lists. The number of them. */
static unsigned int kill_listed(int fd)
{
	static char text[16 * 1024];
	unsigned int killed = 0;
	long n, offset = 0;

	while ((n = sys(SYS_pread64, fd, text, sizeof(text), offset)) > 0) {
		long whole = n; /* up to the end of the last whole line */
		uint32_t pid = 0;

		while (whole && text[whole - 1] != '\n')
			whole--;
		for (long i = 0; i < whole; i++) {
			if (text[i] != '\n') {
				pid = pid * 10 + (uint32_t) (text[i] - '0');
				continue;
			}
			/* 0: in a pid namespace that is not below ours. */
			if (pid)
				sys(SYS_kill, pid, SIGKILL);
			pid = 0;
			killed++;
		}
		if (!whole)
			break;
		offset += whole;
	}
	return killed;
}

static void kill_ward(const struct ward *ward)
{
	struct timespec pause = { .tv_nsec = 1000000 };

	sys(SYS_pidfd_send_signal, ward->pidfd, SIGKILL, 0, 0);
	if (ward->tree_fd < 0)
		return;
	if (ward->tree == WIRE_TREE_KILL)
		sys(SYS_write, ward->tree_fd, "1", 1);
	/* One forks while we read: again, until nobody is left. */
	for (int round = 0; ward->tree == WIRE_TREE_PROCS && round < TREE_ROUNDS && kill_listed(ward->tree_fd); round++)
		sys(SYS_nanosleep, &pause, 0);
}

void guard_main(void)
{
	uint64_t all = SIGNALS_ALL;
	struct pollfd fds[2] = { { .fd = WIRE_FD_SOCKET, .events = POLLIN }, { .fd = -1, .events = POLLIN } };

	/* Out of reach of the terminal's ctrl-C and of what the owner's group is sent. */
	sys(SYS_setsid);
	sys(SYS_rt_sigprocmask, SIG_SETMASK, &all, 0, sizeof(all));
	raise_limit();
	fds[1].fd = (int) sys(SYS_pidfd_open, sys(SYS_getppid), 0);
	for (;;) {
		long n = sys(SYS_ppoll, fds, 2, 0, 0, 0);

		if (n < 0 && n != -EINTR)
			break;
		/* The socket first: what the owner handed over before it died has to be known. */
		if (n > 0 && fds[0].revents) {
			if (!guard_receive())
				break;
		} else if (n > 0 && fds[1].revents) {
			break;
		}
	}
	FAULT_POINT("guard.alone");
	for (size_t i = 0; i < guard.count; i++)
		kill_ward(&guard.wards[i]);
	finish(0);
}
