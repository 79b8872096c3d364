/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Networks as handles: get, what a handle knows, and removing. What cannot change is in the handle; the rest is read each time.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/str.h"
#include "network/config.h"
#include "network/network-internal.h"
#include "store/journal.h"
#include "store/lock.h"

int network_check(scow_network *network, scow_error **error)
{
	if (!network)
		return error_set(error, SCOW_E_INVALID, "no network was given");
	return engine_check(network->engine, error);
}

int network_handle(scow_engine *engine, const struct network *network, scow_network **out, scow_error **error)
{
	scow_network *handle = calloc(1, sizeof(*handle));

	if (!handle)
		return error_oom(error);
	atomic_init(&handle->refs, 1);
	memcpy(handle->id, network->id, sizeof(handle->id));
	handle->name = strdup(network->name);
	handle->link = network->link[0] ? strdup(network->link) : NULL;
	handle->driver = network->driver;
	handle->ephemeral = network->flags & NETWORK_EPHEMERAL;
	if (!handle->name || (network->link[0] && !handle->link)) {
		free(handle->name);
		free(handle->link);
		free(handle);
		return error_oom(error);
	}
	handle->engine = scow_engine_ref(engine);
	*out = handle;
	return 0;
}

scow_network *scow_network_ref(scow_network *network)
{
	if (network)
		atomic_fetch_add_explicit(&network->refs, 1, memory_order_relaxed);
	return network;
}

scow_network *scow_network_unref(scow_network *network)
{
	int saved = errno;

	if (!network || atomic_fetch_sub_explicit(&network->refs, 1, memory_order_acq_rel) != 1)
		return NULL;
	if (network->ephemeral && network->created_here && !network->gone && network->engine->pid == getpid()) {
		scow_error *failure = NULL;

		/* One that somebody is on goes with the next sweep. */
		if (network_remove(network->engine, network->id, &failure) < 0)
			engine_log(network->engine, SCOW_LOG_INFO, "network '%s' stays for now: %s", network->name,
				   scow_error_message(failure));
		scow_error_unref(failure);
	}
	scow_engine_unref(network->engine);
	free(network->name);
	free(network->link);
	free(network);
	errno = saved;
	return NULL;
}

int scow_network_get(scow_engine *engine, const char *name, scow_network **out, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	struct arena arena = { 0 };
	struct network *network;
	int r = engine_check(engine, error);

	if (r == 0 && (!name || !out))
		r = error_set(error, SCOW_E_INVALID, "no %s was given", name ? "place for the network" : "name");
	if (r == 0)
		r = network_ensure_builtin(engine, error);
	if (r < 0)
		return r;
	db_lock(engine->db, &work);
	r = network_read(&work, str_eq(name, "default") ? NETWORK_DEFAULT : name, &arena, &network, error);
	db_end(&work);
	if (r == 0)
		r = network_handle(engine, network, out, error);
	arena_done(&arena);
	return r;
}

const char *scow_network_id(const scow_network *network)
{
	return network ? network->id : NULL;
}

const char *scow_network_name(const scow_network *network)
{
	return network ? network->name : NULL;
}

const char *scow_network_driver(const scow_network *network)
{
	if (!network)
		return NULL;
	return network->driver == NETWORK_NONE ? "none" : network_driver_name(network->driver);
}

const char *scow_network_interface(const scow_network *network)
{
	return network ? network->link : NULL;
}

/* ---- events ---- */

int network_event(struct db_work *work, const char *action, const char *id, const char *name, enum network_driver driver,
		  const char *container, scow_error **error)
{
	_cleanup_json_ cJSON *attributes = cJSON_CreateObject();
	_cleanup_free_ char *text = NULL;

	if (attributes && cJSON_AddStringToObject(attributes, "name", name) &&
	    cJSON_AddStringToObject(attributes, "type", network_driver_name(driver)) &&
	    (!container || cJSON_AddStringToObject(attributes, "container", container)))
		text = json_print(attributes);
	return text ? journal_add(work, "network", action, id, text, error) : error_oom(error);
}

