/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Networks: what containers reach each other, and the outside, by.
 *
 * Where the interface is made: a veth pair is made for each container and network. One end is in the container's network namespace
 * (eth0, eth1, ...), the other is a port of the network's bridge on the host. Nothing has to be taken away when a container ends: the
 * pair goes with its namespace.
 *
 * How the address is chosen: each network has pools; a container gets the next free address of them when it starts, unless it asked for
 * one, and keeps it while it runs. `scow inspect`, `scow network inspect` and scow_container_address() show it.
 *
 * The network "bridge" always exists; "none" and "host" are names for having no network of one's own, or the host's.
 *
 * Threads: networks may be used from any thread, concurrently. Configs: one thread at a time.
 */
#ifndef SCOW_NETWORK_H
#define SCOW_NETWORK_H

#include <stdint.h>
#include <scow/engine.h>
#include <scow/iter.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct scow_network scow_network;
typedef struct scow_network_config scow_network_config;
typedef struct scow_endpoint_config scow_endpoint_config;

/* ---- describing a network ---- */

/** scow_network_config_new() - a bridge with an IPv4 pool that is free on this host. Returns: owned, or NULL without memory. Since: 0.1. */
SCOW_API scow_network_config *scow_network_config_new(void);

/** scow_network_config_unref() - free it; NULL is allowed. Returns: NULL. Since: 0.1. */
SCOW_API scow_network_config *scow_network_config_unref(scow_network_config *config);

/** scow_network_config_set_driver() - "bridge" (the default), "macvlan" or "ipvlan". Since: 0.1. */
SCOW_API void scow_network_config_set_driver(scow_network_config *config, const char *driver);

/** scow_network_config_set_internal() - 1: no way out, and none in from the outside. Since: 0.1. */
SCOW_API void scow_network_config_set_internal(scow_network_config *config, int internal);

/** scow_network_config_set_ipv6() - 1: IPv6 too; without a pool for it, one of this host's ULA prefix (RFC 4193). Since: 0.1. */
SCOW_API void scow_network_config_set_ipv6(scow_network_config *config, int ipv6);

/** scow_network_config_set_ipv4() - 0: no IPv4; then IPv6 is needed. Since: 0.1. */
SCOW_API void scow_network_config_set_ipv4(scow_network_config *config, int ipv4);

/**
 * scow_network_config_add_pool() - addresses, of either family; any number of pools
 * @subnet:  "10.9.0.0/16", "fd00:1::/64"
 * @range:   the part of it that containers get without asking, or NULL for all
 * @gateway: the host's own address in it, or NULL for the first
 * Since: 0.1.
 */
SCOW_API void scow_network_config_add_pool(scow_network_config *config, const char *subnet, const char *range, const char *gateway);

/** scow_network_config_add_reserved() - an address of a pool that no container gets; @name says whose it is (`--aux-address`). Since: 0.1. */
SCOW_API void scow_network_config_add_reserved(scow_network_config *config, const char *name, const char *address);

/** scow_network_config_set_option() - Docker's "com.docker.network.bridge.name", "parent", ...; "scow.rate.in", "scow.rate.out". Since: 0.1. */
SCOW_API void scow_network_config_set_option(scow_network_config *config, const char *name, const char *value);

/** scow_network_config_add_label() - metadata. Since: 0.1. */
SCOW_API void scow_network_config_add_label(scow_network_config *config, const char *name, const char *value);

/** scow_network_config_set_ephemeral() - 1: it goes with the last handle of the program that made it, or with that program. Since: 0.1. */
SCOW_API void scow_network_config_set_ephemeral(scow_network_config *config, int ephemeral);

/* ---- networks ---- */

/**
 * scow_network_create() - make a network
 * @name:   "[a-zA-Z0-9][a-zA-Z0-9_.-]+"
 * @config: borrowed; NULL for the defaults
 * @out:    owned, scow_network_unref(); may be NULL
 *
 * Its bridge is made by the first container that starts on it.
 *
 * Returns: 0, SCOW_E_EXISTS (name), SCOW_E_INVALID (config: the setter is named; pools that overlap), SCOW_E_BUSY (a pool is in use on
 * this host, whose by is said), SCOW_E_UNSUPPORTED (a driver that this kernel or user cannot have), SCOW_E_LIMIT (no free subnet).
 * Threads: any.  Since: 0.1.
 */
SCOW_API int scow_network_create(scow_engine *engine, const char *name, const scow_network_config *config, scow_network **out,
				 scow_error **error);

/** scow_network_get() - by name, id, or unique prefix of an id. @out: owned. Returns: 0, SCOW_E_NOT_FOUND, SCOW_E_INVALID (ambiguous). Since: 0.1. */
SCOW_API int scow_network_get(scow_engine *engine, const char *name, scow_network **out, scow_error **error);

