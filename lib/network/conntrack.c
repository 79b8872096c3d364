/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the kernel's connection tracking remembers of a port that is published now: of UDP only, where a client that sends without a
 * pause keeps its "connection" alive, and with it where that went before. TCP ends by itself.
 */
#include "network/ports.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>

#include "network/nft.h"

/* Which parts of a tuple count; the kernel has no header for them. */
#define FILTER_PROTOCOL (1u << 3)
#define FILTER_DESTINATION_PORT (1u << 5)
/* Each looks through the whole table. */
#define PORTS_MAX 64

static void forget(struct batch *batch, int family, uint8_t protocol, uint16_t port)
{
	/* In version 0 the family was not looked at. */
	const struct nfgenmsg header = { .nfgen_family = (uint8_t) family, .version = 1 };
	size_t outer, inner;

	batch_message(batch, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE, 0, &header, sizeof(header));
	outer = batch_nest(batch, CTA_TUPLE_ORIG | NLA_F_NESTED);
	inner = batch_nest(batch, CTA_TUPLE_PROTO | NLA_F_NESTED);
	batch_u8(batch, CTA_PROTO_NUM, protocol);
	batch_u16(batch, CTA_PROTO_DST_PORT, htons(port));
	batch_nest_end(batch, inner);
	batch_nest_end(batch, outer);
	outer = batch_nest(batch, CTA_FILTER | NLA_F_NESTED);
	batch_u32(batch, CTA_FILTER_ORIG_FLAGS, FILTER_PROTOCOL | FILTER_DESTINATION_PORT);
	batch_u32(batch, CTA_FILTER_REPLY_FLAGS, 0);
	batch_nest_end(batch, outer);
}

int ports_forget_connections(struct netns *ns, const struct ports *ports, scow_error **error)
{
	unsigned int count = 0;
	int r = 0;

	for (size_t i = 0; i < ports->n_bindings && r == 0 && count < PORTS_MAX; i++) {
		const struct port_binding *binding = &ports->bindings[i];
		_cleanup_batch_ struct batch batch = { 0 };
		int refused;

		if (binding->protocol != IPPROTO_UDP || !binding->host_port)
			continue;
		forget(&batch, binding->host.family, IPPROTO_UDP, binding->host_port);
		count++;
		/* A kernel before 5.8 cannot choose: then it is as it always was there. */
		r = batch.bytes.failed ? error_oom(error) : nft_send_bytes(ns, batch.bytes.data, batch.bytes.size, &refused, error);
	}
	return r;
}
