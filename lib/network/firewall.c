/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Networks in the firewall: what the rules (firewall-rules.c) know of them.
 *
 * 1. A network is there if its bridge is in the set "bridges": that is asked before each start. Where it is not, all of the rules and
 *    the network's elements are written in one transaction, which changes nothing where they were there.
 * 2. The last network takes the tables along. Whether it was the last is asked, and then deleted only if nobody changed anything since.
 * 3. Subnets overlap with none, or with those of a bridge that somebody has deleted: such are dropped.
 */
#include "network/firewall.h"

#include <errno.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <string.h>

#include "base/cleanup.h"
#include "network/firewall-rules.h"

#define OPTION_MODE4 "com.docker.network.bridge.gateway_mode_ipv4"
#define OPTION_MODE6 "com.docker.network.bridge.gateway_mode_ipv6"
#define TRIES 20

static void arena_donep(struct arena *arena)
{
	arena_done(arena);
}

/* ---- networks ---- */

int firewall_mode(const struct network *network, int family, enum gateway_mode *out, scow_error **error)
{
	static const char *const names[] = { "nat", "nat-unprotected", "routed", "isolated" };
	__attribute__((cleanup(arena_donep))) struct arena arena = { 0 };
	const char *option = family == AF_INET ? OPTION_MODE4 : OPTION_MODE6, *text = network_option(network, &arena, option);

	*out = GATEWAY_NAT;
	if (arena_failed(&arena))
		return error_oom(error);
	if (!text || !*text)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(names[i], text) != 0)
			continue;
		*out = (enum gateway_mode) i;
		return 0;
	}
	return error_set(error, SCOW_E_INVALID, "network '%s': the option '%s' is nat, nat-unprotected, routed or isolated, not '%s'",
			 network->name, option, text);
}

static void put(struct nft *nft, unsigned int type, const char *set, const void *key, size_t size)
{
	nft_elements(nft, type, set);
	nft_element(nft, key, size, NULL, 0);
	nft_elements_end(nft);
}

static void put_subnets(struct nft *nft, unsigned int type, const struct network *network)
{
	for (size_t i = 0; i < network->n_pools; i++) {
		const struct prefix *subnet = &network->pools[i].subnet;
		struct address first, last;

		prefix_first(subnet, &first);
		prefix_last(subnet, &last);
		nft_elements(nft, type, first.family == AF_INET ? "subnets4" : "subnets6");
		nft_interval(nft, &first, &last, network->link);
		nft_elements_end(nft);
	}
}

struct of_family {
	unsigned char number, zeros[3];
	char link[LINK_NAME];
};

static void put_mode(struct nft *nft, unsigned int type, const struct network *network, unsigned char family, enum gateway_mode mode)
{
	struct of_family key = { .number = family };

	memcpy(key.link, network->link, sizeof(key.link));
	if (mode == GATEWAY_NAT_UNPROTECTED)
		put(nft, type, "direct", &key, sizeof(key));
	if (mode == GATEWAY_ROUTED)
		put(nft, type, "routed", &key, sizeof(key));
	if (mode <= GATEWAY_NAT_UNPROTECTED && network->flags & NETWORK_MASQUERADE && !(network->flags & NETWORK_INTERNAL))
		put(nft, type, "outward", &key, sizeof(key));
}

/* All that the rules know of a network. */
static int put_network(struct nft *nft, unsigned int type, const struct network *network, scow_error **error)
{
	char pair[2 * LINK_NAME];
	enum gateway_mode mode4, mode6;
	int r = firewall_mode(network, AF_INET, &mode4, error);

	if (r == 0)
		r = firewall_mode(network, AF_INET6, &mode6, error);
	if (r < 0)
		return r;
	nft->family = NFPROTO_INET;
	memcpy(pair, network->link, LINK_NAME);
	memcpy(pair + LINK_NAME, network->link, LINK_NAME);
	put(nft, type, "bridges", network->link, LINK_NAME);
	if (network->flags & NETWORK_INTERNAL)
		put(nft, type, "internal", network->link, LINK_NAME);
	if (network->flags & NETWORK_ICC)
		put(nft, type, "same", pair, sizeof(pair));
	if (network->flags & NETWORK_IPV4)
		put_mode(nft, type, network, NFPROTO_IPV4, mode4);
	if (network->flags & NETWORK_IPV6)
		put_mode(nft, type, network, NFPROTO_IPV6, mode6);
	put_subnets(nft, type, network);
	return 0;
}

struct bound {
	struct address address;
	bool is_end, is_stale;
};

struct stale {
	struct netns *ns;
	const char *link; /* whose own are stale, too */
	struct arena arena;
	struct bound *bounds;
	size_t n_bounds;
};

static void take_bound(void *data, const struct nft_found *found)
{
	struct stale *stale = data;
	struct bound *bound = arena_append(&stale->arena, &stale->bounds, &stale->n_bounds, sizeof(*bound));

	if (!bound || found->size > sizeof(bound->address.bytes))
		return;
	bound->address.family = found->size == 4 ? AF_INET : AF_INET6;
	memcpy(bound->address.bytes, found->key, found->size);
	bound->is_end = found->is_end;
	bound->is_stale = found->comment && (strcmp(found->comment, stale->link) == 0 || netns_link_index(stale->ns, found->comment) < 0);
}

/* The interval that begins at @first, of a list in no certain order. */
static void put_stale(struct nft *nft, const struct stale *stale, const struct bound *first)
{
	const struct bound *end = NULL;

	for (size_t i = 0; i < stale->n_bounds; i++) {
		const struct bound *at = &stale->bounds[i];

		if (at->is_end && address_compare(&at->address, &first->address) > 0 &&
		    (!end || address_compare(&at->address, &end->address) < 0))
			end = at;
	}
	nft_bounds(nft, &first->address, end ? &end->address : NULL);
}

