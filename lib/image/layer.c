/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Layers as rows and directories.
 *
 * 1. A layer's rename and its row are one write transaction. So whoever holds the write lock and finds a directory of
 *    ROOT/layers without a row has found what a crash left, and may take it away (layer_publish, layer_collect, recover.c).
 * 2. Rows go first, all that hang together in one statement; the directories go after the commit, each under the write
 *    lock and only if the layer has not come back meanwhile.
 * 3. A new layer that no image has used yet belongs to a pull that is under way, or was cut off and will be tried again:
 *    it is left alone for some minutes. One that an image stood on goes with the image.
 */
#include "image/layer.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "image/layer-internal.h"
#include "store/db.h"

#define NAME_HEX 24
#define OVERLAY_LAYERS_MAX 500 /* the kernel's own limit: fs/overlayfs, OVL_MAX_STACK */
#define GRACE_NS (INT64_C(600) * 1000000000)

int layer_chain_id(const char *parent, const char *diff_id, char out[DIGEST_STRING], scow_error **error)
{
	char both[2 * DIGEST_STRING];

	if (!digest_is_valid(diff_id) || (parent && !digest_is_valid(parent)))
		return error_set(error, SCOW_E_CORRUPT, "'%.100s' is not a sha256 digest",
				 digest_is_valid(diff_id) ? parent
				 : diff_id                ? diff_id
							  : "");
	if (!parent) {
		memcpy(out, diff_id, DIGEST_STRING);
		return 0;
	}
	snprintf(both, sizeof(both), "%s %s", parent, diff_id);
	return digest_bytes(both, strlen(both), out, error);
}

/* 1 with its row, 0 without. Inside db_begin or db_lock. */
static int has_row(struct db_work *work, const char *chain_id, scow_error **error)
{
	sqlite3_stmt *row;

	return db_query(work, &row, error, "SELECT 1 FROM layers WHERE chain_id = ?1", "t", chain_id);
}

static void layer_name(const char *chain_id, char name[NAME_HEX + 1])
{
	snprintf(name, NAME_HEX + 1, "%s", digest_hex(chain_id));
}

