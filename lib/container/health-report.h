/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the supervisor's health checks have found, in Docker's words. */
#pragma once

#include "base/json.h"
#include "container/container.h"

/* "none", "starting", "healthy", "unhealthy". @status: enum wire_health_status. */
const char *health_name(unsigned int status);
/* The same, of its last run. */
const char *container_health(scow_engine *engine, const char *id);
/* Adds "Health" where there are checks. False without memory. */
bool container_add_health(scow_engine *engine, const char *id, cJSON *state);
