/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Limits and figures of cgroup v1. Only what was asked is written: a new v1 cgroup is unlimited, except for cpusets,
 * which are empty and must be filled, and for devices, which copy the parent's list.
 * See: the kernel's admin-guide/cgroup-v1.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <scow/container.h>

#include "base/fd.h"
#include "runtime/cgroup-internal.h"

#define FREEZE_WAIT_MS 5000

int cgroup_v1_fill_cpuset(int at_fd, const char *path)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
	const char *slash = strrchr(path, '/');
	char name[PATH_MAX], *text;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *value = NULL;

		snprintf(name, sizeof(name), "%.*s%s", slash ? (int) (slash + 1 - path) : 0, path, files[i]);
		r = file_read_at(at_fd, name, 65536, &value, NULL);
		if (r < 0)
			return r;
		text = value + strcspn(value, "\n");
		*text = 0;
		snprintf(name, sizeof(name), "%s/%s", path, files[i]);
		r = file_write_at(at_fd, name, value);
		if (r < 0)
			return r;
	}
	return 0;
}

static int apply_cpu(struct cgroup *cgroup, const struct spec_resources *resources, scow_error **error)
{
	char text[24];
	int r = 0;

	if (resources->cpu_shares)
		r = cgroup_set_u64(cgroup, CG_CPU, "cpu.shares", resources->cpu_shares, error);
	/* The quota is judged against the period, so that comes first. */
	if (r == 0 && resources->cpu_period_us)
		r = cgroup_set_u64(cgroup, CG_CPU, "cpu.cfs_period_us", resources->cpu_period_us, error);
	if (r == 0 && resources->cpu_quota_us) {
		snprintf(text, sizeof(text), "%" PRId64, resources->cpu_quota_us);
		r = cgroup_set(cgroup, CG_CPU, "cpu.cfs_quota_us", text, error);
	}
	if (r == 0 && resources->cpu_rt_period_us)
		r = cgroup_set_u64(cgroup, CG_CPU, "cpu.rt_period_us", resources->cpu_rt_period_us, error);
	if (r == 0 && resources->cpu_rt_runtime_us)
		r = cgroup_set_u64(cgroup, CG_CPU, "cpu.rt_runtime_us", resources->cpu_rt_runtime_us, error);
	return r < 0 ? r : cgroup_apply_cpuset(cgroup, resources, error);
}

static int apply_io(struct cgroup *cgroup, const struct spec_resources *resources, scow_error **error)
{
	static const char *const files[] = {
		[SCOW_IO_READ_BPS] = "blkio.throttle.read_bps_device",
		[SCOW_IO_WRITE_BPS] = "blkio.throttle.write_bps_device",
		[SCOW_IO_READ_IOPS] = "blkio.throttle.read_iops_device",
		[SCOW_IO_WRITE_IOPS] = "blkio.throttle.write_iops_device",
	};
	char text[64];
	int r = 0;

	if (resources->io_weight || resources->n_io_weights) {
		/* blkio.weight went with CFQ in 5.0; BFQ has its own. */
		bool bfq = cgroup->dir_of[CG_BLKIO] >= 0 && !cgroup_has_file(cgroup, CG_BLKIO, "blkio.weight");

		r = cgroup_apply_io_weights(cgroup, resources, bfq ? "blkio.bfq.weight" : "blkio.weight",
					    bfq ? "blkio.bfq.weight_device" : "blkio.weight_device", false, error);
	}
	for (size_t i = 0; r == 0 && i < resources->n_io_limits; i++) {
		const struct spec_io_limit *limit = &resources->io_limits[i];

		if (limit->kind >= ARRAY_SIZE(files))
			return error_set(error, SCOW_E_INVALID, "%u is no kind of I/O limit", limit->kind);
		snprintf(text, sizeof(text), "%u:%u %" PRIu64, limit->major, limit->minor, limit->rate);
		r = cgroup_set(cgroup, CG_BLKIO, files[limit->kind], text, error);
	}
	return r;
}

/* One rule is one write: the kernel reads no second line. */
static int write_rule(const struct cgroup *cgroup, int fd, const char *file, const char *rule, scow_error **error)
{
	int r = fd_write_all(fd, rule, strlen(rule));

	if (r == -EPERM)
		return error_hint(
			error,
			error_errno(error, -r, "write", "write '%s' to %s of cgroup '%s' (controller devices)", rule, file, cgroup->path),
			"the cgroup of the calling process has itself no access to this device");
	return r < 0 ? error_errno(error, -r, "write", "write '%s' to %s of cgroup '%s' (controller devices)", rule, file, cgroup->path)
		     : 0;
}

