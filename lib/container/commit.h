/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What commit.c needs of a container's settings. */
#pragma once

#include "base/json.h"
#include "container/container.h"

/* The "config" object of an image that runs as the container does; and what it runs, as one line. Both are owned. */
int commit_settings(scow_container *container, cJSON **out, char **command, scow_error **error) _must_check_;
