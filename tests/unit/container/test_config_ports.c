/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ports of a config: through the setters, as a document, and back. */
#include "unit.h"

#include "base/cleanup.h"
#include "container/config.h"
#include "container/published.h"

static char *written(const scow_container_config *config)
{
	scow_error *error = NULL;
	char *json = NULL;

	if (scow_container_config_to_json(config, &json, &error) < 0)
		fail_msg("%s", scow_error_message(error));
	return json;
}

static void check(const scow_container_config *config, const char *expected)
{
	_cleanup_(scow_container_config_unrefp) scow_container_config *copy = NULL;
	_cleanup_free_ char *json = written(config), *again = NULL;

	assert_string_equal(json, expected);
	assert_int_equal(scow_container_config_from_json(json, &copy, NULL), 0);
	again = written(copy);
	assert_string_equal(again, json);
}

static void test_document(void **state)
{
	_cleanup_(scow_container_config_unrefp) scow_container_config *config = scow_container_config_new();

	(void) state;
	scow_container_config_publish(config, "8080:80");
	scow_container_config_publish(config, "53:53/udp");
	scow_container_config_publish(config, "127.0.0.1::80");
	scow_container_config_publish(config, "8000-8010:81");
	/* Said twice is said once. */
	scow_container_config_publish(config, "8080:80/tcp");
	scow_container_config_expose(config, "443");
	scow_container_config_expose(config, "7000-7001/udp");
	scow_container_config_expose(config, "443/tcp");
	scow_container_config_set_publish_all(config, 1);
	check(config, "{\"ExposedPorts\":{\"443/tcp\":{},\"7000-7001/udp\":{}},\"HostConfig\":{\"PublishAllPorts\":true,\"PortBindings\":{"
		      "\"80/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"8080\"},{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"\"}],"
		      "\"81/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"8000-8010\"}],"
		      "\"53/udp\":[{\"HostIp\":\"\",\"HostPort\":\"53\"}]}}}");
}

static void test_reading(void **state)
{
	static const struct {
		const char *json, *message;
	} refused[] = {
		{ "{\"HostConfig\":{\"PortBindings\":{\"80/x\":[{\"HostPort\":\"1\"}]}}}",
		  "HostConfig.PortBindings: invalid port '80/x': the protocol is tcp, udp or sctp" },
		{ "{\"HostConfig\":{\"PortBindings\":{\"80/tcp\":[{\"HostIp\":\"x\",\"HostPort\":\"1\"}]}}}",
		  "HostConfig.PortBindings: 'x' is no IP address of the host" },
		{ "{\"HostConfig\":{\"PortBindings\":{\"80/tcp\":[{\"HostPort\":1}]}}}",
		  "HostConfig.PortBindings: expected lists of objects with HostIp and HostPort" },
		{ "{\"HostConfig\":{\"PortBindings\":[]}}", "HostConfig.PortBindings: expected an object whose members are ports" },
		{ "{\"ExposedPorts\":{\"0\":{}}}", "ExposedPorts: invalid port '0': a container has no port 0" },
		{ "{\"ExposedPorts\":[\"80\"]}", "ExposedPorts: expected an object whose members are ports" },
	};
	_cleanup_(scow_container_config_unrefp) scow_container_config *config = NULL;

	(void) state;
	/* What Docker's clients send. */
	assert_int_equal(
		scow_container_config_from_json("{\"ExposedPorts\":{\"80/tcp\":{}},\"HostConfig\":{\"PublishAllPorts\":false,"
						"\"PortBindings\":{\"80/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"8080\"}],\"81/tcp\":null}}}",
						&config, NULL),
		0);
	check(config,
	      "{\"ExposedPorts\":{\"80/tcp\":{}},\"HostConfig\":{\"PortBindings\":{\"80/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"8080\"}],"
	      "\"81/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"\"}]}}}");
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		scow_container_config *none = NULL;
		scow_error *error = NULL;

		assert_int_equal(scow_container_config_from_json(refused[i].json, &none, &error), SCOW_E_INVALID);
		assert_string_equal(scow_error_message(error), refused[i].message);
		scow_error_unref(error);
	}
}

static void test_refused(void **state)
{
	_cleanup_(scow_container_config_unrefp) scow_container_config *config = scow_container_config_new();
	scow_error *error = NULL;
	char *json = NULL;

	(void) state;
	scow_container_config_publish(config, "8080:");
	assert_int_equal(scow_container_config_to_json(config, &json, &error), SCOW_E_INVALID);
	assert_string_equal(scow_error_message(error), "publish: invalid port '8080:': it names no port of the container");
	scow_error_unref(error);
	/* With another's network, ports are his. */
	scow_container_config_unref(config);
	config = scow_container_config_new();
	error = NULL;
	scow_container_config_set_namespace(config, SCOW_NAMESPACE_NETWORK, "container:web");
	scow_container_config_publish(config, "8080:80");
	assert_int_equal(scow_container_config_to_json(config, &json, &error), SCOW_E_INVALID);
	assert_non_null(strstr(scow_error_message(error), "container 'web'"));
	scow_error_unref(error);
	scow_container_config_publish(NULL, "80");
	scow_container_config_expose(NULL, "80");
	scow_container_config_set_publish_all(NULL, 1);
}

/* A stranger's image may say so; looking for each port among all the others would take minutes. */
static void test_all_exposed(void **state)
{
	static const char *const exposed[] = { "1-65535/tcp", "1-65535/udp", "1-65535/sctp", "80", "nonsense" };
	const struct image_config image = { .exposed_ports = (char **) (void *) exposed, .n_exposed_ports = ARRAY_SIZE(exposed) };
	_cleanup_(scow_container_config_unrefp) scow_container_config *config = scow_container_config_new();
	cJSON *all;

	(void) state;
	scow_container_config_publish(config, "8080:80");
	all = exposed_json(&image, config);
	assert_non_null(all);
	assert_string_equal(all->child->string, "80/tcp");
	assert_string_equal(all->child->next->string, "1/tcp");
	assert_int_equal(cJSON_GetArraySize(all), 3 * 65535);
	cJSON_Delete(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_document),
		cmocka_unit_test(test_reading),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_all_exposed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
