/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events as rows. One costs its part of a page in the log of the transaction that has it anyway; the oldest go some hundred at a
 * time.
 *
 * The wake comes after the commit: a listener that watched the log file itself would be woken by the write of the last page,
 * before the commit shows, and then never again.
 */
#include "base/clock.h"
#include "store/journal.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>

#define EVENTS_KEPT 100000

int journal_add(struct db_work *work, const char *type, const char *action, const char *id, const char *attributes, scow_error **error)
{
	return journal_add_at(work, now_ns(), type, action, id, attributes, error);
}

int journal_add_at(struct db_work *work, int64_t time, const char *type, const char *action, const char *id, const char *attributes,
		   scow_error **error)
{
	int r = db_exec(work, error, "INSERT INTO events(time, type, action, object, attributes) VALUES(?1, ?2, ?3, ?4, ?5)", "itttt", time,
			type, action, id, attributes ? attributes : "{}");

	if (r >= 0 && db_last_row(work) % 512 == 0)
		r = db_exec(work, error, "DELETE FROM events WHERE number <= ?", "i", db_last_row(work) - EVENTS_KEPT);
	if (r < 0)
		return error_wrap(error, r, "note the event '%s'", action);
	work->events = true;
	return 0;
}

int journal_last(struct db *db, bool settled, int64_t *number, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *row;
	int r = 0;

	/* Whoever is writing has the write lock: to get it is to have waited for them. */
	if (settled)
		r = db_begin(db, &work, error);
	else
		db_lock(db, &work);
	if (r == 0)
		r = db_query(&work, &row, error, "SELECT coalesce(max(number), 0) FROM events", "");
	if (r <= 0)
		return r;
	*number = db_int(row, 0);
	return 0;
}

int journal_read(struct db *db, int64_t after, int64_t last, int64_t since, struct arena *arena, struct journal_entry *out, int room,
		 scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *row;
	int count = 0, r;

	db_lock(db, &work);
	r = db_query(&work, &row, error,
		     "SELECT number, time, type, action, object, attributes FROM events WHERE number > ?1 AND number <= ?2 AND time >= ?3 "
		     "ORDER BY number LIMIT ?4",
		     "iiii", after, last, since, (int64_t) room);
	for (; r > 0 && count < room; r = db_step(&work, row, error))
		out[count++] = (struct journal_entry){
			.number = db_int(row, 0),
			.time = db_int(row, 1),
			.type = arena_strdup(arena, db_text(row, 2)),
			.action = arena_strdup(arena, db_text(row, 3)),
			.object = arena_strdup(arena, db_text(row, 4)),
			.attributes = arena_strdup(arena, db_text(row, 5)),
		};
	if (r < 0)
		return r;
	return arena_failed(arena) ? error_oom(error) : count;
}

static int add_watch(scow_engine *engine, int fd, const char *name, scow_error **error)
{
	_cleanup_fd_ int file = openat(engine->root_fd, name, O_RDONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	char path[32];
	int watch;

	if (file < 0)
		return error_errno(error, errno, "open", "make '%s/%s'", engine->root, name);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	watch = inotify_add_watch(fd, path, IN_OPEN);
	if (watch < 0)
		return error_errno_status(error, SCOW_E_LIMIT, errno, "inotify_add_watch", "watch '%s/%s'", engine->root, name);
	return watch;
}

int journal_watch_open(scow_engine *engine, struct journal_watch *out, scow_error **error)
{
	_cleanup_fd_ int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	int r;

	if (fd < 0)
		return error_hint(error, error_errno_status(error, SCOW_E_LIMIT, errno, "inotify_init1", "watch for events"),
				  "see fs.inotify.max_user_instances, and the limit on open files");
	r = add_watch(engine, fd, JOURNAL_WAKE, error);
	if (r >= 0)
		r = out->states = add_watch(engine, fd, STATES_WAKE, error);
	if (r < 0)
		return r;
	out->fd = take_fd(&fd);
	return 0;
}

bool journal_watch_drain(const struct journal_watch *watch)
{
	char buffer[4096] __attribute__((aligned(8)));
	bool states = false;
	ssize_t n;

	while ((n = read(watch->fd, buffer, sizeof(buffer))) > 0) {
		for (char *at = buffer; at < buffer + n;) {
			const struct inotify_event *event = (const struct inotify_event *) (const void *) at;

			states |= event->wd == watch->states || event->mask & IN_Q_OVERFLOW;
			at += sizeof(*event) + event->len;
		}
	}
	return states;
}
