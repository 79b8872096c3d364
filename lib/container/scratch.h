/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where binds with the option "O" keep what is changed in them: a directory of ROOT/containers/ID for each, which scow-init empties before
 * each run (init/scratch.c), and which goes with the container's. It counts as what the container writes where that is limited.
 */
#pragma once

#include "container/container.h"
#include "runtime/spec.h"

/* Of the mount on @target, below the container's directory; in @arena. */
const char *scratch_name(struct arena *arena, const char *target);
/* Whether any mount has one. */
bool scratch_wanted(const struct spec *spec);
/* Makes those that are missing in @dir_fd, the container's. */
int scratch_prepare(int dir_fd, const struct spec *spec, scow_error **error) _must_check_;
/* The same for a container that runs, whose directory it opens. */
int scratch_open(scow_container *container, const struct spec *spec, int *dir_fd, scow_error **error) _must_check_;
