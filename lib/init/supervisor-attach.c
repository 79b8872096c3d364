/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init/supervisor.h"
void attach_open(void)
{
}
void attach_accept(void)
{
}
void attach_event(uint32_t index, uint32_t events)
{
	(void) index;
	(void) events;
}
void attach_output(unsigned int stream, const unsigned char *data, size_t size)
{
	(void) stream;
	(void) data;
	(void) size;
}
void attach_exit(int code, int sig)
{
	(void) code;
	(void) sig;
}
void attach_input_ready(void)
{
}
void attach_close(void)
{
}
