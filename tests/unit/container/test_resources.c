/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Settings of resources and scheduling: what is refused, in which words, and that a document holds all of it. */
#include "unit/unit.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "container/config.h"

static void check_kept(scow_container_config *config, const char *message)
{
	char *json = NULL;
	scow_error *error = NULL;

	assert_true(scow_container_config_to_json(config, &json, &error) < 0);
	assert_string_equal(scow_error_message(error), message);
	scow_error_unref(error);
	scow_container_config_unref(config);
}

#define REFUSED(setter, message, ...)                                                                                                      \
	do {                                                                                                                               \
		scow_container_config *c = scow_container_config_new();                                                                    \
                                                                                                                                           \
		scow_container_config_##setter(c, __VA_ARGS__);                                                                            \
		check_kept(c, #setter ": " message);                                                                                       \
	} while (0)

static void test_refused(void **state)
{
	static const char *const ids[] = { "0", NULL }, *const bad_ids[] = { "a b", NULL };

	(void) state;
	REFUSED(set_memory_swappiness, "101 is not a swappiness of 0 to 100", 101);
	REFUSED(set_cpu_quota, "999 us of CPU time: at least 1000 are needed, -1 is no limit", 999, 0);
	REFUSED(set_cpu_quota, "999 us is not a period of 1000 to 1000000", 0, 999);
	REFUSED(add_io_weight, "1001 is not a weight of 10 to 1000", "/dev/sda", 1001);
	REFUSED(add_io_weight, "no weight for '/dev/sda'", "/dev/sda", 0);
	REFUSED(add_hugepage_limit, "'2M' is not a size of pages such as '2MB'", "2M", 1);
	REFUSED(add_hugepage_limit, "'../x' is not a size of pages such as '2MB'", "../x", 1);
	REFUSED(add_rdma_limit, "'' is not the name of an rdma device", "", 1, 1);
	REFUSED(set_cgroup_setting, "'cgroup.procs' is not a setting of a cgroup v2 controller such as 'memory.high'", "cgroup.procs", "1");
	REFUSED(set_cgroup_setting, "'memory./../x' is not a setting of a cgroup v2 controller such as 'memory.high'", "memory./../x", "1");
	REFUSED(set_cgroup_setting, "'memory.' is not a setting of a cgroup v2 controller such as 'memory.high'", "memory.", "1");
	REFUSED(set_cgroup_setting, "'memory.high' has no proper value", "memory.high", "1\n2");
	REFUSED(set_scheduler, "'nice' is not a policy: other, batch, idle, fifo or rr", "nice", 0, 0, NULL);
	REFUSED(set_scheduler, "'SCHED_DEADLINE' needs a runtime, a deadline and a period", "deadline", 0, 0, NULL);
	REFUSED(set_scheduler, "'SCHED_FIFO' with a nice value of 1: -20 to 19, and for 'other' and 'batch' only", "fifo", 1, 5, NULL);
	REFUSED(set_scheduler, "'SCHED_RR' with a priority of 0: 1 to 99 for 'fifo' and 'rr', and none for others", "rr", 0, 0, NULL);
	REFUSED(set_scheduler, "'SCHED_OTHER' with a priority of 1: 1 to 99 for 'fifo' and 'rr', and none for others", "other", 0, 1, NULL);
	REFUSED(set_scheduler, "'util-clamp-min' is no flag of a scheduling policy", "other", 0, 0, "reset-on-fork,util-clamp-min");
	REFUSED(set_scheduler_deadline,
		"a runtime of 5000 ns, a deadline of 4000 and a period of 9000: each must be at least the one before", 5000, 4000, 9000,
		NULL);
	REFUSED(set_io_priority, "'none' is not a class of i/o: rt, be or idle", "none", 0);
	REFUSED(set_io_priority, "8 is not a level of 0 to 7", "be", 8);
	REFUSED(set_memory_policy, "'all' is not a memory policy such as 'bind' or 'interleave'", "all", NULL, NULL);
	REFUSED(set_memory_policy, "'MPOL_BIND' needs memory nodes", "bind", NULL, NULL);
	REFUSED(set_memory_policy, "'MPOL_LOCAL' takes no memory nodes", "local", "0", NULL);
	REFUSED(set_memory_policy, "'1024' is not a list of memory nodes such as '0,1'", "bind", "1024", NULL);
	REFUSED(set_memory_policy, "'x' is no flag of a memory policy", "bind", "0", "x");
	REFUSED(set_exec_cpus, "'1-0' is not a list of CPUs such as '0-2,4'", "1-0");
	REFUSED(set_rdt_class, "'a/b' is not the name of a class of resource control", "a/b");
	REFUSED(set_rdt_class, "'info' is not the name of a class of resource control", "info");
	REFUSED(add_cdi_device, "'/dev/null' is not the name of a device such as 'vendor.com/class=name'", "/dev/null");
	REFUSED(add_gpus, "-2 is not a number of GPUs: -1 is all of them", -2, NULL, NULL);
	REFUSED(add_gpus, "either a number of GPUs or their ids, not both", 1, ids, NULL);
	REFUSED(add_gpus, "neither a number of GPUs nor their ids were given", 0, NULL, NULL);
	REFUSED(add_gpus, "'a b' is not the id of a GPU", 0, bad_ids, NULL);
}

static void test_conflicts(void **state)
{
	scow_container_config *config = scow_container_config_new();

	(void) state;
	scow_container_config_set_cpu_millis(config, 500);
	scow_container_config_set_cpu_quota(config, 0, 50000);
	check_kept(config, "conflicting options: a number of CPUs, and a period for CPU time");
}

static const char document[] =
	"{\"HostConfig\":{\"MemorySwappiness\":0,\"OomKillDisable\":true,\"CpuQuota\":-1,\"CpuPeriod\":50000,\"CpuRealtimeRuntime\":1000,"
	"\"CpuRealtimePeriod\":20000,\"BlkioWeightDevice\":[{\"Path\":\"/dev/sda\",\"Weight\":300}],"
	"\"HugepageLimits\":[{\"PageSize\":\"2MB\",\"Limit\":0}],\"RdmaLimits\":[{\"Device\":\"mlx5_0\",\"HcaHandles\":3,\"HcaObjects\":-1}"
	"],"
	"\"CgroupConf\":{\"memory.high\":\"64M\",\"misc.max\":\"x 1\"},"
	"\"Scheduler\":{\"Policy\":\"SCHED_RR\",\"Priority\":7,\"Flags\":[\"SCHED_FLAG_RESET_ON_FORK\",\"SCHED_FLAG_KEEP_PARAMS\"]},"
	"\"IOPriority\":{\"Class\":\"IOPRIO_CLASS_IDLE\",\"Priority\":0},"
	"\"MemoryPolicy\":{\"Mode\":\"MPOL_INTERLEAVE\",\"Nodes\":\"0-1\",\"Flags\":[\"MPOL_F_STATIC_NODES\"]},\"ExecCpus\":\"0,2-3\","
	"\"IntelRdtClosID\":\"gold\",\"DeviceRequests\":[{\"Driver\":\"cdi\",\"Count\":0,\"DeviceIDs\":[\"a.b/c=d\",\"a.b/c=e\"]},"
	"{\"Driver\":\"\",\"Count\":-1,\"Capabilities\":[[\"gpu\",\"compute\"]]},"
	"{\"Driver\":\"\",\"Count\":0,\"DeviceIDs\":[\"GPU-1f\"],\"Capabilities\":[[\"gpu\"]]}]}}";

static scow_container_config *with_everything(void)
{
	static const char *const ids[] = { "GPU-1f", NULL }, *const capabilities[] = { "compute", NULL };
	scow_container_config *c = scow_container_config_new();

	scow_container_config_set_memory_swappiness(c, 0);
	scow_container_config_set_oom_kill_disable(c, 1);
	scow_container_config_set_cpu_quota(c, -1, 50000);
	scow_container_config_set_cpu_realtime(c, 1000, 20000);
	scow_container_config_add_io_weight(c, "/dev/sda", 500);
	scow_container_config_add_io_weight(c, "/dev/./sda", 300);
	scow_container_config_add_hugepage_limit(c, "2MB", 0);
	scow_container_config_add_rdma_limit(c, "mlx5_0", 3, -1);
	scow_container_config_set_cgroup_setting(c, "memory.high", "64M");
	scow_container_config_set_cgroup_setting(c, "misc.max", "x 1");
	scow_container_config_set_scheduler(c, "rr", 0, 7, "reset-on-fork,SCHED_FLAG_KEEP_PARAMS");
	scow_container_config_set_io_priority(c, "Idle", 0);
	scow_container_config_set_memory_policy(c, "interleave", "0-1", "static-nodes");
	scow_container_config_set_exec_cpus(c, "0,2-3");
	scow_container_config_set_rdt_class(c, "gold");
	scow_container_config_add_cdi_device(c, "a.b/c=d");
	scow_container_config_add_cdi_device(c, "a.b/c=e");
	scow_container_config_add_gpus(c, -1, NULL, capabilities);
	scow_container_config_add_gpus(c, 0, ids, NULL);
	return c;
}

static void expect_written(scow_container_config *config, const char *expected)
{
	scow_error *error = NULL;
	char *json = NULL;

	if (scow_container_config_to_json(config, &json, &error) < 0)
		fail_msg("%s", scow_error_message(error));
	assert_string_equal(json, expected);
	free(json);
	scow_container_config_unref(config);
}

static scow_container_config *read_good(const char *json)
{
	scow_container_config *config = NULL;
	scow_error *error = NULL;

	if (scow_container_config_from_json(json, &config, &error) < 0)
		fail_msg("%s", scow_error_message(error));
	return config;
}

static void test_document(void **state)
{
	static const char deadline[] =
		"{\"HostConfig\":{\"Scheduler\":{\"Policy\":\"SCHED_DEADLINE\",\"Runtime\":2000,\"Deadline\":3000,\"Period\":4000}}}";

	(void) state;
	expect_written(with_everything(), document);
	expect_written(read_good(document), document);
	expect_written(read_good(deadline), deadline);
	/* Docker's clients send all of these for what was not asked for. */
	expect_written(read_good("{\"HostConfig\":{\"MemorySwappiness\":-1,\"OomKillDisable\":false,\"CpuQuota\":0,\"CpuPeriod\":0,"
				 "\"BlkioWeightDevice\":[],\"DeviceRequests\":null,\"CpuRealtimePeriod\":0,\"CpuRealtimeRuntime\":0}}"),
		       "{}");
}

static void test_document_refused(void **state)
{
	static const struct {
		const char *json, *message;
	} cases[] = {
		{ "{\"HostConfig\":{\"DeviceRequests\":[{\"Driver\":\"x\",\"Count\":1,\"Capabilities\":[[\"gpu\"]]}]}}",
		  "HostConfig.DeviceRequests: there is no driver 'x': cdi and nvidia are known" },
		{ "{\"HostConfig\":{\"DeviceRequests\":[{\"Count\":1,\"Capabilities\":[[\"tpu\"]]}]}}",
		  "HostConfig.DeviceRequests: only devices with the capability \"gpu\" can be asked for by number" },
		{ "{\"HostConfig\":{\"DeviceRequests\":[{\"Count\":1,\"Capabilities\":[[\"gpu\"]],\"Options\":{\"a\":\"b\"}}]}}",
		  "HostConfig.DeviceRequests: Options are for drivers, and there are none" },
		{ "{\"HostConfig\":{\"Scheduler\":{\"Policy\":\"SCHED_FIFO\",\"Priority\":1,\"Period\":5}}}",
		  "HostConfig.Scheduler: only SCHED_DEADLINE, without Nice and Priority, has Runtime, Deadline and Period" },
		{ "{\"HostConfig\":{\"MemoryPolicy\":{\"Nodes\":\"0\"}}}", "HostConfig.MemoryPolicy: expected a Mode" },
		{ "{\"HostConfig\":{\"CgroupConf\":{\"cgroup.kill\":\"1\"}}}",
		  "HostConfig.CgroupConf: 'cgroup.kill' is not a setting of a cgroup v2 controller such as 'memory.high'" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scow_container_config *config = NULL;
		scow_error *error = NULL;

		assert_true(scow_container_config_from_json(cases[i].json, &config, &error) < 0);
		assert_string_equal(scow_error_message(error), cases[i].message);
		scow_error_unref(error);
	}
}

static void test_bits(void **state)
{
	struct spec_bits bits;

	(void) state;
	assert_true(bits_parse("0-2,64,1023", &bits));
	assert_int_equal(bits.words[0], 7);
	assert_int_equal(bits.words[1], 1);
	assert_true(bits.words[15] == UINT64_C(1) << 63);
	assert_false(bits_parse("1024", &bits));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),          cmocka_unit_test(test_conflicts), cmocka_unit_test(test_document),
		cmocka_unit_test(test_document_refused), cmocka_unit_test(test_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
