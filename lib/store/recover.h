/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The sweep of the store: files in ROOT/tmp that nobody holds, layer and container directories without
 * a row, layers and blobs that a power cut may have hurt. Cheap when there is nothing to do.
 * Containers of dead owners are swept by container/sweep.h; system/open.c calls both.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"

int recover_store(scow_engine *engine, scow_error **error) _must_check_;

/* For system/check.c: rows go with all that stands on them, as after a power cut. Images lose their names, or their layers. */
int recover_drop_layer(scow_engine *engine, const char *chain_id, scow_error **error) _must_check_;
int recover_drop_blob(scow_engine *engine, const char *digest, scow_error **error) _must_check_;
/* The bytes of all files below @dir_fd, as a row of `layers` counts them; negative: it cannot be told. */
int64_t recover_tree_bytes(int dir_fd);
/* Whether the files of ROOT/layers/@name add up to @size, as they were unpacked. */
bool recover_layer_is_whole(scow_engine *engine, const char *name, int64_t size);
/* Removes layers, containers' directories and blobs that have no row. */
void recover_orphans(scow_engine *engine);
