/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sockets made in containers: many containers that serve the same port, programs inside that this program serves, and what is said
 * where nobody listens. SCOW_TEST_DIAL=500: so many containers; it also prints what a dial takes.
 */
#include "api_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MANY 12
#define MANY_MAX 1000

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

static scow_container *start(const char *script, scow_process **process)
{
	SCOW_AUTO(scow_container_config) *config = shell_config(script);
	scow_container *container = NULL;
	scow_error *error = NULL;

	scow_container_config_add_network(config, "none", NULL);
	scow_container_config_set_ephemeral(config, 1);
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &container, &error), &error);
	expect_ok(scow_container_start(container, NULL, process, &error), &error);
	return container;
}

static void end(scow_container *container, scow_process *process)
{
	scow_error *error = NULL;

	expect_ok(scow_container_remove(container, SCOW_REMOVE_FORCE, &error), &error);
	scow_process_unref(process);
	scow_container_unref(container);
}

/* Its server may need a moment to begin. */
static int dial(scow_container *container, const char *kind, const char *target)
{
	scow_error *error = NULL;
	int fd = -1;

	for (int i = 0; i < 400 && fd < 0; i++) {
		scow_error_unref(error);
		error = NULL;
		fd = scow_container_dial(container, kind, target, 10000, &error);
		if (fd == SCOW_E_NETWORK || fd == SCOW_E_NOT_FOUND)
			usleep(20000);
		else if (fd < 0)
			break;
	}
	expect_ok(fd, &error);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	return fd;
}

static void expect_line(int fd, const char *expected)
{
	char text[64] = "";
	size_t size = 0;
	ssize_t n;

	while (size < sizeof(text) - 1 && !strchr(text, '\n') && (n = read(fd, text + size, sizeof(text) - 1 - size)) > 0)
		size += (size_t) n;
	assert_string_equal(text, expected);
	close(fd);
}

static int host_sockets(void)
{
	FILE *file = fopen("/proc/net/tcp", "r");
	char line[256];
	int n = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		n++;
	fclose(file);
	return n;
}

static void test_many_on_one_port(void **state)
{
	const char *wish = getenv("SCOW_TEST_DIAL");
	int many = wish ? atoi(wish) : MANY, sockets = host_sockets();
	static scow_container *containers[MANY_MAX];
	static scow_process *processes[MANY_MAX];
	int64_t took = 0;
	char script[128], expected[16];

	(void) state;
	if (many > MANY_MAX)
		many = MANY_MAX;
	for (int i = 0; i < many; i++) {
		snprintf(script, sizeof(script), "exec nc -ll -p 5432 -e sh -c 'echo %d'", i);
		containers[i] = start(script, &processes[i]);
	}
	for (int i = many - 1; i >= 0; i--) {
		snprintf(expected, sizeof(expected), "%d\n", i);
		expect_line(dial(containers[i], "tcp", ":5432"), expected);
	}
	assert_int_equal(host_sockets(), sockets);
	for (int i = 0; i < many; i++) {
		scow_error *error = NULL;
		int64_t began = now_us();
		int fd = expect_ok(scow_container_dial(containers[i], "tcp", "127.0.0.1:5432", 10000, &error), &error);

		took += now_us() - began;
		close(fd);
	}
	if (wish)
		print_message("%d containers, dial takes %lld us\n", many, (long long) (took / many));
	for (int i = 0; i < many; i++)
		end(containers[i], processes[i]);
}

static void serve(scow_container *container, const char *address)
{
	scow_error *error = NULL;
	int listener = expect_ok(scow_container_listen(container, "tcp", address, 4, &error), &error);
	int fd = accept(listener, NULL, NULL);

	assert_int_equal(fcntl(listener, F_GETFD), FD_CLOEXEC);
	assert_true(fd >= 0);
	close(listener);
	expect_line(fd, "hello\n");
}

/* A container without any network asks this program, again and again. */
static void test_listen(void **state)
{
	scow_process *process;
	scow_container *container = start("while true; do echo hello | nc -w1 127.0.0.1 80; sleep 0.05; done", &process);
	scow_error *error = NULL;
	char text[16] = "";
	int fd, other;

	(void) state;
	serve(container, "127.0.0.1:80");
	serve(container, "0.0.0.0:80");
	serve(container, "[::]:80");
	other = expect_ok(scow_container_listen(container, "udp", "localhost:53", 0, &error), &error);
	fd = dial(container, "udp", "127.0.0.1:53");
	assert_int_equal(write(fd, "ask", 3), 3);
	assert_int_equal(read(other, text, sizeof(text)), 3);
	close(fd);
	close(other);
	fd = expect_ok(scow_container_listen(container, "tcp", "127.0.0.1:80", 4, &error), &error);
	other = scow_container_listen(container, "tcp", "127.0.0.1:80", 4, &error);
	expect_error(other, SCOW_E_BUSY, &error, "listen on tcp '127.0.0.1:80'");
	error = NULL;
	close(fd);
	expect_error(scow_container_listen(container, "tcp", "192.0.2.1:80", 4, &error), SCOW_E_NETWORK, &error, "192.0.2.1:80");
	error = NULL;
	end(container, process);
}

