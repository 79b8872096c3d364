/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A plain user's container with a way out of its own (network/uplink.h), by pasta(1): its ports and options, and what becomes of a
 * container that has not asked for it where it cannot be had: scow-init's own way out. What is published is bound by the program.
 */
#include "container/pasta.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "container/config-network.h"
#include "container/published.h"
#include "engine/job.h"
#include "network/usernet.h"

static const char *first_network(const scow_container_config *config)
{
	const struct endpoint_settings *settings;

	return config_network_at(config, 0, &settings);
}

static bool is_named(const scow_container_config *config)
{
	const char *name = first_network(config);

	return name && (str_eq(name, CONFIG_PASTA) || str_has_prefix(name, CONFIG_PASTA ":") || str_eq(name, CONFIG_USERNET));
}

/* SCOW_E_UNSUPPORTED: there is none, or none that does what is asked for. */
static int choose_program(const scow_container_config *config, struct uplink *out, scow_error **error)
{
	const bool publishes = config->n_ports || config->publish_all;

	if (str_eq(config->namespaces[SCOW_NAMESPACE_PID], "host"))
		return error_set(error, SCOW_E_UNSUPPORTED,
				 "conflicting options: the network '" CONFIG_PASTA
				 "', whose program would be seen, and the host's processes");
	/* slirp4netns would publish nothing. */
	return uplink_choose(out, !is_named(config) && !publishes, error);
}

bool pasta_is_usernet(const scow_container_config *config)
{
	struct uplink uplink = { .arguments = { 0 } };
	int r;

	if (!config_network_is_unsaid(config))
		return is_named(config) && str_eq(first_network(config), CONFIG_USERNET);
	r = choose_program(config, &uplink, NULL);
	uplink_done(&uplink);
	return r < 0;
}

bool pasta_is_meant(const scow_container_config *config)
{
	return is_named(config) || config_network_is_unsaid(config);
}

bool pasta_is_wanted(scow_engine *engine, const scow_container_config *config)
{
	return engine->facts.rootless && pasta_is_meant(config);
}

int pasta_check(const scow_container_config *config, scow_error **error)
{
	const struct endpoint_settings *settings;
	const char *name;

	for (size_t i = 0; (name = config_network_at(config, i, &settings)); i++)
		if (i > 0 || !endpoint_settings_are_default(settings))
			return error_set(error, SCOW_E_INVALID, "network '%s': with '%s' there is no other, and no address to ask for",
					 name, first_network(config));
	return 0;
}

void pasta_done(struct pasta *pasta)
{
	uplink_done(&pasta->uplink);
}

/* A port of the host that nobody has now: pasta itself binds it, and fails if somebody is quicker. 0: there is none. */
static unsigned int free_port(const struct port_spec *port)
{
	int type = port->protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
	unsigned int first = port->first, last = port->first ? port->last : 0;

	if (first && first == last)
		return first;
	do {
		_cleanup_fd_ int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
		struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t) first) };
		socklen_t size = sizeof(address);

		if (port->host.family == AF_INET)
			memcpy(&address.sin_addr, port->host.bytes, 4);
		if (fd >= 0 && bind(fd, (struct sockaddr *) &address, sizeof(address)) == 0 &&
		    getsockname(fd, (struct sockaddr *) &address, &size) == 0)
			return ntohs(address.sin_port);
	} while (first++ < last);
	return 0;
}

static int add_port(const struct port_spec *port, struct uplink *uplink, struct ports *ports, scow_error **error)
{
	struct port_binding *binding;
	char text[PORT_SPEC_TEXT], host[ADDRESS_TEXT];
	unsigned int number;

	if (port->protocol != IPPROTO_TCP && port->protocol != IPPROTO_UDP)
		return error_set(error, SCOW_E_UNSUPPORTED, "port %s: a plain user's container can publish tcp and udp only",
				 port_format(port->protocol, port->port, text));
	number = free_port(port);
	if (!number)
		return error_set(error, SCOW_E_BUSY, "publish '%s': no port of the host is free", port_spec_format(port, text));
	snprintf(text, sizeof(text), "%s%s%u:%u", port->host.family ? address_format(&port->host, host) : "", port->host.family ? "/" : "",
		 number, port->port);
	if (uplink->kind == UPLINK_USERNET) {
		usernet_add_port(uplink, port, number);
	} else {
		uplink_add(uplink, port->protocol == IPPROTO_UDP ? "-u" : "-t");
		uplink_add(uplink, text);
	}
	binding = arena_append(&ports->arena, &ports->bindings, &ports->n_bindings, sizeof(*binding));
	if (!binding)
		return error_oom(error);
	*binding =
		(struct port_binding){ .protocol = port->protocol, .port = port->port, .host_port = (uint16_t) number, .host = port->host };
	if (!binding->host.family)
		binding->host.family = AF_INET;
	return 0;
}

static bool has_none(const struct ports *ports, int protocol)
{
	for (size_t i = 0; i < ports->n_bindings; i++)
		if (ports->bindings[i].protocol == protocol)
			return false;
	return true;
}

