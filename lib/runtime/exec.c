/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a program joins in a container that runs, and the same as bytes for scow-init's own use.
 *
 * A namespace that the container shares with the host is joined all the same by root: "the host" of whoever started it need not
 * be ours. A plain user has no rights in the host's, and joins only what the container has for itself.
 */
#include "runtime/exec.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "engine/job.h"
#include "runtime/cgroup-internal.h"
#include "runtime/launch.h"
#include "runtime/plan.h"

#define CHILDREN_BYTES_MAX (1u << 20)
#define CHILDREN_DEPTH_MAX 64

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

uint64_t exec_namespaces(const struct spec *spec, bool rootless)
{
	static const struct {
		enum spec_ns ns;
		uint64_t flag;
		bool always; /* for root */
	} kinds[] = {
		{ SPEC_NS_PID, CLONE_NEWPID, false },   { SPEC_NS_NETWORK, CLONE_NEWNET, true }, { SPEC_NS_IPC, CLONE_NEWIPC, true },
		{ SPEC_NS_UTS, CLONE_NEWUTS, true },    { SPEC_NS_MOUNT, CLONE_NEWNS, true },    { SPEC_NS_CGROUP, CLONE_NEWCGROUP, true },
		{ SPEC_NS_USER, CLONE_NEWUSER, false }, { SPEC_NS_TIME, CLONE_NEWTIME, false },
	};
	uint64_t flags = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (spec->namespaces[kinds[i].ns].mode != SPEC_NS_HOST || (kinds[i].always && !rootless))
			flags |= kinds[i].flag;
	return flags;
}

/* The container's cgroup by its files' names. On v1 not cgroup.procs, see cgroup.c. */
static void add_cgroup(struct job *job, const struct cgroup *container)
{
	for (size_t i = 0; container && i < container->n_dirs; i++) {
		const struct cgroup_dir *dir = &container->dirs[i];
		char link[40], path[PATH_MAX + 1] = "", file[PATH_MAX * 2];
		const char *name = container->base->mode == CGROUP_V2 ? "cgroup.procs" : "tasks";
		struct wire_step *step;

		snprintf(link, sizeof(link), "/proc/self/fd/%d", dir->at_fd);
		if (readlink(link, path, PATH_MAX) <= 0)
			continue;
		snprintf(file, sizeof(file), "%s/%s/%s", path, container->path, name);
		if (access(file, W_OK) < 0)
			continue;
		step = job_step(job, WIRE_CGROUP_JOIN, 0);
		job_text(job, step, 0, file);
		if (container->base->mode != CGROUP_V2)
			continue;
		snprintf(file, sizeof(file), "%s/%s/" CGROUP_MAIN "/cgroup.procs", path, container->path);
		job_text(job, step, 1, file);
	}
}

int exec_plan_bytes(scow_engine *engine, const struct spec *spec, struct cgroup *container, int pidfd_number, void **bytes, size_t *size,
		    bool *enters, scow_error **error)
{
	_cleanup_job_ struct job job = { 0 };
	const struct plan_exec exec = { .fd = pidfd_number, .namespaces = exec_namespaces(spec, engine->facts.rootless) };
	struct plan_facts facts;
	int r = launch_facts(engine, &facts, error);

	if (r < 0)
		return r;
	add_cgroup(&job, container);
	r = plan_compile_exec(spec, &facts, &exec, &job, error);
	if (r < 0)
		return r;
	*enters = plan_exec_enters(&exec);
	return job_bytes(&job, bytes, size, error);
}

/* They are stopped first, or a fork would outrun us. */
static void kill_children(pid_t pid, unsigned int depth)
{
	_cleanup_free_ char *text = NULL;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	if (depth == CHILDREN_DEPTH_MAX || file_read_at(AT_FDCWD, path, CHILDREN_BYTES_MAX, &text, NULL) < 0)
		return;
	for (char *at = text; *at;) {
		pid_t child = (pid_t) strtol(at, &at, 10);

		at += strspn(at, " \n");
		if (child <= 0)
			break;
		kill(child, SIGSTOP);
		kill_children(child, depth + 1);
		kill(child, SIGKILL);
	}
}

void exec_kill_children(pid_t pid)
{
	kill_children(pid, 0);
}
