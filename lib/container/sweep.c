/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Containers that a dead process left: whoever had started, run or begun to remove them.
 *
 * 1. Only rows with an owner can be left so, and the owner's lock tells whether it is alive. With none dead this is one
 *    query of an index.
 * 2. A row is taken over by making oneself its owner, in a transaction that finds the dead one still there: of two
 *    that sweep at once one does it, and if that one dies, too, the next finds it.
 * 3. The guard has killed the processes (engine/guard.h); that is made sure of here, for it might have been killed with us.
 */
#include "container/sweep.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fault.h"
#include "base/fd.h"
#include "container/live.h"
#include "container/detached.h"
#include "container/event.h"
#include "engine/strays.h"
#include "container/hooks.h"
#include "container/published.h"
#include "container/volumes.h"
#include "store/lock.h"

#define CODE_KILLED (128 + SIGKILL)
#define DEATH_WAIT_MS 5000

static const struct process_exit killed = { .code = CODE_KILLED, .signal = SIGKILL };

struct names {
	char **items;
	size_t count;
};

#define FREEZING "" /* for list() */

/* Owners of rows, or (@owner) the rows of one, or FREEZING: those with a pause under way. */
static int list(scow_engine *engine, const char *owner, struct arena *arena, struct names *out, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *s;
	int r;

	db_lock(engine->db, &work);
	if (owner && !*owner)
		r = db_query(&work, &s, error, "SELECT id FROM containers WHERE freezing = 1", "");
	else if (owner)
		r = db_query(&work, &s, error, "SELECT id FROM containers WHERE owner = ?", "t", owner);
	else
		r = db_query(&work, &s, error, "SELECT DISTINCT owner FROM containers WHERE owner IS NOT NULL", "");
	for (; r > 0; r = db_step(&work, s, error)) {
		char **item = arena_append(arena, &out->items, &out->count, sizeof(*out->items));

		if (!item || !(*item = arena_strdup(arena, db_text(s, 0))))
			return error_oom(error);
	}
	return r;
}

/* 1: it is ours now, 0: somebody else was quicker. */
static int take_over(scow_engine *engine, const char *id, const char *dead, struct container_row *row, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *s;
	int r, taken;

	r = db_begin(engine->db, &work, error);
	if (r < 0)
		return r;
	taken = db_exec(&work, error, "UPDATE containers SET owner = ? WHERE id = ? AND owner = ?", "ttt", engine->owner_id, id, dead);
	if (taken <= 0)
		return taken;
	r = db_query(&work, &s, error,
		     "SELECT state, pid, pid_start, boot_id, cgroup, ephemeral, started, freezing FROM containers WHERE id = ?", "t", id);
	if (r <= 0)
		return r;
	*row = (struct container_row){
		.state = (int) db_int(s, 0),
		.pid = (pid_t) db_int(s, 1),
		.pid_start = db_int(s, 2),
		.ephemeral = db_int(s, 5) != 0,
		.started = db_int(s, 6),
		.freezing = db_int(s, 7) != 0,
	};
	strncpy(row->boot_id, db_text(s, 3), sizeof(row->boot_id) - 1);
	strncpy(row->cgroup, db_text(s, 4), sizeof(row->cgroup) - 1);
	r = db_commit(&work, error);
	return r < 0 ? r : 1;
}

void container_kill_left(scow_engine *engine, const struct container_row *row)
{
	_cleanup_fd_ int pidfd = container_pidfd(engine, row);
	struct pollfd fds = { .fd = pidfd, .events = POLLIN };

	if (pidfd < 0)
		return;
	syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	poll(&fds, 1, DEATH_WAIT_MS);
}

void container_clear_cgroup(scow_engine *engine, const char *id, const char *location)
{
	_cleanup_(scow_container_unrefp) scow_container *container = NULL;
	_cleanup_(cgroup_freep) struct cgroup *cgroup = NULL;

	if (!*location || scow_container_get(engine, id, &container, NULL) < 0 ||
	    container_open_cgroup(container, location, &cgroup, NULL) < 0)
		return;
	cgroup_kill(cgroup, NULL);
	cgroup_remove(cgroup, NULL);
}

