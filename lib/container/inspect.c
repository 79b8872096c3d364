/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A container in Docker's words: the document of `docker inspect`, the status column of `docker ps`.
 *
 * The stored settings are already in the form of Docker's create request, with what is at its default left
 * out; Docker's answer shows the defaults too, so the document starts from those and lays the settings over them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/str.h"
#include "container/commit.h"
#include "container/config-network.h"
#include "container/container.h"
#include "container/create.h"
#include "container/detached.h"
#include "container/health-report.h"
#include "container/id-map.h"
#include "container/options.h"
#include "container/volumes.h"
#include "container/published.h"
#include "container/text.h"
#include "image/layer.h"
#include "network/network.h"
#include "runtime/supervisor.h"

static const char host_defaults[] =
	"{\"Binds\":null,\"ContainerIDFile\":\"\",\"LogConfig\":{\"Type\":\"json-file\",\"Config\":{}},\"NetworkMode\":\"bridge\","
	"\"PortBindings\":{},"
	"\"RestartPolicy\":{\"Name\":\"no\",\"MaximumRetryCount\":0},\"AutoRemove\":false,\"VolumeDriver\":\"\",\"VolumesFrom\":null,"
	"\"CapAdd\":null,\"CapDrop\":null,\"CgroupnsMode\":\"private\",\"Dns\":[],\"DnsOptions\":[],\"DnsSearch\":[],\"ExtraHosts\":null,"
	"\"GroupAdd\":null,\"IpcMode\":\"private\",\"Cgroup\":\"\",\"Links\":null,\"OomScoreAdj\":0,\"PidMode\":\"\",\"Privileged\":false,"
	"\"PublishAllPorts\":false,\"ReadonlyRootfs\":false,\"SecurityOpt\":null,\"UTSMode\":\"\",\"UsernsMode\":\"\",\"ShmSize\":67108864,"
	"\"Runtime\":\"scow\",\"Isolation\":\"\",\"CpuShares\":0,\"Memory\":0,\"NanoCpus\":0,\"CgroupParent\":\"\",\"BlkioWeight\":0,"
	"\"BlkioWeightDevice\":[],\"BlkioDeviceReadBps\":[],\"BlkioDeviceWriteBps\":[],\"BlkioDeviceReadIOps\":[],"
	"\"BlkioDeviceWriteIOps\":[],\"CpuPeriod\":0,\"CpuQuota\":0,\"CpuRealtimePeriod\":0,\"CpuRealtimeRuntime\":0,\"CpusetCpus\":\"\","
	"\"CpusetMems\":\"\",\"Devices\":[],\"DeviceCgroupRules\":null,\"DeviceRequests\":null,\"MemoryReservation\":0,\"MemorySwap\":0,"
	"\"MemorySwappiness\":null,\"OomKillDisable\":false,\"PidsLimit\":null,\"Ulimits\":[],\"Init\":false}";

static const char config_defaults[] =
	"{\"Hostname\":\"\",\"Domainname\":\"\",\"User\":\"\",\"AttachStdin\":false,\"AttachStdout\":true,\"AttachStderr\":true,\"Tty\":"
	"false,"
	"\"OpenStdin\":false,\"StdinOnce\":false,\"Env\":[],\"Cmd\":null,\"Image\":\"\",\"Volumes\":null,\"WorkingDir\":\"\","
	"\"Entrypoint\":null,\"OnBuild\":null,\"Labels\":{}}";

/* " (Paused)", " (healthy)", " (health: starting)". */
static char *status_remark(const struct container_row *row)
{
	if (row->state == SCOW_CONTAINER_PAUSED)
		return strdup(" (Paused)");
	if (row->health == WIRE_HEALTH_NONE)
		return strdup("");
	return strf(" (%s%s)", row->health == WIRE_HEALTH_STARTING ? "health: " : "", health_name(row->health));
}

char *container_status_of(const struct container_row *row)
{
	_cleanup_free_ char *remark = NULL;
	char since[32];

	switch ((scow_container_state) row->state) {
	case SCOW_CONTAINER_CREATED:
		return strdup("Created");
	case SCOW_CONTAINER_RUNNING:
	case SCOW_CONTAINER_PAUSED:
		if (!row->pid)
			return strdup("Starting");
		duration_text(now_ns() - row->started, since, sizeof(since));
		remark = status_remark(row);
		return remark ? strf("Up %s%s", since, remark) : NULL;
	case SCOW_CONTAINER_RESTARTING:
		duration_text(now_ns() - row->finished, since, sizeof(since));
		return strf("Restarting (%d) %s ago", row->exit_code, since);
	case SCOW_CONTAINER_REMOVING:
		return strdup("Removal In Progress");
	case SCOW_CONTAINER_EXITED:
		duration_text(now_ns() - row->finished, since, sizeof(since));
		return strf("Exited (%d) %s ago", row->exit_code, since);
	case SCOW_CONTAINER_DEAD:
		return strdup("Dead");
	default:
		return strdup("");
	}
}

