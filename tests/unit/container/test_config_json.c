/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit/unit.h"

#include "base/cleanup.h"
#include "container/config.h"

static scow_container_config *read_good(const char *json)
{
	scow_container_config *config = NULL;
	scow_error *error = NULL;

	if (scow_container_config_from_json(json, &config, &error) < 0)
		fail_msg("%s: %s", json, scow_error_message(error));
	return config;
}

static char *write_good(const scow_container_config *config)
{
	scow_error *error = NULL;
	char *json = NULL;

	if (scow_container_config_to_json(config, &json, &error) < 0)
		fail_msg("%s", scow_error_message(error));
	return json;
}

/* The config is written as @expected, and what is read from that is written the same. Drops @config. */
static void check_written(scow_container_config *config, const char *expected)
{
	char *json = write_good(config), *again;
	scow_container_config *copy = read_good(json);

	if (expected)
		assert_string_equal(json, expected);
	again = write_good(copy);
	assert_string_equal(again, json);
	free(again);
	free(json);
	scow_container_config_unref(copy);
	scow_container_config_unref(config);
}

static void check_refused(const char *json, scow_status status, const char *message)
{
	scow_container_config *config = NULL;
	scow_error *error = NULL;
	int r = scow_container_config_from_json(json, &config, &error);

	if (config)
		fail_msg("nothing is wrong with %s", json);
	assert_non_null(error);
	if (message)
		assert_string_equal(scow_error_message(error), message);
	assert_int_equal(r, status);
	scow_error_unref(error);
}

static scow_container_config *with_everything(void)
{
	static const char *const command[] = { "sh", "-c", "echo \"a b\"\n", "", NULL }, *const entrypoint[] = { "", NULL };
	scow_container_config *c = scow_container_config_new();

	scow_container_config_set_name(c, "web-1");
	scow_container_config_set_ephemeral(c, 1);
	scow_container_config_set_command(c, command);
	scow_container_config_set_entrypoint(c, entrypoint);
	scow_container_config_set_env(c, "A", "quote\" backslash\\ tab\t bell\a \xc3\xa9 \xff");
	scow_container_config_set_env(c, "GONE", NULL);
	scow_container_config_set_env(c, "EMPTY", "");
	scow_container_config_set_env(c, "EQUALS", "a=b=");
	scow_container_config_set_env(c, "TRICK", "\\u0000 \\\\u0000");
	scow_container_config_set_workdir(c, "/srv");
	scow_container_config_set_user(c, "www:www");
	scow_container_config_add_group(c, "audio");
	scow_container_config_add_group(c, "44");
	scow_container_config_set_hostname(c, "box");
	scow_container_config_set_domainname(c, "example.org");
	scow_container_config_add_label(c, "com.example.x", "line\nline");
	scow_container_config_set_tty(c, 1);
	scow_container_config_set_open_stdin(c, 1);
	scow_container_config_set_stop_signal(c, "SIGINT");
	scow_container_config_set_stop_timeout_ms(c, 1500);
	scow_container_config_set_init(c, 1);
	scow_container_config_set_read_only(c, 1);
	scow_container_config_add_tmpfs(c, "/tmp", "size=1m,exec");
	scow_container_config_add_tmpfs(c, "/run", NULL);
	scow_container_config_add_bind(c, "/data", "/data", NULL);
	scow_container_config_add_bind(c, "/made", "/made", "create,ro");
	scow_container_config_add_bind(c, "/a:b", "/c:d", "create,rslave,noexec,z");
	scow_container_config_add_bind(c, "/n", "/n", "ro,ro-nonrecursive,bind-nonrecursive,nodev");
	scow_container_config_set_shm_bytes(c, 1 << 20);
	scow_container_config_set_memory_bytes(c, 64 << 20);
	scow_container_config_set_memory_swap_bytes(c, -1);
	scow_container_config_set_memory_reservation_bytes(c, 32 << 20);
	scow_container_config_set_cpu_millis(c, 1500);
	scow_container_config_set_cpu_shares(c, 512);
	scow_container_config_set_cpuset(c, "0-1", "0");
	scow_container_config_set_pids_max(c, 100);
	scow_container_config_set_io_weight(c, 500);
	scow_container_config_add_io_limit(c, SCOW_IO_WRITE_IOPS, "/dev/sdb", 7);
	scow_container_config_add_io_limit(c, SCOW_IO_READ_BPS, "/dev/sda", INT64_C(1) << 53);
	scow_container_config_add_ulimit(c, "nofile", 1024, -1);
	scow_container_config_add_ulimit(c, "core", 0, 0);
	scow_container_config_set_oom_score_adj(c, -500);
	scow_container_config_set_cgroup_parent(c, "/jobs");
	scow_container_config_add_capability(c, "net_admin");
	scow_container_config_drop_capability(c, "ALL");
	scow_container_config_set_seccomp(c, "{ \"defaultAction\": \"SCMP_ACT_ALLOW\" }");
	scow_container_config_set_no_new_privileges(c, 1);
	scow_container_config_set_unmasked_paths(c, 1);
	scow_container_config_set_privileged(c, 1);
	scow_container_config_add_device(c, "/dev/fuse", NULL, NULL);
	scow_container_config_add_device(c, "/dev/zero", "/dev/nil", "r");
	scow_container_config_add_device_rule(c, "b 8:* r");
	scow_container_config_set_sysctl(c, "net.ipv4.ip_forward", "1");
	scow_container_config_set_namespace(c, SCOW_NAMESPACE_PID, "host");
	scow_container_config_set_namespace(c, SCOW_NAMESPACE_NETWORK, "container:other");
	scow_container_config_set_namespace(c, SCOW_NAMESPACE_IPC, "none");
	scow_container_config_set_namespace(c, SCOW_NAMESPACE_UTS, "private");
	scow_container_config_set_namespace(c, SCOW_NAMESPACE_CGROUP, "host");
	scow_container_config_set_namespace(c, SCOW_NAMESPACE_USER, "path:/proc/1/ns/user");
	scow_container_config_set_namespace(c, SCOW_NAMESPACE_TIME, "private");
	return c;
}

