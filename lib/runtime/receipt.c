/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a process used in all. The figures were read from its cgroup after its end and before the cgroup went
 * (process.c), so they cover every process that ever was in the container.
 */
#include "runtime/process.h"

uint64_t scow_receipt_cpu_user_us(const scow_receipt *receipt)
{
	return receipt ? receipt->usage.cpu_user_us : 0;
}

uint64_t scow_receipt_cpu_system_us(const scow_receipt *receipt)
{
	return receipt ? receipt->usage.cpu_system_us : 0;
}

uint64_t scow_receipt_memory_peak_bytes(const scow_receipt *receipt)
{
	return receipt ? receipt->usage.memory_peak_bytes : 0;
}

uint64_t scow_receipt_pids_peak(const scow_receipt *receipt)
{
	return receipt ? receipt->usage.pids_peak : 0;
}

uint64_t scow_receipt_io_read_bytes(const scow_receipt *receipt)
{
	return receipt ? receipt->usage.io_read_bytes : 0;
}

uint64_t scow_receipt_io_write_bytes(const scow_receipt *receipt)
{
	return receipt ? receipt->usage.io_write_bytes : 0;
}

uint64_t scow_receipt_oom_kills(const scow_receipt *receipt)
{
	return receipt ? receipt->usage.oom_kills : 0;
}

uint64_t scow_receipt_wall_us(const scow_receipt *receipt)
{
	return receipt ? receipt->wall_us : 0;
}

uint64_t scow_receipt_start_us(const scow_receipt *receipt)
{
	return receipt ? receipt->start_us : 0;
}
