/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Namespaces of other running containers ("container:NAME"), and what goes with a shared network. */
#pragma once

#include "container/config.h"
#include "engine/engine.h"
#include "runtime/spec.h"

/* Open namespaces; the spec's paths lead to them, so they stay until the launch is over. */
struct join {
	int fds[SPEC_NS_COUNT];
};
void join_init(struct join *join);
void join_done(struct join *join);
/*
 * Gives every JOIN of @spec that has none its path. SCOW_E_NOT_FOUND, SCOW_E_STATE (that container does not run). Where the network is
 * another's, hostname and domain name, if they are not the host's or set, and /etc/hostname, hosts and resolv.conf come from there.
 */
int join_containers(scow_engine *engine, const scow_container_config *config, struct spec *spec, struct join *join, scow_error **error)
	_must_check_;
