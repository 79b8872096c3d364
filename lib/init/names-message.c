/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * DNS messages. They come from containers and from servers, and are believed in nothing: every read is checked against the end of the
 * message, a question's name has no pointers, and what is not a query is not answered, so that two of us could never talk to each other
 * for ever.
 */
#include "init/names-message.h"

#include <string.h>

#define FLAG_QUERY_RESPONSE 0x80 /* of byte 2 */
#define FLAG_CUT 0x02
#define FLAG_RECURSION 0x01
#define OPCODE_BITS 0x78
#define FLAG_AVAILABLE 0x80 /* of byte 3 */
#define CODE_BITS 0x0f
#define OPT_BYTES 11
#define POINTER 0xc0
#define LABEL_MAX 63

static uint16_t get16(const unsigned char *at)
{
	return (uint16_t) (at[0] << 8 | at[1]);
}

static void put16(unsigned char *at, unsigned int value)
{
	at[0] = (unsigned char) (value >> 8);
	at[1] = (unsigned char) value;
}

static size_t length_of(const char *text)
{
	size_t n = 0;

	while (text[n])
		n++;
	return n;
}

static char lower(unsigned char c)
{
	return (char) (c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

uint16_t dns_id(const unsigned char *message)
{
	return get16(message);
}

void dns_set_id(unsigned char *message, uint16_t id)
{
	put16(message, id);
}

enum dns_code dns_code_of(const unsigned char *message)
{
	return (enum dns_code)(message[3] & CODE_BITS);
}

/* The question's name at @at: where it ends, or 0. */
static size_t read_name(const unsigned char *message, size_t size, size_t at, struct dns_query *out)
{
	size_t length = 0, begin = at;

	out->plain = true;
	while (at < size && message[at]) {
		size_t label = message[at++];

		if (label > LABEL_MAX || label >= size - at || at + label + 1 - begin > DNS_NAME_BYTES)
			return 0;
		if (length)
			out->name[length++] = '.';
		for (size_t i = 0; i < label; i++) {
			char c = lower(message[at + i]);

			out->plain = out->plain && c > ' ' && c < 0x7f && c != '.';
			out->name[length++] = c;
		}
		at += label;
	}
	out->name[length] = 0;
	return at < size ? at + 1 : 0;
}

/* Past a name that may end in a pointer; 0 beyond the end. */
static size_t skip_name(const unsigned char *message, size_t size, size_t at)
{
	while (at < size) {
		unsigned int label = message[at++];

		if (!label)
			return at;
		if (label >= POINTER)
			return at < size ? at + 1 : 0;
		if (label > LABEL_MAX)
			return 0;
		at += label;
	}
	return 0;
}

/* Records after the question: of them only OPT is of interest. False where they do not fit into the message. */
static bool read_records(struct dns_query *query)
{
	const unsigned char *message = query->message;
	unsigned int count = (unsigned int) get16(message + 6) + get16(message + 8) + get16(message + 10);
	size_t at = query->question_end;

	for (; count; count--) {
		at = skip_name(message, query->size, at);
		if (!at || query->size - at < 10)
			return false;
		if (get16(message + at) == DNS_OPT) {
			query->edns = true;
			query->opt = at + 2;
			query->udp_size = get16(message + at + 2);
			query->version = message[at + 5];
		}
		if (query->size - at - 10 < get16(message + at + 8))
			return false;
		at += 10 + (size_t) get16(message + at + 8);
	}
	return true;
}

int dns_query_read(const unsigned char *message, size_t size, struct dns_query *out)
{
	size_t at;

	if (size < DNS_HEADER || size > DNS_MESSAGE_BYTES || (message[2] & FLAG_QUERY_RESPONSE))
		return -1;
	out->message = message;
	out->size = size;
	out->question_end = DNS_HEADER;
	out->type = out->class = 0;
	out->name[0] = 0;
	out->plain = out->edns = false;
	out->udp_size = DNS_UDP_BYTES;
	out->version = 0;
	out->opt = 0;
	if (message[2] & OPCODE_BITS)
		return DNS_NOT_IMPLEMENTED;
	if (get16(message + 4) != 1)
		return DNS_FORMAT;
	at = read_name(message, size, DNS_HEADER, out);
	if (!at || size - at < 4)
		return DNS_FORMAT;
	out->type = get16(message + at);
	out->class = get16(message + at + 2);
	out->question_end = at + 4;
	if (!read_records(out))
		return DNS_FORMAT;
	return out->version ? DNS_BAD_VERSION : DNS_OK;
}

size_t dns_query_limit(const struct dns_query *query)
{
	if (!query->edns || query->udp_size < DNS_UDP_BYTES)
		return DNS_UDP_BYTES;
	return query->udp_size < DNS_UDP_BYTES_OURS ? query->udp_size : DNS_UDP_BYTES_OURS;
}

/* ---- reverse names ---- */

static bool ends_with(const char *name, size_t size, const char *end)
{
	size_t n = length_of(end);

	return size > n && memcmp(name + size - n, end, n) == 0;
}

static size_t reverse4(const char *name, size_t size, unsigned char out[16])
{
	size_t at = 0;

	for (int i = 3; i >= 0; i--) {
		unsigned int number = 0, digits = 0;

		for (; at < size && name[at] >= '0' && name[at] <= '9' && digits < 4; at++, digits++)
			number = number * 10 + (unsigned int) (name[at] - '0');
		if (!digits || digits > 3 || number > 255 || at >= size || name[at++] != '.')
			return 0;
		out[i] = (unsigned char) number;
	}
	return at == size ? 4 : 0;
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static size_t reverse6(const char *name, size_t size, unsigned char out[16])
{
	if (size != 64)
		return 0;
	for (size_t i = 0; i < 16; i++) {
		int low = digit(name[4 * i]), high = digit(name[4 * i + 2]);

		if (low < 0 || high < 0 || name[4 * i + 1] != '.' || name[4 * i + 3] != '.')
			return 0;
		out[15 - i] = (unsigned char) (high << 4 | low);
	}
	return 16;
}

size_t dns_reverse(const char *name, unsigned char out[16])
{
	static const char end4[] = "in-addr.arpa", end6[] = "ip6.arpa";
	size_t size = length_of(name);

	if (ends_with(name, size, end4))
		return reverse4(name, size - length_of(end4), out);
	if (ends_with(name, size, end6))
		return reverse6(name, size - length_of(end6), out);
	return 0;
}

/* ---- answers ---- */

void dns_reply_begin(struct dns_reply *reply, const struct dns_query *query, unsigned char *bytes, size_t max)
{
	*reply = (struct dns_reply){ .bytes = bytes, .size = query->question_end, .max = max };
	/* A question that could not be read is not repeated. */
	memcpy(bytes, query->message, query->question_end);
	memset(bytes + 2, 0, DNS_HEADER - 2);
	bytes[2] = (unsigned char) (FLAG_QUERY_RESPONSE | (query->message[2] & (OPCODE_BITS | FLAG_RECURSION)));
	bytes[3] = FLAG_AVAILABLE;
	put16(bytes + 4, query->question_end > DNS_HEADER);
	if (query->edns)
		reply->max -= OPT_BYTES;
}

/* A record of the question's name, with room for @size bytes of data; NULL where it does not fit. */
static unsigned char *add_record(struct dns_reply *reply, enum dns_type type, size_t size)
{
	unsigned char *at = reply->bytes + reply->size;

	if (reply->cut || reply->max - reply->size < 12 + size || reply->answers == UINT16_MAX) {
		reply->cut = true;
		return NULL;
	}
	put16(at, POINTER << 8 | DNS_HEADER);
	put16(at + 2, type);
	put16(at + 4, DNS_IN);
	put16(at + 6, 0);
	put16(at + 8, DNS_TTL);
	put16(at + 10, (unsigned int) size);
	reply->size += 12 + size;
	reply->answers++;
	return at + 12;
}

void dns_reply_address(struct dns_reply *reply, const unsigned char *address, size_t size)
{
	unsigned char *at = add_record(reply, size == 4 ? DNS_A : DNS_AAAA, size);

	if (at)
		memcpy(at, address, size);
}

/* Labels of @text; the new size, or 0 where it is none. */
static size_t write_labels(unsigned char *out, size_t size, const char *text)
{
	while (*text) {
		size_t label = 0;

		while (text[label] && text[label] != '.')
			label++;
		if (!label || label > LABEL_MAX || size + label + 2 > DNS_NAME_BYTES)
			return 0;
		out[size++] = (unsigned char) label;
		memcpy(out + size, text, label);
		size += label;
		text += label + (text[label] == '.');
	}
	return size;
}

void dns_reply_name(struct dns_reply *reply, const char *host, const char *network)
{
	unsigned char name[DNS_NAME_BYTES + 1], *at;
	size_t size = write_labels(name, 0, host);

	size = size ? write_labels(name, size, network) : 0;
	if (!size)
		return;
	name[size++] = 0;
	at = add_record(reply, DNS_PTR, size);
	if (at)
		memcpy(at, name, size);
}

size_t dns_reply_end(struct dns_reply *reply, const struct dns_query *query, enum dns_code code)
{
	unsigned char *bytes = reply->bytes, *at = bytes + reply->size;

	if (reply->cut)
		bytes[2] |= FLAG_CUT;
	bytes[3] = (unsigned char) (bytes[3] | (code & CODE_BITS));
	put16(bytes + 6, reply->answers);
	if (!query->edns)
		return reply->size;
	memset(at, 0, OPT_BYTES);
	put16(at + 1, DNS_OPT);
	put16(at + 3, DNS_UDP_BYTES_OUT);
	at[5] = (unsigned char) (code >> 4);
	put16(bytes + 10, 1);
	return reply->size += OPT_BYTES;
}

/* ---- the replies of others ---- */

bool dns_reply_fits(const unsigned char *query, size_t question_end, const unsigned char *reply, size_t size)
{
	if (size < DNS_HEADER || !(reply[2] & FLAG_QUERY_RESPONSE) || get16(reply) != get16(query))
		return false;
	/* Some repeat no question when they refuse: that is good for nothing but going on to the next server. */
	if (get16(reply + 4) == 0)
		return dns_code_of(reply) != DNS_OK && dns_code_of(reply) != DNS_NO_NAME;
	if (get16(reply + 4) != 1 || size < question_end)
		return false;
	for (size_t i = DNS_HEADER; i < question_end; i++)
		if (lower(reply[i]) != lower(query[i]))
			return false;
	return true;
}

size_t dns_reply_cut(unsigned char *reply, size_t size, size_t question_end, size_t limit)
{
	if (size <= limit)
		return size;
	reply[2] |= FLAG_CUT;
	memset(reply + 6, 0, 6);
	if (get16(reply + 4) == 0)
		question_end = DNS_HEADER;
	return question_end;
}