static int put_to_rest(scow_engine *engine, const char *id, const struct container_row *row, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	bool ran = container_runs(row->state) && row->pid;
	int state = row->state;
	int r;

	if (container_runs(state))
		state = container_next_state(ran || row->started ? ACTION_EXIT : ACTION_FAIL);
	r = db_begin(engine->db, &work, error);
	if (r == 0)
		r = container_leave(&work, engine, id, ran, ran ? &killed : NULL, error);
	if (r < 0)
		return r;
	if (ran)
		r = db_exec(
			&work, error,
			"UPDATE containers SET state = ?, owner = NULL, pid = 0, exit_code = ?, exit_signal = ?, finished = ? WHERE id = ?",
			"iiiit", (int64_t) state, (int64_t) CODE_KILLED, (int64_t) SIGKILL, now_ns(), id);
	else
		r = db_exec(&work, error, "UPDATE containers SET state = ?, owner = NULL, pid = 0 WHERE id = ?", "it", (int64_t) state, id);
	if (r >= 0)
		r = db_commit(&work, error);
	if (r == 0)
		volume_drivers_unmount(engine, id);
	return r;
}

int container_sweep_one(scow_engine *engine, const char *id, const char *dead, scow_error **error)
{
	struct container_row row;
	int r;

	if (detached_is_owner(dead))
		return detached_sweep(engine, id, dead, error);
	r = owner_register(engine, error);
	if (r == 0)
		r = take_over(engine, id, dead, &row, error);
	if (r <= 0)
		return r;
	FAULT_POINT("sweep.taken");
	if (container_runs(row.state)) {
		/* What is frozen does not die of a signal alone (v1): its cgroup is killed and thawed first. */
		if (row.state == SCOW_CONTAINER_PAUSED || row.freezing)
			container_clear_cgroup(engine, id, row.cgroup);
		container_kill_left(engine, &row);
		container_clear_cgroup(engine, id, row.cgroup);
		hooks_poststop_of(engine, id);
	}
	FAULT_POINT("sweep.cleared");
	if (row.ephemeral || row.state == SCOW_CONTAINER_REMOVING)
		return container_erase(engine, id, &killed, error);
	return put_to_rest(engine, id, &row, error);
}

static int sweep_owner(scow_engine *engine, const char *dead, struct arena *arena, scow_error **error)
{
	struct names rows = { 0 };
	int r = list(engine, dead, arena, &rows, error);

	for (size_t i = 0; i < rows.count && r == 0; i++) {
		scow_error *failure = NULL;

		/* One whose files cannot be deleted must not keep the engine from opening. */
		if (container_sweep_one(engine, rows.items[i], dead, &failure) < 0)
			engine_log(engine, SCOW_LOG_WARNING, "container %.12s, left by a dead process, is not cleared away: %s",
				   rows.items[i], scow_error_message(failure));
		scow_error_unref(failure);
	}
	return r;
}

int container_sweep(scow_engine *engine, scow_error **error)
{
	_cleanup_arena_ struct arena arena = { 0 };
	struct names owners = { 0 }, freezing = { 0 };
	int r = list(engine, NULL, &arena, &owners, error);

	strays_reap(engine);

	for (size_t i = 0; i < owners.count && r == 0; i++)
		if (strcmp(owners.items[i], engine->owner_id) != 0 && owner_alive(engine, owners.items[i]) == 0)
			r = sweep_owner(engine, owners.items[i], &arena, error);
	if (r == 0)
		r = list(engine, FREEZING, &arena, &freezing, error);
	for (size_t i = 0; i < freezing.count && r == 0; i++)
		container_mend_pause(engine, freezing.items[i]);
	return r < 0 ? error_wrap(error, r, "sweep containers of dead processes") : 0;
}
