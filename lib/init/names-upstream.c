/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Questions that are for other servers. Each is asked from a socket of its own, connected to the server: so the kernel has chosen a
 * random port, and what comes from elsewhere is dropped by it. With a random id and the question compared, nobody who does not see the
 * packets can answer in the server's place, and no answer of one container's question reaches another: nothing is kept.
 *
 * 1. Servers are tried in order: the next one after a refusal, or TRY_MS of silence. The last one gets longer.
 * 2. By UDP what came by UDP, by TCP what came by TCP: a cut answer is the client's to ask for again.
 * 3. There is room for PENDING questions. One client may have NAMES_PENDING_OF_ONE; when all are taken, the client that has most loses
 *    its oldest.
 */
#include "init/names-serve.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define PENDING 1024
#define TCP_PENDING 16
#define TCP_OF_ONE 4
#define TRY_MS 2000
#define LAST_TRY_MS 4000
#define TICK_MS 100
#define NO_TCP 0xff

struct pending {
	bool used;
	uint8_t server, tcp; /* tcp: its buffer, or NO_TCP */
	uint16_t id;         /* of the client's question */
	uint16_t limit;      /* what the client takes */
	uint16_t size, question_end;
	int fd;
	uint64_t deadline, began;
	struct names_asker asker;
	unsigned char query[2 + NAMES_QUERY_BYTES]; /* after its size, as TCP has it */
};

static struct pending pendings[PENDING];
static unsigned int count, top; /* those that are used; beyond the last of them */

static struct tcp_buffer {
	bool used, sent;
	uint32_t has;
	unsigned char bytes[2 + DNS_MESSAGE_BYTES];
} tcp_buffers[TCP_PENDING];

static unsigned char answer[DNS_MESSAGE_BYTES + 1];
static bool memory_used;

static void ask_server(struct pending *pending);

static unsigned int place_of(const struct pending *pending)
{
	return (unsigned int) (pending - pendings);
}

static void drop_socket(struct pending *pending)
{
	names_close(&pending->fd);
	if (pending->tcp != NO_TCP)
		tcp_buffers[pending->tcp].has = 0;
}

static void drop(struct pending *pending)
{
	drop_socket(pending);
	if (pending->tcp != NO_TCP)
		tcp_buffers[pending->tcp].used = false;
	pending->used = false;
	count--;
	while (top && !pendings[top - 1].used)
		top--;
	names_pending_less(&pending->asker);
}

/* ---- beginning ---- */

/* All are taken: the oldest of the client that has most. */
static struct pending *steal(void)
{
	struct pending *worst = NULL;
	unsigned int most = 0;

	for (unsigned int i = 0; i < PENDING; i++) {
		unsigned int of_client = names_clients[pendings[i].asker.client].pending;

		if (!worst || of_client > most || (of_client == most && pendings[i].began < worst->began)) {
			worst = &pendings[i];
			most = of_client;
		}
	}
	drop(worst);
	return worst;
}

static struct pending *find_free(void)
{
	if (count == PENDING)
		return steal();
	for (unsigned int i = 0; i < top; i++)
		if (!pendings[i].used)
			return &pendings[i];
	return &pendings[top];
}

static unsigned int find_tcp(const struct names_asker *asker)
{
	unsigned int of_client = 0, found = NO_TCP;

	for (unsigned int i = 0; i < top; i++)
		of_client += pendings[i].used && pendings[i].tcp != NO_TCP && pendings[i].asker.client == asker->client;
	for (unsigned int i = 0; i < TCP_PENDING && found == NO_TCP && of_client < TCP_OF_ONE; i++)
		if (!tcp_buffers[i].used)
			found = i;
	return found;
}

static void refuse(const struct names_asker *asker, const struct dns_query *query)
{
	names_reply(asker, answer, names_refuse(query, DNS_FAILURE, answer, sizeof(answer)));
}

