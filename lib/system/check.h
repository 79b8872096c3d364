/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a tree is, line by line: check.c keeps it of each layer, and compares. */
#pragma once

#include "base/str.h"

/*
 * A line for each file below @dir_fd, in an order that does not depend on the file system: path, then type, mode, owner, size, time of
 * files, device, links, extended attributes and the digest of the contents, or where a link leads. The same tar gives the same lines,
 * wherever and whenever it is unpacked. "-" for contents that may not be read (of mapped ids, for a plain user). 0 or -errno.
 */
/* @sums: as unpack_stats; false in @known where something could not be read. */
int tree_manifest(int dir_fd, struct str *out, uint64_t *sums, bool *known);
