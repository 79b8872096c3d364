/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A connection through usernet: the container's TCP is answered here, and its bytes go through a socket of the host.
 *
 * 1. What the container sends is acknowledged when the socket has taken it; what it did not take is not, and comes again. The window
 *    is what the socket has room for, so that this is rare.
 * 2. What the host has received is peeked at and sent; it leaves the socket's queue when the container has acknowledged it. So a
 *    repetition (no acknowledgement in time, or three times the same) only goes back to the front of the queue.
 * 3. A SYN is answered when the host's connect() has come through, with RST when it has not: the container sees what is true.
 * 4. Acknowledgements, windows and what the host has sent are for tcp_settle(), once for all frames that came together, or for half a
 *    window of them.
 * Neither congestion (there is none on this link) nor SACK, nor time stamps. See: RFC 9293.
 */
#include "init/usernet.h"

#include <errno.h>
#include <sys/epoll.h>

#define SHIFT 7 /* of the windows that we tell */
#define WINDOW_UNSCALED 0xffffu
#define IN_FLIGHT_MAX (1u << 20)
#define SEGMENT_MAX (USERNET_MTU - 60)
/*
 * What we ask the container's segments to be at most, and the smallest window but 0 that it is told: it sends no part of a segment for
 * which the window has no room, and a socket of the host may have little. Its frames are as large as ever: they are of many segments.
 */
#define ROOM_MIN 8192
#define MSS_MIN 536
#define MSS_DEFAULT 536
#define WAIT_MS 200 /* for an acknowledgement; twice as long each time */
#define WAIT_DOUBLED_MAX 6
#define HELLO_TRIES 6
#define TRIES 14 /* about two minutes */
#define REPEATS 3
#define TURN_BYTES (512u << 10)

static unsigned char payload[USERNET_PAYLOAD];

static int32_t distance(uint32_t from, uint32_t to)
{
	return (int32_t) (to - from);
}

/* ---- sending ---- */

/* The window to tell. What was promised stays. */
static uint16_t window_of(struct flow *flow, bool syn)
{
	uint32_t limit = flow->flags & FLOW_SCALED ? USERNET_WINDOW : WINDOW_UNSCALED;
	uint32_t room = flow->state == TCP_OPEN ? host_room(flow->fd) : WINDOW_UNSCALED;
	int32_t promised = distance(flow->tcp.received, flow->tcp.promised);

	if (room < ROOM_MIN) {
		room = 0;
		if (!(flow->flags & FLOW_SHUT))
			host_watch_room(flow);
		flow->flags |= FLOW_SHUT;
	} else {
		flow->flags &= (uint16_t) ~FLOW_SHUT;
	}
	if (room > limit)
		room = limit;
	if (promised > 0 && room < (uint32_t) promised)
		room = (uint32_t) promised;
	if (syn || !(flow->flags & FLOW_SCALED))
		room = room > WINDOW_UNSCALED ? WINDOW_UNSCALED : room;
	else
		room = room >> SHIFT << SHIFT;
	flow->tcp.promised = flow->tcp.received + room;
	return (uint16_t) (syn || !(flow->flags & FLOW_SCALED) ? room : room >> SHIFT);
}

static void emit(struct flow *flow, unsigned int flags, uint32_t seq, const unsigned char *data, size_t size)
{
	bool syn = flags & SEGMENT_SYN;
	struct segment segment = {
		.from = flow->outside_port,
		.to = flow->inside_port,
		.seq = seq,
		.ack = flags & SEGMENT_ACK ? flow->tcp.received : 0,
		.flags = (uint8_t) flags,
		.window = window_of(flow, syn),
		.mss = syn ? ROOM_MIN : 0,
		.shift = syn && flow->flags & FLOW_SCALED ? SHIFT : -1,
	};
	struct headers headers;

	segment_write(&flow->outside, &flow->inside, &segment, size, &headers);
	link_send(&headers, data, size);
	flow->flags &= (uint16_t) ~FLOW_ACK;
}

static void wait_for_ack(struct flow *flow)
{
	unsigned int doubled = flow->tcp.tries > WAIT_DOUBLED_MAX ? WAIT_DOUBLED_MAX : flow->tcp.tries;

	flow_clock(flow, WAIT_MS << doubled);
}

/* Both sides are told. */
static void abort_flow(struct flow *flow)
{
	emit(flow, SEGMENT_RST | SEGMENT_ACK, flow->tcp.sent, NULL, 0);
	flow_end(flow, true);
}

