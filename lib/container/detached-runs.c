/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Restarts of detached containers and changes of their health, as events. A supervisor has no database: it writes its state file and
 * wakes who listens (store/journal.h), and the listener, or whoever brings the row to rest, notes what is new, with the times at which
 * it was. Of restarts that nobody notes for long it keeps the last WIRE_RUNS_MAX, of health the last.
 */
#include <stdio.h>

#include "base/arena.h"
#include "container/detached.h"
#include "container/event.h"

/* What of its restarts the journal has: when the last run began, and when the one before it ended, as the row says. */
struct journaled {
	int64_t started, finished;
};

/* Runs that others have followed, oldest first. */
static int note_ended(struct db_work *work, const char *id, const struct wire_run *runs, size_t count, struct journaled *journaled,
		      scow_error **error)
{
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++) {
		const struct wire_run *run = &runs[i];
		const struct process_exit exit = { .code = run->exit_code, .signal = run->exit_signal, .usage.oom_kills = run->oom_kills };

		if (run->finished <= journaled->finished)
			continue;
		/* The first start is noted by whoever started it. */
		if (run->started > journaled->started)
			r = container_event_start_at(work, id, run->started, error);
		if (r == 0)
			r = db_exec(work, error, "UPDATE containers SET started = ?, finished = ? WHERE id = ?", "iit", run->started,
				    run->finished, id);
		if (r >= 0)
			r = container_event_die(work, id, &exit, run->finished, error);
		*journaled = (struct journaled){ run->started, run->finished };
	}
	return r;
}

int detached_note_run(scow_engine *engine, const char *id, const char *owner, const struct wire_state *state, scow_error **error)
{
	struct wire_run runs[WIRE_RUNS_MAX];
	size_t count = supervisor_runs(engine, id, state, runs);
	_cleanup_db_ struct db_work work = { 0 };
	struct journaled journaled;
	sqlite3_stmt *s;
	int r;

	if (!state->restart_count)
		return 0;
	r = db_begin(engine->db, &work, error);
	if (r == 0)
		r = db_query(&work, &s, error, "SELECT started, finished FROM containers WHERE id = ? AND owner = ? AND pid > 0", "tt", id,
			     owner);
	if (r <= 0)
		return r;
	journaled = (struct journaled){ db_int(s, 0), db_int(s, 1) };
	r = note_ended(&work, id, runs, count, &journaled, error);
	if (r == 0 && state->run_state != WIRE_RUN_RESTARTING && state->started > journaled.started) {
		r = container_event_start_at(&work, id, state->started, error);
		if (r == 0)
			r = db_exec(&work, error, "UPDATE containers SET started = ? WHERE id = ?", "it", state->started, id);
	}
	return r < 0 ? r : db_commit(&work, error);
}

/* "starting" is no news: so it begins, and after each restart. */
static int note_health(scow_engine *engine, const char *id, const char *owner, const struct wire_state *state, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	const char *action = state->health == WIRE_HEALTH_HEALTHY     ? "health_status: healthy"
			     : state->health == WIRE_HEALTH_UNHEALTHY ? "health_status: unhealthy"
								      : NULL;
	int r = db_begin(engine->db, &work, error);

	if (r == 0)
		r = db_exec(&work, error, "UPDATE containers SET health = ? WHERE id = ? AND owner = ? AND health <> ?", "itti",
			    (int64_t) state->health, id, owner, (int64_t) state->health);
	/* Else somebody else has noted it. */
	if (r > 0 && action)
		r = container_event(&work, id, action, NULL, error);
	return r < 0 ? r : db_commit(&work, error);
}

struct noted {
	char id[65], owner[33];
	int64_t started, finished, health;
};

int detached_note_runs(scow_engine *engine, scow_error **error)
{
	_cleanup_arena_ struct arena arena = { 0 };
	struct noted *rows = NULL;
	size_t count = 0;
	int r;
	{
		_cleanup_db_ struct db_work work = { 0 };
		sqlite3_stmt *s;

		db_lock(engine->db, &work);
		/* 's' is DETACHED_MARK. */
		r = db_query(&work, &s, error,
			     "SELECT id, owner, started, finished, health FROM containers WHERE owner >= 's' AND owner < 't'", "");
		for (; r > 0; r = db_step(&work, s, error)) {
			struct noted *row = arena_append(&arena, &rows, &count, sizeof(*rows));

			if (!row)
				return error_oom(error);
			snprintf(row->id, sizeof(row->id), "%s", db_text(s, 0));
			snprintf(row->owner, sizeof(row->owner), "%s", db_text(s, 1));
			row->started = db_int(s, 2);
			row->finished = db_int(s, 3);
			row->health = db_int(s, 4);
		}
	}
	for (size_t i = 0; r == 0 && i < count; i++) {
		struct wire_state state;

		/* One that is over is the sweep's. */
		if (!supervisor_state(engine, rows[i].id, rows[i].owner, &state) || state.run_state == WIRE_RUN_FINISHED)
			continue;
		if (state.finished > rows[i].finished || (state.restart_count && state.started > rows[i].started))
			r = detached_note_run(engine, rows[i].id, rows[i].owner, &state, error);
		if (r == 0 && state.health != rows[i].health)
			r = note_health(engine, rows[i].id, rows[i].owner, &state, error);
	}
	return r;
}
