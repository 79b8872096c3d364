/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The OCI runtime document as a struct: what container/create.c builds, and what an OCI bundle's
 * config.json will be read into. runtime/plan.c compiles it for scow-init. Everything lives in its arena.
 * See: runtime-spec config.md and config-linux.md.
 */
#pragma once

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "engine/facts.h"

enum spec_ns { SPEC_NS_PID, SPEC_NS_NETWORK, SPEC_NS_IPC, SPEC_NS_UTS, SPEC_NS_MOUNT, SPEC_NS_CGROUP, SPEC_NS_USER, SPEC_NS_TIME, SPEC_NS_COUNT };
enum spec_ns_mode { SPEC_NS_HOST, SPEC_NS_NEW, SPEC_NS_JOIN };

struct spec_namespace {
	enum spec_ns_mode mode;
	const char *path; /* JOIN: /proc/PID/ns/KIND or a bind mount of one. NEW, of a user namespace: that in which it is made; or NULL */
};

enum spec_mount_kind {
	SPEC_MOUNT_FS,      /* a new file system of @type with @data, flags MS_* */
	SPEC_MOUNT_BIND,    /* @source of the host */
	SPEC_MOUNT_CGROUP   /* the container's view of the cgroup file systems, per host mode */
};

struct spec_mount {
	enum spec_mount_kind kind;
	const char *type, *source, *target, *data; /* target absolute, inside the root */
	const char *subpath;        /* binds: a part of @source, whose links lead to nowhere outside of it; or NULL */
	char **lowers; size_t n_lowers; /* binds: layers, top first, below spec's layers_fd, in place of @source; read-only */
	const char *scratch;        /* binds: below container_fd, the directory of changes that are thrown away with each run; or NULL */
	uint64_t dev, ino;          /* binds: what @source must be; 0: anything */
	unsigned long flags;        /* MS_RDONLY|MS_NOSUID|MS_NODEV|MS_NOEXEC|MS_REC|MS_NOATIME|... */
	unsigned long propagation;  /* MS_PRIVATE|MS_REC and so on; 0: rprivate */
	bool recursive_read_only;   /* binds: mount_setattr(AT_RECURSIVE, RDONLY) */
	bool create_source;         /* binds: make a directory where nothing is (-v) */
	bool optional;              /* a file system that this kernel or user cannot have is skipped (mqueue) */
	bool idmapped;              /* binds: files show with the ids of the container's user namespace, not the host's */
	struct id_range *uid_map, *gid_map; /* binds: the same with a map of its own: id in the file system, id on the host; or NULL */
	unsigned int n_uid_map, n_gid_map;
};

struct spec_device {
	const char *path;      /* inside */
	char type;             /* 'c' or 'b' */
	unsigned int major, minor;
	mode_t mode;
	uint32_t uid, gid;
	const char *bind_source; /* rootless: bound from the host instead of made */
};

struct spec_device_rule {
	bool allow;
	char type;             /* 'a', 'c', 'b' */
	int64_t major, minor;  /* -1: any */
	bool read, write, mknod;
};

struct spec_rlimit {
	int resource; /* RLIMIT_* */
	uint64_t soft, hard;
	bool best_effort; /* a default that may be cut to what this process can give; else EPERM is an error */
};

struct spec_io_limit {
	unsigned int kind; /* scow_io_limit */
	unsigned int major, minor;
	uint64_t rate;
};

struct spec_io_weight {
	unsigned int major, minor, weight; /* 10 to 1000 */
};

struct spec_hugepage_limit {
	const char *page_size; /* "2MB" */
	uint64_t bytes;
};

struct spec_rdma_limit {
	const char *device;
	int64_t handles, objects; /* -1: no limit */
};

struct spec_cgroup_setting {
	const char *file, *value; /* "memory.high", a file of cgroup v2 */
};

#define SPEC_BITS_MAX 1024
struct spec_bits { /* CPUs or memory nodes */
	uint64_t words[SPEC_BITS_MAX / 64];
};

struct spec_scheduler { /* sched_setattr(2) */
	const char *name;      /* "SCHED_FIFO" */
	uint32_t policy;
	uint64_t flags;
	int nice;
	unsigned int priority;
	uint64_t runtime_ns, deadline_ns, period_ns;
};

struct spec_memory_policy { /* set_mempolicy(2) */
	const char *name, *nodes; /* "MPOL_BIND", "0-1" or NULL */
	uint32_t mode;            /* with flags */
	struct spec_bits bits;
};

/* A field that was not asked for is 0 (or NULL); has_* where 0 means something. */
struct spec_resources {
	uint64_t memory_bytes, memory_reservation_bytes;
	int64_t memory_swap_bytes; bool has_memory_swap; /* memory and swap; -1 unlimited */
	unsigned int memory_swappiness; bool has_memory_swappiness; /* v1 only */
	bool oom_kill_disable;      /* v1 only */
	int64_t cpu_quota_us;       /* -1 unlimited */
	uint64_t cpu_period_us, cpu_shares;
	uint64_t cpu_rt_period_us, cpu_rt_runtime_us; /* v1 only */
	const char *cpuset_cpus, *cpuset_mems;
	int64_t pids_max; bool has_pids_max; /* -1 unlimited */
	unsigned int io_weight;
	struct spec_io_limit *io_limits; size_t n_io_limits;
	struct spec_io_weight *io_weights; size_t n_io_weights;
	struct spec_hugepage_limit *hugepages; size_t n_hugepages;
	struct spec_rdma_limit *rdma; size_t n_rdma;
	struct spec_cgroup_setting *settings; size_t n_settings; /* v2 only, written last */
	struct spec_device_rule *device_rules; size_t n_device_rules; /* in order, last match wins; first is usually deny all */
	bool devices_unrestricted; /* privileged */
};

