/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which ids a user namespace maps: the modes as they are written, maps that cannot be, and ranges that no two containers share. */
#include "unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "container/id-map.h"

static void test_modes(void **state)
{
	static const struct {
		const char *text;
		int status;
		uint32_t size, uid, gid;
	} cases[] = {
		{ "auto", 0, 0, UINT32_MAX, UINT32_MAX },
		{ "auto:size=2000", 0, 2000, UINT32_MAX, UINT32_MAX },
		{ "auto:size=0", SCOW_E_INVALID, 0, 0, 0 },
		{ "auto:", SCOW_E_INVALID, 0, 0, 0 },
		{ "auto:size=x", SCOW_E_INVALID, 0, 0, 0 },
		{ "auto:size=99999999999999999999", SCOW_E_INVALID, 0, 0, 0 },
		{ "auto:uid=1", SCOW_E_INVALID, 0, 0, 0 },
		{ "keep-id", 0, 0, UINT32_MAX, UINT32_MAX },
		{ "keep-id:uid=5", 0, 0, 5, UINT32_MAX },
		{ "keep-id:gid=7,uid=5", 0, 0, 5, 7 },
		{ "keep-id:uid=4294967295", SCOW_E_INVALID, 0, 0, 0 },
		{ "keep-id:size=3", SCOW_E_INVALID, 0, 0, 0 },
		{ "keep-ids", SCOW_E_INVALID, 0, 0, 0 },
		{ "nomap", SCOW_E_INVALID, 0, 0, 0 },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct namespace_choice choice;

		if (userns_parse(cases[i].text, &choice, NULL) != cases[i].status)
			fail_msg("'%s'", cases[i].text);
		if (cases[i].status == 0 && (choice.size != cases[i].size || choice.uid != cases[i].uid || choice.gid != cases[i].gid))
			fail_msg("'%s': %u %u %u", cases[i].text, choice.size, choice.uid, choice.gid);
	}
}

