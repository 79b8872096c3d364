/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Limits that both versions of cgroups have, told apart by a table of file names, and those of single versions that have to be
 * refused by the other: what cannot be applied is an error with the name of the controller or file, never dropped.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "runtime/cgroup-internal.h"

/* ---- what is needed ---- */

static const struct {
	const char *prefix;
	enum cgroup_controller controller;
} setting_prefixes[] = {
	{ "memory.", CG_MEMORY },   { "pids.", CG_PIDS }, { "cpu.", CG_CPU },   { "io.", CG_BLKIO },           { "cpuset.", CG_CPUSET },
	{ "hugetlb.", CG_HUGETLB }, { "rdma.", CG_RDMA }, { "misc.", CG_MISC }, { "cgroup.max.", CG_FREEZER }, /* every cgroup has it */
};

/* Whose file it is, or CG_COUNT. */
static enum cgroup_controller setting_controller(const char *file)
{
	for (size_t i = 0; i < ARRAY_SIZE(setting_prefixes); i++)
		if (str_has_prefix(file, setting_prefixes[i].prefix) && file[strlen(setting_prefixes[i].prefix)])
			return setting_prefixes[i].controller;
	return CG_COUNT;
}

bool cgroup_is_setting(const char *file)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	return setting_controller(file) != CG_COUNT && !file[strspn(file, allowed)] && strlen(file) < 100;
}

unsigned int cgroup_needs(const struct spec_resources *resources)
{
	unsigned int needed = 0;

	if (resources->memory_bytes || resources->memory_reservation_bytes ||
	    (resources->has_memory_swap && resources->memory_swap_bytes > 0) || resources->has_memory_swappiness ||
	    resources->oom_kill_disable)
		needed |= CG_BIT(CG_MEMORY);
	if (resources->cpu_quota_us || resources->cpu_period_us || resources->cpu_shares || resources->cpu_rt_period_us ||
	    resources->cpu_rt_runtime_us)
		needed |= CG_BIT(CG_CPU);
	if (resources->cpuset_cpus || resources->cpuset_mems)
		needed |= CG_BIT(CG_CPUSET);
	if (resources->has_pids_max && resources->pids_max > 0)
		needed |= CG_BIT(CG_PIDS);
	if (resources->io_weight || resources->n_io_limits || resources->n_io_weights)
		needed |= CG_BIT(CG_BLKIO);
	if (resources->n_hugepages)
		needed |= CG_BIT(CG_HUGETLB);
	if (resources->n_rdma)
		needed |= CG_BIT(CG_RDMA);
	for (size_t i = 0; i < resources->n_settings; i++)
		if (setting_controller(resources->settings[i].file) != CG_COUNT)
			needed |= CG_BIT(setting_controller(resources->settings[i].file));
	return needed;
}

/* ---- memory ---- */

static const struct memory_files {
	const char *limit, *swap, *reservation;
	const char *unlimited;
	bool swap_alone;          /* or memory and swap together */
	const char *without_swap; /* what to do where the kernel does not account swap */
} memory_files[] = {
	{ "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.soft_limit_in_bytes", "-1", false,
	  "boot with swapaccount=1, or leave the swap limit out" },
	{ "memory.max", "memory.swap.max", "memory.low", "max", true, "leave the swap limit out, or use a kernel with swap" },
};

static int set_swap(struct cgroup *cgroup, const struct memory_files *files, int64_t swap, uint64_t memory, bool is_explicit,
		    scow_error **error)
{
	char text[24];
	int r;

	if (swap < 0)
		snprintf(text, sizeof(text), "%s", files->unlimited);
	else
		snprintf(text, sizeof(text), "%" PRIu64, (uint64_t) swap - (files->swap_alone ? memory : 0));
	r = cgroup_try_set(cgroup, CG_MEMORY, files->swap, text);
	/* The file is absent where the kernel does not account swap: then there is no default to apply, but a wish to refuse. */
	if (r == -ENOENT && is_explicit)
		return error_hint(error,
				  error_set(error, SCOW_E_UNSUPPORTED,
					    "limit memory and swap: this kernel does not account swap (%s is missing)", files->swap),
				  "%s", files->without_swap);
	return r < 0 && r != -ENOENT ? cgroup_set(cgroup, CG_MEMORY, files->swap, text, error) : 0;
}

/* Version 1 only. The kernel of version 2 chooses by itself how much it swaps, and has no container wait for ever. */
static int set_memory_behaviour(struct cgroup *cgroup, const struct spec_resources *resources, scow_error **error)
{
	int r = 0;

	if (!resources->has_memory_swappiness && !resources->oom_kill_disable)
		return 0;
	if (cgroup->base->mode == CGROUP_V2)
		return error_set(error, SCOW_E_UNSUPPORTED, "cgroup v2 has no %s: it is of version 1 (controller memory)",
				 resources->has_memory_swappiness ? "memory.swappiness" : "way to disable the out-of-memory killer");
	if (resources->has_memory_swappiness)
		r = cgroup_set_u64(cgroup, CG_MEMORY, "memory.swappiness", resources->memory_swappiness, error);
	if (r == 0 && resources->oom_kill_disable)
		r = cgroup_set(cgroup, CG_MEMORY, "memory.oom_control", "1", error);
	return r;
}

