/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Taking ports.
 *
 * 1. A port that is held is bound and does not listen: until its rules are there, and for whom they are not, connections are refused at
 *    once, as if nobody were there.
 * 2. One that listened a moment ago leaves connections behind that only SO_REUSEADDR looks past; but whoever binds with it shares the
 *    port with others who do. So we listen, which the kernel refuses if somebody else does, stop at once, and give up sharing.
 * 3. Several places of one port (IPv4 and IPv6) have the same number, or another one is tried.
 * 4. No socket for SCTP, which would load the kernel's; there the rows alone tell who has a port.
 */
#include "network/ports.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "init/holder-wire.h"
#include "network/holder.h"

#define OPTION_HOST "com.docker.network.bridge.host_binding_ipv4"
#define RANDOM_TRIES 32
#define LEAVING_TRIES 100
#define LEAVING_MS 10
#define PASS_MAX 253 /* descriptors in one message: SCM_MAX_FD */

/* Where one port goes: an address of the host, and a container's behind it. */
struct place {
	struct address host;
	struct address target; /* none: only held, so that it is the same port for both families */
	bool routed;           /* the host has no part in it */
};

struct taking {
	struct netns *ns;
	const char *id;
	const struct attachment *attachment;
	struct ports *ports;
	int fds[PASS_MAX]; /* bound, not in the hold yet */
	unsigned int n_fds;
};

void ports_init(struct ports *ports)
{
	*ports = (struct ports){ .hold_fd = -1, .queue_fd = -1 };
}

static void forget_queue(struct ports *ports)
{
	cleanup_fd(&ports->queue_fd);
	ports->queue_fd = -1;
}

static void forget_sockets(struct ports *ports)
{
	for (size_t i = 0; i < ports->n_sockets; i++)
		cleanup_fd(&ports->sockets[i].fd);
	ports->n_sockets = 0;
}

void ports_done(struct ports *ports)
{
	cleanup_fd(&ports->hold_fd);
	forget_queue(ports);
	forget_sockets(ports);
	arena_done(&ports->arena);
	ports_init(ports);
}

/* ---- places ---- */

static const struct address any4 = { .family = AF_INET }, any6 = { .family = AF_INET6 };

/* The endpoint whose address is published for a family: of the container's way out, if that is a bridge. */
static const struct endpoint *published(const struct attachment *attachment, int family)
{
	const struct endpoint *endpoint = attachment_gateway(attachment, family);

	return endpoint && endpoint->network->driver == NETWORK_BRIDGE ? endpoint : NULL;
}

static const struct address *target_of(const struct endpoint *endpoint, int family)
{
	return !endpoint ? NULL : family == AF_INET ? &endpoint->ip4 : &endpoint->ip6;
}

/* What the network says where nobody named an address: any of IPv4, unless it is told otherwise. */
static int default_host(struct taking *taking, const struct endpoint *endpoint, struct address *out, scow_error **error)
{
	const char *text = NULL;

	*out = any4;
	if (endpoint)
		text = network_option(endpoint->network, &taking->ports->arena, OPTION_HOST);
	if (!text || !*text)
		return 0;
	if (!address_parse(text, out) || out->family != AF_INET)
		return error_set(error, SCOW_E_INVALID, "network '%s': the option '%s' is an IPv4 address, not '%s'",
				 endpoint->network->name, OPTION_HOST, text);
	return 0;
}

static int add_place(const struct endpoint *endpoint, const struct address *host, struct place *places, size_t *n, scow_error **error)
{
	const struct address *target = target_of(endpoint, host->family);
	enum gateway_mode mode = GATEWAY_NAT;
	int r = endpoint ? firewall_mode(endpoint->network, host->family, &mode, error) : 0;

	if (r < 0)
		return r;
	places[*n] = (struct place){ .host = *host, .routed = mode == GATEWAY_ROUTED };
	if (target)
		places[*n].target = *target;
	++*n;
	return 0;
}

static int refuse_loopback6(scow_error **error)
{
	return error_hint(error,
			  error_set(error, SCOW_E_UNSUPPORTED,
				    "a port cannot be published on [::1] alone: no rule of the kernel's leads from there to a container"),
			  "publish it on 127.0.0.1: programs that try 'localhost' come there, too");
}

