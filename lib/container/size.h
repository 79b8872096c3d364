/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What containers take on the disk. */
#pragma once

#include "container/container.h"

/* Of the files that it wrote; also after a failure, of those that could be seen. */
int container_written(scow_engine *engine, const char *id, uint64_t *bytes, scow_error **error);
/* Of a directory of ours. 0 or -errno; also then of what could be seen. */
int tree_bytes(int dir_fd, uint64_t *bytes);
/* Of a stack of layers. */
int container_image_size(struct db_work *work, const char *top_layer, uint64_t *bytes, scow_error **error) _must_check_;
