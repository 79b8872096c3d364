/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rules. Above each stands how nft(8) writes it; `nft list ruleset` shows the same.
 *
 *	table inet scow
 *	  bridges, internal   names of our bridges, and of those without a way out
 *	  same                pairs: of a bridge and itself, where its containers may talk
 *	  direct, routed      family and bridge: containers are reached by their own addresses; the latter at published ports only
 *	  outward             likewise: they leave under the host's address
 *	  subnets4/6          all that containers may have as an address
 *	  ports4/6, any4/6    published ports, on one address of the host or on any: to whom they go
 *	  open4/6             published ports of containers on routed networks
 *	  forwarded           families that the host did not forward before us (firewall-forward.c)
 *	table bridge scow
 *	  own4/6              port group, MAC and address of each container that is held to them
 *
 * 1. Established connections are let through first: the rest is looked at once for each connection.
 * 2. What was sent to a published port (ct status dnat) passes between networks, too. All else stays in its network, and nothing comes
 *    in unasked: a neighbour of the host who sends to a container's address gets nothing, also where a port is published on 127.0.0.1.
 * 3. Bridges have route_localnet, so that the host's own programs reach published ports by 127.0.0.1. So nothing from a container may
 *    have such an address, before connection tracking looks at it: neither would the host's loopback services be safe, nor those that
 *    trust who comes from there.
 * 4. A frame is looked at where it enters the bridge: its MAC, IP and ARP addresses are the container's own, or it is dropped. No
 *    router advertisement, no redirect. A neighbour advertisement is about the sender's own address.
 */
#include "network/firewall-rules.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter_bridge.h>
#include <linux/rtnetlink.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>

#define PRIORITY_RAW (-300)
#define PRIORITY_DNAT (-100)
#define PRIORITY_FILTER 0
#define PRIORITY_SNAT 100
#define PRIORITY_BRIDGE_FILTER (-200)

#define STATE(bit) (1u << ((bit) + 1)) /* as NFT_CT_STATE has it */
#define STATE_INVALID 1u

/* Where things are in packets. */
#define IP4_SOURCE 12
#define IP4_DESTINATION 16
#define IP6_SOURCE 8
#define IP6_DESTINATION 24
#define PORT_DESTINATION 2
#define ETHER_SOURCE 6
#define ETHER_TYPE 12
#define ARP_SENDER_MAC 8
#define ARP_SENDER_IP 14
#define ND_TARGET 8

/* Registers: of 16 bytes (1 to 4), and of 4 (8 to 23) in the same places. */
enum { R1 = NFT_REG_1, R2 = NFT_REG_2, W1 = NFT_REG32_01, W2 = NFT_REG32_02, W3 = NFT_REG32_03, W4 = NFT_REG32_04, W5 = NFT_REG32_05 };

struct family {
	uint8_t number;
	unsigned int source, destination, size;
	const char *subnets, *ports, *any, *open;
};

static const struct family families[] = {
	{ NFPROTO_IPV4, IP4_SOURCE, IP4_DESTINATION, 4, "subnets4", "ports4", "any4", "open4" },
	{ NFPROTO_IPV6, IP6_SOURCE, IP6_DESTINATION, 16, "subnets6", "ports6", "any6", "open6" },
};
#define N_FAMILIES 2

/* ---- sets ---- */

static void sets(struct nft *nft)
{
	static const unsigned char name[] = { NFT_TYPE_IFNAME, 0 }, pair[] = { NFT_TYPE_IFNAME, NFT_TYPE_IFNAME, 0 },
				   of_family[] = { NFT_TYPE_NFPROTO, NFT_TYPE_IFNAME, 0 },
				   any[] = { NFT_TYPE_PROTOCOL, NFT_TYPE_SERVICE, 0 }, family_alone[] = { NFT_TYPE_NFPROTO, 0 };

	nft_set(nft, "bridges", 0, name, NULL);
	nft_set(nft, "internal", 0, name, NULL);
	nft_set(nft, "same", 0, pair, NULL);
	nft_set(nft, "direct", 0, of_family, NULL);
	nft_set(nft, "routed", 0, of_family, NULL);
	nft_set(nft, "outward", 0, of_family, NULL);
	nft_set(nft, "forwarded", 0, family_alone, NULL);
	for (size_t i = 0; i < N_FAMILIES; i++) {
		const struct family *family = &families[i];
		const unsigned char type = family->number == NFPROTO_IPV4 ? NFT_TYPE_IPV4 : NFT_TYPE_IPV6;
		const unsigned char address[] = { type, 0 }, place[] = { type, NFT_TYPE_SERVICE, 0 },
				    port[] = { NFT_TYPE_PROTOCOL, type, NFT_TYPE_SERVICE, 0 };

		nft_set(nft, family->subnets, NFT_SET_INTERVAL, address, NULL);
		nft_set(nft, family->ports, 0, port, place);
		nft_set(nft, family->any, 0, any, place);
		nft_set(nft, family->open, 0, port, NULL);
	}
}

