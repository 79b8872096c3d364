/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Log files that were compressed when they were full (init/supervisor-rotate.c, and as Docker does). */
#pragma once

#include <sys/types.h>

#include "engine/engine.h"

/* The inode of the file that it was made of; 0 where it does not say. */
ino_t log_packed_inode(int fd);
/* All that is in it, in a file without a name: its descriptor, or a status. */
int log_unpack(scow_engine *engine, int fd, scow_error **error) _must_check_;