void names_ask(const struct names_asker *asker, const struct dns_query *query)
{
	unsigned int tcp = asker->stream >= 0 ? find_tcp(asker) : NO_TCP;
	struct pending *pending;

	if (query->size > NAMES_QUERY_BYTES || (asker->stream >= 0 && tcp == NO_TCP))
		return refuse(asker, query);
	pending = find_free();
	pending->used = true;
	pending->asker = *asker;
	pending->server = 0;
	pending->tcp = (uint8_t) tcp;
	pending->fd = -1;
	pending->id = dns_id(query->message);
	pending->limit = (uint16_t) (tcp == NO_TCP ? dns_query_limit(query) : DNS_MESSAGE_BYTES);
	pending->size = (uint16_t) query->size;
	pending->question_end = (uint16_t) query->question_end;
	pending->began = names_now();
	pending->query[0] = (unsigned char) (query->size >> 8);
	pending->query[1] = (unsigned char) query->size;
	memcpy(pending->query + 2, query->message, query->size);
	if (query->edns && query->udp_size > DNS_UDP_BYTES_OUT) {
		pending->query[2 + query->opt] = DNS_UDP_BYTES_OUT >> 8;
		pending->query[2 + query->opt + 1] = DNS_UDP_BYTES_OUT & 0xff;
	}
	if (tcp != NO_TCP)
		tcp_buffers[tcp].used = true;
	count++;
	if (place_of(pending) >= top)
		top = place_of(pending) + 1;
	names_clients[asker->client].pending++;
	ask_server(pending);
}

/* ---- servers ---- */

static size_t address_of(const struct wire_names_server *server, struct sockaddr_storage *out)
{
	struct sockaddr_in *four = (void *) out;
	struct sockaddr_in6 *six = (void *) out;

	memset(out, 0, sizeof(*out));
	if (server->family == AF_INET) {
		four->sin_family = AF_INET;
		four->sin_port = __builtin_bswap16(WIRE_NAMES_PORT);
		memcpy(&four->sin_addr, server->address, 4);
		return sizeof(*four);
	}
	six->sin6_family = AF_INET6;
	six->sin6_port = __builtin_bswap16(WIRE_NAMES_PORT);
	six->sin6_scope_id = server->scope;
	memcpy(&six->sin6_addr, server->address, 16);
	return sizeof(*six);
}

