/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copies in and out, changes, commit, export, import: of containers that run, have run, and never ran; and hostile trees and archives. */
#include "api_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char work[160];

static scow_container *make(const char *script)
{
	SCOW_AUTO(scow_container_config) *config = shell_config(script);
	scow_container *container = NULL;
	scow_error *error = NULL;

	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &container, &error), &error);
	return container;
}

static void run(scow_container *container)
{
	SCOW_AUTO(scow_process) *process = NULL;
	scow_error *error = NULL;
	int code = -1;

	expect_ok(scow_container_start(container, NULL, &process, &error), &error);
	expect_ok(scow_process_wait(process, 20000, &code, &error), &error);
	assert_int_equal(code, 0);
}

static scow_container *after(const char *script)
{
	scow_container *container = make(script);

	run(container);
	return container;
}

static void finish(scow_container *container)
{
	scow_error *error = NULL;

	expect_ok(scow_container_remove(container, SCOW_REMOVE_FORCE, &error), &error);
	scow_container_unref(container);
}

/* On the host, in @work. */
static void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void shell(const char *format, ...)
{
	char script[2048], command[2400];
	va_list args;

	va_start(args, format);
	vsnprintf(script, sizeof(script), format, args);
	va_end(args);
	snprintf(command, sizeof(command), "cd %s && { %s; }", work, script);
	if (system(command) != 0)
		fail_msg("on the host: %s", script);
}

static const char *at(const char *name)
{
	static char paths[4][320];
	static unsigned int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", work, name);
	return path;
}

static void expect_changes(scow_container *container, const char *expected)
{
	scow_error *error = NULL;
	char *json = NULL;

	expect_ok(scow_container_changes_json(container, &json, &error), &error);
	assert_string_equal(json, expected);
	scow_free(json);
}

static void test_changes(void **state)
{
	scow_container *container = make("true");

	(void) state;
	expect_changes(container, "[]");
	finish(container);
	container = after("true");
	expect_changes(container, "[]");
	finish(container);
	container = after("mkdir -p /new/sub; echo x >/new/sub/f; rm /etc/passwd; chmod 711 /root; ln -s x /link");
	expect_changes(container, "[{\"Path\":\"/etc\",\"Kind\":0},{\"Path\":\"/etc/passwd\",\"Kind\":2},{\"Path\":\"/link\",\"Kind\":1},"
				  "{\"Path\":\"/new\",\"Kind\":1},{\"Path\":\"/new/sub\",\"Kind\":1},{\"Path\":\"/new/sub/f\",\"Kind\":1},"
				  "{\"Path\":\"/root\",\"Kind\":0}]");
	finish(container);
}

/* Runs @script in a new container of @image. */
static void expect_in_image(scow_image *image, const char *script)
{
	SCOW_AUTO(scow_container_config) *config = shell_config(script);
	SCOW_AUTO(scow_container) *container = NULL;
	scow_error *error = NULL;

	expect_ok(scow_container_create(fixture.engine, image, config, &container, &error), &error);
	run(container);
	expect_ok(scow_container_remove(container, SCOW_REMOVE_FORCE, &error), &error);
}

static void expect_in_inspect(scow_image *image, const char *words)
{
	scow_error *error = NULL;
	char *json = NULL;

	expect_ok(scow_image_inspect_json(image, &json, &error), &error);
	if (!strstr(json, words))
		fail_msg("%s is not in %s", words, json);
	scow_free(json);
}

