/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One run of a supervised container, up to the moment when its program runs.
 *
 * Its PID 1 is a copy of this process, not a new scow-init: it has all rights in its new user namespace until it executes something,
 * so nothing has to be executed twice, and the plan is in its memory already. It is made in all its namespaces at once, in its
 * cgroup before it does anything, and dies with us.
 */
#include "init/supervisor.h"
#include "init/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define LATE_FLAGS ((uint64_t) CLONE_NEWCGROUP | 0x80 /* CLONE_NEWTIME */)
#define ARGUMENTS_MAX 64

static struct wire_failure failure;

void set_nonblock(int fd)
{
	sys(SYS_fcntl, fd, F_SETFL, sys(SYS_fcntl, fd, F_GETFL) | O_NONBLOCK);
}

static const struct wire_failure *say(const char *what, const char *call, long error)
{
	char *end = text_add(failure.text, failure.text + sizeof(failure.text), what);

	failure.report = (struct wire_report){ .kind = WIRE_FAILED, .step = WIRE_KINDS, .error = (int32_t) -error };
	failure.report.size = (uint32_t) (end - failure.text);
	text_add(failure.report.call, failure.report.call + sizeof(failure.report.call), call);
	return &failure;
}

const struct wire_failure *run_problem(const char *what, const char *call, long error)
{
	return say(what, call, error);
}

struct birth {
	int pair[2];  /* ours, the child's */
	int stdio[3]; /* the child's ends, or -1 */
	int ours[3];
	int pid, pidfd;
};

static void close_fds(int *fds, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		if (fds[i] >= 0)
			sys(SYS_close, fds[i]);
		fds[i] = -1;
	}
}

static long open_pipes(struct birth *birth)
{
	bool terminal = supervisor.config.flags & WIRE_SUPERVISE_TERMINAL;

	for (int i = 0; i < 3 && !terminal; i++) {
		int pipe[2];
		long r;

		if (i == 0 && !(supervisor.config.flags & WIRE_SUPERVISE_STDIN))
			continue;
		r = sys(SYS_pipe2, pipe, O_CLOEXEC);
		if (r < 0)
			return r;
		birth->stdio[i] = pipe[i != 0];
		birth->ours[i] = pipe[i == 0];
		set_nonblock(birth->ours[i]);
	}
	return sys(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, birth->pair);
}

static long join_cgroups(void)
{
	long r = 0;

	for (uint32_t i = 0; i < supervisor.config.n_cgroups && r >= 0; i++) {
		long fd = sys(SYS_openat, WIRE_FD_CGROUPS + i, "tasks", O_WRONLY | O_CLOEXEC);

		r = fd < 0 ? fd : sys(SYS_write, fd, "0", 1);
		if (fd >= 0)
			sys(SYS_close, fd);
	}
	return r;
}

