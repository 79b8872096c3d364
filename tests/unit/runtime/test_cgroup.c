/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Limits that are enforced, not only written: real processes are started into a cgroup, and what the kernel does to them is
 * looked at. Needs cgroups that this user may write to; runs as it is on v1 and hybrid hosts, and under tests/guest.sh on v2.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cancel.h"
#include "base/json.h"
#include "base/spawn.h"
#include "base/str.h"
#include "runtime/cgroup-internal.h"

static scow_engine engine;
static enum cgroup_mode mode;
static const char *skip_reason;

/* ---- what the processes in the cgroup do: this program again, as "child ROLE ARG" ---- */

static int child_hog(const char *arg)
{
	size_t size = strtoull(arg, NULL, 10);
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return 3;
	for (size_t i = 0; i < size; i += 4096)
		memory[i] = 1;
	return 0;
}

/* How many forks of @arg were allowed. */
static int child_forks(const char *arg)
{
	int wanted = atoi(arg), made = 0;
	pid_t pids[256];

	for (int i = 0; i < wanted && i < 256; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			pause();
			_exit(0);
		}
		if (pid > 0)
			pids[made++] = pid;
	}
	for (int i = 0; i < made; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	return made;
}

static int child_spin(const char *arg)
{
	uint64_t end = clock_us() + strtoull(arg, NULL, 10) * 1000;

	while (clock_us() < end)
		;
	return 0;
}

static int child_open(const char *arg)
{
	return open(arg + 1, *arg == 'r' ? O_RDONLY : O_RDWR) >= 0 ? 0 : errno;
}

/* A bomb that keeps forking, and leaves its first process. */
static int child_bomb(const char *arg)
{
	(void) arg;
	for (;;)
		if (fork() < 0)
			usleep(1000);
	return 0;
}

static int child_sleep(const char *arg)
{
	(void) arg;
	pause();
	return 0;
}

static const struct {
	const char *role;
	int (*run)(const char *arg);
} roles[] = {
	{ "hog", child_hog },   { "forks", child_forks }, { "spin", child_spin },
	{ "open", child_open }, { "bomb", child_bomb },   { "sleep", child_sleep },
};

/* ---- helpers ---- */

#define need_cgroups()                                                                                                                     \
	do {                                                                                                                               \
		if (skip_reason) {                                                                                                         \
			print_message("skipped: %s\n", skip_reason);                                                                       \
			skip();                                                                                                            \
		}                                                                                                                          \
	} while (0)

static void must(int r, scow_error *error)
{
	if (r < 0)
		fail_msg("%s (%s)", error ? scow_error_message(error) : "?", error && scow_error_hint(error) ? scow_error_hint(error) : "");
}

static struct cgroup *create(const char *parent, const struct spec_resources *resources)
{
	struct cgroup *cgroup = NULL;
	scow_error *error = NULL;
	static int serial;
	char name[64];

	snprintf(name, sizeof(name), "scow-test-%d-%d", (int) getpid(), serial++);
	must(cgroup_create(&engine, parent, name, resources, &cgroup, &error), error);
	return cgroup;
}

static int start_in(struct cgroup *cgroup, const char *role, const char *arg)
{
	char *argv[] = { (char *) "test_cgroup", (char *) "child", (char *) role, (char *) arg, NULL };
	struct spawn spawn = { .exec_fd = -1, .path = "/proc/self/exe", .argv = argv, .cgroup_fd = cgroup_into_fd(cgroup) };
	scow_error *error = NULL;
	int pidfd = -1;
	pid_t pid;

	spawn.join_procs_fds = cgroup_join_fds(cgroup, &spawn.n_join_procs_fds);
	must(spawn_process(&spawn, &pid, &pidfd, &error), error);
	return pidfd;
}

static int wait_for(int pidfd)
{
	scow_error *error = NULL;
	int status = -1;

	must(spawn_wait(pidfd, &status, &error), error);
	close(pidfd);
	return status;
}

