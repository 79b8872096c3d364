/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Subnets that nobody uses: not another network of this store, not the host, by its addresses and routes.
 *
 * IPv4 from Docker's list, 172.17.0.0/16 to 172.31.0.0/16 and then /20s of 192.168.0.0/16; IPv6 from this store's own /48 of unique
 * local addresses (RFC 4193), made up once.
 */
#include "network/subnet.h"

#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "base/digest.h"

/* ---- who uses what ---- */

static int add_used(struct subnet_uses *uses, const struct prefix *prefix, const char *format, const char *name, scow_error **error)
{
	struct subnet_use *use = arena_append(&uses->arena, &uses->items, &uses->n, sizeof(*use));

	if (!use)
		return error_oom(error);
	use->prefix = *prefix;
	use->by = arena_printf(&uses->arena, "%s '%s'", format, name);
	return use->by ? 0 : error_oom(error);
}

struct dump {
	struct netns *ns;
	struct subnet_uses *uses;
};

static void link_name(struct netns *ns, int index, char out[LINK_NAME])
{
	if (netns_link_name(ns, index, out) < 0)
		snprintf(out, LINK_NAME, "?");
}

static int take_route(void *data, const struct nlmsghdr *message, scow_error **error)
{
	struct dump *dump = data;
	const struct rtmsg *route = NLMSG_DATA(message);
	size_t size = RTM_PAYLOAD(message);
	struct prefix prefix = { { .family = route->rtm_family }, route->rtm_dst_len };
	char name[LINK_NAME] = "?";

	/* The default route leads everywhere, and local ones are of addresses, whose networks have routes, too. */
	if (message->nlmsg_type != RTM_NEWROUTE || !route->rtm_dst_len ||
	    (route->rtm_type != RTN_UNICAST && route->rtm_type != RTN_UNREACHABLE))
		return 0;
	for (const struct rtattr *at = RTM_RTA(route); RTA_OK(at, size); at = RTA_NEXT(at, size)) {
		if (at->rta_type == RTA_DST && RTA_PAYLOAD(at) == address_size(&prefix.address))
			memcpy(prefix.address.bytes, RTA_DATA(at), RTA_PAYLOAD(at));
		if (at->rta_type == RTA_OIF)
			link_name(dump->ns, *(int *) RTA_DATA(at), name);
	}
	if (!address_size(&prefix.address) || address_is_link_local(&prefix.address) || prefix.address.bytes[0] == 0xff)
		return 0;
	return add_used(dump->uses, &prefix, "a route of this host, by the link", name, error);
}

static int take_address(void *data, const struct nlmsghdr *message, scow_error **error)
{
	struct dump *dump = data;
	const struct ifaddrmsg *header = NLMSG_DATA(message);
	size_t size = IFA_PAYLOAD(message);
	struct prefix prefix = { { .family = header->ifa_family }, header->ifa_prefixlen };
	char name[LINK_NAME];

	if (message->nlmsg_type != RTM_NEWADDR)
		return 0;
	for (const struct rtattr *at = IFA_RTA(header); RTA_OK(at, size); at = RTA_NEXT(at, size))
		if (at->rta_type == IFA_ADDRESS && RTA_PAYLOAD(at) == address_size(&prefix.address))
			memcpy(prefix.address.bytes, RTA_DATA(at), RTA_PAYLOAD(at));
	if (!address_size(&prefix.address) || address_is_link_local(&prefix.address))
		return 0;
	link_name(dump->ns, (int) header->ifa_index, name);
	return add_used(dump->uses, &prefix, "an address of this host, on the link", name, error);
}

static int ask_kernel(struct netns *ns, struct subnet_uses *uses, scow_error **error)
{
	const struct rtmsg route = { .rtm_family = AF_UNSPEC };
	const struct ifaddrmsg address = { .ifa_family = AF_UNSPEC };
	_cleanup_batch_ struct batch routes = { 0 }, addresses = { 0 };
	struct dump dump = { ns, uses };
	int r;

	batch_message(&addresses, RTM_GETADDR, NLM_F_DUMP, &address, sizeof(address));
	batch_message(&routes, RTM_GETROUTE, NLM_F_DUMP, &route, sizeof(route));
	r = netns_ask(ns, &addresses, take_address, &dump, error);
	return r < 0 ? r : netns_ask(ns, &routes, take_route, &dump, error);
}

