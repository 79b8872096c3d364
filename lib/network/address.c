/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Addresses as bytes in network order, so that comparing is memcmp() and counting goes from the right. Both families go the same way
 * through everything; what is different about IPv4 (a broadcast address) is in the pools.
 */
#include "network/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool address_parse(const char *text, struct address *out)
{
	*out = (struct address){ 0 };
	if (!text)
		return false;
	out->family = strchr(text, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(out->family, text, out->bytes) == 1)
		return true;
	*out = (struct address){ 0 };
	return false;
}

char *address_format(const struct address *address, char out[ADDRESS_TEXT])
{
	if (!address->family || !inet_ntop(address->family, address->bytes, out, ADDRESS_TEXT))
		out[0] = 0;
	return out;
}

const char *address_hex(const struct address *address, char out[ADDRESS_HEX])
{
	size_t size = address_size(address);

	for (size_t i = 0; i < size; i++)
		snprintf(out + 2 * i, 3, "%02x", address->bytes[i]);
	out[2 * size] = 0;
	return size ? out : NULL;
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool address_from_hex(const char *hex, struct address *out)
{
	size_t length = hex ? strlen(hex) : 0;

	*out = (struct address){ 0 };
	if (!length)
		return true;
	if (length != 8 && length != 32)
		return false;
	for (size_t i = 0; i < length; i++) {
		int value = digit(hex[i]);

		if (value < 0)
			return false;
		out->bytes[i / 2] = (unsigned char) (out->bytes[i / 2] << 4 | value);
	}
	out->family = length == 8 ? AF_INET : AF_INET6;
	return true;
}

int address_compare(const struct address *a, const struct address *b)
{
	return memcmp(a->bytes, b->bytes, address_size(a));
}

bool address_equal(const struct address *a, const struct address *b)
{
	return a->family == b->family && address_compare(a, b) == 0;
}

bool address_add(struct address *address, unsigned long long count)
{
	for (size_t i = address_size(address); i > 0 && count; i--) {
		count += address->bytes[i - 1];
		address->bytes[i - 1] = (unsigned char) count;
		count >>= 8;
	}
	return !count;
}

bool address_next(struct address *address)
{
	return address_add(address, 1);
}

bool address_is_link_local(const struct address *address)
{
	if (address->family == AF_INET)
		return address->bytes[0] == 169 && address->bytes[1] == 254;
	return address->family == AF_INET6 && address->bytes[0] == 0xfe && (address->bytes[1] & 0xc0) == 0x80;
}

bool address_is_loopback(const struct address *address)
{
	static const unsigned char loopback6[16] = { [15] = 1 };

	if (address->family == AF_INET)
		return address->bytes[0] == 127;
	return address->family == AF_INET6 && memcmp(address->bytes, loopback6, 16) == 0;
}

bool address_is_any(const struct address *address)
{
	static const unsigned char any[16];

	return address->family && memcmp(address->bytes, any, address_size(address)) == 0;
}

bool prefix_parse(const char *text, struct prefix *out)
{
	const char *slash = text ? strchr(text, '/') : NULL;
	char address[ADDRESS_TEXT], *end;
	unsigned long bits;

	*out = (struct prefix){ { 0 }, 0 };
	if (!slash || slash - text >= (long) sizeof(address) || slash[1] < '0' || slash[1] > '9')
		return false;
	memcpy(address, text, (size_t) (slash - text));
	address[slash - text] = 0;
	bits = strtoul(slash + 1, &end, 10);
	if (*end || !address_parse(address, &out->address) || bits > address_bits(&out->address)) {
		*out = (struct prefix){ { 0 }, 0 };
		return false;
	}
	out->bits = (unsigned int) bits;
	return true;
}

char *prefix_format(const struct prefix *prefix, char out[PREFIX_TEXT])
{
	char address[ADDRESS_TEXT];

	snprintf(out, PREFIX_TEXT, "%s/%u", address_format(&prefix->address, address), prefix->bits);
	return out;
}

/* The bits after the prefix, all 0 or all 1. */
static void fill_rest(const struct prefix *prefix, bool ones, struct address *out)
{
	size_t size = address_size(&prefix->address);

	*out = prefix->address;
	for (size_t i = 0; i < size; i++) {
		unsigned int kept = prefix->bits > 8 * i ? prefix->bits - (unsigned int) (8 * i) : 0;
		unsigned char rest = kept >= 8 ? 0 : (unsigned char) (0xff >> kept);

		out->bytes[i] = (unsigned char) (ones ? out->bytes[i] | rest : out->bytes[i] & ~rest);
	}
}

void prefix_first(const struct prefix *prefix, struct address *out)
{
	fill_rest(prefix, false, out);
}

void prefix_last(const struct prefix *prefix, struct address *out)
{
	fill_rest(prefix, true, out);
}

bool prefix_has(const struct prefix *prefix, const struct address *address)
{
	struct address first, last;

	if (prefix->address.family != address->family || !address->family)
		return false;
	prefix_first(prefix, &first);
	prefix_last(prefix, &last);
	return address_compare(address, &first) >= 0 && address_compare(address, &last) <= 0;
}

bool prefix_overlaps(const struct prefix *a, const struct prefix *b)
{
	return a->bits <= b->bits ? prefix_has(a, &b->address) : prefix_has(b, &a->address);
}

/* ---- MAC ---- */

bool mac_parse(const char *text, unsigned char out[MAC_BYTES])
{
	for (int i = 0; text && i < MAC_BYTES; i++, text += 3) {
		int high = digit(text[0]), low = high < 0 ? -1 : digit(text[1]);

		if (low < 0 || (i < MAC_BYTES - 1 ? text[2] != ':' && text[2] != '-' : text[2] != 0))
			return false;
		out[i] = (unsigned char) (high << 4 | low);
	}
	return text != NULL;
}

char *mac_format(const unsigned char mac[MAC_BYTES], char out[MAC_TEXT])
{
	snprintf(out, MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	return out;
}

void mac_of_address(const struct address *address, unsigned char out[MAC_BYTES])
{
	size_t size = address_size(address);

	out[0] = 0x02;
	out[1] = address->family == AF_INET ? 0x42 : 0x43;
	memcpy(out + 2, address->bytes + size - 4, 4);
}

/* ---- pools ---- */

bool pool_allows(const struct pool *pool, const struct address *address)
{
	const unsigned int host_bits = address_bits(&pool->subnet.address) - pool->subnet.bits;
	struct address first, last;

	if (!prefix_has(&pool->subnet, address) || address_equal(address, &pool->gateway))
		return false;
	/* A network of two addresses or one has no room for addresses of its own (RFC 3021, RFC 6164). */
	if (host_bits < 2)
		return true;
	prefix_first(&pool->subnet, &first);
	prefix_last(&pool->subnet, &last);
	return !address_equal(address, &first) && (address->family == AF_INET6 || !address_equal(address, &last));
}

/* From @from to @to, both included. */
static bool search(const struct pool *pool, struct address from, const struct address *to, const struct address *taken, size_t n,
		   struct address *out)
{
	size_t low = 0, high = n;

	/* Of those taken, the first that is not below. */
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (address_compare(&taken[middle], &from) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; address_compare(&from, to) <= 0;) {
		if (low < n && address_equal(&taken[low], &from)) {
			low++;
		} else if (pool_allows(pool, &from)) {
			*out = from;
			return true;
		}
		if (!address_next(&from))
			return false;
	}
	return false;
}

bool pool_next(const struct pool *pool, const struct address *taken, size_t n, struct address *out)
{
	struct address first, last, from = pool->after;

	prefix_first(&pool->range, &first);
	prefix_last(&pool->range, &last);
	if (prefix_has(&pool->range, &pool->after) && address_next(&from) && search(pool, from, &last, taken, n, out))
		return true;
	if (!prefix_has(&pool->range, &pool->after))
		return search(pool, first, &last, taken, n, out);
	return search(pool, first, &pool->after, taken, n, out);
}
