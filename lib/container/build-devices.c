/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Devices and limits of a spec: what is looked up on the host for them. A device is a node of the host, or all nodes below a
 * directory, and may be used as its rule says: rules are Docker's default list, then one for each device, then the user's.
 *
 * A plain user cannot make nodes, nor have rules: the host's nodes are bound, and what only a rule could do is refused.
 */
#include "container/build.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/str.h"

#define DEPTH_MAX 8
#define DEVICES_MAX 4096

#define ANY -1
#define ALLOW(type, major, minor)                                                                                                          \
	{                                                                                                                                  \
		true, type, major, minor, true, true, true                                                                                 \
	}

/* Any node may be made; these may be used. In order, the last match wins. */
static const struct spec_device_rule default_rules[] = {
	{ false, 'a', ANY, ANY, true, true, true },
	{ true, 'c', ANY, ANY, false, false, true },
	{ true, 'b', ANY, ANY, false, false, true },
	ALLOW('c', 1, 3),     /* null */
	ALLOW('c', 1, 5),     /* zero */
	ALLOW('c', 1, 7),     /* full */
	ALLOW('c', 1, 8),     /* random */
	ALLOW('c', 1, 9),     /* urandom */
	ALLOW('c', 5, 0),     /* tty */
	ALLOW('c', 5, 1),     /* console */
	ALLOW('c', 5, 2),     /* ptmx */
	ALLOW('c', 136, ANY), /* pts */
};

static bool add_rule(struct spec *spec, const struct spec_device_rule *rule)
{
	struct spec_device_rule *slot =
		arena_append(&spec->arena, &spec->resources.device_rules, &spec->resources.n_device_rules, sizeof(*slot));

	if (slot)
		*slot = *rule;
	return slot;
}

static int add_device(struct build *b, const char *source, const char *target, const char *access, const struct stat *st,
		      scow_error **error)
{
	struct spec_device_rule rule = {
		.allow = true, .type = S_ISBLK(st->st_mode) ? 'b' : 'c', .major = major(st->st_rdev), .minor = minor(st->st_rdev)
	};
	struct spec *spec = b->spec;
	struct spec_device *device = NULL;

	for (size_t i = 0; i < spec->n_devices && !device; i++)
		if (str_eq(spec->devices[i].path, target))
			device = &spec->devices[i];
	if (!device)
		device = arena_append(&spec->arena, &spec->devices, &spec->n_devices, sizeof(*device));
	if (!device || !device_access_parse(access, &rule))
		return error_oom(error);
	*device = (struct spec_device){
		.path = arena_strdup(&spec->arena, target),
		.type = rule.type,
		.major = major(st->st_rdev),
		.minor = minor(st->st_rdev),
		.mode = st->st_mode & 07777,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.bind_source = b->user_ns ? arena_strdup(&spec->arena, source) : NULL,
	};
	if (!b->rootless && !b->config->privileged && !add_rule(spec, &rule))
		return error_oom(error);
	return arena_failed(&spec->arena) ? error_oom(error) : 0;
}