static void test_commit(void **state)
{
	SCOW_AUTO(scow_commit_options) *options = scow_commit_options_new();
	SCOW_AUTO(scow_image) *image = NULL, *second = NULL;
	scow_container *container =
		after("mkdir -p /new/sub; echo text >/new/sub/f; ln /new/sub/f /new/hard; chmod 4711 /new/sub/f; "
		      "rm /etc/passwd; ln -s sub /new/link; mkfifo /new/pipe; chmod 1777 /new; "
		      "touch -d '2020-02-02 02:02:02' /new/sub/f; dd if=/dev/zero of=/new/hole bs=1 count=1 seek=1000000 2>/dev/null");
	scow_error *error = NULL;

	(void) state;
	scow_commit_options_set_author(options, "Hilde <h@example.org>");
	scow_commit_options_set_message(options, "a test");
	scow_commit_options_add_change(options, "ENV A=b C=\"d e\"");
	scow_commit_options_add_change(options, "CMD [\"cat\", \"/new/sub/f\"]");
	expect_ok(scow_container_commit(container, "made:one", options, &image, &error), &error);
	expect_in_inspect(image, "\"Author\":\"Hilde <h@example.org>\"");
	expect_in_inspect(image, "\"Cmd\":[\"cat\",\"/new/sub/f\"]");
	expect_in_inspect(image, "\"C=d e\"");
	expect_in_image(image,
			"set -e; [ \"$C\" = 'd e' ]; [ \"$(cat /new/sub/f)\" = text ]; [ ! -e /etc/passwd ]; [ -p /new/pipe ]; "
			"[ \"$(stat -c %a:%h /new/sub/f)\" = 4711:2 ]; [ \"$(stat -c %a /new)\" = 1777 ]; [ /new/hard -ef /new/sub/f ]; "
			"[ \"$(stat -c %Y /new/sub/f)\" = 1580608922 ]; [ \"$(stat -c %s /new/hole)\" = 1000001 ]; "
			"[ \"$(readlink /new/link)\" = sub ]; [ -s /bin/busybox ]");
	/* Holes count as what they read as: a check of the store adds up sizes. */
	assert_int_equal(scow_image_size_bytes(image) - scow_image_size_bytes(fixture.image), 5 + 1000001);
	/* Again: the same layer. */
	expect_ok(scow_container_commit(container, "made:two", NULL, &second, &error), &error);
	{
		char *one = NULL, *two = NULL, *layers;

		expect_ok(scow_image_inspect_json(image, &one, &error), &error);
		expect_ok(scow_image_inspect_json(second, &two, &error), &error);
		layers = strstr(one, "\"RootFS\"");
		assert_non_null(layers);
		*strchr(layers, '}') = 0;
		assert_non_null(strstr(two, layers));
		scow_free(one);
		scow_free(two);
	}
	finish(container);
	scow_commit_options_add_change(options, "RUN true");
	container = make("true");
	expect_error(scow_container_commit(container, NULL, options, NULL, &error), SCOW_E_INVALID, &error, "RUN");
	expect_error(scow_container_commit(container, "Bad Name", NULL, NULL, &error), SCOW_E_INVALID, &error, "Bad Name");
	finish(container);
	expect_ok(scow_image_remove(fixture.engine, "made:one", SCOW_REMOVE_FORCE, NULL, &error), &error);
	expect_ok(scow_image_remove(fixture.engine, "made:two", SCOW_REMOVE_FORCE, NULL, &error), &error);
}

/* Nothing was written: no layer, and the same tree. */
static void test_commit_of_nothing(void **state)
{
	SCOW_AUTO(scow_image) *image = NULL;
	scow_container *container = make("true");
	scow_error *error = NULL;
	char *history = NULL;

	(void) state;
	expect_ok(scow_container_commit(container, NULL, NULL, &image, &error), &error);
	expect_ok(scow_image_history_json(image, &history, &error), &error);
	assert_non_null(strstr(history, "\"Size\":0"));
	scow_free(history);
	expect_in_image(image, "[ -x /bin/busybox ]");
	finish(container);
	expect_ok(scow_image_remove(fixture.engine, scow_image_id(image), SCOW_REMOVE_FORCE, NULL, &error), &error);
}

