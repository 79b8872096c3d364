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
#define WIRE_PASS_MAX 64

/* Where the program finds its descriptors. */
enum wire_fd {
	WIRE_FD_SOCKET = 3,
	WIRE_FD_SELF = 4,      /* the program itself, where it has to execute itself again (WIRE_MODE_WAIT) */
	WIRE_FD_DIR = 5,       /* the directory of an errand (trees.c) */
	WIRE_FD_NS = 6,        /* namespaces to join, from here on */
	WIRE_FD_LOCK = 14,     /* a supervisor's: held locked as long as it lives */
	WIRE_FD_CGROUPS = 15,  /* a supervisor's: the container's cgroup in each hierarchy, from here on. Of WIRE_MODE_KEEP: its directory
	                        * (v2), or its tasks files */
	WIRE_FD_PORTS = 40,    /* a supervisor's: in its queue are the sockets of the published ports */
	WIRE_FD_PASS = 64,     /* what the program is given besides its streams, from here on (WIRE_FDS) */
};

#define WIRE_MODE_RUN "run"     /* reads a plan and carries it out */
#define WIRE_MODE_KEEP "keep"   /* the same, in a child: keep.c */
#define WIRE_MODE_ORPHAN "keep-orphan" /* and that parent is nobody's child */
#define WIRE_MODE_WAIT "wait"   /* waits for one byte (the id maps are written), then executes itself to gain what it is now entitled to */
#define WIRE_MODE_GUARD "guard" /* engine/guard.h */
#define WIRE_MODE_NAMES "names" /* names.c: its WIRE_FD_SOCKET listens */
#define WIRE_MODE_SUPERVISE "supervise" /* runtime/supervisor.h; what it is told, and tells: supervisor-wire.h */

struct wire_plan {
	uint32_t magic, size;
	uint32_t n_steps, n_slots, data_size, strings_size;
};

enum wire_kind {
	WIRE_GO,          /* waits for one byte: the owner has taken all precautions */
	WIRE_JOIN,        /* numbers: fd (SLOT: of USERNS; of a namespace, or a pidfd for several at once; closed afterwards), CLONE_NEW* */
	WIRE_UNSHARE,     /* numbers: CLONE_NEW* */
	WIRE_ENTER,       /* numbers: CLONE_NEW*; goes on in a new child of our parent, in its namespaces */
	WIRE_PROPAGATION, /* numbers: MS_* for all that the new mount namespace has */
	WIRE_HOSTNAME,    /* texts: name */
	WIRE_DOMAINNAME,  /* texts: name */
	WIRE_LOOPBACK,
	WIRE_OVERLAY,     /* texts: directory of the lowers, directory that holds "diff" and "work", or none and the size of a tmpfs for
			   * them ("0": the default); vectors: lowers, top first; numbers: (IDMAPPED)
			   * slot, uid and gid on the host of its root */
	WIRE_ROOT_BIND,   /* texts: path; numbers: 1 without what is mounted below it */
	WIRE_MOUNT,       /* texts: type, source, target, data; numbers: MS_*, propagation */
	WIRE_BIND,        /* texts: source, target, a path in the source, a directory for changes that are thrown away; vectors: layers below the source, top first, to take in its place;
			   * blob: struct wire_identity, or none; numbers: MS_*, propagation, (PREPARED) which, (IDMAPPED) slot */
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
	WIRE_PIVOT,       /* numbers: propagation of the root, or 0; how many descriptors stay from WIRE_FD_PASS on */
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
	WIRE_READY,       /* says so (WIRE_IS_READY) and waits for one byte: the owner does its part in the namespaces */
	WIRE_HOOK,        /* texts: program, JSON of the container's state after status and pid; vectors: arguments, environment; numbers: enum
			     wire_stage, milliseconds or 0, pid or 0 for this process */
	WIRE_FDS,         /* blob: uint32_t, the numbers that the descriptors from WIRE_FD_PASS on get */
	WIRE_NETLINK,     /* texts: what it is about; blob: struct wire_batch; in our own network namespace */
	WIRE_USERNS,      /* texts: uid map, gid map; or numbers[1]: fd of one that is there. numbers: slot, fd, uid and
			   * gid on the host of its root */
	WIRE_TREE,        /* as BIND, but for the target: opened, and kept for it as number[2] */
	WIRE_ROOT_ATTACH,
	WIRE_SCHEDULER,   /* texts: policy; blob: struct wire_scheduler */
	WIRE_IO_PRIORITY, /* texts: class; numbers: as ioprio_set takes it */
	WIRE_MEMORY_POLICY, /* texts: mode, nodes; numbers: mode with flags; blob: bits of the nodes, or none */
	WIRE_AFFINITY,    /* texts: CPUs; blob: their bits */
	WIRE_TRACE,       /* notes when each step begins, and tells (WIRE_TIMES) */
	WIRE_NAMES,       /* blob: record (names-wire.h), or none: the supervisor has it (names_load); numbers: fd connected to the responder,
			   * pidfd of PID 1 or UINT64_MAX for our own */
	WIRE_SOCKET,      /* numbers: as socket(2); enum wire_socket, and above 32 bits the backlog; blob: address. It is reported */
	WIRE_TETHER,      /* vectors: arguments; numbers: pidfd, network namespace (USERNET: and its user namespace): that program runs until
			   * this process has ended */
	WIRE_DEPUTY,      /* numbers: fd of the socket to serve (deputy-wire.h). The root, if there is one, is reported; then nothing is any more */
	WIRE_UNMOUNT,     /* texts: path */
	WIRE_HOLDER,      /* numbers: fd that listens (holder-wire.h). A child of nobody's stays, in our user and network namespaces */
	WIRE_LATER,       /* numbers: 0: opens the sources of what WIRE_LATER_NAME says, 1: mounts and unmounts; nothing where that is not */
	WIRE_ROOT_CLONE,  /* the root with all that is mounted in it becomes one that is mounted nowhere */
	WIRE_KINDS
};

