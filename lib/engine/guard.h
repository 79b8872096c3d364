/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guard: what ends owned containers when their owner dies, however it dies.
 *
 * One scow-init process per engine that has started an owned container (about 50 KiB; no libc). It
 * holds a pidfd of each, and the other end of a socket whose end of file is our death; then it kills
 * them all, and exits. PR_SET_PDEATHSIG will not do: it fires when the *thread* that cloned ends.
 */
#pragma once

#include "engine/engine.h"

/* A cgroup all of which is to end with the process: its cgroup.kill, open for writing, or (@lists) its cgroup.procs, open for reading. */
struct guard_tree {
	int fd; /* borrowed */
	bool lists;
};
/*
 * Hands a process to the guard; must be done before the process is told to go on. @key: non-zero, unique per engine. @tree: may be
 * NULL. Trees are killed one after the other, and those of processes that have ended by themselves are not: guard_drop().
 */
int guard_add(scow_engine *engine, uint64_t key, int pidfd, const struct guard_tree *tree, scow_error **error) _must_check_;
/* Takes it back, after its exit. */
void guard_drop(scow_engine *engine, uint64_t key);
/* The engine's end: closes the socket, at which the guard ends what it still holds, and itself. */
void guard_dismiss(scow_engine *engine);
/* Waits for it; something else to do in between costs nothing. */
void guard_reap(scow_engine *engine);
