/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The container's description, second half: setters of resources and security. Bounds are Docker's; numbers end at 2^53, the last that
 * a JSON document carries exactly, so that what is stored is what was asked for.
 */
#include "container/config.h"

#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "container/config-internal.h"
#include "container/options.h"
#include "runtime/caps.h"
#include "runtime/cgroup.h"

/* ---- resources ---- */

static bool memory_is_valid(scow_container_config *config, const char *setter, uint64_t bytes)
{
	if (bytes && bytes < CONFIG_MEMORY_MIN)
		return REFUSE_AS(config, setter, "%llu bytes are too few: 6 MiB is the least", (unsigned long long) bytes), false;
	if (bytes > CONFIG_NUMBER_MAX)
		return REFUSE_AS(config, setter, "%llu bytes are too many", (unsigned long long) bytes), false;
	return true;
}

void scow_container_config_set_memory_bytes(scow_container_config *config, uint64_t bytes)
{
	if (config && memory_is_valid(config, __func__, bytes))
		config->memory_bytes = bytes;
}

void scow_container_config_set_memory_swap_bytes(scow_container_config *config, int64_t bytes)
{
	if (!config)
		return;
	if (bytes < -1 || bytes > CONFIG_NUMBER_MAX)
		return REFUSE(config, "%lld is not a number of bytes: -1 is no limit", (long long) bytes);
	config->memory_swap_bytes = bytes;
	config->has_memory_swap = bytes != 0;
}

void scow_container_config_set_memory_reservation_bytes(scow_container_config *config, uint64_t bytes)
{
	if (config && memory_is_valid(config, __func__, bytes))
		config->memory_reservation_bytes = bytes;
}

void scow_container_config_set_memory_swappiness(scow_container_config *config, int percent)
{
	if (!config)
		return;
	if (percent < -1 || percent > 100)
		return REFUSE(config, "%d is not a swappiness of 0 to 100", percent);
	config->memory_swappiness = percent < 0 ? 0 : (unsigned int) percent;
	config->has_memory_swappiness = percent >= 0;
}

void scow_container_config_set_oom_kill_disable(scow_container_config *config, int disable)
{
	if (config)
		config->oom_kill_disable = disable;
}

void scow_container_config_set_cpu_millis(scow_container_config *config, uint64_t millis)
{
	if (!config)
		return;
	if ((millis && millis < 10) || millis > UINT32_MAX)
		return REFUSE(config, "%llu thousandths of a CPU: at least 10 (0.01) are needed", (unsigned long long) millis);
	config->cpu_millis = millis;
}

/* The kernel's own bounds, as Docker checks them. */
void scow_container_config_set_cpu_quota(scow_container_config *config, int64_t quota_us, uint64_t period_us)
{
	if (!config)
		return;
	if (quota_us < -1 || (quota_us > 0 && quota_us < 1000) || quota_us > CONFIG_NUMBER_MAX)
		return REFUSE(config, "%lld us of CPU time: at least 1000 are needed, -1 is no limit", (long long) quota_us);
	if (period_us && (period_us < 1000 || period_us > 1000000))
		return REFUSE(config, "%llu us is not a period of 1000 to 1000000", (unsigned long long) period_us);
	config->cpu_quota_us = quota_us;
	config->cpu_period_us = period_us;
}

void scow_container_config_set_cpu_realtime(scow_container_config *config, uint64_t runtime_us, uint64_t period_us)
{
	if (!config)
		return;
	if (runtime_us > CONFIG_NUMBER_MAX || period_us > CONFIG_NUMBER_MAX)
		return REFUSE(config, "%llu us is out of range",
			      (unsigned long long) (runtime_us > CONFIG_NUMBER_MAX ? runtime_us : period_us));
	config->cpu_rt_runtime_us = runtime_us;
	config->cpu_rt_period_us = period_us;
}

