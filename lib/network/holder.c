/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starting the holder of a plain user's networks, and talking to it. */
#include "network/holder.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/spawn.h"
#include "engine/job.h"
#include "init/holder-wire.h"
#include "network/service.h"
#include "network/uplink.h"
#include "store/lock.h"

#define TRIES 8

static int start_holder(scow_engine *engine, int listener, scow_error **error)
{
	struct job_process process = { .clone_flags = CLONE_NEWUSER | CLONE_NEWNET, .cgroup_fd = -1, .n_fds = 1 };
	_cleanup_job_ struct job job = { 0 };
	int r;

	process.fds[0] = (struct spawn_fd){ listener, WIRE_FD_DIR };
	job_step(&job, WIRE_LOOPBACK, 0);
	job_step(&job, WIRE_HOLDER, 0)->number[0] = WIRE_FD_DIR;
	r = job_run(engine, &job, &process, error);
	if (r < 0)
		return r;
	r = spawn_wait(process.pidfd, NULL, error);
	close(process.pidfd);
	return r;
}

static const struct service service = {
	.what = "holder of the networks", .socket = WIRE_HOLDER_SOCKET_NAME, .lock = "networks", .start = start_holder
};

/* @sent: @n_sent that go along. @fds: WIRE_HOLDER_FDS, -1 where none came; or NULL. 0 or -errno; what the answer says is in it. */
static int ask(int socket, const struct wire_holder_request *request, const int *sent, size_t n_sent, struct wire_holder_answer *answer,
	       int *fds)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(WIRE_HOLDER_FDS * sizeof(int))];
	} control = { .header = { CMSG_LEN(n_sent * sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct iovec part = { (void *) request, sizeof(*request) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	ssize_t n;

	if (n_sent) {
		memcpy(CMSG_DATA(&control.header), sent, n_sent * sizeof(int));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(n_sent * sizeof(int));
	}
	while ((n = sendmsg(socket, &message, MSG_NOSIGNAL)) < 0 && errno == EINTR)
		;
	if (n < 0)
		return -errno;
	part = (struct iovec){ answer, sizeof(*answer) };
	message.msg_control = &control;
	message.msg_controllen = sizeof(control);
	while ((n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
		;
	if (n != (ssize_t) sizeof(*answer) || answer->magic != WIRE_HOLDER_MAGIC)
		return n < 0 ? -errno : -EPIPE;
	if (fds && message.msg_controllen >= CMSG_LEN(sizeof(int)) && control.header.cmsg_type == SCM_RIGHTS)
		memcpy(fds, CMSG_DATA(&control.header), control.header.cmsg_len - CMSG_LEN(0));
	return 0;
}

/* 0 or -errno. Everything that came is @out's. */
static int join(int socket, struct netns *out)
{
	const struct wire_holder_request request = { .magic = WIRE_HOLDER_MAGIC, .op = WIRE_HOLDER_JOIN };
	int fds[WIRE_HOLDER_FDS] = { -1, -1, -1, -1, -1 };
	struct wire_holder_answer answer = { .error = 0 };
	int r = ask(socket, &request, NULL, 0, &answer, fds);

	out->hold_fd = socket;
	out->user_fd = fds[WIRE_HOLDER_USER];
	out->fd = fds[WIRE_HOLDER_NETWORK];
	out->pidfd = fds[WIRE_HOLDER_PIDFD];
	out->route_fd = fds[WIRE_HOLDER_ROUTE];
	out->filter_fd = fds[WIRE_HOLDER_FILTER];
	out->has_uplink = answer.uplink;
	if (r == 0 && answer.error)
		r = -answer.error;
	return r == 0 && out->route_fd < 0 ? -EMFILE : r;
}

int holder_open(scow_engine *engine, bool start, struct netns *out, scow_error **error)
{
	bool started;
	int r = 0;

	/* One that is just ending takes a connection, and says nothing. */
	for (unsigned int i = 0; i < TRIES; i++) {
		int fd = start ? service_connect(engine, &service, &started, error) : service_try(engine, &service);

		if (fd < 0)
			return start ? fd : 0;
		out->engine = engine;
		r = join(fd, out);
		if (r == 0)
			return 1;
		netns_close(out);
		if (r != -EPIPE && r != -ECONNRESET)
			break;
	}
	if (!start)
		return 0;
	return error_errno(error, -r, "recvmsg", "reach the holder of the networks of '%s'", engine->root);
}

int holder_sysctl(struct netns *ns, const char *name, const char *value)
{
	struct wire_holder_request request = { .magic = WIRE_HOLDER_MAGIC, .op = WIRE_HOLDER_SYSCTL };
	struct wire_holder_answer answer;
	int r;

	snprintf(request.name, sizeof(request.name), "%s", name);
	snprintf(request.value, sizeof(request.value), "%s", value);
	r = ask(ns->hold_fd, &request, NULL, 0, &answer, NULL);
	return r < 0 ? r : -answer.error;
}

bool holder_sysctl_is(struct netns *ns, const char *name, const char *value)
{
	struct wire_holder_request request = { .magic = WIRE_HOLDER_MAGIC, .op = WIRE_HOLDER_ASK };
	struct wire_holder_answer answer;

	snprintf(request.name, sizeof(request.name), "%s", name);
	if (ask(ns->hold_fd, &request, NULL, 0, &answer, NULL) < 0 || answer.error)
		return false;
	answer.value[WIRE_HOLDER_TEXT - 1] = 0;
	answer.value[strcspn(answer.value, "\n")] = 0;
	return strcmp(answer.value, value) == 0;
}

/* Others may have been quicker. */
static int start_uplink(struct netns *ns, scow_error **error)
{
	struct wire_holder_request request = { .magic = WIRE_HOLDER_MAGIC, .op = WIRE_HOLDER_ASK };
	struct wire_holder_answer answer;
	_cleanup_fd_ int pidfd = -1;
	int r = ask(ns->hold_fd, &request, NULL, 0, &answer, NULL);

	if (r == 0 && answer.uplink)
		return 0;
	if (r == 0) {
		r = uplink_start_shared(ns, &pidfd, error);
		if (r < 0)
			return r;
		request.op = WIRE_HOLDER_UPLINK;
		r = ask(ns->hold_fd, &request, &pidfd, 1, &answer, NULL);
	}
	if (r == 0)
		r = -answer.error;
	return r < 0 ? error_errno(error, -r, "sendmsg", "tell the holder of the networks of its way out") : 0;
}

int holder_uplink(struct netns *ns, scow_error **error)
{
	int lock, r;

	if (ns->has_uplink)
		return 0;
	lock = work_lock(ns->engine, "uplink", NULL, error);
	if (lock < 0)
		return lock;
	r = start_uplink(ns, error);
	work_unlock(ns->engine, "uplink", lock);
	ns->has_uplink = r == 0;
	return r;
}

int holder_publish(struct netns *ns, const struct port_binding *binding, int socket, int life, scow_error **error)
{
	struct wire_holder_request request = {
		.magic = WIRE_HOLDER_MAGIC,
		.op = WIRE_HOLDER_PORT,
		.protocol = (uint32_t) binding->protocol,
		.port = binding->port,
		.family = (uint32_t) binding->target.family,
	};
	struct wire_holder_answer answer;
	char text[PORT_TEXT];
	int r;

	memcpy(request.address, binding->target.bytes, sizeof(request.address));
	r = ask(ns->hold_fd, &request, (int[]){ socket, life }, 2, &answer, NULL);
	if (r == 0)
		r = -answer.error;
	if (r == -EOVERFLOW)
		return error_set(error, SCOW_E_LIMIT, "as many ports are published as one user's networks can have");
	return r < 0 ? error_errno(error, -r, "listen", "publish port %s", port_format(binding->protocol, binding->host_port, text)) : 0;
}
