/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The errands that change the mounts of a container that runs. */
#include "runtime/mount.h"

#include <unistd.h>

#include "engine/job.h"
#include "runtime/launch.h"
#include "runtime/plan-mounts.h"

static int run(scow_engine *engine, const struct mount_place *place, struct job *job, scow_error **error)
{
	struct job_process process = {
		.cgroup_fd = -1,
		.fds = { { place->pidfd, WIRE_FD_NS }, { place->pidfd, WIRE_FD_NS + 1 }, { place->user_fd, WIRE_FD_NS + 2 } },
		.n_fds = place->user_fd >= 0 ? 3 : 2,
	};
	int r = job_run(engine, job, &process, error);

	if (r < 0)
		return r;
	r = spawn_wait(process.pidfd, NULL, error);
	close(process.pidfd);
	return r;
}

int mount_into(scow_engine *engine, const struct mount_place *place, const struct spec *spec, scow_error **error)
{
	_cleanup_job_ struct job job = { 0 };
	struct plan_facts facts;
	int r = launch_facts(engine, &facts, error);

	if (r == 0)
		r = plan_compile_mount(spec, &facts, place->user_fd >= 0, &job, error);
	return r < 0 ? r : run(engine, place, &job, error);
}

int unmount_from(scow_engine *engine, const struct mount_place *place, const char *target, scow_error **error)
{
	_cleanup_job_ struct job job = { 0 };

	plan_compile_unmount(target, place->own_user, &job);
	return run(engine, place, &job, error);
}

int mount_later(scow_engine *engine, const struct spec *spec, const char *replaced, void **bytes, size_t *size, scow_error **error)
{
	_cleanup_job_ struct job job = { 0 };
	struct plan_facts facts;
	int r = launch_facts(engine, &facts, error);

	if (r == 0)
		r = plan_compile_later(spec, &facts, replaced, &job, error);
	return r < 0 ? r : job_bytes(&job, bytes, size, error);
}
