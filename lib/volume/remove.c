/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The end of a volume: marked, deleted, forgotten. Who dies in between leaves a marked row with a dead owner, and the next sweep goes
 * on from there, after making the row its own: once it is forgotten its name is anybody's, so two must not delete under one name.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/fault.h"
#include "base/str.h"
#include "engine/userns.h"
#include "store/lock.h"
#include "store/quota.h"
#include "volume/volume-internal.h"

#define AWAIT_STEPS 3000
#define AWAIT_STEP_MS 5

static int check_unused(struct db_work *work, const char *name, scow_error **error)
{
	sqlite3_stmt *row;
	int r = db_query(work, &row, error,
			 "SELECT c.name FROM mounts m JOIN containers c ON c.id = m.container WHERE m.volume = ? LIMIT 1", "t", name);

	if (r <= 0)
		return r;
	r = error_at(error, error_set(error, SCOW_E_BUSY, "volume '%s' is in use by container '%s'", name, db_text(row, 0)), NULL, name);
	return error_hint(error, r, "remove that container first: 'scow rm %s'", db_text(row, 0));
}

/* @owner: whose it has to be, or NULL. */
static int mark(scow_engine *engine, const char *name, const char *owner, struct arena *arena, struct volume **volume, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	int r = owner_register(engine, error);

	if (r == 0)
		r = db_begin(engine->db, &work, error);
	if (r == 0)
		r = volume_read(&work, name, arena, volume, error);
	if (r == 0 && owner && !str_eq((*volume)->owner, owner))
		r = volume_not_found(name, error);
	if (r == 0)
		r = check_unused(&work, name, error);
	if (r == 0)
		r = db_exec(&work, error, "UPDATE volumes SET removing = 1, owner = ? WHERE name = ?", "tt", engine->owner_id, name);
	return r < 0 ? r : db_commit(&work, error);
}

/* It stays, as it was. */
static void unmark(scow_engine *engine, const struct volume *volume)
{
	_cleanup_db_ struct db_work work = { 0 };
	int r = db_begin(engine->db, &work, NULL);

	if (r == 0)
		r = db_exec(&work, NULL,
			    "UPDATE volumes SET removing = 0, owner = CASE WHEN ephemeral THEN ?1 END "
			    "WHERE name = ?2 AND removing = 1 AND owner = ?1",
			    "tt", engine->owner_id, volume->name);
	if (r >= 0)
		r = db_commit(&work, NULL);
	db_end(&work);
	if (r < 0)
		engine_log(engine, SCOW_LOG_WARNING, "volume '%s': its failed removal is not recorded", volume->name);
}

static int tell_driver(scow_engine *engine, const struct volume *volume, scow_error **error)
{
	_cleanup_(scow_volume_driver_unrefp) scow_volume_driver *driver = volume_driver_find(engine, volume->driver);

	if (!driver)
		return error_hint(error, error_set(error, SCOW_E_NOT_FOUND, "there is no volume driver '%s' here", volume->driver),
				  "remove it with force: what the driver has of it stays");
	return driver->remove ? driver->remove(volume->name, volume->options, driver->userdata, error) : 0;
}

static int forget(scow_engine *engine, const struct volume *volume, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	int r = db_begin(engine->db, &work, error);

	if (r == 0) {
		quota_release(&work, QUOTA_VOLUME, volume->name, engine->containers_fd);
		r = db_exec(&work, error, "DELETE FROM volumes WHERE name = ? AND removing = 1 AND owner = ?", "tt", volume->name,
			    engine->owner_id);
	}
	/* Nothing: two threads met over an anonymous one. */
	if (r > 0)
		r = volume_event(&work, "destroy", volume->name, volume->driver, error);
	return r < 0 ? r : db_commit(&work, error);
}

/* The rest of it, for one that is marked. */
static int finish(scow_engine *engine, const struct volume *volume, bool force, scow_error **error)
{
	_cleanup_fd_ int store = -1;
	int r = 0;

	FAULT_POINT("volume.marked");
	if (str_eq(volume->driver, VOLUME_LOCAL)) {
		store = volume_store_open(engine, error);
		r = store < 0 ? store : userns_remove_tree(engine, store, volume->name, error);
	} else {
		r = tell_driver(engine, volume, error);
		if (r < 0 && force) {
			engine_log(engine, SCOW_LOG_WARNING, "volume '%s' is removed by force: its driver failed", volume->name);
			error_clear(error);
			r = 0;
		}
	}
	FAULT_POINT("volume.emptied");
	return r < 0 ? r : forget(engine, volume, error);
}

static int remove_of(scow_engine *engine, const char *name, const char *owner, bool force, scow_error **error)
{
	_cleanup_arena_ struct arena arena = { 0 };
	struct volume *volume;
	int r = mark(engine, name, owner, &arena, &volume, error);

	if (r < 0)
		return r;
	r = finish(engine, volume, force, error);
	if (r < 0)
		unmark(engine, volume);
	return r;
}

int volume_remove(scow_engine *engine, const char *name, bool force, scow_error **error)
{
	return remove_of(engine, name, NULL, force, error);
}

/* ---- with a container ---- */

