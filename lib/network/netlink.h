/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Netlink by raw bytes: messages are built in a batch, a batch is sent in one call and every answer is looked at. A batch may also be
 * kept as bytes (struct wire_batch) for scow-init, which sends it where the library is not: in the container, or much later.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"
#include "engine/engine.h"
#include "init/wire.h"

#define LINK_NAME 16
#define LINK_ALIAS 256 /* IFALIASZ, with its NUL */

/*
 * A network namespace that we work on. Never assume that it is the process's own: a plain user's networks live in another.
 * One thread at a time.
 */
struct netns {
	scow_engine *engine;
	int route_fd;      /* a NETLINK_ROUTE socket inside */
	int filter_fd;     /* a NETLINK_NETFILTER socket inside, or -1: made when it is needed, where the namespace is ours */
	int fd;            /* the namespace itself, or -1: the process's own. What follows is of a plain user's: holder.h */
	int user_fd;       /* the user namespace that it belongs to */
	int hold_fd;       /* as long as any copy is open, it stays */
	int pidfd;         /* of the process that it ends with */
	bool has_uplink;
	uint32_t sequence;
	bool added;        /* the last network was not in the firewall, and is (firewall_prepare()) */
	bool rebuilt;      /* the firewall was not there at all, and is again: without what it knew of others (firewall_prepare()) */
};
/* The one that has the bridges of this engine. A plain user's is made where there is none. */
int netns_open(scow_engine *engine, struct netns *out, scow_error **error) _must_check_;
/* The same, if it is there: 1; 0: there is none, and so no bridge and no rule. */
int netns_find(scow_engine *engine, struct netns *out, scow_error **error) _must_check_;
/* The process's own, whoever's the bridges are. */
int netns_open_here(scow_engine *engine, struct netns *out, scow_error **error) _must_check_;
void netns_close(struct netns *ns);
#define _cleanup_netns_ __attribute__((cleanup(netns_close)))

/* ---- building: starts as all zeros; want of memory is sticky, and reported when it is used ---- */

struct batch {
	struct str bytes;     /* nlmsghdr after nlmsghdr, aligned */
	struct str patches;   /* struct wire_patch */
	size_t message;       /* where the last one begins */
	unsigned int count;
};
void batch_done(struct batch *batch);
#define _cleanup_batch_ __attribute__((cleanup(batch_done)))

/* Begins a message: RTM_* with NLM_F_* (request and acknowledge are added), and its fixed header. */
void batch_message(struct batch *batch, unsigned int type, unsigned int flags, const void *header, size_t size);
void batch_attribute(struct batch *batch, unsigned int type, const void *data, size_t size);
void batch_text(struct batch *batch, unsigned int type, const char *text); /* with its NUL */
void batch_u8(struct batch *batch, unsigned int type, uint8_t value);
void batch_u16(struct batch *batch, unsigned int type, uint16_t value);
void batch_u32(struct batch *batch, unsigned int type, uint32_t value);
size_t batch_nest(struct batch *batch, unsigned int type);
void batch_nest_end(struct batch *batch, size_t nest);
/* What is to be filled in when it is sent: @from_end bytes before the end, or at @offset of the last message's fixed header. */
void batch_patch_here(struct batch *batch, enum wire_patch_kind kind, const char *name, size_t from_end);
void batch_patch_header(struct batch *batch, enum wire_patch_kind kind, const char *name, size_t offset);
/* As struct wire_batch with all that follows it; appended to @out. */
void batch_write(const struct batch *batch, struct str *out);

/* ---- using ---- */

/* Sends all, hears all: the first refusal is the error, with the kernel's own words where it has some, and `errno` of it in the error. */
int netns_send(struct netns *ns, const struct batch *batch, const struct wire_patch_values *values, scow_error **error) _must_check_;
/* The same; a refusal is returned as -errno in @refused, and makes no error. */
int netns_try(struct netns *ns, const struct batch *batch, const struct wire_patch_values *values, int *refused, scow_error **error)
	_must_check_;
/* Sends one request and calls @each for every message of the answer; what @each returns below 0 is returned in the end. */
struct nlmsghdr;
typedef int netns_each_fn(void *data, const struct nlmsghdr *message, scow_error **error);
int netns_ask(struct netns *ns, const struct batch *request, netns_each_fn *each, void *data, scow_error **error) _must_check_;

struct link {
	int index;
	int master;         /* the bridge that it is a port of, or 0 */
	unsigned int flags; /* IFF_* */
	char name[LINK_NAME];
	char kind[16];      /* "bridge", "veth", ""... */
	char alias[LINK_ALIAS];
	unsigned int mtu;
};
/* 1 found, 0 no such link. */
int netns_link(struct netns *ns, const char *name, struct link *out, scow_error **error) _must_check_;
int netns_link_index(struct netns *ns, const char *name); /* or -errno */
/* All of a kind (NULL: any), that are ports of the link @master (0: or not). What @each returns below 0 is returned in the end. */
typedef int netns_each_link_fn(void *data, const struct link *link, scow_error **error);
int netns_each_link(struct netns *ns, const char *kind, int master, netns_each_link_fn *each, void *data, scow_error **error) _must_check_;
int netns_link_name(struct netns *ns, int index, char out[LINK_NAME]); /* 0 or -errno */
/* Deletes it; missing is success. */
int netns_link_delete(struct netns *ns, const char *name, scow_error **error) _must_check_;
/* "net/ipv4/ip_forward": written in the namespace. */
int netns_sysctl(struct netns *ns, const char *name, const char *value, scow_error **error);
/* Whether it says so now; false also where there is no such file, or no way to it. */
bool netns_sysctl_is(struct netns *ns, const char *name, const char *value);
