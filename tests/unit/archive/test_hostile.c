/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Archives that want to write outside of the layer, or to hurt us. Each must be refused with the entry's name, or
 * become something harmless inside; what lies beside the root must be as it was, whatever happens.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "base/path.h"
#include "engine/userns.h"
#include "tarfile.h"

int userns_chown(scow_engine *engine, int root_fd, const struct userns_owner *owners, size_t count, scow_error **error)
{
	(void) engine;
	(void) root_fd;
	(void) owners;
	(void) count;
	(void) error;
	return 0;
}

struct place {
	char base[64];
	int base_fd, root_fd;
	struct stat secret, outside;
};

static void place_make(struct place *place)
{
	int fd;

	snprintf(place->base, sizeof(place->base), "/tmp/scow-hostile-XXXXXX");
	assert_non_null(mkdtemp(place->base));
	place->base_fd = open(place->base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mkdirat(place->base_fd, "root", 0700);
	mkdirat(place->base_fd, "outside", 0755);
	fd = openat(place->base_fd, "outside/secret", O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "secret", 6), 6);
	close(fd);
	place->root_fd = openat(place->base_fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fstatat(place->base_fd, "outside/secret", &place->secret, 0);
	fstatat(place->base_fd, "outside", &place->outside, 0);
}

static bool same(const struct stat *a, const struct stat *b)
{
	return a->st_mode == b->st_mode && a->st_uid == b->st_uid && a->st_gid == b->st_gid && a->st_nlink == b->st_nlink &&
	       a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static void place_check(struct place *place, const char *what)
{
	struct stat st;
	unsigned int n = 0;
	DIR *dir = fdopendir(dup(place->base_fd));

	rewinddir(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	if (n != 4)
		fail_msg("%s: something was made or removed beside the root", what);
	if (fstatat(place->base_fd, "outside/secret", &st, 0) < 0 || !same(&st, &place->secret))
		fail_msg("%s: the secret was touched", what);
	if (fstatat(place->base_fd, "outside", &st, 0) < 0 || !same(&st, &place->outside))
		fail_msg("%s: the directory outside was touched", what);
	/* Removed by descriptor, so that a hostile tree cannot mislead us here either. */
	if (path_remove_tree(place->base_fd, "root") < 0)
		fail_msg("%s: cannot be removed", what);
	close(place->root_fd);
	close(place->base_fd);
	tree_remove(place->base);
}

/* @message NULL: harmless, else refused as corrupt with that in the message. */
static void attack(const char *what, struct tar *tar, const char *message)
{
	for (int rootless = 0; rootless < 2; rootless++) {
		struct tar_reader reader = { .tar = tar, .step = 1000 };
		struct unpack_stats stats;
		struct scow_engine engine;
		struct place place;
		scow_error *error = NULL;
		int r;

		place_make(&place);
		fake_engine(&engine);
		engine.facts.rootless |= rootless;
		r = unpack_layer(&engine, place.root_fd, tar_read, &reader, &stats, &error);
		if (!message && r < 0)
			fail_msg("%s: %s", what, scow_error_message(error));
		if (message && (r != SCOW_E_CORRUPT || !strstr(scow_error_message(error), message)))
			fail_msg("%s: status %d, '%s' without '%s'", what, r, error ? scow_error_message(error) : "", message);
		for (const char *p = error ? scow_error_message(error) : ""; *p; p++)
			assert_true((unsigned char) *p >= 0x20 && (unsigned char) *p < 0x7f);
		scow_error_unref(error);
		free(stats.warnings);
		place_check(&place, what);
	}
	free(tar->data);
	*tar = (struct tar){ 0 };
}

static void test_dot_dot(void **state)
{
	static const char *const names[] = { "../outside/x", "a/../../outside/x",   "./../outside/secret", "/../outside/x", "..",
					     "a/..",         "../root/../outside/x" };

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		static const char types[] = "012356";

		for (const char *type = types; *type; type++) {
			struct tar tar = { 0 };

			TAR_ADD(&tar, .name = names[i], .type = *type, .mode = 0777, .link = "x", .dev_major = 1, .dev_minor = 3);
			tar_end(&tar);
			attack(names[i], &tar, "'..'");
		}
	}
}

static void test_links_out(void **state)
{
	static const char *const targets[] = { "../outside",      "../../../../../../../../tmp",
					       "/outside",        "sub/../../outside",
					       "/proc/self/root", "." };
	struct tar tar = { 0 };

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		tar_symlink(&tar, "l", targets[i]);
		tar_file(&tar, "l/secret", "overwritten");
		tar_dir(&tar, "l/dir");
		tar_symlink(&tar, "l/link", "x");
		tar_file(&tar, "l/.wh.secret", "");
		tar_end(&tar);
		attack(targets[i], &tar, NULL);

		/* Opaque through the link, and metadata through it. */
		tar_symlink(&tar, "l", targets[i]);
		tar_file(&tar, "l/.wh..wh..opq", "");
		tar_dir(&tar, "l/");
		tar_end(&tar);
		attack(targets[i], &tar, NULL);
	}
	/* The final name is a link: replaced, never followed. */
	tar_symlink(&tar, "l", "../outside/secret");
	tar_file(&tar, "l", "overwritten");
	tar_symlink(&tar, "m", "../outside/new");
	tar_file(&tar, "m", "made");
	tar_symlink(&tar, "n", "../outside");
	TAR_ADD(&tar, .name = "n", .type = '5', .mode = 0777, .uid = 1);
	tar_symlink(&tar, "o", "../outside/secret");
	TAR_ADD(&tar, .name = "o", .type = '6', .mode = 0777, .uid = 1);
	tar_end(&tar);
	attack("last component is a link", &tar, NULL);
	/* The parent changes between two entries. */
	tar_dir(&tar, "d");
	tar_file(&tar, "d/a", "a");
	tar_symlink(&tar, "d", "../outside");
	tar_file(&tar, "d/secret", "overwritten");
	tar_end(&tar);
	attack("directory turned into a link", &tar, NULL);
	/* A whiteout's parent turns into a link after it was noted. */
	tar_dir(&tar, "d");
	tar_file(&tar, "d/.wh.secret", "");
	tar_file(&tar, "d/.wh.new", "");
	tar_symlink(&tar, "d", "../outside");
	tar_end(&tar);
	attack("whiteout below a link", &tar, NULL);
	/* Likewise a directory whose owner and mode are set at the end, for a plain user. */
	TAR_ADD(&tar, .name = "d", .type = '5', .mode = 0, .uid = 0);
	tar_symlink(&tar, "d", "../outside");
	tar_end(&tar);
	attack("late mode through a link", &tar, NULL);
}

static void test_link_loops(void **state)
{
	struct tar tar = { 0 };
	char name[16], target[16];

	(void) state;
	tar_symlink(&tar, "a", "b");
	tar_symlink(&tar, "b", "a");
	tar_file(&tar, "a/x", "x");
	tar_end(&tar);
	attack("loop", &tar, "too many links");
	tar_symlink(&tar, "self", "self/self");
	tar_file(&tar, "self/x", "x");
	tar_end(&tar);
	attack("self", &tar, "too many links");
	for (int i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "l%d", i);
		snprintf(target, sizeof(target), "l%d", i + 1);
		tar_symlink(&tar, name, target);
	}
	tar_file(&tar, "l0/x", "x");
	tar_end(&tar);
	attack("long chain", &tar, "too many links");
}

