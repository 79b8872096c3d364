/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The owner's side of the guard: starting it before the first owned container, handing pidfds over.
 * What has been sent is in the guard's socket, and it reads that before it looks whether we are alive: so a container that
 * guard_add has returned for cannot be missed.
 */
#include "engine/guard.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/spawn.h"
#include "engine/helper.h"
#include "init/wire.h"

static int start(scow_engine *engine, int *socket, int *pidfd, scow_error **error)
{
	char name[] = "scow-init", mode[] = WIRE_MODE_GUARD;
	char *argv[] = { name, mode, NULL };
	int pair[2], r, helper = engine_helper(engine, error);
	_cleanup_fd_ int ours = -1, theirs = -1;
	struct spawn_fd fd = { .target = WIRE_FD_SOCKET };
	struct spawn spawn = { .exec_fd = helper, .argv = argv, .fds = &fd, .n_fds = 1, .cgroup_fd = -1 };
	pid_t pid;

	if (helper < 0)
		return helper;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(error, errno, "socketpair", "open a socket for the guard");
	ours = pair[0];
	fd.fd = theirs = pair[1];
	r = spawn_process(&spawn, &pid, pidfd, error);
	if (r < 0)
		return error_wrap(error, r, "start the guard of owned containers");
	*socket = take_fd(&ours);
	return 0;
}

/* Borrowed. Two threads may both start one; then the second is sent home. */
static int guard_socket(scow_engine *engine, scow_error **error)
{
	int fd, pidfd, r;

	pthread_mutex_lock(&engine->lock);
	fd = engine->guard_fd;
	pthread_mutex_unlock(&engine->lock);
	if (fd >= 0)
		return fd;
	r = start(engine, &fd, &pidfd, error);
	if (r < 0)
		return r;
	pthread_mutex_lock(&engine->lock);
	if (engine->guard_fd < 0) {
		engine->guard_fd = fd;
		engine->guard_pidfd = pidfd;
		fd = pidfd = -1;
	}
	r = engine->guard_fd;
	pthread_mutex_unlock(&engine->lock);
	if (fd >= 0) {
		close(fd);
		spawn_wait(pidfd, NULL, NULL);
		close(pidfd);
	}
	return r;
}

static int send_request(int socket, const struct wire_guard *request, const int *fds, size_t n_fds)
{
	struct iovec part = { (void *) (uintptr_t) request, sizeof(*request) };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control = { .header = { .cmsg_len = CMSG_LEN(n_fds * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	ssize_t n;

	if (n_fds) {
		memcpy(CMSG_DATA(&control.header), fds, n_fds * sizeof(int));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
	}
	while ((n = sendmsg(socket, &message, MSG_NOSIGNAL)) < 0 && errno == EINTR)
		;
	return n < 0 ? -errno : 0;
}

int guard_add(scow_engine *engine, uint64_t key, int pidfd, const struct guard_tree *tree, scow_error **error)
{
	const int fds[] = { pidfd, tree ? tree->fd : -1 };
	struct wire_guard request = { .key = key, .add = 1 };
	int r, socket = guard_socket(engine, error);

	if (socket < 0)
		return socket;
	if (tree)
		request.tree = tree->lists ? WIRE_TREE_PROCS : WIRE_TREE_KILL;
	r = send_request(socket, &request, fds, tree ? 2 : 1);
	if (r < 0)
		return error_hint(error, error_errno(error, -r, "sendmsg", "hand the container to its guard"),
				  "the guard (scow-init guard) must not be killed while containers are owned");
	return 0;
}

void guard_drop(scow_engine *engine, uint64_t key)
{
	struct wire_guard request = { .key = key };
	int fd;

	pthread_mutex_lock(&engine->lock);
	fd = engine->guard_fd;
	pthread_mutex_unlock(&engine->lock);
	if (fd >= 0)
		(void) send_request(fd, &request, NULL, 0);
}

void guard_dismiss(scow_engine *engine)
{
	if (engine->guard_fd >= 0)
		close(take_fd(&engine->guard_fd));
}

void guard_reap(scow_engine *engine)
{
	if (engine->guard_pidfd < 0)
		return;
	spawn_wait(engine->guard_pidfd, NULL, NULL);
	close(take_fd(&engine->guard_pidfd));
}
