/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sweep: the dead are removed, the living are not; what a power cut took is told from what it left. */
#include "bare_engine.h"

#include <sys/file.h>
#include <time.h>

#include <scow/scow.h>

#include "store/blob.h"
#include "store/recover.h"

#define HELLO_HEX "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
#define HELLO "sha256:" HELLO_HEX
#define OLD_BOOT "'00000000-0000-0000-0000-000000000000'"
#define THIS_BOOT "'11111111-1111-1111-1111-111111111111'"

/* Stands in until the room that has the helper is linked; as root it is the same. */
__attribute__((weak)) int userns_remove_tree(scow_engine *engine, int dir_fd, const char *name, scow_error **error)
{
	(void) engine;
	(void) error;
	return path_remove_tree(dir_fd, name) < 0 ? SCOW_E_FAILED : 0;
}

static int setup(void **state)
{
	struct bare *bare = calloc(1, sizeof(*bare));

	bare_new(bare);
	assert_ok(recover_store(&bare->engine, NULL));
	*state = bare;
	return 0;
}

static int teardown(void **state)
{
	bare_done(*state);
	free(*state);
	return 0;
}

static void make_dir(struct bare *bare, const char *path)
{
	assert_int_equal(mkdirat(bare->engine.root_fd, path, 0700), 0);
}

static void test_tmp(void **state)
{
	struct bare *bare = *state, other;
	int lock, dir;

	bare_open(&other, &bare->scratch);
	bare_write(bare, "tmp/dead", "x");
	make_dir(bare, "tmp/dead-tree");
	make_dir(bare, "tmp/dead-tree/a");
	bare_write(bare, "tmp/dead-tree/a/b", "x");
	assert_int_equal(symlinkat("/etc", bare->engine.tmp_fd, "link"), 0);
	lock = work_lock(&other.engine, "busy", NULL, NULL);
	make_dir(bare, "tmp/live-tree");
	dir = dir_open_at(bare->engine.tmp_fd, "live-tree");
	assert_int_equal(flock(dir, LOCK_EX), 0);

	assert_ok(recover_store(&bare->engine, NULL));
	assert_false(bare_has(bare, "tmp/dead"));
	assert_false(bare_has(bare, "tmp/dead-tree"));
	assert_true(bare_has(bare, "tmp/lock-busy"));
	assert_true(bare_has(bare, "tmp/live-tree"));

	work_unlock(&other.engine, "busy", lock);
	close(dir);
	bare_close(&other);
	assert_ok(recover_store(&bare->engine, NULL));
	assert_false(bare_has(bare, "tmp/live-tree"));
}

static void test_owners(void **state)
{
	struct bare *bare = *state, dead;
	char path[64];

	assert_ok(owner_register(&bare->engine, NULL));
	bare_open(&dead, &bare->scratch);
	assert_ok(owner_register(&dead.engine, NULL));
	assert_ok(recover_store(&bare->engine, NULL));
	snprintf(path, sizeof(path), "owners/%s", dead.engine.owner_id);
	assert_true(bare_has(bare, path));
	bare_close(&dead);
	assert_ok(recover_store(&bare->engine, NULL));
	assert_false(bare_has(bare, path));
	snprintf(path, sizeof(path), "owners/%s", bare->engine.owner_id);
	assert_true(bare_has(bare, path));
}

static void test_orphans(void **state)
{
	struct bare *bare = *state;
	char digest[DIGEST_STRING];

	make_dir(bare, "layers/aaaaaaaaaaaaaaaaaaaaaaaa");
	make_dir(bare, "layers/bbbbbbbbbbbbbbbbbbbbbbbb");
	make_dir(bare, "containers/orphan");
	bare_write(bare, "blobs/sha256/0000000000000000000000000000000000000000000000000000000000000000", "x");
	assert_ok(blob_put(&bare->engine, "hello", 5, digest, NULL));
	bare_sql(bare, "INSERT INTO layers(chain_id, name, parent, diff_id, blob, size, created, boot_id, synced) VALUES('c1', "
		       "'bbbbbbbbbbbbbbbbbbbbbbbb', NULL, 'd1', NULL, 0, 0, " THIS_BOOT ", 1)");
	/* Nothing tells of a crash: nobody looks. */
	assert_ok(recover_store(&bare->engine, NULL));
	assert_true(bare_has(bare, "layers/aaaaaaaaaaaaaaaaaaaaaaaa"));
	bare_write(bare, "tmp/lock-layer-aaaaaaaaaaaaaaaaaaaaaaaa", "");
	assert_ok(recover_store(&bare->engine, NULL));
	assert_false(bare_has(bare, "layers/aaaaaaaaaaaaaaaaaaaaaaaa"));
	assert_true(bare_has(bare, "layers/bbbbbbbbbbbbbbbbbbbbbbbb"));
	assert_false(bare_has(bare, "containers/orphan"));
	assert_false(bare_has(bare, "blobs/sha256/0000000000000000000000000000000000000000000000000000000000000000"));
	assert_int_equal(blob_exists(&bare->engine, HELLO, NULL), 1);
}

