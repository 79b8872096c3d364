/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * UDP and echo requests through usernet: a connected socket for each pair of ends, as long as something is said.
 *
 * What comes to a published port is answered by that port's own socket; such a flow only remembers whose it is.
 */
#include "init/usernet.h"

#include <errno.h>

#define QUESTION_MS 30000 /* nobody has answered yet */
#define TALK_MS 180000
#define DNS_MS 10000
#define PING_MS 30000
#define DATAGRAMS_AT_ONCE 32
#define DATAGRAM_ROOM 65536
#define ICMP_BYTES 8
#define UNREACHABLE_BYTES (ICMP_BYTES + 48)

enum { ECHO_REPLY_4 = 0, ECHO_4 = 8, ECHO_6 = 128, ECHO_REPLY_6 = 129 };

static unsigned char datagram[DATAGRAM_ROOM];

static void put_off(struct flow *flow)
{
	flow_clock(flow, flow->kind == FLOW_PING       ? PING_MS
			 : flow->flags & FLOW_DNS      ? DNS_MS
			 : flow->flags & FLOW_ANSWERED ? TALK_MS
						       : QUESTION_MS);
}

void datagram_clock(struct flow *flow)
{
	if (flow->flags & FLOW_DNS && !(flow->flags & FLOW_ANSWERED))
		host_resolver_next();
	flow_end(flow, false);
}

static bool is_dns(const struct net_endpoint *to)
{
	struct net_address dns = address_near(!address_is_4(&to->address), USERNET_DNS);

	return to->port == 53 && address_same(&to->address, &dns);
}

/* NULL: there cannot be one. */
static struct flow *find_or_open(enum flow_kind kind, const struct net_endpoint *inside, const struct net_endpoint *outside)
{
	struct flow *flow = flow_find(kind, inside, outside);
	int fd;

	if (flow)
		return flow;
	flow = flow_make(kind, inside, outside);
	if (!flow)
		return NULL;
	if (kind == FLOW_UDP && is_dns(outside))
		flow->flags |= FLOW_DNS;
	fd = host_open(flow);
	flow->fd = fd;
	if (fd >= 0)
		return flow;
	if (kind == FLOW_UDP && (fd == -ENETUNREACH || fd == -EHOSTUNREACH || fd == -EACCES))
		udp_refuse(flow);
	flow_end(flow, false);
	return NULL;
}

/* ---- from the container ---- */

static void send_one(struct flow *flow, const unsigned char *data, size_t size)
{
	long r = flow->flags & FLOW_BY_PORT ? host_send_to(flow->fd, &flow->udp.peer, &flow->udp.local, data, size)
					    : host_send(flow->fd, data, size);

	if (r == -ECONNREFUSED)
		udp_refuse(flow);
}

void udp_take(const struct packet *packet)
{
	struct net_endpoint inside = { packet->from, 0 }, outside = { packet->to, 0 };
	struct datagram in;
	struct flow *flow;
	size_t part;

	if (!datagram_read(packet, &in))
		return;
	inside.port = in.from;
	outside.port = in.to;
	flow = find_or_open(FLOW_UDP, &inside, &outside);
	if (!flow)
		return;
	part = packet->datagram_bytes ? packet->datagram_bytes : in.size;
	do {
		size_t n = in.size < part ? in.size : part;

		send_one(flow, in.data, n);
		in.data += n;
		in.size -= n;
	} while (in.size);
	put_off(flow);
}

void ping_take(const struct packet *packet)
{
	unsigned int echo = packet->ip6 ? ECHO_6 : ECHO_4;
	struct net_endpoint inside = { packet->from, 0 }, outside = { packet->to, 0 };
	struct flow *flow;

	if (packet->size < ICMP_BYTES || packet->data[0] != echo || packet->data[1])
		return;
	inside.port = bytes_16(packet->data + 4);
	flow = find_or_open(FLOW_PING, &inside, &outside);
	if (!flow)
		return;
	/* The kernel puts in the socket's id, and the checksum. */
	host_send(flow->fd, packet->data, packet->size);
	put_off(flow);
}

/* ---- to the container ---- */

static void pass_on(const struct flow *flow, const unsigned char *data, size_t size)
{
	const struct net_endpoint inside = flow_inside(flow), outside = flow_outside(flow);
	struct headers headers;

	datagram_write(&outside, &inside, size, &headers);
	link_send(&headers, data, size);
}

static void pass_echo(const struct flow *flow, unsigned char *message, size_t size)
{
	struct headers headers;

	if (size < ICMP_BYTES || message[0] != (address_is_4(&flow->inside) ? ECHO_REPLY_4 : ECHO_REPLY_6))
		return;
	bytes_put_16(message + 4, flow->inside_port);
	icmp_write(&flow->outside, &flow->inside, message, size, &headers);
	link_send(&headers, message, size);
}

void udp_refuse(const struct flow *flow)
{
	const struct net_endpoint inside = flow_inside(flow), outside = flow_outside(flow);
	unsigned char message[UNREACHABLE_BYTES] = { 0 };
	bool ip4 = address_is_4(&flow->inside);
	struct headers headers, refused;
	size_t size;

	/* The packet that it is about, as far as anybody looks at it. */
	datagram_write(&inside, &outside, 0, &refused);
	size = refused.size - VNET_BYTES - ETHERNET_BYTES;
	message[0] = ip4 ? 3 : 1;
	message[1] = ip4 ? 3 : 4;
	for (size_t i = 0; i < size; i++)
		message[ICMP_BYTES + i] = refused.bytes[VNET_BYTES + ETHERNET_BYTES + i];
	icmp_write(&flow->outside, &flow->inside, message, ICMP_BYTES + size, &headers);
	link_send(&headers, message, ICMP_BYTES + size);
}

void datagram_event(struct flow *flow)
{
	for (unsigned int i = 0; i < DATAGRAMS_AT_ONCE; i++) {
		long n = host_receive(flow->fd, datagram, sizeof(datagram));

		if (n == -ECONNREFUSED && flow->kind == FLOW_UDP)
			udp_refuse(flow);
		if (n < 0)
			return;
		flow->flags |= FLOW_ANSWERED;
		if (flow->kind == FLOW_PING)
			pass_echo(flow, datagram, (size_t) n);
		else
			pass_on(flow, datagram, (size_t) n);
		put_off(flow);
	}
}

static bool is_of(const struct flow *flow, int fd, const struct net_endpoint *peer)
{
	return flow->flags & FLOW_BY_PORT && flow->fd == fd && flow->udp.peer.port == peer->port &&
	       address_same(&flow->udp.peer.address, &peer->address);
}

void udp_call(int fd, const struct net_endpoint *peer, const struct net_address *local, uint16_t port, const unsigned char *data,
	      size_t size)
{
	struct net_endpoint inside = { { { 0 } }, port }, outside = *peer;
	struct flow *flow;

	host_show(&outside.address);
	inside.address = address_near(!address_is_4(&outside.address), USERNET_CONTAINER);
	/* Two peers may look the same then. */
	while ((flow = flow_find(FLOW_UDP, &inside, &outside)) && !is_of(flow, fd, peer))
		outside.port++;
	if (!flow)
		flow = flow_make(FLOW_UDP, &inside, &outside);
	if (!flow)
		return;
	flow->fd = fd;
	flow->flags |= FLOW_BY_PORT;
	flow->udp.peer = *peer;
	flow->udp.local = *local;
	pass_on(flow, data, size);
	put_off(flow);
}