/**
 * scow_network_list() - those that Docker's filters choose, in order of their names
 * @filters: NULL, or as JSON {"driver":["bridge"],"label":["a=b"]}: name, id, driver, label, type (custom, builtin), dangling
 * @out:     owned; scow_iter_next_network()
 *
 * Returns: 0, SCOW_E_INVALID (filters), SCOW_E_CORRUPT, SCOW_E_NO_MEMORY.  Threads: any.  Since: 0.1.
 */
SCOW_API int scow_network_list(scow_engine *engine, const char *filters, scow_iter **out, scow_error **error);

/** scow_network_ref() - take another reference. Returns: @network. Threads: any. Since: 0.1. */
SCOW_API scow_network *scow_network_ref(scow_network *network);

/** scow_network_unref() - give one back; NULL is allowed. An ephemeral one goes with its last handle. Returns: NULL. Since: 0.1. */
SCOW_API scow_network *scow_network_unref(scow_network *network);

/** scow_network_id() - 64 hex digits. Returns: borrowed, as long as @network. Since: 0.1. */
SCOW_API const char *scow_network_id(const scow_network *network);

/** scow_network_name() - its name. Returns: borrowed, as long as @network. Since: 0.1. */
SCOW_API const char *scow_network_name(const scow_network *network);

/** scow_network_driver() - "bridge", "macvlan", "ipvlan", "none" or "host". Returns: borrowed. Since: 0.1. */
SCOW_API const char *scow_network_driver(const scow_network *network);

/** scow_network_interface() - the link on the host that is its bridge, or its parent. Returns: borrowed; NULL for none. Since: 0.1. */
SCOW_API const char *scow_network_interface(const scow_network *network);

/** scow_network_inspect_json() - everything, in the shape of `docker network inspect` (one object). @out: owned. Returns: 0, SCOW_E_NOT_FOUND. Since: 0.1. */
SCOW_API int scow_network_inspect_json(scow_network *network, char **out, scow_error **error);

/** scow_network_remove() - take it away. Returns: 0, SCOW_E_BUSY (a container is on it, which is named; "bridge", "none", "host"), SCOW_E_NOT_FOUND. Since: 0.1. */
SCOW_API int scow_network_remove(scow_network *network, scow_error **error);

/**
 * scow_network_prune() - remove those that no container uses
 * @filters: NULL, or until, label, label!
 * @report:  NULL, or owned, scow_free(): {"NetworksDeleted":[names]}
 *
 * What the network "bridge" has on the host goes too, if nobody uses it; the next container makes it again.
 *
 * Returns: 0, SCOW_E_INVALID (filters), or the first failure, after trying all.  Threads: any.  Since: 0.1.
 */
SCOW_API int scow_network_prune(scow_engine *engine, const char *filters, char **report, scow_error **error);

/**
 * scow_network_reload() - put back what somebody else has flushed: bridges, firewall, ports, names
 *
 * Returns: 0, or the first failure, after trying all.  Threads: any.  Since: 0.1.
 */
SCOW_API int scow_network_reload(scow_engine *engine, scow_error **error);

/* ---- a container's place on a network ---- */

/** scow_endpoint_config_new() - the next free address, no alias. Returns: owned, or NULL without memory. Since: 0.1. */
SCOW_API scow_endpoint_config *scow_endpoint_config_new(void);

/** scow_endpoint_config_unref() - free it; NULL is allowed. Returns: NULL. Since: 0.1. */
SCOW_API scow_endpoint_config *scow_endpoint_config_unref(scow_endpoint_config *config);

/** scow_endpoint_config_add_address() - one of the network's pool of its family; link-local ones in addition. Since: 0.1. */
SCOW_API void scow_endpoint_config_add_address(scow_endpoint_config *config, const char *address);

/** scow_endpoint_config_set_mac() - "02:42:ac:11:00:02"; default: one made up. Since: 0.1. */
SCOW_API void scow_endpoint_config_set_mac(scow_endpoint_config *config, const char *mac);

/** scow_endpoint_config_add_alias() - another name for the container on this network; several containers may share one. Since: 0.1. */
SCOW_API void scow_endpoint_config_add_alias(scow_endpoint_config *config, const char *alias);

/** scow_endpoint_config_add_link() - @container is known to this one, and to no other, as @alias (`--link`). Since: 0.1. */
SCOW_API void scow_endpoint_config_add_link(scow_endpoint_config *config, const char *container, const char *alias);

/** scow_endpoint_config_set_gateway_priority() - of its networks, the one with the highest gives the way out. Since: 0.1. */
SCOW_API void scow_endpoint_config_set_gateway_priority(scow_endpoint_config *config, int priority);

/** scow_endpoint_config_set_interface() - its name inside, in place of the next "ethN". Since: 0.1. */
SCOW_API void scow_endpoint_config_set_interface(scow_endpoint_config *config, const char *name);

/** scow_endpoint_config_set_option() - Docker's "com.docker.network.endpoint.sysctls", ...; "scow.rate.in", "scow.rate.out". Since: 0.1. */
SCOW_API void scow_endpoint_config_set_option(scow_endpoint_config *config, const char *name, const char *value);

#ifdef __cplusplus
}
#endif
#endif
