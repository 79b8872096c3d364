/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Those who have attached: they hear what the program prints, may write to its stdin and size its terminal, and say when it is to
 * end for good.
 *
 * 1. Nobody here can hold up the program for ever. What a client does not take is kept for it, up to OUT_BYTES; then it misses whole
 *    pieces. Only for one who came before the run (4) the program is made to wait, as by a pipe: as long as that client takes something
 *    every PATIENCE_MS. The end is always told.
 * 2. Input goes the other way: while the program does not read, the client that wrote is not read from, and others that want to write
 *    wait behind it. Who only has something to say to us (stop) is heard.
 * 3. A client hears, in this order: where the log stood when it came, what is not in the log yet, and all that came after.
 * 4. Who wants to miss nothing of a run comes before it: with a socket of his own in the container's directory, to which we connect.
 */
#include "init/supervisor.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mman.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#define OUT_BYTES (1024 * 1024)
#define OUT_SPARE 64 /* for what must not be missed */
#define INPUT_BYTES 8192
#define PLACES_TO_SPEAK 8 /* of CLIENTS_MAX, kept from those who hear: who stops the container finds one */
#define BODY_BYTES 8 /* of messages that are not input */
#define LAST_WAIT_MS 500
#define PATIENCE_MS 10000
#define BEHIND_BYTES (OUT_BYTES / 2) /* what the pipes hold, and a read, has room beside it */

struct client {
	int fd;            /* 0: no client */
	bool hears, waits; /* subscribed; may not write now */
	bool writes;       /* it has stdin */
	bool ends;         /* when it has taken what is kept */
	bool first;        /* it came before the run, and is to miss nothing */
	int64_t took;      /* while something is kept: when it last took of it, ns */
	uint32_t has;      /* of a header, or of a body */
	bool in_body;
	struct wire_frame frame;
	unsigned char body[BODY_BYTES];
	unsigned char *out;
	size_t out_start, out_end;
};

static struct client clients[CLIENTS_MAX];
static int listener = -1;
static struct {
	unsigned char bytes[INPUT_BYTES];
	size_t start, end;
	bool ends; /* after these bytes */
} input;

