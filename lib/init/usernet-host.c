/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * usernet's sockets on the host: every system call about them, and where a container may go.
 *
 * 1. The host's loopback is out of bounds, and all that leads there by another name: 0.0.0.0, ::, an IPv4 address inside an IPv6 one.
 *    So are our own link, multicast and link-local IPv6; the DNS address is the one exception, and leads to the resolver alone.
 * 2. The resolver is the first of the host's /etc/resolv.conf as it was at the start; after one that did not answer, the next.
 * 3. Where the kernel has no SO_PEEK_OFF for TCP (before 6.9), what was peeked at before is read again, into nowhere.
 * See: tcp(7), socket(7), icmp(7).
 */
#include "init/usernet-process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define RESOLV_CONF "/etc/resolv.conf"
#define RESOLV_BYTES 4096
#define RESOLVERS_MAX 3
#define LOOPBACK 0x7f000001u
#define NOWHERE_BYTES 65536
#define NOWHERE_PARTS 16

static struct {
	struct net_address resolvers[RESOLVERS_MAX];
	unsigned int n_resolvers, resolver; /* which of them */
	bool peeks_again;                   /* no SO_PEEK_OFF */
} host;

/* ---- addresses ---- */

uint32_t host_address(const struct net_endpoint *from, struct sockaddr_in6 *out)
{
	struct sockaddr_in *out4 = (void *) out;

	__builtin_memset(out, 0, sizeof(*out));
	if (address_is_4(&from->address)) {
		out4->sin_family = AF_INET;
		out4->sin_port = __builtin_bswap16(from->port);
		__builtin_memcpy(&out4->sin_addr, from->address.bytes + 12, 4);
		return sizeof(*out4);
	}
	out->sin6_family = AF_INET6;
	out->sin6_port = __builtin_bswap16(from->port);
	__builtin_memcpy(&out->sin6_addr, &from->address, 16);
	return sizeof(*out);
}

void host_endpoint(const struct sockaddr_in6 *from, struct net_endpoint *out)
{
	const struct sockaddr_in *from4 = (const void *) from;

	if (from->sin6_family == AF_INET)
		out->address = address_of_4(__builtin_bswap32(from4->sin_addr.s_addr));
	else
		__builtin_memcpy(&out->address, &from->sin6_addr, 16);
	out->port = __builtin_bswap16(from->sin6_port);
}

static bool is_near(const struct net_address *address)
{
	struct net_address near = address_near(!address_is_4(address), 0);

	return __builtin_memcmp(address, &near, 15) == 0;
}

static bool is_loopback(const struct net_address *address)
{
	uint32_t first = bytes_32(address->bytes) | bytes_32(address->bytes + 4) | bytes_32(address->bytes + 8);

	if (address_is_4(address))
		return address->bytes[12] == 127 || address->bytes[12] == 0;
	return !first; /* ::1, ::, and IPv4 in another old dress */
}

static bool is_out_of_bounds(const struct net_address *address)
{
	const unsigned char *at = address->bytes;

	if (is_near(address) || is_loopback(address))
		return true;
	if (address_is_4(address))
		return at[12] >= 224;
	/* Multicast; link-local, which says nothing without a link; and 64:ff9b::, 2002:: are the network's own matter. */
	return at[0] == 0xff || (at[0] == 0xfe && (at[1] & 0xc0) == 0x80);
}

void host_show(struct net_address *peer)
{
	if (is_near(peer) || is_loopback(peer))
		*peer = address_near(!address_is_4(peer), USERNET_GATEWAY);
	if (!address_is_4(peer) && !usernet_allows_ip6())
		*peer = address_near(false, USERNET_GATEWAY);
}

/* ---- the resolver ---- */

void host_resolver_next(void)
{
	host.resolver++;
}

/* "nameserver ADDRESS": it, or NULL. */
static bool read_server(const char *line, const char *end, struct net_address *out)
{
	static const char word[] = "nameserver";
	static char text[64];
	size_t n = 0;

	if (!text_starts(line, word))
		return false;
	for (line += sizeof(word) - 1; line < end && (*line == ' ' || *line == '\t'); line++)
		;
	while (line < end && *line != ' ' && *line != '\t' && *line != '\r' && n < sizeof(text) - 1)
		text[n++] = *line++;
	text[n] = 0;
	return address_read(text, out);
}

void host_read_resolvers(void)
{
	static char text[RESOLV_BYTES + 1];
	long n = 0, fd = sys(SYS_openat, AT_FDCWD, RESOLV_CONF, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0) {
		n = sys(SYS_read, fd, text, RESOLV_BYTES);
		sys(SYS_close, fd);
	}
	text[n > 0 ? n : 0] = 0;
	for (const char *line = text, *end; *line && host.n_resolvers < RESOLVERS_MAX; line = *end ? end + 1 : end) {
		end = text_find(line, '\n');
		host.n_resolvers += read_server(line, end, &host.resolvers[host.n_resolvers]);
	}
	/* As the C library has it. */
	if (!host.n_resolvers)
		host.resolvers[host.n_resolvers++] = address_of_4(LOOPBACK);
}

