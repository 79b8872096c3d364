/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * OCI's hooks from the library's side. They are always run by scow-init (init/hooks.c): by the container's own, by its supervisor, or
 * by one that is made for the errand.
 */
#pragma once

#include "engine/job.h"
#include "runtime/spec.h"

bool hooks_have(const struct spec_hooks *hooks, enum wire_stage stage);
/* Adds the steps of @stage; @pid: 0 for that of who takes them. */
void hooks_compile(struct job *job, const struct spec_hooks *hooks, enum wire_stage stage, pid_t pid);
/* What a supervisor runs of them: malloc'ed, or NULL where there are none of that sort. */
int hooks_bytes(const struct spec_hooks *hooks, void **out, size_t *size, scow_error **error) _must_check_;

/*
 * Runs those of @stage here, in their order, until one fails: its name, how it ended and the end of what it printed are in the error.
 * @pid: the container's; 0 after its end.
 */
int hooks_run(scow_engine *engine, const struct spec_hooks *hooks, enum wire_stage stage, pid_t pid, scow_error **error) _must_check_;
/* The same where a failure changes nothing any more: all of them, and the engine's log has the failures. */
void hooks_run_all(scow_engine *engine, const char *id, const struct spec_hooks *hooks, enum wire_stage stage, pid_t pid);
