/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The small languages of container options, each read by one function, which says in its error what it did not understand. */
#pragma once

#include <scow/container.h>

#include "base/arena.h"
#include "runtime/spec.h"

/* True for text that may be part of a name: not empty, no blanks or control characters, UTF-8 bytes allowed. */
bool name_is_clean(const char *text);
/* "0-2,4": CPUs or memory nodes. */
bool cpuset_is_valid(const char *text);

int ulimit_parse(const char *name);         /* "nofile": RLIMIT_NOFILE, or -1 */
const char *ulimit_name(int resource);      /* or NULL */

struct bind_options {
	bool read_only, nonrecursive, ro_nonrecursive, create;
	bool idmap;                        /* files have the container's ids */
	bool own;                          /* "U": and those of the source's owner are the container's user's */
	bool overlay;                      /* "O": what is changed is thrown away with the run */
	char relabel;                      /* 'z', 'Z' or 0 */
	unsigned long flags;               /* MS_NOEXEC | MS_NOSUID | MS_NODEV */
	const char *propagation_name;      /* NULL: the default */
	unsigned long propagation;         /* 0: the default, rprivate */
};
/* NULL and "" are the defaults. SCOW_E_INVALID. */
int bind_options_parse(const char *text, struct bind_options *out, scow_error **error) _must_check_;
/* The one form in which they are kept; NULL for the defaults. In @arena, whose failure is to be asked for. */
const char *bind_options_format(const struct bind_options *options, struct arena *arena);

/* Flags and data of a tmpfs: starts from noexec, nosuid, nodev. @data: "size=64m,mode=1777", or NULL; in @arena. SCOW_E_INVALID. */
int tmpfs_options_parse(const char *text, struct arena *arena, unsigned long *flags, const char **data, scow_error **error) _must_check_;

/* "c 1:3 rwm", as an allowing rule. SCOW_E_INVALID. */
int device_rule_parse(const char *text, struct spec_device_rule *out, scow_error **error) _must_check_;
/* "rwm" or less into the rule; false for anything else. */
bool device_access_parse(const char *text, struct spec_device_rule *out);

enum namespace_mode {
	NAMESPACE_DEFAULT,
	NAMESPACE_PRIVATE,   /* also the network's "none" */
	NAMESPACE_HOST,
	NAMESPACE_CONTAINER, /* @argument: the container */
	NAMESPACE_PATH,      /* @argument: the path */
	NAMESPACE_NETWORK,   /* of its own, on the network @argument */
	NAMESPACE_IPC_NONE,  /* private, and no /dev/shm */
	NAMESPACE_KEEP_ID    /* user: a plain user's own id is the same inside */
};
struct namespace_choice {
	enum namespace_mode mode;
	const char *argument;
	uint32_t size;     /* user, "auto:size=N": how many ids; 0: as many as usual */
	uint32_t uid, gid; /* user, "keep-id:uid=N,gid=N"; UINT32_MAX: the user's own */
};
/* NULL and "" are the default. @argument points into @text. SCOW_E_INVALID, SCOW_E_UNSUPPORTED (bridge and named networks). */
int namespace_parse(scow_namespace kind, const char *text, struct namespace_choice *out, scow_error **error) _must_check_;
const char *namespace_name(scow_namespace kind); /* "network" */

/*
 * A sysctl's name in its dotted form, in @arena, and the namespace that it belongs to. SCOW_E_INVALID: not one of a namespace; one could
 * reach the host's settings through it otherwise.
 */
int sysctl_parse(const char *name, struct arena *arena, const char **out, enum spec_ns *ns, scow_error **error) _must_check_;
