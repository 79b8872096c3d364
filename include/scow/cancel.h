/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stops a long call from elsewhere. One token may serve many calls, at once or in turn.
 *
 * Threads: any, concurrently. scow_cancel_trigger() is also async-signal-safe.
 */
#ifndef SCOW_CANCEL_H
#define SCOW_CANCEL_H

#include <scow/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct scow_cancel scow_cancel;

/**
 * scow_cancel_new() - a token that is not triggered
 * @out:   the token; owned by the caller
 * @error: filled on failure, may be NULL
 *
 * Returns: 0, SCOW_E_NO_MEMORY, or SCOW_E_LIMIT (no descriptor is left).
 * Threads: any.  Since: 0.1.  See: eventfd(2).
 */
SCOW_API int scow_cancel_new(scow_cancel **out, scow_error **error);

/** scow_cancel_ref() - take another reference. Returns: @cancel. Threads: any. Since: 0.1. */
SCOW_API scow_cancel *scow_cancel_ref(scow_cancel *cancel);

/** scow_cancel_unref() - give one back; NULL is allowed. Returns: NULL. Threads: any. Since: 0.1. */
SCOW_API scow_cancel *scow_cancel_unref(scow_cancel *cancel);

/**
 * scow_cancel_trigger() - make every call that holds the token return SCOW_E_CANCELED soon
 *
 * Stays triggered. May be called from a signal handler: it is one write(2).
 * Threads: any.  Since: 0.1.
 */
SCOW_API void scow_cancel_trigger(scow_cancel *cancel);

/** scow_cancel_triggered() - 1 once triggered, else 0. Threads: any. Since: 0.1. */
SCOW_API int scow_cancel_triggered(const scow_cancel *cancel);

#ifdef __cplusplus
}
#endif
#endif
