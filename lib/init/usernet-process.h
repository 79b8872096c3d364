/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* usernet.h, and what the files of it that make system calls know of each other. */
#pragma once

#include <netinet/in.h>

#include "init/init.h"
#include "init/usernet.h"

/* What an event is about: the high half; the low one is its number. */
#define USERNET_EVENT_FLOW (0ull << 32)
#define USERNET_EVENT_LINK (1ull << 32)
#define USERNET_EVENT_PORT (2ull << 32)
#define USERNET_EVENT_END (3ull << 32)

extern int usernet_epoll;

/* usernet-link.c */
/* The interface in the container's network namespace and its other end in one of ours; the packet socket is there. */
void link_make(int user_fd, int netns, bool ip6);
int link_fd(void);
bool link_read(void); /* a turn's frames; there may be more */

/* usernet-ports.c */
void ports_open(char **texts);
void ports_watch(void);
void ports_event(unsigned int place);
bool ports_is_ip6(int fd);

/* usernet-host.c */
uint32_t host_address(const struct net_endpoint *from, struct sockaddr_in6 *out); /* its size */
void host_endpoint(const struct sockaddr_in6 *from, struct net_endpoint *out);
bool host_has_ip6(void);       /* a way to the world */
void host_read_resolvers(void);
/* One datagram of a published port, with where it came from and to which address of the host: its size or -errno. */
long host_receive_from(int fd, unsigned char *out, size_t size, struct net_endpoint *from, struct net_address *to);
/* So that it tells that address. */
void host_tell_address(int fd, bool ip6);
