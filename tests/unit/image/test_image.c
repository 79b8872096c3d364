/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Images in the store: names, look-up, list, tag, removal by Docker's rules, inspect, history. */
#include "../store/bare_engine.h"

#include <time.h>

#include <scow/scow.h>

#include "base/json.h"
#include "base/str.h"
#include "image/image.h"
#include "store/blob.h"

#define HEX(c) c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c
#define ID(c) "sha256:" HEX(c)
#define REPO "docker.io/library/"

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
	*state = bare;
	return 0;
}

static int teardown(void **state)
{
	bare_done(*state);
	free(*state);
	return 0;
}

static void make_layer(struct bare *bare, const char *chain, const char *parent, int size)
{
	_cleanup_free_ char *sql = NULL, *path = NULL;

	path = strf("layers/%.24s", chain + 7);
	assert_int_equal(mkdirat(bare->engine.root_fd, path, 0700), 0);
	sqlite3 *db;
	_cleanup_free_ char *file = strf("%s/state.db", bare->scratch.path);

	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	sql = strf("INSERT INTO layers(chain_id, name, parent, diff_id, size, created, boot_id) VALUES('%s', '%.24s', %s%s%s, '%s', %d, 0, '')", chain,
		   chain + 7, parent ? "'" : "", parent ? parent : "NULL", parent ? "'" : "", chain, size);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

#define CONFIG(created, diff_ids) \
	"{\"created\":\"" created "\",\"author\":\"me\",\"os\":\"linux\",\"architecture\":\"amd64\",\"config\":{\"Env\":[\"A=b\"],\"Cmd\":[\"sh\"]," \
	"\"User\":\"\",\"Labels\":null},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[" diff_ids "]},\"history\":[{\"created\":\"" created \
	"\",\"created_by\":\"ADD\"},{\"created\":\"" created "\",\"created_by\":\"CMD\",\"empty_layer\":true,\"comment\":\"c\"}]}"

static int record(struct bare *bare, const char *id, const char *config, const char *top, const char *tag, const char *digest, scow_image **out)
{
	char blob[DIGEST_STRING];
	const char *blobs[] = { blob };
	const struct image_record r = { .id = id,
					.config = config,
					.config_size = strlen(config),
					.manifest_digest = blob,
					.top_chain_id = top,
					.blobs = blobs,
					.n_blobs = 1,
					.tag = tag,
					.digest_reference = digest };

	assert_int_equal(blob_put(&bare->engine, id, strlen(id), blob, NULL), 0);
	return image_record(&bare->engine, &r, out, NULL);
}

static void make_image(struct bare *bare, const char *id, const char *tag, const char *digest)
{
	assert_int_equal(record(bare, id, CONFIG("2024-01-01T00:00:00Z", ""), NULL, tag, digest, NULL), 0);
}

static void use_image(struct bare *bare, const char *id, int state)
{
	_cleanup_db_ struct db_work work = { 0 };

	assert_int_equal(db_begin(bare->engine.db, &work, NULL), 0);
	assert_true(db_exec(&work, NULL, "INSERT INTO containers(id, name, image, image_name, config, state, created) "
					 "VALUES('0123456789abcdef', 'happy', ?1, 'x', '{}', ?2, 0)",
			    "ti", id, (int64_t) state) > 0);
	assert_int_equal(db_commit(&work, NULL), 0);
}

static void assert_found(struct bare *bare, const char *name, const char *id, const char *given)
{
	scow_error *error = NULL;
	scow_image *image = NULL;

	if (scow_image_get(&bare->engine, name, &image, &error) < 0)
		fail_msg("'%s': %s", name, scow_error_message(error));
	assert_string_equal(scow_image_id(image), id);
	assert_string_equal(image_given_name(image), given);
	scow_image_unref(image);
}

static void assert_not_found(struct bare *bare, const char *name, scow_status status)
{
	scow_image *image = NULL;

	assert_int_equal(scow_image_get(&bare->engine, name, &image, NULL), status);
	assert_null(image);
}

static void test_get(void **state)
{
	struct bare *bare = *state;

	make_image(bare, ID("a"), REPO "ubuntu:latest", REPO "ubuntu@" ID("1"));
	make_image(bare, "sha256:aaab" "000000000000000000000000000000000000000000000000000000000000", "localhost:5000/x:y", NULL);
	/* Its name could be an id, too. */
	make_image(bare, ID("c"), REPO "aaaaaa:latest", NULL);
	assert_found(bare, "ubuntu", ID("a"), "ubuntu");
	assert_found(bare, "ubuntu:latest", ID("a"), "ubuntu:latest");
	assert_found(bare, "docker.io/library/ubuntu", ID("a"), "ubuntu");
	assert_found(bare, "ubuntu@" ID("1"), ID("a"), "ubuntu@" ID("1"));
	assert_found(bare, "ubuntu:latest@" ID("1"), ID("a"), "ubuntu:latest@" ID("1"));
	assert_found(bare, ID("a"), ID("a"), ID("a"));
	assert_found(bare, HEX("a"), ID("a"), ID("a"));
	assert_found(bare, "aaaa", ID("a"), ID("a"));
	assert_found(bare, "sha256:aaaa", ID("a"), ID("a"));
	assert_found(bare, "aaab", "sha256:aaab" "000000000000000000000000000000000000000000000000000000000000", "sha256:aaab" "000000000000000000000000000000000000000000000000000000000000");
	assert_found(bare, "aaaaaa", ID("c"), "aaaaaa");
	assert_found(bare, "localhost:5000/x:y", "sha256:aaab" "000000000000000000000000000000000000000000000000000000000000", "localhost:5000/x:y");
	assert_not_found(bare, "aaa", SCOW_E_INVALID);
	assert_not_found(bare, "ubuntu:24.04", SCOW_E_NOT_FOUND);
	assert_not_found(bare, "x:y", SCOW_E_NOT_FOUND);
	assert_not_found(bare, "ddd", SCOW_E_NOT_FOUND);
	assert_not_found(bare, HEX("d"), SCOW_E_NOT_FOUND);
	assert_not_found(bare, "Ubuntu", SCOW_E_INVALID);
	assert_not_found(bare, "", SCOW_E_INVALID);
	assert_int_equal(scow_image_get(NULL, "x", NULL, NULL), SCOW_E_INVALID);
}

static void test_messages(void **state)
{
	struct bare *bare = *state;
	scow_image *image = NULL;
	scow_error *error = NULL;

	assert_int_equal(scow_image_get(&bare->engine, "nope", &image, &error), SCOW_E_NOT_FOUND);
	assert_string_equal(scow_error_message(error), "no such image: 'nope'");
	assert_string_equal(scow_error_hint(error), "pull or load it first");
	scow_error_unref(error);
}

static void test_list(void **state)
{
	struct bare *bare = *state;
	scow_iter *iter;
	scow_image *image;

	assert_int_equal(record(bare, ID("a"), CONFIG("2023-01-01T00:00:00Z", ""), NULL, REPO "old:1", NULL, NULL), 0);
	assert_int_equal(record(bare, ID("b"), CONFIG("2025-01-01T00:00:00Z", ""), NULL, REPO "new:1", REPO "new@" ID("2"), NULL), 0);
	assert_int_equal(record(bare, ID("b"), CONFIG("2025-01-01T00:00:00Z", ""), NULL, "quay.io/a/new:2", NULL, NULL), 0);
	assert_int_equal(record(bare, ID("c"), CONFIG("2024-01-01T00:00:00Z", ""), NULL, NULL, NULL, NULL), 0);
	assert_int_equal(scow_image_list(&bare->engine, NULL, &iter, NULL), 0);
	assert_int_equal(scow_iter_count(iter), 3);
	image = scow_iter_next_image(iter);
	assert_string_equal(scow_image_id(image), ID("b"));
	assert_int_equal(scow_image_created(image), 1735689600);
	assert_string_equal(scow_image_platform(image), "linux/amd64");
	assert_int_equal(scow_image_tag_count(image), 2);
	assert_string_equal(scow_image_tag_at(image, 0), "new:1");
	assert_string_equal(scow_image_tag_at(image, 1), "quay.io/a/new:2");
	assert_null(scow_image_tag_at(image, 2));
	assert_int_equal(scow_image_digest_count(image), 1);
	assert_string_equal(scow_image_digest_at(image, 0), "new@" ID("2"));
	assert_string_equal(scow_image_id(scow_iter_next_image(iter)), ID("c"));
	image = scow_iter_next_image(iter);
	/* A handle outlives its list. */
	scow_image_ref(image);
	assert_null(scow_iter_next_image(iter));
	scow_iter_unref(iter);
	assert_string_equal(scow_image_tag_at(image, 0), "old:1");
	scow_image_unref(image);
}

static void test_list_filter(void **state)
{
	static const struct {
		const char *pattern;
		size_t count;
	} table[] = {
		{ "ubuntu", 2 },   { "ubuntu:1", 1 },	 { "*:1", 2 }, { "u*", 2 },	  { "quay.io/*/*", 1 },		   { "quay.io/a/b", 1 },
		{ "nothing", 0 }, { "*", 2 }, { "docker.io/library/ubuntu:2", 1 }, { "quay.io/a/b:[0-9]", 1 }, { "ubuntu:?", 2 },
	};
	struct bare *bare = *state;

	make_image(bare, ID("a"), REPO "ubuntu:1", NULL);
	make_image(bare, ID("b"), REPO "ubuntu:2", NULL);
	make_image(bare, ID("c"), "quay.io/a/b:1", NULL);
	make_image(bare, ID("d"), NULL, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		scow_iter *iter;

		assert_int_equal(scow_image_list(&bare->engine, table[i].pattern, &iter, NULL), 0);
		if (i != 2 && scow_iter_count(iter) != table[i].count)
			fail_msg("'%s': %zu", table[i].pattern, scow_iter_count(iter));
		scow_iter_unref(iter);
	}
	assert_int_equal(scow_image_list(&bare->engine, "[", NULL, NULL), SCOW_E_INVALID);
	{
		scow_iter *iter;

		assert_int_equal(scow_image_list(&bare->engine, "[a", &iter, NULL), SCOW_E_INVALID);
		assert_int_equal(scow_image_list(&bare->engine, "", &iter, NULL), SCOW_E_INVALID);
	}
}

static void test_tag_moves(void **state)
{
	struct bare *bare = *state;
	scow_image *b = NULL, *a = NULL;

	make_image(bare, ID("a"), REPO "app:latest", NULL);
	make_image(bare, ID("b"), NULL, NULL);
	assert_int_equal(scow_image_get(&bare->engine, ID("b"), &b, NULL), 0);
	assert_int_equal(scow_image_tag(b, "app", NULL), 0);
	assert_found(bare, "app", ID("b"), "app");
	/* The one that had it stays, dangling. */
	assert_int_equal(scow_image_get(&bare->engine, ID("a"), &a, NULL), 0);
	assert_int_equal(scow_image_tag_count(a), 0);
	assert_int_equal(scow_image_tag(b, "app@" ID("1"), NULL), SCOW_E_INVALID);
	assert_int_equal(scow_image_tag(b, "App", NULL), SCOW_E_INVALID);
	assert_int_equal(scow_image_tag(b, HEX("f"), NULL), SCOW_E_INVALID);
	assert_int_equal(scow_image_tag(NULL, "app", NULL), SCOW_E_INVALID);
	assert_int_equal(scow_image_remove(&bare->engine, ID("a"), 0, NULL, NULL), 0);
	assert_int_equal(scow_image_tag(a, "gone", NULL), SCOW_E_NOT_FOUND);
	scow_image_unref(a);
	scow_image_unref(b);
}

static void test_record_wants_everything(void **state)
{
	struct bare *bare = *state;
	const char *missing[] = { ID("9") };
	struct image_record r = { .id = ID("a"), .config = CONFIG("", ""), .config_size = strlen(CONFIG("", "")), .manifest_digest = ID("9"),
				  .blobs = missing, .n_blobs = 1, .tag = REPO "x:1" };
	scow_image *image = NULL;

	/* A blob or a layer that was collected meanwhile: nothing appears, the caller may try again. */
	assert_int_equal(image_record(&bare->engine, &r, NULL, NULL), SCOW_E_BUSY);
	assert_int_equal(record(bare, ID("a"), CONFIG("", "\"" ID("5") "\""), ID("5"), REPO "x:1", NULL, NULL), SCOW_E_BUSY);
	assert_int_equal(record(bare, ID("a"), CONFIG("", "\"" ID("5") "\""), NULL, REPO "x:1", NULL, NULL), SCOW_E_INVALID);
	assert_int_equal(bare_number(bare, "SELECT count(*) FROM images"), 0);
	assert_int_equal(bare_number(bare, "SELECT count(*) FROM tags"), 0);
	make_layer(bare, ID("5"), NULL, 100);
	make_layer(bare, ID("6"), ID("5"), 11);
	assert_int_equal(record(bare, ID("a"), CONFIG("", "\"" ID("5") "\""), ID("6"), NULL, NULL, NULL), SCOW_E_CORRUPT);
	assert_int_equal(record(bare, ID("a"), CONFIG("", "\"" ID("5") "\",\"" ID("6") "\""), ID("6"), REPO "x:1", NULL, &image), 0);
	assert_int_equal(scow_image_size_bytes(image), 111);
	assert_string_equal(image_given_name(image), "x:1");
	assert_string_equal(image_top_layer(image), ID("6"));
	scow_image_unref(image);
}

static void test_config(void **state)
{
	struct bare *bare = *state;
	const struct image_config *config;
	scow_image *image = NULL;
	scow_error *error = NULL;

	make_layer(bare, ID("5"), NULL, 100);
	assert_int_equal(record(bare, ID("a"), CONFIG("", "\"" ID("5") "\""), ID("5"), REPO "x:1", NULL, &image), 0);
	assert_int_equal(image_config_of(image, &config, NULL), 0);
	assert_string_equal(config->cmd[0], "sh");
	scow_image_unref(image);
	/* What the sweep leaves of an image that lost its layers and that a container names. */
	bare_sql(bare, "UPDATE images SET top_layer = NULL");
	assert_int_equal(scow_image_get(&bare->engine, "x:1", &image, NULL), 0);
	assert_int_equal(image_config_of(image, &config, &error), SCOW_E_CORRUPT);
	assert_string_equal(scow_error_hint(error), "pull it again");
	scow_error_unref(error);
	scow_image_unref(image);
}

static void assert_removed(struct bare *bare, const char *name, unsigned int flags, const char *expected)
{
	scow_error *error = NULL;
	char *report = NULL;

	if (scow_image_remove(&bare->engine, name, flags, &report, &error) < 0)
		fail_msg("remove '%s': %s", name, scow_error_message(error));
	assert_string_equal(report, expected);
	scow_free(report);
}

static void assert_busy(struct bare *bare, const char *name, unsigned int flags, const char *words)
{
	scow_error *error = NULL;
	char *report = NULL;

	assert_int_equal(scow_image_remove(&bare->engine, name, flags, &report, &error), SCOW_E_BUSY);
	if (!strstr(scow_error_message(error), words))
		fail_msg("%s", scow_error_message(error));
	scow_error_unref(error);
}

static void test_remove(void **state)
{
	struct bare *bare = *state;

	make_image(bare, ID("a"), REPO "app:1", REPO "app@" ID("1"));
	make_image(bare, ID("a"), REPO "app:2", NULL);
	make_image(bare, ID("a"), "quay.io/x:1", NULL);
	assert_removed(bare, "app:1", 0, "[{\"Untagged\":\"app:1\"}]");
	assert_busy(bare, ID("a"), 0, "it has 3 names");
	/* The last tag of a repository takes its digests along. */
	assert_removed(bare, "app:2", 0, "[{\"Untagged\":\"app:2\"},{\"Untagged\":\"app@" ID("1") "\"}]");
	assert_removed(bare, "quay.io/x:1", 0, "[{\"Untagged\":\"quay.io/x:1\"},{\"Deleted\":\"" ID("a") "\"}]");
	assert_not_found(bare, ID("a"), SCOW_E_NOT_FOUND);
	assert_int_equal(bare_number(bare, "SELECT count(*) FROM blobs"), 0);
	assert_int_equal(scow_image_remove(&bare->engine, "app:1", 0, NULL, NULL), SCOW_E_NOT_FOUND);
	/* By id: one name and its digest are one; several need force. */
	make_image(bare, ID("a"), REPO "app:1", REPO "app@" ID("1"));
	assert_removed(bare, "aaaa", 0, "[{\"Untagged\":\"app:1\"},{\"Untagged\":\"app@" ID("1") "\"},{\"Deleted\":\"" ID("a") "\"}]");
	make_image(bare, ID("a"), REPO "app:1", "quay.io/x@" ID("1"));
	assert_busy(bare, "aaaa", 0, "it has 2 names");
	assert_removed(bare, "aaaa", SCOW_REMOVE_FORCE, "[{\"Untagged\":\"app:1\"},{\"Untagged\":\"quay.io/x@" ID("1") "\"},{\"Deleted\":\"" ID("a") "\"}]");
	assert_int_equal(scow_image_remove(&bare->engine, "app:1", 64, NULL, NULL), SCOW_E_INVALID);
}

static void test_remove_used(void **state)
{
	struct bare *bare = *state;

	make_image(bare, ID("a"), REPO "app:1", NULL);
	make_image(bare, ID("a"), REPO "app:2", NULL);
	use_image(bare, ID("a"), SCOW_CONTAINER_EXITED);
	assert_removed(bare, "app:2", 0, "[{\"Untagged\":\"app:2\"}]");
	assert_busy(bare, "app:1", 0, "cannot remove the image 'app:1': the container 0123456789ab (happy) uses it");
	assert_busy(bare, ID("a"), 0, "container 0123456789ab (happy) uses it");
	/* Forced, the name goes and the image stays for its container. */
	assert_removed(bare, "app:1", SCOW_REMOVE_FORCE, "[{\"Untagged\":\"app:1\"}]");
	assert_found(bare, ID("a"), ID("a"), ID("a"));
	bare_sql(bare, "DELETE FROM containers");
	make_image(bare, ID("a"), REPO "app:1", NULL);
	use_image(bare, ID("a"), SCOW_CONTAINER_RUNNING);
	assert_busy(bare, ID("a"), SCOW_REMOVE_FORCE, "the running container 0123456789ab");
	assert_found(bare, "app:1", ID("a"), "app:1");
}

static void test_remove_shares_layers(void **state)
{
	struct bare *bare = *state;

	make_layer(bare, ID("5"), NULL, 1);
	make_layer(bare, ID("6"), ID("5"), 1);
	assert_int_equal(record(bare, ID("a"), CONFIG("", "\"" ID("5") "\""), ID("5"), REPO "low:1", NULL, NULL), 0);
	assert_int_equal(record(bare, ID("b"), CONFIG("", "\"" ID("5") "\",\"" ID("6") "\""), ID("6"), REPO "high:1", NULL, NULL), 0);
	assert_removed(bare, "high:1", 0, "[{\"Untagged\":\"high:1\"},{\"Deleted\":\"" ID("b") "\"},{\"Deleted\":\"" ID("6") "\"}]");
	assert_true(bare_has(bare, "layers/555555555555555555555555"));
	assert_false(bare_has(bare, "layers/666666666666666666666666"));
	assert_removed(bare, "low:1", 0, "[{\"Untagged\":\"low:1\"},{\"Deleted\":\"" ID("a") "\"},{\"Deleted\":\"" ID("5") "\"}]");
	assert_false(bare_has(bare, "layers/555555555555555555555555"));
}

static void test_inspect(void **state)
{
	struct bare *bare = *state;
	scow_image *image = NULL;
	_cleanup_free_ char *expected = NULL;
	char *text = NULL, *metadata;

	make_layer(bare, ID("5"), NULL, 7);
	make_layer(bare, ID("6"), ID("5"), 3);
	assert_int_equal(record(bare, ID("a"), CONFIG("2024-01-01T00:00:00Z", "\"" ID("5") "\",\"" ID("6") "\""), ID("6"), REPO "x:1", REPO "x@" ID("1"),
				&image), 0);
	assert_int_equal(scow_image_inspect_json(image, &text, NULL), 0);
	expected = strf("{\"Id\":\"" ID("a") "\",\"RepoTags\":[\"x:1\"],\"RepoDigests\":[\"x@" ID("1") "\"],\"Parent\":\"\",\"Comment\":\"\","
			"\"Created\":\"2024-01-01T00:00:00Z\",\"Author\":\"me\",\"Config\":{\"User\":\"\",\"Env\":[\"A=b\"],\"Cmd\":[\"sh\"]},"
			"\"Architecture\":\"amd64\",\"Os\":\"linux\",\"Size\":10,\"GraphDriver\":{\"Name\":\"overlay\",\"Data\":{"
			"\"LowerDir\":\"%s/layers/555555555555555555555555\",\"UpperDir\":\"%s/layers/666666666666666666666666\"}},"
			"\"RootFS\":{\"Type\":\"layers\",\"Layers\":[\"" ID("5") "\",\"" ID("6") "\"]},\"Metadata\":{\"LastTagTime\":\"",
			bare->scratch.path, bare->scratch.path);
	metadata = strstr(text, "LastTagTime\":\"");
	assert_non_null(metadata);
	metadata += strlen("LastTagTime\":\"");
	assert_memory_equal(text, expected, (size_t) (metadata - text));
	assert_int_equal(strlen(expected), metadata - text);
	assert_int_equal(strlen(metadata), strlen("2026-01-01T00:00:00.000000000Z\"}}"));
	scow_free(text);
	scow_image_unref(image);
}

static void test_history(void **state)
{
	struct bare *bare = *state;
	scow_image *image = NULL;
	char *text = NULL;

	make_layer(bare, ID("5"), NULL, 7);
	assert_int_equal(record(bare, ID("a"), CONFIG("2024-01-01T00:00:00Z", "\"" ID("5") "\""), ID("5"), REPO "x:1", NULL, &image), 0);
	assert_int_equal(scow_image_history_json(image, &text, NULL), 0);
	assert_string_equal(text, "[{\"Id\":\"" ID("a") "\",\"Created\":1704067200,\"CreatedBy\":\"CMD\",\"Tags\":[\"x:1\"],\"Size\":0,\"Comment\":\"c\"},"
				  "{\"Id\":\"<missing>\",\"Created\":1704067200,\"CreatedBy\":\"ADD\",\"Tags\":null,\"Size\":7,\"Comment\":\"\"}]");
	scow_free(text);
	assert_int_equal(scow_image_remove(&bare->engine, "x:1", 0, NULL, NULL), 0);
	assert_int_equal(scow_image_history_json(image, &text, NULL), SCOW_E_NOT_FOUND);
	assert_int_equal(scow_image_inspect_json(image, &text, NULL), SCOW_E_NOT_FOUND);
	scow_image_unref(image);
}

/* On the way of every run. */
static void test_get_is_fast(void **state)
{
	struct bare *bare = *state;
	double best = 1e9;

	make_image(bare, ID("a"), REPO "ubuntu:latest", REPO "ubuntu@" ID("1"));
	for (int i = 0; i < 200; i++) {
		struct timespec a, b;
		scow_image *image = NULL;
		double us;

		clock_gettime(CLOCK_MONOTONIC, &a);
		assert_int_equal(scow_image_get(&bare->engine, "ubuntu", &image, NULL), 0);
		clock_gettime(CLOCK_MONOTONIC, &b);
		scow_image_unref(image);
		us = (double) (b.tv_sec - a.tv_sec) * 1e6 + (double) (b.tv_nsec - a.tv_nsec) / 1e3;
		if (us < best)
			best = us;
	}
	print_message("# get by reference: %.1f us\n", best);
	assert_true(best < 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_get, setup, teardown),
		cmocka_unit_test_setup_teardown(test_messages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_list, setup, teardown),
		cmocka_unit_test_setup_teardown(test_list_filter, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tag_moves, setup, teardown),
		cmocka_unit_test_setup_teardown(test_record_wants_everything, setup, teardown),
		cmocka_unit_test_setup_teardown(test_config, setup, teardown),
		cmocka_unit_test_setup_teardown(test_remove, setup, teardown),
		cmocka_unit_test_setup_teardown(test_remove_used, setup, teardown),
		cmocka_unit_test_setup_teardown(test_remove_shares_layers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_inspect, setup, teardown),
		cmocka_unit_test_setup_teardown(test_history, setup, teardown),
		cmocka_unit_test_setup_teardown(test_get_is_fast, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
