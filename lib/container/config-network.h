/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The networks of a config. */
#pragma once

#define CONFIG_PASTA "pasta" /* a network of a plain user's: "pasta", or "pasta:" and options for it, apart by commas */
#define CONFIG_USERNET "usernet" /* the same without any program */

#include "container/config.h"
#include "network/endpoint-config.h"

/* It is on networks; false: "none", "host", or another's. */
bool config_is_networked(const scow_container_config *config);
/* Nothing is said of networks. */
bool config_network_is_unsaid(const scow_container_config *config);
/* The network of number @index, from 0: its name and what is asked for there; NULL: there is none. The first is the default way out. */
const char *config_network_at(const scow_container_config *config, size_t index, const struct endpoint_settings **settings);
/* HostConfig.NetworkMode; NULL for the default. */
const char *config_network_mode(const scow_container_config *config);
int config_check_networks(const scow_container_config *config, scow_error **error) _must_check_;
/* NetworkingConfig.EndpointsConfig as text, malloc'ed; NULL without memory. */
char *config_endpoints_json(const scow_container_config *config);
/* HostConfig.Links, "CONTAINER:ALIAS": of the first network, which is known when all has been read. */
void links_read(scow_container_config *config, const char *text);
void links_settle(scow_container_config *config);
struct reader;
void networking_read(struct reader *reader, const cJSON *item);