const char *scow_container_status_text(scow_container *container)
{
	struct container_row row;
	char *text = NULL;

	if (container_check(container, NULL) == 0 && container_row_read(container->engine, container->id, &row, NULL) == 0)
		text = container_status_of(&row);
	if (!container)
		return "";
	pthread_mutex_lock(&container->lock);
	free(container->status_text);
	container->status_text = text;
	pthread_mutex_unlock(&container->lock);
	return text ? text : "Removed";
}

int scow_container_state_now(scow_container *container, scow_error **error)
{
	struct container_row row;
	int r = container_check(container, error);

	if (r == 0)
		r = container_row_read(container->engine, container->id, &row, error);
	return r < 0 ? r : row.state;
}

int scow_container_pid(scow_container *container, scow_error **error)
{
	struct container_row row;
	int r = container_check(container, error);

	if (r == 0)
		r = container_row_read(container->engine, container->id, &row, error);
	return r < 0 ? r : container_runs(row.state) ? row.pid : 0;
}

/* ---- the document ---- */

static bool add_text(cJSON *object, const char *name, const char *value)
{
	return cJSON_AddStringToObject(object, name, value ? value : "") != NULL;
}

static bool add_flag(cJSON *object, const char *name, bool value)
{
	return cJSON_AddBoolToObject(object, name, value) != NULL;
}

static bool add_number(cJSON *object, const char *name, int64_t value)
{
	return cJSON_AddNumberToObject(object, name, (double) value) != NULL;
}

static bool add_time(cJSON *object, const char *name, int64_t ns)
{
	char text[TIME_TEXT];

	time_text(ns, text);
	return add_text(object, name, text);
}

/* Takes @item; a member of that name is replaced. */
static bool put_item(cJSON *object, const char *name, cJSON *item)
{
	bool ok;

	if (!item)
		return false;
	if (cJSON_HasObjectItem(object, name))
		ok = cJSON_ReplaceItemInObjectCaseSensitive(object, name, item);
	else
		ok = cJSON_AddItemToObject(object, name, item);
	if (!ok)
		cJSON_Delete(item);
	return ok;
}

static bool put_text(cJSON *object, const char *name, const char *value)
{
	return put_item(object, name, cJSON_CreateString(value ? value : ""));
}

static bool put_strings(cJSON *object, const char *name, char *const *strings, size_t count)
{
	return put_item(object, name, strings ? cJSON_CreateStringArray((const char *const *) strings, (int) count) : cJSON_CreateNull());
}

/* Moves every member of @from over those of @to. */
static bool overlay(cJSON *to, cJSON *from)
{
	cJSON *item;

	while ((item = from ? cJSON_DetachItemFromArray(from, 0) : NULL)) {
		_cleanup_free_ char *name = strdup(item->string);

		if (!name || !put_item(to, name, item)) {
			if (!name)
				cJSON_Delete(item);
			return false;
		}
	}
	return true;
}

static bool add_state(cJSON *root, const scow_container *container, const struct container_row *row)
{
	cJSON *state = cJSON_AddObjectToObject(root, "State");

	return state && add_text(state, "Status", container_state_name(row->state)) &&
	       add_flag(state, "Running", container_runs(row->state)) && add_flag(state, "Paused", row->state == SCOW_CONTAINER_PAUSED) &&
	       add_flag(state, "Restarting", row->state == SCOW_CONTAINER_RESTARTING) && add_flag(state, "OOMKilled", row->oom_killed) &&
	       add_flag(state, "Dead", row->state == SCOW_CONTAINER_DEAD) && add_number(state, "Pid", row->pid) &&
	       add_number(state, "ExitCode", row->exit_code) && add_text(state, "Error", row->error) &&
	       add_time(state, "StartedAt", row->started) && add_time(state, "FinishedAt", row->finished) &&
	       container_add_health(container->engine, container->id, state);
}