/* ---- pieces of rules ---- */

static void of_family(struct nft *nft, const struct family *family)
{
	nft_meta(nft, NFT_META_NFPROTO, R1);
	nft_compare(nft, NFT_CMP_EQ, &family->number, 1, R1);
}

/* iifname or oifname @set */
static void link_in(struct nft *nft, enum nft_meta_keys which, const char *set)
{
	nft_meta(nft, which, R1);
	nft_lookup(nft, set, R1);
}

/* meta nfproto . iifname, or oifname, @set */
static void family_and_link_in(struct nft *nft, enum nft_meta_keys which, const char *set)
{
	nft_meta(nft, NFT_META_NFPROTO, R1);
	nft_meta(nft, which, W1);
	nft_lookup(nft, set, R1);
}

/* 127.0.0.0/8, at @offset */
static void is_loopback(struct nft *nft, unsigned int offset)
{
	of_family(nft, &families[0]);
	nft_payload(nft, NFT_PAYLOAD_NETWORK_HEADER, offset, 1, R1);
	nft_compare(nft, NFT_CMP_EQ, "\x7f", 1, R1);
}

static void ct_has(struct nft *nft, enum nft_ct_keys key, uint32_t bits)
{
	nft_ct(nft, key, R1);
	nft_mask(nft, bits, R1);
	nft_compare_u32(nft, NFT_CMP_NEQ, 0, R1);
}

static void source_in(struct nft *nft, const struct family *family, const char *set)
{
	of_family(nft, family);
	nft_payload(nft, NFT_PAYLOAD_NETWORK_HEADER, family->source, family->size, R1);
	nft_lookup(nft, set, R1);
}

/* meta l4proto . ip daddr . th dport, or without the address */
static void load_port(struct nft *nft, const struct family *family, bool any)
{
	nft_meta(nft, NFT_META_L4PROTO, R1);
	if (!any)
		nft_payload(nft, NFT_PAYLOAD_NETWORK_HEADER, family->destination, family->size, W1);
	nft_payload(nft, NFT_PAYLOAD_TRANSPORT_HEADER, PORT_DESTINATION, 2, any ? W1 : family->size == 4 ? W2 : W5);
}

static void end_with(struct nft *nft, int verdict, const char *chain)
{
	nft_verdict(nft, verdict, chain);
	nft_rule_end(nft);
}

/* ---- chains of inet ---- */

static void martians(struct nft *nft)
{
	/* iifname @bridges ip saddr 127.0.0.0/8 drop; and daddr */
	nft_rule(nft, "martians");
	link_in(nft, NFT_META_IIFNAME, "bridges");
	is_loopback(nft, IP4_SOURCE);
	end_with(nft, NF_DROP, NULL);
	nft_rule(nft, "martians");
	link_in(nft, NFT_META_IIFNAME, "bridges");
	is_loopback(nft, IP4_DESTINATION);
	end_with(nft, NF_DROP, NULL);
}

static void published(struct nft *nft)
{
	for (size_t i = 0; i < N_FAMILIES; i++) {
		const struct family *family = &families[i];
		const unsigned int port = family->size == 4 ? W1 : R2;

		/* dnat ip to meta l4proto . ip daddr . th dport map @ports4 */
		nft_rule(nft, "published");
		of_family(nft, family);
		load_port(nft, family, false);
		nft_lookup_map(nft, family->ports, R1, R1);
		nft_dnat(nft, family->number, R1, port);
		nft_rule_end(nft);
		/* fib daddr type local dnat ip to meta l4proto . th dport map @any4 */
		nft_rule(nft, "published");
		of_family(nft, family);
		nft_local(nft, R1);
		nft_compare_u32(nft, NFT_CMP_EQ, RTN_LOCAL, R1);
		load_port(nft, family, true);
		nft_lookup_map(nft, family->any, R1, R1);
		nft_dnat(nft, family->number, R1, port);
		nft_rule_end(nft);
	}
}

