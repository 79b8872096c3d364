/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a crash or a power cut left. The usual case costs two short directory reads and one query.
 *
 * Killed processes. Everything half-made stands in ROOT/tmp under a lock that died with its maker: a file under an OFD
 * lock, a directory under flock(2). What can be locked is dead. Where anything dead was found, and once after each boot,
 * layers/, containers/ and blobs/ are searched for what has no row.
 *
 * Power cuts. Nothing is fsynced while images arrive. What has stood for a minute is on the disk, or is put there by one
 * syncfs() at the next open, and marked synced. What a former boot left unsynced is checked once: blobs against their
 * digest, layers against the size that was unpacked (a file system that lost data shows files without their contents, or
 * no files). Lost ones are dropped, with the layers above them. The images that need them lose their names, so that the
 * next run pulls them again; one that containers stand on keeps its row, without a layer, until it is pulled again.
 */
#include "store/recover.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/userns.h"
#include "store/blob.h"
#include "store/db.h"
#include "store/lock.h"
#include "store/recover-internal.h"

/* A download that broke off is worth resuming for a day. */
/* Longer than any kernel keeps dirty pages by default (30 s), so that the syncfs has nothing to write. */
#define SETTLED_NS (60 * INT64_C(1000000000))

int recover_each(int dir_fd, int (*visit)(scow_engine *engine, int dir_fd, const char *name), scow_engine *engine)
{
	/* A descriptor of our own: the offset of the engine's is shared by its threads. */
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), found = 0;
	_cleanup_dir_ DIR *dir = NULL;
	struct dirent *entry;

	if (fd < 0)
		return 0;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return 0;
	}
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			found += visit(engine, dir_fd, entry->d_name);
	return found;
}

/* Takes the lock of a directory or file; the descriptor holds it. -1: somebody has it, or it is gone. */
static int seize(int dir_fd, const char *name, struct stat *st)
{
	_cleanup_fd_ int fd = -1;

	if (fstatat(dir_fd, name, st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	fd = openat(dir_fd, name, (S_ISDIR(st->st_mode) ? O_RDONLY | O_DIRECTORY : O_RDWR | O_NONBLOCK) | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -1;
	if (!S_ISDIR(st->st_mode) && lock_try(fd) <= 0)
		return -1;
	return lock_is_named(dir_fd, name, fd) ? take_fd(&fd) : -1;
}

/* An entry of ROOT/tmp. 1: it was dead, and is removed. */
static int sweep_tmp(scow_engine *engine, int dir_fd, const char *name)
{
	struct stat st;
	_cleanup_fd_ int fd = seize(dir_fd, name, &st);

	if (fd < 0)
		return 0;
	if (S_ISDIR(st.st_mode)) {
		_cleanup_(drop_error) scow_error *error = NULL;

		if (userns_remove_tree(engine, dir_fd, name, &error) < 0)
			engine_log(engine, SCOW_LOG_WARNING, "cannot sweep 'tmp/%s': %s", name, scow_error_message(error));
	} else {
		unlinkat(dir_fd, name, 0);
	}
	return 1;
}

/* An entry of ROOT/owners. 1: it was dead. */
static int sweep_owner(scow_engine *engine, int dir_fd, const char *name)
{
	struct stat st;
	_cleanup_fd_ int fd = -1;

	if (engine->owner_fd >= 0 && str_eq(name, engine->owner_id))
		return 0;
	fd = seize(dir_fd, name, &st);
	if (fd < 0)
		return 0;
	unlinkat(dir_fd, name, 0);
	return 1;
}

struct standing {
	bool new_boot;   /* no sweep for orphans since this boot */
	bool unsettled;  /* rows of this boot are old enough to be marked synced */
	bool unverified; /* rows of a former boot are not synced */
};

static int look(scow_engine *engine, struct standing *out, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *row;
	int r;

	db_lock(engine->db, &work);
	r = db_query(&work, &row, error,
		     "SELECT EXISTS(SELECT 1 FROM facts WHERE name = 'boot' AND value = ?1),"
		     " EXISTS(SELECT 1 FROM layers WHERE synced = 0 AND boot_id = ?1 AND created < ?2)"
		     " OR EXISTS(SELECT 1 FROM blobs WHERE synced = 0 AND boot_id = ?1 AND created < ?2),"
		     " EXISTS(SELECT 1 FROM layers WHERE synced = 0 AND boot_id <> ?1)"
		     " OR EXISTS(SELECT 1 FROM blobs WHERE synced = 0 AND boot_id <> ?1)",
		     "ti", engine->facts.boot_id, now_ns() - SETTLED_NS);
	if (r <= 0)
		return r;
	*out = (struct standing){ !db_int(row, 0), db_int(row, 1) != 0, db_int(row, 2) != 0 };
	return 0;
}

static int settle(scow_engine *engine, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	int64_t before = now_ns() - SETTLED_NS;
	int r;

	if (syncfs(engine->root_fd) < 0)
		return error_errno(error, errno, "syncfs", "sync '%s'", engine->root);
	r = db_begin(engine->db, &work, error);
	if (r == 0)
		r = db_exec(&work, error, "UPDATE layers SET synced = 1 WHERE synced = 0 AND boot_id = ?1 AND created < ?2", "ti",
			    engine->facts.boot_id, before);
	if (r >= 0)
		r = db_exec(&work, error, "UPDATE blobs SET synced = 1 WHERE synced = 0 AND boot_id = ?1 AND created < ?2", "ti",
			    engine->facts.boot_id, before);
	return r < 0 ? r : db_commit(&work, error);
}

static int note_boot(scow_engine *engine, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	int r = db_begin(engine->db, &work, error);

	if (r == 0)
		r = db_exec(&work, error, "INSERT INTO facts(name, value) VALUES('boot', ?1) ON CONFLICT(name) DO UPDATE SET value = ?1",
			    "t", engine->facts.boot_id);
	return r < 0 ? r : db_commit(&work, error);
}

int recover_store(scow_engine *engine, scow_error **error)
{
	struct standing standing = { 0 };
	int dead = recover_each(engine->tmp_fd, sweep_tmp, engine), owners = dir_open_at(engine->root_fd, "owners"), r;

	if (owners >= 0) {
		dead += recover_each(owners, sweep_owner, engine);
		close(owners);
	}
	r = look(engine, &standing, error);
	if (r == 0 && standing.unverified)
		r = recover_verify(engine, error);
	if (r == 0 && standing.unsettled)
		r = settle(engine, error);
	if (r == 0 && (dead || standing.new_boot || standing.unverified))
		recover_orphans(engine);
	if (r == 0 && standing.new_boot)
		r = note_boot(engine, error);
	return error_wrap(error, r, "sweep the store");
}
