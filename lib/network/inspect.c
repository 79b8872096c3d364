/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is told of networks in Docker's words: the document of `docker network inspect`, and what `docker inspect` has of a container's
 * networks. Addresses are those of now: one that does not run has none.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/str.h"
#include "network/config.h"
#include "network/endpoint-config.h"
#include "network/network-internal.h"

static bool put(cJSON *object, const char *name, const char *value)
{
	return cJSON_AddStringToObject(object, name, value) != NULL;
}

static bool put_item(cJSON *object, const char *name, cJSON *item)
{
	if (item && cJSON_AddItemToObject(object, name, item))
		return true;
	cJSON_Delete(item);
	return false;
}

static void format_time(int64_t ns, char out[40])
{
	const time_t seconds = (time_t) (ns / 1000000000);
	struct tm tm;
	size_t n;

	gmtime_r(&seconds, &tm);
	n = strftime(out, 40, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, 40 - n, ".%09lldZ", (long long) (ns % 1000000000));
}

/* ---- a network ---- */

static int put_reserved(struct db_work *work, const struct network *network, const struct pool *pool, cJSON *config, scow_error **error)
{
	cJSON *object = NULL;
	struct address address;
	char text[ADDRESS_TEXT];
	sqlite3_stmt *row;
	int r = db_query(work, &row, error, "SELECT name, address FROM reserved WHERE network = ?", "t", network->id);

	for (; r > 0; r = db_step(work, row, error)) {
		if (!address_from_hex(db_text(row, 1), &address) || !prefix_has(&pool->subnet, &address))
			continue;
		if (!object)
			object = cJSON_AddObjectToObject(config, "AuxiliaryAddresses");
		if (!object || !put(object, db_text(row, 0), address_format(&address, text)))
			return error_oom(error);
	}
	return r;
}

static int put_ipam(struct db_work *work, const struct network *network, cJSON *root, scow_error **error)
{
	cJSON *ipam = cJSON_AddObjectToObject(root, "IPAM"), *configs;
	int r = 0;

	if (!ipam || !put(ipam, "Driver", "default") || !cJSON_AddNullToObject(ipam, "Options") ||
	    !(configs = cJSON_AddArrayToObject(ipam, "Config")))
		return error_oom(error);
	for (size_t i = 0; i < network->n_pools && r == 0; i++) {
		const struct pool *pool = &network->pools[i];
		cJSON *config = cJSON_CreateObject();
		char subnet[PREFIX_TEXT], range[PREFIX_TEXT], gateway[ADDRESS_TEXT];

		if (!config || !cJSON_AddItemToArray(configs, config)) {
			cJSON_Delete(config);
			return error_oom(error);
		}
		prefix_format(&pool->subnet, subnet);
		prefix_format(&pool->range, range);
		if (!put(config, "Subnet", subnet) || (strcmp(subnet, range) != 0 && !put(config, "IPRange", range)) ||
		    (pool->gateway.family && !put(config, "Gateway", address_format(&pool->gateway, gateway))))
			return error_oom(error);
		r = put_reserved(work, network, pool, config, error);
	}
	return r;
}

static bool put_address(cJSON *object, const char *name, const struct network *network, const char *hex)
{
	char text[ADDRESS_TEXT + 8] = "";
	struct address address;
	const struct pool *pool;

	if (hex && address_from_hex(hex, &address) && address.family) {
		address_format(&address, text);
		pool = network_pool_of(network, &address);
		snprintf(text + strlen(text), 8, "/%u", pool ? pool->subnet.bits : address_bits(&address));
	}
	return put(object, name, text);
}

static void endpoint_id(const char *network, const char *container, char out[65])
{
	snprintf(out, 65, "%.32s%.32s", network, container);
}

static int put_containers(struct db_work *work, const struct network *network, cJSON *root, scow_error **error)
{
	cJSON *containers = cJSON_AddObjectToObject(root, "Containers");
	sqlite3_stmt *row;
	int r = db_query(work, &row, error,
			 "SELECT c.id, c.name, e.mac, e.ip4, e.ip6 FROM endpoints e JOIN containers c ON c.id = e.container "
			 "WHERE e.network = ? AND e.mac IS NOT NULL ORDER BY c.name",
			 "t", network->id);

	for (; r > 0 && containers; r = db_step(work, row, error)) {
		cJSON *object = cJSON_AddObjectToObject(containers, db_text(row, 0));
		char id[65];

		endpoint_id(network->id, db_text(row, 0), id);
		if (!object || !put(object, "Name", db_text(row, 1)) || !put(object, "EndpointID", id) ||
		    !put(object, "MacAddress", db_text(row, 2)) || !put_address(object, "IPv4Address", network, db_text(row, 3)) ||
		    !put_address(object, "IPv6Address", network, db_text(row, 4)))
			return error_oom(error);
	}
	return containers ? r : error_oom(error);
}

