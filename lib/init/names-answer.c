/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a question gets from us. The rules are Docker's:
 *
 * 1. A name that the container sees is answered here, whatever is asked: its addresses, or nothing (NOERROR) where it has none of the
 *    kind. So IPv6 is never asked for outside, and no name of ours leaves the host.
 * 2. Other names are for the servers; where there are none (internal networks) they are SERVFAIL.
 * 3. With several addresses each answer begins with another one.
 */
#include "init/names-answer.h"

static struct names_found found;

size_t names_refuse(const struct dns_query *query, enum dns_code code, unsigned char *out, size_t room)
{
	struct dns_reply reply;

	dns_reply_begin(&reply, query, out, room);
	return dns_reply_end(&reply, query, code);
}

static void add_addresses(struct dns_reply *reply, size_t size)
{
	static unsigned int turn;
	unsigned int first = found.count ? turn++ % found.count : 0;

	for (unsigned int i = 0; i < found.count; i++)
		dns_reply_address(reply, found.address[(first + i) % found.count], size);
}

/* False where the name is not ours. */
static bool answer_name(const struct wire_names *client, const struct dns_query *query, struct dns_reply *reply)
{
	bool exists;

	names_find(client, query->name, query->type == DNS_AAAA ? WIRE_NAMES_IP6 : WIRE_NAMES_IP4, &found);
	exists = found.exists;
	if (!exists)
		return false;
	if (query->type == DNS_A || query->type == DNS_AAAA)
		add_addresses(reply, query->type == DNS_AAAA ? 16 : 4);
	if (query->type != DNS_ANY)
		return true;
	add_addresses(reply, 4);
	names_find(client, query->name, WIRE_NAMES_IP6, &found);
	add_addresses(reply, 16);
	return true;
}

static bool answer_address(const struct wire_names *client, const struct dns_query *query, struct dns_reply *reply)
{
	const char *host, *network;
	unsigned char address[16];
	size_t size = dns_reverse(query->name, address);

	if (!size || !names_reverse(client, address, size, &host, &network))
		return false;
	if (query->type == DNS_PTR || query->type == DNS_ANY)
		dns_reply_name(reply, host, network);
	return true;
}

/* The user has said that such a name is not whole: the client shall complete it. */
static bool is_short(const struct wire_names *client, const struct dns_query *query)
{
	if (!(client->flags & WIRE_NAMES_NDOTS) || (query->type != DNS_A && query->type != DNS_AAAA) || !query->name[0])
		return false;
	for (const char *at = query->name; *at; at++)
		if (*at == '.')
			return false;
	return true;
}

enum names_verdict names_answer(const struct wire_names *client, const unsigned char *message, size_t message_size, struct dns_query *query,
				unsigned char *out, size_t room, size_t *size)
{
	int code = dns_query_read(message, message_size, query);
	struct dns_reply reply;

	if (code < 0)
		return NAMES_IGNORE;
	if (room < DNS_MESSAGE_BYTES && room > dns_query_limit(query))
		room = dns_query_limit(query);
	if (code == DNS_OK && query->plain && query->class == DNS_IN) {
		dns_reply_begin(&reply, query, out, room);
		if (answer_name(client, query, &reply) || answer_address(client, query, &reply) || is_short(client, query)) {
			*size = dns_reply_end(&reply, query, DNS_OK);
			return NAMES_ANSWER;
		}
	}
	if (code == DNS_OK && client->n_servers && !(client->flags & WIRE_NAMES_NO_SERVERS))
		return NAMES_ASK;
	*size = names_refuse(query, code == DNS_OK ? DNS_FAILURE : (enum dns_code) code, out, room);
	return NAMES_ANSWER;
}
