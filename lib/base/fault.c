/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Points to stop at: see the header. Part of builds for fault injection only. */
#include "base/fault.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ORDER_BYTES 64
#define NAME_BYTES 56

void fault_point(const char *name)
{
	char order[ORDER_BYTES], now[ORDER_BYTES];
	int saved = errno;

	if (pread(FAULT_FD, order, sizeof(order), 0) == ORDER_BYTES && (order[0] == '*' || strncmp(order, name, NAME_BYTES) == 0)) {
		(void) !send(FAULT_FD + 1, name, strlen(name), MSG_NOSIGNAL);
		/* Nothing ever comes by it, but the end of the test. */
		while (order[0] != '*' && pread(FAULT_FD, now, sizeof(now), 0) == ORDER_BYTES && memcmp(order, now, sizeof(now)) == 0 &&
		       recv(FAULT_FD + 1, now, 1, MSG_DONTWAIT) != 0)
			poll(NULL, 0, 1);
	}
	errno = saved;
}
