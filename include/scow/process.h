/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A process in a container: what it prints, and how it ends.
 *
 * It is one pollable descriptor. The rules:
 * 1. Wait until scow_process_fd() is readable, by poll, epoll, libuv, asyncio or Go.
 * 2. Call scow_process_dispatch(): it does what is ready, calls callbacks, and never blocks.
 * 3. It returns 1 while there is more to come, and 0 once the process has exited and its output has
 *    been delivered. scow_process_exit_code() is then set.
 * scow_process_wait() is that loop, for programs that have nothing else to do.
 *
 * Threads: dispatch, wait and write from one thread at a time; signal, resize and getters from any.
 */
#ifndef SCOW_PROCESS_H
#define SCOW_PROCESS_H

#include <stdint.h>
#include <scow/io.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct scow_process scow_process;
typedef struct scow_receipt scow_receipt;

/** scow_process_ref() - take another reference. Returns: @process. Threads: any. Since: 0.1. */
SCOW_API scow_process *scow_process_ref(scow_process *process);

/**
 * scow_process_unref() - give one back; NULL is allowed
 *
 * With the last one an owned process that still runs is killed with all its children, and reaped.
 * Returns: NULL.  Threads: any.  Since: 0.1.
 */
SCOW_API scow_process *scow_process_unref(scow_process *process);

/** scow_process_fd() - readable when dispatch has something to do. Returns: borrowed, as long as @process. Since: 0.1. See: epoll(7). */
SCOW_API int scow_process_fd(const scow_process *process);

/** scow_process_pid() - its process id as this process sees it. Since: 0.1. */
SCOW_API int scow_process_pid(const scow_process *process);

/**
 * scow_process_dispatch() - do what is ready, without blocking
 *
 * Returns: 1 while more is to come, 0 when it has exited and all its output was delivered,
 * SCOW_E_FAILED where its exit cannot be learned.  Threads: one at a time.  Since: 0.1.
 */
SCOW_API int scow_process_dispatch(scow_process *process, scow_error **error);

/**
 * scow_process_wait() - dispatch until it has exited
 * @timeout_ms: -1 for ever
 * @exit_code:  may be NULL: its exit code, or 128 + the signal that ended it
 *
 * Output that a grandchild still holds open after the exit is not waited for longer than what is there.
 *
 * Returns: 0, SCOW_E_TIMEOUT (it still runs), SCOW_E_FAILED.  Threads: one at a time.  Since: 0.1.
 */
SCOW_API int scow_process_wait(scow_process *process, int timeout_ms, int *exit_code, scow_error **error);

/**
 * scow_process_write() - put bytes into its stdin or terminal
 * @size: 0 closes stdin (end of file); on a terminal it sends ctrl-D
 *
 * Blocks while the pipe is full, dispatching output meanwhile.
 *
 * Returns: 0, SCOW_E_STATE (stdin is not open, or it does not read any more).  Since: 0.1.
 */
SCOW_API int scow_process_write(scow_process *process, const void *data, size_t size, scow_error **error);

/**
 * scow_process_output() - what was captured so far, with scow_io_set_capture()
 * @stream: SCOW_STDOUT or SCOW_STDERR
 * @size:   may be NULL
 *
 * Returns: borrowed, until the next dispatch, wait or write; NUL-terminated; "" if there is nothing.  Since: 0.1.
 */
SCOW_API const char *scow_process_output(const scow_process *process, scow_stream stream, size_t *size);

/**
 * scow_process_terminal_fd() - the terminal's master side
 *
 * For programs that copy it themselves: what is read from it is not given to callbacks.
 * Returns: borrowed, as long as @process; -1 without a terminal.  Since: 0.1.  See: pty(7).
 */
SCOW_API int scow_process_terminal_fd(const scow_process *process);

/** scow_process_resize() - the terminal's new size; the process gets SIGWINCH. Returns: 0, SCOW_E_STATE (no terminal). Since: 0.1. */
SCOW_API int scow_process_resize(scow_process *process, unsigned int rows, unsigned int columns, scow_error **error);

/** scow_process_signal() - send it a signal. Returns: 0, SCOW_E_STATE (exited), SCOW_E_INVALID, SCOW_E_DENIED. Since: 0.1. See: pidfd_send_signal(2). */
SCOW_API int scow_process_signal(scow_process *process, int signal, scow_error **error);

/** scow_process_kill_tree() - SIGKILL to it and all its children, also those that left its session: its own cgroup is killed. Returns: 0, SCOW_E_STATE (exited). Threads: any. Since: 0.1. */
SCOW_API int scow_process_kill_tree(scow_process *process, scow_error **error);

/** scow_process_exited() - 1 once its exit was seen by dispatch or wait. Since: 0.1. */
SCOW_API int scow_process_exited(const scow_process *process);

/** scow_process_exit_code() - its code, or 128 + signal; -1 while it runs. Since: 0.1. */
SCOW_API int scow_process_exit_code(const scow_process *process);

/** scow_process_exit_signal() - the signal that ended it, or 0. Since: 0.1. */
SCOW_API int scow_process_exit_signal(const scow_process *process);

/**
 * scow_process_receipt() - what it used, read from its cgroup before that went
 *
 * Returns: borrowed, as long as @process; NULL while it runs.  Since: 0.1.
 */
SCOW_API const scow_receipt *scow_process_receipt(const scow_process *process);

/** scow_receipt_cpu_user_us() - CPU time of all its processes in user mode, in microseconds. Since: 0.1. */
SCOW_API uint64_t scow_receipt_cpu_user_us(const scow_receipt *receipt);

/** scow_receipt_cpu_system_us() - CPU time in the kernel, in microseconds. Since: 0.1. */
SCOW_API uint64_t scow_receipt_cpu_system_us(const scow_receipt *receipt);

/** scow_receipt_memory_peak_bytes() - the most memory it had at once; 0 where the host cannot tell. Since: 0.1. */
SCOW_API uint64_t scow_receipt_memory_peak_bytes(const scow_receipt *receipt);

/** scow_receipt_pids_peak() - the most processes at once; 0 where the host cannot tell. Since: 0.1. */
SCOW_API uint64_t scow_receipt_pids_peak(const scow_receipt *receipt);

/** scow_receipt_io_read_bytes() - read from block devices; 0 where the host cannot tell. Since: 0.1. */
SCOW_API uint64_t scow_receipt_io_read_bytes(const scow_receipt *receipt);

/** scow_receipt_io_write_bytes() - written to block devices; 0 where the host cannot tell. Since: 0.1. */
SCOW_API uint64_t scow_receipt_io_write_bytes(const scow_receipt *receipt);

/** scow_receipt_oom_kills() - how many of its processes the kernel killed for want of memory. Since: 0.1. */
SCOW_API uint64_t scow_receipt_oom_kills(const scow_receipt *receipt);

/** scow_receipt_wall_us() - from the start call to the exit, in microseconds. Since: 0.1. */
SCOW_API uint64_t scow_receipt_wall_us(const scow_receipt *receipt);

/** scow_receipt_start_us() - how long the start call took until the program ran, in microseconds. Since: 0.1. */
SCOW_API uint64_t scow_receipt_start_us(const scow_receipt *receipt);

#ifdef __cplusplus
}
#endif
#endif
