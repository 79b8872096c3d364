/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What lists and prunes of images have in common. */
#pragma once

#include <scow/image.h>

#include "container/filters.h"

/* Whether its labels are as "label" and "label!" want them. */
bool image_labels_fit(const struct filters *filters, scow_image *image);
/* 1: there is such a filter, and *wanted what it says; 0: none. SCOW_E_INVALID. */
int filters_dangling(const struct filters *filters, bool *wanted, scow_error **error) _must_check_;
