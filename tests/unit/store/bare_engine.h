/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An engine with a store and nothing else: what the rooms below the launch need, made without opening the whole. */
#pragma once

#include "unit.h"

#include <sys/stat.h>

#include "base/fd.h"
#include "engine/engine.h"
#include "engine/userns.h"
#include "store/db.h"
#include "store/lock.h"

struct bare {
	struct scratch scratch;
	scow_engine engine;
	char log[4096]; /* the last line */
};

static void bare_log(int level, const char *message, void *userdata)
{
	struct bare *bare = userdata;

	(void) level;
	snprintf(bare->log, sizeof(bare->log), "%s", message);
}

static void bare_nothing(scow_engine *engine)
{
	(void) engine;
}

static inline int bare_dir(int root_fd, const char *name)
{
	int fd;

	assert_int_equal(dir_make_at(root_fd, name, 0700), 0);
	fd = dir_open_at(root_fd, name);
	assert_true(fd >= 0);
	return fd;
}

/* Another engine on the same root, as another process would open it. */
static inline void bare_open(struct bare *bare, const struct scratch *scratch)
{
	scow_engine *e = &bare->engine;
	char path[128];

	memset(bare, 0, sizeof(*bare));
	bare->scratch = *scratch;
	atomic_init(&e->refs, 1);
	e->close = bare_nothing;
	e->pid = getpid();
	e->root = strdup(scratch->path);
	e->root_fd = dup(scratch->fd);
	e->layers_fd = bare_dir(e->root_fd, "layers");
	close(bare_dir(e->root_fd, "blobs"));
	e->blobs_fd = bare_dir(e->root_fd, "blobs/sha256");
	e->containers_fd = bare_dir(e->root_fd, "containers");
	e->tmp_fd = bare_dir(e->root_fd, "tmp");
	close(bare_dir(e->root_fd, "owners"));
	e->helper_fd = e->guard_fd = e->owner_fd = -1;
	e->facts.uid = geteuid();
	strcpy(e->facts.boot_id, "11111111-1111-1111-1111-111111111111");
	e->log = bare_log;
	e->log_data = bare;
	pthread_mutex_init(&e->lock, NULL);
	snprintf(path, sizeof(path), "%s/state.db", scratch->path);
	assert_int_equal(db_open(path, &e->db, NULL), 0);
}

static inline void bare_new(struct bare *bare)
{
	struct scratch scratch = scratch_new();

	bare_open(bare, &scratch);
}

/* Closes it as a killed process would: no lock file is removed. */
static inline void bare_close(struct bare *bare)
{
	scow_engine *e = &bare->engine;
	const int fds[] = { e->root_fd, e->layers_fd, e->blobs_fd, e->containers_fd, e->tmp_fd, e->owner_fd };

	db_close(e->db);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	pthread_mutex_destroy(&e->lock);
	free(e->root);
}

static inline void bare_done(struct bare *bare)
{
	bare_close(bare);
	scratch_done(&bare->scratch);
}

/* Runs statements; fails the test where they do. */
static inline void bare_sql(struct bare *bare, const char *sql)
{
	_cleanup_db_ struct db_work work = { 0 };

	assert_int_equal(db_begin(bare->engine.db, &work, NULL), 0);
	assert_true(db_exec(&work, NULL, sql, "") >= 0);
	assert_int_equal(db_commit(&work, NULL), 0);
}

static inline int64_t bare_number(struct bare *bare, const char *sql)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *row;

	db_lock(bare->engine.db, &work);
	assert_int_equal(db_query(&work, &row, NULL, sql, ""), 1);
	return db_int(row, 0);
}

static inline bool bare_has(struct bare *bare, const char *path)
{
	return faccessat(bare->engine.root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static inline void bare_write(struct bare *bare, const char *path, const char *text)
{
	int fd = openat(bare->engine.root_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	close(fd);
}
