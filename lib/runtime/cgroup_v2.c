/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Limits and figures of cgroup v2, and the choice of the cgroup under which ours are made.
 *
 * A cgroup with processes of its own may not hand controllers down to children, the root excepted. The calling process
 * sits in its own cgroup, so ours are made under the nearest ancestor without processes that we may write to. Where
 * systemd runs, only what it has delegated counts: elsewhere it takes controllers back, and a limit with them.
 * See: the kernel's admin-guide/cgroup-v2, systemd's CGROUP_DELEGATION.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <scow/container.h>

#include "base/fd.h"
#include "base/str.h"
#include "runtime/cgroup-internal.h"

#define FREEZE_WAIT_MS 5000

/* Controllers that hand down through subtree_control. The others are part of every v2 cgroup. */
static const struct {
	enum cgroup_controller controller;
	const char *enable;
} handed_down[] = {
	{ CG_MEMORY, "+memory" }, { CG_PIDS, "+pids" },       { CG_CPU, "+cpu" },   { CG_BLKIO, "+io" },
	{ CG_CPUSET, "+cpuset" }, { CG_HUGETLB, "+hugetlb" }, { CG_RDMA, "+rdma" }, { CG_MISC, "+misc" },
};

#define ALWAYS (CG_BIT(CG_CPUACCT) | CG_BIT(CG_DEVICES) | CG_BIT(CG_FREEZER))

/* ---- where ours are made ---- */

static bool has_processes(int fd)
{
	_cleanup_free_ char *text = NULL;

	/* A threaded cgroup refuses to be read, and is of no use either. */
	return file_read_at(fd, "cgroup.procs", 64u << 20, &text, NULL) < 0 || *text;
}

static bool is_delegated(int fd)
{
	char value[2] = "";
	struct stat st;

	if (fgetxattr(fd, "trusted.delegate", value, sizeof(value)) > 0 || fgetxattr(fd, "user.delegate", value, sizeof(value)) > 0)
		return value[0] == '1';
	return fstat(fd, &st) == 0 && st.st_uid != 0; /* systemd gives a plain user nothing else */
}