int layer_exists(scow_engine *engine, const char *chain_id, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	char name[NAME_HEX + 1];
	int r;

	if (!digest_is_valid(chain_id))
		return error_set(error, SCOW_E_INVALID, "'%.100s' is not a chain id", chain_id ? chain_id : "");
	db_lock(engine->db, &work);
	r = has_row(&work, chain_id, error);
	db_end(&work);
	if (r <= 0)
		return r;
	layer_name(chain_id, name);
	return faccessat(engine->layers_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int rename_errno(int from, const char *name, int to, const char *new_name)
{
	return renameat2(from, name, to, new_name, RENAME_NOREPLACE) < 0 ? -errno : 0;
}

/* Into ROOT/layers. What is in its place without a row is what a crash left: it goes to tmp as @leftover. Under the write lock. */
static int move_in(scow_engine *engine, const char *tmp_name, const char *name, char leftover[32])
{
	int r = rename_errno(engine->tmp_fd, tmp_name, engine->layers_fd, name);

	if (r != -EEXIST)
		return r;
	memcpy(leftover, "layer-", 6);
	random_hex(leftover + 6, 12);
	r = rename_errno(engine->layers_fd, name, engine->tmp_fd, leftover);
	return r < 0 ? r : rename_errno(engine->tmp_fd, tmp_name, engine->layers_fd, name);
}

static int record(struct db_work *work, scow_engine *engine, const struct layer_row *row, const char *name, scow_error **error)
{
	/* A row can be there without its directory after a power cut: then it is made true again. */
	return db_exec(work, error,
		       "INSERT INTO layers (chain_id, name, parent, diff_id, blob, size, created, boot_id, synced, sums) "
		       "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9) "
		       "ON CONFLICT (chain_id) DO UPDATE SET blob = excluded.blob, size = excluded.size, created = excluded.created, "
		       "boot_id = excluded.boot_id, synced = 0, sums = excluded.sums",
		       "tttttiitt", row->chain_id, name, row->parent, row->diff_id, row->blob, (int64_t) row->size, now_ns(),
		       engine->facts.boot_id, row->sums);
}

static int check_free(struct db_work *work, scow_engine *engine, const struct layer_row *row, const char *name, scow_error **error)
{
	int r = has_row(work, row->chain_id, error);

	if (r < 0)
		return r;
	if (r > 0 && faccessat(engine->layers_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	if (!row->parent)
		return 0;
	r = has_row(work, row->parent, error);
	if (r == 0)
		return error_hint(error, error_set(error, SCOW_E_BUSY, "the layer '%s' was removed meanwhile", row->parent), "try again");
	return r < 0 ? r : 0;
}

int layer_publish(scow_engine *engine, const char *tmp_name, const struct layer_row *row, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	char name[NAME_HEX + 1], leftover[32] = "";
	int r;

	layer_name(row->chain_id, name);
	r = db_begin(engine->db, &work, error);
	if (r == 0)
		r = check_free(&work, engine, row, name, error);
	if (r != 0)
		return r;
	r = move_in(engine, tmp_name, name, leftover);
	if (r < 0)
		return error_errno(error, -r, "renameat2", "move the layer '%s' into place", row->chain_id);
	r = record(&work, engine, row, name, error);
	if (r >= 0)
		r = db_commit(&work, error);
	if (r < 0)
		(void) rename_errno(engine->layers_fd, name, engine->tmp_fd, tmp_name); /* else swept: it has no row */
	db_end(&work);
	if (*leftover)
		(void) !userns_remove_tree(engine, engine->tmp_fd, leftover, NULL);
	return r < 0 ? r : 0;
}

/* Whether the layer's root hides all below it. Overlayfs heeds the mark in subdirectories only. */
static bool root_is_opaque(scow_engine *engine, const char *name)
{
	_cleanup_fd_ int fd = dir_open_at(engine->layers_fd, name);
	char value[2];

	return fd >= 0 && fgetxattr(fd, engine->facts.rootless ? UNPACK_OPAQUE_USER : UNPACK_OPAQUE_ROOT, value, sizeof(value)) == 1 &&
	       value[0] == 'y';
}

struct name_list {
	char **names;
	size_t count;
};

static void name_list_done(struct name_list *list)
{
	strv_free(list->names);
}
#define _cleanup_names_ _cleanup_(name_list_done)

static int name_list_add(struct name_list *list, const char *name, scow_error **error)
{
	return strv_push(&list->names, &list->count, strdup(name ? name : "")) ? 0 : error_oom(error);
}

static int read_stack(struct db_work *work, const char *top, struct name_list *list, bool *complete, scow_error **error)
{
	sqlite3_stmt *row;
	int r = db_query(work, &row, error,
			 "WITH RECURSIVE up (depth, name, parent) AS ("
			 " SELECT 0, name, parent FROM layers WHERE chain_id = ?1"
			 " UNION ALL SELECT up.depth + 1, layers.name, layers.parent FROM up JOIN layers ON layers.chain_id = up.parent"
			 " LIMIT 4096) "
			 "SELECT name, parent FROM up ORDER BY depth",
			 "t", top);

	while (r > 0) {
		*complete = !db_text(row, 1);
		r = name_list_add(list, db_text(row, 0), error);
		if (r == 0)
			r = db_step(work, row, error);
	}
	return r;
}

int layer_stack(scow_engine *engine, const char *top_chain_id, char ***out, size_t *count, scow_error **error)
{
	_cleanup_names_ struct name_list list = { 0 };
	_cleanup_db_ struct db_work work = { 0 };
	bool complete = false;
	int r = 0;

	list.names = calloc(1, sizeof(char *));
	if (!list.names)
		return error_oom(error);
	if (top_chain_id) {
		db_lock(engine->db, &work);
		r = read_stack(&work, top_chain_id, &list, &complete, error);
		db_end(&work);
		if (r == 0 && !complete)
			r = error_hint(error, error_set(error, SCOW_E_CORRUPT, "a layer below '%s' is missing in the store", top_chain_id),
				       "pull the image again");
	}
	if (r < 0)
		return r;
	for (size_t i = 0; i + 1 < list.count; i++) {
		if (!root_is_opaque(engine, list.names[i]))
			continue;
		while (list.count > i + 1) {
			list.count--;
			free(take_ptr(&list.names[list.count]));
		}
	}
	if (list.count > OVERLAY_LAYERS_MAX)
		return error_hint(error,
				  error_set(error, SCOW_E_LIMIT, "the image has %zu layers, overlayfs takes %d at most", list.count,
					    OVERLAY_LAYERS_MAX),
				  "build it with fewer, or squash them");
	*count = list.count;
	*out = take_ptr(&list.names);
	return 0;
}

static int list_column(struct db_work *work, sqlite3_stmt *row, int r, struct name_list *list, scow_error **error)
{
	while (r > 0) {
		r = name_list_add(list, db_text(row, 0), error);
		if (r == 0)
			r = db_step(work, row, error);
	}
	return r;
}

/* The live ones: below an image, a container, or a new layer that has not lost its image; and what those stand on. */
#define DEAD_LAYERS                                                                                                                        \
	"WITH RECURSIVE lost (id) AS ("                                                                                                    \
	" SELECT chain_id FROM layers WHERE released = 1"                                                                                  \
	" UNION SELECT layers.parent FROM layers JOIN lost ON layers.chain_id = lost.id WHERE layers.parent IS NOT NULL), "                \
	"live (id) AS ("                                                                                                                   \
	" SELECT top_layer FROM images WHERE top_layer IS NOT NULL"                                                                        \
	" UNION SELECT top_layer FROM containers WHERE top_layer IS NOT NULL"                                                              \
	" UNION SELECT chain_id FROM layers WHERE created >= ?1 AND chain_id NOT IN (SELECT id FROM lost)"                                 \
	" UNION SELECT layers.parent FROM layers JOIN live ON layers.chain_id = live.id WHERE layers.parent IS NOT NULL) "
#define DEAD_BLOBS "WHERE digest NOT IN (SELECT blob FROM image_blobs) AND (created < ?1 OR released = 1)"

/* Everything that the rows say of it, in one transaction. */
static int drop_rows(scow_engine *engine, struct name_list *layers, struct name_list *blobs, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	int64_t before = now_ns() - GRACE_NS;
	sqlite3_stmt *row;
	int r = db_begin(engine->db, &work, error);

	if (r < 0)
		return r;
	r = db_query(&work, &row, error, DEAD_LAYERS "SELECT chain_id FROM layers WHERE chain_id NOT IN (SELECT id FROM live)", "i",
		     before);
	r = list_column(&work, row, r, layers, error);
	if (r == 0 && layers->count)
		r = db_exec(&work, error, DEAD_LAYERS "DELETE FROM layers WHERE chain_id NOT IN (SELECT id FROM live)", "i", before);
	if (r < 0)
		return r;
	r = db_query(&work, &row, error, "SELECT digest FROM blobs " DEAD_BLOBS, "i", before);
	r = list_column(&work, row, r, blobs, error);
	if (r == 0 && blobs->count)
		r = db_exec(&work, error, "DELETE FROM blobs " DEAD_BLOBS, "i", before);
	return r < 0 ? r : db_commit(&work, error);
}

/* To ROOT/tmp, unless it has come back; there its removal may take its time, and a crash leaves it to the sweep. */
static int remove_layer(scow_engine *engine, const char *chain_id, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	char name[NAME_HEX + 1], gone[32] = "layer-";
	_cleanup_fd_ int fd = -1;
	int r = db_begin(engine->db, &work, error);

	if (r == 0)
		r = has_row(&work, chain_id, error);
	if (r != 0)
		return r < 0 ? r : 0;
	layer_name(chain_id, name);
	random_hex(gone + 6, 12);
	fd = openat(engine->layers_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		flock(fd, LOCK_EX | LOCK_NB); /* keeps a sweep from doing the same work; no harm where it fails */
	r = rename_errno(engine->layers_fd, name, engine->tmp_fd, gone);
	db_end(&work);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return error_errno(error, -r, "renameat2", "remove the layer '%s'", chain_id);
	return userns_remove_tree(engine, engine->tmp_fd, gone, error);
}

static int remove_blob(scow_engine *engine, const char *digest, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *row;
	int r = db_begin(engine->db, &work, error);

	if (r == 0)
		r = db_query(&work, &row, error, "SELECT 1 FROM blobs WHERE digest = ?1", "t", digest);
	if (r != 0)
		return r < 0 ? r : 0;
	if (digest_is_valid(digest) && unlinkat(engine->blobs_fd, digest_hex(digest), 0) < 0 && errno != ENOENT)
		return error_errno(error, errno, "unlinkat", "remove the blob '%s'", digest);
	return 0;
}

int layer_collect(scow_engine *engine, scow_error **error)
{
	_cleanup_names_ struct name_list layers = { 0 }, blobs = { 0 };
	int r = drop_rows(engine, &layers, &blobs, error);

	for (size_t i = 0; i < layers.count && r == 0; i++)
		r = remove_layer(engine, layers.names[i], error);
	for (size_t i = 0; i < blobs.count && r == 0; i++)
		r = remove_blob(engine, blobs.names[i], error);
	return r;
}

int layer_in_use(scow_engine *engine, const char *chain_id, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *row;

	/* The numbers are of scow_container_state: running, paused, restarting. */
	db_lock(engine->db, &work);
	return db_query(&work, &row, error,
			"WITH RECURSIVE above(id) AS (SELECT ?1 UNION SELECT chain_id FROM layers JOIN above ON parent = id) "
			"SELECT 1 FROM containers WHERE state IN (1, 2, 3) AND top_layer IN (SELECT id FROM above) LIMIT 1",
			"t", chain_id);
}
