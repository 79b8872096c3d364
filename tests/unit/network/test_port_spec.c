/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ports as they are written: what is taken, what it comes to, what is refused, and why. */
#include "unit.h"

#include <netinet/in.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "network/port-spec.h"

/* All that one argument comes to, in its one form, parted by blanks. */
static const struct {
	const char *text, *specs;
} good[] = {
	{ "80", ":80/tcp" },
	{ "80/tcp", ":80/tcp" },
	{ "80/TCP", ":80/tcp" },
	{ "80/udp", ":80/udp" },
	{ "80/sctp", ":80/sctp" },
	{ ":80", ":80/tcp" },
	{ "0:80", ":80/tcp" },
	{ "8080:80", "8080:80/tcp" },
	{ "8080:80/udp", "8080:80/udp" },
	{ "65535:65535", "65535:65535/tcp" },
	{ "1:1", "1:1/tcp" },
	{ "080:0080", "80:80/tcp" },
	{ "8000-8010:80", "8000-8010:80/tcp" },
	{ "8000-8000:80", "8000:80/tcp" },
	{ "8000-8002:80-82", "8000:80/tcp 8001:81/tcp 8002:82/tcp" },
	{ "8000-8002:80-82/udp", "8000:80/udp 8001:81/udp 8002:82/udp" },
	{ "80-82", ":80/tcp :81/tcp :82/tcp" },
	{ ":80-82", ":80/tcp :81/tcp :82/tcp" },
	{ "0:80-81", ":80/tcp :81/tcp" },
	{ "80-80", ":80/tcp" },
	{ "65534-65535", ":65534/tcp :65535/tcp" },
	{ "127.0.0.1:8080:80", "127.0.0.1:8080:80/tcp" },
	{ "127.0.0.1::80", "127.0.0.1::80/tcp" },
	{ "127.0.0.1:0:80", "127.0.0.1::80/tcp" },
	{ "127.0.0.1:8000-8010:80/tcp", "127.0.0.1:8000-8010:80/tcp" },
	{ "127.0.0.1:8000-8001:90-91/udp", "127.0.0.1:8000:90/udp 127.0.0.1:8001:91/udp" },
	{ "127.0.0.1::90-91", "127.0.0.1::90/tcp 127.0.0.1::91/tcp" },
	{ "0.0.0.0:8080:80", "0.0.0.0:8080:80/tcp" },
	{ "192.168.1.100:8080:80", "192.168.1.100:8080:80/tcp" },
	{ ":::8080:80", "[::]:8080:80/tcp" },
	{ "[::]:8080:80", "[::]:8080:80/tcp" },
	{ "[::1]:8080:80", "[::1]:8080:80/tcp" },
	{ "[::1]::80", "[::1]::80/tcp" },
	{ "::1:8080:80", "[::1]:8080:80/tcp" },
	{ "[2001:DB8::1]:53:53/udp", "[2001:db8::1]:53:53/udp" },
	{ "2001:db8::1:53:53/udp", "[2001:db8::1]:53:53/udp" },
	{ "[::1]:8000-8001:80-81", "[::1]:8000:80/tcp [::1]:8001:81/tcp" },
	{ "[::ffff:1.2.3.4]:80:80", "[::ffff:1.2.3.4]:80:80/tcp" },
	{ "target=80", ":80/tcp" },
	{ "published=8080,target=80", "8080:80/tcp" },
	{ "target=80,published=8080,protocol=udp", "8080:80/udp" },
	{ "target=80-81,published=8080-8081", "8080:80/tcp 8081:81/tcp" },
	{ "target=80,published=8080,mode=host", "8080:80/tcp" },
};

static const struct {
	const char *text, *reason;
} bad[] = {
	{ "", "no port of the container" },
	{ ":", "no port of the container" },
	{ "8080:", "no port of the container" },
	{ "127.0.0.1:8080:", "no port of the container" },
	{ "/tcp", "no port of the container" },
	{ "0", "no port 0" },
	{ "8080:0", "no port 0" },
	{ "0-5", "begins with 1" },
	{ "0-5:80", "begins with 1" },
	{ "80/", "protocol after '/'" },
	{ "80/http", "tcp, udp or sctp" },
	{ "80/tcp/udp", "tcp, udp or sctp" },
	{ "80/tcp,udp", "tcp, udp or sctp" },
	{ "65536", "up to 65535" },
	{ "65536:80", "up to 65535" },
	{ "99999999999:80", "up to 65535" },
	{ "-1", "up to 65535" },
	{ "-1:80", "up to 65535" },
	{ "+80", "up to 65535" },
	{ " 80", "up to 65535" },
	{ "80 ", "up to 65535" },
	{ "0x50", "up to 65535" },
	{ "http", "up to 65535" },
	{ "80-", "up to 65535" },
	{ "80-81-82", "up to 65535" },
	{ "10.0.0.1:80", "up to 65535" },
	{ "90-80", "lower to its higher" },
	{ "8010-8000:80", "lower to its higher" },
	{ "8000-8002:80-81", "differ in length" },
	{ "8000:80-81", "differ in length" },
	{ "::8080:80", "no IP address" },
	{ "localhost:80:80", "no IP address" },
	{ "256.0.0.1:80:80", "no IP address" },
	{ "10.0.0:80:80", "no IP address" },
	{ "1.2.3.4.5:80:80", "no IP address" },
	{ "[::1:80:80", "closing bracket" },
	{ "[127.0.0.1]:80:80", "brackets are for IPv6" },
	{ "[]:80:80", "brackets are for IPv6" },
	{ "[::1%lo]:80:80", "no IP address" },
	{ "1:2:3:4:80:80", "no IP address" },
	{ "target=", "no port of the container" },
	{ "published=80", "no port of the container" },
	{ "target=80,publish=8080", "a name other than" },
	{ "target=80,8080", "NAME=VALUE" },
	{ "8080:80,target=80", "NAME=VALUE" },
	{ "127.0.0.1:8080:80:127.0.0.1:8080:80:127.0.0.1:8080:80:127.0.0.1:8080:80:127.0.0.1:8080:80:127.0.0.1:8080:80:127.0.0.1:8080:80:"
	  "127.0.0.1",
	  "too long" },
};

