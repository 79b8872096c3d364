/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Restart: stop and start, detached. One that its owner's process runs becomes one that lives on by itself; what it wrote stays.
 */
#include "container/container.h"
#include "container/event.h"

int scow_container_restart(scow_container *container, int timeout_ms, scow_error **error)
{
	int r = scow_container_stop(container, timeout_ms, error);

	if (r == 0)
		r = scow_container_start_detached(container, error);
	if (r == 0)
		container_announce(container->engine, container->id, "restart", NULL);
	return r;
}
