/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The flags of run and create that say which networks a container is on: --network, in both of Docker's forms, and those that ask for
 * something on the first one (--ip, --mac-address, --network-alias, --link, ...).
 */
#include "cli.h"

#include <string.h>

static bool bad(const char *text, const char *why)
{
	complain("invalid argument \"%s\" for \"--network\" flag: %s", text, why);
	return false;
}

/* One "key=value" of the long form. */
static bool set_part(scow_endpoint_config *endpoint, const char *text, const char *key, const char *value, const char **name)
{
	int64_t priority;

	if (!value)
		return bad(text, keep_format("'%s' has no value", key));
	if (strcmp(key, "name") == 0)
		*name = value;
	else if (strcmp(key, "alias") == 0)
		scow_endpoint_config_add_alias(endpoint, value);
	else if (strcmp(key, "ip") == 0 || strcmp(key, "ip6") == 0 || strcmp(key, "link-local-ip") == 0)
		scow_endpoint_config_add_address(endpoint, value);
	else if (strcmp(key, "mac-address") == 0)
		scow_endpoint_config_set_mac(endpoint, value);
	else if (strcmp(key, "interface") == 0)
		scow_endpoint_config_set_interface(endpoint, value);
	else if (strcmp(key, "driver-opt") == 0) {
		const char *rest, *option = keep_split(value, '=', &rest);

		scow_endpoint_config_set_option(endpoint, option, rest);
	} else if (strcmp(key, "gw-priority") != 0 || !parse_number(value, &priority) || priority > INT32_MAX || priority < INT32_MIN)
		return bad(text, strcmp(key, "gw-priority") == 0 ? "gw-priority is a number" : keep_format("there is no key '%s'", key));
	else
		scow_endpoint_config_set_gateway_priority(endpoint, (int) priority);
	return true;
}

static bool set_parts(scow_endpoint_config *endpoint, const char *text, const char **name)
{
	for (const char *rest = text; rest;) {
		const char *value, *part = keep_split(rest, ',', &rest);
		const char *key = keep_split(part, '=', &value);

		if (!set_part(endpoint, text, key, value, name))
			return false;
	}
	return *name || bad(text, "no name");
}

/* What the flags beside --network say is about the first. */
static void set_first(scow_endpoint_config *endpoint, const struct run_options *options)
{
	if (options->ip)
		scow_endpoint_config_add_address(endpoint, options->ip);
	if (options->ip6)
		scow_endpoint_config_add_address(endpoint, options->ip6);
	for (size_t i = 0; i < options->link_local.count; i++)
		scow_endpoint_config_add_address(endpoint, options->link_local.items[i]);
	if (options->mac)
		scow_endpoint_config_set_mac(endpoint, options->mac);
	for (size_t i = 0; i < options->aliases.count; i++)
		scow_endpoint_config_add_alias(endpoint, options->aliases.items[i]);
	for (size_t i = 0; i < options->links.count; i++)
		endpoint_add_link(endpoint, options->links.items[i]);
}

static bool asks_for_more(const struct run_options *options)
{
	return options->ip || options->ip6 || options->link_local.count || options->mac || options->aliases.count || options->links.count;
}

bool networks_configure(scow_container_config *config, const struct run_options *options)
{
	size_t n = options->networks.count;

	for (size_t i = 0; i < n || (i == 0 && asks_for_more(options)); i++) {
		SCOW_AUTO(scow_endpoint_config) *endpoint = scow_endpoint_config_new();
		const char *text = n ? options->networks.items[i] : "bridge", *name = NULL;

		if (!strchr(text, '='))
			name = text;
		else if (!set_parts(endpoint, text, &name))
			return false;
		if (i == 0)
			set_first(endpoint, options);
		scow_container_config_add_network(config, name, endpoint);
	}
	return true;
}
