/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which program makes a plain user's way out, its arguments, and how it is started. */
#include "network/uplink.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "engine/job.h"
#include "network/netlink.h"
#include "network/usernet.h"

#define TUN "/dev/net/tun"
#define PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin"
#define ARGUMENTS_MAX 128

void uplink_done(struct uplink *uplink)
{
	str_done(&uplink->arguments);
}

void uplink_add(struct uplink *uplink, const char *argument)
{
	str_add_bytes(&uplink->arguments, argument, strlen(argument) + 1);
}

static bool find_program(struct uplink *uplink, const char *name)
{
	const char *path = getenv("PATH");
	char file[4096];

	for (const char *at = path && *path ? path : PATH_DEFAULT; *at; at += *at == ':') {
		size_t n = strcspn(at, ":");

		if (*at == '/' && n + strlen(name) + 2 < sizeof(file)) {
			snprintf(file, sizeof(file), "%.*s/%s", (int) n, at, name);
			if (access(file, X_OK) == 0) {
				uplink_add(uplink, file);
				return true;
			}
		}
		at += n;
	}
	return false;
}

static void add_all(struct uplink *uplink, const char *const *arguments)
{
	for (; *arguments; arguments++)
		uplink_add(uplink, *arguments);
}

int uplink_choose(struct uplink *out, bool any, scow_error **error)
{
	/* Ports go one way only, and the host is not the gateway. */
	static const char *const pasta[] = { "--quiet", "--config-net", "--no-map-gw", "-T", "none", "-U", "none", NULL };
	static const char *const slirp[] = { "--configure",       "--mtu=65520",     "--disable-host-loopback",
					     "--netns-type=path", WIRE_TETHER_READY, NULL };
	_cleanup_fd_ int tun = -1;

	if (find_program(out, "pasta"))
		out->kind = UPLINK_PASTA;
	else if (any && find_program(out, "slirp4netns"))
		out->kind = UPLINK_SLIRP;
	else
		return error_hint(error,
				  error_set(error, SCOW_E_UNSUPPORTED, "a way out needs the program pasta%s, which is not in PATH",
					    any ? " or slirp4netns" : ""),
				  "install passt, or use --network usernet");
	tun = open(TUN, O_RDWR | O_CLOEXEC);
	if (tun < 0)
		return error_hint(error, error_errno_status(error, SCOW_E_UNSUPPORTED, errno, "open", "a way out needs " TUN),
				  "let the user open it (usually its mode is 0666), or use --network usernet");
	add_all(out, out->kind == UPLINK_PASTA ? pasta : slirp);
	return 0;
}

int uplink_is_possible(scow_error **error)
{
	struct uplink uplink = { .arguments = { 0 } };
	int r = uplink_choose(&uplink, true, error);

	uplink_done(&uplink);
	return r;
}

int uplink_finish(struct uplink *uplink, scow_error **error)
{
	static const char *const pasta[] = { "--netns-only", "--netns", WIRE_TETHER_NETNS, NULL };
	static const char *const slirp[] = { WIRE_TETHER_NETNS, "tap0", NULL };

	if (uplink->kind != UPLINK_USERNET)
		add_all(uplink, uplink->kind == UPLINK_PASTA ? pasta : slirp);
	return uplink->arguments.failed ? error_oom(error) : 0;
}

int uplink_start(scow_engine *engine, const struct uplink *uplink, const struct uplink_place *place, int *pidfd, scow_error **error)
{
	struct job_process process = { .cgroup_fd = -1, .n_fds = 5, .enters = true, .keep = JOB_ORPHAN };
	_cleanup_fd_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	_cleanup_job_ struct job job = { 0 };
	char *args[ARGUMENTS_MAX];
	struct wire_step *step;
	size_t n = 0;
	int r;

	if (uplink->kind == UPLINK_USERNET)
		return usernet_start(engine, uplink, place, pidfd, error);
	if (null < 0)
		return error_errno(error, errno, "open", "open /dev/null");
	for (char *at = uplink->arguments.data, *end = at + uplink->arguments.size; at < end && n < ARRAY_SIZE(args); at += strlen(at) + 1)
		args[n++] = at;
	if (n == ARRAY_SIZE(args))
		return error_set(error, SCOW_E_LIMIT, "too many ports and options for '%s'", args[0]);
	process.fds[0] = (struct spawn_fd){ place->user_fd, WIRE_FD_NS };
	process.fds[1] = (struct spawn_fd){ place->pidfd, WIRE_FD_NS + 1 };
	process.fds[2] = (struct spawn_fd){ null, 0 };
	process.fds[3] = (struct spawn_fd){ null, 1 };
	process.fds[4] = (struct spawn_fd){ place->network_fd, WIRE_FD_NS + 2 };
	step = job_step(&job, WIRE_JOIN, 0);
	step->number[0] = WIRE_FD_NS;
	step->number[1] = CLONE_NEWUSER;
	job_step(&job, WIRE_ENTER, 0)->number[0] = CLONE_NEWPID;
	step = job_step(&job, WIRE_TETHER, 0);
	step->number[0] = WIRE_FD_NS + 1;
	step->number[1] = WIRE_FD_NS + 2;
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

static int start_program(struct netns *ns, const struct uplink_place *place, int *pidfd)
{
	static const char *const no_ports[] = { "-t", "none", "-u", "none", NULL };
	struct uplink uplink = { .arguments = { 0 } };
	int r = uplink_choose(&uplink, true, NULL);

	if (r == 0 && uplink.kind == UPLINK_PASTA)
		add_all(&uplink, no_ports);
	if (r == 0)
		r = uplink_finish(&uplink, NULL);
	if (r == 0)
		r = uplink_start(ns->engine, &uplink, place, pidfd, NULL);
	uplink_done(&uplink);
	return r;
}

int uplink_start_shared(struct netns *ns, int *pidfd, scow_error **error)
{
	const struct uplink_place place = { ns->user_fd, ns->fd, ns->pidfd };
	struct uplink uplink = { .arguments = { 0 } };
	int r;

	/* scow-init's own first: through one more bridge the programs carry a twentieth of what it does. They are there if it cannot start.
	 */
	usernet_choose(&uplink);
	r = uplink_finish(&uplink, error);
	if (r == 0)
		r = uplink_start(ns->engine, &uplink, &place, pidfd, error);
	if (r < 0 && start_program(ns, &place, pidfd) == 0) {
		error_clear(error);
		r = 0;
	}
	uplink_done(&uplink);
	return r;
}