enum wire_socket { WIRE_SOCKET_ONLY, WIRE_SOCKET_CONNECT, WIRE_SOCKET_LISTEN /* and bind */ };

/* Of a hook, in their order. */
enum wire_stage {
	WIRE_STAGE_PRESTART,
	WIRE_STAGE_CREATE_RUNTIME,
	WIRE_STAGE_CREATE_CONTAINER,
	WIRE_STAGE_START_CONTAINER,
	WIRE_STAGE_POSTSTART,
	WIRE_STAGE_POSTSTOP,
	WIRE_STAGES
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
	WIRE_NO_CONSOLE = 1 << 12,    /* TERMINAL: it is not the container's own, /dev/console stays */
	WIRE_HOST_PROC = 1 << 13,     /* OOM_SCORE: through the host's /proc, nothing is joined yet */
	WIRE_LISTEN = 1 << 14,        /* EXEC: LISTEN_PID of the environment becomes the process's own */
	WIRE_IDMAPPED = 1 << 16,      /* OVERLAY, TREE, BIND: by the user namespace in a slot */
	WIRE_KEPT = 1 << 17,          /* OVERLAY, ROOT_BIND: mounted nowhere before ROOT_ATTACH */
	WIRE_PREPARED = 1 << 18,      /* BIND: of a TREE */
	WIRE_SLOT = 1 << 19,          /* JOIN */
	WIRE_OWN_STDIO = 1 << 20,     /* USERNS: the pipes that are 0 to 2 become its root's */
	WIRE_RAISE = 1 << 21,         /* RLIMIT: only the hard one, where it is too low */
	WIRE_COVERED = 1 << 23,       /* BIND, TREE: the directory for changes is idmapped by slot 0 */
	WIRE_AGAIN = 1 << 22,         /* NAMES: in place of what is there */
	WIRE_TTY = 1 << 9,            /* SESSION: descriptor 0 becomes the controlling terminal */
};

