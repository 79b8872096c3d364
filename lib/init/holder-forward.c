/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Published ports of containers on a plain user's networks. The sockets are the host's: the library has bound them there, and hands them
 * over. What comes to one is passed on to the container by a socket of ours, in the namespace that has the bridges.
 *
 * 1. Nothing is looked at: bytes of a connection go from socket to socket by a pipe (splice), datagrams by one buffer.
 * 2. A forward lives as long as the socket that the ports of its container are held by (lib/network/ports.h): we have the other end of
 *    that, and see it close.
 * 3. Room is bounded. Who comes when there is none is turned away; a container's connections never wait for those of another.
 */
#include "init/holder.h"
#include "init/names-serve.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define FORWARDS 1024
#define FLOWS 2048
#define CLIENTS 512 /* of datagrams */
#define CLIENT_IDLE_MS 60000
#define BACKLOG 128
#define CHUNK (256u << 10)
#define ROUNDS 16 /* before somebody else has a turn */
#define DATAGRAM_MAX 65536
#define RECEIVE_BYTES (256 << 10)

struct forward {
	bool used, is_udp;
	int socket, life;
	struct sockaddr_storage target;
	uint32_t target_size;
};

/* A connection: [0] is the one that came, [1] ours to the container. A pipe leads from each to the other. */
struct flow {
	bool used, connecting;
	uint16_t forward;
	int fd[2], pipe[2][2];
	uint32_t held[2]; /* bytes in the pipe */
	bool ended[2];    /* nothing more comes from it */
	bool told[2];     /* the other one knows that */
	uint32_t events[2];
};

struct client {
	bool used;
	uint16_t forward;
	int fd;
	struct sockaddr_storage from;
	uint32_t from_size;
	uint64_t seen;
};

static struct forward forwards[FORWARDS];
static struct flow flows[FLOWS];
static struct client clients[CLIENTS];
static unsigned char datagram[DATAGRAM_MAX];

static void set_option(int fd, int level, int name, int value)
{
	sys(SYS_setsockopt, fd, level, name, &value, sizeof(value));
}

/* ---- connections ---- */

static void close_flow(struct flow *flow)
{
	for (int i = 0; i < 2; i++) {
		names_close(&flow->fd[i]);
		names_close(&flow->pipe[i][0]);
		names_close(&flow->pipe[i][1]);
	}
	flow->used = false;
}

