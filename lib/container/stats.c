/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A container's counters in the shape of Docker's /stats?one-shot: those of its cgroup, beside them what the whole host has used
 * (from which clients make a percentage: the container's growth over the host's, times online_cpus), and its own network devices.
 *
 * "usage" of memory is the kernel's, cache and all, as it is Docker's: clients take (total_)inactive_file of "stats" away from it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/str.h"
#include "container/live.h"
#include "container/text.h"

#define PROC_LIMIT (4u << 20)
#define CPU_FIELDS 7 /* user, nice, system, idle, iowait, irq, softirq: what Docker sums */

static bool add_number(cJSON *object, const char *name, uint64_t value)
{
	return object && cJSON_AddNumberToObject(object, name, (double) value);
}

/* ---- the host ---- */

static bool add_host_cpu(cJSON *cpu)
{
	uint64_t hz = (uint64_t) sysconf(_SC_CLK_TCK), ticks = 0, online = 0;
	_cleanup_free_ char *text = NULL;
	char *at;

	if (!cpu || file_read_at(AT_FDCWD, "/proc/stat", PROC_LIMIT, &text, NULL) < 0 || !str_has_prefix(text, "cpu "))
		return cpu != NULL;
	at = text + 4;
	for (int field = 0; field < CPU_FIELDS; field++)
		ticks += strtoull(at, &at, 10);
	for (at = strstr(text, "\ncpu"); at; at = strstr(at + 1, "\ncpu"))
		online++;
	return add_number(cpu, "system_cpu_usage", ticks * (1000000000 / hz)) && add_number(cpu, "online_cpus", online);
}

static uint64_t host_memory(void)
{
	return (uint64_t) sysconf(_SC_PHYS_PAGES) * (uint64_t) sysconf(_SC_PAGESIZE);
}

/* ---- the network ---- */

/* "eth0: bytes packets errs drop fifo frame compressed multicast" and the same for what was sent. See: proc(5). */
static bool add_device(cJSON *root, char *line)
{
	static const char *const names[] = { "bytes", "packets", "errors", "dropped" };
	cJSON *networks = cJSON_GetObjectItemCaseSensitive(root, "networks"), *device;
	char *colon = strchr(line, ':'), *at = colon + 1;
	uint64_t values[16];

	*colon = 0;
	line += strspn(line, " ");
	if (str_eq(line, "lo"))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		values[i] = strtoull(at, &at, 10);
	if (!networks)
		networks = cJSON_AddObjectToObject(root, "networks");
	device = networks ? cJSON_AddObjectToObject(networks, line) : NULL;
	for (size_t i = 0; device && i < ARRAY_SIZE(names) * 2; i++) {
		char name[24];

		snprintf(name, sizeof(name), "%s_%s", i < ARRAY_SIZE(names) ? "rx" : "tx", names[i % ARRAY_SIZE(names)]);
		if (!add_number(device, name, values[i < ARRAY_SIZE(names) ? i : i + ARRAY_SIZE(names)]))
			return false;
	}
	return device != NULL;
}

/* Those that are its own: one that shares the host's network has none. */
static bool add_networks(cJSON *root, pid_t pid)
{
	_cleanup_free_ char *text = NULL;
	struct stat own, theirs;
	char path[48], *save = NULL;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	if (stat("/proc/self/ns/net", &own) < 0 || stat(path, &theirs) < 0 || own.st_ino == theirs.st_ino)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/net/dev", pid);
	if (file_read_at(AT_FDCWD, path, PROC_LIMIT, &text, NULL) < 0)
		return true;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (strchr(line, ':') && !add_device(root, line))
			return false;
	return true;
}

/* ---- the document ---- */

/* A member of nothing but zeros: of one that does not run, and before a first reading. */
static bool add_empty_cpu(cJSON *root, const char *name)
{
	static const char zeros[] = "{\"cpu_usage\":{\"total_usage\":0,\"usage_in_kernelmode\":0,\"usage_in_usermode\":0},"
				    "\"throttling_data\":{\"periods\":0,\"throttled_periods\":0,\"throttled_time\":0}}";
	cJSON *item = cJSON_Parse(zeros);

	return item && cJSON_AddItemToObject(root, name, item);
}

static bool add_head(cJSON *root, const scow_container *container, int64_t now)
{
	_cleanup_free_ char *slashed = strf("/%s", container->name);
	char read[TIME_TEXT], never[TIME_TEXT];
	cJSON *storage;

	time_text(now, read);
	time_text(0, never);
	storage = cJSON_AddObjectToObject(root, "storage_stats");
	return slashed && storage && cJSON_AddStringToObject(root, "read", read) && cJSON_AddStringToObject(root, "preread", never) &&
	       add_number(root, "num_procs", 0) && cJSON_AddStringToObject(root, "name", slashed) &&
	       cJSON_AddStringToObject(root, "id", container->id);
}

static int fill_running(scow_container *container, const struct container_row *row, cJSON *root, scow_error **error)
{
	_cleanup_(cgroup_freep) struct cgroup *cgroup = NULL;
	int r = container_open_cgroup(container, row->cgroup, &cgroup, error);

	if (r == 0)
		r = cgroup_stats(cgroup, host_memory(), root, error);
	if (r < 0)
		return r;
	if (!add_host_cpu(cJSON_GetObjectItemCaseSensitive(root, "cpu_stats")) || !add_networks(root, row->pid))
		return error_oom(error);
	return 0;
}

static bool fill_stopped(cJSON *root)
{
	return cJSON_AddObjectToObject(root, "pids_stats") && cJSON_AddObjectToObject(root, "blkio_stats") &&
	       add_empty_cpu(root, "cpu_stats") && cJSON_AddObjectToObject(root, "memory_stats");
}

int scow_container_stats_json(scow_container *container, char **out, scow_error **error)
{
	_cleanup_json_ cJSON *root = NULL;
	struct container_row row;
	bool runs;
	int r = container_check(container, error);

	if (r == 0 && !out)
		r = error_set(error, SCOW_E_INVALID, "no place for the document was given");
	if (r == 0)
		r = container_row_settled(container, &row, error);
	if (r < 0)
		return r;
	runs = container_runs(row.state) && row.pid;
	root = cJSON_CreateObject();
	if (!root || !add_head(root, container, runs ? now_ns() : 0))
		return error_oom(error);
	if (runs)
		r = fill_running(container, &row, root, error);
	else if (!fill_stopped(root))
		r = error_oom(error);
	if (r == 0 && (!add_empty_cpu(root, "precpu_stats") || !(*out = json_print(root))))
		r = error_oom(error);
	return r;
}
