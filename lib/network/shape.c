/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How fast an endpoint may be: the options scow.rate.in (what comes to the container) and scow.rate.out (what it sends), of a network or
 * of one container on it. A token bucket (tc-tbf(8)) at the link by which it goes: the container's port on the host, and its own end.
 *
 * 1. What is too fast waits, up to a tenth of a second, and is dropped beyond: TCP finds the rate by itself.
 * 2. The bucket holds a hundredth of a second, but what the kernel sends in one piece at least. Larger pieces (GSO) are cut by it.
 * 3. A container with CAP_NET_ADMIN can change its own end, but not the host's.
 */
#include "network/shape.h"

#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "base/str.h"

#define BURST_MIN (16u << 10)
#define BURST_MAX (1u << 20)
#define QUEUE_MIN (128u << 10)
#define QUEUE_MAX (64u << 20)

bool rate_parse(const char *text, uint64_t *bytes_per_second)
{
	static const struct {
		const char *name;
		uint64_t bits;
	} units[] = { { "", 1 }, { "bit", 1 }, { "kbit", 1000 }, { "mbit", 1000000 }, { "gbit", 1000000000 } };
	size_t digits = text ? strspn(text, "0123456789") : 0;
	unsigned long long number;
	char head[16];

	if (!digits || digits >= sizeof(head))
		return false;
	memcpy(head, text, digits);
	head[digits] = 0;
	if (!str_to_u64(head, &number))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcmp(text + digits, units[i].name) != 0)
			continue;
		/* Eight Kbit/s: a packet in three seconds. A Tbit/s: faster than any link. */
		if (number > RATE_MAX_BITS / units[i].bits || number * units[i].bits < RATE_MIN_BITS)
			return false;
		*bytes_per_second = number * units[i].bits / 8;
		return true;
	}
	return false;
}

static uint32_t within(uint64_t value, uint32_t min, uint32_t max)
{
	return value < min ? min : value > max ? max : (uint32_t) value;
}

static void put_bucket(struct batch *batch, enum wire_patch_kind kind, const char *link, uint64_t rate)
{
	const struct tcmsg header = { .tcm_family = AF_UNSPEC, .tcm_parent = TC_H_ROOT };
	const uint32_t burst = within(rate / 100, BURST_MIN, BURST_MAX);
	const struct tc_tbf_qopt bucket = {
		.rate = { .rate = (uint32_t) (rate < UINT32_MAX ? rate : UINT32_MAX), .linklayer = TC_LINKLAYER_ETHERNET },
		.limit = within(rate / 10, QUEUE_MIN, QUEUE_MAX),
	};
	size_t options;

	batch_message(batch, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, &header, sizeof(header));
	batch_patch_header(batch, kind, link, offsetof(struct tcmsg, tcm_ifindex));
	batch_text(batch, TCA_KIND, "tbf");
	options = batch_nest(batch, TCA_OPTIONS);
	batch_attribute(batch, TCA_TBF_PARMS, &bucket, sizeof(bucket));
	batch_u32(batch, TCA_TBF_BURST, burst);
	if (rate >= UINT32_MAX)
		batch_attribute(batch, TCA_TBF_RATE64, &rate, sizeof(rate));
	batch_nest_end(batch, options);
}

void shape_batches(const struct endpoint *endpoint, struct batch *host, struct batch *inside)
{
	if (endpoint->rate_in)
		put_bucket(host, WIRE_PATCH_PORT, endpoint->port, endpoint->rate_in);
	if (endpoint->rate_out)
		put_bucket(inside, WIRE_PATCH_INDEX, endpoint->interface, endpoint->rate_out);
}

int shape_read(struct endpoint *endpoint, const cJSON *options, struct arena *arena, scow_error **error)
{
	const struct {
		const char *name;
		uint64_t *rate;
	} both[] = { { OPTION_RATE_IN, &endpoint->rate_in }, { OPTION_RATE_OUT, &endpoint->rate_out } };
	const bool has_network = strstr(endpoint->network->settings, OPTION_RATE) != NULL;

	for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
		const cJSON *own = cJSON_GetObjectItemCaseSensitive(options, both[i].name);
		const char *text = cJSON_IsString(own) ? own->valuestring : NULL;

		if (!text && has_network)
			text = network_option(endpoint->network, arena, both[i].name);
		if (text && !rate_parse(text, both[i].rate))
			return error_set(error, SCOW_E_CORRUPT, "state.db: '%s' is no rate", text);
	}
	return 0;
}

int shape_check(const struct endpoint *endpoint, scow_error **error)
{
	if (endpoint->rate_in && endpoint->network->driver != NETWORK_BRIDGE)
		return error_set(error, SCOW_E_UNSUPPORTED,
				 OPTION_RATE_IN ": a container has no port on the host by which it is on the network '%s'",
				 endpoint->network->name);
	return 0;
}
