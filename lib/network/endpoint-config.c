/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A container's place on a network, as it is asked for: setters that check and copy, and the same as Docker's EndpointSettings. The first
 * bad value is kept, and reported by the call that uses the config.
 */
#include "network/endpoint-config.h"
#include "network/shape.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"

#define NAME_BYTES_MAX 253 /* of a name in the DNS */

/* In a setter: keeps what is wrong under the setter's name. */
#define REFUSE_AS(config, status, ...) error_keep(&(config)->error, status, __func__ + strlen("scow_endpoint_config_"), __VA_ARGS__)
#define REFUSE(config, ...) REFUSE_AS(config, SCOW_E_INVALID, __VA_ARGS__)

scow_endpoint_config *scow_endpoint_config_new(void)
{
	return calloc(1, sizeof(scow_endpoint_config));
}

scow_endpoint_config *scow_endpoint_config_unref(scow_endpoint_config *config)
{
	if (!config)
		return NULL;
	scow_error_unref(config->error);
	arena_done(&config->arena);
	free(config);
	return NULL;
}

int endpoint_config_check(const scow_endpoint_config *config, scow_error **error)
{
	return arena_failed(&config->arena) ? error_oom(error) : error_kept(config->error, error);
}

static bool is_name(const char *name)
{
	return name && *name && strlen(name) <= NAME_BYTES_MAX &&
	       !name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")];
}

void scow_endpoint_config_add_address(scow_endpoint_config *config, const char *address)
{
	struct endpoint_settings *settings = config ? &config->settings : NULL;
	struct address parsed, *slot;

	if (!config)
		return;
	if (!address_parse(address, &parsed) || address_is_any(&parsed) || address_is_loopback(&parsed))
		return REFUSE(config, "'%s' is not an address that a container can have", address ? address : "");
	if (address_is_link_local(&parsed)) {
		slot = arena_append(&config->arena, &settings->link_local, &settings->n_link_local, sizeof(*slot));
		if (slot)
			*slot = parsed;
		return;
	}
	slot = parsed.family == AF_INET ? &settings->ip4 : &settings->ip6;
	if (slot->family)
		return REFUSE(config, "a second address of one family: '%s'", address);
	*slot = parsed;
}

void scow_endpoint_config_set_mac(scow_endpoint_config *config, const char *mac)
{
	unsigned char bytes[MAC_BYTES];
	char text[MAC_TEXT];

	if (!config)
		return;
	if (!mac || !*mac) {
		config->settings.mac = NULL;
		return;
	}
	if (!mac_parse(mac, bytes) || bytes[0] & 1)
		return REFUSE(config, "'%s' is not a MAC address of one interface", mac);
	config->settings.mac = arena_strdup(&config->arena, mac_format(bytes, text));
}

void scow_endpoint_config_add_alias(scow_endpoint_config *config, const char *alias)
{
	const char **slot;

	if (!config)
		return;
	if (!is_name(alias))
		return REFUSE(config, "'%s' is not a name", alias ? alias : "");
	slot = arena_append(&config->arena, &config->settings.aliases, &config->settings.n_aliases, sizeof(*slot));
	if (slot)
		*slot = arena_strdup(&config->arena, alias);
}

void scow_endpoint_config_add_link(scow_endpoint_config *config, const char *container, const char *alias)
{
	struct endpoint_link *link;

	if (!config)
		return;
	if (!is_name(container) || (alias && !is_name(alias)))
		return REFUSE(config, "'%s' is not a container, or '%s' not a name for it", container ? container : "", alias ? alias : "");
	link = arena_append(&config->arena, &config->settings.links, &config->settings.n_links, sizeof(*link));
	if (!link)
		return;
	link->container = arena_strdup(&config->arena, container);
	link->alias = arena_strdup(&config->arena, alias ? alias : container);
}

void scow_endpoint_config_set_gateway_priority(scow_endpoint_config *config, int priority)
{
	if (config)
		config->settings.priority = priority;
}

void scow_endpoint_config_set_interface(scow_endpoint_config *config, const char *name)
{
	if (!config)
		return;
	if (name && (!*name || strlen(name) >= LINK_NAME || strpbrk(name, "/ \t\n:%") || str_eq(name, ".") || str_eq(name, "..") ||
		     str_eq(name, "lo")))
		return REFUSE(config, "'%s' is not a name for an interface of a container", name);
	config->settings.interface = arena_strdup(&config->arena, name);
}

