/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Compressed log files are read by way of a file without a name: whoever looks for the last lines reads backward, which gzip does not.
 * It is on the store's file system, for logs may be larger than memory.
 */
#include "container/log-packed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "archive/codec.h"
#include "base/fd.h"

#define BLOCK (64u << 10)

ino_t log_packed_inode(int fd)
{
	static const unsigned char subfield[] = { 'S', 'C', 8, 0 };
	unsigned char header[24];
	uint64_t inode = 0;

	/* See RFC 1952: magic, method, flags (4: "extra"), time, two bytes, the size of the extra field, which we have alone. */
	if (pread(fd, header, sizeof(header), 0) != (ssize_t) sizeof(header) || header[0] != 0x1f || header[1] != 0x8b ||
	    !(header[3] & 4) || memcmp(header + 12, subfield, sizeof(subfield)) != 0)
		return 0;
	for (unsigned int i = 0; i < 8; i++)
		inode |= (uint64_t) header[16 + i] << (8 * i);
	return (ino_t) inode;
}

static int write_plain(void *userdata, const void *data, size_t size, scow_error **error)
{
	const int *fd = userdata;
	const char *at = data;

	while (size) {
		ssize_t n = write(*fd, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(error, errno, "write", "unpack a log");
		at += n;
		size -= (size_t) n;
	}
	return 0;
}

int log_unpack(scow_engine *engine, int fd, scow_error **error)
{
	_cleanup_fd_ int plain = openat(engine->tmp_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	_cleanup_(codec_freep) struct codec *codec = NULL;
	_cleanup_free_ char *block = malloc(BLOCK);
	off_t at = 0;
	ssize_t n;
	int r;

	if (plain < 0)
		plain = memfd_create("scow-log", MFD_CLOEXEC);
	if (plain < 0)
		return error_errno(error, errno, "memfd_create", "unpack a log");
	if (!block)
		return error_oom(error);
	r = codec_new(CODEC_GZIP, write_plain, &plain, &codec, error);
	while (r == 0 && (n = pread(fd, block, BLOCK, at)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(error, errno, "pread", "read a log");
		r = codec_feed(codec, block, (size_t) n, error);
		at += n;
	}
	if (r == 0)
		r = codec_finish(codec, error);
	return r < 0 ? error_wrap(error, r, "unpack a log") : take_fd(&plain);
}
