/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Networks out of their rows. A row has, besides the document of all settings, what a start needs: so that no start reads JSON.
 */
#include "network/network.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"

#define NETWORK_COLUMNS "id, name, driver, flags, mtu, mode, link, settings, created"

static int from_row(struct db_work *work, sqlite3_stmt *row, struct arena *arena, struct network **out, scow_error **error)
{
	struct network *network = arena_alloc(arena, sizeof(*network));

	(void) work;
	if (!network)
		return error_oom(error);
	snprintf(network->id, sizeof(network->id), "%s", db_text(row, 0));
	network->name = arena_strdup(arena, db_text(row, 1));
	network->driver = (enum network_driver) db_int(row, 2);
	network->flags = (unsigned int) db_int(row, 3);
	network->mtu = (unsigned int) db_int(row, 4);
	network->mode = (unsigned int) db_int(row, 5);
	snprintf(network->link, sizeof(network->link), "%s", db_text(row, 6));
	network->settings = arena_strdup(arena, db_text(row, 7));
	network->created = db_int(row, 8);
	*out = network;
	return arena_failed(arena) ? error_oom(error) : 0;
}

static int read_pools(struct db_work *work, struct network *network, struct arena *arena, scow_error **error)
{
	sqlite3_stmt *row;
	int r = db_query(work, &row, error,
			 "SELECT subnet, bits, range, range_bits, gateway, last_given FROM pools WHERE network = ? ORDER BY position", "t",
			 network->id);

	for (; r > 0; r = db_step(work, row, error)) {
		struct pool *pool = arena_append(arena, &network->pools, &network->n_pools, sizeof(*pool));

		if (!pool)
			return error_oom(error);
		pool->subnet.bits = (unsigned int) db_int(row, 1);
		pool->range.bits = (unsigned int) db_int(row, 3);
		if (!address_from_hex(db_text(row, 0), &pool->subnet.address) || !address_from_hex(db_text(row, 2), &pool->range.address) ||
		    !address_from_hex(db_text(row, 4), &pool->gateway) || !address_from_hex(db_text(row, 5), &pool->after))
			return error_set(error, SCOW_E_CORRUPT, "state.db: a pool of network '%s'", network->name);
	}
	return r;
}

static int not_found(const char *name, scow_error **error)
{
	int r = error_at(error, error_set(error, SCOW_E_NOT_FOUND, "no such network: '%s'", name), NULL, name);

	return error_hint(error, r, "list them with 'scow network ls'; create it with 'scow network create %s'", name);
}

/* Digits enough for a prefix of an id, and nothing else. */
static bool is_id_prefix(const char *name)
{
	return *name && strlen(name) <= 64 && !name[strspn(name, "0123456789abcdef")];
}

static int find_by_prefix(struct db_work *work, const char *name, struct arena *arena, struct network **out, scow_error **error)
{
	sqlite3_stmt *row;
	char last[80];
	int r;

	if (!is_id_prefix(name))
		return not_found(name, error);
	snprintf(last, sizeof(last), "%sg", name); /* after all that begin so */
	r = db_query(work, &row, error, "SELECT " NETWORK_COLUMNS " FROM networks WHERE id >= ? AND id < ?", "tt", name, last);
	if (r == 0)
		return not_found(name, error);
	if (r > 0)
		r = from_row(work, row, arena, out, error);
	if (r == 0)
		r = db_step(work, row, error);
	if (r > 0)
		return error_set(error, SCOW_E_INVALID, "'%s' is the beginning of more than one network's id", name);
	return r;
}

int network_read(struct db_work *work, const char *name, struct arena *arena, struct network **out, scow_error **error)
{
	sqlite3_stmt *row;
	int r = db_query(work, &row, error, "SELECT " NETWORK_COLUMNS " FROM networks WHERE name = ? OR id = ?", "tt", name, name);

	if (r > 0)
		r = from_row(work, row, arena, out, error);
	else if (r == 0)
		r = find_by_prefix(work, name, arena, out, error);
	return r < 0 ? r : read_pools(work, *out, arena, error);
}

int network_read_all(struct db_work *work, struct arena *arena, struct network ***out, scow_error **error)
{
	struct network **slot;
	size_t n = 0;
	sqlite3_stmt *row;
	int r = db_query(work, &row, error, "SELECT " NETWORK_COLUMNS " FROM networks ORDER BY name", "");

	*out = NULL;
	for (; r > 0; r = db_step(work, row, error)) {
		slot = arena_append(arena, out, &n, sizeof(*slot));
		if (!slot)
			return error_oom(error);
		r = from_row(work, row, arena, slot, error);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < n && r == 0; i++)
		r = read_pools(work, (*out)[i], arena, error);
	if (r == 0 && !arena_append(arena, out, &n, sizeof(*slot)))
		return error_oom(error);
	return r;
}

const char *network_option(const struct network *network, struct arena *arena, const char *name)
{
	_cleanup_json_ cJSON *settings = cJSON_Parse(network->settings);
	const cJSON *options = cJSON_GetObjectItemCaseSensitive(settings, "Options");
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(options, name);

	return cJSON_IsString(value) ? arena_strdup(arena, value->valuestring) : NULL;
}

static int insert_pool(struct db_work *work, const struct network *network, size_t i, scow_error **error)
{
	const struct pool *pool = &network->pools[i];
	char subnet[ADDRESS_HEX], range[ADDRESS_HEX], gateway[ADDRESS_HEX];
	struct address first_subnet, first_range;
	int r;

	prefix_first(&pool->subnet, &first_subnet);
	prefix_first(&pool->range, &first_range);
	r = db_exec(
		work, error,
		"INSERT INTO pools (network, position, family, subnet, bits, range, range_bits, gateway) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		"tiititit", network->id, (int64_t) i, (int64_t) (first_subnet.family == AF_INET ? 4 : 6),
		address_hex(&first_subnet, subnet), (int64_t) pool->subnet.bits, address_hex(&first_range, range),
		(int64_t) pool->range.bits, address_hex(&pool->gateway, gateway));
	return r < 0 ? r : 0;
}

int network_insert(struct db_work *work, const struct network *network, const char *owner, scow_error **error)
{
	int r = db_exec(work, error,
			"INSERT OR IGNORE INTO networks (id, name, driver, flags, mtu, mode, link, settings, owner, created) "
			"VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			"ttiiiittti", network->id, network->name, (int64_t) network->driver, (int64_t) network->flags,
			(int64_t) network->mtu, (int64_t) network->mode, network->link, network->settings, owner, network->created);

	if (r == 0)
		return error_at(error, error_set(error, SCOW_E_EXISTS, "network '%s' exists already", network->name), NULL, network->name);
	for (size_t i = 0; i < network->n_pools && r >= 0; i++)
		r = insert_pool(work, network, i, error);
	return r < 0 ? r : 0;
}