static int run_in(struct cgroup *cgroup, const char *role, const char *arg)
{
	return wait_for(start_in(cgroup, role, arg));
}

static void destroy(struct cgroup *cgroup)
{
	scow_error *error = NULL;
	char path[PATH_MAX];

	cgroup_close_join_fds(cgroup);
	must(cgroup_remove(cgroup, &error), error);
	for (size_t i = 0; i < cgroup->n_dirs; i++) {
		snprintf(path, sizeof(path), "%s", cgroup->path);
		assert_int_equal(faccessat(cgroup->dirs[i].at_fd, path, F_OK, 0), -1);
	}
	must(cgroup_remove(cgroup, &error), error); /* gone is success */
	cgroup_free(cgroup);
}

static void read_value(struct cgroup *cgroup, enum cgroup_controller controller, const char *v1_file, const char *v2_file, char text[256])
{
	assert_true(cgroup_read_text(cgroup, controller, mode == CGROUP_V2 ? v2_file : v1_file, text, 256));
	text[strcspn(text, "\n")] = 0;
}

static void expect(struct cgroup *cgroup, enum cgroup_controller controller, const char *v1, const char *v1_value, const char *v2,
		   const char *v2_value)
{
	char text[256];

	read_value(cgroup, controller, v1, v2, text);
	assert_string_equal(text, mode == CGROUP_V2 ? v2_value : v1_value);
}

static void expect_failure(const char *parent, const struct spec_resources *resources, scow_status status, const char *text)
{
	struct cgroup *cgroup = NULL;
	scow_error *error = NULL;
	int r = cgroup_create(&engine, parent, "scow-test-failure", resources, &cgroup, &error);

	assert_null(cgroup);
	assert_int_equal(r, status);
	assert_non_null(strstr(scow_error_message(error), text));
	scow_error_unref(error);
	/* and nothing is left */
	error = NULL;
	must(cgroup_open(&engine, parent && !strstr(parent, "..") ? parent : NULL, "scow-test-failure", &cgroup, &error), error);
	for (size_t i = 0; i < cgroup->n_dirs; i++)
		assert_int_equal(faccessat(cgroup->dirs[i].at_fd, cgroup->path, F_OK, 0), -1);
	cgroup_free(cgroup);
}

/* ---- tests ---- */

