/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A supervised container's output, input and end through its supervisor's socket: what a process handle has in place of pipes. */
#pragma once

#include "runtime/process.h"
#include "runtime/supervisor.h"

struct attach;
typedef void (*attach_emit_fn)(void *data, int stream /* 0, 1 */, const char *bytes, size_t size);

/* What comes first, in pieces: 1 while there is more, 0 at the end, or a status, with which it ends as well. */
struct attach_backlog {
	int (*next)(void *data, attach_emit_fn emit, void *emit_data);
	void (*free)(void *data);
	void *data;
};

/* Connects to @id's supervisor, and is told of everything from now on. -errno: there is none, or it does not answer. */
int attach_open(scow_engine *engine, const char *id, const char *owner, struct attach **out, struct wire_hello *hello);
/*
 * The same before there is a supervisor: of the next one it hears from its beginning on, and @began is told of that, in
 * attach_dispatch(). Should the container be removed instead, it ends as if it were killed.
 */
int attach_wait(scow_engine *engine, const char *id, struct attach **out);
void attach_on_begin(struct attach *attach, void (*began)(void *data), void *data);
/* Both before the first attach_dispatch(). The backlog is taken. */
void attach_set_backlog(struct attach *attach, const struct attach_backlog *backlog);
/* Descriptors that get its output as well; taken, -1 for none. */
void attach_set_sinks(struct attach *attach, int stdout_fd, int stderr_fd);
void attach_allow_input(struct attach *attach);
void attach_free(struct attach *attach);

int attach_fd(const struct attach *attach); /* to be polled */
bool attach_is_terminal(struct attach *attach);
/* Hands over what there is: 1 while more may come, 0 at the end. */
int attach_dispatch(struct attach *attach, attach_emit_fn emit, void *data);
/* After the end. */
void attach_exit(const struct attach *attach, struct process_exit *exit);
/* Input: bytes taken, -EAGAIN (wait for attach_write_fd), or another -errno. */
ssize_t attach_write(struct attach *attach, const void *data, size_t size);
int attach_write_fd(struct attach *attach);
/* 0 or -errno. From any thread. */
int attach_close_input(struct attach *attach);
int attach_resize(const struct attach *attach, unsigned int rows, unsigned int columns);
