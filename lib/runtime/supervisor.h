/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The library's side of supervisors (init/supervisor.c): starting one, reading what it has written down, talking to it.
 *
 * A supervisor is nobody's child but init's. That it lives is told by a lock that is handed to it, on the file of an owner
 * (store/lock.h), so that its containers are swept when it is killed as those of any dead owner.
 */
#pragma once

#include "engine/engine.h"
#include "init/supervisor-wire.h"
#include "runtime/cgroup.h"
#include "runtime/spec.h"

struct supervisor_start {
	const struct spec *spec;
	struct cgroup *cgroup;
	int dir_fd;             /* ROOT/containers/ID */
	int lock_fd;            /* of @owner, locked */
	int ports_fd;           /* keeps the published ports; -1: none */
	const char *owner;
	bool open_stdin, stdin_once, log;
	bool log_compress, log_drops;
	const char *log_attributes; /* for each entry: a member and a comma; or NULL */
	uint64_t log_bytes;
	unsigned int log_files, policy, retries; /* enum wire_policy */
	const struct spec *health; /* of its health check, a program that joins it (container/exec.h); NULL: none */
	/* Of a spec that waits_ready: as struct launch has it, at the first start only; NULL: nobody is asked. */
	int (*ready)(void *data, pid_t pid, scow_error **error);
	void *ready_data;
	int *leash_fd;          /* gets its leash: it ends when that is closed, unless a byte came before; NULL: it has none */
	unsigned int health_interval_ms, health_timeout_ms, health_start_period_ms, health_start_interval_ms, health_retries;
};

/* Returns when the program runs; errors as launch_start(). @state is what the supervisor has written down. */
int supervisor_start(scow_engine *engine, const struct supervisor_start *start, struct wire_state *state, scow_error **error) _must_check_;

/* What the supervisor of @id and @owner has written down. false: nothing yet, or only one before it has. */
bool supervisor_state(scow_engine *engine, const char *id, const char *owner, struct wire_state *state);
/* Whose the state file is now. false: there is none. */
bool supervisor_owner(scow_engine *engine, const char *id, char out[WIRE_OWNER_SIZE]);
/* The runs that others have followed, oldest first, up to what @state tells of. How many. */
size_t supervisor_runs(scow_engine *engine, const char *id, const struct wire_state *state, struct wire_run out[WIRE_RUNS_MAX]);

/* The same of its health checks; malloc'ed, NULL where there are none. */
struct wire_health *supervisor_health(scow_engine *engine, const char *id, const char *owner);

/* A connection to @id's supervisor: fd or -errno. */
int supervisor_connect(scow_engine *engine, const char *id);
/* Tells it something and waits for the answer, a few seconds at most: 0 or -errno. */
int supervisor_tell(scow_engine *engine, const char *id, enum wire_frame_type type, const void *data, size_t size);
/* 0 or -errno. */
int frame_send(int fd, enum wire_frame_type type, const void *data, size_t size);
