/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses, prefixes, MAC addresses, and which address a pool gives next. */
#include "unit.h"

#include "base/cleanup.h"
#include "network/address.h"

static struct address address(const char *text)
{
	struct address out = { 0 };

	if (text && !address_parse(text, &out))
		fail_msg("'%s' is no address", text);
	return out;
}

static struct prefix prefix(const char *text)
{
	struct prefix out;

	if (!prefix_parse(text, &out))
		fail_msg("'%s' is no prefix", text);
	return out;
}

static void test_texts(void **state)
{
	static const struct {
		const char *text, *back, *hex; /* back NULL: refused */
	} cases[] = {
		{ "10.0.0.1", "10.0.0.1", "0a000001" },
		{ "255.255.255.255", "255.255.255.255", "ffffffff" },
		{ "fd00::1", "fd00::1", "fd000000000000000000000000000001" },
		{ "FD00:0:0::1", "fd00::1", "fd000000000000000000000000000001" },
		{ "::", "::", "00000000000000000000000000000000" },
		{ "10.0.0", NULL, NULL },
		{ "10.0.0.256", NULL, NULL },
		{ "10.0.0.1/8", NULL, NULL },
		{ "fd00::1%eth0", NULL, NULL },
		{ "", NULL, NULL },
		{ " 10.0.0.1", NULL, NULL },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[ADDRESS_TEXT], hex[ADDRESS_HEX];
		struct address parsed, again;

		assert_int_equal(address_parse(cases[i].text, &parsed), cases[i].back != NULL);
		if (!cases[i].back)
			continue;
		assert_string_equal(address_format(&parsed, text), cases[i].back);
		assert_string_equal(address_hex(&parsed, hex), cases[i].hex);
		assert_true(address_from_hex(hex, &again));
		assert_true(address_equal(&parsed, &again));
	}
	assert_false(address_parse(NULL, &(struct address){ 0 }));
}

static void test_hex(void **state)
{
	struct address out;
	char hex[ADDRESS_HEX];

	(void) state;
	assert_true(address_from_hex(NULL, &out) && out.family == 0);
	assert_null(address_hex(&out, hex));
	assert_false(address_from_hex("0a0000", &out));
	assert_false(address_from_hex("0a00000g", &out));
	assert_false(address_from_hex("0a0000010", &out));
}

