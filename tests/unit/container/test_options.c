/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit/unit.h"

#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "container/config.h"
#include "container/options.h"

static void test_signals(void **state)
{
	static const struct {
		const char *text;
		int number;
	} cases[] = {
		{ "SIGTERM", SIGTERM }, { "term", SIGTERM },  { "sigKill", SIGKILL }, { "15", 15 },      { "64", 64 },
		{ "65", -1 },           { "0", -1 },          { "-1", -1 },           { "", -1 },        { "SIG", -1 },
		{ "RTMIN", 34 },        { "SIGRTMIN+3", 37 }, { "rtmax", 64 },        { "RTMAX-1", 63 }, { "RTMIN+31", -1 },
		{ "RTMIN-1", -1 },      { "RTMIN+30", 64 },   { "RTMAX-30", 34 },     { "RTMIN+", -1 },  { "TERM ", -1 },
		{ "15x", -1 },          { "POLL", SIGIO },    { "CLD", SIGCHLD },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (signal_parse(cases[i].text) != cases[i].number)
			fail_msg("'%s' is %d, not %d", cases[i].text, signal_parse(cases[i].text), cases[i].number);
	assert_int_equal(signal_parse(NULL), -1);
}

static void test_ulimits(void **state)
{
	(void) state;
	assert_int_equal(ulimit_parse("nofile"), RLIMIT_NOFILE);
	assert_int_equal(ulimit_parse("NOFILE"), -1);
	assert_int_equal(ulimit_parse(""), -1);
	for (int resource = 0; resource < RLIM_NLIMITS; resource++)
		assert_int_equal(ulimit_parse(ulimit_name(resource)), resource);
	assert_null(ulimit_name(RLIM_NLIMITS));
}

static void test_cpuset(void **state)
{
	static const char *const good[] = { "0", "0-3", "0,2", "0-1,4-5,7" }, *const bad[] = { "",   ",", "0,",  "-1",      "3-1",
											       "0-", "a", "0 1", "99999999" };

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(cpuset_is_valid(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(cpuset_is_valid(bad[i]));
}

static void test_bind_options(void **state)
{
	static const struct {
		const char *text, *form; /* form NULL: the defaults; "!": refused */
	} cases[] = {
		{ NULL, NULL },
		{ "", NULL },
		{ "rw", NULL },
		{ "rprivate,rw", NULL },
		{ "ro", "ro" },
		{ "create,nodev,ro,rshared", "ro,rshared,nodev,create" },
		{ "ro,ro-nonrecursive", "ro,ro-nonrecursive" },
		{ "Z,noexec,nosuid,bind-nonrecursive,slave", "slave,bind-nonrecursive,noexec,nosuid,Z" },
		{ "ro,rw", "!" },
		{ "ro,ro", "!" },
		{ "rshared,slave", "!" },
		{ "ro-nonrecursive", "!" },
		{ "nocopy", "!" },
		{ "ro,", "!" },
		{ "RO", "!" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct arena arena = { 0 };
		struct bind_options options;
		scow_error *error = NULL;
		int r = bind_options_parse(cases[i].text, &options, &error);
		const char *form = r < 0 ? "!" : bind_options_format(&options, &arena);

		if (r < 0)
			assert_int_equal(scow_error_status(error), SCOW_E_INVALID);
		if (form && cases[i].form)
			assert_string_equal(form, cases[i].form);
		else
			assert_ptr_equal(form, cases[i].form);
		scow_error_unref(error);
		arena_done(&arena);
	}
}

static void check_tmpfs(const char *text, int status, unsigned long expected_flags, const char *expected_data)
{
	struct arena arena = { 0 };
	scow_error *error = NULL;
	unsigned long flags;
	const char *data;

	assert_int_equal(tmpfs_options_parse(text, &arena, &flags, &data, &error), status);
	if (status == 0) {
		assert_int_equal(flags, expected_flags);
		if (expected_data)
			assert_string_equal(data, expected_data);
		else
			assert_null(data);
	}
	scow_error_unref(error);
	arena_done(&arena);
}

static void test_tmpfs_options(void **state)
{
	const unsigned long quiet = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	static const char *const bad[] = { "size=", "size=x", "size=1kk", "mode=9", "mode=777777", "uid=a",
					   "huge",  "x=1",    "size",     ",",      "lowerdir=/",  "ro,,rw" };

	(void) state;
	check_tmpfs(NULL, 0, quiet, NULL);
	check_tmpfs("", 0, quiet, NULL);
	check_tmpfs("size=64m,mode=1777,exec", 0, MS_NOSUID | MS_NODEV, "size=64m,mode=1777");
	check_tmpfs("rw,suid,dev,exec,noatime", 0, MS_NOATIME, NULL);
	check_tmpfs("ro,size=50%,uid=1000,gid=5,nr_inodes=1k", 0, quiet | MS_RDONLY, "size=50%,uid=1000,gid=5,nr_inodes=1k");
	check_tmpfs("exec,noexec", 0, quiet, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		check_tmpfs(bad[i], SCOW_E_INVALID, 0, NULL);
}

static void test_device_rules(void **state)
{
	static const char *const bad[] = { "",        "c",      "c ",     "c 1:3",    "c 1:3 ",   "x 1:3 r",          "c 1:3 rr", "c 1:3 x",
					   "c 1 3 r", "c :3 r", "c 1: r", "c 1:3  r", "c  1:3 r", "c 4294967296:1 r", "c **:1 r" };
	struct spec_device_rule rule;

	(void) state;
	assert_ok(device_rule_parse("c 1:3 rwm", &rule, NULL));
	assert_true(rule.allow && rule.type == 'c' && rule.major == 1 && rule.minor == 3 && rule.read && rule.write && rule.mknod);
	assert_ok(device_rule_parse("b 8:* r", &rule, NULL));
	assert_true(rule.type == 'b' && rule.major == 8 && rule.minor == -1 && rule.read && !rule.write && !rule.mknod);
	assert_ok(device_rule_parse("a *:* m", &rule, NULL));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (device_rule_parse(bad[i], &rule, NULL) != SCOW_E_INVALID)
			fail_msg("'%s' was taken", bad[i]);
}

static void test_namespaces(void **state)
{
	static const struct {
		scow_namespace kind;
		const char *text;
		int status;
		enum namespace_mode mode;
		const char *argument;
	} cases[] = {
		{ SCOW_NAMESPACE_PID, NULL, 0, NAMESPACE_DEFAULT, NULL },
		{ SCOW_NAMESPACE_PID, "", 0, NAMESPACE_DEFAULT, NULL },
		{ SCOW_NAMESPACE_PID, "host", 0, NAMESPACE_HOST, NULL },
		{ SCOW_NAMESPACE_PID, "container:web", 0, NAMESPACE_CONTAINER, "web" },
		{ SCOW_NAMESPACE_PID, "container:", SCOW_E_INVALID, 0, NULL },
		{ SCOW_NAMESPACE_PID, "none", SCOW_E_INVALID, 0, NULL },
		{ SCOW_NAMESPACE_UTS, "path:/proc/1/ns/uts", 0, NAMESPACE_PATH, "/proc/1/ns/uts" },
		{ SCOW_NAMESPACE_UTS, "path:ns", SCOW_E_INVALID, 0, NULL },
		{ SCOW_NAMESPACE_NETWORK, "none", 0, NAMESPACE_PRIVATE, NULL },
		{ SCOW_NAMESPACE_NETWORK, "default", 0, NAMESPACE_DEFAULT, NULL },
		{ SCOW_NAMESPACE_NETWORK, "bridge", 0, NAMESPACE_NETWORK, "bridge" },
		{ SCOW_NAMESPACE_NETWORK, "a network", SCOW_E_INVALID, 0, NULL },
		{ SCOW_NAMESPACE_NETWORK, "backend", 0, NAMESPACE_NETWORK, "backend" },
		{ SCOW_NAMESPACE_IPC, "none", 0, NAMESPACE_IPC_NONE, NULL },
		{ SCOW_NAMESPACE_IPC, "shareable", 0, NAMESPACE_PRIVATE, NULL },
		{ SCOW_NAMESPACE_USER, "keep-id", 0, NAMESPACE_KEEP_ID, NULL },
		{ SCOW_NAMESPACE_USER, "keep", SCOW_E_INVALID, 0, NULL },
		{ SCOW_NAMESPACE_USER, "container:web", 0, NAMESPACE_CONTAINER, "web" },
		{ SCOW_NAMESPACE_TIME, "container:web", 0, NAMESPACE_CONTAINER, "web" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct namespace_choice choice;
		scow_error *error = NULL;

		if (namespace_parse(cases[i].kind, cases[i].text, &choice, &error) != cases[i].status)
			fail_msg("'%s': %s", cases[i].text, scow_error_message(error));
		if (cases[i].status == 0) {
			assert_int_equal(choice.mode, cases[i].mode);
			if (cases[i].argument)
				assert_string_equal(choice.argument, cases[i].argument);
		} else if (cases[i].status == SCOW_E_UNSUPPORTED && cases[i].kind == SCOW_NAMESPACE_NETWORK) {
			assert_non_null(scow_error_hint(error));
		}
		scow_error_unref(error);
	}
}

static void test_sysctls(void **state)
{
	static const struct {
		const char *name, *dotted; /* NULL: refused */
		enum spec_ns ns;
	} cases[] = {
		{ "net.ipv4.ip_forward", "net.ipv4.ip_forward", SPEC_NS_NETWORK },
		{ "net/ipv4/ip_forward", "net.ipv4.ip_forward", SPEC_NS_NETWORK },
		{ "kernel.shmmax", "kernel.shmmax", SPEC_NS_IPC },
		{ "kernel.sem", "kernel.sem", SPEC_NS_IPC },
		{ "fs.mqueue.msg_max", "fs.mqueue.msg_max", SPEC_NS_IPC },
		{ "kernel.domainname", "kernel.domainname", SPEC_NS_UTS },
		{ "kernel.hostname", NULL, 0 },
		{ "kernel.core_pattern", NULL, 0 },
		{ "kernel.shmmax_x", NULL, 0 },
		{ "vm.overcommit_memory", NULL, 0 },
		{ "net...kernel.core_pattern", NULL, 0 },
		{ "net./../kernel/core_pattern", NULL, 0 },
		{ "net/../kernel/core_pattern", NULL, 0 },
		{ "net.", NULL, 0 },
		{ ".net", NULL, 0 },
		{ "", NULL, 0 },
		{ "net.a\nb", NULL, 0 },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct arena arena = { 0 };
		const char *dotted;
		enum spec_ns ns;
		int r = sysctl_parse(cases[i].name, &arena, &dotted, &ns, NULL);

		if ((r == 0) != (cases[i].dotted != NULL))
			fail_msg("'%s': %d", cases[i].name, r);
		if (r == 0) {
			assert_string_equal(dotted, cases[i].dotted);
			assert_int_equal(ns, cases[i].ns);
		}
		arena_done(&arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signals),      cmocka_unit_test(test_ulimits),       cmocka_unit_test(test_cpuset),
		cmocka_unit_test(test_bind_options), cmocka_unit_test(test_tmpfs_options), cmocka_unit_test(test_device_rules),
		cmocka_unit_test(test_namespaces),   cmocka_unit_test(test_sysctls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
