/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the kernel is told so that a container is on its networks: one batch for the host's side, one for the inside.
 *
 * 1. A veth pair is made by one message, the container's end directly in its namespace under its final name. Nothing is ever deleted:
 *    closing the namespace takes the pair away, later and at nobody's expense.
 * 2. The container's end is brought up inside, after it was told to give itself no link-local address: no duplicate address detection,
 *    no timer, and nothing for IPv6 where the network has none.
 * 3. The port's name has four digits of the run (WIRE_PATCH_RUN): the last run's may be there still.
 */
#include "network/network.h"

#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <string.h>

#include "network/shape.h"

#define RUN_DIGITS 4

const struct endpoint *attachment_gateway(const struct attachment *attachment, int family)
{
	const struct endpoint *best = NULL;

	for (size_t i = 0; i < attachment->n_endpoints; i++) {
		const struct endpoint *endpoint = &attachment->endpoints[i];
		bool leads_out = endpoint_gateway(endpoint, family)->family && !(endpoint->network->flags & NETWORK_INTERNAL);

		if (leads_out && (!best || endpoint->priority > best->priority))
			best = endpoint;
	}
	return best;
}

const struct pool *network_pool_of(const struct network *network, const struct address *address)
{
	for (size_t i = 0; i < network->n_pools; i++)
		if (prefix_has(&network->pools[i].subnet, address))
			return &network->pools[i];
	return NULL;
}

const struct address *endpoint_gateway(const struct endpoint *endpoint, int family)
{
	static const struct address none;
	const struct pool *pool = network_pool_of(endpoint->network, family == AF_INET ? &endpoint->ip4 : &endpoint->ip6);

	return pool ? &pool->gateway : &none;
}

/* ---- the host's side ---- */

