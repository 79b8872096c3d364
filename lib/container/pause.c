/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pause and unpause: the row says it first, then the cgroup does it.
 *
 * Who dies in between leaves a row that says "paused" over processes that run, or the reverse for unpausing; the next unpause,
 * stop or removal mends both, for each of them thaws. A lock keeps a pause and an unpause from meeting in the middle.
 */
#include "base/fault.h"
#include "container/event.h"
#include "container/live.h"

/* Writes the state that follows @action; @event NULL: silently. */
static int record(scow_container *container, enum container_action action, const char *event, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	struct container_row row;
	int r = db_begin(container->engine->db, &work, error);

	if (r == 0)
		r = container_row_check(&work, container->id, action, &row, error);
	if (r == 0)
		r = db_exec(&work, error, "UPDATE containers SET state = ? WHERE id = ?", "it", (int64_t) container_next_state(action),
			    container->id);
	if (r > 0 && event)
		r = container_event(&work, container->id, event, NULL, error);
	return r < 0 ? r : db_commit(&work, error);
}

static int freeze(scow_container *container, const char *location, bool frozen, scow_error **error)
{
	_cleanup_(cgroup_freep) struct cgroup *cgroup = NULL;
	int r = container_open_cgroup(container, location, &cgroup, error);

	return r < 0 ? r : cgroup_freeze(cgroup, frozen, error);
}

static int pause_locked(scow_container *container, scow_error **error)
{
	struct container_row row;
	int r = container_row_running(container, &row, error);

	if (r == 0 && !row.pid)
		r = container_not_running(container, &row, error);
	if (r == 0)
		r = record(container, ACTION_PAUSE, "pause", error);
	if (r < 0)
		return r;
	FAULT_POINT("pause.recorded");
	r = freeze(container, row.cgroup, true, error);
	FAULT_POINT("pause.frozen");
	if (r < 0 && record(container, ACTION_UNPAUSE, NULL, NULL) < 0)
		engine_log(container->engine, SCOW_LOG_WARNING, "container %.12s: its failed pause is recorded as one", container->id);
	return r;
}

static int unpause_locked(scow_container *container, scow_error **error)
{
	struct container_row row;
	int r = container_row_read(container->engine, container->id, &row, error);

	if (r == 0)
		r = record(container, ACTION_UNPAUSE, "unpause", error);
	FAULT_POINT("unpause.recorded");
	return r < 0 ? r : freeze(container, row.cgroup, false, error);
}

static int locked(scow_container *container, int (*act)(scow_container *container, scow_error **error), scow_error **error)
{
	int lock, r = container_check(container, error);

	if (r < 0)
		return r;
	lock = container_lock(container, error);
	if (lock < 0)
		return lock;
	r = act(container, error);
	FAULT_POINT("pause.done");
	container_unlock(container, lock);
	return r;
}

int scow_container_pause(scow_container *container, scow_error **error)
{
	int r = locked(container, pause_locked, error);

	return r < 0 && container ? error_wrap(error, r, "pause container '%s'", container->name) : r;
}

int scow_container_unpause(scow_container *container, scow_error **error)
{
	int r = locked(container, unpause_locked, error);

	return r < 0 && container ? error_wrap(error, r, "unpause container '%s'", container->name) : r;
}

void container_thaw(scow_container *container)
{
	struct container_row row;

	if (container_row_read(container->engine, container->id, &row, NULL) == 0 && row.state == SCOW_CONTAINER_PAUSED)
		(void) locked(container, unpause_locked, NULL);
}