#define assert_same_text(a, b)                                                                                                             \
	do {                                                                                                                               \
		if (a)                                                                                                                     \
			assert_string_equal(a, b);                                                                                         \
		else                                                                                                                       \
			assert_null(b);                                                                                                    \
	} while (0)

/* Field by field, so that nothing is lost that is not written either. */
static void test_everything(void **state)
{
	scow_container_config *a = with_everything(), *b;
	char *json = write_good(a);

	(void) state;
	b = read_good(json);
	assert_same_text(a->name, b->name);
	assert_same_text(a->workdir, b->workdir);
	assert_same_text(a->user, b->user);
	assert_same_text(a->hostname, b->hostname);
	assert_same_text(a->domainname, b->domainname);
	assert_same_text(a->stop_signal, b->stop_signal);
	assert_same_text(a->cgroup_parent, b->cgroup_parent);
	assert_same_text(a->seccomp, b->seccomp);
	assert_same_text(a->cpuset_cpus, b->cpuset_cpus);
	assert_same_text(a->cpuset_mems, b->cpuset_mems);
	assert_int_equal(a->n_command, b->n_command);
	for (size_t i = 0; i < a->n_command; i++)
		assert_string_equal(a->command[i], b->command[i]);
	assert_true(b->has_entrypoint && b->n_entrypoint == 1 && !*b->entrypoint[0]);
	assert_int_equal(a->n_env, b->n_env);
	for (size_t i = 0; i < a->n_env; i++) {
		assert_string_equal(a->env[i].name, b->env[i].name);
		assert_same_text(a->env[i].value, b->env[i].value);
	}
	assert_int_equal(b->n_mounts, 6);
	for (size_t i = 0; i < a->n_mounts; i++) {
		size_t j = 0;

		while (j < b->n_mounts && strcmp(a->mounts[i].target, b->mounts[j].target) != 0)
			j++;
		assert_true(j < b->n_mounts);
		assert_int_equal(a->mounts[i].kind, b->mounts[j].kind);
		assert_same_text(a->mounts[i].source, b->mounts[j].source);
		assert_same_text(a->mounts[i].options, b->mounts[j].options);
	}
	for (size_t i = 0; i < CONFIG_NAMESPACES; i++)
		assert_same_text(a->namespaces[i], b->namespaces[i]);
	assert_int_equal(b->n_devices, 2);
	assert_string_equal(b->devices[0].target, "/dev/fuse");
	assert_string_equal(b->devices[0].access, "rwm");
	assert_string_equal(b->devices[1].target, "/dev/nil");
	assert_int_equal(b->n_ulimits, 2);
	assert_int_equal(b->ulimits[0].hard, -1);
	assert_int_equal(b->n_io_limits, 2);
	assert_int_equal(b->n_groups, 2);
	assert_string_equal(b->cap_add[0], "CAP_NET_ADMIN");
	assert_string_equal(b->cap_drop[0], "ALL");
	assert_string_equal(b->sysctls[0].name, "net.ipv4.ip_forward");
	assert_string_equal(b->labels[0].value, "line\nline");
	assert_string_equal(b->device_rules[0], "b 8:* r");
	assert_true(b->ephemeral && b->tty && b->open_stdin && b->init && b->read_only && b->no_new_privileges && b->unmasked_paths);
	assert_true(b->privileged && b->has_stop_timeout && b->has_memory_swap && b->has_pids_max && b->has_oom_score_adj);
	assert_int_equal(b->stop_timeout_ms, 1500);
	assert_int_equal(b->memory_bytes, a->memory_bytes);
	assert_int_equal(b->memory_swap_bytes, -1);
	assert_int_equal(b->memory_reservation_bytes, a->memory_reservation_bytes);
	assert_int_equal(b->cpu_millis, 1500);
	assert_int_equal(b->cpu_shares, 512);
	assert_int_equal(b->pids_max, 100);
	assert_int_equal(b->io_weight, 500);
	assert_int_equal(b->oom_score_adj, -500);
	assert_int_equal(b->shm_bytes, 1 << 20);
	free(json);
	scow_container_config_unref(b);
	check_written(a, NULL);
}

