/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * usernet's link to the container: a veth pair, one end (eth0) in its network namespace, the other in a namespace that nobody lives in,
 * and a packet socket on that.
 *
 * 1. Both namespaces belong to the container's user namespace, which a child of ours joins to make all that. We ourselves stay where we
 *    are, with the user's rights alone, and are sent the socket. It keeps the second namespace alive, not the container's: when that
 *    ends, the pair is gone.
 * 2. With a packet socket no device has to be opened, as a tap's would: /dev/net/tun is not everybody's everywhere. The container has no
 *    hold on the other end, nor sees it.
 * 3. What is read has a header that says which checksums are still to be done and what stands for several packets (PACKET_VNET_HDR), so
 *    that 64 KiB come and go in one system call, and nobody adds up any of it.
 * See: packet(7), veth(4), linux/virtio_net.h.
 */
#include "init/usernet-process.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define OUTER "uplink"
#define INNER "eth0"
#define ALL_PROTOCOLS 0x0003
#define QUEUE_BYTES (16 << 20) /* the kernel cuts it to what a plain user may have */
#define FRAMES_AT_ONCE 64
#define IP4(host) __builtin_bswap32(USERNET_PREFIX | (host))

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

static struct {
	int fd;
	unsigned char container[6], ours[6];
	unsigned char frame[FRAME_ROOM] __attribute__((aligned(8)));
} wire = { .fd = -1, .container = USERNET_MAC_CONTAINER, .ours = USERNET_MAC };

/* ---- what is asked of the kernel ---- */

#define ATTRIBUTE(type, member)                                                                                                            \
	{                                                                                                                                  \
		sizeof(member) + sizeof(struct nlattr), (type)                                                                             \
	}
#define NAMED(type, text)                                                                                                                  \
	{                                                                                                                                  \
		{ 16 + sizeof(struct nlattr), (type) }, text                                                                               \
	}
#define REQUEST(type, more)                                                                                                                \
	{                                                                                                                                  \
		.nlmsg_type = (type), .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | (more)                                                    \
	}
#define CREATE (NLM_F_CREATE | NLM_F_EXCL)

struct text_attribute {
	struct nlattr head;
	char text[16];
};
struct word_attribute {
	struct nlattr head;
	uint32_t value;
};
struct ip6_attribute {
	struct nlattr head;
	unsigned char bytes[16];
};

/* The pair. */
struct peer {
	struct nlattr head;
	struct ifinfomsg info;
	struct text_attribute name;
	struct word_attribute mtu, netns;
	struct {
		struct nlattr head;
		unsigned char bytes[8]; /* 6 of them */
	} mac;
};
static struct {
	struct wire_batch batch;
	struct nlmsghdr head;
	struct ifinfomsg info;
	struct text_attribute name;
	struct word_attribute mtu;
	struct {
		struct nlattr head;
		struct {
			struct nlattr head;
			char text[8];
		} kind;
		struct {
			struct nlattr head;
			struct peer peer;
		} data;
	} link;
} pair = {
	.head = REQUEST(RTM_NEWLINK, CREATE),
	.name = NAMED(IFLA_IFNAME, OUTER),
	.mtu = { { 8, IFLA_MTU }, USERNET_MTU },
	.link = {
		.head = { sizeof(pair.link), IFLA_LINKINFO | NLA_F_NESTED },
		.kind = { { sizeof(pair.link.kind), IFLA_INFO_KIND }, "veth" },
		.data = {
			.head = { sizeof(pair.link.data), IFLA_INFO_DATA | NLA_F_NESTED },
			.peer = {
				.head = { sizeof(struct peer), VETH_INFO_PEER | NLA_F_NESTED },
				.name = NAMED(IFLA_IFNAME, INNER),
				.mtu = { { 8, IFLA_MTU }, USERNET_MTU },
				.netns = { { 8, IFLA_NET_NS_FD }, 0 },
				.mac = { { 10, IFLA_ADDRESS }, USERNET_MAC_CONTAINER },
			},
		},
	},
};

/* The other end has no address of its own, not even IPv6's link-local one: it says nothing by itself. */
static struct {
	struct wire_batch batch;
	struct wire_patch patch;
	struct nlmsghdr head;
	struct ifinfomsg info;
	struct {
		struct nlattr head;
		struct {
			struct nlattr head;
			struct word_attribute mode; /* a byte of it */
		} ip6;
	} families;
} silence = {
	.patch = { sizeof(struct nlmsghdr) + offsetof(struct ifinfomsg, ifi_index), WIRE_PATCH_INDEX, OUTER },
	.head = REQUEST(RTM_NEWLINK, 0),
	.families = { { sizeof(silence.families), IFLA_AF_SPEC | NLA_F_NESTED },
		      { { sizeof(silence.families.ip6), AF_INET6 | NLA_F_NESTED },
			{ { 5, IFLA_INET6_ADDR_GEN_MODE }, IN6_ADDR_GEN_MODE_NONE } } },
};

