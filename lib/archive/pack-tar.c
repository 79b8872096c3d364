/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Entries into a tar stream. Holes are not read but written as zeros; a file is as long as its header says, whatever becomes of it
 * while it is read.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/pack.h"
#include "archive/unpack.h"
#include "base/str.h"

#define CHUNK (256u << 10)

static int told(const struct pack_tar *tar, uint64_t bytes, scow_error **error)
{
	int r = walk_canceled(tar->cancel, error);

	return r == 0 && tar->progress ? tar->progress(tar->data, bytes, error) : r;
}

/* @from to @to of the file. 1: it has become shorter. */
static int put_data(const struct pack_tar *tar, int fd, uint64_t from, uint64_t to, char *buffer, scow_error **error)
{
	while (from < to) {
		size_t wanted = to - from < CHUNK ? (size_t) (to - from) : CHUNK;
		ssize_t n = pread(fd, buffer, wanted, (off_t) from);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(error, errno, "pread", "read a file");
		if (n == 0)
			return 1;
		r = tarwriter_data(tar->writer, buffer, (size_t) n, error);
		if (r == 0)
			r = told(tar, (uint64_t) n, error);
		if (r < 0)
			return r;
		from += (uint64_t) n;
	}
	return 0;
}

static int put_file(const struct pack_tar *tar, const struct tarwriter_entry *entry, int fd, scow_error **error)
{
	_cleanup_free_ char *buffer = entry->size ? malloc(CHUNK) : NULL;
	uint64_t at = 0;
	int r = 0;

	if (entry->size && !buffer)
		return error_oom(error);
	while (r == 0 && at < entry->size) {
		off_t data = lseek(fd, (off_t) at, SEEK_DATA), hole;

		if (data < 0 && errno == ENXIO) /* a hole up to the end */
			break;
		if (data < 0) /* it cannot tell: all is data */
			data = (off_t) at;
		if ((uint64_t) data >= entry->size)
			break;
		r = tarwriter_zeros(tar->writer, (uint64_t) data - at, error);
		hole = lseek(fd, data, SEEK_HOLE);
		at = hole <= data || (uint64_t) hole > entry->size ? entry->size : (uint64_t) hole;
		if (r == 0)
			r = put_data(tar, fd, (uint64_t) data, at, buffer, error);
	}
	return r < 0 ? r : tarwriter_fill(tar->writer, error);
}

/* "a/b" -> "a/.wh.b"; of a directory "a": "a/.wh..wh..opq". */
static char *mark_name(const char *name, bool opaque)
{
	const char *slash = strrchr(name, '/');

	if (opaque)
		return strf("%s/.wh..wh..opq", name);
	return slash ? strf("%.*s/.wh.%s", (int) (slash - name), name, slash + 1) : strf(".wh.%s", name);
}

static int put_mark(const struct pack_tar *tar, const char *name, bool opaque, scow_error **error)
{
	_cleanup_free_ char *marked = mark_name(name, opaque);
	const struct tarwriter_entry entry = { .name = marked, .mode = S_IFREG };

	return marked ? tarwriter_entry(tar->writer, &entry, error) : error_oom(error);
}

int pack_tar_entry(void *data, enum pack_kind kind, const struct tarwriter_entry *entry, int fd, scow_error **error)
{
	const struct pack_tar *tar = data;
	char printable[400];
	int r;

	if (kind != PACK_ENTRY)
		return put_mark(tar, entry->name, kind == PACK_OPAQUE, error);
	r = tarwriter_entry(tar->writer, entry, error);
	if (r == 0 && fd >= 0)
		r = put_file(tar, entry, fd, error);
	return r < 0 ? error_wrap(error, r, "'%s'", name_printable(entry->name, printable, sizeof(printable))) : 0;
}
