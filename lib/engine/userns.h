/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Work that only "root in our user namespace" can do for a plain user: write id maps, give files to
 * mapped ids, remove trees that mapped ids own. Done by scow-init in a user namespace with the engine's maps.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "engine/engine.h"

/* Writes setgroups, uid_map and gid_map of @pid: by hand for one id, else by newuidmap and newgidmap. */
int userns_write_maps(scow_engine *engine, pid_t pid, scow_error **error) _must_check_;

/* Ownership that unpacking could not give: applied in order, below @root_fd, never through links. */
struct userns_owner {
	const char *path; /* plain relative path */
	uint32_t uid, gid; /* as in the archive */
	uint32_t mode;     /* 07777 bits to set afterwards; (uint32_t) -1: a link, leave */
	const void *capability; /* security.capability to set afterwards, or NULL */
	size_t capability_size;
};
/* Ids that no map covers are an error that names the path, unless only one id is mapped: then nothing is done. */
int userns_chown(scow_engine *engine, int root_fd, const struct userns_owner *owners, size_t count, scow_error **error) _must_check_;
/* path_remove_tree(), and with the helper where that is refused. Missing is success. For root: path_remove_tree(). */
int userns_remove_tree(scow_engine *engine, int dir_fd, const char *name, scow_error **error) _must_check_;
