/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A stream of events: the journal from a number on, in pieces, and then what comes.
 *
 * 1. The watch is set before the journal is read, so what is added in between wakes us.
 * 2. The descriptor is an epoll of that watch and of one timer, which is set to "now" while there is more to hand over, else to
 *    the end that was asked for.
 * 3. The cursor goes on with each event handed over: after a callback that stopped, the next dispatch goes on behind it.
 * 4. At the end of the time asked for, one more look under the write lock: an event gets its time before its commit.
 * 5. Detached containers end while nobody looks, and their supervisors have no database: they only wake us, and it is our look
 *    at the containers that writes their events.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <scow/event.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "container/detached.h"
#include "container/sweep.h"
#include "engine/engine.h"
#include "system/filter.h"

#define BATCH 64
#define LOOK_AGAIN_US 1000000 /* without being told to, once something else has woken us */

struct scow_events {
	scow_engine *engine;
	cJSON *filter;
	int64_t cursor, since, until;
	scow_event_fn event;
	void *userdata;
	struct journal_watch watch;
	int epoll_fd, timer_fd;
	uint64_t looked_us; /* when containers were looked at; 0: not yet */
};

/* 0: never. In the past: at once. */
static int set_timer(scow_events *events, int64_t at_ns, scow_error **error)
{
	struct itimerspec when = { .it_value = { .tv_sec = at_ns / 1000000000, .tv_nsec = at_ns % 1000000000 } };

	if (timerfd_settime(events->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) < 0)
		return error_errno(error, errno, "timerfd_settime", "wait for events");
	return 0;
}

static int open_fds(scow_events *events, scow_error **error)
{
	struct epoll_event ready = { .events = EPOLLIN };

	int r = journal_watch_open(events->engine, &events->watch, error);

	if (r < 0)
		return r;
	events->timer_fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	events->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (events->timer_fd < 0 || events->epoll_fd < 0 || epoll_ctl(events->epoll_fd, EPOLL_CTL_ADD, events->watch.fd, &ready) < 0 ||
	    epoll_ctl(events->epoll_fd, EPOLL_CTL_ADD, events->timer_fd, &ready) < 0)
		return error_errno_status(error, SCOW_E_LIMIT, errno, NULL, "open a stream of events");
	return set_timer(events, 1, error);
}

/* Where a stream begins that was asked for @after. */
static int find_start(scow_events *events, uint64_t after, scow_error **error)
{
	int64_t last;
	int r = journal_last(events->engine->db, false, &last, error);

	if (r < 0)
		return r;
	if (after != UINT64_MAX && after > (uint64_t) last)
		return error_hint(
			error,
			error_set(error, SCOW_E_INVALID, "event %llu is not in the journal, which ends with %lld",
				  (unsigned long long) after, (long long) last),
			"the store was made anew, or lost its newest events in a power cut: begin again, with all events or new ones");
	events->cursor = after == UINT64_MAX ? last : (int64_t) after;
	return 0;
}

int scow_events_open(scow_engine *engine, uint64_t after, int64_t since_ns, int64_t until_ns, const char *filters, scow_event_fn event,
		     void *userdata, scow_events **out, scow_error **error)
{
	scow_events *events;
	int r = engine_check(engine, error);

	if (r < 0)
		return r;
	if (!out || !event)
		return error_set(error, SCOW_E_INVALID, "no %s was given", out ? "function for the events" : "place for the stream");
	events = calloc(1, sizeof(*events));
	if (!events)
		return error_oom(error);
	*events = (scow_events){
		.engine = scow_engine_ref(engine),
		.since = since_ns,
		.until = until_ns,
		.event = event,
		.userdata = userdata,
		.epoll_fd = -1,
		.watch = { -1, -1 },
		.timer_fd = -1,
	};
	r = event_filter_parse(filters, &events->filter, error);
	if (r == 0)
		r = open_fds(events, error);
	if (r == 0)
		r = find_start(events, after, error);
	if (r < 0) {
		scow_events_unref(events);
		return error_wrap(error, r, "open a stream of events");
	}
	*out = events;
	return 0;
}

scow_events *scow_events_unref(scow_events *events)
{
	int saved = errno;

	if (!events)
		return NULL;
	cleanup_fd(&events->epoll_fd);
	cleanup_fd(&events->watch.fd);
	cleanup_fd(&events->timer_fd);
	cJSON_Delete(events->filter);
	scow_engine_unref(events->engine);
	free(events);
	errno = saved;
	return NULL;
}

int scow_events_fd(const scow_events *events)
{
	return events ? events->epoll_fd : -1;
}

