/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a container finds others by name: its servers, and what the responder (network/names.h) is told of it. */
#pragma once

#include "container/container.h"
#include "network/names.h"
#include "runtime/spec.h"

/* What its resolv.conf is made of, in @arena. @attachment: NULL without networks; @of_host: it has the host's network. */
int naming_resolv(const scow_container_config *config, const struct attachment *attachment, bool of_host, struct arena *arena,
		  enum resolv_kind *kind, struct resolv *out, scow_error **error) _must_check_;

/* What the rows say of a container's networks now. */
int naming_attachment(scow_container *container, struct attachment *out, scow_error **error) _must_check_;

/* What one start needs of it. Starts as all zeros. */
struct naming {
	bool on;           /* it is on a network with names */
	int fd;            /* connected to the responder, which stays for it */
	struct str record;
};
void naming_done(struct naming *naming);

/* The responder is there, and the spec says what it is to be told. */
int naming_prepare(scow_container *container, const scow_container_config *config, const struct attachment *attachment,
		   struct naming *out, struct spec *spec, scow_error **error) _must_check_;
/* For one that a supervisor runs: the record into its directory, and the spec without it. */
int naming_hand_over(const struct naming *naming, int dir_fd, struct spec *spec, scow_error **error) _must_check_;
/* The same after a change, for the runs to come. */
int naming_rewrite(scow_container *container, const struct attachment *now, int dir_fd, scow_error **error) _must_check_;
/* Once its process is there, and before its program is: that the responder serves it. */
int naming_confirm(struct naming *naming, scow_error **error) _must_check_;
/* The same of one that runs already, by a supervisor or by us: whatever went wrong is put right. @pid: of its PID 1. */
int naming_settle(scow_container *container, struct naming *naming, pid_t pid, bool supervised, scow_error **error) _must_check_;

/* After a change of a running container's name or networks: @now is what it has. Its files in /etc are told of @changed, if that is given. */
int naming_changed(scow_container *container, const struct attachment *now, const struct endpoint *changed, bool left, scow_error **error)
	_must_check_;
/* Others find it by its new name, if it runs. A failure is told to the log: the name has changed. */
void naming_renamed(scow_container *container);
/* Makes sure that all that run are served. 0, or the first failure, after trying all. */
int naming_reload(scow_engine *engine, scow_error **error) _must_check_;
