/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The responder: one for each engine root with a container on a network that has names. This is its first process. It begins with the
 * listening ROOT/names.sock, which the library made, and nothing else.
 *
 * 1. It has every container's sockets and record. The second process (names-serve.c) is a fork of it, so it has them from its birth;
 *    what comes later it is told. When that one ends, whatever of, there is another at once; what was asked meanwhile waits in the
 *    containers' sockets.
 * 2. A container goes when its PID 1 ends, seen by a pidfd: nobody has to say so. For as long as its sockets are open its network
 *    namespace stays, so that has to be at once.
 * 3. A third process, the stand-in, is a copy of the first as it is after each change. It does nothing but wait for the first one's end,
 *    and is then the first. So any of the three may be killed, or the first and second at once; not all of them.
 * 4. With the last container, and nobody on the line, it ends. ROOT/names.sock stays behind: who finds that nobody listens there puts a
 *    new one in its place by rename, under a lock (network/names.c), and so nothing can be removed that is another's.
 */
#include "init/names-serve.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#define CONNECTIONS 64
#define LINGER_MS 250
#define BACK_OFF_MS 100
#define SHORT_LIFE_MS 1000
#define FULL_NAP_NS 10000000

enum first_event { FIRST_LISTENER, FIRST_CONNECTION, FIRST_CONTAINER, FIRST_SERVER, FIRST_STAND_IN };

static struct {
	int epoll;
	int connections[CONNECTIONS]; /* 0: none */
	unsigned int n_connections;
	int orders, pidfd, pid; /* of the second process; pid 0: there is none */
	uint64_t born, again_at;
	uint64_t idle_since;          /* 0: somebody is here */
	int stand_in, stand_in_pidfd; /* stand_in 0: there is none */
	bool is_changed;              /* since it was made */
} first;

static union {
	struct wire_names_request request;
	unsigned char bytes[sizeof(struct wire_names_request) + WIRE_NAMES_BYTES_MAX];
} inbox __attribute__((aligned(8)));

uint64_t names_now(void)
{
	struct timespec now;

	sys(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
	return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}

void names_close(int *fd)
{
	if (*fd >= 0)
		sys(SYS_close, *fd);
	*fd = -1;
}

void *names_memory(void *old, size_t old_size, size_t size)
{
	long r;

	if (old)
		r = sys(SYS_mremap, old, old_size, size, MREMAP_MAYMOVE);
	else
		r = sys(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return r < 0 && r > -4096 ? NULL : (void *) r;
}

long names_receive(int socket, void *data, size_t size, int *fds, unsigned int *n_fds)
{
	struct iovec part = { data, size };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(WIRE_NAMES_FDS * sizeof(int))];
	} control;
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	int all[WIRE_NAMES_FDS];
	unsigned int n = 0, room = *n_fds;
	long r = sys(SYS_recvmsg, socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	*n_fds = 0;
	if (r <= 0)
		return r;
	if (message.msg_controllen >= CMSG_LEN(sizeof(int)) && control.header.cmsg_type == SCM_RIGHTS)
		n = (unsigned int) ((control.header.cmsg_len - CMSG_LEN(0)) / sizeof(int));
	memcpy(all, CMSG_DATA(&control.header), n * sizeof(int));
	/* Some did not come: none is of use. */
	if (message.msg_flags & MSG_CTRUNC)
		room = 0;
	for (unsigned int i = 0; i < n; i++) {
		if (i < room)
			fds[i] = all[i];
		else
			names_close(&all[i]);
	}
	*n_fds = n < room ? n : room;
	if (message.msg_flags & MSG_CTRUNC)
		return -EMFILE;
	return message.msg_flags & MSG_TRUNC ? -EMSGSIZE : r;
}

static void watch_first(int op, int fd, enum first_event what, unsigned int place)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = (uint64_t) what << 32 | place };

	sys(SYS_epoll_ctl, first.epoll, op, fd, &event);
}

/* What a fork of the first process has of it and must not keep: a connection would stay open. */
static void leave_first(void)
{
	names_close(&first.epoll);
	names_close(&first.orders);
	names_close(&first.pidfd);
	names_close(&first.stand_in_pidfd);
	for (unsigned int i = 0; i < CONNECTIONS; i++) {
		if (first.connections[i])
			sys(SYS_close, first.connections[i]);
		first.connections[i] = 0;
	}
	first.n_connections = 0;
}

