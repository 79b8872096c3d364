/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What other firewalls do to us. A packet has to pass all tables, so that a chain of somebody else's that drops what is forwarded, unless
 * a rule of its own lets it through, is in our way; and no rule of ours can help.
 */
#include "network/firewall.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>

struct dropping {
	char *out;
	size_t size;
};

static bool number(const struct nlattr *attribute, uint32_t *out)
{
	if (!attribute || attribute->nla_len < sizeof(*attribute) + sizeof(*out))
		return false;
	memcpy(out, attribute + 1, sizeof(*out));
	*out = ntohl(*out);
	return true;
}

static void look(void *data, const struct nlmsghdr *message)
{
	const struct nfgenmsg *header = NLMSG_DATA(message);
	const struct nlattr *first = (const void *) ((const char *) header + NLMSG_ALIGN(sizeof(*header)));
	const size_t size = message->nlmsg_len - NLMSG_SPACE(sizeof(*header));
	const struct nlattr *hook = nft_attribute(first, size, NFTA_CHAIN_HOOK);
	const struct nlattr *table = nft_attribute(first, size, NFTA_CHAIN_TABLE), *chain = nft_attribute(first, size, NFTA_CHAIN_NAME);
	const struct dropping *dropping = data;
	const char *family = header->nfgen_family == NFPROTO_IPV4   ? "ip"
			     : header->nfgen_family == NFPROTO_IPV6 ? "ip6"
			     : header->nfgen_family == NFPROTO_INET ? "inet"
								    : NULL;
	uint32_t where, policy;

	if (*dropping->out || !family || !table || !chain || !number(nft_inside(hook, NFTA_HOOK_HOOKNUM), &where) ||
	    where != NF_INET_FORWARD || !number(nft_attribute(first, size, NFTA_CHAIN_POLICY), &policy) || policy != NF_DROP)
		return;
	snprintf(dropping->out, dropping->size, "%s %s %s", family, (const char *) (table + 1), (const char *) (chain + 1));
}

int firewall_who_drops(struct netns *ns, char *out, size_t size, scow_error **error)
{
	const struct nfgenmsg header = { .nfgen_family = AF_UNSPEC };
	struct dropping dropping = { out, size };
	_cleanup_nft_ struct nft question = { 0 };
	int refused;

	out[0] = 0;
	batch_message(&question.batch, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN, NLM_F_DUMP, &header, sizeof(header));
	return nft_ask(ns, &question, look, &dropping, &refused, error);
}