void attach_open(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = WIRE_ATTACH_NAME };

	doing("listen on", WIRE_ATTACH_NAME, NULL, NULL);
	listener = (int) must(sys(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket");
	/* By its name alone: a whole path may be longer than an address. */
	must(sys(SYS_fchdir, WIRE_FD_DIR), "fchdir");
	sys(SYS_unlinkat, WIRE_FD_DIR, WIRE_ATTACH_NAME, 0);
	sys(SYS_umask, 0177);
	must(sys(SYS_bind, listener, &address, sizeof(address)), "bind");
	sys(SYS_umask, 0);
	must(sys(SYS_chdir, "/"), "chdir");
	must(sys(SYS_listen, listener, 16), "listen");
	watch(listener, EPOLLIN, WATCH_LISTENER);
}

static void watch_client(struct client *client)
{
	uint32_t events = client->waits ? 0 : EPOLLIN;

	if (client->out_end > client->out_start)
		events |= EPOLLOUT;
	watch(client->fd, events, WATCH_CLIENT + (uint32_t) (client - clients));
}

static void drop_out(struct client *client)
{
	if (client->out)
		sys(SYS_munmap, client->out, OUT_BYTES + OUT_SPARE);
	client->out = NULL;
	client->out_start = client->out_end = 0;
}

/* What was written before still arrives. */
static void end_input(void)
{
	if (supervisor.terminal >= 0)
		return;
	input.ends = input.end > input.start;
	if (!input.ends)
		close_input();
}

static void leave(struct client *client)
{
	if (client->writes && (supervisor.config.flags & WIRE_SUPERVISE_STDIN_ONCE))
		end_input();
	unwatch(client->fd);
	sys(SYS_close, client->fd);
	drop_out(client);
	memset(client, 0, sizeof(*client));
}

static bool take_client(int fd)
{
	for (struct client *client = clients; client < clients + CLIENTS_MAX; client++) {
		if (client->fd)
			continue;
		client->fd = fd;
		watch_client(client);
		return true;
	}
	sys(SYS_close, fd);
	return false;
}

void attach_accept(void)
{
	struct ucred peer;
	uint32_t size = sizeof(peer);
	long fd = sys(SYS_accept4, listener, 0, 0, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (sys(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == (uint32_t) sys(SYS_geteuid))
		take_client((int) fd);
	else
		sys(SYS_close, fd);
}

/* ---- to a client ---- */

static bool keep(struct client *client, const void *data, size_t size, bool spare)
{
	size_t kept = client->out_end - client->out_start, room = OUT_BYTES + (spare ? OUT_SPARE : 0);

	if (kept + size > room)
		return false;
	if (!client->out) {
		long r = sys(SYS_mmap, 0, OUT_BYTES + OUT_SPARE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (r < 0 && r > -4096)
			return false;
		client->out = (unsigned char *) r;
		client->took = clock_ns(1); /* until now it did */
	}
	if (client->out_end + size > room) {
		for (size_t i = 0; i < kept; i++)
			client->out[i] = client->out[client->out_start + i];
		client->out_start = 0;
		client->out_end = kept;
	}
	memcpy(client->out + client->out_end, data, size);
	client->out_end += size;
	return true;
}

/* What was kept for it. */
static void send_kept(struct client *client)
{
	while (client->out_end > client->out_start) {
		long n = sys(SYS_sendto, client->fd, client->out + client->out_start, client->out_end - client->out_start,
			     MSG_NOSIGNAL | MSG_DONTWAIT, 0, 0);

		if (n == -EAGAIN || n == -EINTR)
			return;
		if (n < 0) {
			leave(client);
			return;
		}
		client->out_start += (size_t) n;
		client->took = clock_ns(1);
	}
	drop_out(client);
	if (client->ends)
		leave(client);
	else
		watch_client(client);
}

static void send_frame(struct client *client, enum wire_frame_type type, const void *data, size_t size)
{
	struct wire_frame frame = { .type = (uint8_t) type, .size = (uint32_t) size };
	struct iovec parts[2] = { { &frame, sizeof(frame) }, { (void *) (uintptr_t) data, size } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	bool spare = type == WIRE_FRAME_EXIT || type == WIRE_FRAME_ANSWER;
	size_t sent = 0, total = sizeof(frame) + size, kept = client->out_end - client->out_start;
	long n;

	if (!kept) {
		n = sys(SYS_sendmsg, client->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && n != -EAGAIN && n != -EINTR) {
			leave(client);
			return;
		}
		sent = n > 0 ? (size_t) n : 0;
	} else if (kept + total > OUT_BYTES && !spare) {
		return; /* too slow: it misses this */
	}
	if (sent == total)
		return;
	if (sent < sizeof(frame) && !keep(client, (const char *) &frame + sent, sizeof(frame) - sent, spare)) {
		leave(client);
		return;
	}
	sent = sent > sizeof(frame) ? sent - sizeof(frame) : 0;
	if (!keep(client, (const char *) data + sent, size - sent, spare)) {
		leave(client);
		return;
	}
	watch_client(client);
}

/* Whether it may still come to take the rest. One that took nothing for too long is waited for no more. */
static bool is_patient(struct client *client)
{
	if (client->first && clock_ns(1) - client->took > PATIENCE_MS * INT64_C(1000000))
		client->first = false;
	return client->first;
}

bool attach_is_behind(void)
{
	for (struct client *client = clients; client < clients + CLIENTS_MAX; client++)
		if (client->fd && client->out_end - client->out_start > BEHIND_BYTES && is_patient(client))
			return true;
	return false;
}

void attach_output(unsigned int stream, const unsigned char *data, size_t size)
{
	for (struct client *client = clients; client < clients + CLIENTS_MAX; client++)
		if (client->fd && client->hears && !client->ends)
			send_frame(client, stream == 0 ? WIRE_FRAME_STDOUT : WIRE_FRAME_STDERR, data, size);
}

static void welcome(struct client *client)
{
	struct wire_hello hello = {
		.started = supervisor.state.started,
		.pid = supervisor.pid,
		.terminal = supervisor.terminal >= 0,
	};

	log_flush();
	hello.now = clock_ns(0 /* CLOCK_REALTIME */);
	client->hears = true;
	send_frame(client, WIRE_FRAME_HELLO, &hello, sizeof(hello));
	for (unsigned int i = 0; i < OUTPUTS && client->fd; i++) {
		size_t size;
		const unsigned char *partial = log_partial(i, &size);

		if (size)
			send_frame(client, i == 0 ? WIRE_FRAME_STDOUT : WIRE_FRAME_STDERR, partial, size);
	}
}

/* Its name goes in any case: nobody listens there who has died. */
static void connect_waiting(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	long fd = sys(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	text_add(address.sun_path, address.sun_path + sizeof(address.sun_path), name);
	if (fd >= 0 && sys(SYS_connect, fd, &address, sizeof(address)) < 0) {
		sys(SYS_close, fd);
		fd = -1;
	}
	sys(SYS_unlinkat, WIRE_FD_DIR, name, 0);
	if (fd >= 0 && take_client((int) fd))
		for (struct client *client = clients; client < clients + CLIENTS_MAX; client++)
			if (client->fd == (int) fd) {
				client->first = true;
				welcome(client);
			}
}

struct entry { /* See: getdents64(2). */
	uint64_t inode, offset;
	uint16_t size;
	uint8_t type;
	char name[];
};

void attach_waiting(void)
{
	static char entries[2048] __attribute__((aligned(8)));
	long n, dir = sys(SYS_openat, WIRE_FD_DIR, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return;
	/* By its name alone, as in attach_open(). */
	sys(SYS_fchdir, dir);
	while ((n = sys(SYS_getdents64, dir, entries, sizeof(entries))) > 0) {
		for (long at = 0; at < n;) {
			const struct entry *entry = (const void *) (entries + at);

			at += entry->size;
			if (text_starts(entry->name, WIRE_WAITING_NAME))
				connect_waiting(entry->name);
		}
	}
	sys(SYS_chdir, "/");
	sys(SYS_close, dir);
}

/* ---- from a client ---- */

static void let_write(void)
{
	for (struct client *client = clients; client < clients + CLIENTS_MAX; client++) {
		if (!client->fd || !client->waits)
			continue;
		client->waits = false;
		watch_client(client);
	}
}

void attach_input_ready(void)
{
	while (input.end > input.start && supervisor.input >= 0) {
		long n = sys(SYS_write, supervisor.input, input.bytes + input.start, input.end - input.start);

		if (n == -EAGAIN) {
			watch(supervisor.input, EPOLLOUT, WATCH_STDIN);
			return;
		}
		if (n == -EINTR)
			continue;
		if (n < 0)
			break; /* nobody reads it any more */
		input.start += (size_t) n;
	}
	input.start = input.end = 0;
	if (supervisor.input >= 0)
		unwatch(supervisor.input);
	if (input.ends)
		close_input();
	input.ends = false;
	let_write();
}

struct window {
	unsigned short rows, columns, x, y;
};

static bool is_full(void)
{
	unsigned int hearers = 0;

	for (struct client *client = clients; client < clients + CLIENTS_MAX; client++)
		hearers += client->fd && client->hears;
	return hearers >= CLIENTS_MAX - PLACES_TO_SPEAK;
}

static void act(struct client *client)
{
	const uint32_t *numbers = (const void *) client->body;
	struct window window = { .rows = (unsigned short) numbers[0], .columns = (unsigned short) numbers[1] };

	switch (client->frame.type) {
	case WIRE_FRAME_SUBSCRIBE:
		if (is_full())
			leave(client);
		else
			welcome(client);
		break;
	case WIRE_FRAME_CLOSE_STDIN:
		end_input();
		break;
	case WIRE_FRAME_STDIN:
		client->writes = true;
		break;
	case WIRE_FRAME_RESIZE:
		if (supervisor.terminal >= 0 && client->frame.size == 8)
			sys(SYS_ioctl, supervisor.terminal, TIOCSWINSZ, &window);
		send_frame(client, WIRE_FRAME_ANSWER, NULL, 0);
		break;
	case WIRE_FRAME_STOPPING:
		send_frame(client, WIRE_FRAME_ANSWER, NULL, 0);
		supervisor_stop();
		break;
	case WIRE_FRAME_POLICY:
		if (client->frame.size == 8) {
			supervisor.config.policy = numbers[0];
			supervisor.config.retries = numbers[1];
		}
		send_frame(client, WIRE_FRAME_ANSWER, NULL, 0);
		break;
	default:
		break;
	}
}

/* More of the present message: bytes that came, 0 at the end, or -errno; -EBUSY: not now. */
static long receive(struct client *client)
{
	unsigned char *to = (unsigned char *) &client->frame + client->has;
	size_t want = sizeof(client->frame) - client->has, left = client->frame.size - client->has;
	unsigned char scrap[256];
	long n;

	if (client->in_body && client->frame.type == WIRE_FRAME_STDIN) {
		if (input.end)
			return -EBUSY;
		to = input.bytes;
		want = left < INPUT_BYTES ? left : INPUT_BYTES;
	} else if (client->in_body) {
		to = client->has < BODY_BYTES ? client->body + client->has : scrap;
		want = client->has < BODY_BYTES ? BODY_BYTES - client->has : sizeof(scrap);
		want = left < want ? left : want;
	}
	n = sys(SYS_recvfrom, client->fd, to, want, MSG_DONTWAIT, 0, 0);
	if (n > 0 && to == input.bytes) {
		input.end = (size_t) n;
		attach_input_ready();
	}
	return n;
}

static void read_client(struct client *client)
{
	for (unsigned int turns = 0; turns < 64 && client->fd; turns++) {
		long n = receive(client);

		if (n == -EAGAIN || n == -EINTR)
			return;
		if (n == -EBUSY) {
			client->waits = true;
			watch_client(client);
			return;
		}
		if (n <= 0) {
			leave(client);
			return;
		}
		client->has += (uint32_t) n;
		if (!client->in_body && client->has == sizeof(client->frame)) {
			client->in_body = true;
			client->has = 0;
			memset(client->body, 0, BODY_BYTES);
		}
		if (client->in_body && client->has == client->frame.size) {
			client->in_body = false;
			client->has = 0;
			act(client);
		}
	}
}

void attach_event(uint32_t index, uint32_t events)
{
	struct client *client = clients + index;

	if (index >= CLIENTS_MAX || !client->fd)
		return;
	if (events & EPOLLOUT)
		send_kept(client);
	if (client->fd && (events & (EPOLLERR | EPOLLHUP)) && client->waits)
		leave(client);
	else if (client->fd && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		read_client(client);
}

/* ---- the end ---- */

void attach_exit(int code, int sig)
{
	int32_t numbers[2] = { code, sig };

	input.start = input.end = 0;
	input.ends = false;
	let_write();
	for (struct client *client = clients; client < clients + CLIENTS_MAX; client++) {
		if (!client->fd || !client->hears || client->ends)
			continue;
		send_frame(client, WIRE_FRAME_EXIT, numbers, sizeof(numbers));
		if (!client->fd)
			continue;
		client->ends = true;
		if (client->out_end == client->out_start)
			leave(client);
	}
}

void attach_unname(void)
{
	sys(SYS_unlinkat, WIRE_FD_DIR, WIRE_ATTACH_NAME, 0);
}

void attach_close(void)
{
	int64_t end = clock_ns(1 /* CLOCK_MONOTONIC */) + LAST_WAIT_MS * INT64_C(1000000);

	sys(SYS_close, listener);
	for (struct client *client = clients; client < clients + CLIENTS_MAX; client++) {
		while (client->fd && client->out_end > client->out_start) {
			struct pollfd fds = { .fd = client->fd, .events = POLLOUT };
			int64_t left = end - clock_ns(1);
			struct timespec time = { .tv_nsec = left > 0 ? left : LAST_WAIT_MS * INT64_C(1000000) };

			if (left <= 0 && !is_patient(client))
				break;
			if (sys(SYS_ppoll, &fds, 1, &time, 0, 8) > 0)
				send_kept(client);
		}
	}
}