static void test_maps(void **state)
{
	static const struct {
		struct id_range maps[2];
		size_t count;
		const char *mode, *words; /* NULL: good */
	} cases[] = {
		{ { { 0, 100000, 10 }, { 10, 5, 1 } }, 2, NULL, NULL },
		{ { { 0, 100000, 10 } }, 1, "private", NULL },
		{ { { 0, 100000, 10 } }, 1, "host", "conflicting options" },
		{ { { 0, 100000, 10 } }, 1, "auto", "conflicting options" },
		{ { { 1, 100000, 10 } }, 1, NULL, "must map the id 0" },
		{ { { 0, 100000, 10 }, { 9, 5, 1 } }, 2, NULL, "overlaps" },
		{ { { 0, 100000, 10 }, { 20, 100009, 1 } }, 2, NULL, "overlaps" },
		{ { { 0, UINT32_MAX - 5, 10 } }, 1, NULL, "beyond the last id" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(scow_container_config_unrefp) scow_container_config *config = scow_container_config_new();
		scow_error *error = NULL;
		int r;

		for (size_t k = 0; k < cases[i].count; k++)
			scow_container_config_add_gid_map(config, cases[i].maps[k].inside, cases[i].maps[k].outside,
							  cases[i].maps[k].count);
		scow_container_config_set_namespace(config, SCOW_NAMESPACE_USER, cases[i].mode);
		r = id_maps_check(config, &error);
		assert_int_equal(r, cases[i].words ? SCOW_E_INVALID : 0);
		if (cases[i].words)
			assert_non_null(strstr(scow_error_message(error), cases[i].words));
		scow_error_unref(error);
	}
}

static void test_document(void **state)
{
	static const char text[] =
		"{\"HostConfig\":{\"UsernsMode\":\"private\",\"IDMappings\":{\"UidMap\":[\"0:100000:1000\",\"1000:5:1\"],"
		"\"GidMap\":[\"0:7:8\"]}}}";
	_cleanup_(scow_container_config_unrefp) scow_container_config *config = NULL;
	_cleanup_free_ char *again = NULL;

	(void) state;
	assert_int_equal(scow_container_config_from_json(text, &config, NULL), 0);
	assert_int_equal(config->n_uid_maps, 2);
	assert_int_equal(scow_container_config_to_json(config, &again, NULL), 0);
	assert_string_equal(again, text);
	scow_container_config_unref(config);
	config = NULL;
	assert_int_equal(scow_container_config_from_json("{\"HostConfig\":{\"IDMappings\":{\"UidMap\":[\"0:1\"]}}}", &config, NULL),
			 SCOW_E_INVALID);
}

/* ---- ranges ---- */

struct store {
	char path[64];
	scow_engine engine;
};

static int set_up(void **state)
{
	static struct store store;
	char file[96];

	store = (struct store){ .path = "/tmp/scow-unit-ids.XXXXXX" };
	if (!mkdtemp(store.path))
		return -1;
	snprintf(file, sizeof(file), "%s/state.db", store.path);
	store.engine.root = store.path;
	*state = &store;
	return db_open(file, &store.engine.db, NULL);
}

static int tear_down(void **state)
{
	struct store *store = *state;

	db_close(store->engine.db);
	return path_remove_tree(AT_FDCWD, store->path);
}

static int take(struct store *store, const char *id, uint32_t size, struct id_range *out)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *row;
	int r = db_begin(store->engine.db, &work, NULL);

	if (r == 0)
		r = db_exec(&work, NULL,
			    "INSERT OR IGNORE INTO images (id, config, manifest, platform, size, created, added) VALUES "
			    "('i', '', '', '', 0, 0, 0)",
			    "");
	if (r >= 0)
		r = db_exec(&work, NULL,
			    "INSERT INTO containers (id, name, image, image_name, config, state, created) VALUES (?, ?, 'i', '', '', 0, 0)",
			    "tt", id, id);
	if (r >= 0)
		r = id_range_take(&store->engine, &work, id, size, NULL);
	if (r < 0)
		return r;
	assert_int_equal(db_query(&work, &row, NULL, "SELECT first, size FROM id_ranges WHERE container = ?", "t", id), 1);
	*out = (struct id_range){ 0, (uint32_t) db_int(row, 0), (uint32_t) db_int(row, 1) };
	return db_commit(&work, NULL);
}

static void give_back(struct store *store, const char *id)
{
	_cleanup_db_ struct db_work work = { 0 };

	assert_int_equal(db_begin(store->engine.db, &work, NULL), 0);
	assert_int_equal(db_exec(&work, NULL, "DELETE FROM containers WHERE id = ?", "t", id), 1);
	assert_int_equal(db_commit(&work, NULL), 0);
}

static void test_ranges(void **state)
{
	static const uint32_t sizes[] = { 65536, 10, 65536, 1, 3000, 65536, 10, 65536 };
	struct store *store = *state;
	struct id_range ranges[ARRAY_SIZE(sizes)], again;
	char name[16];

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		snprintf(name, sizeof(name), "c%zu", i);
		assert_int_equal(take(store, name, sizes[i], &ranges[i]), 0);
		assert_int_equal(ranges[i].count, sizes[i]);
		/* Never the host's root, nor anybody who is likely to be there. */
		assert_true(ranges[i].outside >= 65536);
		for (size_t k = 0; k < i; k++)
			assert_true(ranges[k].outside + ranges[k].count <= ranges[i].outside ||
				    ranges[i].outside + ranges[i].count <= ranges[k].outside);
	}
	/* What was given back is found again; too many are refused, and leave nothing. */
	give_back(store, "c2");
	assert_int_equal(take(store, "d", 65536, &again), 0);
	assert_int_equal(again.outside, ranges[2].outside);
	assert_int_equal(take(store, "e", UINT32_MAX - 1, &again), SCOW_E_LIMIT);
	assert_int_equal(take(store, "e", 1, &again), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_maps),
		cmocka_unit_test(test_document),
		cmocka_unit_test_setup_teardown(test_ranges, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
