/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Networks through the public API: objects, addresses, containers on them, and what is left when somebody dies. The fixture has a
 * network namespace of its own.
 */
#include "api_fixture.h"

#include <net/if.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void need_root(void)
{
	if (geteuid() != 0) {
		print_message("skip: networks of one's own need root\n");
		skip();
	}
}

static scow_network *make_network(const char *name, const char *subnet)
{
	SCOW_AUTO(scow_network_config) *config = scow_network_config_new();
	scow_network *network = NULL;
	scow_error *error = NULL;

	if (subnet)
		scow_network_config_add_pool(config, subnet, NULL, NULL);
	expect_ok(scow_network_create(fixture.engine, name, config, &network, &error), &error);
	return network;
}

static void remove_network(scow_network *network)
{
	scow_error *error = NULL;

	expect_ok(scow_network_remove(network, &error), &error);
	scow_network_unref(network);
}

/* One that sleeps, detached; @endpoint may be NULL. */
static scow_container *sleeper(const char *name, const char *network, const scow_endpoint_config *endpoint)
{
	SCOW_AUTO(scow_container_config) *config = networked_config("sleep 1000");
	scow_container *container = NULL;
	scow_error *error = NULL;

	scow_container_config_set_name(config, name);
	scow_container_config_add_network(config, network, endpoint);
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &container, &error), &error);
	expect_ok(scow_container_start_detached(container, &error), &error);
	return container;
}

static void end(scow_container *container)
{
	scow_error *error = NULL;

	expect_ok(scow_container_remove(container, SCOW_REMOVE_FORCE, &error), &error);
	scow_container_unref(container);
}

static void check_address(scow_container *container, const char *network, int family, const char *expected)
{
	scow_error *error = NULL;
	char *address = NULL;

	expect_ok(scow_container_address(container, network, family, &address, &error), &error);
	assert_string_equal(address, expected);
	scow_free(address);
}

static bool inspect_has(scow_network *network, const char *text)
{
	scow_error *error = NULL;
	char *json = NULL;
	bool found;

	expect_ok(scow_network_inspect_json(network, &json, &error), &error);
	found = strstr(json, text);
	scow_free(json);
	return found;
}

/* ---- objects ---- */

static void test_builtin(void **state)
{
	SCOW_AUTO(scow_iter) *iter = NULL;
	SCOW_AUTO(scow_network) *bridge = NULL;
	scow_error *error = NULL;
	scow_network *network;
	const char *names[4] = { NULL };
	size_t n = 0;

	(void) state;
	need_root();
	expect_ok(scow_network_list(fixture.engine, NULL, &iter, &error), &error);
	while (n < 4 && (network = scow_iter_next_network(iter)))
		names[n++] = scow_network_name(network);
	assert_int_equal(n, 3);
	assert_string_equal(names[0], "bridge");
	assert_string_equal(names[1], "host");
	assert_string_equal(names[2], "none");
	expect_ok(scow_network_get(fixture.engine, "default", &bridge, &error), &error);
	assert_string_equal(scow_network_name(bridge), "bridge");
	assert_string_equal(scow_network_driver(bridge), "bridge");
	assert_string_equal(scow_network_interface(bridge), "scow0");
	expect_error(scow_network_remove(bridge, &error), SCOW_E_BUSY, &error, "cannot be removed");
	expect_error(scow_network_get(fixture.engine, "nowhere", &network, &error), SCOW_E_NOT_FOUND, &error, "'nowhere'");
}

