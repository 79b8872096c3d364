/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The iterator behind every list call: an array of handles of one kind. */
#pragma once

#include <stddef.h>

#include <scow/iter.h>

#include "base/cleanup.h"
#include "base/error.h"

DEFINE_CLEANUP(scow_iter *, scow_iter_unref)

enum iter_kind { ITER_IMAGES, ITER_CONTAINERS, ITER_NETWORKS, ITER_VOLUMES };

/* Takes @items (malloc'ed) and their references, whatever it returns; @unref gives one back. */
int iter_new(enum iter_kind kind, void **items, size_t count, void (*unref)(void *item), scow_iter **out, scow_error **error);
