/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A layer's tar stream becomes a directory that overlayfs can use as a lower layer.
 *
 * libarchive parses the stream (memory only); everything on disk is done here by descriptor, because
 * libarchive's writer changes the process's umask and directory, and follows links.
 * Whiteouts become character devices 0:0, opaque directories an overlay xattr.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"

struct unpack_stats {
	uint64_t bytes;   /* of file contents */
	uint64_t entries;
};

/* Gives up to @size bytes of plain tar; returns the count, 0 at the end, or a negative status with an error. */
typedef ssize_t (*unpack_read_fn)(void *userdata, const void **data, scow_error **error);

/*
 * Unpacks into the empty directory @dir_fd, reading to the very end of the stream (padding included, for the
 * diff id). On failure the caller removes the directory. Hostile entries: SCOW_E_CORRUPT with the entry's name.
 * As a plain user, ownership, modes and capabilities that we cannot give are given through engine/userns.h.
 */
int unpack_layer(scow_engine *engine, int dir_fd, unpack_read_fn read, void *userdata, struct unpack_stats *stats, scow_error **error)
	_must_check_;
