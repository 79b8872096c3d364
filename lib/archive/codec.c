/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Decompression, pushed. ISA-L inflates three to four times faster than zlib, and checks each member's CRC and length
 * itself; but its header parser (2.30) miscounts a header CRC that comes in pieces, so headers are read here.
 * zlib stands in where a host has no ISA-L.
 *
 * A gzip file is a sequence of members, a zstd file a sequence of frames: the end of one is not the end of the
 * stream. As gzip(1) does, zeros after the last gzip member are let pass (tape padding), anything else is not.
 */
#include "archive/codec.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "build-config.h"
#if HAVE_ISAL
#include <isa-l/igzip_lib.h>
#endif

#include "archive/codec-rare.h"
#include "base/lib.h"

#define OUTPUT_SIZE (256u << 10)
#define FEED_MAX (1u << 20) /* the decoders count in 32 bits */

#if HAVE_ISAL
/* Where we are in a member's header. See: RFC 1952, 2.3. */
struct gzip_header {
	enum { HEADER_FIXED, HEADER_EXTRA_SIZE, HEADER_EXTRA, HEADER_NAME, HEADER_COMMENT, HEADER_CRC, HEADER_DONE } part;
	unsigned int flags, seen, extra;
};
#endif

struct codec {
	enum codec_kind kind;
	int (*output)(void *userdata, const void *data, size_t size, scow_error **error);
	void *userdata;
	unsigned char *buffer;
	bool between; /* at the end of a member or frame: the stream may end here */
	bool any;     /* at least one member or frame was complete */
	bool padding; /* zeros after the last gzip member */
	z_stream *zlib;
	ZSTD_DStream *zstd;
	struct rare *rare;
#if HAVE_ISAL
	struct inflate_state *isal;
	struct gzip_header header;
#endif
};

static int (*z_inflate_init)(z_stream *, int, const char *, int);
static int (*z_inflate)(z_stream *, int);
static int (*z_inflate_reset)(z_stream *);
static int (*z_inflate_end)(z_stream *);
static const struct lib_symbol zlib_symbols[] = {
	{ "inflateInit2_", &z_inflate_init },
	{ "inflate", &z_inflate },
	{ "inflateReset", &z_inflate_reset },
	{ "inflateEnd", &z_inflate_end },
};
static struct lib zlib_lib = { "libz.so.1", "gzip layers", zlib_symbols, ARRAY_SIZE(zlib_symbols), 0 };

static ZSTD_DStream *(*zstd_create)(void);
static size_t (*zstd_free)(ZSTD_DStream *);
static size_t (*zstd_decompress)(ZSTD_DStream *, ZSTD_outBuffer *, ZSTD_inBuffer *);
static unsigned int (*zstd_is_error)(size_t);
static const char *(*zstd_error_name)(size_t);
static const struct lib_symbol zstd_symbols[] = {
	{ "ZSTD_createDStream", &zstd_create }, { "ZSTD_freeDStream", &zstd_free },        { "ZSTD_decompressStream", &zstd_decompress },
	{ "ZSTD_isError", &zstd_is_error },     { "ZSTD_getErrorName", &zstd_error_name },
};
static struct lib zstd_lib = { "libzstd.so.1", "zstd layers", zstd_symbols, ARRAY_SIZE(zstd_symbols), 0 };

#if HAVE_ISAL
static void (*isal_init)(struct inflate_state *);
static void (*isal_reset)(struct inflate_state *);
static int (*isal_decompress)(struct inflate_state *);
static const struct lib_symbol isal_symbols[] = {
	{ "isal_inflate_init", &isal_init },
	{ "isal_inflate_reset", &isal_reset },
	{ "isal_inflate", &isal_decompress },
};
static struct lib isal_lib = { "libisal.so.2", "gzip layers", isal_symbols, ARRAY_SIZE(isal_symbols), 0 };
#endif

