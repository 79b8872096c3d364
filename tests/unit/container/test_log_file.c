/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Entries of a log, and files of them read from either end: what is torn or garbage is skipped and harms nothing beside it. */
#include "unit.h"

#include <sys/mman.h>

#include <scow/log.h>

#include "container/log-file.h"

static struct log_entry parse(const char *text, char *room)
{
	struct log_entry entry = { 0 };
	size_t size = strlen(text);

	memcpy(room, text, size);
	if (!log_parse(room, size, &entry))
		entry.stream = -1;
	return entry;
}

static void test_entries(void **state)
{
	char room[512];
	struct log_entry e;

	(void) state;
	e = parse("{\"log\":\"hello\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05.678Z\"}", room);
	assert_int_equal(e.stream, SCOW_STDOUT);
	assert_int_equal(e.size, 6);
	assert_memory_equal(e.data, "hello\n", 6);
	assert_int_equal(e.time_ns, 1767323045678000000);
	/* Other order, others beside it, blanks. */
	e = parse(" { \"attrs\" : {\"a\":[1,true,\"}\"],\"b\":null} , \"time\":\"2026-01-02T04:04:05+01:00\", "
		  "\"stream\":\"stderr\",\"log\":\"\"}",
		  room);
	assert_int_equal(e.stream, SCOW_STDERR);
	assert_int_equal(e.size, 0);
	assert_int_equal(e.time_ns, 1767323045000000000);
	e = parse("{\"log\":\"\\\"\\\\\\/"
		  "\\b\\f\\n\\r\\t\\u0000\\u001b\\u00e9\\u20AC\\ud83d\\ude00\\ud83dx\\udc00\xff\",\"stream\":\"stdout\","
		  "\"time\":\"1970-01-01T00:00:00.000000001Z\"}",
		  room);
	assert_int_equal(e.stream, SCOW_STDOUT);
	assert_int_equal(e.time_ns, 1);
	assert_int_equal(e.size, 8 + 2 + 2 + 3 + 4 + 3 + 1 + 3 + 1);
	assert_memory_equal(e.data, "\"\\/\b\f\n\r\t\0\x1b\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbf\xbdx\xef\xbf\xbd\xff", e.size);
}

static void test_garbage(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"{}",
		"x",
		"[]",
		"null",
		"{\"log\":\"a\",\"stream\":\"stdout\"}",
		"{\"log\":\"a\",\"stream\":\"stdin\",\"time\":\"2026-01-02T03:04:05Z\"}",
		"{\"log\":1,\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05Z\"}",
		"{\"log\":\"a\\\",\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05Z\"}",
		"{\"log\":\"a\\x\",\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05Z\"}",
		"{\"log\":\"a\\u12\",\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05Z\"}",
		"{\"log\":\"a\",\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05Z\"",
		"{\"log\":\"a\",\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05Z\"}}",
		"{\"log\":\"a\",\"stream\":\"stdout\",\"time\":\"2026-13-02T03:04:05Z\"}",
		"{\"log\":\"a\",\"stream\":\"stdout\",\"time\":\"2026-01-02 03:04:05Z\"}",
		"{\"log\":\"a\",\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05.1X\"}",
		"{\"log\":\"a\",\"x\":,\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05Z\"}",
		"{\"log\":\"a\",\"x\":[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]],\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05Z\"}",
		"ream\":\"stdout\",\"time\":\"2026-01-02T03:04:05Z\"}",
	};
	char room[512];

	(void) state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (parse(bad[i], room).stream != -1)
			fail_msg("passes for an entry: %s", bad[i]);
}

static void test_times(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} good[] = {
		{ "1970-01-01T00:00:00Z", 0 },         { "1969-12-31T23:59:59Z", -1 },
		{ "2000-02-29T00:00:00Z", 951782400 }, { "2026-11-24T21:38:49-05:30", 1795576129 },
		{ "2100-03-01T00:00:00", 4107542400 },
	};
	int64_t ns;

	(void) state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_true(log_parse_time(good[i].text, strlen(good[i].text), &ns));
		assert_int_equal(ns, good[i].seconds * 1000000000);
	}
	assert_true(log_parse_time("1970-01-01T00:00:00.1234567891Z", 31, &ns));
	assert_int_equal(ns, 123456789);
	assert_false(log_parse_time("9999-01-01T00:00:00Z", 20, &ns));
}

/* ---- files ---- */

