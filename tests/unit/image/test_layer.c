/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pipeline from compressed bytes to a published layer, what it refuses and leaves, and the collection of layers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <sys/file.h>
#include <zlib.h>

#include "../archive/tarfile.h"
#include "base/path.h"
#include "engine/userns.h"
#include "image/layer.h"
#include "store/db.h"

struct fixture {
	char path[64];
	struct scow_engine engine;
	struct tar tar;
	unsigned char *packed; /* gzip of it */
	size_t packed_size;
	char diff_id[DIGEST_STRING], digest[DIGEST_STRING];
	scow_error *error;
};

static int subdirectory(struct fixture *f, const char *name)
{
	mkdirat(f->engine.root_fd, name, 0700);
	return openat(f->engine.root_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char path[100];

	snprintf(f->path, sizeof(f->path), "/tmp/scow-layer-XXXXXX");
	if (!mkdtemp(f->path))
		return -1;
	fake_engine(&f->engine);
	f->engine.root = f->path;
	strcpy(f->engine.facts.boot_id, "a-boot");
	f->engine.root_fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f->engine.layers_fd = subdirectory(f, "layers");
	f->engine.tmp_fd = subdirectory(f, "tmp");
	close(subdirectory(f, "blobs"));
	f->engine.blobs_fd = subdirectory(f, "blobs/sha256");
	snprintf(path, sizeof(path), "%s/state.db", f->path);
	*state = f;
	return db_open(path, &f->engine.db, NULL);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	db_close(f->engine.db);
	close(f->engine.root_fd);
	close(f->engine.layers_fd);
	close(f->engine.tmp_fd);
	close(f->engine.blobs_fd);
	tree_remove(f->path);
	free(f->tar.data);
	free(f->packed);
	scow_error_unref(f->error);
	free(f);
	return 0;
}

static void pack(struct fixture *f)
{
	void *library = dlopen("libz.so.1", RTLD_NOW);
	int (*init)(z_streamp, int, int, int, int, int, const char *, int);
	int (*run)(z_streamp, int);
	int (*done)(z_streamp);
	z_stream z = { 0 };

	assert_non_null(library);
	*(void **) &init = dlsym(library, "deflateInit2_");
	*(void **) &run = dlsym(library, "deflate");
	*(void **) &done = dlsym(library, "deflateEnd");
	free(f->packed);
	f->packed = malloc(f->tar.size + 1000);
	assert_int_equal(init(&z, 1, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, sizeof(z)), Z_OK);
	z.next_in = f->tar.data;
	z.avail_in = (uInt) f->tar.size;
	z.next_out = f->packed;
	z.avail_out = (uInt) f->tar.size + 1000;
	assert_int_equal(run(&z, Z_FINISH), Z_STREAM_END);
	f->packed_size = f->tar.size + 1000 - z.avail_out;
	done(&z);
	assert_int_equal(digest_bytes(f->tar.data, f->tar.size, f->diff_id, NULL), 0);
	assert_int_equal(digest_bytes(f->packed, f->packed_size, f->digest, NULL), 0);
}

/* A layer whose content depends on @seed; a few megabytes, so that the rings go round. */
static void make_layer(struct fixture *f, unsigned int seed)
{
	size_t size = 5 << 20;
	char *data = malloc(size), name[32];

	f->tar.size = 0;
	for (size_t i = 0; i < size; i++) {
		seed = seed * 1103515245 + 12345;
		data[i] = (char) (seed >> 26);
	}
	tar_dir(&f->tar, "d");
	TAR_ADD(&f->tar, .name = "d/big", .type = '0', .mode = 0644, .data = data, .size = size);
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "d/%d", i);
		TAR_ADD(&f->tar, .name = name, .type = '0', .mode = 0644, .data = data, .size = (size_t) i * 100);
	}
	tar_end(&f->tar);
	free(data);
	pack(f);
}

