/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The config as a document: writing. The result is what the database keeps of a container, so it is small (a
 * field at its default is left out) and made in one pass, without a tree: some microseconds for a usual config.
 * Reading it gives the same config.
 */
#include "container/config-network.h"
#include "container/config.h"

#include <string.h>

#include "base/str.h"
#include "container/options.h"

struct writer {
	struct str out;
	bool comma; /* the next member or element needs one before it */
};

static void separate(struct writer *w)
{
	if (w->comma)
		str_add_char(&w->out, ',');
	w->comma = true;
}

static void add_escape(struct str *out, const char *at)
{
	static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
	const char *found = strchr(plain, *at);

	/* The reader refuses "\u0000" without asking whether its backslash is one: do not write such bytes for a text that has them. */
	if (*at == '\\' && str_has_prefix(at + 1, "u0000"))
		str_add(out, "\\u005c");
	else if (found)
		str_add_bytes(out, (char[]){ '\\', letters[found - plain] }, 2);
	else
		str_printf(out, "\\u%04x", (unsigned int) (unsigned char) *at);
}

static void add_escaped(struct str *out, const char *text)
{
	const char *start = text, *at = text;

	for (; *at; at++) {
		if ((unsigned char) *at >= ' ' && *at != '"' && *at != '\\')
			continue;
		str_add_bytes(out, start, (size_t) (at - start));
		add_escape(out, at);
		start = at + 1;
	}
	str_add_bytes(out, start, (size_t) (at - start));
}

static void add_quoted(struct str *out, const char *text)
{
	str_add_char(out, '"');
	add_escaped(out, text);
	str_add_char(out, '"');
}

static void member(struct writer *w, const char *name)
{
	separate(w);
	str_add_char(&w->out, '"');
	str_add(&w->out, name);
	str_add_bytes(&w->out, "\":", 2);
}

static void open_group(struct writer *w, const char *name, char bracket)
{
	if (name)
		member(w, name);
	else
		separate(w);
	str_add_char(&w->out, bracket);
	w->comma = false;
}

static void close_group(struct writer *w, char bracket)
{
	str_add_char(&w->out, bracket);
	w->comma = true;
}

static void put_string(struct writer *w, const char *name, const char *value)
{
	if (!value)
		return;
	member(w, name);
	add_quoted(&w->out, value);
}

static void put_true(struct writer *w, const char *name, bool value)
{
	if (!value)
		return;
	member(w, name);
	str_add(&w->out, "true");
}

static void put_number(struct writer *w, const char *name, int64_t value)
{
	member(w, name);
	str_printf(&w->out, "%lld", (long long) value);
}

static void put_count(struct writer *w, const char *name, uint64_t value)
{
	if (value)
		put_number(w, name, (int64_t) value);
}

static void put_element(struct writer *w, const char *value)
{
	separate(w);
	add_quoted(&w->out, value);
}

static void put_vector(struct writer *w, const char *name, const char *const *values, size_t n)
{
	open_group(w, name, '[');
	for (size_t i = 0; i < n; i++)
		put_element(w, values[i]);
	close_group(w, ']');
}

static void put_strings(struct writer *w, const char *name, const char *const *values, size_t n)
{
	if (n)
		put_vector(w, name, values, n);
}

static void put_map(struct writer *w, const char *name, const struct config_pair *pairs, size_t n)
{
	if (!n)
		return;
	open_group(w, name, '{');
	for (size_t i = 0; i < n; i++) {
		separate(w);
		add_quoted(&w->out, pairs[i].name);
		str_add_char(&w->out, ':');
		add_quoted(&w->out, pairs[i].value);
	}
	close_group(w, '}');
}

/* One string of two parts with @between; without it where @second is NULL. */
static void put_joined(struct writer *w, const char *first, char between, const char *second)
{
	separate(w);
	str_add_char(&w->out, '"');
	add_escaped(&w->out, first);
	if (second) {
		str_add_char(&w->out, between);
		add_escaped(&w->out, second);
	}
	str_add_char(&w->out, '"');
}

