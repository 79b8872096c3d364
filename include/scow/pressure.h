/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pressure in a running container, told before the kernel acts on it: its memory passes a mark or its limit, the kernel is about to
 * kill or has killed, its programs stall for want of memory, processors or I/O. Whoever is told may raise the limit
 * (scow_container_update()), pause the container, or kill one program of it, and does so inside the callback or later.
 *
 * A watch is one pollable descriptor, used as a process's is: wait until scow_pressure_fd() is readable, call
 * scow_pressure_dispatch(), until that returns 0.
 *
 * Threads: a watch and its options belong to one thread at a time.
 */
#ifndef SCOW_PRESSURE_H
#define SCOW_PRESSURE_H

#include <scow/container.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct scow_pressure scow_pressure;
typedef struct scow_pressure_options scow_pressure_options;

typedef enum scow_pressure_kind {
	SCOW_PRESSURE_MEMORY = 1,       /* passed scow_pressure_options_set_memory_percent(); @value: bytes in use, @limit: its limit */
	SCOW_PRESSURE_HELD = 2,         /* near or at its limit, and held there: scow_pressure_options_set_hold(); the same numbers */
	SCOW_PRESSURE_OOM = 3,          /* at its limit, nothing can be freed, and the kernel kills now; the same numbers */
	SCOW_PRESSURE_OOM_KILL = 4,     /* @value: processes that the kernel killed for want of memory, since the watch was opened */
	SCOW_PRESSURE_STALL_MEMORY = 5, /* @value: microseconds that were lost; @limit: how many were to be told of */
	SCOW_PRESSURE_STALL_CPU = 6,
	SCOW_PRESSURE_STALL_IO = 7
} scow_pressure_kind;

/**
 * scow_pressure_fn - something happened
 * @kind: a scow_pressure_kind, with what @value and @limit are
 *
 * Called inside scow_pressure_dispatch(). It may call anything but functions of this watch.
 * Returns: 0 to go on; anything else stops, and is what scow_pressure_dispatch() returns (as SCOW_E_CANCELED if it is positive).
 */
typedef int (*scow_pressure_fn)(int kind, uint64_t value, uint64_t limit, void *userdata);

/** scow_pressure_options_new() - tells of kills only. Returns: owned, or NULL without memory. Since: 0.1. */
SCOW_API scow_pressure_options *scow_pressure_options_new(void);

/** scow_pressure_options_unref() - free them; NULL is allowed. Returns: NULL. Since: 0.1. */
SCOW_API scow_pressure_options *scow_pressure_options_unref(scow_pressure_options *options);

/**
 * scow_pressure_options_set_memory_percent() - tell when so much of the memory limit is in use; once, until it is less again
 * @percent: 1 to 99; 0 for none
 *
 * The mark moves with the limit. On cgroup v2 programs are slowed down from there on (memory.high), which makes time to decide; as
 * that must not outlive the watch, only the engine that started the container may ask for it there. Since: 0.1.
 */
SCOW_API void scow_pressure_options_set_memory_percent(scow_pressure_options *options, unsigned int percent);

/**
 * scow_pressure_options_set_hold() - at the limit programs wait for a decision, and are not killed
 *
 * SCOW_PRESSURE_HELD comes at the percentage, or 87 %, of the limit. On cgroup v2 programs only creep from there on (memory.high). On v1
 * the kernel's killer is off while the watch is open: at the limit, where HELD comes again, who touches new memory waits until there
 * is some, though a system call that needs memory fails. Closing the watch, or its process's end, lets the kernel go on as ever; so
 * only the engine that started the container, undetached, may hold it. Since: 0.1.
 */
SCOW_API void scow_pressure_options_set_hold(scow_pressure_options *options, int hold);

/**
 * scow_pressure_options_add_stall() - tell when programs lost time waiting (PSI); cgroup v2 only
 * @kind:      SCOW_PRESSURE_STALL_MEMORY, _CPU or _IO
 * @full:      0: some of the programs waited; 1: all of them
 * @stall_us:  so much time lost ...
 * @window_us: ... within so much: 500,000 to 10,000,000 (the kernel's bounds; without CAP_SYS_RESOURCE multiples of 2,000,000)
 *
 * Up to eight. Since: 0.1.
 */
SCOW_API void scow_pressure_options_add_stall(scow_pressure_options *options, int kind, int full, uint64_t stall_us, uint64_t window_us);

/**
 * scow_container_watch_pressure() - hear of pressure in a container that runs
 * @options:  borrowed for the call; NULL: kills only
 * @callback: called inside scow_pressure_dispatch()
 * @out:      owned, scow_pressure_unref()
 *
 * No kill goes untold, not even one that ends the container.
 * Returns: 0, SCOW_E_STATE (it does not run), SCOW_E_INVALID (options; a mark without a memory limit), SCOW_E_UNSUPPORTED (this host's
 * cgroups cannot; the message says why), SCOW_E_LIMIT (no descriptor), SCOW_E_NOT_FOUND.  Since: 0.1.
 */
SCOW_API int scow_container_watch_pressure(scow_container *container, const scow_pressure_options *options, scow_pressure_fn callback,
					   void *userdata, scow_pressure **out, scow_error **error);

/** scow_pressure_fd() - readable when dispatch has something to do. Returns: borrowed, as long as @pressure. Since: 0.1. */
SCOW_API int scow_pressure_fd(const scow_pressure *pressure);

/** scow_pressure_dispatch() - tell what happened. Returns: 1 while more may come, 0 once the container has ended, or a status. Since: 0.1. */
SCOW_API int scow_pressure_dispatch(scow_pressure *pressure, scow_error **error);

/** scow_pressure_unref() - stop, and let the kernel go on as without; NULL is allowed. Returns: NULL. Since: 0.1. */
SCOW_API scow_pressure *scow_pressure_unref(scow_pressure *pressure);

#ifdef __cplusplus
}
#endif
#endif
