/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The responder's second process: it reads what containers ask, and answers or passes on.
 *
 * 1. Which socket a question comes in by says who asks: each container has its own, in its own network namespace.
 * 2. It reads what hostile programs send, so it has no capability, no name for any file, no socket but the Internet's, and few system calls
 *    (shed_all_but).
 * 3. Nobody's questions hold up another's: so many datagrams of a socket are read in a turn, and what a client has out at servers and
 *    in connections is counted. Beyond that its socket is left alone, and its own queue is what fills up.
 */
#include "init/names-serve.h"

#include <errno.h>
#include <linux/mman.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#define DATAGRAMS_AT_ONCE 16
#define STREAMS 256
#define STREAMS_OF_ONE 16
#define STREAM_IDLE_MS 10000
#define STREAM_TICK_MS 1000
#define SEND_BUFFER (2 * DNS_MESSAGE_BYTES)
#define REST_MS 1000

struct stream { /* a client's TCP connection */
	bool used;
	int fd;
	uint16_t client, generation;
	uint32_t has;
	uint64_t deadline;
	unsigned char bytes[2 + NAMES_QUERY_BYTES];
};

static int epoll_fd, spare_fd;
static struct stream streams[STREAMS];
static unsigned int n_streams;
static unsigned char question[NAMES_QUERY_BYTES + 1], reply_bytes[DNS_MESSAGE_BYTES];
static union {
	struct names_order order;
	unsigned char bytes[sizeof(struct names_order) + WIRE_NAMES_BYTES_MAX];
} inbox __attribute__((aligned(8)));

void names_watch(int op, int fd, uint32_t events, enum names_event what, unsigned int place)
{
	struct epoll_event event = { .events = events, .data.u64 = (uint64_t) what << 32 | place };

	sys(SYS_epoll_ctl, epoll_fd, op, fd, &event);
}

void names_give_back(void *from, size_t size)
{
	uintptr_t begin = ((uintptr_t) from + 4095) & ~(uintptr_t) 4095, end = ((uintptr_t) from + size) & ~(uintptr_t) 4095;

	if (end > begin)
		sys(SYS_madvise, begin, end - begin, MADV_DONTNEED);
}

static bool is_here(unsigned int place, uint16_t generation)
{
	return names_clients[place].record && names_clients[place].generation == generation;
}

/* Its datagrams, and its new connections, are heard or left where they are. */
static void listen_as_fits(unsigned int place)
{
	struct names_client *client = &names_clients[place];
	bool deaf = client->pending >= NAMES_PENDING_OF_ONE, busy = client->streams >= STREAMS_OF_ONE;

	if (!client->record)
		return;
	if (deaf != client->deaf)
		names_watch(EPOLL_CTL_MOD, client->udp, deaf ? 0 : EPOLLIN, NAMES_DATAGRAMS, place);
	if (busy != client->busy)
		names_watch(EPOLL_CTL_MOD, client->tcp, busy ? 0 : EPOLLIN, NAMES_CONNECTIONS, place);
	client->deaf = deaf;
	client->busy = busy;
}

void names_pending_less(const struct names_asker *asker)
{
	if (names_clients[asker->client].generation != asker->generation)
		return;
	names_clients[asker->client].pending--;
	listen_as_fits(asker->client);
}

/* ---- answers ---- */

static void close_stream(struct stream *stream)
{
	names_close(&stream->fd);
	stream->used = false;
	n_streams--;
	if (!names_clients[stream->client].record)
		return;
	names_clients[stream->client].streams--;
	listen_as_fits(stream->client);
}

bool names_asker_gone(const struct names_asker *asker)
{
	if (!is_here(asker->client, asker->generation))
		return true;
	return asker->stream >= 0 && (!streams[asker->stream].used || streams[asker->stream].generation != asker->stream_generation);
}

void names_reply(const struct names_asker *asker, const unsigned char *message, size_t size)
{
	unsigned char head[2] = { (unsigned char) (size >> 8), (unsigned char) size };
	struct iovec parts[2] = { { head, 2 }, { (void *) (uintptr_t) message, size } };
	struct msghdr whole = { .msg_iov = parts, .msg_iovlen = 2 };

	if (names_asker_gone(asker))
		return;
	if (asker->stream < 0) {
		sys(SYS_sendto, names_clients[asker->client].udp, message, size, MSG_DONTWAIT | MSG_NOSIGNAL, &asker->from,
		    sizeof(asker->from));
		return;
	}
	/* There is room for a whole one; who does not take his answers has to begin again. */
	if (sys(SYS_sendmsg, streams[asker->stream].fd, &whole, MSG_DONTWAIT | MSG_NOSIGNAL) != (long) size + 2)
		close_stream(&streams[asker->stream]);
}

