/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Starting containers detached, and telling from what their supervisors wrote how they are.
 *
 * 1. The row has the supervisor as its owner from the claim on, while we hold its lock: if we die before the supervisor is there, the
 *    lock goes and the row is swept; if after, the lock is held and nothing is lost.
 * 2. Nobody takes over such a row to sweep it: killing and clearing twice does no harm, and the last transaction asks whether the
 *    owner is still the same.
 */
#include "container/detached.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "container/event.h"
#include "container/live.h"
#include "container/sweep.h"
#include "store/lock.h"

#define CODE_KILLED (128 + SIGKILL)

bool detached_is_owner(const char *owner)
{
	return owner[0] == DETACHED_MARK;
}

static void merge(struct container_row *row, const struct wire_state *state)
{
	row->pid = state->run_state == WIRE_RUN_RUNNING ? state->pid : 0;
	row->pid_start = (int64_t) state->pid_start;
	row->supervisor = state->supervisor_pid;
	row->supervisor_start = (int64_t) state->supervisor_start;
	row->started = state->started;
	row->restarts = state->restart_count;
	if (state->finished) {
		row->finished = state->finished;
		row->exit_code = state->exit_code;
		row->exit_signal = state->exit_signal;
		row->oom_killed = state->oom_kills > 0;
	}
	if (state->run_state == WIRE_RUN_RESTARTING)
		row->state = SCOW_CONTAINER_RESTARTING;
}

bool detached_ended(scow_engine *engine, const char *id, struct container_row *row)
{
	struct wire_state state;

	if (supervisor_state(engine, id, row->owner, &state)) {
		if (state.run_state == WIRE_RUN_FINISHED)
			return true;
		merge(row, &state);
	}
	return owner_alive(engine, row->owner) == 0;
}

/* 1: this sweep has done it, 0: another one. */
static int record(scow_engine *engine, const char *id, const char *owner, const struct container_row *row, const struct process_exit *exit,
		  scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *s;
	int r = db_begin(engine->db, &work, error);

	if (r == 0)
		r = db_query(&work, &s, error, "SELECT finished FROM containers WHERE id = ? AND owner = ?", "tt", id, owner);
	if (r <= 0)
		return r;
	if (!exit) {
		/* Not even its supervisor came about. */
		r = db_exec(&work, error,
			    "UPDATE containers SET state = CASE WHEN started THEN ? ELSE ? END, owner = NULL, pid = 0 WHERE id = ?", "iit",
			    (int64_t) SCOW_CONTAINER_EXITED, (int64_t) SCOW_CONTAINER_CREATED, id);
	} else {
		/* Stopped while it waited for its restart: that end is noted. */
		r = db_int(s, 0) != row->finished ? container_event_die(&work, id, exit, error) : 0;
		if (r == 0)
			r = db_exec(
				&work, error,
				"UPDATE containers SET state = ?, owner = NULL, pid = 0, exit_code = ?, exit_signal = ?, oom_killed = ?, "
				"started = ?, finished = ?, error = ? WHERE id = ?",
				"iiiiiitt", (int64_t) SCOW_CONTAINER_EXITED, (int64_t) exit->code, (int64_t) exit->signal,
				(int64_t) (exit->usage.oom_kills > 0), row->started, row->finished, row->error, id);
	}
	return r < 0 ? r : db_commit(&work, error);
}

static void forget_owner(scow_engine *engine, const char *owner)
{
	char path[64];

	snprintf(path, sizeof(path), "owners/%s", owner);
	(void) unlinkat(engine->root_fd, path, 0);
}

int detached_sweep(scow_engine *engine, const char *id, const char *owner, scow_error **error)
{
	struct process_exit exit = { .code = CODE_KILLED, .signal = SIGKILL };
	struct container_row row;
	struct wire_state state = { 0 };
	bool known, finished;
	int r = container_row_once(engine, id, &row, error);

	if (r < 0 || !str_eq(row.owner, owner))
		return r == SCOW_E_NOT_FOUND ? (error_clear(error), 0) : r < 0 ? r : 0;
	known = supervisor_state(engine, id, owner, &state);
	finished = known && state.run_state == WIRE_RUN_FINISHED;
	if (known)
		merge(&row, &state);
	if (finished) {
		exit = (struct process_exit){ .code = state.exit_code, .signal = state.exit_signal };
		exit.usage.oom_kills = state.oom_kills;
		snprintf(row.error, sizeof(row.error), "%s", state.error);
	} else {
		row.finished = now_ns();
		snprintf(row.error, sizeof(row.error), "%s", known ? "its supervisor was killed" : "");
		container_kill_left(engine, &row);
	}
	/* A finished supervisor has removed it, but for what others made inside. */
	container_clear_cgroup(engine, id, row.cgroup);
	if (row.ephemeral)
		r = container_erase(engine, id, known ? &exit : NULL, error);
	else
		r = record(engine, id, owner, &row, known ? &exit : NULL, error);
	if (r >= 0)
		forget_owner(engine, owner);
	return r < 0 ? r : 0;
}

void detached_stopping(scow_container *container, const struct container_row *row)
{
	int r = detached_is(row) ? supervisor_tell(container->engine, container->id, WIRE_FRAME_STOPPING, NULL, 0) : 0;

	if (r < 0 && r != -ECONNREFUSED && r != -ENOENT && r != -EPIPE && r != -ECONNRESET)
		engine_log(container->engine, SCOW_LOG_WARNING, "container %.12s: its supervisor does not answer: %s", container->id,
			   strerror(-r));
}

int detached_end_pidfd(scow_engine *engine, const struct container_row *row)
{
	struct container_row supervisor = *row;

	supervisor.pid = row->supervisor;
	supervisor.pid_start = row->supervisor_start;
	return container_pidfd(engine, detached_is(row) ? &supervisor : row);
}

int detached_code(scow_engine *engine, const char *id, const struct container_row *row)
{
	struct wire_state state;

	if (!detached_is(row) || !supervisor_state(engine, id, row->owner, &state) || state.run_state != WIRE_RUN_FINISHED)
		return -1;
	return state.exit_code;
}

static int check_settings(const scow_container_config *config, scow_error **error)
{
	if (config->health.n_test && !str_eq(config->health.test[0], "NONE"))
		return error_hint(error, error_set(error, SCOW_E_UNSUPPORTED, "health checks are not carried out yet"),
				  "set the health test 'NONE'");
	return 0;
}

int scow_container_start_detached(scow_container *container, scow_error **error)
{
	const scow_container_config *config;
	struct container_row previous;
	_cleanup_fd_ int lock = -1;
	char owner[33];
	int r = container_check(container, error);

	/* One that has ended is brought to rest first. */
	if (r == 0)
		r = container_row_read(container->engine, container->id, &previous, error);
	if (r == 0)
		r = container_config_of(container, &config, error);
	if (r == 0)
		r = check_settings(config, error);
	if (r < 0)
		return r;
	lock = owner_make(container->engine, DETACHED_MARK, owner, error);
	if (lock < 0)
		return lock;
	r = container_claim(container->engine, container->id, owner, &previous, error);
	if (r == 0)
		r = container_start_claimed(container, previous.started != 0, owner, lock, error);
	if (r < 0)
		forget_owner(container->engine, owner);
	return r;
}