static void put_no_link_local(struct batch *batch)
{
	size_t families = batch_nest(batch, IFLA_AF_SPEC), family = batch_nest(batch, AF_INET6);

	batch_u8(batch, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	batch_nest_end(batch, family);
	batch_nest_end(batch, families);
}

static void set_port(const struct endpoint *endpoint, struct batch *host, unsigned int flags)
{
	const struct ifinfomsg header = { .ifi_family = AF_UNSPEC, .ifi_flags = flags, .ifi_change = flags };

	batch_message(host, RTM_SETLINK, 0, &header, sizeof(header));
	batch_text(host, IFLA_IFNAME, endpoint->port);
	batch_patch_here(host, WIRE_PATCH_RUN, NULL, RUN_DIGITS + 1);
}

static void add_veth(const struct endpoint *endpoint, struct batch *host)
{
	const struct network *network = endpoint->network;
	const struct ifinfomsg down = { .ifi_family = AF_UNSPEC }, peer = { .ifi_family = AF_UNSPEC };
	size_t info, data, end;

	batch_message(host, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &down, sizeof(down));
	batch_text(host, IFLA_IFNAME, endpoint->port);
	batch_patch_here(host, WIRE_PATCH_RUN, NULL, RUN_DIGITS + 1);
	if (network->mtu)
		batch_u32(host, IFLA_MTU, network->mtu);
	if (endpoint->group)
		batch_u32(host, IFLA_GROUP, endpoint->group);
	batch_u32(host, IFLA_MASTER, 0);
	batch_patch_here(host, WIRE_PATCH_INDEX, network->link, sizeof(uint32_t));
	info = batch_nest(host, IFLA_LINKINFO);
	batch_text(host, IFLA_INFO_KIND, "veth");
	data = batch_nest(host, IFLA_INFO_DATA);
	end = batch_nest(host, VETH_INFO_PEER);
	str_add_bytes(&host->bytes, &peer, sizeof(peer));
	batch_text(host, IFLA_IFNAME, endpoint->interface);
	batch_attribute(host, IFLA_ADDRESS, endpoint->mac, MAC_BYTES);
	if (network->mtu)
		batch_u32(host, IFLA_MTU, network->mtu);
	batch_u32(host, IFLA_NET_NS_PID, 0);
	batch_patch_here(host, WIRE_PATCH_PID, NULL, sizeof(uint32_t));
	batch_nest_end(host, end);
	batch_nest_end(host, data);
	batch_nest_end(host, info);
	/* It is a port and no more: with an address of its own it would send things into the container. */
	set_port(endpoint, host, 0);
	put_no_link_local(host);
	set_port(endpoint, host, IFF_UP);
}

/*
 * ISOLATED: it does not reach the other ports, only the bridge itself. MODE: hairpin. By RTM_NEWLINK, which finds a link by its name;
 * a bridge's own RTM_SETLINK knows numbers only.
 */
static void add_port_settings(const struct endpoint *endpoint, struct batch *host)
{
	const struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
	size_t info, data;

	batch_message(host, RTM_NEWLINK, 0, &header, sizeof(header));
	batch_text(host, IFLA_IFNAME, endpoint->port);
	batch_patch_here(host, WIRE_PATCH_RUN, NULL, RUN_DIGITS + 1);
	info = batch_nest(host, IFLA_LINKINFO);
	batch_text(host, IFLA_INFO_SLAVE_KIND, "bridge");
	data = batch_nest(host, IFLA_INFO_SLAVE_DATA);
	if (!(endpoint->network->flags & NETWORK_ICC))
		batch_u8(host, IFLA_BRPORT_ISOLATED, 1);
	if (endpoint->hairpin)
		batch_u8(host, IFLA_BRPORT_MODE, 1);
	batch_nest_end(host, data);
	batch_nest_end(host, info);
}

static void add_macvlan(const struct endpoint *endpoint, struct batch *host)
{
	const struct network *network = endpoint->network;
	const struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
	size_t info, data;

	batch_message(host, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
	batch_text(host, IFLA_IFNAME, endpoint->interface);
	batch_u32(host, IFLA_LINK, 0);
	batch_patch_here(host, WIRE_PATCH_INDEX, network->link, sizeof(uint32_t));
	batch_attribute(host, IFLA_ADDRESS, endpoint->mac, MAC_BYTES);
	if (network->mtu)
		batch_u32(host, IFLA_MTU, network->mtu);
	batch_u32(host, IFLA_NET_NS_PID, 0);
	batch_patch_here(host, WIRE_PATCH_PID, NULL, sizeof(uint32_t));
	info = batch_nest(host, IFLA_LINKINFO);
	batch_text(host, IFLA_INFO_KIND, "macvlan");
	data = batch_nest(host, IFLA_INFO_DATA);
	batch_u32(host, IFLA_MACVLAN_MODE, network->mode ? network->mode : MACVLAN_MODE_BRIDGE);
	batch_nest_end(host, data);
	batch_nest_end(host, info);
}

/* ---- inside ---- */

static void set_link(const struct endpoint *endpoint, struct batch *inside, unsigned int flags)
{
	const struct ifinfomsg header = { .ifi_family = AF_UNSPEC, .ifi_flags = flags, .ifi_change = flags };

	batch_message(inside, RTM_NEWLINK, 0, &header, sizeof(header));
	batch_patch_header(inside, WIRE_PATCH_INDEX, endpoint->interface, offsetof(struct ifinfomsg, ifi_index));
}

static void add_address(const struct endpoint *endpoint, const struct address *address, struct batch *inside)
{
	const struct pool *pool = network_pool_of(endpoint->network, address);
	struct ifaddrmsg header = { .ifa_family = (unsigned char) address->family };
	struct address broadcast;

	/* Link-local ones are of no pool. */
	header.ifa_prefixlen = (unsigned char) (pool ? pool->subnet.bits : address->family == AF_INET ? 16 : 64);
	header.ifa_scope = address_is_link_local(address) ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	batch_message(inside, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
	batch_patch_header(inside, WIRE_PATCH_INDEX, endpoint->interface, offsetof(struct ifaddrmsg, ifa_index));
	batch_attribute(inside, IFA_LOCAL, address->bytes, address_size(address));
	batch_attribute(inside, IFA_ADDRESS, address->bytes, address_size(address));
	if (address->family == AF_INET6) {
		batch_u32(inside, IFA_FLAGS, IFA_F_NODAD);
	} else if (pool && pool->subnet.bits < 31) {
		prefix_last(&pool->subnet, &broadcast);
		batch_attribute(inside, IFA_BROADCAST, broadcast.bytes, address_size(&broadcast));
	}
}

static void add_default_route(const struct endpoint *endpoint, int family, struct batch *inside)
{
	const struct address *gateway = endpoint_gateway(endpoint, family);
	const struct rtmsg header = {
		.rtm_family = (unsigned char) family,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_BOOT,
		.rtm_scope = RT_SCOPE_UNIVERSE,
		.rtm_type = RTN_UNICAST,
	};

	batch_message(inside, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &header, sizeof(header));
	batch_attribute(inside, RTA_GATEWAY, gateway->bytes, address_size(gateway));
	batch_u32(inside, RTA_OIF, 0);
	batch_patch_here(inside, WIRE_PATCH_INDEX, endpoint->interface, sizeof(uint32_t));
}

static void add_inside(const struct endpoint *endpoint, struct batch *inside)
{
	if (!endpoint->ip6.family) {
		set_link(endpoint, inside, 0);
		put_no_link_local(inside);
	}
	set_link(endpoint, inside, IFF_UP);
	if (endpoint->ip4.family)
		add_address(endpoint, &endpoint->ip4, inside);
	if (endpoint->ip6.family)
		add_address(endpoint, &endpoint->ip6, inside);
	for (size_t i = 0; i < endpoint->n_more; i++)
		add_address(endpoint, &endpoint->more[i], inside);
}

void network_endpoint_batches(const struct endpoint *endpoint, struct batch *host, struct batch *inside)
{
	if (endpoint->network->driver == NETWORK_MACVLAN) {
		add_macvlan(endpoint, host);
	} else {
		add_veth(endpoint, host);
		if (!(endpoint->network->flags & NETWORK_ICC) || endpoint->hairpin)
			add_port_settings(endpoint, host);
	}
	add_inside(endpoint, inside);
	shape_batches(endpoint, host, inside);
}

void network_route_batch(const struct attachment *attachment, struct batch *inside)
{
	static const int families[] = { AF_INET, AF_INET6 };

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		const struct endpoint *gateway = attachment_gateway(attachment, families[i]);

		if (gateway)
			add_default_route(gateway, families[i], inside);
	}
}

void network_batches(const struct attachment *attachment, struct batch *host, struct batch *inside)
{
	for (size_t i = 0; i < attachment->n_endpoints; i++)
		network_endpoint_batches(&attachment->endpoints[i], host, inside);
	network_route_batch(attachment, inside);
}
