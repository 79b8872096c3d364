/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fields of HostConfig that limit what a container may use, and how its process is scheduled. See config-json.c for the rules.
 */
#include "container/config-json.h"

#include <linux/sched.h>
#include <string.h>

#include "base/str.h"

const char *json_member_string(const cJSON *object, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

	return cJSON_IsString(item) ? item->valuestring : NULL;
}

static void read_nano_cpus(struct reader *reader, const cJSON *item)
{
	int64_t nano;

	if (!number_read(item, &nano) || nano < 0)
		return reader_refuse(reader, SCOW_E_INVALID, "expected a number of billionths");
	if (nano % 1000000)
		return reader_refuse(reader, SCOW_E_UNSUPPORTED, "finer than a thousandth of a CPU");
	scow_container_config_set_cpu_millis(reader->config, (uint64_t) nano / 1000000);
}

static void read_io_limits(struct reader *reader, const cJSON *item, scow_io_limit kind)
{
	const cJSON *child;

	if (!cJSON_IsArray(item))
		return reader_refuse(reader, SCOW_E_INVALID, "expected an array");
	cJSON_ArrayForEach(child, item)
	{
		int64_t rate;

		if (!number_read(cJSON_GetObjectItemCaseSensitive(child, "Rate"), &rate) || rate < 0)
			return reader_refuse(reader, SCOW_E_INVALID, "expected a Path and a Rate");
		scow_container_config_add_io_limit(reader->config, kind, json_member_string(child, "Path"), (uint64_t) rate);
	}
}

static void read_io_read_bps(struct reader *reader, const cJSON *item)
{
	read_io_limits(reader, item, SCOW_IO_READ_BPS);
}

static void read_io_write_bps(struct reader *reader, const cJSON *item)
{
	read_io_limits(reader, item, SCOW_IO_WRITE_BPS);
}

static void read_io_read_iops(struct reader *reader, const cJSON *item)
{
	read_io_limits(reader, item, SCOW_IO_READ_IOPS);
}

static void read_io_write_iops(struct reader *reader, const cJSON *item)
{
	read_io_limits(reader, item, SCOW_IO_WRITE_IOPS);
}

static void read_io_weight(scow_container_config *config, uint64_t weight)
{
	scow_container_config_set_io_weight(config, weight > 1000000 ? 1000000 : (unsigned int) weight);
}

static void read_oom_score_adj(scow_container_config *config, int64_t score)
{
	scow_container_config_set_oom_score_adj(config, score > 1000000 || score < -1000000 ? 1000000 : (int) score);
}

static void read_ulimits(struct reader *reader, const cJSON *item)
{
	const cJSON *child;

	if (!cJSON_IsArray(item))
		return reader_refuse(reader, SCOW_E_INVALID, "expected an array");
	cJSON_ArrayForEach(child, item)
	{
		int64_t soft, hard;

		if (!number_read(cJSON_GetObjectItemCaseSensitive(child, "Soft"), &soft) ||
		    !number_read(cJSON_GetObjectItemCaseSensitive(child, "Hard"), &hard))
			return reader_refuse(reader, SCOW_E_INVALID, "expected a Name, and numbers for Soft and Hard");
		scow_container_config_add_ulimit(reader->config, json_member_string(child, "Name"), soft, hard);
	}
}

static void read_cpuset_cpus(scow_container_config *config, const char *cpus)
{
	scow_container_config_set_cpuset(config, cpus, config->cpuset_mems);
}

static void read_cpuset_mems(scow_container_config *config, const char *nodes)
{
	scow_container_config_set_cpuset(config, config->cpuset_cpus, nodes);
}

/* Docker's clients send -1 for what was not asked for. */
static void read_swappiness(scow_container_config *config, int64_t percent)
{
	scow_container_config_set_memory_swappiness(config, percent < -1 || percent > 100 ? 101 : (int) percent);
}

static void read_cpu_quota(scow_container_config *config, int64_t quota)
{
	scow_container_config_set_cpu_quota(config, quota, config->cpu_period_us);
}

static void read_cpu_period(scow_container_config *config, uint64_t period)
{
	scow_container_config_set_cpu_quota(config, config->cpu_quota_us, period);
}

static void read_rt_runtime(scow_container_config *config, uint64_t runtime)
{
	scow_container_config_set_cpu_realtime(config, runtime, config->cpu_rt_period_us);
}