/* ---- one event ---- */

static bool add_time(cJSON *json, const char *name, int64_t value)
{
	char digits[24];

	/* A double would round the nanoseconds. */
	snprintf(digits, sizeof(digits), "%lld", (long long) value);
	return cJSON_AddRawToObject(json, name, digits) != NULL;
}

/* Docker's document; takes @attributes. "status", "id" and "from" are those of its first versions, which many still read. */
static char *compose(const struct journal_entry *entry, cJSON *attributes)
{
	_cleanup_json_ cJSON *json = cJSON_CreateObject();
	const char *from = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(attributes, "image"));
	bool container = str_eq(entry->type, "container"), ok = json != NULL;
	cJSON *actor;

	if (container || str_eq(entry->type, "image"))
		ok = ok && cJSON_AddStringToObject(json, "status", entry->action) && cJSON_AddStringToObject(json, "id", entry->object);
	if (container && from)
		ok = ok && cJSON_AddStringToObject(json, "from", from);
	ok = ok && cJSON_AddStringToObject(json, "Type", entry->type) && cJSON_AddStringToObject(json, "Action", entry->action);
	actor = ok ? cJSON_AddObjectToObject(json, "Actor") : NULL;
	ok = actor && cJSON_AddStringToObject(actor, "ID", entry->object);
	if (!ok || !cJSON_AddItemToObject(actor, "Attributes", attributes)) {
		cJSON_Delete(attributes);
		return NULL;
	}
	ok = cJSON_AddStringToObject(json, "scope", "local") && add_time(json, "time", entry->time / 1000000000) &&
	     add_time(json, "timeNano", entry->time);
	return ok ? json_print(json) : NULL;
}

/* What the callback returned, as a status; 0 to go on. */
static int hand_over(scow_events *events, const struct journal_entry *entry, scow_error **error)
{
	cJSON *attributes = cJSON_Parse(entry->attributes);
	_cleanup_free_ char *text = NULL;
	int r;

	if (!attributes)
		attributes = cJSON_CreateObject();
	if (!event_filter_matches(events->filter, entry, attributes)) {
		cJSON_Delete(attributes);
		return 0;
	}
	text = compose(entry, attributes);
	if (!text)
		return error_oom(error);
	events->cursor = entry->number;
	r = events->event((uint64_t) entry->number, text, events->userdata);
	if (r == 0)
		return 0;
	return error_set(error, r < 0 ? r : SCOW_E_CANCELED, "the caller stopped the stream of events");
}

/* Up to one batch. 1: there may be more at once; 0: all up to @last was handed over. */
static int hand_over_batch(scow_events *events, int64_t last, scow_error **error)
{
	_cleanup_arena_ struct arena arena = { 0 };
	struct journal_entry entries[BATCH];
	int count = journal_read(events->engine->db, events->cursor, last, events->since, &arena, entries, BATCH, error);

	for (int i = 0; i < count; i++) {
		int r = 0;

		if (!events->until || entries[i].time < events->until)
			r = hand_over(events, &entries[i], error);
		if (r < 0)
			return r;
		events->cursor = entries[i].number;
	}
	if (count >= 0 && count < BATCH)
		events->cursor = last;
	return count < 0 ? count : count == BATCH;
}

/* What supervisors and dead processes could not write. It costs some microseconds for each container that runs. */
static int look_at_containers(scow_events *events, bool told, scow_error **error)
{
	uint64_t now = clock_us();
	int r;

	if (!told && events->looked_us && now - events->looked_us < LOOK_AGAIN_US)
		return 0;
	events->looked_us = now;
	r = container_sweep(events->engine, error);
	return r < 0 ? r : detached_note_runs(events->engine, error);
}

int scow_events_dispatch(scow_events *events, scow_error **error)
{
	bool past, told;
	int64_t last;
	int r;

	if (!events)
		return error_set(error, SCOW_E_INVALID, "no stream of events was given");
	r = engine_check(events->engine, error);
	if (r < 0)
		return r;
	told = journal_watch_drain(&events->watch);
	/* Should this not get to its end, it goes on at once. */
	r = set_timer(events, 1, error);
	if (r == 0)
		r = look_at_containers(events, told, error);
	past = events->until && now_ns() >= events->until;
	if (r == 0)
		r = journal_last(events->engine->db, past, &last, error);
	if (r == 0)
		r = hand_over_batch(events, last, error);
	if (r != 0)
		return r;
	if (past)
		return 0;
	r = set_timer(events, events->until, error);
	return r < 0 ? r : 1;
}
