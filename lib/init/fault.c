/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Points to stop at: see lib/base/fault.h. Part of builds for fault injection only. */
#include "init/fault.h"

#include <sys/socket.h>
#include <time.h>

#include "init/init.h"

#define ORDER_BYTES 64
#define NAME_BYTES 56

void fault_point(const char *name)
{
	char order[ORDER_BYTES], now[ORDER_BYTES];
	size_t length = text_length(name);

	if (sys(SYS_pread64, FAULT_FD, order, sizeof(order), 0) != ORDER_BYTES)
		return;
	if (order[0] != '*' && (length >= NAME_BYTES || memcmp(order, name, length + 1) != 0))
		return;
	sys(SYS_sendto, FAULT_FD + 1, name, length, MSG_NOSIGNAL);
	while (order[0] != '*' && sys(SYS_pread64, FAULT_FD, now, sizeof(now), 0) == ORDER_BYTES && memcmp(order, now, sizeof(now)) == 0 &&
	       sys(SYS_recvfrom, FAULT_FD + 1, now, 1, MSG_DONTWAIT) != 0) {
		struct timespec nap = { .tv_nsec = 1000000 };

		sys(SYS_nanosleep, &nap, 0);
	}
}

void fault_step(unsigned int kind)
{
	char name[24];

	text_add_number(text_add(name, name + sizeof(name), "step."), name + sizeof(name), kind);
	fault_point(name);
}
