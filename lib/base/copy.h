/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Contents from one file to another by the cheapest way there is: shared blocks, inside the kernel, through our memory. */
#pragma once

#include <stdint.h>

/*
 * Makes @to_fd (open for writing, its own contents given up) hold what @from_fd (open for reading) holds from its start on: by FICLONE
 * where the file system shares blocks, by copy_file_range, or by reading and writing. Holes stay holes. A file that grows or shrinks
 * meanwhile is copied as far as it was read. Both offsets are undefined afterwards; owner, mode and times are the caller's affair.
 * @bytes (may be NULL) gets the size of the copy. Returns 0 or -errno (-ENOSPC, -EDQUOT: @to_fd holds a part).
 */
int copy_file(int from_fd, int to_fd, uint64_t *bytes);
