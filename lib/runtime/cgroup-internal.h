/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the cgroup files share. A container's cgroup holds no descriptors while the container runs (a program with 1,000
 * containers has others to spare): it is a path below a directory that the base holds open, in one or more hierarchies.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "runtime/cgroup.h"

enum cgroup_controller {
	CG_MEMORY, CG_PIDS, CG_CPU, CG_CPUACCT, CG_BLKIO, CG_CPUSET, CG_DEVICES, CG_FREEZER, CG_HUGETLB, CG_RDMA, CG_MISC, CG_COUNT
};

#define CG_BIT(controller) (1u << (controller))
/* In v1 a hierarchy with no others than these is used by those who ask for it only: each directory costs. */
#define CG_ON_DEMAND (CG_BIT(CG_CPUSET) | CG_BIT(CG_HUGETLB) | CG_BIT(CG_RDMA) | CG_BIT(CG_MISC))
#define CG_MARK "trusted.scow" /* on a parent that we made, so that whoever empties it knows that it may go */
#define CG_MARK_USER "user.scow" /* the same for a plain user; cgroup v2 only */

struct cgroup_hierarchy {
	unsigned int controllers; /* v1: those mounted here, CG_BIT each. v2: those that the base may hand down */
	char *mount;              /* where it is mounted */
	char *own;                /* where our cgroups are made, below the mount; "" is the mount itself */
	int own_fd;               /* O_PATH of it */
	int root_fd;              /* O_PATH of the mount: parents that a config names begin there */
};

struct cgroup_base {
	enum cgroup_mode mode;
	struct cgroup_hierarchy hierarchies[CG_COUNT]; /* v2: one */
	size_t n_hierarchies;
	char *missing[CG_COUNT]; /* why a controller cannot be used; NULL where it can */
	char *reason;            /* why no cgroup can be made by default at all, or NULL */
	bool rootless;
	uid_t uid;
	pthread_mutex_t lock;
	unsigned int enabled;    /* v2: in subtree_control of the base; under @lock */
};

struct cgroup_dir {
	const struct cgroup_hierarchy *hierarchy;
	int at_fd;   /* borrowed from the hierarchy, or @open_fd */
	int open_fd; /* of a cgroup that was made elsewhere: owned; else -1 */
};

struct cgroup {
	const struct cgroup_base *base;
	char *path;         /* below each at_fd */
	bool named_parent;  /* @path starts at the mount and has parents of the config's */
	char *own;          /* v2, made elsewhere: where it is, below the mount; else NULL */
	struct cgroup_dir dirs[CG_COUNT];
	size_t n_dirs;      /* 0: a cgroup that is nothing */
	int dir_of[CG_COUNT];       /* index into dirs, or -1 */
	int enable_errno[CG_COUNT]; /* v2: why a controller could not be handed down */
	int join_fds[CG_COUNT];
	size_t n_join_fds;
	int into_fd;
};

/* cgroup_base.c */
void cgroup_base_free(struct cgroup_base *base);
const char *cgroup_controller_name(enum cgroup_mode mode, enum cgroup_controller controller);

/* cgroup.c: what the drivers use. Paths are those of the kernel, relative to the cgroup. */
/* Writes a limit; the error names controller, file and reason. */
int cgroup_set(struct cgroup *cgroup, enum cgroup_controller controller, const char *file, const char *value, scow_error **error)
	_must_check_;
int cgroup_set_u64(struct cgroup *cgroup, enum cgroup_controller controller, const char *file, uint64_t value, scow_error **error)
	_must_check_;
/* The same for what may be absent: 0 or -errno, no error made. */
int cgroup_try_set(struct cgroup *cgroup, enum cgroup_controller controller, const char *file, const char *value);
bool cgroup_has_file(const struct cgroup *cgroup, enum cgroup_controller controller, const char *file);
/* SCOW_E_UNSUPPORTED: @controller is needed for @what and cannot be had. */
int cgroup_no_controller(const struct cgroup *cgroup, enum cgroup_controller controller, const char *what, scow_error **error);
/* A file's text into @buf, NUL-terminated; false where it cannot be read. */
bool cgroup_read_text(const struct cgroup *cgroup, enum cgroup_controller controller, const char *file, char *buf, size_t size);
/* A file that holds one number; 0 where it is missing. */
uint64_t cgroup_read_u64(const struct cgroup *cgroup, enum cgroup_controller controller, const char *file);
/* The number after @key at the start of a line of "key value" lines; 0 where it is missing. */
uint64_t cgroup_find_u64(const char *text, const char *key);
/* Waits until @file of @controller's directory has @text in it: 0 or -ETIMEDOUT, -errno. */
int cgroup_await(const struct cgroup *cgroup, enum cgroup_controller controller, const char *file, const char *text, unsigned int wait_ms);

