/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What other firewalls do to us. A packet has to pass all tables, so that a chain of somebody else's that drops what is forwarded, unless
 * a rule of its own lets it through, is in our way; and no rule of ours can help.
 *
 * That may be a chain of nftables (which iptables is, mostly), or of the kernel's old x_tables, which nftables does not see: what
 * iptables-legacy(8) has set, as an older Docker does. Their policy is the verdict of a chain's last entry.
 */
#include "network/firewall.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/fd.h"

#define NAMES_MAX 4096

struct dropping {
	char *out;
	size_t size;
};

/* ---- nftables ---- */

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

/* ---- x_tables ---- */

static const struct old_tables {
	const char *tool, *names; /* a file that names the tables in use: asking for another one would make it */
	int family, level, get_info, get_entries;
	size_t target_at; /* in an entry */
} old_tables[] = {
	{ "iptables-legacy", "/proc/self/net/ip_tables_names", AF_INET, IPPROTO_IP, IPT_SO_GET_INFO, IPT_SO_GET_ENTRIES,
	  offsetof(struct ipt_entry, target_offset) },
	{ "ip6tables-legacy", "/proc/self/net/ip6_tables_names", AF_INET6, IPPROTO_IPV6, IP6T_SO_GET_INFO, IP6T_SO_GET_ENTRIES,
	  offsetof(struct ip6t_entry, target_offset) },
};

static bool is_in_use(const struct old_tables *tables)
{
	_cleanup_free_ char *names = NULL;

	return file_read_at(AT_FDCWD, tables->names, NAMES_MAX, &names, NULL) == 0 && strstr(names, "filter\n");
}

/* Both families have these structures alike. */
static bool drops_what_is_forwarded(const struct old_tables *tables)
{
	_cleanup_fd_ int fd = socket(tables->family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	struct ipt_getinfo info = { .name = "filter" };
	_cleanup_free_ struct ipt_get_entries *entries = NULL;
	struct xt_standard_target target;
	socklen_t size = sizeof(info);
	uint16_t offset;
	size_t at;

	if (fd < 0 || getsockopt(fd, tables->level, tables->get_info, &info, &size) < 0)
		return false;
	entries = calloc(1, sizeof(*entries) + info.size);
	if (!entries)
		return false;
	memcpy(entries->name, info.name, sizeof(entries->name));
	entries->size = info.size;
	size = (socklen_t) (sizeof(*entries) + info.size);
	if (getsockopt(fd, tables->level, tables->get_entries, entries, &size) < 0)
		return false;
	at = info.underflow[NF_INET_FORWARD] + tables->target_at;
	if (at + sizeof(offset) > info.size)
		return false;
	memcpy(&offset, (const char *) entries->entrytable + at, sizeof(offset));
	at = info.underflow[NF_INET_FORWARD] + offset;
	if (at + sizeof(target) > info.size)
		return false;
	memcpy(&target, (const char *) entries->entrytable + at, sizeof(target));
	return target.verdict == -NF_DROP - 1;
}

static void look_at_old_tables(char *out, size_t size)
{
	for (size_t i = 0; i < ARRAY_SIZE(old_tables) && !*out; i++)
		if (is_in_use(&old_tables[i]) && drops_what_is_forwarded(&old_tables[i]))
			snprintf(out, size, "%s filter FORWARD", old_tables[i].tool);
}

int firewall_who_drops(struct netns *ns, char *out, size_t size, scow_error **error)
{
	const struct nfgenmsg header = { .nfgen_family = AF_UNSPEC };
	struct dropping dropping = { out, size };
	_cleanup_nft_ struct nft question = { 0 };
	int refused, r;

	out[0] = 0;
	batch_message(&question.batch, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN, NLM_F_DUMP, &header, sizeof(header));
	r = nft_ask(ns, &question, look, &dropping, &refused, error);
	if (r == 0 && ns->fd < 0)
		look_at_old_tables(out, size);
	return r;
}

void firewall_warn(struct netns *ns, const struct network *network)
{
	char chain[128];

	if (firewall_who_drops(ns, chain, sizeof(chain), NULL) == 0 && *chain)
		engine_log(ns->engine, SCOW_LOG_WARNING,
			   "the chain '%s' of this host drops what is forwarded, unless a rule there accepts it: containers on network "
			   "'%s' may have "
			   "no way out, and their published ports no way in; let '%s' through there",
			   chain, network->name, network->link);
}
