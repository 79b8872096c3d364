/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a service does after the host has booted: the containers that ran before it, and are to run whenever the host does, are
 * started again. A row tells the boot of its last start; the sweep has made those that the reboot ended `exited`.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fd.h"
#include "container/container.h"
#include "container/sweep.h"
#include "runtime/supervisor.h"

/* Those of another boot, oldest first. */
static int list(scow_engine *engine, struct arena *arena, char ***ids, size_t *count, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *s;
	int r;

	db_lock(engine->db, &work);
	r = db_query(&work, &s, error, "SELECT id FROM containers WHERE state = ? AND boot_id NOT IN ('', ?) ORDER BY created, id", "it",
		     (int64_t) SCOW_CONTAINER_EXITED, engine->facts.boot_id);
	for (; r > 0; r = db_step(&work, s, error)) {
		char **id = arena_append(arena, ids, count, sizeof(**ids));

		if (!id || !(*id = arena_strdup(arena, db_text(s, 0))))
			return error_oom(error);
	}
	return r;
}

/* What its last supervisor has written down, which stays. */
static bool last_state(scow_engine *engine, const char *id, struct wire_state *state)
{
	_cleanup_fd_ int fd = -1;
	char path[96];

	snprintf(path, sizeof(path), "%s/" WIRE_STATE_NAME, id);
	fd = openat(engine->containers_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 && fd_read_full(fd, state, sizeof(*state)) == (ssize_t) sizeof(*state) && state->magic == WIRE_SUPERVISE_MAGIC;
}

unsigned int container_last_restarts(scow_engine *engine, const char *id)
{
	struct wire_state state;

	return last_state(engine, id, &state) ? state.restart_count : 0;
}

/* Whether somebody stopped it: its supervisor was told. */
static bool was_stopped(scow_engine *engine, const char *id)
{
	struct wire_state state;

	return last_state(engine, id, &state) && state.stopping;
}

static bool is_to_start(scow_engine *engine, const char *id, const scow_container_config *config)
{
	return config->restart == SCOW_RESTART_ALWAYS || (config->restart == SCOW_RESTART_UNLESS_STOPPED && !was_stopped(engine, id));
}

/* 1: started; 0: it is not to be, or somebody else did it, or removed it. */
static int start_one(scow_engine *engine, const char *id, scow_error **error)
{
	_cleanup_(scow_container_unrefp) scow_container *container = NULL;
	const scow_container_config *config = NULL;
	int r = scow_container_get(engine, id, &container, error);

	if (r == 0)
		r = container_config_of(container, &config, error);
	if (r < 0 || !config || !is_to_start(engine, id, config))
		return r;
	r = scow_container_start_detached(container, error);
	return r < 0 ? r : 1;
}

int scow_engine_start_restarted(scow_engine *engine, unsigned int *count, scow_error **error)
{
	_cleanup_arena_ struct arena arena = { 0 };
	unsigned int started = 0;
	char **ids = NULL;
	size_t n = 0;
	int r = engine_check(engine, error), first = 0;

	if (r == 0)
		r = container_sweep(engine, error);
	if (r == 0)
		r = list(engine, &arena, &ids, &n, error);
	for (size_t i = 0; r == 0 && i < n; i++) {
		scow_error *failure = NULL;
		int one = start_one(engine, ids[i], &failure);

		started += one > 0;
		/* Started by another, or removed: no failure of ours. The rest is tried in any case. */
		if (one < 0 && one != SCOW_E_STATE && one != SCOW_E_NOT_FOUND) {
			engine_log(engine, SCOW_LOG_WARNING, "container %.12s is not started again: %s", ids[i],
				   scow_error_message(failure));
			if (!first && error)
				*error = take_ptr(&failure);
			first = first ? first : one;
		}
		scow_error_unref(failure);
	}
	if (count)
		*count = started;
	return r < 0 ? r : first;
}
