/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the options of a local volume become: the arguments of mount(2). */
#include "unit.h"

#include <sys/mount.h>

#include "base/cleanup.h"
#include "engine/engine.h"
#include "volume/volume.h"

static scow_engine engine = { .root = (char *) "/store" };

static const struct {
	const char *options;
	struct volume_source expected;
} good[] = {
	{ "{}", { .kind = VOLUME_DIRECTORY, .path = "/store/volumes/vol/_data" } },
	{ "{\"size\":\"10G\"}", { .kind = VOLUME_DIRECTORY, .path = "/store/volumes/vol/_data" } },
	{ "{\"type\":\"none\",\"o\":\"bind\",\"device\":\"/a\"}", { .kind = VOLUME_BIND, .path = "/a" } },
	{ "{\"type\":\"none\",\"o\":\"rbind,ro,noexec\",\"device\":\"/a\"}",
	  { .kind = VOLUME_BIND, .path = "/a", .recursive = true, .flags = MS_RDONLY | MS_NOEXEC } },
	{ "{\"type\":\"nfs\",\"device\":\":/export/a\",\"o\":\"addr=10.0.0.1,rw,nfsvers=4,nolock,soft\"}",
	  { .kind = VOLUME_MOUNT, .type = "nfs", .device = ":/export/a", .data = "addr=10.0.0.1,nfsvers=4,nolock,soft" } },
	{ "{\"type\":\"nfs4\",\"device\":\"10.0.0.1:/a b\",\"o\":\"addr=10.0.0.1,ro,noatime,hard\"}",
	  { .kind = VOLUME_MOUNT, .type = "nfs4", .device = "10.0.0.1:/a b", .data = "addr=10.0.0.1,hard", .flags = MS_RDONLY | MS_NOATIME } },
	{ "{\"type\":\"cifs\",\"device\":\"//10.0.0.1/share\",\"o\":\"addr=10.0.0.1,username=u,password=p,file_mode=0777,nodev\"}",
	  { .kind = VOLUME_MOUNT,
	    .type = "cifs",
	    .device = "//10.0.0.1/share",
	    .data = "addr=10.0.0.1,username=u,password=p,file_mode=0777",
	    .flags = MS_NODEV } },
	{ "{\"type\":\"tmpfs\",\"device\":\"tmpfs\",\"o\":\"size=1m,,uid=9,ro,rw\"}",
	  { .kind = VOLUME_MOUNT, .type = "tmpfs", .device = "tmpfs", .data = "size=1m,uid=9" } },
	{ "{\"type\":\"ext4\",\"device\":\"/dev/sdb\"}", { .kind = VOLUME_MOUNT, .type = "ext4", .device = "/dev/sdb" } },
};

static void same(const char *options, const char *what, const char *have, const char *want)
{
	if ((have && want && strcmp(have, want) != 0) || !have != !want)
		fail_msg("%s: %s: '%s', and not '%s'", options, what, have ? have : "", want ? want : "");
}

static void test_good(void **state)
{
	(void) state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		const struct volume volume = { .name = "vol", .driver = "local", .options = good[i].options };
		const struct volume_source *expected = &good[i].expected;
		_cleanup_arena_ struct arena arena = { 0 };
		struct volume_source source;

		assert_int_equal(volume_source(&engine, &volume, &arena, &source, NULL), 0);
		assert_int_equal(source.kind, expected->kind);
		assert_int_equal(source.flags, expected->flags);
		assert_int_equal(source.recursive, expected->recursive);
		same(good[i].options, "path", source.path, expected->path);
		same(good[i].options, "data", source.data, expected->data);
		if (source.kind != VOLUME_MOUNT)
			continue;
		same(good[i].options, "type", source.type, expected->type);
		same(good[i].options, "device", source.device, expected->device);
	}
}

static void test_bad(void **state)
{
	static const char *const bad[][2] = {
		{ "{\"o\":\"bind\"}", "absolute path" },
		{ "{\"o\":\"bind\",\"device\":\"a\"}", "absolute path" },
		{ "{\"type\":\"nfs\"}", "'device'" },
		{ "{\"device\":\"/a\"}", "'type'" },
		{ "{\"o\":\"ro\"}", "'type'" },
	};

	(void) state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct volume volume = { .name = "vol", .driver = "local", .options = bad[i][0] };
		_cleanup_arena_ struct arena arena = { 0 };
		struct volume_source source;
		scow_error *error = NULL;

		assert_int_equal(volume_source(&engine, &volume, &arena, &source, &error), SCOW_E_INVALID);
		if (!strstr(scow_error_message(error), bad[i][1]))
			fail_msg("%s: %s", bad[i][0], scow_error_message(error));
		scow_error_unref(error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_good), cmocka_unit_test(test_bad) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
