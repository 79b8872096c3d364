/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is mounted in the tree of a container that does not run: for root.c. */
#pragma once

#include "container/volumes.h"

/*
 * The mounts of @container's settings into @spec, whose arena holds them. @held lives as long as they do; drivers have been asked for
 * theirs (also after a failure), and are to be told.
 */
int root_mounts_add(scow_container *container, struct spec *spec, struct volumes *held, scow_error **error) _must_check_;
