/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Compressed streams, in steps that the input chooses too: the first byte is the codec, the second the step. */
#include <stdint.h>

#include "archive/codec.h"

#define PLAIN_MAX (16u << 20) /* a bomb is not a find */

static int count(void *userdata, const void *data, size_t size, scow_error **error)
{
	size_t *total = userdata;

	(void) data;
	*total += size;
	return *total > PLAIN_MAX ? error_set(error, SCOW_E_LIMIT, "enough") : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum codec_kind kinds[] = { CODEC_GZIP, CODEC_ZSTD, CODEC_NONE };
	struct codec *codec;
	size_t total = 0, step;
	int r = 0;

	if (size < 2)
		return 0;
	if (codec_new(kinds[data[0] % 3], count, &total, &codec, NULL) < 0)
		return 0;
	step = data[1] ? data[1] : 4096;
	for (size_t i = 2; i < size && r == 0; i += step)
		r = codec_feed(codec, data + i, size - i < step ? size - i : step, NULL);
	if (r == 0)
		(void) !codec_finish(codec, NULL);
	codec_free(codec);
	return 0;
}