static int apply_rule(const struct cgroup *cgroup, int fd, const char *file, const struct spec_device_rule *rule, scow_error **error)
{
	bool all = rule->read && rule->write && rule->mknod;
	char text[64], major[24] = "*", minor[24] = "*";
	int r = 0;

	/* To the kernel "a" is everything, whatever follows it, and forgets all earlier rules. */
	if (rule->type == 'a' && rule->major < 0 && rule->minor < 0 && all)
		return write_rule(cgroup, fd, file, "a", error);
	if (rule->major >= 0)
		snprintf(major, sizeof(major), "%" PRId64, rule->major);
	if (rule->minor >= 0)
		snprintf(minor, sizeof(minor), "%" PRId64, rule->minor);
	for (const char *type = "cb"; *type && r == 0; type++) {
		if (rule->type != 'a' && rule->type != *type)
			continue;
		snprintf(text, sizeof(text), "%c %s:%s %s%s%s", *type, major, minor, rule->read ? "r" : "", rule->write ? "w" : "",
			 rule->mknod ? "m" : "");
		r = write_rule(cgroup, fd, file, text, error);
	}
	return r;
}

static int open_rules(const struct cgroup *cgroup, const char *file, int *fd, scow_error **error)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", cgroup->path, file);
	*fd = openat(cgroup->dirs[cgroup->dir_of[CG_DEVICES]].at_fd, path, O_WRONLY | O_CLOEXEC);
	return *fd >= 0 ? 0 : error_errno(error, errno, "open", "open %s of cgroup '%s'", file, cgroup->path);
}

static int apply_devices(struct cgroup *cgroup, const struct spec_resources *resources, scow_error **error)
{
	_cleanup_fd_ int deny_fd = -1, allow_fd = -1;
	int r;

	if (resources->devices_unrestricted || !resources->n_device_rules)
		return 0;
	if (cgroup->dir_of[CG_DEVICES] < 0)
		return cgroup->base->rootless ? 0 : cgroup_no_controller(cgroup, CG_DEVICES, "device rules", error);
	r = open_rules(cgroup, "devices.deny", &deny_fd, error);
	if (r == 0)
		r = open_rules(cgroup, "devices.allow", &allow_fd, error);
	for (size_t i = 0; r == 0 && i < resources->n_device_rules; i++) {
		const struct spec_device_rule *rule = &resources->device_rules[i];

		r = rule->allow ? apply_rule(cgroup, allow_fd, "devices.allow", rule, error)
				: apply_rule(cgroup, deny_fd, "devices.deny", rule, error);
	}
	return r;
}

int cgroup_v1_apply(struct cgroup *cgroup, const struct spec_resources *resources, scow_error **error)
{
	int r = apply_cpu(cgroup, resources, error);

	r = r < 0 ? r : apply_io(cgroup, resources, error);
	return r < 0 ? r : apply_devices(cgroup, resources, error);
}

/* Lines such as "8:0 Read 4096", one set for each device. */
static void read_io(const struct cgroup *cgroup, struct cgroup_usage *out)
{
	char text[8192], kind[16];
	unsigned long long bytes;

	if (!cgroup_read_text(cgroup, CG_BLKIO, "blkio.throttle.io_service_bytes_recursive", text, sizeof(text)) &&
	    !cgroup_read_text(cgroup, CG_BLKIO, "blkio.throttle.io_service_bytes", text, sizeof(text)))
		return;
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		if (sscanf(line, "%*u:%*u %15s %llu", kind, &bytes) != 2)
			continue;
		if (strcmp(kind, "Read") == 0)
			out->io_read_bytes += bytes;
		else if (strcmp(kind, "Write") == 0)
			out->io_write_bytes += bytes;
	}
}

void cgroup_v1_usage(const struct cgroup *cgroup, struct cgroup_usage *out)
{
	char text[256];

	out->cpu_user_us = cgroup_read_u64(cgroup, CG_CPUACCT, "cpuacct.usage_user") / 1000;
	out->cpu_system_us = cgroup_read_u64(cgroup, CG_CPUACCT, "cpuacct.usage_sys") / 1000;
	out->memory_peak_bytes = cgroup_read_u64(cgroup, CG_MEMORY, "memory.max_usage_in_bytes");
	out->pids_peak = cgroup_read_u64(cgroup, CG_PIDS, "pids.peak");
	read_io(cgroup, out);
	if (cgroup_read_text(cgroup, CG_MEMORY, "memory.oom_control", text, sizeof(text)))
		out->oom_kills = cgroup_find_u64(text, "oom_kill");
}

int cgroup_v1_freeze(struct cgroup *cgroup, bool frozen, scow_error **error)
{
	const char *state = frozen ? "FROZEN" : "THAWED";
	int r = cgroup_set(cgroup, CG_FREEZER, "freezer.state", state, error);

	if (r < 0)
		return r;
	/* A process in the middle of a fork or of slow I/O takes its time; until then the state reads FREEZING. */
	r = cgroup_await(cgroup, CG_FREEZER, "freezer.state", state, FREEZE_WAIT_MS);
	if (r == 0)
		return 0;
	if (frozen)
		(void) cgroup_try_set(cgroup, CG_FREEZER, "freezer.state", "THAWED");
	return error_errno(error, -r, "read", "wait for cgroup '%s' to be %s", cgroup->path, frozen ? "frozen" : "thawed");
}
