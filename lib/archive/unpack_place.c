/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the unpacker is: one open directory. Layers are mostly sorted, so that a file costs no walk at all.
 *
 * 1. Only the directory we are in is ever changed; its modification time is read on entering and given back on leaving.
 *    So no directory has to be remembered until the end, however many there are.
 * 2. A path is opened without following links. Where that fails on one, the link is followed by hand, inside the root
 *    (as containerd does: 'lib -> usr/lib' and then 'lib/x' in one layer); the path we keep has no link in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "archive/archive-internal.h"
#include "base/path.h"

#define MAX_LINKS 40 /* as the kernel's own limit */

static int open_directory(struct unpacker *u, const char *path)
{
	return path_open_beneath(u->root_fd, *path ? path : ".", O_RDONLY | O_DIRECTORY, 0);
}

int place_leave(struct unpacker *u, scow_error **error)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, u->here_mtime };
	int r = 0;

	if (u->here_fd < 0)
		return 0;
	if (u->here_dirty && futimens(u->here_fd, times) < 0)
		r = error_errno(error, errno, "futimens", "set the time of a directory");
	close(take_fd(&u->here_fd));
	return r;
}

static int settle(struct unpacker *u, const char *path, int fd, scow_error **error)
{
	struct stat st;
	int r = place_leave(u, error);

	u->here_fd = fd;
	u->here_dirty = false;
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return error_errno(error, errno, "fstat", "look at a directory");
	u->here_mtime = st.st_mtim;
	if (path != u->here)
		snprintf(u->here, sizeof(u->here), "%s", path);
	return 0;
}

int place_descend(struct unpacker *u, const char *base, int fd, const struct timespec *mtime, scow_error **error)
{
	size_t size = strlen(u->here), more = strlen(base);
	int r;

	if (size + more + 2 > sizeof(u->here)) {
		close(fd);
		return error_set(error, SCOW_E_CORRUPT, "the path is longer than %d bytes", UNPACK_MAX_PATH);
	}
	if (size)
		u->here[size++] = '/';
	memcpy(u->here + size, base, more + 1);
	r = settle(u, u->here, fd, error);
	if (r == 0 && mtime) {
		u->here_mtime = *mtime;
		u->here_dirty = true;
	}
	return r;
}

const char *place_record(struct unpacker *u, const char *base, scow_error **error)
{
	const char *path = *u->here ? arena_printf(&u->arena, "%s/%s", u->here, base) : arena_strdup(&u->arena, base);

	u->recorded += strlen(u->here) + strlen(base) + 80;
	if (!path)
		(void) error_oom(error);
	return path;
}

/* The walk by hand: what is resolved, and what is still to go. */
struct walk {
	char done[UNPACK_MAX_PATH + 1];
	char rest[2 * UNPACK_MAX_PATH + 2];
	unsigned int links;
};

static int walk_append(struct walk *walk, const char *component, scow_error **error)
{
	size_t size = strlen(walk->done);

	if (size + strlen(component) + 2 > sizeof(walk->done))
		return error_set(error, SCOW_E_CORRUPT, "the path is longer than %d bytes", UNPACK_MAX_PATH);
	snprintf(walk->done + size, sizeof(walk->done) - size, "%s%s", size ? "/" : "", component);
	return 0;
}

static void walk_up(struct walk *walk)
{
	char *slash = strrchr(walk->done, '/');

	*(slash ? slash : walk->done) = 0;
}

/* @fd is the link walk->done: its target goes in front of the rest. */
static int walk_link(struct walk *walk, int fd, scow_error **error)
{
	char target[UNPACK_MAX_PATH + 1], rest[sizeof(walk->rest)];
	ssize_t n = readlinkat(fd, "", target, sizeof(target) - 1);

	if (n < 0)
		return error_errno(error, errno, "readlinkat", "read a link on the way");
	target[n] = 0;
	if (++walk->links > MAX_LINKS)
		return error_set(error, SCOW_E_CORRUPT, "the way leads through too many links");
	memcpy(rest, walk->rest, sizeof(rest));
	if (snprintf(walk->rest, sizeof(walk->rest), "%s/%s", target, rest) >= (int) sizeof(walk->rest))
		return error_set(error, SCOW_E_CORRUPT, "the links on the way are too long");
	if (target[0] == '/')
		walk->done[0] = 0;
	else
		walk_up(walk);
	return 0;
}

