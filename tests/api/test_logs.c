/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading logs. The files are written here, as a supervisor writes them: what must be read is known to the byte, and rotation, torn
 * lines and ends happen when the test wants them to.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api_fixture.h"

#define LONG_MS 20000

/* A container that runs, and the directory in which its log will be. */
struct box {
	scow_container *container;
	scow_process *process;
	char dir[256];
};

static void box_start(struct box *box)
{
	SCOW_AUTO(scow_container_config) *config = shell_config("exec sleep 1000");
	SCOW_AUTO(scow_error) *error = NULL;

	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &box->container, &error), &error);
	expect_ok(scow_container_start(box->container, NULL, &box->process, &error), &error);
	snprintf(box->dir, sizeof(box->dir), "%s/containers/%s", fixture.root, scow_container_id(box->container));
}

static void box_end(struct box *box)
{
	SCOW_AUTO(scow_error) *error = NULL;
	int code;

	expect_ok(scow_container_kill(box->container, SIGKILL, &error), &error);
	expect_ok(scow_process_wait(box->process, LONG_MS, &code, &error), &error);
}

static void box_remove(struct box *box)
{
	SCOW_AUTO(scow_error) *error = NULL;

	expect_ok(scow_container_remove(box->container, SCOW_REMOVE_FORCE, &error), &error);
	scow_process_unref(box->process);
	scow_container_unref(box->container);
}

static int open_log(const struct box *box, const char *name, int flags)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", box->dir, name);
	fd = open(path, flags | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	return fd;
}

