/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The files of a container, whether it runs or not.
 *
 * Nothing in a container is trusted: a link in it leads to a place in it, never to the host, and no program or library of it is run.
 * Of one that runs, its files are what its first process sees, with all that is mounted; of another, its image's and what it wrote.
 *
 * Threads: any.
 */
#ifndef SCOW_FILES_H
#define SCOW_FILES_H

#include <sys/types.h>
#include <scow/container.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * scow_container_open() - one of its files, as a descriptor of this process
 * @path:  absolute, in the container
 * @flags: as for open(2): O_RDONLY, O_RDWR | O_CREAT, O_PATH, O_DIRECTORY, ...; it is close-on-exec always, and never becomes the
 *         controlling terminal
 * @mode:  of one that is made, which then belongs to the container's root
 *
 * The descriptor stays good when the container ends. What is read and written by it is the very file, not a copy.
 *
 * Returns: the descriptor, owned; or SCOW_E_NOT_FOUND (file, container), SCOW_E_EXISTS, SCOW_E_DENIED, SCOW_E_INVALID (@path, a link
 * that leads nowhere), SCOW_E_STATE (it is being removed), SCOW_E_NO_SPACE, SCOW_E_FAILED.  Since: 0.1.  See: openat2(2).
 */
SCOW_API int scow_container_open(scow_container *container, const char *path, int flags, mode_t mode, scow_error **error);

#ifdef __cplusplus
}
#endif
#endif