/* Where a flow leads in truth. */
static bool find_target(const struct flow *flow, struct net_endpoint *out)
{
	struct net_address dns = address_near(!address_is_4(&flow->outside), USERNET_DNS);

	*out = (struct net_endpoint){ flow->outside, flow->outside_port };
	if (flow->kind != FLOW_PING && flow->outside_port == 53 && address_same(&flow->outside, &dns)) {
		out->address = host.resolvers[host.resolver % host.n_resolvers];
		return true;
	}
	return !is_out_of_bounds(&flow->outside);
}

bool host_has_ip6(void)
{
	/* Nothing is sent; any address of the world's would do. */
	struct sockaddr_in6 world = { .sin6_family = AF_INET6, .sin6_port = 1, .sin6_addr = { .s6_addr = { 0x20, 0x01, 0x48, 0x60 } } };
	long r, fd = sys(SYS_socket, AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	r = sys(SYS_connect, fd, &world, sizeof(world));
	sys(SYS_close, fd);
	return r >= 0;
}

/* ---- sockets ---- */

static void set(int fd, int level, int option, int value)
{
	sys(SYS_setsockopt, fd, level, option, &value, sizeof(value));
}

int host_adopt(int fd, const struct flow *flow)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				     .data.u64 = USERNET_EVENT_FLOW | flow_index(flow) };
	int zero = 0;

	if (flow->kind == FLOW_TCP) {
		set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
		set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
		if (sys(SYS_setsockopt, fd, SOL_SOCKET, SO_PEEK_OFF, &zero, sizeof(zero)) < 0)
			host.peeks_again = true;
	} else {
		event.events = EPOLLIN;
	}
	return (int) sys(SYS_epoll_ctl, usernet_epoll, EPOLL_CTL_ADD, fd, &event);
}

