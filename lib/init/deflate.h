/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gzip without a libc, for logs that are full. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEFLATE_OUT 65536
#define DEFLATE_HASH_BITS 15

struct deflate {
	/* in */
	bool (*write)(void *data, const unsigned char *bytes, size_t size); /* false: give up */
	void *write_data;
	/* its own */
	uint64_t bits;
	unsigned int bit_count;
	size_t out_size;
	bool failed;
	uint32_t crc_table[256];
	uint32_t heads[1 << DEFLATE_HASH_BITS]; /* where such bytes were last, and one more: 0 is nowhere */
	unsigned char out[DEFLATE_OUT];
};

/*
 * Writes @size bytes as one gzip member; @mark: 8 bytes for its "extra" field, subfield "SC". Memory is all in @deflate, which begins as
 * zeros. False: the write failed.
 */
bool deflate_gzip(struct deflate *deflate, const unsigned char *data, size_t size, uint64_t mark);
