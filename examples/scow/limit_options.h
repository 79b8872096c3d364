/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The flags that limit resources, a row each: run, create and update have them, each in its own order and choice. */
#pragma once

#include "cli.h"

#define LIMIT_AT(field) offsetof(struct run_options, field)

#define ROW_BLKIO_WEIGHT                                                                                                                   \
	{                                                                                                                                  \
		"blkio-weight", 0, OPTION_NUMBER, "uint16", "Block IO weight, 10 to 1000", LIMIT_AT(blkio_weight)                          \
	}
#define ROW_BLKIO_WEIGHT_DEVICE                                                                                                            \
	{                                                                                                                                  \
		"blkio-weight-device", 0, OPTION_LIST, "list", "Block IO weight of a device (DEVICE:WEIGHT)", LIMIT_AT(blkio_weights)      \
	}
#define ROW_CPU_PERIOD                                                                                                                     \
	{                                                                                                                                  \
		"cpu-period", 0, OPTION_NUMBER, "int", "CPU period in microseconds", LIMIT_AT(cpu_period)                                  \
	}
#define ROW_CPU_QUOTA                                                                                                                      \
	{                                                                                                                                  \
		"cpu-quota", 0, OPTION_NUMBER, "int", "CPU time of each period in microseconds; -1 for no limit", LIMIT_AT(cpu_quota)      \
	}
#define ROW_CPU_RT_PERIOD                                                                                                                  \
	{                                                                                                                                  \
		"cpu-rt-period", 0, OPTION_NUMBER, "int", "Period of real-time policies in microseconds", LIMIT_AT(cpu_rt_period)          \
	}
#define ROW_CPU_RT_RUNTIME                                                                                                                 \
	{                                                                                                                                  \
		"cpu-rt-runtime", 0, OPTION_NUMBER, "int", "Time of real-time policies in each period, in microseconds",                   \
			LIMIT_AT(cpu_rt_runtime)                                                                                           \
	}
#define ROW_CPU_SHARES                                                                                                                     \
	{                                                                                                                                  \
		"cpu-shares", 'c', OPTION_NUMBER, "int", "CPU shares (relative weight)", LIMIT_AT(cpu_shares)                              \
	}
#define ROW_CPUS                                                                                                                           \
	{                                                                                                                                  \
		"cpus", 0, OPTION_TEXT, "decimal", "Number of CPUs", LIMIT_AT(cpus)                                                        \
	}
#define ROW_CPUSET_CPUS                                                                                                                    \
	{                                                                                                                                  \
		"cpuset-cpus", 0, OPTION_TEXT, "string", "CPUs in which to allow execution (0-3, 0,1)", LIMIT_AT(cpuset_cpus)              \
	}
#define ROW_CPUSET_MEMS                                                                                                                    \
	{                                                                                                                                  \
		"cpuset-mems", 0, OPTION_TEXT, "string", "Memory nodes in which to allow execution (0-3, 0,1)", LIMIT_AT(cpuset_mems)      \
	}
#define ROW_MEMORY                                                                                                                         \
	{                                                                                                                                  \
		"memory", 'm', OPTION_BYTES, "bytes", "Memory limit", LIMIT_AT(memory)                                                     \
	}
#define ROW_MEMORY_RESERVATION                                                                                                             \
	{                                                                                                                                  \
		"memory-reservation", 0, OPTION_BYTES, "bytes", "Memory soft limit", LIMIT_AT(memory_reservation)                          \
	}
#define ROW_MEMORY_SWAP                                                                                                                    \
	{                                                                                                                                  \
		"memory-swap", 0, OPTION_BYTES, "bytes", "Memory and swap together; -1 for unlimited swap", LIMIT_AT(memory_swap)          \
	}
#define ROW_MEMORY_SWAPPINESS                                                                                                              \
	{                                                                                                                                  \
		"memory-swappiness", 0, OPTION_NUMBER, "int", "How readily memory is swapped out, 0 to 100; cgroup v1",                    \
			LIMIT_AT(swappiness)                                                                                               \
	}
#define ROW_PIDS_LIMIT                                                                                                                     \
	{                                                                                                                                  \
		"pids-limit", 0, OPTION_NUMBER, "int", "Limit of processes and threads; -1 for none", LIMIT_AT(pids)                       \
	}
#define ROWS_DEVICE_RATES                                                                                                                   \
	{ "device-read-bps", 0, OPTION_LIST, "list", "Limit the read rate, bytes per second, from a device", LIMIT_AT(read_bps) },          \
		{ "device-read-iops", 0, OPTION_LIST, "list", "Limit the read rate, operations per second, from a device",                  \
		  LIMIT_AT(read_iops) },                                                                                                    \
		{ "device-write-bps", 0, OPTION_LIST, "list", "Limit the write rate, bytes per second, to a device", LIMIT_AT(write_bps) }, \
	{                                                                                                                                   \
		"device-write-iops", 0, OPTION_LIST, "list", "Limit the write rate, operations per second, to a device",                    \
			LIMIT_AT(write_iops)                                                                                                \
	}
