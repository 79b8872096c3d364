/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The holder: one for each engine root of a plain user's with a container on a network. It owns the user namespace and the network
 * namespace in which his bridges are, for a plain user has none otherwise: only a process or a descriptor keeps a namespace that has no
 * place in a file system, and somebody has to see when the last who uses it has gone.
 *
 * 1. It opens sockets in the namespace and hands them over. The kernel asks two whether they may: who has opened the socket, which is
 *    this process, root in here; and who sends, which is the user's own process, whose user namespace this is. So all else of
 *    lib/network is the same code as root's.
 * 2. Who needs the networks keeps a connection. A moment after the last one is closed the process ends, and the namespaces with it.
 * 3. The program that makes the way out is tied to this process's end (tether.c).
 */
#include "init/holder.h"
#include "init/names-serve.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define LISTENER 3
#define LINGER_MS 500
#define SENT_MAX 2 /* descriptors with a request */

static struct {
	int epoll;
	int fds[WIRE_HOLDER_FDS]; /* those that are always there */
	int uplink;               /* a pidfd, or -1 */
	unsigned int n_connections;
	uint64_t idle_since;
} holder;

void holder_watch(int op, int fd, uint32_t events, enum holder_event what, unsigned int which)
{
	struct epoll_event event = { .events = events, .data.u64 = (uint64_t) what << 32 | which };

	sys(SYS_epoll_ctl, holder.epoll, op, fd, &event);
}

/* ---- requests ---- */

static bool has_uplink(void)
{
	struct pollfd ended = { .fd = holder.uplink, .events = POLLIN };
	struct timespec none = { 0 };

	if (holder.uplink >= 0 && sys(SYS_ppoll, &ended, 1, &none, 0, 0) != 0)
		names_close(&holder.uplink);
	return holder.uplink >= 0;
}

