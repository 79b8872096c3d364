/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Limits and restart policy of a container that exists, running or not.
 *
 * Both the stored settings and the changes are documents in Docker's form, in which what is at its default is left out: laying the
 * changes' fields over the stored ones is the update, and any field of them that is not a limit is one too many. The result is
 * checked as a whole, as at the creation. A running one's cgroup is written before the row: if it refuses, nothing has
 * changed, since what was written already is put back.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/json.h"
#include "base/str.h"
#include "container/build.h"
#include "container/detached.h"
#include "container/event.h"
#include "container/live.h"

static const char *const limits[] = {
	"Memory",
	"MemorySwap",
	"MemoryReservation",
	"NanoCpus",
	"CpuShares",
	"CpusetCpus",
	"CpusetMems",
	"PidsLimit",
	"BlkioWeight",
	"CpuQuota",
	"CpuPeriod",
	"CpuRealtimeRuntime",
	"CpuRealtimePeriod",
	"MemorySwappiness",
	"BlkioWeightDevice",
	"BlkioDeviceReadBps",
	"BlkioDeviceReadIOps",
	"BlkioDeviceWriteBps",
	"BlkioDeviceWriteIOps",
};

struct update {
	scow_container *container;
	cJSON *changes, *stored; /* documents */
	char *old_text, *new_text;
	scow_container_config *old_config, *new_config;
	bool limits, restart;
};

static void update_done(struct update *update)
{
	cJSON_Delete(update->changes);
	cJSON_Delete(update->stored);
	free(update->old_text);
	free(update->new_text);
	scow_container_config_unref(update->old_config);
	scow_container_config_unref(update->new_config);
}

static bool is_limit(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		if (str_eq(name, limits[i]))
			return true;
	return false;
}

static int refuse(const char *field, scow_error **error)
{
	return error_hint(error, error_set(error, SCOW_E_INVALID, "'%s' cannot be changed in a container that exists", field),
			  "only resource limits and the restart policy can; make another container for the rest");
}

static int add_swap(cJSON *changes, int64_t bytes, scow_error **error)
{
	cJSON *host = cJSON_GetObjectItemCaseSensitive(changes, "HostConfig");

	if (!host)
		host = cJSON_AddObjectToObject(changes, "HostConfig");
	return host && cJSON_AddNumberToObject(host, "MemorySwap", (double) bytes) ? 0 : error_oom(error);
}

/* What the changes are, and nothing else. */
static int read_changes(struct update *update, const scow_container_config *changes, scow_error **error)
{
	_cleanup_free_ char *text = NULL;
	const cJSON *item, *host = NULL;
	scow_container_config without_swap = *changes; /* borrows all of it */
	int r;

	/* Alone it makes no sense, but the limit on memory that goes with it may be there already. */
	without_swap.has_memory_swap = false;
	r = scow_container_config_to_json(&without_swap, &text, error);
	if (r == 0)
		r = json_parse(text, strlen(text), "changes of a container", &update->changes, error);
	if (r == 0 && changes->has_memory_swap)
		r = add_swap(update->changes, changes->memory_swap_bytes, error);
	if (r == 0)
		r = json_object(update->changes, "HostConfig", &host, error);
	if (r < 0)
		return r;
	cJSON_ArrayForEach(item, update->changes)
	{
		if (!str_eq(item->string, "HostConfig"))
			return refuse(item->string, error);
	}
	cJSON_ArrayForEach(item, host)
	{
		if (is_limit(item->string))
			update->limits = true;
		else if (!str_eq(item->string, "RestartPolicy"))
			return refuse(item->string, error);
	}
	update->restart = changes->has_restart;
	return 0;
}

/* Lays the changes over the settings. */
static bool merge(struct update *update)
{
	cJSON *from = cJSON_GetObjectItemCaseSensitive(update->changes, "HostConfig");
	cJSON *to = cJSON_GetObjectItemCaseSensitive(update->stored, "HostConfig"), *item;

	if (!to)
		to = cJSON_AddObjectToObject(update->stored, "HostConfig");
	if (!to)
		return false;
	/* The policy "no" is the default, and left out in documents. */
	if (update->restart)
		cJSON_DeleteItemFromObjectCaseSensitive(to, "RestartPolicy");
	while ((item = from ? cJSON_DetachItemFromArray(from, 0) : NULL)) {
		_cleanup_free_ char *name = strdup(item->string);

		if (name)
			cJSON_DeleteItemFromObjectCaseSensitive(to, name);
		if (!name || !cJSON_AddItemToObject(to, name, item)) {
			cJSON_Delete(item);
			return false;
		}
	}
	update->new_text = json_print(update->stored);
	return update->new_text != NULL;
}

