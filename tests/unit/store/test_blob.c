/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Blobs: whole or not there; resumed; shared by those who want the same. */
#include "bare_engine.h"

#include <scow/scow.h>

#include "store/blob.h"

#define HELLO "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
#define EMPTY "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static int setup(void **state)
{
	struct bare *bare = calloc(1, sizeof(*bare));

	bare_new(bare);
	*state = bare;
	return 0;
}

static int teardown(void **state)
{
	struct bare *bare = *state;

	/* Whatever was done, nothing half-made is left behind. */
	assert_int_equal(unlinkat(bare->engine.root_fd, "tmp", AT_REMOVEDIR), 0);
	bare_done(bare);
	free(bare);
	return 0;
}

static void test_put_and_read(void **state)
{
	struct bare *bare = *state;
	char digest[DIGEST_STRING];
	_cleanup_free_ char *data = NULL, *empty = NULL;
	size_t size;

	assert_int_equal(blob_exists(&bare->engine, HELLO, NULL), 0);
	assert_int_equal(blob_open(&bare->engine, HELLO, NULL), SCOW_E_NOT_FOUND);
	assert_ok(blob_put(&bare->engine, "hello", 5, digest, NULL));
	assert_string_equal(digest, HELLO);
	assert_int_equal(blob_exists(&bare->engine, HELLO, NULL), 1);
	assert_ok(blob_read(&bare->engine, HELLO, 100, &data, &size, NULL));
	assert_int_equal(size, 5);
	assert_string_equal(data, "hello");
	/* Again, and nothing at all. */
	assert_ok(blob_put(&bare->engine, "hello", 5, digest, NULL));
	assert_ok(blob_put(&bare->engine, "", 0, digest, NULL));
	assert_string_equal(digest, EMPTY);
	assert_ok(blob_read(&bare->engine, EMPTY, 100, &empty, &size, NULL));
	assert_int_equal(size, 0);
	assert_int_equal(bare_number(bare, "SELECT count(*) FROM blobs"), 2);
}

static void test_read_verifies(void **state)
{
	struct bare *bare = *state;
	char digest[DIGEST_STRING], path[128];
	char *data = NULL;

	assert_ok(blob_put(&bare->engine, "hello", 5, digest, NULL));
	assert_int_equal(blob_read(&bare->engine, HELLO, 4, &data, NULL, NULL), SCOW_E_CORRUPT);
	snprintf(path, sizeof(path), "blobs/sha256/%s", digest_hex(HELLO));
	bare_write(bare, path, "jello");
	assert_int_equal(blob_read(&bare->engine, HELLO, 100, &data, NULL, NULL), SCOW_E_CORRUPT);
	assert_null(data);
}

static void test_refuses_names(void **state)
{
	struct bare *bare = *state;
	static const char *const bad[] = { "",
					   "hello",
					   "sha256:",
					   "sha256:../../../etc/passwd",
					   "md5:2cf24dba5fb0a30e26e83b2ac5b9e29e",
					   "sha256:2CF24DBA5FB0A30E26E83B2AC5B9E29E1B161E5C1FA7425E73043362938B9824" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(blob_exists(&bare->engine, bad[i], NULL), SCOW_E_INVALID);
		assert_int_equal(blob_open(&bare->engine, bad[i], NULL), SCOW_E_INVALID);
	}
}

static void test_file_gone(void **state)
{
	struct bare *bare = *state;
	char digest[DIGEST_STRING];

	assert_ok(blob_put(&bare->engine, "hello", 5, digest, NULL));
	assert_int_equal(unlinkat(bare->engine.blobs_fd, digest_hex(HELLO), 0), 0);
	assert_int_equal(blob_exists(&bare->engine, HELLO, NULL), 0);
	assert_ok(blob_put(&bare->engine, "hello", 5, digest, NULL));
	assert_int_equal(blob_exists(&bare->engine, HELLO, NULL), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_put_and_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read_verifies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refuses_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file_gone, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