static void test_hard_links_out(void **state)
{
	struct tar tar = { 0 };

	(void) state;
	tar_hard_link(&tar, "h", "../outside/secret");
	tar_end(&tar);
	attack("hard link by ..", &tar, "'..'");
	tar_symlink(&tar, "l", "../outside/secret");
	tar_hard_link(&tar, "h", "l");
	tar_file(&tar, "h", "overwritten");
	TAR_ADD(&tar, .name = "h2", .type = '1', .mode = 0777, .uid = 1, .link = "l");
	tar_end(&tar);
	attack("hard link to a link", &tar, NULL);
	tar_dir(&tar, "d");
	tar_hard_link(&tar, "h", "d");
	tar_end(&tar);
	attack("hard link to a directory", &tar, "not a file");
	tar_hard_link(&tar, "h", "/");
	tar_end(&tar);
	attack("hard link to the root", &tar, "root");
}

/* Targets that exist outside and not inside: looked for in the layers below, in which nothing leads outside either. */
static void test_hard_link_targets(void **state)
{
	(void) state;
	for (int i = 0; i < 3; i++) {
		struct tar tar = { 0 };
		struct tar_reader reader = { .tar = &tar, .step = 1000 };
		struct unpack_stats stats;
		struct scow_engine engine;
		struct place place;

		if (i == 0) {
			tar_hard_link(&tar, "h", "/etc/passwd");
		} else {
			tar_symlink(&tar, "l", i == 1 ? "../outside" : "/proc/self/root/etc");
			tar_hard_link(&tar, "h", i == 1 ? "l/secret" : "l/passwd");
		}
		tar_end(&tar);
		place_make(&place);
		fake_engine(&engine);
		assert_int_equal(unpack_layer(&engine, place.root_fd, tar_read, &reader, &stats, NULL), 0);
		assert_non_null(stats.lower_links);
		free(stats.lower_links);
		place_check(&place, "hard link target");
		free(stats.warnings);
		free(tar.data);
	}
}