void scow_container_config_set_cpu_shares(scow_container_config *config, uint64_t shares)
{
	if (!config)
		return;
	if (shares && (shares < 2 || shares > 262144))
		return REFUSE(config, "%llu is not a weight of 2 to 262144", (unsigned long long) shares);
	config->cpu_shares = shares;
}

void scow_container_config_set_cpuset(scow_container_config *config, const char *cpus, const char *memory_nodes)
{
	if (!config)
		return;
	if (cpus && !cpuset_is_valid(cpus))
		return REFUSE(config, "'%s' is not a list of CPUs such as '0-2,4'", cpus);
	if (memory_nodes && !cpuset_is_valid(memory_nodes))
		return REFUSE(config, "'%s' is not a list of memory nodes such as '0,1'", memory_nodes);
	config_set_string(config, &config->cpuset_cpus, cpus);
	config_set_string(config, &config->cpuset_mems, memory_nodes);
}

void scow_container_config_set_pids_max(scow_container_config *config, int64_t pids)
{
	if (!config)
		return;
	if (pids < -1 || pids > CONFIG_NUMBER_MAX)
		return REFUSE(config, "%lld is not a number of processes: -1 is no limit", (long long) pids);
	config->pids_max = pids;
	config->has_pids_max = pids != 0;
}

static bool io_weight_is_valid(scow_container_config *config, const char *setter, unsigned int weight)
{
	if (weight && (weight < 10 || weight > 1000))
		return REFUSE_AS(config, setter, "%u is not a weight of 10 to 1000", weight), false;
	return true;
}

void scow_container_config_set_io_weight(scow_container_config *config, unsigned int weight)
{
	if (config && io_weight_is_valid(config, __func__, weight))
		config->io_weight = weight;
}

void scow_container_config_add_io_weight(scow_container_config *config, const char *device, unsigned int weight)
{
	struct config_io_weight *slot = NULL;
	const char *path;

	if (!config || !(path = config_clean_path(config, __func__, device)))
		return;
	if (!weight)
		return REFUSE(config, "no weight for '%s'", path);
	if (!io_weight_is_valid(config, __func__, weight))
		return;
	for (size_t i = 0; i < config->n_io_weights; i++)
		if (str_eq(config->io_weights[i].device, path))
			slot = &config->io_weights[i];
	if (!slot)
		slot = arena_append(&config->arena, &config->io_weights, &config->n_io_weights, sizeof(*slot));
	if (slot)
		*slot = (struct config_io_weight){ path, weight };
}

/* "2MB", "1GB", "64KB": as the kernel names its files. */
static bool page_size_is_valid(const char *size)
{
	size_t digits = strspn(size, "0123456789");

	return digits && digits < 8 && *size != '0' &&
	       (str_eq(size + digits, "KB") || str_eq(size + digits, "MB") || str_eq(size + digits, "GB"));
}

void scow_container_config_add_hugepage_limit(scow_container_config *config, const char *page_size, uint64_t bytes)
{
	struct config_hugepages *slot = NULL;

	if (!config)
		return;
	if (!page_size || !page_size_is_valid(page_size))
		return REFUSE(config, "'%s' is not a size of pages such as '2MB'", page_size ? page_size : "");
	if (bytes > CONFIG_NUMBER_MAX)
		return REFUSE(config, "%llu bytes are too many", (unsigned long long) bytes);
	for (size_t i = 0; i < config->n_hugepages; i++)
		if (str_eq(config->hugepages[i].page_size, page_size))
			slot = &config->hugepages[i];
	if (!slot)
		slot = arena_append(&config->arena, &config->hugepages, &config->n_hugepages, sizeof(*slot));
	if (slot)
		*slot = (struct config_hugepages){ arena_strdup(&config->arena, page_size), bytes };
}