/* To a segment of no connection. */
static void refuse(const struct packet *packet, const struct segment *to)
{
	struct segment segment = { .from = to->to, .to = to->from, .flags = SEGMENT_RST, .shift = -1 };
	struct headers headers;

	if (to->flags & SEGMENT_RST)
		return;
	if (to->flags & SEGMENT_ACK) {
		segment.seq = to->ack;
	} else {
		segment.flags |= SEGMENT_ACK;
		segment.ack = to->seq + (uint32_t) to->size + !!(to->flags & SEGMENT_SYN) + !!(to->flags & SEGMENT_FIN);
	}
	segment_write(&packet->to, &packet->from, &segment, 0, &headers);
	link_send(&headers, NULL, 0);
}

static void say_hello(struct flow *flow)
{
	emit(flow, flow->state == TCP_CALLING ? SEGMENT_SYN : SEGMENT_SYN | SEGMENT_ACK, flow->tcp.acked, NULL, 0);
	wait_for_ack(flow);
}

static void send_end(struct flow *flow)
{
	flow->tcp.end_seq = flow->tcp.sent;
	emit(flow, SEGMENT_FIN | SEGMENT_ACK, flow->tcp.sent, NULL, 0);
	flow->flags |= FLOW_END_OUT | FLOW_END_SEEN;
	flow->tcp.sent++;
}

/* As segments, each as large as may be. */
static void send_bytes(struct flow *flow, const unsigned char *data, size_t size)
{
	for (size_t n; size; data += n, size -= n) {
		n = size < flow->tcp.mss ? size : flow->tcp.mss;
		emit(flow, SEGMENT_ACK | (n == size ? SEGMENT_PSH : 0), flow->tcp.sent, data, n);
		flow->tcp.sent += (uint32_t) n;
	}
}

/* What the host has received goes to the container, as far as its window lets it. false: the turn is over, there may be more. */
static bool pump(struct flow *flow)
{
	uint32_t limit = flow->tcp.window < IN_FLIGHT_MAX ? flow->tcp.window : IN_FLIGHT_MAX, turn = 0;

	flow->flags &= (uint16_t) ~FLOW_FULL;
	while (!(flow->flags & FLOW_END_OUT)) {
		uint32_t in_flight = flow->tcp.sent - flow->tcp.acked;
		uint32_t room = in_flight < limit ? limit - in_flight : 0;
		long n;

		if (turn >= TURN_BYTES)
			return false;
		/* Not in crumbs: there is an acknowledgement to come that brings more room. */
		if (!room || (in_flight && room < flow->tcp.mss && room < limit / 2)) {
			flow->flags |= FLOW_FULL;
			return true;
		}
		n = host_peek(flow->fd, in_flight, payload, room < sizeof(payload) ? room : sizeof(payload));
		if (n == -EAGAIN)
			return true;
		if (n < 0) {
			abort_flow(flow);
			return true;
		}
		if (n)
			send_bytes(flow, payload, (size_t) n);
		else
			send_end(flow);
		turn += (uint32_t) n;
	}
	return true;
}

bool tcp_settle(struct flow *flow)
{
	bool done = true;

	if (flow->state != TCP_OPEN)
		return true;
	done = pump(flow);
	if (flow->kind == FLOW_FREE)
		return true;
	if (distance(flow->tcp.top, flow->tcp.sent) > 0)
		flow->tcp.top = flow->tcp.sent;
	if (flow->flags & FLOW_ACK)
		emit(flow, SEGMENT_ACK, flow->tcp.sent, NULL, 0);
	if (!flow->due && (flow->tcp.acked != flow->tcp.top || flow->flags & FLOW_FULL))
		wait_for_ack(flow);
	if (flow->flags & FLOW_END_IN && flow->flags & FLOW_END_ACKED)
		flow_end(flow, false);
	return done;
}

/* Sends again from what is acknowledged on. */
static void go_back(struct flow *flow)
{
	flow->tcp.sent = flow->tcp.acked;
	flow->tcp.repeats = 0;
	if (!(flow->flags & FLOW_END_ACKED))
		flow->flags &= (uint16_t) ~FLOW_END_OUT;
	host_rewind(flow->fd);
	flow_todo(flow);
}

void tcp_clock(struct flow *flow)
{
	bool open = flow->state == TCP_OPEN;

	if (flow->state == TCP_CONNECTING)
		return;
	if (flow->tcp.tries++ >= (open ? TRIES : HELLO_TRIES)) {
		abort_flow(flow);
		return;
	}
	if (!open) {
		say_hello(flow);
		return;
	}
	if (flow->tcp.acked != flow->tcp.top)
		go_back(flow);
	/* It answers to what it has seen already, and says how large its window is now. */
	if (!flow->tcp.window || flow->flags & FLOW_FULL)
		emit(flow, SEGMENT_ACK, flow->tcp.acked - 1, NULL, 0);
	if (flow->tcp.acked != flow->tcp.top || flow->flags & FLOW_FULL)
		wait_for_ack(flow);
}

