/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A job for scow-init, from the library's side: the bytes of a plan are built, a process is born to carry it out, and what it
 * reports becomes an error. Containers (runtime/launch.c) and errands in a user namespace (userns.c) are such jobs.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/spawn.h"
#include "base/str.h"
#include "engine/engine.h"
#include "init/wire.h"

/* Starts as all zeros. Want of memory is sticky, and reported by job_run and job_bytes. */
struct job {
	struct str steps, slots, data, strings;
};
void job_done(struct job *job);
#define _cleanup_job_ __attribute__((cleanup(job_done)))

/* The step stays valid until the next is added; without memory it is a dummy. */
struct wire_step *job_step(struct job *job, enum wire_kind kind, uint32_t flags);
/* NULL is "none" to all of these. */
void job_text(struct job *job, struct wire_step *step, unsigned int index, const char *text);
/* @spare: free slots after the vector, for scow-init to fill. */
void job_vector(struct job *job, struct wire_step *step, unsigned int index, char *const *strings, size_t count, size_t spare);
void job_blob(struct job *job, struct wire_step *step, const void *data, size_t size);
/* The plan in one piece, malloc'ed: what job_run sends. */
int job_bytes(struct job *job, void **out, size_t *size, scow_error **error) _must_check_;

struct trace;
#define JOB_FDS_MAX (32 + WIRE_PASS_MAX) /* also a keeper's: one for each cgroup hierarchy */
struct job_process {
	/* in */
	uint64_t clone_flags;      /* with CLONE_NEWUSER the id maps are written */
	int cgroup_fd;             /* -1: none */
	const int *join_procs_fds;
	size_t n_join_procs_fds;
	struct spawn_fd fds[JOB_FDS_MAX]; /* the socket and the program are added */
	size_t n_fds;
	uint64_t guard_key;        /* 0: none */
	const struct guard_tree *tree; /* for the guard; or NULL */
	bool enters;               /* the plan has a WIRE_ENTER: the process that counts is its child */
	bool go;                   /* the plan has a WIRE_GO */
	/* With @enters: that process is the child of a keeper (lib/init/keep.c), which is ours, or (JOB_ORPHAN) nobody's. */
	enum job_keep { JOB_OWN, JOB_KEPT, JOB_ORPHAN } keep;
	/* Called as soon as the process that counts is known, while it works: its go byte waits for that. A status ends it. NULL: none. */
	int (*born)(void *data, pid_t pid, scow_error **error);
	void *born_data;
	/* The plan has a WIRE_READY: called there, on this thread and without a lock; a status ends the process. NULL: it has none. */
	int (*ready)(void *data, pid_t pid, scow_error **error);
	void *ready_data;
	struct trace *trace;       /* NULL: none; else the plan begins with WIRE_TRACE */
	/* out */
	pid_t pid;
	int pidfd;                 /* owned by the caller after success */
	int keeper_fd;             /* likewise, of one that is JOB_KEPT: what we can wait for in its place. Else -1 */
	int terminal_fd;           /* likewise; -1: none came */
	struct wire_report report; /* after a failure that scow-init reported; else its error is 0 */
};

/* Returns when the program runs, or an errand is done. After a failure nothing of the process is left. */
int job_run(scow_engine *engine, struct job *job, struct job_process *process, scow_error **error) _must_check_;