static void test_create(void **state)
{
	SCOW_AUTO(scow_network) *again = NULL;
	SCOW_AUTO(scow_iter) *iter = NULL;
	scow_error *error = NULL;
	scow_network *network, *found = NULL;
	char prefix[13];

	(void) state;
	need_root();
	network = make_network("alpha", "10.55.0.0/24");
	assert_int_equal(strlen(scow_network_id(network)), 64);
	assert_true(inspect_has(network, "\"Subnet\":\"10.55.0.0/24\",\"Gateway\":\"10.55.0.1\""));
	expect_error(scow_network_create(fixture.engine, "alpha", NULL, &found, &error), SCOW_E_EXISTS, &error, "exists already");
	snprintf(prefix, sizeof(prefix), "%s", scow_network_id(network));
	expect_ok(scow_network_get(fixture.engine, prefix, &again, &error), &error);
	assert_string_equal(scow_network_id(again), scow_network_id(network));
	expect_ok(scow_network_list(fixture.engine, "{\"type\":[\"custom\"],\"dangling\":[\"true\"]}", &iter, &error), &error);
	assert_int_equal(scow_iter_count(iter), 1);
	expect_error(scow_network_list(fixture.engine, "{\"color\":[\"red\"]}", &iter, &error), SCOW_E_INVALID, &error, "'color'");
	remove_network(network);
	expect_error(scow_network_remove(again, &error), SCOW_E_NOT_FOUND, &error, "no such network");
}

static void refuse_pool(const char *subnet, const char *range, const char *gateway, scow_status status, const char *words)
{
	SCOW_AUTO(scow_network_config) *config = scow_network_config_new();
	scow_error *error = NULL;

	scow_network_config_add_pool(config, subnet, range, gateway);
	expect_error(scow_network_create(fixture.engine, "beta", config, NULL, &error), status, &error, words);
}

static void test_refused(void **state)
{
	SCOW_AUTO(scow_network_config) *driver = scow_network_config_new(), *option = scow_network_config_new(),
				       *parent = scow_network_config_new(), *families = scow_network_config_new();
	scow_network *alpha;
	scow_error *error = NULL;

	(void) state;
	need_root();
	alpha = make_network("alpha", "10.56.0.0/16");
	refuse_pool("10.57.0.0", NULL, NULL, SCOW_E_INVALID, "add_pool: '10.57.0.0' is not a subnet");
	refuse_pool("10.57.0.1/16", NULL, NULL, SCOW_E_INVALID, "is not a subnet");
	refuse_pool("10.57.0.0/31", NULL, NULL, SCOW_E_INVALID, "too small");
	refuse_pool("10.57.0.0/16", "10.58.0.0/24", NULL, SCOW_E_INVALID, "the range '10.58.0.0/24' is not within");
	refuse_pool("10.57.0.0/16", NULL, "10.58.0.1", SCOW_E_INVALID, "the gateway '10.58.0.1' is not within");
	refuse_pool("10.56.7.0/24", NULL, NULL, SCOW_E_BUSY, "overlaps with one in use by the network 'alpha'");
	refuse_pool("127.1.0.0/16", NULL, NULL, SCOW_E_INVALID, "cannot be used");
	scow_network_config_set_driver(driver, "overlay");
	expect_error(scow_network_create(fixture.engine, "beta", driver, NULL, &error), SCOW_E_UNSUPPORTED, &error, "'overlay'");
	scow_network_config_set_option(option, "com.docker.network.driver.mtu", "many");
	expect_error(scow_network_create(fixture.engine, "beta", option, NULL, &error), SCOW_E_INVALID, &error, "mtu: 'many'");
	scow_network_config_set_driver(parent, "macvlan");
	expect_error(scow_network_create(fixture.engine, "beta", parent, NULL, &error), SCOW_E_INVALID, &error, "needs a parent");
	scow_network_config_set_ipv4(families, 0);
	expect_error(scow_network_create(fixture.engine, "beta", families, NULL, &error), SCOW_E_INVALID, &error, "needs IPv6");
	expect_error(scow_network_create(fixture.engine, "no/name", NULL, NULL, &error), SCOW_E_INVALID, &error, "'no/name'");
	remove_network(alpha);
}

