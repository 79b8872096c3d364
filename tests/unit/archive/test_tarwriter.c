/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Archives that are written, read back by GNU tar and by our own reader; and that they are the same, byte for byte, each time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <sys/sysmacros.h>
#include <unistd.h>

#include "archive/tarwriter.h"
#include "base/str.h"

static int keep(void *userdata, const void *data, size_t size, scow_error **error)
{
	struct str *out = userdata;

	(void) error;
	str_add_bytes(out, data, size);
	return 0;
}

static struct tarwriter *begin(struct str *out)
{
	struct tarwriter *writer;

	*out = (struct str){ 0 };
	assert_int_equal(tarwriter_open(keep, out, &writer, NULL), 0);
	return writer;
}

static void end(struct tarwriter *writer, const struct str *out)
{
	assert_int_equal(tarwriter_finish(writer, NULL), 0);
	assert_int_equal(out->size % 512, 0);
	assert_int_equal(out->size, tarwriter_size(writer));
	tarwriter_free(writer);
}

/* What `tar -tvf` says of it. */
static char *list(const struct str *archive)
{
	char name[] = "/tmp/test-tarwriter.XXXXXX", command[128];
	int fd = mkstemp(name);
	char *text = calloc(1, 65536);
	FILE *pipe;

	assert_int_equal(write(fd, archive->data, archive->size), archive->size);
	close(fd);
	snprintf(command, sizeof(command), "TZ=UTC tar --numeric-owner --full-time -tvf %s 2>&1", name);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	(void) !fread(text, 1, 65535, pipe);
	assert_int_equal(pclose(pipe), 0);
	unlink(name);
	return text;
}

static void test_kinds(void **state)
{
	const struct tarwriter_entry entries[] = {
		{ .name = "etc", .mode = S_IFDIR | 01755, .uid = 1, .gid = 2, .mtime = { 86400, 0 } },
		{ .name = "etc/file", .mode = S_IFREG | 04755, .uid = 4000000, .gid = 3000000, .mtime = { 1, 500000000 }, .size = 5 },
		{ .name = "etc/again", .mode = S_IFREG | 04755, .hard = "etc/file", .size = 5 },
		{ .name = "etc/link", .mode = S_IFLNK | 0777, .link = "file", .mtime = { -3, 250000000 } },
		{ .name = "null", .mode = S_IFCHR | 0666, .device = makedev(1, 3) },
		{ .name = "pipe", .mode = S_IFIFO | 0600 },
	};
	struct str archive, second;
	char *text;

	(void) state;
	for (int round = 0; round < 2; round++) {
		struct str *out = round ? &second : &archive;
		struct tarwriter *writer = begin(out);

		for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
			assert_int_equal(tarwriter_entry(writer, &entries[i], NULL), 0);
			if (i == 1) {
				assert_int_equal(tarwriter_data(writer, "he", 2, NULL), 0);
				assert_int_equal(tarwriter_entry(writer, &entries[2], NULL), SCOW_E_STATE);
				assert_int_equal(tarwriter_fill(writer, NULL), 0);
				assert_int_equal(tarwriter_data(writer, "x", 1, NULL), SCOW_E_STATE);
			}
		}
		end(writer, out);
	}
	assert_int_equal(archive.size, second.size);
	assert_memory_equal(archive.data, second.data, archive.size);
	text = list(&archive);
	assert_non_null(strstr(text, "drwxr-xr-t 1/2 "));
	assert_non_null(strstr(text, "1970-01-02 00:00:00 etc/\n"));
	assert_non_null(strstr(text, "-rwsr-xr-x 4000000/3000000"));
	assert_non_null(strstr(text, "1970-01-01 00:00:01.5 etc/file\n"));
	assert_non_null(strstr(text, "etc/again link to etc/file\n"));
	assert_non_null(strstr(text, " etc/link -> file\n"));
	/* As Python's tarfile writes it; GNU tar 1.34 shows -2.75 as if it were -1.25. */
	assert_non_null(memmem(archive.data, archive.size, "mtime=-2.75\n", 12));
	assert_non_null(strstr(text, " 1,3 "));
	assert_non_null(strstr(text, "prw-------"));
	free(text);
	str_done(&archive);
	str_done(&second);
}

static void test_names(void **state)
{
	static const size_t sizes[] = { 1, 99, 100, 101, 155, 156, 200, 255, 256, 257, 300, 4000 };
	struct str archive;
	struct tarwriter *writer = begin(&archive);
	char names[sizeof(sizes) / sizeof(sizes[0])][4100], *text;

	(void) state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct tarwriter_entry entry = { .name = names[i], .mode = S_IFREG | 0644 };
		struct tarwriter_entry link = { .name = "l", .mode = S_IFLNK | 0777, .link = names[i] };

		for (size_t k = 0; k < sizes[i]; k++)
			names[i][k] = k % 90 == 89 && k != sizes[i] - 1 ? '/' : (char) ('a' + (int) i);
		names[i][sizes[i]] = 0;
		assert_int_equal(tarwriter_entry(writer, &entry, NULL), 0);
		assert_int_equal(tarwriter_entry(writer, &link, NULL), 0);
	}
	end(writer, &archive);
	text = list(&archive);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *expected = strf(" %s\n", names[i]), *linked = strf(" l -> %s\n", names[i]);

		if (!strstr(text, expected) || !strstr(text, linked))
			fail_msg("a name of %zu bytes is not there", sizes[i]);
		free(expected);
		free(linked);
	}
	free(text);
	str_done(&archive);
}

static void test_records(void **state)
{
	static const struct tarwriter_xattr xattrs[] = { { "security.capability", "\1\0\0\2", 4 }, { "user.text", "some text", 9 } };
	const struct tarwriter_entry entry = { .name = "f",
					       .mode = S_IFREG | 0644,
					       .uid = 70000000,
					       .size = UINT64_C(1) << 40,
					       .mtime = { 5, 123456789 },
					       .xattrs = xattrs,
					       .n_xattrs = 2 };
	static const char expected[] = "41 SCHILY.xattr.security.capability=\1\0\0\2\n36 SCHILY.xattr.user.text=some text\n"
				       "21 mtime=5.123456789\n22 size=1099511627776\n16 uid=70000000\n";
	struct str archive;
	struct tarwriter *writer = begin(&archive);

	(void) state;
	assert_int_equal(tarwriter_entry(writer, &entry, NULL), 0);
	assert_int_equal(tarwriter_finish(writer, NULL), SCOW_E_STATE);
	assert_memory_equal(archive.data + 512, expected, sizeof(expected) - 1);
	tarwriter_free(writer);
	str_done(&archive);
}

static void test_socket(void **state)
{
	const struct tarwriter_entry entry = { .name = "s", .mode = S_IFSOCK | 0644 };
	scow_error *error = NULL;
	struct str archive;
	struct tarwriter *writer = begin(&archive);

	(void) state;
	assert_int_equal(tarwriter_entry(writer, &entry, &error), SCOW_E_UNSUPPORTED);
	assert_non_null(strstr(scow_error_message(error), "'s'"));
	scow_error_unref(error);
	end(writer, &archive);
	assert_int_equal(archive.size, 1024);
	str_done(&archive);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