int host_open(const struct flow *flow)
{
	struct sockaddr_in6 address;
	struct net_endpoint to;
	uint32_t size;
	bool ip4;
	long fd, r;

	if (!find_target(flow, &to))
		return -ENETUNREACH;
	ip4 = address_is_4(&to.address);
	size = host_address(&to, &address);
	fd = sys(SYS_socket, address.sin6_family, (flow->kind == FLOW_TCP ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK,
		 flow->kind != FLOW_PING ? 0
		 : ip4                   ? IPPROTO_ICMP
					 : IPPROTO_ICMPV6);
	if (fd < 0)
		return (int) fd;
	r = sys(SYS_connect, fd, &address, size);
	if (r == 0 || r == -EINPROGRESS)
		r = host_adopt((int) fd, flow);
	if (r < 0) {
		sys(SYS_close, fd);
		return (int) r;
	}
	return (int) fd;
}

int host_error(int fd)
{
	int error = 0;
	uint32_t size = sizeof(error);
	long r = sys(SYS_getsockopt, fd, SOL_SOCKET, SO_ERROR, &error, &size);

	return r < 0 ? (int) r : -error;
}

long host_send(int fd, const unsigned char *data, size_t size)
{
	return sys(SYS_sendto, fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0);
}

/* ---- a published port's datagrams: a host has many addresses, and who asks one of them wants an answer from that ---- */

union told { /* an address in a control message */
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

void host_tell_address(int fd, bool ip6)
{
	if (ip6)
		set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	else
		set(fd, IPPROTO_IP, IP_PKTINFO, 1);
}

static void read_told(const struct msghdr *message, const union told *told, struct net_address *out)
{
	const void *data = CMSG_DATA(&told->header);
	struct in6_pktinfo info6;
	struct in_pktinfo info4;

	__builtin_memset(out, 0, sizeof(*out));
	if (message->msg_controllen >= CMSG_LEN(sizeof(info6)) && told->header.cmsg_level == IPPROTO_IPV6) {
		__builtin_memcpy(&info6, data, sizeof(info6));
		/* Nobody answers as a multicast address. */
		if (info6.ipi6_addr.s6_addr[0] != 0xff)
			__builtin_memcpy(out, &info6.ipi6_addr, sizeof(*out));
	} else if (message->msg_controllen >= CMSG_LEN(sizeof(info4)) && told->header.cmsg_level == IPPROTO_IP) {
		__builtin_memcpy(&info4, data, sizeof(info4));
		*out = address_of_4(__builtin_bswap32(info4.ipi_spec_dst.s_addr));
	}
}

long host_receive_from(int fd, unsigned char *out, size_t size, struct net_endpoint *from, struct net_address *to)
{
	struct sockaddr_in6 address = { 0 };
	struct iovec part = { out, size };
	union told told;
	struct msghdr message = { &address, sizeof(address), &part, 1, &told, sizeof(told), 0 };
	long n = sys(SYS_recvmsg, fd, &message, MSG_DONTWAIT);

	if (n < 0)
		return n;
	host_endpoint(&address, from);
	read_told(&message, &told, to);
	return n;
}

/* A socket of both families takes addresses of IPv6 only. */
static uint32_t write_address(bool ip6, const struct net_endpoint *from, struct sockaddr_in6 *out)
{
	if (!ip6)
		return host_address(from, out);
	*out = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = __builtin_bswap16(from->port) };
	__builtin_memcpy(&out->sin6_addr, &from->address, 16);
	return sizeof(*out);
}

static size_t write_told(bool ip6, const struct net_address *from, union told *out)
{
	struct in6_pktinfo info6 = { 0 };
	struct in_pktinfo info4 = { 0 };

	if (ip6) {
		out->header = (struct cmsghdr){ CMSG_LEN(sizeof(info6)), IPPROTO_IPV6, IPV6_PKTINFO };
		__builtin_memcpy(&info6.ipi6_addr, from, 16);
		__builtin_memcpy(CMSG_DATA(&out->header), &info6, sizeof(info6));
		return CMSG_SPACE(sizeof(info6));
	}
	out->header = (struct cmsghdr){ CMSG_LEN(sizeof(info4)), IPPROTO_IP, IP_PKTINFO };
	info4.ipi_spec_dst.s_addr = __builtin_bswap32(address_4(from));
	__builtin_memcpy(CMSG_DATA(&out->header), &info4, sizeof(info4));
	return CMSG_SPACE(sizeof(info4));
}

long host_send_to(int fd, const struct net_endpoint *to, const struct net_address *from, const unsigned char *data, size_t size)
{
	static const struct net_address unknown;
	bool ip6 = ports_is_ip6(fd);
	struct sockaddr_in6 address;
	struct iovec part = { (void *) (uintptr_t) data, size };
	union told told;
	struct msghdr message = { .msg_name = &address, .msg_iov = &part, .msg_iovlen = 1 };

	message.msg_namelen = write_address(ip6, to, &address);
	if (!address_same(from, &unknown)) {
		message.msg_control = &told;
		message.msg_controllen = write_told(ip6, from, &told);
	}
	return sys(SYS_sendmsg, fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static long peek_beyond(int fd, uint32_t skip, unsigned char *out, size_t size)
{
	static unsigned char nowhere[NOWHERE_BYTES];
	struct iovec parts[NOWHERE_PARTS + 1];
	struct msghdr message = { .msg_iov = parts };
	struct pollfd end = { .fd = fd, .events = POLLRDHUP };
	struct timespec at_once = { 0 };
	uint32_t rest = skip;
	long n;

	while (rest && message.msg_iovlen < NOWHERE_PARTS) {
		uint32_t part = rest < NOWHERE_BYTES ? rest : NOWHERE_BYTES;

		parts[message.msg_iovlen++] = (struct iovec){ nowhere, part };
		rest -= part;
	}
	if (rest)
		return -EAGAIN;
	parts[message.msg_iovlen++] = (struct iovec){ out, size };
	n = sys(SYS_recvmsg, fd, &message, MSG_PEEK | MSG_DONTWAIT);
	if (n < 0 || n > skip)
		return n < 0 ? n : n - skip;
	return sys(SYS_ppoll, &end, 1, &at_once, 0, 8) > 0 && end.revents & (POLLRDHUP | POLLHUP) ? 0 : -EAGAIN;
}

long host_peek(int fd, uint32_t skip, unsigned char *out, size_t size)
{
	if (host.peeks_again)
		return peek_beyond(fd, skip, out, size);
	return sys(SYS_recvfrom, fd, out, size, MSG_PEEK | MSG_DONTWAIT, 0, 0);
}

void host_drop(int fd, uint32_t size)
{
	if (size)
		sys(SYS_recvfrom, fd, 0, size, MSG_TRUNC | MSG_DONTWAIT, 0, 0);
}

void host_rewind(int fd)
{
	if (!host.peeks_again)
		set(fd, SOL_SOCKET, SO_PEEK_OFF, 0);
}

long host_receive(int fd, unsigned char *out, size_t size)
{
	return sys(SYS_recvfrom, fd, out, size, MSG_DONTWAIT, 0, 0);
}

uint32_t host_room(int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 }, size = sizeof(info);

	if (sys(SYS_getsockopt, fd, SOL_SOCKET, SO_MEMINFO, info, &size) < 0)
		return 0;
	return info[SK_MEMINFO_SNDBUF] > info[SK_MEMINFO_WMEM_QUEUED] ? info[SK_MEMINFO_SNDBUF] - info[SK_MEMINFO_WMEM_QUEUED] : 0;
}

void host_watch_room(const struct flow *flow)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				     .data.u64 = USERNET_EVENT_FLOW | flow_index(flow) };

	sys(SYS_epoll_ctl, usernet_epoll, EPOLL_CTL_MOD, flow->fd, &event);
}

void host_end_sending(int fd)
{
	sys(SYS_shutdown, fd, SHUT_WR);
}

void host_close(int fd, bool reset)
{
	const struct linger at_once = { .l_onoff = 1 };

	if (reset)
		sys(SYS_setsockopt, fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	sys(SYS_close, fd);
}