static struct layer_sink_options options_of(struct fixture *f)
{
	return (struct layer_sink_options){ .blob_digest = f->digest, .blob_size = f->packed_size, .diff_id = f->diff_id, .sniff = true };
}

/* Up to and including finish; NULL with f->error on failure. */
static struct layer_sink *feed(struct fixture *f, const struct layer_sink_options *options, const void *data, size_t size, int *status)
{
	struct layer_sink *sink = NULL;
	int r = layer_sink_open(&f->engine, options, &sink, &f->error);

	for (size_t i = 0; i < size && r == 0; i += 10000)
		r = layer_sink_write(sink, (const char *) data + i, size - i < 10000 ? size - i : 10000, &f->error);
	if (r == 0)
		r = layer_sink_finish(sink, &f->error);
	*status = r;
	if (r < 0) {
		layer_sink_abort(sink);
		return NULL;
	}
	return sink;
}

static unsigned int count_entries(int dir_fd)
{
	unsigned int n = 0;
	DIR *dir = fdopendir(dup(dir_fd));
	struct dirent *entry;

	rewinddir(dir);
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

static void add_layer(struct fixture *f, unsigned int seed, const char *parent, char chain_id[DIGEST_STRING])
{
	struct layer_sink_options options;
	struct layer_sink *sink;
	int r;

	make_layer(f, seed);
	options = options_of(f);
	sink = feed(f, &options, f->packed, f->packed_size, &r);
	if (!sink)
		fail_msg("%s", scow_error_message(f->error));
	assert_int_equal(layer_sink_publish(sink, parent, f->digest, &f->error), 0);
	assert_int_equal(layer_chain_id(parent, f->diff_id, chain_id, NULL), 0);
}

static void test_chain_id(void **state)
{
	static const char *const a = "sha256:0000000000000000000000000000000000000000000000000000000000000001";
	static const char *const b = "sha256:0000000000000000000000000000000000000000000000000000000000000002";
	char out[DIGEST_STRING], text[200], expected[DIGEST_STRING];

	(void) state;
	assert_int_equal(layer_chain_id(NULL, a, out, NULL), 0);
	assert_string_equal(out, a);
	assert_int_equal(layer_chain_id(a, b, out, NULL), 0);
	snprintf(text, sizeof(text), "%s %s", a, b);
	assert_int_equal(digest_bytes(text, strlen(text), expected, NULL), 0);
	assert_string_equal(out, expected);
	assert_int_equal(layer_chain_id(a, "sha256:../../x", out, NULL), SCOW_E_CORRUPT);
	assert_int_equal(layer_chain_id("x", b, out, NULL), SCOW_E_CORRUPT);
}

static void test_publish(void **state)
{
	struct fixture *f = *state;
	char first[DIGEST_STRING], second[DIGEST_STRING], path[100], **names = NULL;
	struct layer_sink_options options;
	struct layer_sink *sink;
	struct stat st;
	size_t count;
	int r;

	add_layer(f, 1, NULL, first);
	assert_int_equal(layer_exists(&f->engine, first, NULL), 1);
	add_layer(f, 2, first, second);
	assert_int_equal(count_entries(f->engine.tmp_fd), 0);
	assert_int_equal(layer_stack(&f->engine, second, &names, &count, NULL), 0);
	assert_int_equal(count, 2);
	assert_int_equal(strlen(names[0]), 24);
	assert_memory_equal(names[0], digest_hex(second), 24);
	assert_memory_equal(names[1], digest_hex(first), 24);
	assert_null(names[2]);
	snprintf(path, sizeof(path), "%s/d/big", names[1]);
	assert_int_equal(fstatat(f->engine.layers_fd, path, &st, 0), 0);
	assert_int_equal(st.st_size, 5 << 20);
	strv_free(names);

	/* The second to come finds it done. */
	options = options_of(f);
	sink = feed(f, &options, f->packed, f->packed_size, &r);
	assert_non_null(sink);
	assert_int_equal(count_entries(f->engine.tmp_fd), 1);
	assert_int_equal(layer_sink_publish(sink, first, f->digest, NULL), 1);
	assert_int_equal(count_entries(f->engine.tmp_fd), 0);

	/* Without its parent it has no place. */
	sink = feed(f, &options, f->packed, f->packed_size, &r);
	assert_int_equal(layer_sink_publish(sink, f->digest, f->digest, &f->error), SCOW_E_BUSY);
	assert_int_equal(count_entries(f->engine.tmp_fd), 0);

	assert_int_equal(layer_stack(&f->engine, NULL, &names, &count, NULL), 0);
	assert_int_equal(count, 0);
	strv_free(names);
	assert_int_equal(layer_stack(&f->engine, f->digest, &names, &count, NULL), SCOW_E_CORRUPT);
}

/* What a crash between rename and commit left is replaced; a row without its directory is made true. */
static void test_leftovers(void **state)
{
	struct fixture *f = *state;
	char chain[DIGEST_STRING], name[25], path[64];

	make_layer(f, 1);
	snprintf(name, sizeof(name), "%s", digest_hex(f->diff_id));
	mkdirat(f->engine.layers_fd, name, 0700);
	snprintf(path, sizeof(path), "%s/old", name);
	mkdirat(f->engine.layers_fd, path, 0700);
	assert_int_equal(layer_exists(&f->engine, f->diff_id, NULL), 0);
	add_layer(f, 1, NULL, chain);
	assert_int_equal(faccessat(f->engine.layers_fd, path, F_OK, 0), -1);
	assert_int_equal(count_entries(f->engine.tmp_fd), 0);

	path_remove_tree(f->engine.layers_fd, name);
	assert_int_equal(layer_exists(&f->engine, chain, NULL), 0);
	add_layer(f, 1, NULL, chain);
	assert_int_equal(layer_exists(&f->engine, chain, NULL), 1);
}

static void refused(struct fixture *f, const struct layer_sink_options *options, const void *data, size_t size, const char *message)
{
	int r;

	assert_null(feed(f, options, data, size, &r));
	if (r != SCOW_E_CORRUPT || !strstr(scow_error_message(f->error), message))
		fail_msg("status %d: '%s' does not say '%s'", r, scow_error_message(f->error), message);
	scow_error_unref(take_ptr(&f->error));
	assert_int_equal(count_entries(f->engine.tmp_fd), 0);
	assert_int_equal(count_entries(f->engine.layers_fd), 0);
}

static void test_refused(void **state)
{
	static const char *const other = "sha256:00000000000000000000000000000000000000000000000000000000000000ff";
	struct fixture *f = *state;
	struct layer_sink_options options, wrong;
	unsigned char *copy;

	make_layer(f, 1);
	options = options_of(f);
	copy = malloc(f->packed_size + 8);
	memcpy(copy, f->packed, f->packed_size);
	memcpy(copy + f->packed_size, "garbage", 8);

	wrong = options;
	wrong.diff_id = other;
	refused(f, &wrong, f->packed, f->packed_size, other);
	refused(f, &wrong, f->packed, f->packed_size, f->diff_id);
	wrong = options;
	wrong.blob_digest = other;
	refused(f, &wrong, f->packed, f->packed_size, other);
	refused(f, &wrong, f->packed, f->packed_size, f->digest);
	refused(f, &options, f->packed, f->packed_size - 100, "ends in the middle");
	refused(f, &options, f->packed, 0, "its manifest states");
	refused(f, &options, copy, f->packed_size + 8, "longer than");
	wrong = options;
	wrong.blob_size = UINT64_MAX;
	refused(f, &wrong, copy, f->packed_size + 8, "garbage");
	wrong.blob_size = f->packed_size + 1;
	refused(f, &wrong, f->packed, f->packed_size, "its manifest states");
	copy[f->packed_size / 2] ^= 4;
	refused(f, &options, copy, f->packed_size, "corrupt");
	wrong = options;
	wrong.sniff = false;
	wrong.codec = CODEC_NONE;
	refused(f, &wrong, f->packed, f->packed_size, "tar stream is corrupt");
	wrong.codec = CODEC_ZSTD;
	refused(f, &wrong, f->packed, f->packed_size, "zstd stream is corrupt");
	free(copy);

	/* A hostile entry in the middle, named. */
	f->tar.size -= 1024;
	tar_file(&f->tar, "../escape", "x");
	tar_end(&f->tar);
	pack(f);
	options = options_of(f);
	refused(f, &options, f->packed, f->packed_size, "entry '../escape'");
	options.diff_id = "sha256:short";
	refused(f, &options, f->packed, f->packed_size, "sha256:short");
}

static void test_plain_and_trailing(void **state)
{
	struct fixture *f = *state;
	struct layer_sink_options options;
	struct layer_sink *sink;
	static const char padding[100000];
	int r;

	make_layer(f, 1);
	tar_bytes(&f->tar, padding, sizeof(padding));
	pack(f);
	options = (struct layer_sink_options){ .blob_size = UINT64_MAX, .diff_id = f->diff_id, .sniff = true };
	sink = feed(f, &options, f->tar.data, f->tar.size, &r);
	if (!sink)
		fail_msg("%s", scow_error_message(f->error));
	assert_int_equal(layer_sink_publish(sink, NULL, NULL, NULL), 0);
}

static void test_abort(void **state)
{
	struct fixture *f = *state;
	struct layer_sink_options options;

	make_layer(f, 1);
	options = options_of(f);
	for (size_t part = 0; part < 20; part++) {
		struct layer_sink *sink;
		char name[64] = "";
		DIR *dir;
		struct dirent *entry;
		int fd;

		assert_int_equal(layer_sink_open(&f->engine, &options, &sink, NULL), 0);
		assert_int_equal(layer_sink_write(sink, f->packed, f->packed_size * part / 20, NULL), 0);
		/* While it works, a sweep can tell that it is alive. */
		dir = fdopendir(dup(f->engine.tmp_fd));
		rewinddir(dir);
		while ((entry = readdir(dir)))
			if (entry->d_name[0] != '.')
				snprintf(name, sizeof(name), "%.60s", entry->d_name);
		closedir(dir);
		fd = openat(f->engine.tmp_fd, name, O_RDONLY | O_DIRECTORY);
		assert_true(fd >= 0);
		assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
		close(fd);
		layer_sink_abort(sink);
		assert_int_equal(count_entries(f->engine.tmp_fd), 0);
	}
	layer_sink_abort(NULL);
}

static void execute(struct fixture *f, const char *text)
{
	sqlite3 *handle;
	char path[100], *message = NULL;

	snprintf(path, sizeof(path), "%s/state.db", f->path);
	assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
	sqlite3_exec(handle, "PRAGMA foreign_keys=ON", NULL, NULL, NULL);
	if (sqlite3_exec(handle, text, NULL, NULL, &message) != SQLITE_OK)
		fail_msg("%s: %s", text, message);
	sqlite3_close(handle);
}

static void add_image(struct fixture *f, const char *id, const char *top, const char *blob)
{
	char text[1000];

	snprintf(text, sizeof(text),
		 "INSERT INTO images (id, config, manifest, top_layer, platform, size, created, added) VALUES ('%s', '{}', 'm', '%s', "
		 "'linux/amd64', 1, 1, 1);"
		 "INSERT INTO image_blobs (image, blob) VALUES ('%s', '%s')",
		 id, top, id, blob);
	execute(f, text);
}

static void add_blob(struct fixture *f, char digest[DIGEST_STRING], const char *content)
{
	assert_int_equal(blob_put(&f->engine, content, strlen(content), digest, NULL), 0);
}

static void test_collect(void **state)
{
	struct fixture *f = *state;
	char base[DIGEST_STRING], a[DIGEST_STRING], b[DIGEST_STRING], failed[DIGEST_STRING], blob_a[DIGEST_STRING], blob_b[DIGEST_STRING];

	add_layer(f, 1, NULL, base);
	add_layer(f, 2, base, a);
	add_layer(f, 3, base, b);
	add_layer(f, 4, a, failed);
	add_blob(f, blob_a, "a");
	add_blob(f, blob_b, "b");
	/* All are new: a pull may be about to use them. */
	assert_int_equal(layer_collect(&f->engine, NULL), 0);
	assert_int_equal(count_entries(f->engine.layers_fd), 4);
	assert_int_equal(blob_exists(&f->engine, blob_a, NULL), 1);

	add_image(f, "A", a, blob_a);
	add_image(f, "B", b, blob_b);
	execute(f, "DELETE FROM images WHERE id = 'A'");
	assert_int_equal(layer_collect(&f->engine, NULL), 0);
	/* What a new layer of a cut-off pull stands on stays, though its image went. */
	assert_int_equal(layer_exists(&f->engine, a, NULL), 1);
	assert_int_equal(blob_exists(&f->engine, blob_a, NULL), 0);
	assert_int_equal(blob_exists(&f->engine, blob_b, NULL), 1);

	execute(f, "UPDATE layers SET created = 1");
	assert_int_equal(layer_collect(&f->engine, NULL), 0);
	assert_int_equal(layer_exists(&f->engine, failed, NULL), 0);
	assert_int_equal(layer_exists(&f->engine, a, NULL), 0);
	assert_int_equal(layer_exists(&f->engine, b, NULL), 1);
	assert_int_equal(layer_exists(&f->engine, base, NULL), 1);
	assert_int_equal(count_entries(f->engine.layers_fd), 2);
	assert_int_equal(count_entries(f->engine.tmp_fd), 0);

	/* Young layers go with their image at once, all that it stood on. */
	add_layer(f, 2, base, a);
	add_layer(f, 4, a, failed);
	add_image(f, "C", failed, blob_b);
	execute(f, "DELETE FROM images WHERE id = 'C'");
	assert_int_equal(layer_collect(&f->engine, NULL), 0);
	assert_int_equal(layer_exists(&f->engine, failed, NULL), 0);
	assert_int_equal(layer_exists(&f->engine, a, NULL), 0);
	assert_int_equal(layer_exists(&f->engine, base, NULL), 1);
	assert_int_equal(blob_exists(&f->engine, blob_b, NULL), 1);
	execute(f, "DELETE FROM images");
	assert_int_equal(layer_collect(&f->engine, NULL), 0);
	assert_int_equal(count_entries(f->engine.layers_fd), 0);
	assert_int_equal(count_entries(f->engine.blobs_fd), 0);
}

/* A layer whose root hides all that is below it: overlayfs would not see that, so the stack ends there. */
static void test_opaque_root(void **state)
{
	struct fixture *f = *state;
	char base[DIGEST_STRING], top[DIGEST_STRING], **names;
	struct layer_sink_options options;
	struct layer_sink *sink;
	size_t count;
	int r;

	add_layer(f, 1, NULL, base);
	f->tar.size = 0;
	tar_file(&f->tar, ".wh..wh..opq", "");
	tar_file(&f->tar, "only", "x");
	tar_end(&f->tar);
	pack(f);
	options = options_of(f);
	sink = feed(f, &options, f->packed, f->packed_size, &r);
	assert_non_null(sink);
	assert_int_equal(layer_sink_publish(sink, base, NULL, NULL), 0);
	assert_int_equal(layer_chain_id(base, f->diff_id, top, NULL), 0);
	assert_int_equal(layer_stack(&f->engine, top, &names, &count, NULL), 0);
	assert_int_equal(count, 1);
	assert_memory_equal(names[0], digest_hex(top), 24);
	assert_null(names[1]);
	strv_free(names);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_chain_id),           TEST(test_publish), TEST(test_leftovers), TEST(test_refused),
		TEST(test_plain_and_trailing), TEST(test_abort),   TEST(test_collect),   TEST(test_opaque_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
