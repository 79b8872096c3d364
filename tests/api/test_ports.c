/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Published ports through the public API: owned and detached containers, what is told of them, what is refused, and that many starts do
 * not wear anything out. The fixture has a network namespace of its own; who reaches whom is shown by tests/integration/test_ports.py.
 */
#include "api_fixture.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void need_root(void)
{
	if (geteuid() != 0) {
		print_message("skip: published ports need root\n");
		skip();
	}
}

static scow_container_config *publishing(const char *script, const char *port)
{
	scow_container_config *config = networked_config(script);

	scow_container_config_publish(config, port);
	return config;
}

static void check_port(scow_container *container, const char *port, const char *expected)
{
	scow_error *error = NULL;
	char *json = NULL;

	expect_ok(scow_container_port(container, port, &json, &error), &error);
	assert_string_equal(json, expected);
	scow_free(json);
}

/* 0, or the errno of a bind to it. */
static int bind_to(unsigned short port)
{
	struct sockaddr_in place = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

	assert_true(fd >= 0);
	r = bind(fd, (struct sockaddr *) &place, sizeof(place)) < 0 ? errno : 0;
	close(fd);
	return r;
}

static unsigned int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* A list sees what each says of itself. */
static void check_listed(scow_container *container)
{
	SCOW_AUTO(scow_iter) *iter = NULL;
	scow_container *listed;
	scow_error *error = NULL;
	char *json = NULL;

	expect_ok(scow_container_port(container, NULL, &json, &error), &error);
	expect_ok(scow_container_list(fixture.engine, SCOW_LIST_ALL, &iter, &error), &error);
	while ((listed = scow_iter_next_container(iter)) && strcmp(scow_container_id(listed), scow_container_id(container)) != 0)
		;
	assert_non_null(listed);
	assert_string_equal(scow_container_listed(listed, SCOW_LISTED_PORTS), json);
	scow_free(json);
}

static void test_detached(void **state)
{
	SCOW_AUTO(scow_container_config) *config = publishing("sleep 1000", "18080-18081:80-81");
	SCOW_AUTO(scow_container) *container = NULL;
	scow_error *error = NULL;
	char *json = NULL;

	(void) state;
	need_root();
	scow_container_config_publish(config, "127.0.0.1:18080:53/udp");
	scow_container_config_expose(config, "443");
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &container, &error), &error);
	/* Nothing is published before it runs. */
	check_port(container, NULL, "{}");
	expect_error(scow_container_port(container, "80", &json, &error), SCOW_E_NOT_FOUND, &error, "80/tcp");
	assert_int_equal(bind_to(18080), 0);
	expect_ok(scow_container_start_detached(container, &error), &error);
	check_port(container, "80", "[{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"18080\"}]");
	check_port(container, "81/tcp", "[{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"18081\"}]");
	check_port(container, "53/UDP", "[{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"18080\"}]");
	check_port(container, NULL,
		   "{\"53/udp\":[{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"18080\"}],\"80/"
		   "tcp\":[{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"18080\"}],"
		   "\"81/tcp\":[{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"18081\"}],\"443/tcp\":null}");
	check_listed(container);
	assert_int_equal(bind_to(18080), EADDRINUSE);
	expect_error(scow_container_port(container, "443", &json, &error), SCOW_E_NOT_FOUND, &error, "443/tcp is not published");
	expect_error(scow_container_port(container, "80-81", &json, &error), SCOW_E_INVALID, &error, "one port is meant");
	expect_error(scow_container_port(container, "80/x", &json, &error), SCOW_E_INVALID, &error, "tcp, udp or sctp");
	expect_error(scow_container_port(container, "80", NULL, &error), SCOW_E_INVALID, &error, NULL);
	expect_ok(scow_container_stop(container, 0, &error), &error);
	assert_int_equal(bind_to(18080), 0);
	check_port(container, NULL, "{}");
	check_listed(container);
	expect_ok(scow_container_remove(container, SCOW_REMOVE_FORCE, &error), &error);
	expect_error(scow_container_port(container, NULL, &json, &error), SCOW_E_NOT_FOUND, &error, NULL);
}

static void test_owned(void **state)
{
	SCOW_AUTO(scow_container_config) *config = publishing("sleep 1000", "18082:80");
	SCOW_AUTO(scow_container) *first = NULL, *second = NULL;
	SCOW_AUTO(scow_process) *process = NULL, *other = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	scow_error *error = NULL;

	(void) state;
	need_root();
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &first, &error), &error);
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &second, &error), &error);
	expect_ok(scow_container_start(first, io, &process, &error), &error);
	check_port(first, "80", "[{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"18082\"}]");
	expect_error(scow_container_start(second, io, &other, &error), SCOW_E_BUSY, &error, "is taken by container");
	/* The last reference to its process ends it, and gives the port back. */
	process = scow_process_unref(process);
	assert_int_equal(bind_to(18082), 0);
	expect_ok(scow_container_start(second, io, &other, &error), &error);
	assert_int_equal(bind_to(18082), EADDRINUSE);
	other = scow_process_unref(other);
	expect_ok(scow_container_remove(first, SCOW_REMOVE_FORCE, &error), &error);
	expect_ok(scow_container_remove(second, SCOW_REMOVE_FORCE, &error), &error);
}

static void test_refused(void **state)
{
	static const struct {
		const char *port;
		scow_status status;
		const char *words;
	} bad[] = {
		{ "", SCOW_E_INVALID, "publish" },
		{ "70000:80", SCOW_E_INVALID, "up to 65535" },
		{ "10.77.1.1:18083:80", SCOW_E_INVALID, "10.77.1.1" },
		{ "[::1]:18083:80", SCOW_E_UNSUPPORTED, "[::1]" },
		{ "[::]:18083:80", SCOW_E_INVALID, "no IPv6 address" },
	};
	scow_error *error = NULL;

	(void) state;
	need_root();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		SCOW_AUTO(scow_container_config) *config = publishing("true", bad[i].port);
		SCOW_AUTO(scow_process) *process = NULL;

		scow_container_config_set_ephemeral(config, 1);
		expect_error(scow_container_run(fixture.engine, fixture.image, config, NULL, &process, &error), bad[i].status, &error,
			     bad[i].words);
	}
	assert_int_equal(bind_to(18083), 0);
}

static void test_many(void **state)
{
	unsigned int before = 0;

	(void) state;
	need_root();
	for (int i = 0; i < 40; i++) {
		SCOW_AUTO(scow_container_config) *config = publishing("true", "18090-18189:1-100");
		scow_error *error = NULL;

		scow_container_config_set_ephemeral(config, 1);
		assert_int_equal(expect_ok(scow_container_run(fixture.engine, fixture.image, config, NULL, NULL, &error), &error), 0);
		if (i == 1)
			before = count_fds();
	}
	assert_int_equal(count_fds(), before);
	assert_int_equal(bind_to(18090), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_detached),
		cmocka_unit_test(test_owned),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