static void read_rt_period(scow_container_config *config, uint64_t period)
{
	scow_container_config_set_cpu_realtime(config, config->cpu_rt_runtime_us, period);
}

static void read_io_weights(struct reader *reader, const cJSON *item)
{
	const cJSON *child;

	if (!cJSON_IsArray(item))
		return reader_refuse(reader, SCOW_E_INVALID, "expected an array");
	cJSON_ArrayForEach(child, item)
	{
		int64_t weight;

		if (!number_read(cJSON_GetObjectItemCaseSensitive(child, "Weight"), &weight) || weight < 0)
			return reader_refuse(reader, SCOW_E_INVALID, "expected a Path and a Weight");
		scow_container_config_add_io_weight(reader->config, json_member_string(child, "Path"),
						    weight > 1000000 ? 1000000 : (unsigned int) weight);
	}
}

static void read_hugepages(struct reader *reader, const cJSON *item)
{
	const cJSON *child;

	if (!cJSON_IsArray(item))
		return reader_refuse(reader, SCOW_E_INVALID, "expected an array");
	cJSON_ArrayForEach(child, item)
	{
		int64_t limit;

		if (!number_read(cJSON_GetObjectItemCaseSensitive(child, "Limit"), &limit) || limit < 0)
			return reader_refuse(reader, SCOW_E_INVALID, "expected a PageSize and a Limit");
		scow_container_config_add_hugepage_limit(reader->config, json_member_string(child, "PageSize"), (uint64_t) limit);
	}
}

static void read_rdma(struct reader *reader, const cJSON *item)
{
	const cJSON *child;

	if (!cJSON_IsArray(item))
		return reader_refuse(reader, SCOW_E_INVALID, "expected an array");
	cJSON_ArrayForEach(child, item)
	{
		const cJSON *handles = cJSON_GetObjectItemCaseSensitive(child, "HcaHandles");
		const cJSON *objects = cJSON_GetObjectItemCaseSensitive(child, "HcaObjects");
		int64_t n_handles = -1, n_objects = -1;

		if ((handles && !number_read(handles, &n_handles)) || (objects && !number_read(objects, &n_objects)))
			return reader_refuse(reader, SCOW_E_INVALID, "expected a Device, HcaHandles and HcaObjects");
		scow_container_config_add_rdma_limit(reader->config, json_member_string(child, "Device"), n_handles, n_objects);
	}
}

static void read_cgroup_conf(struct reader *reader, const cJSON *item)
{
	read_map(reader, item, scow_container_config_set_cgroup_setting);
}

/* @names as a comma-separated list, malloc'ed; NULL without memory. */
static char *join_names(const cJSON *names)
{
	_cleanup_str_ struct str list = { 0 };
	const cJSON *name;

	cJSON_ArrayForEach(name, names) str_printf(&list, "%s%s", list.size ? "," : "", cJSON_IsString(name) ? name->valuestring : "?");
	return str_take(&list);
}

/* A number of a document's object, 0 where it is missing; false: it is none that is right here. */
static bool member_number(const cJSON *object, const char *name, int64_t least, int64_t *out)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

	*out = 0;
	return !item || cJSON_IsNull(item) || (number_read(item, out) && *out >= least && *out <= CONFIG_NUMBER_MAX);
}

static void read_scheduler(struct reader *reader, const cJSON *item)
{
	_cleanup_free_ char *flags = join_names(cJSON_GetObjectItemCaseSensitive(item, "Flags"));
	const char *policy = json_member_string(item, "Policy");
	int64_t nice, priority, runtime, deadline, period;
	uint32_t number = 0;

	if (!flags)
		reader->config->arena.failed = true;
	else if (!member_number(item, "Nice", -1000, &nice) || !member_number(item, "Priority", 0, &priority) ||
		 !member_number(item, "Runtime", 0, &runtime) || !member_number(item, "Deadline", 0, &deadline) ||
		 !member_number(item, "Period", 0, &period) || nice > 1000 || priority > 1000)
		reader_refuse(reader, SCOW_E_INVALID, "expected a Policy, and numbers that go with it");
	else if (!policy || !*policy)
		reader_refuse(reader, SCOW_E_INVALID, "expected a Policy");
	else if (scheduler_policy(policy, strlen(policy), &number) && number == SCHED_DEADLINE && !nice && !priority)
		scow_container_config_set_scheduler_deadline(reader->config, (uint64_t) runtime, (uint64_t) deadline, (uint64_t) period,
							     flags);
	else if (runtime || deadline || period)
		reader_refuse(reader, SCOW_E_INVALID, "only SCHED_DEADLINE, without Nice and Priority, has Runtime, Deadline and Period");
	else
		scow_container_config_set_scheduler(reader->config, policy, (int) nice, (unsigned int) priority, flags);
}