static struct up {
	struct wire_batch batch;
	struct wire_patch patch;
	struct nlmsghdr head;
	struct ifinfomsg info;
} up = {
	.head = REQUEST(RTM_NEWLINK, 0),
	.info = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP },
};

static struct {
	struct wire_batch batch;
	struct wire_patch patch;
	struct nlmsghdr head;
	struct ifaddrmsg info;
	struct word_attribute local, address, broadcast;
} address4 = {
	.patch = { sizeof(struct nlmsghdr) + offsetof(struct ifaddrmsg, ifa_index), WIRE_PATCH_INDEX, INNER },
	.head = REQUEST(RTM_NEWADDR, CREATE),
	.info = { .ifa_family = AF_INET, .ifa_prefixlen = 24 },
	.local = { { 8, IFA_LOCAL }, 0 },
	.address = { { 8, IFA_ADDRESS }, 0 },
	.broadcast = { { 8, IFA_BROADCAST }, 0 },
};

static struct {
	struct wire_batch batch;
	struct nlmsghdr head;
	struct rtmsg info;
	struct word_attribute gateway;
} route4 = {
	.head = REQUEST(RTM_NEWROUTE, CREATE),
	.info = { .rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_BOOT, .rtm_type = RTN_UNICAST },
	.gateway = { { 8, RTA_GATEWAY }, 0 },
};

static struct {
	struct wire_batch batch;
	struct wire_patch patch;
	struct nlmsghdr head;
	struct ifaddrmsg info;
	struct ip6_attribute local;
} address6 = {
	.patch = { sizeof(struct nlmsghdr) + offsetof(struct ifaddrmsg, ifa_index), WIRE_PATCH_INDEX, INNER },
	.head = REQUEST(RTM_NEWADDR, CREATE),
	.info = { .ifa_family = AF_INET6, .ifa_prefixlen = 64, .ifa_flags = IFA_F_NODAD },
	.local = { { 20, IFA_LOCAL }, { 0 } },
};

static struct {
	struct wire_batch batch;
	struct nlmsghdr head;
	struct rtmsg info;
	struct ip6_attribute gateway;
} route6 = {
	.head = REQUEST(RTM_NEWROUTE, CREATE),
	.info = { .rtm_family = AF_INET6, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_BOOT, .rtm_type = RTN_UNICAST },
	.gateway = { { 20, RTA_GATEWAY }, { 0 } },
};

