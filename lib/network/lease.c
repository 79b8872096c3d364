/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Addresses for those who start: leases are columns of the endpoints' rows.
 *
 * 1. A lease is given in the transaction that claims the container for its start; a unique index of the address stands behind it. So
 *    two never have one address, however many processes ask at once.
 * 2. The next free one after the last given: an address that has just become free is not given to the next at once, who might be
 *    taken for its last owner.
 * 3. Whoever records that the container does not run any more frees it, in that transaction (container_leave).
 */
#include "network/network.h"
#include "network/shape.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/json.h"
#include "base/str.h"

#define OPTION_PREFIX "com.docker.network.container_iface_prefix"

void attachment_done(struct attachment *attachment)
{
	arena_done(&attachment->arena);
	*attachment = (struct attachment){ .n_endpoints = 0 };
}

/* What is left of the row besides what the endpoint has. */
struct lease {
	struct endpoint *endpoint;
	char network[65];
	struct address wanted4, wanted6;
	const char *interface, *settings;
	bool has_mac;
};

static void read_strings(struct arena *arena, const cJSON *array, const char ***out, size_t *n)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, array)
	{
		const char **slot = cJSON_IsString(item) ? arena_append(arena, out, n, sizeof(*slot)) : NULL;

		if (slot)
			*slot = arena_strdup(arena, item->valuestring);
	}
}

static void read_links(struct arena *arena, const cJSON *array, struct endpoint *endpoint)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, array)
	{
		struct endpoint_link *link = arena_append(arena, &endpoint->links, &endpoint->n_links, sizeof(*link));
		const char *text = cJSON_IsString(item) ? item->valuestring : "";
		const char *colon = strrchr(text, ':');

		if (!link)
			return;
		link->container = arena_strndup(arena, text, colon ? (size_t) (colon - text) : strlen(text));
		link->alias = arena_strdup(arena, colon ? colon + 1 : text);
	}
}

/* Docker's EndpointSettings, for what no column has. */
static int read_settings(struct arena *arena, struct lease *lease, scow_error **error)
{
	struct endpoint *endpoint = lease->endpoint;
	_cleanup_json_ cJSON *settings = NULL;
	const cJSON *item, *address;

	if (!lease->settings || !*lease->settings)
		return shape_read(endpoint, NULL, arena, error);
	settings = cJSON_Parse(lease->settings);
	if (!settings)
		return error_set(error, SCOW_E_CORRUPT, "state.db: the settings of an endpoint");
	read_strings(arena, cJSON_GetObjectItemCaseSensitive(settings, "Aliases"), &endpoint->aliases, &endpoint->n_aliases);
	read_links(arena, cJSON_GetObjectItemCaseSensitive(settings, "Links"), endpoint);
	item = cJSON_GetObjectItemCaseSensitive(settings, "MacAddress");
	lease->has_mac = cJSON_IsString(item) && mac_parse(item->valuestring, endpoint->mac);
	item = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(settings, "IPAMConfig"), "LinkLocalIPs");
	cJSON_ArrayForEach(address, item)
	{
		struct address *slot = arena_append(arena, &endpoint->more, &endpoint->n_more, sizeof(*slot));

		if (slot)
			address_parse(cJSON_IsString(address) ? address->valuestring : NULL, slot);
	}
	if (arena_failed(arena))
		return error_oom(error);
	return shape_read(endpoint, cJSON_GetObjectItemCaseSensitive(settings, "DriverOpts"), arena, error);
}

/* ---- rows ---- */

