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
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "network/firewall-rules.h"

#define OPTION_MODE4 "com.docker.network.bridge.gateway_mode_ipv4"
#define OPTION_MODE6 "com.docker.network.bridge.gateway_mode_ipv6"
#define TRIES 20

/* ---- networks ---- */

int firewall_mode(const struct network *network, int family, enum gateway_mode *out, scow_error **error)
{
	static const char *const names[] = { "nat", "nat-unprotected", "routed", "isolated" };
	_cleanup_arena_ struct arena arena = { 0 };
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

static void put_mode(struct nft *nft, const struct network *network, unsigned char family, enum gateway_mode mode)
{
	struct of_family key = { .number = family };

	memcpy(key.link, network->link, sizeof(key.link));
	if (mode == GATEWAY_NAT_UNPROTECTED)
		put(nft, NFT_MSG_NEWSETELEM, "direct", &key, sizeof(key));
	if (mode == GATEWAY_ROUTED)
		put(nft, NFT_MSG_NEWSETELEM, "routed", &key, sizeof(key));
	if (mode <= GATEWAY_NAT_UNPROTECTED && network->flags & NETWORK_MASQUERADE && !(network->flags & NETWORK_INTERNAL))
		put(nft, NFT_MSG_NEWSETELEM, "outward", &key, sizeof(key));
}

/* All that the rules know of a network. */
static int put_network(struct nft *nft, const struct network *network, scow_error **error)
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
	put(nft, NFT_MSG_NEWSETELEM, "bridges", network->link, LINK_NAME);
	if (network->flags & NETWORK_INTERNAL)
		put(nft, NFT_MSG_NEWSETELEM, "internal", network->link, LINK_NAME);
	if (network->flags & NETWORK_ICC)
		put(nft, NFT_MSG_NEWSETELEM, "same", pair, sizeof(pair));
	if (network->flags & NETWORK_IPV4)
		put_mode(nft, network, NFPROTO_IPV4, mode4);
	if (network->flags & NETWORK_IPV6)
		put_mode(nft, network, NFPROTO_IPV6, mode6);
	put_subnets(nft, NFT_MSG_NEWSETELEM, network);
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

/* Where the interval ends that begins at @first, in a list of no certain order; NULL: nowhere. */
static const struct bound *end_of(const struct stale *stale, const struct bound *first)
{
	const struct bound *end = NULL;

	for (size_t i = 0; i < stale->n_bounds; i++) {
		const struct bound *at = &stale->bounds[i];

		if (at->is_end && address_compare(&at->address, &first->address) > 0 &&
		    (!end || address_compare(&at->address, &end->address) < 0))
			end = at;
	}
	return end;
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
		const struct bound *end;

		if (!stale.bounds[i].is_stale || stale.bounds[i].is_end)
			continue;
		end = end_of(&stale, &stale.bounds[i]);
		nft_bounds(&nft, &stale.bounds[i].address, end ? &end->address : NULL);
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
		r = put_network(&nft, network, error);
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

/* -errno of the kernel in @refused: -ERESTART where somebody has changed something since @generation. */
static int delete_tables(struct netns *ns, uint32_t generation, int *refused, scow_error **error)
{
	_cleanup_nft_ struct nft nft = { 0 };

	nft_begin(&nft, generation);
	nft.family = NFPROTO_INET;
	nft_table(&nft, NFT_MSG_DELTABLE);
	nft.family = NFPROTO_BRIDGE;
	nft_table(&nft, NFT_MSG_DELTABLE);
	nft_finish(&nft);
	return nft_send(ns, &nft, refused, error);
}

static int drop_tables(struct netns *ns, const char *bridge, scow_error **error)
{
	for (int tries = 0; tries < TRIES; tries++) {
		struct census census = { .ns = ns };
		unsigned int stopped = 0;
		uint32_t generation;
		int refused, r;

		r = nft_generation(ns, &generation, error);
		if (r == 0)
			r = nft_list(ns, NFPROTO_INET, "bridges", count_bridge, &census, error);
		if (r < 0 || census.others)
			return r;
		r = firewall_stop_forwarding(ns, bridge, &stopped, error);
		if (r == 0)
			r = delete_tables(ns, generation, &refused, error);
		if (r < 0 || !refused || refused == -ENOENT)
			return r;
		r = firewall_forward_again(ns, stopped, error);
		if (r == 0 && refused != -ERESTART)
			r = error_errno(error, -refused, "netlink", "take the firewall away");
		if (r < 0)
			return r;
	}
	/* Somebody is busy with it: he will be the last. */
	return 0;
}

/* All that put_network() may have put for it, whatever its settings were. */
static void put_all(struct nft *nft, unsigned int type, const struct network *network)
{
	static const char *const names[] = { "bridges", "internal" }, *const of_families[] = { "direct", "routed", "outward" };
	char pair[2 * LINK_NAME];

	nft->family = NFPROTO_INET;
	memcpy(pair, network->link, LINK_NAME);
	memcpy(pair + LINK_NAME, network->link, LINK_NAME);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		put(nft, type, names[i], network->link, LINK_NAME);
	put(nft, type, "same", pair, sizeof(pair));
	for (size_t i = 0; i < ARRAY_SIZE(of_families); i++) {
		struct of_family key4 = { .number = NFPROTO_IPV4 }, key6 = { .number = NFPROTO_IPV6 };

		memcpy(key4.link, network->link, LINK_NAME);
		memcpy(key6.link, network->link, LINK_NAME);
		put(nft, type, of_families[i], &key4, sizeof(key4));
		put(nft, type, of_families[i], &key6, sizeof(key6));
	}
	put_subnets(nft, type, network);
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
	put_all(&all, NFT_MSG_DELSETELEM, network);
	if (all.batch.bytes.failed)
		return error_oom(error);
	/* Each by itself, for what is not there makes the whole of a batch fail. */
	for (size_t at = 0; r == 0 && at < all.batch.bytes.size;) {
		const struct nlmsghdr *message = (const void *) (all.batch.bytes.data + at);
		_cleanup_nft_ struct nft one = { 0 };

		nft_begin(&one, 0);
		str_add_bytes(&one.batch.bytes, message, NLMSG_ALIGN(message->nlmsg_len));
		nft_finish(&one);
		r = nft_send(ns, &one, &refused, error);
		at += NLMSG_ALIGN(message->nlmsg_len);
	}
	return r < 0 ? r : drop_tables(ns, network->link, error);
}

/* ---- one of which only the name is known ---- */

/* Of the subnet that has all from @first to before @end; NULL: to the last of all. */
static unsigned int subnet_bits(const struct address *first, const struct address *end)
{
	struct prefix subnet = { .address = *first };

	for (subnet.bits = address_bits(first); subnet.bits > 0; subnet.bits--) {
		struct address after;
		bool more;

		prefix_last(&subnet, &after);
		more = address_next(&after);
		if (end ? more && address_equal(&after, end) : !more)
			break;
	}
	return subnet.bits;
}

/* The subnets that have its name, and those of bridges that are not there: as pools of @network. */
static int find_pools(struct netns *ns, const char *set, struct network *network, struct arena *arena, scow_error **error)
{
	struct stale stale = { .ns = ns, .link = network->link };
	int r = nft_list(ns, NFPROTO_INET, set, take_bound, &stale, error);

	for (size_t i = 0; r == 0 && i < stale.n_bounds; i++) {
		const struct bound *first = &stale.bounds[i], *end = end_of(&stale, first);
		struct pool *pool;

		if (first->is_end || !first->is_stale)
			continue;
		pool = arena_append(arena, &network->pools, &network->n_pools, sizeof(*pool));
		if (pool)
			*pool = (struct pool){ .subnet = { first->address, subnet_bits(&first->address, end ? &end->address : NULL) } };
	}
	if (r == 0 && (arena_failed(&stale.arena) || arena_failed(arena)))
		r = error_oom(error);
	arena_done(&stale.arena);
	return r;
}

int firewall_forget(struct netns *ns, const char *link, scow_error **error)
{
	_cleanup_arena_ struct arena arena = { 0 };
	struct network network = { .name = link, .driver = NETWORK_BRIDGE };
	int r;

	snprintf(network.link, sizeof(network.link), "%s", link);
	r = find_pools(ns, "subnets4", &network, &arena, error);
	if (r == 0)
		r = find_pools(ns, "subnets6", &network, &arena, error);
	return r < 0 ? r : firewall_remove(ns, &network, error);
}