static void test_ephemeral(void **state)
{
	SCOW_AUTO(scow_network_config) *config = scow_network_config_new();
	scow_network *network = NULL, *again = NULL;
	scow_error *error = NULL;
	pid_t child;
	int status;

	(void) state;
	need_root();
	scow_network_config_set_ephemeral(config, 1);
	expect_error(scow_network_create(fixture.engine, "fleeting", config, NULL, &error), SCOW_E_INVALID, &error, "goes with its handle");
	expect_ok(scow_network_create(fixture.engine, "fleeting", config, &network, &error), &error);
	expect_ok(scow_network_get(fixture.engine, "fleeting", &again, &error), &error);
	scow_network_unref(network);
	scow_network_unref(again);
	expect_error(scow_network_get(fixture.engine, "fleeting", &again, &error), SCOW_E_NOT_FOUND, &error, "fleeting");
	/* Its maker dies before that. */
	child = fork();
	if (child == 0) {
		scow_engine *engine = fixture_open();

		if (scow_network_create(engine, "fleeting", config, &network, NULL) == 0)
			kill(getpid(), SIGKILL);
		_exit(1);
	}
	waitpid(child, &status, 0);
	assert_true(WIFSIGNALED(status));
	scow_engine_unref(fixture_open());
	expect_error(scow_network_get(fixture.engine, "fleeting", &again, &error), SCOW_E_NOT_FOUND, &error, "fleeting");
}

/* ---- containers ---- */

static void test_default(void **state)
{
	SCOW_AUTO(scow_network) *bridge = NULL;
	scow_container *container;
	scow_error *error = NULL;
	char *output = NULL, *address = NULL;

	(void) state;
	need_root();
	assert_int_equal(run_connected("ip -4 -o addr show eth0; ip route; cat /etc/hosts", &output), 0);
	assert_non_null(strstr(output, "inet 172.17.0."));
	assert_non_null(strstr(output, "default via 172.17.0.1 dev eth0"));
	assert_non_null(strstr(output, "172.17.0.2\t"));
	free(output);
	container = sleeper("server", NULL, NULL);
	/* Not the last one's, which has just become free. */
	check_address(container, NULL, AF_INET, "172.17.0.3");
	check_address(container, "bridge", AF_INET, "172.17.0.3");
	expect_error(scow_container_address(container, "bridge", AF_INET6, &address, &error), SCOW_E_STATE, &error, "no IPv6 address");
	expect_error(scow_container_address(container, "other", AF_INET, &address, &error), SCOW_E_NOT_FOUND, &error, "'other'");
	expect_ok(scow_network_get(fixture.engine, "bridge", &bridge, &error), &error);
	assert_true(inspect_has(bridge, "\"Name\":\"server\""));
	assert_true(inspect_has(bridge, "\"IPv4Address\":\"172.17.0.3/16\""));
	assert_int_equal(run_connected("ping -c 1 -W 5 172.17.0.3 >/dev/null", NULL), 0);
	expect_ok(scow_container_stop(container, 0, &error), &error);
	assert_false(inspect_has(bridge, "server"));
	expect_error(scow_container_address(container, NULL, AF_INET, &address, &error), SCOW_E_STATE, &error, "it does not run");
	end(container);
}

static void test_wishes(void **state)
{
	SCOW_AUTO(scow_endpoint_config) *endpoint = scow_endpoint_config_new(), *same = scow_endpoint_config_new(),
					*far = scow_endpoint_config_new();
	SCOW_AUTO(scow_container_config) *config = networked_config("true");
	scow_container *container, *other = NULL;
	scow_network *network;
	scow_error *error = NULL;
	char *json = NULL;

	(void) state;
	need_root();
	network = make_network("alpha", "10.60.0.0/24");
	scow_endpoint_config_add_address(endpoint, "10.60.0.77");
	scow_endpoint_config_set_mac(endpoint, "02:00:00:00:00:77");
	scow_endpoint_config_set_interface(endpoint, "lan");
	scow_endpoint_config_add_alias(endpoint, "db");
	container = sleeper("server", "alpha", endpoint);
	check_address(container, "alpha", AF_INET, "10.60.0.77");
	expect_ok(scow_container_inspect_json(container, &json, &error), &error);
	assert_non_null(strstr(json, "\"MacAddress\":\"02:00:00:00:00:77\""));
	assert_non_null(strstr(json, "\"IPAMConfig\":{\"IPv4Address\":\"10.60.0.77\"}"));
	assert_non_null(strstr(json, "\"InterfaceName\":\"lan\""));
	assert_non_null(strstr(json, "\"Aliases\":[\"db\"]"));
	scow_free(json);
	/* The same one for another. */
	scow_endpoint_config_add_address(same, "10.60.0.77");
	scow_container_config_add_network(config, "alpha", same);
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &other, &error), &error);
	expect_error(scow_container_start_detached(other, &error), SCOW_E_BUSY, &error,
		     "the address 10.60.0.77 of network 'alpha' is in use by container 'server'");
	end(other);
	/* One that is not there. */
	{
		SCOW_AUTO(scow_container_config) *stray = networked_config("true");

		scow_endpoint_config_add_address(far, "10.61.0.7");
		scow_container_config_add_network(stray, "alpha", far);
		expect_error(scow_container_create(fixture.engine, fixture.image, stray, &other, &error), SCOW_E_INVALID, &error,
			     "10.61.0.7 is in no pool of network 'alpha'");
	}
	end(container);
	remove_network(network);
}

