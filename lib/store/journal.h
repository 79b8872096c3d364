/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The journal of events: rows of state.db, written in the transaction of what they tell of, so that neither is without the
 * other. Numbers grow by one, for writers take turns.
 *
 * Who waits for events watches the file JOURNAL_WAKE in the root being opened (inotify): every commit with events in it opens
 * and closes that file, 2 us, and finds it missing, 1 us, while nobody ever listened. Supervisors, which have no database,
 * do so with STATES_WAKE after they changed their state: a listener then takes it over into the rows, and so writes the events.
 */
#pragma once

#include "base/arena.h"
#include "store/db.h"

#define JOURNAL_WAKE "events.wake"
#define STATES_WAKE "states.wake" /* supervisor-wire.h has it, too */

/*
 * Adds an event in @work, a transaction. @type "container", "image", ...; @action Docker's name; @id of the object;
 * @attributes a JSON object of strings, NULL for none.
 */
int journal_add(struct db_work *work, const char *type, const char *action, const char *id, const char *attributes,
		scow_error **error) _must_check_;

/* The same for what happened at @time (ns), which may be before events that are in the journal already. */
int journal_add_at(struct db_work *work, int64_t time, const char *type, const char *action, const char *id, const char *attributes,
		   scow_error **error) _must_check_;

struct journal_entry {
	int64_t number, time; /* ns */
	const char *type, *action, *object, *attributes;
};

/* The number of the newest event, 0 before the first. @settled: of those, too, that a transaction of this moment is writing. */
int journal_last(struct db *db, bool settled, int64_t *number, scow_error **error) _must_check_;
/* Up to @room entries from @after (not included) to @last, at or after @since. How many; their strings live in @arena. */
int journal_read(struct db *db, int64_t after, int64_t last, int64_t since, struct arena *arena, struct journal_entry *out, int room,
		 scow_error **error) _must_check_;
struct journal_watch {
	int fd; /* inotify: readable when events were added, or states changed, since; -1: none */
	int states;
};
int journal_watch_open(scow_engine *engine, struct journal_watch *out, scow_error **error) _must_check_;
/* Makes it unreadable until the next time. Whether it was, also, about states. */
bool journal_watch_drain(const struct journal_watch *watch);
