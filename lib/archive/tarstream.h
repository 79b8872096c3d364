/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The entries of a tar stream, one after the other, with nothing done to any disk. libarchive (loaded on first use) parses. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "archive/unpack.h"
#include "base/cleanup.h"
#include "base/error.h"

struct tarstream;

enum tarstream_type { TARSTREAM_FILE, TARSTREAM_DIRECTORY, TARSTREAM_LINK, TARSTREAM_OTHER };

struct tarstream_entry {
	const char *name;   /* as written; borrowed until the next entry */
	const char *target; /* LINK, symbolic or hard: as written */
	enum tarstream_type type;
	bool hard;          /* a hard link: its target is a name of the archive, not relative to the entry */
};

/* @read as in archive/unpack.h: plain tar bytes. */
int tarstream_open(unpack_read_fn read, void *userdata, struct tarstream **out, scow_error **error) _must_check_;
/* 1 an entry, 0 the end. SCOW_E_INVALID: no tar at all; SCOW_E_CORRUPT: a damaged one. */
int tarstream_next(struct tarstream *stream, struct tarstream_entry *out, scow_error **error);
/* The next bytes of the entry: their count, 0 at its end. A sparse entry is SCOW_E_CORRUPT. */
ssize_t tarstream_data(struct tarstream *stream, const void **data, scow_error **error);
void tarstream_close(struct tarstream *stream);
DEFINE_CLEANUP(struct tarstream *, tarstream_close)
