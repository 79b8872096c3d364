/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SHA-256: streaming and at once; "sha256:<hex>" strings. libcrypto (loaded on first use) does the work. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define DIGEST_HEX 64
#define DIGEST_STRING (7 + DIGEST_HEX + 1) /* "sha256:" + hex + NUL */

struct digest_ctx; /* opaque */

int digest_new(struct digest_ctx **out, scow_error **error) _must_check_;
void digest_free(struct digest_ctx *ctx);
void digest_update(struct digest_ctx *ctx, const void *data, size_t size);
/* Writes "sha256:..." and makes the context ready for a new stream. */
void digest_final(struct digest_ctx *ctx, char out[DIGEST_STRING]);
/* At once. */
int digest_bytes(const void *data, size_t size, char out[DIGEST_STRING], scow_error **error) _must_check_;
/* "sha256:" + 64 lower-case hex digits. */
bool digest_is_valid(const char *text);
/* The hex part. */
static inline const char *digest_hex(const char *digest)
{
	return digest + 7;
}
/* Random bytes as hex: container ids, temporary names. @out holds 2 * bytes + 1. */
void random_hex(char *out, size_t bytes);
