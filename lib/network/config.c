/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A network's description: setters that check and copy. What depends on the host or on other networks is checked by create. The first bad
 * value is kept and reported there.
 */
#include "network/config.h"
#include "network/shape.h"

#include <linux/if_link.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define MTU_MIN 68
#define MTU_MAX 65535

/* In a setter: keeps what is wrong under the setter's name. */
#define REFUSE_AS(config, status, ...) error_keep(&(config)->error, status, __func__ + strlen("scow_network_config_"), __VA_ARGS__)
#define REFUSE(config, ...) REFUSE_AS(config, SCOW_E_INVALID, __VA_ARGS__)

static const char *const driver_names[] = {
	[NETWORK_BRIDGE] = "bridge", [NETWORK_MACVLAN] = "macvlan", [NETWORK_IPVLAN] = "ipvlan",
	[NETWORK_NONE] = "null",     [NETWORK_HOST] = "host",
};

const char *network_driver_name(enum network_driver driver)
{
	return (unsigned int) driver < ARRAY_SIZE(driver_names) ? driver_names[driver] : "unknown";
}

scow_network_config *scow_network_config_new(void)
{
	return calloc(1, sizeof(scow_network_config));
}

scow_network_config *scow_network_config_unref(scow_network_config *config)
{
	if (!config)
		return NULL;
	scow_error_unref(config->error);
	arena_done(&config->arena);
	free(config);
	return NULL;
}

void scow_network_config_set_driver(scow_network_config *config, const char *driver)
{
	if (!config)
		return;
	if (!driver || str_eq(driver, "default"))
		driver = "bridge";
	for (unsigned int i = NETWORK_BRIDGE; i <= NETWORK_IPVLAN; i++) {
		if (str_eq(driver, driver_names[i])) {
			config->driver = (enum network_driver) i;
			return;
		}
	}
	REFUSE_AS(config, SCOW_E_UNSUPPORTED, "there is no driver '%s': bridge, macvlan and ipvlan are", driver);
}

void scow_network_config_set_internal(scow_network_config *config, int internal)
{
	if (config)
		config->internal = internal;
}

void scow_network_config_set_ipv6(scow_network_config *config, int ipv6)
{
	if (config)
		config->ipv6 = ipv6;
}

void scow_network_config_set_ipv4(scow_network_config *config, int ipv4)
{
	if (config)
		config->no_ipv4 = !ipv4;
}

/* ---- pools ---- */

static bool has_host_bits(const struct prefix *prefix)
{
	struct address first;

	prefix_first(prefix, &first);
	return !address_equal(&first, &prefix->address);
}

static bool is_within(const struct prefix *inner, const struct prefix *outer)
{
	return inner->bits >= outer->bits && prefix_has(outer, &inner->address);
}

void scow_network_config_add_pool(scow_network_config *config, const char *subnet, const char *range, const char *gateway)
{
	struct pool pool = { .after = { 0 } }, *slot;

	if (!config)
		return;
	if (!prefix_parse(subnet, &pool.subnet) || has_host_bits(&pool.subnet))
		return REFUSE(config, "'%s' is not a subnet such as 10.9.0.0/16", subnet ? subnet : "");
	if (pool.subnet.bits + 2 > address_bits(&pool.subnet.address) || pool.subnet.bits < 4)
		return REFUSE(config, "the subnet '%s' is too %s", subnet, pool.subnet.bits < 4 ? "large" : "small");
	if (address_is_loopback(&pool.subnet.address) || address_is_link_local(&pool.subnet.address))
		return REFUSE(config, "the subnet '%s' cannot be used by a network", subnet);
	pool.range = pool.subnet;
	if (range && *range && (!prefix_parse(range, &pool.range) || !is_within(&pool.range, &pool.subnet)))
		return REFUSE(config, "the range '%s' is not within the subnet '%s'", range, subnet);
	if (gateway && *gateway && (!address_parse(gateway, &pool.gateway) || !prefix_has(&pool.subnet, &pool.gateway)))
		return REFUSE(config, "the gateway '%s' is not within the subnet '%s'", gateway, subnet);
	for (size_t i = 0; i < config->n_pools; i++)
		if (prefix_overlaps(&config->pools[i].subnet, &pool.subnet))
			return REFUSE(config, "the subnet '%s' overlaps another of the same network", subnet);
	if (!pool.gateway.family) {
		prefix_first(&pool.range, &pool.gateway);
		address_next(&pool.gateway);
	}
	if (pool.subnet.address.family == AF_INET6)
		config->ipv6 = true;
	slot = arena_append(&config->arena, &config->pools, &config->n_pools, sizeof(*slot));
	if (slot)
		*slot = pool;
}

