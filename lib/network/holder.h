/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The library's side of the holder (init/holder.c): the user namespace and the network namespace that a plain user's bridges are in.
 *
 * There is one for each engine root, shared by all programs that use it: started by the first who needs it, gone with the last
 * connection. If somebody kills it, the networks of all containers go with it, and the next who starts on one has a new holder.
 */
#pragma once

#include "network/firewall.h"
#include "network/netlink.h"

/* A connection, as a network namespace to work on. @start: 0 is returned where there is none; else it is made, and the result is 1. */
int holder_open(scow_engine *engine, bool start, struct netns *out, scow_error **error) _must_check_;
/* A sysctl in there: 0 or -errno. */
int holder_sysctl(struct netns *ns, const char *name, const char *value);
bool holder_sysctl_is(struct netns *ns, const char *name, const char *value);
/*
 * Its containers have a way out, if one can be made: 0, or why not. The connection must be open until the last of them has ended
 * anyway.
 */
int holder_uplink(struct netns *ns, scow_error **error) _must_check_;
/* What comes to @socket, of the host, goes to a container, until the other end of @life is closed. SCOW_E_LIMIT. */
int holder_publish(struct netns *ns, const struct port_binding *binding, int socket, int life, scow_error **error) _must_check_;
