/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Restart: stop and start, detached. One that its owner's process runs becomes one that lives on by itself; what it wrote stays.
 */
#include "container/container.h"

int scow_container_restart(scow_container *container, int timeout_ms, scow_error **error)
{
	int r = scow_container_stop(container, timeout_ms, error);

	return r < 0 ? r : scow_container_start_detached(container, error);
}
