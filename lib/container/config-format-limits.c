/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The config as a document: writing of limits, scheduling and devices by name. See config-format.c. */
#include "container/config-writer.h"
#include "container/options.h"

static void put_io_limits(struct writer *w, const scow_container_config *config)
{
	static const char *const names[] = {
		[SCOW_IO_READ_BPS] = "BlkioDeviceReadBps",
		[SCOW_IO_WRITE_BPS] = "BlkioDeviceWriteBps",
		[SCOW_IO_READ_IOPS] = "BlkioDeviceReadIOps",
		[SCOW_IO_WRITE_IOPS] = "BlkioDeviceWriteIOps",
	};

	for (unsigned int kind = 0; config->n_io_limits && kind < ARRAY_SIZE(names); kind++) {
		bool open = false;

		for (size_t i = 0; i < config->n_io_limits; i++) {
			if (config->io_limits[i].kind != kind)
				continue;
			writer_open_once(w, names[kind], '[', &open);
			writer_open(w, NULL, '{');
			writer_string(w, "Path", config->io_limits[i].device);
			writer_count(w, "Rate", config->io_limits[i].rate);
			writer_close(w, '}');
		}
		if (open)
			writer_close(w, ']');
	}
}

static void put_more_limits(struct writer *w, const scow_container_config *config)
{
	bool weights = false, pages = false, rdma = false;

	for (size_t i = 0; i < config->n_io_weights; i++) {
		writer_open_once(w, "BlkioWeightDevice", '[', &weights);
		writer_open(w, NULL, '{');
		writer_string(w, "Path", config->io_weights[i].device);
		writer_number(w, "Weight", config->io_weights[i].weight);
		writer_close(w, '}');
	}
	if (weights)
		writer_close(w, ']');
	for (size_t i = 0; i < config->n_hugepages; i++) {
		writer_open_once(w, "HugepageLimits", '[', &pages);
		writer_open(w, NULL, '{');
		writer_string(w, "PageSize", config->hugepages[i].page_size);
		writer_number(w, "Limit", (int64_t) config->hugepages[i].bytes);
		writer_close(w, '}');
	}
	if (pages)
		writer_close(w, ']');
	for (size_t i = 0; i < config->n_rdma; i++) {
		writer_open_once(w, "RdmaLimits", '[', &rdma);
		writer_open(w, NULL, '{');
		writer_string(w, "Device", config->rdma[i].device);
		writer_number(w, "HcaHandles", config->rdma[i].handles);
		writer_number(w, "HcaObjects", config->rdma[i].objects);
		writer_close(w, '}');
	}
	if (rdma)
		writer_close(w, ']');
	writer_map(w, "CgroupConf", config->cgroup_settings, config->n_cgroup_settings);
}

static void put_scheduling(struct writer *w, const scow_container_config *config)
{
	const struct config_scheduler *scheduler = &config->scheduler;
	const struct config_memory_policy *memory = &config->memory_policy;

	if (scheduler->policy) {
		writer_open(w, "Scheduler", '{');
		writer_string(w, "Policy", scheduler->policy);
		if (scheduler->nice)
			writer_number(w, "Nice", scheduler->nice);
		writer_count(w, "Priority", scheduler->priority);
		writer_strings(w, "Flags", scheduler->flags, scheduler->n_flags);
		writer_count(w, "Runtime", scheduler->runtime_ns);
		writer_count(w, "Deadline", scheduler->deadline_ns);
		writer_count(w, "Period", scheduler->period_ns);
		writer_close(w, '}');
	}
	if (config->io_class) {
		writer_open(w, "IOPriority", '{');
		writer_string(w, "Class", config->io_class);
		writer_number(w, "Priority", config->io_level);
		writer_close(w, '}');
	}
	if (memory->mode) {
		writer_open(w, "MemoryPolicy", '{');
		writer_string(w, "Mode", memory->mode);
		writer_string(w, "Nodes", memory->nodes);
		writer_strings(w, "Flags", memory->flags, memory->n_flags);
		writer_close(w, '}');
	}
	writer_string(w, "ExecCpus", config->exec_cpus);
	writer_string(w, "IntelRdtClosID", config->rdt_class);
}

void writer_resources(struct writer *w, const scow_container_config *config)
{
	writer_count(w, "Memory", config->memory_bytes);
	if (config->has_memory_swap)
		writer_number(w, "MemorySwap", config->memory_swap_bytes);
	writer_count(w, "MemoryReservation", config->memory_reservation_bytes);
	if (config->has_memory_swappiness)
		writer_number(w, "MemorySwappiness", config->memory_swappiness);
	writer_true(w, "OomKillDisable", config->oom_kill_disable);
	writer_count(w, "NanoCpus", config->cpu_millis * 1000000);
	if (config->cpu_quota_us)
		writer_number(w, "CpuQuota", config->cpu_quota_us);
	writer_count(w, "CpuPeriod", config->cpu_period_us);
	writer_count(w, "CpuRealtimeRuntime", config->cpu_rt_runtime_us);
	writer_count(w, "CpuRealtimePeriod", config->cpu_rt_period_us);
	writer_count(w, "CpuShares", config->cpu_shares);
	writer_string(w, "CpusetCpus", config->cpuset_cpus);
	writer_string(w, "CpusetMems", config->cpuset_mems);
	if (config->has_pids_max)
		writer_number(w, "PidsLimit", config->pids_max);
	writer_count(w, "BlkioWeight", config->io_weight);
	put_io_limits(w, config);
	put_more_limits(w, config);
	put_scheduling(w, config);
	if (config->has_oom_score_adj)
		writer_number(w, "OomScoreAdj", config->oom_score_adj);
	writer_count(w, "ShmSize", config->shm_bytes);
	writer_string(w, "CgroupParent", config->cgroup_parent);
	if (!config->n_ulimits)
		return;
	writer_open(w, "Ulimits", '[');
	for (size_t i = 0; i < config->n_ulimits; i++) {
		writer_open(w, NULL, '{');
		writer_string(w, "Name", ulimit_name(config->ulimits[i].resource));
		writer_number(w, "Soft", config->ulimits[i].soft);
		writer_number(w, "Hard", config->ulimits[i].hard);
		writer_close(w, '}');
	}
	writer_close(w, ']');
}

void writer_device_requests(struct writer *w, const scow_container_config *config)
{
	if (!config->n_device_requests)
		return;
	writer_open(w, "DeviceRequests", '[');
	for (size_t i = 0; i < config->n_device_requests; i++) {
		const struct config_device_request *request = &config->device_requests[i];

		writer_open(w, NULL, '{');
		writer_string(w, "Driver", request->is_cdi ? "cdi" : "");
		writer_number(w, "Count", request->count);
		writer_strings(w, "DeviceIDs", request->ids, request->n_ids);
		if (request->n_capabilities) {
			writer_open(w, "Capabilities", '[');
			writer_open(w, NULL, '[');
			for (size_t k = 0; k < request->n_capabilities; k++)
				writer_element(w, request->capabilities[k]);
			writer_close(w, ']');
			writer_close(w, ']');
		}
		writer_close(w, '}');
	}
	writer_close(w, ']');
}