static void put_env(struct writer *w, const scow_container_config *config)
{
	if (!config->n_env)
		return;
	open_group(w, "Env", '[');
	for (size_t i = 0; i < config->n_env; i++)
		put_joined(w, config->env[i].name, '=', config->env[i].value);
	close_group(w, ']');
}

/* ---- mounts: Binds say "create", which Mounts do not; a colon in a path does not fit into Binds ---- */

static bool fits_binds(const struct config_mount *mount, const struct bind_options *options)
{
	return options->create && !strchr(mount->source, ':') && !strchr(mount->target, ':');
}

static void put_bind(struct writer *w, const struct config_mount *mount, struct bind_options options)
{
	_cleanup_str_ struct str text = { 0 };
	struct arena arena = { 0 };
	const char *more;

	options.create = false; /* as the form itself says */
	more = bind_options_format(&options, &arena);
	str_add(&text, mount->target);
	if (more) {
		str_add_char(&text, ':');
		str_add(&text, more);
	}
	w->out.failed = w->out.failed || text.failed || arena_failed(&arena);
	if (!w->out.failed)
		put_joined(w, mount->source, ':', text.data);
	arena_done(&arena);
}

static void put_bind_options(struct writer *w, const struct bind_options *options)
{
	struct bind_options rest = { .flags = options->flags, .relabel = options->relabel, .idmap = options->idmap, .own = options->own };
	struct arena arena = { 0 };
	const char *more = bind_options_format(&rest, &arena);

	put_true(w, "ReadOnly", options->read_only);
	put_string(w, "Options", more);
	if (options->propagation_name || options->nonrecursive || options->create || options->ro_nonrecursive) {
		open_group(w, "BindOptions", '{');
		put_string(w, "Propagation", options->propagation_name);
		put_true(w, "NonRecursive", options->nonrecursive);
		put_true(w, "CreateMountpoint", options->create);
		put_true(w, "ReadOnlyNonRecursive", options->ro_nonrecursive);
		close_group(w, '}');
	}
	w->out.failed = w->out.failed || arena_failed(&arena);
	arena_done(&arena);
}

/* Opens @name with the first element only. */
static void open_once(struct writer *w, const char *name, char bracket, bool *open)
{
	if (!*open)
		open_group(w, name, bracket);
	*open = true;
}

static void put_mounts(struct writer *w, const scow_container_config *config)
{
	struct bind_options options;
	bool binds = false, mounts = false, tmpfs = false;

	for (size_t i = 0; i < config->n_mounts; i++) {
		const struct config_mount *mount = &config->mounts[i];

		if (mount->tmpfs || bind_options_parse(mount->options, &options, NULL) < 0 || !fits_binds(mount, &options))
			continue;
		open_once(w, "Binds", '[', &binds);
		put_bind(w, mount, options);
	}
	if (binds)
		close_group(w, ']');
	for (size_t i = 0; i < config->n_mounts; i++) {
		const struct config_mount *mount = &config->mounts[i];

		if (mount->tmpfs || bind_options_parse(mount->options, &options, NULL) < 0 || fits_binds(mount, &options))
			continue;
		open_once(w, "Mounts", '[', &mounts);
		open_group(w, NULL, '{');
		put_string(w, "Type", "bind");
		put_string(w, "Source", mount->source);
		put_string(w, "Target", mount->target);
		put_bind_options(w, &options);
		close_group(w, '}');
	}
	if (mounts)
		close_group(w, ']');
	for (size_t i = 0; i < config->n_mounts; i++) {
		const struct config_mount *mount = &config->mounts[i];

		if (!mount->tmpfs)
			continue;
		open_once(w, "Tmpfs", '{', &tmpfs);
		separate(w);
		add_quoted(&w->out, mount->target);
		str_add_char(&w->out, ':');
		add_quoted(&w->out, mount->options ? mount->options : "");
	}
	if (tmpfs)
		close_group(w, '}');
}

/* ---- resources and security ---- */

