/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A plain user's way out (lib/init/usernet.h): what it answers to frames, with a host that is played. */
#include "unit/unit.h"

#include <stdlib.h>
#include <sys/epoll.h>

#include "support/usernet_fake.h"

#define OUTSIDE 0xc6336401u /* 198.51.100.1 */

/* The container's side of one connection. */
static struct {
	uint16_t from, to;
	uint32_t seq, ack;
} box;

static struct net_address container(void)
{
	return address_near(false, USERNET_CONTAINER);
}

static void send_segment(unsigned int flags, const char *data, uint16_t window)
{
	struct net_address from = container(), to = address_of_4(OUTSIDE);
	struct segment segment = {
		.from = box.from,
		.to = box.to,
		.seq = box.seq,
		.ack = flags & SEGMENT_ACK ? box.ack : 0,
		.flags = (uint8_t) flags,
		.window = window,
		.mss = flags & SEGMENT_SYN ? 1460 : 0,
		.shift = flags & SEGMENT_SYN ? 7 : -1,
	};
	size_t size = strlen(data);
	unsigned char frame[FRAME_ROOM];
	struct headers headers;

	segment_write(&from, &to, &segment, size, &headers);
	memcpy(frame, headers.bytes, headers.size);
	memcpy(frame + headers.size, data, size);
	frame_take(frame, headers.size + size);
	flow_settle();
}

/* Frame number @index that came back; its payload is text. */
static struct segment answer(unsigned int index)
{
	struct packet packet;
	struct segment segment;

	assert_true(index < fake.n_frames);
	assert_true(packet_read(fake.frames[index].bytes, fake.frames[index].size, &packet));
	assert_true(segment_read(&packet, &segment));
	return segment;
}

static void peer_sends(const char *text)
{
	memcpy(fake.queue + fake.queued, text, strlen(text));
	fake.queued += strlen(text);
	tcp_event(&flows[table.live[0]], EPOLLIN);
	flow_settle();
}

static int begin(void **state)
{
	(void) state;
	while (table.n_live)
		flow_end(&flows[table.live[0]], true);
	flow_settle();
	memset(&fake, 0, sizeof(fake));
	fake.room = 1 << 18;
	fake.now = 1000;
	flow_table_open(7);
	box.from = 40000;
	box.to = 80;
	box.seq = 1000;
	return 0;
}

static void open_connection(void)
{
	struct segment hello;

	send_segment(SEGMENT_SYN, "", 64000);
	assert_int_equal(fake.n_frames, 0); /* not before the host is through */
	tcp_event(&flows[table.live[0]], EPOLLOUT);
	hello = answer(0);
	assert_int_equal(hello.flags, SEGMENT_SYN | SEGMENT_ACK);
	assert_int_equal(hello.ack, 1001);
	assert_int_equal(hello.shift, 7);
	box.seq = 1001;
	box.ack = hello.seq + 1;
	send_segment(SEGMENT_ACK, "", 500);
	fake.n_frames = 0;
}

static void test_checksums(void **state)
{
	static const unsigned char header[] = { 0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0, 0, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0, 0xc7 };
	unsigned char echo[9] = { 8, 0, 0, 0, 0, 7, 0, 1, 'x' };
	struct net_address from = address_near(true, 1), to = address_near(true, 2);
	struct headers headers;

	(void) state;
	assert_int_equal((uint16_t) ~sum_fold(sum_add(0, header, sizeof(header))), 0xb861);
	icmp_write(&from, &to, echo, sizeof(echo), &headers);
	/* With the pseudo header all of it adds up to nothing. */
	assert_int_equal(sum_fold(sum_add(sum_add(FRAME_ICMP6 + sizeof(echo), headers.bytes + headers.size - 32, 32), echo, sizeof(echo))),
			 0xffff);
}

