/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A container that runs, seen from any process: what pause, stop, update, top and the like begin with.
 *
 * Its row may say that it runs a moment before its first process is recorded (a start is under way), and its program may do
 * something that others see in that moment. Who wants to act on the process waits for the record.
 */
#pragma once

#include "container/container.h"
#include "runtime/cgroup.h"

/* ---- live.c ---- */

/* Reads the row, and again while a start is under way: for two seconds, after which the row is as it is. */
int container_row_settled(scow_container *container, struct container_row *row, scow_error **error) _must_check_;
/* The same; SCOW_E_STATE where it does not run. @row->pid is its first process, but for one that waits to be restarted. */
int container_row_running(scow_container *container, struct container_row *row, scow_error **error) _must_check_;
/* SCOW_E_STATE: it does not run, in the row's words. */
int container_not_running(const scow_container *container, const struct container_row *row, scow_error **error);
/* Its cgroup; @location is the row's. */
int container_open_cgroup(scow_container *container, const char *location, struct cgroup **out, scow_error **error) _must_check_;
#define CONTAINER_LOCK_NAME 40
void container_lock_name(const scow_container *container, char out[CONTAINER_LOCK_NAME]);
/* Takes turns in changing a running one, between processes too. A descriptor for container_unlock(), or a status. */
int container_lock(scow_container *container, scow_error **error);
void container_unlock(scow_container *container, int fd);

/* ---- pause.c ---- */

/* If it is paused: lets it go on, so that it can act on a signal. */
void container_thaw(scow_container *container);

/* ---- wait.c ---- */

#define AWAIT_GONE 1

/* How a wait for the end goes on. */
struct await {
	scow_container *container;
	struct container_row row;
	int pidfd;            /* of PID 1, once known */
	bool ended;           /* PID 1 is dead */
	uint64_t deadline_us; /* 0: none */
	uint64_t ended_us;
	int nap_ms;
	int code; /* of the exit; -1 where nobody could tell */
};
#define AWAIT_INIT(c)                                                                                                                      \
	{                                                                                                                                  \
		.container = (c), .pidfd = -1                                                                                              \
	}
/*
 * Until the container does not run: 0 and await->code, AWAIT_GONE if it was removed meanwhile (with the code, if the journal has it, else
 * -1), or SCOW_E_TIMEOUT without an error.
 * @timeout_ms: -1 for ever.
 */
int await_end(struct await *await, int timeout_ms, scow_error **error) _must_check_;
void await_done(struct await *await);
#define _cleanup_await_ _cleanup_(await_done)
