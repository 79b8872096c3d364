/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Containers that have a supervisor.
 *
 * 1. Their owner is their supervisor: an owner's name that begins with DETACHED_MARK. It holds the owner's lock; it has no database.
 * 2. What it knows is in ROOT/containers/ID/state. Rows in a running state are read together with that file.
 * 3. Once it has written that all is over, or is dead, the next reader brings the row to rest: detached_sweep(). An ephemeral one
 *    is removed then, by whoever waits for it, lists, or opens the store.
 */
#pragma once

#include "container/container.h"
#include "runtime/supervisor.h"

#define DETACHED_MARK 's' /* no hexadecimal digit */

bool detached_is_owner(const char *owner);
static inline bool detached_is(const struct container_row *row)
{
	return detached_is_owner(row->owner);
}
/* Reads into a running @row what its supervisor has written. true: that it is over. */
bool detached_look(scow_engine *engine, const char *id, struct container_row *row);
/* The same; true, too, where the supervisor is dead. */
bool detached_ended(scow_engine *engine, const char *id, struct container_row *row);
/* Writes the events of runs that ended and began since somebody last did: supervisors cannot. */
int detached_note_runs(scow_engine *engine, scow_error **error) _must_check_;
/* The same for one, whose supervisor has written @state. */
int detached_note_run(scow_engine *engine, const char *id, const char *owner, const struct wire_state *state, scow_error **error)
	_must_check_;
int detached_sweep(scow_engine *engine, const char *id, const char *owner, scow_error **error) _must_check_;
/* Tells the supervisor that the next end is the last, whatever its restart policy. Nothing where there is none. */
void detached_stopping(scow_container *container, const struct container_row *row);
/* A pidfd whose end is the end of all runs: the supervisor's, or for one without container_pidfd(). */
int detached_end_pidfd(scow_engine *engine, const struct container_row *row);
/* The exit code that it has written down; -1 for none. */
int detached_code(scow_engine *engine, const char *id, const struct container_row *row);
