/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Segments that came before their turn. On a veth, frames that are sent by two processors overtake each other; without a place for those
 * that come too early each time would look like a loss. A few places for all flows together: who finds none sends again.
 */
#include "init/usernet.h"

#define PLACES 32
#define PLACE_BYTES 65536

static struct early {
	bool used, end;
	uint16_t flow;
	uint32_t seq;
	size_t size;
	unsigned char bytes[PLACE_BYTES];
} places[PLACES];

void early_keep(struct flow *flow, const struct segment *segment)
{
	struct early *at = places;

	while (at < places + PLACES && at->used)
		at++;
	if (at == places + PLACES || segment->size > PLACE_BYTES)
		return;
	at->used = true;
	at->end = segment->flags & SEGMENT_FIN;
	at->flow = flow_index(flow);
	at->seq = segment->seq;
	at->size = segment->size;
	__builtin_memcpy(at->bytes, segment->data, segment->size);
	flow->tcp.early++;
}

bool early_take(struct flow *flow, struct segment *out)
{
	for (struct early *at = places; flow->tcp.early && at < places + PLACES; at++) {
		if (!at->used || at->flow != flow_index(flow) || (int32_t) (flow->tcp.received - at->seq) < 0)
			continue;
		at->used = false;
		flow->tcp.early--;
		*out = (struct segment){ .seq = at->seq, .flags = at->end ? SEGMENT_FIN : 0, .data = at->bytes, .size = at->size };
		return true;
	}
	return false;
}

void early_forget(struct flow *flow)
{
	for (struct early *at = places; flow->tcp.early && at < places + PLACES; at++) {
		if (!at->used || at->flow != flow_index(flow))
			continue;
		at->used = false;
		flow->tcp.early--;
	}
}
