/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* At open: containers whose owner is dead. Ephemeral ones are removed, others become exited (137), their cgroups go. */
#pragma once

#include "engine/engine.h"

int container_sweep(scow_engine *engine, scow_error **error) _must_check_;
/* One container that @owner, who is dead or has done its part, left. */
int container_sweep_one(scow_engine *engine, const char *id, const char *owner, scow_error **error) _must_check_;
/* A pause or unpause of it whose maker died in the middle is brought to its end. pause.c. */
void container_mend_pause(scow_engine *engine, const char *id);
/* The PID 1 of a row, if it still runs; waits for its end. */
struct container_row;
void container_kill_left(scow_engine *engine, const struct container_row *row);
/* Whatever a container still has running in its cgroup, and the cgroup. @id's row has its location. */
void container_clear_cgroup(scow_engine *engine, const char *id, const char *location);
