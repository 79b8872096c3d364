/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What happens in the store, whoever does it: containers, images, later networks and volumes, by Docker's names.
 *
 * The journal is durable: an event has a number, and a reader that comes back with the number after which it stopped misses
 * none and sees none twice, while the journal reaches back that far (at least 100,000 events).
 *
 * Threads: a stream belongs to one thread at a time.
 */
#ifndef SCOW_EVENT_H
#define SCOW_EVENT_H

#include <stdint.h>
#include <scow/engine.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct scow_events scow_events;

/**
 * scow_event_fn - one event
 * @number: grows by one with each event of this store
 * @json:   in Docker's shape: {"Type":"container","Action":"start","Actor":{"ID":...,"Attributes":{...}},"time":...,"timeNano":...}
 *
 * Returns: 0 to go on; anything else stops, and is what scow_events_dispatch() returns (as SCOW_E_CANCELED if it is positive).
 */
typedef int (*scow_event_fn)(uint64_t number, const char *json, void *userdata);

/**
 * scow_events_open() - hear of events
 * @after:    a number: those that came after it, first the old ones; UINT64_MAX: only new ones; 0: all that the journal has
 * @since_ns: only those from then on; 0 for all. @until_ns: ends there; 0 for never
 * @filters:  NULL, or Docker's filters as JSON: {"type":["container"],"event":["die"],"container":["NAME"],"label":["a=b"]}
 * @out:      owned, scow_events_unref()
 *
 * Returns: 0, SCOW_E_INVALID (filters), SCOW_E_LIMIT (no descriptor).  Since: 0.1.
 */
SCOW_API int scow_events_open(scow_engine *engine, uint64_t after, int64_t since_ns, int64_t until_ns, const char *filters,
			      scow_event_fn event, void *userdata, scow_events **out, scow_error **error);

/** scow_events_fd() - readable when dispatch has something to do. Returns: borrowed, as long as @events. Since: 0.1. */
SCOW_API int scow_events_fd(const scow_events *events);

/** scow_events_dispatch() - hand over what there is, without blocking. Returns: 1 while more may come, 0 past @until_ns, or a status. Since: 0.1. */
SCOW_API int scow_events_dispatch(scow_events *events, scow_error **error);

/** scow_events_unref() - stop; NULL is allowed. Returns: NULL. Since: 0.1. */
SCOW_API scow_events *scow_events_unref(scow_events *events);

#ifdef __cplusplus
}
#endif
#endif
