/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The config as a document: writing. The result is what the database keeps of a container, so it is small (a
 * field at its default is left out) and made in one pass, without a tree: some microseconds for a usual config.
 * Reading it gives the same config. config-format-limits.c has what limits.
 */
#include "container/config-network.h"
#include "container/config-writer.h"

#include <string.h>

#include "base/str.h"
#include "container/options.h"

static void put_env(struct writer *w, const scow_container_config *config)
{
	if (!config->n_env)
		return;
	writer_open(w, "Env", '[');
	for (size_t i = 0; i < config->n_env; i++)
		writer_joined(w, config->env[i].name, '=', config->env[i].value);
	writer_close(w, ']');
}

/* ---- resources and security ---- */

static void put_devices(struct writer *w, const scow_container_config *config)
{
	if (config->n_devices) {
		writer_open(w, "Devices", '[');
		for (size_t i = 0; i < config->n_devices; i++) {
			writer_open(w, NULL, '{');
			writer_string(w, "PathOnHost", config->devices[i].source);
			writer_string(w, "PathInContainer", config->devices[i].target);
			writer_string(w, "CgroupPermissions", config->devices[i].access);
			writer_close(w, '}');
		}
		writer_close(w, ']');
	}
	writer_device_requests(w, config);
	writer_strings(w, "DeviceCgroupRules", config->device_rules, config->n_device_rules);
}

static void put_maps(struct writer *w, const char *name, const struct id_range *maps, size_t n)
{
	if (!n)
		return;
	writer_open(w, name, '[');
	for (size_t i = 0; i < n; i++) {
		writer_separate(w);
		str_printf(&w->out, "\"%u:%u:%u\"", maps[i].inside, maps[i].outside, maps[i].count);
	}
	writer_close(w, ']');
}

static void put_id_maps(struct writer *w, const scow_container_config *config)
{
	if (!config->n_uid_maps && !config->n_gid_maps)
		return;
	writer_open(w, "IDMappings", '{');
	put_maps(w, "UidMap", config->uid_maps, config->n_uid_maps);
	put_maps(w, "GidMap", config->gid_maps, config->n_gid_maps);
	writer_close(w, '}');
}

static void put_security(struct writer *w, const scow_container_config *config)
{
	writer_strings(w, "CapAdd", config->cap_add, config->n_cap_add);
	writer_strings(w, "CapDrop", config->cap_drop, config->n_cap_drop);
	if (config->no_new_privileges || config->seccomp) {
		writer_open(w, "SecurityOpt", '[');
		if (config->no_new_privileges)
			writer_element(w, "no-new-privileges");
		if (config->seccomp)
			writer_joined(w, "seccomp", '=', config->seccomp);
		writer_close(w, ']');
	}
	if (config->unmasked_paths) {
		writer_vector(w, "MaskedPaths", NULL, 0);
		writer_vector(w, "ReadonlyPaths", NULL, 0);
	}
	writer_true(w, "Privileged", config->privileged);
	put_devices(w, config);
	writer_map(w, "Sysctls", config->sysctls, config->n_sysctls);
	writer_map(w, "StorageOpt", config->storage, config->n_storage);
	writer_strings(w, "GroupAdd", config->groups, config->n_groups);
}

/* ---- names ---- */

static void put_names(struct writer *w, const scow_container_config *config)
{
	writer_strings(w, "Dns", config->dns, config->n_dns);
	writer_strings(w, "DnsSearch", config->dns_search, config->n_dns_search);
	writer_strings(w, "DnsOptions", config->dns_options, config->n_dns_options);
	if (!config->n_extra_hosts)
		return;
	writer_open(w, "ExtraHosts", '[');
	for (size_t i = 0; i < config->n_extra_hosts; i++)
		writer_joined(w, config->extra_hosts[i].name, ':', config->extra_hosts[i].value);
	writer_close(w, ']');
}

/* ---- what happens while nobody watches ---- */

static void put_ms(struct writer *w, const char *name, int64_t ms)
{
	writer_count(w, name, (uint64_t) ms * 1000000);
}

static void put_health(struct writer *w, const struct health *health)
{
	if (!health->n_test && !health->interval_ms && !health->timeout_ms && !health->start_period_ms && !health->start_interval_ms &&
	    !health->retries)
		return;
	writer_open(w, "Healthcheck", '{');
	writer_strings(w, "Test", (const char *const *) health->test, health->n_test);
	put_ms(w, "Interval", health->interval_ms);
	put_ms(w, "Timeout", health->timeout_ms);
	put_ms(w, "StartPeriod", health->start_period_ms);
	put_ms(w, "StartInterval", health->start_interval_ms);
	writer_count(w, "Retries", health->retries);
	writer_close(w, '}');
}

static void put_restart(struct writer *w, const scow_container_config *config)
{
	if (config->restart == SCOW_RESTART_NO)
		return;
	writer_open(w, "RestartPolicy", '{');
	writer_string(w, "Name", restart_name(config->restart));
	writer_number(w, "MaximumRetryCount", config->restart_retries);
	writer_close(w, '}');
}

