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

/** Flags of scow_engine_check(). */
enum { SCOW_CHECK_REPAIR = 1, SCOW_CHECK_QUICK = 2 };

/**
 * scow_engine_check() - whether the store is what it should be
 * @flags:  SCOW_CHECK_QUICK: sizes instead of contents; SCOW_CHECK_REPAIR: what is damaged is dropped with the names of the images that
 *          need it, so that the next pull brings it back, and leftovers are swept. What users made is never removed
 * @report: owned, scow_free(): {"Healthy":true,"Problems":[{"Kind":"layer","Id":"sha256:...","Problem":"'/etc/passwd': it has changed",
 *          "Repaired":false,"Action":""}],"Blobs":n,"Layers":n,"Containers":n,"Volumes":n}; Kind is database, blob, layer, container or
 *          volume, the numbers are of what was checked. Healthy: no problem, or all are repaired
 *
 * Blobs are compared with their digests. Layers are compared with the manifest that the first check of each makes, file by file with modes,
 * owners and contents; until then, and with SCOW_CHECK_QUICK, the size of their files has to do. Others may work meanwhile. A layer that a
 * running container stands on is not dropped.
 *
 * Returns: 0, also with problems; SCOW_E_INVALID (flags), SCOW_E_NO_SPACE, SCOW_E_NO_MEMORY.  Threads: any.  Since: 0.1.
 */
SCOW_API int scow_engine_check(scow_engine *engine, unsigned int flags, char **report, scow_error **error);

#ifdef __cplusplus
}
#endif
#endif