/* They are the container's by their rows; that nobody else has bound them the program finds out. */
static int add_ports(scow_container *container, const scow_container_config *config, struct uplink *uplink, scow_error **error)
{
	__attribute__((cleanup(ports_done))) struct ports ports;
	struct published_ports wanted = { .n = 0 };
	int r;

	ports_init(&ports);
	r = published_wanted(container, config, &ports.arena, &wanted, error);
	if (r == 0 && uplink->kind == UPLINK_USERNET && wanted.n > USERNET_PORTS_MAX)
		r = error_set(error, SCOW_E_LIMIT, "a plain user's container can publish %d ports at most", USERNET_PORTS_MAX);
	for (size_t i = 0; i < wanted.n && r == 0; i++)
		r = add_port(&wanted.specs[i], uplink, &ports, error);
	if (uplink->kind == UPLINK_PASTA && has_none(&ports, IPPROTO_TCP)) {
		uplink_add(uplink, "-t");
		uplink_add(uplink, "none");
	}
	if (uplink->kind == UPLINK_PASTA && has_none(&ports, IPPROTO_UDP)) {
		uplink_add(uplink, "-u");
		uplink_add(uplink, "none");
	}
	return r < 0 || !ports.n_bindings ? r : published_record(container, &ports, error);
}

/* "pasta:--mtu,1400": as podman has it. */
static void add_options(const char *network, struct uplink *uplink)
{
	const char *at = strchr(network, ':');

	while (at && *++at) {
		size_t n = strcspn(at, ",");

		if (n) {
			str_add_bytes(&uplink->arguments, at, n);
			str_add_char(&uplink->arguments, 0);
		}
		at = at[n] ? at + n : NULL;
	}
}

static int choose(const scow_container *container, const scow_container_config *config, struct pasta *out, scow_error **error)
{
	scow_error *failure = NULL;

	if (!out->optional && !pasta_is_usernet(config))
		return choose_program(config, &out->uplink, error);
	if (out->optional && choose_program(config, &out->uplink, &failure) == 0)
		return 0;
	if (failure)
		engine_log(container->engine, SCOW_LOG_INFO, "container %.12s has the network '" CONFIG_USERNET "': %s", container->id,
			   scow_error_message(failure));
	scow_error_unref(failure);
	uplink_done(&out->uplink);
	usernet_choose(&out->uplink);
	return 0;
}

int pasta_prepare(scow_container *container, const scow_container_config *config, struct pasta *out, scow_error **error)
{
	int r;

	if (!container->engine->facts.rootless || !pasta_is_meant(config))
		return 0;
	out->optional = !is_named(config);
	r = choose(container, config, out, error);
	if (r < 0)
		return r;
	if (out->uplink.kind != UPLINK_SLIRP) {
		r = add_ports(container, config, &out->uplink, error);
		if (r < 0)
			return r;
		if (!out->optional)
			add_options(first_network(config), &out->uplink);
	}
	out->container = container;
	out->on = true;
	return uplink_finish(&out->uplink, error);
}

int pasta_hand_over(const struct pasta *pasta, int dir_fd, scow_error **error)
{
	_cleanup_str_ struct str text = { 0 };
	int r;

	(void) unlinkat(dir_fd, WIRE_TETHER_NAME, 0);
	if (!pasta->on)
		return 0;
	if (pasta->optional)
		str_add_bytes(&text, WIRE_TETHER_OPTIONAL, sizeof(WIRE_TETHER_OPTIONAL));
	str_add_bytes(&text, pasta->uplink.arguments.data, pasta->uplink.arguments.size);
	if (text.failed)
		return error_oom(error);
	r = file_publish_at(dir_fd, WIRE_TETHER_NAME, text.data, text.size, 0600);
	return r < 0 ? error_errno(error, -r, "rename", "write down how the container's network is made") : 0;
}

static int try_to_start(const struct pasta *pasta, pid_t pid, scow_error **error)
{
	_cleanup_fd_ int pidfd = (int) syscall(SYS_pidfd_open, pid, 0), netns = -1;
	char path[40];
	int r;

	if (pidfd < 0)
		return error_errno(error, errno, "pidfd_open", "find the container's process");
	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	netns = open(path, O_RDONLY | O_CLOEXEC);
	if (netns < 0)
		return error_errno(error, errno, "open", "open the container's network namespace");
	r = uplink_start(pasta->container->engine, &pasta->uplink, &(struct uplink_place){ pidfd, netns, pidfd }, NULL, error);
	return r < 0 ? error_wrap(error, r, "connect the container to its network") : 0;
}

static bool says(const scow_error *failure, const char *word)
{
	return strstr(scow_error_message(failure), word) != NULL;
}

int pasta_start(const struct pasta *pasta, pid_t pid, scow_error **error)
{
	scow_error *failure = NULL;
	int r = try_to_start(pasta, pid, &failure);

	/* That of a container which has just ended may have the ports for a moment. */
	for (unsigned int i = 0; i < WIRE_TETHER_TRIES && r < 0 && says(failure, WIRE_TETHER_BIND); i++) {
		error_clear(&failure);
		poll(NULL, 0, WIRE_TETHER_NAP_MS);
		r = try_to_start(pasta, pid, &failure);
	}
	/* Nobody has asked for it; a host may have no way out itself. */
	if (r < 0 && pasta->optional && scow_error_errno(failure) != ESRCH && !says(failure, WIRE_TETHER_BIND) &&
	    !says(failure, WIRE_USERNET_BIND)) {
		engine_log(pasta->container->engine, SCOW_LOG_INFO, "container %.12s has no network: %s", pasta->container->id,
			   scow_error_message(failure));
		r = 0;
	}
	if (r < 0 && error)
		*error = take_ptr(&failure);
	scow_error_unref(failure);
	return r;
}
