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

/* @swap: of memory and swap together; -1 for no limit. */
static int set_memsw(struct cgroup *cgroup, int64_t swap, bool is_explicit, scow_error **error)
{
	char text[24];

	/* Where the kernel does not account swap there is no default to keep. */
	if (!is_explicit && !cgroup_has_file(cgroup, CG_MEMORY, "memory.memsw.limit_in_bytes"))
		return 0;
	snprintf(text, sizeof(text), "%" PRId64, swap);
	return cgroup_set(cgroup, CG_MEMORY, "memory.memsw.limit_in_bytes", text, error);
}

static int v1_memory(struct cgroup *cgroup, const struct spec_resources *resources, int64_t swap, bool is_explicit, scow_error **error)
{
	/* Memory may never be above memory and swap, not even in between. */
	bool swap_first = swap < 0 || (uint64_t) swap >= cgroup_read_u64(cgroup, CG_MEMORY, "memory.limit_in_bytes");
	int r = 0;

	if (swap && swap_first)
		r = set_memsw(cgroup, swap, is_explicit, error);
	if (r == 0 && resources->memory_bytes)
		r = cgroup_set_u64(cgroup, CG_MEMORY, "memory.limit_in_bytes", resources->memory_bytes, error);
	if (r == 0 && swap && !swap_first)
		r = set_memsw(cgroup, swap, is_explicit, error);
	if (r == 0 && resources->memory_reservation_bytes)
		r = cgroup_set_u64(cgroup, CG_MEMORY, "memory.soft_limit_in_bytes", resources->memory_reservation_bytes, error);
	return r;
}

static int v2_memory(struct cgroup *cgroup, const struct spec_resources *resources, int64_t swap, bool is_explicit, scow_error **error)
{
	char text[24] = "max";
	int r = 0;

	if (resources->memory_bytes)
		r = cgroup_set_u64(cgroup, CG_MEMORY, "memory.max", resources->memory_bytes, error);
	if (swap > 0) /* v2 counts swap alone */
		snprintf(text, sizeof(text), "%" PRIu64, (uint64_t) swap - resources->memory_bytes);
	if (r == 0 && swap && (is_explicit || cgroup_has_file(cgroup, CG_MEMORY, "memory.swap.max")))
		r = cgroup_set(cgroup, CG_MEMORY, "memory.swap.max", text, error);
	if (r == 0 && resources->memory_reservation_bytes)
		r = cgroup_set_u64(cgroup, CG_MEMORY, "memory.low", resources->memory_reservation_bytes, error);
	return r;
}

static int update_memory(struct cgroup *cgroup, const struct spec_resources *resources, scow_error **error)
{
	bool is_explicit;
	int64_t swap;
	int r = cgroup_swap_total(resources, &swap, &is_explicit, error);

	if (r < 0)
		return r;
	is_explicit = is_explicit || resources->has_memory_swap;
	return cgroup->base->mode == CGROUP_V2 ? v2_memory(cgroup, resources, swap, is_explicit, error)
					       : v1_memory(cgroup, resources, swap, is_explicit, error);
}

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
	bool v2 = cgroup->base->mode == CGROUP_V2;
	int r = 0;

	if (!cgroup->n_dirs)
		return cgroup_no_controller(cgroup, CG_MEMORY, "limits", error);
	if (v2)
		cgroup_v2_enable_more(cgroup, resources);
	else if ((resources->cpuset_cpus || resources->cpuset_mems) && cgroup->dir_of[CG_CPUSET] >= 0)
		r = enter_cpuset(cgroup, error);
	if (r == 0)
		r = update_memory(cgroup, resources, error);
	if (r == 0 && resources->has_pids_max && resources->pids_max <= 0)
		r = cgroup_set(cgroup, CG_PIDS, "pids.max", "max", error);
	if (r < 0)
		return r;
	rest.memory_bytes = rest.memory_reservation_bytes = 0;
	rest.has_memory_swap = false;
	rest.n_device_rules = 0;
	return v2 ? cgroup_v2_apply(cgroup, &rest, error) : cgroup_v1_apply(cgroup, &rest, error);
}
