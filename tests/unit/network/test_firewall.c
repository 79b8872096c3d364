/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The firewall's sets in a network namespace of the test's own: what is added, replaced, taken away; tables that come and go. Ports that
 * are held. */
#include "unit.h"

#include <arpa/inet.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/utsname.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "network/ports.h"

static scow_engine engine;
static struct pool pools[2];
static struct network network = {
	.name = "test",
	.driver = NETWORK_BRIDGE,
	.flags = NETWORK_IPV4 | NETWORK_IPV6 | NETWORK_ICC | NETWORK_MASQUERADE,
	.link = "lo", /* any that is there */
	.settings = "{}",
	.pools = pools,
	.n_pools = 2,
};

static int set_up(void **state)
{
	struct utsname name;
	unsigned int major = 0, minor = 0;

	(void) state;
	if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0)
		return 0;
	uname(&name);
	sscanf(name.release, "%u.%u", &major, &minor);
	engine.facts.kernel = major << 16 | minor;
	engine.filter_fd = -1;
	assert_true(prefix_parse("172.20.0.0/16", &pools[0].subnet));
	assert_true(prefix_parse("fd20::/64", &pools[1].subnet));
	return 0;
}

static int tear_down(void **state)
{
	(void) state;
	if (engine.filter_fd >= 0)
		close(engine.filter_fd);
	return 0;
}

static void need_root(void)
{
	if (geteuid() != 0)
		skip();
}

static void count(void *data, const struct nft_found *found)
{
	(void) found;
	++*(unsigned int *) data;
}

static unsigned int elements(struct netns *ns, uint8_t family, const char *set)
{
	unsigned int n = 0;

	assert_ok(nft_list(ns, family, set, count, &n, NULL));
	return n;
}

static void test_tables(void **state)
{
	_cleanup_netns_ struct netns ns = { .route_fd = -1, .filter_fd = -1, .fd = -1 };
	uint32_t before, after;

	(void) state;
	need_root();
	assert_ok(netns_open(&engine, &ns, NULL));
	assert_ok(firewall_prepare(&ns, &network, NULL));
	assert_true(ns.rebuilt);
	assert_int_equal(elements(&ns, NFPROTO_INET, "bridges"), 1);
	/* The beginning and the end of an interval. */
	assert_int_equal(elements(&ns, NFPROTO_INET, "subnets4"), 2);
	assert_int_equal(elements(&ns, NFPROTO_INET, "subnets6"), 2);
	assert_int_equal(elements(&ns, NFPROTO_INET, "outward"), 2);
	/* There already: nothing is changed. */
	assert_ok(nft_generation(&ns, &before, NULL));
	assert_ok(firewall_prepare(&ns, &network, NULL));
	assert_ok(nft_generation(&ns, &after, NULL));
	assert_int_equal(before, after);
	assert_ok(firewall_repair(&ns, &network, NULL));
	assert_int_equal(elements(&ns, NFPROTO_INET, "bridges"), 1);
	assert_ok(firewall_remove(&ns, &network, NULL));
	assert_int_equal(elements(&ns, NFPROTO_INET, "bridges"), 0);
	/* Once more is no failure. */
	assert_ok(firewall_remove(&ns, &network, NULL));
}

/* Subnets of a bridge that somebody deleted are not in the way. */
static void test_stale(void **state)
{
	_cleanup_netns_ struct netns ns = { .route_fd = -1, .filter_fd = -1, .fd = -1 };
	struct network gone = network, next = network;
	struct pool narrow[2] = { pools[0], pools[1] };

	(void) state;
	need_root();
	snprintf(gone.link, sizeof(gone.link), "br-gone");
	assert_true(prefix_parse("172.20.4.0/24", &narrow[0].subnet));
	next.pools = narrow;
	assert_ok(netns_open(&engine, &ns, NULL));
	assert_ok(firewall_prepare(&ns, &gone, NULL));
	assert_ok(firewall_prepare(&ns, &next, NULL));
	assert_int_equal(elements(&ns, NFPROTO_INET, "subnets4"), 2);
	assert_int_equal(elements(&ns, NFPROTO_INET, "subnets6"), 2);
	/* A bridge that has no link does not keep the tables. */
	assert_ok(firewall_remove(&ns, &next, NULL));
	assert_false(nft_has(&ns, NFPROTO_INET, "bridges", gone.link, LINK_NAME, NULL));
}

