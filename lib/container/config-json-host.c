/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fields of HostConfig in a config's document: mounts, security and namespaces, in the shapes that Docker's clients
 * send them; config-json-limits.c has the limits. See config-json.c for the rules.
 */
#include "container/config-json.h"
#include "container/config-network.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "container/config-internal.h"

static void read_sysctls(struct reader *reader, const cJSON *item)
{
	read_map(reader, item, scow_container_config_set_sysctl);
}

static void read_storage(struct reader *reader, const cJSON *item)
{
	read_map(reader, item, scow_container_config_set_storage_option);
}

/* "name:address"; "name=address" is allowed, too. An IPv6 address may be in brackets. */
static void read_extra_host(scow_container_config *config, const char *text)
{
	size_t n = strcspn(text, ":="), size;
	const char *address = text[n] ? text + n + 1 : text + n;
	_cleanup_free_ char *name = strndup(text, n), *bare = NULL;

	size = strlen(address);
	if (size > 2 && address[0] == '[' && address[size - 1] == ']')
		bare = strndup(address + 1, size - 2);
	else
		bare = strdup(address);
	if (name && bare)
		scow_container_config_add_host(config, name, bare);
	else
		config->arena.failed = true;
}

static void read_annotations(struct reader *reader, const cJSON *item)
{
	read_map(reader, item, scow_container_config_add_annotation);
}

static void read_tmpfs(struct reader *reader, const cJSON *item)
{
	read_map(reader, item, scow_container_config_add_tmpfs);
}

static void read_devices(struct reader *reader, const cJSON *item)
{
	const cJSON *child;

	if (!cJSON_IsArray(item))
		return reader_refuse(reader, SCOW_E_INVALID, "expected an array");
	cJSON_ArrayForEach(child, item)
		scow_container_config_add_device(reader->config, json_member_string(child, "PathOnHost"),
						 json_member_string(child, "PathInContainer"), json_member_string(child, "CgroupPermissions"));
}

/* "name=value" and "name:value" are both in use. */
static void read_security_opt(scow_container_config *config, const char *text)
{
	size_t name = strcspn(text, "=:");
	const char *value = text[name] ? text + name + 1 : NULL;
	bool yes = !value || str_eq(value, "true"), no = str_eq(value, "false");

	if (strncmp(text, "no-new-privileges", name) == 0 && name == strlen("no-new-privileges") && (yes || no))
		scow_container_config_set_no_new_privileges(config, yes);
	else if (value && name == strlen("seccomp") && str_has_prefix(text, "seccomp"))
		scow_container_config_set_seccomp(config, value);
	else if (str_eq(text, "systempaths=unconfined"))
		scow_container_config_set_unmasked_paths(config, 1);
	/* Containers get no label and no AppArmor profile. */
	else if (!str_eq(text, "label=disable") && !str_eq(text, "label:disable") && !str_eq(text, "apparmor=unconfined") &&
		 !str_eq(text, "apparmor:unconfined"))
		config_refuse(config, SCOW_E_UNSUPPORTED, config->field, "'%.80s': this version cannot honour it", text);
}

/* Docker's list has one for each CPU of its host, and so has ours when a container starts. */
static bool is_thermal(const char *path)
{
	return str_has_prefix(path, "/sys/devices/system/cpu/cpu") && str_has_suffix(path, "/thermal_throttle");
}

static int same_paths(const cJSON *item, const char *const *paths, size_t n)
{
	size_t count = 0;
	const cJSON *path;

	cJSON_ArrayForEach(path, item) count += !cJSON_IsString(path) || !is_thermal(path->valuestring);
	if (count != n)
		return 0;
	for (size_t i = 0; i < n; i++) {
		const cJSON *child;
		bool found = false;

		cJSON_ArrayForEach(child, item) found = found || (cJSON_IsString(child) && str_eq(child->valuestring, paths[i]));
		if (!found)
			return 0;
	}
	return 1;
}

