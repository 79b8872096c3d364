/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A socket for the library, made where an errand has come to. */
#include "init/init.h"

#include <errno.h>
#include <sys/socket.h>

void step_socket(const struct wire_step *step)
{
	const void *address = plan_blob(&init.plan, step);
	uint32_t action = (uint32_t) step->number[3];
	long fd;

	doing("make a socket", NULL, NULL, NULL);
	if (action != WIRE_SOCKET_ONLY && !address)
		fail("decode", -EINVAL);
	fd = must(sys(SYS_socket, step->number[0], step->number[1] | SOCK_CLOEXEC, step->number[2]), "socket");
	if (action == WIRE_SOCKET_CONNECT)
		must(sys(SYS_connect, fd, address, step->blob_size), "connect");
	if (action == WIRE_SOCKET_LISTEN) {
		/* Whoever is in the container may use it. */
		must(sys(SYS_bind, fd, address, step->blob_size), "bind");
		must(sys(SYS_listen, fd, step->number[3] >> 32), "listen");
	}
	report_fd(WIRE_SOCKET_FD, (int) fd);
	sys(SYS_close, fd);
}