static void test_exhausted(void **state)
{
	SCOW_AUTO(scow_container_config) *config = networked_config("true");
	scow_container *first, *second = NULL;
	scow_network *network;
	scow_error *error = NULL;

	(void) state;
	need_root();
	network = make_network("tiny", "10.62.0.0/30");
	first = sleeper("first", "tiny", NULL);
	scow_container_config_add_network(config, "tiny", NULL);
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &second, &error), &error);
	expect_error(scow_container_start_detached(second, &error), SCOW_E_LIMIT, &error,
		     "network 'tiny' has no free address left in 10.62.0.0/30");
	expect_error(scow_network_remove(network, &error), SCOW_E_BUSY, &error, "in use by container 'first'");
	end(first);
	expect_ok(scow_container_start_detached(second, &error), &error);
	end(second);
	remove_network(network);
}

static void test_connect(void **state)
{
	SCOW_AUTO(scow_network) *bridge = NULL;
	SCOW_AUTO(scow_endpoint_config) *endpoint = scow_endpoint_config_new();
	scow_container *container, *stopped = NULL;
	scow_network *network;
	scow_error *error = NULL;
	SCOW_AUTO(scow_container_config) *config = networked_config("ip -4 -o addr show eth1 | grep 10.63.0. && exit 9");
	SCOW_AUTO(scow_process) *process = NULL;
	int code = 0;

	(void) state;
	need_root();
	network = make_network("alpha", "10.63.0.0/24");
	container = sleeper("server", NULL, NULL);
	scow_endpoint_config_add_address(endpoint, "10.63.0.50");
	expect_ok(scow_container_connect(container, network, endpoint, &error), &error);
	check_address(container, "alpha", AF_INET, "10.63.0.50");
	expect_error(scow_container_connect(container, network, NULL, &error), SCOW_E_EXISTS, &error, "is on network 'alpha' already");
	expect_ok(scow_network_get(fixture.engine, "bridge", &bridge, &error), &error);
	expect_ok(scow_container_disconnect(container, bridge, 0, &error), &error);
	expect_error(scow_container_disconnect(container, bridge, 0, &error), SCOW_E_NOT_FOUND, &error, "is not on network 'bridge'");
	expect_error(scow_network_remove(network, &error), SCOW_E_BUSY, &error, "in use by container 'server'");
	/* What does not run is connected when it starts. */
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &stopped, &error), &error);
	expect_ok(scow_container_connect(stopped, network, NULL, &error), &error);
	expect_ok(scow_container_start(stopped, NULL, &process, &error), &error);
	expect_ok(scow_process_wait(process, -1, &code, &error), &error);
	assert_int_equal(code, 9);
	end(stopped);
	end(container);
	remove_network(network);
}

static void test_no_network(void **state)
{
	SCOW_AUTO(scow_container_config) *config = networked_config("ls /sys/class/net"), *both = shell_config("true");
	SCOW_AUTO(scow_process) *process = NULL;
	scow_container *container = NULL;
	scow_network *network;
	scow_error *error = NULL;
	int code = 0;

	(void) state;
	need_root();
	network = make_network("alpha", NULL);
	scow_container_config_add_network(config, "none", NULL);
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &container, &error), &error);
	expect_error(scow_container_connect(container, network, NULL, &error), SCOW_E_INVALID, &error, "has the network 'none'");
	expect_ok(scow_container_start(container, NULL, &process, &error), &error);
	expect_ok(scow_process_wait(process, -1, &code, &error), &error);
	assert_int_equal(code, 0);
	end(container);
	scow_container_config_add_network(both, "host", NULL);
	scow_container_config_add_network(both, "alpha", NULL);
	expect_error(scow_container_create(fixture.engine, fixture.image, both, &container, &error), SCOW_E_INVALID, &error,
		     "conflicting options");
	remove_network(network);
}

