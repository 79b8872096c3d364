/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Named moments at which a test can hold a process, to kill it or another one there. In a build with -Dfault=true only: else
 * nothing of them is compiled. tests/fault finds the names in the source.
 *
 * The test gives its program two descriptors, which scow-init inherits: FAULT_FD, a file of 64 bytes, and FAULT_FD + 1, a socket. The
 * file has the name of the point to stop at in 56 bytes, and 8 that change when the process may go on; "*" for all, to be told of only.
 * Who gets there says so on the socket, by which the test learns its process id, and waits. lib/init/fault.h is the same without a libc.
 */
#pragma once

#ifdef FAULT_FD
void fault_point(const char *name);
#define FAULT_POINT(name) fault_point(name)
#else
#define FAULT_POINT(name) ((void) 0)
#endif
