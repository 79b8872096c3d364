/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the responder answers: the helper's own files, built here for the host, with records that the library makes. */
#include "unit/unit.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "init/names-answer.c"  /* NOLINT */
#include "init/names-message.c" /* NOLINT */
#include "init/names-records.c" /* NOLINT */
#include "network/names.h"

void *names_memory(void *old, size_t old_size, size_t size)
{
	char *memory = realloc(old, size);

	if (memory)
		memset(memory + old_size, 0, size - old_size);
	return memory;
}

#define ID(c)                                                                                                                              \
	c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c
static struct network front = { .id = ID("1"), .name = "front" };
static struct network back = { .id = ID("2"), .name = "Back.Net", .flags = NETWORK_INTERNAL };
static struct network bridge = { .id = ID("3"), .name = "bridge", .flags = NETWORK_BUILTIN };

static struct address address_of(const char *text)
{
	struct address address = { 0 };

	assert_true(!text || address_parse(text, &address));
	return address;
}

static const struct wire_names *serve(const char *id, const char *name, struct endpoint *endpoints, size_t n, const char *server,
				      const char *ndots)
{
	struct attachment attachment = { .name = name, .endpoints = endpoints, .n_endpoints = n };
	const struct resolv resolv = { .servers = &server, .n_servers = server != NULL };
	const struct resolv_wish wish = { .options = &ndots, .n_options = ndots != NULL };
	struct str record = { 0 };
	int place;

	memcpy(attachment.id, id, sizeof(attachment.id));
	assert_int_equal(names_record(&attachment, &resolv, &wish, "box", &record, NULL), 0);
	assert_true(names_record_valid(record.data, record.size));
	place = names_place(id, true);
	assert_true(place >= 0);
	assert_int_equal(names_put((unsigned int) place, (const void *) record.data), 0);
	str_done(&record);
	return names_clients[place].record;
}

static const struct wire_names *web, *db, *other, *lone;

static int set_up(void **state)
{
	static const char *web_aliases[] = { "Shared", "WEB", "shared" }, *db_aliases[] = { "shared", "db.local", "db.front" };
	static struct endpoint_link links[] = { { "web", "frontend" }, { ID("a"), "byid" } };
	struct endpoint of_web[] = {
		{ .network = &front, .ip4 = address_of("10.1.0.2"), .ip6 = address_of("fd00::2"), .aliases = web_aliases, .n_aliases = 3 },
		{ .network = &bridge, .ip4 = address_of("172.17.0.2") }
	};
	struct endpoint of_db[] = {
		{ .network = &front, .ip4 = address_of("10.1.0.3"), .aliases = db_aliases, .n_aliases = 3, .links = links, .n_links = 2 },
		{ .network = &back, .ip4 = address_of("10.2.0.3") }
	};
	struct endpoint of_other[] = { { .network = &back, .ip6 = address_of("fd02::4") } };

	(void) state;
	web = serve(ID("a"), "Web", of_web, 2, "192.0.2.1", NULL);
	db = serve(ID("b"), "db", of_db, 2, "192.0.2.1", "ndots:2");
	other = serve(ID("c"), "other", of_other, 1, "192.0.2.1", NULL);
	lone = serve(ID("d"), "lone", of_other, 1, NULL, NULL);
	return 0;
}

/* ---- asking ---- */

static unsigned char question[600], reply[65535];

static size_t ask_for(const char *name, unsigned int type, unsigned int edns)
{
	unsigned char *at = question + DNS_HEADER;

	memset(question, 0, sizeof(question));
	question[1] = 7;
	question[2] = 1; /* recursion desired */
	question[5] = 1;
	while (*name) {
		size_t n = strcspn(name, ".");

		*at++ = (unsigned char) n;
		memcpy(at, name, n);
		at += n;
		name += n + (name[n] == '.');
	}
	at++;
	at[1] = (unsigned char) type;
	at[3] = 1;
	at += 4;
	if (edns) {
		question[11] = 1;
		at[2] = 41;
		at[3] = (unsigned char) (edns >> 8);
		at[4] = (unsigned char) edns;
		at += 11;
	}
	return (size_t) (at - question);
}

static char text[4096];

