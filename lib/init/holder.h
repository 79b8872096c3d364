/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The holder from inside: requests and the process (holder.c), published ports (holder-forward.c). */
#pragma once

#include "init/holder-wire.h"
#include "init/init.h"

#define HOLDER_FULL_NAP_NS (10 * 1000 * 1000)

/* What an event of its epoll is about: the high half; which of them is the low one. */
enum holder_event { HOLDER_LISTENER, HOLDER_CONNECTION, HOLDER_FORWARD, HOLDER_LIFE, HOLDER_FLOW, HOLDER_CLIENT };

/* holder.c */
void holder_watch(int op, int fd, uint32_t events, enum holder_event what, unsigned int which);

/* holder-forward.c */
/* What comes to @socket goes to where @request says, until @life hangs up: 0, and both are taken; or an errno. */
int forward_begin(const struct wire_holder_request *request, int socket, int life);
void forward_end(unsigned int index);
void forward_accept(unsigned int index);
void forward_flow(unsigned int index);
void forward_client(unsigned int index);