static void read_io_priority(struct reader *reader, const cJSON *item)
{
	const char *name = json_member_string(item, "Class");
	int64_t level;

	if (!name || !member_number(item, "Priority", 0, &level) || level > 1000)
		return reader_refuse(reader, SCOW_E_INVALID, "expected a Class and a Priority");
	scow_container_config_set_io_priority(reader->config, name, (unsigned int) level);
}

static void read_memory_policy(struct reader *reader, const cJSON *item)
{
	_cleanup_free_ char *flags = join_names(cJSON_GetObjectItemCaseSensitive(item, "Flags"));
	const char *mode = json_member_string(item, "Mode");

	if (!flags)
		reader->config->arena.failed = true;
	else if (!mode)
		reader_refuse(reader, SCOW_E_INVALID, "expected a Mode");
	else
		scow_container_config_set_memory_policy(reader->config, mode, json_member_string(item, "Nodes"), flags);
}

const struct field limit_fields[] = {
	{ "Scheduler", FIELD_READ, { .read = read_scheduler } },
	{ "IOPriority", FIELD_READ, { .read = read_io_priority } },
	{ "MemoryPolicy", FIELD_READ, { .read = read_memory_policy } },
	{ "ExecCpus", FIELD_STRING, { .string = scow_container_config_set_exec_cpus } },
	{ "IntelRdtClosID", FIELD_STRING, { .string = scow_container_config_set_rdt_class } },
	{ "Memory", FIELD_U64, { .u64 = scow_container_config_set_memory_bytes } },
	{ "MemorySwap", FIELD_I64, { .i64 = scow_container_config_set_memory_swap_bytes } },
	{ "MemoryReservation", FIELD_U64, { .u64 = scow_container_config_set_memory_reservation_bytes } },
	{ "NanoCpus", FIELD_READ, { .read = read_nano_cpus } },
	{ "CpuShares", FIELD_U64, { .u64 = scow_container_config_set_cpu_shares } },
	{ "CpusetCpus", FIELD_STRING, { .string = read_cpuset_cpus } },
	{ "CpusetMems", FIELD_STRING, { .string = read_cpuset_mems } },
	{ "PidsLimit", FIELD_I64, { .i64 = scow_container_config_set_pids_max } },
	{ "BlkioWeight", FIELD_U64, { .u64 = read_io_weight } },
	{ "BlkioDeviceReadBps", FIELD_READ, { .read = read_io_read_bps } },
	{ "BlkioDeviceWriteBps", FIELD_READ, { .read = read_io_write_bps } },
	{ "BlkioDeviceReadIOps", FIELD_READ, { .read = read_io_read_iops } },
	{ "BlkioDeviceWriteIOps", FIELD_READ, { .read = read_io_write_iops } },
	{ "Ulimits", FIELD_READ, { .read = read_ulimits } },
	{ "OomScoreAdj", FIELD_I64, { .i64 = read_oom_score_adj } },
	{ "CgroupParent", FIELD_STRING, { .string = scow_container_config_set_cgroup_parent } },
	{ "MemorySwappiness", FIELD_I64, { .i64 = read_swappiness } },
	{ "OomKillDisable", FIELD_FLAG, { .flag = scow_container_config_set_oom_kill_disable } },
	{ "CpuQuota", FIELD_I64, { .i64 = read_cpu_quota } },
	{ "CpuPeriod", FIELD_U64, { .u64 = read_cpu_period } },
	{ "CpuRealtimeRuntime", FIELD_U64, { .u64 = read_rt_runtime } },
	{ "CpuRealtimePeriod", FIELD_U64, { .u64 = read_rt_period } },
	{ "BlkioWeightDevice", FIELD_READ, { .read = read_io_weights } },
	{ "HugepageLimits", FIELD_READ, { .read = read_hugepages } },
	{ "RdmaLimits", FIELD_READ, { .read = read_rdma } },
	{ "CgroupConf", FIELD_READ, { .read = read_cgroup_conf } },
};

const size_t n_limit_fields = ARRAY_SIZE(limit_fields);