static void expect(const char *text, const char *specs)
{
	_cleanup_arena_ struct arena arena = { 0 };
	struct port_spec *found = NULL;
	size_t count = 0;
	_cleanup_str_ struct str joined = { 0 };
	scow_error *error = NULL;
	char form[PORT_SPEC_TEXT];

	if (port_spec_parse(text, &arena, &found, &count, &error) < 0)
		fail_msg("'%s': %s", text, scow_error_message(error));
	for (size_t i = 0; i < count; i++)
		str_printf(&joined, "%s%s", i ? " " : "", port_spec_format(&found[i], form));
	if (!str_eq(joined.data, specs))
		fail_msg("'%s' came to '%s', not '%s'", text, joined.data, specs);
}

static void test_good(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_free_ char *copy = strdup(good[i].specs);
		char *rest = NULL;

		expect(good[i].text, good[i].specs);
		/* Each form is its own. */
		for (char *one = strtok_r(copy, " ", &rest); one; one = strtok_r(NULL, " ", &rest))
			expect(one, one);
	}
}

static void test_bad(void **state)
{
	_cleanup_arena_ struct arena arena = { 0 };
	struct port_spec *found = NULL;
	size_t count = 0;

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		scow_error *error = NULL;

		if (port_spec_parse(bad[i].text, &arena, &found, &count, &error) != SCOW_E_INVALID)
			fail_msg("'%s' was taken", bad[i].text);
		if (!strstr(scow_error_message(error), bad[i].reason))
			fail_msg("'%s': '%s' is not in '%s'", bad[i].text, bad[i].reason, scow_error_message(error));
		scow_error_unref(error);
	}
	assert_int_equal(count, 0);
}

static void test_all_ports(void **state)
{
	_cleanup_arena_ struct arena arena = { 0 };
	struct port_spec *found = NULL;
	size_t count = 0;

	(void) state;
	assert_int_equal(port_spec_parse("1-65535:1-65535", &arena, &found, &count, NULL), 0);
	assert_int_equal(count, 65535);
	for (size_t i = 0; i < count; i++)
		assert_true(found[i].port == i + 1 && found[i].first == i + 1 && found[i].last == i + 1);
}

static void test_exposed(void **state)
{
	static const struct {
		const char *text;
		int protocol, first, last;
	} taken[] = {
		{ "80", IPPROTO_TCP, 80, 80 },
		{ "80/udp", IPPROTO_UDP, 80, 80 },
		{ "8000-8010", IPPROTO_TCP, 8000, 8010 },
		{ "8000-8010/SCTP", IPPROTO_SCTP, 8000, 8010 },
		{ "65535/tcp", IPPROTO_TCP, 65535, 65535 },
	};
	static const char *const refused[] = { "", "0", "80:80", "80/x", "81-80", "0-3", "a", "80-", "70000", "127.0.0.1::80" };
	struct port_range range;
	uint16_t port;
	int protocol;

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
		assert_int_equal(port_range_parse(taken[i].text, &range, NULL), 0);
		assert_int_equal(range.protocol, taken[i].protocol);
		assert_int_equal(range.first, taken[i].first);
		assert_int_equal(range.last, taken[i].last);
	}
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		assert_int_equal(port_range_parse(refused[i], &range, NULL), SCOW_E_INVALID);
	assert_int_equal(port_parse("53/udp", &protocol, &port, NULL), 0);
	assert_true(protocol == IPPROTO_UDP && port == 53);
	assert_int_equal(port_parse("53-54/udp", &protocol, &port, NULL), SCOW_E_INVALID);
}

static void test_bindings(void **state)
{
	static const struct {
		const char *port, *address, *host, *form;
	} taken[] = {
		{ "80/tcp", NULL, NULL, ":80/tcp" },       { "80/tcp", "", "", ":80/tcp" },
		{ "80", "", "8080", "8080:80/tcp" },       { "80/udp", "127.0.0.1", "8080", "127.0.0.1:8080:80/udp" },
		{ "80/tcp", "::1", "0", "[::1]::80/tcp" }, { "80/tcp", "[::1]", "8000-8002", "[::1]:8000-8002:80/tcp" },
	};
	static const struct {
		const char *port, *address, *host;
	} refused[] = { { "80-81/tcp", "", "" },     { "", "", "80" },          { "80/tcp", "localhost", "80" }, { "80/tcp", "", "x" },
			{ "80/tcp", "1.2.3", "80" }, { "80/tcp", "", "90-80" }, { "80/tcp", "", "70000" } };
	struct port_spec spec;
	char form[PORT_SPEC_TEXT];

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
		assert_int_equal(port_binding_parse(taken[i].port, taken[i].address, taken[i].host, &spec, NULL), 0);
		assert_string_equal(port_spec_format(&spec, form), taken[i].form);
	}
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		assert_int_equal(port_binding_parse(refused[i].port, refused[i].address, refused[i].host, &spec, NULL), SCOW_E_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),    cmocka_unit_test(test_bad),      cmocka_unit_test(test_all_ports),
		cmocka_unit_test(test_exposed), cmocka_unit_test(test_bindings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
