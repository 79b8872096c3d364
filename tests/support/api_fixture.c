/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fixture of tests of the public API. */
#include "api_fixture.h"

#include <dirent.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "image_maker.h"

struct fixture fixture;

int expect_ok(int r, scow_error **error)
{
	if (r < 0)
		fail_msg("%s: %s (step %s, hint: %s)", scow_status_name(r), scow_error_message(error ? *error : NULL),
			 scow_error_step(error ? *error : NULL) ? scow_error_step(*error) : "-",
			 scow_error_hint(error ? *error : NULL) ? scow_error_hint(*error) : "-");
	return r;
}

void expect_error(int r, scow_status status, scow_error **error, const char *words)
{
	const char *message = scow_error_message(*error);

	if (r != (int) status)
		fail_msg("%s instead of %s: %s", scow_status_name(r), scow_status_name(status), message);
	assert_int_equal(scow_error_status(*error), status);
	if (words && !strstr(message, words))
		fail_msg("'%s' is not in '%s'", words, message);
	*error = scow_error_unref(*error);
}

static void print_log(int level, const char *message, void *userdata)
{
	(void) userdata;
	if (level <= SCOW_LOG_WARNING)
		fprintf(stderr, "# %s\n", message);
}

scow_engine *fixture_open(void)
{
	SCOW_AUTO(scow_engine_options) *options = scow_engine_options_new();
	scow_error *error = NULL;
	scow_engine *engine = NULL;

	scow_engine_options_set_root(options, fixture.root);
	scow_engine_options_set_log(options, print_log, NULL);
	expect_ok(scow_engine_open(options, &engine, &error), &error);
	return engine;
}

/* No bridge, address or rule of a test is ever the host's. A plain user has none to make. */
static void leave_the_hosts_network(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int control;

	if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0)
		return;
	control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ioctl(control, SIOCSIFFLAGS, &lo);
	close(control);
}

int fixture_setup(void **state)
{
	const char *tmp = getenv("TMPDIR");
	scow_error *error = NULL;
	scow_iter *loaded = NULL;
	int fd;

	(void) state;
	leave_the_hosts_network();
	snprintf(fixture.root, sizeof(fixture.root), "%s/scow-api.XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(fixture.root));
	fixture.engine = fixture_open();
	fd = make_busybox_archive("busybox:latest", NULL);
	expect_ok(scow_image_load(fixture.engine, fd, NULL, &loaded, &error), &error);
	close(fd);
	assert_int_equal(scow_iter_count(loaded), 1);
	scow_iter_unref(loaded);
	expect_ok(scow_image_get(fixture.engine, "busybox", &fixture.image, &error), &error);
	return 0;
}

int fixture_clear(void **state)
{
	SCOW_AUTO(scow_iter) *iter = NULL;
	scow_container *container;

	(void) state;
	if (scow_container_list(fixture.engine, SCOW_LIST_ALL, &iter, NULL) < 0)
		return -1;
	while ((container = scow_iter_next_container(iter)))
		scow_container_remove(container, SCOW_REMOVE_FORCE, NULL);
	return 0;
}

static int count_entries(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int count = 0;

	while (dir && (entry = readdir(dir)))
		count += entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return count;
}

int fixture_teardown(void **state)
{
	char command[256];
	int left;

	(void) state;
	fixture.image = scow_image_unref(fixture.image);
	fixture.engine = scow_engine_unref(fixture.engine);
	snprintf(command, sizeof(command), "%s/containers", fixture.root);
	left = count_entries(command);
	snprintf(command, sizeof(command), "%s/owners", fixture.root);
	left += count_entries(command);
	if (left)
		fprintf(stderr, "# %d things are left in %s\n", left, fixture.root);
	snprintf(command, sizeof(command), "rm -rf '%s'", fixture.root);
	return system(command) != 0 || left != 0;
}

scow_container_config *networked_config(const char *script)
{
	const char *const command[] = { "sh", "-c", script, NULL };
	scow_container_config *config = scow_container_config_new();

	assert_non_null(config);
	scow_container_config_set_command(config, command);
	return config;
}

scow_container_config *shell_config(const char *script)
{
	scow_container_config *config = networked_config(script);

	scow_container_config_set_namespace(config, SCOW_NAMESPACE_NETWORK, "none");
	return config;
}

static int run_it(scow_container_config *config, char **output)
{
	SCOW_AUTO(scow_process) *process = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	scow_error *error = NULL;
	int code;

	scow_container_config_set_ephemeral(config, 1);
	scow_io_set_capture(io, 1 << 20);
	code = expect_ok(scow_container_run(fixture.engine, fixture.image, config, io, &process, &error), &error);
	if (output)
		*output = strdup(scow_process_output(process, SCOW_STDOUT, NULL));
	return code;
}

int run_shell(const char *script, char **output)
{
	SCOW_AUTO(scow_container_config) *config = shell_config(script);

	return run_it(config, output);
}

int run_connected(const char *script, char **output)
{
	SCOW_AUTO(scow_container_config) *config = networked_config(script);

	return run_it(config, output);
}

void remove_it(scow_container *container, unsigned int flags)
{
	scow_error *error = NULL;

	expect_ok(scow_container_remove(container, flags, &error), &error);
	scow_container_unref(container);
}

void expect_state(scow_container *container, int state)
{
	scow_error *error = NULL;

	assert_int_equal(expect_ok(scow_container_state_now(container, &error), &error), state);
}

struct remains count_remains(void)
{
	struct remains remains;
	char path[256], text[4096] = "";
	FILE *file;

	snprintf(path, sizeof(path), "%s/containers", fixture.root);
	remains.directories = count_entries(path);
	remains.descriptors = count_entries("/proc/self/fd");
	remains.children = 0;
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int) getpid());
	file = fopen(path, "r");
	if (file && fgets(text, sizeof(text), file))
		for (char *at = text; (at = strchr(at, ' ')); at++)
			remains.children++;
	if (file)
		fclose(file);
	return remains;
}
