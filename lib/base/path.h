/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one path resolver. Everything below a root that a container or an archive may have written is
 * reached through these, by descriptor, with openat2(RESOLVE_IN_ROOT): a link can lead to anywhere
 * inside the root and to nowhere outside.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Opens @path inside @root_fd, following links within it. @flags as for open(2); O_CLOEXEC is added. fd or -errno. */
int path_open_in(int root_fd, const char *path, int flags, mode_t mode);
/*
 * Opens @path beneath @root_fd without following any link and without "..": -ELOOP / -EXDEV where there is one.
 * For trees whose links are hostile (unpacking).
 */
int path_open_beneath(int root_fd, const char *path, int flags, mode_t mode);
/* Removes a tree by descriptor, never following links, of any depth. -ENOENT is success. 0 or -errno (first failure, after trying all). */
int path_remove_tree(int dir_fd, const char *name);
/* Textual: collapses "//", "." and ".." (which stops at the root); result malloc'ed, absolute. NULL without memory. */
char *path_clean(const char *path);
/* True for a path with no empty, "." or ".." component and no leading or trailing slash. */
bool path_is_plain(const char *path);
