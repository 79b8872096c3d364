/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dial and listen: where a socket is to lead, and the wait for it.
 *
 * The process whose namespaces are joined is proven to be the container's after the socket is there: if it still is the one that the
 * row names, so it was before. Names are few and none of them is looked up: a resolver of the host would ask in the wrong namespace.
 */
#include <scow/dial.h>
#include <scow/version.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/str.h"
#include "container/live.h"
#include "runtime/socket.h"

#define NAP_MAX_MS 16
#define HOST_MAX 256

union place_address {
	struct sockaddr any;
	struct sockaddr_in ip4;
	struct sockaddr_in6 ip6;
	struct sockaddr_un path;
};

/* Where to: one address, or two that are tried in turn. */
struct place {
	const char *kind, *text;
	int type;
	union place_address addresses[2];
	socklen_t sizes[2];
	size_t n;
	bool in_root; /* a path */
};

static int refuse(const struct place *place, const char *why, scow_error **error)
{
	return error_set(error, SCOW_E_INVALID, "'%s' is no %s address: %s", place->text, place->kind, why);
}

static bool add_ip(struct place *place, const char *text, uint16_t port)
{
	union place_address *to = &place->addresses[place->n];

	if (inet_pton(AF_INET, text, &to->ip4.sin_addr) == 1) {
		to->ip4.sin_family = AF_INET;
		to->ip4.sin_port = htons(port);
		place->sizes[place->n++] = sizeof(to->ip4);
		return true;
	}
	if (inet_pton(AF_INET6, text, &to->ip6.sin6_addr) == 1) {
		to->ip6.sin6_family = AF_INET6;
		to->ip6.sin6_port = htons(port);
		place->sizes[place->n++] = sizeof(to->ip6);
		return true;
	}
	return false;
}

/* What its own /etc/hosts says of the name: its address on the network that is its way out; without one, its loopback. */
static void add_own(scow_container *container, struct place *place, uint16_t port)
{
	static const int families[] = { AF_INET, AF_INET6 };

	for (size_t i = 0; i < 2; i++) {
		char *text = NULL;

		if (scow_container_address(container, NULL, families[i], &text, NULL) == 0)
			add_ip(place, text, port);
		scow_free(text);
	}
	if (!place->n && add_ip(place, "127.0.0.1", port))
		add_ip(place, "::1", port);
}

static bool is_own_name(scow_container *container, const char *host)
{
	const scow_container_config *config;

	return str_eq(host, container->name) || (strlen(host) >= 12 && strncmp(host, container->id, strlen(host)) == 0) ||
	       (container_config_of(container, &config, NULL) == 0 && config->hostname && str_eq(host, config->hostname));
}

static int parse_ip(scow_container *container, struct place *place, scow_error **error)
{
	const char *colon = strrchr(place->text, ':'), *digits = colon ? colon + 1 : place->text, *from = place->text;
	size_t size = colon ? (size_t) (colon - from) : 0;
	char host[HOST_MAX], *end;
	unsigned long port;

	errno = 0;
	port = strtoul(digits, &end, 10);
	if (*digits < '0' || *digits > '9' || *end || port > UINT16_MAX || errno)
		return refuse(place, "expected ADDRESS:PORT, with a port from 0 to 65535", error);
	if (size >= 2 && from[0] == '[' && from[size - 1] == ']') {
		from++;
		size -= 2;
	} else if (size && memchr(from, ':', size)) {
		return refuse(place, "an IPv6 address is written as [::1]:PORT", error);
	}
	if (size >= sizeof(host))
		return refuse(place, "the name is too long", error);
	memcpy(host, from, size);
	host[size] = 0;
	if (!size || strcmp(host, "localhost") == 0) {
		add_ip(place, "127.0.0.1", (uint16_t) port);
		add_ip(place, "::1", (uint16_t) port);
	} else if (!add_ip(place, host, (uint16_t) port) && is_own_name(container, host)) {
		add_own(container, place, (uint16_t) port);
	}
	return place->n ? 0
			: error_hint(error, refuse(place, "names are not resolved", error),
				     "give a numeric address, 'localhost', or the container's own name");
}

static int parse_path(struct place *place, scow_error **error)
{
	struct sockaddr_un *to = &place->addresses[0].path;
	size_t size = strlen(place->text);
	bool is_abstract = place->text[0] == '@';

	if (place->text[0] != '/' && (!is_abstract || size < 2))
		return refuse(place, "expected an absolute path, or @name", error);
	if (size >= sizeof(to->sun_path))
		return refuse(place, "it is too long", error);
	to->sun_family = AF_UNIX;
	memcpy(to->sun_path, place->text, size);
	if (is_abstract)
		to->sun_path[0] = 0;
	place->sizes[0] = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + size + (is_abstract ? 0 : 1));
	place->in_root = !is_abstract;
	place->n = 1;
	return 0;
}

static int parse(scow_container *container, const char *kind, const char *text, struct place *out, scow_error **error)
{
	*out = (struct place){ .kind = kind, .text = text };
	if (!kind || !text)
		return error_set(error, SCOW_E_INVALID, "no kind of socket, or no address was given");
	out->type = strcmp(kind, "udp") == 0 ? SOCK_DGRAM : SOCK_STREAM;
	if (strcmp(kind, "unix") == 0)
		return parse_path(out, error);
	if (strcmp(kind, "tcp") == 0 || strcmp(kind, "udp") == 0)
		return parse_ip(container, out, error);
	return error_set(error, SCOW_E_INVALID, "'%s' is no kind of socket: expected tcp, udp or unix", kind);
}

static bool has_ended(int pidfd)
{
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };

	return poll(&ended, 1, 0) > 0;
}

