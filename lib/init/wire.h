/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the library and scow-init say to each other. Fixed-width fields only, both ends are built together.
 *
 * A plan is one block of bytes:
 *
 *	struct wire_plan | struct wire_step[n_steps] | uint64_t slots[n_slots] | data[data_size] | strings[strings_size]
 *
 * Strings are offsets into `strings`, which begins and ends with a NUL byte: 0 is "none", and any offset below its size is
 * a terminated string. A vector of strings is an index into `slots` and ends at a slot of 0; index 0 is "none", and the last
 * slot is 0, so any index below n_slots is a terminated vector. Blobs are offset and size in `data`.
 * So three comparisons prove the whole plan (plan.c), and none of it can point outside.
 */
#pragma once

#include <stdint.h>

#define WIRE_MAGIC 0x31776373u /* "scw1" */
#define WIRE_PLAN_BYTES_MAX (256u << 20)
#define WIRE_TEXTS 4
#define WIRE_VECTORS 2
#define WIRE_NUMBERS 4

/* Where the program finds its descriptors. */
enum wire_fd {
	WIRE_FD_SOCKET = 3,
	WIRE_FD_SELF = 4,      /* the program itself, where it has to execute itself again (WIRE_MODE_WAIT) */
	WIRE_FD_DIR = 5,       /* the directory of an errand (trees.c) */
	WIRE_FD_NS = 6,        /* namespaces to join, from here on */
	WIRE_FD_LOCK = 14,     /* a supervisor's: held locked as long as it lives */
	WIRE_FD_CGROUPS = 15,  /* a supervisor's: the container's cgroup in each hierarchy, from here on */
};

#define WIRE_MODE_RUN "run"     /* reads a plan and carries it out */
#define WIRE_MODE_WAIT "wait"   /* waits for one byte (the id maps are written), then executes itself to gain what it is now entitled to */
#define WIRE_MODE_GUARD "guard" /* engine/guard.h */
#define WIRE_MODE_SUPERVISE "supervise" /* runtime/supervisor.h; what it is told, and tells: supervisor-wire.h */

struct wire_plan {
	uint32_t magic, size;
	uint32_t n_steps, n_slots, data_size, strings_size;
};

enum wire_kind {
	WIRE_GO,          /* waits for one byte: the owner has taken all precautions */
	WIRE_JOIN,        /* numbers: fd (of a namespace, or a pidfd for several at once; closed afterwards), CLONE_NEW* */
	WIRE_UNSHARE,     /* numbers: CLONE_NEW* */
	WIRE_ENTER,       /* numbers: CLONE_NEW*; goes on in a new child of our parent, in its namespaces */
	WIRE_PROPAGATION, /* numbers: MS_* for all that the new mount namespace has */
	WIRE_HOSTNAME,    /* texts: name */
	WIRE_DOMAINNAME,  /* texts: name */
	WIRE_LOOPBACK,
	WIRE_OVERLAY,     /* texts: directory of the lowers, directory that holds "diff" and "work"; vectors: lowers, top first */
	WIRE_ROOT_BIND,   /* texts: path */
	WIRE_MOUNT,       /* texts: type, source, target, data; numbers: MS_*, propagation */
	WIRE_BIND,        /* texts: source, target; numbers: MS_*, propagation */
	WIRE_CGROUP,      /* texts: target; numbers: MS_*, 1 for v2 only */
	WIRE_FILE,        /* texts: path; blob: content; numbers: mode, 1 for the last one */
	WIRE_DEVICE,      /* texts: path, source to bind; numbers: mode with type, device number, uid, gid */
	WIRE_DEV_LINKS,
	WIRE_TERMINAL,    /* numbers: rows, columns */
	WIRE_SYSCTL,      /* texts: name, value */
	WIRE_OOM_SCORE,   /* numbers: score, as int64_t */
	WIRE_MAKE_DIR,    /* texts: path */
	WIRE_READ_ONLY,   /* texts: path */
	WIRE_MASK,        /* texts: path */
	WIRE_ROOT_READ_ONLY,
	WIRE_PIVOT,       /* numbers: propagation of the root, or 0 */
	WIRE_USER,        /* texts: user; vectors: groups */
	WIRE_CHDIR,       /* texts: path */
	WIRE_SESSION,     /* texts: container id; numbers: umask */
	WIRE_RLIMIT,      /* texts: name; numbers: resource, soft, hard */
	WIRE_INIT,        /* stay as PID 1, go on in a child */
	WIRE_CREDENTIALS, /* numbers: bounding set, ambient set */
	WIRE_SECCOMP,     /* blob: BPF; numbers: flags */
	WIRE_EXEC,        /* vectors: arguments, environment (with a spare slot) */
	WIRE_CHOWN,       /* texts: path; blob: security.capability; numbers: uid, gid, mode or UINT32_MAX */
	WIRE_REMOVE,      /* texts: name */
	WIRE_CGROUP_JOIN, /* texts: a tasks or cgroup.procs file of the host, another where that one may hold no processes */
	WIRE_KINDS
};