/* 1 if @item has just the paths that containers get by default, in any order; 0; -1 without memory. */
static int paths_are_default(const cJSON *item, bool masked)
{
	struct spec spec = { 0 };
	int r = spec_add_defaults(&spec, false, 0, NULL);

	if (r == 0)
		r = masked ? same_paths(item, spec.masked_paths, spec.n_masked_paths)
			   : same_paths(item, spec.readonly_paths, spec.n_readonly_paths);
	spec_done(&spec);
	return r;
}

/* Null is Docker's list, [] is none; the list itself comes back from documents that were inspected. */
static void read_paths(struct reader *reader, const cJSON *item, bool masked)
{
	int matches;

	if (!cJSON_IsArray(item))
		return reader_refuse(reader, SCOW_E_INVALID, "expected an array of strings");
	if (!cJSON_GetArraySize(item))
		return scow_container_config_set_unmasked_paths(reader->config, 1);
	matches = paths_are_default(item, masked);
	if (matches < 0)
		reader->config->arena.failed = true;
	else if (!matches)
		reader_refuse(reader, SCOW_E_UNSUPPORTED, "a list of one's own cannot be honoured by this version");
}

static void read_masked_paths(struct reader *reader, const cJSON *item)
{
	read_paths(reader, item, true);
}

static void read_readonly_paths(struct reader *reader, const cJSON *item)
{
	read_paths(reader, item, false);
}

#define NAMESPACE_READER(name, kind)                                                                                                       \
	static void name(scow_container_config *config, const char *mode)                                                                  \
	{                                                                                                                                  \
		scow_container_config_set_namespace(config, kind, mode);                                                                   \
	}
NAMESPACE_READER(read_ipc_mode, SCOW_NAMESPACE_IPC)
NAMESPACE_READER(read_pid_mode, SCOW_NAMESPACE_PID)
NAMESPACE_READER(read_uts_mode, SCOW_NAMESPACE_UTS)
NAMESPACE_READER(read_userns_mode, SCOW_NAMESPACE_USER)
NAMESPACE_READER(read_cgroupns_mode, SCOW_NAMESPACE_CGROUP)
NAMESPACE_READER(read_network_mode, SCOW_NAMESPACE_NETWORK)
NAMESPACE_READER(read_time_mode, SCOW_NAMESPACE_TIME)

static void read_log_config(struct reader *reader, const cJSON *item)
{
	const char *type = json_member_string(item, "Type");
	const cJSON *config = cJSON_GetObjectItemCaseSensitive(item, "Config");

	if (type && *type)
		scow_container_config_set_log_driver(reader->config, type);
	if (config && !cJSON_IsNull(config))
		read_map(reader, config, scow_container_config_add_log_option);
}

static void read_restart_policy(struct reader *reader, const cJSON *item)
{
	const char *name = json_member_string(item, "Name");
	const cJSON *count = cJSON_GetObjectItemCaseSensitive(item, "MaximumRetryCount");
	int64_t retries = 0;

	if (is_empty_within(item))
		return;
	if (count && !cJSON_IsNull(count) && (!number_read(count, &retries) || retries < 0 || retries > INT32_MAX))
		return reader_refuse(reader, SCOW_E_INVALID, "expected a MaximumRetryCount that is not negative");
	for (unsigned int policy = SCOW_RESTART_NO; policy <= SCOW_RESTART_UNLESS_STOPPED; policy++)
		if (str_eq(name, restart_name((scow_restart) policy)))
			return scow_container_config_set_restart(reader->config, (scow_restart) policy, (unsigned int) retries);
	config_refuse(reader->config, SCOW_E_INVALID, reader->path, "'%.80s' is no policy: no, on-failure, always or unless-stopped",
		      name ? name : "");
}

static void read_runtime(scow_container_config *config, const char *name)
{
	if (!str_eq(name, "runc") && !str_eq(name, "io.containerd.runc.v2"))
		config_refuse(config, SCOW_E_UNSUPPORTED, config->field, "'%s': there is no choice of a runtime", name);
}

static void read_isolation(scow_container_config *config, const char *name)
{
	if (!str_eq(name, "default"))
		config_refuse(config, SCOW_E_UNSUPPORTED, config->field, "'%s' is not for Linux", name);
}

