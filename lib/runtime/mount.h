/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mounting and unmounting in a container that runs: an errand of scow-init, which opens the source where the host's mounts are, joins the
 * container's mount namespace, and resolves the target in its root, by descriptor. No program of the container's is involved.
 */
#pragma once

#include "engine/engine.h"
#include "runtime/spec.h"

/* What is to be joined: verified, and open until it is done. */
struct mount_place {
	int pidfd;
	int user_fd;   /* its user namespace, where that is its own and we are root; else -1 */
	bool own_user; /* it has another user namespace than we have */
};

/* All mounts of @spec. */
int mount_into(scow_engine *engine, const struct mount_place *place, const struct spec *spec, scow_error **error) _must_check_;
/*
 * The same for the runs that a supervisor begins later (WIRE_LATER_NAME), malloc'ed. @replaced: a target where they have something that
 * goes; NULL: none. @spec may be NULL then.
 */
int mount_later(scow_engine *engine, const struct spec *spec, const char *replaced, void **bytes, size_t *size, scow_error **error)
	_must_check_;
/* What is mounted last on @target. */
int unmount_from(scow_engine *engine, const struct mount_place *place, const char *target, scow_error **error) _must_check_;
