/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What changes in the mounts of a container with a supervisor: for the runs that this begins by itself (init/later.c). */
#pragma once

#include "container/container.h"
#include "runtime/spec.h"

/*
 * On @target is from now on the only mount of @spec; NULL: nothing, whatever the container began with. One change at a time: under the
 * container's lock.
 */
int later_put(scow_container *container, const char *target, const struct spec *spec, scow_error **error) _must_check_;
/* Before a start, which knows all mounts. */
void later_clear(int dir_fd);