static void test_addresses(void **state)
{
	static const char *const good[] = { "127.0.0.53", "::", "::1", "fe80::1", "2001:db8:1:2:3:4:5:6", "1::", "2001:DB8::a:b" };
	static const char *const bad[] = {
		"",        "1.2.3",        "1.2.3.256",         "1.2.3.4.5",         ":",         ":::", "1:2", "1::2::3",
		"12345::", "fe80::1%eth0", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "::1.2.3.4x"
	};
	struct net_address address;

	(void) state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(address_read(good[i], &address));
	assert_int_equal(address.bytes[1] << 8 | address.bytes[15], 0x010b);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(address_read(bad[i], &address));
}

static void test_frames_that_lie(void **state)
{
	unsigned char frame[VNET_BYTES + ETHERNET_BYTES + 40] = { 0 };
	unsigned char *ip = frame + VNET_BYTES + ETHERNET_BYTES;
	struct packet packet;
	struct segment segment;

	(void) state;
	bytes_put_16(ip - 2, 0x0800);
	ip[0] = 0x45;
	ip[9] = FRAME_TCP;
	bytes_put_16(ip + 2, 40);
	ip[20 + 12] = 0x50;
	assert_true(packet_read(frame, sizeof(frame), &packet) && segment_read(&packet, &segment));
	assert_false(packet_read(frame, sizeof(frame) - 1, &packet));
	assert_false(packet_read(frame, 5, &packet));
	ip[20 + 12] = 0x60; /* options beyond the end */
	assert_true(packet_read(frame, sizeof(frame), &packet));
	assert_false(segment_read(&packet, &segment));
	ip[6] = 0x20; /* a fragment */
	assert_false(packet_read(frame, sizeof(frame), &packet));
	ip[6] = 0;
	ip[0] = 0x46;
	assert_false(packet_read(frame, sizeof(frame), &packet));
}

static void test_talk(void **state)
{
	struct segment segment;

	(void) state;
	open_connection();
	send_segment(SEGMENT_ACK | SEGMENT_PSH, "hello", 500);
	assert_memory_equal(fake.sent, "hello", 5);
	assert_int_equal(answer(0).ack, 1006);
	box.seq += 5;
	peer_sends("world");
	segment = answer(1);
	assert_int_equal(segment.seq, box.ack);
	assert_int_equal(segment.size, 5);
	assert_memory_equal(segment.data, "world", 5);
	assert_int_equal(fake.queued, 5); /* stays until it is acknowledged */
	box.ack += 5;
	send_segment(SEGMENT_ACK, "", 500);
	assert_int_equal(fake.queued, 0);
	/* The ends, one after the other. */
	send_segment(SEGMENT_ACK | SEGMENT_FIN, "", 500);
	assert_true(fake.end_sent);
	box.seq++;
	fake.ended = true;
	fake.n_frames = 0;
	peer_sends("");
	assert_int_equal(answer(0).flags, SEGMENT_FIN | SEGMENT_ACK);
	assert_int_equal(table.n_live, 1);
	box.ack++;
	send_segment(SEGMENT_ACK, "", 500);
	assert_int_equal(table.n_live, 0);
	assert_int_equal(fake.closed, 1);
	assert_int_equal(fake.reset, 0);
}

/* The host's peer breaks it off: what it had sent is passed on before that. */
static void test_broken(void **state)
{
	(void) state;
	open_connection();
	fake.broken = fake.connect_error = -ECONNRESET;
	memcpy(fake.queue, "last", 4);
	fake.queued = 4;
	tcp_event(&flows[table.live[0]], EPOLLIN | EPOLLERR | EPOLLHUP);
	flow_settle();
	assert_int_equal(answer(0).size, 4);
	assert_int_equal(answer(1).flags, SEGMENT_RST | SEGMENT_ACK);
	assert_int_equal(answer(1).seq, box.ack + 4);
	assert_int_equal(table.n_live, 0);
}

