/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A container's networks, from its config to its run: what create, start and inspect ask of lib/network. */
#pragma once

#include "container/container.h"
#include "container/naming.h"
#include "container/pasta.h"
#include "network/network.h"
#include "network/ports.h"
#include "runtime/spec.h"

/* What one start needs of it. Starts as all zeros. */
struct networks {
	bool on;                       /* it is on networks at all */
	struct attachment attachment;
	struct netns ns;               /* a plain user's is there as long as somebody has a copy of its hold_fd */
	struct batch host;
	struct str inside;             /* struct wire_batch */
	struct naming naming;
	struct pasta pasta;            /* of a plain user's */
	struct ports ports;
	struct str begin, end;         /* in the firewall, while it runs */
	bool in_firewall;
};
void networks_done(struct networks *networks);

/* Before a transaction that inserts: the built-in networks are there. */
int networks_ensure(scow_engine *engine, const scow_container_config *config, scow_error **error) _must_check_;
/* The endpoints of a container whose row is there. SCOW_E_NOT_FOUND: no such network. SCOW_E_INVALID: an address of no pool. */
int networks_insert(struct db_work *work, scow_engine *engine, const char *id, const scow_container_config *config, scow_error **error)
	_must_check_;
/* Whether a container of this config is given networks by this engine. */
bool networks_are_wanted(scow_engine *engine, const scow_container_config *config);

/* Addresses for a container that is claimed. */
int networks_lease(scow_container *container, const scow_container_config *config, struct networks *out, scow_error **error) _must_check_;
/* Bridges, rules, ports and names are there; the spec knows what to do inside. */
int networks_prepare(scow_container *container, const scow_container_config *config, struct networks *networks, struct spec *spec,
		     scow_error **error) _must_check_;
/* Those of its interfaces; the spec then waits for these. */
int networks_add_sysctls(const struct attachment *attachment, struct spec *spec, scow_error **error) _must_check_;
/* The same of one whose networks change while it runs. */
int networks_rewrite(scow_container *container, const struct attachment *attachment, int dir_fd, scow_error **error) _must_check_;
/* Its ports on bridges let only its own addresses through, unless it may change them. */
void networks_guard(scow_container *container, struct attachment *attachment);
/* For one that a supervisor runs: what it needs for each run, into the container's directory; and the spec without it. */
int networks_hand_over(const struct networks *networks, int dir_fd, struct spec *spec, scow_error **error) _must_check_;
/* struct launch's born(): makes the links of process @pid. @data: struct networks. */
int networks_born(void *data, pid_t pid, scow_error **error);
/* It runs: what went wrong with its names on the way is put right, or told to the log. */
void networks_started(scow_container *container, struct networks *networks, pid_t pid, bool supervised);