static void test_small(void **state)
{
	static const char *const nothing[] = { NULL };
	scow_container_config *config = scow_container_config_new();

	(void) state;
	check_written(config, "{}");
	config = scow_container_config_new();
	scow_container_config_set_command(config, nothing);
	scow_container_config_set_stop_timeout_ms(config, -1);
	check_written(config, "{\"Cmd\":[],\"StopTimeout\":-1}");
	config = scow_container_config_new();
	scow_container_config_set_ephemeral(config, 1);
	scow_container_config_add_bind(config, "/a", "/b", "ro,create");
	scow_container_config_add_bind(config, "/c", "/d", "ro,noexec");
	check_written(config,
		      "{\"HostConfig\":{\"Binds\":[\"/a:/b:ro\"],\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"/c\",\"Target\":\"/d\","
		      "\"ReadOnly\":true,\"Options\":\"noexec\"}],\"AutoRemove\":true}}");
	config = scow_container_config_new();
	scow_container_config_set_stop_timeout_ms(config, 0);
	scow_container_config_set_pids_max(config, -1);
	check_written(config, "{\"StopTimeout\":0,\"HostConfig\":{\"PidsLimit\":-1}}");
}

static void test_detached(void **state)
{
	static const char *const test[] = { "CMD-SHELL", "true || false", NULL };
	static const char document[] =
		"{\"Healthcheck\":{\"Test\":[\"CMD-SHELL\",\"true || false\"],\"Interval\":1500000000,\"Timeout\":1000000,"
		"\"StartPeriod\":4294967295000000,\"StartInterval\":2000000,\"Retries\":5},\"HostConfig\":{"
		"\"RestartPolicy\":{\"Name\":\"on-failure\",\"MaximumRetryCount\":4},\"LogConfig\":{\"Type\":"
		"\"json-file\",\"Config\":{\"max-size\":\"1.5m\",\"max-file\":\"3\",\"compress\":\"true\"}}}}";
	scow_container_config *config = scow_container_config_new(), *read;

	(void) state;
	scow_container_config_set_health(config, test, 1500, 1, UINT32_MAX, 2, 5);
	scow_container_config_set_restart(config, SCOW_RESTART_ON_FAILURE, 4);
	scow_container_config_set_log_driver(config, "json-file");
	scow_container_config_add_log_option(config, "max-size", "1.5m");
	scow_container_config_add_log_option(config, "max-file", "3");
	scow_container_config_add_log_option(config, "compress", "true");
	check_written(config, document);
	read = read_good(document);
	assert_int_equal(read->health.start_period_ms, UINT32_MAX);
	assert_int_equal(read->restart_retries, 4);
	check_written(read, document);
	/* What says no more than the defaults is not written. */
	check_written(
		read_good(
			"{\"Healthcheck\":{},\"HostConfig\":{\"RestartPolicy\":{\"Name\":\"no\"},\"LogConfig\":{\"Type\":\"json-file\"}}}"),
		"{}");
	check_written(read_good("{\"Healthcheck\":null,\"HostConfig\":{\"RestartPolicy\":{\"Name\":\"unless-stopped\"},\"LogConfig\":{"
				"\"Type\":\"none\"}}}"),
		      "{\"HostConfig\":{\"RestartPolicy\":{\"Name\":\"unless-stopped\",\"MaximumRetryCount\":0},\"LogConfig\":{\"Type\":"
		      "\"none\",\"Config\":{}}}}");
}