/* The one who came sees a reset, not an end that looks like an answer. */
static void reset_flow(struct flow *flow)
{
	const struct linger at_once = { .l_onoff = 1 };

	sys(SYS_setsockopt, flow->fd[0], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close_flow(flow);
}

/* What @side sends, to the other. false: it cannot go on. */
static bool pump(struct flow *flow, int side)
{
	const int from = flow->fd[side], to = flow->fd[!side], *pipe = flow->pipe[side];

	for (unsigned int i = 0; i < ROUNDS; i++) {
		long n = 0;

		if (!flow->held[side] && !flow->ended[side]) {
			n = sys(SYS_splice, from, 0, pipe[1], 0, CHUNK, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
			if (n > 0)
				flow->held[side] = (uint32_t) n;
			flow->ended[side] = n == 0;
		}
		if (n >= 0 && flow->held[side]) {
			n = sys(SYS_splice, pipe[0], 0, to, 0, flow->held[side], SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
			if (n > 0)
				flow->held[side] -= (uint32_t) n;
		}
		if (n == -EAGAIN)
			return true;
		if (n < 0 && n != -EINTR)
			return false;
		if (flow->ended[side] && !flow->held[side]) {
			if (!flow->told[side])
				sys(SYS_shutdown, to, SHUT_WR);
			flow->told[side] = true;
			return true;
		}
	}
	return true;
}

/* A descriptor of which nothing is awaited is not watched at all: that it hangs up would be told without end. */
static void watch_flow(struct flow *flow)
{
	for (unsigned int side = 0; side < 2; side++) {
		uint32_t events = 0;

		if (flow->connecting) {
			events = side ? EPOLLOUT : 0;
		} else {
			events |= flow->held[side] || flow->ended[side] ? 0 : EPOLLIN;
			events |= flow->held[!side] ? EPOLLOUT : 0;
		}
		if (events == flow->events[side])
			continue;
		holder_watch(!flow->events[side] ? EPOLL_CTL_ADD
			     : events            ? EPOLL_CTL_MOD
						 : EPOLL_CTL_DEL,
			     flow->fd[side], events, HOLDER_FLOW, (unsigned int) (flow - flows) * 2 + side);
		flow->events[side] = events;
	}
}

static bool is_connected(const struct flow *flow)
{
	int error = 0;
	uint32_t size = sizeof(error);

	return sys(SYS_getsockopt, flow->fd[1], SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
}

static void go_on(struct flow *flow)
{
	if (flow->connecting && !is_connected(flow))
		return reset_flow(flow);
	flow->connecting = false;
	if (!pump(flow, 0) || !pump(flow, 1))
		return reset_flow(flow);
	if (flow->told[0] && flow->told[1])
		return close_flow(flow);
	watch_flow(flow);
}

static bool open_flow(struct flow *flow, const struct forward *forward, int came)
{
	long r;

	*flow = (struct flow){
		.used = true,
		.connecting = true,
		.forward = (uint16_t) (forward - forwards),
		.fd = { came, -1 },
		.pipe = { { -1, -1 }, { -1, -1 } },
	};
	for (int i = 0; i < 2; i++) {
		r = sys(SYS_pipe2, flow->pipe[i], O_CLOEXEC | O_NONBLOCK);
		if (r < 0)
			return false;
		sys(SYS_fcntl, flow->pipe[i][0], F_SETPIPE_SZ, CHUNK);
	}
	r = sys(SYS_socket, forward->target.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (r < 0)
		return false;
	flow->fd[1] = (int) r;
	for (int i = 0; i < 2; i++)
		set_option(flow->fd[i], IPPROTO_TCP, TCP_NODELAY, 1);
	r = sys(SYS_connect, flow->fd[1], &forward->target, forward->target_size);
	return r == 0 || r == -EINPROGRESS;
}

static struct flow *free_flow(void)
{
	for (unsigned int i = 0; i < FLOWS; i++)
		if (!flows[i].used)
			return &flows[i];
	return NULL;
}

static void accept_connections(const struct forward *forward)
{
	for (unsigned int i = 0; i < ROUNDS; i++) {
		long came = sys(SYS_accept4, forward->socket, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct flow *flow;

		/* It stays in the queue, and we would be told of it without end. */
		if (came == -EMFILE || came == -ENFILE || came == -ENOMEM || came == -ENOBUFS)
			sys(SYS_nanosleep, &(struct timespec){ .tv_nsec = HOLDER_FULL_NAP_NS }, 0);
		if (came < 0)
			return;
		flow = free_flow();
		if (!flow)
			sys(SYS_close, came);
		else if (open_flow(flow, forward, (int) came))
			watch_flow(flow);
		else
			reset_flow(flow);
	}
}

void forward_flow(unsigned int index)
{
	struct flow *flow = &flows[index / 2];

	/* An event may be one of who was here before: there is nothing to do for it then, which does no harm. */
	if (flow->used)
		go_on(flow);
}

/* ---- datagrams ---- */

static void close_client(struct client *client)
{
	names_close(&client->fd);
	client->used = false;
}

static struct client *find_client(unsigned int forward, const struct sockaddr_storage *from, uint32_t size, uint64_t now)
{
	struct client *free = NULL;

	for (unsigned int i = 0; i < CLIENTS; i++) {
		struct client *client = &clients[i];

		if (client->used && client->forward == forward && client->from_size == size && memcmp(&client->from, from, size) == 0)
			return client;
		if (client->used && now - client->seen > CLIENT_IDLE_MS)
			close_client(client);
		if (!client->used && !free)
			free = client;
	}
	return free;
}

static bool open_client(struct client *client, const struct forward *forward, const struct sockaddr_storage *from, uint32_t size)
{
	long fd = sys(SYS_socket, forward->target.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	*client = (struct client){
		.used = true, .forward = (uint16_t) (forward - forwards), .fd = (int) fd, .from = *from, .from_size = size
	};
	if (sys(SYS_connect, fd, &forward->target, forward->target_size) < 0) {
		close_client(client);
		return false;
	}
	holder_watch(EPOLL_CTL_ADD, client->fd, EPOLLIN, HOLDER_CLIENT, (unsigned int) (client - clients));
	return true;
}

static void pass_datagrams(const struct forward *forward)
{
	uint64_t now = names_now();

	for (unsigned int i = 0; i < ROUNDS; i++) {
		struct sockaddr_storage from = { .ss_family = 0 };
		uint32_t size = sizeof(from);
		long n = sys(SYS_recvfrom, forward->socket, datagram, sizeof(datagram), MSG_DONTWAIT, &from, &size);
		struct client *client;

		if (n < 0)
			return;
		client = find_client((unsigned int) (forward - forwards), &from, size, now);
		if (!client || (!client->used && !open_client(client, forward, &from, size)))
			continue;
		client->seen = now;
		sys(SYS_sendto, client->fd, datagram, n, MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0);
	}
}

void forward_client(unsigned int index)
{
	struct client *client = &clients[index];

	for (unsigned int i = 0; i < ROUNDS && client->used; i++) {
		long n = sys(SYS_recvfrom, client->fd, datagram, sizeof(datagram), MSG_DONTWAIT, 0, 0);

		/* Also that nobody is there, of whom the next datagram asks again. */
		if (n < 0)
			return;
		client->seen = names_now();
		sys(SYS_sendto, forwards[client->forward].socket, datagram, n, MSG_DONTWAIT | MSG_NOSIGNAL, &client->from,
		    client->from_size);
	}
}

/* ---- forwards ---- */

void forward_end(unsigned int index)
{
	struct forward *forward = &forwards[index];

	if (!forward->used)
		return;
	for (unsigned int i = 0; i < FLOWS && !forward->is_udp; i++)
		if (flows[i].used && flows[i].forward == index)
			close_flow(&flows[i]);
	for (unsigned int i = 0; i < CLIENTS && forward->is_udp; i++)
		if (clients[i].used && clients[i].forward == index)
			close_client(&clients[i]);
	names_close(&forward->socket);
	names_close(&forward->life);
	forward->used = false;
}

void forward_accept(unsigned int index)
{
	const struct forward *forward = &forwards[index];

	if (forward->used && forward->is_udp)
		pass_datagrams(forward);
	else if (forward->used)
		accept_connections(forward);
}

static bool set_target(struct forward *forward, const struct wire_holder_request *request)
{
	struct sockaddr_in *four = (void *) &forward->target;
	struct sockaddr_in6 *six = (void *) &forward->target;
	uint16_t port = __builtin_bswap16((uint16_t) request->port);

	if (request->family == AF_INET) {
		*four = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = port };
		memcpy(&four->sin_addr, request->address, sizeof(four->sin_addr));
		forward->target_size = sizeof(*four);
	} else {
		*six = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = port };
		memcpy(&six->sin6_addr, request->address, sizeof(six->sin6_addr));
		forward->target_size = sizeof(*six);
	}
	return request->family == AF_INET || request->family == AF_INET6;
}

/* Takes the descriptors where it succeeds. */
int forward_begin(const struct wire_holder_request *request, int socket, int life)
{
	struct forward *forward = forwards;
	unsigned int index = 0;

	while (index < FORWARDS && forwards[index].used)
		index++;
	if (index == FORWARDS)
		return EOVERFLOW;
	forward = &forwards[index];
	*forward = (struct forward){ .is_udp = request->protocol == IPPROTO_UDP, .socket = socket, .life = life };
	if (!set_target(forward, request) || (!forward->is_udp && request->protocol != IPPROTO_TCP))
		return EAFNOSUPPORT;
	sys(SYS_fcntl, socket, F_SETFL, O_NONBLOCK);
	if (forward->is_udp)
		set_option(socket, SOL_SOCKET, SO_RCVBUF, RECEIVE_BYTES);
	/* While it listens nobody shares it; and what connections leave behind must not keep the next container from it, nor this one. */
	else
		set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1);
	if (!forward->is_udp && sys(SYS_listen, socket, BACKLOG) < 0)
		return EADDRINUSE;
	forward->used = true;
	holder_watch(EPOLL_CTL_ADD, socket, EPOLLIN, HOLDER_FORWARD, index);
	holder_watch(EPOLL_CTL_ADD, life, EPOLLIN, HOLDER_LIFE, index);
	return 0;
}
