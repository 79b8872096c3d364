/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Decompression behind one face: gzip (ISA-L where it is, else zlib; many members), zstd (many frames), xz, bzip2, none.
 * Push style: compressed bytes go in, plain bytes come out through a callback, until the end is declared.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"

enum codec_kind { CODEC_NONE, CODEC_GZIP, CODEC_ZSTD, CODEC_XZ, CODEC_BZIP2 };

struct codec;

/* What a layer's media type or first bytes say. */
enum codec_kind codec_sniff(const void *data, size_t size);
/* SCOW_E_UNSUPPORTED: the host has no library for it. @output returns 0, or a negative status which codec_feed then returns unchanged. */
int codec_new(enum codec_kind kind, int (*output)(void *userdata, const void *data, size_t size, scow_error **error), void *userdata,
	      struct codec **out, scow_error **error) _must_check_;
/* SCOW_E_CORRUPT on a malformed stream or garbage after it. */
int codec_feed(struct codec *codec, const void *data, size_t size, scow_error **error) _must_check_;
/* The end of the input: SCOW_E_CORRUPT if the stream is not complete. */
int codec_finish(struct codec *codec, scow_error **error) _must_check_;
void codec_free(struct codec *codec);
DEFINE_CLEANUP(struct codec *, codec_free)