/* Directories that are mounts of their own, and nodes that each container has its own of. */
static bool is_skipped(const char *name)
{
	static const char *const names[] = { ".",       "..",   "pts",  "shm",         "fd",    "mqueue",
					     "console", "ptmx", ".lxc", ".lxd-mounts", ".udev", "hugepages" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (str_eq(name, names[i]))
			return true;
	return false;
}

static bool has_device(const struct spec *spec, const char *target)
{
	for (size_t i = 0; i < spec->n_devices; i++)
		if (str_eq(spec->devices[i].path, target))
			return true;
	return false;
}

/* Every node below the directory; what vanishes meanwhile, or cannot be read, was not there. */
static int add_directory(struct build *b, const char *source, const char *target, const char *access, unsigned int levels,
			 scow_error **error)
{
	_cleanup_dir_ DIR *dir = opendir(source);
	struct dirent *entry;

	if (!dir || !levels)
		return 0;
	while ((entry = readdir(dir))) {
		_cleanup_free_ char *below = NULL, *inside = NULL;
		struct stat st;
		int r = 0;

		if (is_skipped(entry->d_name) || fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (!S_ISDIR(st.st_mode) && !S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
			continue;
		below = strf("%s/%s", source, entry->d_name);
		inside = strf("%s/%s", target, entry->d_name);
		if (!below || !inside)
			return error_oom(error);
		if (S_ISDIR(st.st_mode))
			r = add_directory(b, below, inside, access, levels - 1, error);
		else if (!has_device(b->spec, inside))
			r = add_device(b, below, inside, access, &st, error);
		if (r < 0)
			return r;
		if (b->spec->n_devices > DEVICES_MAX)
			return error_set(error, SCOW_E_LIMIT, "'%s' has more than %d devices", source, DEVICES_MAX);
	}
	return 0;
}

static int check_access(const struct build *b, const char *source, const char *access, scow_error **error)
{
	struct spec_device_rule rule;

	if (b->rootless && device_access_parse(access, &rule) && !(rule.read && rule.write && rule.mknod))
		return error_set(error, SCOW_E_UNSUPPORTED, "device '%s': a plain user's container cannot restrict its use to '%s'",
				 source, access);
	return 0;
}

static int add_wish(struct build *b, const struct config_device *wish, scow_error **error)
{
	size_t before = b->spec->n_devices;
	struct stat st;
	int r = check_access(b, wish->source, wish->access, error);

	if (r < 0)
		return r;
	if (stat(wish->source, &st) < 0)
		return error_errno(error, errno, "stat", "look up device '%s'", wish->source);
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		return add_device(b, wish->source, wish->target, wish->access, &st, error);
	if (!S_ISDIR(st.st_mode))
		return error_set(error, SCOW_E_INVALID, "'%s' is not a device", wish->source);
	r = add_directory(b, wish->source, wish->target, wish->access, DEPTH_MAX, error);
	if (r == 0 && b->spec->n_devices == before)
		return error_set(error, SCOW_E_INVALID, "no device in directory '%s'", wish->source);
	return r;
}

/* An array that arena_append() made, with what the defaults put there. */
static bool own_devices(struct spec *spec)
{
	const struct spec_device *defaults = spec->devices;
	size_t n = spec->n_devices;

	spec->devices = NULL;
	spec->n_devices = 0;
	for (size_t i = 0; i < n; i++) {
		struct spec_device *slot = arena_append(&spec->arena, &spec->devices, &spec->n_devices, sizeof(*slot));

		if (!slot)
			return false;
		*slot = defaults[i];
	}
	return true;
}

static int add_rules(struct build *b, scow_error **error)
{
	const scow_container_config *config = b->config;

	if (b->rootless && config->n_device_rules)
		return error_set(error, SCOW_E_UNSUPPORTED, "device rule '%s': a plain user's container cannot have any",
				 config->device_rules[0]);
	for (size_t i = 0; i < config->n_device_rules; i++) {
		struct spec_device_rule rule;
		int r = device_rule_parse(config->device_rules[i], &rule, error);

		if (r < 0)
			return r;
		if (!config->privileged && !add_rule(b->spec, &rule))
			return error_oom(error);
	}
	return 0;
}

int build_devices(struct build *b, scow_error **error)
{
	const scow_container_config *config = b->config;
	struct spec_resources *resources = &b->spec->resources;
	int r = 0;

	resources->devices_unrestricted = config->privileged;
	for (size_t i = 0; !b->rootless && !config->privileged && i < ARRAY_SIZE(default_rules); i++)
		if (!add_rule(b->spec, &default_rules[i]))
			return error_oom(error);
	if ((config->n_devices || b->n_nodes || config->privileged) && !own_devices(b->spec))
		return error_oom(error);
	for (size_t i = 0; i < config->n_devices && r == 0; i++)
		r = add_wish(b, &config->devices[i], error);
	for (size_t i = 0; i < b->n_nodes && r == 0; i++) {
		const struct build_node *node = &b->nodes[i];

		r = check_access(b, node->source, node->access, error);
		if (r == 0)
			r = add_device(b, node->source, node->target, node->access, &node->st, error);
	}
	if (r == 0 && config->privileged)
		r = add_directory(b, "/dev", "/dev", "rwm", DEPTH_MAX, error);
	return r < 0 ? r : add_rules(b, error);
}

static int find_block_device(const char *path, struct stat *st, scow_error **error)
{
	if (stat(path, st) < 0)
		return error_errno(error, errno, "stat", "look up device '%s' for an i/o limit", path);
	if (!S_ISBLK(st->st_mode))
		return error_set(error, SCOW_E_INVALID, "'%s' is not a block device, so that its i/o cannot be limited", path);
	return 0;
}

static int build_io_weights(struct build *b, scow_error **error)
{
	struct spec_resources *out = &b->spec->resources;

	for (size_t i = 0; i < b->config->n_io_weights; i++) {
		const struct config_io_weight *wish = &b->config->io_weights[i];
		struct spec_io_weight *weight;
		struct stat st;
		int r = find_block_device(wish->device, &st, error);

		if (r < 0)
			return r;
		weight = arena_append(&b->spec->arena, &out->io_weights, &out->n_io_weights, sizeof(*weight));
		if (!weight)
			return error_oom(error);
		*weight = (struct spec_io_weight){ major(st.st_rdev), minor(st.st_rdev), wish->weight };
	}
	return 0;
}

static int build_io_limits(struct build *b, scow_error **error)
{
	struct spec_resources *out = &b->spec->resources;

	for (size_t i = 0; i < b->config->n_io_limits; i++) {
		const struct config_io_limit *wish = &b->config->io_limits[i];
		struct spec_io_limit *limit;
		struct stat st;

		int r = find_block_device(wish->device, &st, error);

		if (r < 0)
			return r;
		limit = arena_append(&b->spec->arena, &out->io_limits, &out->n_io_limits, sizeof(*limit));
		if (!limit)
			return error_oom(error);
		*limit = (struct spec_io_limit){ wish->kind, major(st.st_rdev), minor(st.st_rdev), wish->rate };
	}
	return 0;
}

/* What few ask for. Strings are the config's, copied. */
static bool build_named_limits(struct build *b)
{
	const scow_container_config *config = b->config;
	struct spec_resources *out = &b->spec->resources;
	struct arena *arena = &b->spec->arena;

	for (size_t i = 0; i < config->n_hugepages; i++) {
		struct spec_hugepage_limit *limit = arena_append(arena, &out->hugepages, &out->n_hugepages, sizeof(*limit));

		if (limit)
			*limit = (struct spec_hugepage_limit){ arena_strdup(arena, config->hugepages[i].page_size),
							       config->hugepages[i].bytes };
	}
	for (size_t i = 0; i < config->n_rdma; i++) {
		struct spec_rdma_limit *limit = arena_append(arena, &out->rdma, &out->n_rdma, sizeof(*limit));

		if (limit)
			*limit = (struct spec_rdma_limit){ arena_strdup(arena, config->rdma[i].device), config->rdma[i].handles,
							   config->rdma[i].objects };
	}
	for (size_t i = 0; i < config->n_cgroup_settings; i++) {
		struct spec_cgroup_setting *setting = arena_append(arena, &out->settings, &out->n_settings, sizeof(*setting));

		if (setting)
			*setting = (struct spec_cgroup_setting){ arena_strdup(arena, config->cgroup_settings[i].name),
								 arena_strdup(arena, config->cgroup_settings[i].value) };
	}
	return !arena_failed(arena);
}

int build_resources(struct build *b, scow_error **error)
{
	const scow_container_config *config = b->config;
	struct spec_resources *out = &b->spec->resources;
	int r;

	out->memory_bytes = config->memory_bytes;
	out->memory_reservation_bytes = config->memory_reservation_bytes;
	out->memory_swap_bytes = config->memory_swap_bytes;
	out->has_memory_swap = config->has_memory_swap;
	if (config->cpu_millis) {
		out->cpu_period_us = 100000;
		out->cpu_quota_us = (int64_t) config->cpu_millis * 100;
	} else {
		out->cpu_period_us = config->cpu_period_us;
		out->cpu_quota_us = config->cpu_quota_us;
	}
	out->cpu_rt_period_us = config->cpu_rt_period_us;
	out->cpu_rt_runtime_us = config->cpu_rt_runtime_us;
	out->memory_swappiness = config->memory_swappiness;
	out->has_memory_swappiness = config->has_memory_swappiness;
	out->oom_kill_disable = config->oom_kill_disable;
	out->cpu_shares = config->cpu_shares;
	out->cpuset_cpus = arena_strdup(&b->spec->arena, config->cpuset_cpus);
	out->cpuset_mems = arena_strdup(&b->spec->arena, config->cpuset_mems);
	out->pids_max = config->pids_max;
	out->has_pids_max = config->has_pids_max;
	out->io_weight = config->io_weight;
	if (!build_named_limits(b))
		return error_oom(error);
	r = build_io_weights(b, error);
	return r < 0 ? r : build_io_limits(b, error);
}