static int prepare(struct update *update, scow_error **error)
{
	_cleanup_free_ char *text = NULL;
	const scow_container_config *config;
	int r = container_config_of(update->container, &config, error);

	if (r == 0)
		r = scow_container_config_to_json(config, &update->old_text, error);
	if (r == 0)
		r = json_parse(update->old_text, strlen(update->old_text), "settings of a container", &update->stored, error);
	if (r == 0 && !merge(update))
		r = error_oom(error);
	if (r == 0)
		r = scow_container_config_from_json(update->new_text, &update->new_config, error);
	if (r == 0)
		r = config_check(update->new_config, error);
	if (r == 0)
		r = scow_container_config_from_json(update->old_text, &update->old_config, error);
	/* In the one form in which settings are stored. */
	if (r == 0)
		r = scow_container_config_to_json(update->new_config, &text, error);
	if (r < 0)
		return r;
	free(update->new_text);
	update->new_text = take_ptr(&text);
	return 0;
}

static int write_limits(scow_engine *engine, struct cgroup *cgroup, const scow_container_config *config, scow_error **error)
{
	struct spec spec = { .layers_fd = -1, .container_fd = -1 };
	struct build build = { .engine = engine, .config = config, .spec = &spec };
	int r = build_resources(&build, error);

	if (r == 0)
		r = cgroup_update(cgroup, &spec.resources, error);
	arena_done(&spec.arena);
	return r;
}

static int change_cgroup(struct update *update, const struct container_row *row, scow_error **error)
{
	scow_container *container = update->container;
	_cleanup_(cgroup_freep) struct cgroup *cgroup = NULL;
	int r = container_open_cgroup(container, row->cgroup, &cgroup, error);

	if (r < 0)
		return r;
	r = write_limits(container->engine, cgroup, update->new_config, error);
	if (r < 0)
		(void) write_limits(container->engine, cgroup, update->old_config, NULL);
	return r;
}

static int store(struct update *update, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	const char *id = update->container->id;
	int r = db_begin(update->container->engine->db, &work, error);

	if (r == 0)
		r = db_exec(&work, error, "UPDATE containers SET config = ? WHERE id = ?", "tt", update->new_text, id);
	if (r == 0)
		return container_not_found(update->container->name, error);
	if (r > 0)
		r = container_event(&work, id, "update", NULL, error);
	return r < 0 ? r : db_commit(&work, error);
}

/* A supervisor has the policy from its start. */
static void tell_policy(const struct update *update, const struct container_row *row)
{
	scow_container *container = update->container;
	const uint32_t policy[] = { update->new_config->restart, update->new_config->restart_retries };
	int r;

	if (!update->restart || !detached_is(row) || !container_runs(row->state))
		return;
	r = supervisor_tell(container->engine, container->id, WIRE_FRAME_POLICY, policy, sizeof(policy));
	if (r < 0 && r != -ECONNREFUSED && r != -ENOENT)
		engine_log(container->engine, SCOW_LOG_WARNING, "container %.12s: its supervisor keeps the old restart policy: %s",
			   container->id, strerrordesc_np(-r));
}

static int update_locked(struct update *update, scow_error **error)
{
	struct container_row row;
	int r = prepare(update, error);

	if (r == 0)
		r = container_row_settled(update->container, &row, error);
	/* One that waits to be restarted gets its limits then. */
	if (r == 0 && update->limits && container_runs(row.state) && row.pid)
		r = change_cgroup(update, &row, error);
	FAULT_POINT("update.applied");
	if (r == 0)
		r = store(update, error);
	FAULT_POINT("update.stored");
	if (r == 0)
		tell_policy(update, &row);
	return r;
}

int scow_container_update(scow_container *container, const scow_container_config *changes, scow_error **error)
{
	_cleanup_(update_done) struct update update = { .container = container };
	int lock, r = container_check(container, error);

	if (r < 0)
		return r;
	if (!changes)
		return error_set(error, SCOW_E_INVALID, "no changes were given");
	r = read_changes(&update, changes, error);
	if (r == 0 && (update.limits || update.restart)) {
		lock = container_lock(container, error);
		r = lock < 0 ? lock : update_locked(&update, error);
		if (lock >= 0)
			container_unlock(container, lock);
	}
	return r < 0 ? error_wrap(error, r, "update container '%s'", container->name) : 0;
}
