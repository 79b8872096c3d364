/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* -v and --mount, as text: what each becomes in the document, which is read to the same; and what is refused. */
#include "unit.h"

#include "base/cleanup.h"
#include "container/config.h"

static char *document(const scow_container_config *config)
{
	scow_error *error = NULL;
	char *json = NULL;

	if (scow_container_config_to_json(config, &json, &error) < 0)
		fail_msg("%s", scow_error_message(error));
	return json;
}

static void check(void (*set)(scow_container_config *, const char *), const char *text, const char *expected)
{
	_cleanup_(scow_container_config_unrefp) scow_container_config *config = scow_container_config_new(), *copy = NULL;
	_cleanup_free_ char *json = NULL, *again = NULL;

	set(config, text);
	json = document(config);
	assert_string_equal(json, expected);
	assert_int_equal(scow_container_config_from_json(json, &copy, NULL), 0);
	again = document(copy);
	assert_string_equal(again, json);
}

static void refused(void (*set)(scow_container_config *, const char *), const char *text, const char *reason)
{
	_cleanup_(scow_container_config_unrefp) scow_container_config *config = scow_container_config_new();
	scow_error *error = NULL;

	set(config, text);
	assert_int_equal(config_check(config, &error), SCOW_E_INVALID);
	if (!strstr(scow_error_message(error), reason))
		fail_msg("'%s': %s", text, scow_error_message(error));
	scow_error_unref(error);
}

