/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copying contents: whole, sparse, into something longer, from what states no size. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/copy.h"
#include "base/fd.h"

#define MEBIBYTE (1 << 20)

/* On the disk (where holes are the file system's affair) and in memory; the first is "." of the test. */
static int make_file(const char *directory)
{
	int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	return fd < 0 ? memfd_create("copy", MFD_CLOEXEC) : fd;
}

static void fill(int fd, off_t at, size_t size, unsigned int seed)
{
	_cleanup_free_ unsigned char *data = malloc(size);

	assert_non_null(data);
	for (size_t i = 0; i < size; i++)
		data[i] = (unsigned char) ((seed += 2654435761u) >> 24);
	assert_int_equal(pwrite(fd, data, size, at), (ssize_t) size);
}

static void assert_same(int a, int b)
{
	_cleanup_free_ char *one = malloc(MEBIBYTE), *two = malloc(MEBIBYTE);
	off_t at = 0;
	ssize_t n;

	assert_true(one && two);
	do {
		n = pread(a, one, MEBIBYTE, at);
		assert_true(n >= 0);
		assert_int_equal(pread(b, two, MEBIBYTE, at), n);
		assert_memory_equal(one, two, (size_t) n);
		at += n;
	} while (n);
}

static void check_pair(const char *from_dir, const char *to_dir)
{
	_cleanup_fd_ int from = make_file(from_dir), to = make_file(to_dir);
	struct stat st, copied;
	uint64_t bytes = 0;

	assert_true(from >= 0 && to >= 0);
	fill(to, 0, 9000, 7); /* what was there before goes */
	assert_int_equal(copy_file(from, to, &bytes), 0);
	assert_int_equal(bytes, 0);
	assert_same(from, to);
	fill(from, 0, 5000, 1);
	assert_int_equal(copy_file(from, to, &bytes), 0);
	assert_int_equal(bytes, 5000);
	assert_same(from, to);
	/* Data, a hole, data, a hole at the end. */
	fill(from, 16 * MEBIBYTE, 70000, 2);
	assert_int_equal(ftruncate(from, 64 * MEBIBYTE + 1), 0);
	assert_int_equal(lseek(from, 12345, SEEK_SET), 12345);
	assert_int_equal(copy_file(from, to, &bytes), 0);
	assert_int_equal(bytes, 64 * MEBIBYTE + 1);
	assert_same(from, to);
	assert_int_equal(fstat(from, &st), 0);
	assert_int_equal(fstat(to, &copied), 0);
	if (st.st_blocks < 1024)
		assert_true(copied.st_blocks < 2048);
	/* Shorter again. */
	assert_int_equal(ftruncate(from, 3), 0);
	assert_int_equal(copy_file(from, to, NULL), 0);
	assert_same(from, to);
}

static void test_pairs(void **state)
{
	(void) state;
	check_pair(".", ".");
	check_pair(".", "/dev/shm");
	check_pair("/dev/shm", ".");
	check_pair("/dev/shm", "/dev/shm");
}

/* Files of proc state a size of 0. */
static void test_proc(void **state)
{
	_cleanup_fd_ int from = open("/proc/self/status", O_RDONLY | O_CLOEXEC), to = make_file("/dev/shm");
	uint64_t bytes = 0;

	(void) state;
	assert_int_equal(copy_file(from, to, &bytes), 0);
	assert_true(bytes > 100);
}

static void test_refused(void **state)
{
	_cleanup_fd_ int from = make_file("."), to = open("/dev/full", O_WRONLY | O_CLOEXEC), dir = open(".", O_RDONLY | O_CLOEXEC);

	(void) state;
	fill(from, 0, 5000, 1);
	assert_true(copy_file(from, to, NULL) < 0);
	assert_int_equal(copy_file(-1, from, NULL), -EBADF);
	assert_int_equal(copy_file(dir, from, NULL), -EISDIR);
	cleanup_fd(&to);
	to = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	assert_true(copy_file(from, to, NULL) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_pairs), cmocka_unit_test(test_proc), cmocka_unit_test(test_refused) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
