/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The networks that always are: "bridge", "host" and "none". Their rows are made when somebody first needs them, for only then does
 * anybody look at what the host uses.
 */
#include "network/network.h"

#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "network/subnet.h"

#define DEFAULT_LINK "scow0"

static int has_builtin(struct db_work *work, scow_error **error)
{
	sqlite3_stmt *row;

	return db_query(work, &row, error, "SELECT 1 FROM networks WHERE name = '" NETWORK_DEFAULT "'", "");
}

static int insert(struct db_work *work, struct network *network, const char *name, enum network_driver driver, unsigned int flags,
		  scow_error **error)
{
	if (!network->id[0] || driver != NETWORK_BRIDGE)
		random_hex(network->id, 32);
	network->name = name;
	network->driver = driver;
	network->flags = NETWORK_BUILTIN | flags;
	network->settings = "{}";
	network->created = now_ns();
	return network_insert(work, network, NULL, error);
}

static int choose_link(struct netns *ns, struct network *network, scow_error **error)
{
	struct link link;
	int r = netns_link(ns, DEFAULT_LINK, &link, error);

	if (r < 0)
		return r;
	if (r == 0)
		snprintf(network->link, sizeof(network->link), DEFAULT_LINK);
	else
		snprintf(network->link, sizeof(network->link), "br-%.12s", network->id);
	return 0;
}

static int make(struct netns *ns, scow_error **error)
{
	_cleanup_subnet_uses_ struct subnet_uses uses = { 0 };
	_cleanup_db_ struct db_work work = { 0 };
	struct network bridge = { .n_pools = 1 }, others = { .n_pools = 0 };
	struct pool pool;
	int r = network_clear_orphans(ns, error);

	bridge.pools = &pool;
	bridge.mtu = ns->engine->facts.rootless ? NETWORK_MTU_PLAIN : 0;
	if (r == 0)
		r = subnet_uses_host(ns, &uses, error);
	if (r == 0)
		r = db_begin(ns->engine->db, &work, error);
	if (r == 0)
		r = has_builtin(&work, error);
	if (r != 0)
		return r < 0 ? r : 0;
	r = subnet_uses_store(&work, &uses, error);
	if (r == 0)
		r = subnet_choose4(&uses, &pool, error);
	random_hex(bridge.id, 32);
	if (r == 0)
		r = choose_link(ns, &bridge, error);
	if (r == 0)
		r = insert(&work, &bridge, NETWORK_DEFAULT, NETWORK_BRIDGE, NETWORK_IPV4 | NETWORK_ICC | NETWORK_MASQUERADE, error);
	if (r == 0)
		r = insert(&work, &others, "host", NETWORK_HOST, 0, error);
	if (r == 0)
		r = insert(&work, &others, "none", NETWORK_NONE, 0, error);
	return r < 0 ? r : db_commit(&work, error);
}

/* ---- later ---- */

static int is_used(struct db_work *work, const struct network *network, scow_error **error)
{
	sqlite3_stmt *row;

	return db_query(work, &row, error, "SELECT 1 FROM endpoints WHERE network = ? AND mac IS NOT NULL LIMIT 1", "t", network->id);
}

static int write_choice(struct db_work *work, const struct network *network, const struct pool *pool, scow_error **error)
{
	char subnet[ADDRESS_HEX], gateway[ADDRESS_HEX];
	int r = db_exec(work, error, "UPDATE networks SET link = ? WHERE id = ?", "tt", network->link, network->id);

	address_hex(&pool->subnet.address, subnet);
	if (r >= 0)
		r = db_exec(work, error,
			    "UPDATE pools SET subnet = ?1, bits = ?2, range = ?1, range_bits = ?2, gateway = ?3, last_given = NULL "
			    "WHERE network = ?4 AND position = 0",
			    "titt", subnet, (int64_t) pool->subnet.bits, address_hex(&pool->gateway, gateway), network->id);
	return r < 0 ? r : 0;
}

/* One that somebody is just making for this very network has no mark yet. */
static bool is_others(const struct network *network, const struct link *link)
{
	return !network_link_is_ours(network, link) && (strcmp(link->kind, "bridge") != 0 || link->alias[0] || link->flags & IFF_UP);
}

static int choose_again(struct netns *ns, struct arena *arena, scow_error **error)
{
	_cleanup_subnet_uses_ struct subnet_uses host = { 0 };
	_cleanup_db_ struct db_work work = { 0 };
	struct network *network;
	bool link_is_taken;
	struct link link;
	struct pool pool;
	int r = network_clear_orphans(ns, error);

	if (r == 0)
		r = subnet_uses_host(ns, &host, error);
	if (r == 0)
		r = db_begin(ns->engine->db, &work, error);
	if (r == 0)
		r = network_read(&work, NETWORK_DEFAULT, arena, &network, error);
	if (r == 0)
		r = is_used(&work, network, error);
	if (r != 0)
		return r < 0 ? r : 0;
	/* Whoever has made it meanwhile, by this very choice, has come and gone. */
	r = netns_link(ns, network->link, &link, error);
	if (r < 0 || (r > 0 && network_link_is_ours(network, &link)))
		return r < 0 ? r : 0;
	link_is_taken = r > 0 && is_others(network, &link);
	pool = network->pools[0];
	if (!link_is_taken && !subnet_used_by(&host, &pool.subnet))
		return 0;
	r = 0;
	if (subnet_used_by(&host, &pool.subnet)) {
		r = subnet_uses_store(&work, &host, error);
		if (r == 0)
			r = subnet_choose4(&host, &pool, error);
	}
	if (r == 0 && link_is_taken)
		r = choose_link(ns, network, error);
	if (r == 0)
		r = write_choice(&work, network, &pool, error);
	return r < 0 ? r : db_commit(&work, error);
}

int network_settle_builtin(struct netns *ns, scow_error **error)
{
	struct db_work work = { 0 };
	struct arena arena = { 0 };
	struct network *network;
	struct link link;
	int r;

	db_lock(ns->engine->db, &work);
	r = network_read(&work, NETWORK_DEFAULT, &arena, &network, error);
	db_end(&work);
	if (r == 0)
		r = netns_link(ns, network->link, &link, error);
	if (r == 0 || (r > 0 && !network_link_is_ours(network, &link)))
		r = choose_again(ns, &arena, error);
	arena_done(&arena);
	return r < 0 ? error_wrap(error, r, "look after the network '" NETWORK_DEFAULT "'") : 0;
}

int network_ensure_builtin(scow_engine *engine, scow_error **error)
{
	_cleanup_netns_ struct netns ns = { 0 };
	struct db_work work = { 0 };
	int r;

	db_lock(engine->db, &work);
	r = has_builtin(&work, error);
	db_end(&work);
	if (r != 0)
		return r < 0 ? r : 0;
	r = netns_open_here(engine, &ns, error);
	return r < 0 ? r : make(&ns, error);
}