enum codec_kind codec_sniff(const void *data, size_t size)
{
	const unsigned char *p = data;

	if (size >= 2 && p[0] == 0x1f && p[1] == 0x8b)
		return CODEC_GZIP;
	/* A zstd frame, or one of the sixteen skippable ones. */
	if (size >= 4 && ((memcmp(p, "\x28\xb5\x2f\xfd", 4) == 0) || ((p[0] & 0xf0) == 0x50 && memcmp(p + 1, "\x2a\x4d\x18", 3) == 0)))
		return CODEC_ZSTD;
	if (size >= 6 && memcmp(p, "\xfd\x37zXZ\0", 6) == 0)
		return CODEC_XZ;
	if (size >= 4 && memcmp(p, "BZh", 3) == 0 && p[3] >= '1' && p[3] <= '9')
		return CODEC_BZIP2;
	return CODEC_NONE;
}

static int gzip_new(struct codec *codec, scow_error **error)
{
	int r;

#if HAVE_ISAL
	if (lib_load(&isal_lib, NULL) == 0) {
		codec->isal = malloc(sizeof(*codec->isal));
		if (!codec->isal)
			return error_oom(error);
		isal_init(codec->isal);
		codec->isal->crc_flag = ISAL_GZIP_NO_HDR_VER; /* no header; the trailer is checked */
		return 0;
	}
#endif
	r = lib_load(&zlib_lib, error);
	if (r < 0)
		return r;
	codec->zlib = calloc(1, sizeof(*codec->zlib));
	/* 15 + 16: the largest window, gzip's wrapper only. See: zlib.h, inflateInit2. */
	if (!codec->zlib || z_inflate_init(codec->zlib, 15 + 16, ZLIB_VERSION, (int) sizeof(*codec->zlib)) != Z_OK) {
		free(take_ptr(&codec->zlib));
		return error_oom(error);
	}
	return 0;
}

int codec_new(enum codec_kind kind, int (*output)(void *userdata, const void *data, size_t size, scow_error **error), void *userdata,
	      struct codec **out, scow_error **error)
{
	_cleanup_(codec_freep) struct codec *codec = NULL;
	int r = 0;

	codec = calloc(1, sizeof(*codec));
	if (!codec)
		return error_oom(error);
	*codec = (struct codec){ .kind = kind, .output = output, .userdata = userdata };
	if (kind != CODEC_NONE) {
		codec->buffer = malloc(OUTPUT_SIZE);
		if (!codec->buffer)
			return error_oom(error);
	}
	if (kind == CODEC_GZIP) {
		r = gzip_new(codec, error);
	} else if (kind == CODEC_ZSTD) {
		r = lib_load(&zstd_lib, error);
		if (r == 0) {
			codec->zstd = zstd_create();
			r = codec->zstd ? 0 : error_oom(error);
		}
	} else if (kind != CODEC_NONE) {
		r = rare_new(kind, &codec->rare, error);
	}
	if (r < 0)
		return r;
	*out = take_ptr(&codec);
	return 0;
}

static int emit(struct codec *codec, size_t size, scow_error **error)
{
	return size ? codec->output(codec->userdata, codec->buffer, size, error) : 0;
}

#if HAVE_ISAL
static const char *isal_reason(int code)
{
	switch (code) {
	case ISAL_INCORRECT_CHECKSUM:
		return "wrong checksum";
	default:
		return "malformed deflate data";
	}
}

#define FLAG_CRC 2
#define FLAG_EXTRA 4
#define FLAG_NAME 8
#define FLAG_COMMENT 16

static void header_next(struct gzip_header *h)
{
	h->seen = 0;
	do
		h->part++;
	while ((h->part == HEADER_EXTRA_SIZE && !(h->flags & FLAG_EXTRA)) ||
	       (h->part == HEADER_EXTRA && (!(h->flags & FLAG_EXTRA) || !h->extra)) ||
	       (h->part == HEADER_NAME && !(h->flags & FLAG_NAME)) || (h->part == HEADER_COMMENT && !(h->flags & FLAG_COMMENT)) ||
	       (h->part == HEADER_CRC && !(h->flags & FLAG_CRC)));
}