static void test_commit_of_a_running_one(void **state)
{
	SCOW_AUTO(scow_commit_options) *options = scow_commit_options_new();
	SCOW_AUTO(scow_image) *image = NULL;
	SCOW_AUTO(scow_process) *process = NULL;
	scow_container *container = make("i=0; while :; do i=$((i+1)); echo $i >/a; echo $i >/b; done");
	scow_error *error = NULL;

	(void) state;
	expect_ok(scow_container_start(container, NULL, &process, &error), &error);
	usleep(200000);
	/* A plain user may have no cgroup to freeze it by. */
	scow_commit_options_set_pause(options, geteuid() == 0);
	expect_ok(scow_container_commit(container, NULL, options, &image, &error), &error);
	assert_int_equal(scow_container_state_now(container, NULL), SCOW_CONTAINER_RUNNING);
	/* Frozen meanwhile, wherever it was: one is at most one ahead, or being written. */
	if (geteuid() == 0)
		expect_in_image(image, "a=$(cat /a); b=$(cat /b); [ -z \"$a\" ] || [ -z \"$b\" ] || [ $((a-b)) = 0 ] || [ $((a-b)) = 1 ]");
	finish(container);
	expect_ok(scow_image_remove(fixture.engine, scow_image_id(image), SCOW_REMOVE_FORCE, NULL, &error), &error);
}

static void test_host_files(void **state)
{
	scow_container *container = make(
		"set -e; [ \"$(cat /tmp/dir/a/f)\" = F ]; [ \"$(readlink /tmp/dir/l)\" = a/f ]; [ \"$(cat /tmp/one)\" = F ]; "
		"[ \"$(stat -c %u:%g:%a /tmp/dir/a/f)\" = 0:0:640 ]; [ \"$(cat /tmp/named)\" = F ]; [ -f /tmp/all/a/f ]; "
		"[ \"$(stat -c %Y /tmp/dir/a)\" = 1580608922 ]; mkdir /out; echo o >/out/o; ln -s /etc/passwd /out/l; "
		"chmod 555 /out; ln -s out /outlink; mkdir /trap; echo p >/trap/p; chown 5:6 /trap/p || :; "
		"chmod 6751 /trap/p; chmod 2755 /trap; mknod -m 666 /trap/disk b 7 0 || :"); /* a plain user has no other ids, no devices */
	scow_error *error = NULL;

	(void) state;
	shell("mkdir -p dir/a; echo F >dir/a/f; chmod 640 dir/a/f; ln -s a/f dir/l; TZ=UTC touch -d '2020-02-02 02:02:02' dir/a");
	expect_ok(scow_container_copy_from_host(container, at("dir"), "/tmp", 0, NULL, NULL, &error), &error);
	expect_ok(scow_container_copy_from_host(container, at("dir"), "/tmp/all", 0, NULL, NULL, &error), &error);
	expect_ok(scow_container_copy_from_host(container, at("dir/a/f"), "/tmp/one", 0, NULL, NULL, &error), &error);
	expect_ok(scow_container_copy_from_host(container, at("dir/l"), "/tmp/named", SCOW_COPY_FOLLOW, NULL, NULL, &error), &error);
	expect_error(scow_container_copy_from_host(container, at("dir"), "/tmp/one", 0, NULL, NULL, &error), SCOW_E_INVALID, &error,
		     "directory");
	expect_error(scow_container_copy_from_host(container, at("dir/a/f"), "/none/", 0, NULL, NULL, &error), SCOW_E_NOT_FOUND, &error,
		     "no such directory");
	expect_error(scow_container_copy_from_host(container, at("dir/a/f"), "/no/ne", 0, NULL, NULL, &error), SCOW_E_NOT_FOUND, &error,
		     "/no");
	expect_error(scow_container_copy_from_host(container, at("nothing"), "/tmp", 0, NULL, NULL, &error), SCOW_E_NOT_FOUND, &error,
		     "nothing");
	run(container);
	expect_ok(scow_container_copy_to_host(container, "/out", at("got"), 0, NULL, NULL, &error), &error);
	shell("[ \"$(cat got/o)\" = o ] && [ \"$(readlink got/l)\" = /etc/passwd ] && [ \"$(stat -c %%a got)\" = 555 ] && chmod 700 got");
	shell("mkdir into");
	expect_ok(scow_container_copy_to_host(container, "/out", at("into"), 0, NULL, NULL, &error), &error);
	expect_ok(scow_container_copy_to_host(container, "/outlink/.", at("into"), 0, NULL, NULL, &error), &error);
	expect_ok(scow_container_copy_to_host(container, "/outlink", at("linked"), 0, NULL, NULL, &error), &error);
	expect_ok(scow_container_copy_to_host(container, "/out/o", at("o2"), 0, NULL, NULL, &error), &error);
	shell("[ -f into/out/o ] && [ -f into/o ] && [ \"$(readlink linked)\" = out ] && [ \"$(cat o2)\" = o ] && chmod 700 into/out");
	/* What becomes ours gives nobody our rights. */
	expect_ok(scow_container_copy_to_host(container, "/trap", at("harmless"), 0, NULL, NULL, &error), &error);
	shell("[ \"$(stat -c %%a harmless)\" = 755 ] && [ \"$(stat -c %%a harmless/p)\" = 751 ] && [ ! -e harmless/disk ]");
	expect_ok(scow_container_copy_to_host(container, "/trap", at("owned"), SCOW_COPY_OWNERS, NULL, NULL, &error), &error);
	if (geteuid() == 0)
		shell("[ \"$(stat -c %%a:%%u:%%g owned/p)\" = 6751:5:6 ] && [ -b owned/disk ]");
	/* No link of the host that is below is followed. */
	shell("mkdir trap elsewhere; ln -s ../elsewhere trap/out");
	expect_error(scow_container_copy_to_host(container, "/out", at("trap"), 0, NULL, NULL, &error), SCOW_E_INVALID, &error,
		     "non-directory");
	shell("[ -z \"$(ls elsewhere)\" ]");
	finish(container);
}

