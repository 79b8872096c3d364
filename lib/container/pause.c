/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pause and unpause: the row says it first, then the cgroup does it, then the row says that it is done.
 *
 * Who dies in between leaves the mark `freezing` in the row and a lock that is free: the next reader does what is left to do. While the
 * lock is held, somebody is at it. It also keeps a pause and an unpause from meeting in the middle.
 */
#include <stdio.h>

#include "base/fault.h"
#include "container/event.h"
#include "container/live.h"
#include "container/sweep.h"
#include "store/lock.h"

/* Writes the state that follows @action; @event NULL: silently. */
static int record(scow_container *container, enum container_action action, const char *event, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	struct container_row row;
	int r = db_begin(container->engine->db, &work, error);

	if (r == 0)
		r = container_row_check(&work, container->id, action, &row, error);
	if (r == 0)
		r = db_exec(&work, error, "UPDATE containers SET state = ?, freezing = 1 WHERE id = ?", "it",
			    (int64_t) container_next_state(action), container->id);
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

/* Before the row says it: a plain user may have no cgroup for it. */
static int check(scow_container *container, const char *location, scow_error **error)
{
	_cleanup_(cgroup_freep) struct cgroup *cgroup = NULL;
	int r = container_open_cgroup(container, location, &cgroup, error);

	return r < 0 ? r : cgroup_can_freeze(cgroup, error);
}

/* The cgroup does what the row says; then nothing is left to do. */
static int settle(scow_container *container, const char *location, bool frozen, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	int r = freeze(container, location, frozen, error);

	FAULT_POINT("pause.frozen");
	if (r == 0)
		r = db_begin(container->engine->db, &work, error);
	if (r == 0)
		r = db_exec(&work, error, "UPDATE containers SET freezing = 0 WHERE id = ?", "t", container->id);
	return r < 0 ? r : db_commit(&work, error);
}

/* With the lock held: what a dead one had begun. */
static int mend(scow_container *container, scow_error **error)
{
	struct container_row row;
	int r = container_row_once(container->engine, container->id, &row, error);

	if (r < 0 || !row.freezing || !container_runs(row.state))
		return r;
	return settle(container, row.cgroup, row.state == SCOW_CONTAINER_PAUSED, error);
}

void container_mend_pause(scow_engine *engine, const char *id)
{
	_cleanup_(scow_container_unrefp) scow_container *container = NULL;
	char name[CONTAINER_LOCK_NAME];
	int fd;

	if (scow_container_get(engine, id, &container, NULL) < 0)
		return;
	container_lock_name(container, name);
	if (work_try_lock(engine, name, &fd, NULL) <= 0)
		return;
	/* One whose cgroup is gone is about to end. */
	(void) !mend(container, NULL);
	container_unlock(container, fd);
}

static int pause_locked(scow_container *container, scow_error **error)
{
	struct container_row row;
	int r = container_row_running(container, &row, error);

	if (r == 0 && !row.pid)
		r = container_not_running(container, &row, error);
	if (r == 0)
		r = check(container, row.cgroup, error);
	if (r == 0)
		r = record(container, ACTION_PAUSE, "pause", error);
	if (r < 0)
		return r;
	FAULT_POINT("pause.recorded");
	r = settle(container, row.cgroup, true, error);
	if (r < 0 && (record(container, ACTION_UNPAUSE, NULL, NULL) < 0 || settle(container, row.cgroup, false, NULL) < 0))
		engine_log(container->engine, SCOW_LOG_WARNING, "container %.12s: its failed pause is recorded as one", container->id);
	return r;
}

static int unpause_locked(scow_container *container, scow_error **error)
{
	struct container_row row;
	int r = container_row_read(container->engine, container->id, &row, error);

	if (r == 0)
		r = record(container, ACTION_UNPAUSE, "unpause", error);
	if (r < 0)
		return r;
	FAULT_POINT("unpause.recorded");
	return settle(container, row.cgroup, false, error);
}

static int locked(scow_container *container, int (*act)(scow_container *container, scow_error **error), scow_error **error)
{
	int lock, r = container_check(container, error);

	if (r < 0)
		return r;
	lock = container_lock(container, error);
	if (lock < 0)
		return lock;
	r = mend(container, error);
	if (r == 0)
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
