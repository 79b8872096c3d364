/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The network "pasta" of a plain user's container: his own connections for what it sends, by the program of that name (passt). He who
 * says nothing of networks has it where it can be had, and elsewhere slirp4netns, which publishes no ports, or "usernet".
 */
#pragma once

#include "container/container.h"
#include "network/uplink.h"

/* A plain user's container of this config has it, or what takes its place, and is on no network. */
bool pasta_is_meant(const scow_container_config *config);
/* What it has is scow-init's own (network/usernet.h), asked for or the last resort: its resolv.conf leads there. */
bool pasta_is_usernet(const scow_container_config *config);
/* And it is a plain user's. */
bool pasta_is_wanted(scow_engine *engine, const scow_container_config *config);
/* SCOW_E_INVALID: it is wanted, and something else with it. */
int pasta_check(const scow_container_config *config, scow_error **error) _must_check_;

/* What one start needs of it. Starts as all zeros. */
struct pasta {
	bool on;
	bool optional; /* nobody has asked for it */
	scow_container *container;
	struct uplink uplink;
};
void pasta_done(struct pasta *pasta);
/* SCOW_E_UNSUPPORTED: it was asked for, and the program is not installed, or /dev/net/tun cannot be opened. */
int pasta_prepare(scow_container *container, const scow_container_config *config, struct pasta *out, scow_error **error) _must_check_;
/* For one that a supervisor runs: the arguments into its directory; without @pasta->on nothing is there. */
int pasta_hand_over(const struct pasta *pasta, int dir_fd, scow_error **error) _must_check_;
/* The program runs, for process @pid of the host, and ends with it. */
int pasta_start(const struct pasta *pasta, pid_t pid, scow_error **error) _must_check_;