int network_events(struct db_work *work, const char *action, const char *container, scow_error **error)
{
	sqlite3_stmt *row;
	int r = db_query(work, &row, error,
			 "SELECT n.id, n.name, n.driver FROM endpoints e JOIN networks n ON n.id = e.network "
			 "WHERE e.container = ? AND e.mac IS NOT NULL ORDER BY e.position",
			 "t", container);

	for (; r > 0; r = db_step(work, row, error)) {
		r = network_event(work, action, db_text(row, 0), db_text(row, 1), (enum network_driver) db_int(row, 2), container, error);
		if (r < 0)
			return r;
	}
	return r;
}

/* ---- removing ---- */

static int check_unused(struct db_work *work, const struct network *network, scow_error **error)
{
	sqlite3_stmt *row;
	int r;

	if (network->flags & NETWORK_BUILTIN)
		return error_set(error, SCOW_E_BUSY, "the network '%s' is always there and cannot be removed", network->name);
	r = db_query(
		work, &row, error,
		"SELECT c.name FROM endpoints e JOIN containers c ON c.id = e.container WHERE e.network = ? AND e.mac IS NOT NULL LIMIT 1",
		"t", network->id);
	if (r <= 0)
		return r;
	return error_hint(error, error_set(error, SCOW_E_BUSY, "network '%s' is in use by container '%s'", network->name, db_text(row, 0)),
			  "stop that container, or disconnect it with 'scow network disconnect %s %s'", network->name, db_text(row, 0));
}

/* The row first: from then on nobody starts on it. What a crash leaves of the link is found by its alias, and goes with a prune. */
static int remove_row(scow_engine *engine, const char *id, struct arena *arena, struct network **network, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	int r = db_begin(engine->db, &work, error);

	if (r == 0)
		r = network_read(&work, id, arena, network, error);
	if (r == 0)
		r = check_unused(&work, *network, error);
	if (r == 0)
		r = network_event(&work, "destroy", (*network)->id, (*network)->name, (*network)->driver, NULL, error);
	if (r == 0)
		r = db_exec(&work, error, "DELETE FROM networks WHERE id = ?", "t", (*network)->id);
	return r < 0 ? r : db_commit(&work, error);
}

int network_remove(scow_engine *engine, const char *id, scow_error **error)
{
	_cleanup_netns_ struct netns ns = { 0 };
	struct arena arena = { 0 };
	struct network *network;
	int there = netns_find(engine, &ns, error), r = there < 0 ? there : remove_row(engine, id, &arena, &network, error);

	if (r == 0 && there)
		r = network_unmake(&ns, network, error);
	arena_done(&arena);
	return r;
}

/* ---- networks of dead programs ---- */

static int next_left(scow_engine *engine, const char *after, char id[65], char owner[33], scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *row;
	int r;

	db_lock(engine->db, &work);
	r = db_query(&work, &row, error, "SELECT id, owner FROM networks WHERE owner IS NOT NULL AND id > ? ORDER BY id LIMIT 1", "t",
		     after);
	if (r > 0) {
		snprintf(id, 65, "%s", db_text(row, 0));
		snprintf(owner, 33, "%s", db_text(row, 1));
	}
	return r;
}

int network_sweep(scow_engine *engine, scow_error **error)
{
	char id[65], after[65] = "", owner[33];
	int r;

	while ((r = next_left(engine, after, id, owner, error)) > 0) {
		scow_error *failure = NULL;

		memcpy(after, id, sizeof(after));
		if (str_eq(owner, engine->owner_id) || owner_alive(engine, owner) != 0)
			continue;
		if (network_remove(engine, id, &failure) < 0)
			engine_log(engine, SCOW_LOG_INFO, "network %.12s, of a program that is dead, stays for now: %s", id,
				   scow_error_message(failure));
		scow_error_unref(failure);
	}
	return r;
}
