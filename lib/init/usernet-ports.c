/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * usernet's published ports: a listening socket of the host for each; a connection to it becomes one towards the container.
 *
 * One of "any address" is a socket of both families, if the host has both. That of the container's last run may have the port for a
 * moment still; that is waited for here, so that the failure is a true one.
 */
#include "init/usernet-process.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#define BACKLOG 128
#define AT_ONCE 16
#define TEXT_BYTES (1 + 32 + 4 + 4)

static struct port {
	int fd;
	bool datagrams, ip6;
	uint16_t inside;
} ports[USERNET_PORTS];
static unsigned int n_ports;

static unsigned char datagram[65536];

static bool read_digits(const char *text, size_t bytes, unsigned char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < 2 * bytes; i++) {
		const char *digit = text_find(digits, text[i]);

		if (!text[i] || !*digit)
			return false;
		out[i / 2] = (unsigned char) (out[i / 2] << 4 | (digit - digits));
	}
	return true;
}

static long open_socket(const struct net_endpoint *at, struct port *port)
{
	static const struct net_address any;
	int type = (port->datagrams ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, one = 1;
	struct net_endpoint place = *at;
	struct sockaddr_in6 address;
	uint32_t size;
	long fd, r;

	port->ip6 = !address_is_4(&place.address);
	fd = sys(SYS_socket, port->ip6 ? AF_INET6 : AF_INET, type, 0);
	if (fd == -EAFNOSUPPORT && address_same(&place.address, &any)) {
		port->ip6 = false;
		place.address = address_of_4(0);
		fd = sys(SYS_socket, AF_INET, type, 0);
	}
	if (fd < 0)
		return fd;
	size = host_address(&place, &address);
	one = !address_same(&place.address, &any);
	if (port->ip6)
		sys(SYS_setsockopt, fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	one = 1;
	if (port->datagrams)
		host_tell_address((int) fd, port->ip6);
	else
		sys(SYS_setsockopt, fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	r = sys(SYS_bind, fd, &address, size);
	if (r >= 0 && !port->datagrams)
		r = sys(SYS_listen, fd, BACKLOG);
	if (r < 0)
		sys(SYS_close, fd);
	return r < 0 ? r : fd;
}

static void open_port(const char *text)
{
	static const struct timespec nap = { .tv_nsec = WIRE_TETHER_NAP_MS * 1000 * 1000 };
	struct port *port = &ports[n_ports];
	unsigned char bytes[20] = { 0 };
	struct net_endpoint at;
	static char number[16];
	long fd;

	doing("publish", text, NULL, NULL);
	if (n_ports == USERNET_PORTS || text_length(text) != TEXT_BYTES || (*text != 't' && *text != 'u') ||
	    !read_digits(text + 1, sizeof(bytes), bytes))
		fail("decode", -EINVAL);
	memcpy(&at.address, bytes, 16);
	at.port = bytes_16(bytes + 16);
	port->inside = bytes_16(bytes + 18);
	port->datagrams = *text == 'u';
	fd = open_socket(&at, port);
	for (unsigned int i = 0; i < WIRE_TETHER_TRIES && fd == -EADDRINUSE; i++) {
		sys(SYS_nanosleep, &nap, 0);
		fd = open_socket(&at, port);
	}
	text_add_number(number, number + sizeof(number), at.port);
	doing(WIRE_USERNET_BIND, number, "of the host", NULL);
	port->fd = (int) must(fd, "bind");
	n_ports++;
}

void ports_open(char **texts)
{
	for (; *texts; texts++)
		open_port(*texts);
}

void ports_watch(void)
{
	for (unsigned int i = 0; i < n_ports; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.u64 = USERNET_EVENT_PORT | i };

		must(sys(SYS_epoll_ctl, usernet_epoll, EPOLL_CTL_ADD, ports[i].fd, &event), "epoll_ctl");
	}
}

bool ports_is_ip6(int fd)
{
	for (unsigned int i = 0; i < n_ports; i++)
		if (ports[i].fd == fd)
			return ports[i].ip6;
	return false;
}

static void read_datagrams(const struct port *port)
{
	struct net_endpoint peer;
	struct net_address local;

	for (unsigned int i = 0; i < AT_ONCE; i++) {
		long n = host_receive_from(port->fd, datagram, sizeof(datagram), &peer, &local);

		if (n < 0)
			return;
		udp_call(port->fd, &peer, &local, port->inside, datagram, (size_t) n);
	}
}

static void accept_connections(const struct port *port)
{
	static const struct timespec rest = { .tv_nsec = 10 * 1000 * 1000 };

	for (unsigned int i = 0; i < AT_ONCE; i++) {
		struct sockaddr_in6 address = { 0 };
		uint32_t size = sizeof(address);
		struct net_endpoint peer;
		long fd = sys(SYS_accept4, port->fd, &address, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);

		/* It stays in the queue, and we would be told of it without end. */
		if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM || fd == -ENOBUFS)
			sys(SYS_nanosleep, &rest, 0);
		if (fd < 0)
			return;
		host_endpoint(&address, &peer);
		tcp_call((int) fd, &peer, port->inside);
	}
}

void ports_event(unsigned int place)
{
	if (ports[place].datagrams)
		read_datagrams(&ports[place]);
	else
		accept_connections(&ports[place]);
}