static int read_rows(struct db_work *work, struct attachment *out, struct lease **leases, scow_error **error)
{
	struct arena *arena = &out->arena;
	size_t n = 0;
	sqlite3_stmt *row;
	int r = db_query(
		work, &row, error,
		"SELECT network, position, priority, wanted4, wanted6, interface, settings, ip4, ip6, mac, link, run FROM endpoints "
		"WHERE container = ? ORDER BY position",
		"t", out->id);

	for (; r > 0; r = db_step(work, row, error)) {
		struct lease *lease = arena_append(arena, leases, &n, sizeof(*lease));
		struct endpoint *endpoint = arena_append(arena, &out->endpoints, &out->n_endpoints, sizeof(*endpoint));

		if (!lease || !endpoint)
			return error_oom(error);
		snprintf(lease->network, sizeof(lease->network), "%s", db_text(row, 0));
		lease->interface = arena_strdup(arena, db_text(row, 5));
		lease->settings = endpoint->settings = arena_strdup(arena, db_text(row, 6));
		endpoint->position = (unsigned int) db_int(row, 1);
		endpoint->priority = (int) db_int(row, 2);
		if (!address_from_hex(db_text(row, 3), &lease->wanted4) || !address_from_hex(db_text(row, 4), &lease->wanted6) ||
		    !address_from_hex(db_text(row, 7), &endpoint->ip4) || !address_from_hex(db_text(row, 8), &endpoint->ip6))
			return error_set(error, SCOW_E_CORRUPT, "state.db: an address of container %.12s", out->id);
		mac_parse(db_text(row, 9), endpoint->mac);
		endpoint->leased = db_text(row, 9) != NULL;
		snprintf(endpoint->interface, sizeof(endpoint->interface), "%s", db_text(row, 10) ? db_text(row, 10) : "");
		out->run = (uint32_t) db_int(row, 11);
		endpoint->run = out->run;
	}
	return r;
}

/* @all: a network that was removed meanwhile is an error; else it is left out. */
static int load(struct db_work *work, const char *id, bool all, struct attachment *out, struct lease **leases, scow_error **error)
{
	size_t n = 0;
	int r;

	*out = (struct attachment){ .n_endpoints = 0 };
	*leases = NULL;
	snprintf(out->id, sizeof(out->id), "%s", id);
	r = read_rows(work, out, leases, error);
	for (size_t i = 0; i < out->n_endpoints && r == 0; i++) {
		struct lease *lease = &(*leases)[n];
		struct endpoint *endpoint = &out->endpoints[n];
		unsigned char mac[MAC_BYTES];

		*lease = (*leases)[i];
		*endpoint = out->endpoints[i];
		lease->endpoint = endpoint;
		memcpy(mac, endpoint->mac, MAC_BYTES);
		r = network_read(work, lease->network, &out->arena, &endpoint->network, error);
		if (r == SCOW_E_NOT_FOUND && !all) {
			error_clear(error);
			r = 0;
			continue;
		}
		if (r == 0)
			r = read_settings(&out->arena, lease, error);
		if (endpoint->leased)
			memcpy(endpoint->mac, mac, MAC_BYTES);
		snprintf(endpoint->port, sizeof(endpoint->port), "veth%.6s%x%04x", id, endpoint->position & 15, endpoint->run & 0xffff);
		n++;
	}
	out->n_endpoints = n;
	return r;
}

int network_free(struct db_work *work, const char *id, scow_error **error)
{
	int r = db_exec(work, error, "UPDATE endpoints SET ip4 = NULL, ip6 = NULL, mac = NULL, link = NULL WHERE container = ?", "t", id);

	return r < 0 ? r : 0;
}

int network_leased(struct db_work *work, const char *id, struct attachment *out, scow_error **error)
{
	struct lease *leases;
	int r = load(work, id, false, out, &leases, error);

	if (r < 0)
		attachment_done(out);
	return r;
}

/* ---- addresses ---- */

static int is_taken(struct db_work *work, const struct network *network, const struct address *address, scow_error **error)
{
	char hex[ADDRESS_HEX];
	sqlite3_stmt *row;

	address_hex(address, hex);
	if (address->family == AF_INET)
		return db_query(work, &row, error,
				"SELECT 1 FROM endpoints WHERE network = ?1 AND ip4 = ?2 UNION ALL "
				"SELECT 1 FROM endpoints WHERE network = ?1 AND wanted4 = ?2 UNION ALL "
				"SELECT 1 FROM reserved WHERE network = ?1 AND address = ?2 LIMIT 1",
				"tt", network->id, hex);
	return db_query(work, &row, error,
			"SELECT 1 FROM endpoints WHERE network = ?1 AND ip6 = ?2 UNION ALL "
			"SELECT 1 FROM endpoints WHERE network = ?1 AND wanted6 = ?2 UNION ALL "
			"SELECT 1 FROM reserved WHERE network = ?1 AND address = ?2 LIMIT 1",
			"tt", network->id, hex);
}

