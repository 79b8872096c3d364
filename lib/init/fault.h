/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Points to stop at, as lib/base/fault.h says. A plan's steps are points, too: "step." and the number of their kind. */
#pragma once

#include "init/sys.h"

#ifdef FAULT_FD
void fault_point(const char *name);
void fault_step(unsigned int kind);
#define FAULT_POINT(name) fault_point(name)
#define FAULT_STEP(kind) fault_step(kind)
/* Closed by the exec. */
#define FAULT_LAST() (sys(SYS_fcntl, FAULT_FD, 2 /* F_SETFD */, 1), sys(SYS_fcntl, FAULT_FD + 1, 2, 1))

static inline long close_from(unsigned int first)
{
	sys(SYS_close_range, FAULT_FD + 2, ~0U, 0);
	return sys(SYS_close_range, first, FAULT_FD - 1, 0);
}
#else
#define FAULT_POINT(name) ((void) 0)
#define FAULT_STEP(kind) ((void) 0)
#define FAULT_LAST() ((void) 0)

static inline long close_from(unsigned int first)
{
	return sys(SYS_close_range, first, ~0U, 0);
}
#endif
