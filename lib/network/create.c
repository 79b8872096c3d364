/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Making a network: from a config to a row. Nothing is made on the host: that does the first container that starts on it.
 */
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/str.h"
#include "network/config.h"
#include "network/network-internal.h"
#include "network/subnet.h"
#include "store/lock.h"

static bool name_is_valid(const char *name)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	static const char more[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

	return name && *name && strspn(name, first) && !name[strspn(name, more)] && strlen(name) <= 255;
}

static int check_name(const char *name, scow_error **error)
{
	if (!name_is_valid(name))
		return error_set(error, SCOW_E_INVALID, "'%s' is not a name for a network: only [a-zA-Z0-9][a-zA-Z0-9_.-]* is",
				 name ? name : "");
	if (str_eq(name, "default"))
		return error_set(error, SCOW_E_EXISTS, "the name '%s' is that of the default network", name);
	return 0;
}

/* ---- settings ---- */

static bool add_pairs(cJSON *root, const char *name, const struct network_pair *pairs, size_t n)
{
	cJSON *object = cJSON_AddObjectToObject(root, name);
	bool ok = object != NULL;

	for (size_t i = 0; ok && i < n; i++)
		ok = cJSON_AddStringToObject(object, pairs[i].name, pairs[i].value) != NULL;
	return ok;
}

static char *settings_of(const scow_network_config *config)
{
	_cleanup_json_ cJSON *root = cJSON_CreateObject();

	if (!root || !add_pairs(root, "Options", config->options, config->n_options) ||
	    !add_pairs(root, "Labels", config->labels, config->n_labels))
		return NULL;
	return json_print(root);
}

static unsigned int flags_of(const scow_network_config *config)
{
	unsigned int flags = 0;

	flags |= config->internal ? NETWORK_INTERNAL : 0;
	flags |= config->no_ipv4 ? 0 : NETWORK_IPV4;
	flags |= config->ipv6 ? NETWORK_IPV6 : 0;
	flags |= config->no_icc ? 0 : NETWORK_ICC;
	flags |= config->no_masquerade || config->internal ? 0 : NETWORK_MASQUERADE;
	flags |= config->ephemeral ? NETWORK_EPHEMERAL : 0;
	return flags;
}

/* ---- pools ---- */

static bool has_family(const struct network *network, int family)
{
	for (size_t i = 0; i < network->n_pools; i++)
		if (network->pools[i].subnet.address.family == family)
			return true;
	return false;
}

static int add_chosen(struct arena *arena, struct network *network, const struct pool *pool, scow_error **error)
{
	struct pool *slot = arena_append(arena, &network->pools, &network->n_pools, sizeof(*slot));

	if (!slot)
		return error_oom(error);
	*slot = *pool;
	return 0;
}

static int check_pools(const struct subnet_uses *uses, const struct network *network, scow_error **error)
{
	char text[PREFIX_TEXT];

	for (size_t i = 0; i < network->n_pools; i++) {
		const char *by = subnet_used_by(uses, &network->pools[i].subnet);

		if (by)
			return error_hint(error,
					  error_set(error, SCOW_E_BUSY, "the subnet %s overlaps with one in use by %s",
						    prefix_format(&network->pools[i].subnet, text), by),
					  "choose another subnet, or none: then a free one is found");
	}
	return 0;
}

static int fill_pools(struct db_work *work, struct arena *arena, struct subnet_uses *uses, struct network *network, scow_error **error)
{
	struct pool pool;
	int r = subnet_uses_store(work, uses, error);

	/* A macvlan's subnet is that of the parent's network: the host has addresses of it. */
	if (r == 0 && network->driver == NETWORK_BRIDGE)
		r = check_pools(uses, network, error);
	if (r == 0 && (network->flags & NETWORK_IPV4) && !has_family(network, AF_INET)) {
		r = subnet_choose4(uses, &pool, error);
		if (r == 0)
			r = add_chosen(arena, network, &pool, error);
	}
	if (r == 0 && (network->flags & NETWORK_IPV6) && !has_family(network, AF_INET6)) {
		r = subnet_choose6(work, uses, &pool, error);
		if (r == 0)
			r = add_chosen(arena, network, &pool, error);
	}
	return r;
}

static int insert_reserved(struct db_work *work, const struct network *network, const scow_network_config *config, scow_error **error)
{
	char hex[ADDRESS_HEX];
	int r = 0;

	for (size_t i = 0; i < config->n_reserved && r >= 0; i++)
		r = db_exec(work, error, "INSERT OR REPLACE INTO reserved (network, address, name) VALUES (?, ?, ?)", "ttt", network->id,
			    address_hex(&config->reserved[i].address, hex), config->reserved[i].name);
	return r < 0 ? r : 0;
}

/* ---- the link ---- */

