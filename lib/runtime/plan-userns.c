/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* User namespaces of root's containers as steps; plan-userns.h has the order. Slot 0 is the container's, then one for each map of a bind.
 */
#include "runtime/plan-userns.h"

#include <sched.h>

#include "base/cleanup.h"
#include "base/str.h"

#define TTY_GROUP 5

bool plan_maps_ids(const struct spec *spec, const struct plan_facts *facts)
{
	if (facts->user_ns)
		return spec->n_uid_map && spec->namespaces[SPEC_NS_USER].mode == SPEC_NS_NEW;
	return spec->namespaces[SPEC_NS_USER].mode != SPEC_NS_HOST;
}

uint32_t plan_mapped_id(const struct id_range *map, unsigned int count, uint32_t inside)
{
	for (unsigned int i = 0; i < count; i++)
		if (inside >= map[i].inside && inside - map[i].inside < map[i].count)
			return map[i].outside + (inside - map[i].inside);
	return UINT32_MAX;
}

struct plan_facts plan_mapped_facts(const struct spec *spec, const struct plan_facts *facts)
{
	struct plan_facts out = *facts;

	out.nested = facts->user_ns;
	out.user_ns = out.mapped = true;
	out.tty_group = plan_mapped_id(spec->gid_map, spec->n_gid_map, TTY_GROUP) != UINT32_MAX;
	return out;
}

static bool add_map_text(struct job *job, struct wire_step *step, unsigned int index, const struct id_range *map, unsigned int count)
{
	_cleanup_str_ struct str text = { 0 };

	for (unsigned int i = 0; i < count; i++)
		str_printf(&text, "%u %u %u\n", map[i].inside, map[i].outside, map[i].count);
	if (text.failed)
		return false;
	job_text(job, step, index, text.data ? text.data : "");
	return true;
}

static bool has_map(const struct spec_mount *mount)
{
	return mount->kind == SPEC_MOUNT_BIND && mount->uid_map;
}

int plan_map_slot(const struct spec *spec, const struct spec_mount *mount)
{
	int slot = 1;

	if (!has_map(mount))
		return mount->kind == SPEC_MOUNT_BIND && mount->idmapped ? 0 : -1;
	for (const struct spec_mount *at = spec->mounts; at < mount; at++)
		slot += has_map(at);
	return slot;
}

void plan_add_bind_maps(struct job *job, const struct spec *spec)
{
	for (size_t i = 0; i < spec->n_mounts; i++) {
		const struct spec_mount *mount = &spec->mounts[i];
		struct wire_step *step;

		if (!has_map(mount))
			continue;
		step = job_step(job, WIRE_USERNS, 0);
		step->number[0] = (uint64_t) plan_map_slot(spec, mount);
		job->strings.failed |= !add_map_text(job, step, 0, mount->uid_map, mount->n_uid_map) ||
				       !add_map_text(job, step, 1, mount->gid_map, mount->n_gid_map);
	}
}

struct wire_step *plan_add_rights(struct job *job, const struct spec *spec)
{
	struct wire_step *step;

	for (size_t i = 0; i < spec->n_rlimits; i++) {
		const struct spec_rlimit *limit = &spec->rlimits[i];

		step = job_step(job, WIRE_RLIMIT, WIRE_RAISE | (limit->best_effort ? WIRE_OPTIONAL : 0));
		step->number[0] = (uint64_t) limit->resource;
		step->number[1] = step->number[2] = limit->hard;
	}
	step = job_step(job, WIRE_USERNS, spec->n_uid_map ? WIRE_OWN_STDIO : 0);
	step->number[2] = plan_mapped_id(spec->uid_map, spec->n_uid_map, 0);
	step->number[3] = plan_mapped_id(spec->gid_map, spec->n_gid_map, 0);
	return step;
}

int plan_add_maps(struct job *job, const struct spec *spec, const struct plan_namespaces *namespaces, scow_error **error)
{
	const struct spec_namespace *user = &spec->namespaces[SPEC_NS_USER];
	const bool is_joined = namespaces->join_fds[SPEC_NS_USER] >= 0, is_there = is_joined && user->mode == SPEC_NS_JOIN;
	struct wire_step *step;

	if (plan_mapped_id(spec->uid_map, spec->n_uid_map, 0) == UINT32_MAX ||
	    plan_mapped_id(spec->gid_map, spec->n_gid_map, 0) == UINT32_MAX)
		return error_set(error, SCOW_E_INVALID, "the user namespace of a container must have a user 0 and a group 0");
	/* By our own rights: root of a user namespace may neither lower the score nor raise a limit. */
	if (spec->has_oom_score_adj)
		job_step(job, WIRE_OOM_SCORE, WIRE_HOST_PROC)->number[0] = (uint64_t) (int64_t) spec->oom_score_adj;
	if (is_joined && !is_there) {
		step = job_step(job, WIRE_JOIN, 0);
		step->number[0] = WIRE_FD_NS + SPEC_NS_USER;
		step->number[1] = CLONE_NEWUSER;
	}
	step = plan_add_rights(job, spec);
	if (is_there)
		step->number[1] = WIRE_FD_NS + SPEC_NS_USER;
	else if (!add_map_text(job, step, 0, spec->uid_map, spec->n_uid_map) || !add_map_text(job, step, 1, spec->gid_map, spec->n_gid_map))
		return error_oom(error);
	plan_add_bind_maps(job, spec);
	return 0;
}
