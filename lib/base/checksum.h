/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A fast 64-bit checksum of a stream, against accidents: XXH64 with the seed 0, at about the speed of memory. Where somebody may have
 * made the bytes on purpose it proves nothing: base/digest.h does.
 * See: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct checksum {
	uint64_t lanes[4], total;
	unsigned char rest[32]; /* what does not fill a stripe yet */
};

void checksum_begin(struct checksum *sum);
void checksum_add(struct checksum *sum, const void *data, size_t size);
uint64_t checksum_end(const struct checksum *sum);