static void test_short(void **state)
{
	static const char *const good[][2] = {
		{ "/data", "{\"Volumes\":{\"/data\":{}}}" },
		{ "data:/x", "{\"HostConfig\":{\"Binds\":[\"data:/x\"]}}" },
		{ "data:/x:ro,nocopy", "{\"HostConfig\":{\"Binds\":[\"data:/x:ro,nocopy\"]}}" },
		{ "data:/x/../y/:U,z", "{\"HostConfig\":{\"Binds\":[\"data:/y:U,z\"]}}" },
		{ "data:/x:O", "{\"HostConfig\":{\"Binds\":[\"data:/x:O\"]}}" },
		{ "/a:/b:noexec,O", "{\"HostConfig\":{\"Binds\":[\"/a:/b:noexec,O\"]}}" },
		{ "/a:/b", "{\"HostConfig\":{\"Binds\":[\"/a:/b\"]}}" },
		{ "/a:/b:ro,rslave", "{\"HostConfig\":{\"Binds\":[\"/a:/b:ro,rslave\"]}}" },
		{ "data:/x:subpath=a/./b", "{\"HostConfig\":{\"Mounts\":[{\"Type\":\"volume\",\"Source\":\"data\",\"Target\":\"/x\","
					   "\"VolumeOptions\":{\"Subpath\":\"a/b\"}}]}}" },
	};
	static const char *const bad[][2] = {
		{ "", "empty section" },
		{ ":", "empty section" },
		{ "a:", "empty section" },
		{ "/a:/b:", "empty section" },
		{ "/a:/b:ro:rw", "too many colons" },
		{ "/x:ro", "a mode needs a source" },
		{ "data", "not an absolute path" },
		{ "a/b:/x", "invalid characters" },
		{ "./a:/x", "must be absolute" },
		{ "~:/x", "must be absolute" },
		{ "d:/x", "invalid characters" },
		{ "data:/", "over the root" },
		{ "data:/x:create", "only a bind" },
		{ "/a:/b:nocopy", "not an option of a bind" },
		{ "data:/x:subpath=../a", "leads out" },
		{ "data:/x:subpath=/a", "must be relative" },
		{ "data:/x:ro,rw", "contradicts" },
		{ "/a:/b:O,ro", "'O' goes with none" },
		{ "data:/x:rslave,O", "'O' goes with none" },
		{ "data:/x:O,U", "'O' goes with none" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		check(scow_container_config_add_volume_spec, good[i][0], good[i][1]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		refused(scow_container_config_add_volume_spec, bad[i][0], bad[i][1]);
}

#define MOUNT(rest) "{\"HostConfig\":{\"Mounts\":[{" rest "}]}}"

static void test_long(void **state)
{
	static const char *const good[][2] = {
		{ "type=bind,src=/a,dst=/b", MOUNT("\"Type\":\"bind\",\"Source\":\"/a\",\"Target\":\"/b\"") },
		{ "type=bind,source=/a,destination=/b,readonly",
		  MOUNT("\"Type\":\"bind\",\"Source\":\"/a\",\"Target\":\"/b\",\"ReadOnly\":true") },
		{ "type=bind,src=/a,dst=/b,ro=false,consistency=cached", MOUNT("\"Type\":\"bind\",\"Source\":\"/a\",\"Target\":\"/b\"") },
		{ "type=bind,src=/a,dst=/b,bind-propagation=shared,bind-nonrecursive=true",
		  MOUNT("\"Type\":\"bind\",\"Source\":\"/a\",\"Target\":\"/"
			"b\",\"BindOptions\":{\"Propagation\":\"shared\",\"NonRecursive\":true}") },
		{ "type=bind,src=/a,dst=/b,ro,bind-recursive=writable",
		  MOUNT("\"Type\":\"bind\",\"Source\":\"/a\",\"Target\":\"/"
			"b\",\"ReadOnly\":true,\"BindOptions\":{\"ReadOnlyNonRecursive\":true}") },
		{ "\"type=bind\",\"src=/a,b\",dst=/c", MOUNT("\"Type\":\"bind\",\"Source\":\"/a,b\",\"Target\":\"/c\"") },
		{ "type=bind,\"src=/a\"\"b\",dst=/c", MOUNT("\"Type\":\"bind\",\"Source\":\"/a\\\"b\",\"Target\":\"/c\"") },
		{ "type=bind,src=/a,dst=/b,overlay", MOUNT("\"Type\":\"bind\",\"Source\":\"/a\",\"Target\":\"/b\",\"Options\":\"O\"") },
		{ "src=data,dst=/x", "{\"HostConfig\":{\"Binds\":[\"data:/x\"]}}" },
		{ "dst=/x", "{\"Volumes\":{\"/x\":{}}}" },
		{ "type=volume,src=data,dst=/x,volume-nocopy,volume-label=a=b,volume-driver=mine,volume-opt=o=size=1,volume-subpath=s",
		  MOUNT("\"Type\":\"volume\",\"Source\":\"data\",\"Target\":\"/x\",\"VolumeOptions\":{\"NoCopy\":true,\"Subpath\":\"s\","
			"\"Labels\":{\"a\":\"b\"},\"DriverConfig\":{\"Name\":\"mine\",\"Options\":{\"o\":\"size=1\"}}}") },
		{ "type=tmpfs,dst=/x,tmpfs-size=1m,tmpfs-mode=1770", "{\"HostConfig\":{\"Tmpfs\":{\"/x\":\"size=1m,mode=1770\"}}}" },
		{ "type=image,src=busybox,dst=/x,image-subpath=bin",
		  MOUNT("\"Type\":\"image\",\"Source\":\"busybox\",\"Target\":\"/x\",\"ImageOptions\":{\"Subpath\":\"bin\"}") },
	};
	static const char *const bad[][2] = {
		{ "", "value is empty" },
		{ "type=bind", "target is required" },
		{ "type=bind,dst=/x", "source is required when specifying mount type bind" },
		{ "type=image,dst=/x", "source is required when specifying mount type image" },
		{ "type=tmpfs,src=/a,dst=/x", "a tmpfs has no source" },
		{ "type=floppy,dst=/x", "'floppy' is not a type of mount" },
		{ "what", "invalid field 'what' must be a key=value pair" },
		{ "dst=/x,foo=bar", "unexpected key 'foo' in 'foo=bar'" },
		{ "dst=/x,readonly=perhaps", "invalid value for readonly: perhaps" },
		{ "type=bind,src=/a,dst=/b,bind-recursive=deep", "invalid value for bind-recursive: deep" },
		{ "type=bind,src=/a,dst=/b,volume-nocopy", "cannot mix 'volume-*' options with mount type 'bind'" },
		{ "type=volume,dst=/b,tmpfs-size=1", "cannot mix 'tmpfs-*' options with mount type 'volume'" },
		{ "type=bind,src=relative,dst=/b", "not an absolute path" },
		{ "type=bind,\"src=/a,dst=/b", "a quote in the wrong place" },
		{ "type=bind,src=\"/a\",dst=/b", "a quote in the wrong place" },
		{ "dst=/x,volume-label==b", "invalid value for volume-label" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		check(scow_container_config_add_mount, good[i][0], good[i][1]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		refused(scow_container_config_add_mount, bad[i][0], bad[i][1]);
}

static void test_volumes_from(void **state)
{
	(void) state;
	check(scow_container_config_add_volumes_from, "web", "{\"HostConfig\":{\"VolumesFrom\":[\"web\"]}}");
	check(scow_container_config_add_volumes_from, "web:ro,z", "{\"HostConfig\":{\"VolumesFrom\":[\"web:ro\"]}}");
	refused(scow_container_config_add_volumes_from, "web:x", "ro or rw");
	refused(scow_container_config_add_volumes_from, ":ro", "no container was given");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_short),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_volumes_from),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
