/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The version of the headers (macros) and of the library that is loaded (function). */
#ifndef SCOW_VERSION_H
#define SCOW_VERSION_H

#include <scow/status.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SCOW_VERSION_MAJOR 0
#define SCOW_VERSION_MINOR 1
#define SCOW_VERSION_PATCH 0
#define SCOW_VERSION "0.1.0"

/** scow_version() - the version of the loaded library, "0.1.0". Returns: a static string. Threads: any. Since: 0.1. */
SCOW_API const char *scow_version(void);

/**
 * scow_free() - free a string that a function gave as "owned"
 * @memory: from this library, or NULL
 *
 * Threads: any.  Since: 0.1.
 */
SCOW_API void scow_free(void *memory);

#ifdef __cplusplus
}
#endif
#endif
