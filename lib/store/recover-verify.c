/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * After a boot: what the former one had written without syncing is checked, kept or dropped.
 *
 * synced: 0 unknown, 1 on the disk, -1 found lost (inside recover_verify's transaction only).
 */
#include "store/recover-internal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/userns.h"
#include "store/blob.h"
#include "store/recover.h"
#include "store/db.h"

/* Deeper than any layer that unpacks: a tree that is deeper does not verify. */
#define TREE_MAX_DEPTH 512

/* Adds up the contents of regular files. A hard link would count twice: each of n names counts 1/n. Negative: cannot tell. */
static int add_tree(int dir_fd, unsigned int depth, double *bytes)
{
	_cleanup_dir_ DIR *dir = fdopendir(dir_fd);
	struct dirent *entry;
	int r = 0;

	if (!dir) {
		close(dir_fd);
		return -ENOMEM;
	}
	if (depth > TREE_MAX_DEPTH)
		return -ELOOP;
	while (r == 0 && (errno = 0, entry = readdir(dir))) {
		struct stat st;
		int fd;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
		if (S_ISREG(st.st_mode))
			*bytes += (double) st.st_size / (double) st.st_nlink;
		if (!S_ISDIR(st.st_mode))
			continue;
		fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		r = add_tree(fd, depth + 1, bytes);
	}
	return r ? r : -errno;
}

int64_t recover_tree_bytes(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	double bytes = 0;

	return fd >= 0 && add_tree(fd, 0, &bytes) == 0 ? (int64_t) (bytes + 0.5) : -1;
}

bool recover_layer_is_whole(scow_engine *engine, const char *name, int64_t size)
{
	_cleanup_fd_ int fd = openat(engine->layers_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 && recover_tree_bytes(fd) == size;
}

static bool blob_is_whole(scow_engine *engine, const char *digest)
{
	struct digest_ctx *ctx;
	_cleanup_fd_ int fd = blob_open(engine, digest, NULL);
	_cleanup_free_ char *buffer = malloc(1 << 18);
	char found[DIGEST_STRING];
	ssize_t n;

	if (fd < 0 || !buffer || digest_new(&ctx, NULL) < 0)
		return false;
	while ((n = fd_read_full(fd, buffer, 1 << 18)) > 0)
		digest_update(ctx, buffer, (size_t) n);
	digest_final(ctx, found);
	digest_free(ctx);
	return n == 0 && str_eq(found, digest);
}

struct suspect {
	char *key, *name; /* chain id and directory; or digest and NULL */
	int64_t size;
	bool whole;
};

struct suspects {
	struct suspect *items;
	size_t count;
};

static void suspects_done(struct suspects *suspects)
{
	for (size_t i = 0; i < suspects->count; i++) {
		free(suspects->items[i].key);
		free(suspects->items[i].name);
	}
	free(suspects->items);
}

static int collect(scow_engine *engine, struct suspects *out, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *row;
	int r;

	db_lock(engine->db, &work);
	r = db_query(&work, &row, error,
		     "SELECT chain_id, name, size FROM layers WHERE synced = 0 AND boot_id <> ?1 UNION ALL "
		     "SELECT digest, NULL, size FROM blobs WHERE synced = 0 AND boot_id <> ?1",
		     "t", engine->facts.boot_id);
	for (; r > 0; r = db_step(&work, row, error)) {
		struct suspect *grown = realloc(out->items, (out->count + 1) * sizeof(*grown)), *item;

		if (!grown)
			return error_oom(error);
		out->items = grown;
		item = &grown[out->count++];
		*item = (struct suspect){ strdup(db_text(row, 0)), db_text(row, 1) ? strdup(db_text(row, 1)) : NULL, db_int(row, 2),
					  false };
		if (!item->key || (db_text(row, 1) && !item->name))
			return error_oom(error);
	}
	return r;
}

/* What this boot has written anew meanwhile is not judged. */
static int mark(scow_engine *engine, struct db_work *work, const struct suspect *item, scow_error **error)
{
	int64_t synced = item->whole ? 1 : -1;

	if (item->name)
		return db_exec(work, error, "UPDATE layers SET synced = ?2 WHERE chain_id = ?1 AND synced = 0 AND boot_id <> ?3", "tit",
			       item->key, synced, engine->facts.boot_id);
	return db_exec(work, error, "UPDATE blobs SET synced = ?2 WHERE digest = ?1 AND synced = 0 AND boot_id <> ?3", "tit", item->key,
		       synced, engine->facts.boot_id);
}

/* The rows that fall with those marked -1, in an order that no foreign key minds. */
static int drop_marked(struct db_work *work, scow_error **error)
{
	int r;

	r = db_exec(work, error,
		    "WITH RECURSIVE lost(id) AS (SELECT chain_id FROM layers WHERE synced = -1 UNION SELECT chain_id FROM layers, lost "
		    "WHERE parent = id) UPDATE layers SET synced = -1 WHERE chain_id IN (SELECT id FROM lost)",
		    "");
	if (r < 0)
		return r;
	r = db_exec(
		work, error,
		"DELETE FROM tags WHERE image IN (SELECT id FROM images WHERE top_layer IN (SELECT chain_id FROM layers WHERE synced = -1) "
		"UNION SELECT image FROM image_blobs WHERE blob IN (SELECT digest FROM blobs WHERE synced = -1))",
		"");
	if (r < 0)
		return r;
	r = db_exec(
		work, error,
		"DELETE FROM images WHERE id IN (SELECT id FROM images WHERE top_layer IN (SELECT chain_id FROM layers WHERE synced = -1) "
		"UNION SELECT image FROM image_blobs WHERE blob IN (SELECT digest FROM blobs WHERE synced = -1)) "
		"AND id NOT IN (SELECT image FROM containers)",
		"");
	if (r < 0)
		return r;
	r = db_exec(work, error, "UPDATE images SET top_layer = NULL WHERE top_layer IN (SELECT chain_id FROM layers WHERE synced = -1)",
		    "");
	if (r >= 0)
		r = db_exec(work, error, "DELETE FROM image_blobs WHERE blob IN (SELECT digest FROM blobs WHERE synced = -1)", "");
	if (r >= 0)
		r = db_exec(work, error, "UPDATE layers SET parent = NULL WHERE synced = -1", "");
	if (r >= 0)
		r = db_exec(work, error, "DELETE FROM layers WHERE synced = -1", "");
	if (r >= 0)
		r = db_exec(work, error, "DELETE FROM blobs WHERE synced = -1", "");
	return r;
}

static int drop_one(scow_engine *engine, const char *sql, const char *key, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	int r = db_begin(engine->db, &work, error);

	if (r == 0)
		r = db_exec(&work, error, sql, "t", key);
	if (r >= 0)
		r = drop_marked(&work, error);
	return r < 0 ? r : db_commit(&work, error);
}

int recover_drop_layer(scow_engine *engine, const char *chain_id, scow_error **error)
{
	static const char sql[] = "UPDATE layers SET synced = -1 WHERE chain_id = ?1";

	return drop_one(engine, sql, chain_id, error);
}

int recover_drop_blob(scow_engine *engine, const char *digest, scow_error **error)
{
	static const char sql[] = "UPDATE blobs SET synced = -1 WHERE digest = ?1";

	return drop_one(engine, sql, digest, error);
}

int recover_verify(scow_engine *engine, scow_error **error)
{
	_cleanup_(suspects_done) struct suspects suspects = { 0 };
	_cleanup_db_ struct db_work work = { 0 };
	size_t lost = 0;
	int r = collect(engine, &suspects, error);

	if (r < 0)
		return r;
	for (size_t i = 0; i < suspects.count; i++) {
		struct suspect *item = &suspects.items[i];

		item->whole = item->name ? recover_layer_is_whole(engine, item->name, item->size) : blob_is_whole(engine, item->key);
		if (!item->whole)
			lost++;
	}
	r = db_begin(engine->db, &work, error);
	for (size_t i = 0; r >= 0 && i < suspects.count; i++)
		r = mark(engine, &work, &suspects.items[i], error);
	if (r >= 0 && lost)
		r = drop_marked(&work, error);
	if (r < 0)
		return r;
	r = db_commit(&work, error);
	/* The directories and files are orphans now: recover_orphans() follows, because the boot is a new one. */
	if (r == 0 && lost)
		engine_log(engine, SCOW_LOG_WARNING,
			   "%zu layers and blobs were lost in a power cut: images that need them must be pulled again", lost);
	return r;
}
