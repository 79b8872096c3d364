/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Removing a tree of any depth by descriptor, following no link.
 *
 * Instead of a stack of open directories (a tree 100,000 deep would need as many), a subdirectory that
 * holds directories itself is moved up next to the top and done later: depth becomes breadth.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/path.h"

#define DEPTH_OPEN 24 /* directories held open at once, before moving up starts */

static int remove_contents(int top_fd, int dir_fd, unsigned int depth);

/* Opens a directory to empty it, also one whose mode keeps its owner out (overlay's work/work is 000). */
static int open_to_empty(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0 || errno != EACCES)
		return fd < 0 ? -errno : fd;
	if (fchmodat(dir_fd, name, 0700, 0) < 0) /* a link here would have failed with ELOOP or ENOTDIR above */
		return -EACCES;
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int remove_dir(int top_fd, int dir_fd, const char *name, unsigned int depth)
{
	char moved[48] = ".gone-";
	_cleanup_fd_ int fd = -1;
	int r;

	if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST && errno != EACCES && errno != EPERM)
		return -errno;
	if (depth >= DEPTH_OPEN) {
		random_hex(moved + 6, 12);
		return renameat(dir_fd, name, top_fd, moved) < 0 ? -errno : 0;
	}
	fd = open_to_empty(dir_fd, name);
	if (fd < 0)
		return fd;
	r = remove_contents(top_fd, fd, depth + 1);
	if (unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return r < 0 ? r : -errno;
	return r;
}

static int remove_entry(int top_fd, int dir_fd, const struct dirent *entry, unsigned int depth)
{
	if (entry->d_type == DT_DIR)
		return remove_dir(top_fd, dir_fd, entry->d_name, depth);
	if (unlinkat(dir_fd, entry->d_name, 0) == 0 || errno == ENOENT)
		return 0;
	return errno == EISDIR ? remove_dir(top_fd, dir_fd, entry->d_name, depth) : -errno;
}

static int remove_contents(int top_fd, int dir_fd, unsigned int depth)
{
	int first = 0, copy = fcntl(dir_fd, F_DUPFD_CLOEXEC, 3);
	_cleanup_dir_ DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	bool writable = false;

	if (!dir) {
		first = -errno;
		if (copy >= 0)
			close(copy);
		return first;
	}
	rewinddir(dir); /* the copy shares its offset with dir_fd, which an earlier pass has moved */
	for (struct dirent *entry; (entry = readdir(dir));) {
		int r;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		r = remove_entry(top_fd, dir_fd, entry, depth);
		/* A directory of our own without write permission: give it once, and try again. */
		if (r == -EACCES && !writable && fchmod(dir_fd, 0700) == 0) {
			writable = true;
			r = remove_entry(top_fd, dir_fd, entry, depth);
		}
		if (r < 0 && first == 0)
			first = r;
	}
	return first;
}

int path_remove_tree(int dir_fd, const char *name)
{
	_cleanup_fd_ int fd = -1;
	int r;

	if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0)
		return 0;
	fd = open_to_empty(dir_fd, name);
	if (fd < 0)
		return fd;
	/* Each pass leaves only what it moved up, which the next one finds at depth 0. */
	for (;;) {
		r = remove_contents(fd, fd, 0);
		if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
			return 0;
		if (r < 0 || (errno != ENOTEMPTY && errno != EEXIST))
			return r < 0 ? r : -errno;
	}
}
