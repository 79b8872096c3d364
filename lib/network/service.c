/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding and starting a process that is found by a socket in the root: service.h has the rules. */
#include "network/service.h"

#include <stdio.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "store/lock.h"

#define BACKLOG 128

static socklen_t address_of(int dir_fd, const char *name, struct sockaddr_un *out)
{
	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	/* The directory's own path may be longer than an address can be. */
	snprintf(out->sun_path, sizeof(out->sun_path), "/proc/self/fd/%d/%s", dir_fd, name);
	return sizeof(*out);
}

int service_try(scow_engine *engine, const struct service *service)
{
	/* For one that is there, and takes no connections or does not answer: stopped, or frozen. */
	static const struct timeval patience = { .tv_sec = 5 };
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	socklen_t size = address_of(engine->root_fd, service->socket, &address);
	int r;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return -errno;
	while ((r = connect(fd, (struct sockaddr *) &address, size)) < 0 && errno == EINTR)
		;
	return r < 0 ? -errno : take_fd(&fd);
}

static int listen_as(scow_engine *engine, const struct service *service, const char *name, scow_error **error)
{
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;
	socklen_t size = address_of(engine->tmp_fd, name, &address);

	if (fd < 0)
		return error_errno(error, errno, "socket", "open a socket for the %s", service->what);
	if (bind(fd, (struct sockaddr *) &address, size) < 0)
		return error_errno(error, errno, "bind", "make '%s/tmp/%s'", engine->root, name);
	/* Until it listens nobody can connect to it, whatever its mode. */
	if (fchmodat(engine->tmp_fd, name, 0600, 0) < 0 || listen(fd, BACKLOG) < 0)
		return error_errno(error, errno, "listen", "listen on '%s/tmp/%s'", engine->root, name);
	if (renameat(engine->tmp_fd, name, engine->root_fd, service->socket) < 0)
		return error_errno(error, errno, "rename", "make '%s/%s'", engine->root, service->socket);
	return take_fd(&fd);
}

static int start(scow_engine *engine, const struct service *service, scow_error **error)
{
	_cleanup_fd_ int listener = -1;
	uint64_t number = 0;
	char name[32];

	(void) !getrandom(&number, sizeof(number), 0);
	snprintf(name, sizeof(name), "listen-%016llx", (unsigned long long) number);
	listener = listen_as(engine, service, name, error);
	if (listener < 0) {
		unlinkat(engine->tmp_fd, name, 0);
		return listener;
	}
	return service->start(engine, listener, error);
}

int service_connect(scow_engine *engine, const struct service *service, bool *started, scow_error **error)
{
	int lock, r, fd = service_try(engine, service);

	*started = false;
	if (fd >= 0)
		return fd;
	lock = work_lock(engine, service->lock, NULL, error);
	if (lock < 0)
		return lock;
	fd = service_try(engine, service);
	if (fd == -ECONNREFUSED || fd == -ENOENT) {
		r = start(engine, service, error);
		if (r < 0) {
			work_unlock(engine, service->lock, lock);
			return error_wrap(error, r, "start the %s of '%s'", service->what, engine->root);
		}
		*started = true;
		fd = service_try(engine, service);
	}
	work_unlock(engine, service->lock, lock);
	if (fd < 0)
		return error_errno(error, -fd, "connect", "reach the %s at '%s/%s'", service->what, engine->root, service->socket);
	return fd;
}