void scow_network_config_add_reserved(scow_network_config *config, const char *name, const char *address)
{
	struct network_reserved reserved = { 0 }, *slot;

	if (!config)
		return;
	if (!address_parse(address, &reserved.address))
		return REFUSE(config, "'%s' is not an address", address ? address : "");
	reserved.name = arena_strdup(&config->arena, name ? name : "");
	slot = arena_append(&config->arena, &config->reserved, &config->n_reserved, sizeof(*slot));
	if (slot)
		*slot = reserved;
}

/* ---- options ---- */

static bool link_name_is_valid(const char *name)
{
	return *name && strlen(name) < LINK_NAME && !strpbrk(name, "/ \t\n:%") && !str_eq(name, ".") && !str_eq(name, "..");
}

static bool read_bool(const char *value, bool *out)
{
	if (str_eq(value, "true") || str_eq(value, "1"))
		*out = true;
	else if (str_eq(value, "false") || str_eq(value, "0"))
		*out = false;
	else
		return false;
	return true;
}

static const char *take_link(scow_network_config *config, const char *value)
{
	if (!link_name_is_valid(value))
		return "is not the name of a link";
	config->link = arena_strdup(&config->arena, value);
	return NULL;
}

static const char *take_mtu(scow_network_config *config, const char *value)
{
	unsigned long long mtu;

	if (!str_to_u64(value, &mtu) || (mtu && mtu < MTU_MIN) || mtu > MTU_MAX)
		return "is not a size of packets";
	config->mtu = (unsigned int) mtu;
	return NULL;
}

static const char *take_icc(scow_network_config *config, const char *value)
{
	bool on = true;

	if (!read_bool(value, &on))
		return "is neither true nor false";
	config->no_icc = !on;
	return NULL;
}

static const char *take_masquerade(scow_network_config *config, const char *value)
{
	bool on = true;

	if (!read_bool(value, &on))
		return "is neither true nor false";
	config->no_masquerade = !on;
	return NULL;
}

static const char *take_ipv4(scow_network_config *config, const char *value)
{
	bool on = true;

	if (!read_bool(value, &on))
		return "is neither true nor false";
	config->no_ipv4 = !on;
	return NULL;
}

static const char *take_ipv6(scow_network_config *config, const char *value)
{
	return read_bool(value, &config->ipv6) ? NULL : "is neither true nor false";
}

static const char *take_mode(scow_network_config *config, const char *value)
{
	static const struct {
		const char *name;
		unsigned int mode;
	} modes[] = {
		{ "bridge", MACVLAN_MODE_BRIDGE },
		{ "private", MACVLAN_MODE_PRIVATE },
		{ "vepa", MACVLAN_MODE_VEPA },
		{ "passthru", MACVLAN_MODE_PASSTHRU },
	};

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		if (str_eq(value, modes[i].name)) {
			config->mode = modes[i].mode;
			return NULL;
		}
	}
	return "is not a mode: bridge, private, vepa or passthru";
}

static const char *take_address(scow_network_config *config, const char *value)
{
	struct address address;

	(void) config;
	return address_parse(value, &address) ? NULL : "is not an address";
}

static const char *take_gateway_mode(scow_network_config *config, const char *value)
{
	(void) config;
	return str_eq(value, "nat") || str_eq(value, "nat-unprotected") || str_eq(value, "routed") || str_eq(value, "isolated")
		       ? NULL
		       : "is not a mode: nat, nat-unprotected, routed or isolated";
}

static const char *take_prefix(scow_network_config *config, const char *value)
{
	(void) config;
	return *value && strlen(value) < 12 && link_name_is_valid(value) ? NULL : "is not the beginning of an interface's name";
}

static const char *take_rate(scow_network_config *config, const char *value)
{
	uint64_t rate;

	(void) config;
	return rate_parse(value, &rate) ? NULL : RATE_WANTED;
}

static const char *take_nothing(scow_network_config *config, const char *value)
{
	(void) config;
	(void) value;
	return NULL;
}

