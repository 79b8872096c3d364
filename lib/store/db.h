/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * state.db: one SQLite database in WAL mode, one connection per engine, prepared statements kept.
 *
 * A thing appears by one transaction after its bytes are in place, and goes by one transaction before
 * they are deleted: what a crash leaves is unreachable, and swept (store/recover.h).
 */
#pragma once

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"

struct db;

/* Opens or makes the database at @path, migrates it. SCOW_E_UNSUPPORTED for a schema from the future. */
int db_open(const char *path, struct db **out, scow_error **error) _must_check_;
void db_close(struct db *db);

/*
 * Work under the connection's lock: db_begin (IMMEDIATE: takes the write lock, waits up to 30 s for other
 * processes) or db_lock (reading: a consistent view needs one statement only), then statements, then
 * db_commit / db_rollback / db_unlock. _cleanup_db_ rolls back and unlocks whatever is still open.
 */
struct db_work {
	struct db *db;
	int open; /* 0 done, 1 lock only, 2 transaction */
	bool events; /* it wrote some: who waits for them is told after the commit (store/journal.h) */
};
int db_begin(struct db *db, struct db_work *work, scow_error **error) _must_check_;
void db_lock(struct db *db, struct db_work *work);
int db_commit(struct db_work *work, scow_error **error) _must_check_;
void db_end(struct db_work *work);
#define _cleanup_db_ __attribute__((cleanup(db_end)))

/*
 * Runs one statement. @types gives one letter per bound argument: 't' const char * (NULL binds NULL), 'i' int64_t,
 * 'b' const void * and then size_t. @sql must be a string literal: the prepared statement is cached under its address.
 * db_exec: changed rows (0 or more). db_query: 1 with a row, 0 without; read it with db_text/db_int and call
 * db_step for more; the next db_* on the same sql resets it. Inside db_begin/db_lock only.
 */
int db_exec(struct db_work *work, scow_error **error, const char *sql, const char *types, ...);
int db_query(struct db_work *work, sqlite3_stmt **row, scow_error **error, const char *sql, const char *types, ...);
int db_step(struct db_work *work, sqlite3_stmt *row, scow_error **error); /* 1 another row, 0 no more */
const char *db_text(sqlite3_stmt *row, int column); /* borrowed until the next step; NULL for NULL */
int64_t db_int(sqlite3_stmt *row, int column);
int64_t db_last_row(struct db_work *work); /* the number of the last row inserted */
