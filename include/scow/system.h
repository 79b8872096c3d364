/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Over everything in a store: what takes room, and what may go.
 *
 * Filters are Docker's, as JSON: {"until":["24h"],"label":["a=b"],"label!":["keep"]}. "until" chooses what was made before that
 * time: a duration before now, RFC 3339, or seconds since 1970.
 */
#ifndef SCOW_SYSTEM_H
#define SCOW_SYSTEM_H

#include <scow/engine.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * scow_engine_df_json() - what takes room
 * @out: owned, scow_free(): in the shape of Docker's /system/df, with Images, Containers, Volumes, BuildCache and LayersSize;
 *       beside them BlobsSize, the compressed layers that are kept
 *
 * Walks what every container wrote. Returns: 0, SCOW_E_NO_MEMORY, SCOW_E_CORRUPT.  Threads: any.  Since: 0.1.
 */
SCOW_API int scow_engine_df_json(scow_engine *engine, char **out, scow_error **error);

/**
 * scow_engine_prune_containers() - remove those that do not run
 * @filters: NULL, or until, label, label!
 * @report:  NULL, or owned, scow_free(): {"ContainersDeleted":[ids],"SpaceReclaimed":bytes}
 *
 * Returns: 0, SCOW_E_INVALID (filters), or the first failure, after trying all.  Threads: any.  Since: 0.1.
 */
SCOW_API int scow_engine_prune_containers(scow_engine *engine, const char *filters, char **report, scow_error **error);

/**
 * scow_image_prune() - remove images that no container uses
 * @all:     1: all of them; 0: only those without a tag
 * @filters: NULL, or until, label, label!, dangling ("false" is @all)
 * @report:  NULL, or owned, scow_free(): {"ImagesDeleted":[{"Untagged":...},{"Deleted":...}],"SpaceReclaimed":bytes}
 *
 * Returns: 0, SCOW_E_INVALID (filters), or the first failure, after trying all.  Threads: any.  Since: 0.1.
 */
SCOW_API int scow_image_prune(scow_engine *engine, int all, const char *filters, char **report, scow_error **error);

#ifdef __cplusplus
}
#endif
#endif