static void test_elements(void **state)
{
	_cleanup_netns_ struct netns ns = { .route_fd = -1, .filter_fd = -1, .fd = -1 };
	_cleanup_str_ struct str begin = { 0 }, end = { 0 }, other = { 0 }, other_end = { 0 };
	struct endpoint endpoint = { .network = &network, .mac = { 2, 0x42, 0xac, 20, 0, 2 } };
	struct attachment attachment = { .endpoints = &endpoint, .n_endpoints = 1 };
	struct port_binding ports[3] = { { .protocol = IPPROTO_TCP, .port = 80, .host_port = 8080 },
					 { .protocol = IPPROTO_UDP, .port = 53, .host_port = 53 },
					 { .protocol = IPPROTO_TCP, .port = 81 } };

	(void) state;
	need_root();
	assert_true(address_parse("172.20.0.2", &endpoint.ip4) && address_parse("fd20::2", &endpoint.ip6));
	assert_true(address_parse("0.0.0.0", &ports[0].host) && address_parse("127.0.0.1", &ports[1].host));
	ports[0].target = ports[1].target = ports[2].target = ports[2].host = endpoint.ip4;
	assert_ok(netns_open(&engine, &ns, NULL));
	assert_ok(firewall_prepare(&ns, &network, NULL));
	firewall_guard(&attachment);
	assert_int_equal(endpoint.group, 0x5c140002);
	firewall_elements(&ns, &attachment, ports, 3, &begin, &end);
	assert_ok(firewall_begin(&ns, &begin, &end, NULL));
	assert_int_equal(elements(&ns, NFPROTO_INET, "any4"), 1);
	assert_int_equal(elements(&ns, NFPROTO_INET, "ports4"), 1);
	assert_int_equal(elements(&ns, NFPROTO_INET, "open4"), 1);
	assert_int_equal(elements(&ns, NFPROTO_BRIDGE, "own4"), 1);
	/* With its link-local address. */
	assert_int_equal(elements(&ns, NFPROTO_BRIDGE, "own6"), 2);
	/* Again, and with another target, which somebody's crash left in the way. */
	assert_ok(firewall_begin(&ns, &begin, &end, NULL));
	assert_true(address_parse("172.20.0.3", &ports[0].target));
	firewall_elements(&ns, &attachment, ports, 3, &other, &other_end);
	assert_ok(firewall_begin(&ns, &other, &other_end, NULL));
	assert_int_equal(elements(&ns, NFPROTO_INET, "any4"), 1);
	assert_ok(firewall_end(&ns, &end, NULL));
	assert_ok(firewall_end(&ns, &end, NULL));
	assert_int_equal(elements(&ns, NFPROTO_INET, "any4"), 0);
	assert_int_equal(elements(&ns, NFPROTO_INET, "ports4"), 0);
	assert_int_equal(elements(&ns, NFPROTO_INET, "open4"), 0);
	/* Addresses go with their network. */
	assert_int_equal(elements(&ns, NFPROTO_BRIDGE, "own4"), 1);
	str_reset(&end);
	assert_ok(firewall_addresses(&ns, &network, &end, NULL));
	assert_ok(firewall_end(&ns, &end, NULL));
	assert_int_equal(elements(&ns, NFPROTO_BRIDGE, "own4"), 0);
	assert_int_equal(elements(&ns, NFPROTO_BRIDGE, "own6"), 0);
	assert_ok(firewall_remove(&ns, &network, NULL));
}

/* As an old kernel needs it: each element by itself, and none missing is in the way of others. */
static void test_old_kernel(void **state)
{
	const unsigned int kernel = engine.facts.kernel;
	_cleanup_netns_ struct netns ns = { .route_fd = -1, .filter_fd = -1, .fd = -1 };
	_cleanup_str_ struct str begin = { 0 }, end = { 0 };
	const struct attachment nobody = { .n_endpoints = 0 };
	struct port_binding ports[2] = { { .protocol = IPPROTO_TCP, .port = 80, .host_port = 1 },
					 { .protocol = IPPROTO_TCP, .port = 80, .host_port = 2 } };

	(void) state;
	need_root();
	for (int i = 0; i < 2; i++)
		assert_true(address_parse("0.0.0.0", &ports[i].host) && address_parse("172.20.0.2", &ports[i].target));
	assert_ok(netns_open(&engine, &ns, NULL));
	assert_ok(firewall_prepare(&ns, &network, NULL));
	engine.facts.kernel = 5u << 16 | 10;
	firewall_elements(&ns, &nobody, &ports[1], 1, &begin, NULL);
	firewall_elements(&ns, &nobody, ports, 2, NULL, &end);
	engine.facts.kernel = kernel;
	assert_ok(firewall_begin(&ns, &begin, &end, NULL));
	assert_int_equal(elements(&ns, NFPROTO_INET, "any4"), 1);
	assert_ok(firewall_end(&ns, &end, NULL));
	assert_int_equal(elements(&ns, NFPROTO_INET, "any4"), 0);
	assert_ok(firewall_remove(&ns, &network, NULL));
}

static void test_many(void **state)
{
	enum { N = 3000 };
	_cleanup_netns_ struct netns ns = { .route_fd = -1, .filter_fd = -1, .fd = -1 };
	_cleanup_free_ struct port_binding *ports = calloc(N, sizeof(*ports));
	_cleanup_str_ struct str begin = { 0 }, end = { 0 };
	const struct attachment nobody = { .n_endpoints = 0 };

	(void) state;
	need_root();
	for (unsigned int i = 0; i < N; i++) {
		ports[i] = (struct port_binding){ .protocol = IPPROTO_TCP, .port = (uint16_t) (i + 1), .host_port = (uint16_t) (i + 1) };
		assert_true(address_parse(i % 2 ? "0.0.0.0" : "127.0.0.1", &ports[i].host) &&
			    address_parse("172.20.0.2", &ports[i].target));
	}
	assert_ok(netns_open(&engine, &ns, NULL));
	assert_ok(firewall_prepare(&ns, &network, NULL));
	firewall_elements(&ns, &nobody, ports, N, &begin, &end);
	assert_ok(firewall_begin(&ns, &begin, &end, NULL));
	assert_int_equal(elements(&ns, NFPROTO_INET, "any4") + elements(&ns, NFPROTO_INET, "ports4"), N);
	assert_ok(firewall_end(&ns, &end, NULL));
	assert_int_equal(elements(&ns, NFPROTO_INET, "any4") + elements(&ns, NFPROTO_INET, "ports4"), 0);
	assert_ok(firewall_remove(&ns, &network, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables),     cmocka_unit_test(test_stale), cmocka_unit_test(test_elements),
		cmocka_unit_test(test_old_kernel), cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