/* ---- what the container sends ---- */

static void read_hello(struct flow *flow, const struct segment *segment)
{
	flow->tcp.received = segment->seq + 1;
	flow->tcp.promised = flow->tcp.received;
	flow->tcp.mss = segment->mss ? segment->mss : MSS_DEFAULT;
	if (flow->tcp.mss < MSS_MIN)
		flow->tcp.mss = MSS_MIN;
	if (flow->tcp.mss > SEGMENT_MAX)
		flow->tcp.mss = SEGMENT_MAX;
	flow->tcp.window = segment->window;
	flow->tcp.shift = segment->shift > 0 ? (uint8_t) segment->shift : 0;
	flow->flags &= (uint16_t) ~FLOW_SCALED;
	if (segment->shift >= 0)
		flow->flags |= FLOW_SCALED;
}

/* Later ones of the same ends begin higher, as a host's do. */
static void choose_first(struct flow *flow)
{
	struct net_endpoint inside = flow_inside(flow), outside = flow_outside(flow);

	flow->tcp.acked = flow_hash(&outside, &inside) + (uint32_t) (usernet_now() << 8);
	flow->tcp.sent = flow->tcp.top = flow->tcp.acked + 1;
}

static void open_flow(const struct packet *packet, const struct segment *segment)
{
	const struct net_endpoint inside = { packet->from, segment->from }, outside = { packet->to, segment->to };
	struct flow *flow = flow_make(FLOW_TCP, &inside, &outside);

	if (!flow) {
		refuse(packet, segment);
		return;
	}
	flow->state = TCP_CONNECTING;
	flow->fd = host_open(flow);
	if (flow->fd < 0) {
		flow_end(flow, false);
		refuse(packet, segment);
		return;
	}
	read_hello(flow, segment);
	choose_first(flow);
}

static void open_now(struct flow *flow, const struct segment *segment)
{
	flow->tcp.acked++;
	flow->tcp.tries = 0;
	flow->due = 0;
	flow->state = TCP_OPEN;
	flow->tcp.window = (uint32_t) segment->window << (segment->flags & SEGMENT_SYN ? 0 : flow->tcp.shift);
	flow_todo(flow);
}

/* Before it is open. true: it is now, and the segment may bring bytes. */
static bool greet(struct flow *flow, const struct segment *segment)
{
	bool acks = segment->flags & SEGMENT_ACK && segment->ack == flow->tcp.sent;

	if (segment->flags & SEGMENT_RST) {
		if (flow->state != TCP_CALLING || acks)
			flow_end(flow, true);
		return false;
	}
	if (flow->state == TCP_CALLING) {
		if (!acks || !(segment->flags & SEGMENT_SYN))
			return false;
		read_hello(flow, segment);
		open_now(flow, segment);
		flow->flags |= FLOW_ACK;
		return false;
	}
	if (segment->flags & SEGMENT_SYN) {
		if (flow->state == TCP_ANSWERED && segment->seq + 1 == flow->tcp.received)
			say_hello(flow);
		return false;
	}
	if (flow->state == TCP_CONNECTING || !acks)
		return false;
	open_now(flow, segment);
	return true;
}

/* false: it acknowledges what was never sent. */
static bool read_ack(struct flow *flow, const struct segment *segment)
{
	int32_t news = distance(flow->tcp.acked, segment->ack);
	uint32_t window = (uint32_t) segment->window << flow->tcp.shift, bytes = (uint32_t) news;

	if (!(segment->flags & SEGMENT_ACK) || distance(segment->ack, flow->tcp.top) < 0)
		return false;
	if (news < 0)
		return true;
	if (news == 0) {
		bool again = !segment->size && window == flow->tcp.window && flow->tcp.acked != flow->tcp.sent;

		flow->tcp.window = window;
		if (again && ++flow->tcp.repeats == REPEATS)
			go_back(flow);
		/* Whoever answers is there, however long he takes; he is only asked less often. */
		if (window)
			flow->tcp.tries = 0;
		else if (flow->tcp.tries > WAIT_DOUBLED_MAX)
			flow->tcp.tries = WAIT_DOUBLED_MAX;
		flow_todo(flow);
		return true;
	}
	if (flow->flags & FLOW_END_SEEN && distance(flow->tcp.end_seq, segment->ack) > 0) {
		flow->flags |= FLOW_END_ACKED | FLOW_END_OUT;
		bytes--;
	}
	host_drop(flow->fd, bytes);
	flow->tcp.acked = segment->ack;
	if (distance(flow->tcp.sent, flow->tcp.acked) > 0)
		flow->tcp.sent = flow->tcp.acked;
	flow->tcp.window = window;
	flow->tcp.repeats = flow->tcp.tries = 0;
	flow->due = 0;
	flow_todo(flow);
	return true;
}