int volume_mark_anonymous(struct db_work *work, scow_engine *engine, const char *container, bool *marked, scow_error **error)
{
	int r = db_exec(work, error,
			"UPDATE volumes SET removing = 1, owner = ? WHERE anonymous = 1 AND removing = 0 AND name IN "
			"(SELECT volume FROM mounts WHERE container = ?2) AND name NOT IN "
			"(SELECT volume FROM mounts WHERE container != ?2 AND volume IS NOT NULL)",
			"tt", engine->owner_id, container);

	*marked = r > 0;
	return r < 0 ? r : 0;
}

/* ---- what is marked, or left ---- */

/* The next row with an owner after @after. 1, 0 or a status. */
static int next_owned(scow_engine *engine, const char *after, struct arena *arena, struct volume *out, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *row;
	int r;

	db_lock(engine->db, &work);
	r = db_query(&work, &row, error,
		     "SELECT name, driver, options, removing, owner, anonymous FROM volumes WHERE owner IS NOT NULL AND name > ? ORDER BY "
		     "name LIMIT 1",
		     "t", after);
	if (r <= 0)
		return r;
	*out = (struct volume){
		.name = arena_strdup(arena, db_text(row, 0)),
		.driver = arena_strdup(arena, db_text(row, 1)),
		.options = arena_strdup(arena, db_text(row, 2)),
		.removing = db_int(row, 3) != 0,
		.owner = arena_strdup(arena, db_text(row, 4)),
		.anonymous = db_int(row, 5) != 0,
	};
	return arena_failed(arena) ? error_oom(error) : 1;
}

/* What a dead owner was removing becomes ours to. 1; 0: another sweep was quicker. */
static int take_over(scow_engine *engine, const struct volume *volume, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	int taken, r = owner_register(engine, error);

	if (r == 0)
		r = db_begin(engine->db, &work, error);
	taken = r == 0 ? db_exec(&work, error, "UPDATE volumes SET owner = ? WHERE name = ? AND owner = ? AND removing = 1", "ttt",
				 engine->owner_id, volume->name, volume->owner)
		       : r;
	r = taken < 0 ? taken : db_commit(&work, error);
	return r < 0 ? r : taken;
}

static void clear_one(scow_engine *engine, const struct volume *volume, bool ours)
{
	scow_error *failure = NULL;
	int r = volume->removing && !ours ? take_over(engine, volume, &failure) : 1;

	if (r > 0)
		r = volume->removing ? finish(engine, volume, false, &failure)
				     : remove_of(engine, volume->name, volume->owner, false, &failure);

	if (r < 0 && r != SCOW_E_NOT_FOUND)
		engine_log(engine, SCOW_LOG_INFO, "volume '%s' stays for now: %s", volume->name, scow_error_message(failure));
	/* Nobody is removing it: it can be found, and removed, again. */
	if (r < 0 && volume->removing)
		unmark(engine, volume);
	scow_error_unref(failure);
}

static int clear(scow_engine *engine, bool own, scow_error **error)
{
	_cleanup_arena_ struct arena arena = { 0 };
	struct volume volume = { .name = "" };
	int r;

	while ((r = next_owned(engine, volume.name, &arena, &volume, error)) > 0) {
		const bool ours = str_eq(volume.owner, engine->owner_id);

		/* Of our own the anonymous ones, whose names nobody gives again: what else we are removing has a thread that does. */
		if (own ? ours && volume.removing && volume.anonymous : !ours && owner_alive(engine, volume.owner) == 0)
			clear_one(engine, &volume, ours);
	}
	return r;
}

void volume_clear(scow_engine *engine)
{
	scow_error *failure = NULL;

	if (clear(engine, true, &failure) < 0)
		engine_log(engine, SCOW_LOG_WARNING, "volumes are not cleared away: %s", scow_error_message(failure));
	scow_error_unref(failure);
}

int volume_sweep(scow_engine *engine, scow_error **error)
{
	return clear(engine, false, error);
}

/* 1 while somebody is removing it, who is alive. */
static int is_going(scow_engine *engine, const char *name, scow_error **error)
{
	struct db_work work = { 0 };
	char owner[33] = "";
	sqlite3_stmt *row;
	int r;

	db_lock(engine->db, &work);
	r = db_query(&work, &row, error, "SELECT owner FROM volumes WHERE name = ? AND removing = 1", "t", name);
	if (r > 0 && db_text(row, 0))
		snprintf(owner, sizeof(owner), "%s", db_text(row, 0));
	db_end(&work);
	if (r <= 0)
		return r;
	if (!str_eq(owner, engine->owner_id) && owner_alive(engine, owner) == 0) {
		r = volume_sweep(engine, error);
		return r < 0 ? r : 1;
	}
	return 1;
}

int volume_await(scow_engine *engine, const char *name, scow_error **error)
{
	static const struct timespec step = { .tv_nsec = AWAIT_STEP_MS * 1000000L };
	int r = 1;

	for (int i = 0; i < AWAIT_STEPS && (r = is_going(engine, name, error)) > 0; i++)
		nanosleep(&step, NULL);
	return r > 0 ? error_set(error, SCOW_E_BUSY, "volume '%s' is being removed", name) : r;
}
