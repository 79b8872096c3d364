/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What usernet is to its only neighbour, the container: whoever is asked for on the link is us (ARP, neighbour solicitation), and the
 * gateway answers pings. Everything else goes to its protocol.
 */
#include "init/usernet.h"

#define ARP_BYTES 28
#define SOLICIT_BYTES 24
#define ADVERT_BYTES 32

enum { ARP_REQUEST = 1, ARP_REPLY = 2 };
enum { SOLICITATION = 135, ADVERTISEMENT = 136 };

static const unsigned char our_mac[6] = USERNET_MAC;

static void take_arp(const unsigned char *at, size_t size)
{
	struct net_address container = address_near(false, USERNET_CONTAINER);
	unsigned char reply[ARP_BYTES];
	struct headers headers;

	if (size < ARP_BYTES || bytes_32(at) != 0x00010800 || bytes_32(at + 4) != (0x06040000 | ARP_REQUEST))
		return;
	/* For itself it asks to see whether somebody else has its address, and for any before it has one of its own. */
	if (bytes_32(at + 24) == address_4(&container) || bytes_32(at + 24) == bytes_32(at + 14) || !bytes_32(at + 14))
		return;
	for (unsigned int i = 0; i < 10; i++)
		reply[18 + i] = at[8 + i];
	bytes_put_32(reply, 0x00010800);
	bytes_put_32(reply + 4, 0x06040000 | ARP_REPLY);
	for (unsigned int i = 0; i < 6; i++)
		reply[8 + i] = our_mac[i];
	bytes_put_32(reply + 14, bytes_32(at + 24));
	ethernet_write(0x0806, &headers);
	link_send(&headers, reply, sizeof(reply));
}

static void take_solicitation(const struct packet *packet)
{
	struct net_address container = address_near(true, USERNET_CONTAINER), target;
	static const struct net_address none;
	unsigned char reply[ADVERT_BYTES] = { ADVERTISEMENT, 0, 0, 0, 0x60 };
	struct headers headers;

	if (packet->size < SOLICIT_BYTES || address_same(&packet->from, &none))
		return;
	for (unsigned int i = 0; i < 16; i++)
		reply[8 + i] = target.bytes[i] = packet->data[8 + i];
	if (address_same(&target, &container) || address_same(&target, &packet->from) || address_is_4(&target))
		return;
	reply[24] = 2; /* where that is */
	reply[25] = 1;
	for (unsigned int i = 0; i < 6; i++)
		reply[26 + i] = our_mac[i];
	icmp_write(&target, &packet->from, reply, sizeof(reply), &headers);
	link_send(&headers, reply, sizeof(reply));
}

/* A ping of the gateway. false: of somebody else. */
static bool answer_ping(const struct packet *packet)
{
	static unsigned char message[FRAME_ROOM];
	struct net_address gateway = address_near(packet->ip6, USERNET_GATEWAY);
	struct headers headers;

	if (!address_same(&packet->to, &gateway))
		return false;
	if (packet->size < 8 || packet->data[0] != (packet->ip6 ? 128 : 8) || packet->size > sizeof(message))
		return true;
	__builtin_memcpy(message, packet->data, packet->size);
	message[0] = packet->ip6 ? 129 : 0;
	icmp_write(&packet->to, &packet->from, message, packet->size, &headers);
	link_send(&headers, message, packet->size);
	return true;
}

void frame_take(const unsigned char *frame, size_t size)
{
	const unsigned char *at = frame + VNET_BYTES + ETHERNET_BYTES;
	struct packet packet;

	if (size < VNET_BYTES + ETHERNET_BYTES)
		return;
	/* Nobody else is there, whatever it calls itself. */
	if (!(frame[VNET_BYTES + 6] & 1))
		link_learn(frame + VNET_BYTES + 6);
	if (bytes_16(at - 2) == 0x0806) {
		take_arp(at, size - VNET_BYTES - ETHERNET_BYTES);
		return;
	}
	if (!packet_read(frame, size, &packet) || (packet.ip6 && !usernet_allows_ip6()))
		return;
	switch (packet.protocol) {
	case FRAME_TCP:
		tcp_take(&packet);
		break;
	case FRAME_UDP:
		udp_take(&packet);
		break;
	case FRAME_ICMP:
		if (!packet.ip6 && !answer_ping(&packet))
			ping_take(&packet);
		break;
	case FRAME_ICMP6:
		if (!packet.ip6 || !packet.size)
			break;
		if (packet.data[0] == SOLICITATION)
			take_solicitation(&packet);
		else if (!answer_ping(&packet))
			ping_take(&packet);
		break;
	default:
		break;
	}
}