static void test_unix(void **state)
{
	scow_process *process;
	scow_container *container = start("mkdir -p /tmp; touch /tmp/ready; while true; do sleep 1; done", &process);
	scow_error *error = NULL;
	int listener, fd = -1, client;

	(void) state;
	for (int i = 0; i < 400 && fd < 0; i++, usleep(20000))
		fd = scow_container_open(container, "/tmp/ready", O_RDONLY, 0, NULL);
	assert_true(fd >= 0);
	close(fd);
	expect_error(scow_container_dial(container, "unix", "/tmp/ours", 0, &error), SCOW_E_NOT_FOUND, &error, "'/tmp/ours'");
	error = NULL;
	listener = expect_ok(scow_container_listen(container, "unix", "/tmp/ours", 1, &error), &error);
	expect_error(scow_container_listen(container, "unix", "/tmp/ours", 1, &error), SCOW_E_BUSY, &error, "'/tmp/ours'");
	error = NULL;
	client = dial(container, "unix", "/tmp/ours");
	fd = accept(listener, NULL, NULL);
	assert_true(write(fd, "by path\n", 8) == 8);
	close(fd);
	expect_line(client, "by path\n");
	/* The queue takes two, and then one waits. */
	for (int i = 0; i < 2; i++)
		assert_true(scow_container_dial(container, "unix", "/tmp/ours", 0, NULL) >= 0);
	expect_error(scow_container_dial(container, "unix", "/tmp/ours", 60, &error), SCOW_E_TIMEOUT, &error, "'/tmp/ours'");
	error = NULL;
	close(listener);
	expect_error(scow_container_dial(container, "unix", "/tmp/ours", -1, &error), SCOW_E_NETWORK, &error, "'/tmp/ours'");
	error = NULL;

	listener = expect_ok(scow_container_listen(container, "unix", "@ours", 1, &error), &error);
	client = dial(container, "unix", "@ours");
	close(client);
	close(listener);
	expect_error(scow_container_dial(container, "unix", "@ours", 1000, &error), SCOW_E_NETWORK, &error, "'@ours'");
	end(container, process);
	assert_int_not_equal(access("/tmp/ours", F_OK), 0);
}

static void test_refusals(void **state)
{
	static const char *const wrong[][2] = {
		{ "tcp", "" },       { "tcp", "host" },        { "tcp", "127.0.0.1" },     { "tcp", "::1:80" },    { "tcp", "[::1]" },
		{ "tcp", ":65536" }, { "tcp", ":-1" },         { "udp", "example.org:1" }, { "unix", "relative" }, { "unix", "@" },
		{ "sctp", ":80" },   { "tcp", "[1.2.3.4:80" }, { "tcp", "80x" },
	};
	scow_process *process;
	scow_container *container = start("sleep 1000", &process);
	struct remains before = count_remains(), after;
	scow_error *error = NULL;
	int fd;

	(void) state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		expect_error(scow_container_dial(container, wrong[i][0], wrong[i][1], 0, &error), SCOW_E_INVALID, &error,
			     i == 10 ? "expected tcp, udp or unix" : wrong[i][1]);
		error = NULL;
	}
	expect_error(scow_container_dial(container, "tcp", "localhost:9", 1000, &error), SCOW_E_NETWORK, &error,
		     "connect to tcp 'localhost:9'");
	error = NULL;
	expect_error(scow_container_dial(container, "tcp", "192.0.2.1:9", 1000, &error), SCOW_E_NETWORK, &error, "192.0.2.1");
	error = NULL;
	/* Its own name leads to itself; nobody has to listen for a datagram. */
	fd = expect_ok(scow_container_listen(container, "tcp", ":7000", 1, &error), &error);
	for (int i = 0; i < 2; i++) {
		char target[128];

		snprintf(target, sizeof(target), "%s:7000", i ? scow_container_name(container) : "localhost");
		close(expect_ok(scow_container_dial(container, "tcp", target, 1000, &error), &error));
	}
	close(fd);
	close(expect_ok(scow_container_dial(container, "udp", "[::1]:9", 1000, &error), &error));
	fd = expect_ok(scow_container_dial(container, "udp", ":9", 0, &error), &error);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	close(fd);
	after = count_remains();
	assert_memory_equal(&before, &after, sizeof(before));
	expect_ok(scow_container_kill(container, SIGKILL, &error), &error);
	expect_ok(scow_process_wait(process, 20000, NULL, &error), &error);
	fd = scow_container_dial(container, "tcp", ":80", 0, &error);
	assert_true(fd == SCOW_E_STATE || fd == SCOW_E_NOT_FOUND);
	scow_error_unref(error);
	scow_process_unref(process);
	scow_container_unref(container);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_many_on_one_port, fixture_clear),
		cmocka_unit_test_teardown(test_listen, fixture_clear),
		cmocka_unit_test_teardown(test_unix, fixture_clear),
		cmocka_unit_test_teardown(test_refusals, fixture_clear),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
