/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Networks where more than one of them, or containers, are concerned: list, remove, prune, reload.
 *
 * That a container is on a network may only mean that nobody has taken notice of its end yet: before a network is said to be in use,
 * and before any is chosen to be removed, what has ended is brought to rest.
 */
#include <stdlib.h>
#include <string.h>

#include "base/iter.h"
#include "base/json.h"
#include "base/str.h"
#include "container/connect.h"
#include "container/container.h"
#include "container/published.h"
#include "container/sweep.h"
#include "network/config.h"
#include "network/network-internal.h"
#include "system/prune.h"

/* ---- list ---- */

static bool labels_fit(const struct filters *filters, const struct network *network)
{
	_cleanup_json_ cJSON *settings = cJSON_Parse(network->settings);

	return filters_allow_labels(filters, cJSON_GetObjectItemCaseSensitive(settings, "Labels"));
}

/* 1: no container has it among its networks; 0, or a status. */
static int is_dangling(struct db_work *work, const struct network *network, scow_error **error)
{
	sqlite3_stmt *row;
	int r = db_query(work, &row, error, "SELECT 1 FROM endpoints WHERE network = ? LIMIT 1", "t", network->id);

	return r < 0 ? r : !r;
}

static int is_chosen(struct db_work *work, const struct filters *filters, const struct network *network, scow_error **error)
{
	bool builtin = network->flags & NETWORK_BUILTIN;
	int dangling = 1;

	if (!filters_contain(filters, "name", network->name) || !filters_begin(filters, "id", network->id) ||
	    !filters_allow(filters, "driver", network_driver_name(network->driver)) || !filters_allow(filters, "scope", "local") ||
	    !filters_allow(filters, "type", builtin ? "builtin" : "custom") || !labels_fit(filters, network))
		return 0;
	if (!filters_have(filters, "dangling"))
		return 1;
	dangling = builtin ? 0 : is_dangling(work, network, error);
	if (dangling < 0)
		return dangling;
	return filters_allow_bool(filters, "dangling", dangling);
}

static void unref(void *item)
{
	scow_network_unref(item);
}

static int collect(scow_engine *engine, const struct filters *filters, scow_iter *list, scow_error **error)
{
	_cleanup_arena_ struct arena arena = { 0 };
	_cleanup_db_ struct db_work work = { 0 };
	struct network **all = NULL;
	int r;

	db_lock(engine->db, &work);
	r = network_read_all(&work, &arena, &all, error);
	for (size_t i = 0; r == 0 && all[i]; i++) {
		scow_network *network;
		int chosen = is_chosen(&work, filters, all[i], error);

		if (chosen > 0)
			r = network_handle(engine, all[i], &network, error);
		if (chosen > 0 && r == 0)
			r = iter_add(list, network, error);
		r = chosen < 0 ? chosen : r;
	}
	return r;
}

int scow_network_list(scow_engine *engine, const char *text, scow_iter **out, scow_error **error)
{
	static const char *const known[] = { "name", "id", "driver", "label", "type", "scope", "dangling", NULL };
	_cleanup_filters_ struct filters filters = { NULL };
	_cleanup_(scow_iter_unrefp) scow_iter *list = NULL;
	int r = engine_check(engine, error);

	if (r == 0 && !out)
		r = error_set(error, SCOW_E_INVALID, "no place for the list was given");
	if (r == 0)
		r = filters_parse(text, known, &filters, error);
	if (r == 0)
		r = network_ensure_builtin(engine, error);
	if (r == 0)
		r = iter_new(ITER_NETWORKS, unref, &list, error);
	if (r == 0)
		r = collect(engine, &filters, list, error);
	if (r == 0)
		*out = take_ptr(&list);
	return r;
}

/* ---- remove ---- */

int scow_network_remove(scow_network *network, scow_error **error)
{
	scow_error *failure = NULL;
	int r = network_check(network, error);

	if (r < 0)
		return r;
	r = network_remove(network->engine, network->id, &failure);
	if (r == SCOW_E_BUSY && container_sweep(network->engine, NULL) == 0) {
		error_clear(&failure);
		r = network_remove(network->engine, network->id, &failure);
	}
	if (r == 0)
		network->gone = true;
	error_wrap(&failure, error_at(&failure, r, NULL, network->name), "remove network '%s'", network->name);
	if (r < 0 && error)
		*error = take_ptr(&failure);
	scow_error_unref(failure);
	return r;
}

