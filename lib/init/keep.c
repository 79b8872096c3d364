/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The parent of a program that is executed in a container.
 *
 * When a container's PID 1 ends, the kernel kills all others in its pid namespace, and PID 1 has not ended before each of them is reaped
 * by its parent. That must not be the library's caller, who may be busy with something else for as long as it likes, nor an init of the
 * host's that takes its time: so the parent is this process, which does nothing but wait, and then ends as the program did. It is
 * outside of the container in every way, its cgroup included; the process that carries out the plan is its first child, the program,
 * by CLONE_PARENT, its second.
 */
#include "init/init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "init/fault.h"
#include "init/supervisor-wire.h"

static void set_signals(uint64_t blocked)
{
	sys(SYS_rt_sigprocmask, SIG_SETMASK, &blocked, 0, sizeof(blocked));
}

/* Of the program, if there was one; else of what should have made it. */
static int await_children(long first)
{
	int status = 0, last = 0;
	bool known = false;
	long pid;

	while ((pid = sys(SYS_wait4, -1, &status, __WALL, 0)) > 0 || pid == -EINTR) {
		if (pid < 0 || (known && pid == first))
			continue;
		last = status;
		known = pid != first;
	}
	return last;
}

static noreturn void end_as(int status)
{
	if (!WIFSIGNALED(status))
		finish(WEXITSTATUS(status));
	set_signals(0);
	sys(SYS_kill, sys(SYS_getpid), WTERMSIG(status));
	finish(128 + WTERMSIG(status));
}

/* With a cgroup v2 the process is born in it, else it goes there now. */
static bool is_directory(int fd)
{
	struct stat status;

	return sys(SYS_newfstatat, fd, "", &status, AT_EMPTY_PATH) == 0 && S_ISDIR(status.st_mode);
}

static void join_cgroups(void)
{
	doing("join the cgroup", NULL, NULL, NULL);
	for (int fd = WIRE_FD_CGROUPS; fd < WIRE_FD_CGROUPS + WIRE_CGROUPS_MAX; fd++) {
		long r = is_directory(fd) ? 0 : sys(SYS_write, fd, "0", 1);

		if (r == -EBADF)
			return;
		must(r, "write");
		sys(SYS_close, fd);
	}
}

void keep_main(bool orphan)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	long first;

	/* What a terminal or the caller's group is sent is not for us. */
	set_signals(~UINT64_C(0));
	sys(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
	doing("start scow-init", NULL, NULL, NULL);
	if (orphan && must(sys(SYS_clone3, &args, sizeof(args)), "clone3") > 0)
		finish(0);
	if (is_directory(WIRE_FD_CGROUPS)) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = WIRE_FD_CGROUPS;
	}
	first = must(sys(SYS_clone3, &args, sizeof(args)), "clone3");
	if (first == 0) {
		sys(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
		sys(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
		set_signals(0);
		join_cgroups();
		return;
	}
	FAULT_POINT("keep.born");
	sys(SYS_prctl, PR_SET_NAME, "scow-keeper");
	sys(SYS_setsid);
	sys(SYS_chdir, "/");
#ifdef FAULT_FD
	sys(SYS_close_range, 0, FAULT_FD - 1, 0);
#else
	sys(SYS_close_range, 0, ~0U, 0);
#endif
	first = await_children(first);
	FAULT_POINT("keep.ended");
	end_as((int) first);
}