static void reap(int pid, int *pidfd)
{
	sys(SYS_pidfd_send_signal, *pidfd, SIGKILL, 0, 0);
	while (sys(SYS_wait4, pid, 0, __WALL, 0) == -EINTR)
		;
	names_close(pidfd);
}

/* ---- the second process ---- */

static noreturn void become_server(int orders)
{
	sys(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
	sys(SYS_prctl, PR_SET_NAME, "scow-names-dns");
	leave_first();
	for (unsigned int i = 0; i < names_top; i++)
		if (names_clients[i].record)
			names_close(&names_clients[i].pidfd);
	/* Who connects must not be kept waiting by us when the first process is no more. */
	sys(SYS_close, WIRE_FD_SOCKET);
	names_serve(orders);
}

static void make_server(void)
{
	int pair[2], pidfd = -1;
	struct clone_args args = { .flags = CLONE_PIDFD, .pidfd = (uint64_t) (uintptr_t) &pidfd, .exit_signal = SIGCHLD };
	long r;

	if (first.pid || !names_count || sys(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return;
	first.orders = pair[0];
	r = sys(SYS_clone3, &args, sizeof(args));
	if (r == 0)
		become_server(pair[1]);
	sys(SYS_close, pair[1]);
	first.born = names_now();
	if (r < 0) {
		names_close(&first.orders);
		first.again_at = first.born + BACK_OFF_MS;
		return;
	}
	first.again_at = 0;
	first.pid = (int) r;
	first.pidfd = pidfd;
	watch_first(EPOLL_CTL_ADD, pidfd, FIRST_SERVER, 0);
}

/* It has ended, or is to. One that ended soon is not made again at once. */
static void lose_server(void)
{
	uint64_t now = names_now();

	if (!first.pid)
		return;
	reap(first.pid, &first.pidfd);
	names_close(&first.orders);
	first.pid = 0;
	first.again_at = now - first.born < SHORT_LIFE_MS ? now + BACK_OFF_MS : now;
}

/* @fds: its two sockets, or NULL. */
static void order(unsigned int place, const int *fds)
{
	const struct wire_names *record = names_clients[place].record;
	struct names_order order = { .place = place, .size = record ? record->size : 0 };
	struct iovec parts[2] = { { &order, sizeof(order) }, { (void *) (uintptr_t) record, order.size } };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control = { .header = { CMSG_LEN(2 * sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = record ? 2 : 1 };

	first.is_changed = true;
	if (!first.pid)
		return make_server();
	if (fds) {
		memcpy(CMSG_DATA(&control.header), fds, 2 * sizeof(int));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
	}
	/* Whatever the matter is: a new one knows all that we know. */
	if (sys(SYS_sendmsg, first.orders, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		lose_server();
		make_server();
	}
}

/* ---- the third process ---- */

static void watch_all(void)
{
	first.epoll = (int) must(sys(SYS_epoll_create1, EPOLL_CLOEXEC), "epoll_create1");
	watch_first(EPOLL_CTL_ADD, WIRE_FD_SOCKET, FIRST_LISTENER, 0);
	for (unsigned int i = 0; i < names_top; i++)
		if (names_clients[i].record)
			watch_first(EPOLL_CTL_ADD, names_clients[i].pidfd, FIRST_CONTAINER, i);
}

/* Returns as the first process, which is no more. @alive: readable at its end. */
static void stand_in(int alive)
{
	struct pollfd ended = { .fd = alive, .events = POLLIN };

	sys(SYS_prctl, PR_SET_NAME, "scow-names-next");
	leave_first();
	while (sys(SYS_ppoll, &ended, 1, 0, 0, 0) < 0)
		;
	sys(SYS_close, alive);
	sys(SYS_prctl, PR_SET_NAME, "scow-names");
	first.pid = first.stand_in = 0;
	first.again_at = first.idle_since = 0;
	watch_all();
	make_server();
}

static void lose_stand_in(void)
{
	if (first.stand_in)
		reap(first.stand_in, &first.stand_in_pidfd);
	first.stand_in = 0;
}

/* A new one, before the old one goes. */
static void make_stand_in(void)
{
	int pidfd = -1, alive, old = first.stand_in, old_pidfd = first.stand_in_pidfd;
	struct clone_args args = { .flags = CLONE_PIDFD, .pidfd = (uint64_t) (uintptr_t) &pidfd, .exit_signal = SIGCHLD };
	long r;

	if (!names_count) {
		first.is_changed = false;
		return lose_stand_in();
	}
	alive = (int) sys(SYS_pidfd_open, sys(SYS_getpid), 0);
	if (alive < 0)
		return;
	r = sys(SYS_clone3, &args, sizeof(args));
	if (r == 0)
		return stand_in(alive); /* it has changed, then: it makes one of its own */
	sys(SYS_close, alive);
	if (r < 0)
		return;
	first.is_changed = false;
	first.stand_in = (int) r;
	first.stand_in_pidfd = pidfd;
	watch_first(EPOLL_CTL_ADD, pidfd, FIRST_STAND_IN, 0);
	if (old)
		reap(old, &old_pidfd);
}

/* ---- containers ---- */

static void drop_fds(unsigned int place)
{
	struct names_client *client = &names_clients[place];

	watch_first(EPOLL_CTL_DEL, client->pidfd, FIRST_CONTAINER, place);
	names_close(&client->pidfd);
	names_close(&client->udp);
	names_close(&client->tcp);
}

static void remove_container(unsigned int place)
{
	if (!names_clients[place].record)
		return;
	drop_fds(place);
	names_take(place);
	order(place, NULL);
}

static int add_container(const struct wire_names *record, int fds[WIRE_NAMES_FDS])
{
	int place = names_place(record->id, true);
	struct names_client *client = &names_clients[place < 0 ? 0 : place];

	if (place < 0)
		return EOVERFLOW;
	if (client->record)
		drop_fds((unsigned int) place);
	if (names_put((unsigned int) place, record) < 0) {
		order((unsigned int) place, NULL);
		return ENOMEM;
	}
	client->udp = fds[0];
	client->tcp = fds[1];
	client->pidfd = fds[2];
	fds[0] = fds[1] = fds[2] = -1;
	watch_first(EPOLL_CTL_ADD, client->pidfd, FIRST_CONTAINER, (unsigned int) place);
	order((unsigned int) place, &(int[]){ client->udp, client->tcp }[0]);
	return 0;
}

static int update_container(int place, const struct wire_names *record)
{
	if (place < 0)
		return ENOENT;
	if (names_put((unsigned int) place, record) < 0) {
		drop_fds((unsigned int) place);
		order((unsigned int) place, NULL);
		return ENOMEM;
	}
	order((unsigned int) place, NULL);
	return 0;
}

/* An event may be one of who was here before. */
static void container_ended(unsigned int place)
{
	struct pollfd ended = { .fd = names_clients[place].pidfd, .events = POLLIN };
	struct timespec none = { 0 };

	if (names_clients[place].record && sys(SYS_ppoll, &ended, 1, &none, 0, 0) == 1)
		remove_container(place);
}

/* ---- connections ---- */

static int obey(size_t size, int *fds, unsigned int n_fds)
{
	const struct wire_names_request *request = &inbox.request;
	const struct wire_names *record = (const void *) (request + 1);
	int place;

	if (size < sizeof(*request) || request->magic != WIRE_NAMES_MAGIC)
		return EPROTO;
	place = names_place(request->id, false);
	switch (request->op) {
	case WIRE_NAMES_ADD:
	case WIRE_NAMES_UPDATE:
		if (!names_record_valid(record, size - sizeof(*request)) || memcmp(record->id, request->id, WIRE_NAMES_ID) != 0)
			return EPROTO;
		if (request->op == WIRE_NAMES_UPDATE)
			return update_container(place, record);
		return n_fds == WIRE_NAMES_FDS ? add_container(record, fds) : EBADF;
	case WIRE_NAMES_REMOVE:
		if (place >= 0)
			remove_container((unsigned int) place);
		return 0;
	case WIRE_NAMES_ASK:
		return place < 0 ? ENOENT : 0;
	default:
		return EPROTO;
	}
}

static void hear(unsigned int index)
{
	int fds[WIRE_NAMES_FDS] = { -1, -1, -1 }, socket = first.connections[index];
	unsigned int n_fds = WIRE_NAMES_FDS;
	struct wire_names_answer answer = { .magic = WIRE_NAMES_MAGIC };
	long n = names_receive(socket, &inbox, sizeof(inbox), fds, &n_fds);

	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n > 0 || n == -EMFILE) {
		answer.error = n < 0 ? EMFILE : obey((size_t) n, fds, n_fds);
		answer.clients = names_count;
		answer.pid = first.pid;
		n = sys(SYS_sendto, socket, &answer, sizeof(answer), MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0);
	}
	for (unsigned int i = 0; i < WIRE_NAMES_FDS; i++)
		names_close(&fds[i]);
	if (n > 0)
		return;
	/* Another process may have a copy of its other end, but none of this one. */
	sys(SYS_close, socket);
	first.connections[index] = 0;
	first.n_connections--;
}

static void accept_connection(void)
{
	struct ucred peer;
	uint32_t size = sizeof(peer);
	unsigned int i = 0;
	long fd;

	while (i < CONNECTIONS && first.connections[i])
		i++;
	fd = sys(SYS_accept4, WIRE_FD_SOCKET, 0, 0, SOCK_CLOEXEC | SOCK_NONBLOCK);
	/* It stays in the queue, and we would be told of it without end. */
	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM || fd == -ENOBUFS)
		sys(SYS_nanosleep, &(struct timespec){ .tv_nsec = FULL_NAP_NS }, 0);
	if (fd < 0)
		return;
	if (i == CONNECTIONS || sys(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ||
	    (peer.uid && peer.uid != (uint32_t) sys(SYS_geteuid))) {
		sys(SYS_close, fd);
		return;
	}
	first.connections[i] = (int) fd;
	first.n_connections++;
	watch_first(EPOLL_CTL_ADD, (int) fd, FIRST_CONNECTION, i);
}

/* ---- the whole ---- */

/* The library's own process ends here. */
static void leave_caller(void)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	uint64_t all = ~0UL;
	struct rlimit64 limit;

	sys(SYS_rt_sigprocmask, SIG_SETMASK, &all, 0, sizeof(all));
	if (sys(SYS_clone3, &args, sizeof(args)) != 0)
		finish(0);
	sys(SYS_setsid);
	sys(SYS_chdir, "/");
	sys(SYS_prctl, PR_SET_NAME, "scow-names");
	sys(SYS_fcntl, WIRE_FD_SOCKET, F_SETFD, FD_CLOEXEC);
	if (sys(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		sys(SYS_prlimit64, 0, RLIMIT_NOFILE, &limit, 0);
	}
}

/* ms to wait at most, -1: for ever. Ends the process when nobody needs it any more. */
static int time_to_wait(void)
{
	uint64_t now;

	if (names_count || first.n_connections) {
		first.idle_since = 0;
		if (!first.again_at || !names_count)
			return -1;
		now = names_now();
		return first.again_at > now ? (int) (first.again_at - now) : 0;
	}
	now = names_now();
	if (!first.idle_since)
		first.idle_since = now;
	if (now - first.idle_since >= LINGER_MS) {
		lose_stand_in();
		lose_server();
		finish(0);
	}
	return (int) (first.idle_since + LINGER_MS - now);
}

/* Or the one before it, which was to. */
static void stand_in_ended(void)
{
	struct pollfd ended = { .fd = first.stand_in_pidfd, .events = POLLIN };
	struct timespec none = { 0 };

	if (!first.stand_in || sys(SYS_ppoll, &ended, 1, &none, 0, 0) != 1)
		return;
	lose_stand_in();
	first.is_changed = true;
}

static void happen(const struct epoll_event *event)
{
	unsigned int place = (unsigned int) event->data.u64;

	switch ((enum first_event)(event->data.u64 >> 32)) {
	case FIRST_LISTENER:
		accept_connection();
		break;
	case FIRST_CONNECTION:
		if (first.connections[place])
			hear(place);
		break;
	case FIRST_CONTAINER:
		container_ended(place);
		break;
	case FIRST_SERVER:
		lose_server();
		break;
	case FIRST_STAND_IN:
		stand_in_ended();
		break;
	}
}

void names_main(void)
{
	static struct epoll_event events[16];

	leave_caller();
	first.orders = first.pidfd = first.stand_in_pidfd = -1;
	watch_all();
	for (;;) {
		long n = sys(SYS_epoll_pwait, first.epoll, events, 16, time_to_wait(), 0, 8);

		for (long i = 0; i < n; i++)
			happen(&events[i]);
		if (first.again_at && names_now() >= first.again_at)
			make_server();
		if (first.is_changed)
			make_stand_in();
	}
}
