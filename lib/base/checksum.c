/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* XXH64: four lanes that take 8 bytes each in turn; what is left at the end is mixed in by hand. */
#include "base/checksum.h"

#include <endian.h>
#include <string.h>

#define STRIPE 32
#define PRIME_1 UINT64_C(0x9E3779B185EBCA87)
#define PRIME_2 UINT64_C(0xC2B2AE3D27D4EB4F)
#define PRIME_3 UINT64_C(0x165667B19E3779F9)
#define PRIME_4 UINT64_C(0x85EBCA77C2B2AE63)
#define PRIME_5 UINT64_C(0x27D4EB2F165667C5)

static uint64_t rotate(uint64_t value, int bits)
{
	return value << bits | value >> (64 - bits);
}

static uint64_t read_64(const unsigned char *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return le64toh(value);
}

static uint64_t round_of(uint64_t lane, uint64_t input)
{
	return rotate(lane + input * PRIME_2, 31) * PRIME_1;
}

static void take_stripe(uint64_t lanes[4], const unsigned char *at)
{
	for (int i = 0; i < 4; i++)
		lanes[i] = round_of(lanes[i], read_64(at + 8 * i));
}

void checksum_begin(struct checksum *sum)
{
	sum->lanes[0] = PRIME_1 + PRIME_2;
	sum->lanes[1] = PRIME_2;
	sum->lanes[2] = 0;
	sum->lanes[3] = -PRIME_1;
	sum->total = 0;
}

void checksum_add(struct checksum *sum, const void *data, size_t size)
{
	const unsigned char *at = data;
	size_t have = sum->total % STRIPE;
	uint64_t lanes[4];

	sum->total += size;
	if (have) {
		const size_t part = size < STRIPE - have ? size : STRIPE - have;

		memcpy(sum->rest + have, at, part);
		at += part;
		size -= part;
		if (have + part < STRIPE)
			return;
		take_stripe(sum->lanes, sum->rest);
	}
	/* A copy, which the compiler keeps in registers. */
	memcpy(lanes, sum->lanes, sizeof(lanes));
	for (; size >= STRIPE; at += STRIPE, size -= STRIPE)
		take_stripe(lanes, at);
	memcpy(sum->lanes, lanes, sizeof(lanes));
	memcpy(sum->rest, at, size);
}

static uint64_t join_lanes(const uint64_t lanes[4])
{
	uint64_t hash = rotate(lanes[0], 1) + rotate(lanes[1], 7) + rotate(lanes[2], 12) + rotate(lanes[3], 18);

	for (int i = 0; i < 4; i++)
		hash = (hash ^ round_of(0, lanes[i])) * PRIME_1 + PRIME_4;
	return hash;
}

uint64_t checksum_end(const struct checksum *sum)
{
	const unsigned char *at = sum->rest, *end = at + sum->total % STRIPE;
	uint64_t hash = (sum->total >= STRIPE ? join_lanes(sum->lanes) : PRIME_5) + sum->total;

	for (; end - at >= 8; at += 8)
		hash = rotate(hash ^ round_of(0, read_64(at)), 27) * PRIME_1 + PRIME_4;
	if (end - at >= 4) {
		uint32_t word;

		memcpy(&word, at, sizeof(word));
		hash = rotate(hash ^ le32toh(word) * PRIME_1, 23) * PRIME_2 + PRIME_3;
		at += 4;
	}
	for (; at < end; at++)
		hash = rotate(hash ^ *at * PRIME_5, 11) * PRIME_1;
	hash = (hash ^ hash >> 33) * PRIME_2;
	hash = (hash ^ hash >> 29) * PRIME_3;
	return hash ^ hash >> 32;
}