static bool add_path_and_args(cJSON *root, const scow_container *container)
{
	cJSON *args = cJSON_Parse(container->args), *path = args ? cJSON_DetachItemFromArray(args, 0) : NULL;
	bool ok = put_item(root, "Path", path ? path : cJSON_CreateString(""));

	return put_item(root, "Args", args ? args : cJSON_CreateArray()) && ok;
}

/* Merged, in nanoseconds; nothing where nobody said anything. */
static bool put_health(cJSON *config, const struct health *health)
{
	const struct {
		const char *name;
		int64_t value;
	} numbers[] = {
		{ "Interval", health->interval_ms * 1000000 },
		{ "Timeout", health->timeout_ms * 1000000 },
		{ "StartPeriod", health->start_period_ms * 1000000 },
		{ "StartInterval", health->start_interval_ms * 1000000 },
		{ "Retries", health->retries },
	};
	cJSON *out = cJSON_CreateObject();
	bool ok = out && (!health->n_test || put_strings(out, "Test", health->test, health->n_test));

	for (size_t i = 0; i < ARRAY_SIZE(numbers) && ok; i++)
		if (numbers[i].value)
			ok = add_number(out, numbers[i].name, numbers[i].value);
	if (ok && out->child)
		return put_item(config, "Healthcheck", out);
	cJSON_Delete(out);
	return ok;
}

/* Nothing where nobody said anything. */
static bool put_exposed(cJSON *out, const scow_container_config *config, const struct image_config *image)
{
	cJSON *exposed = exposed_json(image, config);

	if (exposed && exposed->child)
		return put_item(out, "ExposedPorts", exposed);
	cJSON_Delete(exposed);
	return exposed != NULL;
}

static bool add_config(cJSON *root, const scow_container *container, const scow_container_config *config, const struct image_config *image,
		       cJSON *stored, const struct merged *merged)
{
	cJSON *out = cJSON_Parse(config_defaults), *labels = cJSON_CreateObject();
	bool ok = put_item(root, "Config", out), resets;
	char hostname[13];

	ok = ok && overlay(out, stored) && put_item(out, "Labels", labels);
	if (!ok)
		return false;
	cJSON_DeleteItemFromObjectCaseSensitive(out, "Name");
	for (size_t i = 0; i < merged->n_labels && ok; i++)
		ok = add_text(labels, merged->labels[i].name, merged->labels[i].value);
	snprintf(hostname, sizeof(hostname), "%.12s", container->id);
	ok = ok && put_text(out, "Hostname", config->hostname ? config->hostname : hostname) &&
	     put_text(out, "Image", container->image_name) && put_text(out, "User", merged->user) &&
	     put_text(out, "WorkingDir", merged->workdir) && put_item(out, "Env", settings_env(config, image));
	if (ok && merged->stop_signal)
		ok = put_text(out, "StopSignal", merged->stop_signal);
	ok = ok && put_health(out, &merged->health_said) && put_exposed(out, config, image);
	/* { "" } takes the image's away. */
	resets = config->has_entrypoint && (config->n_entrypoint == 0 || !*config->entrypoint[0]);
	if (ok && !config->has_entrypoint)
		ok = put_strings(out, "Entrypoint", image->entrypoint, image->n_entrypoint);
	else if (ok && resets)
		ok = put_item(out, "Entrypoint", cJSON_CreateNull());
	if (ok && !config->has_command && !config->has_entrypoint)
		ok = put_strings(out, "Cmd", image->cmd, image->n_cmd);
	return ok;
}

/* Those that are hidden or read-only where nobody said otherwise; null for a privileged one, as Docker has it. */
static bool put_paths(cJSON *out, const scow_container_config *config)
{
	struct spec spec = { 0 };
	bool ok = true;

	if (config->unmasked_paths)
		return true;
	if (!config->privileged)
		ok = spec_add_defaults(&spec, false, 0, NULL) == 0;
	ok = ok && put_strings(out, "MaskedPaths", (char *const *) spec.masked_paths, spec.n_masked_paths) &&
	     put_strings(out, "ReadonlyPaths", (char *const *) spec.readonly_paths, spec.n_readonly_paths);
	spec_done(&spec);
	return ok;
}