/* False on a byte that no gzip header has there. */
static bool header_byte(struct gzip_header *h, unsigned char c)
{
	static const unsigned char magic[] = { 0x1f, 0x8b, 8 };

	switch (h->part) {
	case HEADER_FIXED:
		if (h->seen < sizeof(magic) && c != magic[h->seen])
			return false;
		if (h->seen == 3)
			h->flags = c;
		if (++h->seen == 10)
			header_next(h);
		return !(h->flags & 0xe0); /* reserved */
	case HEADER_EXTRA_SIZE:
		h->extra = h->seen ? h->extra | (unsigned int) c << 8 : c;
		if (++h->seen == 2)
			header_next(h);
		return true;
	case HEADER_EXTRA:
		if (++h->seen == h->extra)
			header_next(h);
		return true;
	case HEADER_NAME:
	case HEADER_COMMENT:
		if (!c)
			header_next(h);
		return true;
	case HEADER_CRC:
		if (++h->seen == 2)
			header_next(h);
		return true;
	case HEADER_DONE:
		break;
	}
	return true;
}

/* One member, or as much of it as there is. Sets ->between at its end. Both of these take from @in what they used. */
static int isal_member(struct codec *codec, const unsigned char **in, size_t *size, scow_error **error)
{
	struct inflate_state *state = codec->isal;
	int code, r;

	for (; *size && codec->header.part != HEADER_DONE; ++*in, --*size)
		if (!header_byte(&codec->header, **in))
			return error_set(error, SCOW_E_CORRUPT, "the gzip stream is corrupt: not a gzip header");
	if (!*size)
		return 0;
	state->next_in = (uint8_t *) (uintptr_t) *in;
	state->avail_in = (uint32_t) *size;
	do {
		state->next_out = codec->buffer;
		state->avail_out = OUTPUT_SIZE;
		code = isal_decompress(state);
		if (code < 0)
			return error_set(error, SCOW_E_CORRUPT, "the gzip stream is corrupt: %s", isal_reason(code));
		r = emit(codec, OUTPUT_SIZE - state->avail_out, error);
		if (r < 0)
			return r;
	} while (state->block_state != ISAL_BLOCK_FINISH && (state->avail_in || !state->avail_out));
	*in = state->next_in;
	*size = state->avail_in;
	if (state->block_state == ISAL_BLOCK_FINISH) {
		codec->between = codec->any = true;
		isal_reset(state);
		codec->header = (struct gzip_header){ 0 };
	}
	return 0;
}
#endif

static int zlib_member(struct codec *codec, const unsigned char **in, size_t *size, scow_error **error)
{
	z_stream *z = codec->zlib;
	int code, r;

	z->next_in = (Bytef *) (uintptr_t) *in;
	z->avail_in = (uInt) *size;
	do {
		z->next_out = codec->buffer;
		z->avail_out = OUTPUT_SIZE;
		code = z_inflate(z, Z_NO_FLUSH);
		if (code == Z_MEM_ERROR)
			return error_oom(error);
		if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
			return error_set(error, SCOW_E_CORRUPT, "the gzip stream is corrupt: %s",
					 z->msg ? z->msg : "malformed deflate data");
		r = emit(codec, OUTPUT_SIZE - z->avail_out, error);
		if (r < 0)
			return r;
	} while (code != Z_STREAM_END && (z->avail_in || !z->avail_out));
	*in = z->next_in;
	*size = z->avail_in;
	if (code == Z_STREAM_END) {
		codec->between = codec->any = true;
		z_inflate_reset(z);
	}
	return 0;
}

