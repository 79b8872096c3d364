/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Health checks of detached containers: what their supervisors are told. */
#pragma once

#include "container/create.h"
#include "container/detached.h"

/* Fills in @start's part, and makes @spec, empty before, which must live as long. Nothing where there is no check. */
int health_prepare(scow_container *container, const struct image_config *image, const scow_container_config *config,
		   struct supervisor_start *start, struct spec *spec, scow_error **error) _must_check_;
