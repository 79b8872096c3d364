/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copying a file's contents.
 *
 * A clone is all or nothing and costs the same for any size. Otherwise the file is copied run by run of data, as SEEK_DATA tells
 * them, so that an image of a disk does not grow to its nominal size. copy_file_range(2) refuses some pairs of files (two file
 * systems, a file of proc, an overlay below a kernel that lacks it): the first refusal turns to read and write for the rest.
 */
#include "base/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define BUFFER_SIZE (256u << 10)
#define RANGE_MAX (1u << 30) /* one call: long enough, and it can be interrupted */

struct copy {
	int from, to;
	off_t at;     /* of both */
	char *buffer; /* made when the kernel's own way is refused */
};

static bool is_refusal(int error_number)
{
	return error_number == EXDEV || error_number == EINVAL || error_number == EOPNOTSUPP || error_number == ENOSYS ||
	       error_number == EPERM || error_number == EBADF || error_number == ENOTTY || error_number == ETXTBSY;
}

static ssize_t write_at(int fd, const char *data, size_t size, off_t at)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = pwrite(fd, data + done, size - done, at + (off_t) done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t) n;
	}
	return (ssize_t) size;
}

/* Some bytes from ->at on, @limit at most. Their count, 0 at the end of the file, or -errno. */
static ssize_t copy_some(struct copy *copy, size_t limit)
{
	off_t in = copy->at, out = copy->at;
	ssize_t n;

	if (!copy->buffer) {
		do
			n = copy_file_range(copy->from, &in, copy->to, &out, limit < RANGE_MAX ? limit : RANGE_MAX, 0);
		while (n < 0 && errno == EINTR);
		/* 0 is the end, or a file whose size says nothing of what it gives: reading tells. */
		if (n > 0 || (n < 0 && !is_refusal(errno)))
			return n < 0 ? -errno : n;
		copy->buffer = malloc(BUFFER_SIZE);
		if (!copy->buffer)
			return -ENOMEM;
	}
	do
		n = pread(copy->from, copy->buffer, limit < BUFFER_SIZE ? limit : BUFFER_SIZE, copy->at);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n ? write_at(copy->to, copy->buffer, (size_t) n, copy->at) : 0;
}

/* From ->at to @end, or to the end of the file. 1: that came first. */
static int copy_run(struct copy *copy, off_t end)
{
	while (copy->at < end) {
		ssize_t n = copy_some(copy, (size_t) (end - copy->at));

		if (n <= 0)
			return n < 0 ? (int) n : 1;
		copy->at += n;
	}
	return 0;
}

/* Run by run of data. Where the file system knows no holes, all is one run. */
static int copy_sparse(struct copy *copy, off_t size)
{
	int r = 0;

	while (r == 0 && copy->at < size) {
		off_t data = lseek(copy->from, copy->at, SEEK_DATA), hole;

		if (data < 0 && errno == ENXIO) {
			copy->at = size;
			return 0;
		}
		if (data < 0)
			return copy_run(copy, size);
		hole = lseek(copy->from, data, SEEK_HOLE);
		copy->at = data;
		r = copy_run(copy, hole < 0 || hole > size ? size : hole);
	}
	return r;
}

static int copy_all(struct copy *copy, const struct stat *st)
{
	int r = 0;

	if (ftruncate(copy->to, 0) < 0)
		return -errno;
	if (S_ISREG(st->st_mode) && (off_t) st->st_blocks * 512 < st->st_size)
		r = copy_sparse(copy, st->st_size);
	/* What lies beyond the size that was stated: a file that grew, or one of a file system that states none. */
	if (r == 0)
		r = copy_run(copy, INT64_MAX);
	if (r < 0)
		return r;
	return ftruncate(copy->to, copy->at) < 0 ? -errno : 0;
}

int copy_file(int from_fd, int to_fd, uint64_t *bytes)
{
	struct copy copy = { .from = from_fd, .to = to_fd };
	struct stat st;
	int r;

	if (fstat(from_fd, &st) < 0)
		return -errno;
	if (ioctl(to_fd, FICLONE, from_fd) == 0)
		r = fstat(to_fd, &st) < 0 ? -errno : 0;
	else if (is_refusal(errno)) {
		r = copy_all(&copy, &st);
		st.st_size = copy.at;
	} else
		r = -errno;
	free(copy.buffer);
	if (r == 0 && bytes)
		*bytes = (uint64_t) st.st_size;
	return r;
}