/* ---- prune ---- */

/* Its row stays, what it has on the host goes if nobody uses it: the next container makes it again. */
static int clear_default(scow_engine *engine, const struct network *network, scow_error **error)
{
	_cleanup_netns_ struct netns ns = { 0 };
	sqlite3_stmt *row;
	struct db_work work = { 0 };
	int r;

	db_lock(engine->db, &work);
	r = db_query(&work, &row, error, "SELECT 1 FROM endpoints WHERE network = ? AND mac IS NOT NULL LIMIT 1", "t", network->id);
	db_end(&work);
	if (r != 0)
		return r < 0 ? r : 0;
	r = netns_find(engine, &ns, error);
	return r <= 0 ? r : network_unmake(&ns, network, error);
}

static void prune_one(struct prune *prune, const struct network *network)
{
	struct db_work work = { 0 };
	scow_error *failure = NULL;
	int r;

	if (network->flags & NETWORK_BUILTIN) {
		if (network->driver == NETWORK_BRIDGE && !prune->filters.document)
			prune_note(prune, clear_default(prune->engine, network, &failure), NULL, &failure);
		return;
	}
	if (network->created >= prune->until || !labels_fit(&prune->filters, network))
		return;
	db_lock(prune->engine->db, &work);
	r = is_dangling(&work, network, &failure);
	db_end(&work);
	if (r > 0)
		r = network_remove(prune->engine, network->id, &failure);
	else if (r == 0)
		return;
	prune_note(prune, r, network->name, &failure);
}

/* Those of stores whose directories somebody has deleted. */
static int clear_orphans(scow_engine *engine, scow_error **error)
{
	_cleanup_netns_ struct netns ns = { 0 };
	int r;

	if (engine->facts.rootless)
		return 0;
	r = netns_open(engine, &ns, error);
	return r < 0 ? r : network_clear_orphans(&ns, error);
}

static int read_all(scow_engine *engine, struct arena *arena, struct network ***out, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };

	db_lock(engine->db, &work);
	return network_read_all(&work, arena, out, error);
}

int scow_network_prune(scow_engine *engine, const char *filters, char **report, scow_error **error)
{
	static const char *const known[] = { "until", "label", "label!", NULL };
	static const struct prune_kind kind = { "network", "NetworksDeleted", known, false };
	_cleanup_arena_ struct arena arena = { 0 };
	_cleanup_prune_ struct prune prune = { NULL };
	struct network **all = NULL;
	int r = prune_begin(&prune, engine, &kind, filters, error);

	if (r == 0)
		r = container_sweep(engine, error);
	if (r == 0)
		r = read_all(engine, &arena, &all, error);
	for (size_t i = 0; r == 0 && all[i]; i++)
		prune_one(&prune, all[i]);
	if (r == 0 && !prune.failure && !prune.filters.document)
		r = clear_orphans(engine, error);
	return r < 0 ? r : prune_finish(&prune, report, error);
}

/* ---- reload ---- */

/* Those that are in use now. */
static int reload_networks(scow_engine *engine, scow_error **error)
{
	_cleanup_arena_ struct arena arena = { 0 };
	_cleanup_netns_ struct netns ns = { 0 };
	struct network **all = NULL;
	int first = 0, r = read_all(engine, &arena, &all, error);

	if (r == 0)
		r = netns_find(engine, &ns, error);
	if (r <= 0)
		return r;
	for (size_t i = 0; all[i]; i++) {
		scow_error *failure = NULL;
		int one = network_reload(&ns, all[i], &failure);

		if (one < 0 && first == 0) {
			first = one;
			if (error)
				*error = take_ptr(&failure);
		}
		scow_error_unref(failure);
	}
	return first < 0 ? first : published_restore(engine, &ns, error);
}

int scow_network_reload(scow_engine *engine, scow_error **error)
{
	scow_error *failure = NULL;
	int first, r = engine_check(engine, error);

	if (r == 0)
		r = container_sweep(engine, error);
	if (r < 0)
		return r;
	first = reload_networks(engine, error);
	r = containers_reconnect(engine, &failure);
	if (first == 0 && r < 0 && error)
		*error = take_ptr(&failure);
	scow_error_unref(failure);
	return first < 0 ? first : r;
}