struct spec_sysctl {
	const char *name, *value; /* "net.ipv4.ip_forward" */
	bool optional;            /* a default of ours: left out where /proc/sys cannot be written */
};

struct spec_file {
	const char *path;      /* absolute, inside; made where missing */
	const char *content;
	size_t size;
	mode_t mode;
};

/* OCI's hooks, runtime/hooks.h. */
struct spec_hook {
	unsigned int stage;      /* enum wire_stage, which are those of scow_hook_stage */
	const char *path;        /* absolute */
	char **args; size_t n_args; /* argv; none: the path alone */
	char **env; size_t n_env;
	unsigned int timeout_ms; /* 0: none */
};
struct spec_hooks {
	const struct spec_hook *items; size_t n; /* in order */
	const char *state;       /* JSON of what they are told, after status and pid: from its first member to the closing brace */
};

/* A descriptor that the program gets besides its streams. */
struct spec_fd {
	int number, fd;          /* inside; ours, borrowed */
};

struct spec {
	struct arena arena;
	const char *id;                    /* container id, for messages */
	const char *hostname, *domainname;

	/* root */
	int layers_fd;                     /* borrowed: directory the lower names are relative to; -1: @root_path */
	char **lowers; size_t n_lowers;    /* top first */
	int container_fd;                  /* borrowed: directory that holds "diff" and "work"; -1: read-only root without an upper */
	bool overlay_volatile;             /* throw-away: no sync at unmount */
	bool overlay_tmpfs;                /* changes are kept in a tmpfs of its own, not in @container_fd, which may be -1 then */
	uint64_t overlay_tmpfs_bytes;      /* 0: the kernel's default */
	const char *root_path;             /* a plain directory, where layers_fd is -1 */
	bool read_only_root;
	unsigned long root_propagation;    /* 0: MS_PRIVATE|MS_REC */

	bool later_mounts;                 /* it has a supervisor, whose runs begin with what was mounted since (WIRE_LATER_NAME) */
	struct spec_mount *mounts; size_t n_mounts; /* in order; the builder has sorted them by depth */
	struct spec_device *devices; size_t n_devices;
	bool default_dev_links;            /* /dev/fd, stdin, stdout, stderr, core, ptmx, console when there is a terminal */
	const char *const *masked_paths; size_t n_masked_paths;
	const char *const *readonly_paths; size_t n_readonly_paths;
	struct spec_sysctl *sysctls; size_t n_sysctls;
	/* /etc/hostname, hosts, resolv.conf: written into a small tmpfs and bound over their paths, read-write (lib/init/files.c). */
	struct spec_file *files; size_t n_files;

	struct spec_namespace namespaces[SPEC_NS_COUNT];
	/*
	 * What its user namespace maps. Root's container: of one that is new or joined; layers and changes have the container's ids on the
	 * disk, and show as these by idmapped mounts. A plain user's: in place of the engine's own map, if there are any.
	 */
	struct id_range *uid_map, *gid_map;
	unsigned int n_uid_map, n_gid_map;

	/* Its interfaces: struct wire_batch, for the inside. */
	bool networked;
	const void *network; size_t network_size; /* NULL: its supervisor has it, and reads it again for each run (WIRE_NETWORK_NAME) */

	/* The record (init/names-wire.h) of one that finds others by name. */
	bool named;
	const void *names; size_t names_size; /* NULL: its supervisor has it, and reads it again for each run (WIRE_NAMES_RECORD_NAME) */
	int names_fd;                         /* borrowed: connected to the responder; only with @names */

	/* process */
	char **args; size_t n_args;        /* NULL-terminated */
	char **env; size_t n_env;          /* "NAME=value"; scow-init adds HOME where it is missing */
	const char *cwd;
	bool make_cwd;                     /* made root:root 0755 where missing */
	const char *user;                  /* "", "name", "uid", "user:group": resolved by scow-init in the root's passwd and group */
	char **groups; size_t n_groups;    /* supplementary, names or numbers */
	bool terminal;
	unsigned int rows, columns;
	uint64_t cap_bounding, cap_ambient;/* for root also permitted and effective; another user gets only ambient. Inheritable is always empty */
	bool no_new_privileges;
	struct spec_rlimit *rlimits; size_t n_rlimits;
	int oom_score_adj; bool has_oom_score_adj;
	const struct spec_scheduler *scheduler;
	const char *io_priority_name; unsigned int io_priority; /* as ioprio_set(2) takes it; name NULL: none */
	const struct spec_memory_policy *memory_policy;
	const char *affinity_name; struct spec_bits affinity;   /* CPUs to begin on; name NULL: none */
	const char *resctrl_tasks;         /* file of the host's that it joins */
	int umask; bool has_umask;
	bool init;                         /* scow-init stays as PID 1: forwards signals, reaps */
	const struct sock_filter *seccomp; size_t n_seccomp; /* BPF, or none */
	unsigned int seccomp_flags;

	struct spec_hooks hooks;
	struct spec_hook *device_hooks; size_t n_device_hooks; /* what devices add to them, container/hooks.h */
	bool waits_ready;                  /* before it leaves the host's file systems it says so (WIRE_READY), and waits */
	const struct spec_fd *fds; size_t n_fds;
	bool listens;                      /* LISTEN_PID, which is in the environment, is to be the program's own */

	const char *cgroup_name;           /* "scow-<id>" */
	const char *cgroup_parent;         /* NULL: the engine's base */
	struct spec_resources resources;
};

void spec_done(struct spec *spec);
/* Docker's default set of mounts, devices, masked and read-only paths: appended to @spec. */
int spec_add_defaults(struct spec *spec, bool rootless, uint64_t shm_bytes, scow_error **error) _must_check_;
