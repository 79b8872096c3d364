/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A cgroup's counters in the shape of Docker's /stats, from the files of v1 and of v2. What a kernel does not count is 0, or left
 * out where Docker leaves it out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "runtime/cgroup-internal.h"

#define TEXT_SIZE 16384

static bool add_number(cJSON *object, const char *name, uint64_t value)
{
	return object && cJSON_AddNumberToObject(object, name, (double) value);
}

static bool is_v2(const struct cgroup *cgroup)
{
	return cgroup->base->mode == CGROUP_V2;
}

/* The number in a file, "max" and what does not fit being the largest. False: no such file. */
static bool read_limit(const struct cgroup *cgroup, enum cgroup_controller controller, const char *file, uint64_t *out)
{
	char text[64];

	if (!cgroup_read_text(cgroup, controller, file, text, sizeof(text)))
		return false;
	*out = str_has_prefix(text, "max") ? UINT64_MAX : strtoull(text, NULL, 10);
	return true;
}

/* ---- cpu ---- */

static bool add_percpu(const struct cgroup *cgroup, cJSON *usage)
{
	char text[TEXT_SIZE], *save = NULL;
	cJSON *list;

	if (!cgroup_read_text(cgroup, CG_CPUACCT, "cpuacct.usage_percpu", text, sizeof(text)))
		return true;
	list = cJSON_AddArrayToObject(usage, "percpu_usage");
	for (char *word = strtok_r(text, " \n", &save); list && word; word = strtok_r(NULL, " \n", &save))
		if (!cJSON_AddItemToArray(list, cJSON_CreateNumber((double) strtoull(word, NULL, 10))))
			return false;
	return list != NULL;
}

static bool add_cpu(const struct cgroup *cgroup, cJSON *root)
{
	cJSON *cpu = cJSON_AddObjectToObject(root, "cpu_stats"), *usage = cpu ? cJSON_AddObjectToObject(cpu, "cpu_usage") : NULL;
	cJSON *throttling = cpu ? cJSON_AddObjectToObject(cpu, "throttling_data") : NULL;
	uint64_t total, user, kernel;
	char text[TEXT_SIZE] = "";

	if (is_v2(cgroup)) {
		(void) cgroup_read_text(cgroup, CG_CPUACCT, "cpu.stat", text, sizeof(text));
		total = cgroup_find_u64(text, "usage_usec") * 1000;
		user = cgroup_find_u64(text, "user_usec") * 1000;
		kernel = cgroup_find_u64(text, "system_usec") * 1000;
	} else {
		(void) cgroup_read_text(cgroup, CG_CPU, "cpu.stat", text, sizeof(text));
		total = cgroup_read_u64(cgroup, CG_CPUACCT, "cpuacct.usage");
		user = cgroup_read_u64(cgroup, CG_CPUACCT, "cpuacct.usage_user");
		kernel = cgroup_read_u64(cgroup, CG_CPUACCT, "cpuacct.usage_sys");
	}
	return throttling && add_number(usage, "total_usage", total) && (is_v2(cgroup) || add_percpu(cgroup, usage)) &&
	       add_number(usage, "usage_in_kernelmode", kernel) && add_number(usage, "usage_in_usermode", user) &&
	       add_number(throttling, "periods", cgroup_find_u64(text, "nr_periods")) &&
	       add_number(throttling, "throttled_periods", cgroup_find_u64(text, "nr_throttled")) &&
	       add_number(throttling, "throttled_time",
			  is_v2(cgroup) ? cgroup_find_u64(text, "throttled_usec") * 1000 : cgroup_find_u64(text, "throttled_time"));
}

/* ---- memory ---- */

static bool add_memory_details(const struct cgroup *cgroup, cJSON *memory)
{
	cJSON *stats = cJSON_AddObjectToObject(memory, "stats");
	char text[TEXT_SIZE], *save = NULL;

	if (!stats || !cgroup_read_text(cgroup, CG_MEMORY, "memory.stat", text, sizeof(text)))
		return stats != NULL;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *space = strchr(line, ' ');

		if (!space)
			continue;
		*space = 0;
		if (!add_number(stats, line, strtoull(space + 1, NULL, 10)))
			return false;
	}
	return true;
}

static bool add_memory(const struct cgroup *cgroup, cJSON *root, uint64_t host_memory)
{
	cJSON *memory = cJSON_AddObjectToObject(root, "memory_stats");
	uint64_t usage = 0, limit = UINT64_MAX;
	char text[1024] = "";

	if (!memory)
		return false;
	if (!read_limit(cgroup, CG_MEMORY, is_v2(cgroup) ? "memory.current" : "memory.usage_in_bytes", &usage))
		return true;
	(void) read_limit(cgroup, CG_MEMORY, is_v2(cgroup) ? "memory.max" : "memory.limit_in_bytes", &limit);
	/* The one that counts is the host's where none was set. */
	if (limit > host_memory)
		limit = host_memory;
	if (!add_number(memory, "usage", usage) || !add_memory_details(cgroup, memory) || !add_number(memory, "limit", limit))
		return false;
	if (!is_v2(cgroup))
		return add_number(memory, "max_usage", cgroup_read_u64(cgroup, CG_MEMORY, "memory.max_usage_in_bytes")) &&
		       add_number(memory, "failcnt", cgroup_read_u64(cgroup, CG_MEMORY, "memory.failcnt"));
	(void) cgroup_read_text(cgroup, CG_MEMORY, "memory.events", text, sizeof(text));
	return add_number(memory, "failcnt", cgroup_find_u64(text, "max"));
}