static void destinations(struct nft *nft)
{
	static const struct in6_addr loopback6 = IN6ADDR_LOOPBACK_INIT;

	/* iifname @internal accept */
	nft_rule(nft, "arriving");
	link_in(nft, NFT_META_IIFNAME, "internal");
	end_with(nft, NF_ACCEPT, NULL);
	/* ip daddr 127.0.0.0/8 accept: what is published there is for the host itself, and to anybody else it is a martian */
	nft_rule(nft, "arriving");
	is_loopback(nft, IP4_DESTINATION);
	end_with(nft, NF_ACCEPT, NULL);
	nft_rule(nft, "arriving");
	end_with(nft, NFT_JUMP, "published");
	/* ip6 daddr ::1 accept: with br_netfilter the answers are martians, so it is refused at once, and programs go on to 127.0.0.1 */
	nft_rule(nft, "leaving");
	of_family(nft, &families[1]);
	nft_payload(nft, NFT_PAYLOAD_NETWORK_HEADER, IP6_DESTINATION, 16, R1);
	nft_compare(nft, NFT_CMP_EQ, &loopback6, 16, R1);
	end_with(nft, NF_ACCEPT, NULL);
	nft_rule(nft, "leaving");
	end_with(nft, NFT_JUMP, "published");
}

static void sources(struct nft *nft)
{
	/* oifname @bridges goto inward */
	nft_rule(nft, "source");
	link_in(nft, NFT_META_OIFNAME, "bridges");
	end_with(nft, NFT_GOTO, "inward");
	/* meta nfproto . iifname @outward masquerade */
	nft_rule(nft, "source");
	family_and_link_in(nft, NFT_META_IIFNAME, "outward");
	nft_masquerade(nft);
	nft_rule_end(nft);
	for (size_t i = 0; i < N_FAMILIES; i++) {
		/* ct status dnat ip saddr @subnets4 masquerade: or the answer would not come by us */
		nft_rule(nft, "inward");
		ct_has(nft, NFT_CT_STATUS, IPS_DST_NAT);
		source_in(nft, &families[i], families[i].subnets);
		nft_masquerade(nft);
		nft_rule_end(nft);
	}
	/* ip saddr 127.0.0.0/8 masquerade */
	nft_rule(nft, "inward");
	is_loopback(nft, IP4_SOURCE);
	nft_masquerade(nft);
	nft_rule_end(nft);
}

static void forward(struct nft *nft)
{
	/* ct state established,related accept */
	nft_rule(nft, "forward");
	ct_has(nft, NFT_CT_STATE, STATE(IP_CT_ESTABLISHED) | STATE(IP_CT_RELATED));
	end_with(nft, NF_ACCEPT, NULL);
	/* iifname . oifname @same accept */
	nft_rule(nft, "forward");
	nft_meta(nft, NFT_META_IIFNAME, R1);
	nft_meta(nft, NFT_META_OIFNAME, R2);
	nft_lookup(nft, "same", R1);
	end_with(nft, NF_ACCEPT, NULL);
	/* iifname @internal drop, oifname @internal drop */
	nft_rule(nft, "forward");
	link_in(nft, NFT_META_IIFNAME, "internal");
	end_with(nft, NF_DROP, NULL);
	nft_rule(nft, "forward");
	link_in(nft, NFT_META_OIFNAME, "internal");
	end_with(nft, NF_DROP, NULL);
	/* ct status dnat accept */
	nft_rule(nft, "forward");
	ct_has(nft, NFT_CT_STATUS, IPS_DST_NAT);
	end_with(nft, NF_ACCEPT, NULL);
	/* iifname @bridges ct state invalid drop: it would leave under the container's own address */
	nft_rule(nft, "forward");
	link_in(nft, NFT_META_IIFNAME, "bridges");
	ct_has(nft, NFT_CT_STATE, STATE_INVALID);
	end_with(nft, NF_DROP, NULL);
	/* oifname @bridges goto unasked */
	nft_rule(nft, "forward");
	link_in(nft, NFT_META_OIFNAME, "bridges");
	end_with(nft, NFT_GOTO, "unasked");
}