static void put_text(const struct box *box, const char *name, const char *text)
{
	int fd = open_log(box, name, O_CREAT | O_APPEND);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* Entry n was written at n seconds; even ones to stderr. */
static int format_entry(char out[160], int n)
{
	return snprintf(out, 160, "{\"log\":\"line %d\\n\",\"stream\":\"%s\",\"time\":\"1970-01-01T%02d:%02d:%02d.000000000Z\"}\n", n,
			n % 2 ? "stdout" : "stderr", n / 3600 % 24, n / 60 % 60, n % 60);
}

static void put_entries(const struct box *box, const char *name, int from, int to)
{
	int fd = open_log(box, name, O_CREAT | O_APPEND);
	char line[160];

	for (int n = from; n <= to; n++) {
		int size = format_entry(line, n);

		assert_int_equal(write(fd, line, (size_t) size), size);
	}
	close(fd);
}

static void rename_log(const struct box *box, const char *from, const char *to)
{
	char a[512], b[512];

	snprintf(a, sizeof(a), "%s/%s", box->dir, from);
	snprintf(b, sizeof(b), "%s/%s", box->dir, to);
	assert_true(rename(a, b) == 0 || errno == ENOENT);
}

/* What a reader got: the numbers of the lines. */
struct got {
	int *numbers;
	size_t count, room, stop_at;
	bool wrong;
};

static int collect(int stream, int64_t time_ns, const void *data, size_t size, void *userdata)
{
	struct got *got = userdata;
	char text[64] = "";
	int number = -1;

	if (size < sizeof(text))
		memcpy(text, data, size);
	if (sscanf(text, "line %d\n", &number) != 1 || stream != (number % 2 ? SCOW_STDOUT : SCOW_STDERR) ||
	    time_ns != number % 86400 * INT64_C(1000000000))
		got->wrong = true;
	if (got->count == got->room)
		got->numbers = realloc(got->numbers, (got->room = got->room * 2 + 64) * sizeof(*got->numbers));
	got->numbers[got->count++] = number;
	return got->count == got->stop_at ? 1 : 0;
}

static scow_log *open_reader(const struct box *box, unsigned int flags, int64_t since, int64_t until, int64_t tail, struct got *got)
{
	SCOW_AUTO(scow_error) *error = NULL;
	scow_log *log = NULL;

	memset(got, 0, sizeof(*got));
	expect_ok(scow_container_logs(box->container, flags, since, until, tail, collect, got, &log, &error), &error);
	assert_true(scow_log_fd(log) >= 0);
	return log;
}

static bool readable(const scow_log *log, int timeout_ms)
{
	struct pollfd fds = { .fd = scow_log_fd(log), .events = POLLIN };

	return poll(&fds, 1, timeout_ms) == 1;
}

/* Until its end. */
static void read_all(scow_log *log)
{
	SCOW_AUTO(scow_error) *error = NULL;

	do {
		if (!readable(log, LONG_MS))
			fail_msg("it is neither readable nor at its end");
	} while (expect_ok(scow_log_dispatch(log, &error), &error) == 1);
	assert_int_equal(scow_log_dispatch(log, NULL), 0);
}

/* Until there is nothing to do. */
static void read_now(scow_log *log)
{
	SCOW_AUTO(scow_error) *error = NULL;

	while (readable(log, 0))
		assert_int_equal(expect_ok(scow_log_dispatch(log, &error), &error), 1);
}

/* Lines from..to, every @step-th, and no others. */
static void expect_lines(struct got *got, int from, int to, int step)
{
	size_t count = from > to ? 0 : (size_t) ((to - from) / step + 1);

	assert_false(got->wrong);
	for (size_t i = 0; i < got->count && i < count; i++)
		assert_int_equal(got->numbers[i], from + (int) i * step);
	assert_int_equal(got->count, count);
	free(got->numbers);
	got->numbers = NULL;
}

static void expect_read(const struct box *box, unsigned int flags, int64_t since, int64_t until, int64_t tail, int from, int to, int step)
{
	struct got got;
	SCOW_AUTO(scow_log) *log = open_reader(box, flags, since * 1000000000, until * 1000000000, tail, &got);

	read_all(log);
	expect_lines(&got, from, to, step);
}

static void test_whole(void **state)
{
	struct box box;

	(void) state;
	box_start(&box);
	put_entries(&box, "log.json.10", 1, 30);
	put_entries(&box, "log.json.9", 31, 50);
	put_entries(&box, "log.json.1", 51, 51);
	put_entries(&box, "log.json", 52, 100);
	put_text(&box, "log.json.x", "no part of it\n");
	put_text(&box, "log.jsonx", "no part of it\n");
	expect_read(&box, 0, 0, 0, -1, 1, 100, 1);
	expect_read(&box, 0, 0, 0, 0, 1, 0, 1);
	expect_read(&box, 0, 0, 0, 1, 100, 100, 1);
	expect_read(&box, 0, 0, 0, 49, 52, 100, 1);
	expect_read(&box, 0, 0, 0, 50, 51, 100, 1);
	expect_read(&box, 0, 0, 0, 60, 41, 100, 1);
	expect_read(&box, 0, 0, 0, 100, 1, 100, 1);
	expect_read(&box, 0, 0, 0, 1000, 1, 100, 1);
	expect_read(&box, SCOW_LOG_NO_STDERR, 0, 0, -1, 1, 99, 2);
	expect_read(&box, SCOW_LOG_NO_STDOUT, 0, 0, -1, 2, 100, 2);
	/* Counted after filtering. */
	expect_read(&box, SCOW_LOG_NO_STDOUT, 0, 0, 40, 22, 100, 2);
	expect_read(&box, 0, 20, 80, -1, 20, 79, 1);
	expect_read(&box, 0, 20, 80, 10, 70, 79, 1);
	expect_read(&box, 0, 75, 80, 10, 75, 79, 1);
	expect_read(&box, SCOW_LOG_NO_STDERR | SCOW_LOG_NO_STDOUT, 0, 0, 10, 1, 0, 1);
	box_end(&box);
	expect_read(&box, 0, 0, 0, -1, 1, 100, 1);
	/* It has ended: nothing to wait for. */
	expect_read(&box, SCOW_LOG_FOLLOW, 0, 0, 5, 96, 100, 1);
	box_remove(&box);
}

static void test_torn(void **state)
{
	struct box box;

	(void) state;
	box_start(&box);
	put_entries(&box, "log.json.1", 1, 3);
	put_text(&box, "log.json.1", "{\"log\":\"cut off by a cra");
	put_text(&box, "log.json", "sh\"}\n\n{}\n");
	put_entries(&box, "log.json", 4, 5);
	put_text(&box, "log.json", "\xff\xfe garbage \x01\n[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\n");
	put_entries(&box, "log.json", 6, 6);
	put_text(&box, "log.json", "{\"log\":\"line 7\\n\",\"stream\":\"stdout\",\"time\":\"1970-01-01T00:00:07Z\"}");
	expect_read(&box, 0, 0, 0, -1, 1, 7, 1);
	expect_read(&box, 0, 0, 0, 4, 4, 7, 1);
	box_remove(&box);
}

static void test_refused(void **state)
{
	SCOW_AUTO(scow_container_config) *config = shell_config("true");
	SCOW_AUTO(scow_error) *error = NULL;
	scow_container *container = NULL;
	scow_log *log = NULL;
	struct box box;
	struct got got;

	(void) state;
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &container, &error), &error);
	expect_error(scow_container_logs(container, 0, 0, 0, -1, collect, &got, &log, &error), SCOW_E_UNSUPPORTED, &error, "detached");
	expect_error(scow_container_logs(NULL, 0, 0, 0, -1, collect, &got, &log, &error), SCOW_E_INVALID, &error, "container");
	expect_error(scow_container_logs(container, 64, 0, 0, -1, collect, &got, &log, &error), SCOW_E_INVALID, &error, "flags");
	expect_error(scow_container_logs(container, 0, 0, 0, -1, NULL, &got, &log, &error), SCOW_E_INVALID, &error, NULL);
	expect_ok(scow_container_remove(container, 0, &error), &error);
	expect_error(scow_container_logs(container, 0, 0, 0, -1, collect, &got, &log, &error), SCOW_E_NOT_FOUND, &error, NULL);
	scow_container_unref(container);
	expect_error(scow_log_dispatch(NULL, &error), SCOW_E_INVALID, &error, NULL);
	assert_int_equal(scow_log_fd(NULL), -1);
	assert_null(scow_log_unref(NULL));
	box_start(&box);
	expect_error(scow_container_logs(box.container, 0, 0, 0, -1, collect, &got, &log, &error), SCOW_E_UNSUPPORTED, &error, "detached");
	put_entries(&box, "log.json", 1, 4);
	/* Stopped by the callback, it goes on behind. */
	log = open_reader(&box, 0, 0, 0, -1, &got);
	got.stop_at = 2;
	expect_error(scow_log_dispatch(log, &error), SCOW_E_CANCELED, &error, "stopped");
	read_all(log);
	expect_lines(&got, 1, 4, 1);
	scow_log_unref(log);
	box_remove(&box);
}