static void test_kept_error(void **state)
{
	scow_container_config *config = scow_container_config_new();
	scow_error *error = NULL;
	char *json = NULL;

	(void) state;
	scow_container_config_set_workdir(config, "x");
	assert_int_equal(scow_container_config_to_json(config, &json, &error), SCOW_E_INVALID);
	assert_string_equal(scow_error_message(error), "set_workdir: 'x' is not an absolute path");
	scow_error_unref(error);
	scow_container_config_unref(config);
}

/* What the docker CLI sends for `docker run --rm -m 64m busybox true`: every field, most of them empty. */
static const char docker_request[] =
	"{\"Hostname\":\"\",\"Domainname\":\"\",\"User\":\"\",\"AttachStdin\":false,\"AttachStdout\":true,\"AttachStderr\":true,"
	"\"Tty\":false,\"OpenStdin\":false,\"StdinOnce\":false,\"Env\":null,\"Cmd\":[\"true\"],\"Image\":\"busybox\",\"Volumes\":{},"
	"\"WorkingDir\":\"\",\"Entrypoint\":null,\"OnBuild\":null,\"Labels\":{},\"ExposedPorts\":{},\"HostConfig\":{\"Binds\":null,"
	"\"ContainerIDFile\":\"\",\"LogConfig\":{\"Type\":\"\",\"Config\":{}},\"NetworkMode\":\"default\",\"PortBindings\":{},"
	"\"RestartPolicy\":{\"Name\":\"no\",\"MaximumRetryCount\":0},\"AutoRemove\":true,\"VolumeDriver\":\"\",\"VolumesFrom\":null,"
	"\"ConsoleSize\":[24,80],\"CapAdd\":null,\"CapDrop\":null,\"CgroupnsMode\":\"\",\"Dns\":[],\"DnsOptions\":[],\"DnsSearch\":[],"
	"\"ExtraHosts\":null,\"GroupAdd\":null,\"IpcMode\":\"\",\"Cgroup\":\"\",\"Links\":null,\"OomScoreAdj\":0,\"PidMode\":\"\","
	"\"Privileged\":false,\"PublishAllPorts\":false,\"ReadonlyRootfs\":false,\"SecurityOpt\":null,\"UTSMode\":\"\",\"UsernsMode\":\"\","
	"\"ShmSize\":0,\"Isolation\":\"\",\"CpuShares\":0,\"Memory\":67108864,\"NanoCpus\":0,\"CgroupParent\":\"\",\"BlkioWeight\":0,"
	"\"BlkioWeightDevice\":[],\"BlkioDeviceReadBps\":[],\"BlkioDeviceWriteBps\":[],\"BlkioDeviceReadIOps\":[],"
	"\"BlkioDeviceWriteIOps\":[],\"CpuPeriod\":0,\"CpuQuota\":0,\"CpuRealtimePeriod\":0,\"CpuRealtimeRuntime\":0,\"CpusetCpus\":\"\","
	"\"CpusetMems\":\"\",\"Devices\":[],\"DeviceCgroupRules\":null,\"DeviceRequests\":null,\"MemoryReservation\":0,\"MemorySwap\":0,"
	"\"MemorySwappiness\":-1,\"OomKillDisable\":false,\"PidsLimit\":0,\"Ulimits\":[],\"CpuCount\":0,\"CpuPercent\":0,"
	"\"IOMaximumIOps\":0,\"IOMaximumBandwidth\":0,\"MaskedPaths\":null,\"ReadonlyPaths\":null},"
	"\"NetworkingConfig\":{\"EndpointsConfig\":{\"default\":{\"IPAMConfig\":null,\"Links\":null,\"Aliases\":null,\"MacAddress\":\"\"}}}"
	"}";

