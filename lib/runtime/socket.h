/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A socket that was made in the namespaces of a process that runs. */
#pragma once

#include <sys/socket.h>

#include "engine/engine.h"
#include "init/wire.h"

struct inside_socket {
	int family, type, protocol; /* @type with SOCK_NONBLOCK, if wanted */
	bool in_root;               /* in its mount namespace, not its network's: for a path */
	enum wire_socket action;
	const void *address; /* of the action */
	socklen_t address_size;
	int backlog;
};

/*
 * @pid: a process that the caller proves to be the right one after this call (a pidfd), or whose namespaces it does not mind. Where we
 * are in that namespace ourselves no process is needed. Returns a descriptor, or a status; @errnum: of a failed action, else 0.
 */
int socket_inside(scow_engine *engine, pid_t pid, const struct inside_socket *socket, int *errnum, scow_error **error);
