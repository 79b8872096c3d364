/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The networks of a config: which, in which order, what is asked for there, as a document and back. */
#include "unit.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "container/config-network.h"

static scow_container_config *read_document(const char *json)
{
	scow_container_config *config = NULL;
	scow_error *error = NULL;

	if (scow_container_config_from_json(json, &config, &error) < 0)
		fail_msg("%s: %s", json, scow_error_message(error));
	return config;
}

static void check_networks(const scow_container_config *config, const char *expected)
{
	_cleanup_str_ struct str found = { 0 };
	const struct endpoint_settings *settings;
	const char *name;

	str_add(&found, "");
	for (size_t i = 0; (name = config_network_at(config, i, &settings)); i++)
		str_printf(&found, "%s%s", i ? " " : "", name);
	assert_string_equal(found.size ? found.data : "", expected);
}

static void test_which(void **state)
{
	static const struct {
		const char *json, *networks;
	} cases[] = {
		{ "{}", "bridge" },
		{ "{\"HostConfig\":{\"NetworkMode\":\"default\"}}", "bridge" },
		{ "{\"HostConfig\":{\"NetworkMode\":\"none\"}}", "" },
		{ "{\"HostConfig\":{\"NetworkMode\":\"host\"}}", "" },
		{ "{\"HostConfig\":{\"NetworkMode\":\"container:web\"}}", "" },
		{ "{\"NetworkDisabled\":true}", "" },
		{ "{\"HostConfig\":{\"NetworkMode\":\"front\"}}", "front" },
		{ "{\"NetworkingConfig\":{\"EndpointsConfig\":{\"back\":{}}}}", "back" },
		{ "{\"HostConfig\":{\"NetworkMode\":\"front\"},\"NetworkingConfig\":{\"EndpointsConfig\":{\"back\":null}}}", "front back" },
		/* The mode says which is first, the rest is in the order of the document. */
		{ "{\"HostConfig\":{\"NetworkMode\":\"b\"},\"NetworkingConfig\":{\"EndpointsConfig\":{\"a\":{},\"b\":{},\"c\":{}}}}",
		  "b a c" },
		{ "{\"NetworkingConfig\":{\"EndpointsConfig\":{\"default\":{\"Aliases\":null}}}}", "bridge" },
		{ "{\"HostConfig\":{\"NetworkMode\":\"none\"},\"NetworkingConfig\":{\"EndpointsConfig\":{\"none\":{}}}}", "" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scow_container_config *config = read_document(cases[i].json);

		check_networks(config, cases[i].networks);
		scow_container_config_unref(config);
	}
}

static void check_round(const char *json, const char *expected)
{
	scow_container_config *config = read_document(json), *again;
	char *text = NULL, *second = NULL;

	assert_int_equal(scow_container_config_to_json(config, &text, NULL), 0);
	assert_string_equal(text, expected);
	again = read_document(text);
	assert_int_equal(scow_container_config_to_json(again, &second, NULL), 0);
	assert_string_equal(second, expected);
	free(text);
	free(second);
	scow_container_config_unref(again);
	scow_container_config_unref(config);
}

static void test_documents(void **state)
{
	(void) state;
	/* What Docker's inspect reports besides is no wish. */
	check_round(
		"{\"HostConfig\":{\"NetworkMode\":\"lan\"},\"NetworkingConfig\":{\"EndpointsConfig\":{\"lan\":{\"IPAMConfig\":{"
		"\"IPv4Address\":"
		"\"10.0.0.7\",\"IPv6Address\":\"FD00::7\",\"LinkLocalIPs\":[\"169.254.1.1\"]},\"Aliases\":[\"db\"],\"Links\":[\"web:www\"],"
		"\"MacAddress\":\"02-42-AC-11-00-07\",\"GwPriority\":3,\"DriverOpts\":{\"com.docker.network.endpoint.ifname\":\"lan0\"},"
		"\"NetworkID\":\"abc\",\"IPAddress\":\"10.0.0.7\",\"DNSNames\":[\"x\"]}}}}",
		"{\"HostConfig\":{\"NetworkMode\":\"lan\"},\"NetworkingConfig\":{\"EndpointsConfig\":{\"lan\":{\"IPAMConfig\":{"
		"\"IPv4Address\":"
		"\"10.0.0.7\",\"IPv6Address\":\"fd00::7\",\"LinkLocalIPs\":[\"169.254.1.1\"]},\"Links\":[\"web:www\"],\"DriverOpts\":{"
		"\"com.docker.network.endpoint.ifname\":\"lan0\"},\"Aliases\":[\"db\"],\"MacAddress\":\"02:42:ac:11:00:07\",\"GwPriority\":"
		"3}}}}");
	/* Links of the old place go to the first network. */
	check_round("{\"HostConfig\":{\"Links\":[\"web:www\"],\"NetworkMode\":\"lan\"}}",
		    "{\"HostConfig\":{\"NetworkMode\":\"lan\"},\"NetworkingConfig\":{\"EndpointsConfig\":{\"lan\":{\"Links\":[\"web:www\"]}"
		    "}}}");
	check_round("{\"HostConfig\":{\"Links\":[\"web\"]}}", "{\"HostConfig\":{\"NetworkMode\":\"bridge\"},\"NetworkingConfig\":{"
							      "\"EndpointsConfig\":{\"bridge\":{\"Links\":[\"web:web\"]}}}}");
}

static void test_setters(void **state)
{
	scow_endpoint_config *endpoint = scow_endpoint_config_new(), *bad = scow_endpoint_config_new();
	scow_container_config *config = scow_container_config_new(), *refused = scow_container_config_new();
	const struct endpoint_settings *settings;
	scow_error *error = NULL;

	(void) state;
	scow_endpoint_config_add_alias(endpoint, "db");
	scow_container_config_add_network(config, "front", NULL);
	scow_container_config_add_network(config, "back", endpoint);
	/* It was copied. */
	scow_endpoint_config_unref(endpoint);
	check_networks(config, "front back");
	assert_string_equal(config_network_at(config, 1, &settings), "back");
	assert_int_equal(settings->n_aliases, 1);
	assert_int_equal(config_check(config, &error), 0);
	scow_container_config_add_network(config, "front", NULL);
	assert_int_equal(config_check(config, &error), SCOW_E_INVALID);
	assert_string_equal(scow_error_message(error), "add_network: network 'front' twice");
	scow_error_unref(error);
	error = NULL;
	scow_endpoint_config_set_mac(bad, "01:00:5e:00:00:01");
	scow_container_config_add_network(refused, "front", bad);
	assert_int_equal(config_check(refused, &error), SCOW_E_INVALID);
	assert_string_equal(scow_error_message(error), "add_network: set_mac: '01:00:5e:00:00:01' is not a MAC address of one interface");
	scow_error_unref(error);
	scow_endpoint_config_unref(bad);
	scow_container_config_unref(refused);
	scow_container_config_unref(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_which), cmocka_unit_test(test_documents),
					    cmocka_unit_test(test_setters) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