static void answer(const struct names_asker *asker, const unsigned char *message, size_t size)
{
	const struct wire_names *record = names_clients[asker->client].record;
	size_t room = asker->stream < 0 ? DNS_UDP_BYTES_OURS : DNS_MESSAGE_BYTES;
	static struct dns_query query;
	size_t reply_size;

	switch (names_answer(record, message, size, &query, reply_bytes, room, &reply_size)) {
	case NAMES_IGNORE:
		break;
	case NAMES_ANSWER:
		names_reply(asker, reply_bytes, reply_size);
		break;
	case NAMES_ASK:
		names_ask(asker, &query);
		break;
	}
}

static void read_datagrams(unsigned int place)
{
	struct names_client *client = &names_clients[place];
	struct names_asker asker = { .client = (uint16_t) place, .generation = client->generation, .stream = -1 };

	for (int i = 0; i < DATAGRAMS_AT_ONCE && client->record && !client->deaf; i++) {
		uint32_t size = sizeof(asker.from);
		long n = sys(SYS_recvfrom, client->udp, question, sizeof(question), MSG_DONTWAIT, &asker.from, &size);

		if (n == -EAGAIN)
			break;
		if (n > 0 && size == sizeof(asker.from))
			answer(&asker, question, (size_t) n);
		listen_as_fits(place);
	}
}

/* ---- connections ---- */