static int read_taken(struct db_work *work, const struct network *network, int family, struct arena *arena, struct address **out, size_t *n,
		      scow_error **error)
{
	sqlite3_stmt *row;
	int r;

	if (family == AF_INET)
		r = db_query(work, &row, error,
			     "SELECT ip4 FROM endpoints WHERE network = ?1 AND ip4 IS NOT NULL UNION "
			     "SELECT wanted4 FROM endpoints WHERE network = ?1 AND wanted4 IS NOT NULL UNION "
			     "SELECT address FROM reserved WHERE network = ?1 AND length(address) = 8 ORDER BY 1",
			     "t", network->id);
	else
		r = db_query(work, &row, error,
			     "SELECT ip6 FROM endpoints WHERE network = ?1 AND ip6 IS NOT NULL UNION "
			     "SELECT wanted6 FROM endpoints WHERE network = ?1 AND wanted6 IS NOT NULL UNION "
			     "SELECT address FROM reserved WHERE network = ?1 AND length(address) = 32 ORDER BY 1",
			     "t", network->id);
	for (; r > 0; r = db_step(work, row, error)) {
		struct address *slot = arena_append(arena, out, n, sizeof(*slot));

		if (!slot)
			return error_oom(error);
		if (!address_from_hex(db_text(row, 0), slot))
			return error_set(error, SCOW_E_CORRUPT, "state.db: an address of network '%s'", network->name);
	}
	return r;
}

static int note_given(struct db_work *work, const struct network *network, const struct pool *pool, const struct address *address,
		      scow_error **error)
{
	char hex[ADDRESS_HEX];
	int r = db_exec(work, error, "UPDATE pools SET last_given = ? WHERE network = ? AND position = ?", "tti", address_hex(address, hex),
			network->id, (int64_t) (pool - network->pools));

	return r < 0 ? r : 0;
}

/* 1 found, 0 none. */
static int search_pool(struct db_work *work, const struct network *network, const struct pool *pool, struct arena *arena,
		       struct address *out, scow_error **error)
{
	struct address *taken = NULL;
	size_t n = 0;
	int r;

	/* Nearly always the next one is free, and so no list is needed. */
	if (pool_next(pool, NULL, 0, out)) {
		r = is_taken(work, network, out, error);
		if (r <= 0)
			return r < 0 ? r : 1;
	}
	r = read_taken(work, network, pool->subnet.address.family, arena, &taken, &n, error);
	return r < 0 ? r : pool_next(pool, taken, n, out);
}

static int exhausted(const struct network *network, int family, scow_error **error)
{
	_cleanup_str_ struct str pools = { 0 };
	char text[PREFIX_TEXT];
	int r;

	for (size_t i = 0; i < network->n_pools; i++)
		if (network->pools[i].subnet.address.family == family)
			str_printf(&pools, "%s%s", pools.size ? ", " : "", prefix_format(&network->pools[i].range, text));
	r = error_set(error, SCOW_E_LIMIT, "network '%s' has no free address left in %s", network->name,
		      pools.data ? pools.data : "its pools");
	return error_hint(error, error_at(error, r, NULL, network->name), "stop or remove containers, or use a network with a larger pool");
}

static int find_free(struct db_work *work, const struct network *network, int family, struct arena *arena, struct address *out,
		     scow_error **error)
{
	for (size_t i = 0; i < network->n_pools; i++) {
		struct pool *pool = &network->pools[i];
		int r;

		if (pool->subnet.address.family != family)
			continue;
		r = search_pool(work, network, pool, arena, out, error);
		if (r > 0)
			return note_given(work, network, pool, out, error);
		if (r < 0)
			return r;
	}
	return exhausted(network, family, error);
}

int network_check_wanted(const struct network *network, const struct address *address, scow_error **error)
{
	const struct pool *pool = network_pool_of(network, address);
	char text[ADDRESS_TEXT], subnet[PREFIX_TEXT];

	address_format(address, text);
	if (!pool)
		return error_set(error, SCOW_E_INVALID, "the address %s is in no pool of network '%s'", text, network->name);
	if (!pool_allows(pool, address))
		return error_set(error, SCOW_E_INVALID, "the address %s of network '%s' is its gateway's, or the first or last of %s", text,
				 network->name, prefix_format(&pool->subnet, subnet));
	return 0;
}