/* Whether ours may be made under @path: an open descriptor, or -1. @delegated is kept along the way down. */
static int try_base(int root_fd, const char *path, bool managed, bool *delegated)
{
	_cleanup_fd_ int fd = openat(root_fd, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool is_root;

	if (fd < 0)
		return -1;
	is_root = faccessat(fd, "cgroup.type", F_OK, 0) < 0; /* only the root of all has none */
	*delegated = *delegated || (!is_root && is_delegated(fd));
	if (managed && !is_root && !*delegated)
		return -1;
	if (faccessat(fd, ".", W_OK, AT_EACCESS) < 0 || faccessat(fd, "cgroup.subtree_control", W_OK, AT_EACCESS) < 0)
		return -1;
	/* Moving a process needs the right to write here, too. */
	if (faccessat(fd, "cgroup.procs", W_OK, AT_EACCESS) < 0 || (!is_root && has_processes(fd)))
		return -1;
	return take_fd(&fd);
}

/* From the mount down to the own cgroup; the deepest that will do is the nearest. */
static int choose_base(struct cgroup_hierarchy *hierarchy, char **chosen, int *chosen_fd)
{
	bool managed = access("/run/systemd/system", F_OK) == 0, delegated = false;
	_cleanup_free_ char *path = strdup(hierarchy->own);

	if (!path)
		return -ENOMEM;
	for (size_t size = 0;; size += strcspn(hierarchy->own + size, "/")) {
		int fd;

		memcpy(path, hierarchy->own, size);
		path[size] = 0;
		fd = try_base(hierarchy->root_fd, path, managed, &delegated);
		if (fd >= 0) {
			cleanup_fd(chosen_fd);
			free(*chosen);
			*chosen_fd = fd;
			*chosen = strdup(path);
			if (!*chosen)
				return -ENOMEM;
		}
		if (!hierarchy->own[size])
			return 0;
		size += hierarchy->own[size] == '/';
	}
}

int cgroup_v2_probe(struct cgroup_base *base, scow_error **error)
{
	struct cgroup_hierarchy *hierarchy = &base->hierarchies[0];
	_cleanup_free_ char *chosen = NULL, *text = NULL;
	_cleanup_fd_ int chosen_fd = -1;

	if (choose_base(hierarchy, &chosen, &chosen_fd) < 0)
		return error_oom(error);
	/* What could be had, were it enabled from the top: seen at the mount, which may itself be a delegated part. */
	(void) file_read_at(chosen_fd >= 0 && base->rootless ? chosen_fd : hierarchy->root_fd, "cgroup.controllers", 4096, &text, NULL);
	hierarchy->controllers = ALWAYS;
	for (size_t i = 0; i < ARRAY_SIZE(handed_down); i++) {
		enum cgroup_controller controller = handed_down[i].controller;
		const char *found = text ? strstr(text, handed_down[i].enable + 1) : NULL;
		size_t size = strlen(handed_down[i].enable) - 1;

		while (found && ((found != text && found[-1] != ' ') || (found[size] && !strchr(" \n", found[size]))))
			found = strstr(found + 1, handed_down[i].enable + 1); /* "cpu" is in "cpuset" */
		if (found)
			hierarchy->controllers |= CG_BIT(controller);
		else
			base->missing[controller] =
				strf("the %s controller is not in cgroup.controllers of '%s/%s'", handed_down[i].enable + 1,
				     hierarchy->mount, chosen_fd >= 0 && base->rootless ? chosen : "");
	}
	if (chosen_fd < 0) {
		base->reason = strf(
			"cgroup '/%s' of this process has processes of its own, and no cgroup above it is empty and writable for uid %u",
			hierarchy->own, base->uid);
		return base->reason ? 0 : error_oom(error);
	}
	free(hierarchy->own);
	hierarchy->own = take_ptr(&chosen);
	cleanup_fd(&hierarchy->own_fd);
	hierarchy->own_fd = take_fd(&chosen_fd);
	return 0;
}

/* ---- handing controllers down ---- */

/* Enables @wanted in the cgroup at @path and, first, in all above it. What could not be is left to the caller to see: errno in @errnos. */
static unsigned int enable_down(int root_fd, const char *path, unsigned int wanted, int errnos[CG_COUNT])
{
	unsigned int enabled = 0;
	char file[PATH_MAX];

	for (size_t size = 0;; size += strcspn(path + size, "/")) {
		enabled = 0;
		snprintf(file, sizeof(file), "%.*s%scgroup.subtree_control", (int) size, path, size ? "/" : "");
		for (size_t i = 0; i < ARRAY_SIZE(handed_down); i++) {
			enum cgroup_controller controller = handed_down[i].controller;

			if (!(wanted & CG_BIT(controller)))
				continue;
			errnos[controller] = -file_write_at(root_fd, file, handed_down[i].enable);
			enabled |= errnos[controller] ? 0 : CG_BIT(controller);
		}
		if (!path[size])
			return enabled; /* the last one counts: above it they may have been enabled by others */
		size += path[size] == '/';
	}
}

/* In the directory that the cgroup is in: what is needed there, and could be had. */
static unsigned int enable_in_parent(struct cgroup *cgroup, unsigned int wanted)
{
	const struct cgroup_hierarchy *hierarchy = cgroup->dirs[0].hierarchy;
	_cleanup_free_ char *parent = strdup(cgroup->path);
	char *slash = parent ? strrchr(parent, '/') : NULL;

	if (slash)
		*slash = 0;
	return parent ? enable_down(hierarchy->root_fd, slash ? parent : "", wanted, cgroup->enable_errno) : 0;
}

void cgroup_v2_enable_more(struct cgroup *cgroup, const struct spec_resources *resources)
{
	const struct cgroup_hierarchy *hierarchy = cgroup->dirs[0].hierarchy;
	unsigned int needed = cgroup_needs(resources), have;

	if (cgroup->named_parent)
		have = enable_in_parent(cgroup, needed);
	else
		have = enable_down(hierarchy->root_fd, cgroup->own ? cgroup->own : hierarchy->own, needed, cgroup->enable_errno);
	for (size_t i = 0; i < ARRAY_SIZE(handed_down); i++)
		if (needed & ~have & CG_BIT(handed_down[i].controller))
			cgroup->dir_of[handed_down[i].controller] = -1;
}

void cgroup_v2_enable(struct cgroup *cgroup, const struct spec_resources *resources)
{
	struct cgroup_base *base = (struct cgroup_base *) cgroup->base; /* only the cache below the lock is written */
	const struct cgroup_hierarchy *hierarchy = cgroup->dirs[0].hierarchy;
	unsigned int needed = cgroup_needs(resources);
	/* Figures come with their controllers; a cpuset gives none. */
	unsigned int wanted = needed | (hierarchy->controllers & (CG_BIT(CG_MEMORY) | CG_BIT(CG_PIDS) | CG_BIT(CG_BLKIO) | CG_BIT(CG_CPU)));
	unsigned int have;

	if (cgroup->named_parent) {
		have = enable_in_parent(cgroup, wanted);
	} else {
		pthread_mutex_lock(&base->lock);
		/* Once per engine, unless something is needed that did not work. */
		if (needed & ~base->enabled || !base->enabled)
			base->enabled |= enable_down(hierarchy->root_fd, hierarchy->own, wanted & ~base->enabled, cgroup->enable_errno);
		have = base->enabled;
		pthread_mutex_unlock(&base->lock);
	}
	for (size_t i = 0; i < ARRAY_SIZE(handed_down); i++)
		cgroup->dir_of[handed_down[i].controller] = have & CG_BIT(handed_down[i].controller) ? 0 : -1;
}

/* ---- limits ---- */

static int apply_cpu(struct cgroup *cgroup, const struct spec_resources *resources, scow_error **error)
{
	char text[64], quota[24] = "max";
	int r = 0;

	if (resources->cpu_rt_period_us || resources->cpu_rt_runtime_us)
		return error_set(error, SCOW_E_UNSUPPORTED, "cgroup v2 has no %s: it is of version 1 (controller cpu)",
				 resources->cpu_rt_runtime_us ? "cpu.rt_runtime_us" : "cpu.rt_period_us");
	if (resources->cpu_shares)
		r = cgroup_set_u64(cgroup, CG_CPU, "cpu.weight", cgroup_weight_of_shares(resources->cpu_shares), error);
	if (r == 0 && (resources->cpu_quota_us || resources->cpu_period_us)) {
		if (resources->cpu_quota_us > 0)
			snprintf(quota, sizeof(quota), "%" PRId64, resources->cpu_quota_us);
		snprintf(text, sizeof(text), "%s %" PRIu64, quota, resources->cpu_period_us ? resources->cpu_period_us : 100000);
		r = cgroup_set(cgroup, CG_CPU, "cpu.max", text, error);
	}
	return r < 0 ? r : cgroup_apply_cpuset(cgroup, resources, error);
}

static int apply_io_weights(struct cgroup *cgroup, const struct spec_resources *resources, scow_error **error)
{
	/* BFQ takes v1's 10 to 1000 as they are; io.weight has 1 to 10000. */
	bool bfq = cgroup_has_file(cgroup, CG_BLKIO, "io.bfq.weight") && !cgroup_has_file(cgroup, CG_BLKIO, "io.weight");
	const char *file = bfq ? "io.bfq.weight" : "io.weight";

	return cgroup_apply_io_weights(cgroup, resources, file, file, !bfq, error);
}

static int apply_io(struct cgroup *cgroup, const struct spec_resources *resources, scow_error **error)
{
	static const char *const keys[] = {
		[SCOW_IO_READ_BPS] = "rbps",
		[SCOW_IO_WRITE_BPS] = "wbps",
		[SCOW_IO_READ_IOPS] = "riops",
		[SCOW_IO_WRITE_IOPS] = "wiops",
	};
	char text[64];
	int r = 0;

	if (resources->io_weight || resources->n_io_weights)
		r = apply_io_weights(cgroup, resources, error);
	for (size_t i = 0; r == 0 && i < resources->n_io_limits; i++) {
		const struct spec_io_limit *limit = &resources->io_limits[i];

		if (limit->kind >= ARRAY_SIZE(keys))
			return error_set(error, SCOW_E_INVALID, "%u is no kind of I/O limit", limit->kind);
		snprintf(text, sizeof(text), "%u:%u %s=%" PRIu64, limit->major, limit->minor, keys[limit->kind], limit->rate);
		r = cgroup_set(cgroup, CG_BLKIO, "io.max", text, error);
	}
	return r;
}

int cgroup_v2_apply(struct cgroup *cgroup, const struct spec_resources *resources, scow_error **error)
{
	int r = apply_cpu(cgroup, resources, error);

	r = r < 0 ? r : apply_io(cgroup, resources, error);
	/* A plain user may load no device program, and has no devices but those whose nodes are given to it. */
	if (r == 0 && resources->n_device_rules && !resources->devices_unrestricted && !cgroup->base->rootless)
		r = cgroup_devices_attach(cgroup->into_fd, resources->device_rules, resources->n_device_rules, error);
	return r;
}

/* ---- figures ---- */

/* Lines such as "8:0 rbytes=4096 wbytes=0 rios=1 ...". */
static void read_io(const struct cgroup *cgroup, struct cgroup_usage *out)
{
	char text[8192];

	if (!cgroup_read_text(cgroup, CG_BLKIO, "io.stat", text, sizeof(text)))
		return;
	for (const char *at = strstr(text, " rbytes="); at; at = strstr(at + 1, " rbytes="))
		out->io_read_bytes += strtoull(at + strlen(" rbytes="), NULL, 10);
	for (const char *at = strstr(text, " wbytes="); at; at = strstr(at + 1, " wbytes="))
		out->io_write_bytes += strtoull(at + strlen(" wbytes="), NULL, 10);
}

void cgroup_v2_usage(const struct cgroup *cgroup, struct cgroup_usage *out)
{
	char text[1024];

	if (cgroup_read_text(cgroup, CG_CPUACCT, "cpu.stat", text, sizeof(text))) {
		out->cpu_user_us = cgroup_find_u64(text, "user_usec");
		out->cpu_system_us = cgroup_find_u64(text, "system_usec");
	}
	out->memory_peak_bytes = cgroup_read_u64(cgroup, CG_MEMORY, "memory.peak"); /* 5.19 */
	out->pids_peak = cgroup_read_u64(cgroup, CG_PIDS, "pids.peak");             /* 6.1 */
	read_io(cgroup, out);
	if (cgroup_read_text(cgroup, CG_MEMORY, "memory.events", text, sizeof(text)))
		out->oom_kills = cgroup_find_u64(text, "oom_kill");
}

int cgroup_v2_freeze(struct cgroup *cgroup, bool frozen, scow_error **error)
{
	int r = cgroup_set(cgroup, CG_FREEZER, "cgroup.freeze", frozen ? "1" : "0", error);

	if (r < 0)
		return r;
	r = cgroup_await(cgroup, CG_FREEZER, "cgroup.events", frozen ? "frozen 1" : "frozen 0", FREEZE_WAIT_MS);
	if (r == 0)
		return 0;
	if (frozen)
		(void) cgroup_try_set(cgroup, CG_FREEZER, "cgroup.freeze", "0");
	return error_errno(error, -r, "read", "wait for cgroup '%s' to be %s", cgroup->path, frozen ? "frozen" : "thawed");
}