static void test_containers_of_the_living(void **state)
{
	struct bare *bare = *state, other;

	bare_open(&other, &bare->scratch);
	assert_ok(owner_register(&other.engine, NULL));
	make_dir(bare, "containers/in-the-making");
	bare_write(bare, "tmp/dead", "");
	assert_ok(recover_store(&bare->engine, NULL));
	assert_true(bare_has(bare, "containers/in-the-making"));
	bare_close(&other);
	assert_ok(recover_store(&bare->engine, NULL));
	assert_false(bare_has(bare, "containers/in-the-making"));
}

static void test_settle(void **state)
{
	struct bare *bare = *state;
	char digest[DIGEST_STRING];

	assert_ok(blob_put(&bare->engine, "hello", 5, digest, NULL));
	assert_ok(recover_store(&bare->engine, NULL));
	assert_int_equal(bare_number(bare, "SELECT synced FROM blobs"), 0);
	bare_sql(bare, "UPDATE blobs SET created = created - 61000000000");
	assert_ok(recover_store(&bare->engine, NULL));
	assert_int_equal(bare_number(bare, "SELECT synced FROM blobs"), 1);
}

/* Two images: one on layers a < b, one on layer a alone; then the machine lost power. */
static void make_images(struct bare *bare)
{
	char digest[DIGEST_STRING];

	make_dir(bare, "layers/a");
	make_dir(bare, "layers/a/sub");
	bare_write(bare, "layers/a/sub/file", "12345");
	bare_write(bare, "layers/a/other", "12345");
	assert_int_equal(linkat(bare->engine.layers_fd, "a/other", bare->engine.layers_fd, "a/link", 0), 0);
	make_dir(bare, "layers/b");
	bare_write(bare, "layers/b/file", "123");
	bare_sql(bare, "INSERT INTO layers(chain_id, name, parent, diff_id, blob, size, created, boot_id, synced) VALUES('ca', 'a', NULL, "
		       "'d1', NULL, 10, 0, " OLD_BOOT ", 0)");
	bare_sql(bare, "INSERT INTO layers(chain_id, name, parent, diff_id, blob, size, created, boot_id, synced) VALUES('cb', 'b', 'ca', "
		       "'d1', NULL, 3, 0, " OLD_BOOT ", 0)");
	bare_sql(bare, "INSERT INTO images(id, config, manifest, top_layer, platform, size, created, added) VALUES('one', '{}', 'm', 'ca', "
		       "'linux/amd64', 0, 0, 0)");
	bare_sql(bare, "INSERT INTO images(id, config, manifest, top_layer, platform, size, created, added) VALUES('two', '{}', 'm', 'cb', "
		       "'linux/amd64', 0, 0, 0)");
	bare_sql(bare, "INSERT INTO tags VALUES('t1', 'one', 0)");
	bare_sql(bare, "INSERT INTO tags VALUES('t2', 'two', 0)");
	assert_ok(blob_put(&bare->engine, "hello", 5, digest, NULL));
	bare_sql(bare, "INSERT INTO image_blobs VALUES('two', '" HELLO "')");
	bare_sql(bare, "UPDATE blobs SET boot_id = " OLD_BOOT);
	bare_sql(bare, "UPDATE facts SET value = " OLD_BOOT);
}

