/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a start has to do with hooks: the caller's function, and OCI's programs (runtime/hooks.h). */
#pragma once

#include "container/container.h"
#include "runtime/spec.h"

/* Data of hooks_ready(). */
struct hook_point {
	scow_container *container;
	const struct spec_hooks *hooks;
	bool detached; /* the programs are its supervisor's to run */
};

/* Puts into @spec what @config has; nothing where it has none. */
int hooks_prepare(scow_container *container, const scow_container_config *config, struct spec *spec, scow_error **error) _must_check_;
/* For struct launch and struct supervisor_start. */
int hooks_ready(void *data, pid_t pid, scow_error **error);
/* Runs the last ones of a container that has ended, if it has any. */
void hooks_poststop(scow_container *container);
/* The same of one that a dead process had started. */
void hooks_poststop_of(scow_engine *engine, const char *id);