static void put_io_limits(struct writer *w, const scow_container_config *config)
{
	static const char *const names[] = {
		[SCOW_IO_READ_BPS] = "BlkioDeviceReadBps",
		[SCOW_IO_WRITE_BPS] = "BlkioDeviceWriteBps",
		[SCOW_IO_READ_IOPS] = "BlkioDeviceReadIOps",
		[SCOW_IO_WRITE_IOPS] = "BlkioDeviceWriteIOps",
	};

	for (unsigned int kind = 0; config->n_io_limits && kind < ARRAY_SIZE(names); kind++) {
		bool open = false;

		for (size_t i = 0; i < config->n_io_limits; i++) {
			if (config->io_limits[i].kind != kind)
				continue;
			open_once(w, names[kind], '[', &open);
			open_group(w, NULL, '{');
			put_string(w, "Path", config->io_limits[i].device);
			put_count(w, "Rate", config->io_limits[i].rate);
			close_group(w, '}');
		}
		if (open)
			close_group(w, ']');
	}
}

static void put_more_limits(struct writer *w, const scow_container_config *config)
{
	bool weights = false, pages = false, rdma = false;

	for (size_t i = 0; i < config->n_io_weights; i++) {
		open_once(w, "BlkioWeightDevice", '[', &weights);
		open_group(w, NULL, '{');
		put_string(w, "Path", config->io_weights[i].device);
		put_number(w, "Weight", config->io_weights[i].weight);
		close_group(w, '}');
	}
	if (weights)
		close_group(w, ']');
	for (size_t i = 0; i < config->n_hugepages; i++) {
		open_once(w, "HugepageLimits", '[', &pages);
		open_group(w, NULL, '{');
		put_string(w, "PageSize", config->hugepages[i].page_size);
		put_number(w, "Limit", (int64_t) config->hugepages[i].bytes);
		close_group(w, '}');
	}
	if (pages)
		close_group(w, ']');
	for (size_t i = 0; i < config->n_rdma; i++) {
		open_once(w, "RdmaLimits", '[', &rdma);
		open_group(w, NULL, '{');
		put_string(w, "Device", config->rdma[i].device);
		put_number(w, "HcaHandles", config->rdma[i].handles);
		put_number(w, "HcaObjects", config->rdma[i].objects);
		close_group(w, '}');
	}
	if (rdma)
		close_group(w, ']');
	put_map(w, "CgroupConf", config->cgroup_settings, config->n_cgroup_settings);
}

static void put_scheduling(struct writer *w, const scow_container_config *config)
{
	const struct config_scheduler *scheduler = &config->scheduler;
	const struct config_memory_policy *memory = &config->memory_policy;

	if (scheduler->policy) {
		open_group(w, "Scheduler", '{');
		put_string(w, "Policy", scheduler->policy);
		if (scheduler->nice)
			put_number(w, "Nice", scheduler->nice);
		put_count(w, "Priority", scheduler->priority);
		put_strings(w, "Flags", scheduler->flags, scheduler->n_flags);
		put_count(w, "Runtime", scheduler->runtime_ns);
		put_count(w, "Deadline", scheduler->deadline_ns);
		put_count(w, "Period", scheduler->period_ns);
		close_group(w, '}');
	}
	if (config->io_class) {
		open_group(w, "IOPriority", '{');
		put_string(w, "Class", config->io_class);
		put_number(w, "Priority", config->io_level);
		close_group(w, '}');
	}
	if (memory->mode) {
		open_group(w, "MemoryPolicy", '{');
		put_string(w, "Mode", memory->mode);
		put_string(w, "Nodes", memory->nodes);
		put_strings(w, "Flags", memory->flags, memory->n_flags);
		close_group(w, '}');
	}
	put_string(w, "ExecCpus", config->exec_cpus);
	put_string(w, "IntelRdtClosID", config->rdt_class);
}

