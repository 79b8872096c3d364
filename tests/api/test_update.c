/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Settings that change: of one that runs, and of one that is to. */
#include "life.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Ends with 7 on SIGTERM. */
static const char patient[] = "trap 'exit 7' TERM; sleep 1000 & echo ready; wait";

/* A file of the container's cgroup, its line end cut off. */
static char *cgroup_file(struct life *life, const char *controller, const char *v1, const char *v2, char out[64])
{
	char path[512], line[512], cgroup[400] = "";
	bool is_v2 = access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", scow_container_pid(life->container, NULL));
	file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		char *names = strchr(line, ':') + 1, *where = strchr(names, ':');

		*where++ = 0;
		where[strcspn(where, "\n")] = 0;
		if (strcmp(names, is_v2 ? "" : controller) == 0)
			snprintf(cgroup, sizeof(cgroup), "%s", where);
	}
	fclose(file);
	snprintf(path, sizeof(path), "/sys/fs/cgroup/%s%s/%s", is_v2 ? "" : controller, cgroup, is_v2 ? v2 : v1);
	file = fopen(path, "re");
	if (!file)
		fail_msg("%s is not there", path);
	assert_non_null(fgets(out, 64, file));
	fclose(file);
	out[strcspn(out, "\n")] = 0;
	return out;
}

static bool has_v2(void)
{
	return access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0;
}

/* Not every kernel has it as a controller of v2. */
static bool has_cpuset(void)
{
	char text[256] = "";
	FILE *file = has_v2() ? fopen("/sys/fs/cgroup/cgroup.controllers", "re") : NULL;
	bool found;

	if (!file)
		return !has_v2();
	found = fgets(text, sizeof(text), file) && strstr(text, "cpuset");
	fclose(file);
	return found;
}

static void expect_limits(struct life *life, const char *memory, const char *pids, const char *shares, const char *quota)
{
	char text[64];

	assert_string_equal(cgroup_file(life, "memory", "memory.limit_in_bytes", "memory.max", text), memory);
	assert_string_equal(cgroup_file(life, "pids", "pids.max", "pids.max", text), pids);
	if (has_v2())
		return;
	assert_string_equal(cgroup_file(life, "cpu", "cpu.shares", "", text), shares);
	assert_string_equal(cgroup_file(life, "cpu", "cpu.cfs_quota_us", "", text), quota);
}

static void test_update_running(void **state)
{
	SCOW_AUTO(scow_container_config) *config = NULL, *smaller = NULL;
	SCOW_AUTO(scow_container) *other = NULL;
	struct life life;
	scow_error *error = NULL;
	char *text;

	(void) state;
	if (!can_limit())
		skip();
	life = life_begin(patient, RUNNING);
	/* A handle that has read the settings before they change. */
	expect_ok(scow_container_get(fixture.engine, scow_container_id(life.container), &other, &error), &error);
	scow_free(life_document(&(struct life){ other, NULL }, scow_container_inspect_json));
	config = scow_container_config_new();
	scow_container_config_set_memory_bytes(config, 128 << 20);
	scow_container_config_set_memory_swap_bytes(config, 256 << 20);
	scow_container_config_set_pids_max(config, 77);
	scow_container_config_set_cpu_shares(config, 512);
	scow_container_config_set_cpu_millis(config, 500);
	if (has_cpuset())
		scow_container_config_set_cpuset(config, "0", NULL);
	expect_ok(scow_container_update(life.container, config, &error), &error);
	expect_limits(&life, "134217728", "77", "512", "50000");
	text = life_document(&(struct life){ other, NULL }, scow_container_inspect_json);
	expect_in(text, "\"Memory\":134217728");
	expect_in(text, "\"PidsLimit\":77");
	expect_in(text, has_cpuset() ? "\"CpusetCpus\":\"0\"" : "\"CpusetCpus\":\"\"");
	expect_in(text, "\"NanoCpus\":500000000");
	scow_free(text);
	/* Below both, then above both: whatever the order, memory stays below memory and swap. */
	smaller = scow_container_config_new();
	scow_container_config_set_memory_bytes(smaller, 32 << 20);
	scow_container_config_set_memory_swap_bytes(smaller, 48 << 20);
	scow_container_config_set_pids_max(smaller, -1);
	expect_ok(scow_container_update(life.container, smaller, &error), &error);
	expect_limits(&life, "33554432", "max", "512", "50000");
	expect_ok(scow_container_update(life.container, config, &error), &error);
	expect_limits(&life, "134217728", "77", "512", "50000");
	life_end(&life);
}