static bool add_host_config(cJSON *root, scow_container *container, const scow_container_config *config, cJSON *stored)
{
	cJSON *out = cJSON_Parse(host_defaults);

	if (!put_item(root, "HostConfig", out) || !overlay(out, stored))
		return false;
	/* A plain user's is on no bridge then, and each start decides anew (pasta.h). */
	if (container->engine->facts.rootless && config_network_is_unsaid(config) &&
	    !put_item(out, "NetworkMode", cJSON_CreateString("default")))
		return false;
	/* What is in force where nothing else was asked for. */
	return put_paths(out, config) && (!config->memory_bytes || config->has_memory_swap ||
					  put_item(out, "MemorySwap", cJSON_CreateNumber((double) config->memory_bytes * 2)));
}

static bool add_maps(cJSON *object, const char *name, const struct id_range *maps, unsigned int count)
{
	cJSON *array = cJSON_AddArrayToObject(object, name);

	for (unsigned int i = 0; array && i < count; i++) {
		char text[40];
		cJSON *item;

		snprintf(text, sizeof(text), "%u:%u:%u", maps[i].inside, maps[i].outside, maps[i].count);
		item = cJSON_CreateString(text);
		if (!item || !cJSON_AddItemToArray(array, item))
			return false;
	}
	return array;
}

/* The ids of its user namespace: what was asked for, or its own range. HostConfig has only what was asked for. */
static int add_id_mappings(cJSON *root, const scow_container *container, const scow_container_config *config, struct arena *arena,
			   scow_error **error)
{
	struct id_maps maps;
	cJSON *out;
	int r = id_maps_of(container->engine, container->id, config, arena, &maps, error);

	if (r < 0 || !maps.n_uids)
		return r;
	out = cJSON_AddObjectToObject(root, "IDMappings");
	return out && add_maps(out, "UidMap", maps.uids, maps.n_uids) && add_maps(out, "GidMap", maps.gids, maps.n_gids) ? 0
															 : error_oom(error);
}

static int add_graph_driver(cJSON *root, const scow_container *container, scow_error **error)
{
	cJSON *driver = cJSON_AddObjectToObject(root, "GraphDriver"), *data = driver ? cJSON_AddObjectToObject(driver, "Data") : NULL;
	_cleanup_free_ char *upper = strf("%s/containers/%s/diff", container->engine->root, container->id);
	_cleanup_free_ char *work = strf("%s/containers/%s/work", container->engine->root, container->id);
	_cleanup_str_ struct str lower = { 0 };
	char **names = NULL;
	size_t count = 0;
	int r = 0;

	if (container->top_layer)
		r = layer_stack(container->engine, container->top_layer, &names, &count, error);
	for (size_t i = 0; i < count; i++)
		str_printf(&lower, "%s%s/layers/%s", i ? ":" : "", container->engine->root, names[i]);
	strv_free(names);
	if (r < 0)
		return r;
	if (!data || !upper || !work || lower.failed || !add_text(driver, "Name", "overlay2") || !add_text(data, "LowerDir", lower.data) ||
	    !add_text(data, "UpperDir", upper) || !add_text(data, "WorkDir", work))
		return error_oom(error);
	return 0;
}

/* What it is called now: another handle may have renamed it. With Docker's slash, malloc'ed. */
static char *current_name(const scow_container *container)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *s;

	db_lock(container->engine->db, &work);
	if (db_query(&work, &s, NULL, "SELECT name FROM containers WHERE id = ?", "t", container->id) > 0)
		return strf("/%s", db_text(s, 0));
	return strf("/%s", container->name);
}

/* Of a detached one, once it has printed something or been started. */
static char *log_path(const scow_container *container)
{
	_cleanup_free_ char *below = strf("%s/" WIRE_LOG_NAME, container->id);

	if (!below || faccessat(container->engine->containers_fd, below, F_OK, 0) < 0)
		return strdup("");
	return strf("%s/containers/%s", container->engine->root, below);
}

static bool add_head(cJSON *root, const scow_container *container, const struct container_row *row)
{
	_cleanup_free_ char *slashed = current_name(container), *log = log_path(container);

	return slashed && log && add_text(root, "Id", container->id) && add_time(root, "Created", row->created) &&
	       add_path_and_args(root, container) && add_state(root, container, row) && add_text(root, "Image", container->image_id) &&
	       add_text(root, "ResolvConfPath", "") && add_text(root, "HostnamePath", "") && add_text(root, "HostsPath", "") &&
	       add_text(root, "LogPath", log) && add_text(root, "Name", slashed) && add_number(root, "RestartCount", row->restarts) &&
	       add_text(root, "Driver", "overlay2") && add_text(root, "Platform", "linux") && add_text(root, "MountLabel", "") &&
	       add_text(root, "ProcessLabel", "") && add_text(root, "AppArmorProfile", "") && cJSON_AddNullToObject(root, "ExecIDs");
}

