/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The network "pasta" of a plain user's container: his own connections for what it sends, by the program of that name (passt). */
#pragma once

#include "container/container.h"
#include "base/str.h"

/* Whether a container of this config is to have it. */
bool pasta_is_wanted(scow_engine *engine, const scow_container_config *config);
/* SCOW_E_UNSUPPORTED: a network that a plain user's container cannot have. */
int pasta_check(scow_engine *engine, const scow_container_config *config, scow_error **error) _must_check_;

/* What one start needs of it. Starts as all zeros. */
struct pasta {
	bool on;
	scow_engine *engine;
	struct str arguments; /* each with its NUL; one is WIRE_TETHER_NETNS */
};
void pasta_done(struct pasta *pasta);
/* SCOW_E_UNSUPPORTED: the program is not installed, or /dev/net/tun cannot be opened. */
int pasta_prepare(scow_container *container, const scow_container_config *config, struct pasta *out, scow_error **error) _must_check_;
/* For one that a supervisor runs: the arguments into its directory; without @pasta->on nothing is there. */
int pasta_hand_over(const struct pasta *pasta, int dir_fd, scow_error **error) _must_check_;
/* The program runs, for process @pid of the host, and ends with it. */
int pasta_start(const struct pasta *pasta, pid_t pid, scow_error **error) _must_check_;
