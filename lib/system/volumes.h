/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The part of `system df` that is about volumes. */
#pragma once

#include "base/json.h"
#include "engine/engine.h"

/* Adds one object each, as of `volume inspect`, with UsageData. */
int volumes_usage(scow_engine *engine, cJSON *list, scow_error **error) _must_check_;
