/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * scow-init from inside. One plan, one process, no way back: so the state is global, and the first failure is reported and ends
 * the program. A step says what it is about with doing() before it calls the kernel; fail() makes the sentence of it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "init/plan.h"
#include "init/sys.h"

#define GROUPS_MAX 1024
#define NULL_DEVICE 0x103 /* character device 1:3 */
#define noreturn __attribute__((noreturn))

struct init {
	struct plan plan;
	uint32_t step;   /* kind of the one that runs */
	int root;        /* the new root; AT_FDCWD (which is "/" then) after the pivot */
	int proc;        /* a procfs of our own that nothing is mounted over, or -1 */
	int empty_dir;   /* a read-only, empty file system for masks, or -1 */
	int null_device; /* checked to be the null device, or -1 */
	uint32_t uid, gid;
	uint32_t groups[GROUPS_MAX];
	uint32_t n_groups;
	const char *home;
	bool supervised; /* ends with its supervisor */
	bool below_init; /* PID 1 is our parent */
};
extern struct init init;

/* main.c: failing, talking */
void doing(const char *what, const char *object, const char *joint, const char *object2);
noreturn void fail(const char *call, long error);
/* Fails where @result is an error; else passes it on. */
long must(long result, const char *call);
void report_fd(enum wire_report_kind kind, int fd);
noreturn void finish(int code);
/* WIRE_FD_SOCKET, until the program's own descriptors get that number. */
extern int report_socket;
/* All of @size from the socket, or the end of this program: the end of file is the owner's death. */
void read_socket(void *to, size_t size);
/* Takes the steps of a plan, the last of which becomes the program. */
noreturn void carry_out(void *plan, size_t size);

/* text.c: what a libc would have. The compiler calls the first three by itself. */
void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t text_length(const char *s);
bool text_equal(const char *a, const char *b);
bool text_starts(const char *s, const char *prefix);
const char *text_find(const char *s, char c); /* or its end */
/* Decimal up to UINT32_MAX - 1, the whole of @s. */
bool text_number(const char *s, uint32_t *out);
/* Appends as much as fits, always terminated; returns the new end. */
char *text_add(char *at, const char *end, const char *s);
char *text_add_number(char *at, const char *end, uint64_t number);

/* hooks.c: why a hook did not do its part */
struct hook_problem {
	const char *text, *call;
	long error; /* 0: the text says it all */
};
/* Runs the hook of a WIRE_HOOK to its end: NULL, or what is wrong. */
const struct hook_problem *hook_run(const struct plan *plan, const struct wire_step *step, int pid);

/* files.c: a tmpfs that is mounted nowhere yet; @size NULL: half of the memory. */
int tmpfs_make(const char *size, const char *option, const char *value, unsigned int attrs);

/* root.c: paths inside the new root */
int root_open(const char *path, int flags); /* fd or -errno; links lead to places inside the root only */
/* The place to mount something on, made (a directory or an empty file) where it is missing. */
int root_target(const char *path, bool directory);
/* The directory that holds @path (borrowed, cached) and where its last name begins. */
int root_parent(const char *path, const char **name);
void root_parent_forget(void);
unsigned int fd_mode(int fd);
int proc_open(const char *path, int flags); /* in our own procfs, through nothing that is a link or a mount; fd or -errno */

/* userns.c */
int userns_fd(uint64_t slot);
void userns_become_root(void);
void tree_keep(uint64_t index, int mount);
int tree_take(uint64_t index);
void idmap(int mount, uint64_t slot, bool recursive);
void idmap_cover(const char *path, uint64_t slot); /* the mount that shows the ids goes over what is there */
void idmap_mounter(uint64_t uid, uint64_t gid);

/* One for each wire_kind. */
typedef void step_fn(const struct wire_step *step);
step_fn step_go, step_join, step_unshare, step_enter, step_hostname, step_domainname, step_loopback;   /* namespaces.c */
step_fn step_cgroup_join;
step_fn step_propagation, step_overlay, step_root_bind, step_root_read_only, step_pivot, step_make_dir; /* root.c */
step_fn step_root_attach, step_root_clone;
step_fn step_later;                                                                                      /* later.c */
step_fn step_mount, step_bind, step_tree, step_unmount, step_cgroup, step_read_only, step_mask;                        /* mounts.c */
step_fn step_userns;                                                                                     /* userns.c */
step_fn step_file;                                                                                       /* files.c */
step_fn step_device, step_dev_links, step_terminal;                                                      /* devices.c */
step_fn step_user;                                                                                       /* identity.c */
step_fn step_sysctl, step_oom_score, step_rlimit, step_credentials, step_seccomp;                        /* limits.c */
step_fn step_ready, step_hook, step_fds;                                                                  /* hooks.c, program.c */
step_fn step_scheduler, step_io_priority, step_memory_policy, step_affinity;                             /* scheduling.c */
step_fn step_netlink;                                                                                    /* netlink.c */
step_fn step_chdir, step_session, step_exec;                                                             /* program.c */
step_fn step_init;                                                                                       /* supervise.c */
step_fn step_trace;                                                                                      /* times.c */
void times_note(uint32_t kind); /* a step begins */
/* scratch.c: an overlay of @below, which is closed, with changes in the directory @place; mounted nowhere yet */
int scratch_make(const struct wire_step *step, const char *place, int below);
void tree_clear(int dir); /* removes all that is in it */
step_fn step_chown, step_remove;                                                                         /* trees.c */
step_fn step_tether;                                                                                     /* tether.c */
step_fn step_socket;                                                                                     /* sockets.c */
step_fn step_deputy;                                                                                     /* deputy.c */
step_fn step_holder;                                                                                     /* holder.c */

/*
 * netlink.c: fills in and sends a struct wire_batch, which it changes, by a socket of NETLINK_ROUTE and in its namespace: 0, or -errno
 * and @what was being done.
 */
struct wire_patch_values;
long netlink_send(void *bytes, size_t size, int socket, const struct wire_patch_values *values, const char **what);

/* names-sockets.c */
step_fn step_names;
void names_load(void);   /* for the run to come, by the supervisor */
void names_unload(void); /* it has begun */
void names_pass(void);   /* in the run: to where its descriptor stays */

/* shed.c: from now on it has no capability, and only those @n calls (64 at most); another one kills it. */
void shed_all_but(const uint16_t *calls, unsigned int n);

/*
 * usernet.c: the way out of the network namespace @netns, which belongs to the user namespace @user_fd (or that of the process of which it
 * is a pidfd), until the process @pidfd ends. @ports: as WIRE_TETHER_USERNET says.
 */
noreturn void usernet_main(char **ports, int user_fd, int pidfd, int netns);
noreturn void names_main(void); /* names.c */
noreturn void guard_main(void); /* supervise.c */
void keep_main(bool orphan);    /* keep.c: returns in the process that carries out the plan */
noreturn void supervisor_main(char **argv);