/* One or two places, or none: the container is on no network from which anything could come. */
static int find_places(struct taking *taking, const struct port_spec *spec, struct place places[2], size_t *n, scow_error **error)
{
	const struct endpoint *out4 = published(taking->attachment, AF_INET), *out6 = published(taking->attachment, AF_INET6);
	struct address host = spec->host;
	char text[ADDRESS_TEXT];
	int r = 0;

	*n = 0;
	if (!out4 && !out6)
		return 0;
	if (host.family == AF_INET6 && address_is_loopback(&host) && taking->ns->hold_fd < 0)
		return refuse_loopback6(error);
	if (host.family && !(host.family == AF_INET ? out4 : out6))
		return error_set(error, SCOW_E_INVALID, "port %u/%s cannot be published on %s: the container has no %s address", spec->port,
				 port_protocol_name(spec->protocol), address_format(&host, text), host.family == AF_INET ? "IPv4" : "IPv6");
	if (host.family)
		return add_place(host.family == AF_INET ? out4 : out6, &host, places, n, error);
	r = default_host(taking, out4, &host, error);
	if (r == 0)
		r = add_place(out4, &host, places, n, error);
	/* Who is bound to one address of IPv4 means that alone. */
	if (r == 0 && address_is_any(&host))
		r = add_place(out6, &any6, places, n, error);
	return r;
}

/* ---- sockets ---- */

union sockaddr_any {
	struct sockaddr any;
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;
};

static socklen_t sockaddr_of(const struct address *address, uint16_t port, union sockaddr_any *out)
{
	memset(out, 0, sizeof(*out));
	if (address->family == AF_INET) {
		out->in4.sin_family = AF_INET;
		out->in4.sin_port = htons(port);
		memcpy(&out->in4.sin_addr, address->bytes, 4);
		return sizeof(out->in4);
	}
	out->in6.sin6_family = AF_INET6;
	out->in6.sin6_port = htons(port);
	memcpy(&out->in6.sin6_addr, address->bytes, 16);
	return sizeof(out->in6);
}