/* The answer in words: "10.1.0.2 10.1.0.3", "NODATA", "ASK", "CODE 2", "IGNORE". */
static const char *answer_to(const struct wire_names *client, size_t size, size_t room)
{
	struct dns_query query;
	size_t reply_size = 0, at;
	unsigned int answers;

	text[0] = 0;
	switch (names_answer(client, question, size, &query, reply, room, &reply_size)) {
	case NAMES_IGNORE:
		return "IGNORE";
	case NAMES_ASK:
		return "ASK";
	case NAMES_ANSWER:
		break;
	}
	assert_true(reply_size <= room && reply_size >= DNS_HEADER);
	assert_int_equal(dns_id(reply), dns_id(question));
	assert_true(reply[2] & 0x80);
	assert_true(reply[3] & 0x80);
	if (reply[3] & 15) {
		snprintf(text, sizeof(text), "CODE %d", reply[3] & 15);
		return text;
	}
	answers = (unsigned int) (reply[6] << 8 | reply[7]);
	at = query.question_end;
	for (; answers; answers--) {
		size_t n = (size_t) (reply[at + 10] << 8 | reply[at + 11]);
		char one[256] = "";

		assert_int_equal(reply[at + 8] << 8 | reply[at + 9], 600);
		if (reply[at + 3] == 12)
			for (size_t i = at + 12; reply[i]; i += reply[i] + 1U)
				snprintf(one + strlen(one), sizeof(one) - strlen(one), "%s%.*s", *one ? "." : "", reply[i],
					 (char *) reply + i + 1);
		else
			inet_ntop(n == 4 ? AF_INET : AF_INET6, reply + at + 12, one, sizeof(one));
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", *text ? " " : "", one);
		at += 12 + n;
	}
	if (reply[2] & 2)
		strcat(text, " CUT");
	return *text ? text : "NODATA";
}

static const char *ask(const struct wire_names *client, const char *name, unsigned int type)
{
	return answer_to(client, ask_for(name, type, 0), 512);
}

static void test_names(void **state)
{
	(void) state;
	assert_string_equal(ask(web, "db", DNS_A), "10.1.0.3");
	assert_string_equal(ask(web, "web", DNS_A), "10.1.0.2");
	assert_string_equal(ask(web, "WEB", DNS_A), "10.1.0.2");
	assert_string_equal(ask(web, "bbbbbbbbbbbb", DNS_A), "10.1.0.3");
	assert_string_equal(ask(web, ID("b"), DNS_A), "CODE 1"); /* no label is that long */
	assert_string_equal(ask(web, "db.front", DNS_A), "10.1.0.3");
	assert_string_equal(ask(web, "db.local", DNS_A), "10.1.0.3");
	assert_string_equal(ask(web, "db.local.front", DNS_A), "10.1.0.3");
	assert_string_equal(ask(db, "other.back.net", DNS_AAAA), "fd02::4");
	/* Not its network. */
	assert_string_equal(ask(web, "other", DNS_A), "ASK");
	assert_string_equal(ask(web, "db.back.net", DNS_A), "ASK");
	assert_string_equal(ask(web, "db.other", DNS_A), "ASK");
	assert_string_equal(ask(other, "web", DNS_A), "CODE 2");
	assert_string_equal(ask(other, "db", DNS_A), "10.2.0.3");
	assert_string_equal(ask(web, "", DNS_A), "ASK");
}

static void test_types(void **state)
{
	(void) state;
	assert_string_equal(ask(web, "web", DNS_AAAA), "fd00::2");
	/* It is there, without such an address: nobody outside is asked. */
	assert_string_equal(ask(web, "db", DNS_AAAA), "NODATA");
	assert_string_equal(ask(db, "other", DNS_A), "NODATA");
	assert_string_equal(ask(web, "db", 16), "NODATA");
	assert_string_equal(ask(web, "db", 15), "NODATA");
	assert_string_equal(ask(web, "web", DNS_ANY), "10.1.0.2 fd00::2");
	assert_string_equal(ask(web, "example.org", 16), "ASK");
}

static void test_round_robin(void **state)
{
	unsigned int first[2] = { 0 };

	(void) state;
	for (int i = 0; i < 10; i++) {
		const char *answer = ask(web, "shared", DNS_A);

		if (strcmp(answer, "10.1.0.2 10.1.0.3") == 0)
			first[0]++;
		else if (strcmp(answer, "10.1.0.3 10.1.0.2") == 0)
			first[1]++;
	}
	assert_int_equal(first[0], 5);
	assert_int_equal(first[1], 5);
}

static void test_links(void **state)
{
	(void) state;
	assert_string_equal(ask(db, "frontend", DNS_A), "10.1.0.2");
	assert_string_equal(ask(db, "frontend", DNS_AAAA), "fd00::2");
	assert_string_equal(ask(db, "byid", DNS_A), "10.1.0.2");
	assert_string_equal(ask(web, "frontend", DNS_A), "ASK");
}

