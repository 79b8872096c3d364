/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The options of mount(8) that every file system has. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Takes an option ("nosuid", "rw") of @size bytes into @flags, MS_*. False, and nothing done, if it is not one of them. */
bool mount_flag(const char *option, size_t size, unsigned long *flags);
