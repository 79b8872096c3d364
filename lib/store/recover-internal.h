/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two dear parts of the sweep: recover-orphans.c and recover-verify.c. */
#pragma once

#include "engine/engine.h"

static inline void drop_error(scow_error **error)
{
	error_clear(error);
}

/* Visits each name of a directory; returns the sum of what the visits return. */
int recover_each(int dir_fd, int (*visit)(scow_engine *engine, int dir_fd, const char *name), scow_engine *engine);
/* Removes layer directories, container directories and blobs that have no row. Reports trouble to the log only. */
void recover_orphans(scow_engine *engine);
/* Checks what a former boot left unsynced, and drops what is lost. */
int recover_verify(scow_engine *engine, scow_error **error) _must_check_;