static bool set(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

static bool hold(int fd, bool shares)
{
	if (!shares)
		return true;
	return listen(fd, 0) == 0 && shutdown(fd, SHUT_RDWR) == 0 && set(fd, SOL_SOCKET, SO_REUSEADDR, 0);
}

/* A socket that has @port of @host, or -errno. @port 0: one that the kernel chooses, and says in it. */
static int bind_port(int protocol, const struct address *host, uint16_t *port)
{
	_cleanup_fd_ int fd = socket(host->family, (protocol == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
	const bool shares = protocol == IPPROTO_TCP && *port;
	union sockaddr_any place;
	socklen_t size = sockaddr_of(host, *port, &place);

	if (fd < 0)
		return -errno;
	if (host->family == AF_INET6 && !set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1))
		return -errno;
	if (shares && !set(fd, SOL_SOCKET, SO_REUSEADDR, 1))
		return -errno;
	/* Nobody reads what comes to a datagram socket before the rules are there. */
	if (protocol == IPPROTO_UDP)
		(void) set(fd, SOL_SOCKET, SO_RCVBUF, 0);
	if (bind(fd, &place.any, size) < 0 || !hold(fd, shares))
		return -errno;
	if (!*port) {
		if (getsockname(fd, &place.any, &size) < 0)
			return -errno;
		*port = ntohs(host->family == AF_INET ? place.in4.sin_port : place.in6.sin6_port);
	}
	return take_fd(&fd);
}

/* Moves what is bound into the hold. */
static int put_away(struct taking *taking, scow_error **error)
{
	union {
		char bytes[CMSG_SPACE(PASS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	const size_t size = taking->n_fds * sizeof(int);
	struct iovec byte = { .iov_base = (char[]){ 0 }, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &byte, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = CMSG_SPACE(size) };
	struct cmsghdr *part = &control.align;
	ssize_t n;

	if (!taking->n_fds)
		return 0;
	part->cmsg_level = SOL_SOCKET;
	part->cmsg_type = SCM_RIGHTS;
	part->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(part), taking->fds, size);
	n = sendmsg(taking->ports->queue_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return error_errno(error, errno, "sendmsg", "hold the published ports");
	for (unsigned int i = 0; i < taking->n_fds; i++)
		close(taking->fds[i]);
	taking->n_fds = 0;
	return 0;
}

/* A plain user's: the holder of his networks listens there, once it is told. */
static int note_socket(struct taking *taking, int fd, scow_error **error)
{
	struct ports *ports = taking->ports;
	struct port_socket *slot;

	if (taking->ns->hold_fd < 0)
		return 0;
	slot = arena_append(&ports->arena, &ports->sockets, &ports->n_sockets, sizeof(*slot));
	if (!slot)
		return error_oom(error);
	slot->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	slot->binding = ports->n_bindings - 1;
	return slot->fd < 0 ? error_errno(error, errno, "fcntl", "hold the published ports") : 0;
}

static int keep(struct taking *taking, int fd, scow_error **error)
{
	struct ports *ports = taking->ports;
	int pair[2];

	if (ports->hold_fd < 0) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
			close(fd);
			return error_errno(error, errno, "socketpair", "hold the published ports");
		}
		ports->hold_fd = pair[0];
		ports->queue_fd = pair[1];
	}
	taking->fds[taking->n_fds++] = fd;
	return taking->n_fds == PASS_MAX ? put_away(taking, error) : 0;
}

/* ---- taking one ---- */

static int busy(struct taking *taking, const struct port_spec *spec, const struct address *host, uint16_t port, scow_error **error);
static int find_holder(struct taking *taking, const struct port_spec *spec, const struct address *host, uint16_t port, char whom[256],
		       scow_error **error);

static int cannot_bind(struct taking *taking, const struct port_spec *spec, const struct address *host, uint16_t port, int errnum,
		       scow_error **error)
{
	char address[ADDRESS_TEXT], name[PORT_TEXT];
	int r;

	address_format(host, address);
	port_format(spec->protocol, port, name);
	if (errnum == EADDRINUSE)
		return busy(taking, spec, host, port, error);
	r = error_errno_status(error, errnum == EADDRNOTAVAIL ? SCOW_E_INVALID : error_status_of(errnum), errnum, "bind",
			       "publish port %s on %s", name, address);
	if (errnum == EADDRNOTAVAIL)
		return error_hint(error, r, "it must be an address of this host: see 'ip address'");
	if (errnum == EMFILE || errnum == ENFILE)
		return error_hint(error, r, "raise the limit of open files (ulimit -n), or publish fewer ports");
	return r;
}

/* Binds all places at @port, or none. 0, or -errno with which of them it was. */
static int bind_all(const struct port_spec *spec, const struct place *places, size_t n, uint16_t *port, int fds[2], size_t *which)
{
	for (*which = 0; *which < n; ++*which) {
		const struct place *place = &places[*which];
		int fd;

		if (place->routed)
			continue;
		fd = bind_port(spec->protocol, &place->host, port);
		if (fd >= 0)
			fds[*which] = fd;
		/* A host without IPv6, where nobody asked for it, has no such port. */
		if (fd >= 0 || (fd == -EAFNOSUPPORT && !place->target.family))
			continue;
		for (size_t i = 0; i < *which; i++) {
			cleanup_fd(&fds[i]);
			fds[i] = -1;
		}
		return fd;
	}
	return 0;
}

static int add_binding(struct taking *taking, const struct port_spec *spec, const struct place *place, uint16_t port, scow_error **error)
{
	struct ports *ports = taking->ports;
	struct port_binding *binding;

	if (!place->target.family)
		return 0;
	binding = arena_append(&ports->arena, &ports->bindings, &ports->n_bindings, sizeof(*binding));
	if (!binding)
		return error_oom(error);
	*binding = (struct port_binding){
		.protocol = spec->protocol,
		.port = spec->port,
		.host_port = place->routed ? 0 : port,
		.host = place->routed ? place->target : place->host,
		.target = place->target,
	};
	return 0;
}

static bool is_held_by_us(const struct taking *taking, const struct port_spec *spec, uint16_t port)
{
	for (size_t i = 0; i < taking->ports->n_bindings; i++)
		if (taking->ports->bindings[i].protocol == spec->protocol && taking->ports->bindings[i].host_port == port)
			return true;
	return false;
}

static int take_at(struct taking *taking, const struct port_spec *spec, const struct place *places, size_t n, uint16_t *port,
		   scow_error **error)
{
	int fds[2] = { -1, -1 }, refused = 0, r = 0;
	size_t which = 0;

	if (spec->protocol == IPPROTO_SCTP && taking->ns->hold_fd >= 0)
		return error_set(error, SCOW_E_UNSUPPORTED, "port %u/sctp: a plain user's container can publish tcp and udp only",
				 spec->port);
	if (spec->protocol == IPPROTO_SCTP) {
		if (is_held_by_us(taking, spec, *port))
			return EADDRINUSE;
		if (!*port)
			return error_hint(
				error, error_set(error, SCOW_E_UNSUPPORTED, "port %u/sctp: no free one can be chosen for SCTP", spec->port),
				"name the host's port");
	} else {
		refused = bind_all(spec, places, n, port, fds, &which);
	}
	if (refused == -EADDRINUSE)
		return EADDRINUSE;
	if (refused)
		return cannot_bind(taking, spec, &places[which].host, *port, -refused, error);
	for (size_t i = 0; i < n; i++) {
		if (r == 0)
			r = add_binding(taking, spec, &places[i], *port, error);
		if (r == 0 && fds[i] >= 0 && places[i].target.family)
			r = note_socket(taking, fds[i], error);
		if (r == 0 && fds[i] >= 0)
			r = keep(taking, take_fd(&fds[i]), error);
		cleanup_fd(&fds[i]);
	}
	return r;
}

/* The first of a range that is free. */
static int take_range(struct taking *taking, const struct port_spec *spec, const struct place *places, size_t n, scow_error **error)
{
	char whom[256] = "";

	for (unsigned int port = spec->first; port <= spec->last; port++) {
		uint16_t at = (uint16_t) port;
		int r = take_at(taking, spec, places, n, &at, error);

		if (r != EADDRINUSE)
			return r;
	}
	/*
	 * A container that was removed by force a moment ago: its row is gone, but who had started it has not come to close the hold,
	 * in which nobody finds a socket.
	 */
	for (int tries = 0; tries < LEAVING_TRIES && spec->first == spec->last && !is_held_by_us(taking, spec, spec->first); tries++) {
		uint16_t at = spec->first;
		int r = find_holder(taking, spec, &places[0].host, at, whom, error);

		if (r < 0)
			return r;
		if (r > 0)
			break;
		poll(NULL, 0, LEAVING_MS);
		r = take_at(taking, spec, places, n, &at, error);
		if (r != EADDRINUSE)
			return r;
	}
	if (spec->first == spec->last)
		return busy(taking, spec, &places[0].host, spec->first, error);
	return error_set(error, SCOW_E_BUSY, "all ports of %u-%u/%s of this host are taken", spec->first, spec->last,
			 port_protocol_name(spec->protocol));
}

static int take_any(struct taking *taking, const struct port_spec *spec, const struct place *places, size_t n, scow_error **error)
{
	for (int tries = 0; tries < RANDOM_TRIES; tries++) {
		uint16_t port = 0;
		int r = take_at(taking, spec, places, n, &port, error);

		if (r != EADDRINUSE)
			return r;
	}
	return error_set(error, SCOW_E_BUSY, "this host has no free port for %u/%s", spec->port, port_protocol_name(spec->protocol));
}

static int take_one(struct taking *taking, const struct port_spec *spec, scow_error **error)
{
	struct place places[2];
	size_t n;
	int r = find_places(taking, spec, places, &n, error);

	if (r < 0 || !n)
		return r;
	if (places[0].routed && (n == 1 || places[1].routed)) {
		for (size_t i = 0; i < n && r == 0; i++)
			r = add_binding(taking, spec, &places[i], 0, error);
		return r;
	}
	return spec->first ? take_range(taking, spec, places, n, error) : take_any(taking, spec, places, n, error);
}

int ports_take(struct netns *ns, const struct attachment *attachment, const struct port_spec *specs, size_t n, struct ports *out,
	       scow_error **error)
{
	struct taking taking = { .ns = ns, .id = attachment->id, .attachment = attachment, .ports = out };
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = take_one(&taking, &specs[i], error);
	if (r == 0)
		r = put_away(&taking, error);
	for (unsigned int i = 0; i < taking.n_fds; i++)
		close(taking.fds[i]);
	if (ns->hold_fd < 0)
		forget_queue(out);
	return r;
}

int ports_lead_in(struct netns *ns, struct ports *ports, scow_error **error)
{
	int r = 0;

	for (size_t i = 0; i < ports->n_sockets && r == 0; i++)
		r = holder_publish(ns, &ports->bindings[ports->sockets[i].binding], ports->sockets[i].fd, ports->queue_fd, error);
	forget_sockets(ports);
	forget_queue(ports);
	return r;
}

/* ---- rows ---- */

/* The container that has a port, or one that overlaps with it; "" for none. */
static int find_container(struct db_work *work, const char *id, int protocol, const struct address *host, uint16_t port, char out[256],
			  scow_error **error)
{
	char address[ADDRESS_HEX], any[ADDRESS_HEX];
	sqlite3_stmt *row;
	int r;

	address_hex(host, address);
	address_hex(host->family == AF_INET ? &any4 : &any6, any);
	out[0] = 0;
	r = db_query(work, &row, error,
		     "SELECT c.name FROM ports p JOIN containers c ON c.id = p.container"
		     " WHERE p.protocol = ? AND p.port = ? AND p.container <> ? AND length(p.address) = length(?)"
		     " AND (p.address = ? OR p.address = ? OR ? = ?)",
		     "iitttttt", (int64_t) protocol, (int64_t) port, id, address, address, any, address, any);
	if (r > 0)
		snprintf(out, 256, "%s", db_text(row, 0));
	return r < 0 ? r : 0;
}

static int taken_by(int protocol, const struct address *host, uint16_t port, const char *quoted, const char *whom, scow_error **error)
{
	char address[ADDRESS_TEXT], name[PORT_TEXT];
	int r = error_set(error, SCOW_E_BUSY, "port %s of %s is taken by %s%s%s", port_format(protocol, port, name),
			  address_is_any(host) ? "this host" : address_format(host, address), quoted, whom, *quoted ? "'" : "");

	return error_hint(error, r, "stop it, or publish another port of the host");
}

/* Who has a port: 1 a container, 2 a process, 0 nobody that can be found. */
static int find_holder(struct taking *taking, const struct port_spec *spec, const struct address *host, uint16_t port, char whom[256],
		       scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	int r;

	db_lock(taking->ns->engine->db, &work);
	r = find_container(&work, taking->id, spec->protocol, host, port, whom, error);
	db_end(&work);
	if (r < 0 || *whom)
		return r < 0 ? r : 1;
	if (!port_holder(spec->protocol, host, port, whom, 256))
		return 0;
	/* The holder of a plain user's networks gives a port back when it sees that its container has gone. */
	return taking->ns->hold_fd >= 0 && str_has_prefix(whom, "'" WIRE_HOLDER_NAME "'") ? 0 : 2;
}

static int busy(struct taking *taking, const struct port_spec *spec, const struct address *host, uint16_t port, scow_error **error)
{
	char whom[256] = "";
	int r;

	if (is_held_by_us(taking, spec, port))
		return error_set(error, SCOW_E_INVALID, "port %u/%s of the host is published twice by the same container", port,
				 port_protocol_name(spec->protocol));
	r = find_holder(taking, spec, host, port, whom, error);
	if (r < 0)
		return r;
	return taken_by(spec->protocol, host, port, r == 1 ? "container '" : "", r ? whom : "another program", error);
}

int ports_record(struct db_work *work, const char *id, const struct ports *ports, scow_error **error)
{
	int r = 0;

	for (size_t i = 0; i < ports->n_bindings && r >= 0; i++) {
		const struct port_binding *binding = &ports->bindings[i];
		const uint16_t port = binding->host_port ? binding->host_port : binding->port;
		char address[ADDRESS_HEX], whom[256];

		r = find_container(work, id, binding->protocol, &binding->host, port, whom, error);
		if (r == 0 && *whom)
			return taken_by(binding->protocol, &binding->host, port, "container '", whom, error);
		if (r == 0)
			r = db_exec(work, error,
				    "INSERT OR REPLACE INTO ports (protocol, address, port, container, target) VALUES (?, ?, ?, ?, ?)",
				    "ititi", (int64_t) binding->protocol, address_hex(&binding->host, address), (int64_t) port, id,
				    (int64_t) binding->port);
	}
	return r < 0 ? r : 0;
}

int ports_read(struct db_work *work, const char *id, const struct attachment *attachment, struct arena *arena, struct port_binding **out,
	       size_t *count, scow_error **error)
{
	sqlite3_stmt *row;
	int r = db_query(work, &row, error,
			 "SELECT protocol, address, port, target FROM ports WHERE container = ? ORDER BY target, protocol, "
			 "length(address), address, port",
			 "t", id);

	for (; r > 0; r = db_step(work, row, error)) {
		struct port_binding *binding = arena_append(arena, out, count, sizeof(*binding));
		const struct endpoint *endpoint;

		if (!binding)
			return error_oom(error);
		binding->protocol = (int) db_int(row, 0);
		binding->host_port = (uint16_t) db_int(row, 2);
		binding->port = (uint16_t) db_int(row, 3);
		if (!address_from_hex(db_text(row, 1), &binding->host))
			return error_set(error, SCOW_E_CORRUPT, "state.db: a port of container '%.12s'", id);
		endpoint = attachment ? published(attachment, binding->host.family) : NULL;
		if (endpoint)
			binding->target = *target_of(endpoint, binding->host.family);
		/* No port of the host's at all. */
		if (binding->target.family && address_equal(&binding->host, &binding->target))
			binding->host_port = 0;
	}
	return r;
}