static void test_weight_of_shares(void **state)
{
	static const struct {
		uint64_t shares;
		unsigned int weight;
	} table[] = {
		{ 0, 1 },      { 1, 1 },        { 2, 1 },         { 3, 2 },          { 10, 4 },          { 64, 12 },
		{ 100, 17 },   { 256, 35 },     { 512, 59 },      { 1024, 100 },     { 2048, 174 },      { 4096, 303 },
		{ 8192, 532 }, { 65536, 3023 }, { 131072, 5478 }, { 262144, 10000 }, { 1000000, 10000 },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (cgroup_weight_of_shares(table[i].shares) != table[i].weight)
			fail_msg("%llu shares are a weight of %u, not %u", (unsigned long long) table[i].shares, table[i].weight,
				 cgroup_weight_of_shares(table[i].shares));
}

/* blkio's 10 to 1000 to io.weight's 1 to 10000, as runtime-spec has it. */
static void test_io_weight(void **state)
{
	static const unsigned int table[][2] = { { 10, 1 },     { 11, 11 },    { 100, 910 },   { 300, 2930 },
						 { 500, 4950 }, { 999, 9989 }, { 1000, 10000 } };

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		assert_int_equal(cgroup_io_weight(table[i][0]), table[i][1]);
}

/* Memory and swap together: as asked, twice the memory, or none. */
static void test_swap_total(void **state)
{
	static const struct {
		uint64_t memory;
		int64_t swap;
		int64_t total; /* INT64_MIN: refused */
		bool is_explicit;
	} table[] = {
		{ 0, 0, 0, false },
		{ 100, 0, 200, false },
		{ 100, 100, 100, true },
		{ 100, 150, 150, true },
		{ 100, -1, -1, false },
		{ 0, -1, -1, false },
		{ 100, 99, INT64_MIN, false },
		{ 0, 100, INT64_MIN, false },
		{ UINT64_C(1) << 63, 0, -1, false },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const struct spec_resources resources = { .memory_bytes = table[i].memory,
							  .memory_swap_bytes = table[i].swap,
							  .has_memory_swap = table[i].swap != 0 };
		bool is_explicit;
		int64_t total;
		int r = cgroup_swap_total(&resources, &total, &is_explicit, NULL);

		assert_int_equal(r, table[i].total == INT64_MIN ? SCOW_E_INVALID : 0);
		if (r == 0)
			assert_true(total == table[i].total && is_explicit == table[i].is_explicit);
	}
}

static void test_setting_names(void **state)
{
	static const char *const good[] = { "memory.high",     "hugetlb.2MB.max",  "rdma.max",     "misc.max",
					    "cpu.weight.nice", "cgroup.max.depth", "io.bfq.weight" },
				 *const bad[] = { "",           "memory",     "memory.",     "cgroup.procs",   "cgroup.kill", "memory/x",
						  "memory.a/b", "memory.a b", "cgroup.max.", "../memory.high", "other.x" };

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(cgroup_is_setting(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(cgroup_is_setting(bad[i]));
}

static void test_describe(void **state)
{
	_cleanup_json_ cJSON *object = cJSON_CreateObject();
	const struct cgroup_base *base;
	scow_error *error = NULL;

	(void) state;
	must(cgroup_base_get(&engine, &base, &error), error);
	must(cgroup_base_describe(base, object, &error), error);
	assert_non_null(cJSON_GetObjectItem(object, "Mode"));
	assert_true(cJSON_IsString(cJSON_GetObjectItem(object, "Controllers")));
}

static void test_values_written(void **state)
{
	struct spec_io_limit io = { .kind = 0, .major = 7, .minor = 0, .rate = 1048576 };
	struct spec_resources resources = {
		.memory_bytes = 64 << 20,
		.memory_reservation_bytes = 32 << 20,
		.cpu_quota_us = 50000,
		.cpu_period_us = 200000,
		.cpu_shares = 1024,
		.pids_max = 77,
		.has_pids_max = true,
		.io_limits = &io,
		.n_io_limits = access("/sys/block/loop0", F_OK) == 0,
	};
	struct cgroup *cgroup;
	char text[256];

	(void) state;
	need_cgroups();
	cgroup = create(NULL, &resources);
	expect(cgroup, CG_MEMORY, "memory.limit_in_bytes", "67108864", "memory.max", "67108864");
	expect(cgroup, CG_MEMORY, "memory.soft_limit_in_bytes", "33554432", "memory.low", "33554432");
	expect(cgroup, CG_CPU, "cpu.cfs_quota_us", "50000", "cpu.max", "50000 200000");
	expect(cgroup, CG_CPU, "cpu.shares", "1024", "cpu.weight", "100");
	expect(cgroup, CG_PIDS, "pids.max", "77", "pids.max", "77");
	/* Unset swap is as much again. */
	if (cgroup_has_file(cgroup, CG_MEMORY, mode == CGROUP_V2 ? "memory.swap.max" : "memory.memsw.limit_in_bytes"))
		expect(cgroup, CG_MEMORY, "memory.memsw.limit_in_bytes", "134217728", "memory.swap.max", "67108864");
	if (resources.n_io_limits) {
		read_value(cgroup, CG_BLKIO, "blkio.throttle.read_bps_device", "io.max", text);
		assert_non_null(strstr(text, mode == CGROUP_V2 ? "7:0 rbps=1048576" : "7:0 1048576"));
	}
	destroy(cgroup);
}

/* What only v1 has: written there, refused by name elsewhere. And the other way round. */
static void test_one_version_only(void **state)
{
	struct spec_cgroup_setting high = { "memory.high", "33554432" }, strange = { "memory.strange", "1" };
	struct spec_resources swappiness = { .has_memory_swappiness = true, .memory_swappiness = 7 };
	struct spec_resources no_killer = { .oom_kill_disable = true };
	struct spec_resources realtime = { .cpu_rt_period_us = 500000, .cpu_rt_runtime_us = 1000 };
	struct spec_resources settings = { .settings = &high, .n_settings = 1 }, unknown = { .settings = &strange, .n_settings = 1 };
	struct cgroup *cgroup;
	char text[256];

	(void) state;
	need_cgroups();
	if (mode == CGROUP_V2) {
		expect_failure(NULL, &swappiness, SCOW_E_UNSUPPORTED, "cgroup v2 has no memory.swappiness");
		expect_failure(NULL, &no_killer, SCOW_E_UNSUPPORTED, "cgroup v2 has no way to disable the out-of-memory killer");
		expect_failure(NULL, &realtime, SCOW_E_UNSUPPORTED, "cgroup v2 has no cpu.rt_runtime_us");
		expect_failure(NULL, &unknown, SCOW_E_UNSUPPORTED, "memory.strange");
		cgroup = create(NULL, &settings);
		assert_int_equal(cgroup_read_u64(cgroup, CG_MEMORY, "memory.high"), 33554432);
		destroy(cgroup);
		return;
	}
	expect_failure(NULL, &settings, SCOW_E_UNSUPPORTED, "set 'memory.high': this host's controllers are of cgroup v1");
	cgroup = create(NULL, &swappiness);
	assert_int_equal(cgroup_read_u64(cgroup, CG_MEMORY, "memory.swappiness"), 7);
	destroy(cgroup);
	cgroup = create(NULL, &no_killer);
	assert_true(cgroup_read_text(cgroup, CG_MEMORY, "memory.oom_control", text, sizeof(text)));
	assert_int_equal(cgroup_find_u64(text, "oom_kill_disable"), 1);
	destroy(cgroup);
	cgroup = create(NULL, &(struct spec_resources){ 0 });
	if (!cgroup_has_file(cgroup, CG_CPU, "cpu.rt_runtime_us")) {
		destroy(cgroup);
		expect_failure(NULL, &realtime, SCOW_E_UNSUPPORTED, "cpu.rt_period_us");
		return;
	}
	destroy(cgroup);
	cgroup = create(NULL, &realtime);
	assert_int_equal(cgroup_read_u64(cgroup, CG_CPU, "cpu.rt_period_us"), 500000);
	assert_int_equal(cgroup_read_u64(cgroup, CG_CPU, "cpu.rt_runtime_us"), 1000);
	destroy(cgroup);
}

/* A host has them or not; where not, the error names the controller, and nothing is left. */
static void test_rare_controllers(void **state)
{
	struct spec_hugepage_limit pages = { "2MB", 4 << 20 };
	struct spec_rdma_limit rdma = { "none0", 1, -1 };
	struct spec_io_weight weight = { 7, 0, 300 };
	struct spec_resources hugetlb = { .hugepages = &pages, .n_hugepages = 1 }, verbs = { .rdma = &rdma, .n_rdma = 1 };
	struct spec_resources weights = { .io_weights = &weight, .n_io_weights = 1 };
	const struct cgroup_base *base;
	struct cgroup *cgroup = NULL;
	scow_error *error = NULL;
	char text[256];

	(void) state;
	need_cgroups();
	assert_int_equal(cgroup_base_get(&engine, &base, NULL), 0);
	if (base->missing[CG_HUGETLB]) {
		expect_failure(NULL, &hugetlb, SCOW_E_UNSUPPORTED, "the cgroup controller hugetlb cannot be used");
	} else if (cgroup_create(&engine, NULL, "scow-test-pages", &hugetlb, &cgroup, &error) == 0) {
		read_value(cgroup, CG_HUGETLB, "hugetlb.2MB.limit_in_bytes", "hugetlb.2MB.max", text);
		assert_string_equal(text, "4194304");
		destroy(cgroup);
	} else { /* no pages of that size */
		assert_int_equal(scow_error_status(error), SCOW_E_UNSUPPORTED);
		error = scow_error_unref(error);
	}
	if (base->missing[CG_RDMA])
		expect_failure(NULL, &verbs, SCOW_E_UNSUPPORTED, "the cgroup controller rdma cannot be used");
	/* Only a scheduler of i/o that knows weights has the file. */
	if (!base->missing[CG_BLKIO] && cgroup_create(&engine, NULL, "scow-test-weights", &weights, &cgroup, &error) == 0) {
		destroy(cgroup);
	} else if (!base->missing[CG_BLKIO]) {
		assert_non_null(strstr(scow_error_message(error), "weight"));
		scow_error_unref(error);
	}
}

static void test_cpuset(void **state)
{
	struct spec_resources resources = { .cpuset_cpus = "0" };
	const struct cgroup_base *base;
	struct cgroup *cgroup;

	(void) state;
	need_cgroups();
	assert_int_equal(cgroup_base_get(&engine, &base, NULL), 0);
	if (base->missing[CG_CPUSET])
		skip();
	cgroup = create(NULL, &resources);
	expect(cgroup, CG_CPUSET, "cpuset.cpus", "0", "cpuset.cpus", "0");
	assert_int_equal(run_in(cgroup, "spin", "1"), 0);
	destroy(cgroup);
}

static void test_memory_enforced(void **state)
{
	struct spec_resources resources = { .memory_bytes = 32 << 20, .memory_swap_bytes = 32 << 20, .has_memory_swap = true };
	struct cgroup_usage usage;
	struct cgroup *cgroup;
	int status;

	(void) state;
	need_cgroups();
	cgroup = create(NULL, &resources);
	assert_int_equal(run_in(cgroup, "hog", "8388608"), 0);
	assert_int_equal(cgroup_read_usage(cgroup, &usage), 0);
	assert_int_equal(usage.oom_kills, 0);
	status = run_in(cgroup, "hog", "134217728");
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_int_equal(cgroup_read_usage(cgroup, &usage), 0);
	assert_int_equal(usage.oom_kills, 1);
	if (mode != CGROUP_V2 || cgroup_has_file(cgroup, CG_MEMORY, "memory.peak"))
		assert_in_range(usage.memory_peak_bytes, 30 << 20, 32 << 20);
	assert_true(usage.cpu_user_us + usage.cpu_system_us > 0);
	destroy(cgroup);
}

static void test_pids_enforced(void **state)
{
	struct spec_resources resources = { .pids_max = 10, .has_pids_max = true };
	struct cgroup *cgroup;

	(void) state;
	need_cgroups();
	cgroup = create(NULL, &resources);
	assert_int_equal(WEXITSTATUS(run_in(cgroup, "forks", "50")), 9); /* and itself */
	destroy(cgroup);
}

static void test_cpu_enforced(void **state)
{
	struct spec_resources resources = { .cpu_quota_us = 10000, .cpu_period_us = 50000 };
	struct cgroup_usage usage;
	struct cgroup *cgroup;

	(void) state;
	need_cgroups();
	cgroup = create(NULL, &resources);
	assert_int_equal(run_in(cgroup, "spin", "600"), 0);
	assert_int_equal(cgroup_read_usage(cgroup, &usage), 0);
	/* A fifth of 600 ms is 120; a period more at each end. */
	assert_in_range(usage.cpu_user_us + usage.cpu_system_us, 10000, 200000);
	destroy(cgroup);
}

static void test_devices_enforced(void **state)
{
	struct spec_device_rule rules[] = {
		{ .allow = false, .type = 'a', .major = -1, .minor = -1, .read = true, .write = true, .mknod = true },
		{ .allow = true, .type = 'c', .major = 1, .minor = 3, .read = true }, /* null, in two steps */
		{ .allow = true, .type = 'c', .major = 1, .minor = 3, .write = true, .mknod = true },
		{ .allow = true, .type = 'c', .major = 1, .minor = 5, .read = true }, /* zero, to read */
		{ .allow = true, .type = 'c', .major = 1, .minor = -1, .mknod = true },
	};
	struct spec_resources resources = { .device_rules = rules, .n_device_rules = ARRAY_SIZE(rules) };
	struct cgroup *cgroup;

	(void) state;
	need_cgroups();
	if (engine.facts.rootless)
		skip();
	cgroup = create(NULL, &resources);
	assert_int_equal(WEXITSTATUS(run_in(cgroup, "open", "w/dev/null")), 0);
	assert_int_equal(WEXITSTATUS(run_in(cgroup, "open", "r/dev/zero")), 0);
	assert_int_equal(WEXITSTATUS(run_in(cgroup, "open", "w/dev/zero")), EPERM);
	assert_int_equal(WEXITSTATUS(run_in(cgroup, "open", "r/dev/urandom")), EPERM);
	assert_int_equal(WEXITSTATUS(run_in(cgroup, "open", "r/etc/passwd")), 0);
	destroy(cgroup);
	/* The last rule wins. */
	rules[1] = (struct spec_device_rule){
		.allow = true, .type = 'a', .major = -1, .minor = -1, .read = true, .write = true, .mknod = true
	};
	resources.n_device_rules = 2;
	cgroup = create(NULL, &resources);
	assert_int_equal(WEXITSTATUS(run_in(cgroup, "open", "r/dev/urandom")), 0);
	destroy(cgroup);
	resources.n_device_rules = 1;
	resources.devices_unrestricted = true;
	cgroup = create(NULL, &resources);
	assert_int_equal(WEXITSTATUS(run_in(cgroup, "open", "r/dev/urandom")), 0);
	destroy(cgroup);
}

static void test_kill_bomb(void **state)
{
	struct spec_resources resources = { .pids_max = 60, .has_pids_max = true };
	struct cgroup *cgroup, *other = NULL;
	scow_error *error = NULL;
	const char *slash;
	int pidfd;

	(void) state;
	need_cgroups();
	cgroup = create(NULL, &resources);
	pidfd = start_in(cgroup, "bomb", "");
	cgroup_close_join_fds(cgroup);
	usleep(50000);
	/* From a process that did not make it. */
	slash = strrchr(cgroup->path, '/');
	must(cgroup_open(&engine, NULL, slash ? slash + 1 : cgroup->path, &other, &error), error);
	must(cgroup_kill(other, &error), error);
	cgroup_free(other);
	assert_true(WIFSIGNALED(wait_for(pidfd)));
	destroy(cgroup);
}

static void test_freeze(void **state)
{
	struct spec_resources resources = { 0 };
	struct cgroup_usage before, after;
	scow_error *error = NULL;
	struct cgroup *cgroup;
	int pidfd;

	(void) state;
	need_cgroups();
	cgroup = create(NULL, &resources);
	pidfd = start_in(cgroup, "spin", "60000");
	usleep(20000);
	must(cgroup_freeze(cgroup, true, &error), error);
	cgroup_read_usage(cgroup, &before);
	usleep(60000);
	cgroup_read_usage(cgroup, &after);
	assert_in_range(after.cpu_user_us - before.cpu_user_us, 0, 20000);
	must(cgroup_freeze(cgroup, false, &error), error);
	usleep(60000);
	cgroup_read_usage(cgroup, &after);
	assert_true(after.cpu_user_us > before.cpu_user_us);
	must(cgroup_freeze(cgroup, true, &error), error);
	must(cgroup_kill(cgroup, &error), error); /* also when frozen */
	assert_true(WIFSIGNALED(wait_for(pidfd)));
	destroy(cgroup);
}

/* A container with its own cgroup namespace makes cgroups inside. */
static void test_nested_inside(void **state)
{
	struct spec_resources resources = { 0 };
	scow_error *error = NULL;
	struct cgroup *cgroup;
	char path[PATH_MAX];

	(void) state;
	need_cgroups();
	cgroup = create(NULL, &resources);
	for (size_t i = 0; i < cgroup->n_dirs; i++) {
		snprintf(path, sizeof(path), "%s/inner", cgroup->path);
		assert_int_equal(mkdirat(cgroup->dirs[i].at_fd, path, 0755), 0);
		snprintf(path, sizeof(path), "%s/inner/most", cgroup->path);
		assert_int_equal(mkdirat(cgroup->dirs[i].at_fd, path, 0755), 0);
	}
	must(cgroup_kill(cgroup, &error), error);
	destroy(cgroup);
}

static void test_named_parent(void **state)
{
	struct spec_resources resources = { .memory_bytes = 64 << 20, .pids_max = 20, .has_pids_max = true, .cpuset_cpus = NULL };
	struct cgroup *one, *two;
	const struct cgroup_base *base;
	char parent[128], top[64];

	(void) state;
	need_cgroups();
	if (engine.facts.rootless)
		skip();
	snprintf(top, sizeof(top), "scow-test-%d", (int) getpid());
	snprintf(parent, sizeof(parent), "/%s/jobs/", top);
	assert_int_equal(cgroup_base_get(&engine, &base, NULL), 0);
	if (!base->missing[CG_CPUSET])
		resources.cpuset_cpus = "0";
	one = create(parent, &resources);
	two = create(parent + 1, &resources);
	expect(one, CG_MEMORY, "memory.limit_in_bytes", "67108864", "memory.max", "67108864");
	assert_true(str_has_prefix(one->path, top));
	assert_int_equal(run_in(two, "spin", "1"), 0);
	destroy(one);
	assert_int_equal(faccessat(two->dirs[0].at_fd, top, F_OK, 0), 0);
	destroy(two); /* the last one takes the parents along */
	for (size_t i = 0; i < base->n_hierarchies; i++)
		assert_int_equal(faccessat(base->hierarchies[i].root_fd, top, F_OK, 0), -1);
}

static void test_refusals(void **state)
{
	struct spec_resources none = { 0 };
	struct spec_resources swap = { .memory_bytes = 64 << 20, .memory_swap_bytes = 1 << 20, .has_memory_swap = true };
	struct spec_resources swap_alone = { .memory_swap_bytes = 1 << 20, .has_memory_swap = true };
	struct spec_resources quota = { .cpu_quota_us = 1 };
	struct spec_resources cpuset = { .cpuset_cpus = "9999" };
	struct spec_io_limit io = { .kind = 0, .major = 999, .minor = 0, .rate = 1 };
	struct spec_resources bad_io = { .io_limits = &io, .n_io_limits = 1 };
	const struct cgroup_base *base;

	(void) state;
	need_cgroups();
	assert_int_equal(cgroup_base_get(&engine, &base, NULL), 0);
	expect_failure("/a/../../b", &none, SCOW_E_INVALID, "leads upwards");
	expect_failure(NULL, &swap, SCOW_E_INVALID, "below the memory limit");
	expect_failure(NULL, &swap_alone, SCOW_E_INVALID, "needs a memory limit");
	expect_failure(NULL, &quota, SCOW_E_INVALID, mode == CGROUP_V2 ? "cpu.max" : "cpu.cfs_quota_us");
	if (!base->missing[CG_CPUSET])
		expect_failure(NULL, &cpuset, SCOW_E_INVALID, "cpuset.cpus");
	else
		expect_failure(NULL, &cpuset, SCOW_E_UNSUPPORTED, "cpuset");
	if (!base->missing[CG_BLKIO])
		expect_failure(NULL, &bad_io, SCOW_E_INVALID, "999:0");
}

/* What a plain user without delegation meets. */
static void test_rootless_without_delegation(void **state)
{
	struct spec_device_rule rule = { .type = 'a', .major = -1, .minor = -1, .read = true, .write = true, .mknod = true };
	struct spec_resources nothing = { .device_rules = &rule, .n_device_rules = 1 };
	struct spec_resources memory = { .memory_bytes = 64 << 20 };
	struct cgroup_usage usage;
	struct cgroup *cgroup = NULL;
	scow_error *error = NULL;
	scow_engine plain = { .facts = { .uid = 4242, .rootless = true } };
	int r;

	(void) state;
	if (geteuid() != 0)
		skip();
	pthread_mutex_init(&plain.lock, NULL);
	assert_int_equal(seteuid(4242), 0);
	r = cgroup_create(&plain, NULL, "scow-test-plain", &nothing, &cgroup, &error);
	must(r, error);
	assert_int_equal(cgroup_into_fd(cgroup), -1);
	must(cgroup_kill(cgroup, &error), error);
	assert_int_equal(cgroup_read_usage(cgroup, &usage), 0);
	must(cgroup_remove(cgroup, &error), error);
	cgroup_free(cgroup);
	r = cgroup_create(&plain, NULL, "scow-test-plain", &memory, &cgroup, &error);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(r, SCOW_E_UNSUPPORTED);
	assert_non_null(scow_error_hint(error));
	scow_error_unref(error);
	plain.cgroup_base_free(plain.cgroup_base);
}

static void test_cost(void **state)
{
	struct spec_resources resources = { .pids_max = 100, .has_pids_max = true };
	uint64_t start, made = 0, read = 0, removed = 0;
	struct cgroup_usage usage;

	(void) state;
	need_cgroups();
	for (int i = 0; i < 50; i++) {
		struct cgroup *cgroup;

		start = clock_us();
		cgroup = create(NULL, &resources);
		made += clock_us() - start;
		assert_int_equal(run_in(cgroup, "spin", "0"), 0);
		start = clock_us();
		cgroup_close_join_fds(cgroup);
		cgroup_read_usage(cgroup, &usage);
		read += clock_us() - start;
		start = clock_us();
		assert_int_equal(cgroup_remove(cgroup, NULL), 0);
		removed += clock_us() - start;
		cgroup_free(cgroup);
	}
	print_message("# make %.0f us, read %.0f us, remove %.0f us\n", made / 50.0, read / 50.0, removed / 50.0);
}

static void find_out(void)
{
	const struct cgroup_base *base;

	pthread_mutex_init(&engine.lock, NULL);
	engine.facts.uid = geteuid();
	engine.facts.rootless = geteuid() != 0;
	if (cgroup_base_get(&engine, &base, NULL) < 0) {
		skip_reason = "no cgroup information";
		return;
	}
	mode = cgroup_base_mode(base);
	if (base->reason)
		skip_reason = base->reason; /* a plain user without delegation, too */
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_weight_of_shares),
		cmocka_unit_test(test_io_weight),
		cmocka_unit_test(test_swap_total),
		cmocka_unit_test(test_setting_names),
		cmocka_unit_test(test_describe),
		cmocka_unit_test(test_values_written),
		cmocka_unit_test(test_one_version_only),
		cmocka_unit_test(test_rare_controllers),
		cmocka_unit_test(test_cpuset),
		cmocka_unit_test(test_memory_enforced),
		cmocka_unit_test(test_pids_enforced),
		cmocka_unit_test(test_cpu_enforced),
		cmocka_unit_test(test_devices_enforced),
		cmocka_unit_test(test_kill_bomb),
		cmocka_unit_test(test_freeze),
		cmocka_unit_test(test_nested_inside),
		cmocka_unit_test(test_named_parent),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_rootless_without_delegation),
		cmocka_unit_test(test_cost),
	};
	int r;

	for (size_t i = 0; argc == 4 && strcmp(argv[1], "child") == 0 && i < ARRAY_SIZE(roles); i++)
		if (strcmp(argv[2], roles[i].role) == 0)
			return roles[i].run(argv[3]);
	find_out();
	r = cmocka_run_group_tests(tests, NULL, NULL);
	if (engine.cgroup_base)
		engine.cgroup_base_free(engine.cgroup_base);
	return r;
}
