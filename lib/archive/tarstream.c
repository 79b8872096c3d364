/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libarchive as a parser of tar entries, for archives of images (layers have unpack.c).
 *
 * Its reader is given a callback and nothing else: no file name, no disk. A failure of the callback is kept here, because
 * libarchive can pass on an errno and a text only.
 */
#include "archive/tarstream.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>

#include "base/lib.h"

#define FUNCTIONS(X)                                                                                                                       \
	X(archive_read_new)                                                                                                                \
	X(archive_read_free)                                                                                                               \
	X(archive_read_support_format_tar)                                                                                                 \
	X(archive_read_open)                                                                                                               \
	X(archive_read_next_header)                                                                                                        \
	X(archive_read_data_block)                                                                                                         \
	X(archive_error_string)                                                                                                            \
	X(archive_entry_pathname)                                                                                                          \
	X(archive_entry_hardlink)                                                                                                          \
	X(archive_entry_symlink)                                                                                                           \
	X(archive_entry_filetype)

#define MEMBER(function) __typeof__(function) *function;
static struct {
	FUNCTIONS(MEMBER)
} a;

#define SYMBOL(function) { #function, &a.function },
static const struct lib_symbol symbols[] = { FUNCTIONS(SYMBOL) };
static struct lib library = { "libarchive.so.13", "archives of images", symbols, ARRAY_SIZE(symbols), 0 };

struct tarstream {
	struct archive *archive;
	unpack_read_fn read;
	void *userdata;
	int status; /* of the callback */
	scow_error *error;
	bool any;   /* an entry was seen: it is a tar */
	int64_t at; /* within the entry */
};

static la_ssize_t on_read(struct archive *archive, void *userdata, const void **data)
{
	struct tarstream *stream = userdata;
	ssize_t n;

	(void) archive;
	if (stream->status < 0)
		return -1;
	n = stream->read(stream->userdata, data, &stream->error);
	if (n < 0) {
		stream->status = (int) n;
		return -1;
	}
	return n;
}

static int failure(struct tarstream *stream, scow_error **error)
{
	const char *reason = a.archive_error_string(stream->archive);

	if (stream->status < 0) {
		if (error)
			*error = take_ptr(&stream->error);
		return stream->status;
	}
	return error_set(error, stream->any ? SCOW_E_CORRUPT : SCOW_E_INVALID, "%s: %s", stream->any ? "damaged tar" : "not a tar archive",
			 reason ? reason : "unknown reason");
}

int tarstream_open(unpack_read_fn read, void *userdata, struct tarstream **out, scow_error **error)
{
	_cleanup_(tarstream_closep) struct tarstream *stream = NULL;
	int r = lib_load(&library, error);

	if (r < 0)
		return r;
	stream = calloc(1, sizeof(*stream));
	if (!stream)
		return error_oom(error);
	stream->read = read;
	stream->userdata = userdata;
	stream->archive = a.archive_read_new();
	if (!stream->archive || a.archive_read_support_format_tar(stream->archive) != ARCHIVE_OK)
		return error_oom(error);
	if (a.archive_read_open(stream->archive, stream, NULL, on_read, NULL) != ARCHIVE_OK)
		return failure(stream, error);
	*out = take_ptr(&stream);
	return 0;
}

int tarstream_next(struct tarstream *stream, struct tarstream_entry *out, scow_error **error)
{
	struct archive_entry *entry;
	int code = a.archive_read_next_header(stream->archive, &entry);
	mode_t type;

	if (code == ARCHIVE_EOF)
		return 0;
	/* ARCHIVE_WARN: a field that could not be converted; what we need is checked below. */
	if (code != ARCHIVE_OK && code != ARCHIVE_WARN)
		return failure(stream, error);
	stream->any = true;
	stream->at = 0;
	*out = (struct tarstream_entry){ .name = a.archive_entry_pathname(entry), .target = a.archive_entry_hardlink(entry) };
	if (!out->name)
		return error_set(error, SCOW_E_CORRUPT, "damaged tar: an entry has no name");
	type = a.archive_entry_filetype(entry);
	out->hard = out->target != NULL;
	if (!out->target && S_ISLNK(type))
		out->target = a.archive_entry_symlink(entry);
	if (out->target)
		out->type = TARSTREAM_LINK;
	else
		out->type = S_ISREG(type) ? TARSTREAM_FILE : S_ISDIR(type) ? TARSTREAM_DIRECTORY : TARSTREAM_OTHER;
	return 1;
}

ssize_t tarstream_data(struct tarstream *stream, const void **data, scow_error **error)
{
	size_t size;
	int64_t offset;
	int code;

	do {
		code = a.archive_read_data_block(stream->archive, data, &size, &offset);
		if (code == ARCHIVE_EOF) {
			/* A hole at the end shows as an end beyond what was given. */
			if (offset > stream->at)
				return error_set(error, SCOW_E_CORRUPT, "a sparse entry");
			return 0;
		}
		if (code != ARCHIVE_OK && code != ARCHIVE_WARN)
			return failure(stream, error);
		if (offset != stream->at)
			return error_set(error, SCOW_E_CORRUPT, "a sparse entry");
	} while (!size);
	stream->at += (int64_t) size;
	return (ssize_t) size;
}

void tarstream_close(struct tarstream *stream)
{
	if (!stream)
		return;
	if (stream->archive)
		a.archive_read_free(stream->archive);
	scow_error_unref(stream->error);
	free(stream);
}