/* A kernel without the driver says so before it looks at anything else. */
static int probe_driver(struct netns *ns, const struct network *network, scow_error **error)
{
	const char *kind = network->driver == NETWORK_MACVLAN ? "macvlan" : "ipvlan";
	const struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
	_cleanup_batch_ struct batch batch = { 0 };
	size_t info;
	int refused, r;

	if (network->driver == NETWORK_BRIDGE)
		return 0;
	batch_message(&batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
	info = batch_nest(&batch, IFLA_LINKINFO);
	batch_text(&batch, IFLA_INFO_KIND, kind);
	batch_nest_end(&batch, info);
	r = netns_try(ns, &batch, NULL, &refused, error);
	if (r == 0 && refused == -EOPNOTSUPP)
		return error_set(error, SCOW_E_UNSUPPORTED, "this kernel has no %s: CONFIG_%s", kind,
				 network->driver == NETWORK_MACVLAN ? "MACVLAN" : "IPVLAN");
	if (r == 0 && network->driver == NETWORK_IPVLAN)
		return error_set(error, SCOW_E_UNSUPPORTED, "this version has no ipvlan networks");
	return r;
}

static int check_link(struct netns *ns, const struct network *network, scow_error **error)
{
	struct link link;
	int r = probe_driver(ns, network, error);

	if (r == 0)
		r = netns_link(ns, network->link, &link, error);
	if (r < 0)
		return r;
	/* A plain user's bridges are elsewhere. */
	if (network->driver == NETWORK_BRIDGE && r > 0 && !ns->engine->facts.rootless)
		return error_set(error, SCOW_E_BUSY, "com.docker.network.bridge.name: there is a link '%s' already", network->link);
	if (network->driver != NETWORK_BRIDGE && r == 0)
		return error_set(error, SCOW_E_NOT_FOUND, "parent: there is no link '%s'", network->link);
	return 0;
}

/* @uses has the host's, and gets the store's. */
static int insert(scow_engine *engine, struct subnet_uses *uses, struct arena *arena, struct network *network,
		  const scow_network_config *config, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *row;
	int r = db_begin(engine->db, &work, error);

	if (r == 0)
		r = fill_pools(&work, arena, uses, network, error);
	if (r == 0)
		r = db_query(&work, &row, error, "SELECT name FROM networks WHERE link = ? AND driver = 0", "t", network->link);
	if (r > 0 && network->driver == NETWORK_BRIDGE)
		return error_set(error, SCOW_E_EXISTS, "com.docker.network.bridge.name: '%s' is that of network '%s'", network->link,
				 db_text(row, 0));
	if (r >= 0)
		r = network_insert(&work, network, network->flags & NETWORK_EPHEMERAL ? engine->owner_id : NULL, error);
	if (r == 0)
		r = insert_reserved(&work, network, config, error);
	if (r == 0)
		r = network_event(&work, "create", network->id, network->name, network->driver, NULL, error);
	return r < 0 ? r : db_commit(&work, error);
}

static void describe(struct network *network, const char *name, const scow_network_config *config, const char *settings)
{
	random_hex(network->id, 32);
	network->name = name;
	network->driver = config->driver;
	network->flags = flags_of(config);
	network->mtu = config->mtu;
	network->mode = config->mode;
	network->settings = settings;
	network->created = now_ns();
	if (config->link)
		snprintf(network->link, sizeof(network->link), "%s", config->link);
	else
		snprintf(network->link, sizeof(network->link), "br-%.12s", network->id);
}

static int create(scow_engine *engine, struct arena *arena, const char *name, const scow_network_config *config, scow_network **out,
		  scow_error **error)
{
	_cleanup_subnet_uses_ struct subnet_uses uses = { 0 };
	_cleanup_(scow_network_unrefp) scow_network *handle = NULL;
	_cleanup_free_ char *settings = settings_of(config);
	_cleanup_netns_ struct netns ns = { 0 };
	struct network network = { .n_pools = 0 };
	int r = settings ? network_ensure_builtin(engine, error) : error_oom(error);

	if (r == 0 && config->ephemeral)
		r = owner_register(engine, error);
	if (r == 0)
		r = netns_open_here(engine, &ns, error);
	if (r < 0)
		return r;
	describe(&network, name, config, settings);
	if (!network.mtu && engine->facts.rootless)
		network.mtu = NETWORK_MTU_PLAIN;
	for (size_t i = 0; i < config->n_pools && r == 0; i++)
		r = add_chosen(arena, &network, &config->pools[i], error);
	if (r == 0)
		r = network_clear_orphans(&ns, error);
	if (r == 0)
		r = check_link(&ns, &network, error);
	if (r == 0)
		r = subnet_uses_host(&ns, &uses, error);
	if (r == 0)
		r = network_handle(engine, &network, &handle, error);
	if (r == 0)
		r = insert(engine, &uses, arena, &network, config, error);
	if (r < 0)
		return error_wrap(error, r, "create network '%s'", name);
	handle->created_here = true;
	if (out)
		*out = take_ptr(&handle);
	return 0;
}

int scow_network_create(scow_engine *engine, const char *name, const scow_network_config *config, scow_network **out, scow_error **error)
{
	static const scow_network_config defaults;
	struct arena arena = { 0 };
	int r = engine_check(engine, error);

	if (r == 0)
		r = check_name(name, error);
	if (!config)
		config = &defaults;
	if (r == 0)
		r = network_config_check(config, error);
	if (r == 0 && config->ephemeral && !out)
		r = error_set(error, SCOW_E_INVALID, "an ephemeral network goes with its handle, and no place for that was given");
	if (r == 0 && engine->facts.rootless && config->driver != NETWORK_BRIDGE)
		r = error_set(error, SCOW_E_UNSUPPORTED, "a plain user's networks are bridges, not %s: the host's links are not his",
			      network_driver_name(config->driver));
	if (r == 0)
		r = create(engine, &arena, name, config, out, error);
	arena_done(&arena);
	return r;
}
