/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * two_on_a_network IMAGE: a network, a server on it, and a client that finds the server by its name. All three are ephemeral: they go
 * with their last handle, so no return below leaves anything behind.
 * cc two_on_a_network.c $(pkg-config --cflags --libs scow)
 */
#include <scow/cleanup.h>
#include <sys/socket.h>
#include <stdio.h>

static const char *const serve[] = { "sh", "-c", "while echo hello from $HOSTNAME | nc -l -p 8000; do :; done", NULL };
static const char *const ask[] = { "sh", "-c", "until nc server 8000; do sleep 0.1; done", NULL };

static int fail(const char *doing, const scow_error *error)
{
	fprintf(stderr, "two_on_a_network: cannot %s: %s\n", doing, scow_error_message(error));
	if (scow_error_hint(error))
		fprintf(stderr, "                  %s\n", scow_error_hint(error));
	return 125;
}

/* On @network; known there, and to `scow ps`, as @name. */
static scow_container_config *describe(const char *name, const char *const *command, const char *network)
{
	scow_container_config *config = scow_container_config_new();

	scow_container_config_set_name(config, name);
	scow_container_config_set_hostname(config, name);
	scow_container_config_set_command(config, command);
	scow_container_config_set_ephemeral(config, 1);
	scow_container_config_add_network(config, network, NULL); /* the next free address, and nothing special */
	return config;
}

int main(int argc, char **argv)
{
	SCOW_AUTO(scow_error) *error = NULL;
	SCOW_AUTO(scow_engine) *engine = NULL;
	SCOW_AUTO(scow_image) *image = NULL;
	SCOW_AUTO(scow_network_config) *wishes = scow_network_config_new();
	SCOW_AUTO(scow_network) *network = NULL;
	SCOW_AUTO(scow_container_config) *server_config = describe("server", serve, "two");
	SCOW_AUTO(scow_container_config) *client_config = describe("client", ask, "two");
	SCOW_AUTO(scow_container) *server = NULL;
	SCOW_AUTO(scow_process) *serving = NULL, *asking = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	char *address = NULL;
	int code;

	if (argc != 2)
		return fprintf(stderr, "usage: two_on_a_network IMAGE\n"), 2;
	scow_network_config_set_ephemeral(wishes, 1);
	scow_io_set_capture(io, 1 << 20);

	if (scow_engine_open(NULL, &engine, &error) < 0 || scow_image_get(engine, argv[1], &image, &error) < 0)
		return fail("find the image", error);
	if (scow_network_create(engine, "two", wishes, &network, &error) < 0)
		return fail("make the network", error);
	if (scow_container_create(engine, image, server_config, &server, &error) < 0 ||
	    scow_container_start(server, NULL, &serving, &error) < 0)
		return fail("start the server", error);
	if (scow_container_address(server, "two", AF_INET, &address, &error) < 0)
		return fail("ask for its address", error);
	printf("the server is at %s\n", address);
	scow_free(address);

	code = scow_container_run(engine, image, client_config, io, &asking, &error);
	if (code < 0)
		return fail("run the client", error);
	printf("the client got: %s", scow_process_output(asking, SCOW_STDOUT, NULL));
	return scow_container_remove(server, SCOW_REMOVE_FORCE, &error) < 0 ? fail("end the server", error) : 0;
}
