/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pasta(1) for a container: its arguments, and how it is started.
 *
 * It is tied to the container's first process by scow-init (init/tether.c). It lives in the container's user namespace, where it has the
 * rights to configure the container's interface, and else on the host, where it makes the user's connections. What is published is
 * bound by it. The host's loopback is out of the container's reach (--no-map-gw), and ports go one way only (-T none, -U none).
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
#include "engine/job.h"

#define TUN "/dev/net/tun"
#define PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin"

static const char *first_network(const scow_container_config *config)
{
	const struct endpoint_settings *settings;

	return config_network_at(config, 0, &settings);
}

bool pasta_is_wanted(scow_engine *engine, const scow_container_config *config)
{
	const char *name = engine->facts.rootless ? first_network(config) : NULL;

	return name && (str_eq(name, CONFIG_PASTA) || str_has_prefix(name, CONFIG_PASTA ":"));
}

int pasta_check(scow_engine *engine, const scow_container_config *config, scow_error **error)
{
	const struct endpoint_settings *settings;
	const char *name;

	for (size_t i = 0; engine->facts.rootless && (name = config_network_at(config, i, &settings)); i++) {
		if (i == 0 && pasta_is_wanted(engine, config) && endpoint_settings_are_default(settings))
			continue;
		if (pasta_is_wanted(engine, config))
			return error_set(error, SCOW_E_INVALID,
					 "network '%s': with '" CONFIG_PASTA "' there is no other, and no address to ask for", name);
		if (!str_eq(name, NETWORK_DEFAULT) || !endpoint_settings_are_default(settings))
			return error_hint(error,
					  error_set(error, SCOW_E_UNSUPPORTED,
						    "network '%s': a plain user has no networks of his own in this version", name),
					  "use '" CONFIG_PASTA "' for a way out and published ports, or 'none'");
	}
	return 0;
}

void pasta_done(struct pasta *pasta)
{
	str_done(&pasta->arguments);
}

static void add(struct str *arguments, const char *text)
{
	str_add_bytes(arguments, text, strlen(text) + 1);
}

