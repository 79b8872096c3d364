/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A plain user's way out ("usernet") from inside: what a container sends as frames leaves the host by the user's own sockets.
 *
 *	container's namespace        a namespace of ours           the host's, where we are
 *	  eth0 <======= veth =======> link <-- packet socket --> flows <--> one socket each
 *
 * Who knows what:
 *	usernet.c          the process: its start, its loop, its end
 *	usernet-link.c     makes the two interfaces and the packet socket; needs no /dev/net/tun and no right on the host
 *	usernet-frame.c    bytes of frames <-> structs; pure
 *	usernet-flow.c     the table of flows and their clocks; pure
 *	usernet-tcp.c      a connection: the container's TCP on one side, a socket on the other
 *	usernet-early.c    segments of it that overtook others
 *	usernet-datagram.c UDP, and echo requests (ping)
 *	usernet-near.c     what we answer ourselves: ARP, neighbours, pings of the gateway
 *	usernet-ports.c    published ports
 *	usernet-host.c     every system call about the host's sockets, and which places are out of bounds
 *
 * All but usernet.c, -link, -ports and -host are fed with hostile bytes and make no system call: tests and the fuzzer put functions of
 * their own in the place of what usernet-host.c, usernet-link.c and usernet.c have.
 *
 * Memory is bounded: the table has USERNET_FLOWS places, and no flow has a buffer of its own. What the host has received stays in the socket's
 * own queue (MSG_PEEK) until the container has acknowledged it; what the container has sent is acknowledged when the host's kernel has
 * taken it, and the window that is announced is what that has room for.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define USERNET_FLOWS 4096
#define USERNET_DATAGRAM_FLOWS 2048 /* of those: so that nobody's datagrams take the place of connections */
#define USERNET_NONE 0xffff         /* no flow */
#define USERNET_PORTS 512
#define USERNET_MTU 65520           /* as large as a veth's, a multiple of 8 and of an IPv4 header's words can be */
#define USERNET_PAYLOAD (256u << 10) /* read from a socket at once */
#define USERNET_WINDOW (384u << 10) /* of one connection, and so on the way to us: more does not fit into the packet socket's queue */

/* 10.255.42.0/24 and fd5c:0:0:1::/64; the same for all, for nobody else is on that link. */
#define USERNET_PREFIX 0x0aff2a00u
#define USERNET_GATEWAY 1
#define USERNET_CONTAINER 2
#define USERNET_DNS 3

#define USERNET_MAC { 0x02, 0x42, 0x0a, 0xff, 0x2a, 1 }
#define USERNET_MAC_CONTAINER { 0x02, 0x42, 0x0a, 0xff, 0x2a, 2 }

/* IPv4 as ::ffff:a.b.c.d. */
struct net_address {
	unsigned char bytes[16];
};
struct net_endpoint {
	struct net_address address;
	uint16_t port;
};

/* ---- usernet-frame.c ---- */

enum { FRAME_TCP = 6, FRAME_UDP = 17, FRAME_ICMP = 1, FRAME_ICMP6 = 58 };
enum { SEGMENT_FIN = 1, SEGMENT_SYN = 2, SEGMENT_RST = 4, SEGMENT_PSH = 8, SEGMENT_ACK = 16 };

/* The header of a packet socket's frames: struct virtio_net_hdr. */
#define VNET_BYTES 10
#define ETHERNET_BYTES 14
#define FRAME_ROOM (VNET_BYTES + ETHERNET_BYTES + (64u << 10) + 64)
#define HEADERS_ROOM 128

/* A packet that was read; pointers lead into the frame, @size never beyond its end. */
struct packet {
	struct net_address from, to;
	bool ip6;
	uint8_t protocol;
	uint16_t datagram_bytes; /* 0, or: several of UDP, of so many bytes each, in one */
	const unsigned char *data;
	size_t size;
};
struct segment {
	uint16_t from, to;
	uint32_t seq, ack;
	uint8_t flags;
	uint16_t window;
	uint16_t mss; /* 0: not said */
	int shift;    /* -1: not said */
	const unsigned char *data;
	size_t size;
};
struct datagram {
	uint16_t from, to;
	const unsigned char *data;
	size_t size;
};