/* What `docker inspect` shows: the default list, in any order, and one path for each CPU of that host. */
static void test_docker_masks(void **state)
{
	static const char json[] =
		"{\"HostConfig\":{\"MaskedPaths\":[\"/proc/asound\",\"/proc/acpi\",\"/proc/interrupts\",\"/proc/kcore\",\"/proc/keys\","
		"\"/proc/latency_stats\",\"/proc/timer_list\",\"/proc/timer_stats\",\"/proc/sched_debug\",\"/proc/scsi\",\"/sys/firmware\","
		"\"/sys/devices/virtual/powercap\",\"/sys/devices/system/cpu/cpu0/thermal_throttle\"],"
		"\"ReadonlyPaths\":[\"/proc/bus\",\"/proc/fs\",\"/proc/irq\",\"/proc/sys\",\"/proc/sysrq-trigger\"]}}";
	scow_container_config *config = NULL;
	scow_error *error = NULL;

	(void) state;
	if (scow_container_config_from_json(json, &config, &error) < 0)
		fail_msg("%s", scow_error_message(error));
	assert_false(config->unmasked_paths);
	scow_container_config_unref(config);
}

static void test_docker_request(void **state)
{
	(void) state;
	check_written(read_good(docker_request), "{\"Cmd\":[\"true\"],\"HostConfig\":{\"Memory\":67108864,\"AutoRemove\":true}}");
}

static void test_docker_forms(void **state)
{
	scow_container_config *config = read_good(
		"{\"Name\":\"/web\",\"Env\":[\"A=1\",\"B\"],\"NetworkDisabled\":true,\"Healthcheck\":{\"Test\":[\"NONE\"]},\"HostConfig\":{"
		"\"Binds\":[\"/a:/b\",\"/c:/d:ro,Z\"],\"Mounts\":[{\"Type\":\"tmpfs\",\"Target\":\"/"
		"t\",\"TmpfsOptions\":{\"SizeBytes\":4096,"
		"\"Mode\":511,\"Options\":[[\"exec\"],[\"uid\",\"5\"]]}},{\"Type\":\"bind\",\"Source\":\"/e\",\"Target\":\"/"
		"f\",\"ReadOnly\":true,"
		"\"Consistency\":\"cached\",\"BindOptions\":{\"Propagation\":\"rprivate\",\"NonRecursive\":true}}],"
		"\"SecurityOpt\":[\"no-new-privileges:true\",\"seccomp=unconfined\",\"label=disable\",\"apparmor=unconfined\"],"
		"\"LogConfig\":{\"Type\":\"json-file\",\"Config\":{}},\"Runtime\":\"runc\",\"Annotations\":{\"k\":\"v\"}}}");

	(void) state;
	assert_string_equal(config->name, "web");
	assert_null(config->env[1].value);
	assert_string_equal(config->namespaces[SCOW_NAMESPACE_NETWORK], "none");
	assert_int_equal(config->n_mounts, 4);
	assert_string_equal(config->mounts[0].options, "create");
	assert_string_equal(config->mounts[1].options, "ro,create,Z");
	assert_string_equal(config->mounts[2].options, "size=4096,mode=777,exec,uid=5");
	assert_string_equal(config->mounts[3].options, "ro,bind-nonrecursive");
	assert_true(config->no_new_privileges);
	assert_string_equal(config->seccomp, "unconfined");
	assert_string_equal(config->annotations[0].value, "v");
	check_written(config, NULL);
}

