/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a process's stdin, stdout and stderr go. One scow_io may be used for many processes.
 *
 * Without any setting: stdin is empty, stdout and stderr are thrown away.
 * The fast way is scow_io_set_fd(): the process then writes straight into the caller's descriptor.
 *
 * Threads: one thread at a time. It is copied when a process starts.
 */
#ifndef SCOW_IO_H
#define SCOW_IO_H

#include <stddef.h>
#include <scow/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct scow_io scow_io;

typedef enum scow_stream { SCOW_STDIN = 0, SCOW_STDOUT = 1, SCOW_STDERR = 2 } scow_stream;

/**
 * scow_output_fn - bytes that the process wrote
 * @stream: SCOW_STDOUT or SCOW_STDERR; with a terminal everything is SCOW_STDOUT
 * @data:   valid during the call
 *
 * Called inside scow_process_dispatch() and scow_process_wait(), on the calling thread.
 */
typedef void (*scow_output_fn)(int stream, const void *data, size_t size, void *userdata);

/** scow_io_new() - all three at nothing. Returns: owned, or NULL without memory. Since: 0.1. */
SCOW_API scow_io *scow_io_new(void);

/** scow_io_unref() - free it; NULL is allowed. Descriptors given stay the caller's. Returns: NULL. Since: 0.1. */
SCOW_API scow_io *scow_io_unref(scow_io *io);

/**
 * scow_io_set_fd() - give the process this descriptor
 * @fd: borrowed until the start has returned; any kind: file, pipe, socket, terminal
 *
 * Not with a container that has a terminal of its own (start then returns SCOW_E_INVALID).
 * Since: 0.1.
 */
SCOW_API void scow_io_set_fd(scow_io *io, scow_stream stream, int fd);

/** scow_io_set_inherit() - the calling process's own descriptors 0, 1 and 2; nothing for one that is closed or close-on-exec. Since: 0.1. */
SCOW_API void scow_io_set_inherit(scow_io *io);

/** scow_io_set_output() - hand stdout and stderr to a callback. NULL for nobody. Since: 0.1. */
SCOW_API void scow_io_set_output(scow_io *io, scow_output_fn output, void *userdata);

/**
 * scow_io_set_capture() - keep stdout and stderr in memory, for scow_process_output()
 * @limit_bytes: how much of each stream is kept; what comes after is read and dropped
 * Since: 0.1.
 */
SCOW_API void scow_io_set_capture(scow_io *io, size_t limit_bytes);

/** scow_io_set_input() - 1: stdin is a pipe that scow_process_write() fills. A terminal always has one. Since: 0.1. */
SCOW_API void scow_io_set_input(scow_io *io, int open);

/**
 * scow_io_pass_fd() - give the process one more descriptor
 * @number: what it is there: 3 to 511, each once; 64 of them at most
 * @fd:     borrowed until the start has returned; any kind. A directory of the host is a way out of the container.
 *
 * A bad one is reported by the start (SCOW_E_INVALID).
 * Since: 0.1.
 */
SCOW_API void scow_io_pass_fd(scow_io *io, int number, int fd);

/** scow_io_set_listen() - the descriptors 3 to 3 + @count - 1, which are passed, are sockets to serve: LISTEN_FDS and LISTEN_PID are set for it. 0 for none. Since: 0.1. See: sd_listen_fds(3). */
SCOW_API void scow_io_set_listen(scow_io *io, unsigned int count);

/** scow_io_set_window() - the terminal's size from the first prompt on; default 24 by 80. Since: 0.1. */
SCOW_API void scow_io_set_window(scow_io *io, unsigned int rows, unsigned int columns);

#ifdef __cplusplus
}
#endif
#endif
