/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Restart: stop and start, detached. One that its owner's process runs becomes one that lives on by itself; what it wrote stays.
 */
#include "base/fault.h"
#include "container/container.h"
#include "container/event.h"

int scow_container_restart(scow_container *container, int timeout_ms, scow_error **error)
{
	int r = scow_container_stop(container, timeout_ms, error);

	FAULT_POINT("restart.stopped");
	if (r == 0)
		r = scow_container_start_detached(container, error);
	FAULT_POINT("restart.started");
	if (r == 0)
		container_announce(container->engine, container->id, "restart", NULL);
	return r;
}
