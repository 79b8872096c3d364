/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Trees as entries: beside GNU tar, into another tree, out of an overlay's upper directory, and deeper than descriptors go. */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "archive/plant.h"
#include "base/str.h"

static char work[64];

static void shell(const char *script)
{
	char command[4096];

	snprintf(command, sizeof(command), "cd %s && { %s; }", work, script);
	if (system(command) != 0)
		fail_msg("%s", script);
}

static int open_dir(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", work, name);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static int to_fd(void *data, const void *bytes, size_t size, scow_error **error)
{
	(void) error;
	return write(*(int *) data, bytes, size) == (ssize_t) size ? 0 : SCOW_E_FAILED;
}

static int pack_to(const struct pack_source *source, const char *name, const char *archive, scow_error **error)
{
	struct pack_tar tar = { .cancel = NULL };
	const struct pack_sink sink = { pack_tar_entry, &tar };
	char path[128];
	int top = open_dir(name), fd, r;

	snprintf(path, sizeof(path), "%s/%s", work, archive);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_int_equal(tarwriter_open(to_fd, &fd, &tar.writer, NULL), 0);
	r = pack_tree(source, top, &sink, error);
	if (r == 0)
		r = tarwriter_finish(tar.writer, error);
	tarwriter_free(tar.writer);
	close(fd);
	close(top);
	return r;
}

static void make_tree(void)
{
	shell("mkdir -p t/a/b t/empty; echo one >t/a/one; ln t/a/one t/a/b/two; ln -s ../one t/a/b/link; mkfifo t/pipe; chmod 4751 "
	      "t/a/one; "
	      "chmod 1777 t/empty; truncate -s 3000000 t/hole; echo end >>t/hole; printf x | dd of=t/hole bs=1 seek=1500000 conv=notrunc "
	      "2>/dev/null; "
	      "touch -d '2001-02-03 04:05:06.789' t/a/b t/a/one; : >t/none");
}

static const char compare[] = "rm -rf x; mkdir x; tar xpf p.tar -C x --xattrs; "
			      "(cd t; find . -mindepth 1 -printf '%P %y %m %n %s %T@ %l\\n' | sort) >1; "
			      "(cd x; find . -mindepth 1 -printf '%P %y %m %n %s %T@ %l\\n' | sort) >2; "
			      "sed -i 's/^\\([^ ]* d [0-9]* \\)[0-9]* [0-9]*/\\1/' 1 2; diff 1 2 && diff -r --no-dereference -x pipe t x";

static void test_beside_tar(void **state)
{
	const struct pack_source source = { .top = "" };

	(void) state;
	make_tree();
	assert_int_equal(pack_to(&source, "t", "p.tar", NULL), 0);
	shell(compare);
	assert_int_equal(pack_to(&source, "t", "q.tar", NULL), 0);
	shell("cmp p.tar q.tar && [ \"$(tar tf p.tar | head -3 | tr '\\n' ' ')\" = 'a/ a/b/ a/b/link ' ]");
}

/* Tree to tree, and a tar into a tree. */
static void test_plant(void **state)
{
	const struct pack_source source = { .top = "" };
	struct plant_options options = { .root_fd = -1, .below = "x", .follow = true };
	struct plant *plant = NULL;
	struct pack_sink sink = { plant_entry, NULL };
	int top, root;

	(void) state;
	make_tree();
	shell("rm -rf x; mkdir x");
	root = options.root_fd = open_dir(".");
	top = open_dir("t");
	assert_int_equal(plant_open(&options, &plant, NULL), 0);
	sink.data = plant;
	assert_int_equal(pack_tree(&source, top, &sink, NULL), 0);
	assert_int_equal(plant_finish(plant, NULL), 0);
	plant_free(plant);
	close(top);
	close(root);
	shell("(cd t; tar cf ../p.tar --sort=name *); rm -rf y; mv x y; mkdir x");
	shell("(cd t; find . -mindepth 1 -printf '%P %y %m %n %s %T@ %l\\n' | sort) >1; (cd y; find . -mindepth 1 -printf '%P %y %m %n %s "
	      "%T@ %l\\n' | "
	      "sort) >2; sed -i 's/^\\([^ ]* d [0-9]* \\)[0-9]* [0-9]*/\\1/' 1 2; diff 1 2 && diff -r --no-dereference -x pipe t y");
	shell("[ \"$(stat -c %b y/hole)\" -lt 1000 ]");
}

struct reading {
	int fd;
	char buffer[8192];
};

static ssize_t read_some(void *data, const void **out, scow_error **error)
{
	struct reading *reading = data;

	(void) error;
	*out = reading->buffer;
	return read(reading->fd, reading->buffer, sizeof(reading->buffer));
}

static int extract(const char *archive, scow_error **error)
{
	struct plant_options options = { .below = "x", .follow = true };
	struct plant *plant = NULL;
	struct reading reading;
	char path[128];
	int r;

	snprintf(path, sizeof(path), "%s/%s", work, archive);
	reading.fd = open(path, O_RDONLY | O_CLOEXEC);
	options.root_fd = open_dir(".");
	assert_int_equal(plant_open(&options, &plant, NULL), 0);
	r = extract_tar(plant, read_some, &reading, error);
	plant_free(plant);
	close(options.root_fd);
	close(reading.fd);
	return r;
}

static void test_extract(void **state)
{
	scow_error *error = NULL;

	(void) state;
	make_tree();
	shell("rm -rf x; mkdir x; (cd t; tar cf - --sort=name *) | xz >p.txz");
	assert_int_equal(extract("p.txz", NULL), 0);
	shell("(cd t; find . -mindepth 1 -printf '%P %y %m %n %s %l\\n' | sort) >1; (cd x; find . -mindepth 1 -printf '%P %y %m %n %s "
	      "%l\\n' | sort) >2; "
	      "sed -i 's/^\\([^ ]* d [0-9]* \\)[0-9]* [0-9]*/\\1/' 1 2; diff 1 2 && diff -r --no-dereference -x pipe t x");
	/* A link in the way leads to where it leads inside the root, and an absolute one too. */
	shell("rm -rf x in d; mkdir x in d; ln -s /in x/abs; echo f >d/f; tar cf l.tar --transform s,d/f,abs/f, d/f");
	assert_int_equal(extract("l.tar", NULL), 0);
	shell("[ \"$(cat in/f)\" = f ]");
	/* The entry itself never is one. */
	shell("rm -rf x; mkdir x; echo host >host; ln -s ../host x/f; tar cf l.tar -C d f");
	assert_int_equal(extract("l.tar", NULL), 0);
	shell("[ \"$(cat host)\" = host ] && [ ! -L x/f ]");
	shell("rm -rf x; mkdir -p x/f");
	assert_int_equal(extract("l.tar", &error), SCOW_E_INVALID);
	assert_non_null(strstr(scow_error_message(error), "cannot overwrite directory 'f'"));
	scow_error_unref(error);
}

static void test_overlay(void **state)
{
	const struct pack_source source = { .top = "", .overlay = true };
	scow_error *error = NULL;
	char path[128];

	(void) state;
	if (geteuid() != 0)
		skip();
	shell("rm -rf u; mkdir -p u/d/e; echo x >u/d/f; mknod u/d/gone c 0 0; mknod u/null c 1 3");
	snprintf(path, sizeof(path), "%s/u/d/e", work);
	assert_int_equal(setxattr(path, "trusted.overlay.opaque", "y", 1, 0), 0);
	snprintf(path, sizeof(path), "%s/u/d/f", work);
	assert_int_equal(setxattr(path, "trusted.overlay.origin", "y", 1, 0), 0);
	assert_int_equal(pack_to(&source, "u", "p.tar", NULL), 0);
	shell("[ \"$(tar tf p.tar | tr '\\n' ' ')\" = 'd/ d/e/ d/e/.wh..wh..opq d/f d/.wh.gone null ' ] && ! grep -aq overlay p.tar");
	assert_int_equal(setxattr(path, "trusted.overlay.metacopy", "", 0, 0), 0);
	assert_int_equal(pack_to(&source, "u", "p.tar", &error), SCOW_E_UNSUPPORTED);
	assert_non_null(strstr(scow_error_message(error), "'/d/f'"));
	error = scow_error_unref(error);
	shell("rm u/d/f; echo x >u/d/.wh.x");
	assert_int_equal(pack_to(&source, "u", "p.tar", &error), SCOW_E_UNSUPPORTED);
	assert_non_null(strstr(scow_error_message(error), "'/d/.wh.x'"));
	scow_error_unref(error);
}

/* @count directories, one in the other. A shell does not go so deep. */
static void make_deep(const char *name, int count)
{
	int fd = open_dir("."), next;

	for (int i = 0; i < count; i++) {
		assert_int_equal(mkdirat(fd, i ? "d" : name, 0755), 0);
		next = openat(fd, i ? "d" : name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(fd);
		fd = next;
	}
	close(fd);
}

/* More directories than may be open at once, and one that is too deep. */
static void test_deep(void **state)
{
	const struct pack_source source = { .top = "" };
	scow_error *error = NULL;

	(void) state;
	make_deep("deep", 1500);
	assert_int_equal(pack_to(&source, "deep", "p.tar", NULL), 0);
	shell("[ $(tar tf p.tar | wc -l) = 1499 ]");
	make_deep("deeper", 2100);
	assert_int_equal(pack_to(&source, "deeper", "p.tar", &error), SCOW_E_LIMIT);
	scow_error_unref(error);
}

static int begin(void **state)
{
	(void) state;
	strcpy(work, "/tmp/test-pack.XXXXXX");
	return mkdtemp(work) ? 0 : -1;
}

static int end(void **state)
{
	char command[128];

	(void) state;
	snprintf(command, sizeof(command), "rm -rf %s", work);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_beside_tar), cmocka_unit_test(test_plant), cmocka_unit_test(test_extract),
		cmocka_unit_test(test_overlay),    cmocka_unit_test(test_deep),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