static int gzip_feed(struct codec *codec, const unsigned char *in, size_t size, scow_error **error)
{
	int r = 0;

	while (size && r == 0) {
		if (codec->between && codec->any && (codec->padding || *in == 0)) {
			codec->padding = true;
			for (; size; in++, size--)
				if (*in)
					return error_set(error, SCOW_E_CORRUPT, "there is garbage after the end of the gzip stream");
			return 0;
		}
		if (codec->between && *in != 0x1f)
			return error_set(error, SCOW_E_CORRUPT, "there is garbage after the end of the gzip stream");
		codec->between = false;
#if HAVE_ISAL
		if (codec->isal) {
			r = isal_member(codec, &in, &size, error);
			continue;
		}
#endif
		r = zlib_member(codec, &in, &size, error);
	}
	return r;
}

static int zstd_feed(struct codec *codec, const void *data, size_t size, scow_error **error)
{
	ZSTD_inBuffer in = { data, size, 0 };
	ZSTD_outBuffer out;
	size_t left;
	int r;

	if (!size)
		return 0;
	do {
		out = (ZSTD_outBuffer){ codec->buffer, OUTPUT_SIZE, 0 };
		/* Windows beyond 128 MiB are refused by the library: a layer must not choose how much memory we take. */
		left = zstd_decompress(codec->zstd, &out, &in);
		if (zstd_is_error(left))
			return error_set(error, SCOW_E_CORRUPT, "%s: %s",
					 codec->between ? "there is garbage after the end of the zstd stream"
							: "the zstd stream is corrupt",
					 zstd_error_name(left));
		r = emit(codec, out.pos, error);
		if (r < 0)
			return r;
		codec->between = left == 0;
		codec->any |= left == 0;
	} while (in.pos < in.size || (left && out.pos == out.size)); /* asking past a frame's end would begin another */
	return 0;
}

/* @last: nothing will follow @data. */
static int rare_feed(struct codec *codec, const unsigned char *in, size_t size, bool last, scow_error **error)
{
	size_t made, before;
	int r;

	do {
		before = size;
		r = rare_run(codec->rare, &in, &size, codec->buffer, OUTPUT_SIZE, &made, &codec->between, last, error);
		if (r == 0)
			r = emit(codec, made, error);
		codec->any |= codec->between;
	} while (r == 0 && (made || size != before));
	return r;
}

int codec_feed(struct codec *codec, const void *data, size_t size, scow_error **error)
{
	const unsigned char *p = data;
	int r = 0;

	if (codec->kind == CODEC_NONE)
		return size ? codec->output(codec->userdata, data, size, error) : 0;
	while (size && r == 0) {
		size_t n = size < FEED_MAX ? size : FEED_MAX;

		if (codec->rare)
			r = rare_feed(codec, p, n, false, error);
		else
			r = codec->kind == CODEC_GZIP ? gzip_feed(codec, p, n, error) : zstd_feed(codec, p, n, error);
		p += n;
		size -= n;
	}
	return r;
}

int codec_finish(struct codec *codec, scow_error **error)
{
	static const char *const names[] = { "plain", "gzip", "zstd", "xz", "bzip2" };

	if (codec->kind == CODEC_XZ) {
		int r = rare_feed(codec, (const unsigned char *) "", 0, true, error);

		if (r < 0)
			return r;
	}
	if (codec->kind == CODEC_NONE || (codec->any && codec->between))
		return 0;
	return error_set(error, SCOW_E_CORRUPT, "the %s stream ends in the middle", names[codec->kind]);
}

void codec_free(struct codec *codec)
{
	if (!codec)
		return;
	if (codec->zlib)
		z_inflate_end(codec->zlib);
	free(codec->zlib);
	if (codec->zstd)
		zstd_free(codec->zstd);
	rare_free(codec->rare);
#if HAVE_ISAL
	free(codec->isal);
#endif
	free(codec->buffer);
	free(codec);
}