static void put_resources(struct writer *w, const scow_container_config *config)
{
	put_count(w, "Memory", config->memory_bytes);
	if (config->has_memory_swap)
		put_number(w, "MemorySwap", config->memory_swap_bytes);
	put_count(w, "MemoryReservation", config->memory_reservation_bytes);
	if (config->has_memory_swappiness)
		put_number(w, "MemorySwappiness", config->memory_swappiness);
	put_true(w, "OomKillDisable", config->oom_kill_disable);
	put_count(w, "NanoCpus", config->cpu_millis * 1000000);
	if (config->cpu_quota_us)
		put_number(w, "CpuQuota", config->cpu_quota_us);
	put_count(w, "CpuPeriod", config->cpu_period_us);
	put_count(w, "CpuRealtimeRuntime", config->cpu_rt_runtime_us);
	put_count(w, "CpuRealtimePeriod", config->cpu_rt_period_us);
	put_count(w, "CpuShares", config->cpu_shares);
	put_string(w, "CpusetCpus", config->cpuset_cpus);
	put_string(w, "CpusetMems", config->cpuset_mems);
	if (config->has_pids_max)
		put_number(w, "PidsLimit", config->pids_max);
	put_count(w, "BlkioWeight", config->io_weight);
	put_io_limits(w, config);
	put_more_limits(w, config);
	put_scheduling(w, config);
	if (config->has_oom_score_adj)
		put_number(w, "OomScoreAdj", config->oom_score_adj);
	put_count(w, "ShmSize", config->shm_bytes);
	put_string(w, "CgroupParent", config->cgroup_parent);
	if (!config->n_ulimits)
		return;
	open_group(w, "Ulimits", '[');
	for (size_t i = 0; i < config->n_ulimits; i++) {
		open_group(w, NULL, '{');
		put_string(w, "Name", ulimit_name(config->ulimits[i].resource));
		put_number(w, "Soft", config->ulimits[i].soft);
		put_number(w, "Hard", config->ulimits[i].hard);
		close_group(w, '}');
	}
	close_group(w, ']');
}

static void put_device_requests(struct writer *w, const scow_container_config *config)
{
	if (!config->n_device_requests)
		return;
	open_group(w, "DeviceRequests", '[');
	for (size_t i = 0; i < config->n_device_requests; i++) {
		const struct config_device_request *request = &config->device_requests[i];

		open_group(w, NULL, '{');
		put_string(w, "Driver", request->is_cdi ? "cdi" : "");
		put_number(w, "Count", request->count);
		put_strings(w, "DeviceIDs", request->ids, request->n_ids);
		if (request->n_capabilities) {
			open_group(w, "Capabilities", '[');
			open_group(w, NULL, '[');
			for (size_t k = 0; k < request->n_capabilities; k++)
				put_element(w, request->capabilities[k]);
			close_group(w, ']');
			close_group(w, ']');
		}
		close_group(w, '}');
	}
	close_group(w, ']');
}

static void put_devices(struct writer *w, const scow_container_config *config)
{
	if (config->n_devices) {
		open_group(w, "Devices", '[');
		for (size_t i = 0; i < config->n_devices; i++) {
			open_group(w, NULL, '{');
			put_string(w, "PathOnHost", config->devices[i].source);
			put_string(w, "PathInContainer", config->devices[i].target);
			put_string(w, "CgroupPermissions", config->devices[i].access);
			close_group(w, '}');
		}
		close_group(w, ']');
	}
	put_device_requests(w, config);
	put_strings(w, "DeviceCgroupRules", config->device_rules, config->n_device_rules);
}

static void put_maps(struct writer *w, const char *name, const struct id_range *maps, size_t n)
{
	if (!n)
		return;
	open_group(w, name, '[');
	for (size_t i = 0; i < n; i++) {
		separate(w);
		str_printf(&w->out, "\"%u:%u:%u\"", maps[i].inside, maps[i].outside, maps[i].count);
	}
	close_group(w, ']');
}

static void put_id_maps(struct writer *w, const scow_container_config *config)
{
	if (!config->n_uid_maps && !config->n_gid_maps)
		return;
	open_group(w, "IDMappings", '{');
	put_maps(w, "UidMap", config->uid_maps, config->n_uid_maps);
	put_maps(w, "GidMap", config->gid_maps, config->n_gid_maps);
	close_group(w, '}');
}