static void test_follow(void **state)
{
	struct remains before = count_remains(), after;
	SCOW_AUTO(scow_log) *tailed = NULL;
	SCOW_AUTO(scow_log) *log = NULL;
	struct got got, some;
	struct box box;

	(void) state;
	box_start(&box);
	put_entries(&box, "log.json", 1, 5);
	log = open_reader(&box, SCOW_LOG_FOLLOW, 0, 0, -1, &got);
	tailed = open_reader(&box, SCOW_LOG_FOLLOW, 0, 0, 0, &some);
	read_now(log);
	read_now(tailed);
	assert_int_equal(got.count, 5);
	assert_int_equal(some.count, 0);
	put_entries(&box, "log.json", 6, 6);
	assert_true(readable(log, LONG_MS));
	read_now(log);
	assert_int_equal(got.count, 6);
	/* Half a line is waited for. */
	put_text(&box, "log.json", "{\"log\":\"line 7\\n\",\"stre");
	read_now(log);
	assert_int_equal(got.count, 6);
	put_text(&box, "log.json", "am\":\"stdout\",\"time\":\"1970-01-01T00:00:07Z\"}\n");
	read_now(log);
	assert_int_equal(got.count, 7);
	/* Rotated twice before we look, with something written before and between. */
	put_entries(&box, "log.json", 8, 9);
	rename_log(&box, "log.json", "log.json.1");
	put_entries(&box, "log.json", 10, 12);
	rename_log(&box, "log.json.1", "log.json.2");
	rename_log(&box, "log.json", "log.json.1");
	put_entries(&box, "log.json", 13, 13);
	read_now(log);
	assert_int_equal(got.count, 13);
	put_entries(&box, "log.json", 14, 14);
	box_end(&box);
	read_all(log);
	expect_lines(&got, 1, 14, 1);
	read_all(tailed);
	expect_lines(&some, 6, 14, 1);
	log = scow_log_unref(log);
	tailed = scow_log_unref(tailed);
	box_remove(&box);
	after = count_remains();
	assert_int_equal(before.descriptors, after.descriptors);
}

/* ---- a writer of its own pace ---- */

#define MANY 30000

struct writer {
	struct box *box;
	unsigned int seed;
};

static void rotate(const struct box *box, int count)
{
	char from[32], to[32];

	for (int n = count; n >= 0; n--) {
		snprintf(from, sizeof(from), n ? "log.json.%d" : "log.json", n);
		snprintf(to, sizeof(to), "log.json.%d", n + 1);
		rename_log(box, from, to);
	}
}

static void *write_many(void *data)
{
	struct writer *writer = data;
	int fd = open_log(writer->box, "log.json", O_CREAT | O_APPEND);
	char block[16384], line[160];
	size_t size = 0;
	int rotations = 0;

	for (int n = 1; n <= MANY; n++) {
		int length = format_entry(line, n);
		unsigned int chance = (unsigned int) rand_r(&writer->seed);

		memcpy(block + size, line, (size_t) length);
		size += (size_t) length;
		if (size < sizeof(block) - sizeof(line) && chance % 16 && n < MANY)
			continue;
		/* In two pieces, cut anywhere. */
		length = (int) (chance / 16 % (size + 1));
		if (write(fd, block, (size_t) length) != length ||
		    write(fd, block + length, size - (size_t) length) != (ssize_t) size - length)
			return NULL;
		size = 0;
		if (chance / 1024 % 16 == 0) {
			close(fd);
			rotate(writer->box, rotations++);
			fd = open_log(writer->box, "log.json", O_CREAT | O_APPEND);
		}
	}
	close(fd);
	box_end(writer->box);
	return writer;
}