static void test_whiteouts(void **state)
{
	static const char *const bad[] = { ".wh.", "a/.wh.", ".wh..", "a/.wh..", ".wh...", "a/.wh...", ".wh.a/b", "x/.wh.a/b/c" };
	struct tar tar = { 0 };

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		tar_file(&tar, bad[i], "");
		tar_end(&tar);
		attack(bad[i], &tar, "whiteout");
	}
	tar_file(&tar, "f", "x");
	tar_file(&tar, "f/.wh.x", "");
	tar_end(&tar);
	attack("whiteout below a file", &tar, "not a directory");
}

static void test_names(void **state)
{
	struct tar tar = { 0 };
	char *deep = malloc(200100 + 6), component[300];
	size_t n = 5;

	(void) state;
	tar_file(&tar, "f", "x");
	tar_file(&tar, "f/below/a/file", "x");
	tar_end(&tar);
	attack("below a file", &tar, "not a directory");

	memcpy(deep, "path=", 5);
	for (int i = 0; i < 100000; i++)
		n += (size_t) sprintf(deep + n, "d/");
	tar_pax(&tar, deep, NULL);
	tar_dir(&tar, "x");
	tar_end(&tar);
	attack("100,000 deep", &tar, "longer than");

	deep[5 + 4095] = 0; /* 2,047 deep: as far as a name goes */
	tar_pax(&tar, deep, NULL);
	tar_dir(&tar, "x");
	tar_end(&tar);
	attack("2,047 deep", &tar, NULL);

	memset(component, 'n', 299);
	component[299] = 0;
	memcpy(component, "path=", 5);
	tar_pax(&tar, component, NULL);
	tar_file(&tar, "x", "x");
	tar_end(&tar);
	attack("component of 294 bytes", &tar, "too long");
	snprintf(deep, 1000, "%s/x", component);
	tar_pax(&tar, deep, NULL);
	tar_file(&tar, "x", "x");
	tar_end(&tar);
	attack("directory of 294 bytes", &tar, "too long");

	for (int i = 0; i < 5; i++)
		sprintf(deep + 5 + i * 250, "%0249d/", i);
	memcpy(deep, "path=", 5);
	tar_pax(&tar, deep, NULL);
	tar_file(&tar, "x", "");
	tar_end(&tar);
	attack("trailing slash", &tar, NULL);
	free(deep);

	tar_file(&tar, "", "x");
	tar_end(&tar);
	attack("no name", &tar, "entry ''");
	tar_file(&tar, "./", "");
	tar_end(&tar);
	attack("the root is a directory anyway", &tar, NULL);
	tar_symlink(&tar, "/", "../outside");
	tar_end(&tar);
	attack("the root as a link", &tar, "root is not a directory");
	tar_file(&tar, "\x1b]0;title\x07../\x1b[31m/../..", "x");
	tar_end(&tar);
	attack("terminal escapes", &tar, "\\x1b]0;title\\x07");
}

