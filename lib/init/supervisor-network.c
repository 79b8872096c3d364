/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The networks of a supervised container: the file "network" in its directory, read again before each run, for they may have changed
 * while the last one went. See: struct wire_network.
 *
 * The supervisor sends the host's part once the process is there; the process, a copy of the supervisor, takes its own out of the same
 * memory. What is left on the host at the end is taken away by the last part.
 *
 * A plain user's networks are the holder's (holder.c). Each run asks it anew, for there may be another since the last one: for the user
 * namespace that the container's is made in, and for sockets. The connection keeps it there.
 */
#include "init/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mman.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "init/holder-wire.h"

#define FILE_BYTES_MAX (4u << 20)

static struct {
	unsigned char *bytes;
	size_t size;
} file;

static const struct wire_network *header(void)
{
	return file.bytes ? (const void *) file.bytes : NULL;
}

static bool is_whole(void)
{
	const struct wire_network *h = header();

	return file.size >= sizeof(*h) && h->magic == WIRE_NETWORK_MAGIC && h->size == file.size && h->host_size <= file.size &&
	       h->inside_size <= file.size && h->end_size <= file.size &&
	       sizeof(*h) + h->host_size + h->inside_size + h->end_size == file.size && h->held_fd < WIRE_FD_LOCK;
}

/* ---- a plain user's ---- */

static struct {
	int connection, route, filter; /* -1: there is none */
} held = { -1, -1, -1 };

static void let_go(int *fd)
{
	if (*fd >= 0)
		sys(SYS_close, *fd);
	*fd = -1;
}

static void leave_holder(void)
{
	let_go(&held.connection);
	let_go(&held.route);
	let_go(&held.filter);
}

static long connect_to_holder(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "../../" WIRE_HOLDER_SOCKET_NAME };
	long r, fd = sys(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return fd;
	/* By a short name: a whole path may be longer than an address. */
	r = sys(SYS_fchdir, WIRE_FD_DIR);
	if (r >= 0)
		r = sys(SYS_connect, fd, &address, sizeof(address));
	must(sys(SYS_chdir, "/"), "chdir");
	if (r < 0)
		sys(SYS_close, fd);
	return r < 0 ? r : fd;
}

static long ask_holder(int connection, int fds[WIRE_HOLDER_FDS])
{
	const struct wire_holder_request request = { .magic = WIRE_HOLDER_MAGIC, .op = WIRE_HOLDER_JOIN };
	struct wire_holder_answer answer = { .error = EPROTO };
	struct iovec part = { &answer, sizeof(answer) };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(WIRE_HOLDER_FDS * sizeof(int))];
	} control;
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	long n = sys(SYS_sendto, connection, &request, sizeof(request), MSG_NOSIGNAL, 0, 0);

	for (unsigned int i = 0; i < WIRE_HOLDER_FDS; i++)
		fds[i] = -1;
	while (n > 0 && (n = sys(SYS_recvmsg, connection, &message, MSG_CMSG_CLOEXEC)) == -EINTR)
		;
	if (n != sizeof(answer) || answer.magic != WIRE_HOLDER_MAGIC)
		return n < 0 ? n : -EPIPE;
	if (message.msg_controllen >= CMSG_LEN(sizeof(int)) && control.header.cmsg_type == SCM_RIGHTS)
		memcpy(fds, CMSG_DATA(&control.header), control.header.cmsg_len - CMSG_LEN(0));
	return answer.error ? -answer.error : fds[WIRE_HOLDER_ROUTE] < 0 ? -EMFILE : 0;
}

/* @user_fd: where the user namespace goes. */
static long join_holder(int user_fd)
{
	int fds[WIRE_HOLDER_FDS];
	long r, connection = connect_to_holder();

	if (connection < 0)
		return connection;
	r = ask_holder((int) connection, fds);
	if (r == 0)
		r = sys(SYS_dup3, fds[WIRE_HOLDER_USER], user_fd, O_CLOEXEC);
	let_go(&fds[WIRE_HOLDER_USER]);
	let_go(&fds[WIRE_HOLDER_NETWORK]);
	let_go(&fds[WIRE_HOLDER_PIDFD]);
	/* The last run's only now: or the holder might have ended meanwhile. */
	leave_holder();
	held.connection = (int) connection;
	held.route = fds[WIRE_HOLDER_ROUTE];
	held.filter = fds[WIRE_HOLDER_FILTER];
	if (r < 0)
		leave_holder();
	return r < 0 ? r : 0;
}