/* ---- many at once, and death ---- */

#define PROCESSES 16

static void test_processes(void **state)
{
	scow_network *network;
	scow_error *error = NULL;
	pid_t children[PROCESSES];
	int go[2], status, addresses = 0;
	char *json = NULL;

	(void) state;
	need_root();
	network = make_network("alpha", "10.64.0.0/24");
	assert_int_equal(pipe(go), 0);
	for (int i = 0; i < PROCESSES; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			scow_engine *engine = fixture_open();
			SCOW_AUTO(scow_image) *image = NULL;
			char name[24], byte;

			snprintf(name, sizeof(name), "server-%d", i);
			close(go[1]);
			(void) !read(go[0], &byte, 1);
			fixture.engine = engine;
			if (scow_image_get(engine, "busybox", &image, NULL) < 0)
				_exit(2);
			fixture.image = image;
			scow_container_unref(sleeper(name, "alpha", NULL));
			_exit(0);
		}
	}
	close(go[0]);
	close(go[1]);
	for (int i = 0; i < PROCESSES; i++) {
		waitpid(children[i], &status, 0);
		assert_int_equal(status, 0);
	}
	/* Every address once: the index would not have it otherwise. */
	expect_ok(scow_network_inspect_json(network, &json, &error), &error);
	for (int i = 2; i < 2 + PROCESSES; i++) {
		char text[48];

		snprintf(text, sizeof(text), "\"IPv4Address\":\"10.64.0.%d/24\"", i);
		addresses += strstr(json, text) != NULL;
	}
	assert_int_equal(addresses, PROCESSES);
	scow_free(json);
	for (int i = 0; i < PROCESSES; i++) {
		scow_container *container = NULL;
		char name[24];

		snprintf(name, sizeof(name), "server-%d", i);
		expect_ok(scow_container_get(fixture.engine, name, &container, &error), &error);
		end(container);
	}
	remove_network(network);
}

static void test_killed_owner(void **state)
{
	scow_network *network;
	pid_t child;
	int status;

	(void) state;
	need_root();
	network = make_network("alpha", "10.65.0.0/30");
	child = fork();
	if (child == 0) {
		SCOW_AUTO(scow_container_config) *config = networked_config("sleep 1000");
		SCOW_AUTO(scow_image) *image = NULL;
		scow_engine *engine = fixture_open();
		scow_container *container = NULL;
		scow_process *process = NULL;

		scow_container_config_set_ephemeral(config, 1);
		scow_container_config_add_network(config, "alpha", NULL);
		if (scow_image_get(engine, "busybox", &image, NULL) == 0 &&
		    scow_container_create(engine, image, config, &container, NULL) == 0 &&
		    scow_container_start(container, NULL, &process, NULL) == 0)
			kill(getpid(), SIGKILL);
		_exit(1);
	}
	waitpid(child, &status, 0);
	assert_true(WIFSIGNALED(status));
	/* The only address there is is free for the next who asks, without anybody having looked. */
	end(sleeper("next", "alpha", NULL));
	remove_network(network);
	/* Who opens next takes away the dead one's mark. */
	scow_engine_unref(fixture_open());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_builtin, fixture_clear),      cmocka_unit_test_teardown(test_create, fixture_clear),
		cmocka_unit_test_teardown(test_refused, fixture_clear),      cmocka_unit_test_teardown(test_ephemeral, fixture_clear),
		cmocka_unit_test_teardown(test_default, fixture_clear),      cmocka_unit_test_teardown(test_wishes, fixture_clear),
		cmocka_unit_test_teardown(test_exhausted, fixture_clear),    cmocka_unit_test_teardown(test_connect, fixture_clear),
		cmocka_unit_test_teardown(test_no_network, fixture_clear),   cmocka_unit_test_teardown(test_processes, fixture_clear),
		cmocka_unit_test_teardown(test_killed_owner, fixture_clear),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
