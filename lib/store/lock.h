/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is alive, and who is working on what: OFD locks on small files, which the kernel drops when their
 * holder dies, whatever it dies of.
 */
#pragma once

#include "engine/engine.h"

/* Makes and locks ROOT/owners/<id> once per engine; containers name it as their owner. */
int owner_register(scow_engine *engine, scow_error **error) _must_check_;
void owner_unregister(scow_engine *engine);
/*
 * An owner other than the engine: @id begins with @mark unless that is 0. A descriptor that holds its lock, as long as any copy of it
 * is open, in whichever process; or a status.
 */
int owner_make(scow_engine *engine, char mark, char id[33], scow_error **error);
/* 1 alive, 0 dead (no such file, or nobody holds its lock). */
int owner_alive(scow_engine *engine, const char *owner_id);

/* The parts: takes the write lock of a descriptor's file. 1 taken, 0 held by another, or -errno. */
int lock_try(int fd);
/* Whether @name still leads to the file of @fd: a lock on a removed file protects nothing. */
bool lock_is_named(int dir_fd, const char *name, int fd);

/* A named lock between processes and threads ("layer-<hex>"): ROOT/tmp/lock-<name>. Waits; @cancel may be NULL. fd to close, or a status. */
struct scow_cancel;
int work_lock(scow_engine *engine, const char *name, const struct scow_cancel *cancel, scow_error **error);
/* The same without waiting: 1 with the lock in @fd, 0 while somebody else has it, or a status. */
int work_try_lock(scow_engine *engine, const char *name, int *fd, scow_error **error) _must_check_;
/*
 * A directory ROOT/tmp/<prefix><hex> that is ours, and no sweep's, as long as @fd is open (flock(2): a directory takes no OFD lock).
 * @prefix: at most 15 characters. On failure @name is "".
 */
#define WORK_DIRECTORY_NAME 32
int work_directory_make(scow_engine *engine, const char *prefix, char name[WORK_DIRECTORY_NAME], int *fd,
			scow_error **error) _must_check_;
/* Closes and removes it. */
void work_unlock(scow_engine *engine, const char *name, int fd);
