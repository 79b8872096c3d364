/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How scow-init's own way out is started. It runs where the caller is, as the plain user that he is: only a child of it ever joins the
 * container's namespaces. So there is nobody to hide, and nothing to tie to anything but a pidfd.
 */
#include "network/usernet.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/job.h"

#define PORT_BYTES 48

void usernet_choose(struct uplink *out)
{
	out->kind = UPLINK_USERNET;
	uplink_add(out, WIRE_TETHER_USERNET);
}

void usernet_add_port(struct uplink *uplink, const struct port_spec *port, unsigned int number)
{
	unsigned char host[16] = { 0 };
	char text[PORT_BYTES];
	int n = 1;

	if (port->host.family == AF_INET) {
		host[10] = host[11] = 0xff;
		memcpy(host + 12, port->host.bytes, 4);
	} else if (port->host.family == AF_INET6) {
		memcpy(host, port->host.bytes, 16);
	}
	text[0] = port->protocol == IPPROTO_UDP ? 'u' : 't';
	for (size_t i = 0; i < sizeof(host); i++)
		n += snprintf(text + n, sizeof(text) - (size_t) n, "%02x", host[i]);
	snprintf(text + n, sizeof(text) - (size_t) n, "%04x%04x", number, port->port);
	uplink_add(uplink, text);
}

int usernet_start(scow_engine *engine, const struct uplink *uplink, const struct uplink_place *place, int *pidfd, scow_error **error)
{
	struct job_process process = { .cgroup_fd = -1, .n_fds = 3, .enters = true, .keep = JOB_ORPHAN };
	_cleanup_job_ struct job job = { 0 };
	char *args[USERNET_PORTS_MAX + 1];
	struct wire_step *step;
	size_t n = 0;
	int r;

	for (char *at = uplink->arguments.data, *end = at + uplink->arguments.size; at < end; at += strlen(at) + 1) {
		if (n == ARRAY_SIZE(args))
			return error_set(error, SCOW_E_LIMIT, "a plain user's container can publish %d ports at most", USERNET_PORTS_MAX);
		args[n++] = at;
	}
	process.fds[0] = (struct spawn_fd){ place->pidfd, WIRE_FD_NS };
	process.fds[1] = (struct spawn_fd){ place->network_fd, WIRE_FD_NS + 1 };
	process.fds[2] = (struct spawn_fd){ place->user_fd, WIRE_FD_NS + 2 };
	/* In the namespaces that it is in already: a child of a keeper that is nobody's. */
	job_step(&job, WIRE_ENTER, 0);
	step = job_step(&job, WIRE_TETHER, 0);
	for (unsigned int i = 0; i < process.n_fds; i++)
		step->number[i] = (uint64_t) WIRE_FD_NS + i;
	job_vector(&job, step, 0, args, n, 0);
	r = job_run(engine, &job, &process, error);
	if (r < 0)
		return r;
	if (pidfd)
		*pidfd = process.pidfd;
	else
		close(process.pidfd);
	return 0;
}