static void test_refusals(void **state)
{
	(void) state;
	send_segment(SEGMENT_SYN, "", 64000);
	fake.connect_error = -ECONNREFUSED;
	tcp_event(&flows[table.live[0]], EPOLLERR);
	assert_int_equal(answer(0).flags, SEGMENT_RST | SEGMENT_ACK);
	assert_int_equal(answer(0).ack, 1001);
	/* Out of bounds. */
	fake.open_error = -ENETUNREACH;
	fake.n_frames = 0;
	send_segment(SEGMENT_SYN, "", 64000);
	assert_int_equal(answer(0).flags, SEGMENT_RST | SEGMENT_ACK);
	/* Of no connection. */
	fake.n_frames = 0;
	box.ack = 77;
	send_segment(SEGMENT_ACK, "x", 500);
	assert_int_equal(answer(0).flags, SEGMENT_RST);
	assert_int_equal(answer(0).seq, 77);
	fake.n_frames = 0;
	send_segment(SEGMENT_RST, "", 0);
	assert_int_equal(fake.n_frames, 0);
	assert_int_equal(table.n_live, 0);
}

/* What the container has not got is sent again: by the clock, and after three acknowledgements that say the same. */
static void test_losses(void **state)
{
	uint32_t first;

	(void) state;
	open_connection();
	peer_sends("one");
	first = answer(0).seq;
	fake.now += WAIT_MS;
	assert_int_equal(flow_tick(), 0);
	flow_settle();
	assert_int_equal(answer(1).seq, first);
	assert_int_equal(answer(1).size, 3);
	fake.n_frames = 0;
	for (unsigned int i = 0; i < REPEATS; i++)
		send_segment(SEGMENT_ACK, "", 500);
	assert_int_equal(answer(0).seq, first);
	/* Ahead of what is next: it waits for its turn. Of what is there already only the rest is taken. */
	fake.n_frames = 0;
	box.seq += 3;
	send_segment(SEGMENT_ACK, "lo!", 500);
	assert_int_equal(answer(0).ack, 1001);
	assert_int_equal(fake.n_sent, 0);
	box.seq -= 3;
	send_segment(SEGMENT_ACK, "hel", 500);
	assert_int_equal(answer(1).ack, 1007);
	send_segment(SEGMENT_ACK, "hello! you", 500);
	assert_int_equal(answer(2).ack, 1011);
	assert_memory_equal(fake.sent, "hello! you", 10);
	assert_int_equal(fake.n_sent, 10);
	/* Nobody answers any more. */
	for (unsigned int i = 0; table.n_live && i < 1000; i++) {
		fake.now += 5000;
		flow_tick();
		flow_settle();
	}
	assert_int_equal(table.n_live, 0);
	assert_int_equal(fake.reset, 1);
}

static void test_windows(void **state)
{
	(void) state;
	open_connection();
	/* The host's socket is full: what it does not take is not acknowledged, and the window closes. */
	fake.room = 2;
	send_segment(SEGMENT_ACK, "he", 500);
	assert_int_equal(fake.watched, 1);
	box.seq += 2;
	fake.room = 0;
	send_segment(SEGMENT_ACK, "llo", 500);
	assert_int_equal(answer(1).ack, 1003);
	fake.room = 1 << 18;
	fake.n_frames = 0;
	tcp_event(&flows[table.live[0]], EPOLLOUT);
	flow_settle();
	assert_int_equal(answer(0).ack, 1003);
	assert_true(answer(0).window);
	/* The container's is full: nothing is sent, and it is asked from time to time, for as long as it answers. */
	send_segment(SEGMENT_ACK, "", 0);
	fake.n_frames = 0;
	peer_sends("wait");
	assert_int_equal(fake.n_frames, 0);
	for (unsigned int i = 0; i < 100; i++) {
		fake.now += 60000;
		flow_tick();
		flow_settle();
		assert_int_equal(answer(0).seq, box.ack - 1);
		fake.n_frames = 0;
		send_segment(SEGMENT_ACK, "", 0);
	}
	send_segment(SEGMENT_ACK, "", 500);
	assert_int_equal(answer(0).size, 4);
}

