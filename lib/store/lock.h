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
/* 1 alive, 0 dead (no such file, or nobody holds its lock). */
int owner_alive(scow_engine *engine, const char *owner_id);

/* A named lock between processes and threads ("layer-<hex>"): ROOT/tmp/lock-<name>. Waits; @cancel may be NULL. fd to close, or a status. */
struct scow_cancel;
int work_lock(scow_engine *engine, const char *name, const struct scow_cancel *cancel, scow_error **error);
/* Closes and removes it. */
void work_unlock(scow_engine *engine, const char *name, int fd);