static void test_update_refuses(void **state)
{
	struct life life = life_begin(patient, can_limit() ? RUNNING : CREATED);
	SCOW_AUTO(scow_container_config) *hostname = scow_container_config_new(), *swap = scow_container_config_new();
	SCOW_AUTO(scow_container_config) *cap = scow_container_config_new(), *bad = scow_container_config_new();
	SCOW_AUTO(scow_container_config) *cpus = scow_container_config_new();
	scow_error *error = NULL;
	char *text;

	(void) state;
	scow_container_config_set_hostname(hostname, "x");
	scow_container_config_set_pids_max(hostname, 10);
	expect_error(scow_container_update(life.container, hostname, &error), SCOW_E_INVALID, &error, "'Hostname' cannot be changed");
	scow_container_config_add_capability(cap, "NET_ADMIN");
	expect_error(scow_container_update(life.container, cap, &error), SCOW_E_INVALID, &error, "'CapAdd'");
	scow_container_config_set_memory_swap_bytes(swap, 64 << 20);
	expect_error(scow_container_update(life.container, swap, &error), SCOW_E_INVALID, &error, "needs a limit on memory");
	scow_container_config_set_memory_bytes(bad, 1);
	expect_error(scow_container_update(life.container, bad, &error), SCOW_E_INVALID, &error, "set_memory_bytes");
	scow_container_config_set_cpu_millis(cpus, 1000000);
	assert_int_equal(scow_container_update(life.container, cpus, NULL), SCOW_E_INVALID);
	expect_error(scow_container_update(life.container, NULL, &error), SCOW_E_INVALID, &error, "no changes");
	text = life_document(&life, scow_container_inspect_json);
	expect_in(text, "\"PidsLimit\":null");
	scow_free(text);
	life_end(&life);
}

static void test_update_stored(void **state)
{
	struct life life = life_begin(patient, EXITED);
	SCOW_AUTO(scow_container_config) *config = scow_container_config_new(), *no = scow_container_config_new();
	scow_error *error = NULL;
	char *text;

	(void) state;
	scow_container_config_set_restart(config, SCOW_RESTART_ON_FAILURE, 3);
	expect_ok(scow_container_update(life.container, config, &error), &error);
	text = life_document(&life, scow_container_inspect_json);
	expect_in(text, "\"RestartPolicy\":{\"Name\":\"on-failure\",\"MaximumRetryCount\":3}");
	scow_free(text);
	scow_container_config_set_restart(no, SCOW_RESTART_NO, 0);
	expect_ok(scow_container_update(life.container, no, &error), &error);
	text = life_document(&life, scow_container_inspect_json);
	expect_in(text, "\"RestartPolicy\":{\"Name\":\"no\",\"MaximumRetryCount\":0}");
	scow_free(text);
	life_end(&life);
	if (!can_limit())
		return;
	/* The next start has what was stored. */
	life = life_begin(patient, CREATED);
	scow_container_config_set_pids_max(no, 33);
	expect_ok(scow_container_update(life.container, no, &error), &error);
	expect_ok(scow_container_start(life.container, NULL, &life.process, &error), &error);
	{
		char value[64];

		assert_string_equal(cgroup_file(&life, "pids", "pids.max", "pids.max", value), "33");
	}
	life_end(&life);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_update_running, fixture_clear),
		cmocka_unit_test_teardown(test_update_refuses, fixture_clear),
		cmocka_unit_test_teardown(test_update_stored, fixture_clear),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
