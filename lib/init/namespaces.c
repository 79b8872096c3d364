/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The namespaces that clone could not make: those to join, the cgroup namespace (its root is the cgroup
 * that we are in when it is made), and a new child where a pid namespace is joined, because only
 * children live in it.
 */
#include "init/init.h"
#include "init/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/sockios.h>
#include <signal.h>
#include <sys/socket.h>

void step_join(const struct wire_step *step)
{
	int fd = step->flags & WIRE_SLOT ? userns_fd(step->number[0]) : (int) step->number[0];

	doing("join a namespace", plan_text(&init.plan, step, 0), NULL, NULL);
	must(sys(SYS_setns, fd, step->number[1]), "setns");
	sys(SYS_close, fd);
	if (step->number[1] & CLONE_NEWUSER)
		userns_become_root();
	/* Our "/" is that of the container now. */
	if (step->number[1] & CLONE_NEWNS)
		init.root = AT_FDCWD;
}

/* By its name on the host, so before any namespace is joined; "0" is who writes it. */
void step_cgroup_join(const struct wire_step *step)
{
	long r = -EBUSY;

	for (unsigned int i = 0; i < 2 && r == -EBUSY; i++) {
		const char *path = plan_text(&init.plan, step, i);
		long fd;

		doing("join the cgroup", path ? path : "", NULL, NULL);
		fd = must(path ? sys(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC) : -EBUSY, "open");
		r = sys(SYS_write, fd, "0", 1);
		sys(SYS_close, fd);
	}
	must(r, "write");
}

/*
 * A time namespace is for the children of who makes it, and since 6.1 for what he executes. Who stays as PID 1 (WIRE_INIT), or is
 * looked at by those who join it, must be in it, too.
 */
static void enter_time(void)
{
	long fd = sys(SYS_openat, AT_FDCWD, "/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	sys(SYS_setns, fd, CLONE_NEWTIME);
	sys(SYS_close, fd);
}

void step_unshare(const struct wire_step *step)
{
	doing("make namespaces", NULL, NULL, NULL);
	must(sys(SYS_unshare, step->number[0]), "unshare");
	if (step->number[0] & CLONE_NEWTIME)
		enter_time();
}

/*
 * The child becomes our sibling (CLONE_PARENT): whoever waits for us waits for it, too, and hears of it by a pidfd; then we end, for our
 * own end is of no interest any more. The child does nothing before it is told of: if we are killed in between nobody could end it, so
 * it ends by itself, and is found, to be reaped, by our process group.
 */
void step_enter(const struct wire_step *step)
{
	int pidfd = -1, told[2];
	struct clone_args args = {
		.flags = CLONE_PIDFD | CLONE_PARENT | step->number[0],
		.pidfd = (uint64_t) (uintptr_t) &pidfd,
	};
	char byte = 1;
	long n;

	doing("enter the namespaces", NULL, NULL, NULL);
	/* In the pid namespace of others before our files are closed: nobody there may look at or trace us (CVE-2016-9962). */
	must(sys(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0), "prctl PR_SET_DUMPABLE");
	must(sys(SYS_pipe2, told, O_CLOEXEC), "pipe2");
	sys(SYS_setpgid, 0, 0);
	if (must(sys(SYS_clone3, &args, sizeof(args)), "clone3") == 0) {
		sys(SYS_close, told[1]);
		while ((n = sys(SYS_read, told[0], &byte, 1)) == -EINTR)
			;
		if (n != 1)
			finish(125);
		sys(SYS_close, told[0]);
		return;
	}
	FAULT_POINT("enter.made");
	report_fd(WIRE_CHILD_FD, pidfd);
	sys(SYS_write, told[1], &byte, 1);
	FAULT_POINT("enter.told");
	finish(0);
}

void step_hostname(const struct wire_step *step)
{
	const char *name = plan_text(&init.plan, step, 0);

	doing("set the host name", name, NULL, NULL);
	must(sys(SYS_sethostname, name, text_length(name)), "sethostname");
}

void step_domainname(const struct wire_step *step)
{
	const char *name = plan_text(&init.plan, step, 0);

	doing("set the domain name", name, NULL, NULL);
	must(sys(SYS_setdomainname, name, text_length(name)), "setdomainname");
}

void step_loopback(const struct wire_step *step)
{
	struct ifreq request = { .ifr_name = "lo" };
	int fd;

	(void) step;
	doing("bring up the loopback interface", NULL, NULL, NULL);
	request.ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
	fd = (int) must(sys(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
	must(sys(SYS_ioctl, fd, SIOCSIFFLAGS, &request), "ioctl SIOCSIFFLAGS");
	sys(SYS_close, fd);
}
