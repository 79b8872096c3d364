/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A tree into a descriptor, for export.c and copy.c. */
#pragma once

#include "archive/pack.h"

/* As a plain tar stream. */
int export_tree(const struct pack_source *source, int top_fd, int fd, scow_error **error) _must_check_;
