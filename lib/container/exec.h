/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program to execute in a running container, and the spec of it. */
#pragma once

#include "base/arena.h"
#include "container/config.h"
#include "container/create.h"
#include "runtime/spec.h"

/*
 * Most of its settings are what a container's are, and are checked and merged as those: @settings holds them. Command, env, user,
 * workdir, tty, privileged, pids_max and memory_bytes are used.
 */
struct scow_process_config {
	scow_container_config *settings;
	unsigned int deadline_ms; /* 0: none */
	bool detached;
};
DEFINE_CLEANUP(scow_process_config *, scow_process_config_unref)

/* joined.c: what exec keeps of each, from before the process is there. */
struct process_exit;
struct joined;
int joined_new(scow_container *container, struct joined **out, scow_error **error) _must_check_;
void joined_put(struct joined *joined, scow_process *process);
const char *joined_id(const struct joined *joined); /* 64 digits, by which events name it */
/* For process_params: @data is the struct joined. */
void joined_ended(void *data, const struct process_exit *exit);
void joined_free(void *data);

/* The first bad value, want of memory, no command: 0 or a status. */
int process_config_check(const scow_process_config *config, scow_error **error) _must_check_;

/*
 * The spec of @exec in a container of @image and @config, as far as exec goes: arguments, environment, user, directory, capabilities,
 * filter, rlimits; the namespaces tell what the container has; resources are the program's own limits. Docker's merge: the container's
 * environment with the program's own over it, the container's user and directory unless it has its own.
 */
int spec_build_exec(scow_engine *engine, const char *id, const struct image_config *image, const scow_container_config *config,
		    const scow_process_config *exec, struct spec *out, scow_error **error) _must_check_;
