/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a layer's tar stream becomes on disk. Ownership, devices and trusted xattrs need root, and are left out without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <locale.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "tarfile.h"
#include "base/path.h"
#include "engine/userns.h"

/* What unpacking hands over for a plain user; the real one is engine/userns.c. */
static struct userns_owner handed[64];
static char handed_paths[64][256];
static size_t n_handed;

int userns_chown(scow_engine *engine, int root_fd, const struct userns_owner *owners, size_t count, scow_error **error)
{
	(void) engine;
	(void) root_fd;
	(void) error;
	for (size_t i = 0; i < count && n_handed < 64; i++, n_handed++) {
		handed[n_handed] = owners[i];
		snprintf(handed_paths[n_handed], sizeof(handed_paths[0]), "%s", owners[i].path);
	}
	return 0;
}

struct fixture {
	char path[64];
	int fd;
	struct scow_engine engine;
	struct unpack_stats stats;
	scow_error *error;
	struct tar tar;
	size_t step;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->path, sizeof(f->path), "/tmp/scow-unpack-XXXXXX");
	if (!mkdtemp(f->path))
		return -1;
	f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f->step = 700;
	fake_engine(&f->engine);
	n_handed = 0;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	close(f->fd);
	tree_remove(f->path);
	free(f->tar.data);
	free(f->stats.warnings);
	scow_error_unref(f->error);
	free(f);
	return 0;
}

static int unpack(struct fixture *f)
{
	struct tar_reader reader = { .tar = &f->tar, .step = f->step };
	int r = unpack_layer(&f->engine, f->fd, tar_read, &reader, &f->stats, &f->error);

	if (r == 0)
		assert_int_equal(reader.offset, f->tar.size);
	return r;
}

static void unpack_ok(struct fixture *f)
{
	if (unpack(f) < 0)
		fail_msg("%s", scow_error_message(f->error));
}

static struct stat look(struct fixture *f, const char *name)
{
	struct stat st = { 0 };

