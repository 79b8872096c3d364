/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Descriptors: whole reads and writes, small files at once, publishing by rename. Nothing here makes errors: -errno goes up. */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/digest.h"

int fd_write_all(int fd, const void *data, size_t size)
{
	const char *p = data;

	while (size) {
		ssize_t n = write(fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		size -= (size_t) n;
	}
	return 0;
}

ssize_t fd_read_full(int fd, void *data, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = read(fd, (char *) data + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t) n;
	}
	return (ssize_t) done;
}

int fd_read_file(int fd, size_t limit, char **out, size_t *size)
{
	_cleanup_free_ char *data = NULL;
	size_t room = 4096, done = 0;
	char *grown;
	ssize_t n;

	/* Sizes in stat are not to be trusted for proc and sysfs files: grow as it comes. */
	for (;;) {
		grown = realloc(data, room + 1);
		if (!grown)
			return -ENOMEM;
		data = grown;
		n = fd_read_full(fd, data + done, room - done);
		if (n < 0)
			return (int) n;
		done += (size_t) n;
		if (done < room)
			break;
		if (room > limit)
			return -EFBIG;
		room *= 2;
	}
	if (done > limit)
		return -EFBIG;
	data[done] = 0;
	*out = take_ptr(&data);
	if (size)
		*size = done;
	return 0;
}

int file_read_at(int dir_fd, const char *path, size_t limit, char **out, size_t *size)
{
	_cleanup_fd_ int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? -errno : fd_read_file(fd, limit, out, size);
}

int file_write_at(int dir_fd, const char *path, const char *text)
{
	_cleanup_fd_ int fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	size_t size = strlen(text);
	ssize_t n;

	if (fd < 0)
		return -errno;
	/* Kernel files take a value in one write or not at all. */
	do
		n = write(fd, text, size);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : (size_t) n == size ? 0 : -EIO;
}

int file_publish_at(int dir_fd, const char *name, const void *data, size_t size, mode_t mode)
{
	char unique[17], tmp[300];
	int r;

	random_hex(unique, 8);
	if (snprintf(tmp, sizeof(tmp), ".%s.%s", name, unique) >= (int) sizeof(tmp))
		return -ENAMETOOLONG;
	_cleanup_fd_ int fd = openat(dir_fd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, data, size);
	if (r == 0 && renameat(dir_fd, tmp, dir_fd, name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dir_fd, tmp, 0);
	return r;
}

int fd_set_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

int dir_make_at(int dir_fd, const char *name, mode_t mode)
{
	return mkdirat(dir_fd, name, mode) < 0 && errno != EEXIST ? -errno : 0;
}

int dir_open_at(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}