static void put_log(struct writer *w, const scow_container_config *config)
{
	if (!config->log_driver && !config->n_log_options)
		return;
	writer_open(w, "LogConfig", '{');
	writer_string(w, "Type", config->log_driver ? config->log_driver : "json-file");
	writer_open(w, "Config", '{');
	for (size_t i = 0; i < config->n_log_options; i++)
		writer_string(w, config->log_options[i].name, config->log_options[i].value);
	writer_close(w, '}');
	writer_close(w, '}');
}

static void put_hook(struct writer *w, const struct spec_hook *hook)
{
	writer_open(w, NULL, '{');
	writer_string(w, "path", hook->path);
	if (hook->args)
		writer_vector(w, "args", (const char *const *) hook->args, hook->n_args);
	if (hook->env)
		writer_vector(w, "env", (const char *const *) hook->env, hook->n_env);
	if (hook->timeout_ms) {
		writer_number(w, "timeout", hook->timeout_ms / 1000);
		if (hook->timeout_ms % 1000)
			str_printf(&w->out, ".%03u", hook->timeout_ms % 1000);
	}
	writer_close(w, '}');
}

static void put_hooks(struct writer *w, const scow_container_config *config)
{
	if (!config->n_hooks)
		return;
	writer_open(w, "Hooks", '{');
	for (unsigned int stage = 0; stage < CONFIG_HOOK_STAGES; stage++) {
		bool open = false;

		for (size_t i = 0; i < config->n_hooks; i++) {
			if (config->hooks[i].stage != stage)
				continue;
			writer_open_once(w, hook_stage_name(stage), '[', &open);
			put_hook(w, &config->hooks[i]);
		}
		if (open)
			writer_close(w, ']');
	}
	writer_close(w, '}');
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

	writer_open(w, "HostConfig", '{');
	empty = w->out.size;
	writer_mounts(w, config);
	writer_resources(w, config);
	put_security(w, config);
	put_names(w, config);
	writer_port_bindings(w, config);
	for (size_t i = 0; i < CONFIG_NAMESPACES; i++)
		writer_string(w, modes[i], i == SCOW_NAMESPACE_NETWORK ? config_network_mode(config) : config->namespaces[i]);
	put_id_maps(w, config);
	writer_true(w, "Init", config->init);
	writer_true(w, "ReadonlyRootfs", config->read_only);
	writer_true(w, "AutoRemove", config->ephemeral);
	put_restart(w, config);
	put_log(w, config);
	writer_map(w, "Annotations", config->annotations, config->n_annotations);
	put_hooks(w, config);
	if (w->out.size == empty) { /* nothing of it was set */
		w->out.size = before;
		w->comma = comma;
		return;
	}
	writer_close(w, '}');
}

static void put_stop_timeout(struct writer *w, const scow_container_config *config)
{
	int ms = config->stop_timeout_ms;

	if (!config->has_stop_timeout)
		return;
	if (ms < 0)
		return writer_number(w, "StopTimeout", -1);
	writer_number(w, "StopTimeout", ms / 1000);
	if (ms % 1000)
		str_printf(&w->out, ".%03d", ms % 1000);
}

static void put_networking(struct writer *w, const scow_container_config *config)
{
	_cleanup_free_ char *endpoints = config->n_endpoints ? config_endpoints_json(config) : NULL;

	if (!config->n_endpoints)
		return;
	writer_open(w, "NetworkingConfig", '{');
	writer_member(w, "EndpointsConfig");
	str_add(&w->out, endpoints ? endpoints : "{}");
	w->out.failed = w->out.failed || !endpoints;
	writer_close(w, '}');
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
	writer_open(&w, NULL, '{');
	writer_string(&w, "Name", config->name);
	writer_string(&w, "Hostname", config->hostname);
	writer_string(&w, "Domainname", config->domainname);
	writer_string(&w, "User", config->user);
	writer_true(&w, "Tty", config->tty);
	writer_true(&w, "OpenStdin", config->open_stdin);
	writer_true(&w, "StdinOnce", config->stdin_once);
	put_env(&w, config);
	if (config->has_command)
		writer_vector(&w, "Cmd", (const char *const *) config->command, config->n_command);
	if (config->has_entrypoint)
		writer_vector(&w, "Entrypoint", (const char *const *) config->entrypoint, config->n_entrypoint);
	writer_string(&w, "WorkingDir", config->workdir);
	writer_map(&w, "Labels", config->labels, config->n_labels);
	writer_string(&w, "StopSignal", config->stop_signal);
	put_stop_timeout(&w, config);
	put_health(&w, &config->health);
	writer_exposed_ports(&w, config);
	writer_volumes(&w, config);
	put_host_config(&w, config);
	put_networking(&w, config);
	writer_close(&w, '}');
	*out = str_take(&w.out);
	return *out ? 0 : error_oom(error);
}
