/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A plain user's way out without any other program: scow-init's own (init/usernet.h), as a kind of uplink. */
#pragma once

#include "network/port-spec.h"
#include "network/uplink.h"

#define USERNET_DNS_TEXT "10.255.42.3" /* what a container has to ask: init/usernet.h */
#define USERNET_PORTS_MAX 384

/* It is always to be had. */
void usernet_choose(struct uplink *out);
/* @number: the host's. */
void usernet_add_port(struct uplink *uplink, const struct port_spec *port, unsigned int number);
/* As uplink_start(). SCOW_E_LIMIT: too many ports. SCOW_E_BUSY: somebody else has one. */
int usernet_start(scow_engine *engine, const struct uplink *uplink, const struct uplink_place *place, int *pidfd, scow_error **error)
	_must_check_;
