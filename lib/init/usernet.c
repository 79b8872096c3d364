/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A plain user's way out without any other program: the process, one for each run of a container. usernet.h has the whole picture.
 *
 * It is born by the library, or by the container's supervisor, as the user and in the host's namespaces, and ends with the container's
 * first process, seen by a pidfd. It reads what hostile programs send, so when all is made it has no capability, no name for any file, and
 * few system calls; what it could be made to do is what the container may ask of it anyway: connections of the user's, but none to the host
 * itself.
 */
#include "init/usernet-process.h"

#include <errno.h>
#include <linux/prctl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

#define EVENTS 64
#define LAST_TURNS 64

int usernet_epoll;
static bool ip6;

uint64_t usernet_now(void)
{
	struct timespec now;

	sys(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
	return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}

bool usernet_allows_ip6(void)
{
	return ip6;
}

static void watch(int fd, uint64_t what)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = what };

	must(sys(SYS_epoll_ctl, usernet_epoll, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

/* What the container has said last is still passed on: the kernel sends on what a socket has taken. */
static noreturn void end(void)
{
	for (unsigned int i = 0; i < LAST_TURNS && link_read(); i++)
		;
	flow_settle();
	finish(0);
}

static void happen(const struct epoll_event *event)
{
	struct flow *flow = &flows[event->data.u64 & (USERNET_FLOWS - 1)];

	switch (event->data.u64 & ~0xffffffffull) {
	case USERNET_EVENT_END:
		end();
	case USERNET_EVENT_LINK:
		link_read();
		break;
	case USERNET_EVENT_PORT:
		ports_event((unsigned int) event->data.u64);
		break;
	default:
		if (flow->kind == FLOW_TCP)
			tcp_event(flow, event->events);
		else if (flow->kind != FLOW_FREE)
			datagram_event(flow);
		break;
	}
}

static noreturn void serve(void)
{
	static struct epoll_event events[EVENTS];
	int wait = -1;

	for (;;) {
		long n = sys(SYS_epoll_pwait, usernet_epoll, events, EVENTS, wait, 0, 8);

		for (long i = 0; i < n; i++)
			happen(&events[i]);
		wait = flow_settle() ? flow_tick() : 0;
	}
}

static void make_room(void)
{
	struct rlimit64 limit;

	if (sys(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	sys(SYS_prlimit64, 0, RLIMIT_NOFILE, &limit, 0);
}

void usernet_main(char **ports, int user_fd, int pidfd, int netns)
{
	static const uint16_t calls[] = {
		SYS_read,       SYS_writev,     SYS_recvfrom,  SYS_recvmsg,   SYS_sendto,        SYS_socket, SYS_connect,
		SYS_accept4,    SYS_close,      SYS_shutdown,  SYS_epoll_ctl, SYS_epoll_pwait,   SYS_ppoll,  SYS_getsockopt,
		SYS_setsockopt, SYS_exit_group, SYS_nanosleep, SYS_sendmsg,   SYS_clock_gettime,
	};
	uint64_t secret = 0;

	sys(SYS_prctl, PR_SET_NAME, "scow-usernet");
	sys(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
	sys(SYS_setsid);
	sys(SYS_chdir, "/");
	make_room();
	ip6 = host_has_ip6();
	host_read_resolvers();
	ports_open(ports);
	link_make(user_fd, netns, ip6);
	sys(SYS_close, netns);
	if (user_fd != pidfd)
		sys(SYS_close, user_fd);
	doing("start the container's network", NULL, NULL, NULL);
	must(sys(SYS_getrandom, &secret, sizeof(secret), 0), "getrandom");
	flow_table_open(secret);
	usernet_epoll = (int) must(sys(SYS_epoll_create1, EPOLL_CLOEXEC), "epoll_create1");
	watch(link_fd(), USERNET_EVENT_LINK);
	watch(pidfd, USERNET_EVENT_END);
	ports_watch();
	shed_all_but(calls, sizeof(calls) / sizeof(calls[0]));
	/* That it ends without a word is the good news. */
	sys(SYS_close, report_socket);
	serve();
}