static void test_counting(void **state)
{
	static const struct {
		const char *from;
		unsigned long long count;
		const char *to; /* NULL: beyond the last */
	} cases[] = {
		{ "10.0.0.1", 1, "10.0.0.2" },
		{ "10.0.0.255", 1, "10.0.1.0" },
		{ "10.255.255.255", 1, "11.0.0.0" },
		{ "255.255.255.255", 1, NULL },
		{ "10.0.0.0", 0, "10.0.0.0" },
		{ "10.0.0.0", 65536, "10.1.0.0" },
		{ "fd00::ffff:ffff:ffff:ffff", 1, "fd00:0:0:1::" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct address at = address(cases[i].from), to = address(cases[i].to);

		assert_int_equal(address_add(&at, cases[i].count), cases[i].to != NULL);
		if (cases[i].to)
			assert_true(address_equal(&at, &to));
	}
}

static void test_prefixes(void **state)
{
	static const struct {
		const char *prefix, *first, *last, *inside, *outside;
	} cases[] = {
		{ "10.1.2.3/16", "10.1.0.0", "10.1.255.255", "10.1.7.7", "10.2.0.0" },
		{ "10.1.2.3/32", "10.1.2.3", "10.1.2.3", "10.1.2.3", "10.1.2.4" },
		{ "0.0.0.0/0", "0.0.0.0", "255.255.255.255", "1.2.3.4", "::1" },
		{ "192.168.5.130/25", "192.168.5.128", "192.168.5.255", "192.168.5.200", "192.168.5.127" },
		{ "fd00:1::5/64", "fd00:1::", "fd00:1::ffff:ffff:ffff:ffff", "fd00:1::9", "fd00:2::9" },
		{ "fd00::/49", "fd00::", "fd00:0:0:7fff:ffff:ffff:ffff:ffff", "fd00::1", "fd00:0:0:8000::" },
	};
	static const char *const refused[] = {
		"10.0.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x", "fd00::/129", "/8", ""
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct prefix p = prefix(cases[i].prefix);
		struct address at, expected = address(cases[i].first), inside = address(cases[i].inside),
				   outside = address(cases[i].outside);

		prefix_first(&p, &at);
		assert_true(address_equal(&at, &expected));
		expected = address(cases[i].last);
		prefix_last(&p, &at);
		assert_true(address_equal(&at, &expected));
		assert_true(prefix_has(&p, &inside));
		assert_false(prefix_has(&p, &outside));
	}
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		assert_false(prefix_parse(refused[i], &(struct prefix){ { 0 }, 0 }));
}

static void test_overlaps(void **state)
{
	static const struct {
		const char *a, *b;
		bool overlap;
	} cases[] = {
		{ "10.0.0.0/8", "10.9.0.0/16", true },     { "10.9.0.0/16", "10.0.0.0/8", true },
		{ "10.9.0.0/16", "10.10.0.0/16", false },  { "10.9.0.0/24", "10.9.0.0/24", true },
		{ "10.9.0.0/25", "10.9.0.128/25", false }, { "0.0.0.0/0", "10.0.0.0/8", true },
		{ "fd00::/48", "fd00:0:0:5::/64", true },  { "fd00::/64", "10.0.0.0/8", false },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct prefix a = prefix(cases[i].a), b = prefix(cases[i].b);

		assert_int_equal(prefix_overlaps(&a, &b), cases[i].overlap);
	}
}

static void test_kinds(void **state)
{
	struct address local = address("169.254.3.4"), local6 = address("fe80::1"), loop = address("127.0.0.53"), loop6 = address("::1"),
		       any = address("0.0.0.0"), any6 = address("::"), usual = address("10.0.0.1"), none = { 0 };

	(void) state;
	assert_true(address_is_link_local(&local) && address_is_link_local(&local6) && !address_is_link_local(&usual));
	assert_true(address_is_loopback(&loop) && address_is_loopback(&loop6) && !address_is_loopback(&usual));
	assert_true(address_is_any(&any) && address_is_any(&any6) && !address_is_any(&usual) && !address_is_any(&none));
}

static void test_macs(void **state)
{
	static const char *const refused[] = { "", "02:42", "02:42:ac:11:00:0g", "02:42:ac:11:00:02:03", "02.42.ac.11.00.02", NULL };
	unsigned char mac[MAC_BYTES];
	struct address four = address("172.17.0.2"), six = address("fd00::1:2");
	char text[MAC_TEXT];

	(void) state;
	assert_true(mac_parse("02-42-AC-11-00-02", mac));
	assert_string_equal(mac_format(mac, text), "02:42:ac:11:00:02");
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		assert_false(mac_parse(refused[i], mac));
	mac_of_address(&four, mac);
	assert_string_equal(mac_format(mac, text), "02:42:ac:11:00:02");
	mac_of_address(&six, mac);
	assert_string_equal(mac_format(mac, text), "02:43:00:01:00:02");
}

#define TAKEN_MAX 8

static void test_pools(void **state)
{
	static const struct {
		const char *subnet, *range, *gateway, *after;
		const char *taken[TAKEN_MAX]; /* in order */
		const char *next;             /* NULL: none is left */
	} cases[] = {
		{ "172.17.0.0/16", NULL, "172.17.0.1", NULL, { NULL }, "172.17.0.2" },
		{ "172.17.0.0/16", NULL, "172.17.0.1", "172.17.0.2", { "172.17.0.2" }, "172.17.0.3" },
		/* One that became free is not given again at once. */
		{ "172.17.0.0/16", NULL, "172.17.0.1", "172.17.0.9", { "172.17.0.3" }, "172.17.0.10" },
		{ "172.17.0.0/16", NULL, "172.17.0.1", "172.17.255.254", { NULL }, "172.17.0.2" },
		{ "172.17.0.0/16", NULL, "172.17.0.1", "172.17.255.254", { "172.17.0.2", "172.17.0.3" }, "172.17.0.4" },
		{ "172.17.0.0/16", NULL, "172.17.0.3", "172.17.0.2", { NULL }, "172.17.0.4" },
		{ "10.0.0.0/30", NULL, "10.0.0.1", NULL, { NULL }, "10.0.0.2" },
		{ "10.0.0.0/30", NULL, "10.0.0.1", "10.0.0.2", { NULL }, "10.0.0.2" },
		{ "10.0.0.0/30", NULL, "10.0.0.1", "10.0.0.2", { "10.0.0.2" }, NULL },
		{ "10.0.0.0/29", NULL, "10.0.0.6", NULL, { "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5" }, NULL },
		{ "10.0.0.0/24", "10.0.0.128/25", "10.0.0.1", NULL, { NULL }, "10.0.0.128" },
		{ "10.0.0.0/24", "10.0.0.128/25", "10.0.0.1", "10.0.0.254", { NULL }, "10.0.0.128" },
		{ "10.0.0.0/24", "10.0.0.252/30", "10.0.0.1", "10.0.0.253", { "10.0.0.252", "10.0.0.253" }, "10.0.0.254" },
		{ "10.0.0.0/24", "10.0.0.252/30", "10.0.0.1", NULL, { "10.0.0.252", "10.0.0.253", "10.0.0.254" }, NULL },
		/* Of another range than now. */
		{ "10.0.0.0/24", "10.0.0.128/25", "10.0.0.1", "10.0.0.7", { "10.0.0.7", "10.0.0.128" }, "10.0.0.129" },
		{ "255.255.255.0/24", NULL, "255.255.255.1", "255.255.255.254", { "255.255.255.254" }, "255.255.255.2" },
		{ "fd00::/64", NULL, "fd00::1", NULL, { NULL }, "fd00::2" },
		{ "fd00::/64", NULL, "fd00::1", "fd00::ffff:ffff:ffff:ffff", { "fd00::2" }, "fd00::3" },
		/* IPv6 has no broadcast. */
		{ "fd00::/126", NULL, "fd00::1", "fd00::2", { "fd00::2" }, "fd00::3" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pool pool = { .subnet = prefix(cases[i].subnet),
				     .range = prefix(cases[i].range ? cases[i].range : cases[i].subnet),
				     .gateway = address(cases[i].gateway),
				     .after = address(cases[i].after) };
		struct address taken[TAKEN_MAX], next, expected = address(cases[i].next);
		char text[ADDRESS_TEXT] = "none";
		size_t n = 0;
		bool found;

		while (n < TAKEN_MAX && cases[i].taken[n]) {
			taken[n] = address(cases[i].taken[n]);
			n++;
		}
		found = pool_next(&pool, taken, n, &next);
		if (found != (cases[i].next != NULL) || (found && !address_equal(&next, &expected)))
			fail_msg("%s after %s: %s", cases[i].subnet, cases[i].after, found ? address_format(&next, text) : text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),    cmocka_unit_test(test_hex),      cmocka_unit_test(test_counting),
		cmocka_unit_test(test_prefixes), cmocka_unit_test(test_overlaps), cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_macs),     cmocka_unit_test(test_pools),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
