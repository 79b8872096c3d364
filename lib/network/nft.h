/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nftables by raw bytes: tables, sets, chains, rules and elements as the kernel takes them, all of a batch or nothing.
 *
 * Not by libnftables, which opens a socket of its own in the calling thread's network namespace: a plain user's networks are in another,
 * of which we have sockets only. Nor would it serve scow-init, or a start that has a millisecond. See: <linux/netfilter/nf_tables.h>.
 */
#pragma once

#include <netinet/in.h>
/* after the C library's, which it gives way to */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "network/address.h"
#include "network/netlink.h"

/* One batch being built. Want of memory is sticky, and reported by nft_send(). */
struct nft {
	struct batch batch;
	uint8_t family; /* NFPROTO_INET, NFPROTO_BRIDGE: of the objects that follow */
	uint32_t set_id;
	const char *chain;          /* of the rules that follow */
	size_t list, part, element; /* what is open */
};
#define _cleanup_nft_ __attribute__((cleanup(nft_done)))
void nft_done(struct nft *nft);

/* @generation: the batch counts only if nobody has changed anything since (nft_generation()); 0: in any case. */
void nft_begin(struct nft *nft, uint32_t generation);
void nft_finish(struct nft *nft);

/* ---- objects of the table "scow" ---- */

void nft_table(struct nft *nft, unsigned int type); /* NFT_MSG_NEWTABLE, NFT_MSG_DELTABLE */
/* Data types as nft(8) has them; up to four make a key. */
enum nft_type {
	NFT_TYPE_NFPROTO = 2,
	NFT_TYPE_IPV4 = 7,
	NFT_TYPE_IPV6 = 8,
	NFT_TYPE_ETHER = 9,
	NFT_TYPE_PROTOCOL = 12,
	NFT_TYPE_SERVICE = 13,
	NFT_TYPE_GROUP = 35,
	NFT_TYPE_IFNAME = 41,
};
/* @key and @data: types, ended by 0; @data may be NULL. @flags: NFT_SET_INTERVAL or 0. */
void nft_set(struct nft *nft, const char *name, unsigned int flags, const unsigned char *key, const unsigned char *data);
/* @type: "filter" or "nat" at @hook; NULL: only jumped to. */
void nft_chain(struct nft *nft, const char *name, const char *type, unsigned int hook, int priority);
/* Deletes all rules of the table. */
void nft_flush(struct nft *nft);

/* ---- rules: expressions between nft_rule() and nft_rule_end() ---- */

void nft_rule(struct nft *nft, const char *chain);
void nft_rule_end(struct nft *nft);
void nft_meta(struct nft *nft, enum nft_meta_keys key, unsigned int reg);
void nft_ct(struct nft *nft, enum nft_ct_keys key, unsigned int reg);
void nft_payload(struct nft *nft, enum nft_payload_bases base, unsigned int offset, unsigned int size, unsigned int reg);
void nft_mask(struct nft *nft, uint32_t mask, unsigned int reg);
void nft_compare(struct nft *nft, enum nft_cmp_ops op, const void *data, size_t size, unsigned int reg);
void nft_compare_u32(struct nft *nft, enum nft_cmp_ops op, uint32_t value, unsigned int reg);
void nft_local(struct nft *nft, unsigned int reg); /* the type of the destination's route */
void nft_lookup(struct nft *nft, const char *set, unsigned int reg);
void nft_lookup_map(struct nft *nft, const char *map, unsigned int reg, unsigned int to);
void nft_dnat(struct nft *nft, uint8_t family, unsigned int address, unsigned int port);
void nft_masquerade(struct nft *nft);
void nft_verdict(struct nft *nft, int verdict, const char *chain); /* NF_ACCEPT, NF_DROP, NFT_JUMP, NFT_GOTO, NFT_RETURN */

/* ---- elements of a set ---- */

/* @type: NFT_MSG_NEWSETELEM and so on. */
void nft_elements(struct nft *nft, unsigned int type, const char *set);
void nft_element(struct nft *nft, const void *key, size_t size, const void *data, size_t data_size);
/* All of @first to @last, of a set with NFT_SET_INTERVAL; @comment: NULL for none. */
void nft_interval(struct nft *nft, const struct address *first, const struct address *last, const char *comment);
/* The same by its first and the first after it; NULL: open. */
void nft_bounds(struct nft *nft, const struct address *first, const struct address *after);
void nft_elements_end(struct nft *nft);
/* The question for all elements of a set. */
void nft_elements_all(struct nft *nft, const char *set);

/* ---- using ---- */

/* What netns_close() does with its filter_fd: it is kept for the next who needs one, or closed. */
void nft_release(struct netns *ns);
/* Gives up what was kept, at the engine's end, without waiting for the kernel. */
void nft_leave(scow_engine *engine);

/* @refused: -errno of the first message that the kernel refused, and then nothing of the batch has happened; NULL: an error. */
int nft_send(struct netns *ns, const struct nft *nft, int *refused, scow_error **error) _must_check_;
/* The same of a batch that is kept as bytes. */
int nft_send_bytes(struct netns *ns, const void *bytes, size_t size, int *refused, scow_error **error) _must_check_;
/* Sends one question, and calls @each for every message of the answer. @refused: as in nft_send(). */
struct nlmsghdr;
struct nlattr;
typedef void nft_message_fn(void *data, const struct nlmsghdr *message);
int nft_ask(struct netns *ns, const struct nft *question, nft_message_fn *each, void *data, int *refused, scow_error **error) _must_check_;
/* The attribute of a type among those in @size bytes, or in another one; NULL: none, also for an @outer of NULL. */
const struct nlattr *nft_attribute(const struct nlattr *first, size_t size, unsigned int type);
const struct nlattr *nft_inside(const struct nlattr *outer, unsigned int type);
/* Whether @set has @key: 1, or 0 where it, or all of the table, is not there. */
int nft_has(struct netns *ns, uint8_t family, const char *set, const void *key, size_t size, scow_error **error) _must_check_;
/* Calls @each for every element; a set that is not there has none. @comment: NULL for none. */
struct nft_found {
	const void *key;
	size_t size;
	const void *data; /* of a map; NULL */
	size_t data_size;
	bool is_end; /* the first that an interval does not have */
	const char *comment;
};
typedef void nft_each_fn(void *data, const struct nft_found *found);
int nft_list(struct netns *ns, uint8_t family, const char *set, nft_each_fn *each, void *data, scow_error **error) _must_check_;
/* A number that changes with every change of any table. */
int nft_generation(struct netns *ns, uint32_t *out, scow_error **error) _must_check_;
