/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bridges: there when a container starts, whoever made, deleted or forgot them.
 *
 * 1. A bridge is ours if its alias says so (orphan.c): two stores on one host, or somebody's own bridge, never mix.
 * 2. The usual start finds it up, by one question. What is missing is made under a lock between processes, so that nobody sees it half
 *    made; it is up only when all of it is there.
 * 3. No spanning tree, a MAC that does not change with its ports, no router advertisements.
 */
#include "network/network.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "network/firewall.h"
#include "store/lock.h"

/* By the network's id, so that it is the same after a boot. */
static void mac_of(const struct network *network, unsigned char out[MAC_BYTES])
{
	unsigned int bytes[4] = { 0 };

	sscanf(network->id, "%2x%2x%2x%2x", &bytes[0], &bytes[1], &bytes[2], &bytes[3]);
	out[0] = 0x02;
	out[1] = 0x42;
	for (int i = 0; i < 4; i++)
		out[2 + i] = (unsigned char) bytes[i];
}

static int make(struct netns *ns, const struct network *network, scow_error **error)
{
	const struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
	_cleanup_batch_ struct batch batch = { 0 };
	unsigned char mac[MAC_BYTES];
	size_t info, data;

	mac_of(network, mac);
	batch_message(&batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
	batch_text(&batch, IFLA_IFNAME, network->link);
	batch_attribute(&batch, IFLA_ADDRESS, mac, sizeof(mac));
	if (network->mtu)
		batch_u32(&batch, IFLA_MTU, network->mtu);
	info = batch_nest(&batch, IFLA_LINKINFO);
	batch_text(&batch, IFLA_INFO_KIND, "bridge");
	data = batch_nest(&batch, IFLA_INFO_DATA);
	batch_u32(&batch, IFLA_BR_STP_STATE, 0);
	batch_nest_end(&batch, data);
	batch_nest_end(&batch, info);
	return netns_send(ns, &batch, NULL, error);
}

static void set_link(struct batch *batch, const struct network *network, unsigned int flags)
{
	const struct ifinfomsg header = { .ifi_family = AF_UNSPEC, .ifi_flags = flags, .ifi_change = flags };

	batch_message(batch, RTM_NEWLINK, 0, &header, sizeof(header));
	batch_patch_header(batch, WIRE_PATCH_INDEX, network->link, offsetof(struct ifinfomsg, ifi_index));
}

static void add_gateway(struct batch *batch, const struct network *network, const struct pool *pool)
{
	const struct ifaddrmsg header = {
		.ifa_family = (unsigned char) pool->gateway.family,
		.ifa_prefixlen = (unsigned char) pool->subnet.bits,
	};
	struct address broadcast;

	batch_message(batch, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &header, sizeof(header));
	batch_patch_header(batch, WIRE_PATCH_INDEX, network->link, offsetof(struct ifaddrmsg, ifa_index));
	batch_attribute(batch, IFA_LOCAL, pool->gateway.bytes, address_size(&pool->gateway));
	batch_attribute(batch, IFA_ADDRESS, pool->gateway.bytes, address_size(&pool->gateway));
	if (pool->gateway.family == AF_INET6) {
		batch_u32(batch, IFA_FLAGS, IFA_F_NODAD);
	} else {
		prefix_last(&pool->subnet, &broadcast);
		batch_attribute(batch, IFA_BROADCAST, broadcast.bytes, address_size(&broadcast));
	}
}

static int set_up(struct netns *ns, const struct network *network, scow_error **error)
{
	_cleanup_batch_ struct batch batch = { 0 };
	char alias[LINK_ALIAS], sysctl[64];
	int r = 0;

	/* The host's own programs reach published ports by 127.0.0.1, too; firewall-rules.c keeps containers from using that. */
	snprintf(sysctl, sizeof(sysctl), "net/ipv4/conf/%s/route_localnet", network->link);
	if (network->flags & NETWORK_IPV4)
		r = netns_sysctl(ns, sysctl, "1", error);
	snprintf(sysctl, sizeof(sysctl), "net/ipv6/conf/%s/%s", network->link,
		 network->flags & NETWORK_IPV6 ? "accept_ra" : "disable_ipv6");
	if (r == 0 && (network->flags & NETWORK_IPV6)) {
		r = netns_sysctl(ns, sysctl, "0", error);
	} else if (r == 0) {
		/* Without it the host would be reached by its link-local address. A kernel without IPv6 has no such file. */
		(void) netns_sysctl(ns, sysctl, "1", NULL);
	}
	if (r < 0)
		return r;
	network_alias(ns, network, alias);
	set_link(&batch, network, 0);
	batch_text(&batch, IFLA_IFALIAS, alias);
	for (size_t i = 0; i < network->n_pools; i++)
		if (network->pools[i].gateway.family)
			add_gateway(&batch, network, &network->pools[i]);
	set_link(&batch, network, IFF_UP);
	return netns_send(ns, &batch, NULL, error);
}

/* 1 there and up, 0 to be made or finished, or why it cannot be. */
static int look(struct netns *ns, const struct network *network, struct link *link, scow_error **error)
{
	int r = netns_link(ns, network->link, link, error);

	if (r <= 0)
		return r;
	if (!network_link_is_ours(network, link))
		return error_hint(error,
				  error_set(error, SCOW_E_BUSY,
					    "the bridge '%s' of network '%s' cannot be made: a link of that name is there, %s",
					    network->link, network->name,
					    network_alias_is_of_a_store(link->alias) ? "of another store's network" : "which is not ours"),
				  "choose another name with the option com.docker.network.bridge.name");
	return link->flags & IFF_UP ? 1 : 0;
}

static int make_locked(struct netns *ns, const struct network *network, scow_error **error)
{
	struct link link;
	int r = netns_link(ns, network->link, &link, error);

	/* One that its maker has not come to mark is nobody's: who makes them holds the lock. */
	if (r > 0 && !(strcmp(link.kind, "bridge") == 0 && !link.alias[0] && !(link.flags & IFF_UP)))
		r = look(ns, network, &link, error);
	else if (r > 0)
		r = 0;
	else if (r == 0)
		r = make(ns, network, error);
	if (r == 0)
		r = set_up(ns, network, error);
	return r < 0 ? r : 0;
}

static int prepare_bridge(struct netns *ns, const struct network *network, scow_error **error)
{
	char name[24];
	struct link link;
	int r, lock;

	r = netns_link(ns, network->link, &link, error);
	if (r < 0)
		return r;
	if (r > 0 && link.flags & IFF_UP)
		r = look(ns, network, &link, error);
	else
		r = 0;
	if (r != 0)
		return r < 0 ? r : 0;
	snprintf(name, sizeof(name), "bridge-%.12s", network->id);
	lock = work_lock(ns->engine, name, NULL, error);
	if (lock < 0)
		return lock;
	r = make_locked(ns, network, error);
	work_unlock(ns->engine, name, lock);
	return r < 0 ? error_wrap(error, r, "make the bridge '%s' of network '%s'", network->link, network->name) : 0;
}

static int check_parent(struct netns *ns, const struct network *network, scow_error **error)
{
	int index = netns_link_index(ns, network->link);

	return index > 0 ? 0
			 : error_set(error, SCOW_E_NOT_FOUND, "network '%s': its parent, the link '%s', is not there", network->name,
				     network->link);
}

/* The firewall did not know a network on which others run: somebody has flushed it, and another store's start has made it anew. */
static int note_flushed(struct netns *ns, const struct network *network, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *row;
	int r;

	db_lock(ns->engine->db, &work);
	r = db_query(&work, &row, error, "SELECT count(*) FROM endpoints WHERE network = ? AND mac IS NOT NULL", "t", network->id);
	if (r > 0 && db_int(row, 0) > 1)
		ns->rebuilt = true;
	return r < 0 ? r : 0;
}

int network_prepare_one(struct netns *ns, const struct network *network, scow_error **error)
{
	int r;

	switch (network->driver) {
	case NETWORK_BRIDGE:
		r = prepare_bridge(ns, network, error);
		if (r == 0)
			r = firewall_prepare(ns, network, error);
		if (r < 0 || !ns->added)
			return r;
		firewall_warn(ns, network);
		r = firewall_forward(ns, network, error);
		return r < 0 ? r : note_flushed(ns, network, error);
	case NETWORK_MACVLAN:
		return check_parent(ns, network, error);
	case NETWORK_IPVLAN:
	case NETWORK_NONE:
	case NETWORK_HOST:
		break;
	}
	return error_set(error, SCOW_E_UNSUPPORTED, "network '%s': containers cannot join it like this", network->name);
}

int network_reload(struct netns *ns, const struct network *network, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *row;
	int r;

	if (network->driver != NETWORK_BRIDGE)
		return 0;
	db_lock(ns->engine->db, &work);
	r = db_query(&work, &row, error, "SELECT 1 FROM endpoints WHERE network = ? AND mac IS NOT NULL LIMIT 1", "t", network->id);
	db_end(&work);
	if (r <= 0)
		return r;
	r = prepare_bridge(ns, network, error);
	if (r == 0)
		r = firewall_repair(ns, network, error);
	return r < 0 ? r : firewall_forward(ns, network, error);
}

int network_prepare(struct netns *ns, const struct attachment *attachment, scow_error **error)
{
	int r = 0;

	for (size_t i = 0; i < attachment->n_endpoints && r == 0; i++)
		r = network_prepare_one(ns, attachment->endpoints[i].network, error);
	return r;
}

int network_unmake(struct netns *ns, const struct network *network, scow_error **error)
{
	struct link link;
	int r;

	if (network->driver != NETWORK_BRIDGE)
		return 0;
	r = firewall_remove(ns, network, error);
	if (r == 0)
		r = netns_link(ns, network->link, &link, error);
	if (r <= 0)
		return r;
	return network_link_is_ours(network, &link) ? netns_link_delete(ns, network->link, error) : 0;
}