static void test_reverse(void **state)
{
	(void) state;
	assert_string_equal(ask(web, "3.0.1.10.in-addr.arpa", DNS_PTR), "db.front");
	assert_string_equal(ask(db, "3.0.2.10.in-addr.arpa", DNS_PTR), "db.back.net");
	assert_string_equal(ask(web, "3.0.1.10.IN-ADDR.ARPA", DNS_A), "NODATA");
	assert_string_equal(ask(web, "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa", DNS_PTR), "web.front");
	assert_string_equal(ask(web, "3.0.2.10.in-addr.arpa", DNS_PTR), "ASK");
	assert_string_equal(ask(web, "2.0.17.172.in-addr.arpa", DNS_PTR), "ASK"); /* the default bridge has no names */
	assert_string_equal(ask(web, "0.1.10.in-addr.arpa", DNS_PTR), "ASK");
	assert_string_equal(ask(web, "999.0.1.10.in-addr.arpa", DNS_PTR), "ASK");
}

static void test_outside(void **state)
{
	(void) state;
	assert_string_equal(ask(web, "nobody", DNS_A), "ASK");
	/* With dots counted by the user, a short name is the client's to complete. */
	assert_string_equal(ask(db, "nobody", DNS_A), "NODATA");
	assert_string_equal(ask(db, "nobody.example.org", DNS_A), "ASK");
	/* Only internal networks, and no server at all. */
	assert_string_equal(ask(other, "example.org", DNS_A), "CODE 2");
	assert_string_equal(ask(lone, "example.org", DNS_A), "CODE 2");
}

static void test_edns(void **state)
{
	size_t size;

	(void) state;
	assert_string_equal(answer_to(web, ask_for("web", DNS_A, 1400), 512), "10.1.0.2");
	assert_int_equal(reply[11], 1);
	size = ask_for("web", DNS_A, 1400);
	question[size - 5] = 1; /* a version to come */
	assert_string_equal(answer_to(web, size, 512), "NODATA");
	assert_int_equal(reply[size - 6], 1); /* BADVERS: its upper bits */
	size = ask_for("web", DNS_A, 1400);
	question[size - 1] = 4; /* options beyond the end */
	assert_string_equal(answer_to(web, size, 512), "CODE 1");
}

static void test_hostile(void **state)
{
	size_t size;

	(void) state;
	assert_string_equal(answer_to(web, 11, 512), "IGNORE");
	size = ask_for("web", DNS_A, 0);
	question[2] |= 0x80; /* a reply is never answered */
	assert_string_equal(answer_to(web, size, 512), "IGNORE");
	for (size_t cut = DNS_HEADER; cut < ask_for("web", DNS_A, 0); cut++)
		assert_string_equal(answer_to(web, cut, 512), "CODE 1");
	size = ask_for("web", DNS_A, 0);
	question[2] |= 0x28;
	assert_string_equal(answer_to(web, size, 512), "CODE 4");
	size = ask_for("web", DNS_A, 0);
	question[5] = 2;
	assert_string_equal(answer_to(web, size, 512), "CODE 1");
	size = ask_for("web", DNS_A, 0);
	question[DNS_HEADER] = 0xc0; /* a pointer to itself */
	question[DNS_HEADER + 1] = DNS_HEADER;
	assert_string_equal(answer_to(web, size, 512), "CODE 1");
	/* A label "a.b" is not the name a.b, nor is what has a NUL in it. */
	size = ask_for("db_front", DNS_A, 0);
	question[DNS_HEADER + 3] = '.';
	assert_string_equal(answer_to(web, size, 512), "ASK");
	question[DNS_HEADER + 3] = 0;
	assert_string_equal(answer_to(web, size, 512), "ASK");
	/* Another class than the Internet's. */
	size = ask_for("web", DNS_A, 0);
	question[size - 1] = 3;
	assert_string_equal(answer_to(web, size, 512), "ASK");
}

static void test_many(void **state)
{
	static const char *alias[] = { "crowd" };
	char id[65];
	const char *answer;

	(void) state;
	for (unsigned int i = 0; i < 300; i++) {
		struct endpoint endpoint = { .network = &front, .aliases = alias, .n_aliases = 1 };
		char number[16];

		snprintf(id, sizeof(id), "%064x", i + 1);
		snprintf(number, sizeof(number), "10.1.%u.%u", 1 + i / 200, i % 200);
		endpoint.ip4 = address_of(number);
		serve(id, "many", &endpoint, 1, NULL, NULL);
	}
	/* By UDP as many as fit, and the word that there are more. */
	answer = ask(web, "crowd", DNS_A);
	assert_non_null(strstr(answer, " CUT"));
	/* What fits is what the client takes, however large a datagram we could send. */
	assert_non_null(strstr(answer_to(web, ask_for("crowd", DNS_A, 0), DNS_UDP_BYTES_OURS), " CUT"));
	assert_int_equal(reply[6] << 8 | reply[7], (512 - 23) / 16);
	assert_non_null(strstr(answer_to(web, ask_for("crowd", DNS_A, 1400), DNS_UDP_BYTES_OURS), " CUT"));
	assert_int_equal(reply[6] << 8 | reply[7], (1400 - 23 - 11) / 16);
	answer = answer_to(web, ask_for("crowd", DNS_A, 0), sizeof(reply));
	assert_null(strstr(answer, "CUT"));
	assert_int_equal(reply[6] << 8 | reply[7], 300);
	for (unsigned int i = 0; i < 300; i++) {
		snprintf(id, sizeof(id), "%064x", i + 1);
		names_take((unsigned int) names_place(id, false));
	}
	assert_string_equal(ask(web, "crowd", DNS_A), "ASK");
	assert_int_equal(names_count, 4);
	assert_int_equal(names_top, 4);
}

