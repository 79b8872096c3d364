/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* DNS servers, search domains, options and added hosts: what is taken, what is refused, and the document. */
#include "unit/unit.h"

#include "base/cleanup.h"
#include "container/config.h"

#define REFUSED(setter, message, ...)                                                                                                      \
	do {                                                                                                                               \
		scow_container_config *config = scow_container_config_new();                                                               \
                                                                                                                                           \
		scow_container_config_##setter(config, __VA_ARGS__);                                                                       \
		assert_non_null(config->error);                                                                                            \
		assert_string_equal(scow_error_message(config->error), #setter ": " message);                                              \
		scow_container_config_unref(config);                                                                                       \
	} while (0)

static void test_refused(void **state)
{
	(void) state;
	REFUSED(add_dns, "'localhost' is not an IP address", "localhost");
	REFUSED(add_dns, "'' is not an IP address", NULL);
	REFUSED(add_dns, "'1.2.3' is not an IP address", "1.2.3");
	REFUSED(add_dns, "'1.2.3.4%eth0' is not an IP address", "1.2.3.4%eth0");
	REFUSED(add_dns, "'fe80::1%' is not an IP address", "fe80::1%");
	REFUSED(add_dns_search, "'a b' is not a domain", "a b");
	REFUSED(add_dns_search, "'a\\x0anameserver 6.6.6.6' is not a domain", "a\nnameserver 6.6.6.6");
	REFUSED(add_dns_search, "'' is not a domain", "");
	REFUSED(add_dns_option, "'a b' is not an option of resolv.conf", "a b");
	REFUSED(add_dns_option, "'#x' is not an option of resolv.conf", "#x");
	REFUSED(add_host, "'' is not the name of a host", NULL, "1.2.3.4");
	REFUSED(add_host, "'a b' is not the name of a host", "a b", "1.2.3.4");
	REFUSED(add_host, "'here' of host 'a' is neither an IP address nor 'host-gateway'", "a", "here");
	REFUSED(add_host, "'' of host 'a' is neither an IP address nor 'host-gateway'", "a", NULL);
	/* Nothing to write to. */
	scow_container_config_add_dns(NULL, "1.2.3.4");
	scow_container_config_add_dns_search(NULL, "a");
	scow_container_config_add_dns_option(NULL, "a");
	scow_container_config_add_host(NULL, "a", "1.2.3.4");
}

static void test_document(void **state)
{
	static const char document[] = "{\"HostConfig\":{\"Dns\":[\"192.0.2.1\",\"fe80::1%eth0\"],\"DnsSearch\":[\"example.org\",\".\"],"
				       "\"DnsOptions\":[\"ndots:2\"],\"ExtraHosts\":[\"a:192.0.2.2\",\"b:2001:db8::1\",\"b:192.0.2.3\","
				       "\"host:host-gateway\"]}}";
	scow_container_config *config = scow_container_config_new(), *copy;
	char *text, *again;

	(void) state;
	scow_container_config_add_dns(config, "192.0.2.1");
	scow_container_config_add_dns(config, "fe80::1%eth0");
	scow_container_config_add_dns_search(config, "example.org");
	scow_container_config_add_dns_search(config, ".");
	scow_container_config_add_dns_option(config, "ndots:2");
	scow_container_config_add_host(config, "a", "192.0.2.2");
	scow_container_config_add_host(config, "b", "2001:db8::1");
	scow_container_config_add_host(config, "b", "192.0.2.3");
	scow_container_config_add_host(config, "host", "host-gateway");
	assert_ok(scow_container_config_to_json(config, &text, NULL));
	assert_non_null(
		strstr(text, "\"Dns\":[\"192.0.2.1\",\"fe80::1%eth0\"],\"DnsSearch\":[\"example.org\",\".\"],\"DnsOptions\":[\"ndots:2\"],"
			     "\"ExtraHosts\":[\"a:192.0.2.2\",\"b:2001:db8::1\",\"b:192.0.2.3\",\"host:host-gateway\"]"));
	assert_ok(scow_container_config_from_json(text, &copy, NULL));
	assert_ok(scow_container_config_to_json(copy, &again, NULL));
	assert_string_equal(text, again);
	free(again);
	scow_container_config_unref(copy);
	assert_ok(scow_container_config_from_json(document, &copy, NULL));
	assert_int_equal(copy->n_extra_hosts, 4);
	scow_container_config_unref(copy);
	scow_container_config_unref(config);
	free(text);
}

/* The other forms that clients send. */
static void test_forms(void **state)
{
	scow_container_config *config;
	scow_error *error = NULL;

	(void) state;
	assert_ok(scow_container_config_from_json("{\"HostConfig\":{\"Dns\":null,\"DnsSearch\":[],\"DnsOptions\":null,"
						  "\"ExtraHosts\":[\"six=[2001:db8::1]\",\"four=192.0.2.1\"]}}",
						  &config, NULL));
	assert_int_equal(config->n_dns + config->n_dns_search + config->n_dns_options, 0);
	assert_int_equal(config->n_extra_hosts, 2);
	assert_string_equal(config->extra_hosts[0].name, "six");
	assert_string_equal(config->extra_hosts[0].value, "2001:db8::1");
	assert_string_equal(config->extra_hosts[1].value, "192.0.2.1");
	scow_container_config_unref(config);
	assert_int_equal(scow_container_config_from_json("{\"HostConfig\":{\"ExtraHosts\":[\"alone\"]}}", &config, &error), SCOW_E_INVALID);
	assert_string_equal(scow_error_message(error),
			    "HostConfig.ExtraHosts: '' of host 'alone' is neither an IP address nor 'host-gateway'");
	scow_error_unref(error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_document),
		cmocka_unit_test(test_forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