static void put_security(struct writer *w, const scow_container_config *config)
{
	put_strings(w, "CapAdd", config->cap_add, config->n_cap_add);
	put_strings(w, "CapDrop", config->cap_drop, config->n_cap_drop);
	if (config->no_new_privileges || config->seccomp) {
		open_group(w, "SecurityOpt", '[');
		if (config->no_new_privileges)
			put_element(w, "no-new-privileges");
		if (config->seccomp)
			put_joined(w, "seccomp", '=', config->seccomp);
		close_group(w, ']');
	}
	if (config->unmasked_paths) {
		put_vector(w, "MaskedPaths", NULL, 0);
		put_vector(w, "ReadonlyPaths", NULL, 0);
	}
	put_true(w, "Privileged", config->privileged);
	put_devices(w, config);
	put_map(w, "Sysctls", config->sysctls, config->n_sysctls);
	put_strings(w, "GroupAdd", config->groups, config->n_groups);
}

/* ---- names ---- */

static void put_names(struct writer *w, const scow_container_config *config)
{
	put_strings(w, "Dns", config->dns, config->n_dns);
	put_strings(w, "DnsSearch", config->dns_search, config->n_dns_search);
	put_strings(w, "DnsOptions", config->dns_options, config->n_dns_options);
	if (!config->n_extra_hosts)
		return;
	open_group(w, "ExtraHosts", '[');
	for (size_t i = 0; i < config->n_extra_hosts; i++)
		put_joined(w, config->extra_hosts[i].name, ':', config->extra_hosts[i].value);
	close_group(w, ']');
}

/* ---- what happens while nobody watches ---- */

static void put_ms(struct writer *w, const char *name, int64_t ms)
{
	put_count(w, name, (uint64_t) ms * 1000000);
}

static void put_health(struct writer *w, const struct health *health)
{
	if (!health->n_test && !health->interval_ms && !health->timeout_ms && !health->start_period_ms && !health->start_interval_ms &&
	    !health->retries)
		return;
	open_group(w, "Healthcheck", '{');
	put_strings(w, "Test", (const char *const *) health->test, health->n_test);
	put_ms(w, "Interval", health->interval_ms);
	put_ms(w, "Timeout", health->timeout_ms);
	put_ms(w, "StartPeriod", health->start_period_ms);
	put_ms(w, "StartInterval", health->start_interval_ms);
	put_count(w, "Retries", health->retries);
	close_group(w, '}');
}

static void put_restart(struct writer *w, const scow_container_config *config)
{
	if (config->restart == SCOW_RESTART_NO)
		return;
	open_group(w, "RestartPolicy", '{');
	put_string(w, "Name", restart_name(config->restart));
	put_number(w, "MaximumRetryCount", config->restart_retries);
	close_group(w, '}');
}

static void put_log(struct writer *w, const scow_container_config *config)
{
	if (!config->log_driver && !config->n_log_options)
		return;
	open_group(w, "LogConfig", '{');
	put_string(w, "Type", config->log_driver ? config->log_driver : "json-file");
	open_group(w, "Config", '{');
	for (size_t i = 0; i < config->n_log_options; i++)
		put_string(w, config->log_options[i].name, config->log_options[i].value);
	close_group(w, '}');
	close_group(w, '}');
}

static void put_hook(struct writer *w, const struct spec_hook *hook)
{
	open_group(w, NULL, '{');
	put_string(w, "path", hook->path);
	if (hook->args)
		put_vector(w, "args", (const char *const *) hook->args, hook->n_args);
	if (hook->env)
		put_vector(w, "env", (const char *const *) hook->env, hook->n_env);
	if (hook->timeout_ms) {
		put_number(w, "timeout", hook->timeout_ms / 1000);
		if (hook->timeout_ms % 1000)
			str_printf(&w->out, ".%03u", hook->timeout_ms % 1000);
	}
	close_group(w, '}');
}

static void put_hooks(struct writer *w, const scow_container_config *config)
{
	if (!config->n_hooks)
		return;
	open_group(w, "Hooks", '{');
	for (unsigned int stage = 0; stage < CONFIG_HOOK_STAGES; stage++) {
		bool open = false;

		for (size_t i = 0; i < config->n_hooks; i++) {
			if (config->hooks[i].stage != stage)
				continue;
			open_once(w, hook_stage_name(stage), '[', &open);
			put_hook(w, &config->hooks[i]);
		}
		if (open)
			close_group(w, ']');
	}
	close_group(w, '}');
}