static void test_replaced(void **state)
{
	struct endpoint endpoint = { .network = &front, .ip4 = address_of("10.1.0.99") };

	(void) state;
	lone = serve(ID("d"), "renamed", &endpoint, 1, NULL, NULL);
	assert_string_equal(ask(web, "renamed", DNS_A), "10.1.0.99");
	assert_string_equal(ask(web, "lone", DNS_A), "ASK");
	assert_string_equal(ask(lone, "web", DNS_A), "10.1.0.2");
}

static void test_records(void **state)
{
	struct endpoint endpoint = { .network = &front, .ip4 = address_of("10.1.0.99") };
	struct attachment attachment = { .name = "x", .endpoints = &endpoint, .n_endpoints = 1, .id = ID("e") };
	const char *server = "fe80::1%lo";
	const struct resolv resolv = { .servers = &server, .n_servers = 1 };
	const struct resolv_wish wish = { .n_options = 0 };
	struct str record = { 0 };
	struct wire_names *head;

	(void) state;
	assert_int_equal(names_record(&attachment, &resolv, &wish, "box", &record, NULL), 0);
	head = (void *) record.data;
	assert_int_equal(names_servers(head)->scope, 1);
	assert_int_equal(names_servers(head)->family, AF_INET6);
	for (size_t i = 0; i < record.size; i++)
		assert_false(names_record_valid(record.data, i));
	/* No word of it may be made larger without being found out, or without harm. */
	for (size_t i = 0; i + 4 <= sizeof(*head) - sizeof(head->id); i += 4) {
		uint32_t *word = (uint32_t *) (void *) (record.data + i), kept = *word;

		*word = 0x7fffffff;
		if (i != 8) /* flags */
			assert_false(names_record_valid(record.data, record.size));
		*word = kept;
	}
	record.data[record.size - 1] = 'x';
	assert_false(names_record_valid(record.data, record.size));
	str_done(&record);
}

/* ---- the replies of servers ---- */

static void test_fitting(void **state)
{
	unsigned char query[600];
	size_t size = ask_for("Example.org", DNS_A, 0), end = size;

	(void) state;
	memcpy(query, question, size);
	question[2] |= 0x80;
	assert_true(dns_reply_fits(query, end, question, size));
	question[13] ^= 0x20; /* another case */
	assert_true(dns_reply_fits(query, end, question, size));
	question[1]++;
	assert_false(dns_reply_fits(query, end, question, size));
	question[1]--;
	question[14]++;
	assert_false(dns_reply_fits(query, end, question, size));
	question[14]--;
	assert_false(dns_reply_fits(query, end, question, size - 1));
	assert_false(dns_reply_fits(query, end, question, 11));
	question[2] &= 0x7f;
	assert_false(dns_reply_fits(query, end, question, size));
	question[2] |= 0x80;
	question[5] = 0; /* no question: only a refusal may do that */
	assert_false(dns_reply_fits(query, end, question, DNS_HEADER));
	question[3] |= DNS_REFUSED;
	assert_true(dns_reply_fits(query, end, question, DNS_HEADER));
}

static void test_cutting(void **state)
{
	static unsigned char large[2000];
	size_t end = ask_for("example.org", DNS_A, 0);

	(void) state;
	memcpy(large, question, end);
	large[2] |= 0x80;
	large[7] = 100;
	assert_int_equal(dns_reply_cut(large, 512, end, 512), 512);
	assert_int_equal(large[2] & 2, 0);
	assert_int_equal(dns_reply_cut(large, 2000, end, 512), end);
	assert_int_equal(large[2] & 2, 2);
	assert_int_equal(large[7], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),    cmocka_unit_test(test_types),   cmocka_unit_test(test_round_robin),
		cmocka_unit_test(test_links),    cmocka_unit_test(test_reverse), cmocka_unit_test(test_outside),
		cmocka_unit_test(test_edns),     cmocka_unit_test(test_hostile), cmocka_unit_test(test_many),
		cmocka_unit_test(test_replaced), cmocka_unit_test(test_records), cmocka_unit_test(test_fitting),
		cmocka_unit_test(test_cutting),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
