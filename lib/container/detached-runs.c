/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Restarts of detached containers, as events. A supervisor has no database: it writes its state file and wakes who listens
 * (store/journal.h), and the listener notes what is new. Where nobody listens, several restarts become one.
 */
#include <stdio.h>

#include "base/arena.h"
#include "container/detached.h"
#include "container/event.h"

static void arena_donep(struct arena *arena)
{
	arena_done(arena);
}

/* Its restarts: the row has the beginning of the last run, and the end of the one before it, that were noted. */
static int note_run(scow_engine *engine, const char *id, const char *owner, const struct wire_state *state, scow_error **error)
{
	struct process_exit exit = { .code = state->exit_code, .signal = state->exit_signal, .usage.oom_kills = state->oom_kills };
	_cleanup_db_ struct db_work work = { 0 };
	bool began;
	sqlite3_stmt *s;
	int r = db_begin(engine->db, &work, error);

	if (r == 0)
		r = db_query(&work, &s, error, "SELECT started, finished FROM containers WHERE id = ? AND owner = ? AND pid > 0", "tt", id,
			     owner);
	if (r <= 0)
		return r;
	/* The start itself is noted by whoever started it, with a time of its own. */
	began = state->run_state == WIRE_RUN_RUNNING && state->restart_count && state->started > db_int(s, 0);
	r = 0;
	if (state->finished > db_int(s, 1))
		r = container_event_die(&work, id, &exit, error);
	if (r == 0 && began)
		r = container_event(&work, id, "start", NULL, error);
	if (r == 0)
		r = db_exec(&work, error, "UPDATE containers SET finished = ?, started = CASE WHEN ? THEN ? ELSE started END WHERE id = ?",
			    "iiit", state->finished, (int64_t) began, state->started, id);
	return r < 0 ? r : db_commit(&work, error);
}

struct noted {
	char id[65], owner[33];
	int64_t started, finished;
};

int detached_note_runs(scow_engine *engine, scow_error **error)
{
	_cleanup_(arena_donep) struct arena arena = { 0 };
	struct noted *rows = NULL;
	size_t count = 0;
	int r;
	{
		_cleanup_db_ struct db_work work = { 0 };
		sqlite3_stmt *s;

		db_lock(engine->db, &work);
		/* 's' is DETACHED_MARK. */
		r = db_query(&work, &s, error, "SELECT id, owner, started, finished FROM containers WHERE owner >= 's' AND owner < 't'",
			     "");
		for (; r > 0; r = db_step(&work, s, error)) {
			struct noted *row = arena_append(&arena, &rows, &count, sizeof(*rows));

			if (!row)
				return error_oom(error);
			snprintf(row->id, sizeof(row->id), "%s", db_text(s, 0));
			snprintf(row->owner, sizeof(row->owner), "%s", db_text(s, 1));
			row->started = db_int(s, 2);
			row->finished = db_int(s, 3);
		}
	}
	for (size_t i = 0; r == 0 && i < count; i++) {
		struct wire_state state;

		/* One that is over is the sweep's. */
		if (!supervisor_state(engine, rows[i].id, rows[i].owner, &state) || state.run_state == WIRE_RUN_FINISHED)
			continue;
		if (state.finished > rows[i].finished || (state.restart_count && state.started > rows[i].started))
			r = note_run(engine, rows[i].id, rows[i].owner, &state, error);
	}
	return r;
}
