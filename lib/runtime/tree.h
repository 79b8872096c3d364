/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A container's file tree for who is not in the container: mounted without one that runs, or reached with the rights of its root.
 * Nothing becomes visible on the host: the mount is attached to nothing, and goes with its descriptor.
 */
#pragma once

#include "engine/deputy.h"
#include "runtime/spec.h"

/*
 * Mounts the root of @spec (its layers, container_fd) with its mounts. Ids are those on the disk. @deputy: for a plain user, root of his user
 * namespace; else DEPUTY_SELF.
 */
int tree_mount(scow_engine *engine, const struct spec *spec, int *root_fd, struct deputy **deputy, scow_error **error) _must_check_;
/* The root of the user namespace of the process of @pidfd. */
int tree_join(scow_engine *engine, int pidfd, struct deputy **deputy, scow_error **error) _must_check_;
/*
 * The root of the mount namespace of the process of @pidfd, without what is mounted in it. @deputy: for a plain user, root of the
 * process's user namespace; else DEPUTY_SELF.
 */
int tree_bare(scow_engine *engine, int pidfd, int *root_fd, struct deputy **deputy, scow_error **error) _must_check_;
/* Root of a plain user's namespace, for what the engine keeps on the disk; else DEPUTY_SELF. */
int tree_deputy(scow_engine *engine, struct deputy **deputy, scow_error **error) _must_check_;