/* In the child: descriptors in their places, then the plan. */
static noreturn void be_container(const struct birth *birth)
{
	uint64_t none = 0;
	char byte;
	long r;

	sys(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
	init.supervised = true;
	/* Its end of the socket is the supervisor's alone: so one that died before the line above is seen to be gone. */
	sys(SYS_close, birth->pair[0]);
	must(sys(SYS_dup3, birth->pair[1], WIRE_FD_SOCKET, O_CLOEXEC), "dup3");
	for (int i = 0; i < 3; i++)
		if (birth->stdio[i] >= 0)
			must(sys(SYS_dup3, birth->stdio[i], i, 0), "dup3");
	doing("join the cgroup", NULL, NULL, NULL);
	r = supervisor.config.flags & WIRE_SUPERVISE_CGROUP_V2 ? 0 : join_cgroups();
	must(r, "write");
	names_pass();
	/* What remains below are the namespaces to join, and the descriptors of this process in between; all go when it moves into its
	 * root. */
	if (supervisor.config.n_passed)
		sys(SYS_close_range, WIRE_FD_LOCK, WIRE_FD_PASS - 1, 0);
	close_from(supervisor.config.n_passed ? WIRE_FD_PASS + supervisor.config.n_passed : WIRE_FD_LOCK);
	sys(SYS_rt_sigprocmask, SIG_SETMASK, &none, 0, sizeof(none));
	FAULT_POINT("run.born");
	read_socket(&byte, 1);
	carry_out(supervisor.plan, supervisor.config.plan_size);
}

/* One of newuidmap and newgidmap: @arguments has the program's path, and what comes after the process id. */
static long map_by_helper(const char *arguments, size_t size, int pid)
{
	struct clone_args args = { .flags = CLONE_VFORK, .exit_signal = SIGCHLD };
	static char number[16];
	const char *argv[ARGUMENTS_MAX + 1] = { arguments, number };
	char *none[] = { NULL };
	uint64_t no_signals = 0;
	unsigned int count = 2;
	long child;
	int status;

	text_add_number(number, number + sizeof(number), (uint64_t) pid);
	for (const char *at = arguments + text_length(arguments) + 1; at < arguments + size && count < ARGUMENTS_MAX;
	     at += text_length(at) + 1)
		argv[count++] = at;
	argv[count] = NULL;
	child = sys(SYS_clone3, &args, sizeof(args));
	if (child == 0) {
		sys(SYS_rt_sigprocmask, SIG_SETMASK, &no_signals, 0, sizeof(no_signals));
		sys(SYS_close_range, 3, ~0U, 0);
		sys(SYS_execve, arguments, argv, none);
		finish(127);
	}
	if (child < 0)
		return child;
	while (sys(SYS_wait4, child, &status, __WALL, 0) == -EINTR)
		;
	return status == 0 ? 0 : -EPERM;
}

static long write_proc(int pid, const char *name, const char *text, size_t size)
{
	char path[64], *at = text_add(path, path + sizeof(path), "/proc/");
	long fd, r;

	at = text_add_number(at, path + sizeof(path), (uint64_t) pid);
	text_add(text_add(at, path + sizeof(path), "/"), path + sizeof(path), name);
	fd = sys(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return fd;
	r = sys(SYS_write, fd, text, size);
	sys(SYS_close, fd);
	return r < 0 ? r : 0;
}

static long write_maps(int pid)
{
	size_t n = supervisor.config.uid_map_size, m = supervisor.config.gid_map_size;
	long r;

	if (supervisor.config.flags & WIRE_SUPERVISE_MAP_BY_HELPER) {
		r = map_by_helper(supervisor.maps, n, pid);
		return r < 0 ? r : map_by_helper(supervisor.maps + n, m, pid);
	}
	r = write_proc(pid, "uid_map", supervisor.maps, n);
	if (r == 0)
		r = write_proc(pid, "setgroups", "deny", 4);
	return r < 0 ? r : write_proc(pid, "gid_map", supervisor.maps + n, m);
}

long run_receive(int socket, int *fd, const struct wire_failure **problem)
{
	struct iovec part = { &failure.report, sizeof(failure.report) };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	long n;

	*fd = -1;
	*problem = NULL;
	while ((n = sys(SYS_recvmsg, socket, &message, MSG_CMSG_CLOEXEC | MSG_WAITALL)) == -EINTR)
		;
	if (n > 0 && message.msg_controllen >= CMSG_LEN(sizeof(int)) && control.header.cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(&control.header), sizeof(*fd));
	if (n <= 0)
		return n;
	if (n != sizeof(failure.report))
		return -EPIPE;
	if (failure.report.kind != WIRE_FAILED)
		return n;
	if (failure.report.size >= sizeof(failure.text))
		failure.report.size = 0;
	sys(SYS_recvfrom, socket, failure.text, failure.report.size, MSG_WAITALL, 0, 0);
	failure.text[failure.report.size] = 0;
	*problem = &failure;
	return n;
}

int run_pid_of(int pidfd)
{
	static char text[512];
	char path[48];
	long fd, n;
	uint32_t pid = 0;

	text_add_number(text_add(path, path + sizeof(path), "/proc/self/fdinfo/"), path + sizeof(path), (uint64_t) pidfd);
	fd = sys(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = sys(SYS_read, fd, text, sizeof(text) - 1);
	sys(SYS_close, fd);
	text[n > 0 ? n : 0] = 0;
	for (char *line = text; *line; line = (char *) text_find(line, '\n')) {
		line += *line == '\n';
		if (!text_starts(line, "Pid:\t"))
			continue;
		line += 5;
		*(char *) text_find(line, '\n') = 0;
		return text_number(line, &pid) ? (int) pid : 0;
	}
	return 0;
}

/* For two steps that wait. */
static const char go[2];

static bool is_connected(void)
{
	return network_is_there() || tether_is_there();
}

/* The links of the process that counts, and then, unless another step waits before it, the byte for the last one that waits. */
static const struct wire_failure *connect_it(const struct birth *birth)
{
	const struct wire_failure *problem = tether_is_there() ? tether_begin(birth->pid, birth->pidfd) : NULL;
	const char *what = "";
	long r = problem || !network_is_there() ? 0 : network_connect(birth->pid, supervisor.state.restart_count, &what);

	/* It has failed already, and says why itself. */
	if (r == -ESRCH)
		return NULL;
	if (r < 0)
		return say(what, "netlink", r);
	if (problem)
		return problem;
	if (!(supervisor.config.flags & WIRE_SUPERVISE_READY))
		sys(SYS_sendto, birth->pair[0], go, 1, MSG_NOSIGNAL);
	return NULL;
}

/* Reads reports to the end of the file. */
static const struct wire_failure *listen_to(struct birth *birth)
{
	for (;;) {
		const struct wire_failure *problem;
		int fd;
		long n = run_receive(birth->pair[0], &fd, &problem);

		if (n == 0 || problem)
			return problem;
		if (n < 0)
			return say("hear from scow-init", "recvmsg", n);
		if (failure.report.kind == WIRE_IS_READY) {
			problem = hooks_before(birth->pid);
			if (problem)
				return problem;
			sys(SYS_sendto, birth->pair[0], go, sizeof(go), MSG_NOSIGNAL);
			continue;
		}
		if (fd < 0)
			return say("receive a descriptor from scow-init", "recvmsg", -EMFILE);
		if (failure.report.kind == WIRE_TERMINAL_FD) {
			supervisor.terminal = fd;
		} else {
			/* The first process has done its part; from now on its child is the one. */
			while (sys(SYS_wait4, birth->pid, 0, __WALL, 0) == -EINTR)
				;
			sys(SYS_close, birth->pidfd);
			birth->pidfd = fd;
			birth->pid = run_pid_of(fd);
			problem = is_connected() ? connect_it(birth) : NULL;
			if (problem)
				return problem;
		}
	}
}

static void destroy(struct birth *birth)
{
	sys(SYS_pidfd_send_signal, birth->pidfd, SIGKILL, 0, 0);
	while (sys(SYS_wait4, birth->pid, 0, __WALL, 0) == -EINTR)
		;
	close_fds(&birth->pidfd, 1);
	close_fds(&supervisor.terminal, 1);
}

static const struct wire_failure *raise_it(struct birth *birth)
{
	/* The second is for the step that waits before the program, unless another waits before that. */
	size_t n_go = supervisor.config.flags & WIRE_SUPERVISE_READY || is_connected() ? 1 : 2;
	const struct wire_failure *problem = NULL;
	long r = 0;

	if (supervisor.config.clone_flags & CLONE_NEWUSER)
		r = write_maps(birth->pid);
	if (r < 0)
		problem = say("map ids for the container's user namespace: check /etc/subuid and /etc/subgid", "uid_map", r);
	/* That it has gone shows below. */
	if (!problem) {
		sys(SYS_sendto, birth->pair[0], go, n_go, MSG_NOSIGNAL);
		FAULT_POINT("run.told");
		if (is_connected() && !(supervisor.config.flags & WIRE_SUPERVISE_ENTERS))
			problem = connect_it(birth);
		if (!problem)
			problem = listen_to(birth);
	}
	if (problem)
		destroy(birth);
	return problem;
}

static void take(struct birth *birth)
{
	supervisor.pid = birth->pid;
	supervisor.pidfd = birth->pidfd;
	supervisor.input = birth->ours[0];
	supervisor.outputs[0] = birth->ours[1];
	supervisor.outputs[1] = birth->ours[2];
	if (supervisor.terminal >= 0) {
		set_nonblock(supervisor.terminal);
		supervisor.outputs[0] = supervisor.terminal;
		/* Its own descriptor, to be waited for on its own. */
		supervisor.input = (int) sys(SYS_fcntl, supervisor.terminal, F_DUPFD_CLOEXEC, WIRE_FD_CGROUPS);
	}
}

const struct wire_failure *run_begin(void)
{
	struct birth birth = { .pair = { -1, -1 }, .stdio = { -1, -1, -1 }, .ours = { -1, -1, -1 }, .pidfd = -1 };
	struct clone_args args = {
		.flags = CLONE_PIDFD,
		.pidfd = (uint64_t) (uintptr_t) &birth.pidfd,
		.exit_signal = SIGCHLD,
	};
	const struct wire_failure *problem = NULL;
	long r = open_pipes(&birth);
	int main_cgroup = -1;

	if (r < 0)
		problem = say("open pipes for the container", "pipe2", r);
	r = problem ? 0 : network_load();
	if (r == 0 && !problem)
		r = tether_load();
	if (r < 0)
		problem = say("read the container's networks", "read", r);
	if (supervisor.config.flags & WIRE_SUPERVISE_ENTERS)
		args.flags |= supervisor.config.clone_flags & CLONE_NEWUSER;
	else
		args.flags |= supervisor.config.clone_flags & ~LATE_FLAGS;
	if ((supervisor.config.flags & WIRE_SUPERVISE_CGROUP_V2) && supervisor.config.n_cgroups) {
		/* Where programs with limits of their own were executed, the processes are in a child of it (runtime/exec.h). */
		main_cgroup = (int) sys(SYS_openat, WIRE_FD_CGROUPS, "main", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = main_cgroup >= 0 ? (uint64_t) main_cgroup : WIRE_FD_CGROUPS;
	}
	supervisor.terminal = -1;
	if (network_is_there())
		names_load();
	if (!problem) {
		r = sys(SYS_clone3, &args, sizeof(args));
		if (r == 0)
			be_container(&birth);
		FAULT_POINT("run.cloned");
		birth.pid = (int) r;
		if (r < 0)
			problem = say("create a process", "clone3", r);
	}
	names_unload();
	close_fds(&main_cgroup, 1);
	close_fds(birth.stdio, 3);
	close_fds(&birth.pair[1], 1);
	if (!problem)
		problem = raise_it(&birth);
	close_fds(&birth.pair[0], 1);
	if (problem)
		close_fds(birth.ours, 3);
	else
		take(&birth);
	return problem;
}
