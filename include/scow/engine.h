/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The engine: one store of images and containers, opened by this process.
 *
 * No daemon stands behind it. Any number of processes may open one root at once, and one process may
 * open several roots. Opening sweeps what a killed process left behind.
 *
 * Threads: an engine may be used from any thread, concurrently. Options: one thread at a time.
 * After fork() without exec the child may only unref; every other call returns SCOW_E_STATE.
 */
#ifndef SCOW_ENGINE_H
#define SCOW_ENGINE_H

#include <stdint.h>
#include <scow/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct scow_engine scow_engine;
typedef struct scow_engine_options scow_engine_options;

typedef enum scow_log_level { SCOW_LOG_ERROR = 0, SCOW_LOG_WARNING = 1, SCOW_LOG_INFO = 2, SCOW_LOG_DEBUG = 3 } scow_log_level;

/**
 * scow_log_fn - a line of the engine's log
 * @level:   a scow_log_level
 * @message: one line, valid during the call
 *
 * Called on the thread that is inside a call of this library, never with a lock held.
 */
typedef void (*scow_log_fn)(int level, const char *message, void *userdata);

/** scow_engine_options_new() - defaults. Returns: owned, or NULL without memory. Since: 0.1. */
SCOW_API scow_engine_options *scow_engine_options_new(void);

/** scow_engine_options_unref() - free them; NULL is allowed. Returns: NULL. Since: 0.1. */
SCOW_API scow_engine_options *scow_engine_options_unref(scow_engine_options *options);

/**
 * scow_engine_options_set_root() - the directory that holds everything
 * @path: absolute; made with mode 0700 if missing. NULL for the default: /var/lib/scow for root,
 *        else $XDG_DATA_HOME/scow or ~/.local/share/scow. Copied.
 * Since: 0.1.
 */
SCOW_API void scow_engine_options_set_root(scow_engine_options *options, const char *path);

/**
 * scow_engine_options_set_cdi_dirs() - where documents of the Container Device Interface are
 * @dirs: absolute, NULL-terminated, copied; a later one wins. NULL for the default: /etc/cdi and /var/run/cdi.
 * Since: 0.1.
 */
SCOW_API void scow_engine_options_set_cdi_dirs(scow_engine_options *options, const char *const *dirs);

/** scow_engine_options_set_log() - where messages go; without it the library is silent. @log may be NULL. Since: 0.1. */
SCOW_API void scow_engine_options_set_log(scow_engine_options *options, scow_log_fn log, void *userdata);

/**
 * scow_trace_fn - where the time of a call went
 * @span:       a number of its own
 * @parent:     the span that it is a part of; 0: none, it is a whole operation: "create", "start", "exec" or "remove"
 * @name:       of an operation its phases, without a gap; "launch" has as parts what scow-init did. Valid during the call
 * @start_ns:   nanoseconds since 1970; @end_ns likewise
 * @attributes: a JSON object; of an operation {"container.id":...,"status":...}. Valid during the call
 *
 * Called on the thread that is inside a call of this library, never with a lock held, for all spans of an operation when it is over.
 */
typedef void (*scow_trace_fn)(uint64_t span, uint64_t parent, const char *name, int64_t start_ns, int64_t end_ns, const char *attributes,
			      void *userdata);

/** scow_engine_options_set_trace() - hear where time goes, for a tracing system such as OpenTelemetry; @trace may be NULL. Since: 0.1. */
SCOW_API void scow_engine_options_set_trace(scow_engine_options *options, scow_trace_fn trace, void *userdata);

/**
 * scow_engine_open() - open a root, making it if it is not there
 * @options: borrowed for the call; NULL for the defaults
 * @out:     the engine; owned by the caller, scow_engine_unref()
 * @error:   filled on failure, may be NULL
 *
 * Runs as root, or as a plain user in user namespaces; which one is decided by the capabilities of
 * the calling process. Sweeps what dead processes left: ephemeral containers, half-made images.
 *
 * Returns: 0, SCOW_E_DENIED (the root belongs to somebody else), SCOW_E_UNSUPPORTED (made by a newer
 * library, or the kernel lacks a feature), SCOW_E_CORRUPT, SCOW_E_NO_SPACE, SCOW_E_INVALID (options).
 * Threads: any.  Since: 0.1.
 */
SCOW_API int scow_engine_open(const scow_engine_options *options, scow_engine **out, scow_error **error);

/** scow_engine_ref() - take another reference. Returns: @engine. Threads: any. Since: 0.1. */
SCOW_API scow_engine *scow_engine_ref(scow_engine *engine);

/**
 * scow_engine_unref() - give one back; NULL is allowed
 *
 * Images and containers hold a reference of their own: the order in which handles go does not matter.
 * Returns: NULL.  Threads: any.  Since: 0.1.
 */
SCOW_API scow_engine *scow_engine_unref(scow_engine *engine);

/** scow_engine_root() - the root's path. Returns: borrowed, as long as @engine. Threads: any. Since: 0.1. */
SCOW_API const char *scow_engine_root(const scow_engine *engine);

/** scow_engine_rootless() - 1 where containers run in a user namespace of a plain user. Threads: any. Since: 0.1. */
SCOW_API int scow_engine_rootless(const scow_engine *engine);

/**
 * scow_engine_info_json() - what this host offers, and why not where it does not
 * @out:   owned, scow_free(): an object with the kernel, the cgroup mode, id maps, counts of objects
 * @error: filled on failure, may be NULL
 *
 * Returns: 0, SCOW_E_NO_MEMORY or SCOW_E_CORRUPT.  Threads: any.  Since: 0.1.
 */
SCOW_API int scow_engine_info_json(scow_engine *engine, char **out, scow_error **error);

#ifdef __cplusplus
}
#endif
#endif
