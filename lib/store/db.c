/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SQLite in WAL mode with synchronous=NORMAL: a commit is one write into the log and no fsync, so it costs
 * about 30 us; a power cut may lose the last commits, never the file's integrity. What a killed process
 * had not committed never happened.
 *
 * 1. The connection is opened NOMUTEX and used under db->lock only.
 * 2. Statements are cached under the address of their text, which is a literal.
 * 3. Writers begin IMMEDIATE: a transaction that first reads and then writes could otherwise find the
 *    database changed under it (SQLITE_BUSY_SNAPSHOT), which no waiting cures.
 * 4. The log is left when the last process closes: emptying it takes four disk syncs, more than a container's start. The
 *    next to open reads it again, which a short one (CHECKPOINT_PAGES) makes cheap.
 * 5. Its blocks are reserved when the store is made: on a full disk what ended is still recorded, and what is to be removed
 *    still goes, which is how the disk gets empty again.
 */
#include "store/db.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "store/journal.h"

#define SCHEMA_VERSION 1
#define BUSY_TIMEOUT_MS 30000
#define CACHE_SLOTS 256
#define CHECKPOINT_PAGES 128
#define LOG_RESERVE_BYTES (512 * 1024)

/* store/schema.sql, embedded by lib/store/meson.build. */
extern const char schema_sql[];

struct cached {
	const char *sql;
	sqlite3_stmt *statement;
};

struct db {
	sqlite3 *handle;
	char *wake_path; /* JOURNAL_WAKE beside it */
	pthread_mutex_t lock;
	struct cached cache[CACHE_SLOTS];
};

static int db_error(sqlite3 *handle, int code, const char *doing, scow_error **error)
{
	static const struct {
		int code;
		scow_status status;
		const char *hint;
	} table[] = {
		{ SQLITE_BUSY, SCOW_E_BUSY, "another process holds the store's lock for very long" },
		{ SQLITE_FULL, SCOW_E_NO_SPACE, "free space on the file system of the store" },
		{ SQLITE_NOMEM, SCOW_E_NO_MEMORY, NULL },
		{ SQLITE_CORRUPT, SCOW_E_CORRUPT, "restore state.db from a backup, or remove the store's root" },
		{ SQLITE_NOTADB, SCOW_E_CORRUPT, "state.db is not a database: remove the store's root" },
		{ SQLITE_READONLY, SCOW_E_DENIED, NULL },
		{ SQLITE_CANTOPEN, SCOW_E_DENIED, NULL },
		{ SQLITE_PERM, SCOW_E_DENIED, NULL },
		{ SQLITE_CONSTRAINT, SCOW_E_EXISTS, NULL },
	};
	scow_status status = SCOW_E_FAILED;
	const char *hint = NULL;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (table[i].code == (code & 0xff)) {
			status = table[i].status;
			hint = table[i].hint;
		}
	}
	if (code == SQLITE_IOERR_WRITE || code == SQLITE_IOERR_SHMSIZE)
		status = SCOW_E_NO_SPACE;
	r = error_set(error, status, "state.db: %s: %s", doing, handle ? sqlite3_errmsg(handle) : sqlite3_errstr(code));
	return hint ? error_hint(error, r, "%s", hint) : r;
}

static int run(sqlite3 *handle, const char *sql, const char *doing, scow_error **error)
{
	int code = sqlite3_exec(handle, sql, NULL, NULL, NULL);

	return code == SQLITE_OK ? 0 : db_error(handle, code, doing, error);
}

