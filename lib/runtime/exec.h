/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Another program in a running container: what it joins, and its cgroup.
 *
 * It joins all namespaces at once through a pidfd of the container's PID 1 (which must be proven to be it), in its cgroup already.
 * Its own cgroup is a child of the container's, "exec-<hex>", made for it and removed with it:
 *
 * - The container's limits hold for it, its own come on top of them, and pausing or killing the container reaches it.
 * - On v1 a directory is made only in the hierarchies that are needed: the freezer, by which a tree is killed, and those of its limits
 *   and of its receipt. In the others it is in the container's cgroup itself.
 * - On v2 a cgroup that has processes cannot give memory and pids to its children. So when the first program with limits of its
 *   own comes, the processes in the container's cgroup move to its child "main"; they notice nothing, and its limits stay above.
 *
 * So whoever lists a container's processes must look into the children of its cgroup, too.
 */
#pragma once

#include "engine/engine.h"
#include "runtime/cgroup.h"
#include "runtime/spec.h"

#define CGROUP_MAIN "main"

/* CLONE_NEW* of what a program joins in the container of @spec. */
uint64_t exec_namespaces(const struct spec *spec, bool rootless);

/*
 * Makes its cgroup in @container's. @name: "exec-<hex>". @own: it has limits, or is to be killed with its children; without that it may
 * be the container's cgroup itself. SCOW_E_UNSUPPORTED where @limits cannot be had. *out has no directories where the container's has none.
 */
int cgroup_create_exec(struct cgroup *container, const char *name, bool own, const struct spec_resources *limits, struct cgroup **out,
		       scow_error **error) _must_check_;
/* At its end: what it left running goes on in the container's cgroup; then its own is removed. */
int cgroup_dissolve(struct cgroup *cgroup, scow_error **error);
/* The file by which the guard kills all that is in it: a descriptor, or -1 where there is none; *lists as in struct guard_tree. */
int cgroup_tree_fd(const struct cgroup *cgroup, bool *lists);
bool cgroup_is_nothing(const struct cgroup *cgroup);
/* SIGKILL to all that a stopped process has started, and they in turn: where no cgroup holds them together. */
void exec_kill_children(pid_t pid);

/*
 * For a program that scow-init itself starts, again and again, in a container that it has started (health checks): the plan's bytes,
 * malloc'ed.
 *
 * To carry it out: a process of its own executes scow-init in WIRE_MODE_RUN, with one end of a stream socket pair as WIRE_FD_SOCKET, a
 * pidfd of the container's PID 1 as descriptor @pidfd_number (any from WIRE_FD_NS on), and its stdio as 0, 1 and 2; the bytes are written
 * to the other end. That process joins the container's cgroup (@container, may be NULL: named in the plan by its files on the host, so it must
 * still see the host's file systems) and its namespaces, then makes the program as its *sibling*, a child of who made it (CLONE_PARENT),
 * whose pidfd is sent back with a WIRE_CHILD_FD report, and ends. Where neither pid nor user namespace is joined there is no such
 * report, and the process itself becomes the program: see @enters. The plan waits for no go byte. As ever: a report of
 * WIRE_FAILED says why the program does not run, and the end of the file without one that it does; a child that fails may be quicker
 * than the report that names it, so read on to the end of the file, and reap both.
 *
 * @spec: of exec, as container/exec.h makes it; without a terminal. @enters: a WIRE_CHILD_FD will come.
 */
int exec_plan_bytes(scow_engine *engine, const struct spec *spec, struct cgroup *container, int pidfd_number, void **bytes, size_t *size,
		    bool *enters, scow_error **error) _must_check_;