/* What is to be sent to the container in front of its payload. */
struct headers {
	unsigned char bytes[HEADERS_ROOM];
	size_t size;
};

uint16_t bytes_16(const unsigned char *at);
uint32_t bytes_32(const unsigned char *at);
void bytes_put_16(unsigned char *at, unsigned int value);
void bytes_put_32(unsigned char *at, uint32_t value);
bool address_is_4(const struct net_address *address);
struct net_address address_of_4(uint32_t address);
uint32_t address_4(const struct net_address *address);
struct net_address address_near(bool ip6, unsigned int host); /* USERNET_GATEWAY, ... */
bool address_same(const struct net_address *a, const struct net_address *b);
bool address_read(const char *text, struct net_address *out); /* the whole of it, either family */
/* The Internet's checksum, folded, not yet inverted. */
uint32_t sum_add(uint32_t sum, const unsigned char *bytes, size_t size);
uint16_t sum_fold(uint32_t sum);

/* Of a frame with its VNET_BYTES. false: none of ours, or not whole. */
bool packet_read(const unsigned char *frame, size_t size, struct packet *out);
bool segment_read(const struct packet *packet, struct segment *out);
bool datagram_read(const struct packet *packet, struct datagram *out);
/* @payload bytes follow: the kernel adds their checksum. @segment->mss and shift, where they are said, are options. */
void segment_write(const struct net_address *from, const struct net_address *to, const struct segment *segment, size_t payload,
		   struct headers *out);
void datagram_write(const struct net_endpoint *from, const struct net_endpoint *to, size_t payload, struct headers *out);
/* An ICMP message, of @size bytes whose checksum is written. */
void icmp_write(const struct net_address *from, const struct net_address *to, unsigned char *message, size_t size, struct headers *out);
/* Ethernet, and nothing else. */
void ethernet_write(unsigned int type, struct headers *out);

/* ---- usernet-flow.c ---- */

enum flow_kind { FLOW_FREE, FLOW_TCP, FLOW_UDP, FLOW_PING };
enum flow_state {
	TCP_CONNECTING, /* the host's socket is on its way */
	TCP_ANSWERED,   /* the container has our SYN-ACK */
	TCP_CALLING,    /* a published port: the container has our SYN */
	TCP_OPEN,
};
enum flow_flag {
	FLOW_TODO = 1 << 0,     /* is in the list of those to settle */
	FLOW_ACK = 1 << 1,      /* something is to be acknowledged */
	FLOW_SHUT = 1 << 2,     /* the window that was told is 0, or the socket took less than it said */
	FLOW_FULL = 1 << 3,     /* there is more to send than the container's window takes */
	FLOW_END_IN = 1 << 4,   /* its FIN has come */
	FLOW_END_OUT = 1 << 5,  /* ours was sent */
	FLOW_END_ACKED = 1 << 6,
	FLOW_END_SEEN = 1 << 7, /* the host's peer sends no more; @end_seq is valid */
	FLOW_ANSWERED = 1 << 8, /* of datagrams: something came back */
	FLOW_SCALED = 1 << 9,   /* windows are, both ways */
	FLOW_DNS = 1 << 10,
	FLOW_BY_PORT = 1 << 11, /* of datagrams: @fd is the published port's, which serves others as well */
};

struct flow {
	uint8_t kind, state;
	uint16_t flags;
	uint16_t next;            /* in its chain, or of the free ones */
	uint16_t live;            /* its place among those that live */
	uint16_t inside_port, outside_port; /* of an echo: its id, 0 */
	struct net_address inside, outside; /* the container's, and the other's as the container knows it */
	int fd;
	uint64_t due;             /* ms, when its clock rings; 0: never */
	union {
		struct {
			uint32_t received;           /* what comes next from the container */
			uint32_t promised;           /* the end of the window that it was told */
			uint32_t acked, sent, top;   /* of ours: acknowledged, sent, sent ever (a repetition goes back to acked) */
			uint32_t end_seq;            /* where our FIN is */
			uint32_t window;             /* the container's */
			uint16_t mss;
			uint8_t shift, repeats, tries, early; /* early: how many segments wait for their turn */
		} tcp;
		struct {
			struct net_endpoint peer;    /* with FLOW_BY_PORT: the host's, */
			struct net_address local;    /* and the address that it has asked */
		} udp;
	};
};
extern struct flow flows[USERNET_FLOWS];