void cgroup_sleep_ms(unsigned int ms);

/* cgroup_location.c: both malloc'ed. The directory of a hierarchy is NULL where the location does not say. */
char *cgroup_location_name(const char *location);
char *cgroup_location_own(const char *location, const struct cgroup_base *base, const struct cgroup_hierarchy *hierarchy);

/* cgroup.c: makes the cgroup's directory in one hierarchy: 0, or 1 where it was there, or -errno. */
int cgroup_make_level(const struct cgroup_dir *dir, const char *path);

/* cgroup_end.c: removes a cgroup and all below it that has no processes. */
void cgroup_remove_tree(int at_fd, const char *path);

/* cgroup_v1.c, cgroup_v2.c */
int cgroup_v1_apply(struct cgroup *cgroup, const struct spec_resources *resources, scow_error **error) _must_check_;
void cgroup_v1_usage(const struct cgroup *cgroup, struct cgroup_usage *out);
int cgroup_v1_freeze(struct cgroup *cgroup, bool frozen, scow_error **error);
/* A new cpuset has no cpus and takes no process: gives the one at @path those of its parent. 0 or -errno. */
int cgroup_v1_fill_cpuset(int at_fd, const char *path);

/* Chooses the cgroup under which ours are made, and finds which controllers it may hand down. */
int cgroup_v2_probe(struct cgroup_base *base, scow_error **error) _must_check_;
int cgroup_v2_apply(struct cgroup *cgroup, const struct spec_resources *resources, scow_error **error) _must_check_;
void cgroup_v2_usage(const struct cgroup *cgroup, struct cgroup_usage *out);
int cgroup_v2_freeze(struct cgroup *cgroup, bool frozen, scow_error **error);
/* The same for a cgroup that has been made: only what @resources needs. */
void cgroup_v2_enable_more(struct cgroup *cgroup, const struct spec_resources *resources);
/* Hands down what @resources needs and, where that is free, what usage is read from. */
void cgroup_v2_enable(struct cgroup *cgroup, const struct spec_resources *resources);

/* cgroup_devices.c */
int cgroup_devices_attach(int cgroup_fd, const struct spec_device_rule *rules, size_t count, scow_error **error) _must_check_;

/* cgroup_limits.c: what v1 and v2 have in common but for the names of files. */
/* The controllers that @resources cannot do without, CG_BIT each; those of device rules excepted. */
unsigned int cgroup_needs(const struct spec_resources *resources);
int cgroup_apply_cpuset(struct cgroup *cgroup, const struct spec_resources *resources, scow_error **error) _must_check_;
/* Weights of i/o, for all devices and for single ones; @file and @device_file may be the same. */
int cgroup_apply_io_weights(struct cgroup *cgroup, const struct spec_resources *resources, const char *file, const char *device_file,
			    bool converted, scow_error **error) _must_check_;
/* All of them, in either version. @is_new: nothing has been set in this cgroup yet. */
int cgroup_apply(struct cgroup *cgroup, const struct spec_resources *resources, bool is_new, scow_error **error) _must_check_;
/* v1's 10 to 1000 as v2's 1 to 10000. */
unsigned int cgroup_io_weight(unsigned int weight);

/* Shared arithmetic (cgroup.c). */
/* The total of memory and swap, or 0: nothing to write, -1: unlimited. @explicit: asked for, not the default of twice the memory. */
int cgroup_swap_total(const struct spec_resources *resources, int64_t *total, bool *is_explicit, scow_error **error) _must_check_;
unsigned int cgroup_weight_of_shares(uint64_t shares);
