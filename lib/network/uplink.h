/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A plain user's way out of a network namespace: a program that makes his own connections for what is sent there, pasta(1) of passt, or
 * slirp4netns(1) where that is not installed; or scow-init itself (usernet.h). Which, and how it is called, is known here only.
 *
 * The program is tied to a process by scow-init (init/tether.c). It lives in the user namespace that the network namespace belongs to,
 * where it has the rights to make an interface, and else on the host. The host's loopback is out of reach.
 */
#pragma once

#include "base/str.h"
#include "engine/engine.h"

enum uplink_kind { UPLINK_PASTA, UPLINK_SLIRP, UPLINK_USERNET /* usernet.h */ };

/* What is to be started. Starts as all zeros. */
struct uplink {
	enum uplink_kind kind;
	struct str arguments; /* each with its NUL; one is WIRE_TETHER_NETNS */
};
void uplink_done(struct uplink *uplink);
void uplink_add(struct uplink *uplink, const char *argument);

/* 0, or what uplink_choose() would say of any. */
int uplink_is_possible(scow_error **error);
/*
 * Chooses it, and begins its arguments: those of every use. @any: slirp4netns will do. SCOW_E_UNSUPPORTED: none is installed, or
 * /dev/net/tun cannot be opened; with a hint.
 */
int uplink_choose(struct uplink *out, bool any, scow_error **error) _must_check_;
/* Ends them, after the ports and options of a single use. */
int uplink_finish(struct uplink *uplink, scow_error **error) _must_check_;

/* Where it works: descriptors. */
struct uplink_place {
	int user_fd;    /* the user namespace, or a pidfd of somebody in it */
	int network_fd;
	int pidfd;      /* with whose end it ends */
};
/* @pidfd: its end is the program's; or NULL. */
int uplink_start(scow_engine *engine, const struct uplink *uplink, const struct uplink_place *place, int *pidfd, scow_error **error)
	_must_check_;

/* The one of all networks of a user: @ns is the holder's. */
struct netns;
int uplink_start_shared(struct netns *ns, int *pidfd, scow_error **error) _must_check_;
