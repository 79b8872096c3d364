/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a spec to a running program: the one way in, for a container's first one and (exec.h) for those that join it.
 *
 * Order: the plan is compiled and put into a socket -> clone with all new namespaces (one clone3, straight into the cgroup) and exec
 * of scow-init as the container's PID 1 -> id maps -> guard_add -> the go byte, which scow-init waits for before it gives up its
 * rights and executes the program. The report socket's end of file means that the program runs.
 */
#pragma once

#include "engine/engine.h"
#include "runtime/cgroup.h"
#include "runtime/spec.h"

struct launch_exec {
	int pidfd;                /* of the container's PID 1; borrowed */
	uint64_t namespaces;      /* CLONE_NEW* to join of it: exec_namespaces() */
	const struct guard_tree *tree; /* its cgroup, for the guard; or NULL */
	bool orphan;              /* it is nobody's child, and outlives us */
};

struct trace;
struct launch {
	/* in */
	const struct spec *spec;
	struct cgroup *cgroup;    /* may be NULL */
	int fds[3];               /* become 0, 1, 2; borrowed; unused with a terminal */
	uint64_t guard_key;       /* 0: not owned, no guard */
	const struct launch_exec *exec; /* NULL: a container of its own */
	/* Called as soon as its PID 1 is there, while that mounts and long before the program; a status ends the container. */
	int (*born)(void *data, pid_t pid, scow_error **error);
	void *born_data;
	/* Of a spec that waits_ready: called when all is mounted, before the program; a status ends the container. */
	int (*ready)(void *data, pid_t pid, scow_error **error);
	void *ready_data;
	struct trace *trace;      /* NULL: none */
	/* out */
	pid_t pid;
	int pidfd;                /* owned by the caller after success */
	int keeper_fd;            /* likewise, of an exec: what to wait for in its place; or -1 */
	int terminal_fd;          /* master, owned; -1 without */
};

/*
 * On failure everything that was started is killed and reaped, and the error carries scow-init's step, system call and errno:
 * SCOW_E_COMMAND_NOT_FOUND / SCOW_E_NOT_EXECUTABLE from the program's own exec.
 */
int launch_start(scow_engine *engine, struct launch *launch, scow_error **error) _must_check_;

/* What a plan rests on, on this host and for this user. */
struct plan_facts;
int launch_facts(scow_engine *engine, struct plan_facts *out, scow_error **error) _must_check_;
/* The error of a report that came back from scow-init, in words for everybody; @r: of the error so far. Returns the status. */
struct wire_report;
int launch_explain(const struct facts *facts, const struct spec *spec, const struct wire_report *report, int r, scow_error **error);