static bool put_settings(const struct network *network, const char *name, cJSON *root)
{
	_cleanup_json_ cJSON *settings = cJSON_Parse(network->settings);
	cJSON *item = cJSON_DetachItemFromObjectCaseSensitive(settings, name);

	return put_item(root, name, item ? item : cJSON_CreateObject());
}

static int inspect(struct db_work *work, const struct network *network, cJSON *root, scow_error **error)
{
	char created[40];
	cJSON *from;
	bool ok;
	int r;

	format_time(network->created, created);
	ok = put(root, "Name", network->name) && put(root, "Id", network->id) && put(root, "Created", created) &&
	     put(root, "Scope", "local") && put(root, "Driver", network_driver_name(network->driver)) &&
	     cJSON_AddBoolToObject(root, "EnableIPv4",
				   network->driver == NETWORK_HOST || network->driver == NETWORK_NONE || network->flags & NETWORK_IPV4) &&
	     cJSON_AddBoolToObject(root, "EnableIPv6", network->flags & NETWORK_IPV6);
	if (!ok)
		return error_oom(error);
	r = put_ipam(work, network, root, error);
	if (r < 0)
		return r;
	ok = cJSON_AddBoolToObject(root, "Internal", network->flags & NETWORK_INTERNAL) &&
	     cJSON_AddBoolToObject(root, "Attachable", false) && cJSON_AddBoolToObject(root, "Ingress", false) &&
	     (from = cJSON_AddObjectToObject(root, "ConfigFrom")) && put(from, "Network", "") &&
	     cJSON_AddBoolToObject(root, "ConfigOnly", false);
	r = ok ? put_containers(work, network, root, error) : error_oom(error);
	if (r < 0)
		return r;
	return put_settings(network, "Options", root) && put_settings(network, "Labels", root) &&
			       (!network->link[0] || put(root, "Interface", network->link))
		       ? 0
		       : error_oom(error);
}

int scow_network_inspect_json(scow_network *network, char **out, scow_error **error)
{
	_cleanup_json_ cJSON *root = cJSON_CreateObject();
	_cleanup_db_ struct db_work work = { 0 };
	struct network *read;
	struct arena arena = { 0 };
	int r = network_check(network, error);

	if (r == 0 && !out)
		r = error_set(error, SCOW_E_INVALID, "no place for the document was given");
	if (r < 0)
		return r;
	db_lock(network->engine->db, &work);
	r = root ? network_read(&work, network->id, &arena, &read, error) : error_oom(error);
	if (r == 0)
		r = inspect(&work, read, root, error);
	db_end(&work);
	if (r == 0 && !(*out = json_print(root)))
		r = error_oom(error);
	arena_done(&arena);
	return r;
}

/* ---- a container's networks ---- */

static bool put_text(cJSON *object, const char *name, const struct address *address)
{
	char text[ADDRESS_TEXT];

	return put(object, name, address_format(address, text));
}

static bool put_prefix(cJSON *object, const char *name, const struct endpoint *endpoint, const struct address *address)
{
	const struct pool *pool = network_pool_of(endpoint->network, address);

	return cJSON_AddNumberToObject(object, name, address->family && pool ? pool->subnet.bits : 0) != NULL;
}

static bool put_null(cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name) || cJSON_AddNullToObject(object, name);
}

static bool put_names(cJSON *object, const struct attachment *attachment, const struct endpoint *endpoint)
{
	cJSON *names;
	char id[13];
	bool ok = true;

	if (!network_has_names(endpoint->network))
		return cJSON_AddNullToObject(object, "DNSNames") != NULL;
	names = cJSON_AddArrayToObject(object, "DNSNames");
	snprintf(id, sizeof(id), "%.12s", attachment->id);
	ok = names && cJSON_AddItemToArray(names, cJSON_CreateString(attachment->name ? attachment->name : ""));
	for (size_t i = 0; ok && i < endpoint->n_aliases; i++)
		ok = cJSON_AddItemToArray(names, cJSON_CreateString(endpoint->aliases[i]));
	return ok && cJSON_AddItemToArray(names, cJSON_CreateString(id));
}

