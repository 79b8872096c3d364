/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Processes that are meant to be nobody's children, and become ours: a supervisor, or the parent of a detached exec. Their maker ends at
 * once, and the kernel gives them to the system's init; but if the host program is a child subreaper, or PID 1 of its namespace, to that.
 * Whatever it does about children that it never made, these leave no zombies: the engine reaps them when it hears of their end.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "engine/engine.h"

/* Keeps @pid in mind if it is our child. Costs the reading of one file. */
void stray_note(scow_engine *engine, pid_t pid);
/* The parent of @pid, or 0. */
pid_t stray_parent(pid_t pid);
/* Reaps those that have ended. */
void strays_reap(scow_engine *engine);
/* The same, and forgets the rest: engine's end. */
void strays_done(scow_engine *engine);
