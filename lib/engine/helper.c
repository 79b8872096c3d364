/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * scow-init in a memfd, written once per engine and sealed for good: it can be executed by anyone who is given it, and
 * changed by no one, the library included.
 */
#include "engine/helper.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/fd.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif

static int make_helper(scow_error **error)
{
	/* MFD_EXEC (6.3) where vm.memfd_noexec asks for the word; older kernels do not know it. */
	_cleanup_fd_ int fd = memfd_create("scow-init", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	int r;

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("scow-init", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return error_errno(error, errno, "memfd_create", "hold scow-init in memory");
	r = fd_write_all(fd, helper_blob, helper_blob_size);
	if (r < 0)
		return error_errno(error, -r, "write", "hold scow-init in memory");
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return error_errno(error, errno, "fcntl", "seal scow-init");
	return take_fd(&fd);
}

int engine_helper(scow_engine *engine, scow_error **error)
{
	int fd;

	pthread_mutex_lock(&engine->lock);
	if (engine->helper_fd < 0) {
		fd = make_helper(error);
		engine->helper_fd = fd < 0 ? -1 : fd;
	} else {
		fd = engine->helper_fd;
	}
	pthread_mutex_unlock(&engine->lock);
	return fd;
}