/* "none" and "host" have no leases; Docker shows them among the networks all the same. */
static bool put_mode(cJSON *settings, const struct attachment *attachment, const char *mode, const char *id)
{
	struct network network = { .name = mode, .flags = NETWORK_BUILTIN, .driver = str_eq(mode, "host") ? NETWORK_HOST : NETWORK_NONE };
	struct endpoint endpoint = { .network = &network };

	snprintf(network.id, sizeof(network.id), "%s", id);
	return put_item(cJSON_GetObjectItemCaseSensitive(settings, "Networks"), mode, network_endpoint_json(attachment, &endpoint));
}

static bool is_mode(const char *mode)
{
	return mode && (str_eq(mode, "none") || str_eq(mode, "host"));
}

static cJSON *network_settings(scow_container *container, const scow_container_config *config, const struct container_row *row)
{
	_cleanup_attachment_ struct attachment attachment = { .n_endpoints = 0 };
	const char *mode = config_network_mode(config);
	char id[65] = "";
	cJSON *settings;
	int r;
	{
		_cleanup_db_ struct db_work work = { 0 };
		sqlite3_stmt *s;

		db_lock(container->engine->db, &work);
		r = network_leased(&work, container->id, &attachment, NULL);
		if (r == 0 && is_mode(mode) && db_query(&work, &s, NULL, "SELECT id FROM networks WHERE name = ?", "t", mode) > 0)
			snprintf(id, sizeof(id), "%s", db_text(s, 0));
	}
	if (r < 0)
		return NULL;
	attachment.name = container->name;
	settings = network_settings_json(&attachment);
	if (settings && (!is_mode(mode) || put_mode(settings, &attachment, mode, id)) &&
	    put_item(settings, "Ports", published_json(container, &attachment, container_runs(row->state))))
		return settings;
	cJSON_Delete(settings);
	return NULL;
}

static int fill_document(cJSON *root, scow_container *container, const struct container_row *row, struct arena *arena, scow_error **error)
{
	_cleanup_json_ cJSON *stored = NULL, *host = NULL;
	_cleanup_free_ char *json = NULL;
	const scow_container_config *config;
	const struct image_config *image;
	struct merged merged = { 0 };
	cJSON *mounts;
	int r;

	r = container_config_of(container, &config, error);
	if (r == 0)
		r = container_image_of(container, &image, error);
	if (r == 0)
		r = scow_container_config_to_json(config, &json, error);
	if (r < 0)
		return r;
	r = config_merge(image, config, NULL, arena, &merged, error);
	if (r == 0)
		r = json_parse(json, strlen(json), "settings of a container", &stored, error);
	if (r < 0)
		return r;
	host = cJSON_DetachItemFromObjectCaseSensitive(stored, "HostConfig");
	if (!add_head(root, container, row) || !add_host_config(root, container, config, host))
		return error_oom(error);
	r = add_graph_driver(root, container, error);
	if (r == 0)
		r = add_id_mappings(root, container, config, arena, error);
	if (r < 0)
		return r;
	mounts = cJSON_AddArrayToObject(root, "Mounts");
	r = mounts ? volumes_json(container->engine, container->id, config, mounts, error) : error_oom(error);
	if (r < 0)
		return r;
	if (!add_config(root, container, config, image, stored, &merged) ||
	    !put_item(root, "NetworkSettings", network_settings(container, config, row)))
		return error_oom(error);
	return 0;
}

int scow_container_inspect_json(scow_container *container, char **out, scow_error **error)
{
	_cleanup_json_ cJSON *root = cJSON_CreateObject();
	struct container_row row;
	struct arena arena = { 0 };
	int r = container_check(container, error);

	if (r == 0 && !out)
		r = error_set(error, SCOW_E_INVALID, "no place for the document was given");
	if (r == 0 && !root)
		r = error_oom(error);
	if (r == 0)
		r = container_row_read(container->engine, container->id, &row, error);
	if (r == 0 && !container_runs(row.state))
		row.restarts = container_last_restarts(container->engine, container->id);
	if (r == 0)
		r = fill_document(root, container, &row, &arena, error);
	if (r == 0)
		r = (*out = json_print(root)) ? 0 : error_oom(error);
	arena_done(&arena);
	return r;
}
