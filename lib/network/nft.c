/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nftables by raw bytes: building.
 *
 * 1. A batch stands between two messages that only say so; none of its messages happens unless all do.
 * 2. Numbers are in network order everywhere but inside data, which is as the packet or the kernel's own variable has it; parts of a
 *    key are padded to four bytes each.
 */
#include "network/nft.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <string.h>

#define TABLE "scow"
#define KEY_PARTS_MAX 4
#define TYPE_BITS 6
#define COMMENT_MAX 32
/* As nft(8) has them. */
#define USERDATA_KEY_ORDER 0
#define ORDER_HOST 1
#define ORDER_NETWORK 2

void nft_done(struct nft *nft)
{
	batch_done(&nft->batch);
}

/* ---- building ---- */

static void be32(struct nft *nft, unsigned int type, uint32_t value)
{
	batch_u32(&nft->batch, type, htonl(value));
}

static size_t nest(struct nft *nft, unsigned int type)
{
	return batch_nest(&nft->batch, type | NLA_F_NESTED);
}

static void nest_end(struct nft *nft, size_t at)
{
	batch_nest_end(&nft->batch, at);
}

/* A message of the table's family, with the table's name in @table's attribute. */
static void message(struct nft *nft, unsigned int type, unsigned int flags, unsigned int table)
{
	const struct nfgenmsg header = { .nfgen_family = nft->family, .version = NFNETLINK_V0 };

	batch_message(&nft->batch, NFNL_SUBSYS_NFTABLES << 8 | type, flags, &header, sizeof(header));
	batch_text(&nft->batch, table, TABLE);
}

/* Begin and end want no acknowledgement: old kernels give none to them, new ones do. */
static void mark(struct nft *nft, unsigned int type)
{
	const struct nfgenmsg header = { .version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES) };

	batch_message(&nft->batch, type, 0, &header, sizeof(header));
	if (!nft->batch.bytes.failed)
		((struct nlmsghdr *) (void *) (nft->batch.bytes.data + nft->batch.message))->nlmsg_flags = NLM_F_REQUEST;
}

void nft_begin(struct nft *nft, uint32_t generation)
{
	mark(nft, NFNL_MSG_BATCH_BEGIN);
	if (generation)
		be32(nft, NFNL_BATCH_GENID, generation);
}

void nft_finish(struct nft *nft)
{
	mark(nft, NFNL_MSG_BATCH_END);
}

void nft_table(struct nft *nft, unsigned int type)
{
	message(nft, type, type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0, NFTA_TABLE_NAME);
}

static unsigned int type_size(unsigned char type)
{
	switch (type) {
	case NFT_TYPE_NFPROTO:
	case NFT_TYPE_PROTOCOL:
		return 1;
	case NFT_TYPE_SERVICE:
		return 2;
	case NFT_TYPE_ETHER:
		return 6;
	case NFT_TYPE_IPV6:
	case NFT_TYPE_IFNAME:
		return 16;
	default:
		return 4;
	}
}

/* Without this nft(8) would show a key of one part in the wrong order. */
static void key_order(struct nft *nft, const unsigned char *key)
{
	const uint32_t order = key[0] == NFT_TYPE_IFNAME ? ORDER_HOST : ORDER_NETWORK;
	unsigned char data[2 + sizeof(order)] = { USERDATA_KEY_ORDER, sizeof(order) };

	memcpy(data + 2, &order, sizeof(order));
	batch_attribute(&nft->batch, NFTA_SET_USERDATA, data, sizeof(data));
}

/* The number by which nft(8) knows the type of a whole key, and its size. */
static uint32_t whole_type(const unsigned char *types, uint32_t *size)
{
	uint32_t type = 0, sum = 0, parts = 0;

	for (; parts < KEY_PARTS_MAX && types[parts]; parts++) {
		type = type << TYPE_BITS | types[parts];
		sum += (type_size(types[parts]) + 3) & ~3u;
	}
	*size = parts == 1 ? type_size(types[0]) : sum;
	return type;
}

void nft_set(struct nft *nft, const char *name, unsigned int flags, const unsigned char *key, const unsigned char *data)
{
	uint32_t size, type = whole_type(key, &size);

	message(nft, NFT_MSG_NEWSET, NLM_F_CREATE, NFTA_SET_TABLE);
	batch_text(&nft->batch, NFTA_SET_NAME, name);
	be32(nft, NFTA_SET_ID, ++nft->set_id);
	be32(nft, NFTA_SET_FLAGS, flags | (data ? NFT_SET_MAP : 0));
	be32(nft, NFTA_SET_KEY_TYPE, type);
	be32(nft, NFTA_SET_KEY_LEN, size);
	if (!key[1])
		key_order(nft, key);
	if (!data)
		return;
	type = whole_type(data, &size);
	be32(nft, NFTA_SET_DATA_TYPE, type);
	be32(nft, NFTA_SET_DATA_LEN, size);
}