const struct field host_fields[] = {
	{ "Binds", FIELD_EACH, { .string = scow_container_config_add_volume_spec } },
	{ "Mounts", FIELD_READ, { .read = read_mounts } },
	{ "VolumesFrom", FIELD_EACH, { .string = scow_container_config_add_volumes_from } },
	{ "VolumeDriver", FIELD_STRING, { .string = scow_container_config_set_volume_driver } },
	{ "Tmpfs", FIELD_READ, { .read = read_tmpfs } },
	{ "Devices", FIELD_READ, { .read = read_devices } },
	{ "DeviceRequests", FIELD_READ, { .read = read_device_requests } },
	{ "DeviceCgroupRules", FIELD_EACH, { .string = scow_container_config_add_device_rule } },
	{ "CapAdd", FIELD_EACH, { .string = scow_container_config_add_capability } },
	{ "CapDrop", FIELD_EACH, { .string = scow_container_config_drop_capability } },
	{ "SecurityOpt", FIELD_EACH, { .string = read_security_opt } },
	{ "Privileged", FIELD_FLAG, { .flag = scow_container_config_set_privileged } },
	{ "ReadonlyRootfs", FIELD_FLAG, { .flag = scow_container_config_set_read_only } },
	{ "MaskedPaths", FIELD_READ, { .read = read_masked_paths } },
	{ "ReadonlyPaths", FIELD_READ, { .read = read_readonly_paths } },
	{ "Sysctls", FIELD_READ, { .read = read_sysctls } },
	{ "StorageOpt", FIELD_READ, { .read = read_storage } },
	{ "Dns", FIELD_EACH, { .string = scow_container_config_add_dns } },
	{ "DnsSearch", FIELD_EACH, { .string = scow_container_config_add_dns_search } },
	{ "DnsOptions", FIELD_EACH, { .string = scow_container_config_add_dns_option } },
	{ "ExtraHosts", FIELD_EACH, { .string = read_extra_host } },
	{ "PortBindings", FIELD_READ, { .read = port_bindings_read } },
	{ "PublishAllPorts", FIELD_FLAG, { .flag = scow_container_config_set_publish_all } },
	{ "GroupAdd", FIELD_EACH, { .string = scow_container_config_add_group } },
	{ "IpcMode", FIELD_STRING, { .string = read_ipc_mode } },
	{ "PidMode", FIELD_STRING, { .string = read_pid_mode } },
	{ "UTSMode", FIELD_STRING, { .string = read_uts_mode } },
	{ "UsernsMode", FIELD_STRING, { .string = read_userns_mode } },
	{ "CgroupnsMode", FIELD_STRING, { .string = read_cgroupns_mode } },
	{ "Links", FIELD_EACH, { .string = links_read } },
	{ "NetworkMode", FIELD_STRING, { .string = read_network_mode } },
	{ "TimeMode", FIELD_STRING, { .string = read_time_mode } },
	{ "IDMappings", FIELD_READ, { .read = id_mappings_read } },
	{ "Init", FIELD_FLAG, { .flag = scow_container_config_set_init } },
	{ "ShmSize", FIELD_U64, { .u64 = scow_container_config_set_shm_bytes } },
	{ "AutoRemove", FIELD_FLAG, { .flag = scow_container_config_set_ephemeral } },
	{ "Annotations", FIELD_READ, { .read = read_annotations } },
	{ "Hooks", FIELD_READ, { .read = read_hooks } },
	{ "LogConfig", FIELD_READ, { .read = read_log_config } },
	{ "RestartPolicy", FIELD_READ, { .read = read_restart_policy } },
	{ "Runtime", FIELD_STRING, { .string = read_runtime } },
	{ "Isolation", FIELD_STRING, { .string = read_isolation } },
	{ "ConsoleSize", FIELD_IGNORE, { NULL } }, /* the window is the scow_io's */
};

const size_t n_host_fields = ARRAY_SIZE(host_fields);
