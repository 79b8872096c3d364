/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * DEFLATE with the fixed codes, and for each place the last earlier one that began with the same four bytes: what a log of JSON lines
 * needs to become a fifth, in bounded memory and one pass.
 * See: RFC 1951, RFC 1952.
 */
#include "init/deflate.h"

#define WINDOW 32768
#define MATCH_MIN 4
#define MATCH_MAX 258
#define END_OF_BLOCK 256

typedef uint32_t word __attribute__((aligned(1), may_alias));

static void flush(struct deflate *d)
{
	if (d->out_size && !d->failed)
		d->failed = !d->write(d->write_data, d->out, d->out_size);
	d->out_size = 0;
}

static void put_byte(struct deflate *d, unsigned int byte)
{
	d->out[d->out_size++] = (unsigned char) byte;
	if (d->out_size == DEFLATE_OUT)
		flush(d);
}

/* The lowest bit first. */
static void put_bits(struct deflate *d, uint32_t value, unsigned int count)
{
	d->bits |= (uint64_t) value << d->bit_count;
	d->bit_count += count;
	while (d->bit_count >= 8) {
		put_byte(d, d->bits & 0xff);
		d->bits >>= 8;
		d->bit_count -= 8;
	}
}

/* A Huffman code: the highest bit first. */
static void put_code(struct deflate *d, uint32_t code, unsigned int count)
{
	uint32_t reversed = 0;

	for (unsigned int i = 0; i < count; i++)
		reversed |= (code >> i & 1) << (count - 1 - i);
	put_bits(d, reversed, count);
}

static void put_symbol(struct deflate *d, uint32_t symbol)
{
	if (symbol < 144)
		put_code(d, 0x30 + symbol, 8);
	else if (symbol < 256)
		put_code(d, 0x190 + symbol - 144, 9);
	else if (symbol < 280)
		put_code(d, symbol - 256, 7);
	else
		put_code(d, 0xc0 + symbol - 280, 8);
}

static unsigned int log2_of(uint32_t number)
{
	return 31 - (unsigned int) __builtin_clz(number);
}

/* Lengths from 3: eight symbols of one length each, then four of each number of extra bits; 258 has one to itself. */
static void put_length(struct deflate *d, unsigned int length)
{
	unsigned int rest = length - 3, extra;

	if (length == MATCH_MAX) {
		put_symbol(d, 285);
	} else if (rest < 8) {
		put_symbol(d, 257 + rest);
	} else {
		extra = log2_of(rest) - 2;
		put_symbol(d, 257 + 4 * (extra + 1) + (rest >> extra & 3));
		put_bits(d, rest & ((1U << extra) - 1), extra);
	}
}

/* Distances from 1: four of one distance each, then two of each number of extra bits. */
static void put_distance(struct deflate *d, unsigned int distance)
{
	unsigned int rest = distance - 1, extra;

	if (rest < 4) {
		put_code(d, rest, 5);
		return;
	}
	extra = log2_of(rest) - 1;
	put_code(d, 2 * (extra + 1) + (rest >> extra & 1), 5);
	put_bits(d, rest & ((1U << extra) - 1), extra);
}

static unsigned int match_length(const unsigned char *a, const unsigned char *b, const unsigned char *end)
{
	unsigned int most = end - b < MATCH_MAX ? (unsigned int) (end - b) : MATCH_MAX, n = 0;

	while (n < most && a[n] == b[n])
		n++;
	return n;
}

static uint32_t *head_of(struct deflate *d, const unsigned char *at)
{
	return &d->heads[(*(const word *) at * 2654435761U) >> (32 - DEFLATE_HASH_BITS)];
}

static void put_block(struct deflate *d, const unsigned char *data, size_t size)
{
	size_t at = 0;

	/* One block, the last, of the fixed codes. */
	put_bits(d, 1, 1);
	put_bits(d, 1, 2);
	while (at < size && !d->failed) {
		unsigned int length = 0, distance = 0;

		if (size - at >= MATCH_MIN) {
			uint32_t *head = head_of(d, data + at);

			/* Beyond 4 GiB the numbers begin anew: the bytes are compared in any case. */
			distance = (uint32_t) (at + 1) - *head;
			if (*head && distance && distance <= WINDOW && distance <= at)
				length = match_length(data + at - distance, data + at, data + size);
			*head = (uint32_t) (at + 1);
		}
		if (length < MATCH_MIN) {
			put_symbol(d, data[at++]);
			continue;
		}
		put_length(d, length);
		put_distance(d, distance);
		/* What is inside a match may be the beginning of another. */
		for (size_t end = at + length, next = at + 1; next < end && size - next >= MATCH_MIN; next += 2)
			*head_of(d, data + next) = (uint32_t) (next + 1);
		at += length;
	}
	put_symbol(d, END_OF_BLOCK);
	put_bits(d, 0, (8 - d->bit_count) & 7);
}

static void put_number(struct deflate *d, uint64_t number, unsigned int bytes)
{
	for (unsigned int i = 0; i < bytes; i++)
		put_byte(d, number >> (8 * i) & 0xff);
}

static uint32_t crc_of(struct deflate *d, const unsigned char *data, size_t size)
{
	uint32_t crc = ~0U;

	for (uint32_t i = 0; i < 256; i++) {
		uint32_t value = i;

		for (int bit = 0; bit < 8; bit++)
			value = value & 1 ? value >> 1 ^ 0xedb88320U : value >> 1;
		d->crc_table[i] = value;
	}
	for (size_t i = 0; i < size; i++)
		crc = crc >> 8 ^ d->crc_table[(crc ^ data[i]) & 0xff];
	return ~crc;
}

bool deflate_gzip(struct deflate *d, const unsigned char *data, size_t size, uint64_t mark)
{
	static const unsigned char header[] = { 0x1f, 0x8b, 8 /* deflate */, 4 /* extra */, 0, 0, 0, 0, 0, 3 /* Unix */, 12, 0, 'S', 'C',
						8,    0 };

	for (size_t i = 0; i < sizeof(header); i++)
		put_byte(d, header[i]);
	put_number(d, mark, 8);
	put_block(d, data, size);
	put_number(d, crc_of(d, data, size), 4);
	put_number(d, size & 0xffffffff, 4);
	flush(d);
	return !d->failed;
}