static void test_streams(void **state)
{
	scow_container *container = after("mkdir -p /d/sub; echo x >/d/sub/f; ln -s sub/f /d/l; ln -s d /dl");
	scow_error *error = NULL;
	char *json = NULL;
	int fd;

	(void) state;
	fd = open(at("out.tar"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	expect_ok(scow_container_copy_out(container, "/d", fd, 0, &error), &error);
	shell("[ \"$(tar tf out.tar | tr '\\n' ' ')\" = 'd/ d/l d/sub/ d/sub/f ' ]");
	lseek(fd, 0, SEEK_SET);
	expect_ok(scow_container_copy_in(container, "/root", fd, 0, &error), &error);
	close(fd);
	fd = open(at("out2.tar"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	expect_ok(scow_container_copy_out(container, "/root/d/.", fd, 0, &error), &error);
	close(fd);
	shell("[ \"$(tar tf out2.tar | tr '\\n' ' ')\" = './ ./l ./sub/ ./sub/f ' ] && [ \"$(tar xOf out2.tar ./sub/f)\" = x ]");
	shell("gzip -c out2.tar >out2.tgz");
	fd = open(at("out2.tgz"), O_RDONLY | O_CLOEXEC);
	expect_ok(scow_container_copy_in(container, "/dl", fd, SCOW_COPY_OWNERS, &error), &error);
	lseek(fd, 0, SEEK_SET);
	expect_error(scow_container_copy_in(container, "/d/l", fd, 0, &error), SCOW_E_INVALID, &error, "not a directory");
	expect_error(scow_container_copy_in(container, "/none", fd, 0, &error), SCOW_E_NOT_FOUND, &error, "/none");
	close(fd);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	expect_ok(scow_container_copy_in(container, "/d", fd, 0, &error), &error);
	close(fd);
	shell("echo no tar, but text of a few words >text; echo a >f; tar -Pcf up.tar --transform s,f,../../f, f; tar -cf over.tar "
	      "--transform s,f,sub, f");
	fd = open(at("text"), O_RDONLY | O_CLOEXEC);
	expect_error(scow_container_copy_in(container, "/d", fd, 0, &error), SCOW_E_INVALID, &error, "not a tar");
	close(fd);
	fd = open(at("up.tar"), O_RDONLY | O_CLOEXEC);
	expect_error(scow_container_copy_in(container, "/d", fd, 0, &error), SCOW_E_CORRUPT, &error, "..");
	close(fd);
	fd = open(at("over.tar"), O_RDONLY | O_CLOEXEC);
	expect_error(scow_container_copy_in(container, "/d", fd, 0, &error), SCOW_E_INVALID, &error, "cannot overwrite directory");
	close(fd);
	expect_ok(scow_container_path_json(container, "/d/l", &json, &error), &error);
	assert_non_null(strstr(json, "\"name\":\"l\""));
	assert_non_null(strstr(json, "\"linkTarget\":\"/d/sub/f\""));
	scow_free(json);
	expect_error(scow_container_path_json(container, "/nothing", &json, &error), SCOW_E_NOT_FOUND, &error, "/nothing");
	finish(container);
}

static void test_export_and_import(void **state)
{
	SCOW_AUTO(scow_import_options) *options = scow_import_options_new();
	SCOW_AUTO(scow_image) *image = NULL, *again = NULL;
	SCOW_AUTO(scow_container_config) *config = shell_config("mkdir /kept; echo x >/kept/x; echo y >/mnt/y; touch /done; sleep 60");
	SCOW_AUTO(scow_process) *process = NULL;
	scow_container *container = NULL;
	scow_error *error = NULL;
	int fd, found;

	(void) state;
	scow_container_config_add_tmpfs(config, "/mnt", NULL);
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &container, &error), &error);
	expect_ok(scow_container_start(container, NULL, &process, &error), &error);
	while ((found = scow_container_open(container, "/done", O_RDONLY, 0, NULL)) < 0)
		usleep(10000);
	close(found);
	fd = open(at("fs.tar"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	expect_ok(scow_container_export(container, fd, &error), &error);
	shell("tar tf fs.tar >list && grep -qx kept/x list && grep -qx mnt/ list && ! grep -q '^mnt/.' list && ! grep -q '^proc/.' list && "
	      "! grep -q '^dev/.' list");
	finish(container);
	lseek(fd, 0, SEEK_SET);
	scow_import_options_set_reference(options, "imported");
	scow_import_options_add_change(options, "CMD cat /kept/x");
	expect_ok(scow_image_import(fixture.engine, fd, options, &image, &error), &error);
	close(fd);
	expect_in_inspect(image, "\"Cmd\":[\"/bin/sh\",\"-c\",\"cat /kept/x\"]");
	expect_in_image(image, "[ \"$(cat /kept/x)\" = x ]");
	/* A directory; twice the same. */
	shell("mkdir tree && tar xf fs.tar -C tree --no-same-owner");
	fd = open(at("tree"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	expect_ok(scow_image_import(fixture.engine, fd, NULL, &again, &error), &error);
	close(fd);
	expect_in_image(again, "[ \"$(cat /kept/x)\" = x ]");
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	expect_error(scow_image_import(fixture.engine, fd, NULL, NULL, &error), SCOW_E_INVALID, &error, "empty");
	close(fd);
	fd = open(at("list"), O_RDONLY | O_CLOEXEC);
	expect_error(scow_image_import(fixture.engine, fd, NULL, NULL, &error), SCOW_E_CORRUPT, &error, NULL);
	close(fd);
	expect_ok(scow_image_remove(fixture.engine, "imported", SCOW_REMOVE_FORCE, NULL, &error), &error);
	expect_ok(scow_image_remove(fixture.engine, scow_image_id(again), SCOW_REMOVE_FORCE, NULL, &error), &error);
}

/* A directory that is now one, now a link to a directory of the host's name, while much is copied in and out (CVE-2018-15664). */
/* All that leaves the container at once. */
static void whole_tree_without_the_host(scow_container *container)
{
	SCOW_AUTO(scow_commit_options) *options = scow_commit_options_new();
	SCOW_AUTO(scow_image) *image = NULL;
	char path[256];
	int fd;

	scow_commit_options_set_pause(options, 0);
	snprintf(path, sizeof(path), "%s", at("all.tar"));
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	(void) !scow_container_export(container, fd, NULL);
	shell("! grep -aq of-the-host all.tar");
	if (scow_container_commit(container, "swapped", options, &image, NULL) == 0) {
		SCOW_AUTO(scow_container_config) *config = shell_config("true");
		scow_container *of_it = NULL;

		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
		assert_int_equal(scow_container_create(fixture.engine, image, config, &of_it, NULL), 0);
		assert_int_equal(scow_container_export(of_it, fd, NULL), 0);
		shell("grep -aq mine all.tar && ! grep -aq of-the-host all.tar");
		finish(of_it);
	}
	close(fd);
}

static void test_swapped_links(void **state)
{
	SCOW_AUTO(scow_process) *process = NULL;
	scow_container *container;
	scow_error *error = NULL;
	char script[512];
	int fd;

	(void) state;
	shell("mkdir -p victim many; echo of-the-host >victim/secret; i=0; while [ $i -lt 300 ]; do echo $i >many/$i; i=$((i+1)); done");
	snprintf(script, sizeof(script),
		 "mkdir -p /w/x /parked; echo mine >/w/x/secret; ln -s %s /w/link; touch /ready; "
		 "while :; do mv -T /w/x /w/y; mv -T /w/link /w/x; mv -T /w/x /w/link; mv -T /w/y /w/x; done",
		 at("victim"));
	container = make(script);
	expect_ok(scow_container_start(container, NULL, &process, &error), &error);
	while ((fd = scow_container_open(container, "/ready", O_RDONLY, 0, NULL)) < 0)
		usleep(10000);
	close(fd);
	for (int i = 0; i < 20; i++) {
		(void) !scow_container_copy_from_host(container, at("many"), "/w/x", 0, NULL, NULL, NULL);
		shell("rm -rf got");
		(void) !scow_container_copy_to_host(container, "/w/x", at("got"), 0, NULL, NULL, NULL);
		/* A link may be copied, as a link: it is not for us to follow. */
		shell("[ \"$(cat victim/secret)\" = of-the-host ] && [ \"$(ls victim)\" = secret ] && { [ -L got ] || ! grep -rqs "
		      "'^of-the-host' "
		      "got/; }");
	}
	for (int i = 0; i < 5; i++)
		whole_tree_without_the_host(container);
	finish(container);
}

static void test_read_only(void **state)
{
	SCOW_AUTO(scow_container_config) *config = shell_config("true");
	scow_container *container = NULL;
	scow_error *error = NULL;

	(void) state;
	shell("echo x >plain");
	scow_container_config_set_read_only(config, 1);
	expect_ok(scow_container_create(fixture.engine, fixture.image, config, &container, &error), &error);
	expect_error(scow_container_copy_from_host(container, at("plain"), "/tmp", 0, NULL, NULL, &error), SCOW_E_DENIED, &error,
		     "read-only");
	finish(container);
}

static int begin(void **state)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(work, sizeof(work), "%s/scow-copy.XXXXXX", tmp ? tmp : "/tmp");
	return mkdtemp(work) ? fixture_setup(state) : -1;
}

static int end(void **state)
{
	char command[2 * sizeof(work) + 64];

	snprintf(command, sizeof(command), "chmod -R u+rwX '%s'; rm -rf '%s'", work, work);
	return (system(command) != 0) | fixture_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_changes, fixture_clear),
		cmocka_unit_test_teardown(test_commit, fixture_clear),
		cmocka_unit_test_teardown(test_commit_of_nothing, fixture_clear),
		cmocka_unit_test_teardown(test_commit_of_a_running_one, fixture_clear),
		cmocka_unit_test_teardown(test_host_files, fixture_clear),
		cmocka_unit_test_teardown(test_streams, fixture_clear),
		cmocka_unit_test_teardown(test_export_and_import, fixture_clear),
		cmocka_unit_test_teardown(test_swapped_links, fixture_clear),
		cmocka_unit_test_teardown(test_read_only, fixture_clear),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
