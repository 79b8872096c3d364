/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What containers and servers send to the responder, and the records that it is given: the helper's own files, built here for the host.
 * The first byte says what the rest is.
 */
#include <stdlib.h>
#include <string.h>

#include "init/names-answer.c"  /* NOLINT */
#include "init/names-message.c" /* NOLINT */
#include "init/names-records.c" /* NOLINT */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

void *names_memory(void *old, size_t old_size, size_t size)
{
	char *memory = realloc(old, size);

	if (memory)
		memset(memory + old_size, 0, size - old_size);
	return memory;
}

static struct {
	struct wire_names head;
	struct wire_names_network networks[2];
	struct wire_names_name names[3];
	struct wire_names_link links[1];
	struct wire_names_server servers[1];
	char strings[40];
} record = {
	{ WIRE_NAMES_MAGIC, sizeof(record), 0, 2, 3, 1, 1, sizeof(record.strings), "0123456789abcdef" },
	{ { "one", 1, WIRE_NAMES_IP4 | WIRE_NAMES_IP6, { 10, 0, 0, 2 }, { 0xfd } }, { "two", 5, WIRE_NAMES_IP4, { 10, 0, 1, 2 }, { 0 } } },
	{ { 0, 9 }, { 1, 9 }, { 0, 13 } },
	{ { 0, 17, 9 } },
	{ { 2, 0, { 1 } } },
	"\0net\0lan\0web\0a.b\0link",
};

static void answer(const struct wire_names *client, const uint8_t *data, size_t size)
{
	unsigned char *message = malloc(size + 1), *out = malloc(512);
	struct dns_query query;
	size_t reply_size;

	if (message && out) {
		memcpy(message, data, size);
		switch (names_answer(client, message, size, &query, out, 512, &reply_size)) {
		case NAMES_ANSWER:
			if (reply_size < DNS_HEADER || reply_size > 512 || dns_query_read(out, reply_size, &query) >= 0)
				abort();
			break;
		case NAMES_ASK:
			if (query.question_end > size || (query.edns && query.opt + 2 > size))
				abort();
			break;
		case NAMES_IGNORE:
			break;
		}
	}
	free(message);
	free(out);
}

/* The first half is a question that was sent, the second the reply to it. */
static void fit(const uint8_t *data, size_t size)
{
	size_t half = size / 2;
	unsigned char *reply = malloc(size - half + 1);
	struct dns_query query;

	if (reply && dns_query_read(data, half, &query) == DNS_OK) {
		memcpy(reply, data + half, size - half);
		if (dns_reply_fits(data, query.question_end, reply, size - half) &&
		    dns_reply_cut(reply, size - half, query.question_end, DNS_UDP_BYTES) > (size - half > 512 ? 512 : size - half))
			abort();
	}
	free(reply);
}

static void use_record(const uint8_t *data, size_t size)
{
	static const unsigned char question[] = { 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, 'w', 'e', 'b', 3, 'n', 'e', 't', 0, 0, 255, 0, 1 };
	static const unsigned char address[] = { 10, 0, 0, 2 };
	const char *host, *network;
	void *copy = malloc(size + 1);

	if (copy) {
		memcpy(copy, data, size);
		if (names_record_valid(copy, size) && names_put(1, copy) == 0) {
			answer(names_clients[1].record, question, sizeof(question));
			answer(names_clients[0].record, question, sizeof(question));
			(void) names_reverse(names_clients[1].record, address, sizeof(address), &host, &network);
			names_take(1);
		}
	}
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!names_clients[0].record && names_put(0, &record.head) < 0)
		return 0;
	if (!size)
		return 0;
	if (data[0] % 3 == 0)
		answer(names_clients[0].record, data + 1, size - 1);
	else if (data[0] % 3 == 1)
		fit(data + 1, size - 1);
	else
		use_record(data + 1, size - 1);
	return 0;
}