static void test_reboot_lost_nothing(void **state)
{
	struct bare *bare = *state;

	make_images(bare);
	assert_ok(recover_store(&bare->engine, NULL));
	assert_int_equal(bare_number(bare, "SELECT count(*) FROM layers WHERE synced = 1"), 2);
	assert_int_equal(bare_number(bare, "SELECT count(*) FROM blobs WHERE synced = 1"), 1);
	assert_int_equal(bare_number(bare, "SELECT count(*) FROM tags"), 2);
	assert_true(bare_has(bare, "layers/b/file"));
}

static void test_power_cut_took_upper_layer(void **state)
{
	struct bare *bare = *state;

	make_images(bare);
	bare_write(bare, "layers/b/file", "");
	assert_ok(recover_store(&bare->engine, NULL));
	assert_int_equal(bare_number(bare, "SELECT count(*) FROM layers"), 1);
	assert_int_equal(bare_number(bare, "SELECT count(*) FROM images WHERE id = 'one'"), 1);
	assert_int_equal(bare_number(bare, "SELECT count(*) FROM images WHERE id = 'two'"), 0);
	assert_int_equal(bare_number(bare, "SELECT count(*) FROM tags WHERE reference = 't1'"), 1);
	assert_int_equal(bare_number(bare, "SELECT count(*) FROM tags"), 1);
	assert_true(bare_has(bare, "layers/a/other"));
	assert_false(bare_has(bare, "layers/b"));
}

static void test_power_cut_took_lower_layer(void **state)
{
	struct bare *bare = *state;

	make_images(bare);
	/* A container stands on the upper image: that stays as a row, to be filled again by the next pull. */
	bare_sql(bare,
		 "INSERT INTO containers(id, name, image, image_name, config, state, created) VALUES('c', 'n', 'two', 't2', '{}', 1, 0)");
	assert_int_equal(unlinkat(bare->engine.layers_fd, "a/sub/file", 0), 0);
	assert_ok(recover_store(&bare->engine, NULL));
	assert_int_equal(bare_number(bare, "SELECT count(*) FROM layers"), 0);
	assert_int_equal(bare_number(bare, "SELECT count(*) FROM tags"), 0);
	assert_int_equal(bare_number(bare, "SELECT count(*) FROM images"), 1);
	assert_int_equal(bare_number(bare, "SELECT count(*) FROM images WHERE id = 'two' AND top_layer IS NULL"), 1);
	assert_false(bare_has(bare, "layers/a"));
	assert_false(bare_has(bare, "layers/b"));
}

static void test_power_cut_took_blob(void **state)
{
	struct bare *bare = *state;

	make_images(bare);
	bare_write(bare, "blobs/sha256/" HELLO_HEX, "hell");
	assert_ok(recover_store(&bare->engine, NULL));
	assert_int_equal(bare_number(bare, "SELECT count(*) FROM blobs"), 0);
	assert_int_equal(bare_number(bare, "SELECT count(*) FROM images"), 1);
	assert_int_equal(bare_number(bare, "SELECT count(*) FROM layers"), 2);
	assert_false(bare_has(bare, "blobs/sha256/" HELLO_HEX));
}

static void test_cheap(void **state)
{
	struct bare *bare = *state;
	struct timespec a, b;
	double best = 1e9;

	assert_ok(owner_register(&bare->engine, NULL));
	for (int i = 0; i < 50; i++) {
		double us;

		clock_gettime(CLOCK_MONOTONIC, &a);
		assert_ok(recover_store(&bare->engine, NULL));
		clock_gettime(CLOCK_MONOTONIC, &b);
		us = (double) (b.tv_sec - a.tv_sec) * 1e6 + (double) (b.tv_nsec - a.tv_nsec) / 1e3;
		if (us < best)
			best = us;
	}
	print_message("# nothing to sweep: %.0f us\n", best);
	assert_true(best < 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_tmp, setup, teardown),
		cmocka_unit_test_setup_teardown(test_owners, setup, teardown),
		cmocka_unit_test_setup_teardown(test_orphans, setup, teardown),
		cmocka_unit_test_setup_teardown(test_containers_of_the_living, setup, teardown),
		cmocka_unit_test_setup_teardown(test_settle, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reboot_lost_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_power_cut_took_upper_layer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_power_cut_took_lower_layer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_power_cut_took_blob, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cheap, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
