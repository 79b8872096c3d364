/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* DNS messages (RFC 1035, 6891), read and written. Hosted code may use it as well: the unit test and the fuzzer do. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_HEADER 12
#define DNS_NAME_BYTES 255        /* on the wire */
#define DNS_MESSAGE_BYTES 65535
#define DNS_UDP_BYTES 512         /* what anybody takes */
#define DNS_UDP_BYTES_OURS 4096   /* what we send by loopback at most */
#define DNS_UDP_BYTES_OUT 1232    /* what we ask for from outside: in one piece on any path */
#define DNS_TTL 600               /* as Docker's */

enum dns_type { DNS_A = 1, DNS_PTR = 12, DNS_AAAA = 28, DNS_OPT = 41, DNS_ANY = 255 };
#define DNS_IN 1
enum dns_code { DNS_OK = 0, DNS_FORMAT = 1, DNS_FAILURE = 2, DNS_NO_NAME = 3, DNS_NOT_IMPLEMENTED = 4, DNS_REFUSED = 5, DNS_BAD_VERSION = 16 };

struct dns_query {
	const unsigned char *message;  /* borrowed */
	size_t size;
	size_t question_end;           /* DNS_HEADER where there is none */
	uint16_t type, class;
	char name[DNS_NAME_BYTES + 1]; /* lower case, no last dot; "" is the root */
	bool plain;                    /* the name has only bytes that a name of ours may have, so it is what @name says */
	bool edns;
	uint16_t udp_size;             /* that the client takes */
	uint8_t version;
	size_t opt;                    /* where the size is in the message */
};

/* DNS_OK: it is to be answered; another code: by this one; -1: not at all. */
int dns_query_read(const unsigned char *message, size_t size, struct dns_query *out);
/* How large an answer by UDP may be. */
size_t dns_query_limit(const struct dns_query *query);
/* "11.0.0.127.in-addr.arpa" and its like of IPv6: the number of address bytes in @out, or 0. */
size_t dns_reverse(const char *name, unsigned char out[16]);

/* An answer of our own, in a buffer of @max bytes, which has at least 512. */
struct dns_reply {
	unsigned char *bytes;
	size_t size, max;
	uint16_t answers;
	bool cut;
};
void dns_reply_begin(struct dns_reply *reply, const struct dns_query *query, unsigned char *bytes, size_t max);
void dns_reply_address(struct dns_reply *reply, const unsigned char *address, size_t size);
/* "web" and "backend": web.backend. */
void dns_reply_name(struct dns_reply *reply, const char *host, const char *network);
/* The size of the whole. */
size_t dns_reply_end(struct dns_reply *reply, const struct dns_query *query, enum dns_code code);

uint16_t dns_id(const unsigned char *message);
void dns_set_id(unsigned char *message, uint16_t id);
enum dns_code dns_code_of(const unsigned char *message);
/* That @reply is one to what was sent: its id and its question. */
bool dns_reply_fits(const unsigned char *query, size_t question_end, const unsigned char *reply, size_t size);
/* Somebody else's reply, for a client that takes @limit bytes: the size, cut to the question where it is larger. */
size_t dns_reply_cut(unsigned char *reply, size_t size, size_t question_end, size_t limit);
