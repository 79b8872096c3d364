/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xz and bzip2. A layer must not choose how much memory we take: xz's dictionary is limited to what 'xz -9' wants, four times;
 * bzip2 takes 4 MiB at most. liblzma strings the streams of a file together itself, padding included; bzip2's are strung here.
 */
#include "archive/codec-rare.h"

#include <stdlib.h>

#include "build-config.h"
#if HAVE_LZMA
#include <lzma.h>
#endif
#if HAVE_BZIP2
#include <bzlib.h>
#endif

#include "base/lib.h"

#define XZ_MEMORY_MAX (UINT64_C(256) << 20)

struct rare {
	enum codec_kind kind;
#if HAVE_LZMA
	lzma_stream xz;
#endif
#if HAVE_BZIP2
	bz_stream bzip2;
	bool open; /* a member is under way, or has ended and was not freed */
	bool any;
#endif
};

#if HAVE_LZMA
static lzma_ret (*xz_decoder)(lzma_stream *, uint64_t, uint32_t);
static lzma_ret (*xz_code)(lzma_stream *, lzma_action);
static void (*xz_end)(lzma_stream *);
static const struct lib_symbol xz_symbols[] = {
	{ "lzma_stream_decoder", &xz_decoder },
	{ "lzma_code", &xz_code },
	{ "lzma_end", &xz_end },
};
static struct lib xz_lib = { "liblzma.so.5", "xz layers", xz_symbols, ARRAY_SIZE(xz_symbols), 0 };

static int xz_new(struct rare *rare, scow_error **error)
{
	int r = lib_load(&xz_lib, error);

	if (r < 0)
		return r;
	rare->xz = (lzma_stream) LZMA_STREAM_INIT;
	return xz_decoder(&rare->xz, XZ_MEMORY_MAX, LZMA_CONCATENATED) == LZMA_OK ? 0 : error_oom(error);
}

static int xz_run(struct rare *rare, bool *between, bool last, scow_error **error)
{
	lzma_ret code = xz_code(&rare->xz, last ? LZMA_FINISH : LZMA_RUN);

	switch (code) {
	case LZMA_STREAM_END:
		*between = true;
		return 0;
	case LZMA_OK:
	case LZMA_BUF_ERROR: /* nothing to do without more input */
		*between = false;
		return 0;
	case LZMA_MEM_ERROR:
		return error_oom(error);
	case LZMA_MEMLIMIT_ERROR:
		return error_set(error, SCOW_E_LIMIT, "the xz stream needs more than %d MiB to unpack", (int) (XZ_MEMORY_MAX >> 20));
	default:
		return error_set(error, SCOW_E_CORRUPT, "the xz stream is corrupt, or followed by garbage");
	}
}
#endif

#if HAVE_BZIP2
static int (*bzip2_init)(bz_stream *, int, int);
static int (*bzip2_decompress)(bz_stream *);
static int (*bzip2_end)(bz_stream *);
static const struct lib_symbol bzip2_symbols[] = {
	{ "BZ2_bzDecompressInit", &bzip2_init },
	{ "BZ2_bzDecompress", &bzip2_decompress },
	{ "BZ2_bzDecompressEnd", &bzip2_end },
};
static struct lib bzip2_lib = { "libbz2.so.1.0", "bzip2 layers", bzip2_symbols, ARRAY_SIZE(bzip2_symbols), 0 };

static int bzip2_open(struct rare *rare, scow_error **error)
{
	bz_stream kept = rare->bzip2;

	if (rare->open)
		bzip2_end(&rare->bzip2);
	rare->bzip2 = (bz_stream){ 0 };
	rare->open = bzip2_init(&rare->bzip2, 0, 0) == BZ_OK;
	rare->bzip2.next_in = kept.next_in;
	rare->bzip2.avail_in = kept.avail_in;
	rare->bzip2.next_out = kept.next_out;
	rare->bzip2.avail_out = kept.avail_out;
	return rare->open ? 0 : error_oom(error);
}

static int bzip2_run(struct rare *rare, bool *between, scow_error **error)
{
	int code, r;

	if (!rare->bzip2.avail_in && *between)
		return 0;
	if (*between) {
		r = bzip2_open(rare, error);
		if (r < 0)
			return r;
		*between = false;
	}
	code = bzip2_decompress(&rare->bzip2);
	if (code == BZ_MEM_ERROR)
		return error_oom(error);
	if (code != BZ_OK && code != BZ_STREAM_END)
		return error_set(error, SCOW_E_CORRUPT, "%s",
				 code == BZ_DATA_ERROR_MAGIC && rare->any ? "there is garbage after the end of the bzip2 stream"
									  : "the bzip2 stream is corrupt");
	*between = code == BZ_STREAM_END;
	rare->any |= *between;
	return 0;
}
#endif

int rare_new(enum codec_kind kind, struct rare **out, scow_error **error)
{
	_cleanup_free_ struct rare *rare = calloc(1, sizeof(*rare));
	int r = SCOW_E_UNSUPPORTED;

	if (!rare)
		return error_oom(error);
	rare->kind = kind;
#if HAVE_LZMA
	if (kind == CODEC_XZ)
		r = xz_new(rare, error);
#endif
#if HAVE_BZIP2
	if (kind == CODEC_BZIP2) {
		r = lib_load(&bzip2_lib, error);
		if (r == 0)
			r = bzip2_open(rare, error);
	}
#endif
	if (r < 0) {
		if (error && !*error)
			error_hint(error, error_set(error, r, "this library was built without %s", kind == CODEC_XZ ? "liblzma" : "libbz2"),
				   "compress it with gzip or zstd");
		return r;
	}
	*out = take_ptr(&rare);
	return 0;
}

void rare_free(struct rare *rare)
{
	if (!rare)
		return;
#if HAVE_LZMA
	if (rare->kind == CODEC_XZ)
		xz_end(&rare->xz);
#endif
#if HAVE_BZIP2
	if (rare->kind == CODEC_BZIP2 && rare->open)
		bzip2_end(&rare->bzip2);
#endif
	free(rare);
}

int rare_run(struct rare *rare, const unsigned char **in, size_t *size, unsigned char *out, size_t room, size_t *made, bool *between,
	     bool last, scow_error **error)
{
	int r = 0;

	*made = 0;
#if HAVE_LZMA
	if (rare->kind == CODEC_XZ) {
		rare->xz.next_in = *in;
		rare->xz.avail_in = *size;
		rare->xz.next_out = out;
		rare->xz.avail_out = room;
		r = xz_run(rare, between, last, error);
		*in = rare->xz.next_in;
		*size = rare->xz.avail_in;
		*made = room - rare->xz.avail_out;
	}
#endif
#if HAVE_BZIP2
	if (rare->kind == CODEC_BZIP2) {
		rare->bzip2.next_in = (char *) (uintptr_t) *in;
		rare->bzip2.avail_in = (unsigned int) *size;
		rare->bzip2.next_out = (char *) out;
		rare->bzip2.avail_out = (unsigned int) room;
		r = bzip2_run(rare, between, error);
		*in = (const unsigned char *) rare->bzip2.next_in;
		*size = rare->bzip2.avail_in;
		*made = room - rare->bzip2.avail_out;
	}
#endif
	(void) last;
	return r;
}