/* The first 48 bytes of the kernel's struct sched_attr, whose header does not go with libc's. */
struct wire_scheduler {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

struct wire_step {
	uint32_t kind, flags;
	uint32_t text[WIRE_TEXTS];
	uint32_t vector[WIRE_VECTORS];
	uint32_t blob, blob_size;
	uint64_t number[WIRE_NUMBERS];
};

/*
 * Netlink messages with holes that only their sender can fill: struct wire_batch | struct wire_patch[n_patches] | messages[size], each
 * an nlmsghdr on a boundary of 4 bytes. Who sends them wants an acknowledgement of each (lib/network/netlink.h).
 */
enum wire_patch_kind {
	WIRE_PATCH_PID,   /* uint32_t: of the container's PID 1, as the sender sees it */
	WIRE_PATCH_RUN,   /* four hexadecimal digits: another number for each run, so that what is left of the last one is not in the way */
	WIRE_PATCH_INDEX, /* uint32_t: of the link @name, where it is sent */
	WIRE_PATCH_PORT,  /* the same of one that messages before it make, and whose name ends in WIRE_PATCH_RUN's digits: they are sent first */
};
struct wire_patch {
	uint32_t offset, kind; /* in the messages */
	char name[16];
};
struct wire_batch {
	uint32_t magic, n_patches, n_messages, size;
};
#define WIRE_BATCH_MAGIC 0x31627363u /* "csb1" */
struct wire_patch_values {
	int32_t pid;
	uint32_t run; /* its low 16 bits */
};

/*
 * ROOT/containers/ID/network, of a detached container: read before each run. struct wire_network | batch for the host's side, sent when
 * the process is born | batch for the inside, which its PID 1 takes | what the supervisor sends at its end: batches of nfnetlink, each
 * behind its size (uint32_t), whatever is answered to them.
 * Sizes may be 0. Replaced by rename.
 */
#define WIRE_NETWORK_NAME "network"
#define WIRE_NETWORK_MAGIC 0x3177656eu /* "new1" */
struct wire_network {
	uint32_t magic, size; /* of all */
	uint32_t host_size, inside_size, end_size;
	uint32_t run;         /* where its numbers begin */
	uint32_t held_fd;     /* a plain user's, whose networks the holder has (holder-wire.h): where each run gets its user namespace; or 0 */
};

/*
 * ROOT/containers/ID/mounts, of a detached container: what has changed in its mounts since its start. For each target struct wire_later
 * and a plan: UNMOUNT, if there was something at the start, TREE, BIND, MOUNT. Replaced by rename.
 */
#define WIRE_LATER_NAME "mounts"
#define WIRE_LATER_MAGIC 0x3174616cu /* "lat1" */
#define WIRE_LATER_BYTES_MAX (1 << 20)
struct wire_later {
	uint32_t magic, size; /* of the plan; a multiple of 8 */
	uint32_t replaces, reserved; /* 1: the plan begins with UNMOUNT */
	char target[64];      /* its SHA-256 in hexadecimal */
};

/* ROOT/containers/ID/tether, of a detached container: the arguments for WIRE_TETHER of each run, each with its NUL. */
#define WIRE_TETHER_NAME "tether"
#define WIRE_TETHER_OPTIONAL "?"   /* before them: the container runs without it where it cannot be had */
#define WIRE_TETHER_NETNS "@netns" /* stands for its network namespace */
/*
 * In the place of a program: scow-init itself is the way out (usernet.h). The arguments are ports: "t" or "u", 32 hexadecimal digits of
 * the host's address (as IPv6; all 0: any of both families), 4 of its port, 4 of the container's.
 */
#define WIRE_TETHER_USERNET "@usernet"
#define WIRE_TETHER_READY "--ready-fd=3" /* stays in the foreground, and writes there when it is ready */
/* A port that the program of the last run still has is waited for. */
#define WIRE_TETHER_BIND "Failed to bind"
#define WIRE_TETHER_TRIES 40
#define WIRE_TETHER_NAP_MS 20
#define WIRE_USERNET_BIND "bind port" /* scow-init's own words, when it has waited */

/* What comes back. The end of file without a report is success: the program runs. */
enum wire_report_kind {
	WIRE_FAILED,      /* error, call, and a text that says what was being done */
	WIRE_TERMINAL_FD, /* the master comes along */
	WIRE_CHILD_FD,    /* a pidfd comes along: of WIRE_ENTER's child */
	WIRE_ROOT_FD,     /* the root comes along: of WIRE_DEPUTY */
	WIRE_SOCKET_FD,   /* the socket comes along: of WIRE_SOCKET */
	WIRE_TIMES,       /* struct wire_time, one a step; @size of them together */
	WIRE_STARTED,     /* from a supervisor: the program runs, its state file is there */
	WIRE_IS_READY,    /* of WIRE_READY; from a supervisor: `error` is the container's pid */
};

/* What a source has to be. */
struct wire_identity {
	uint64_t dev, ino;
};

struct wire_report {
	uint32_t kind, step;
	int32_t error;
	uint32_t size; /* of the text that follows */
	char call[24];
};
#define WIRE_REPORT_TEXT_MAX 4096

#define WIRE_TIMES_MAX 256
struct wire_time {
	uint32_t kind, reserved;
	int64_t ns; /* since 1970: when it began */
};

/* What is killed with a process, if a second descriptor comes along: the cgroup of which that is the file. */
enum wire_tree { WIRE_TREE_NONE, WIRE_TREE_KILL /* cgroup.kill, to write */, WIRE_TREE_PROCS /* cgroup.procs, to read */ };

struct wire_guard {
	uint64_t key;
	uint32_t add; /* 1: a pidfd comes along; 0: forget it */
	uint32_t tree; /* enum wire_tree */
};

_Static_assert(sizeof(struct wire_scheduler) == 48, "as the kernel's");
_Static_assert(sizeof(struct wire_plan) == 24 && sizeof(struct wire_step) == 72, "the same bytes on both sides");
_Static_assert(sizeof(struct wire_batch) == 16 && sizeof(struct wire_patch) == 24, "the same bytes on both sides");
_Static_assert(sizeof(struct wire_later) == 80, "the same bytes on both sides, and plans at multiples of 8");
_Static_assert(sizeof(struct wire_report) == 40 && sizeof(struct wire_guard) == 16, "the same bytes on both sides");