void nft_chain(struct nft *nft, const char *name, const char *type, unsigned int hook, int priority)
{
	size_t at;

	message(nft, NFT_MSG_NEWCHAIN, NLM_F_CREATE, NFTA_CHAIN_TABLE);
	batch_text(&nft->batch, NFTA_CHAIN_NAME, name);
	if (!type)
		return;
	at = nest(nft, NFTA_CHAIN_HOOK);
	be32(nft, NFTA_HOOK_HOOKNUM, hook);
	be32(nft, NFTA_HOOK_PRIORITY, (uint32_t) priority);
	nest_end(nft, at);
	be32(nft, NFTA_CHAIN_POLICY, NF_ACCEPT);
	batch_text(&nft->batch, NFTA_CHAIN_TYPE, type);
}

void nft_flush(struct nft *nft)
{
	message(nft, NFT_MSG_DELRULE, 0, NFTA_RULE_TABLE);
}

/* ---- rules ---- */

void nft_rule(struct nft *nft, const char *chain)
{
	message(nft, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, NFTA_RULE_TABLE);
	batch_text(&nft->batch, NFTA_RULE_CHAIN, chain);
	nft->list = nest(nft, NFTA_RULE_EXPRESSIONS);
}

void nft_rule_end(struct nft *nft)
{
	nest_end(nft, nft->list);
}

static void expression(struct nft *nft, const char *name)
{
	nft->element = nest(nft, NFTA_LIST_ELEM);
	batch_text(&nft->batch, NFTA_EXPR_NAME, name);
	nft->part = nest(nft, NFTA_EXPR_DATA);
}

static void expression_end(struct nft *nft)
{
	nest_end(nft, nft->part);
	nest_end(nft, nft->element);
}

static void value(struct nft *nft, unsigned int type, const void *data, size_t size)
{
	size_t at = nest(nft, type);

	batch_attribute(&nft->batch, NFTA_DATA_VALUE, data, size);
	nest_end(nft, at);
}

void nft_meta(struct nft *nft, enum nft_meta_keys key, unsigned int reg)
{
	expression(nft, "meta");
	be32(nft, NFTA_META_KEY, key);
	be32(nft, NFTA_META_DREG, reg);
	expression_end(nft);
}

void nft_ct(struct nft *nft, enum nft_ct_keys key, unsigned int reg)
{
	expression(nft, "ct");
	be32(nft, NFTA_CT_KEY, key);
	be32(nft, NFTA_CT_DREG, reg);
	expression_end(nft);
}

void nft_payload(struct nft *nft, enum nft_payload_bases base, unsigned int offset, unsigned int size, unsigned int reg)
{
	expression(nft, "payload");
	be32(nft, NFTA_PAYLOAD_DREG, reg);
	be32(nft, NFTA_PAYLOAD_BASE, base);
	be32(nft, NFTA_PAYLOAD_OFFSET, offset);
	be32(nft, NFTA_PAYLOAD_LEN, size);
	expression_end(nft);
}

void nft_mask(struct nft *nft, uint32_t mask, unsigned int reg)
{
	const uint32_t nothing = 0;

	expression(nft, "bitwise");
	be32(nft, NFTA_BITWISE_SREG, reg);
	be32(nft, NFTA_BITWISE_DREG, reg);
	be32(nft, NFTA_BITWISE_LEN, sizeof(mask));
	value(nft, NFTA_BITWISE_MASK, &mask, sizeof(mask));
	value(nft, NFTA_BITWISE_XOR, &nothing, sizeof(nothing));
	expression_end(nft);
}

void nft_compare(struct nft *nft, enum nft_cmp_ops op, const void *data, size_t size, unsigned int reg)
{
	expression(nft, "cmp");
	be32(nft, NFTA_CMP_SREG, reg);
	be32(nft, NFTA_CMP_OP, op);
	value(nft, NFTA_CMP_DATA, data, size);
	expression_end(nft);
}

void nft_compare_u32(struct nft *nft, enum nft_cmp_ops op, uint32_t number, unsigned int reg)
{
	nft_compare(nft, op, &number, sizeof(number), reg);
}

