/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Documents of the Container Device Interface: what is read, what is refused and where the error points, which of several counts. */
#include "unit/unit.h"

#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "container/cdi.h"

#define HEAD "{\"cdiVersion\":\"0.7.0\",\"kind\":\"example.com/thing\","
#define DEVICE(name) "{\"name\":\"" name "\",\"containerEdits\":{\"env\":[\"A=1\"]}}"

static void test_names(void **state)
{
	static const char *const good[] = { "vendor.com/class=name", "nvidia.com/gpu=all", "nvidia.com/gpu=0", "a/b=c",
					    "v-1_2.com/c-1=GPU-0f:1.2_3" },
				 *const bad[] = { "",        "/dev/null", "a=b",     "/a=b",    "a/=b",           "a/b=",
						  "a/b",     "1a/b=c",    "a./b=c",  "a/b=-c",  "a/b=c-",         "a/b=c d",
						  "a/b/c=d", "a//b=c",    "a/b=c=d", "a/b=c/d", "ven dor/class=x" };

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (!cdi_is_device_name(good[i]))
			fail_msg("'%s'", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (cdi_is_device_name(bad[i]))
			fail_msg("'%s'", bad[i]);
}

static void test_whole(void **state)
{
	static const char text[] =
		HEAD "\"annotations\":{\"note\":\"x\"},\"containerEdits\":{\"env\":[\"ALL=1\"],\"additionalGids\":[44,7],"
		     "\"hooks\":[{\"hookName\":\"createContainer\",\"path\":\"/bin/h\",\"args\":[\"h\",\"x\"],\"timeout\":5}]},"
		     "\"devices\":[{\"name\":\"0\",\"annotations\":{},\"containerEdits\":{\"deviceNodes\":[{\"path\":\"/dev/t0\","
		     "\"hostPath\":\"/dev/t7\",\"type\":\"c\",\"major\":10,\"minor\":3,\"fileMode\":432,\"permissions\":\"rw\",\"uid\":1,"
		     "\"gid\":2},{\"path\":\"/dev/t1\"}],\"mounts\":[{\"hostPath\":\"/lib/x\",\"containerPath\":\"/lib/y\","
		     "\"options\":[\"ro\",\"rbind\"]}]}}," DEVICE("1") "]}";
	struct arena arena = { 0 };
	const struct cdi_node *node;
	struct cdi_spec spec;

	(void) state;
	assert_int_equal(cdi_parse(text, strlen(text), "/x.json", &arena, &spec, NULL), 0);
	assert_string_equal(spec.kind, "example.com/thing");
	assert_int_equal(spec.n_devices, 2);
	assert_string_equal(spec.edits.env.items[0], "ALL=1");
	assert_int_equal(spec.edits.gids.n, 2);
	assert_int_equal(spec.edits.gids.items[1], 7);
	assert_int_equal(spec.edits.hooks[0].timeout_s, 5);
	assert_string_equal(spec.edits.hooks[0].args.items[1], "x");
	assert_int_equal(spec.devices[0].edits.n_nodes, 2);
	node = &spec.devices[0].edits.nodes[0];
	assert_string_equal(node->host_path, "/dev/t7");
	assert_int_equal(node->major, 10);
	assert_int_equal(node->mode, 0660);
	assert_int_equal(node->gid, 2);
	node = &spec.devices[0].edits.nodes[1];
	assert_null(node->host_path);
	assert_true(node->major == -1 && node->mode == -1 && node->uid == -1);
	assert_string_equal(spec.devices[0].edits.mounts[0].options.items[1], "rbind");
	assert_null(spec.devices[1].edits.unsupported);
	arena_done(&arena);
}

/* As nvidia-ctk writes it. */
static void test_yaml(void **state)
{
	static const char text[] = "---\n"
				   "cdiVersion: 0.5.0\n"
				   "containerEdits:\n"
				   "  deviceNodes:\n"
				   "  - path: /dev/nvidia-modeset\n"
				   "  - path: /dev/nvidiactl\n"
				   "  env:\n"
				   "  - NVIDIA_VISIBLE_DEVICES=void\n"
				   "  hooks:\n"
				   "  - args:\n"
				   "    - nvidia-cdi-hook\n"
				   "    - create-symlinks\n"
				   "    - --link\n"
				   "    - ../libnvidia-allocator.so.1::/usr/lib/x86_64-linux-gnu/gbm/nvidia-drm_gbm.so\n"
				   "    hookName: createContainer\n"
				   "    path: /usr/bin/nvidia-cdi-hook\n"
				   "  mounts:\n"
				   "  - containerPath: /usr/bin/nvidia-smi\n"
				   "    hostPath: /usr/bin/nvidia-smi\n"
				   "    options:\n"
				   "    - ro\n"
				   "    - nosuid\n"
				   "    - nodev\n"
				   "    - bind\n"
				   "devices:\n"
				   "- containerEdits:\n"
				   "    deviceNodes:\n"
				   "    - path: /dev/nvidia0\n"
				   "    - fileMode: 0660\n"
				   "      path: /dev/dri/card1\n"
				   "  name: \"0\"\n"
				   "- containerEdits:\n"
				   "    deviceNodes:\n"
				   "    - path: /dev/nvidia0\n"
				   "  name: all\n"
				   "kind: nvidia.com/gpu\n";
	struct arena arena = { 0 };
	scow_error *error = NULL;
	struct cdi_spec spec;

	(void) state;
	assert_int_equal(cdi_parse(text, strlen(text), "/etc/cdi/nvidia.yaml", &arena, &spec, NULL), 0);
	assert_string_equal(spec.kind, "nvidia.com/gpu");
	assert_string_equal(spec.edits.nodes[1].path, "/dev/nvidiactl");
	assert_string_equal(spec.edits.hooks[0].args.items[3],
			    "../libnvidia-allocator.so.1::/usr/lib/x86_64-linux-gnu/gbm/nvidia-drm_gbm.so");
	assert_string_equal(spec.edits.mounts[0].options.items[3], "bind");
	assert_int_equal(spec.n_devices, 2);
	assert_string_equal(spec.devices[0].name, "0");
	assert_int_equal(spec.devices[0].edits.nodes[1].mode, 0660);
	assert_string_equal(spec.devices[1].name, "all");
	assert_int_equal(cdi_parse("a: &b", 5, "/x.yaml", &arena, &spec, &error), SCOW_E_INVALID);
	assert_non_null(strstr(scow_error_message(error), "CDI document '/x.yaml': it: line 1: an anchor"));
	scow_error_unref(error);
	arena_done(&arena);
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *reason;
	} cases[] = {
		{ "[]", "all of it: expected an object" },
		{ "{", "it: " },
		{ "{}", "cdiVersion: expected a version such as 0.6.0" },
		{ "{\"cdiVersion\":\"2.0.0\"}", "cdiVersion: this library knows versions 0.1.0 to 1.1.0" },
		{ "{\"cdiVersion\":\"0.6\"}", "cdiVersion: expected a version" },
		{ HEAD "\"devices\":[]}", "all of it: it has no devices" },
		{ "{\"cdiVersion\":\"0.6.0\",\"devices\":[" DEVICE("a") "]}", "kind: it is not of the form vendor.com/class" },
		{ "{\"cdiVersion\":\"0.5.0\",\"kind\":\"a.b/c.d\",\"devices\":[" DEVICE("a") "]}",
		  "kind: a dot in the class needs a cdiVersion" },
		{ "{\"cdiVersion\":\"0.4.0\",\"kind\":\"a.b/c\",\"devices\":[" DEVICE("0") "]}", "devices[0]: its name is none" },
		{ "{\"cdiVersion\":\"0.5.0\",\"kind\":\"a.b/c\",\"annotations\":{}}",
		  "annotations: it needs a cdiVersion of 0.6.0 or later" },
		{ HEAD "\"device\":[]}", "device: there is no such field" },
		{ HEAD "\"devices\":[" DEVICE("a") "," DEVICE("a") "]}", "devices[1]: another device has the same name" },
		{ HEAD "\"devices\":[{\"name\":\"a\"}]}", "devices[0]: it has no containerEdits" },
		{ HEAD "\"devices\":[{\"name\":\"a\",\"containerEdits\":{\"env\":[\"A\"]}}]}",
		  "devices[0].containerEdits.env[0]: expected NAME=value" },
		{ HEAD "\"devices\":[{\"name\":\"a\",\"containerEdits\":{\"env\":[1]}}]}",
		  "devices[0].containerEdits.env[0]: expected a string" },
		{ HEAD "\"devices\":[{\"name\":\"a\",\"containerEdits\":{\"deviceNodes\":[{\"path\":\"/a\"},{\"path\":\"b\"}]}}]}",
		  "devices[0].containerEdits.deviceNodes[1].path: expected an absolute path" },
		{ HEAD "\"devices\":[{\"name\":\"a\",\"containerEdits\":{\"deviceNodes\":[{\"path\":\"/a\",\"major\":-1}]}}]}",
		  "devices[0].containerEdits.deviceNodes[0].major: expected a whole number" },
		{ HEAD "\"devices\":[{\"name\":\"a\",\"containerEdits\":{\"deviceNodes\":[{\"type\":\"c\"}]}}]}",
		  "devices[0].containerEdits.deviceNodes[0]: it has no path" },
		{ HEAD "\"devices\":[{\"name\":\"a\",\"containerEdits\":{\"deviceNodes\":[{\"path\":\"/a\",\"permissions\":\"x\"}]}}]}",
		  "its permissions are not r, w and m" },
		{ HEAD "\"devices\":[{\"name\":\"a\",\"containerEdits\":{\"mounts\":[{\"hostPath\":\"/a\"}]}}]}",
		  "it needs a hostPath and a containerPath" },
		{ HEAD "\"devices\":[{\"name\":\"a\",\"containerEdits\":{\"additionalGids\":[4294967296]}}]}",
		  "expected a whole number of 32 bits" },
		{ HEAD "\"devices\":[{\"name\":\"a\",\"containerEdits\":{\"netDevices\":[{}]}}]}", "it needs a cdiVersion of 1.1.0" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct arena arena = { 0 };
		scow_error *error = NULL;
		struct cdi_spec spec;
		int r = cdi_parse(cases[i].text, strlen(cases[i].text), "/x.json", &arena, &spec, &error);

		if (r != SCOW_E_INVALID || !str_has_prefix(scow_error_message(error), "CDI document '/x.json': ") ||
		    !strstr(scow_error_message(error), cases[i].reason))
			fail_msg("%s: %d %s", cases[i].text, r, error ? scow_error_message(error) : "taken");
		scow_error_unref(error);
		arena_done(&arena);
	}
}

/* ---- several documents ---- */

struct seen {
	char text[512];
};

static int collect(void *data, const struct cdi_spec *spec, const struct cdi_edits *edits, scow_error **error)
{
	struct seen *seen = data;
	size_t size = strlen(seen->text);

	(void) error;
	snprintf(seen->text + size, sizeof(seen->text) - size, "%s:%s ", strrchr(spec->file, '/') + 1,
		 edits->env.n ? edits->env.items[0] : "-");
	return 0;
}

static void put(const struct scratch *scratch, const char *path, const char *text)
{
	int fd = openat(scratch->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t) strlen(text));
	close(fd);
}