static int apply_memory(struct cgroup *cgroup, const struct spec_resources *resources, bool is_new, scow_error **error)
{
	const struct memory_files *files = &memory_files[cgroup->base->mode == CGROUP_V2];
	bool is_explicit, swap_first;
	int64_t swap;
	int r = cgroup_swap_total(resources, &swap, &is_explicit, error);

	if (r < 0)
		return r;
	if (is_new && swap < 0) /* as it is made */
		swap = 0;
	is_explicit = is_explicit || (!is_new && resources->has_memory_swap);
	/* In v1 memory may never be above memory and swap, not even in between; in a new cgroup both are unlimited. */
	swap_first =
		!is_new && !files->swap_alone && swap && (swap < 0 || (uint64_t) swap >= cgroup_read_u64(cgroup, CG_MEMORY, files->limit));
	if (swap_first)
		r = set_swap(cgroup, files, swap, resources->memory_bytes, is_explicit, error);
	if (r == 0 && resources->memory_bytes)
		r = cgroup_set_u64(cgroup, CG_MEMORY, files->limit, resources->memory_bytes, error);
	if (r == 0 && swap && !swap_first)
		r = set_swap(cgroup, files, swap, resources->memory_bytes, is_explicit, error);
	if (r == 0 && resources->memory_reservation_bytes)
		r = cgroup_set_u64(cgroup, CG_MEMORY, files->reservation, resources->memory_reservation_bytes, error);
	return r < 0 ? r : set_memory_behaviour(cgroup, resources, error);
}

/* ---- the others ---- */

int cgroup_apply_cpuset(struct cgroup *cgroup, const struct spec_resources *resources, scow_error **error)
{
	int r = 0;

	if (resources->cpuset_cpus)
		r = cgroup_set(cgroup, CG_CPUSET, "cpuset.cpus", resources->cpuset_cpus, error);
	if (r == 0 && resources->cpuset_mems)
		r = cgroup_set(cgroup, CG_CPUSET, "cpuset.mems", resources->cpuset_mems, error);
	return r;
}

/* runtime-spec's conversion. */
unsigned int cgroup_io_weight(unsigned int weight)
{
	return weight <= 10 ? 1 : 1 + (weight - 10) * 9999u / 990u;
}

int cgroup_apply_io_weights(struct cgroup *cgroup, const struct spec_resources *resources, const char *file, const char *device_file,
			    bool converted, scow_error **error)
{
	char text[64];
	int r = 0;

	if (resources->io_weight)
		r = cgroup_set_u64(cgroup, CG_BLKIO, file, converted ? cgroup_io_weight(resources->io_weight) : resources->io_weight,
				   error);
	for (size_t i = 0; r == 0 && i < resources->n_io_weights; i++) {
		const struct spec_io_weight *weight = &resources->io_weights[i];

		snprintf(text, sizeof(text), "%u:%u %u", weight->major, weight->minor,
			 converted ? cgroup_io_weight(weight->weight) : weight->weight);
		r = cgroup_set(cgroup, CG_BLKIO, device_file, text, error);
	}
	return r;
}

static int apply_rdma(struct cgroup *cgroup, const struct spec_rdma_limit *limit, scow_error **error)
{
	char handles[24] = "max", objects[24] = "max", text[256];

	if (limit->handles >= 0)
		snprintf(handles, sizeof(handles), "%" PRId64, limit->handles);
	if (limit->objects >= 0)
		snprintf(objects, sizeof(objects), "%" PRId64, limit->objects);
	snprintf(text, sizeof(text), "%s hca_handle=%s hca_object=%s", limit->device, handles, objects);
	return cgroup_set(cgroup, CG_RDMA, "rdma.max", text, error);
}

static int apply_counts(struct cgroup *cgroup, const struct spec_resources *resources, scow_error **error)
{
	const char *suffix = cgroup->base->mode == CGROUP_V2 ? "max" : "limit_in_bytes";
	char file[64];
	int r = 0;

	if (resources->has_pids_max && resources->pids_max > 0) /* unlimited, as it is made */
		r = cgroup_set_u64(cgroup, CG_PIDS, "pids.max", (uint64_t) resources->pids_max, error);
	for (size_t i = 0; r == 0 && i < resources->n_hugepages; i++) {
		snprintf(file, sizeof(file), "hugetlb.%.16s.%s", resources->hugepages[i].page_size, suffix);
		r = cgroup_set_u64(cgroup, CG_HUGETLB, file, resources->hugepages[i].bytes, error);
	}
	for (size_t i = 0; r == 0 && i < resources->n_rdma; i++)
		r = apply_rdma(cgroup, &resources->rdma[i], error);
	return r;
}

static int apply_settings(struct cgroup *cgroup, const struct spec_resources *resources, scow_error **error)
{
	int r = 0;

	if (resources->n_settings && cgroup->base->mode != CGROUP_V2)
		return error_hint(error,
				  error_set(error, SCOW_E_UNSUPPORTED,
					    "set '%s': this host's controllers are of cgroup v1, which has no such files",
					    resources->settings[0].file),
				  "use the limits that have a setting of their own, or boot with cgroup v2");
	for (size_t i = 0; r == 0 && i < resources->n_settings; i++) {
		const struct spec_cgroup_setting *setting = &resources->settings[i];

		if (!cgroup_is_setting(setting->file))
			return error_set(error, SCOW_E_INVALID, "'%s' is not a setting of a cgroup controller", setting->file);
		r = cgroup_set(cgroup, setting_controller(setting->file), setting->file, setting->value, error);
	}
	return r;
}

int cgroup_apply(struct cgroup *cgroup, const struct spec_resources *resources, bool is_new, scow_error **error)
{
	int r = apply_memory(cgroup, resources, is_new, error);

	r = r < 0 ? r : apply_counts(cgroup, resources, error);
	if (r == 0)
		r = cgroup->base->mode == CGROUP_V2 ? cgroup_v2_apply(cgroup, resources, error) : cgroup_v1_apply(cgroup, resources, error);
	return r < 0 ? r : apply_settings(cgroup, resources, error);
}
