/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Processes of scow-init that serve all programs which use an engine root, and are found by a socket there: the responder (names.h),
 * the holder of a plain user's networks (holder.h).
 *
 * 1. That somebody listens at the socket is all that says that there is one. Nobody removes that file: who finds it dead puts one of his
 *    own, on which he listens, in its place by rename, under a lock between processes. So two cannot both win.
 * 2. The new one listens before its process is born: nobody has to wait for it.
 */
#pragma once

#include "engine/engine.h"

struct service {
	const char *what;   /* "name server" */
	const char *socket; /* its file in ROOT */
	const char *lock;   /* work_lock()'s name */
	/* Makes the process, which serves @listener. */
	int (*start)(scow_engine *engine, int listener, scow_error **error);
};

/* A connection, or -errno: ECONNREFUSED and ENOENT where there is none. */
int service_try(scow_engine *engine, const struct service *service);
/* The same; it is started where there is none, and @started is true then. A descriptor or a status. */
int service_connect(scow_engine *engine, const struct service *service, bool *started, scow_error **error);
