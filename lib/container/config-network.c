/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The networks of a config: which, in which order, and what is asked for on each.
 *
 * HostConfig.NetworkMode names the first one, or says that there is none ("none", "host", "container:NAME"); the rest is in
 * NetworkingConfig.EndpointsConfig. A config that says nothing has the default network.
 */
#include "container/config-network.h"

#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "container/config-internal.h"
#include "container/config-json.h"
#include "container/options.h"

static struct config_endpoint *find(const scow_container_config *config, const char *network)
{
	for (size_t i = 0; i < config->n_endpoints; i++)
		if (str_eq(config->endpoints[i].network, network))
			return &config->endpoints[i];
	return NULL;
}

static void add(scow_container_config *config, const char *setter, const char *network, const scow_endpoint_config *endpoint)
{
	struct config_endpoint *slot;
	scow_error *error = NULL;

	if (find(config, network))
		return REFUSE_AS(config, setter, "network '%s' twice", network);
	if (endpoint && endpoint_config_check(endpoint, &error) < 0)
		return config_refuse_error(config, setter, &error);
	slot = arena_append(&config->arena, &config->endpoints, &config->n_endpoints, sizeof(*slot));
	if (!slot)
		return;
	slot->network = arena_strdup(&config->arena, network);
	if (endpoint)
		endpoint_settings_copy(&endpoint->settings, &config->arena, &slot->settings);
}

void scow_container_config_add_network(scow_container_config *config, const char *network, const scow_endpoint_config *endpoint)
{
	struct namespace_choice choice;
	scow_error *error = NULL;

	if (!config)
		return;
	if (!network || !*network)
		network = NETWORK_DEFAULT;
	if (namespace_parse(SCOW_NAMESPACE_NETWORK, network, &choice, &error) < 0)
		return config_refuse_error(config, __func__, &error);
	if (choice.mode == NAMESPACE_DEFAULT || choice.mode == NAMESPACE_NETWORK)
		return add(config, __func__, choice.mode == NAMESPACE_DEFAULT ? NETWORK_DEFAULT : network, endpoint);
	if (endpoint && !endpoint_settings_are_default(&endpoint->settings))
		return REFUSE(config, "nothing can be asked for of the network '%s'", network);
	scow_container_config_set_namespace(config, SCOW_NAMESPACE_NETWORK, network);
}

/* ---- which ---- */

bool config_is_networked(const scow_container_config *config)
{
	struct namespace_choice choice;

	return namespace_parse(SCOW_NAMESPACE_NETWORK, config->namespaces[SCOW_NAMESPACE_NETWORK], &choice, NULL) == 0 &&
	       (choice.mode == NAMESPACE_DEFAULT || choice.mode == NAMESPACE_NETWORK);
}

bool config_network_is_unsaid(const scow_container_config *config)
{
	const char *mode = config->namespaces[SCOW_NAMESPACE_NETWORK];

	return !config->n_endpoints && (!mode || str_eq(mode, "default"));
}

/* The first one, where it is not the first of the endpoints anyway. */
static const char *named_first(const scow_container_config *config)
{
	const char *mode = config->namespaces[SCOW_NAMESPACE_NETWORK];

	if (mode && !str_eq(mode, "default"))
		return mode;
	return config->n_endpoints ? config->endpoints[0].network : NETWORK_DEFAULT;
}

const char *config_network_at(const scow_container_config *config, size_t index, const struct endpoint_settings **settings)
{
	static const struct endpoint_settings nothing_special;
	const char *first;
	const struct config_endpoint *endpoint;

	if (!config_is_networked(config))
		return NULL;
	first = named_first(config);
	endpoint = find(config, first);
	*settings = endpoint ? &endpoint->settings : &nothing_special;
	if (index == 0)
		return first;
	for (size_t i = 0; i < config->n_endpoints; i++) {
		if (&config->endpoints[i] == endpoint)
			continue;
		if (--index == 0) {
			*settings = &config->endpoints[i].settings;
			return config->endpoints[i].network;
		}
	}
	return NULL;
}

const char *config_network_mode(const scow_container_config *config)
{
	if (config->namespaces[SCOW_NAMESPACE_NETWORK] || !config->n_endpoints)
		return config->namespaces[SCOW_NAMESPACE_NETWORK];
	return config->endpoints[0].network;
}

int config_check_networks(const scow_container_config *config, scow_error **error)
{
	const struct endpoint_settings *settings;
	struct namespace_choice choice;
	const char *network;

	if ((config->n_ports || config->n_exposed || config->publish_all) &&
	    namespace_parse(SCOW_NAMESPACE_NETWORK, config->namespaces[SCOW_NAMESPACE_NETWORK], &choice, NULL) == 0 &&
	    choice.mode == NAMESPACE_CONTAINER)
		return error_hint(
			error,
			error_set(error, SCOW_E_INVALID, "conflicting options: ports, and the network of container '%s'", choice.argument),
			"publish them with that container, whose addresses they are of");
	if (config->n_endpoints && !config_is_networked(config))
		return error_set(error, SCOW_E_INVALID, "conflicting options: the network '%s', and '%s'", config->endpoints[0].network,
				 config->namespaces[SCOW_NAMESPACE_NETWORK]);
	for (size_t i = 0; (network = config_network_at(config, i, &settings)); i++) {
		if (str_eq(network, NETWORK_DEFAULT) && settings->n_aliases)
			return error_hint(error,
					  error_set(error, SCOW_E_INVALID, "the network 'bridge' has no names, and so no alias '%s'",
						    settings->aliases[0]),
					  "create a network of your own: its containers find each other by name");
	}
	return 0;
}

