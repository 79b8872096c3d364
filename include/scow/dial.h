/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sockets inside a container, for the program that holds its handle: no port is published, and nobody else on the host is involved.
 *
 * It works on every network, "none" included, and as a plain user. The descriptor is an ordinary socket, made in the container's
 * network namespace (a Unix path: by its root, at a path of its own); where it was made does not show in its use.
 *
 * Threads: any.
 */
#ifndef SCOW_DIAL_H
#define SCOW_DIAL_H

#include <scow/container.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * scow_container_dial() - a connection to something in a container that runs
 * @kind:       "tcp", "udp", "unix" (a stream)
 * @target:     "5432" and ":5432" (its loopback), "127.0.0.1:53", "[::1]:80", "localhost:80" (IPv4, then IPv6), or its own name or host
 * name in place of the address. Other names are not resolved. For "unix" an absolute path in it, or "@name" (abstract)
 * @timeout_ms: for the connection; -1 for ever; 0 does not wait: then the descriptor is non-blocking, and a TCP connection may still be
 *              under way, see connect(2)
 *
 * Returns: a connected descriptor, owned, close-on-exec, and blocking unless @timeout_ms is 0; or SCOW_E_NETWORK (nobody listens there;
 * no route), SCOW_E_TIMEOUT, SCOW_E_NOT_FOUND (a path that is not there; the container), SCOW_E_STATE (it does not run), SCOW_E_INVALID
 * (@kind, @target), SCOW_E_DENIED.  Since: 0.1.  See: connect(2).
 */
SCOW_API int scow_container_dial(scow_container *container, const char *kind, const char *target, int timeout_ms, scow_error **error);

/**
 * scow_container_listen() - a socket that the container's programs reach, and that this program serves
 * @kind:    as above
 * @address: as above; port 0 is any free one, which getsockname(2) tells. "0.0.0.0:80" also takes what comes from its networks. A path
 *           is made, for all users in the container, and is not removed again
 * @backlog: as for listen(2); nothing to "udp"
 *
 * It stays good as long as it is open; the container's end takes its programs, not the socket.
 *
 * Returns: a listening (udp: bound) descriptor, owned, close-on-exec and blocking; or SCOW_E_BUSY (the address is in use in it),
 * SCOW_E_NETWORK (the address is not one of its own), SCOW_E_NOT_FOUND (no such directory), SCOW_E_STATE, SCOW_E_INVALID, SCOW_E_DENIED.
 * Since: 0.1.  See: listen(2).
 */
SCOW_API int scow_container_listen(scow_container *container, const char *kind, const char *address, int backlog, scow_error **error);

#ifdef __cplusplus
}
#endif
#endif