static int take_wanted(struct db_work *work, const struct network *network, const char *id, const struct address *address,
		       scow_error **error)
{
	char hex[ADDRESS_HEX], text[ADDRESS_TEXT];
	sqlite3_stmt *row;
	int r;

	address_hex(address, hex);
	r = db_query(work, &row, error,
		     "SELECT c.name FROM endpoints e JOIN containers c ON c.id = e.container WHERE e.network = ?1 AND e.container != ?3 "
		     "AND (e.ip4 = ?2 OR e.ip6 = ?2)",
		     "ttt", network->id, hex, id);
	if (r > 0)
		return error_set(error, SCOW_E_BUSY, "the address %s of network '%s' is in use by container '%s'",
				 address_format(address, text), network->name, db_text(row, 0));
	if (r == 0)
		r = db_query(work, &row, error, "SELECT name FROM reserved WHERE network = ? AND address = ?", "tt", network->id, hex);
	if (r > 0)
		return error_set(error, SCOW_E_BUSY, "the address %s of network '%s' is reserved for '%s'", address_format(address, text),
				 network->name, db_text(row, 0));
	return r < 0 ? r : network_check_wanted(network, address, error);
}

static int choose(struct db_work *work, struct attachment *attachment, const struct network *network, unsigned int flag, int family,
		  const struct address *wanted, struct address *out, scow_error **error)
{
	int r;

	if (!(network->flags & flag))
		return 0;
	if (!wanted->family)
		return find_free(work, network, family, &attachment->arena, out, error);
	r = take_wanted(work, network, attachment->id, wanted, error);
	*out = *wanted;
	return r;
}

/* ---- names of links ---- */

static bool interface_is_used(const struct attachment *attachment, const struct lease *leases, const char *name)
{
	for (size_t i = 0; i < attachment->n_endpoints; i++)
		if (str_eq(attachment->endpoints[i].interface, name) || str_eq(leases[i].interface, name))
			return true;
	return false;
}

static void name_interface(struct attachment *attachment, const struct lease *leases, struct lease *lease)
{
	struct endpoint *endpoint = lease->endpoint;
	const char *prefix = NULL;

	if (lease->interface && *lease->interface) {
		snprintf(endpoint->interface, sizeof(endpoint->interface), "%s", lease->interface);
		return;
	}
	if (strstr(endpoint->network->settings, OPTION_PREFIX))
		prefix = network_option(endpoint->network, &attachment->arena, OPTION_PREFIX);
	for (unsigned int i = 0;; i++) {
		char name[LINK_NAME];

		snprintf(name, sizeof(name), "%s%u", prefix ? prefix : "eth", i);
		if (!interface_is_used(attachment, leases, name)) {
			memcpy(endpoint->interface, name, sizeof(name));
			return;
		}
	}
}

static int give(struct db_work *work, struct attachment *attachment, const struct lease *leases, struct lease *lease, scow_error **error)
{
	struct endpoint *endpoint = lease->endpoint;
	const struct network *network = endpoint->network;
	char ip4[ADDRESS_HEX], ip6[ADDRESS_HEX], mac[MAC_TEXT];
	int r = choose(work, attachment, network, NETWORK_IPV4, AF_INET, &lease->wanted4, &endpoint->ip4, error);

	if (r == 0)
		r = choose(work, attachment, network, NETWORK_IPV6, AF_INET6, &lease->wanted6, &endpoint->ip6, error);
	if (r == 0)
		r = shape_check(endpoint, error);
	if (r < 0)
		return r;
	if (!lease->has_mac)
		mac_of_address(endpoint->ip4.family ? &endpoint->ip4 : &endpoint->ip6, endpoint->mac);
	name_interface(attachment, leases, lease);
	endpoint->run = attachment->run;
	snprintf(endpoint->port, sizeof(endpoint->port), "veth%.6s%x%04x", attachment->id, endpoint->position & 15, endpoint->run & 0xffff);
	r = db_exec(work, error, "UPDATE endpoints SET ip4 = ?, ip6 = ?, mac = ?, link = ?, run = ? WHERE container = ? AND network = ?",
		    "ttttitt", address_hex(&endpoint->ip4, ip4), address_hex(&endpoint->ip6, ip6), mac_format(endpoint->mac, mac),
		    endpoint->interface, (int64_t) endpoint->run, attachment->id, network->id);
	return r < 0 ? r : 0;
}

int network_lease(struct db_work *work, const char *id, struct attachment *out, scow_error **error)
{
	struct lease *leases;
	uint16_t run = 0;
	int r = load(work, id, true, out, &leases, error);

	/* The numbers of the last run may still be those of a link. */
	(void) !getrandom(&run, sizeof(run), GRND_NONBLOCK);
	out->run = run;
	for (size_t i = 0; i < out->n_endpoints && r == 0; i++)
		if (!leases[i].endpoint->leased)
			r = give(work, out, leases, &leases[i], error);
	if (r < 0)
		attachment_done(out);
	return r;
}
