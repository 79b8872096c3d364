/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Forwarding between links (net.ipv4.ip_forward): without it no container has a way out. It is the host's, and set back by us.
 *
 * 1. That it was off before us is an element of our table: so it is of this network namespace, known to all stores that share it, and
 *    gone after a boot. It is written first, then forwarding is switched on.
 * 2. When the last network goes it is switched off again, unless somebody else may have come to need it, who found it on and has said
 *    nothing: Docker, libvirt, a router. Such a one has a link of his own. Forwarding takes two links: with one left nobody needs it.
 * 3. A start puts its elements into the firewall before it asks for forwarding, and the tables are deleted only if nobody has changed
 *    anything: so a start between our two steps either makes the second fail, and forwarding is put back, or comes after both.
 */
#include "network/firewall.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

#include "base/cleanup.h"

#define SET "forwarded"

static const struct forwarding {
	unsigned char family;
	unsigned int flag;
	const char *sysctl;
} all[] = {
	{ NFPROTO_IPV4, NETWORK_IPV4, "net/ipv4/ip_forward" },
	{ NFPROTO_IPV6, NETWORK_IPV6, "net/ipv6/conf/all/forwarding" },
};

static int note(struct netns *ns, const struct forwarding *forwarding, scow_error **error)
{
	_cleanup_nft_ struct nft nft = { 0 };

	nft_begin(&nft, 0);
	nft.family = NFPROTO_INET;
	nft_elements(&nft, NFT_MSG_NEWSETELEM, SET);
	nft_element(&nft, &forwarding->family, sizeof(forwarding->family), NULL, 0);
	nft_elements_end(&nft);
	nft_finish(&nft);
	return nft_send(ns, &nft, NULL, error);
}

int firewall_forward(struct netns *ns, const struct network *network, scow_error **error)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(all) && r == 0; i++) {
		if (!(network->flags & all[i].flag) || netns_sysctl_is(ns, all[i].sysctl, "1"))
			continue;
		r = note(ns, &all[i], error);
		if (r == 0)
			r = netns_sysctl(ns, all[i].sysctl, "1", error);
	}
	return r;
}

/* ---- back ---- */

struct links {
	int bridge; /* which goes, with its ports */
	unsigned int others;
};

static int count_other(void *data, const struct link *link, scow_error **error)
{
	struct links *links = data;

	(void) error;
	if (!(link->flags & IFF_LOOPBACK) && link->flags & IFF_UP && link->index != links->bridge && link->master != links->bridge)
		links->others++;
	return 0;
}

int firewall_stop_forwarding(struct netns *ns, const char *bridge, unsigned int *stopped, scow_error **error)
{
	struct links links = { .bridge = netns_link_index(ns, bridge) };
	int r = 0;

	*stopped = 0;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		r = nft_has(ns, NFPROTO_INET, SET, &all[i].family, sizeof(all[i].family), error);
		if (r < 0)
			return r;
		if (r > 0 && netns_sysctl_is(ns, all[i].sysctl, "1"))
			*stopped |= all[i].flag;
	}
	if (!*stopped)
		return 0;
	r = netns_each_link(ns, NULL, 0, count_other, &links, error);
	if (r == 0 && links.others > 1) {
		engine_log(ns->engine, SCOW_LOG_INFO,
			   "the last network has gone; forwarding between links stays on: %u links are left that may need it",
			   links.others);
		*stopped = 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(all) && r == 0; i++)
		if (*stopped & all[i].flag)
			r = netns_sysctl(ns, all[i].sysctl, "0", error);
	return r;
}

int firewall_forward_again(struct netns *ns, unsigned int stopped, scow_error **error)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(all) && r == 0; i++)
		if (stopped & all[i].flag)
			r = netns_sysctl(ns, all[i].sysctl, "1", error);
	return r;
}
