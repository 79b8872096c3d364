/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Locks that the kernel drops with their holder: OFD write locks on small files. They belong to the open file, so two
 * engines of one process exclude each other as two processes do, and closing another descriptor of the file drops nothing.
 *
 * 1. A lock file counts only while its name leads to the locked inode: whoever gets a lock checks that, because the
 *    last holder removes the name while others wait for it.
 * 2. Whoever makes a file that it wants to hold locks it, then checks that a sweep was not faster (same check).
 */
#include "store/lock.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/digest.h"
#include "base/fd.h"
#include "base/str.h"

/* How long a waiter sleeps between tries: the lock has no descriptor that could be polled together with the token. */
#define WAIT_FIRST_MS 1
#define WAIT_LAST_MS 50

int lock_try(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 1;
	return errno == EAGAIN || errno == EACCES ? 0 : -errno;
}

bool lock_is_named(int dir_fd, const char *name, int fd)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && fstatat(dir_fd, name, &b, AT_SYMLINK_NOFOLLOW) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

static int owners_open(scow_engine *engine)
{
	int fd = dir_open_at(engine->root_fd, "owners");

	if (fd != -ENOENT)
		return fd;
	fd = dir_make_at(engine->root_fd, "owners", 0700);
	return fd < 0 ? fd : dir_open_at(engine->root_fd, "owners");
}

int owner_make(scow_engine *engine, char mark, char id[33], scow_error **error)
{
	_cleanup_fd_ int dir = owners_open(engine);

	if (dir < 0)
		return error_errno(error, -dir, "openat", "open '%s/owners'", engine->root);
	for (;;) {
		_cleanup_fd_ int fd = -1;
		int r;

		random_hex(id, 16);
		if (mark)
			id[0] = mark;
		fd = openat(dir, id, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0)
			return error_errno(error, errno, "openat", "make '%s/owners/%s'", engine->root, id);
		r = lock_try(fd);
		if (r < 0) {
			unlinkat(dir, id, 0);
			return error_errno(error, -r, "fcntl", "lock '%s/owners/%s'", engine->root, id);
		}
		if (r > 0 && lock_is_named(dir, id, fd))
			return take_fd(&fd);
	}
}

int owner_register(scow_engine *engine, scow_error **error)
{
	int r = 0;

	pthread_mutex_lock(&engine->lock);
	if (engine->owner_fd < 0) {
		r = owner_make(engine, 0, engine->owner_id, error);
		if (r >= 0) {
			engine->owner_fd = r;
			r = 0;
		}
	}
	pthread_mutex_unlock(&engine->lock);
	return r;
}

void owner_unregister(scow_engine *engine)
{
	_cleanup_fd_ int dir = -1;

	if (engine->owner_fd < 0)
		return;
	dir = dir_open_at(engine->root_fd, "owners");
	if (dir >= 0)
		unlinkat(dir, engine->owner_id, 0);
	close(take_fd(&engine->owner_fd));
}

int owner_alive(scow_engine *engine, const char *owner_id)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	_cleanup_fd_ int fd = -1;
	char path[64];

	if (!owner_id || !*owner_id || strchr(owner_id, '/') || strlen(owner_id) > 40)
		return 0;
	/* Asking by F_OFD_GETLK, not by taking it: two who ask at once must not take each other for the owner. */
	if (engine->owner_fd >= 0 && str_eq(owner_id, engine->owner_id))
		return 1;
	snprintf(path, sizeof(path), "owners/%s", owner_id);
	fd = openat(engine->root_fd, path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno != ENOENT; /* cannot tell: leave its containers alone */
	return fcntl(fd, F_OFD_GETLK, &lock) < 0 || lock.l_type != F_UNLCK;
}

static int check_name(const char *name, scow_error **error)
{
	if (!*name || strlen(name) > 200 || strchr(name, '/'))
		return error_set(error, SCOW_E_INVALID, "'%.100s' cannot name a lock", name);
	return 0;
}

int work_try_lock(scow_engine *engine, const char *name, int *fd_out, scow_error **error)
{
	char path[256];
	int r = check_name(name, error);

	*fd_out = -1;
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "lock-%s", name);
	for (;;) {
		_cleanup_fd_ int fd = openat(engine->tmp_fd, path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

		if (fd < 0)
			return error_errno(error, errno, "openat", "make the lock '%s/tmp/%s'", engine->root, path);
		r = lock_try(fd);
		if (r < 0)
			return error_errno(error, -r, "fcntl", "lock '%s/tmp/%s'", engine->root, path);
		if (r == 0)
			return 0;
		/* Else its last holder removed it meanwhile: make it anew. */
		if (lock_is_named(engine->tmp_fd, path, fd)) {
			*fd_out = take_fd(&fd);
			return 1;
		}
	}
}

int work_lock(scow_engine *engine, const char *name, const struct scow_cancel *cancel, scow_error **error)
{
	int wait_ms = WAIT_FIRST_MS;

	for (;;) {
		int fd, r = work_try_lock(engine, name, &fd, error);

		if (r != 0)
			return r < 0 ? r : fd;
		r = cancel_poll(cancel, -1, 0, wait_ms, error);
		if (r < 0)
			return r;
		if (wait_ms < WAIT_LAST_MS)
			wait_ms *= 2;
	}
}

void work_unlock(scow_engine *engine, const char *name, int fd)
{
	int saved = errno;
	char path[256];

	if (fd < 0)
		return;
	snprintf(path, sizeof(path), "lock-%s", name);
	unlinkat(engine->tmp_fd, path, 0);
	close(fd);
	errno = saved;
}

int work_directory_make(scow_engine *engine, const char *prefix, char name[WORK_DIRECTORY_NAME], int *out, scow_error **error)
{
	for (;;) {
		_cleanup_fd_ int fd = -1;
		char random[13];
		bool locked;
		int r;

		random_hex(random, 6);
		snprintf(name, WORK_DIRECTORY_NAME, "%s%s", prefix, random);
		if (mkdirat(engine->tmp_fd, name, 0700) < 0) {
			r = error_errno(error, errno, "mkdirat", "make '%s/tmp/%s'", engine->root, name);
			name[0] = 0;
			return r;
		}
		fd = dir_open_at(engine->tmp_fd, name);
		if (fd < 0 && fd != -ENOENT)
			return error_errno(error, -fd, "openat", "open '%s/tmp/%s'", engine->root, name);
		locked = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
		if (fd >= 0 && !locked && errno != EWOULDBLOCK)
			return error_errno(error, errno, "flock", "lock '%s/tmp/%s'", engine->root, name);
		/* A sweep may have been faster than our lock: then another name. */
		if (locked && lock_is_named(engine->tmp_fd, name, fd)) {
			*out = take_fd(&fd);
			return 0;
		}
	}
}
