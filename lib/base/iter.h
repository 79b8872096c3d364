/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The iterator behind every list call: an array of handles of one kind, filled before it is handed out. */
#pragma once

#include <stddef.h>

#include <scow/iter.h>

#include "base/cleanup.h"
#include "base/error.h"

DEFINE_CLEANUP(scow_iter *, scow_iter_unref)

enum iter_kind { ITER_IMAGES, ITER_CONTAINERS, ITER_NETWORKS, ITER_VOLUMES };

/* An empty one; @unref gives an item's reference back. */
int iter_new(enum iter_kind kind, void (*unref)(void *item), scow_iter **out, scow_error **error) _must_check_;
/* Takes @item's reference, whatever it returns. */
int iter_add(scow_iter *iter, void *item, scow_error **error) _must_check_;
/* Drops those of which @fits says 0. A negative answer ends it, and is returned. */
int iter_sift(scow_iter *iter, int (*fits)(void *item, const void *data, scow_error **error), const void *data,
	      scow_error **error) _must_check_;
