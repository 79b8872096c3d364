/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of usernet's flows: found by both ends, bounded, each with a clock. Pure but for usernet_now() and host_close().
 *
 * 1. A place that became free is taken again only after flow_settle(): until then events may be on their way that speak of it.
 * 2. Clocks are looked at all together, when the earliest of them is due: with a few thousand flows that costs less than to keep them
 *    in order, and most of them are only ever put off.
 */
#include "init/usernet.h"

#define CHAINS 8192 /* a power of two */

struct flow flows[USERNET_FLOWS];

static struct {
	uint16_t chains[CHAINS];
	uint16_t live[USERNET_FLOWS], todo[USERNET_FLOWS], dead[USERNET_FLOWS];
	unsigned int n_live, n_todo, n_dead, n_datagrams;
	uint16_t free;        /* the first of a list */
	uint16_t fresh;       /* from here on none was ever taken */
	uint64_t secret, due; /* due 0: nothing is */
} table;

void flow_table_open(uint64_t secret)
{
	for (unsigned int i = 0; i < CHAINS; i++)
		table.chains[i] = USERNET_NONE;
	table.free = USERNET_NONE;
	table.secret = secret;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
	return hash ^ hash >> 29;
}

static uint64_t mix_endpoint(uint64_t hash, const struct net_endpoint *endpoint)
{
	uint64_t words[2];

	__builtin_memcpy(words, &endpoint->address, sizeof(words));
	return mix(mix(mix(hash, words[0]), words[1]), endpoint->port);
}

uint32_t flow_hash(const struct net_endpoint *inside, const struct net_endpoint *outside)
{
	uint64_t hash = mix(mix_endpoint(mix_endpoint(table.secret, inside), outside), table.secret >> 7);

	return (uint32_t) (hash >> 32);
}

static uint16_t *chain_of(const struct net_endpoint *inside, const struct net_endpoint *outside)
{
	return &table.chains[flow_hash(inside, outside) % CHAINS];
}

struct net_endpoint flow_inside(const struct flow *flow)
{
	return (struct net_endpoint){ flow->inside, flow->inside_port };
}

struct net_endpoint flow_outside(const struct flow *flow)
{
	return (struct net_endpoint){ flow->outside, flow->outside_port };
}

uint16_t flow_index(const struct flow *flow)
{
	return (uint16_t) (flow - flows);
}

struct flow *flow_find(enum flow_kind kind, const struct net_endpoint *inside, const struct net_endpoint *outside)
{
	for (uint16_t i = *chain_of(inside, outside); i != USERNET_NONE; i = flows[i].next) {
		struct flow *flow = &flows[i];

		if (flow->kind == kind && flow->inside_port == inside->port && flow->outside_port == outside->port &&
		    address_same(&flow->inside, &inside->address) && address_same(&flow->outside, &outside->address))
			return flow;
	}
	return NULL;
}

/* The one of datagrams that would end first. */
static bool let_one_go(void)
{
	struct flow *oldest = NULL;

	for (unsigned int i = 0; i < table.n_live; i++) {
		struct flow *flow = &flows[table.live[i]];

		if (flow->kind != FLOW_TCP && (!oldest || flow->due < oldest->due))
			oldest = flow;
	}
	if (oldest)
		flow_end(oldest, false);
	return oldest;
}

static uint16_t take_place(void)
{
	uint16_t place = table.free;

	if (place != USERNET_NONE)
		table.free = flows[place].next;
	else if (table.fresh < USERNET_FLOWS)
		place = table.fresh++;
	return place;
}

struct flow *flow_make(enum flow_kind kind, const struct net_endpoint *inside, const struct net_endpoint *outside)
{
	uint16_t *chain = chain_of(inside, outside), place;
	struct flow *flow;

	if (kind != FLOW_TCP && table.n_datagrams >= USERNET_DATAGRAM_FLOWS)
		let_one_go();
	place = take_place();
	if (place == USERNET_NONE) {
		/* Its place is free with the next turn; who asked now asks again. */
		let_one_go();
		return NULL;
	}
	flow = &flows[place];
	__builtin_memset(flow, 0, sizeof(*flow));
	flow->kind = (uint8_t) kind;
	flow->inside = inside->address;
	flow->inside_port = inside->port;
	flow->outside = outside->address;
	flow->outside_port = outside->port;
	flow->fd = -1;
	flow->next = *chain;
	*chain = place;
	flow->live = (uint16_t) table.n_live;
	table.live[table.n_live++] = place;
	table.n_datagrams += kind != FLOW_TCP;
	return flow;
}

void flow_end(struct flow *flow, bool reset)
{
	struct net_endpoint inside = flow_inside(flow), outside = flow_outside(flow);
	uint16_t *at = chain_of(&inside, &outside), place = flow_index(flow);

	while (*at != place)
		at = &flows[*at].next;
	*at = flow->next;
	table.live[flow->live] = table.live[--table.n_live];
	flows[table.live[flow->live]].live = flow->live;
	table.n_datagrams -= flow->kind != FLOW_TCP;
	if (flow->kind == FLOW_TCP)
		early_forget(flow);
	if (flow->fd >= 0 && !(flow->flags & FLOW_BY_PORT))
		host_close(flow->fd, reset);
	flow->fd = -1;
	flow->kind = FLOW_FREE;
	flow->due = 0;
	table.dead[table.n_dead++] = place;
}

void flow_todo(struct flow *flow)
{
	if (flow->flags & FLOW_TODO)
		return;
	flow->flags |= FLOW_TODO;
	table.todo[table.n_todo++] = flow_index(flow);
}

bool flow_settle(void)
{
	unsigned int n = table.n_todo;

	table.n_todo = 0;
	for (unsigned int i = 0; i < n; i++) {
		struct flow *flow = &flows[table.todo[i]];

		flow->flags &= (uint16_t) ~FLOW_TODO;
		if (flow->kind == FLOW_TCP && !tcp_settle(flow))
			flow_todo(flow);
	}
	for (unsigned int i = 0; i < table.n_dead; i++) {
		flows[table.dead[i]].next = table.free;
		table.free = table.dead[i];
	}
	table.n_dead = 0;
	return !table.n_todo;
}

void flow_clock(struct flow *flow, unsigned int ms)
{
	flow->due = usernet_now() + ms;
	if (!table.due || flow->due < table.due)
		table.due = flow->due;
}

int flow_tick(void)
{
	uint64_t now;

	if (!table.due)
		return -1;
	now = usernet_now();
	if (table.due > now)
		return (int) (table.due - now);
	table.due = 0;
	/* From the end: one that ends has the last one put in its place. */
	for (unsigned int i = table.n_live; i-- > 0;) {
		struct flow *flow = &flows[table.live[i]];

		if (flow->due && flow->due <= now) {
			flow->due = 0;
			if (flow->kind == FLOW_TCP)
				tcp_clock(flow);
			else
				datagram_clock(flow);
		}
		if (flow->kind != FLOW_FREE && flow->due && (!table.due || flow->due < table.due))
			table.due = flow->due;
	}
	return 0; /* whoever it rang for may have something to settle */
}