static int read_version(sqlite3 *handle, int *version, scow_error **error)
{
	sqlite3_stmt *row = NULL;
	int code = sqlite3_prepare_v2(handle, "PRAGMA user_version", -1, &row, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(row);
	if (code == SQLITE_ROW)
		*version = sqlite3_column_int(row, 0);
	sqlite3_finalize(row);
	return code == SQLITE_ROW ? 0 : db_error(handle, code, "read its version", error);
}

/* Beyond the log's end, where SQLite does not look. A file system that cannot do it does without. */
static void reserve_log(sqlite3 *handle)
{
	_cleanup_fd_ int fd = open(sqlite3_filename_wal(sqlite3_db_filename(handle, "main")), O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		(void) fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, LOG_RESERVE_BYTES);
}

static int migrate(sqlite3 *handle, scow_error **error)
{
	int version = 0, r;

	r = read_version(handle, &version, error);
	if (r < 0 || version == SCHEMA_VERSION)
		return r;
	if (version > SCHEMA_VERSION)
		return error_hint(error,
				  error_set(error, SCOW_E_UNSUPPORTED, "state.db has schema version %d, this library knows %d", version,
					    SCHEMA_VERSION),
				  "use the newer libscow that made it, or another root");
	/* Both are kept in the file, and cannot change inside a transaction. Rows are small: small pages make a short log. */
	r = run(handle, "PRAGMA page_size=1024; PRAGMA journal_mode=WAL; BEGIN IMMEDIATE", "prepare it", error);
	if (r < 0)
		return r;
	/* Somebody else may have made it while we waited for the lock. */
	r = read_version(handle, &version, error);
	if (r == 0 && version == 0)
		r = run(handle, schema_sql, "make its tables", error);
	if (r == 0 && version == 0)
		r = run(handle, "PRAGMA user_version=1", "set its version", error);
	if (r == 0) {
		if (version == 0)
			reserve_log(handle);
		return run(handle, "COMMIT", "make its tables", error);
	}
	run(handle, "ROLLBACK", "undo", NULL);
	return r;
}

int db_open(const char *path, struct db **out, scow_error **error)
{
	struct db *db = calloc(1, sizeof(*db));
	const char *slash = strrchr(path, '/');
	int code, r;

	if (!db)
		return error_oom(error);
	pthread_mutex_init(&db->lock, NULL);
	db->wake_path = strf("%.*s%s", slash ? (int) (slash - path) + 1 : 0, path, JOURNAL_WAKE);
	if (!db->wake_path) {
		db_close(db);
		return error_oom(error);
	}
	code = sqlite3_open_v2(path, &db->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
	if (code != SQLITE_OK) {
		r = db_error(db->handle, code, "open it", error);
	} else {
		sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT_MS);
		sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		sqlite3_wal_autocheckpoint(db->handle, CHECKPOINT_PAGES);
		r = migrate(db->handle, error);
		if (r == 0)
			r = run(db->handle, "PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY", "prepare it",
				error);
	}
	if (r < 0) {
		db_close(db);
		return error_at(error, r, "open the store", path);
	}
	*out = db;
	return 0;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	for (size_t i = 0; i < CACHE_SLOTS; i++)
		sqlite3_finalize(db->cache[i].statement);
	sqlite3_close(db->handle);
	free(db->wake_path);
	pthread_mutex_destroy(&db->lock);
	free(db);
}

static int prepare(struct db *db, const char *sql, sqlite3_stmt **out, scow_error **error)
{
	size_t slot = ((uintptr_t) sql >> 4) * 2654435761U % CACHE_SLOTS;
	int code;

	for (size_t i = 0; i < CACHE_SLOTS; i++, slot = (slot + 1) % CACHE_SLOTS) {
		struct cached *cached = &db->cache[slot];

		if (cached->sql == sql) {
			sqlite3_reset(cached->statement);
			*out = cached->statement;
			return 0;
		}
		if (cached->sql)
			continue;
		code = sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &cached->statement, NULL);
		if (code != SQLITE_OK)
			return db_error(db->handle, code, sql, error);
		cached->sql = sql;
		*out = cached->statement;
		return 0;
	}
	return error_set(error, SCOW_E_LIMIT, "more than %d different statements", CACHE_SLOTS);
}

int db_begin(struct db *db, struct db_work *work, scow_error **error)
{
	sqlite3_stmt *begin = NULL;
	int code, r;

	pthread_mutex_lock(&db->lock);
	r = prepare(db, "BEGIN IMMEDIATE", &begin, error);
	if (r == 0) {
		code = sqlite3_step(begin);
		sqlite3_reset(begin);
		if (code != SQLITE_DONE)
			r = db_error(db->handle, code, "begin", error);
	}
	if (r < 0) {
		pthread_mutex_unlock(&db->lock);
		return r;
	}
	*work = (struct db_work){ .db = db, .open = 2 };
	return 0;
}