void flow_table_open(uint64_t secret);
struct flow *flow_find(enum flow_kind kind, const struct net_endpoint *inside, const struct net_endpoint *outside);
/* One of zeros that can be found by them; NULL: all are taken, even after those of datagrams that wait longest were let go. */
struct flow *flow_make(enum flow_kind kind, const struct net_endpoint *inside, const struct net_endpoint *outside);
/* Closes its socket; the place is not taken again before flow_settle(). */
void flow_end(struct flow *flow, bool reset);
uint16_t flow_index(const struct flow *flow);
struct net_endpoint flow_inside(const struct flow *flow), flow_outside(const struct flow *flow);
/* Its clock: in so many ms. */
void flow_clock(struct flow *flow, unsigned int ms);
/* Something is to be done for it when all that has come is read. */
void flow_todo(struct flow *flow);
/* Does that. false: there is still more to do, now. */
bool flow_settle(void);
/* Rings what is due; ms until it is to be called again, -1: never. */
int flow_tick(void);
/* A number that nobody in the container can guess from another's. */
uint32_t flow_hash(const struct net_endpoint *inside, const struct net_endpoint *outside);

/* ---- the protocols ---- */

void frame_take(const unsigned char *frame, size_t size); /* usernet-near.c: any frame of the container's */

/* usernet-tcp.c */
void tcp_take(const struct packet *packet);
void tcp_event(struct flow *flow, uint32_t events);
bool tcp_settle(struct flow *flow); /* false: there is more to do */
void tcp_clock(struct flow *flow);
/* A connection from the host's side, which is taken in any case. */
void tcp_call(int fd, const struct net_endpoint *peer, uint16_t port);

/* usernet-early.c */
void early_keep(struct flow *flow, const struct segment *segment);
/* One that is not ahead any more; its bytes are there until the next is kept. */
bool early_take(struct flow *flow, struct segment *out);
void early_forget(struct flow *flow);

/* usernet-datagram.c */
void udp_take(const struct packet *packet);
void ping_take(const struct packet *packet);
void datagram_event(struct flow *flow);
void datagram_clock(struct flow *flow);
/* One that came to a published port. */
void udp_call(int fd, const struct net_endpoint *peer, const struct net_address *local, uint16_t port, const unsigned char *data, size_t size);
/* UDP: nobody is there. */
void udp_refuse(const struct flow *flow);

/* ---- usernet-host.c: what the pure parts ask of the kernel ---- */

/*
 * A socket that is connected, or on its way to be (TCP); events of it are those of @flow. -errno. Where the container's flow leads in
 * truth: out of bounds (the host's loopback, our own link, multicast) is -ENETUNREACH; the DNS address is the host's resolver.
 */
int host_open(const struct flow *flow);
int host_adopt(int fd, const struct flow *flow); /* one that was accepted */
int host_error(int fd);                          /* of a connect: 0 or -errno */
long host_send(int fd, const unsigned char *data, size_t size);
long host_send_to(int fd, const struct net_endpoint *to, const struct net_address *from, const unsigned char *data, size_t size);
/* What is there beyond @skip bytes of its queue, which were peeked at before; 0 at the end, -EAGAIN. */
long host_peek(int fd, uint32_t skip, unsigned char *out, size_t size);
void host_drop(int fd, uint32_t size); /* the first of its queue */
void host_rewind(int fd);              /* peek at its first byte next */
long host_receive(int fd, unsigned char *out, size_t size);
uint32_t host_room(int fd);            /* bytes that can be sent now without waiting */
void host_watch_room(const struct flow *flow); /* an event when there is room */
void host_end_sending(int fd);
void host_close(int fd, bool reset);
/* The resolver has not answered: another one, next time. */
void host_resolver_next(void);
/* A peer as the container is to see it: where it could not answer to its address, it is the gateway. */
void host_show(struct net_address *peer);

/* usernet-link.c */
void link_send(const struct headers *headers, const unsigned char *payload, size_t size);
void link_learn(const unsigned char mac[6]); /* where the container is */

/* usernet.c */
uint64_t usernet_now(void); /* ms */
bool usernet_allows_ip6(void);