	if (fstatat(f->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		fail_msg("'%s': %s", name, strerror(errno));
	return st;
}

static bool missing(struct fixture *f, const char *name)
{
	struct stat st;

	return fstatat(f->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 && (errno == ENOENT || errno == ENOTDIR);
}

static void check_content(struct fixture *f, const char *name, const char *expected)
{
	int fd = openat(f->fd, name, O_RDONLY | O_NOFOLLOW);
	char text[200] = "";

	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof(text) - 1) >= 0);
	assert_string_equal(text, expected);
	close(fd);
}

static bool has_xattr(struct fixture *f, const char *name, const char *xattr, const char *expected)
{
	int fd = openat(f->fd, name, O_RDONLY | O_NOFOLLOW);
	char value[100];
	ssize_t n = fgetxattr(fd, xattr, value, sizeof(value));

	close(fd);
	return n == (ssize_t) strlen(expected) && memcmp(value, expected, (size_t) n) == 0;
}

static bool is_opaque(struct fixture *f, const char *name)
{
	return has_xattr(f, name, f->engine.facts.rootless ? UNPACK_OPAQUE_USER : UNPACK_OPAQUE_ROOT, "y");
}

static bool is_whiteout(struct fixture *f, const char *name)
{
	struct stat st;

	return fstatat(f->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == 0;
}

static void test_plain_tree(void **state)
{
	static const char padding[40000] = "what belongs to the diff id, too";
	struct fixture *f = *state;
	mode_t mask = umask(077);

	TAR_ADD(&f->tar, .name = "./", .type = '5', .mode = 0751, .mtime = 5);
	tar_dir(&f->tar, "./etc/");
	tar_file(&f->tar, "./etc/passwd", "root:x:0:0\n");
	TAR_ADD(&f->tar, .name = "./etc/shadow", .type = '0', .mode = 0600, .mtime = 7, .data = "");
	TAR_ADD(&f->tar, .name = "./etc/open", .type = '0', .mode = 0666, .mtime = 7, .data = "x");
	tar_symlink(&f->tar, "./etc/link", "../nowhere");
	TAR_ADD(&f->tar, .name = "./tmp", .type = '5', .mode = 01777, .mtime = 8);
	TAR_ADD(&f->tar, .name = "./fifo", .type = '6', .mode = 0622, .mtime = 9);
	tar_file(&f->tar, "/absolute/made/of//./it", "deep");
	tar_end(&f->tar);
	tar_bytes(&f->tar, padding, sizeof(padding));
	unpack_ok(f);
	umask(mask);

	assert_int_equal(look(f, ".").st_mode, S_IFDIR | 0751);
	assert_int_equal(look(f, ".").st_mtime, 5);
	assert_int_equal(look(f, "etc").st_mtime, 1000000000);
	assert_int_equal(look(f, "etc").st_mode, S_IFDIR | 0755);
	assert_int_equal(look(f, "etc/passwd").st_mode, S_IFREG | 0644);
	assert_int_equal(look(f, "etc/passwd").st_mtime, 1000000000);
	assert_int_equal(look(f, "etc/shadow").st_mode, S_IFREG | 0600);
	assert_int_equal(look(f, "etc/open").st_mode, S_IFREG | 0666);
	assert_true(S_ISLNK(look(f, "etc/link").st_mode));
	assert_int_equal(look(f, "etc/link").st_mtime, 1000000000);
	assert_int_equal(look(f, "tmp").st_mode, S_IFDIR | 01777);
	assert_int_equal(look(f, "fifo").st_mode, S_IFIFO | 0622);
	/* Missing parents: 0755 whatever the umask. */
	assert_int_equal(look(f, "absolute").st_mode, S_IFDIR | 0755);
	assert_int_equal(look(f, "absolute/made/of").st_mode, S_IFDIR | 0755);
	check_content(f, "absolute/made/of/it", "deep");
	assert_int_equal(f->stats.entries, 9);
	assert_int_equal(f->stats.bytes, 11 + 1 + 4);
	assert_null(f->stats.warnings);
}

static void test_empty(void **state)
{
	struct fixture *f = *state;

	tar_end(&f->tar);
	unpack_ok(f);
	assert_int_equal(f->stats.entries, 0);
	assert_int_equal(look(f, ".").st_mode, S_IFDIR | 0755);
	f->tar.size = 0;
	unpack_ok(f);
}

static void test_times(void **state)
{
	struct fixture *f = *state;

	tar_pax(&f->tar, "mtime=1234567890.123456789", NULL);
	tar_dir(&f->tar, "d");
	tar_pax(&f->tar, "mtime=1234567891.987654321", NULL);
	tar_file(&f->tar, "d/f", "x");
	tar_pax(&f->tar, "mtime=-6", NULL);
	tar_symlink(&f->tar, "d/l", "f");
	tar_dir(&f->tar, "d/sub");
	tar_file(&f->tar, "d/sub/f", "x");
	tar_file(&f->tar, "d/later", "x");
	tar_hard_link(&f->tar, "d/sub/hard", "d/f");
	tar_file(&f->tar, "d/sub/.wh.gone", "");
	tar_end(&f->tar);
	unpack_ok(f);
	assert_int_equal(look(f, "d").st_mtim.tv_sec, 1234567890);
	assert_int_equal(look(f, "d").st_mtim.tv_nsec, 123456789);
	assert_int_equal(look(f, "d/f").st_mtim.tv_nsec, 987654321);
	assert_int_equal(look(f, "d/l").st_mtim.tv_sec, -6);
	assert_int_equal(look(f, "d/sub").st_mtim.tv_sec, 1000000000);
	assert_true(is_whiteout(f, "d/sub/gone"));
	assert_int_equal(look(f, "d/f").st_nlink, 2);
}

/* Pax beats ustar, numbers beat names, base-256 numbers, global headers are ignored. */
static void test_header_rules(void **state)
{
	struct fixture *f = *state;
	static const unsigned char base256[12] = { 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5 };

	TAR_ADD(&f->tar, .name = "pax_global_header", .type = 'g', .data = "52 comment=0123456789012345678901234567890123456789\n");
	tar_pax(&f->tar, "path=renamed", "uid=70000", "gid=3000000000", "uname=nobody", NULL);
	TAR_ADD(&f->tar, .name = "ustar", .type = '0', .mode = 0644, .uid = 1, .gid = 2, .data = "hello", .uname = "daemon");
	TAR_ADD(&f->tar, .name = "base256", .type = '0', .mode = 0644, .data = "12345", .raw_size = base256);
	TAR_ADD(&f->tar, .name = "named", .type = '0', .mode = 04755, .uid = 123, .gid = 456, .data = "x", .uname = "root");
	tar_end(&f->tar);
	unpack_ok(f);
	assert_true(missing(f, "ustar"));
	check_content(f, "renamed", "hello");
	check_content(f, "base256", "12345");
	if (geteuid() != 0)
		return;
	assert_int_equal(look(f, "renamed").st_uid, 70000);
	assert_int_equal(look(f, "renamed").st_gid, 3000000000);
	assert_int_equal(look(f, "named").st_uid, 123);
	assert_int_equal(look(f, "named").st_mode, S_IFREG | 04755); /* set-user-id outlives the change of owner */
}

/* Names are bytes, in the C locale and in any other. */
static void test_names(void **state)
{
	struct fixture *f = *state;
	char long_name[700] = "", pax[720];
	/* A composed and a decomposed e acute are two names. */
	static const char *const utf8 = "caf\xc3\xa9", *const decomposed = "cafe\xcc\x81", *const latin = "caf\xe9";

	for (int i = 0; i < 20; i++)
		snprintf(long_name + strlen(long_name), 40, "%sdirectory-number-%02d-of-many", i ? "/" : "", i);
	tar_file(&f->tar, utf8, "1");
	tar_file(&f->tar, latin, "2");
	snprintf(pax, sizeof(pax), "path=pax-%s", utf8);
	tar_pax(&f->tar, pax, NULL);
	tar_file(&f->tar, "x", "3");
	snprintf(pax, sizeof(pax), "path=pax-%s", decomposed);
	tar_pax(&f->tar, pax, NULL);
	tar_file(&f->tar, "x", "4");
	snprintf(pax, sizeof(pax), "path=pax-%s", latin);
	tar_pax(&f->tar, "hdrcharset=BINARY", pax, NULL);
	tar_file(&f->tar, "x", "5");
	snprintf(pax, sizeof(pax), "path=%s", long_name);
	tar_pax(&f->tar, pax, NULL);
	tar_file(&f->tar, "x", "6");
	snprintf(pax, sizeof(pax), "linkpath=pax-%s", utf8);
	tar_pax(&f->tar, pax, NULL);
	tar_hard_link(&f->tar, "hard", "x");
	snprintf(pax, sizeof(pax), "linkpath=to-%s", decomposed);
	tar_pax(&f->tar, pax, NULL);
	tar_symlink(&f->tar, "soft", "x");
	long_name[0] = 'D';
	tar_gnu_name(&f->tar, long_name, 'L');
	tar_file(&f->tar, "x", "7");
	tar_file(&f->tar, "new\nline \x1b[31m", "8");
	tar_end(&f->tar);

	for (int i = 0; i < 2; i++) {
		char target[100] = "";

		/* A host that has set its locale must get the same. */
		if (i == 1 && !setlocale(LC_ALL, "C.UTF-8"))
			break;
		f->step = i ? 512 : 3;
		unpack_ok(f);
		assert_null(f->stats.warnings);
		check_content(f, utf8, "1");
		check_content(f, latin, "2");
		check_content(f, "pax-caf\xc3\xa9", "3");
		check_content(f, "pax-cafe\xcc\x81", "4");
		check_content(f, "pax-caf\xe9", "5");
		long_name[0] = 'd';
		check_content(f, long_name, "6");
		check_content(f, "hard", "3");
		assert_true(readlinkat(f->fd, "soft", target, sizeof(target)) > 0);
		assert_string_equal(target, "to-cafe\xcc\x81");
		long_name[0] = 'D';
		check_content(f, long_name, "7");
		check_content(f, "new\nline \x1b[31m", "8");
	}
	setlocale(LC_ALL, "C");
}

static void test_replacing(void **state)
{
	struct fixture *f = *state;

	tar_dir(&f->tar, "d");
	tar_file(&f->tar, "d/kept", "kept");
	TAR_ADD(&f->tar, .name = "d", .type = '5', .mode = 0700, .mtime = 77);
	tar_file(&f->tar, "f", "first");
	tar_file(&f->tar, "f", "second");
	tar_dir(&f->tar, "tree");
	tar_file(&f->tar, "tree/a", "a");
	tar_dir(&f->tar, "tree/b");
	tar_file(&f->tar, "tree/b/c", "c");
	tar_file(&f->tar, "tree", "now a file");
	tar_file(&f->tar, "g", "file");
	tar_dir(&f->tar, "g");
	tar_file(&f->tar, "g/inside", "x");
	tar_symlink(&f->tar, "l", "d");
	tar_dir(&f->tar, "l");
	tar_file(&f->tar, "l/own", "x");
	tar_file(&f->tar, "m", "file");
	tar_symlink(&f->tar, "m", "d/kept");
	tar_file(&f->tar, "m", "not through the link");
	tar_file(&f->tar, "h1", "one");
	tar_hard_link(&f->tar, "h2", "h1");
	tar_file(&f->tar, "h2", "two");
	tar_hard_link(&f->tar, "f", "h1");
	tar_hard_link(&f->tar, "h1", "h1");
	tar_end(&f->tar);
	unpack_ok(f);
	check_content(f, "d/kept", "kept");
	assert_int_equal(look(f, "d").st_mode, S_IFDIR | 0700);
	assert_int_equal(look(f, "d").st_mtime, 77);
	check_content(f, "tree", "now a file");
	assert_true(S_ISDIR(look(f, "g").st_mode));
	assert_true(S_ISDIR(look(f, "l").st_mode));
	assert_true(missing(f, "d/own"));
	check_content(f, "m", "not through the link");
	check_content(f, "h1", "one");
	check_content(f, "h2", "two");
	check_content(f, "f", "one");
	assert_int_equal(look(f, "h1").st_nlink, 2);
}

static void test_whiteouts(void **state)
{
	struct fixture *f = *state;

	tar_file(&f->tar, "a/.wh.early", "");
	tar_file(&f->tar, "a/early", "stays");
	tar_file(&f->tar, "a/late", "stays");
	tar_file(&f->tar, "a/.wh.late", "");
	tar_file(&f->tar, "a/.wh.gone", "");
	tar_file(&f->tar, "b/.wh..wh..opq", "");
	tar_file(&f->tar, "b/new", "x");
	tar_file(&f->tar, ".wh.tree", "");
	tar_file(&f->tar, "tree/new", "x");
	tar_file(&f->tar, ".wh..wh.aufs", "");
	tar_dir(&f->tar, ".wh..wh.plnk");
	tar_file(&f->tar, ".wh..wh.plnk/1.2", "x");
	tar_file(&f->tar, ".wh.top", "");
	tar_file(&f->tar, "only/.wh.below", "");
	tar_file(&f->tar, "twice/.wh.x", "");
	tar_file(&f->tar, "twice/.wh.x", "");
	tar_end(&f->tar);
	unpack_ok(f);
	check_content(f, "a/early", "stays");
	check_content(f, "a/late", "stays");
	assert_true(is_whiteout(f, "a/gone"));
	assert_true(missing(f, "a/.wh.gone"));
	assert_true(is_opaque(f, "b"));
	assert_false(is_opaque(f, "a"));
	/* Its lower namesake goes, its own contents stay. */
	assert_true(is_opaque(f, "tree"));
	check_content(f, "tree/new", "x");
	assert_true(missing(f, ".wh..wh.aufs"));
	assert_true(missing(f, ".wh..wh.plnk"));
	assert_true(is_whiteout(f, "top"));
	assert_true(is_whiteout(f, "only/below"));
	assert_true(is_whiteout(f, "twice/x"));
}

static void test_root_opaque(void **state)
{
	struct fixture *f = *state;

	tar_file(&f->tar, "./.wh..wh..opq", "");
	tar_end(&f->tar);
	unpack_ok(f);
	assert_true(is_opaque(f, "."));
}

static void test_hard_links(void **state)
{
	struct fixture *f = *state;

	tar_file(&f->tar, "bin/one", "1");
	tar_hard_link(&f->tar, "bin/two", "./bin/one");
	tar_hard_link(&f->tar, "sbin/three", "/bin/one");
	tar_symlink(&f->tar, "soft", "bin/one");
	tar_hard_link(&f->tar, "soft2", "soft");
	tar_symlink(&f->tar, "lib", "usr/lib");
	tar_file(&f->tar, "lib/x", "through the link");
	tar_hard_link(&f->tar, "y", "lib/x");
	tar_end(&f->tar);
	unpack_ok(f);
	assert_int_equal(look(f, "bin/one").st_nlink, 3);
	assert_int_equal(look(f, "bin/one").st_ino, look(f, "sbin/three").st_ino);
	/* A link to a link is the link itself. */
	assert_true(S_ISLNK(look(f, "soft2").st_mode));
	assert_int_equal(look(f, "soft").st_ino, look(f, "soft2").st_ino);
	check_content(f, "usr/lib/x", "through the link");
	check_content(f, "y", "through the link");
	assert_true(S_ISLNK(look(f, "lib").st_mode));
}

/* Left to who knows the layers below: in their order, with a whiteout in their place unless something else takes it. */
static void test_link_to_lower_layer(void **state)
{
	static const char expected[] = "a\0bin/of-the-layer-below\0b\0a\0x/late\0gone";
	struct fixture *f = *state;

	tar_file(&f->tar, "a", "replaced by the link");
	tar_hard_link(&f->tar, "a", "/bin/of-the-layer-below");
	tar_hard_link(&f->tar, "b", "a");
	tar_hard_link(&f->tar, "x/late", "gone");
	tar_file(&f->tar, "x/late", "stays");
	tar_end(&f->tar);
	unpack_ok(f);
	assert_int_equal(f->stats.lower_links_size, sizeof(expected));
	assert_memory_equal(f->stats.lower_links, expected, sizeof(expected));
	assert_true(S_ISCHR(look(f, "a").st_mode));
	assert_true(S_ISCHR(look(f, "b").st_mode));
	check_content(f, "x/late", "stays");
	free(f->stats.lower_links);
}

/* Links in the way: relative, absolute, with '..', dangling; always inside. */
static void test_symlink_parents(void **state)
{
	struct fixture *f = *state;

	tar_symlink(&f->tar, "abs", "/usr/share");
	tar_file(&f->tar, "abs/a", "a");
	tar_symlink(&f->tar, "usr/up", "../../../../etc");
	tar_file(&f->tar, "usr/up/b", "b");
	tar_symlink(&f->tar, "chain1", "chain2/x");
	tar_symlink(&f->tar, "chain2", "/abs/../share/y");
	tar_file(&f->tar, "chain1/c", "c");
	tar_dir(&f->tar, "chain1/d");
	tar_file(&f->tar, "chain1/d/e", "e");
	tar_file(&f->tar, "abs/.wh.w", "");
	tar_end(&f->tar);
	unpack_ok(f);
	check_content(f, "usr/share/a", "a");
	check_content(f, "etc/b", "b");
	check_content(f, "usr/share/y/x/c", "c");
	check_content(f, "usr/share/y/x/d/e", "e");
	assert_true(is_whiteout(f, "usr/share/w"));
}

static void test_xattrs(void **state)
{
	struct fixture *f = *state;

	tar_pax(&f->tar, "SCHILY.xattr.user.note=hello", "SCHILY.xattr.user.overlay.opaque=y", "SCHILY.xattr.trusted.overlay.redirect=/etc",
		"SCHILY.xattr.security.selinux=x", NULL);
	tar_file(&f->tar, "f", "x");
	tar_pax(&f->tar, "SCHILY.xattr.user.note=dir", "SCHILY.xattr.user.overlay.opaque=y", "SCHILY.xattr.trusted.overlay.opaque=y", NULL);
	tar_dir(&f->tar, "d");
	tar_pax(&f->tar, "SCHILY.xattr.user.note=ro", NULL);
	TAR_ADD(&f->tar, .name = "readonly", .type = '0', .mode = 0400, .data = "x");
	tar_end(&f->tar);
	unpack_ok(f);
	assert_true(has_xattr(f, "f", "user.note", "hello"));
	assert_true(has_xattr(f, "d", "user.note", "dir"));
	assert_true(has_xattr(f, "readonly", "user.note", "ro"));
	assert_int_equal(look(f, "readonly").st_mode, S_IFREG | 0400);
	assert_false(has_xattr(f, "f", "user.overlay.opaque", "y"));
	assert_false(has_xattr(f, "d", "user.overlay.opaque", "y"));
	assert_false(has_xattr(f, "d", "trusted.overlay.opaque", "y"));
	assert_false(has_xattr(f, "f", "trusted.overlay.redirect", "/etc"));
	assert_non_null(strstr(f->stats.warnings, "user.overlay.opaque"));
	assert_null(strstr(f->stats.warnings, "selinux"));
}

/* The capability of ping: effective, permitted net_raw; version 2. */
static const char capability[20] = { 1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };

static void add_capability(struct tar *tar)
{
	static const char key[] = "57 SCHILY.xattr.security.capability=";
	char record[57];

	_Static_assert(sizeof(key) - 1 + 20 + 1 == 57, "the record states its own length");
	memcpy(record, key, sizeof(key) - 1);
	memcpy(record + sizeof(key) - 1, capability, 20);
	record[56] = '\n';
	TAR_ADD(tar, .name = "PaxHeaders/x", .type = 'x', .data = record, .size = 57);
	TAR_ADD(tar, .name = "ping", .type = '0', .mode = 0755, .uid = 7, .gid = 8, .data = "x");
}

static void test_capability(void **state)
{
	struct fixture *f = *state;
	char value[100];
	int fd;

	if (geteuid() != 0)
		skip();
	add_capability(&f->tar);
	tar_end(&f->tar);
	unpack_ok(f);
	fd = openat(f->fd, "ping", O_RDONLY);
	/* It outlives the change of owner. */
	assert_int_equal(look(f, "ping").st_uid, 7);
	assert_int_equal(fgetxattr(fd, "security.capability", value, sizeof(value)), 20);
	assert_memory_equal(value, capability, 20);
	close(fd);
}

static void test_devices(void **state)
{
	struct fixture *f = *state;

	if (geteuid() != 0)
		skip();
	TAR_ADD(&f->tar, .name = "dev/null", .type = '3', .mode = 0666, .dev_major = 1, .dev_minor = 3, .mtime = 9);
	TAR_ADD(&f->tar, .name = "dev/sda", .type = '4', .mode = 0660, .gid = 6, .dev_major = 8, .dev_minor = 0);
	TAR_ADD(&f->tar, .name = "dev/zero-zero", .type = '3', .mode = 0666);
	tar_end(&f->tar);
	unpack_ok(f);
	assert_int_equal(look(f, "dev/null").st_mode, S_IFCHR | 0666);
	assert_int_equal(look(f, "dev/null").st_rdev, makedev(1, 3));
	assert_int_equal(look(f, "dev/null").st_mtime, 9);
	assert_int_equal(look(f, "dev/sda").st_mode, S_IFBLK | 0660);
	assert_int_equal(look(f, "dev/sda").st_gid, 6);
	/* To overlayfs that would be a whiteout. */
	assert_true(missing(f, "dev/zero-zero"));
	assert_non_null(strstr(f->stats.warnings, "zero-zero"));
}

static void test_set_group_id_parent(void **state)
{
	struct fixture *f = *state;

	if (geteuid() != 0)
		skip();
	TAR_ADD(&f->tar, .name = "mail", .type = '5', .mode = 02775, .gid = 8);
	tar_file(&f->tar, "mail/root", "x");
	tar_dir(&f->tar, "mail/sub");
	tar_symlink(&f->tar, "mail/link", "x");
	tar_file(&f->tar, "mail/implied/x", "x");
	tar_end(&f->tar);
	unpack_ok(f);
	assert_int_equal(look(f, "mail").st_mode, S_IFDIR | 02775);
	assert_int_equal(look(f, "mail").st_gid, 8);
	assert_int_equal(look(f, "mail/root").st_gid, 0);
	assert_int_equal(look(f, "mail/sub").st_gid, 0);
	assert_int_equal(look(f, "mail/sub").st_mode, S_IFDIR | 0755);
	assert_int_equal(look(f, "mail/link").st_gid, 0);
	assert_int_equal(look(f, "mail/implied").st_gid, 0);
	assert_int_equal(look(f, "mail/implied").st_mode, S_IFDIR | 0755);
}

static const struct userns_owner *handed_for(const char *path)
{
	for (size_t i = n_handed; i-- > 0;)
		if (strcmp(handed_paths[i], path) == 0)
			return &handed[i];
	return NULL;
}

static void test_plain_user(void **state)
{
	struct fixture *f = *state;

	f->engine.facts.rootless = true;
	TAR_ADD(&f->tar, .name = "./", .type = '5', .mode = 0555, .mtime = 3);
	tar_file(&f->tar, "ours", "x");
	TAR_ADD(&f->tar, .name = "theirs", .type = '0', .mode = 04755, .uid = 33, .gid = 44, .data = "x");
	TAR_ADD(&f->tar, .name = "closed", .type = '5', .mode = 0, .mtime = 11);
	tar_file(&f->tar, "closed/inside", "x");
	TAR_ADD(&f->tar, .name = "their-dir", .type = '5', .mode = 02500, .uid = 33, .gid = 44);
	tar_file(&f->tar, "their-dir/inside", "x");
	TAR_ADD(&f->tar, .name = "link", .type = '2', .mode = 0777, .uid = 1, .link = "ours");
	TAR_ADD(&f->tar, .name = "null", .type = '3', .mode = 0666, .dev_major = 1, .dev_minor = 3);
	add_capability(&f->tar);
	tar_symlink(&f->tar, "way", "closed");
	TAR_ADD(&f->tar, .name = "way/by-link", .type = '0', .mode = 0644, .uid = 5, .data = "x");
	TAR_ADD(&f->tar, .name = "changed", .type = '0', .mode = 0644, .uid = 5, .data = "x");
	TAR_ADD(&f->tar, .name = "changed", .type = '0', .mode = 0600, .data = "y");
	TAR_ADD(&f->tar, .name = "dropped/x", .type = '0', .mode = 0644, .uid = 5, .data = "x");
	tar_file(&f->tar, "dropped", "y");
	tar_file(&f->tar, ".wh.gone", "");
	tar_file(&f->tar, "closed/.wh..wh..opq", "");
	tar_end(&f->tar);
	unpack_ok(f);

	assert_int_equal(look(f, ".").st_mode, S_IFDIR | 0755);
	assert_int_equal(look(f, "theirs").st_uid, geteuid());
	assert_int_equal(look(f, "theirs").st_mode & 06000, 0);
	assert_int_equal(look(f, "closed").st_mode, S_IFDIR | 0);
	assert_int_equal(look(f, "closed").st_mtime, 11);
	assert_true(missing(f, "null"));
	assert_non_null(strstr(f->stats.warnings, "'null'"));
	assert_true(is_whiteout(f, "gone"));

	assert_null(handed_for("ours"));
	assert_int_equal(handed_for("theirs")->uid, 33);
	assert_int_equal(handed_for("theirs")->gid, 44);
	assert_int_equal(handed_for("theirs")->mode, 04755);
	assert_int_equal(handed_for("their-dir")->mode, 02500);
	assert_int_equal(handed_for("link")->mode, (uint32_t) -1);
	assert_int_equal(handed_for("ping")->capability_size, 20);
	assert_null(handed_for("way/by-link")); /* a path without links */
	assert_int_equal(handed_for("closed/by-link")->uid, 5);
	assert_int_equal(handed_for("changed")->uid, 0);
	assert_int_equal(handed_for("changed")->mode, 0600);
	assert_null(handed_for("dropped/x"));
	for (size_t i = 0; i < n_handed; i++)
		assert_true(path_is_plain(handed_paths[i]));
	assert_int_equal(fchmodat(f->fd, "closed", 0700, 0), 0);
	assert_true(is_opaque(f, "closed"));
}

static ssize_t read_and_fail(void *userdata, const void **data, scow_error **error)
{
	struct tar_reader *reader = userdata;

	if (reader->offset >= 1024)
		return error_set(error, SCOW_E_NETWORK, "the line went dead");
	return tar_read(reader, data, error);
}

static void test_stream_fails(void **state)
{
	struct fixture *f = *state;
	char *big = calloc(1, 100000);

	TAR_ADD(&f->tar, .name = "f", .type = '0', .mode = 0644, .data = big, .size = 100000);
	free(big);
	tar_end(&f->tar);
	for (size_t step = 512; step <= 2048; step *= 2) {
		struct tar_reader reader = { .tar = &f->tar, .step = step };

		assert_int_equal(unpack_layer(&f->engine, f->fd, read_and_fail, &reader, &f->stats, &f->error), SCOW_E_NETWORK);
		assert_string_equal(scow_error_message(f->error), "the line went dead");
		scow_error_unref(take_ptr(&f->error));
		assert_int_equal(unpack_layer(&f->engine, f->fd, read_and_fail, &reader, &f->stats, NULL), SCOW_E_NETWORK);
	}
}

static int run(const char *command)
{
	int status = system(command);

	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static char description[1 << 20];

static int describe_xattrs(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	char names[1000], value[1000];
	ssize_t size = llistxattr(path, names, sizeof(names)), n;

	(void) st;
	(void) type;
	(void) ftw;
	for (char *name = names; size > 0 && name < names + size; name += strlen(name) + 1) {
		size_t end = strlen(description);

		n = lgetxattr(path, name, value, sizeof(value));
		end += (size_t) snprintf(description + end, sizeof(description) - end, "%s %s ", strrchr(path, '/'), name);
		for (ssize_t i = 0; i < n; i++)
			end += (size_t) snprintf(description + end, sizeof(description) - end, "%02x%s", value[i] & 0xff,
						 i + 1 < n ? "" : "\n");
	}
	return 0;
}

/* All that tar can say of a tree, one line a thing; times of links to the nanosecond, and the link count. */
static char *describe(const char *path)
{
	char command[600];
	FILE *pipe;

	snprintf(command, sizeof(command),
		 "cd '%s' && { find . -printf '%%p %%y %%m %%U %%G %%T@ %%l ' \\( -type d -printf '\\n' -o -printf '%%n %%s\\n' \\); "
		 "find . -type f -exec sha256sum {} +; } | LC_ALL=C sort",
		 path);
	memset(description, 0, sizeof(description));
	pipe = popen(command, "r");
	assert_non_null(pipe);
	assert_true(fread(description, 1, sizeof(description) / 2, pipe) > 0);
	pclose(pipe);
	nftw(path, describe_xattrs, 16, FTW_PHYS);
	return strdup(description);
}

static void add_xattr(const char *base, const char *path, const char *name, const void *value, size_t size)
{
	char whole[200];

	snprintf(whole, sizeof(whole), "%s/in/%s", base, path);
	assert_int_equal(setxattr(whole, name, value, size, 0), 0);
}

/* The torture layer: the same tree as tar(1) makes from the same archive, in each of tar's formats. */
static void test_like_tar(void **state)
{
	struct fixture *f = *state;
	static const char *const formats[] = {
		"gnu --sparse", "pax --sparse", "pax --sparse --sparse-version=0.0", "pax --sparse --sparse-version=0.1", "ustar", "pax"
	};
	char command[2048], base[80];

	if (geteuid() != 0)
		skip();
	snprintf(base, sizeof(base), "%s.work", f->path);
	snprintf(command, sizeof(command),
		 "set -e; export PATH=$PATH:/sbin:/usr/sbin; mkdir %s; cd %s; mkdir -p in/usr/bin in/var/mail in/deep/er; cd in; "
		 "echo a >usr/bin/a; ln usr/bin/a usr/bin/b; ln -s ../nowhere usr/c; ln usr/c usr/d; cp /bin/true usr/bin/ping; chown 7:8 "
		 "usr/bin/ping; "
		 "chmod 6755 usr/bin/ping; chown 12:34 var/mail; chmod 3775 var/mail; "
		 "touch var/mail/x; chown -h 5:6 usr/d; mkfifo -m 644 fifo; mknod -m 660 dev b 7 9; "
		 "truncate -s 48M sparse; printf x | dd of=sparse bs=1 seek=30000000 conv=notrunc status=none; "
		 "truncate -s 1M hole; for i in $(seq 1 300); do printf y | dd of=hole bs=1 seek=$((i*8192)) conv=notrunc status=none; "
		 "done; "
		 "chmod 0 usr/bin; touch -d '2001-02-03 04:05:06.123456789' deep/er deep usr/bin/a; "
		 "echo n >$(printf 'a\\351\\303\\251 b'); chmod 444 deep",
		 base, base);
	assert_int_equal(run(command), 0);
	add_xattr(base, "usr/bin/a", "user.a", "b", 1);
	add_xattr(base, "var", "user.dir", "a\0\n", 3);
	add_xattr(base, "usr/bin/ping", "security.capability", capability, sizeof(capability));
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		char *expected, *found;
		size_t size = 0;
		FILE *file;

		snprintf(command, sizeof(command),
			 "cd %s && rm -rf out layer.tar && mkdir out && %s tar -C in --format=%s --numeric-owner --xattrs "
			 "--xattrs-include='*' -cf layer.tar . "
			 "2>/dev/null && tar -C out --numeric-owner --xattrs --xattrs-include='*' -xpf layer.tar",
			 base, strcmp(formats[i], "ustar") == 0 || strcmp(formats[i], "pax") == 0 ? "rm -f in/sparse;" : "", formats[i]);
		if (run(command) != 0) {
			/* ustar cannot say it all */
			assert_string_equal(formats[i], "ustar");
			continue;
		}
		tree_remove(f->path);
		mkdir(f->path, 0700);
		close(f->fd);
		f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		snprintf(command, sizeof(command), "%s/layer.tar", base);
		file = fopen(command, "r");
		assert_non_null(file);
		fseek(file, 0, SEEK_END);
		size = (size_t) ftell(file);
		rewind(file);
		f->tar.data = realloc(f->tar.data, size);
		f->tar.size = fread(f->tar.data, 1, size, file);
		fclose(file);
		f->step = 65536;
		unpack_ok(f);
		snprintf(command, sizeof(command), "%s/out", base);
		expected = describe(command);
		found = describe(f->path);
		if (strcmp(expected, found) != 0)
			fail_msg("format %s: tar made\n%s\nwe made\n%s", formats[i], expected, found);
		/* Holes stay holes. */
		if (fstatat(f->fd, "sparse", &(struct stat){ 0 }, 0) == 0)
			assert_true(look(f, "sparse").st_blocks < 2000);
		free(expected);
		free(found);
	}
	tree_remove(base);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_plain_tree),          TEST(test_empty),           TEST(test_times),
		TEST(test_header_rules),        TEST(test_names),           TEST(test_replacing),
		TEST(test_whiteouts),           TEST(test_root_opaque),     TEST(test_hard_links),
		TEST(test_link_to_lower_layer), TEST(test_symlink_parents), TEST(test_xattrs),
		TEST(test_capability),          TEST(test_devices),         TEST(test_set_group_id_parent),
		TEST(test_plain_user),          TEST(test_stream_fails),    TEST(test_like_tar),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
