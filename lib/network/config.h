/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a scow_network_config holds: the user's wishes, each checked when it was set. */
#pragma once

#include <scow/network.h>

#include "network/network.h"

struct network_pair {
	const char *name, *value;
};
struct network_reserved {
	const char *name;
	struct address address;
};

struct scow_network_config {
	struct arena arena;
	scow_error *error;             /* of the first bad value */
	enum network_driver driver;
	bool internal, no_ipv4, ipv6, ephemeral;
	struct pool *pools; size_t n_pools;
	struct network_reserved *reserved; size_t n_reserved;
	struct network_pair *options; size_t n_options;
	struct network_pair *labels; size_t n_labels;
	/* out of the options */
	const char *link;              /* the bridge's name, or the parent */
	unsigned int mtu, mode;
	bool no_icc, no_masquerade;
};

/* The kept error, want of memory, and what only shows when all is set. */
int network_config_check(const scow_network_config *config, scow_error **error) _must_check_;
const char *network_driver_name(enum network_driver driver); /* "bridge" */
