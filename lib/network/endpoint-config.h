/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What was asked for of a place on a network: behind scow_endpoint_config, in a container's config, and in the endpoint's row. */
#pragma once

#include <cjson/cJSON.h>

#include <scow/network.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "network/network.h"

struct endpoint_option {
	const char *name, *value;
};

/* Strings live in an arena, the handle's own or the container config's. */
struct endpoint_settings {
	struct address ip4, ip6;
	struct address *link_local; size_t n_link_local;
	const char *mac;            /* in its one form, or NULL */
	const char *interface;      /* or NULL */
	const char **aliases; size_t n_aliases;
	struct endpoint_link *links; size_t n_links;
	struct endpoint_option *options; size_t n_options;
	int priority;
};

struct scow_endpoint_config {
	struct arena arena;
	scow_error *error;          /* of the first bad value */
	struct endpoint_settings settings;
};

/* "CONTAINER:ALIAS", as Docker writes it. */
void endpoint_config_add_link_text(scow_endpoint_config *config, const char *text);
/* The kept error, or want of memory. */
int endpoint_config_check(const scow_endpoint_config *config, scow_error **error) _must_check_;
/* A copy in @arena, whose failure is to be asked for. */
void endpoint_settings_copy(const struct endpoint_settings *from, struct arena *arena, struct endpoint_settings *to);
bool endpoint_settings_are_default(const struct endpoint_settings *settings);
/* Docker's EndpointSettings, for what was asked for; NULL without memory. */
cJSON *endpoint_settings_to_json(const struct endpoint_settings *settings);
/*
 * By the setters, so with their checks. What Docker's inspect reports besides (IPAddress, NetworkID, ...) is ignored, so that a document
 * of an existing container can be given back.
 */
int endpoint_config_from_json(scow_endpoint_config *config, const cJSON *object, scow_error **error) _must_check_;
/* Makes the endpoint's row, without addresses yet: 1, 0 if the container is on that network already, or a status. @network: its id. */
int endpoint_insert(struct db_work *work, const char *container, const char *network, unsigned int position,
		    const struct endpoint_settings *settings, scow_error **error) _must_check_;

DEFINE_CLEANUP(scow_endpoint_config *, scow_endpoint_config_unref)
