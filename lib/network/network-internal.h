/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The handle of a network. */
#pragma once

#include <stdatomic.h>

#include "network/network.h"

struct scow_network {
	atomic_uint refs;
	scow_engine *engine;
	char id[65];
	char *name, *link; /* link NULL: none */
	enum network_driver driver;
	bool ephemeral, created_here;
	atomic_bool gone;
};

int network_check(scow_network *network, scow_error **error) _must_check_;
/* A handle of what was read. */
int network_handle(scow_engine *engine, const struct network *network, scow_network **out, scow_error **error) _must_check_;
DEFINE_CLEANUP(scow_network *, scow_network_unref)
/* An event of a network: "create", "destroy", ... @container: of connect and disconnect; else NULL. */
int network_event(struct db_work *work, const char *action, const char *id, const char *name, enum network_driver driver,
		  const char *container, scow_error **error) _must_check_;