static long ask(struct wire_batch *batch, struct nlmsghdr *head, size_t size)
{
	const struct wire_patch_values none = { 0 };
	const char *what = "make the container's network interface";
	long r, socket = sys(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	size -= (size_t) ((char *) head - (char *) batch);
	head->nlmsg_len = (uint32_t) size;
	*batch = (struct wire_batch){ .magic = WIRE_BATCH_MAGIC, .n_messages = 1, .size = (uint32_t) size };
	batch->n_patches = (char *) head - (char *) batch > (long) sizeof(*batch);
	r = socket;
	if (r >= 0)
		r = netlink_send(batch, (size_t) ((char *) head - (char *) batch) + size, (int) socket, &none, &what);
	sys(SYS_close, socket);
	if (r < 0)
		doing(what, NULL, NULL, NULL);
	return r;
}
#define ASK(request) ask(&(request).batch, &(request).head, sizeof(request))

static void set_up(const char *name)
{
	up.patch =
		(struct wire_patch){ .offset = sizeof(struct nlmsghdr) + offsetof(struct ifinfomsg, ifi_index), .kind = WIRE_PATCH_INDEX };
	text_add(up.patch.name, up.patch.name + sizeof(up.patch.name), name);
	up.info = (struct ifinfomsg){ .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	must(ASK(up), "netlink");
}

static void set_addresses(bool ip6)
{
	struct net_address container = address_near(true, USERNET_CONTAINER), gateway = address_near(true, USERNET_GATEWAY);

	address4.local.value = address4.address.value = IP4(USERNET_CONTAINER);
	address4.broadcast.value = IP4(255);
	must(ASK(address4), "netlink");
	set_up(INNER);
	route4.gateway.value = IP4(USERNET_GATEWAY);
	must(ASK(route4), "netlink");
	memcpy(address6.local.bytes, &container, 16);
	memcpy(route6.gateway.bytes, &gateway, 16);
	if (ip6 && ASK(address6) >= 0)
		ASK(route6);
}

static int open_packets(void)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_protocol = __builtin_bswap16(ALL_PROTOCOLS) };
	const int one = 1, bytes = QUEUE_BYTES;
	struct ifreq request = { 0 };
	int fd = (int) must(sys(SYS_socket, AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket");

	must(sys(SYS_setsockopt, fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)), "setsockopt");
	sys(SYS_setsockopt, fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one));
	sys(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	sys(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	text_add(request.ifr_name, request.ifr_name + sizeof(request.ifr_name), OUTER);
	must(sys(SYS_ioctl, fd, SIOCGIFINDEX, &request), "ioctl");
	to.sll_ifindex = request.ifr_ifindex;
	must(sys(SYS_bind, fd, &to, sizeof(to)), "bind");
	return fd;
}

/* ---- who asks ---- */

static void hand_over(int socket, int fd)
{
	char byte = 0;
	struct iovec part = { &byte, 1 };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .header = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	must(sys(SYS_sendmsg, socket, &message, MSG_NOSIGNAL), "sendmsg");
}

static noreturn void make_inside(int user_fd, int netns, bool ip6, int socket)
{
	int fd;

	doing("join the container's user namespace", NULL, NULL, NULL);
	must(sys(SYS_setns, user_fd, CLONE_NEWUSER), "setns");
	userns_become_root();
	doing("make a network namespace", NULL, NULL, NULL);
	must(sys(SYS_unshare, CLONE_NEWNET), "unshare");
	pair.link.data.peer.netns.value = (uint32_t) netns;
	must(ASK(pair), "netlink");
	/* Where there is no IPv6, none of it is said. */
	ASK(silence);
	set_up(OUTER);
	doing("open a packet socket", NULL, NULL, NULL);
	fd = open_packets();
	doing("join the container's network namespace", NULL, NULL, NULL);
	must(sys(SYS_setns, netns, CLONE_NEWNET), "setns");
	set_addresses(ip6);
	hand_over(socket, fd);
	finish(0);
}

void link_make(int user_fd, int netns, bool ip6)
{
	struct clone_args clone = { .exit_signal = SIGCHLD };
	int pair_fds[2], status = 0, fd = -1;
	char byte;
	struct iovec part = { &byte, 1 };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	long child;

	doing("make the container's network interface", NULL, NULL, NULL);
	must(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair_fds), "socketpair");
	child = must(sys(SYS_clone3, &clone, sizeof(clone)), "clone3");
	if (child == 0)
		make_inside(user_fd, netns, ip6, pair_fds[1]);
	sys(SYS_close, pair_fds[1]);
	while (sys(SYS_wait4, child, &status, __WALL, 0) == -EINTR)
		;
	/* It has said itself what went wrong. */
	if (sys(SYS_recvmsg, pair_fds[0], &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) != 1)
		finish(125);
	if (message.msg_controllen >= CMSG_LEN(sizeof(int)) && control.header.cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	sys(SYS_close, pair_fds[0]);
	wire.fd = (int) must(fd < 0 ? -EBADF : fd, "recvmsg");
}

/* ---- frames ---- */

int link_fd(void)
{
	return wire.fd;
}

void link_learn(const unsigned char mac[6])
{
	memcpy(wire.container, mac, sizeof(wire.container));
}

void link_send(const struct headers *headers, const unsigned char *payload, size_t size)
{
	struct headers copy;
	struct iovec parts[2] = { { copy.bytes, headers->size }, { (void *) (uintptr_t) payload, size } };

	memcpy(copy.bytes, headers->bytes, headers->size);
	memcpy(copy.bytes + VNET_BYTES, wire.container, sizeof(wire.container));
	memcpy(copy.bytes + VNET_BYTES + 6, wire.ours, sizeof(wire.ours));
	/* What does not get through is as if lost on the way. */
	sys(SYS_writev, wire.fd, parts, size ? 2 : 1);
}

bool link_read(void)
{
	for (unsigned int i = 0; i < FRAMES_AT_ONCE; i++) {
		long n = sys(SYS_read, wire.fd, wire.frame, sizeof(wire.frame));

		if (n <= 0)
			return false;
		frame_take(wire.frame, (size_t) n);
	}
	return true;
}
