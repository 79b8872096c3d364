/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit/unit.h"

#include "base/cleanup.h"
#include "container/config.h"
#include "container/storage.h"

/* Whatever was set last is refused with exactly this message; NULL: it is good. */
static void check_kept(scow_container_config *config, scow_status status, const char *message)
{
	scow_error *error = NULL;
	int r = config_check(config, &error);

	if (message) {
		assert_non_null(error);
		assert_string_equal(scow_error_message(error), message);
		assert_int_equal(r, status);
	} else if (r < 0) {
		fail_msg("%s", scow_error_message(error));
	}
	scow_error_unref(error);
	scow_container_config_unref(config);
}

#define REFUSED(setter, message, ...) REFUSED_AS(SCOW_E_INVALID, setter, message, __VA_ARGS__)
#define REFUSED_AS(status, setter, message, ...)                                                                                           \
	do {                                                                                                                               \
		scow_container_config *c = scow_container_config_new();                                                                    \
                                                                                                                                           \
		scow_container_config_##setter(c, __VA_ARGS__);                                                                            \
		check_kept(c, status, #setter ": " message);                                                                               \
	} while (0)
#define TAKEN(setter, ...)                                                                                                                 \
	do {                                                                                                                               \
		scow_container_config *c = scow_container_config_new();                                                                    \
                                                                                                                                           \
		scow_container_config_##setter(c, __VA_ARGS__);                                                                            \
		check_kept(c, 0, NULL);                                                                                                    \
	} while (0)

static void test_process(void **state)
{
	(void) state;
	REFUSED(set_workdir, "'foo' is not an absolute path", "foo");
	REFUSED(set_name, "'a' is not a name: only [a-zA-Z0-9][a-zA-Z0-9_.-]+ is", "a");
	REFUSED(set_name, "'-ab' is not a name: only [a-zA-Z0-9][a-zA-Z0-9_.-]+ is", "-ab");
	REFUSED(set_name, "'a b' is not a name: only [a-zA-Z0-9][a-zA-Z0-9_.-]+ is", "a b");
	REFUSED(set_name, "'' is not a name: only [a-zA-Z0-9][a-zA-Z0-9_.-]+ is", "");
	TAKEN(set_name, "a1");
	TAKEN(set_name, "0_.-Z");
	TAKEN(set_name, NULL);
	REFUSED(set_env, "'' is not the name of a variable", "", "x");
	REFUSED(set_env, "'A=B' is not the name of a variable", "A=B", "x");
	REFUSED(set_env, "'A\\x0aB' is not the name of a variable", "A\nB", "x");
	TAKEN(set_env, "A", "several\nlines = \033[1m");
	REFUSED(add_label, "'' is not the name of a label", "", "x");
	TAKEN(add_label, "com.example/x y", "a\nb");
	REFUSED(set_user, "'a:b:c' is not a user: 'name', 'uid', 'user:group', ':group'", "a:b:c");
	REFUSED(set_user, "'a\\x0ab' is not a user: 'name', 'uid', 'user:group', ':group'", "a\nb");
	TAKEN(set_user, "1000:1000");
	TAKEN(set_user, "");
	REFUSED(add_group, "'' is not a group", "");
	REFUSED(set_hostname, "'a b' is not a hostname of 1 to 64 characters", "a b");
	TAKEN(set_hostname, "a123456789012345678901234567890123456789012345678901234567890123");
	REFUSED(set_hostname, "'a1234567890123456789012345678901234567890123456789012345678901234' is not a hostname of 1 to 64 characters",
		"a1234567890123456789012345678901234567890123456789012345678901234");
	REFUSED(set_stop_signal, "'SIGFOO' is not a signal", "SIGFOO");
	TAKEN(set_stop_signal, "SIGRTMIN+3");
	REFUSED(set_stop_timeout_ms, "-2 is not a timeout: -1 is for ever", -2);
}

static void test_mounts(void **state)
{
	(void) state;
	REFUSED(add_tmpfs, "nothing can be mounted over the root of a container", "/", NULL);
	REFUSED(add_tmpfs, "nothing can be mounted over the root of a container", "/a/..", NULL);
	REFUSED(add_tmpfs, "'a' is not an absolute path", "a", NULL);
	REFUSED(add_tmpfs, "'' is not an absolute path", NULL, NULL);
	REFUSED(add_tmpfs, "'lower=1' is not an option of a tmpfs", "/a", "size=1m,lower=1");
	REFUSED(add_bind, "'data' is not an absolute path", "data", "/data", NULL);
	REFUSED(add_bind, "'./data' is not an absolute path", "./data", "/data", NULL);
	REFUSED(add_bind, "'~/data' is not an absolute path", "~/data", "/data", NULL);
	REFUSED(add_bind, "nothing can be mounted over the root of a container", "/data", "//", NULL);
	REFUSED(add_bind, "'nocopy' is not an option of a bind mount", "/data", "/data", "ro,nocopy");
	TAKEN(add_bind, "/data", "/data", "ro,create");
}

static void test_two_mounts(void **state)
{
	scow_container_config *config = scow_container_config_new();

	(void) state;
	scow_container_config_add_bind(config, "/a/./b//c", "/x/../data/", NULL);
	scow_container_config_add_tmpfs(config, "/tmp", NULL);
	assert_string_equal(config->mounts[0].source, "/a/b/c");
	assert_string_equal(config->mounts[0].target, "/data");
	scow_container_config_add_tmpfs(config, "/data", NULL);
	check_kept(config, SCOW_E_INVALID, "add_tmpfs: two mounts on '/data'");
}

static void test_resources(void **state)
{
	(void) state;
	REFUSED(set_memory_bytes, "6291455 bytes are too few: 6 MiB is the least", 6291455);
	TAKEN(set_memory_bytes, 6291456);
	TAKEN(set_memory_bytes, 0);
	REFUSED(set_memory_swap_bytes, "-2 is not a number of bytes: -1 is no limit", -2);
	TAKEN(set_memory_swap_bytes, -1);
	REFUSED(set_cpu_millis, "9 thousandths of a CPU: at least 10 (0.01) are needed", 9);
	TAKEN(set_cpu_millis, 10);
	REFUSED(set_cpu_shares, "1 is not a weight of 2 to 262144", 1);
	REFUSED(set_cpuset, "'0-' is not a list of CPUs such as '0-2,4'", "0-", NULL);
	TAKEN(set_cpuset, NULL, "0");
	REFUSED(set_pids_max, "-2 is not a number of processes: -1 is no limit", -2);
	REFUSED(set_io_weight, "9 is not a weight of 10 to 1000", 9);
	REFUSED(add_io_limit, "0 is not a rate for '/dev/sda'", SCOW_IO_READ_BPS, "/dev/sda", 0);
	REFUSED(add_ulimit, "'files' is not a limit such as 'nofile' or 'nproc'", "files", 1, 1);
	REFUSED(add_ulimit, "'nofile': the soft limit 2 is above the hard limit 1", "nofile", 2, 1);
	REFUSED(add_ulimit, "'nofile': the soft limit -1 is above the hard limit 1", "nofile", -1, 1);
	TAKEN(add_ulimit, "nofile", 5, -1);
	REFUSED(set_oom_score_adj, "1001 is not a score of -1000 to 1000", 1001);
	REFUSED(set_cgroup_parent, "'/a/../b' is not the path of a cgroup", "/a/../b");
	TAKEN(set_cgroup_parent, "/a..b/c");
}

static void test_together(void **state)
{
	scow_container_config *config = scow_container_config_new();

	(void) state;
	scow_container_config_set_memory_swap_bytes(config, 1 << 30);
	check_kept(config, SCOW_E_INVALID, "a limit on swap needs a limit on memory");

	config = scow_container_config_new();
	scow_container_config_set_memory_bytes(config, 2 << 20 << 3);
	scow_container_config_set_memory_swap_bytes(config, 1 << 20);
	check_kept(config, SCOW_E_INVALID,
		   "the limit on memory and swap together (1048576 bytes) is smaller than the one on memory (16777216)");

	config = scow_container_config_new();
	scow_container_config_set_memory_bytes(config, 8 << 20);
	scow_container_config_set_memory_reservation_bytes(config, 9 << 20);
	check_kept(config, SCOW_E_INVALID, "the memory reservation (9437184 bytes) is larger than the limit (8388608)");
}

static void test_cpus_of_the_host(void **state)
{
	scow_container_config *config = scow_container_config_new();
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	char message[100];

	(void) state;
	scow_container_config_set_cpu_millis(config, (uint64_t) cpus * 1000 + 1);
	assert_ok(config_check_stored(config, NULL)); /* made on a larger host */
	snprintf(message, sizeof(message), "%ld.001 CPUs were asked for, and this host has %ld", cpus, cpus);
	check_kept(config, SCOW_E_INVALID, message);
}

static void test_security(void **state)
{
	(void) state;
	REFUSED(add_capability, "'NET_FOO' is not a capability such as 'NET_ADMIN', nor 'ALL'", "NET_FOO");
	REFUSED(drop_capability, "'' is not a capability such as 'NET_ADMIN', nor 'ALL'", NULL);
	TAKEN(add_capability, "cap_net_admin");
	TAKEN(drop_capability, "all");
	REFUSED(set_seccomp, "'/etc/profile.json' is neither a profile in JSON nor 'unconfined'", "/etc/profile.json");
	TAKEN(set_seccomp, " {}");
	REFUSED(add_device, "'rwx' is not an access of 'rwm' or less", "/dev/null", NULL, "rwx");
	REFUSED(add_device, "'null' is not an absolute path", "null", NULL, NULL);
	REFUSED(add_device_rule, "'c 1:3' is not a device rule such as 'c 1:3 rwm' or 'b 8:* r'", "c 1:3");
	REFUSED(set_sysctl, "sysctl 'kernel.core_pattern' belongs to the whole host, not to a namespace", "kernel.core_pattern", "|/x");
	REFUSED(set_sysctl, "'net.ipv4.ip_forward' has no proper value", "net.ipv4.ip_forward", "1\n2");
	REFUSED(set_namespace, "'a network' is not the name of a network", SCOW_NAMESPACE_NETWORK, "a network");
	REFUSED(set_namespace, "'none' is no mode of a pid namespace", SCOW_NAMESPACE_PID, "none");
	REFUSED(set_namespace, "7 is no kind of namespace", (scow_namespace) 7, "host");
	TAKEN(set_namespace, SCOW_NAMESPACE_NETWORK, "container:web");
}

static void test_first_error_stays(void **state)
{
	scow_container_config *config = scow_container_config_new();

	(void) state;
	scow_container_config_set_workdir(config, "one");
	scow_container_config_set_workdir(config, "/two");
	scow_container_config_set_hostname(config, "three four");
	assert_int_equal(config_check(config, NULL), SCOW_E_INVALID);
	check_kept(config, SCOW_E_INVALID, "set_workdir: 'one' is not an absolute path");
}

static void test_last_value_counts(void **state)
{
	scow_container_config *config = scow_container_config_new();
	char word[] = "one";
	const char *command[] = { word, "", NULL };

	(void) state;
	scow_container_config_set_env(config, "A", "1");
	scow_container_config_set_env(config, "B", "2");
	scow_container_config_set_env(config, "A", NULL);
	assert_int_equal(config->n_env, 2);
	assert_string_equal(config->env[0].name, "A");
	assert_null(config->env[0].value);
	scow_container_config_set_command(config, command);
	word[0] = 'x'; /* was copied */
	assert_int_equal(config->n_command, 2);
	assert_string_equal(config->command[0], "one");
	assert_string_equal(config->command[1], "");
	scow_container_config_set_command(config, NULL);
	assert_false(config->has_command);
	scow_container_config_add_ulimit(config, "nofile", 1, 2);
	scow_container_config_add_ulimit(config, "nofile", 3, 4);
	assert_int_equal(config->n_ulimits, 1);
	assert_int_equal(config->ulimits[0].hard, 4);
	scow_container_config_add_capability(config, "net_admin");
	scow_container_config_add_capability(config, "CAP_NET_ADMIN");
	assert_int_equal(config->n_cap_add, 1);
	check_kept(config, 0, NULL);
}

static void check_log(const char *size, const char *files, const char *compress, struct log_settings expected)
{
	scow_container_config *config = scow_container_config_new();
	struct log_settings log;

	if (size)
		scow_container_config_add_log_option(config, "max-size", size);
	if (files)
		scow_container_config_add_log_option(config, "max-file", files);
	if (compress)
		scow_container_config_add_log_option(config, "compress", compress);
	config_log_settings(config, &log);
	assert_int_equal(log.max_bytes, expected.max_bytes);
	assert_int_equal(log.max_files, expected.max_files);
	assert_int_equal(log.compress, expected.compress);
	check_kept(config, 0, NULL);
}

static void check_storage(const char *size, const char *backing, bool tmpfs, uint64_t bytes)
{
	scow_container_config *config = scow_container_config_new();
	struct storage storage;

	if (size)
		scow_container_config_set_storage_option(config, "size", size);
	if (backing)
		scow_container_config_set_storage_option(config, "backing", backing);
	assert_int_equal(config_check(config, NULL), 0);
	storage_of(config, &storage);
	assert_int_equal(storage.tmpfs, tmpfs);
	assert_true(storage.bytes == bytes);
	scow_container_config_unref(config);
}

static void test_storage(void **state)
{
	(void) state;
	check_storage(NULL, NULL, false, 0);
	check_storage("10G", NULL, false, UINT64_C(10) << 30);
	check_storage("1.5m", "tmpfs", true, 3 << 19);
	check_storage("65536", "disk", false, 65536);
	check_storage("64KiB", NULL, false, 65536);
	REFUSED(set_storage_option, "'size=1000' is no size of 64 KiB or more, such as 10G", "size", "1000");
	REFUSED(set_storage_option, "'size=-1g' is no size of 64 KiB or more, such as 10G", "size", "-1g");
	REFUSED(set_storage_option, "'size=1gg' is no size of 64 KiB or more, such as 10G", "size", "1gg");
	REFUSED(set_storage_option, "'size=99999999p' is no size of 64 KiB or more, such as 10G", "size", "99999999p");
	REFUSED(set_storage_option, "'backing=nfs' is neither disk nor tmpfs", "backing", "nfs");
	REFUSED(set_storage_option, "'size' has no value", "size", NULL);
	REFUSED_AS(SCOW_E_UNSUPPORTED, set_storage_option, "there is no storage option 'dm.fs': size and backing are known", "dm.fs", "x");
}

static void test_logs(void **state)
{
	scow_container_config *config = scow_container_config_new();

	(void) state;
	check_log(NULL, NULL, NULL, (struct log_settings){ .max_files = 1 });
	check_log("10m", "3", "T", (struct log_settings){ .max_bytes = 10000000, .max_files = 3, .compress = true });
	check_log("1.5k", NULL, "0", (struct log_settings){ .max_bytes = 1500, .max_files = 1 });
	check_log("7", NULL, NULL, (struct log_settings){ .max_bytes = 7, .max_files = 1 });
	check_log("2 GiB", NULL, NULL, (struct log_settings){ .max_bytes = 2000000000, .max_files = 1 });
	REFUSED(add_log_option, "max-size: '0' is not a size such as '10m'", "max-size", "0");
	REFUSED(add_log_option, "max-size: '-1' is not a size such as '10m'", "max-size", "-1");
	REFUSED(add_log_option, "max-size: '0x10' is not a size such as '10m'", "max-size", "0x10");
	REFUSED(add_log_option, "max-size: '10mm' is not a size such as '10m'", "max-size", "10mm");
	REFUSED(add_log_option, "max-size: '' is not a size such as '10m'", "max-size", NULL);
	REFUSED(add_log_option, "max-size: '99999999p' is not a size such as '10m'", "max-size", "99999999p");
	REFUSED(add_log_option, "max-file: '0' is not a number of 1 to 1000 files", "max-file", "0");
	REFUSED(add_log_option, "max-file: 'x' is not a number of 1 to 1000 files", "max-file", "x");
	REFUSED(add_log_option, "compress: 'yes' is neither true nor false", "compress", "yes");
	REFUSED(add_log_option, "mode: 'x' is neither blocking nor non-blocking", "mode", "x");
	REFUSED(add_log_option, "max-buffer-size: 'x' is not a size such as '4m'", "max-buffer-size", "x");
	REFUSED(add_log_option,
		"tag: '{{.Nothing}}' has fields other than {{.ID}}, FullID, Name, ImageID, ImageFullID, ImageName, DaemonName", "tag",
		"{{.Nothing}}");
	TAKEN(add_log_option, "tag", "a {{.ID}}/{{.FullID}} {b}");
	TAKEN(add_log_option, "labels", "a,b");
	TAKEN(add_log_option, "env", "A");
	TAKEN(add_log_option, "mode", "non-blocking");
	TAKEN(add_log_option, "max-buffer-size", "4m");
	REFUSED_AS(SCOW_E_UNSUPPORTED, add_log_option, "'labels-regex' is not an option of a log", "labels-regex", "x");
	REFUSED_AS(SCOW_E_UNSUPPORTED, set_log_driver, "'journald' is not a log driver of this version", "journald");
	TAKEN(set_log_driver, "none");
	TAKEN(set_log_driver, NULL);
	scow_container_config_set_log_driver(config, "none");
	scow_container_config_add_log_option(config, "max-size", "1m");
	check_kept(config, SCOW_E_INVALID, "the log driver 'none' has no option 'max-size'");
	config = scow_container_config_new();
	scow_container_config_add_log_option(config, "max-size", "1m");
	scow_container_config_add_log_option(config, "compress", "true");
	check_kept(config, SCOW_E_INVALID, "a log of one file is not compressed");
}

static void test_restart_and_health(void **state)
{
	static const char *const unknown[] = { "true", NULL }, *const alone[] = { "CMD-SHELL", NULL },
				 *const none[] = { "NONE", "x", NULL };
	static const char *const good[] = { "CMD", "true", "", NULL }, *const off[] = { "NONE", NULL }, *const empty[] = { NULL };
	scow_container_config *config = scow_container_config_new();

	(void) state;
	TAKEN(set_restart, SCOW_RESTART_ALWAYS, 0);
	TAKEN(set_restart, SCOW_RESTART_ON_FAILURE, 0);
	REFUSED(set_restart, "a number of retries goes with 'on-failure' only", SCOW_RESTART_ALWAYS, 1);
	REFUSED(set_restart, "9 is no policy", (scow_restart) 9, 0);
	REFUSED(set_restart, "4294967295 retries are too many", SCOW_RESTART_ON_FAILURE, UINT32_MAX);
	TAKEN(set_health, good, 1, 1, 1, 1, 1);
	TAKEN(set_health, off, 0, 0, 0, 0, 0);
	TAKEN(set_health, empty, 5, 0, 0, 0, 0);
	TAKEN(set_health, NULL, 0, 0, 0, 0, 2);
#define FORMS "'NONE', 'CMD' and its words, or 'CMD-SHELL' and a script"
	REFUSED(set_health, "'true' alone is not a test: " FORMS, unknown, 0, 0, 0, 0, 0);
	REFUSED(set_health, "'CMD-SHELL' alone is not a test: " FORMS, alone, 0, 0, 0, 0, 0);
	REFUSED(set_health, "'NONE' is not a test: " FORMS, none, 0, 0, 0, 0, 0);
	scow_container_config_set_restart(config, SCOW_RESTART_UNLESS_STOPPED, 0);
	scow_container_config_set_ephemeral(config, 1);
	check_kept(config, SCOW_E_INVALID, "a container that is removed when it exits cannot be restarted");
}

/* What scow_container_config_new() gave without memory may be given to every setter. */
static void test_without_config(void **state)
{
	(void) state;
	scow_container_config_set_name(NULL, "x");
	scow_container_config_set_env(NULL, "A", "1");
	scow_container_config_add_bind(NULL, "/a", "/b", NULL);
	scow_container_config_set_namespace(NULL, SCOW_NAMESPACE_PID, "host");
	scow_container_config_set_memory_bytes(NULL, 1);
	scow_container_config_add_device(NULL, "/dev/null", NULL, NULL);
	scow_container_config_set_user(NULL, "x");
	scow_container_config_set_restart(NULL, SCOW_RESTART_ALWAYS, 0);
	scow_container_config_set_health(NULL, NULL, 0, 0, 0, 0, 0);
	scow_container_config_set_log_driver(NULL, "x");
	scow_container_config_add_log_option(NULL, "x", "y");
	scow_container_config_add_ulimit(NULL, "nofile", 1, 1);
	assert_null(scow_container_config_unref(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_process),
		cmocka_unit_test(test_mounts),
		cmocka_unit_test(test_two_mounts),
		cmocka_unit_test(test_resources),
		cmocka_unit_test(test_together),
		cmocka_unit_test(test_cpus_of_the_host),
		cmocka_unit_test(test_security),
		cmocka_unit_test(test_first_error_stays),
		cmocka_unit_test(test_last_value_counts),
		cmocka_unit_test(test_without_config),
		cmocka_unit_test(test_logs),
		cmocka_unit_test(test_storage),
		cmocka_unit_test(test_restart_and_health),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