int subnet_uses_host(struct netns *ns, struct subnet_uses *uses, scow_error **error)
{
	return error_wrap(error, ask_kernel(ns, uses, error), "look for addresses that this host does not use");
}

int subnet_uses_store(struct db_work *work, struct subnet_uses *uses, scow_error **error)
{
	sqlite3_stmt *row;
	int r = db_query(work, &row, error, "SELECT p.subnet, p.bits, n.name FROM pools p JOIN networks n ON n.id = p.network", "");

	for (; r > 0; r = db_step(work, row, error)) {
		struct prefix prefix = { .bits = (unsigned int) db_int(row, 1) };

		if (!address_from_hex(db_text(row, 0), &prefix.address))
			continue;
		r = add_used(uses, &prefix, "the network", db_text(row, 2), error);
		if (r < 0)
			return r;
	}
	return r;
}

void subnet_uses_done(struct subnet_uses *uses)
{
	arena_done(&uses->arena);
}

const char *subnet_used_by(const struct subnet_uses *uses, const struct prefix *prefix)
{
	for (size_t i = 0; i < uses->n; i++)
		if (uses->items[i].prefix.address.family == prefix->address.family && prefix_overlaps(&uses->items[i].prefix, prefix))
			return uses->items[i].by;
	return NULL;
}

/* ---- choosing ---- */

static void make_pool(const struct prefix *subnet, struct pool *out)
{
	*out = (struct pool){ .subnet = *subnet, .range = *subnet };
	prefix_first(subnet, &out->gateway);
	address_next(&out->gateway);
}

int subnet_choose4(const struct subnet_uses *uses, struct pool *out, scow_error **error)
{
	struct prefix subnet = { { .family = AF_INET, .bytes = { 172, 17 } }, 16 };

	for (; subnet.address.bytes[1] < 32; subnet.address.bytes[1]++)
		if (!subnet_used_by(uses, &subnet))
			return make_pool(&subnet, out), 0;
	subnet = (struct prefix){ { .family = AF_INET, .bytes = { 192, 168 } }, 20 };
	for (unsigned int i = 0; i < 16; i++) {
		subnet.address.bytes[2] = (unsigned char) (i << 4);
		if (!subnet_used_by(uses, &subnet))
			return make_pool(&subnet, out), 0;
	}
	return error_hint(error,
			  error_set(error, SCOW_E_LIMIT, "all subnets for networks are in use: 172.17.0.0 to 172.31.0.0, 192.168.0.0"),
			  "remove networks that are not used ('scow network prune'), or name a subnet");
}

/* fd, then 40 bits that are this store's own. */
static int own_prefix(struct db_work *work, unsigned char out[6], scow_error **error)
{
	char digits[11];
	sqlite3_stmt *row;
	int r = db_query(work, &row, error, "SELECT value FROM facts WHERE name = 'ula'", "");
	unsigned int byte;

	if (r < 0)
		return r;
	if (r > 0) {
		snprintf(digits, sizeof(digits), "%s", db_text(row, 0));
	} else {
		random_hex(digits, 5);
		r = db_exec(work, error, "INSERT INTO facts (name, value) VALUES ('ula', ?)", "t", digits);
		if (r < 0)
			return r;
	}
	out[0] = 0xfd;
	for (int i = 0; i < 5; i++)
		out[1 + i] = sscanf(digits + 2 * i, "%2x", &byte) == 1 ? (unsigned char) byte : 0;
	return 0;
}

int subnet_choose6(struct db_work *work, const struct subnet_uses *uses, struct pool *out, scow_error **error)
{
	struct prefix subnet = { { .family = AF_INET6 }, 64 };
	int r = own_prefix(work, subnet.address.bytes, error);

	for (unsigned int i = 0; r == 0 && i < 0x10000; i++) {
		subnet.address.bytes[6] = (unsigned char) (i >> 8);
		subnet.address.bytes[7] = (unsigned char) i;
		if (!subnet_used_by(uses, &subnet))
			return make_pool(&subnet, out), 0;
	}
	return r < 0 ? r : error_set(error, SCOW_E_LIMIT, "all IPv6 subnets for networks are in use");
}
