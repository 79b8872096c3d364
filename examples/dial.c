/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A service in a container without a network, and this program as its only client; then the other way round.
 *
 *	dial IMAGE        an image with busybox
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>

#include <scow/cleanup.h>

static int fail(const char *what, scow_error *error)
{
	fprintf(stderr, "dial: %s: %s\n", what, scow_error_message(error));
	return 1;
}

int main(int argc, char **argv)
{
	const char *server[] = { "sh", "-c", "nc -ll -p 5432 -e cat & while ! echo asked | nc 127.0.0.1 80; do sleep 0.1; done; sleep 1000",
				 NULL };
	SCOW_AUTO(scow_error) *error = NULL;
	SCOW_AUTO(scow_engine) *engine = NULL;
	SCOW_AUTO(scow_image) *image = NULL;
	SCOW_AUTO(scow_container_config) *config = scow_container_config_new();
	SCOW_AUTO(scow_container) *container = NULL;
	SCOW_AUTO(scow_process) *process = NULL;
	char text[64] = "";
	int listener, client, fd;

	if (argc != 2)
		return fprintf(stderr, "usage: dial IMAGE\n"), 2;
	scow_container_config_set_command(config, server);
	scow_container_config_add_network(config, "none", NULL);
	scow_container_config_set_ephemeral(config, 1);
	if (scow_engine_open(NULL, &engine, &error) < 0 || scow_image_get(engine, argv[1], &image, &error) < 0 ||
	    scow_container_create(engine, image, config, &container, &error) < 0 ||
	    scow_container_start(container, NULL, &process, &error) < 0)
		return fail("start the container", error);

	/* The container's port 80 is answered here, though it has no network. */
	listener = scow_container_listen(container, "tcp", "127.0.0.1:80", 8, &error);
	if (listener < 0)
		return fail("listen", error);
	client = accept(listener, NULL, NULL);
	(void) !read(client, text, sizeof(text) - 1);
	close(client);
	printf("the container said: %s", text);

	/* Its port 5432 is ours, and nobody else's on this host. */
	fd = scow_container_dial(container, "tcp", "5432", 5000, &error);
	if (fd < 0)
		return fail("dial", error);
	(void) !write(fd, "echo", 4);
	memset(text, 0, sizeof(text));
	(void) !read(fd, text, sizeof(text) - 1);
	close(fd);
	printf("and echoed: %s\n", text);
	close(listener);
	return scow_container_remove(container, SCOW_REMOVE_FORCE, &error) < 0 ? fail("remove it", error) : 0;
}