static void test_refused(void **state)
{
	static const struct {
		const char *json;
		scow_status status;
		const char *message;
	} cases[] = {
		{ "", SCOW_E_INVALID, NULL },
		{ "[]", SCOW_E_INVALID, "container config: expected an object" },
		{ "{\"User\":\"a\\u0000b\"}", SCOW_E_INVALID, NULL },
		{ "{} x", SCOW_E_INVALID, NULL },
		{ "{\"WorkingDir\":\"foo\"}", SCOW_E_INVALID, "WorkingDir: 'foo' is not an absolute path" },
		{ "{\"WorkingDir\":1}", SCOW_E_INVALID, "WorkingDir: expected a string" },
		{ "{\"Tty\":1}", SCOW_E_INVALID, "Tty: expected true or false" },
		{ "{\"Cmd\":\"sh\"}", SCOW_E_INVALID, "Cmd: expected an array of strings" },
		{ "{\"Cmd\":{\"a\":\"b\"}}", SCOW_E_INVALID, "Cmd: expected an array of strings" },
		{ "{\"Cmd\":[1]}", SCOW_E_INVALID, "Cmd: expected an array of strings" },
		{ "{\"Env\":[\"=x\"]}", SCOW_E_INVALID, "Env: '' is not the name of a variable" },
		{ "{\"Env\":[null]}", SCOW_E_INVALID, "Env: expected an array of strings" },
		{ "{\"Labels\":{\"a\":1}}", SCOW_E_INVALID, "Labels: expected an object of strings" },
		{ "{\"HostConfig\":[]}", SCOW_E_INVALID, "HostConfig: expected an object" },
		{ "{\"HostConfig\":{\"Memory\":\"1g\"}}", SCOW_E_INVALID, "HostConfig.Memory: expected a whole number" },
		{ "{\"HostConfig\":{\"Memory\":1.5}}", SCOW_E_INVALID, "HostConfig.Memory: expected a whole number" },
		{ "{\"HostConfig\":{\"Memory\":1e300}}", SCOW_E_INVALID, "HostConfig.Memory: expected a whole number" },
		{ "{\"HostConfig\":{\"Memory\":-1}}", SCOW_E_INVALID, "HostConfig.Memory: expected a number that is not negative" },
		{ "{\"HostConfig\":{\"Memory\":5}}", SCOW_E_INVALID, "HostConfig.Memory: 5 bytes are too few: 6 MiB is the least" },
		{ "{\"HostConfig\":{\"MemorySwap\":8388608}}", SCOW_E_INVALID, "a limit on swap needs a limit on memory" },
		{ "{\"HostConfig\":{\"NanoCpus\":333333333}}", SCOW_E_UNSUPPORTED,
		  "HostConfig.NanoCpus: finer than a thousandth of a CPU" },
		{ "{\"HostConfig\":{\"CpuQuota\":5}}", SCOW_E_INVALID,
		  "HostConfig.CpuQuota: 5 us of CPU time: at least 1000 are needed, -1 is no limit" },
		{ "{\"HostConfig\":{\"NetworkMode\":\"a network\"}}", SCOW_E_INVALID,
		  "HostConfig.NetworkMode: 'a network' is not the name of a network" },
		{ "{\"HostConfig\":{\"RestartPolicy\":{\"Name\":\"sometimes\"}}}", SCOW_E_INVALID,
		  "HostConfig.RestartPolicy: 'sometimes' is no policy: no, on-failure, always or unless-stopped" },
		{ "{\"HostConfig\":{\"RestartPolicy\":{\"Name\":\"always\",\"MaximumRetryCount\":3}}}", SCOW_E_INVALID,
		  "HostConfig.RestartPolicy: a number of retries goes with 'on-failure' only" },
		{ "{\"HostConfig\":{\"RestartPolicy\":{\"Name\":\"on-failure\",\"MaximumRetryCount\":-1}}}", SCOW_E_INVALID,
		  "HostConfig.RestartPolicy: expected a MaximumRetryCount that is not negative" },
		{ "{\"HostConfig\":{\"RestartPolicy\":{\"Name\":\"always\"},\"AutoRemove\":true}}", SCOW_E_INVALID,
		  "a container that is removed when it exits cannot be restarted" },
		{ "{\"HostConfig\":{\"LogConfig\":{\"Type\":\"syslog\"}}}", SCOW_E_UNSUPPORTED,
		  "HostConfig.LogConfig: 'syslog' is not a log driver of this version" },
		{ "{\"HostConfig\":{\"LogConfig\":{\"Type\":\"\",\"Config\":{\"max-size\":\"x\"}}}}", SCOW_E_INVALID,
		  "HostConfig.LogConfig: max-size: 'x' is not a size such as '10m'" },
		{ "{\"HostConfig\":{\"LogConfig\":{\"Type\":\"none\",\"Config\":{\"max-file\":\"2\"}}}}", SCOW_E_INVALID,
		  "the log driver 'none' has no option 'max-file'" },
		{ "{\"HostConfig\":{\"Binds\":[\"./data:/data\"]}}", SCOW_E_INVALID,
		  "HostConfig.Binds: './data': a path of the host must be absolute" },
		{ "{\"HostConfig\":{\"Binds\":[\"/a:/b:x:y\"]}}", SCOW_E_INVALID,
		  "HostConfig.Binds: invalid volume specification: '/a:/b:x:y': too many colons" },
		{ "{\"HostConfig\":{\"Mounts\":[{\"Type\":\"npipe\",\"Source\":\"v\",\"Target\":\"/v\"}]}}", SCOW_E_UNSUPPORTED,
		  "HostConfig.Mounts: this version has no mounts of type 'npipe'" },
		{ "{\"HostConfig\":{\"Mounts\":[{\"Type\":\"bind\",\"Target\":\"/v\"}]}}", SCOW_E_INVALID,
		  "HostConfig.Mounts: '' is not an absolute path" },
		{ "{\"HostConfig\":{\"Mounts\":[7]}}", SCOW_E_UNSUPPORTED, "HostConfig.Mounts: this version has no mounts of type ''" },
		{ "{\"HostConfig\":{\"Devices\":[{}]}}", SCOW_E_INVALID, "HostConfig.Devices: '' is not an absolute path" },
		{ "{\"HostConfig\":{\"Ulimits\":[{\"Name\":\"nofile\"}]}}", SCOW_E_INVALID,
		  "HostConfig.Ulimits: expected a Name, and numbers for Soft and Hard" },
		{ "{\"HostConfig\":{\"MaskedPaths\":[\"/proc/kcore\"]}}", SCOW_E_UNSUPPORTED,
		  "HostConfig.MaskedPaths: a list of one's own cannot be honoured by this version" },
		{ "{\"HostConfig\":{\"SecurityOpt\":[\"apparmor=docker-default\"]}}", SCOW_E_UNSUPPORTED,
		  "HostConfig.SecurityOpt: 'apparmor=docker-default': this version cannot honour it" },
		{ "{\"Healthcheck\":{\"Test\":[\"CMD\"]}}", SCOW_E_INVALID,
		  "Healthcheck: 'CMD' alone is not a test: 'NONE', 'CMD' and its words, or 'CMD-SHELL' and a script" },
		{ "{\"Healthcheck\":{\"Test\":[\"true\"]}}", SCOW_E_INVALID, NULL },
		{ "{\"Healthcheck\":{\"Test\":\"true\"}}", SCOW_E_INVALID, "Healthcheck: expected an array of strings" },
		{ "{\"Healthcheck\":[]}", SCOW_E_INVALID, "Healthcheck: expected an object" },
		{ "{\"Healthcheck\":{\"Interval\":999999}}", SCOW_E_INVALID,
		  "Healthcheck.Interval: expected nanoseconds: 0, or a millisecond (1000000) and more" },
		{ "{\"Healthcheck\":{\"Timeout\":1500001}}", SCOW_E_UNSUPPORTED, "Healthcheck.Timeout: finer than a millisecond" },
		{ "{\"Healthcheck\":{\"Retries\":-1}}", SCOW_E_INVALID, "Healthcheck: expected a number of Retries that is not negative" },
		{ "{\"Volumes\":{\"data\":{}}}", SCOW_E_INVALID, "Volumes: 'data' is not an absolute path" },
		{ "{\"HostConfig\":{\"Runtime\":\"runsc\"}}", SCOW_E_UNSUPPORTED, NULL },
		{ "{\"Shiny\":7}", SCOW_E_UNSUPPORTED, "Shiny: this version cannot honour it" },
		{ "{\"NetworkingConfig\":{\"EndpointsConfig\":{\"net\":{\"Aliases\":[\"a b\"]}}}}", SCOW_E_INVALID,
		  "NetworkingConfig: add_alias: 'a b' is not a name" },
		{ "{\"HostConfig\":{\"NetworkMode\":\"none\"},\"NetworkingConfig\":{\"EndpointsConfig\":{\"net\":{}}}}", SCOW_E_INVALID,
		  "conflicting options: the network 'net', and 'none'" },
		{ "{\"NetworkingConfig\":{\"EndpointsConfig\":{\"bridge\":{\"Aliases\":[\"a\"]}}}}", SCOW_E_INVALID,
		  "the network 'bridge' has no names, and so no alias 'a'" },
		{ "{\"StopTimeout\":\"9\"}", SCOW_E_INVALID, "StopTimeout: expected a number of seconds" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_refused(cases[i].json, cases[i].status, cases[i].message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything),   cmocka_unit_test(test_small),        cmocka_unit_test(test_kept_error),
		cmocka_unit_test(test_detached),     cmocka_unit_test(test_docker_masks), cmocka_unit_test(test_docker_request),
		cmocka_unit_test(test_docker_forms), cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
