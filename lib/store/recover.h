/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The sweep of the store: files in ROOT/tmp that nobody holds, layer and container directories without
 * a row, layers and blobs that a power cut may have hurt. Cheap when there is nothing to do.
 * Containers of dead owners are swept by container/sweep.h; system/open.c calls both.
 */
#pragma once

#include "engine/engine.h"

int recover_store(scow_engine *engine, scow_error **error) _must_check_;
