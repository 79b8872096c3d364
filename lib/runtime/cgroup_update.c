/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Limits of a cgroup that lives. What differs from a new one: the limits on memory and on memory and swap have values already,
 * between which v1 allows no order but one; "no limit" has to be written; and a controller may not be there yet.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "runtime/cgroup-internal.h"

#define MOVE_ROUNDS 100

/* The processes that are in the cgroup's directory of one hierarchy go to that of another. How many there were, or -errno. */
static int move_all(const struct cgroup *cgroup, const struct cgroup_dir *from, const struct cgroup_dir *to)
{
	_cleanup_free_ char *from_path = strf("%s/cgroup.procs", cgroup->path), *pids = NULL;
	int moved = 0, r = from_path ? file_read_at(from->at_fd, from_path, 64u << 20, &pids, NULL) : -ENOMEM;
	char *save = NULL;

	if (r < 0)
		return r;
	for (char *pid = strtok_r(pids, "\n", &save); pid; pid = strtok_r(NULL, "\n", &save), moved++) {
		r = file_write_at(to->at_fd, from_path, pid);
		if (r < 0 && r != -ESRCH)
			return r;
	}
	return moved;
}

/* In v1 a container without a cpuset of its own is in that of its parent, with no directory: it gets one, and moves in. */
static int enter_cpuset(struct cgroup *cgroup, scow_error **error)
{
	int index = cgroup->dir_of[CG_CPUSET], settled = -1, r;
	const struct cgroup_dir *to = &cgroup->dirs[index], *from = NULL;

	for (size_t i = 0; i < cgroup->n_dirs && !from; i++)
		if (i != (size_t) index)
			from = &cgroup->dirs[i];
	if (!from || faccessat(to->at_fd, cgroup->path, F_OK, 0) == 0)
		return 0;
	r = cgroup_make_level(to, cgroup->path);
	/* A fork lands where its parent is, so that each round leaves fewer behind. */
	for (int round = 0; r >= 0 && round < MOVE_ROUNDS && settled != r; round++) {
		settled = r;
		r = move_all(cgroup, from, to);
	}
	return r < 0 ? error_errno(error, -r, "write", "give cgroup '%s' CPUs of its own", cgroup->path) : 0;
}

int cgroup_update(struct cgroup *cgroup, const struct spec_resources *resources, scow_error **error)
{
	struct spec_resources rest = *resources;
	int r = 0;

	rest.n_device_rules = 0;
	if (!cgroup->n_dirs)
		return cgroup_no_controller(cgroup, CG_MEMORY, "limits", error);
	if (cgroup->base->mode == CGROUP_V2)
		cgroup_v2_enable_more(cgroup, resources);
	else if ((resources->cpuset_cpus || resources->cpuset_mems) && cgroup->dir_of[CG_CPUSET] >= 0)
		r = enter_cpuset(cgroup, error);
	if (r == 0)
		r = cgroup_apply(cgroup, &rest, false, error);
	if (r == 0 && resources->has_pids_max && resources->pids_max <= 0)
		r = cgroup_set(cgroup, CG_PIDS, "pids.max", "max", error);
	return r;
}