/* Takes away subnets of bridges that are not there, which overlap with those of one that is to be. 1: there were some. */
static int drop_stale(struct netns *ns, const struct network *network, const char *set, scow_error **error)
{
	struct stale stale = { .ns = ns, .link = network->link };
	_cleanup_nft_ struct nft nft = { .family = NFPROTO_INET };
	int refused = 0, any = 0, r;

	r = nft_list(ns, NFPROTO_INET, set, take_bound, &stale, error);
	nft_begin(&nft, 0);
	nft_elements(&nft, NFT_MSG_DELSETELEM, set);
	for (size_t i = 0; r == 0 && i < stale.n_bounds; i++) {
		if (!stale.bounds[i].is_stale || stale.bounds[i].is_end)
			continue;
		put_stale(&nft, &stale, &stale.bounds[i]);
		any = 1;
	}
	nft_elements_end(&nft);
	nft_finish(&nft);
	arena_done(&stale.arena);
	if (r == 0 && any)
		r = nft_send(ns, &nft, &refused, error);
	return r < 0 ? r : any && !refused;
}

int firewall_repair(struct netns *ns, const struct network *network, scow_error **error)
{
	int refused = 0, r = 0;

	for (int tries = 0; tries < 2; tries++) {
		_cleanup_nft_ struct nft nft = { 0 };
		int stale4 = 0, stale6 = 0;

		nft_begin(&nft, 0);
		firewall_rules(&nft);
		r = put_network(&nft, NFT_MSG_NEWSETELEM, network, error);
		nft_finish(&nft);
		if (r == 0)
			r = nft_send(ns, &nft, &refused, error);
		if (r < 0 || refused != -EEXIST)
			break;
		stale4 = drop_stale(ns, network, "subnets4", error);
		stale6 = stale4 < 0 ? stale4 : drop_stale(ns, network, "subnets6", error);
		if (stale6 < 0 || !(stale4 || stale6))
			return stale6 < 0 ? stale6
					  : error_errno(error, EEXIST, "netlink", "set up the firewall of network '%s'", network->name);
	}
	if (r == 0 && refused)
		r = error_errno(error, -refused, "netlink", "set up the firewall of network '%s'", network->name);
	return r;
}

static void note_any(void *data, const struct nft_found *found)
{
	(void) found;
	*(bool *) data = true;
}

int firewall_prepare(struct netns *ns, const struct network *network, scow_error **error)
{
	bool any = false;
	int r = nft_has(ns, NFPROTO_INET, "bridges", network->link, LINK_NAME, error);

	ns->added = r == 0;
	if (r != 0)
		return r < 0 ? r : 0;
	r = nft_list(ns, NFPROTO_INET, "bridges", note_any, &any, error);
	if (r == 0)
		r = firewall_repair(ns, network, error);
	ns->rebuilt = ns->rebuilt || (r == 0 && !any);
	return r;
}

/* ---- the end of a network ---- */

struct census {
	struct netns *ns;
	bool others;
};

static void count_bridge(void *data, const struct nft_found *found)
{
	struct census *census = data;
	char name[LINK_NAME + 1] = "";

	memcpy(name, found->key, found->size < LINK_NAME ? found->size : LINK_NAME);
	if (netns_link_index(census->ns, name) > 0)
		census->others = true;
}

static int drop_tables(struct netns *ns, scow_error **error)
{
	for (int tries = 0; tries < TRIES; tries++) {
		_cleanup_nft_ struct nft nft = { 0 };
		struct census census = { .ns = ns };
		uint32_t generation;
		int refused, r;

		r = nft_generation(ns, &generation, error);
		if (r == 0)
			r = nft_list(ns, NFPROTO_INET, "bridges", count_bridge, &census, error);
		if (r < 0 || census.others)
			return r;
		nft_begin(&nft, generation);
		nft.family = NFPROTO_INET;
		nft_table(&nft, NFT_MSG_DELTABLE);
		nft.family = NFPROTO_BRIDGE;
		nft_table(&nft, NFT_MSG_DELTABLE);
		nft_finish(&nft);
		r = nft_send(ns, &nft, &refused, error);
		if (r < 0 || !refused || refused == -ENOENT)
			return r;
		if (refused != -ERESTART)
			return error_errno(error, -refused, "netlink", "take the firewall away");
	}
	/* Somebody is busy with it: he will be the last. */
	return 0;
}

int firewall_remove(struct netns *ns, const struct network *network, scow_error **error)
{
	_cleanup_nft_ struct nft all = { 0 };
	_cleanup_str_ struct str addresses = { 0 };
	int refused, r = firewall_addresses(ns, network, &addresses, error);

	if (r == 0)
		r = firewall_end(ns, &addresses, error);
	if (r < 0)
		return r;
	/* Each by itself, for what is not there makes the whole of a batch fail. */
	r = put_network(&all, NFT_MSG_DELSETELEM, network, error);
	for (size_t at = 0; r == 0 && at < all.batch.bytes.size;) {
		const struct nlmsghdr *message = (const void *) (all.batch.bytes.data + at);
		_cleanup_nft_ struct nft one = { 0 };

		nft_begin(&one, 0);
		str_add_bytes(&one.batch.bytes, message, NLMSG_ALIGN(message->nlmsg_len));
		nft_finish(&one);
		r = nft_send(ns, &one, &refused, error);
		at += NLMSG_ALIGN(message->nlmsg_len);
	}
	return r < 0 ? r : drop_tables(ns, error);
}