static void test_linked_depth(void **state)
{
	struct tar tar = { 0 };
	char long_target[3600] = "linkpath=", name[64];

	(void) state;
	for (size_t n = 9; n < 3500; n += 2)
		memcpy(long_target + n, "d/", 3);
	tar_pax(&tar, long_target, NULL);
	tar_symlink(&tar, "l", "x");
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "l/%.*sfile%d", 2 * i, "d/d/d/", i);
		tar_file(&tar, name, "x");
	}
	memcpy(long_target, "path=l///", 9);
	tar_pax(&tar, long_target, NULL); /* resolves to 7,000 bytes */
	tar_file(&tar, "x", "x");
	tar_end(&tar);
	attack("deeper by links", &tar, "longer than");
}

static void test_sizes(void **state)
{
	/* 2^63 - 1, and -1, in base 256; and nonsense. */
	static const unsigned char huge[12] = { 0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	static const unsigned char beyond[12] = { 0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	static const unsigned char negative[12] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	const unsigned char *const sizes[] = { huge, beyond, negative };
	struct tar tar = { 0 };

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		TAR_ADD(&tar, .name = "f", .type = '0', .mode = 0644, .data = "x", .raw_size = sizes[i]);
		tar_end(&tar);
		attack("size", &tar, "corrupt");
		TAR_ADD(&tar, .name = "x", .type = 'x', .mode = 0644, .data = "x", .raw_size = sizes[i]);
		tar_end(&tar);
		attack("size of a pax header", &tar, "corrupt");
		TAR_ADD(&tar, .name = "x", .type = 'L', .mode = 0644, .data = "x", .raw_size = sizes[i]);
		tar_end(&tar);
		attack("size of a long name", &tar, "corrupt");
	}
	tar_file(&tar, "f", "truncated in the middle of its contents");
	tar.size -= 100;
	attack("truncated contents", &tar, "corrupt");
	tar_file(&tar, "f", "x");
	tar.size = 300;
	attack("truncated header", &tar, "corrupt");
	tar_file(&tar, "f", "x");
	tar.data[3] ^= 1;
	attack("checksum", &tar, "corrupt");
	tar_bytes(&tar, "this is no tar stream at all", 28);
	attack("no tar", &tar, "corrupt");
}

/* A sparse file of 8 EiB: made sparse where the file system can, or refused; nothing else. */
static void test_sparse(void **state)
{
	static const char *const maps[][3] = {
		{ "GNU.sparse.size=9223372036854775807", "GNU.sparse.numblocks=1", "GNU.sparse.map=9223372036854775000,1" },
		{ "GNU.sparse.size=9223372036854775807", "GNU.sparse.numblocks=1", "GNU.sparse.map=0,1" },
		{ "GNU.sparse.size=10", "GNU.sparse.numblocks=1", "GNU.sparse.map=9223372036854775807,1" },
		{ "GNU.sparse.size=99999999999999999999999", "GNU.sparse.numblocks=1", "GNU.sparse.map=0,1" },
		{ "GNU.sparse.size=10", "GNU.sparse.numblocks=1", "GNU.sparse.map=-5,1" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		struct tar tar = { 0 };
		struct tar_reader reader = { .tar = &tar, .step = 1000 };
		struct unpack_stats stats;
		struct scow_engine engine;
		struct place place;
		scow_error *error = NULL;
		struct stat st;
		int r;

		tar_pax(&tar, "GNU.sparse.major=0", "GNU.sparse.minor=1", "GNU.sparse.name=s", maps[i][0], maps[i][1], maps[i][2], NULL);
		tar_file(&tar, "s", "x");
		tar_end(&tar);
		place_make(&place);
		fake_engine(&engine);
		r = unpack_layer(&engine, place.root_fd, tar_read, &reader, &stats, &error);
		assert_true(r == 0 || (r == SCOW_E_CORRUPT && strstr(scow_error_message(error), "entry 's'")) || r == SCOW_E_CORRUPT);
		if (r == 0)
			assert_true(fstatat(place.root_fd, "s", &st, 0) == 0 && st.st_blocks < 100);
		scow_error_unref(error);
		free(stats.warnings);
		free(tar.data);
		place_check(&place, "sparse");
	}
}

static void test_owners(void **state)
{
	static const char *const records[] = { "uid=4294967295", "gid=4294967295", "uid=-1", "uid=99999999999999999999",
					       "gid=-2147483649" };
	struct tar tar = { 0 };

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(records); i++) {
		tar_pax(&tar, records[i], NULL);
		tar_file(&tar, "f", "x");
		tar_end(&tar);
		attack(records[i], &tar, "out of range");
	}
}

/* Everything in one directory; the same directories again and again. */
static void test_many_entries(void **state)
{
	struct tar tar = { 0 };
	char name[32];

	(void) state;
	tar.data = malloc(3 << 20);
	for (int i = 0; i < 2000; i++) {
		struct tar one = { 0 };

		snprintf(name, sizeof(name), i % 20 ? "d/%d" : "e%d/.wh.x", i);
		tar_file(&one, name, "");
		memcpy(tar.data + tar.size, one.data, one.size);
		tar.size += one.size;
		free(one.data);
	}
	attack("many", &tar, NULL);
	for (int i = 0; i < 60; i++) {
		tar_dir(&tar, "d/e/f");
		tar_file(&tar, "d/e/f/g", "x");
		tar_file(&tar, "d", "x");
		tar_file(&tar, "d", "y");
		tar_symlink(&tar, "d", "../outside");
		TAR_ADD(&tar, .name = "d", .type = '5', .mode = 0, .uid = 3);
	}
	tar_end(&tar);
	attack("replaced again and again", &tar, NULL);
}

/* The disk is full: said so. Done on a small tmpfs in a mount namespace of a child, so that nothing is left. */
static void test_disk_full(void **state)
{
	int status;
	pid_t pid;

	(void) state;
	if (geteuid() != 0)
		skip();
	pid = fork();
	if (pid == 0) {
		struct tar tar = { 0 };
		struct tar_reader reader = { .tar = &tar, .step = 1 << 20 };
		struct unpack_stats stats;
		struct scow_engine engine;
		char *data = calloc(1, 4 << 20);

		if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("tmpfs", "/mnt", "tmpfs", 0, "size=1m") < 0)
			_exit(77);
		TAR_ADD(&tar, .name = "bomb", .type = '0', .mode = 0644, .data = data, .size = 4 << 20);
		tar_end(&tar);
		fake_engine(&engine);
		_exit(unpack_layer(&engine, open("/mnt", O_RDONLY | O_DIRECTORY), tar_read, &reader, &stats, NULL) == SCOW_E_NO_SPACE ? 0
																      : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dot_dot),
		cmocka_unit_test(test_links_out),
		cmocka_unit_test(test_link_loops),
		cmocka_unit_test(test_hard_links_out),
		cmocka_unit_test(test_hard_link_targets),
		cmocka_unit_test(test_whiteouts),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_linked_depth),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_sparse),
		cmocka_unit_test(test_owners),
		cmocka_unit_test(test_many_entries),
		cmocka_unit_test(test_disk_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