static int open_spare(void)
{
	return (int) sys(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

/* There is no descriptor for it. In the queue it would be told to us without end. */
static void turn_away(unsigned int place)
{
	long fd;

	names_close(&spare_fd);
	fd = sys(SYS_accept4, names_clients[place].tcp, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
		sys(SYS_close, fd);
	spare_fd = open_spare();
}

/* All are taken: of the client that has most, the one that has been silent longest. */
static struct stream *steal(void)
{
	struct stream *worst = streams;

	for (struct stream *stream = streams + 1; stream < streams + STREAMS; stream++) {
		unsigned int most = names_clients[worst->client].streams, of_client = names_clients[stream->client].streams;

		if (of_client > most || (of_client == most && stream->deadline < worst->deadline))
			worst = stream;
	}
	close_stream(worst);
	return worst;
}

static struct stream *find_free(void)
{
	struct stream *stream = streams;

	if (n_streams == STREAMS)
		return steal();
	while (stream->used)
		stream++;
	return stream;
}

static void accept_stream(unsigned int place)
{
	static uint16_t generation;
	const int room = SEND_BUFFER;
	struct stream *stream;
	long fd = sys(SYS_accept4, names_clients[place].tcp, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd == -EMFILE || fd == -ENFILE)
		turn_away(place);
	if (fd < 0)
		return;
	stream = find_free();
	sys(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	stream->used = true;
	stream->fd = (int) fd;
	stream->client = (uint16_t) place;
	stream->generation = ++generation;
	stream->has = 0;
	stream->deadline = names_now() + STREAM_IDLE_MS;
	n_streams++;
	names_clients[place].streams++;
	names_watch(EPOLL_CTL_ADD, stream->fd, EPOLLIN, NAMES_STREAM, (unsigned int) (stream - streams));
	listen_as_fits(place);
}

static void read_stream(struct stream *stream)
{
	struct names_asker asker = {
		.client = stream->client,
		.generation = names_clients[stream->client].generation,
		.stream = (int) (stream - streams),
		.stream_generation = stream->generation,
	};
	long n = sys(SYS_read, stream->fd, stream->bytes + stream->has, sizeof(stream->bytes) - stream->has);

	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n <= 0)
		return close_stream(stream);
	stream->has += (uint32_t) n;
	stream->deadline = names_now() + STREAM_IDLE_MS;
	while (stream->has >= 2) {
		uint32_t size = (uint32_t) stream->bytes[0] << 8 | stream->bytes[1];

		if (size < DNS_HEADER || size > NAMES_QUERY_BYTES)
			return close_stream(stream);
		if (stream->has < 2 + size)
			return;
		answer(&asker, stream->bytes + 2, size);
		/* The answer may have been its end. */
		if (names_asker_gone(&asker))
			return;
		stream->has -= 2 + size;
		for (uint32_t i = 0; i < stream->has; i++)
			stream->bytes[i] = stream->bytes[2 + size + i];
	}
}

static void close_idle(void)
{
	uint64_t now = names_now();

	for (unsigned int i = 0; i < STREAMS && n_streams; i++)
		if (streams[i].used && now >= streams[i].deadline)
			close_stream(&streams[i]);
}

/* ---- orders ---- */

static void watch_client(unsigned int place)
{
	struct names_client *client = &names_clients[place];

	client->deaf = client->busy = false;
	client->pending = client->streams = 0;
	client->generation++;
	names_watch(EPOLL_CTL_ADD, client->udp, EPOLLIN, NAMES_DATAGRAMS, place);
	names_watch(EPOLL_CTL_ADD, client->tcp, EPOLLIN, NAMES_CONNECTIONS, place);
}

static void drop_client(unsigned int place)
{
	struct names_client *client = &names_clients[place];

	for (unsigned int i = 0; i < STREAMS && client->streams; i++)
		if (streams[i].used && streams[i].client == place)
			close_stream(&streams[i]);
	if (client->record) {
		/* Our first process has them, too: to close them is not enough. */
		names_watch(EPOLL_CTL_DEL, client->udp, 0, NAMES_DATAGRAMS, place);
		names_watch(EPOLL_CTL_DEL, client->tcp, 0, NAMES_CONNECTIONS, place);
		names_close(&client->udp);
		names_close(&client->tcp);
	}
	client->generation++;
	names_take(place);
}

static void take_order(int orders)
{
	int fds[2] = { -1, -1 };
	unsigned int n_fds = 2;
	long n = names_receive(orders, &inbox, sizeof(inbox), fds, &n_fds);
	unsigned int place = inbox.order.place;
	const struct wire_names *record = (const void *) (&inbox.order + 1);

	if (n == -EAGAIN || n == -EINTR)
		return;
	/* The first process is no more, or is of no use. */
	if (n < (long) sizeof(inbox.order) || place >= NAMES_CLIENTS_MAX || (size_t) n - sizeof(inbox.order) != inbox.order.size)
		finish(0);
	if (!inbox.order.size || n_fds == 2)
		drop_client(place);
	if (!inbox.order.size)
		return;
	if (!names_record_valid(record, inbox.order.size) || names_put(place, record) < 0)
		finish(1); /* our next self gets it all by its birth */
	if (n_fds != 2)
		return;
	names_clients[place].udp = fds[0];
	names_clients[place].tcp = fds[1];
	watch_client(place);
}

/* ---- the whole ---- */

/* All that it needs from now on. */
static const uint16_t calls[] = {
	SYS_read,      SYS_recvfrom,    SYS_recvmsg,   SYS_sendto,     SYS_sendmsg,    SYS_socket,
	SYS_connect,   SYS_accept4,     SYS_close,     SYS_mmap,       SYS_mremap,     SYS_madvise,
	SYS_epoll_ctl, SYS_epoll_pwait, SYS_getrandom, SYS_setsockopt, SYS_exit_group, SYS_clock_gettime,
};

static void happen(const struct epoll_event *event, int orders)
{
	unsigned int place = (unsigned int) event->data.u64;

	switch ((enum names_event)(event->data.u64 >> 32)) {
	case NAMES_ORDERS:
		take_order(orders);
		break;
	case NAMES_DATAGRAMS:
		read_datagrams(place);
		break;
	case NAMES_CONNECTIONS:
		if (names_clients[place].record && !names_clients[place].busy)
			accept_stream(place);
		break;
	case NAMES_STREAM:
		if (streams[place].used)
			read_stream(&streams[place]);
		break;
	case NAMES_PENDING:
		names_pending_event(place, event->events);
		break;
	}
}

void names_serve(int orders)
{
	static struct epoll_event events[64];
	bool rested = false;

	epoll_fd = (int) must(sys(SYS_epoll_create1, EPOLL_CLOEXEC), "epoll_create1");
	for (unsigned int i = 0; i < names_top; i++)
		if (names_clients[i].record)
			watch_client(i);
	names_watch(EPOLL_CTL_ADD, orders, EPOLLIN, NAMES_ORDERS, 0);
	spare_fd = open_spare();
	shed_all_but(calls, sizeof(calls) / sizeof(calls[0]));
	for (;;) {
		int wait = names_pending_tick();
		long n;

		if (wait < 0)
			wait = n_streams ? STREAM_TICK_MS : rested ? -1 : REST_MS;
		n = sys(SYS_epoll_pwait, epoll_fd, events, 64, wait, 0, 8);
		for (long i = 0; i < n; i++)
			happen(&events[i], orders);
		if (n_streams)
			close_idle();
		rested = n == 0;
		if (!rested)
			continue;
		names_pending_rest();
		if (n_streams)
			continue;
		names_give_back(reply_bytes, sizeof(reply_bytes));
		names_give_back(streams, sizeof(streams));
	}
}