/* Those that are settings of their own under another name. */
void scow_endpoint_config_set_option(scow_endpoint_config *config, const char *name, const char *value)
{
	static const char interface[] = "com.docker.network.endpoint.ifname";
	struct endpoint_option *option;
	uint64_t rate;

	if (!config)
		return;
	if (!name || !*name)
		return REFUSE(config, "an option without a name");
	if (str_eq(name, interface))
		return scow_endpoint_config_set_interface(config, value && *value ? value : NULL);
	if (str_eq(name, OPTION_RATE_IN) || str_eq(name, OPTION_RATE_OUT)) {
		if (!rate_parse(value, &rate))
			return REFUSE(config, "%s: '%s' " RATE_WANTED, name, value ? value : "");
	} else if (!str_eq(name, "com.docker.network.endpoint.sysctls")) {
		return REFUSE_AS(config, SCOW_E_UNSUPPORTED, "there is no option '%s'", name);
	}
	option = arena_append(&config->arena, &config->settings.options, &config->settings.n_options, sizeof(*option));
	if (!option)
		return;
	option->name = arena_strdup(&config->arena, name);
	option->value = arena_strdup(&config->arena, value ? value : "");
}

/* ---- copies ---- */

void endpoint_settings_copy(const struct endpoint_settings *from, struct arena *arena, struct endpoint_settings *to)
{
	*to = *from;
	to->mac = arena_strdup(arena, from->mac);
	to->interface = arena_strdup(arena, from->interface);
	to->aliases = (const char **) arena_strv(arena, from->aliases, from->n_aliases);
	to->link_local = arena_alloc(arena, from->n_link_local * sizeof(*to->link_local));
	to->links = arena_alloc(arena, from->n_links * sizeof(*to->links));
	to->options = arena_alloc(arena, from->n_options * sizeof(*to->options));
	for (size_t i = 0; to->link_local && i < from->n_link_local; i++)
		to->link_local[i] = from->link_local[i];
	for (size_t i = 0; to->links && i < from->n_links; i++)
		to->links[i] =
			(struct endpoint_link){ arena_strdup(arena, from->links[i].container), arena_strdup(arena, from->links[i].alias) };
	for (size_t i = 0; to->options && i < from->n_options; i++)
		to->options[i] =
			(struct endpoint_option){ arena_strdup(arena, from->options[i].name), arena_strdup(arena, from->options[i].value) };
}

bool endpoint_settings_are_default(const struct endpoint_settings *settings)
{
	return !settings->ip4.family && !settings->ip6.family && !settings->n_link_local && !settings->mac && !settings->interface &&
	       !settings->n_aliases && !settings->n_links && !settings->n_options && !settings->priority;
}

/* ---- JSON ---- */

static bool add_item(cJSON *object, const char *name, cJSON *item)
{
	if (item && cJSON_AddItemToObject(object, name, item))
		return true;
	cJSON_Delete(item);
	return false;
}

static bool append(cJSON *array, const char *text)
{
	cJSON *item = cJSON_CreateString(text);

	if (item && cJSON_AddItemToArray(array, item))
		return true;
	cJSON_Delete(item);
	return false;
}

static bool format_ipam(const struct endpoint_settings *settings, cJSON *object)
{
	char text[ADDRESS_TEXT];
	cJSON *ipam, *list;
	bool ok = true;

	if (!settings->ip4.family && !settings->ip6.family && !settings->n_link_local)
		return true;
	ipam = cJSON_AddObjectToObject(object, "IPAMConfig");
	ok = ipam != NULL;
	if (ok && settings->ip4.family)
		ok = cJSON_AddStringToObject(ipam, "IPv4Address", address_format(&settings->ip4, text)) != NULL;
	if (ok && settings->ip6.family)
		ok = cJSON_AddStringToObject(ipam, "IPv6Address", address_format(&settings->ip6, text)) != NULL;
	if (!ok || !settings->n_link_local)
		return ok;
	list = cJSON_AddArrayToObject(ipam, "LinkLocalIPs");
	for (size_t i = 0; list && ok && i < settings->n_link_local; i++)
		ok = append(list, address_format(&settings->link_local[i], text));
	return list && ok;
}

static bool format_links(const struct endpoint_settings *settings, cJSON *object)
{
	cJSON *list = settings->n_links ? cJSON_AddArrayToObject(object, "Links") : NULL;
	bool ok = list || !settings->n_links;

	for (size_t i = 0; ok && i < settings->n_links; i++) {
		_cleanup_free_ char *text = strf("%s:%s", settings->links[i].container, settings->links[i].alias);

		ok = text && append(list, text);
	}
	return ok;
}