/* ---- pids ---- */

static bool add_pids(const struct cgroup *cgroup, cJSON *root)
{
	cJSON *pids = cJSON_AddObjectToObject(root, "pids_stats");
	uint64_t current, limit = 0;

	if (!pids || !read_limit(cgroup, CG_PIDS, "pids.current", &current))
		return pids != NULL;
	(void) read_limit(cgroup, CG_PIDS, "pids.max", &limit);
	return add_number(pids, "current", current) && add_number(pids, "limit", limit);
}

/* ---- block devices ---- */

static bool add_io_entry(cJSON *list, unsigned int major, unsigned int minor, const char *op, uint64_t value)
{
	cJSON *entry = cJSON_CreateObject();

	if (!cJSON_AddItemToArray(list, entry)) {
		cJSON_Delete(entry);
		return false;
	}
	return add_number(entry, "major", major) && add_number(entry, "minor", minor) && cJSON_AddStringToObject(entry, "op", op) &&
	       add_number(entry, "value", value);
}

/* v2: "8:0 rbytes=4096 wbytes=0 rios=1 wios=0 ...". */
static bool add_io_line(char *line, cJSON *bytes, cJSON *operations)
{
	static const struct {
		const char *key, *op;
		bool is_bytes;
	} keys[] = { { "rbytes=", "read", true }, { "wbytes=", "write", true }, { "rios=", "read", false }, { "wios=", "write", false } };
	unsigned int major, minor;
	char *save = NULL;

	if (sscanf(line, "%u:%u", &major, &minor) != 2)
		return true;
	for (char *word = strtok_r(line, " ", &save); word; word = strtok_r(NULL, " ", &save))
		for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
			if (str_has_prefix(word, keys[i].key) && !add_io_entry(keys[i].is_bytes ? bytes : operations, major, minor,
									       keys[i].op, strtoull(word + strlen(keys[i].key), NULL, 10)))
				return false;
	return true;
}

/* v1: "8:0 Read 4096". */
static bool add_io_file(const struct cgroup *cgroup, const char *file, const char *fallback, cJSON *list)
{
	char text[TEXT_SIZE], op[16], *save = NULL;
	unsigned int major, minor;
	unsigned long long value;

	if (!cgroup_read_text(cgroup, CG_BLKIO, file, text, sizeof(text)) &&
	    !cgroup_read_text(cgroup, CG_BLKIO, fallback, text, sizeof(text)))
		return true;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "%u:%u %15s %llu", &major, &minor, op, &value) != 4)
			continue;
		op[0] |= 0x20; /* "read", as Docker has it */
		if (!add_io_entry(list, major, minor, op, value))
			return false;
	}
	return true;
}

static bool add_io(const struct cgroup *cgroup, cJSON *root)
{
	static const char *const unused[] = { "io_queue_recursive",  "io_service_time_recursive", "io_wait_time_recursive",
					      "io_merged_recursive", "io_time_recursive",         "sectors_recursive" };
	cJSON *io = cJSON_AddObjectToObject(root, "blkio_stats");
	cJSON *bytes = io ? cJSON_AddArrayToObject(io, "io_service_bytes_recursive") : NULL;
	cJSON *operations = io ? cJSON_AddArrayToObject(io, "io_serviced_recursive") : NULL;
	char text[TEXT_SIZE], *save = NULL;
	bool ok = bytes && operations;

	for (size_t i = 0; ok && i < ARRAY_SIZE(unused); i++)
		ok = cJSON_AddNullToObject(io, unused[i]) != NULL;
	if (!is_v2(cgroup))
		return ok && add_io_file(cgroup, "blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes", bytes) &&
		       add_io_file(cgroup, "blkio.throttle.io_serviced_recursive", "blkio.throttle.io_serviced", operations);
	if (!ok || !cgroup_read_text(cgroup, CG_BLKIO, "io.stat", text, sizeof(text)))
		return ok;
	for (char *line = strtok_r(text, "\n", &save); ok && line; line = strtok_r(NULL, "\n", &save))
		ok = add_io_line(line, bytes, operations);
	return ok;
}

int cgroup_stats(struct cgroup *cgroup, uint64_t host_memory, cJSON *root, scow_error **error)
{
	if (!add_pids(cgroup, root) || !add_io(cgroup, root) || !add_cpu(cgroup, root) || !add_memory(cgroup, root, host_memory))
		return error_oom(error);
	return 0;
}
