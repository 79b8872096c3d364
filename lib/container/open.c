/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A file of a container as a descriptor. The kernel walks the path inside the container's root, magic links of /proc excepted: they
 * would lead to what other processes have open, which may be outside.
 */
#include <scow/files.h>

#include <fcntl.h>
#include <linux/openat2.h>

#include "container/root.h"

int scow_container_open(scow_container *container, const char *path, int flags, mode_t mode, scow_error **error)
{
	_cleanup_root_ struct root root = ROOT_INIT;
	int fd, r = container_check(container, error);

	if (r < 0)
		return r;
	if (!path || path[0] != '/')
		return error_set(error, SCOW_E_INVALID, "'%s' is no absolute path", path ? path : "");
	r = root_open(container, ROOT_WITH_MOUNTS, &root, error);
	if (r < 0)
		return r;
	/* openat2 takes no mode where nothing is made. */
	fd = deputy_open(root.deputy, root.fd, path, flags | O_NOCTTY, flags & (O_CREAT | __O_TMPFILE) ? mode & 07777 : 0,
			 RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
	return fd < 0 ? error_errno(error, -fd, "openat2", "open '%s' of container '%s'", path, container->name) : fd;
}
