/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What this host offers and why not where it does not: `scow info`. */
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "engine/engine.h"
#include "network/uplink.h"
#include "network/firewall.h"
#include "runtime/cgroup.h"
#include "store/db.h"

#include <scow/version.h>

static int count(scow_engine *engine, cJSON *object, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *row;
	int r;

	db_lock(engine->db, &work);
	r = db_query(&work, &row, error,
		     "SELECT (SELECT count(*) FROM images), (SELECT count(*) FROM containers), "
		     "(SELECT count(*) FROM containers WHERE state IN (1, 3)), (SELECT count(*) FROM containers WHERE state = 2), "
		     "(SELECT count(*) FROM containers WHERE state NOT IN (1, 2, 3)), (SELECT count(*) FROM layers)",
		     "");
	if (r <= 0)
		return r < 0 ? r : error_set(error, SCOW_E_CORRUPT, "state.db cannot count its rows");
	if (!cJSON_AddNumberToObject(object, "Images", (double) db_int(row, 0)) ||
	    !cJSON_AddNumberToObject(object, "Containers", (double) db_int(row, 1)) ||
	    !cJSON_AddNumberToObject(object, "ContainersRunning", (double) db_int(row, 2)) ||
	    !cJSON_AddNumberToObject(object, "ContainersPaused", (double) db_int(row, 3)) ||
	    !cJSON_AddNumberToObject(object, "ContainersStopped", (double) db_int(row, 4)) ||
	    !cJSON_AddNumberToObject(object, "Layers", (double) db_int(row, 5)))
		return error_oom(error);
	return 0;
}

static int add_ids(scow_engine *engine, cJSON *object, scow_error **error)
{
	const struct facts *facts = &engine->facts;
	cJSON *maps;
	int r;

	pthread_mutex_lock(&engine->lock);
	r = facts_probe_ids(&engine->facts, error);
	pthread_mutex_unlock(&engine->lock);
	if (r < 0)
		return r;
	maps = cJSON_AddArrayToObject(object, "IdMaps");
	for (unsigned int i = 0; maps && i < facts->n_uid_map; i++) {
		char text[64];

		snprintf(text, sizeof(text), "%u:%u:%u", facts->uid_map[i].inside, facts->uid_map[i].outside, facts->uid_map[i].count);
		if (!cJSON_AddItemToArray(maps, cJSON_CreateString(text)))
			return error_oom(error);
	}
	if (!maps || (facts->single_id_reason && !cJSON_AddStringToObject(object, "SingleIdReason", facts->single_id_reason)))
		return error_oom(error);
	return 0;
}

/* Why a plain user's containers have scow-init's own way out. */
static int add_uplink_warning(cJSON *warnings, scow_error **error)
{
	_cleanup_free_ char *text = NULL;
	scow_error *failure = NULL;

	if (uplink_is_possible(&failure) == 0)
		return 0;
	text = strf("containers that ask for no network have usernet: %s", scow_error_message(failure));
	scow_error_unref(failure);
	return text && cJSON_AddItemToArray(warnings, cJSON_CreateString(text)) ? 0 : error_oom(error);
}

/* What is in the way of containers here; nothing where that cannot be seen. */
static int add_warnings(scow_engine *engine, cJSON *object, scow_error **error)
{
	_cleanup_netns_ struct netns ns = { .route_fd = -1, .filter_fd = -1, .fd = -1 };
	cJSON *warnings = cJSON_AddArrayToObject(object, "Warnings");
	char chain[128] = "", text[320];

	if (!warnings)
		return error_oom(error);
	if (engine->facts.rootless)
		return add_uplink_warning(warnings, error);
	if (netns_open(engine, &ns, NULL) < 0 || firewall_who_drops(&ns, chain, sizeof(chain), NULL) < 0 || !*chain)
		return 0;
	snprintf(text, sizeof(text),
		 "the chain '%s' of this host drops what is forwarded, unless a rule there accepts it: containers may have no way out, and "
		 "published ports no way in",
		 chain);
	return cJSON_AddItemToArray(warnings, cJSON_CreateString(text)) ? 0 : error_oom(error);
}

int scow_engine_info_json(scow_engine *engine, char **out, scow_error **error)
{
	_cleanup_json_ cJSON *object = cJSON_CreateObject();
	const struct cgroup_base *cgroups;
	char kernel[32];
	int r;

	r = engine_check(engine, error);
	if (r < 0)
		return r;
	snprintf(kernel, sizeof(kernel), "%u.%u", engine->facts.kernel >> 16, engine->facts.kernel & 0xffff);
	if (!object || !cJSON_AddStringToObject(object, "ServerVersion", scow_version()) ||
	    !cJSON_AddStringToObject(object, "Root", engine->root) || !cJSON_AddStringToObject(object, "Driver", "overlay") ||
	    !cJSON_AddStringToObject(object, "KernelVersion", kernel) || !cJSON_AddBoolToObject(object, "Rootless", engine->facts.rootless))
		return error_oom(error);
	r = count(engine, object, error);
	if (r == 0 && engine->facts.rootless)
		r = add_ids(engine, object, error);
	if (r == 0)
		r = cgroup_base_get(engine, &cgroups, error);
	if (r == 0)
		r = cgroup_base_describe(cgroups, object, error);
	if (r == 0)
		r = add_warnings(engine, object, error);
	if (r < 0)
		return r;
	*out = json_print(object);
	return *out ? 0 : error_oom(error);
}
