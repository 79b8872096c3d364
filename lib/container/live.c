/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A container that runs, seen from any process: its row once a start is recorded, its cgroup, wherever who started it has
 * made it, and a lock for those who change it.
 */
#include "container/live.h"

#include <poll.h>
#include <stdio.h>

#include "base/cancel.h"
#include "store/lock.h"

#define START_WAIT_MS 2000 /* from "it starts" to its recorded process: milliseconds, unless the machine is very busy */
#define NAP_MAX_MS 32

/* Claimed by whoever starts it, and not further. One that waits to be restarted has no process either, and may have none for long. */
static bool being_started(const struct container_row *row)
{
	return row->state == SCOW_CONTAINER_RUNNING && !row->pid;
}

int container_row_settled(scow_container *container, struct container_row *row, scow_error **error)
{
	uint64_t deadline = clock_us() + START_WAIT_MS * UINT64_C(1000);

	for (int nap_ms = 1;; nap_ms = nap_ms < NAP_MAX_MS ? nap_ms * 2 : nap_ms) {
		int r = container_row_read(container->engine, container->id, row, error);

		if (r < 0 || !being_started(row) || clock_us() >= deadline)
			return r;
		poll(NULL, 0, nap_ms);
	}
}

int container_row_running(scow_container *container, struct container_row *row, scow_error **error)
{
	int r = container_row_settled(container, row, error);

	if (r < 0 || (container_runs(row->state) && !being_started(row)))
		return r;
	return container_not_running(container, row, error);
}

int container_not_running(const scow_container *container, const struct container_row *row, scow_error **error)
{
	const char *state = container_state_name(row->state);

	if (being_started(row))
		state = "being started";
	else if (container_runs(row->state) && row->state != SCOW_CONTAINER_RESTARTING)
		state = "ending";
	return error_at(error, error_set(error, SCOW_E_STATE, "container '%s' is %s, not running", container->name, state), NULL,
			container->name);
}

int container_open_cgroup(scow_container *container, const char *location, struct cgroup **out, scow_error **error)
{
	const scow_container_config *config;
	int r = container_config_of(container, &config, error);

	return r < 0 ? r : cgroup_open(container->engine, config->cgroup_parent, location, out, error);
}

void container_lock_name(const scow_container *container, char out[CONTAINER_LOCK_NAME])
{
	snprintf(out, CONTAINER_LOCK_NAME, "container-%.24s", container->id);
}

int container_lock(scow_container *container, scow_error **error)
{
	char name[CONTAINER_LOCK_NAME];

	container_lock_name(container, name);
	return work_lock(container->engine, name, NULL, error);
}

void container_unlock(scow_container *container, int fd)
{
	char name[CONTAINER_LOCK_NAME];

	container_lock_name(container, name);
	work_unlock(container->engine, name, fd);
}