/* ---- the document ---- */

char *config_endpoints_json(const scow_container_config *config)
{
	_cleanup_json_ cJSON *object = cJSON_CreateObject();
	bool ok = object != NULL;

	for (size_t i = 0; ok && i < config->n_endpoints; i++) {
		cJSON *item = endpoint_settings_to_json(&config->endpoints[i].settings);

		ok = item && cJSON_AddItemToObject(object, config->endpoints[i].network, item);
		if (!ok)
			cJSON_Delete(item);
	}
	return ok ? json_print(object) : NULL;
}

static void read_endpoint(struct reader *reader, const cJSON *item)
{
	_cleanup_(scow_endpoint_config_unrefp) scow_endpoint_config *endpoint = scow_endpoint_config_new();
	struct namespace_choice choice;
	scow_error *error = NULL;

	if (!endpoint) {
		reader->config->arena.failed = true;
		return;
	}
	if (cJSON_IsObject(item) && endpoint_config_from_json(endpoint, item, &error) < 0)
		return config_refuse_error(reader->config, reader->path, &error);
	if (!cJSON_IsObject(item) && !cJSON_IsNull(item))
		return reader_refuse(reader, SCOW_E_INVALID, "expected an object of networks");
	if (namespace_parse(SCOW_NAMESPACE_NETWORK, item->string, &choice, &error) < 0)
		return config_refuse_error(reader->config, reader->path, &error);
	/* Clients name "none" and "host" here, too, with nothing to say of them. */
	if (choice.mode == NAMESPACE_DEFAULT || choice.mode == NAMESPACE_NETWORK)
		add(reader->config, reader->path, choice.mode == NAMESPACE_DEFAULT ? NETWORK_DEFAULT : item->string, endpoint);
	else if (!endpoint_settings_are_default(&endpoint->settings))
		reader_refuse(reader, SCOW_E_INVALID, "nothing can be asked for of that network");
}

void networking_read(struct reader *reader, const cJSON *item)
{
	scow_container_config *config = reader->config;
	const cJSON *child, *endpoint;

	cJSON_ArrayForEach(child, item)
	{
		if (!str_eq(child->string, "EndpointsConfig")) {
			if (!is_empty_within(child))
				reader_refuse(reader, SCOW_E_UNSUPPORTED, "only EndpointsConfig is known here");
			continue;
		}
		cJSON_ArrayForEach(endpoint, child) read_endpoint(reader, endpoint);
	}
	/* Only the default, and nothing of it: as if nothing had been said. */
	if (config->n_endpoints == 1 && str_eq(config->endpoints[0].network, NETWORK_DEFAULT) &&
	    endpoint_settings_are_default(&config->endpoints[0].settings))
		config->n_endpoints = 0;
}

void links_read(scow_container_config *config, const char *text)
{
	config_add_string(config, &config->links, &config->n_links, text);
}

static void add_links(scow_container_config *config, struct endpoint_settings *settings)
{
	_cleanup_(scow_endpoint_config_unrefp) scow_endpoint_config *checked = scow_endpoint_config_new();
	scow_error *error = NULL;

	for (size_t i = 0; i < config->n_links; i++)
		endpoint_config_add_link_text(checked, config->links[i]);
	if (!checked || endpoint_config_check(checked, &error) < 0)
		return config_refuse_error(config, "Links", &error);
	for (size_t i = 0; i < checked->settings.n_links; i++) {
		struct endpoint_link *link = arena_append(&config->arena, &settings->links, &settings->n_links, sizeof(*link));

		if (link)
			*link = (struct endpoint_link){ arena_strdup(&config->arena, checked->settings.links[i].container),
							arena_strdup(&config->arena, checked->settings.links[i].alias) };
	}
}

void links_settle(scow_container_config *config)
{
	struct config_endpoint *endpoint;

	if (!config->n_links)
		return;
	if (!config_is_networked(config))
		return REFUSE_AS(config, "Links", "a link needs a network");
	endpoint = find(config, named_first(config));
	if (!endpoint) {
		endpoint = arena_append(&config->arena, &config->endpoints, &config->n_endpoints, sizeof(*endpoint));
		if (!endpoint)
			return;
		endpoint->network = config->n_endpoints > 1 || config->namespaces[SCOW_NAMESPACE_NETWORK]
					    ? arena_strdup(&config->arena, config->namespaces[SCOW_NAMESPACE_NETWORK])
					    : NETWORK_DEFAULT;
	}
	add_links(config, &endpoint->settings);
	config->n_links = 0;
}