static void put_host_config(struct writer *w, const scow_container_config *config)
{
	static const char *const modes[CONFIG_NAMESPACES] = {
		[SCOW_NAMESPACE_PID] = "PidMode",   [SCOW_NAMESPACE_NETWORK] = "NetworkMode", [SCOW_NAMESPACE_IPC] = "IpcMode",
		[SCOW_NAMESPACE_UTS] = "UTSMode",   [SCOW_NAMESPACE_CGROUP] = "CgroupnsMode", [SCOW_NAMESPACE_USER] = "UsernsMode",
		[SCOW_NAMESPACE_TIME] = "TimeMode",
	};
	size_t before = w->out.size, empty;
	bool comma = w->comma;

	open_group(w, "HostConfig", '{');
	empty = w->out.size;
	put_mounts(w, config);
	put_resources(w, config);
	put_security(w, config);
	put_names(w, config);
	for (size_t i = 0; i < CONFIG_NAMESPACES; i++)
		put_string(w, modes[i], config->namespaces[i]);
	put_id_maps(w, config);
	put_true(w, "Init", config->init);
	put_true(w, "ReadonlyRootfs", config->read_only);
	put_true(w, "AutoRemove", config->ephemeral);
	put_restart(w, config);
	put_log(w, config);
	put_map(w, "Annotations", config->annotations, config->n_annotations);
	put_hooks(w, config);
	if (w->out.size == empty) { /* nothing of it was set */
		w->out.size = before;
		w->comma = comma;
		return;
	}
	close_group(w, '}');
}

static void put_stop_timeout(struct writer *w, const scow_container_config *config)
{
	int ms = config->stop_timeout_ms;

	if (!config->has_stop_timeout)
		return;
	if (ms < 0)
		return put_number(w, "StopTimeout", -1);
	put_number(w, "StopTimeout", ms / 1000);
	if (ms % 1000)
		str_printf(&w->out, ".%03d", ms % 1000);
}

static void put_networking(struct writer *w, const scow_container_config *config)
{
	_cleanup_free_ char *endpoints = config->n_endpoints ? config_endpoints_json(config) : NULL;

	if (!config->n_endpoints)
		return;
	open_group(w, "NetworkingConfig", '{');
	member(w, "EndpointsConfig");
	str_add(&w->out, endpoints ? endpoints : "{}");
	w->out.failed = w->out.failed || !endpoints;
	close_group(w, '}');
}

int scow_container_config_to_json(const scow_container_config *config, char **out, scow_error **error)
{
	struct writer w = { .comma = false };
	int r;

	if (!config || !out)
		return error_set(error, SCOW_E_INVALID, "no config was given");
	r = config_check_stored(config, error);
	if (r < 0)
		return r;
	open_group(&w, NULL, '{');
	put_string(&w, "Name", config->name);
	put_string(&w, "Hostname", config->hostname);
	put_string(&w, "Domainname", config->domainname);
	put_string(&w, "User", config->user);
	put_true(&w, "Tty", config->tty);
	put_true(&w, "OpenStdin", config->open_stdin);
	put_true(&w, "StdinOnce", config->stdin_once);
	put_env(&w, config);
	if (config->has_command)
		put_vector(&w, "Cmd", (const char *const *) config->command, config->n_command);
	if (config->has_entrypoint)
		put_vector(&w, "Entrypoint", (const char *const *) config->entrypoint, config->n_entrypoint);
	put_string(&w, "WorkingDir", config->workdir);
	put_map(&w, "Labels", config->labels, config->n_labels);
	put_string(&w, "StopSignal", config->stop_signal);
	put_stop_timeout(&w, config);
	put_health(&w, &config->health);
	put_host_config(&w, config);
	put_networking(&w, config);
	close_group(&w, '}');
	*out = str_take(&w.out);
	return *out ? 0 : error_oom(error);
}
