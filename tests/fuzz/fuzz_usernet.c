/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a container sends as frames, and when: usernet's pure parts with a host that is played. The input is a row of turns, each one byte
 * that says what happens, and for a frame two bytes of its size and the frame; for the rest one byte more.
 */
#include "usernet_fake.h"

#include <sys/epoll.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FRAME, CONNECTED, FROM_PEER, END_OF_PEER, ROOM, TIME, CALL, CALL_DATAGRAM, ANSWER, TURNS };

/* A copy of its own, so that a byte too far is seen. */
static void take_frame(const uint8_t *data, size_t size)
{
	unsigned char *copy = malloc(size + !size);

	if (!copy)
		return;
	memcpy(copy, data, size);
	frame_take(copy, size);
	free(copy);
}

static void tell_all(uint32_t events)
{
	/* From the end: one that ends has the last one put in its place. */
	for (unsigned int i = table.n_live; i-- > 0;) {
		struct flow *flow = &flows[table.live[i]];

		if (flow->kind == FLOW_TCP)
			tcp_event(flow, events);
		else
			datagram_event(flow);
	}
}

/* What the container's own TCP would say now, for the numbers are not to be guessed: @value says to how much of ours, and what more. */
static void answer(const struct flow *flow, unsigned int value)
{
	struct segment segment = {
		.from = flow->inside_port,
		.to = flow->outside_port,
		.seq = flow->tcp.received + (value & 32 ? 7 : 0),
		.ack = flow->tcp.acked + (flow->tcp.sent - flow->tcp.acked) / (value & 3 ? 1 : 2),
		.flags = (uint8_t) (SEGMENT_ACK | (value & 4 ? SEGMENT_FIN : 0) | (flow->state == TCP_CALLING ? SEGMENT_SYN : 0)),
		.window = (uint16_t) (value & 8 ? 0 : value << 8),
		.shift = -1,
	};
	struct headers headers;

	if (flow->state == TCP_ANSWERED)
		segment.ack = flow->tcp.sent;
	segment_write(&flow->inside, &flow->outside, &segment, value & 16 ? 40 : 0, &headers);
	memset(headers.bytes + headers.size, 'x', 40);
	take_frame(headers.bytes, headers.size + (value & 16 ? 40 : 0));
}

static void happen(unsigned int what, unsigned int value)
{
	const struct net_endpoint peer = { address_of_4(0xc6336401), (uint16_t) value };

	switch (what) {
	case CONNECTED:
		fake.connect_error = value & 1 ? -ECONNREFUSED : 0;
		tell_all(EPOLLOUT | (value & 2 ? EPOLLERR : 0));
		fake.connect_error = 0;
		break;
	case FROM_PEER:
		if (fake.queued + value * 512 <= sizeof(fake.queue))
			fake.queued += value * 512;
		tell_all(EPOLLIN);
		break;
	case END_OF_PEER:
		fake.ended = value & 1;
		fake.broken = value & 2 ? -ECONNRESET : 0;
		tell_all(EPOLLRDHUP | (value & 4 ? EPOLLERR : 0));
		break;
	case ROOM:
		fake.room = value << 10;
		tell_all(EPOLLOUT);
		break;
	case TIME:
		fake.now += value * value;
		flow_tick();
		break;
	case CALL:
		tcp_call(FAKE_FD, &peer, 80);
		break;
	case CALL_DATAGRAM:
		udp_call(FAKE_FD, &peer, &peer.address, 80, (const unsigned char *) "ask", 3);
		break;
	case ANSWER:
		for (unsigned int i = table.n_live; i-- > 0;)
			if (flows[table.live[i]].kind == FLOW_TCP)
				answer(&flows[table.live[i]], value);
		break;
	default:
		break;
	}
}

/* What the table says of itself is true. */
static void check(void)
{
	for (unsigned int i = 0; i < table.n_live; i++) {
		const struct flow *flow = &flows[table.live[i]];

		if (flow->kind == FLOW_FREE || flow->live != i)
			abort();
		if (flow->kind == FLOW_TCP && flow->state == TCP_OPEN && distance(flow->tcp.acked, flow->tcp.sent) < 0)
			abort();
	}
}

static void begin_anew(void)
{
	for (unsigned int i = table.n_live; i-- > 0;)
		flow_end(&flows[table.live[i]], true);
	flow_settle();
	fake.queued = fake.peeked = fake.n_sent = 0;
	fake.ended = false;
	fake.broken = 0;
	fake.room = 1 << 18;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool open;

	if (!open)
		flow_table_open(1);
	open = true;
	while (size > 2) {
		unsigned int what = data[0] % TURNS;
		size_t n;

		if (what == FRAME) {
			n = (size_t) (data[1] | data[2] << 8);
			data += 3;
			size -= 3;
			n = n < size ? n : size;
			take_frame(data, n);
		} else {
			happen(what, data[1]);
			n = 2;
		}
		data += n;
		size -= n;
		/* At once, or with what comes next. */
		if (!(what & 1))
			flow_settle();
		fake.n_frames = 0;
		check();
	}
	flow_settle();
	begin_anew();
	return 0;
}