/* The socket inside, for certain this container's. */
static int make(scow_container *container, const struct place *place, size_t index, struct inside_socket *wanted, int *errnum,
		scow_error **error)
{
	_cleanup_fd_ int fd = -1, pidfd = -1;
	scow_error *failure = NULL;
	struct container_row row;
	int r;

	*errnum = 0;
	r = container_row_running(container, &row, error);
	if (r < 0)
		return r;
	if (!row.pid)
		return container_not_running(container, &row, error);
	wanted->family = place->addresses[index].any.sa_family;
	wanted->type |= place->type;
	wanted->in_root = place->in_root;
	if (place->in_root) {
		wanted->address = &place->addresses[index];
		wanted->address_size = place->sizes[index];
	} else {
		wanted->action = WIRE_SOCKET_ONLY;
	}
	fd = socket_inside(container->engine, row.pid, wanted, errnum, &failure);
	pidfd = container_pidfd(container->engine, &row);
	if (pidfd < 0 || (fd < 0 && has_ended(pidfd))) {
		scow_error_unref(failure);
		*errnum = 0;
		return container_not_running(container, &row, error);
	}
	if (fd < 0 && error)
		*error = take_ptr(&failure);
	scow_error_unref(failure);
	return take_fd(&fd);
}

static int failed(const scow_container *container, const struct place *place, const char *what, int errnum, const char *call,
		  scow_error **error)
{
	scow_status status = errnum == EADDRINUSE ? SCOW_E_BUSY : errnum == EADDRNOTAVAIL ? SCOW_E_NETWORK : error_status_of(errnum);

	error_clear(error);
	return error_at(error,
			error_errno_status(error, status, errnum, call, "%s %s '%s' in container '%s'", what, place->kind, place->text,
					   container->name),
			NULL, container->name);
}

static int left_ms(uint64_t deadline_us)
{
	uint64_t now = clock_us();

	return deadline_us == UINT64_MAX ? -1 : now >= deadline_us ? 0 : (int) ((deadline_us - now + 999) / 1000);
}

/* 0 or an errno. */
static int await_connection(int fd, uint64_t deadline_us)
{
	struct pollfd writable = { .fd = fd, .events = POLLOUT };
	socklen_t size = sizeof(int);
	int r, errnum = 0;

	while ((r = poll(&writable, 1, left_ms(deadline_us))) < 0 && errno == EINTR)
		;
	if (r <= 0)
		return r < 0 ? errno : ETIMEDOUT;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &size) < 0 ? errno : errnum;
}

/* Tries one address: a descriptor, or -1 and *errnum, or (without one) a status with its error. */
static int try_one(scow_container *container, const struct place *place, size_t index, int timeout_ms, uint64_t deadline_us, int *errnum,
		   scow_error **error)
{
	struct inside_socket wanted = { .type = SOCK_NONBLOCK, .action = WIRE_SOCKET_CONNECT };
	_cleanup_fd_ int fd = make(container, place, index, &wanted, errnum, error);

	if (fd < 0)
		return fd;
	if (!place->in_root && connect(fd, &place->addresses[index].any, place->sizes[index]) < 0)
		*errnum = errno;
	if (*errnum == EINPROGRESS)
		*errnum = timeout_ms ? await_connection(fd, deadline_us) : 0;
	if (*errnum)
		return -1;
	if (timeout_ms && fcntl(fd, F_SETFL, 0) < 0)
		return error_errno(error, errno, "fcntl", "make a socket blocking");
	return take_fd(&fd);
}

int scow_container_dial(scow_container *container, const char *kind, const char *target, int timeout_ms, scow_error **error)
{
	uint64_t deadline_us = timeout_ms < 0 ? UINT64_MAX : clock_us() + (uint64_t) timeout_ms * 1000;
	int r = container_check(container, error), errnum = 0;
	struct place place;

	if (r == 0)
		r = parse(container, kind, target, &place, error);
	if (r < 0)
		return r;
	for (int nap_ms = 1;; nap_ms = nap_ms < NAP_MAX_MS ? nap_ms * 2 : nap_ms) {
		for (size_t i = 0; i < place.n; i++) {
			error_clear(error);
			r = try_one(container, &place, i, timeout_ms, deadline_us, &errnum, error);
			if (r >= 0 || !errnum)
				return r;
			if (errnum != ECONNREFUSED)
				break;
		}
		/* A Unix socket whose queue is full does not let one wait for it. */
		if (errnum != EAGAIN)
			return failed(container, &place, "connect to", errnum, "connect", error);
		if (left_ms(deadline_us) == 0)
			return failed(container, &place, "connect to", timeout_ms ? ETIMEDOUT : EAGAIN, "connect", error);
		poll(NULL, 0, nap_ms);
	}
}

int scow_container_listen(scow_container *container, const char *kind, const char *address, int backlog, scow_error **error)
{
	struct inside_socket wanted = { .action = WIRE_SOCKET_LISTEN, .backlog = backlog };
	int r = container_check(container, error), errnum = 0;
	_cleanup_fd_ int fd = -1;
	static const int one = 1;
	struct place place;

	if (r == 0)
		r = parse(container, kind, address, &place, error);
	if (r < 0)
		return r;
	fd = make(container, &place, 0, &wanted, &errnum, error);
	if (fd < 0)
		return errnum ? failed(container, &place, "listen on", errnum, "bind", error) : fd;
	if (place.in_root)
		return take_fd(&fd);
	if (place.type == SOCK_STREAM)
		(void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, &place.addresses[0].any, place.sizes[0]) < 0)
		return failed(container, &place, "listen on", errno, "bind", error);
	if (place.type == SOCK_STREAM && listen(fd, backlog) < 0)
		return failed(container, &place, "listen on", errno, "listen", error);
	return take_fd(&fd);
}
