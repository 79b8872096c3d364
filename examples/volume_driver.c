/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * volume_driver IMAGE TEMPLATE: volumes of a driver of one's own. Each is a fresh copy of the directory TEMPLATE, made when the volume
 * is, and gone with it: what a container writes there is never seen by the next.
 */
#include <scow/cleanup.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct copies {
	const char *template;
	char base[32]; /* where they are */
};

static const char *place(const struct copies *copies, const char *name, char path[512])
{
	snprintf(path, 512, "%s/%s", copies->base, name);
	return path;
}

static int run(const char *program, const char *option, const char *a, const char *b)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		execlp(program, program, option, a, b, (char *) NULL), _exit(127);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 ? 0 : SCOW_E_FAILED;
}

static int create(const char *name, const char *options, void *userdata, scow_error **error)
{
	const struct copies *copies = userdata;
	char path[512];

	(void) options;
	if (run("cp", "-a", copies->template, place(copies, name, path)) < 0)
		return scow_error_set_message(error, SCOW_E_FAILED, "the template cannot be copied");
	return 0;
}

static int mount(const char *name, const char *options, const char *id, void *userdata, scow_error **error)
{
	const struct copies *copies = userdata;
	char path[512];
	int fd;

	(void) options;
	printf("container %.12s gets %s\n", id, name);
	fd = open(place(copies, name, path), O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 ? fd : scow_error_set_message(error, SCOW_E_NOT_FOUND, "its directory is gone");
}

static int discard(const char *name, const char *options, void *userdata, scow_error **error)
{
	const struct copies *copies = userdata;
	char path[512];

	(void) options;
	return run("rm", "-rf", "--", place(copies, name, path)) < 0 ? scow_error_set_message(error, SCOW_E_FAILED, "its copy stays") : 0;
}

int main(int argc, char **argv)
{
	static const char *const look[] = { "sh", "-c", "ls /work; touch /work/mine", NULL };
	struct copies copies = { argc == 3 ? argv[2] : NULL, "/tmp/scow-copies.XXXXXX" };
	SCOW_AUTO(scow_error) *error = NULL;
	SCOW_AUTO(scow_engine) *engine = NULL;
	SCOW_AUTO(scow_image) *image = NULL;
	SCOW_AUTO(scow_volume_driver) *driver = scow_volume_driver_new("copies", &copies);
	SCOW_AUTO(scow_container_config) *config = scow_container_config_new();
	SCOW_AUTO(scow_io) *io = scow_io_new();
	int code = -1;

	if (!copies.template || !mkdtemp(copies.base))
		return fprintf(stderr, "usage: volume_driver IMAGE TEMPLATE\n"), 2;
	scow_volume_driver_set_create(driver, create);
	scow_volume_driver_set_mount(driver, mount);
	scow_volume_driver_set_remove(driver, discard);
	scow_io_set_inherit(io);
	scow_container_config_set_command(config, look);
	scow_container_config_set_ephemeral(config, 1);
	scow_container_config_set_namespace(config, SCOW_NAMESPACE_NETWORK, "none");
	scow_container_config_add_mount(config, "type=volume,dst=/work,volume-driver=copies"); /* anonymous: it goes with the container */
	if (scow_engine_open(NULL, &engine, &error) < 0 || scow_engine_add_volume_driver(engine, driver, &error) < 0 ||
	    scow_image_get(engine, argv[1], &image, &error) < 0 || (code = scow_container_run(engine, image, config, io, NULL, &error)) < 0)
		fprintf(stderr, "volume_driver: %s\n", scow_error_message(error));
	rmdir(copies.base);
	return code < 0 ? 125 : code;
}
