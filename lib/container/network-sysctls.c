/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sysctls of a container's interfaces: there is no file for one before the interface is there. So who asks for one waits (READY) until the
 * links are made, which others need not before their program starts.
 *
 * Docker's option of an endpoint, com.docker.network.endpoint.sysctls, is a list "net.ipv4.conf.IFNAME.log_martians=1,...", in which IFNAME
 * stands for the interface, whatever it is called.
 */
#include "container/networks.h"

#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "container/options.h"

#define OPTION "com.docker.network.endpoint.sysctls"

static const char *const trees[] = { "net.ipv4.conf.", "net.ipv6.conf.", "net.ipv4.neigh.", "net.ipv6.neigh." };

static bool is_of_interface(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(trees); i++) {
		const char *interface = name + strlen(trees[i]);

		if (str_has_prefix(name, trees[i]))
			return !str_has_prefix(interface, "all.") && !str_has_prefix(interface, "default.") &&
			       !str_has_prefix(interface, "lo.");
	}
	return false;
}

/* A name with IFNAME in it, as it is for @interface; dots of that have their other form. */
static const char *name_for(struct arena *arena, const char *name, const char *interface)
{
	const char *at = strstr(name, ".IFNAME.");
	char dotless[LINK_NAME];

	if (!at)
		return arena_strdup(arena, name);
	memcpy(dotless, interface, LINK_NAME);
	for (char *c = dotless; *c; c++)
		*c = *c == '.' ? '/' : *c;
	return arena_printf(arena, "%.*s.%s.%s", (int) (at - name), name, dotless, at + strlen(".IFNAME."));
}

static int add(struct spec *spec, const struct endpoint *endpoint, char *text, scow_error **error)
{
	char *value = strchr(text, '=');
	struct spec_sysctl *slot;
	const char *name;
	enum spec_ns ns;
	int r;

	if (!value)
		return error_set(error, SCOW_E_INVALID, "network '%s': the option " OPTION ": '%s' has no value", endpoint->network->name,
				 text);
	*value++ = 0;
	name = name_for(&spec->arena, text, endpoint->interface);
	if (!name)
		return error_oom(error);
	r = sysctl_parse(name, &spec->arena, &name, &ns, error);
	if (r == 0 && !is_of_interface(name))
		r = error_set(error, SCOW_E_INVALID, "network '%s': the option " OPTION ": '%s' is not of an interface",
			      endpoint->network->name, text);
	if (r < 0)
		return r;
	slot = arena_append(&spec->arena, &spec->sysctls, &spec->n_sysctls, sizeof(*slot));
	if (!slot)
		return error_oom(error);
	*slot = (struct spec_sysctl){ name, arena_strdup(&spec->arena, value), false };
	return 0;
}

static int add_of_endpoint(struct spec *spec, const struct endpoint *endpoint, scow_error **error)
{
	_cleanup_json_ cJSON *settings = NULL;
	_cleanup_free_ char *list = NULL;
	const char *option;
	char *at, *text;
	int r = 0;

	if (!endpoint->settings || !strstr(endpoint->settings, OPTION))
		return 0;
	settings = cJSON_Parse(endpoint->settings);
	option = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(settings, "DriverOpts"), OPTION));
	at = list = strdup(option ? option : "");
	if (!list)
		return error_oom(error);
	while (r == 0 && (text = strsep(&at, ",")))
		r = *text ? add(spec, endpoint, text, error) : 0;
	return r;
}

int networks_add_sysctls(const struct attachment *attachment, struct spec *spec, scow_error **error)
{
	int r = 0;

	for (size_t i = 0; i < attachment->n_endpoints && r == 0; i++)
		r = add_of_endpoint(spec, &attachment->endpoints[i], error);
	for (size_t i = 0; i < spec->n_sysctls; i++)
		spec->waits_ready = spec->waits_ready || is_of_interface(spec->sysctls[i].name);
	return r;
}
