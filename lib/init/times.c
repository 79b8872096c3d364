/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When each step began, for a host that asked for it. Told before the program's filter and the program itself: neither may have a say in
 * it, so the time of these two is what is left to the owner's.
 */
#include "init/init.h"

#include <sys/socket.h>
#include <time.h>

static struct {
	struct wire_report report;
	struct wire_time times[WIRE_TIMES_MAX];
} message;
static bool on;
static unsigned int count;

void step_trace(const struct wire_step *step)
{
	(void) step;
	on = true;
}

void times_note(uint32_t kind)
{
	struct timespec now = { 0 };

	if (!on || count == WIRE_TIMES_MAX)
		return;
	sys(SYS_clock_gettime, CLOCK_REALTIME, &now);
	message.times[count++] = (struct wire_time){ .kind = kind, .ns = now.tv_sec * INT64_C(1000000000) + now.tv_nsec };
	if (kind != WIRE_SECCOMP && kind != WIRE_EXEC && count < WIRE_TIMES_MAX)
		return;
	on = false;
	message.report.kind = WIRE_TIMES;
	message.report.size = count * (uint32_t) sizeof(message.times[0]);
	sys(SYS_sendto, report_socket, &message, sizeof(message.report) + message.report.size, MSG_NOSIGNAL);
}