static void unasked(struct nft *nft)
{
	static const unsigned char echo[N_FAMILIES] = { IPPROTO_ICMP, IPPROTO_ICMPV6 };

	/* meta nfproto . oifname @direct accept */
	nft_rule(nft, "unasked");
	family_and_link_in(nft, NFT_META_OIFNAME, "direct");
	end_with(nft, NF_ACCEPT, NULL);
	for (size_t i = 0; i < N_FAMILIES; i++) {
		/* meta l4proto . ip daddr . th dport @open4 accept */
		nft_rule(nft, "unasked");
		of_family(nft, &families[i]);
		load_port(nft, &families[i], false);
		nft_lookup(nft, families[i].open, R1);
		end_with(nft, NF_ACCEPT, NULL);
		/* meta nfproto . oifname @routed meta l4proto icmp accept */
		nft_rule(nft, "unasked");
		of_family(nft, &families[i]);
		nft_meta(nft, NFT_META_L4PROTO, R1);
		nft_compare(nft, NFT_CMP_EQ, &echo[i], 1, R1);
		family_and_link_in(nft, NFT_META_OIFNAME, "routed");
		end_with(nft, NF_ACCEPT, NULL);
	}
	nft_rule(nft, "unasked");
	end_with(nft, NF_DROP, NULL);
}

static void inet(struct nft *nft)
{
	nft->family = NFPROTO_INET;
	nft_table(nft, NFT_MSG_NEWTABLE);
	sets(nft);
	nft_chain(nft, "published", NULL, 0, 0);
	nft_chain(nft, "inward", NULL, 0, 0);
	nft_chain(nft, "unasked", NULL, 0, 0);
	nft_chain(nft, "martians", "filter", NF_INET_PRE_ROUTING, PRIORITY_RAW);
	nft_chain(nft, "arriving", "nat", NF_INET_PRE_ROUTING, PRIORITY_DNAT);
	nft_chain(nft, "leaving", "nat", NF_INET_LOCAL_OUT, PRIORITY_DNAT);
	nft_chain(nft, "source", "nat", NF_INET_POST_ROUTING, PRIORITY_SNAT);
	nft_chain(nft, "forward", "filter", NF_INET_FORWARD, PRIORITY_FILTER);
	nft_flush(nft);
	martians(nft);
	published(nft);
	destinations(nft);
	sources(nft);
	forward(nft);
	unasked(nft);
}

/* ---- chains of bridge ---- */

static void ether_type(struct nft *nft, const char *type)
{
	nft_payload(nft, NFT_PAYLOAD_LL_HEADER, ETHER_TYPE, 2, R1);
	nft_compare(nft, NFT_CMP_EQ, type, 2, R1);
}

/* iifgroup . MAC . address @own */
static void is_own(struct nft *nft, const char *set, enum nft_payload_bases mac_base, unsigned int mac, enum nft_payload_bases base,
		   unsigned int address, unsigned int size)
{
	nft_meta(nft, NFT_META_IIFGROUP, R1);
	nft_payload(nft, mac_base, mac, 6, W1);
	nft_payload(nft, base, address, size, W3);
	nft_lookup(nft, set, R1);
}

static void is_icmp6(struct nft *nft, unsigned char type)
{
	const unsigned char protocol = IPPROTO_ICMPV6;

	nft_meta(nft, NFT_META_L4PROTO, R1);
	nft_compare(nft, NFT_CMP_EQ, &protocol, 1, R1);
	nft_payload(nft, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, R1);
	nft_compare(nft, NFT_CMP_EQ, &type, 1, R1);
}

