/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plans that end in a deputy: in a mount namespace of its own, or in the user namespace of a container that runs. */
#include "runtime/tree.h"

#include <sched.h>

#include "runtime/launch.h"
#include "runtime/plan.h"

int tree_mount(scow_engine *engine, const struct spec *spec, int *root_fd, struct deputy **deputy, scow_error **error)
{
	struct job_process process = { .clone_flags = CLONE_NEWNS, .cgroup_fd = -1 };
	_cleanup_(deputy_endp) struct deputy *mounter = NULL;
	_cleanup_job_ struct job job = { 0 };
	struct plan_facts facts;
	int r = launch_facts(engine, &facts, error);

	if (r < 0)
		return r;
	if (facts.user_ns)
		process.clone_flags |= CLONE_NEWUSER;
	r = plan_compile_tree(spec, &facts, &job, error);
	if (r == 0)
		r = deputy_start(engine, &job, &process, &mounter, root_fd, error);
	if (r == 0 && facts.user_ns)
		*deputy = take_ptr(&mounter);
	return r;
}

int tree_join(scow_engine *engine, int pidfd, struct deputy **deputy, scow_error **error)
{
	struct job_process process = { .cgroup_fd = -1, .fds = { { pidfd, WIRE_FD_NS } }, .n_fds = 1 };
	_cleanup_job_ struct job job = { 0 };
	struct wire_step *step = job_step(&job, WIRE_JOIN, 0);

	step->number[0] = WIRE_FD_NS;
	step->number[1] = CLONE_NEWUSER;
	return deputy_start(engine, &job, &process, deputy, NULL, error);
}

int tree_bare(scow_engine *engine, int pidfd, int *root_fd, struct deputy **deputy, scow_error **error)
{
	struct job_process process = { .cgroup_fd = -1, .fds = { { pidfd, WIRE_FD_NS } }, .n_fds = 1 };
	_cleanup_(deputy_endp) struct deputy *joined = NULL;
	_cleanup_job_ struct job job = { 0 };
	struct wire_step *step = job_step(&job, WIRE_JOIN, 0);
	int r;

	step->number[0] = WIRE_FD_NS;
	step->number[1] = CLONE_NEWNS | (engine->facts.rootless ? CLONE_NEWUSER : 0);
	step = job_step(&job, WIRE_ROOT_BIND, WIRE_KEPT);
	job_text(&job, step, 0, "/");
	step->number[0] = 1;
	r = deputy_start(engine, &job, &process, &joined, root_fd, error);
	if (r == 0 && engine->facts.rootless)
		*deputy = take_ptr(&joined);
	return r;
}

int tree_deputy(scow_engine *engine, struct deputy **deputy, scow_error **error)
{
	struct job_process process = { .clone_flags = CLONE_NEWUSER, .cgroup_fd = -1 };
	_cleanup_job_ struct job job = { 0 };

	*deputy = DEPUTY_SELF;
	return engine->facts.rootless ? deputy_start(engine, &job, &process, deputy, NULL, error) : 0;
}
