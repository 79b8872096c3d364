/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Content-addressed files in ROOT/blobs/sha256: written under ROOT/tmp, renamed when verified, then recorded. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "engine/engine.h"

/* 1 if the store has it (and its file is there), 0 if not, or a status. */
int blob_exists(scow_engine *engine, const char *digest, scow_error **error);
int blob_open(scow_engine *engine, const char *digest, scow_error **error); /* fd, or SCOW_E_NOT_FOUND */
/* Reads a small document whole, verifies its digest (SCOW_E_CORRUPT). @out malloc'ed, NUL-terminated. */
int blob_read(scow_engine *engine, const char *digest, size_t limit, char **out, size_t *size, scow_error **error) _must_check_;
/* Stores bytes whose digest is computed here; @digest_out gets it. */
int blob_put(scow_engine *engine, const void *data, size_t size, char digest_out[DIGEST_STRING], scow_error **error) _must_check_;

/*
 * A blob that arrives as a stream and may be resumed: ROOT/tmp/blob-<hex>, locked while it is written.
 * blob_writer_open returns 1 (outcome) if the blob has been published meanwhile.
 */
struct blob_writer {
	int fd;                /* append position = offset */
	uint64_t offset;       /* bytes kept from an earlier try; the caller hashes them again by reading fd */
	char digest[DIGEST_STRING];
	char tmp_name[96];
};
int blob_writer_open(scow_engine *engine, const char *digest, struct blob_writer *out, scow_error **error) _must_check_;
/* One whose digest is not known yet: the caller sets @out->digest before it publishes. Not resumable. */
int blob_writer_new(scow_engine *engine, struct blob_writer *out, scow_error **error) _must_check_;
/* The caller has verified the digest: rename and record. Closes the writer. */
int blob_writer_publish(scow_engine *engine, struct blob_writer *writer, uint64_t size, scow_error **error) _must_check_;
/* Closes it; keep=false deletes the bytes. */
void blob_writer_close(scow_engine *engine, struct blob_writer *writer, bool keep);

/* Deletes a blob that no image has. Outcome 1: an image has it, it stays. Inside no transaction. */
int blob_drop(scow_engine *engine, const char *digest, scow_error **error) _must_check_;