static void guarded(struct nft *nft)
{
	static const struct in6_addr nobody = IN6ADDR_ANY_INIT;
	static const unsigned char unaddressed[] = { ND_NEIGHBOR_SOLICIT, 143 /* MLDv2 report */ };

	/* iifgroup . ether saddr . ip saddr @own4 accept */
	nft_rule(nft, "guarded");
	ether_type(nft, "\x08\x00");
	is_own(nft, "own4", NFT_PAYLOAD_LL_HEADER, ETHER_SOURCE, NFT_PAYLOAD_NETWORK_HEADER, IP4_SOURCE, 4);
	end_with(nft, NF_ACCEPT, NULL);
	/* the same of arp saddr ip, with ether saddr and with arp saddr ether */
	nft_rule(nft, "guarded");
	ether_type(nft, "\x08\x06");
	is_own(nft, "own4", NFT_PAYLOAD_LL_HEADER, ETHER_SOURCE, NFT_PAYLOAD_NETWORK_HEADER, ARP_SENDER_IP, 4);
	is_own(nft, "own4", NFT_PAYLOAD_NETWORK_HEADER, ARP_SENDER_MAC, NFT_PAYLOAD_NETWORK_HEADER, ARP_SENDER_IP, 4);
	end_with(nft, NF_ACCEPT, NULL);
	/* iifgroup . ether saddr . ip6 saddr @own6 goto neighbours */
	nft_rule(nft, "guarded");
	ether_type(nft, "\x86\xdd");
	is_own(nft, "own6", NFT_PAYLOAD_LL_HEADER, ETHER_SOURCE, NFT_PAYLOAD_NETWORK_HEADER, IP6_SOURCE, 16);
	end_with(nft, NFT_GOTO, "neighbours");
	/* ip6 saddr :: icmpv6 type nd-neighbor-solicit accept; and mld2-listener-report */
	for (size_t i = 0; i < sizeof(unaddressed); i++) {
		nft_rule(nft, "guarded");
		ether_type(nft, "\x86\xdd");
		nft_payload(nft, NFT_PAYLOAD_NETWORK_HEADER, IP6_SOURCE, 16, R1);
		nft_compare(nft, NFT_CMP_EQ, &nobody, 16, R1);
		is_icmp6(nft, unaddressed[i]);
		end_with(nft, NF_ACCEPT, NULL);
	}
	nft_rule(nft, "guarded");
	end_with(nft, NF_DROP, NULL);
}

static void neighbours(struct nft *nft)
{
	static const unsigned char refused[] = { ND_ROUTER_ADVERT, ND_REDIRECT, ND_NEIGHBOR_ADVERT };

	/* icmpv6 type nd-neighbor-advert iifgroup . ether saddr . @th,64,128 @own6 accept */
	nft_rule(nft, "neighbours");
	is_icmp6(nft, ND_NEIGHBOR_ADVERT);
	is_own(nft, "own6", NFT_PAYLOAD_LL_HEADER, ETHER_SOURCE, NFT_PAYLOAD_TRANSPORT_HEADER, ND_TARGET, 16);
	end_with(nft, NF_ACCEPT, NULL);
	/* icmpv6 type nd-router-advert drop; nd-redirect, nd-neighbor-advert */
	for (size_t i = 0; i < sizeof(refused); i++) {
		nft_rule(nft, "neighbours");
		is_icmp6(nft, refused[i]);
		end_with(nft, NF_DROP, NULL);
	}
}

static void bridge(struct nft *nft)
{
	static const unsigned char own4[] = { NFT_TYPE_GROUP, NFT_TYPE_ETHER, NFT_TYPE_IPV4, 0 },
				   own6[] = { NFT_TYPE_GROUP, NFT_TYPE_ETHER, NFT_TYPE_IPV6, 0 };

	nft->family = NFPROTO_BRIDGE;
	nft_table(nft, NFT_MSG_NEWTABLE);
	nft_set(nft, "own4", 0, own4, NULL);
	nft_set(nft, "own6", 0, own6, NULL);
	nft_chain(nft, "guarded", NULL, 0, 0);
	nft_chain(nft, "neighbours", NULL, 0, 0);
	nft_chain(nft, "guard", "filter", NF_BR_PRE_ROUTING, PRIORITY_BRIDGE_FILTER);
	nft_flush(nft);
	/* iifgroup & 0xff000000 == 0x5c000000 goto guarded */
	nft_rule(nft, "guard");
	nft_meta(nft, NFT_META_IIFGROUP, R1);
	nft_mask(nft, GUARD_GROUP_MASK, R1);
	nft_compare_u32(nft, NFT_CMP_EQ, GUARD_GROUP, R1);
	end_with(nft, NFT_GOTO, "guarded");
	guarded(nft);
	neighbours(nft);
}

void firewall_rules(struct nft *nft)
{
	inet(nft);
	bridge(nft);
}