void nft_local(struct nft *nft, unsigned int reg)
{
	expression(nft, "fib");
	be32(nft, NFTA_FIB_DREG, reg);
	be32(nft, NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	be32(nft, NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR);
	expression_end(nft);
}

void nft_lookup(struct nft *nft, const char *set, unsigned int reg)
{
	expression(nft, "lookup");
	batch_text(&nft->batch, NFTA_LOOKUP_SET, set);
	be32(nft, NFTA_LOOKUP_SREG, reg);
	expression_end(nft);
}

void nft_lookup_map(struct nft *nft, const char *map, unsigned int reg, unsigned int to)
{
	expression(nft, "lookup");
	batch_text(&nft->batch, NFTA_LOOKUP_SET, map);
	be32(nft, NFTA_LOOKUP_SREG, reg);
	be32(nft, NFTA_LOOKUP_DREG, to);
	expression_end(nft);
}

void nft_dnat(struct nft *nft, uint8_t family, unsigned int address, unsigned int port)
{
	expression(nft, "nat");
	be32(nft, NFTA_NAT_TYPE, NFT_NAT_DNAT);
	be32(nft, NFTA_NAT_FAMILY, family);
	be32(nft, NFTA_NAT_REG_ADDR_MIN, address);
	be32(nft, NFTA_NAT_REG_PROTO_MIN, port);
	expression_end(nft);
}

void nft_masquerade(struct nft *nft)
{
	expression(nft, "masq");
	expression_end(nft);
}

void nft_verdict(struct nft *nft, int verdict, const char *chain)
{
	size_t data, inner;

	expression(nft, "immediate");
	be32(nft, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = nest(nft, NFTA_IMMEDIATE_DATA);
	inner = nest(nft, NFTA_DATA_VERDICT);
	be32(nft, NFTA_VERDICT_CODE, (uint32_t) verdict);
	if (chain)
		batch_text(&nft->batch, NFTA_VERDICT_CHAIN, chain);
	nest_end(nft, inner);
	nest_end(nft, data);
	expression_end(nft);
}

/* ---- elements ---- */

void nft_elements(struct nft *nft, unsigned int type, const char *set)
{
	message(nft, type, type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0, NFTA_SET_ELEM_LIST_TABLE);
	batch_text(&nft->batch, NFTA_SET_ELEM_LIST_SET, set);
	nft->list = nest(nft, NFTA_SET_ELEM_LIST_ELEMENTS);
}

/* As nft(8) keeps it: of the first kind of an element's user data. */
static void add_comment(struct nft *nft, const char *comment)
{
	unsigned char data[2 + COMMENT_MAX + 1] = { 0 };
	const size_t size = strlen(comment) < COMMENT_MAX ? strlen(comment) : COMMENT_MAX;

	data[1] = (unsigned char) (size + 1);
	memcpy(data + 2, comment, size);
	batch_attribute(&nft->batch, NFTA_SET_ELEM_USERDATA, data, 2 + size + 1);
}

static void element(struct nft *nft, const void *key, size_t size, const void *data, size_t data_size, uint32_t flags, const char *comment)
{
	size_t at = nest(nft, NFTA_LIST_ELEM);

	if (flags)
		be32(nft, NFTA_SET_ELEM_FLAGS, flags);
	value(nft, NFTA_SET_ELEM_KEY, key, size);
	if (data)
		value(nft, NFTA_SET_ELEM_DATA, data, data_size);
	if (comment)
		add_comment(nft, comment);
	nest_end(nft, at);
}

void nft_element(struct nft *nft, const void *key, size_t size, const void *data, size_t data_size)
{
	element(nft, key, size, data, data_size, 0, NULL);
}

static void bounds(struct nft *nft, const struct address *first, const struct address *after, const char *comment)
{
	element(nft, first->bytes, address_size(first), NULL, 0, 0, comment);
	if (after)
		element(nft, after->bytes, address_size(after), NULL, 0, NFT_SET_ELEM_INTERVAL_END, NULL);
}

void nft_interval(struct nft *nft, const struct address *first, const struct address *last, const char *comment)
{
	struct address after = *last;

	bounds(nft, first, address_next(&after) ? &after : NULL, comment);
}

void nft_bounds(struct nft *nft, const struct address *first, const struct address *after)
{
	bounds(nft, first, after, NULL);
}

void nft_elements_end(struct nft *nft)
{
	nest_end(nft, nft->list);
}

void nft_elements_all(struct nft *nft, const char *set)
{
	message(nft, NFT_MSG_GETSETELEM, NLM_F_DUMP, NFTA_SET_ELEM_LIST_TABLE);
	batch_text(&nft->batch, NFTA_SET_ELEM_LIST_SET, set);
}
