/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* IP addresses, prefixes, MAC addresses, and the arithmetic of pools. Nothing here knows a database or a kernel. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/error.h"

struct address {
	int family;              /* AF_INET, AF_INET6; 0: none */
	unsigned char bytes[16]; /* as on the wire; 4 or 16 of them count */
};

struct prefix {
	struct address address;
	unsigned int bits;
};

#define ADDRESS_TEXT 46
#define ADDRESS_HEX 33
#define PREFIX_TEXT 50
#define MAC_TEXT 18
#define MAC_BYTES 6

static inline size_t address_size(const struct address *address)
{
	return address->family == AF_INET ? 4 : address->family == AF_INET6 ? 16 : 0;
}
static inline unsigned int address_bits(const struct address *address)
{
	return (unsigned int) address_size(address) * 8;
}

/* The whole of @text; "::ffff:1.2.3.4" stays IPv6. */
bool address_parse(const char *text, struct address *out);
/* "" for none. Returns @out. */
char *address_format(const struct address *address, char out[ADDRESS_TEXT]);
/* Digits of a fixed number, so that text order is the order of addresses: what the database has. NULL for none. */
const char *address_hex(const struct address *address, char out[ADDRESS_HEX]);
bool address_from_hex(const char *hex, struct address *out); /* NULL and "": none, and true */
/* As memcmp; of one family. */
int address_compare(const struct address *a, const struct address *b);
bool address_equal(const struct address *a, const struct address *b); /* none equals none */
/* The next one; false after the last of all. */
bool address_next(struct address *address);
/* Adds @count from the right end; false where that is beyond the last of all. */
bool address_add(struct address *address, unsigned long long count);
bool address_is_link_local(const struct address *address);
bool address_is_loopback(const struct address *address);
bool address_is_any(const struct address *address);

/* "10.1.0.0/16". The bits after the prefix are kept as given: prefix_first() has them cut. */
bool prefix_parse(const char *text, struct prefix *out);
char *prefix_format(const struct prefix *prefix, char out[PREFIX_TEXT]);
void prefix_first(const struct prefix *prefix, struct address *out);
void prefix_last(const struct prefix *prefix, struct address *out);
bool prefix_has(const struct prefix *prefix, const struct address *address);
bool prefix_overlaps(const struct prefix *a, const struct prefix *b);

bool mac_parse(const char *text, unsigned char out[MAC_BYTES]);
char *mac_format(const unsigned char mac[MAC_BYTES], char out[MAC_TEXT]);
/* "02:42" and the IPv4 address, so that whoever had the address before cannot be remembered by another MAC; IPv6: from its end. */
void mac_of_address(const struct address *address, unsigned char out[MAC_BYTES]);

struct pool {
	struct prefix subnet;
	struct prefix range;     /* what is given without asking; as subnet where nobody said */
	struct address gateway;  /* the host's own; none for an internal macvlan */
	struct address after;    /* the one that was given last: the search goes on there */
};
/*
 * The first address of the range after @pool->after that @taken (sorted, of @n) does not have; begins again at the front once the end is
 * reached. Never the first of the subnet, nor IPv4's last (broadcast), nor the gateway. false: all are taken.
 */
bool pool_next(const struct pool *pool, const struct address *taken, size_t n, struct address *out);
/* That @address is one that a container may have. */
bool pool_allows(const struct pool *pool, const struct address *address);
