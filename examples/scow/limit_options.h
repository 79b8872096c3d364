/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The flags that limit resources, a row each: run, create and update have them, each in its own order and choice. */
#pragma once

#include "cli.h"

#define LIMIT(name, letter, kind, value, help, field)                                                                                      \
	{                                                                                                                                  \
		name, letter, kind, value, help, offsetof(struct run_options, field)                                                       \
	}

#define ROW_BLKIO_WEIGHT LIMIT("blkio-weight", 0, OPTION_NUMBER, "uint16", "Block IO weight, 10 to 1000", blkio_weight)
#define ROW_BLKIO_WEIGHT_DEVICE                                                                                                            \
	LIMIT("blkio-weight-device", 0, OPTION_LIST, "list", "Block IO weight of a device (DEVICE:WEIGHT)", blkio_weights)
#define ROW_CPU_PERIOD LIMIT("cpu-period", 0, OPTION_NUMBER, "int", "CPU period in microseconds", cpu_period)
#define ROW_CPU_QUOTA LIMIT("cpu-quota", 0, OPTION_NUMBER, "int", "CPU time of each period in microseconds; -1 for no limit", cpu_quota)
#define ROW_CPU_RT_PERIOD LIMIT("cpu-rt-period", 0, OPTION_NUMBER, "int", "Period of real-time policies in microseconds", cpu_rt_period)
#define ROW_CPU_RT_RUNTIME                                                                                                                 \
	LIMIT("cpu-rt-runtime", 0, OPTION_NUMBER, "int", "Time of real-time policies in each period, in microseconds", cpu_rt_runtime)
#define ROW_CPU_SHARES LIMIT("cpu-shares", 'c', OPTION_NUMBER, "int", "CPU shares (relative weight)", cpu_shares)
#define ROW_CPUS LIMIT("cpus", 0, OPTION_TEXT, "decimal", "Number of CPUs", cpus)
#define ROW_CPUSET_CPUS LIMIT("cpuset-cpus", 0, OPTION_TEXT, "string", "CPUs in which to allow execution (0-3, 0,1)", cpuset_cpus)
#define ROW_CPUSET_MEMS LIMIT("cpuset-mems", 0, OPTION_TEXT, "string", "Memory nodes in which to allow execution (0-3, 0,1)", cpuset_mems)
#define ROW_MEMORY LIMIT("memory", 'm', OPTION_BYTES, "bytes", "Memory limit", memory)
#define ROW_MEMORY_RESERVATION LIMIT("memory-reservation", 0, OPTION_BYTES, "bytes", "Memory soft limit", memory_reservation)
#define ROW_MEMORY_SWAP LIMIT("memory-swap", 0, OPTION_BYTES, "bytes", "Memory and swap together; -1 for unlimited swap", memory_swap)
#define ROW_MEMORY_SWAPPINESS                                                                                                              \
	LIMIT("memory-swappiness", 0, OPTION_NUMBER, "int", "How readily memory is swapped out, 0 to 100; cgroup v1", swappiness)
#define ROW_PIDS_LIMIT LIMIT("pids-limit", 0, OPTION_NUMBER, "int", "Limit of processes and threads; -1 for none", pids)
#define ROWS_DEVICE_RATES                                                                                                                  \
	LIMIT("device-read-bps", 0, OPTION_LIST, "list", "Limit the read rate, bytes per second, from a device", read_bps),                \
		LIMIT("device-read-iops", 0, OPTION_LIST, "list", "Limit the read rate, operations per second, from a device", read_iops), \
		LIMIT("device-write-bps", 0, OPTION_LIST, "list", "Limit the write rate, bytes per second, to a device", write_bps),       \
		LIMIT("device-write-iops", 0, OPTION_LIST, "list", "Limit the write rate, operations per second, to a device", write_iops)
