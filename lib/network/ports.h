/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Published ports of a container that runs: which they came to be, who has them, and that nobody else gets them.
 *
 * A port is ours by a socket that is bound to it, and by a row that names the container. The sockets are all in the queue of one other
 * socket, the hold, where they cost whoever has that a single descriptor; they are closed when it is.
 */
#pragma once

#include "network/firewall.h"

struct port_socket {
	int fd;
	size_t binding;
};
struct ports {
	struct arena arena;
	struct port_binding *bindings;
	size_t n_bindings;
	int hold_fd;  /* -1: none */
	int queue_fd; /* the way into it, while ports are taken */
	struct port_socket *sockets; size_t n_sockets; /* a plain user's, until ports_lead_in() */
};
void ports_init(struct ports *ports);
void ports_done(struct ports *ports);

/*
 * Binds what @specs ask for, on the networks that are the container's way out. SCOW_E_BUSY: somebody has one, who is named where that
 * can be found out. SCOW_E_INVALID: an address of a family that the container does not have, or not of this host.
 */
int ports_take(struct netns *ns, const struct attachment *attachment, const struct port_spec *specs, size_t n, struct ports *out,
	       scow_error **error) _must_check_;
/* A plain user's: the holder of his networks passes on what comes, as long as the hold is open. Nothing to do for root's. */
int ports_lead_in(struct netns *ns, struct ports *ports, scow_error **error) _must_check_;
/* UDP clients that were there before, whose packets went elsewhere, come to the container with their next one. After the rules. */
int ports_forget_connections(struct netns *ns, const struct ports *ports, scow_error **error) _must_check_;
/* Rows for them. SCOW_E_BUSY: of another container, which is named; it may be dead. */
int ports_record(struct db_work *work, const char *id, const struct ports *ports, scow_error **error) _must_check_;
/* What the rows of one that runs say, by container port; in @arena. */
int ports_read(struct db_work *work, const char *id, const struct attachment *attachment, struct arena *arena, struct port_binding **out,
	       size_t *count, scow_error **error) _must_check_;

/* Who has a port of the host open, as "nginx (process 1234)"; false: nobody that can be found. @address: any of its family for all. */
bool port_holder(int protocol, const struct address *address, uint16_t port, char *out, size_t size);