/* ---- the file ---- */

static void forget(void)
{
	if (file.bytes)
		sys(SYS_munmap, file.bytes, FILE_BYTES_MAX);
	file.bytes = NULL;
	file.size = 0;
}

long network_load(void)
{
	long fd, n = 0, r;

	forget();
	fd = sys(SYS_openat, WIRE_FD_DIR, WIRE_NETWORK_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	/* What is not read is never there: pages come by use. */
	r = sys(SYS_mmap, 0, FILE_BYTES_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (r > 0 || r < -4095) {
		file.bytes = (void *) r;
		while (file.size < FILE_BYTES_MAX && (n = sys(SYS_read, fd, file.bytes + file.size, FILE_BYTES_MAX - file.size)) > 0)
			file.size += (size_t) n;
		r = n < 0 ? n : is_whole() ? 0 : -EBADMSG;
	}
	sys(SYS_close, fd);
	if (r == 0 && header()->held_fd)
		r = join_holder((int) header()->held_fd);
	if (r < 0)
		forget();
	return r;
}

/* That of the holder is used once. */
static long open_netlink(int *of_holder, int protocol)
{
	int fd = *of_holder;

	*of_holder = -1;
	return fd >= 0 ? fd : sys(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
}

bool network_is_there(void)
{
	return file.bytes != NULL;
}

long network_connect(int pid, uint32_t run, const char **what)
{
	const struct wire_network *h = header();
	const struct wire_patch_values values = { .pid = pid, .run = h->run + run };
	long r, socket;

	*what = "change the network";
	if (!h->host_size)
		return 0;
	socket = open_netlink(&held.route, NETLINK_ROUTE);
	if (socket < 0)
		return socket;
	r = netlink_send(file.bytes + sizeof(*h), h->host_size, (int) socket, &values, what);
	sys(SYS_close, socket);
	return r;
}

void *network_inside(size_t *size)
{
	const struct wire_network *h = header();

	*size = h ? h->inside_size : 0;
	return h && h->inside_size ? file.bytes + sizeof(*h) + h->host_size : NULL;
}

/*
 * Closing a socket that has deleted something waits until the kernel is done with that, and so does this process's end, for which others
 * wait. In the queue of a socket that is in its own queue nobody can reach it, and the kernel closes it by itself: nft-talk.c.
 */
static void leave_to_collector(int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control = { .header = { CMSG_LEN(2 * sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct iovec byte = { (void *) (uintptr_t) "", 1 };
	struct msghdr message = { .msg_iov = &byte, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	int pair[2] = { -1, -1 };

	if (sys(SYS_socketpair, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) >= 0) {
		memcpy(CMSG_DATA(&control.header), &(int[]){ pair[1], fd }[0], 2 * sizeof(int));
		sys(SYS_sendmsg, pair[0], &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	sys(SYS_close, fd);
	/* In this order: the last one that is closed makes the kernel look. */
	let_go(&pair[1]);
	let_go(&pair[0]);
}

void network_end(void)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	const struct wire_network *h;
	const unsigned char *at, *end;
	long socket;

	if (network_load() < 0 || !network_is_there())
		return;
	h = header();
	end = file.bytes + h->size;
	at = end - h->end_size;
	socket = h->end_size ? open_netlink(&held.filter, NETLINK_NETFILTER) : -1;
	/* The kernel has done it when the call returns. */
	while (socket >= 0 && at + sizeof(uint32_t) <= end) {
		uint32_t size;

		memcpy(&size, at, sizeof(size));
		at += sizeof(size);
		if (size > (size_t) (end - at))
			break;
		sys(SYS_sendto, socket, at, size, 0, &kernel, sizeof(kernel));
		at += size;
	}
	if (socket >= 0)
		leave_to_collector((int) socket);
	forget();
}