enum wire_flag {
	WIRE_OPTIONAL = 1 << 0,       /* MOUNT: skipped where it cannot be. RLIMIT: cut to what can be given */
	WIRE_USERXATTR = 1 << 1,      /* OVERLAY */
	WIRE_VOLATILE = 1 << 2,       /* OVERLAY */
	WIRE_CREATE_SOURCE = 1 << 3,  /* BIND */
	WIRE_READ_ONLY_ALL = 1 << 4,  /* BIND: read-only, what is mounted below it as well */
	WIRE_USER_NS = 1 << 5,        /* we are root in a user namespace only */
	WIRE_NO_SETGROUPS = 1 << 6,   /* CREDENTIALS: a single id is mapped, groups stay */
	WIRE_NO_NEW_PRIVS = 1 << 7,   /* CREDENTIALS */
	WIRE_FILTERED = 1 << 8,       /* CREDENTIALS: a filter follows, keep CAP_SYS_ADMIN for it */
	WIRE_BY_MOUNT = 1 << 10,      /* OVERLAY: with mount(2), the kernel is older than 6.5 */
	WIRE_ORPHAN = 1 << 11,        /* ENTER: a child of nobody's but the system's init */
	WIRE_NO_CONSOLE = 1 << 12,    /* TERMINAL: it is not the container's own, /dev/console stays */
	WIRE_HOST_PROC = 1 << 13,     /* OOM_SCORE: through the host's /proc, nothing is joined yet */
	WIRE_TTY = 1 << 9,            /* SESSION: descriptor 0 becomes the controlling terminal */
};

struct wire_step {
	uint32_t kind, flags;
	uint32_t text[WIRE_TEXTS];
	uint32_t vector[WIRE_VECTORS];
	uint32_t blob, blob_size;
	uint64_t number[WIRE_NUMBERS];
};

/* What comes back. The end of file without a report is success: the program runs. */
enum wire_report_kind {
	WIRE_FAILED,      /* error, call, and a text that says what was being done */
	WIRE_TERMINAL_FD, /* the master comes along */
	WIRE_CHILD_FD,    /* a pidfd comes along: of WIRE_ENTER's child */
	WIRE_STARTED,     /* from a supervisor: the program runs, its state file is there */
};

struct wire_report {
	uint32_t kind, step;
	int32_t error;
	uint32_t size; /* of the text that follows */
	char call[24];
};
#define WIRE_REPORT_TEXT_MAX 4096

/* What is killed with a process, if a second descriptor comes along: the cgroup of which that is the file. */
enum wire_tree { WIRE_TREE_NONE, WIRE_TREE_KILL /* cgroup.kill, to write */, WIRE_TREE_PROCS /* cgroup.procs, to read */ };

struct wire_guard {
	uint64_t key;
	uint32_t add; /* 1: a pidfd comes along; 0: forget it */
	uint32_t tree; /* enum wire_tree */
};

_Static_assert(sizeof(struct wire_plan) == 24 && sizeof(struct wire_step) == 72, "the same bytes on both sides");
_Static_assert(sizeof(struct wire_report) == 40 && sizeof(struct wire_guard) == 16, "the same bytes on both sides");