/* 0 or -errno. */
static long connect_to(struct pending *pending, const struct wire_names_server *server)
{
	struct sockaddr_storage address;
	size_t size = address_of(server, &address);
	bool tcp = pending->tcp != NO_TCP;
	uint16_t id;
	long r = sys(SYS_socket, address.ss_family, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (r < 0)
		return r;
	pending->fd = (int) r;
	if (sys(SYS_getrandom, &id, sizeof(id), 0) != sizeof(id))
		return -EIO;
	dns_set_id(pending->query + 2, id);
	r = sys(SYS_connect, pending->fd, &address, size);
	if (tcp && r == -EINPROGRESS)
		r = 0;
	if (r < 0)
		return r;
	names_watch(EPOLL_CTL_ADD, pending->fd, tcp ? EPOLLIN | EPOLLOUT : EPOLLIN, NAMES_PENDING, place_of(pending));
	if (tcp) {
		tcp_buffers[pending->tcp].sent = false;
		tcp_buffers[pending->tcp].has = 0;
		return 0;
	}
	r = sys(SYS_sendto, pending->fd, pending->query + 2, pending->size, MSG_NOSIGNAL, 0, 0);
	return r < 0 ? r : 0;
}

static void fail_client(struct pending *pending)
{
	struct dns_query query;

	dns_set_id(pending->query + 2, pending->id);
	if (dns_query_read(pending->query + 2, pending->size, &query) >= 0)
		refuse(&pending->asker, &query);
	drop(pending);
}

/* The present one, or those after it; at last the client is told that none was there. */
static void ask_server(struct pending *pending)
{
	const struct wire_names *record = names_asker_gone(&pending->asker) ? NULL : names_clients[pending->asker.client].record;

	for (; record && pending->server < record->n_servers; pending->server++) {
		bool last = pending->server + 1U == record->n_servers;

		drop_socket(pending);
		pending->deadline = names_now() + (last ? LAST_TRY_MS : TRY_MS);
		if (connect_to(pending, &names_servers(record)[pending->server]) == 0)
			return;
	}
	fail_client(pending);
}

static void ask_next(struct pending *pending)
{
	pending->server++;
	ask_server(pending);
}

static bool is_last(const struct pending *pending)
{
	const struct wire_names *record = names_clients[pending->asker.client].record;

	return !record || pending->server + 1U >= record->n_servers;
}

static void take_reply(struct pending *pending, unsigned char *reply, size_t size)
{
	enum dns_code code = dns_code_of(reply);

	if (code != DNS_OK && code != DNS_NO_NAME && !is_last(pending))
		return ask_next(pending);
	dns_set_id(reply, pending->id);
	size = dns_reply_cut(reply, size, pending->question_end, pending->limit);
	names_reply(&pending->asker, reply, size);
	drop(pending);
}

static void read_datagram(struct pending *pending)
{
	long n = sys(SYS_recvfrom, pending->fd, answer, sizeof(answer), 0, 0, 0);

	if (n == -EINTR || n == -EAGAIN)
		return;
	memory_used = true;
	if (n < 0)
		return ask_next(pending);
	/* Not the answer to this: whoever sent it, the real one may still come. */
	if (dns_reply_fits(pending->query + 2, pending->question_end, answer, (size_t) n))
		take_reply(pending, answer, (size_t) n);
}

static void use_stream(struct pending *pending, uint32_t events)
{
	struct tcp_buffer *buffer = &tcp_buffers[pending->tcp];
	long n;

	if (!buffer->sent) {
		if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
			return;
		/* Less than any socket takes at once. */
		n = sys(SYS_sendto, pending->fd, pending->query, 2 + pending->size, MSG_NOSIGNAL, 0, 0);
		if (n == -EAGAIN || n == -EINTR)
			return;
		if (n != 2 + pending->size)
			return ask_next(pending);
		buffer->sent = true;
		names_watch(EPOLL_CTL_MOD, pending->fd, EPOLLIN, NAMES_PENDING, place_of(pending));
		return;
	}
	n = sys(SYS_recvfrom, pending->fd, buffer->bytes + buffer->has, sizeof(buffer->bytes) - buffer->has, 0, 0, 0);
	if (n == -EINTR || n == -EAGAIN)
		return;
	memory_used = true;
	if (n <= 0)
		return ask_next(pending);
	buffer->has += (uint32_t) n;
	if (buffer->has < 2 || buffer->has < 2U + dns_id(buffer->bytes)) /* its size, which stands there as an id does */
		return;
	if (!dns_reply_fits(pending->query + 2, pending->question_end, buffer->bytes + 2, dns_id(buffer->bytes)))
		return ask_next(pending);
	take_reply(pending, buffer->bytes + 2, dns_id(buffer->bytes));
}

void names_pending_event(unsigned int place, uint32_t events)
{
	struct pending *pending = &pendings[place];

	/* An event of the same round may have ended it. */
	if (!pending->used || pending->fd < 0)
		return;
	if (pending->tcp == NO_TCP)
		read_datagram(pending);
	else
		use_stream(pending, events);
}

int names_pending_tick(void)
{
	uint64_t now;

	if (!count)
		return -1;
	now = names_now();
	for (unsigned int i = 0; i < top; i++) {
		struct pending *pending = &pendings[i];

		if (!pending->used)
			continue;
		if (names_asker_gone(&pending->asker))
			drop(pending);
		else if (now >= pending->deadline)
			ask_next(pending);
	}
	return count ? TICK_MS : -1;
}

void names_pending_rest(void)
{
	if (count || !memory_used)
		return;
	memory_used = false;
	names_give_back(pendings, sizeof(pendings));
	names_give_back(tcp_buffers, sizeof(tcp_buffers));
	names_give_back(answer, sizeof(answer));
}