void scow_container_config_add_rdma_limit(scow_container_config *config, const char *device, int64_t handles, int64_t objects)
{
	struct config_rdma *slot = NULL;

	if (!config)
		return;
	if (!device || !name_is_clean(device) || strlen(device) > 64)
		return REFUSE(config, "'%.80s' is not the name of an rdma device", device ? device : "");
	if (handles < -1 || objects < -1 || handles > INT32_MAX || objects > INT32_MAX)
		return REFUSE(config, "'%s': %lld handles and %lld objects: -1 is no limit", device, (long long) handles,
			      (long long) objects);
	for (size_t i = 0; i < config->n_rdma; i++)
		if (str_eq(config->rdma[i].device, device))
			slot = &config->rdma[i];
	if (!slot)
		slot = arena_append(&config->arena, &config->rdma, &config->n_rdma, sizeof(*slot));
	if (slot)
		*slot = (struct config_rdma){ arena_strdup(&config->arena, device), handles, objects };
}

void scow_container_config_set_cgroup_setting(scow_container_config *config, const char *file, const char *value)
{
	if (!config)
		return;
	if (!file || !cgroup_is_setting(file))
		return REFUSE(config, "'%.80s' is not a setting of a cgroup v2 controller such as 'memory.high'", file ? file : "");
	if (!value || !*value || text_has_control(value))
		return REFUSE(config, "'%s' has no proper value", file);
	config_put_pair(config, &config->cgroup_settings, &config->n_cgroup_settings, file, value);
}

void scow_container_config_add_io_limit(scow_container_config *config, scow_io_limit kind, const char *device, uint64_t rate)
{
	struct config_io_limit *limit;
	const char *path;

	if (!config)
		return;
	if ((unsigned int) kind > SCOW_IO_WRITE_IOPS)
		return REFUSE(config, "%d is no kind of limit", (int) kind);
	if (!(path = config_clean_path(config, __func__, device)))
		return;
	if (!rate || rate > CONFIG_NUMBER_MAX)
		return REFUSE(config, "%llu is not a rate for '%s'", (unsigned long long) rate, path);
	limit = arena_append(&config->arena, &config->io_limits, &config->n_io_limits, sizeof(*limit));
	if (limit)
		*limit = (struct config_io_limit){ kind, path, rate };
}

void scow_container_config_add_ulimit(scow_container_config *config, const char *name, int64_t soft, int64_t hard)
{
	int resource = name ? ulimit_parse(name) : -1;
	struct config_ulimit *ulimit = NULL;

	if (!config)
		return;
	if (resource < 0)
		return REFUSE(config, "'%s' is not a limit such as 'nofile' or 'nproc'", name ? name : "");
	if (soft < -1 || hard < -1 || soft > CONFIG_NUMBER_MAX || hard > CONFIG_NUMBER_MAX)
		return REFUSE(config, "'%s': %lld:%lld is out of range: -1 is unlimited", name, (long long) soft, (long long) hard);
	if (hard != -1 && (soft == -1 || soft > hard))
		return REFUSE(config, "'%s': the soft limit %lld is above the hard limit %lld", name, (long long) soft, (long long) hard);
	for (size_t i = 0; i < config->n_ulimits; i++)
		if (config->ulimits[i].resource == resource)
			ulimit = &config->ulimits[i];
	if (!ulimit)
		ulimit = arena_append(&config->arena, &config->ulimits, &config->n_ulimits, sizeof(*ulimit));
	if (ulimit)
		*ulimit = (struct config_ulimit){ resource, soft, hard };
}

void scow_container_config_set_oom_score_adj(scow_container_config *config, int score)
{
	if (!config)
		return;
	if (score < -1000 || score > 1000)
		return REFUSE(config, "%d is not a score of -1000 to 1000", score);
	config->oom_score_adj = score;
	config->has_oom_score_adj = score != 0;
}

static bool has_parent_component(const char *path)
{
	for (const char *at = strstr(path, ".."); at; at = strstr(at + 1, ".."))
		if ((at == path || at[-1] == '/') && (!at[2] || at[2] == '/'))
			return true;
	return false;
}

void scow_container_config_set_cgroup_parent(scow_container_config *config, const char *path)
{
	if (!config)
		return;
	if (path && *path && (text_has_control(path) || has_parent_component(path)))
		return REFUSE(config, "'%s' is not the path of a cgroup", path);
	config_set_string(config, &config->cgroup_parent, path && *path ? path : NULL);
}

