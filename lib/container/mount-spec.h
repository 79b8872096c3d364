/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How command lines write mounts. Both put what they read into a config, or keep in it why not. */
#pragma once

#include "container/config.h"

/* @setter: who is named in an error. @volume: what it is made with, strings in the config's arena; or NULL. */
void config_add_volume(scow_container_config *config, const char *setter, const char *name, const char *target, const char *options,
		       const struct config_volume *volume);