/* The bytes, and the end, that are next. */
static void read_bytes(struct flow *flow, const struct segment *segment)
{
	int32_t ahead = distance(flow->tcp.received, segment->seq);
	size_t size = segment->size, known = ahead < 0 ? (size_t) - (int64_t) ahead : 0;
	bool end = segment->flags & SEGMENT_FIN;
	long n = 0;

	if (!size && !end) {
		/* A probe is answered. */
		if (ahead)
			flow->flags |= FLOW_ACK;
		return;
	}
	flow->flags |= FLOW_ACK;
	if (ahead > 0 && distance(segment->seq + (uint32_t) size, flow->tcp.promised) >= 0 && !(flow->flags & FLOW_END_IN))
		early_keep(flow, segment);
	if (ahead > 0 || known > size || flow->flags & FLOW_END_IN)
		return;
	size -= known;
	if (size)
		n = host_send(flow->fd, segment->data + known, size);
	if (n == -EAGAIN)
		n = 0;
	if (n < 0) {
		abort_flow(flow);
		return;
	}
	flow->tcp.received += (uint32_t) n;
	if ((size_t) n < size) {
		/* The kernel tells us when it takes more. */
		flow->flags |= FLOW_SHUT;
		return;
	}
	/* Before the window is used up, so that the sender need not wait for all frames of this turn. */
	if (distance(flow->tcp.received, flow->tcp.promised) < (int32_t) USERNET_WINDOW / 2)
		emit(flow, SEGMENT_ACK, flow->tcp.sent, NULL, 0);
	if (end) {
		flow->tcp.received++;
		flow->flags |= FLOW_END_IN;
		host_end_sending(flow->fd);
	}
}

void tcp_take(const struct packet *packet)
{
	struct net_endpoint inside = { packet->from, 0 }, outside = { packet->to, 0 };
	struct segment segment;
	struct flow *flow;

	if (!segment_read(packet, &segment))
		return;
	inside.port = segment.from;
	outside.port = segment.to;
	flow = flow_find(FLOW_TCP, &inside, &outside);
	/* The container has forgotten the last one, and begins anew. */
	if (flow && flow->state == TCP_OPEN && segment.flags & SEGMENT_SYN && !(segment.flags & SEGMENT_ACK)) {
		flow_end(flow, true);
		flow = NULL;
	}
	if (!flow) {
		if ((segment.flags & (SEGMENT_SYN | SEGMENT_ACK | SEGMENT_RST | SEGMENT_FIN)) == SEGMENT_SYN)
			open_flow(packet, &segment);
		else
			refuse(packet, &segment);
		return;
	}
	if (flow->state != TCP_OPEN && !greet(flow, &segment))
		return;
	if (segment.flags & SEGMENT_RST) {
		flow_end(flow, true);
		return;
	}
	flow_todo(flow);
	if (!read_ack(flow, &segment))
		return;
	do
		read_bytes(flow, &segment);
	while (flow->kind != FLOW_FREE && early_take(flow, &segment));
}

/* ---- what the host's socket tells ---- */

void tcp_event(struct flow *flow, uint32_t events)
{
	if (flow->state == TCP_CONNECTING) {
		if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
			return;
		if (host_error(flow->fd) < 0) {
			/* Its SYN is what is refused. */
			flow->tcp.sent = 0;
			abort_flow(flow);
			return;
		}
		flow->state = TCP_ANSWERED;
		say_hello(flow);
		return;
	}
	/* What came before the error is passed on first: it is met again behind that, by peeking. */
	if (events & EPOLLERR && (flow->state != TCP_OPEN || flow->flags & FLOW_END_OUT) && host_error(flow->fd) < 0) {
		abort_flow(flow);
		return;
	}
	if (flow->state != TCP_OPEN)
		return;
	if (events & EPOLLOUT && flow->flags & FLOW_SHUT)
		flow->flags |= FLOW_ACK;
	flow_todo(flow);
}

void tcp_call(int fd, const struct net_endpoint *peer, uint16_t port)
{
	struct net_endpoint inside = { { { 0 } }, port }, outside = *peer;
	struct flow *flow;

	host_show(&outside.address);
	inside.address = address_near(!address_is_4(&outside.address), USERNET_CONTAINER);
	/* Two peers may look the same then. */
	while (flow_find(FLOW_TCP, &inside, &outside))
		outside.port++;
	flow = flow_make(FLOW_TCP, &inside, &outside);
	if (!flow) {
		host_close(fd, true);
		return;
	}
	flow->fd = fd;
	flow->state = TCP_CALLING;
	flow->flags = FLOW_SCALED;
	choose_first(flow);
	if (host_adopt(fd, flow) < 0)
		flow_end(flow, true);
	else
		say_hello(flow);
}