void db_lock(struct db *db, struct db_work *work)
{
	pthread_mutex_lock(&db->lock);
	*work = (struct db_work){ .db = db, .open = 1 };
}

/* A statement left in the middle would keep its read snapshot, and the log from being truncated. */
static void reset_all(struct db *db)
{
	for (size_t i = 0; i < CACHE_SLOTS; i++)
		if (db->cache[i].statement && sqlite3_stmt_busy(db->cache[i].statement))
			sqlite3_reset(db->cache[i].statement);
}

/* After the commit, when the events are there for others. Without the file nobody ever listened. */
static void wake_listeners(const struct db *db)
{
	_cleanup_fd_ int fd = open(db->wake_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);

	(void) fd;
}

int db_commit(struct db_work *work, scow_error **error)
{
	struct db *db = work->db;
	sqlite3_stmt *commit;
	int code, r;

	reset_all(db);
	r = prepare(db, "COMMIT", &commit, error);
	if (r < 0)
		return r;
	code = sqlite3_step(commit);
	sqlite3_reset(commit);
	if (code != SQLITE_DONE)
		return db_error(db->handle, code, "commit", error);
	if (work->events)
		wake_listeners(db);
	work->open = 1;
	db_end(work);
	return 0;
}

void db_end(struct db_work *work)
{
	int saved = errno, open = work->open;

	if (!open)
		return;
	work->open = 0;
	reset_all(work->db);
	if (open == 2)
		run(work->db->handle, "ROLLBACK", "roll back", NULL);
	pthread_mutex_unlock(&work->db->lock);
	errno = saved;
}

static int bind_all(sqlite3_stmt *statement, const char *types, va_list args)
{
	int code = SQLITE_OK;

	for (int i = 1; code == SQLITE_OK && types[i - 1]; i++) {
		if (types[i - 1] == 't') {
			code = sqlite3_bind_text(statement, i, va_arg(args, const char *), -1, SQLITE_TRANSIENT);
		} else if (types[i - 1] == 'i') {
			code = sqlite3_bind_int64(statement, i, va_arg(args, int64_t));
		} else {
			const void *data = va_arg(args, const void *);

			code = sqlite3_bind_blob64(statement, i, data, va_arg(args, size_t), SQLITE_TRANSIENT);
		}
	}
	return code;
}

int db_exec(struct db_work *work, scow_error **error, const char *sql, const char *types, ...)
{
	sqlite3_stmt *statement;
	va_list args;
	int code, r;

	r = prepare(work->db, sql, &statement, error);
	if (r < 0)
		return r;
	va_start(args, types);
	code = bind_all(statement, types, args);
	va_end(args);
	if (code == SQLITE_OK)
		while ((code = sqlite3_step(statement)) == SQLITE_ROW)
			;
	sqlite3_reset(statement);
	return code == SQLITE_DONE ? sqlite3_changes(work->db->handle) : db_error(work->db->handle, code, "write", error);
}

int db_query(struct db_work *work, sqlite3_stmt **row, scow_error **error, const char *sql, const char *types, ...)
{
	va_list args;
	int code, r;

	r = prepare(work->db, sql, row, error);
	if (r < 0)
		return r;
	va_start(args, types);
	code = bind_all(*row, types, args);
	va_end(args);
	if (code != SQLITE_OK)
		return db_error(work->db->handle, code, "read", error);
	return db_step(work, *row, error);
}

int db_step(struct db_work *work, sqlite3_stmt *row, scow_error **error)
{
	int code = sqlite3_step(row);

	if (code == SQLITE_ROW)
		return 1;
	sqlite3_reset(row);
	return code == SQLITE_DONE ? 0 : db_error(work->db->handle, code, "read", error);
}

const char *db_text(sqlite3_stmt *row, int column)
{
	return (const char *) sqlite3_column_text(row, column);
}

int64_t db_int(sqlite3_stmt *row, int column)
{
	return sqlite3_column_int64(row, column);
}

int64_t db_last_row(struct db_work *work)
{
	return sqlite3_last_insert_rowid(work->db->handle);
}