/* ---- security ---- */

static void put_capability(scow_container_config *config, const char *setter, const char *name, const char ***set, size_t *count)
{
	int bit = name ? caps_parse(name) : -1;
	const char *known;

	if (bit >= 0)
		known = caps_name(bit);
	else if (name && (strcasecmp(name, "ALL") == 0 || strcasecmp(name, "CAP_ALL") == 0))
		known = "ALL";
	else
		return REFUSE_AS(config, setter, "'%s' is not a capability such as 'NET_ADMIN', nor 'ALL'", name ? name : "");
	for (size_t i = 0; i < *count; i++)
		if (str_eq((*set)[i], known))
			return;
	config_add_string(config, set, count, known);
}

void scow_container_config_add_capability(scow_container_config *config, const char *capability)
{
	if (config)
		put_capability(config, __func__, capability, &config->cap_add, &config->n_cap_add);
}

void scow_container_config_drop_capability(scow_container_config *config, const char *capability)
{
	if (config)
		put_capability(config, __func__, capability, &config->cap_drop, &config->n_cap_drop);
}

void scow_container_config_set_seccomp(scow_container_config *config, const char *profile)
{
	if (!config)
		return;
	if (profile && (str_eq(profile, "builtin") || str_eq(profile, "default")))
		profile = NULL;
	if (profile && !str_eq(profile, "unconfined") && profile[strspn(profile, " \t\r\n")] != '{')
		return REFUSE(config, "'%.40s' is neither a profile in JSON nor 'unconfined'", profile);
	config_set_string(config, &config->seccomp, profile);
}

void scow_container_config_set_no_new_privileges(scow_container_config *config, int on)
{
	if (config)
		config->no_new_privileges = on;
}

void scow_container_config_set_unmasked_paths(scow_container_config *config, int on)
{
	if (config)
		config->unmasked_paths = on;
}

void scow_container_config_set_privileged(scow_container_config *config, int privileged)
{
	if (config)
		config->privileged = privileged;
}

void scow_container_config_add_device(scow_container_config *config, const char *source, const char *target, const char *access)
{
	const char *clean_source, *clean_target;
	struct spec_device_rule rule;
	struct config_device *device;

	if (!config || !(clean_source = config_clean_path(config, __func__, source)))
		return;
	if (!(clean_target = target && *target ? config_clean_path(config, __func__, target) : clean_source))
		return;
	if (str_eq(clean_target, "/"))
		return REFUSE(config, "'/' is no place for a device");
	if (!access || !*access)
		access = "rwm";
	if (!device_access_parse(access, &rule))
		return REFUSE(config, "'%s' is not an access of 'rwm' or less", access);
	device = arena_append(&config->arena, &config->devices, &config->n_devices, sizeof(*device));
	if (device)
		*device = (struct config_device){ clean_source, clean_target, arena_strdup(&config->arena, access) };
}

void scow_container_config_add_device_rule(scow_container_config *config, const char *rule)
{
	struct spec_device_rule parsed;
	scow_error *error = NULL;

	if (!config)
		return;
	if (!rule)
		return REFUSE(config, "no rule was given");
	if (device_rule_parse(rule, &parsed, &error) < 0)
		return config_refuse_error(config, __func__, &error);
	config_add_string(config, &config->device_rules, &config->n_device_rules, rule);
}

void scow_container_config_set_sysctl(scow_container_config *config, const char *name, const char *value)
{
	scow_error *error = NULL;
	const char *dotted;
	enum spec_ns ns;

	if (!config)
		return;
	if (!name || !value || text_has_control(value))
		return REFUSE(config, "'%s' has no proper value", name ? name : "");
	if (sysctl_parse(name, &config->arena, &dotted, &ns, &error) < 0)
		return config_refuse_error(config, __func__, &error);
	config_put_pair(config, &config->sysctls, &config->n_sysctls, dotted, value);
}
