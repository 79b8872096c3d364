/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a load reads from: a directory with an OCI layout, or an archive whose entries were spooled into a directory of
 * ROOT/tmp, because a stream may bring its index last. Either way: files by name, never outside of it.
 */
#pragma once

#include <stdint.h>

#include <scow/cancel.h>

#include "base/digest.h"
#include "engine/engine.h"
#include "store/lock.h"

struct source_entry {
	char *name;   /* cleaned; the key */
	char *target; /* a link: cleaned name of what it leads to, or NULL */
	char *spool;  /* file in the spool directory; NULL for a link */
};

struct source {
	scow_engine *engine;
	const scow_cancel *cancel;
	int dir_fd; /* borrowed layout, or the locked spool directory */
	bool spooled;
	char spool_name[WORK_DIRECTORY_NAME]; /* in ROOT/tmp */
	struct source_entry *entries;         /* sorted by name once all are there */
	size_t n_entries;
};

/* @fd: a directory, or a stream, read to its end. */
int source_open(scow_engine *engine, int fd, const scow_cancel *cancel, struct source *out, scow_error **error) _must_check_;
void source_done(struct source *source);
bool source_has(const struct source *source, const char *name);
/* fd, or SCOW_E_CORRUPT for what is missing. */
int source_file(const struct source *source, const char *name, uint64_t *size, scow_error **error);
/* A document, NUL-terminated. @digest: what it must have, or NULL. */
int source_read(const struct source *source, const char *name, const char *digest, size_t limit, char **out, size_t *size,
		scow_error **error) _must_check_;
/* "blobs/sha256/<hex>" */
void source_blob_name(const char *digest, char out[80]);