static const struct {
	const char *name;
	const char *(*take)(scow_network_config *config, const char *value); /* what is wrong with it, or NULL */
} options[] = {
	{ "com.docker.network.bridge.name", take_link },
	{ "com.docker.network.driver.mtu", take_mtu },
	{ "com.docker.network.mtu", take_mtu },
	{ "com.docker.network.bridge.enable_icc", take_icc },
	{ "com.docker.network.bridge.enable_ip_masquerade", take_masquerade },
	{ "com.docker.network.bridge.host_binding_ipv4", take_address },
	{ "com.docker.network.bridge.gateway_mode_ipv4", take_gateway_mode },
	{ "com.docker.network.bridge.gateway_mode_ipv6", take_gateway_mode },
	{ "com.docker.network.bridge.default_bridge", take_nothing },
	{ "com.docker.network.container_iface_prefix", take_prefix },
	{ OPTION_RATE_IN, take_rate },
	{ OPTION_RATE_OUT, take_rate },
	{ "com.docker.network.enable_ipv4", take_ipv4 },
	{ "com.docker.network.enable_ipv6", take_ipv6 },
	{ "parent", take_link },
	{ "macvlan_mode", take_mode },
};

static void put_pair(scow_network_config *config, struct network_pair **pairs, size_t *n, const char *name, const char *value)
{
	struct network_pair *pair = NULL;

	for (size_t i = 0; i < *n && !pair; i++)
		if (str_eq((*pairs)[i].name, name))
			pair = *pairs + i;
	if (!pair)
		pair = arena_append(&config->arena, pairs, n, sizeof(*pair));
	if (!pair)
		return;
	pair->name = arena_strdup(&config->arena, name);
	pair->value = arena_strdup(&config->arena, value);
}

void scow_network_config_set_option(scow_network_config *config, const char *name, const char *value)
{
	const char *wrong;

	if (!config)
		return;
	value = value ? value : "";
	for (size_t i = 0; name && i < ARRAY_SIZE(options); i++) {
		if (!str_eq(options[i].name, name))
			continue;
		wrong = options[i].take(config, value);
		if (wrong)
			return REFUSE(config, "%s: '%s' %s", name, value, wrong);
		return put_pair(config, &config->options, &config->n_options, name, value);
	}
	REFUSE_AS(config, SCOW_E_UNSUPPORTED, "there is no option '%s'", name ? name : "");
}

void scow_network_config_add_label(scow_network_config *config, const char *name, const char *value)
{
	if (!config)
		return;
	if (!name || !*name)
		return REFUSE(config, "a label without a name");
	put_pair(config, &config->labels, &config->n_labels, name, value ? value : "");
}

void scow_network_config_set_ephemeral(scow_network_config *config, int ephemeral)
{
	if (config)
		config->ephemeral = ephemeral;
}

/* ---- together ---- */

static bool has_pool(const scow_network_config *config, int family)
{
	for (size_t i = 0; i < config->n_pools; i++)
		if (config->pools[i].subnet.address.family == family)
			return true;
	return false;
}

static int check_reserved(const scow_network_config *config, scow_error **error)
{
	char text[ADDRESS_TEXT];

	for (size_t i = 0; i < config->n_reserved; i++) {
		bool found = false;

		for (size_t k = 0; k < config->n_pools; k++)
			found = found || prefix_has(&config->pools[k].subnet, &config->reserved[i].address);
		if (!found)
			return error_set(error, SCOW_E_INVALID, "add_reserved: the address %s is in no pool of the network",
					 address_format(&config->reserved[i].address, text));
	}
	return 0;
}

int network_config_check(const scow_network_config *config, scow_error **error)
{
	if (arena_failed(&config->arena))
		return error_oom(error);
	if (config->error)
		return error_kept(config->error, error);
	if (config->no_ipv4 && !config->ipv6)
		return error_set(error, SCOW_E_INVALID, "set_ipv4: a network without IPv4 needs IPv6");
	if (config->no_ipv4 && has_pool(config, AF_INET))
		return error_set(error, SCOW_E_INVALID, "set_ipv4: a network without IPv4, and a pool of it");
	if (config->driver != NETWORK_BRIDGE && !config->link)
		return error_hint(error,
				  error_set(error, SCOW_E_INVALID, "a network of %s needs a parent", network_driver_name(config->driver)),
				  "name a link of the host with the option 'parent'");
	if (config->driver != NETWORK_BRIDGE && !config->n_pools)
		return error_hint(error,
				  error_set(error, SCOW_E_INVALID, "a network of %s needs a subnet", network_driver_name(config->driver)),
				  "name the one that the parent's network has, and the part of it that containers may use");
	return check_reserved(config, error);
}
