/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* resolv.conf and hosts: what comes of the host's file and the user's wishes, to the byte. */
#include "unit/unit.h"

#include <string.h>

#include "network/resolv.h"

#define LIST(...)                                                                                                                          \
	(const char *const[])                                                                                                              \
	{                                                                                                                                  \
		__VA_ARGS__, NULL                                                                                                          \
	}

struct merge_case {
	enum resolv_kind kind;
	const char *host;
	const char *const *servers, *const *search, *const *options;
	bool ipv6;
	const char *expected;
};

static size_t count_of(const char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

static void check_merge(const struct merge_case *c)
{
	const struct resolv_wish wish = {
		.servers = c->servers,
		.n_servers = count_of(c->servers),
		.search = c->search,
		.n_search = count_of(c->search),
		.options = c->options,
		.n_options = count_of(c->options),
	};
	struct arena arena = { 0 };
	struct resolv host, out;

	assert_int_equal(resolv_parse(c->host, &arena, &host, NULL), 0);
	assert_int_equal(resolv_merge(c->kind, &host, &wish, c->ipv6, &arena, &out, NULL), 0);
	assert_string_equal(resolv_format(c->kind, &out, &arena), c->expected);
	arena_done(&arena);
}

static const char usual[] = "# by hand\n"
			    "nameserver 192.0.2.1\n"
			    "nameserver 2001:db8::1  # the second\n"
			    "search example.org corp.example.org\n"
			    "options edns0 trust-ad\n";

static void test_plain(void **state)
{
	const struct merge_case cases[] = {
		{ RESOLV_PLAIN, usual, NULL, NULL, NULL, true,
		  "nameserver 192.0.2.1\nnameserver 2001:db8::1\nsearch example.org corp.example.org\noptions edns0 trust-ad\n" },
		{ RESOLV_PLAIN, usual, NULL, NULL, NULL, false,
		  "nameserver 192.0.2.1\nsearch example.org corp.example.org\noptions edns0 trust-ad\n" },
		/* Loopback servers are the host's alone. */
		{ RESOLV_PLAIN, "nameserver 127.0.0.53\nnameserver 10.0.0.1\nnameserver ::1\n", NULL, NULL, NULL, true,
		  "nameserver 10.0.0.1\n" },
		{ RESOLV_PLAIN, "nameserver 127.0.0.53\n", NULL, NULL, NULL, false, "nameserver 8.8.8.8\nnameserver 8.8.4.4\n" },
		{ RESOLV_PLAIN, "", NULL, NULL, NULL, true,
		  "nameserver 8.8.8.8\nnameserver 8.8.4.4\nnameserver 2001:4860:4860::8888\nnameserver 2001:4860:4860::8844\n" },
		/* What is asked for is not looked at. */
		{ RESOLV_PLAIN, usual, LIST("127.0.0.1", "fe80::1%eth0"), NULL, NULL, false,
		  "nameserver 127.0.0.1\nnameserver fe80::1%eth0\nsearch example.org corp.example.org\noptions edns0 trust-ad\n" },
		{ RESOLV_PLAIN, usual, NULL, LIST("a.test", "b.test"), LIST("ndots:2"), false,
		  "nameserver 192.0.2.1\nsearch a.test b.test\noptions ndots:2\n" },
		{ RESOLV_PLAIN, usual, NULL, LIST("."), NULL, false, "nameserver 192.0.2.1\noptions edns0 trust-ad\n" },
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_merge(&cases[i]);
}

static void test_names_kind(void **state)
{
	const struct merge_case cases[] = {
		{ RESOLV_NAMES, usual, NULL, NULL, NULL, false,
		  "# Names of containers are answered here; others are asked of: 192.0.2.1 2001:db8::1\n"
		  "nameserver 127.0.0.11\nsearch example.org corp.example.org\noptions edns0 trust-ad ndots:0\n" },
		/* In the host's network the loopback ones do answer. */
		{ RESOLV_NAMES, "nameserver 127.0.0.53\noptions ndots:1\n", NULL, NULL, NULL, false,
		  "# Names of containers are answered here; others are asked of: 127.0.0.53\nnameserver 127.0.0.11\noptions ndots:1\n" },
		{ RESOLV_NAMES, usual, LIST("9.9.9.9"), LIST("."), LIST("rotate"), false,
		  "# Names of containers are answered here; others are asked of: 9.9.9.9\nnameserver 127.0.0.11\noptions rotate "
		  "ndots:0\n" },
		{ RESOLV_NAMES, "", NULL, NULL, NULL, false,
		  "# Names of containers are answered here; others are asked of: nobody\nnameserver 127.0.0.11\noptions ndots:0\n" },
		{ RESOLV_NAMES, "nameserver 1.1.1.1\nnameserver 1.1.1.2\nnameserver 1.1.1.3\nnameserver 1.1.1.4\n", NULL, NULL, NULL, false,
		  "# Names of containers are answered here; others are asked of: 1.1.1.1 1.1.1.2 1.1.1.3\nnameserver 127.0.0.11\noptions "
		  "ndots:0\n" },
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_merge(&cases[i]);
}

static void test_host_kind(void **state)
{
	const struct merge_case cases[] = {
		{ RESOLV_HOST, "nameserver 127.0.0.53\nsearch lan\n", NULL, NULL, NULL, false, "nameserver 127.0.0.53\nsearch lan\n" },
		{ RESOLV_HOST, "nameserver 127.0.0.53\nsearch lan\n", LIST("1.1.1.1"), NULL, NULL, false,
		  "nameserver 1.1.1.1\nsearch lan\n" },
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_merge(&cases[i]);
}

/* As the C library reads it. */
static void test_parsing(void **state)
{
	const struct merge_case cases[] = {
		/* The last of search and domain counts. */
		{ RESOLV_HOST, "search a b\ndomain c\n", NULL, NULL, NULL, false, "search c\n" },
		{ RESOLV_HOST, "domain c\nsearch a\tb\r\n", NULL, NULL, NULL, false, "search a b\n" },
		{ RESOLV_HOST, "options a\noptions b c\n", NULL, NULL, NULL, false, "options a b c\n" },
		{ RESOLV_HOST, ";nameserver 1.1.1.1\n#x\n  nameserver   1.1.1.2", NULL, NULL, NULL, false, "nameserver 1.1.1.2\n" },
		{ RESOLV_HOST, "nameserver\nnameservers 1.1.1.1\nsortlist 1.2.3.4\nsearch\n", NULL, NULL, NULL, false, "" },
		{ RESOLV_HOST, "search a # b\noptions # x\n", NULL, NULL, NULL, false, "search a\n" },
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_merge(&cases[i]);
}

static int ndots_of(const char *const *options)
{
	const struct resolv_wish wish = { .options = options, .n_options = count_of(options) };

	return resolv_ndots(&wish);
}

static void test_ndots(void **state)
{
	(void) state;
	assert_int_equal(ndots_of(NULL), -1);
	assert_int_equal(ndots_of(LIST("edns0")), -1);
	assert_int_equal(ndots_of(LIST("ndots:3", "ndots:0")), 0);
	assert_int_equal(ndots_of(LIST("ndots:99")), 15);
	assert_int_equal(ndots_of(LIST("ndots:x")), -1);
}

static void test_hosts(void **state)
{
	static const struct hosts_line lines[] = { { "10.0.0.9", "db" }, { "172.17.0.2", "box.example.org box" } };
	struct arena arena = { 0 };

	(void) state;
	assert_string_equal(hosts_format(NULL, lines, 2, &arena), "127.0.0.1\tlocalhost\n"
								  "::1\tlocalhost ip6-localhost ip6-loopback\n"
								  "fe00::\tip6-localnet\n"
								  "ff00::\tip6-mcastprefix\n"
								  "ff02::1\tip6-allnodes\n"
								  "ff02::2\tip6-allrouters\n"
								  "10.0.0.9\tdb\n"
								  "172.17.0.2\tbox.example.org box\n");
	assert_string_equal(hosts_format("127.0.0.1 localhost", lines, 1, &arena), "127.0.0.1 localhost\n10.0.0.9\tdb\n");
	assert_string_equal(hosts_format("", NULL, 0, &arena), "");
	arena_done(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),   cmocka_unit_test(test_names_kind), cmocka_unit_test(test_host_kind),
		cmocka_unit_test(test_parsing), cmocka_unit_test(test_ndots),      cmocka_unit_test(test_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
