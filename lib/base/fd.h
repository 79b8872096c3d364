/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whole reads and writes, small files, and the publish-by-rename step. All EINTR-safe; all descriptors are CLOEXEC. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* 0 or -errno. */
int fd_write_all(int fd, const void *data, size_t size);
/* Bytes read (short only at the end of the file) or -errno. */
ssize_t fd_read_full(int fd, void *data, size_t size);
/* The whole of a file up to @limit bytes, NUL-terminated, malloc'ed; -EFBIG beyond. Returns 0 or -errno. @size may be NULL. */
int fd_read_file(int fd, size_t limit, char **out, size_t *size);
int file_read_at(int dir_fd, const char *path, size_t limit, char **out, size_t *size);
/* Writes an existing file (a cgroup or proc file): one open, one write. 0 or -errno. */
int file_write_at(int dir_fd, const char *path, const char *text);
/* Makes or replaces a file by writing a temporary one beside it and renaming. 0 or -errno. */
int file_publish_at(int dir_fd, const char *name, const void *data, size_t size, mode_t mode);
int fd_set_nonblock(int fd, bool on);
/* mkdirat that takes an existing directory for success. 0 or -errno. */
int dir_make_at(int dir_fd, const char *name, mode_t mode);
int dir_open_at(int dir_fd, const char *name); /* O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC; fd or -errno */
