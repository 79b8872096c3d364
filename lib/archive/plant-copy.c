/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The data of one file into another: shared blocks (btrfs, XFS) cost nothing; else the kernel copies; else we do, between file
 * systems that it does not copy between.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "archive/plant-internal.h"
#include "base/fd.h"

#define CHUNK (256u << 10)
#define KERNEL_CHUNK (16u << 20) /* between two looks at the cancel token */

static int told(struct plant *plant, uint64_t bytes, scow_error **error)
{
	int r = walk_canceled(plant->options.cancel, error);

	return r == 0 && plant->options.progress ? plant->options.progress(plant->options.data, bytes, error) : r;
}

static ssize_t copy_by_hand(struct plant *plant, int from, int to, off_t at, size_t size)
{
	ssize_t n;

	if (!plant->buffer)
		plant->buffer = malloc(CHUNK);
	if (!plant->buffer)
		return -ENOMEM;
	n = pread(from, plant->buffer, size < CHUNK ? size : CHUNK, at);
	if (n <= 0)
		return n < 0 ? -errno : 0;
	for (ssize_t done = 0, w; done < n; done += w) {
		w = pwrite(to, plant->buffer + done, (size_t) (n - done), at + done);
		if (w < 0 && errno != EINTR)
			return -errno;
		w = w < 0 ? 0 : w;
	}
	return n;
}

static ssize_t copy_some(struct plant *plant, int from, int to, off_t at, size_t size, bool *by_hand)
{
	off_t in = at, out = at;
	ssize_t n;

	if (!*by_hand) {
		n = copy_file_range(from, &in, to, &out, size < KERNEL_CHUNK ? size : KERNEL_CHUNK, 0);
		if (n > 0)
			return n;
		/* 0: the end, or a file system that says so of all (procfs). */
		if (n < 0 && errno != EXDEV && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP && errno != EPERM &&
		    errno != ETXTBSY)
			return errno == EINTR ? -EINTR : -errno;
		*by_hand = true;
	}
	return copy_by_hand(plant, from, to, at, size);
}

static int copy_range(struct plant *plant, int from, int to, off_t at, off_t end, bool *by_hand, scow_error **error)
{
	while (at < end) {
		ssize_t n = copy_some(plant, from, to, at, (size_t) (end - at), by_hand);
		int r;

		if (n == -EINTR)
			continue;
		if (n < 0)
			return error_errno(error, (int) -n, "copy_file_range", "copy its data");
		if (n == 0)
			return 0;
		at += n;
		r = told(plant, (uint64_t) n, error);
		if (r < 0)
			return r;
	}
	return 0;
}

int plant_copy(struct plant *plant, int from, int to, scow_error **error)
{
	bool by_hand = false;
	struct stat st;
	off_t at = 0;
	int r = 0;

	if (fstat(from, &st) < 0)
		return error_errno(error, errno, "fstat", "copy its data");
	if (!st.st_size)
		return 0;
	if (ioctl(to, FICLONE, from) == 0)
		return told(plant, (uint64_t) st.st_size, error);
	while (r == 0 && at < st.st_size) {
		off_t data = lseek(from, at, SEEK_DATA), hole;

		if (data < 0 && errno == ENXIO)
			break;
		if (data < 0)
			data = at;
		hole = lseek(from, data, SEEK_HOLE);
		at = hole <= data || hole > st.st_size ? st.st_size : hole;
		r = copy_range(plant, from, to, data, at, &by_hand, error);
	}
	/* A hole at the end. */
	if (r == 0 && ftruncate(to, st.st_size) < 0)
		return error_errno(error, errno, "ftruncate", "copy its data");
	return r;
}
