/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What containers put into the journal (store/journal.h): Docker's names, and as attributes the container's labels, image and name. */
#pragma once

#include <scow/container.h>

#include "engine/engine.h"
#include "runtime/process.h"
#include "store/db.h"

/*
 * Notes in @work, a transaction, what happened to @id, whose row must be there still ("destroy" comes before the DELETE); without a
 * row there is no event. @extra: more attributes: name, value, ..., NULL; may be NULL.
 */
int container_event(struct db_work *work, const char *id, const char *action, const char *const *extra, scow_error **error) _must_check_;
/*
 * "oom" if there was one, and "die" with the exit code and the seconds that it ran. Comes before the row says that it ended: one that
 * does not run does not die, and so nobody dies twice. @time: when, ns, of what a supervisor has done and is noted later; 0: now.
 */
int container_event_die(struct db_work *work, const char *id, const struct process_exit *exit, int64_t time,
			scow_error **error) _must_check_;
int container_event_start_at(struct db_work *work, const char *id, int64_t time, scow_error **error) _must_check_;
/*
 * Sends a signal and notes "kill", under the store's lock: the journal has the signal before the death by it. 0 or -errno of the
 * sending; that an event is not noted is logged only.
 */
int container_event_kill(scow_engine *engine, const char *id, int pidfd, int signal);
/* A transaction for one event. What was done is done: a failure is logged only. */
void container_announce(scow_engine *engine, const char *id, const char *action, const char *const *extra);
/* The same for the new size of its terminal. */
void container_announce_resize(scow_container *container, unsigned int rows, unsigned int columns);
/* The same for a program that exec put into it: "exec_create" and "exec_start"; @exec_id is what "exec_die" will name, too. */
void container_announce_exec(scow_engine *engine, const char *id, const char *exec_id, char *const *args);