static void test_published(void **state)
{
	const struct net_endpoint peer = { address_of_4(OUTSIDE), 5555 };

	(void) state;
	tcp_call(FAKE_FD, &peer, 80);
	assert_int_equal(answer(0).flags, SEGMENT_SYN);
	assert_int_equal(answer(0).to, 80);
	box.from = 80;
	box.to = 5555;
	box.ack = answer(0).seq + 1;
	send_segment(SEGMENT_SYN | SEGMENT_ACK, "", 64000);
	assert_int_equal(answer(1).flags, SEGMENT_ACK);
	box.seq++;
	send_segment(SEGMENT_ACK, "served", 500);
	assert_memory_equal(fake.sent, "served", 6);
	/* Nobody listens in there: the peer hears of it. */
	tcp_call(FAKE_FD, &(struct net_endpoint){ peer.address, 5556 }, 81);
	box.from = 81;
	box.to = 5556;
	box.ack = answer(fake.n_frames - 1).seq + 1;
	send_segment(SEGMENT_RST | SEGMENT_ACK, "", 0);
	assert_int_equal(table.n_live, 1);
	assert_int_equal(fake.reset, 1);
}

static void send_datagram(uint16_t port, const char *text)
{
	const struct net_endpoint from = { container(), 5000 }, to = { address_of_4(OUTSIDE), port };
	unsigned char frame[FRAME_ROOM];
	struct headers headers;

	datagram_write(&from, &to, strlen(text), &headers);
	memcpy(frame, headers.bytes, headers.size);
	memcpy(frame + headers.size, text, strlen(text));
	frame_take(frame, headers.size + strlen(text));
	flow_settle();
}

/* A flow for each pair of ends, bounded, whose place is free again when nothing is said any more. */
static void test_datagrams(void **state)
{
	static const struct net_address unknown;
	struct packet packet;
	struct datagram datagram_in;

	(void) state;
	send_datagram(53, "ask");
	send_datagram(53, "ask");
	assert_int_equal(table.n_live, 1);
	assert_memory_equal(fake.sent, "askask", 6);
	memcpy(fake.queue, "answer", 6);
	fake.queued = 6;
	datagram_event(&flows[table.live[0]]);
	assert_true(packet_read(fake.frames[0].bytes, fake.frames[0].size, &packet) && datagram_read(&packet, &datagram_in));
	assert_int_equal(datagram_in.to, 5000);
	assert_memory_equal(datagram_in.data, "answer", 6);
	/* To a published port, from two who look the same as the gateway would, and from one of them again. */
	udp_call(FAKE_FD, &(struct net_endpoint){ address_of_4(OUTSIDE), 9 }, &unknown, 81, (const unsigned char *) "hi", 2);
	udp_call(FAKE_FD + 1, &(struct net_endpoint){ address_of_4(OUTSIDE), 9 }, &unknown, 81, (const unsigned char *) "hi", 2);
	udp_call(FAKE_FD + 1, &(struct net_endpoint){ address_of_4(OUTSIDE), 9 }, &unknown, 81, (const unsigned char *) "hi", 2);
	assert_int_equal(table.n_live, 3);
	for (unsigned int i = 0; i < 3 * USERNET_DATAGRAM_FLOWS; i++)
		send_datagram((uint16_t) (1000 + i), "x");
	assert_int_equal(table.n_live, USERNET_DATAGRAM_FLOWS);
	fake.now += TALK_MS;
	flow_tick();
	flow_settle();
	assert_int_equal(table.n_live, 0);
	assert_int_equal(fake.closed, fake.opened);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_checksums, begin),       cmocka_unit_test_setup(test_addresses, begin),
		cmocka_unit_test_setup(test_frames_that_lie, begin), cmocka_unit_test_setup(test_talk, begin),
		cmocka_unit_test_setup(test_refusals, begin),        cmocka_unit_test_setup(test_broken, begin),
		cmocka_unit_test_setup(test_losses, begin),          cmocka_unit_test_setup(test_windows, begin),
		cmocka_unit_test_setup(test_published, begin),       cmocka_unit_test_setup(test_datagrams, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
