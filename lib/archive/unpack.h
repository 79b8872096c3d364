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

#define UNPACK_MAX_ENTRIES 10000000u
#define UNPACK_MAX_PATH 4096

/* Overlayfs's mark of a directory that hides the one below; of the root, it hides all lower layers. Value "y". */
#define UNPACK_OPAQUE_ROOT "trusted.overlay.opaque"
#define UNPACK_OPAQUE_USER "user.overlay.opaque"

struct unpack_stats {
	uint64_t bytes;   /* of file contents, holes included */
	bool replaced;    /* something by a later entry: @bytes may have counted what is gone */
	uint64_t entries;
	/*
	 * Checksums (base/checksum.h) of the contents of all files, added up: what the tree should still hold when it is read again. Not known
	 * (@sums_lost) where a file was replaced by a later entry, or has holes.
	 */
	uint64_t sums;
	bool sums_lost;
	/*
	 * Hard links to what only a layer below can have, in their order: path, target, path, target..., each with its NUL; malloc'ed, or
	 * NULL. A whiteout keeps the place of each. See: image/layer_links.c.
	 */
	char *lower_links;
	size_t lower_links_size;
	char *warnings;   /* what could not be kept (a device, an xattr): lines, malloc'ed, or NULL; also after a failure */
};

/* Gives the next bytes of plain tar; returns their count, 0 at the end (and again if asked), or a negative status with an error. */
typedef ssize_t (*unpack_read_fn)(void *userdata, const void **data, scow_error **error);

/*
 * Unpacks into the empty directory @dir_fd, reading to the very end of the stream (padding included, for the
 * diff id). On failure the caller removes the directory. Hostile entries: SCOW_E_CORRUPT with the entry's name.
 * As a plain user, ownership, modes and capabilities that we cannot give are given through engine/userns.h.
 * Runs on any thread and calls no callback but @read.
 */
int unpack_layer(scow_engine *engine, int dir_fd, unpack_read_fn read, void *userdata, struct unpack_stats *stats, scow_error **error)
	_must_check_;

/* Printable: other bytes as \xNN, shortened to fit. Returns @out. */
const char *name_printable(const char *name, char *out, size_t size);
