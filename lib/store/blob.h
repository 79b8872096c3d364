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