cJSON *network_endpoint_json(const struct attachment *attachment, const struct endpoint *endpoint)
{
	cJSON *object = endpoint->settings && *endpoint->settings ? cJSON_Parse(endpoint->settings) : cJSON_CreateObject();
	static const struct address none;
	bool up = endpoint->leased;
	char id[65] = "", mac[MAC_TEXT] = "";
	bool ok;

	if (up)
		endpoint_id(endpoint->network->id, attachment->id, id);
	if (up)
		mac_format(endpoint->mac, mac);
	if (up)
		cJSON_DeleteItemFromObjectCaseSensitive(object, "MacAddress");
	ok = object && put_null(object, "IPAMConfig") && put_null(object, "Links") && put_null(object, "Aliases") &&
	     put_null(object, "DriverOpts") && (cJSON_GetObjectItemCaseSensitive(object, "MacAddress") || put(object, "MacAddress", mac)) &&
	     (cJSON_GetObjectItemCaseSensitive(object, "GwPriority") || cJSON_AddNumberToObject(object, "GwPriority", 0)) &&
	     put(object, "NetworkID", endpoint->network->id) && put(object, "EndpointID", id) &&
	     put_text(object, "Gateway", up ? endpoint_gateway(endpoint, AF_INET) : &none) &&
	     put_text(object, "IPAddress", &endpoint->ip4) && put_prefix(object, "IPPrefixLen", endpoint, &endpoint->ip4) &&
	     put_text(object, "IPv6Gateway", up ? endpoint_gateway(endpoint, AF_INET6) : &none) &&
	     put_text(object, "GlobalIPv6Address", &endpoint->ip6) && put_prefix(object, "GlobalIPv6PrefixLen", endpoint, &endpoint->ip6) &&
	     put_names(object, attachment, endpoint) && put(object, "InterfaceName", up ? endpoint->interface : "");
	if (ok)
		return object;
	cJSON_Delete(object);
	return NULL;
}

/* The single addresses at the top are those of "bridge", as with Docker, for programs that are older than networks. */
static bool put_top(cJSON *root, const struct attachment *attachment)
{
	static const char *const names[] = { "EndpointID", "Gateway", "GlobalIPv6Address", "IPAddress", "IPv6Gateway", "MacAddress" };
	static const char *const numbers[] = { "GlobalIPv6PrefixLen", "IPPrefixLen" };
	_cleanup_json_ cJSON *endpoint = NULL;
	bool ok = true;

	for (size_t i = 0; i < attachment->n_endpoints && !endpoint; i++)
		if (str_eq(attachment->endpoints[i].network->name, NETWORK_DEFAULT))
			endpoint = network_endpoint_json(attachment, &attachment->endpoints[i]);
	for (size_t i = 0; ok && i < ARRAY_SIZE(names); i++) {
		const cJSON *item = cJSON_GetObjectItemCaseSensitive(endpoint, names[i]);

		ok = put(root, names[i], cJSON_IsString(item) ? item->valuestring : "");
	}
	for (size_t i = 0; ok && i < ARRAY_SIZE(numbers); i++) {
		const cJSON *item = cJSON_GetObjectItemCaseSensitive(endpoint, numbers[i]);

		ok = cJSON_AddNumberToObject(root, numbers[i], cJSON_IsNumber(item) ? item->valuedouble : 0) != NULL;
	}
	return ok;
}

cJSON *network_settings_json(const struct attachment *attachment)
{
	cJSON *root = cJSON_CreateObject(), *networks;
	char key[80] = "";
	bool ok;

	if (attachment->n_endpoints && attachment->endpoints[0].leased)
		snprintf(key, sizeof(key), "%.12s", attachment->id);
	ok = root && put(root, "Bridge", "") && put(root, "SandboxID", *key ? attachment->id : "") && put(root, "SandboxKey", "") &&
	     cJSON_AddObjectToObject(root, "Ports") && put_top(root, attachment) && (networks = cJSON_AddObjectToObject(root, "Networks"));
	for (size_t i = 0; ok && i < attachment->n_endpoints; i++)
		ok = put_item(networks, attachment->endpoints[i].network->name,
			      network_endpoint_json(attachment, &attachment->endpoints[i]));
	if (ok)
		return root;
	cJSON_Delete(root);
	return NULL;
}