static bool format_options(const struct endpoint_settings *settings, cJSON *object)
{
	cJSON *map;
	bool ok;

	if (!settings->n_options && !settings->interface)
		return true;
	map = cJSON_AddObjectToObject(object, "DriverOpts");
	ok = map != NULL;
	if (ok && settings->interface)
		ok = cJSON_AddStringToObject(map, "com.docker.network.endpoint.ifname", settings->interface) != NULL;
	for (size_t i = 0; ok && i < settings->n_options; i++)
		ok = cJSON_AddStringToObject(map, settings->options[i].name, settings->options[i].value) != NULL;
	return ok;
}

cJSON *endpoint_settings_to_json(const struct endpoint_settings *settings)
{
	cJSON *object = cJSON_CreateObject();
	bool ok = object && format_ipam(settings, object) && format_links(settings, object) && format_options(settings, object);

	if (ok && settings->n_aliases)
		ok = add_item(object, "Aliases", cJSON_CreateStringArray(settings->aliases, (int) settings->n_aliases));
	if (ok && settings->mac)
		ok = cJSON_AddStringToObject(object, "MacAddress", settings->mac) != NULL;
	if (ok && settings->priority)
		ok = cJSON_AddNumberToObject(object, "GwPriority", settings->priority) != NULL;
	if (ok)
		return object;
	cJSON_Delete(object);
	return NULL;
}

static int read_ipam(scow_endpoint_config *config, const cJSON *ipam, scow_error **error)
{
	const char *ip4, *ip6;
	const cJSON *list, *item;
	int r = json_string(ipam, "IPv4Address", &ip4, error);

	if (r == 0)
		r = json_string(ipam, "IPv6Address", &ip6, error);
	if (r == 0)
		r = json_strings(ipam, "LinkLocalIPs", &list, error);
	if (r < 0)
		return r;
	if (ip4 && *ip4)
		scow_endpoint_config_add_address(config, ip4);
	if (ip6 && *ip6)
		scow_endpoint_config_add_address(config, ip6);
	cJSON_ArrayForEach(item, list) scow_endpoint_config_add_address(config, item->valuestring);
	return 0;
}

void endpoint_config_add_link_text(scow_endpoint_config *config, const char *text)
{
	const char *colon = strrchr(text, ':');
	_cleanup_free_ char *container = colon ? strndup(text, (size_t) (colon - text)) : NULL;

	scow_endpoint_config_add_link(config, colon ? container : text, colon ? colon + 1 : NULL);
}

int endpoint_config_from_json(scow_endpoint_config *config, const cJSON *object, scow_error **error)
{
	const cJSON *ipam, *aliases, *links, *options, *item;
	const char *mac;
	int64_t priority = 0;
	int r = json_object(object, "IPAMConfig", &ipam, error);

	if (r == 0 && ipam)
		r = read_ipam(config, ipam, error);
	if (r == 0)
		r = json_strings(object, "Aliases", &aliases, error);
	if (r == 0)
		r = json_strings(object, "Links", &links, error);
	if (r == 0)
		r = json_object(object, "DriverOpts", &options, error);
	if (r == 0)
		r = json_string(object, "MacAddress", &mac, error);
	if (r == 0)
		r = json_i64(object, "GwPriority", &priority, error);
	if (r < 0)
		return r;
	if (priority < INT32_MIN || priority > INT32_MAX)
		return error_set(error, SCOW_E_INVALID, "GwPriority: %lld is out of range", (long long) priority);
	cJSON_ArrayForEach(item, aliases) scow_endpoint_config_add_alias(config, item->valuestring);
	cJSON_ArrayForEach(item, links) endpoint_config_add_link_text(config, item->valuestring);
	cJSON_ArrayForEach(item, options)
		scow_endpoint_config_set_option(config, item->string, cJSON_IsString(item) ? item->valuestring : "");
	scow_endpoint_config_set_mac(config, mac);
	config->settings.priority = (int) priority;
	return endpoint_config_check(config, error);
}

/* ---- the row ---- */

int endpoint_insert(struct db_work *work, const char *container, const char *network, unsigned int position,
		    const struct endpoint_settings *settings, scow_error **error)
{
	char ip4[ADDRESS_HEX], ip6[ADDRESS_HEX];
	_cleanup_json_ cJSON *object = NULL;
	_cleanup_free_ char *text = NULL;
	int r;

	if (!endpoint_settings_are_default(settings)) {
		object = endpoint_settings_to_json(settings);
		text = object ? json_print(object) : NULL;
		if (!text)
			return error_oom(error);
	}
	r = db_exec(work, error,
		    "INSERT OR IGNORE INTO endpoints (container, network, position, priority, wanted4, wanted6, interface, settings) "
		    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		    "ttiitttt", container, network, (int64_t) position, (int64_t) settings->priority, address_hex(&settings->ip4, ip4),
		    address_hex(&settings->ip6, ip6), settings->interface ? settings->interface : "", text ? text : "");
	return r;
}