static unsigned int lines;

static void count_lines(int level, const char *message, void *data)
{
	(void) level;
	(void) message;
	(void) data;
	lines++;
}

static void expect(scow_engine *engine, const char *const *names, size_t n, int status, const char *text)
{
	struct seen seen = { "" };
	struct arena arena = { 0 };
	scow_error *error = NULL;
	int r = cdi_each(engine, names, n, &arena, collect, &seen, &error);

	if (r != status || !strstr(status ? scow_error_message(error) : seen.text, text))
		fail_msg("%d: %s%s", r, seen.text, error ? scow_error_message(error) : "");
	if (!status)
		assert_string_equal(seen.text, text);
	scow_error_unref(error);
	arena_done(&arena);
}

static void test_directories(void **state)
{
	struct scratch scratch = scratch_new();
	_cleanup_free_ char *low = strf("%s/low", scratch.path), *high = strf("%s/high", scratch.path),
			    *none = strf("%s/none", scratch.path);
	char *dirs[] = { low, none, high, NULL };
	scow_engine engine = { .cdi_dirs = dirs, .log = count_lines };
	const char *const one[] = { "example.com/thing=one" }, *const both[] = { "example.com/thing=one", "example.com/thing=two" },
			  *const other[] = { "other.com/thing=one" }, *const three[] = { "example.com/thing=three" },
			  *const twice[] = { "example.com/thing=two" };

	(void) state;
	assert_int_equal(mkdirat(scratch.fd, "low", 0700) | mkdirat(scratch.fd, "high", 0700), 0);
	put(&scratch, "low/a.json", HEAD "\"containerEdits\":{\"env\":[\"ALL=a\"]},\"devices\":[" DEVICE("one") "," DEVICE("two") "]}");
	put(&scratch, "low/ignored.txt", "{");
	put(&scratch, "low/x.yaml", "cdiVersion: 0.6.0\nkind: other.com/thing\ndevices:\n- name: one\n  containerEdits:\n    env: [ ]\n");
	expect(&engine, one, 1, 0, "a.json:ALL=a a.json:A=1 ");
	assert_int_equal(lines, 1); /* the YAML, which is passed over */
	put(&scratch, "low/x.yaml",
	    "cdiVersion: 0.6.0\nkind: other.com/thing\ndevices:\n- name: one\n  containerEdits:\n    env:\n    - Y=1\n");
	expect(&engine, other, 1, 0, "x.yaml:- x.yaml:Y=1 ");
	assert_int_equal(lines, 1);
	/* Its common edits come once. */
	expect(&engine, both, 2, 0, "a.json:ALL=a a.json:A=1 a.json:A=1 ");
	/* A later directory wins. */
	put(&scratch, "high/b.json", HEAD "\"devices\":[" DEVICE("one") "]}");
	expect(&engine, one, 1, 0, "b.json:- b.json:A=1 ");
	expect(&engine, both, 2, 0, "b.json:- b.json:A=1 a.json:ALL=a a.json:A=1 ");
	expect(&engine, three, 1, SCOW_E_NOT_FOUND, "no CDI document in ");
	/* Two of one directory: nobody may decide. */
	put(&scratch, "low/c.json", HEAD "\"devices\":[" DEVICE("two") "]}");
	expect(&engine, twice, 1, SCOW_E_INVALID, "/low/a.json' and in '");
	expect(&engine, one, 1, 0, "b.json:- b.json:A=1 ");
	/* One that is bad is passed over, until something is missing. */
	put(&scratch, "high/bad.json", "{\"cdiVersion\":\"0.6.0\",\"kind\":7}");
	expect(&engine, one, 1, 0, "b.json:- b.json:A=1 ");
	expect(&engine, three, 1, SCOW_E_INVALID, "/high/bad.json': kind: expected a string");
	scratch_done(&scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),   cmocka_unit_test(test_whole),       cmocka_unit_test(test_yaml),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_directories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
