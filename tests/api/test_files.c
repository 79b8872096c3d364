/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of containers that run, have run, and never ran; and links in them that would like to lead to the host. */
#include "api_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static scow_container *make(const char *script)
{
	SCOW_AUTO(scow_container_config) *config = shell_config(script);
	scow_container *container = NULL;
	scow_error *error = NULL;

	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &container, &error), &error);
	return container;
}

static void put(scow_container *container, const char *path, const char *text)
{
	scow_error *error = NULL;
	int fd = expect_ok(scow_container_open(container, path, O_WRONLY | O_CREAT | O_TRUNC, 0640, &error), &error);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void expect_text(scow_container *container, const char *path, const char *text)
{
	char buffer[256] = "";
	scow_error *error = NULL;
	int fd = expect_ok(scow_container_open(container, path, O_RDONLY, 0, &error), &error);

	assert_true(read(fd, buffer, sizeof(buffer) - 1) >= 0);
	assert_string_equal(buffer, text);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
}

static void finish(scow_container *container)
{
	scow_error *error = NULL;

	expect_ok(scow_container_remove(container, SCOW_REMOVE_FORCE, &error), &error);
}

static void run_to_its_end(scow_container *container, int expected)
{
	SCOW_AUTO(scow_process) *process = NULL;
	scow_error *error = NULL;
	int code = -1;

	expect_ok(scow_container_start(container, NULL, &process, &error), &error);
	expect_ok(scow_process_wait(process, 20000, &code, &error), &error);
	assert_int_equal(code, expected);
}

/* Written before the first start, read by the program, written by it, read after its end. */
static void test_before_and_after(void **state)
{
	SCOW_AUTO(scow_container) *container = make("[ \"$(cat /etc/given)\" = given ] && [ \"$(stat -c %a:%u /etc/given)\" = 640:0 ] && "
						    "echo made >/root/made && chmod 600 /root/made && exit 7");

	(void) state;
	put(container, "/etc/given", "given");
	run_to_its_end(container, 7);
	expect_text(container, "/root/made", "made\n");
	expect_text(container, "/etc/given", "given");
	finish(container);
}

static void test_while_it_runs(void **state)
{
	SCOW_AUTO(scow_container) *container = NULL;
	SCOW_AUTO(scow_container_config) *config =
		shell_config("echo here >/tmp/here; while [ ! -e /tmp/go ]; do sleep 0.02; done; cat /tmp/go");
	SCOW_AUTO(scow_process) *process = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	scow_error *error = NULL;
	int code, fd;

	(void) state;
	scow_container_config_add_tmpfs(config, "/tmp", NULL);
	scow_io_set_capture(io, 64);
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &container, &error), &error);
	expect_ok(scow_container_start(container, io, &process, &error), &error);
	/* On a tmpfs that only the container sees. */
	while ((fd = scow_container_open(container, "/tmp/here", O_RDONLY, 0, &error)) < 0) {
		expect_error(fd, SCOW_E_NOT_FOUND, &error, "/tmp/here");
		usleep(10000);
	}
	close(fd);
	put(container, "/tmp/go", "went");
	expect_ok(scow_process_wait(process, 20000, &code, &error), &error);
	assert_int_equal(code, 0);
	assert_string_equal(scow_process_output(process, SCOW_STDOUT, NULL), "went");
	finish(container);
}

static void test_links_stay_inside(void **state)
{
	SCOW_AUTO(scow_container) *container =
		make("ln -s /etc/shadow-of-the-host /a; ln -s ../../../../../../../etc/inside /b; echo in >/etc/inside; "
		     "ln -s /proc/1/root/etc /c; ln -s loop /loop");
	char host[64] = "/etc/shadow-of-the-host";
	scow_error *error = NULL;
	int fd;

	(void) state;
	run_to_its_end(container, 0);
	fd = open(host, O_CREAT | O_EXCL | O_WRONLY, 0600);
	fd = fd >= 0 ? (close(fd), 1) : 0;
	expect_error(scow_container_open(container, "/a", O_RDONLY, 0, &error), SCOW_E_NOT_FOUND, &error, "/a");
	if (fd)
		unlink(host);
	expect_text(container, "/b", "in\n");
	expect_text(container, "/../../etc/inside", "in\n");
	assert_true(scow_container_open(container, "/c/passwd", O_RDONLY, 0, NULL) < 0);
	assert_true(scow_container_open(container, "/loop", O_RDONLY, 0, NULL) < 0);
	expect_error(scow_container_open(container, "relative", O_RDONLY, 0, &error), SCOW_E_INVALID, &error, "relative");
	finish(container);
	expect_error(scow_container_open(container, "/b", O_RDONLY, 0, &error), SCOW_E_NOT_FOUND, &error, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_before_and_after, fixture_clear),
		cmocka_unit_test_teardown(test_while_it_runs, fixture_clear),
		cmocka_unit_test_teardown(test_links_stay_inside, fixture_clear),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