/* A missing parent: 0755, root's, whatever our umask is. */
static int make_parent(struct unpacker *u, struct walk *walk, scow_error **error)
{
	char *slash = strrchr(walk->done, '/'), *base = slash ? slash + 1 : walk->done;
	char name[NAME_MAX + 1];
	_cleanup_fd_ int fd = -1;
	struct stat st;
	int r;

	if (snprintf(name, sizeof(name), "%s", base) >= (int) sizeof(name))
		return unpack_errno(error, ENAMETOOLONG, NULL, "make a missing parent");
	walk_up(walk);
	r = place_enter(u, walk->done, error);
	if (r == 0)
		r = walk_append(walk, name, error);
	if (r < 0)
		return r;
	u->here_dirty = true;
	if (mkdirat(u->here_fd, name, 0755) < 0)
		return unpack_errno(error, errno, "mkdirat", "make a missing parent");
	fd = openat(u->here_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(error, errno, "openat", "make a missing parent");
	if ((st.st_uid != 0 || st.st_gid != 0) && !u->rootless && fchown(fd, 0, 0) < 0)
		return error_errno(error, errno, "fchown", "make a missing parent");
	if ((st.st_mode & 07777) != 0755 && fchmod(fd, 0755) < 0)
		return error_errno(error, errno, "fchmod", "make a missing parent");
	return place_descend(u, name, take_fd(&fd), NULL, error);
}

/* One component. @make: missing directories are made; otherwise they are 1. */
static int walk_step(struct unpacker *u, struct walk *walk, bool make, scow_error **error)
{
	char *rest = walk->rest + strspn(walk->rest, "/");
	size_t n = strcspn(rest, "/");
	char component[NAME_MAX + 1];
	_cleanup_fd_ int fd = -1;
	struct stat st;
	int r;

	if (n > NAME_MAX)
		return unpack_errno(error, ENAMETOOLONG, NULL, "a directory on the way");
	memcpy(component, rest, n);
	component[n] = 0;
	memmove(walk->rest, rest + n, strlen(rest + n) + 1);
	if (n == 0 || strcmp(component, ".") == 0)
		return 0;
	if (strcmp(component, "..") == 0) {
		walk_up(walk);
		return 0;
	}
	r = walk_append(walk, component, error);
	if (r < 0)
		return r;
	fd = path_open_beneath(u->root_fd, walk->done, O_PATH | O_NOFOLLOW, 0);
	if (fd == -ENOENT)
		return make ? make_parent(u, walk, error) : 1;
	if (fd < 0)
		return unpack_errno(error, -fd, "openat2", "look at a directory on the way");
	if (fstat(fd, &st) < 0)
		return error_errno(error, errno, "fstat", "look at a directory on the way");
	if (S_ISLNK(st.st_mode))
		return walk_link(walk, fd, error);
	if (!S_ISDIR(st.st_mode))
		return error_set(error, SCOW_E_CORRUPT, "something on the way is not a directory");
	return 0;
}

static int walk_all(struct unpacker *u, struct walk *walk, const char *path, bool make, scow_error **error)
{
	int r = 0;

	walk->done[0] = 0;
	walk->links = 0;
	snprintf(walk->rest, sizeof(walk->rest), "%s", path);
	while (r == 0 && walk->rest[strspn(walk->rest, "/")])
		r = walk_step(u, walk, make, error);
	return r;
}

static bool needs_walk(int error_number)
{
	return error_number == -ELOOP || error_number == -ENOENT || error_number == -ENOTDIR;
}

int place_enter(struct unpacker *u, const char *path, scow_error **error)
{
	struct walk walk;
	int fd, r;

	if (u->here_fd >= 0 && strcmp(path, u->here) == 0)
		return 0;
	fd = open_directory(u, path);
	if (fd >= 0)
		return settle(u, path, fd, error);
	if (!needs_walk(fd))
		return unpack_errno(error, -fd, "openat2", "open the parent directory");
	r = walk_all(u, &walk, path, true, error);
	if (r < 0 || (u->here_fd >= 0 && strcmp(walk.done, u->here) == 0))
		return r;
	fd = open_directory(u, walk.done);
	if (fd < 0)
		return unpack_errno(error, -fd, "openat2", "open the parent directory");
	return settle(u, walk.done, fd, error);
}

int place_look(struct unpacker *u, const char *path, int *close_fd)
{
	struct walk walk;
	int fd;

	if (u->here_fd >= 0 && strcmp(path, u->here) == 0)
		return u->here_fd;
	fd = open_directory(u, path);
	if (needs_walk(fd)) {
		int r = walk_all(u, &walk, path, false, NULL);

		if (r != 0)
			return r == 1 ? -ENOENT : -ELOOP;
		fd = open_directory(u, walk.done);
	}
	*close_fd = fd;
	return fd;
}
