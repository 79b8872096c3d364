/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Things in their final place without a row: their maker died between the rename and the transaction.
 *
 * A living maker may be between the two right now. So a candidate is judged where it cannot move: layers and blobs inside
 * a write transaction, because they are published inside one; container directories only when no other engine has this
 * root open for containers, or after an hour.
 */
#include "store/recover-internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/userns.h"
#include "store/db.h"

#define CONTAINER_SECONDS 3600

static bool has_row(scow_engine *engine, const char *sql, const char *key)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *row;

	db_lock(engine->db, &work);
	/* Trouble with the database is no reason to delete anything. */
	return db_query(&work, &row, NULL, sql, "t", key) != 0;
}

/* Out of its place by one step, then bit by bit: what stands there is always whole. */
static bool move_out(scow_engine *engine, int dir_fd, const char *name, char dead[32])
{
	char random[17];

	random_hex(random, 8);
	snprintf(dead, 32, "dead-%s", random);
	return renameat(dir_fd, name, engine->tmp_fd, dead) == 0;
}

static void remove_dead(scow_engine *engine, const char *dead)
{
	_cleanup_(drop_error) scow_error *error = NULL;

	if (userns_remove_tree(engine, engine->tmp_fd, dead, &error) < 0)
		engine_log(engine, SCOW_LOG_WARNING, "cannot sweep 'tmp/%s': %s", dead, scow_error_message(error));
}

static int visit_layer(scow_engine *engine, int dir_fd, const char *name)
{
	static const char *const sql = "SELECT 1 FROM layers WHERE name = ?1";
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *row;
	char dead[32];
	bool moved;

	if (has_row(engine, sql, name))
		return 0;
	if (db_begin(engine->db, &work, NULL) < 0 || db_query(&work, &row, NULL, sql, "t", name) != 0)
		return 0;
	moved = move_out(engine, dir_fd, name, dead);
	db_end(&work);
	if (moved)
		remove_dead(engine, dead);
	return moved;
}

/* Made inside a transaction, too, and empty as long as that is open. Whatever is in one is somebody's data, and stays. */
static int visit_volume(scow_engine *engine, int dir_fd, const char *name)
{
	static const char *const sql = "SELECT 1 FROM volumes WHERE name = ?1";
	_cleanup_free_ char *data = strf("%s/_data", name);
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *row;

	if (!data || has_row(engine, sql, name))
		return 0;
	if (db_begin(engine->db, &work, NULL) < 0 || db_query(&work, &row, NULL, sql, "t", name) != 0)
		return 0;
	(void) unlinkat(dir_fd, data, AT_REMOVEDIR);
	return unlinkat(dir_fd, name, AT_REMOVEDIR) == 0;
}

static int remove_container(scow_engine *engine, int dir_fd, const char *name)
{
	char dead[32];

	if (!move_out(engine, dir_fd, name, dead))
		return 0;
	remove_dead(engine, dead);
	return 1;
}

static int visit_blob(scow_engine *engine, int dir_fd, const char *name)
{
	_cleanup_db_ struct db_work work = { 0 };
	char digest[DIGEST_STRING];
	sqlite3_stmt *row;

	if (strlen(name) != DIGEST_HEX)
		return 0;
	snprintf(digest, sizeof(digest), "sha256:%s", name);
	if (has_row(engine, "SELECT 1 FROM blobs WHERE digest = ?1", digest))
		return 0;
	if (db_begin(engine->db, &work, NULL) < 0 || db_query(&work, &row, NULL, "SELECT 1 FROM blobs WHERE digest = ?1", "t", digest) != 0)
		return 0;
	return unlinkat(dir_fd, name, 0) == 0;
}

static int visit_old_container(scow_engine *engine, int dir_fd, const char *name)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_ctime > time(NULL) - CONTAINER_SECONDS ||
	    has_row(engine, "SELECT 1 FROM containers WHERE id = ?1", name))
		return 0;
	return remove_container(engine, dir_fd, name);
}

static int visit_container(scow_engine *engine, int dir_fd, const char *name)
{
	return has_row(engine, "SELECT 1 FROM containers WHERE id = ?1", name) ? 0 : remove_container(engine, dir_fd, name);
}

/* Dead owners' files are gone by now: what is left lives. */
static int visit_owner(scow_engine *engine, int dir_fd, const char *name)
{
	(void) dir_fd;
	return engine->owner_fd < 0 || !str_eq(name, engine->owner_id);
}

void recover_orphans(scow_engine *engine)
{
	_cleanup_fd_ int owners = dir_open_at(engine->root_fd, "owners"), volumes = dir_open_at(engine->root_fd, "volumes");
	bool alone = owners >= 0 && recover_each(owners, visit_owner, engine) == 0;
	int found = recover_each(engine->layers_fd, visit_layer, engine);

	found += recover_each(engine->blobs_fd, visit_blob, engine);
	found += recover_each(engine->containers_fd, alone ? visit_container : visit_old_container, engine);
	if (volumes >= 0)
		found += recover_each(volumes, visit_volume, engine);
	if (found)
		engine_log(engine, SCOW_LOG_INFO, "swept %d things that a crash had left", found);
}
