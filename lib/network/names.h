/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The library's side of the responder (init/names.c), by which containers on networks of the user's find each other by name.
 *
 * There is one for each engine root, shared by all programs that use it: started by the first container that needs it, gone with the
 * last. A container's scow-init makes the two sockets that it is asked by, and hands them over on a connection that the library has made
 * (WIRE_NAMES); the responder sees the container end by itself. If all of the responder was killed, names_serve() makes a new one, and
 * new sockets in the containers' network namespaces.
 */
#pragma once

#include "base/str.h"
#include "network/network.h"
#include "network/resolv.h"

/* What the responder is told of a container: @resolv as merged for RESOLV_NAMES, @wish as the user said; @hostname: if he chose one, or NULL. */
int names_record(const struct attachment *attachment, const struct resolv *resolv, const struct resolv_wish *wish, const char *hostname,
		 struct str *out, scow_error **error) _must_check_;

/* The record, or (NULL) none, into ROOT/containers/ID: of one that a supervisor runs, which sends it for each run. */
int names_keep(const struct str *record, int dir_fd, scow_error **error) _must_check_;
bool names_are_kept(int dir_fd);

/* A connection to the responder, which is started where there is none: then @started is true, and it knows nobody. fd or a status. */
int names_connect(scow_engine *engine, bool *started, scow_error **error) _must_check_;

#define NAMES_LOST 1 /* whoever was to be told has gone, or does not know of the container: names_serve() is for that */

/* What came of a WIRE_NAMES that was sent on @fd: 0, NAMES_LOST, or SCOW_E_LIMIT (more containers than it can serve). @timeout_ms: -1 for ever. */
int names_confirm(int fd, int timeout_ms, scow_error **error);
/* Another record for a container that is served: it was renamed, or its networks changed. 0 or NAMES_LOST. */
int names_update(scow_engine *engine, const struct str *record, scow_error **error);
/* It has no network with names any more. Where there is no responder that is so already. */
int names_forget(scow_engine *engine, const char *id, scow_error **error);
/* 1 if there is a responder that serves @id, else 0. */
int names_are_served(scow_engine *engine, const char *id);
/* Sockets inside the running container whose PID 1 is @pidfd, and the responder. @user_ns: it is in a user namespace to be joined. */
int names_serve(scow_engine *engine, int pidfd, bool user_ns, const struct str *record, scow_error **error);
