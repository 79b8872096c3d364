/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bytes of netlink messages, their holes, and the form in which scow-init gets them. */
#include "unit.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "base/cleanup.h"
#include "network/netlink.h"
#include "network/shape.h"

static const struct nlmsghdr *message(const struct batch *batch, size_t index)
{
	size_t at = 0;

	while (index--)
		at += NLMSG_ALIGN(((const struct nlmsghdr *) (const void *) (batch->bytes.data + at))->nlmsg_len);
	assert_true(at < batch->bytes.size);
	return (const void *) (batch->bytes.data + at);
}

static const struct rtattr *find(const void *first, size_t size, unsigned int type)
{
	for (const struct rtattr *at = first; RTA_OK(at, size); at = RTA_NEXT(at, size))
		if ((at->rta_type & NLA_TYPE_MASK) == type)
			return at;
	fail_msg("no attribute %u", type);
	return NULL;
}

static void test_messages(void **state)
{
	_cleanup_batch_ struct batch batch = { 0 };
	const struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
	const struct nlmsghdr *m;
	const struct rtattr *nest, *inner;
	size_t info;

	(void) state;
	batch_message(&batch, RTM_NEWLINK, NLM_F_CREATE, &header, sizeof(header));
	batch_text(&batch, IFLA_IFNAME, "br0");
	info = batch_nest(&batch, IFLA_LINKINFO);
	batch_text(&batch, IFLA_INFO_KIND, "bridge");
	batch_nest_end(&batch, info);
	batch_message(&batch, RTM_DELLINK, 0, &header, sizeof(header));
	batch_u8(&batch, 7, 9);
	assert_int_equal(batch.count, 2);
	m = message(&batch, 0);
	assert_int_equal(m->nlmsg_type, RTM_NEWLINK);
	assert_int_equal(m->nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE);
	assert_int_equal(m->nlmsg_len, 16 + 16 + 8 + 4 + 4 + 8);
	assert_string_equal(RTA_DATA(find(IFLA_RTA(NLMSG_DATA(m)), IFLA_PAYLOAD(m), IFLA_IFNAME)), "br0");
	nest = find(IFLA_RTA(NLMSG_DATA(m)), IFLA_PAYLOAD(m), IFLA_LINKINFO);
	assert_int_equal(nest->rta_len, 4 + 4 + 8);
	inner = find(RTA_DATA(nest), RTA_PAYLOAD(nest), IFLA_INFO_KIND);
	assert_string_equal(RTA_DATA(inner), "bridge");
	m = message(&batch, 1);
	assert_int_equal(m->nlmsg_type, RTM_DELLINK);
	assert_int_equal(m->nlmsg_len, 16 + 16 + 8);
	assert_int_equal(batch.bytes.size, message(&batch, 0)->nlmsg_len + m->nlmsg_len);
}

static void test_patches(void **state)
{
	_cleanup_batch_ struct batch batch = { 0 };
	_cleanup_str_ struct str bytes = { 0 };
	const struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
	const struct wire_batch *wire;
	const struct wire_patch *patches;

	(void) state;
	batch_message(&batch, RTM_NEWLINK, 0, &header, sizeof(header));
	batch_text(&batch, IFLA_IFNAME, "vethabcdef00000");
	batch_patch_here(&batch, WIRE_PATCH_RUN, NULL, 5);
	batch_message(&batch, RTM_NEWLINK, 0, &header, sizeof(header));
	batch_patch_header(&batch, WIRE_PATCH_INDEX, "eth0", offsetof(struct ifinfomsg, ifi_index));
	batch_u32(&batch, IFLA_NET_NS_PID, 0);
	batch_patch_here(&batch, WIRE_PATCH_PID, NULL, 4);
	batch_write(&batch, &bytes);
	assert_false(bytes.failed);
	wire = (const void *) bytes.data;
	patches = (const void *) (wire + 1);
	assert_int_equal(wire->magic, WIRE_BATCH_MAGIC);
	assert_int_equal(wire->n_patches, 3);
	assert_int_equal(wire->n_messages, 2);
	assert_int_equal(wire->size, batch.bytes.size);
	assert_int_equal(bytes.size, sizeof(*wire) + 3 * sizeof(*patches) + wire->size);
	assert_memory_equal(batch.bytes.data + patches[0].offset, "0000", 5);
	assert_int_equal(patches[1].kind, WIRE_PATCH_INDEX);
	assert_string_equal(patches[1].name, "eth0");
	assert_int_equal(patches[1].offset, 16 + 16 + 20 + 16 + 4);
	assert_int_equal(patches[2].offset, wire->size - 4);
}

static void test_rates(void **state)
{
	static const char *const bad[] = {
		"", "mbit", "7999", "8Mbit", "8 mbit", "-1mbit", "1001gbit", "10mbits", "99999999999999999999", "1.5mbit"
	};
	uint64_t rate;

	(void) state;
	assert_true(rate_parse("8000", &rate) && rate == 1000);
	assert_true(rate_parse("8kbit", &rate) && rate == 1000);
	assert_true(rate_parse("10mbit", &rate) && rate == 1250000);
	assert_true(rate_parse("1000gbit", &rate) && rate == UINT64_C(125000000000));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(rate_parse(bad[i], &rate));
	assert_false(rate_parse(NULL, &rate));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_messages), cmocka_unit_test(test_patches), cmocka_unit_test(test_rates) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