static bool find_program(struct str *arguments)
{
	const char *path = getenv("PATH");
	char file[4096];

	for (const char *at = path && *path ? path : PATH_DEFAULT; *at; at += *at == ':') {
		size_t n = strcspn(at, ":");

		snprintf(file, sizeof(file), "%.*s/pasta", (int) n, at);
		if (*at == '/' && n + sizeof("/pasta") < sizeof(file) && access(file, X_OK) == 0) {
			add(arguments, file);
			return true;
		}
		at += n;
	}
	return false;
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

static int add_ports(const scow_container_config *config, struct str *arguments, scow_error **error)
{
	bool has[2] = { false, false };

	for (size_t i = 0; i < config->n_ports; i++) {
		const struct port_spec *port = &config->ports[i];
		bool udp = port->protocol == IPPROTO_UDP;
		char text[PORT_SPEC_TEXT], host[ADDRESS_TEXT];
		unsigned int number;

		if (!udp && port->protocol != IPPROTO_TCP)
			return error_set(error, SCOW_E_UNSUPPORTED, "port %s: a plain user's container can publish tcp and udp only",
					 port_format(port->protocol, port->port, text));
		number = free_port(port);
		if (!number)
			return error_set(error, SCOW_E_BUSY, "publish '%s': no port of the host is free", port_spec_format(port, text));
		snprintf(text, sizeof(text), "%s%s%u:%u", port->host.family ? address_format(&port->host, host) : "",
			 port->host.family ? "/" : "", number, port->port);
		add(arguments, udp ? "-u" : "-t");
		add(arguments, text);
		has[udp] = true;
	}
	for (size_t i = 0; i < 2; i++) {
		if (has[i])
			continue;
		add(arguments, i ? "-u" : "-t");
		add(arguments, "none");
	}
	return 0;
}

/* "pasta:--mtu,1400": as podman has it. */
static void add_options(const char *network, struct str *arguments)
{
	const char *at = strchr(network, ':');

	while (at && *++at) {
		size_t n = strcspn(at, ",");

		if (n) {
			str_add_bytes(arguments, at, n);
			str_add_char(arguments, 0);
		}
		at = at[n] ? at + n : NULL;
	}
}

int pasta_prepare(scow_container *container, const scow_container_config *config, struct pasta *out, scow_error **error)
{
	_cleanup_fd_ int tun = -1;
	int r;

	if (!pasta_is_wanted(container->engine, config))
		return 0;
	if (str_eq(config->namespaces[SCOW_NAMESPACE_PID], "host"))
		return error_set(error, SCOW_E_INVALID,
				 "conflicting options: the network '" CONFIG_PASTA
				 "', whose program would be seen, and the host's processes");
	if (!find_program(&out->arguments))
		return error_hint(error,
				  error_set(error, SCOW_E_UNSUPPORTED,
					    "the network '" CONFIG_PASTA "' needs the program pasta, which is not in PATH"),
				  "install passt, or use --network none");
	tun = open(TUN, O_RDWR | O_CLOEXEC);
	if (tun < 0)
		return error_hint(error,
				  error_errno_status(error, SCOW_E_UNSUPPORTED, errno, "open", "the network '" CONFIG_PASTA "' needs " TUN),
				  "let the user open it (usually its mode is 0666), or use --network none");
	add(&out->arguments, "--quiet");
	add(&out->arguments, "--config-net");
	add(&out->arguments, "--no-map-gw");
	add(&out->arguments, "-T");
	add(&out->arguments, "none");
	add(&out->arguments, "-U");
	add(&out->arguments, "none");
	r = add_ports(config, &out->arguments, error);
	if (r < 0)
		return r;
	add_options(first_network(config), &out->arguments);
	add(&out->arguments, "--netns-only");
	add(&out->arguments, "--netns");
	add(&out->arguments, WIRE_TETHER_NETNS);
	out->engine = container->engine;
	out->on = true;
	return out->arguments.failed ? error_oom(error) : 0;
}

int pasta_hand_over(const struct pasta *pasta, int dir_fd, scow_error **error)
{
	int r;

	(void) unlinkat(dir_fd, WIRE_TETHER_NAME, 0);
	if (!pasta->on)
		return 0;
	r = file_publish_at(dir_fd, WIRE_TETHER_NAME, pasta->arguments.data, pasta->arguments.size, 0600);
	return r < 0 ? error_errno(error, -r, "rename", "write down how the container's network is made") : 0;
}

static int try_to_start(const struct pasta *pasta, pid_t pid, scow_error **error)
{
	struct job_process process = { .cgroup_fd = -1, .n_fds = 5, .enters = true, .keep = JOB_ORPHAN };
	_cleanup_fd_ int pidfd = (int) syscall(SYS_pidfd_open, pid, 0), null = open("/dev/null", O_RDWR | O_CLOEXEC);
	_cleanup_job_ struct job job = { 0 };
	_cleanup_fd_ int netns = -1;
	char path[40], *args[128];
	struct wire_step *step;
	size_t n = 0;
	int r;

	if (pidfd < 0 || null < 0)
		return error_errno(error, errno, pidfd < 0 ? "pidfd_open" : "open", "start pasta");
	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	netns = open(path, O_RDONLY | O_CLOEXEC);
	if (netns < 0)
		return error_errno(error, errno, "open", "open the container's network namespace");
	for (char *at = pasta->arguments.data, *end = at + pasta->arguments.size; at < end && n < ARRAY_SIZE(args); at += strlen(at) + 1)
		args[n++] = at;
	if (n == ARRAY_SIZE(args))
		return error_set(error, SCOW_E_LIMIT, "too many ports and options for pasta");
	process.fds[0] = (struct spawn_fd){ pidfd, WIRE_FD_NS };
	process.fds[1] = (struct spawn_fd){ pidfd, WIRE_FD_NS + 1 };
	process.fds[2] = (struct spawn_fd){ null, 0 };
	process.fds[3] = (struct spawn_fd){ null, 1 };
	process.fds[4] = (struct spawn_fd){ netns, WIRE_FD_NS + 2 };
	step = job_step(&job, WIRE_JOIN, 0);
	step->number[0] = WIRE_FD_NS;
	step->number[1] = CLONE_NEWUSER;
	job_step(&job, WIRE_ENTER, 0)->number[0] = CLONE_NEWPID;
	step = job_step(&job, WIRE_TETHER, 0);
	step->number[0] = WIRE_FD_NS + 1;
	step->number[1] = WIRE_FD_NS + 2;
	job_vector(&job, step, 0, args, n, 0);
	r = job_run(pasta->engine, &job, &process, error);
	if (r < 0)
		return error_wrap(error, r, "connect the container to its network");
	close(process.pidfd);
	return 0;
}

int pasta_start(const struct pasta *pasta, pid_t pid, scow_error **error)
{
	scow_error *failure = NULL;
	int r = try_to_start(pasta, pid, &failure);

	/* That of a container which has just ended may have the ports for a moment. */
	for (unsigned int i = 0; i < WIRE_TETHER_TRIES && r < 0 && strstr(scow_error_message(failure), WIRE_TETHER_BIND); i++) {
		error_clear(&failure);
		poll(NULL, 0, WIRE_TETHER_NAP_MS);
		r = try_to_start(pasta, pid, &failure);
	}
	if (r < 0 && error)
		*error = take_ptr(&failure);
	scow_error_unref(failure);
	return r;
}
