/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What commit.c needs of a container's settings. */
#pragma once

#include "base/json.h"
#include "container/container.h"

/* The "config" object of an image that runs as the container does; and what it runs, as one line. Both are owned. */
int commit_settings(scow_container *container, cJSON **out, char **command, scow_error **error) _must_check_;
/* Variables as Docker shows and keeps them: the user's, then the image's that he did not name, nothing of the start's. Owned; NULL without memory. */
cJSON *settings_env(const scow_container_config *config, const struct image_config *image);
