/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Published ports: the flags of run, the command `port`, and the column of `ps`. */
#include "cli.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool ports_configure(scow_container_config *config, const struct run_options *options)
{
	for (size_t i = 0; i < options->publish.count; i++)
		scow_container_config_publish(config, options->publish.items[i]);
	for (size_t i = 0; i < options->expose.count; i++)
		scow_container_config_expose(config, options->expose.items[i]);
	scow_container_config_set_publish_all(config, options->publish_all);
	return true;
}

/* One line of what `port` knows: a port, and where it is published; @host "" where it is only exposed. */
struct place {
	int port, host_port;
	const char *protocol, *host;
};

static void read_places(const cJSON *ports, struct place **out, size_t *count)
{
	const cJSON *port, *binding;
	size_t room = 0;

	*out = NULL;
	*count = 0;
	cJSON_ArrayForEach(port, ports) room += cJSON_IsArray(port) ? (size_t) cJSON_GetArraySize(port) : 1;
	*out = calloc(room + 1, sizeof(**out));
	if (!*out)
		return;
	cJSON_ArrayForEach(port, ports)
	{
		const char *slash = strchr(port->string, '/');
		struct place place = { .port = atoi(port->string), .protocol = keep_format("%s", slash ? slash + 1 : "tcp"), .host = "" };

		if (!cJSON_IsArray(port))
			(*out)[(*count)++] = place;
		cJSON_ArrayForEach(binding, port)
		{
			const char *host = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(binding, "HostIp"));
			const char *number = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(binding, "HostPort"));

			place.host = host ? keep_format(strchr(host, ':') ? "[%s]" : "%s", host) : "";
			place.host_port = number ? atoi(number) : 0;
			(*out)[(*count)++] = place;
		}
	}
}

static int compare_places(const void *left, const void *right)
{
	const struct place *a = left, *b = right;
	int r = strcmp(a->host, b->host);

	if (!r)
		r = strcmp(a->protocol, b->protocol);
	return r ? r : a->port != b->port ? (a->port < b->port ? -1 : 1) : a->host_port - b->host_port;
}

static int compare_first(const void *left, const void *right)
{
	const struct place *a = left, *b = right;

	return a->port != b->port ? (a->port < b->port ? -1 : 1) : compare_places(left, right);
}

static bool follows(const struct place *a, const struct place *b)
{
	/* Docker runs ports together where they have the same numbers on both sides. */
	return strcmp(a->host, b->host) == 0 && strcmp(a->protocol, b->protocol) == 0 && b->port == a->port + 1 &&
	       (*a->host ? a->host_port == a->port && b->host_port == b->port : true);
}

/* "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp, 443/tcp". */
const char *ports_text(const char *document)
{
	const char *text = "";
	struct place *places;
	size_t count;
	cJSON *json;

	/* Most publish nothing. */
	if (strcmp(document, "{}") == 0)
		return text;
	json = cJSON_Parse(document);
	read_places(json, &places, &count);
	cJSON_Delete(json);
	if (places)
		qsort(places, count, sizeof(*places), compare_places);
	for (size_t i = 0; i < count; i++) {
		const struct place *first = &places[i];
		const char *range;

		while (i + 1 < count && follows(&places[i], &places[i + 1]))
			i++;
		range = places[i].port == first->port ? keep_format("%d", first->port) : keep_format("%d-%d", first->port, places[i].port);
		text = keep_format("%s%s", text, *text ? ", " : "");
		if (!*first->host)
			text = keep_format("%s%s/%s", text, range, first->protocol);
		else if (&places[i] != first)
			text = keep_format("%s%s:%s->%s/%s", text, first->host, range, range, first->protocol);
		else
			text = keep_format("%s%s:%d->%s/%s", text, first->host, first->host_port, range, first->protocol);
	}
	free(places);
	return text;
}

/* ---- port ---- */

/* All: "80/tcp -> 0.0.0.0:8080" for each. */
static void print_all(const cJSON *ports)
{
	struct place *places;
	size_t count;

	read_places(ports, &places, &count);
	if (places)
		qsort(places, count, sizeof(*places), compare_first);
	for (size_t i = 0; i < count; i++)
		if (*places[i].host)
			printf("%d/%s -> %s:%d\n", places[i].port, places[i].protocol, places[i].host, places[i].host_port);
	free(places);
}

static void print_one(const cJSON *bindings)
{
	const cJSON *binding;

	cJSON_ArrayForEach(binding, bindings)
	{
		const char *host = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(binding, "HostIp"));
		const char *number = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(binding, "HostPort"));

		printf(host && strchr(host, ':') ? "[%s]:%s\n" : "%s:%s\n", host ? host : "", number ? number : "");
	}
}

static int port(struct cli *cli, void *target, int argc, char **argv)
{
	SCOW_AUTO(scow_container) *container = NULL;
	SCOW_AUTO(scow_error) *error = NULL;
	const char *wanted = argc > 1 ? argv[1] : NULL;
	char *document = NULL;
	cJSON *json;

	(void) target;
	if (!cli_engine(cli))
		return 1;
	if (scow_container_get(cli->engine, argv[0], &container, &error) < 0 || scow_container_port(container, wanted, &document, &error) < 0) {
		complain_error(&error);
		return 1;
	}
	json = cJSON_Parse(document);
	scow_free(document);
	if (wanted)
		print_one(json);
	else
		print_all(json);
	cJSON_Delete(json);
	return 0;
}

const struct command port_commands[] = {
	{ "port", "container port", "CONTAINER [PORT[/PROTOCOL]]", "Show where ports of a container are published", NULL, 0, 1, 2, false, port },
	{ NULL },
};
