/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a detached container has printed: its log, read from any process, while it runs or after.
 *
 * A log is one pollable descriptor, used as a process's is: wait until scow_log_fd() is readable, call
 * scow_log_dispatch(), until that returns 0.
 *
 * Threads: a log belongs to one thread at a time.
 */
#ifndef SCOW_LOG_H
#define SCOW_LOG_H

#include <scow/container.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct scow_log scow_log;

/**
 * scow_log_line_fn - one entry of the log
 * @stream:  SCOW_STDOUT or SCOW_STDERR
 * @time_ns: when it was written, nanoseconds since 1970
 * @data:    as it was written, newline included; an entry without one is a part of a longer line. Valid during the call.
 *
 * Returns: 0 to go on; anything else stops, and is what scow_log_dispatch() returns (as SCOW_E_CANCELED if it is positive).
 */
typedef int (*scow_log_line_fn)(int stream, int64_t time_ns, const void *data, size_t size, void *userdata);

typedef enum scow_log_flags { SCOW_LOG_FOLLOW = 1 /* wait for more while the container runs */, SCOW_LOG_NO_STDOUT = 2, SCOW_LOG_NO_STDERR = 4 } scow_log_flags;

/**
 * scow_container_logs() - read a container's log, over all rotated files
 * @flags:    scow_log_flags
 * @since_ns: entries from then on; 0 for all. @until_ns: entries before; 0 for no end
 * @tail:     only the last so many of those; -1 for all
 * @line:     called inside scow_log_dispatch()
 * @out:      owned, scow_log_unref()
 *
 * Returns: 0, SCOW_E_NOT_FOUND (the container), SCOW_E_UNSUPPORTED (log driver "none", or never started detached).  Since: 0.1.
 */
SCOW_API int scow_container_logs(scow_container *container, unsigned int flags, int64_t since_ns, int64_t until_ns, int64_t tail,
				 scow_log_line_fn line, void *userdata, scow_log **out, scow_error **error);

/** scow_log_fd() - readable when dispatch has something to do. Returns: borrowed, as long as @log. Since: 0.1. */
SCOW_API int scow_log_fd(const scow_log *log);

/** scow_log_dispatch() - hand over what there is, without blocking. Returns: 1 while more may come, 0 at the end, or a status. Since: 0.1. */
SCOW_API int scow_log_dispatch(scow_log *log, scow_error **error);

/**
 * scow_log_attributes() - what log options (labels, env, tag) added to the entry, for use inside the function for entries
 *
 * Returns: borrowed, until that function returns: a JSON object of strings, {"stage":"test"}; NULL where there is nothing.  Since: 0.1.
 */
SCOW_API const char *scow_log_attributes(const scow_log *log);

/** scow_log_unref() - stop reading; NULL is allowed. Returns: NULL. Since: 0.1. */
SCOW_API scow_log *scow_log_unref(scow_log *log);

#ifdef __cplusplus
}
#endif
#endif