static void put(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void put_entry(int fd, int number, const char *stream)
{
	char line[128];

	snprintf(line, sizeof(line), "{\"log\":\"%d\\n\",\"stream\":\"%s\",\"time\":\"1970-01-01T00:00:00.%09dZ\"}\n", number, stream,
		 number);
	put(fd, line);
}

/* The entries from @start on, as "1 2 3 ". */
static char *read_from(int fd, off_t start, bool rest)
{
	static char out[65536];
	struct log_lines lines = { 0 };
	struct log_entry entry;
	size_t size, at = 0;
	ssize_t n;
	char *line;

	out[0] = 0;
	do {
		n = log_lines_fill(&lines, fd, &start, INT64_MAX, NULL);
		assert_true(n >= 0);
		while ((line = log_lines_next(&lines, &size)) || (n == 0 && rest && (line = log_lines_rest(&lines, &size))))
			if (log_parse(line, size, &entry))
				at += (size_t) snprintf(out + at, sizeof(out) - at, "%.*s ", (int) entry.size - 1, entry.data);
	} while (n > 0);
	log_lines_done(&lines);
	return out;
}

static char *tail_of(int fd, const struct log_wish *wish, int64_t count)
{
	int64_t left = count;
	off_t start;

	assert_int_equal(log_find_tail(fd, lseek(fd, 0, SEEK_END), wish, &left, &start, NULL), 0);
	return read_from(fd, start, true);
}

static void test_tail(void **state)
{
	struct log_wish all = { 0 }, errors = { .flags = SCOW_LOG_NO_STDOUT }, early = { .until = 3 };
	int fd = memfd_create("log", MFD_CLOEXEC);

	(void) state;
	assert_string_equal(tail_of(fd, &all, 3), "");
	for (int i = 1; i <= 5; i++)
		put_entry(fd, i, i % 2 ? "stdout" : "stderr");
	assert_string_equal(tail_of(fd, &all, 3), "3 4 5 ");
	assert_string_equal(tail_of(fd, &all, 5), "1 2 3 4 5 ");
	assert_string_equal(tail_of(fd, &all, 99), "1 2 3 4 5 ");
	/* Counted after filtering: what else is there is for the reader to drop. */
	assert_string_equal(tail_of(fd, &errors, 2), "2 3 4 5 ");
	assert_string_equal(tail_of(fd, &early, 1), "2 3 4 5 ");
	put(fd, "\n\ngarbage\n");
	put_entry(fd, 6, "stdout");
	put(fd, "{\"log\":\"torn");
	assert_string_equal(tail_of(fd, &all, 2), "5 6 ");
	close(fd);
}

static void test_garbage_without_end(void **state)
{
	struct log_wish all = { 0 };
	int fd = memfd_create("log", MFD_CLOEXEC);

	(void) state;
	put_entry(fd, 1, "stdout");
	for (int i = 0; i < 2000; i++)
		put(fd, "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
			"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
			"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789");
	put(fd, "\n");
	put_entry(fd, 2, "stdout");
	assert_string_equal(read_from(fd, 0, false), "1 2 ");
	assert_string_equal(tail_of(fd, &all, 1), "2 ");
	assert_string_equal(tail_of(fd, &all, 2), "1 2 ");
	close(fd);
}

/* Every length of the file, as a crash might leave it: whole entries are found, from both ends. */
static void test_torn_anywhere(void **state)
{
	struct log_wish all = { 0 };
	int fd = memfd_create("log", MFD_CLOEXEC);
	off_t size, ends[4] = { 0 };

	(void) state;
	for (int i = 1; i <= 3; i++) {
		put_entry(fd, i, "stdout");
		ends[i] = lseek(fd, 0, SEEK_END);
	}
	for (size = ends[3]; size >= 0; size--) {
		/* The newline may be missing. */
		const char *want = size >= ends[3] - 1 ? "1 2 3 " : size >= ends[2] - 1 ? "1 2 " : size >= ends[1] - 1 ? "1 " : "";
		off_t end;

		assert_int_equal(ftruncate(fd, size), 0);
		assert_string_equal(read_from(fd, 0, true), want);
		assert_string_equal(tail_of(fd, &all, 10), want);
		assert_int_equal(log_find_end(fd, size, &end, NULL), 0);
		assert_int_equal(end, size >= ends[3] ? ends[3] : size >= ends[2] ? ends[2] : size >= ends[1] ? ends[1] : 0);
	}
	close(fd);
}

static void test_blocks(void **state)
{
	struct log_wish all = { 0 };
	int fd = memfd_create("log", MFD_CLOEXEC);
	char want[64];

	(void) state;
	/* Longer than several blocks of either direction. */
	for (int i = 0; i < 10000; i++)
		put_entry(fd, i, "stdout");
	for (int count = 1; count < 10000; count = count * 3 + 1) {
		snprintf(want, sizeof(want), "%d ", 10000 - count);
		assert_memory_equal(tail_of(fd, &all, count), want, strlen(want));
	}
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_tail),
		cmocka_unit_test(test_garbage_without_end),
		cmocka_unit_test(test_torn_anywhere),
		cmocka_unit_test(test_blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