/* The sockets are new ones, for one user at a time. */
static long open_sockets(int fds[WIRE_HOLDER_FDS])
{
	memcpy(fds, holder.fds, sizeof(holder.fds));
	fds[WIRE_HOLDER_ROUTE] = (int) sys(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	fds[WIRE_HOLDER_FILTER] = (int) sys(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	return fds[WIRE_HOLDER_ROUTE] < 0 ? fds[WIRE_HOLDER_ROUTE] : 0;
}

/* Those of this network namespace: the file system is the host's, but what it shows there is ours. */
static long open_sysctl(const char *name, int flags)
{
	static char path[WIRE_HOLDER_TEXT + 16];

	if (!text_starts(name, "net/"))
		return -EINVAL;
	for (const char *at = name; *at; at++)
		if (text_starts(at, ".."))
			return -EINVAL;
	text_add(text_add(path, path + sizeof(path), "/proc/sys/"), path + sizeof(path), name);
	return sys(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC | O_NOFOLLOW);
}

static long write_sysctl(const struct wire_holder_request *request)
{
	long r, fd = open_sysctl(request->name, O_WRONLY);

	if (fd < 0)
		return fd;
	r = sys(SYS_write, fd, request->value, text_length(request->value));
	sys(SYS_close, fd);
	return r < 0 ? r : 0;
}

static long read_sysctl(const struct wire_holder_request *request, char value[WIRE_HOLDER_TEXT])
{
	long n, fd = open_sysctl(request->name, O_RDONLY);

	if (fd < 0)
		return fd;
	n = sys(SYS_read, fd, value, WIRE_HOLDER_TEXT - 1);
	sys(SYS_close, fd);
	value[n > 0 ? n : 0] = 0;
	return n < 0 ? n : 0;
}

static void answer_with(int socket, const struct wire_holder_answer *answer, const int *fds, unsigned int n_fds)
{
	struct iovec part = { (void *) (uintptr_t) answer, sizeof(*answer) };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(WIRE_HOLDER_FDS * sizeof(int))];
	} control = { .header = { CMSG_LEN(n_fds * sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (n_fds) {
		memcpy(CMSG_DATA(&control.header), fds, n_fds * sizeof(int));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
	}
	sys(SYS_sendmsg, socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void hand_over(int socket, struct wire_holder_answer *answer)
{
	int fds[WIRE_HOLDER_FDS];
	long r = open_sockets(fds);

	answer->error = (int32_t) -r;
	answer_with(socket, answer, fds, r < 0 ? 0 : fds[WIRE_HOLDER_FILTER] < 0 ? WIRE_HOLDER_FILTER : WIRE_HOLDER_FDS);
	names_close(&fds[WIRE_HOLDER_ROUTE]);
	names_close(&fds[WIRE_HOLDER_FILTER]);
}

static int take_uplink(int *fd)
{
	if (*fd < 0)
		return EBADF;
	names_close(&holder.uplink);
	holder.uplink = *fd;
	*fd = -1;
	return 0;
}

static int take_port(const struct wire_holder_request *request, int fds[SENT_MAX])
{
	int r = fds[0] < 0 || fds[1] < 0 ? EBADF : forward_begin(request, fds[0], fds[1]);

	if (r == 0)
		fds[0] = fds[1] = -1;
	return r;
}

static void obey(int socket, struct wire_holder_request *request, size_t size, int fds[SENT_MAX])
{
	struct wire_holder_answer answer = { .magic = WIRE_HOLDER_MAGIC, .error = EPROTO };

	if (size == sizeof(*request) && request->magic == WIRE_HOLDER_MAGIC) {
		request->name[sizeof(request->name) - 1] = request->value[sizeof(request->value) - 1] = 0;
		answer.uplink = has_uplink();
		switch (request->op) {
		case WIRE_HOLDER_JOIN:
			return hand_over(socket, &answer);
		case WIRE_HOLDER_SYSCTL:
			answer.error = (int32_t) -write_sysctl(request);
			break;
		case WIRE_HOLDER_ASK:
			answer.error = (int32_t) -read_sysctl(request, answer.value);
			break;
		case WIRE_HOLDER_UPLINK:
			answer.error = take_uplink(&fds[0]);
			break;
		case WIRE_HOLDER_PORT:
			answer.error = take_port(request, fds);
			break;
		default:
			break;
		}
	}
	answer_with(socket, &answer, NULL, 0);
}

static void hear(int socket)
{
	static struct wire_holder_request request;
	unsigned int n_fds = SENT_MAX;
	int fds[SENT_MAX] = { -1, -1 };
	long n = names_receive(socket, &request, sizeof(request), fds, &n_fds);

	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n > 0) {
		obey(socket, &request, (size_t) n, fds);
		for (unsigned int i = 0; i < SENT_MAX; i++)
			names_close(&fds[i]);
		return;
	}
	sys(SYS_close, socket);
	holder.n_connections--;
}

static void accept_connection(void)
{
	struct ucred peer;
	uint32_t size = sizeof(peer);
	long fd = sys(SYS_accept4, LISTENER, 0, 0, SOCK_CLOEXEC | SOCK_NONBLOCK);

	/* It stays in the queue, and we would be told of it without end. */
	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM || fd == -ENOBUFS)
		sys(SYS_nanosleep, &(struct timespec){ .tv_nsec = HOLDER_FULL_NAP_NS }, 0);
	if (fd < 0)
		return;
	/* The user whose namespace it is, who is root in here; or root of some outer one, who is nobody. */
	if (sys(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.uid != 0) {
		sys(SYS_close, fd);
		return;
	}
	holder.n_connections++;
	holder_watch(EPOLL_CTL_ADD, (int) fd, EPOLLIN, HOLDER_CONNECTION, (unsigned int) fd);
}

/* ---- the whole ---- */

/* ms to wait at most, -1: for ever. Ends the process when nobody needs it any more. */
static int time_to_wait(void)
{
	uint64_t now;

	if (holder.n_connections) {
		holder.idle_since = 0;
		return -1;
	}
	now = names_now();
	if (!holder.idle_since)
		holder.idle_since = now;
	if (now - holder.idle_since >= LINGER_MS)
		finish(0);
	return (int) (holder.idle_since + LINGER_MS - now);
}

static void prepare(int listener)
{
	uint64_t all = ~0UL;
	struct rlimit64 limit;

	sys(SYS_rt_sigprocmask, SIG_SETMASK, &all, 0, sizeof(all));
	sys(SYS_setsid);
	sys(SYS_chdir, "/");
	sys(SYS_prctl, PR_SET_NAME, WIRE_HOLDER_NAME);
	/* The end of what we have to report: the library goes on. */
	must(sys(SYS_dup3, listener, LISTENER, O_CLOEXEC), "dup3");
	sys(SYS_close_range, 0, LISTENER - 1, 0);
	sys(SYS_close_range, LISTENER + 1, ~0U, 0);
	if (sys(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		sys(SYS_prlimit64, 0, RLIMIT_NOFILE, &limit, 0);
	}
	holder.epoll = (int) sys(SYS_epoll_create1, EPOLL_CLOEXEC);
	holder.uplink = -1;
	holder_watch(EPOLL_CTL_ADD, LISTENER, EPOLLIN, HOLDER_LISTENER, 0);
}

static void happen(enum holder_event what, unsigned int which)
{
	switch (what) {
	case HOLDER_LISTENER:
		accept_connection();
		break;
	case HOLDER_CONNECTION:
		hear((int) which);
		break;
	case HOLDER_FORWARD:
		forward_accept(which);
		break;
	case HOLDER_LIFE:
		forward_end(which);
		break;
	case HOLDER_FLOW:
		forward_flow(which);
		break;
	case HOLDER_CLIENT:
		forward_client(which);
		break;
	}
}

static noreturn void hold(int listener)
{
	static struct epoll_event events[16];

	prepare(listener);
	holder.fds[WIRE_HOLDER_USER] = (int) sys(SYS_openat, AT_FDCWD, "/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
	holder.fds[WIRE_HOLDER_NETWORK] = (int) sys(SYS_openat, AT_FDCWD, "/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	holder.fds[WIRE_HOLDER_PIDFD] = (int) sys(SYS_pidfd_open, sys(SYS_getpid), 0);
	sys(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
	/* Without them nobody can use it. */
	for (unsigned int i = 0; i <= WIRE_HOLDER_PIDFD; i++)
		if (holder.fds[i] < 0)
			finish(1);
	for (;;) {
		long n = sys(SYS_epoll_pwait, holder.epoll, events, 16, time_to_wait(), 0, 8);

		for (long i = 0; i < n; i++)
			happen((enum holder_event)(events[i].data.u64 >> 32), (unsigned int) events[i].data.u64);
	}
}

void step_holder(const struct wire_step *step)
{
	struct clone_args args = { .exit_signal = SIGCHLD };

	doing("hold the user's networks", NULL, NULL, NULL);
	/* It is nobody's child; the library's own ends here. */
	if (must(sys(SYS_clone3, &args, sizeof(args)), "clone3") == 0)
		hold((int) step->number[0]);
}