static void test_follow_rotation(void **state)
{
	struct writer writer = { .seed = 1 };
	SCOW_AUTO(scow_log) *log = NULL;
	pthread_t thread;
	struct box box;
	struct got got;
	void *result;

	(void) state;
	box_start(&box);
	writer.box = &box;
	put_text(&box, "log.json", "");
	log = open_reader(&box, SCOW_LOG_FOLLOW, 0, 0, -1, &got);
	assert_int_equal(pthread_create(&thread, NULL, write_many, &writer), 0);
	read_all(log);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_non_null(result);
	expect_lines(&got, 1, MANY, 1);
	expect_read(&box, 0, 0, 0, -1, 1, MANY, 1);
	expect_read(&box, 0, 0, 0, MANY - 100, 101, MANY, 1);
	box_remove(&box);
}

static void test_ends(void **state)
{
	struct box box;
	struct got got;

	(void) state;
	/* By its time. */
	box_start(&box);
	put_entries(&box, "log.json", 1, 3);
	{
		struct timespec now;
		SCOW_AUTO(scow_log) *log = NULL;

		clock_gettime(CLOCK_REALTIME, &now);
		log = open_reader(&box, SCOW_LOG_FOLLOW, 0, now.tv_sec * INT64_C(1000000000) + now.tv_nsec + 200000000, -1, &got);
		read_all(log);
		expect_lines(&got, 1, 3, 1);
	}
	/* By its removal. */
	{
		SCOW_AUTO(scow_log) *log = open_reader(&box, SCOW_LOG_FOLLOW, 0, 0, -1, &got);
		SCOW_AUTO(scow_error) *error = NULL;

		read_now(log);
		expect_ok(scow_container_remove(box.container, SCOW_REMOVE_FORCE, &error), &error);
		read_all(log);
		expect_lines(&got, 1, 3, 1);
	}
	scow_process_unref(box.process);
	scow_container_unref(box.container);
}

static int compare_bytes(int stream, int64_t time_ns, const void *data, size_t size, void *userdata)
{
	static const unsigned char want[] = { 0, 1, 0x1b, '"', '\\', 0x7f, 0x80, 0xff, 0xc3, 0xa9, '\r', '\n' };

	(void) stream;
	(void) time_ns;
	*(int *) userdata += size == sizeof(want) && memcmp(data, want, size) == 0;
	return 0;
}

static void test_binary(void **state)
{
	SCOW_AUTO(scow_error) *error = NULL;
	SCOW_AUTO(scow_log) *log = NULL;
	struct box box;
	int count = 0;

	(void) state;
	box_start(&box);
	put_text(&box, "log.json",
		 "{\"log\":\"\\u0000\\u0001\\u001b\\\"\\\\\x7f\x80\xff\xc3\xa9\\r\\n\",\"stream\":\"stdout\",\"time\":\"1970-01-01T00:00:"
		 "07Z\"}\n");
	expect_ok(scow_container_logs(box.container, 0, 0, 0, 1, compare_bytes, &count, &log, &error), &error);
	read_all(log);
	assert_int_equal(count, 1);
	box_remove(&box);
}

/* Bytes that this process has read. */
static long long bytes_read(void)
{
	FILE *file = fopen("/proc/self/io", "r");
	long long count = -1;

	if (file && fscanf(file, "rchar: %lld", &count) != 1)
		count = -1;
	if (file)
		fclose(file);
	return count;
}

static void test_tail_of_much(void **state)
{
	char line[160], *block = malloc(1 << 20);
	struct box box;
	long long before;
	size_t size = 0;
	int fd;

	(void) state;
	box_start(&box);
	while (size < (1 << 20) - sizeof(line)) {
		int length = format_entry(line, 1);

		memcpy(block + size, line, (size_t) length);
		size += (size_t) length;
	}
	fd = open_log(&box, "log.json", O_CREAT | O_APPEND);
	for (int i = 0; i < 32; i++)
		assert_int_equal(write(fd, block, size), size);
	close(fd);
	put_entries(&box, "log.json", 2, 11);
	before = bytes_read();
	expect_read(&box, 0, 0, 0, 10, 2, 11, 1);
	if (before >= 0)
		assert_in_range(bytes_read() - before, 0, 1 << 20);
	free(block);
	box_remove(&box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_whole, fixture_clear),           cmocka_unit_test_teardown(test_torn, fixture_clear),
		cmocka_unit_test_teardown(test_refused, fixture_clear),         cmocka_unit_test_teardown(test_follow, fixture_clear),
		cmocka_unit_test_teardown(test_follow_rotation, fixture_clear), cmocka_unit_test_teardown(test_ends, fixture_clear),
		cmocka_unit_test_teardown(test_binary, fixture_clear),          cmocka_unit_test_teardown(test_tail_of_much, fixture_clear),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
