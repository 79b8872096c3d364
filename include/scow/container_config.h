/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Containers described: everything that `docker run` has a flag for.
 *
 * Setters return nothing and copy what they are given; the first bad value (or want of memory) is kept, and
 * scow_container_create() reports it by the setter's name.
 *
 * Threads: a config is used by one thread at a time, and may serve for any number of containers.
 */
#ifndef SCOW_CONTAINER_CONFIG_H
#define SCOW_CONTAINER_CONFIG_H

#include <stdint.h>

#include <scow/network.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct scow_container_config scow_container_config;

/** scow_container_config_new() - Docker's defaults. Returns: owned, or NULL without memory. Since: 0.1. */
SCOW_API scow_container_config *scow_container_config_new(void);

/** scow_container_config_unref() - free it; NULL is allowed. Returns: NULL. Since: 0.1. */
SCOW_API scow_container_config *scow_container_config_unref(scow_container_config *config);

/** scow_container_config_set_name() - "[a-zA-Z0-9][a-zA-Z0-9_.-]+"; without it one is made up. Since: 0.1. */
SCOW_API void scow_container_config_set_name(scow_container_config *config, const char *name);

/** scow_container_config_set_ephemeral() - 1: it is removed when it exits or its last handle goes (`--rm`). Since: 0.1. */
SCOW_API void scow_container_config_set_ephemeral(scow_container_config *config, int ephemeral);

/** scow_container_config_set_command() - its arguments, NULL-terminated, in place of the image's CMD. Since: 0.1. */
SCOW_API void scow_container_config_set_command(scow_container_config *config, const char *const *command);

/** scow_container_config_set_entrypoint() - in place of the image's ENTRYPOINT, whose CMD then goes too; { "", NULL } resets it. Since: 0.1. */
SCOW_API void scow_container_config_set_entrypoint(scow_container_config *config, const char *const *entrypoint);

/** scow_container_config_set_env() - one variable; @value NULL removes the image's. Since: 0.1. */
SCOW_API void scow_container_config_set_env(scow_container_config *config, const char *name, const char *value);

/** scow_container_config_set_workdir() - absolute, made if missing. Since: 0.1. */
SCOW_API void scow_container_config_set_workdir(scow_container_config *config, const char *path);

/** scow_container_config_set_user() - "name", "uid", "user:group", ":group" (root in that group); resolved in the container's own passwd and group. Since: 0.1. */
SCOW_API void scow_container_config_set_user(scow_container_config *config, const char *user);

/** scow_container_config_add_group() - a supplementary group, by name or number (`--group-add`). Since: 0.1. */
SCOW_API void scow_container_config_add_group(scow_container_config *config, const char *group);

/** scow_container_config_set_hostname() - default: the first 12 digits of its id. Since: 0.1. */
SCOW_API void scow_container_config_set_hostname(scow_container_config *config, const char *hostname);

/** scow_container_config_set_domainname() - the NIS domain name. Since: 0.1. See: setdomainname(2). */
SCOW_API void scow_container_config_set_domainname(scow_container_config *config, const char *domainname);

/**
 * scow_container_config_add_network() - a network that it is on, by name or id; any number
 * @network:  also "none" (only `lo`), "host", "container:NAME"; then there can be no other. NULL: "bridge"
 * @endpoint: what is asked for there, copied; NULL for the next free address and nothing else
 *
 * The first one is its way out, unless another's gateway priority is higher. Default: "bridge" for root; for a plain user "pasta" where
 * it can be had, else slirp4netns where no port is published, else "usernet" (SCOW_LOG_INFO says why). He can also ask for "pasta",
 * "pasta:OPTION,VALUE,..." or "usernet", alone: his own connections, by the program pasta(1), or without any.
 * Since: 0.1.  See: pasta(1).
 */
SCOW_API void scow_container_config_add_network(scow_container_config *config, const char *network, const scow_endpoint_config *endpoint);

/** scow_container_config_add_dns() - a DNS server's address, in place of the host's; any number. Since: 0.1. See: resolv.conf(5). */
SCOW_API void scow_container_config_add_dns(scow_container_config *config, const char *address);

/** scow_container_config_add_dns_search() - a domain to complete short names with, in place of the host's; "." for none. Since: 0.1. */
SCOW_API void scow_container_config_add_dns_search(scow_container_config *config, const char *domain);

/** scow_container_config_add_dns_option() - an option of resolv.conf, as "ndots:2", in place of the host's. Since: 0.1. */
SCOW_API void scow_container_config_add_dns_option(scow_container_config *config, const char *option);

/** scow_container_config_add_host() - a line of /etc/hosts; @address: an IP, or "host-gateway" for the host's own. Since: 0.1. */
SCOW_API void scow_container_config_add_host(scow_container_config *config, const char *name, const char *address);

/**
 * scow_container_config_publish() - a port of the container that is reached at one of the host
 * @port: as in `docker run -p`: "8080:80", "127.0.0.1:8080:80/udp", "[::1]::80", "8000-8010:80", "8000-8002:80-82", "80"
 *
 * Any number. Without a port of the host: any free one. Without an address: all of the host's, of the families that the container has.
 * Since: 0.1.  See: docker-run(1).
 */
SCOW_API void scow_container_config_publish(scow_container_config *config, const char *port);

/** scow_container_config_expose() - a port that it serves, "80/tcp", "8000-8010": metadata, and published with the next. Since: 0.1. */
SCOW_API void scow_container_config_expose(scow_container_config *config, const char *port);

/** scow_container_config_set_publish_all() - 1: what it and its image expose is published, each on any free port. Since: 0.1. */
SCOW_API void scow_container_config_set_publish_all(scow_container_config *config, int publish_all);

/** scow_container_config_add_label() - metadata; a label of the image by the same name is overridden. Since: 0.1. */
SCOW_API void scow_container_config_add_label(scow_container_config *config, const char *name, const char *value);

/** scow_container_config_add_annotation() - metadata for others than the engine: hooks are told it (hook.h). Since: 0.1. */
SCOW_API void scow_container_config_add_annotation(scow_container_config *config, const char *name, const char *value);

/** scow_container_config_set_tty() - 1: it gets a terminal of its own. Since: 0.1. */
SCOW_API void scow_container_config_set_tty(scow_container_config *config, int tty);

/** scow_container_config_set_open_stdin() - 1: stdin stays open for scow_process_write() (`-i`). Since: 0.1. */
SCOW_API void scow_container_config_set_open_stdin(scow_container_config *config, int open);

/**
 * scow_container_config_set_stdin_once() - 1: with an open stdin and no terminal, a detached one's is closed when the first who has
 * attached with SCOW_ATTACH_STDIN leaves; else it stays open for the next. Since: 0.1.
 */
SCOW_API void scow_container_config_set_stdin_once(scow_container_config *config, int once);

/** scow_container_config_set_stop_signal() - "SIGTERM", "TERM" or "15": what stop sends first. Since: 0.1. */
SCOW_API void scow_container_config_set_stop_signal(scow_container_config *config, const char *signal);

/** scow_container_config_set_stop_timeout_ms() - how long stop waits before SIGKILL; default 10000, -1 for ever. Since: 0.1. */
SCOW_API void scow_container_config_set_stop_timeout_ms(scow_container_config *config, int timeout_ms);

/** scow_container_config_set_init() - 1: PID 1 is a small init that reaps orphans and forwards signals. Since: 0.1. */
SCOW_API void scow_container_config_set_init(scow_container_config *config, int init);

/* ---- what happens while nobody watches: for containers that are started detached ---- */

typedef enum scow_restart { SCOW_RESTART_NO = 0, SCOW_RESTART_ON_FAILURE = 1, SCOW_RESTART_ALWAYS = 2, SCOW_RESTART_UNLESS_STOPPED = 3 } scow_restart;

/** scow_container_config_set_restart() - @max_retries: for SCOW_RESTART_ON_FAILURE, 0 for no limit. Not with an ephemeral one. Since: 0.1. */
SCOW_API void scow_container_config_set_restart(scow_container_config *config, scow_restart policy, unsigned int max_retries);

/**
 * scow_container_config_set_health() - a command that tells whether it is well, in place of the image's HEALTHCHECK
 * @test: { "CMD", "program", ... }, { "CMD-SHELL", "script" } or { "NONE" }, NULL-terminated; NULL keeps the image's test
 * @interval_ms, @timeout_ms, @start_period_ms, @start_interval_ms, @retries: 0 keeps the image's, or Docker's default
 * Since: 0.1.
 */
SCOW_API void scow_container_config_set_health(scow_container_config *config, const char *const *test, unsigned int interval_ms,
					       unsigned int timeout_ms, unsigned int start_period_ms, unsigned int start_interval_ms,
					       unsigned int retries);

/** scow_container_config_set_log_driver() - "json-file" (the default) or "none". Since: 0.1. */
SCOW_API void scow_container_config_set_log_driver(scow_container_config *config, const char *driver);

/** scow_container_config_add_log_option() - json-file: "max-size" ("10m"), "max-file", "compress". Since: 0.1. */
SCOW_API void scow_container_config_add_log_option(scow_container_config *config, const char *name, const char *value);

/* ---- file systems ---- */

/** scow_container_config_set_read_only() - 1: its root cannot be written. Since: 0.1. */
SCOW_API void scow_container_config_set_read_only(scow_container_config *config, int read_only);

/** scow_container_config_add_tmpfs() - @options as "size=64m,mode=1777,exec"; NULL for noexec,nosuid,nodev. Since: 0.1. */
SCOW_API void scow_container_config_add_tmpfs(scow_container_config *config, const char *target, const char *options);

/**
 * scow_container_config_add_bind() - a file or directory of the host
 * @source:  absolute; must exist, unless @options has "create" (then a directory is made, as `-v` does)
 * @target:  absolute in the container; made if missing
 * @options: comma-separated: ro, rw, rprivate|private|rshared|shared|rslave|slave, bind-nonrecursive,
 *           ro-nonrecursive, noexec, nosuid, nodev, create, z, Z, idmap (files have the ids of the container's user
 *           namespace), U (and what the owner of the source owns is the container's user's), O (a directory: what the container
 *           changes is its own, and thrown away with each run; with none of ro, U, idmap and propagations). NULL for rw,rprivate.
 *           ro is recursive.
 * Since: 0.1.  See: mount_setattr(2).
 */
SCOW_API void scow_container_config_add_bind(scow_container_config *config, const char *source, const char *target, const char *options);

/**
 * scow_container_config_add_volume() - a volume, which is made by create where there is none of that name
 * @name:    NULL: an anonymous one of its own, which goes with the container if that is ephemeral or removed with SCOW_REMOVE_VOLUMES
 * @target:  absolute in the container; made if missing
 * @options: as of a bind, without create and *nonrecursive, and: nocopy (an empty one does not take what the image has there),
 *           subpath=a/b (that part of it, which must be there). NULL for rw.
 * Since: 0.1.
 */
SCOW_API void scow_container_config_add_volume(scow_container_config *config, const char *name, const char *target, const char *options);

/** scow_container_config_add_volumes_from() - "NAME[:ro]": binds and volumes of another container, where nothing else is mounted. Since: 0.1. */
SCOW_API void scow_container_config_add_volumes_from(scow_container_config *config, const char *container);

/** scow_container_config_add_image_mount() - an image's files, read-only; it cannot be removed meanwhile. @options: NULL, or "subpath=a/b". Since: 0.1. */
SCOW_API void scow_container_config_add_image_mount(scow_container_config *config, const char *reference, const char *target,
						    const char *options);

/** scow_container_config_set_volume_driver() - of the volumes that create makes, where they do not name one. NULL: "local". Since: 0.1. */
SCOW_API void scow_container_config_set_volume_driver(scow_container_config *config, const char *driver);

/**
 * scow_container_config_add_mount() - any of them, as `docker run --mount` writes it
 * @text: "type=bind,source=/a,target=/b,readonly,bind-propagation=rslave", "type=volume,src=data,dst=/data,volume-subpath=a",
 *        "type=tmpfs,dst=/t,tmpfs-size=64m", "type=image,src=busybox,dst=/b". "overlay" is the option O. A value with a comma is quoted, as in CSV.
 * Since: 0.1.
 */
SCOW_API void scow_container_config_add_mount(scow_container_config *config, const char *text);

/** scow_container_config_add_volume_spec() - as `docker run -v`: "/host:/target[:options]" (made if missing), "name:/target", "/target". Since: 0.1. */
SCOW_API void scow_container_config_add_volume_spec(scow_container_config *config, const char *text);

/** scow_container_config_set_shm_bytes() - size of /dev/shm; default 64 MiB. Since: 0.1. */
SCOW_API void scow_container_config_set_shm_bytes(scow_container_config *config, uint64_t bytes);

/* ---- resources: a limit that cannot be applied makes the start fail; it is never dropped ---- */

/** scow_container_config_set_memory_bytes() - hard limit; swap is limited to as much again unless set. Since: 0.1. */
SCOW_API void scow_container_config_set_memory_bytes(scow_container_config *config, uint64_t bytes);

/** scow_container_config_set_memory_swap_bytes() - memory and swap together; -1 for no limit. Since: 0.1. */
SCOW_API void scow_container_config_set_memory_swap_bytes(scow_container_config *config, int64_t bytes);

/** scow_container_config_set_memory_reservation_bytes() - soft limit. Since: 0.1. */
SCOW_API void scow_container_config_set_memory_reservation_bytes(scow_container_config *config, uint64_t bytes);

/** scow_container_config_set_memory_swappiness() - 0 to 100: how readily it is swapped out; -1 for the host's. cgroup v1 only. Since: 0.1. */
SCOW_API void scow_container_config_set_memory_swappiness(scow_container_config *config, int percent);

/** scow_container_config_set_oom_kill_disable() - 1: at its memory limit it waits, and is not killed. cgroup v1 only. Since: 0.1. */
SCOW_API void scow_container_config_set_oom_kill_disable(scow_container_config *config, int disable);

/** scow_container_config_set_cpu_millis() - thousandths of a CPU: 1500 is `--cpus 1.5`. Since: 0.1. */
SCOW_API void scow_container_config_set_cpu_millis(scow_container_config *config, uint64_t millis);

/**
 * scow_container_config_set_cpu_quota() - CPU time of each period, where thousandths of a CPU will not do; not with set_cpu_millis()
 * @quota_us:  1000 or more; -1 for no limit, 0 for the default
 * @period_us: 1000 to 1000000; 0 for the default of 100000
 * Since: 0.1.
 */
SCOW_API void scow_container_config_set_cpu_quota(scow_container_config *config, int64_t quota_us, uint64_t period_us);

/** scow_container_config_set_cpu_realtime() - time that real-time policies may take of each period; 0 for the default. cgroup v1 only. Since: 0.1. */
SCOW_API void scow_container_config_set_cpu_realtime(scow_container_config *config, uint64_t runtime_us, uint64_t period_us);

/** scow_container_config_set_cpu_shares() - relative weight, 2 to 262144; 1024 is the usual one. Since: 0.1. */
SCOW_API void scow_container_config_set_cpu_shares(scow_container_config *config, uint64_t shares);

/** scow_container_config_set_cpuset() - the CPUs and memory nodes it may use, as "0-2,4"; either may be NULL. Since: 0.1. */
SCOW_API void scow_container_config_set_cpuset(scow_container_config *config, const char *cpus, const char *memory_nodes);

/** scow_container_config_set_pids_max() - how many processes and threads; -1 for no limit. Since: 0.1. */
SCOW_API void scow_container_config_set_pids_max(scow_container_config *config, int64_t pids);

/** scow_container_config_set_io_weight() - 10 to 1000; 0 for the default. Since: 0.1. */
SCOW_API void scow_container_config_set_io_weight(scow_container_config *config, unsigned int weight);

/** scow_container_config_add_io_weight() - the same for one block device of the host. Since: 0.1. */
SCOW_API void scow_container_config_add_io_weight(scow_container_config *config, const char *device, unsigned int weight);

/** scow_container_config_add_hugepage_limit() - @page_size: "2MB", "1GB". Since: 0.1. See: the kernel's hugetlb controller. */
SCOW_API void scow_container_config_add_hugepage_limit(scow_container_config *config, const char *page_size, uint64_t bytes);

/** scow_container_config_add_rdma_limit() - @device: "mlx5_0"; -1 for no limit. Since: 0.1. See: the kernel's rdma controller. */
SCOW_API void scow_container_config_add_rdma_limit(scow_container_config *config, const char *device, int64_t handles, int64_t objects);

/**
 * scow_container_config_set_cgroup_setting() - a file of a cgroup v2 controller, by its name
 * @file:  "memory.high", "memory.oom.group", "misc.max"; of the memory, pids, cpu, io, cpuset, hugetlb, rdma and misc controllers
 *
 * Written after all other limits. On a host whose controllers are of cgroup v1 the start fails with SCOW_E_UNSUPPORTED.
 * Since: 0.1.  See: the kernel's admin-guide/cgroup-v2.
 */
SCOW_API void scow_container_config_set_cgroup_setting(scow_container_config *config, const char *file, const char *value);

typedef enum scow_io_limit { SCOW_IO_READ_BPS = 0, SCOW_IO_WRITE_BPS = 1, SCOW_IO_READ_IOPS = 2, SCOW_IO_WRITE_IOPS = 3 } scow_io_limit;

/** scow_container_config_add_io_limit() - @device: a block device of the host; @rate: bytes or operations a second. Since: 0.1. */
SCOW_API void scow_container_config_add_io_limit(scow_container_config *config, scow_io_limit kind, const char *device, uint64_t rate);

/** scow_container_config_add_ulimit() - @name: "nofile", "nproc", ...; -1 for unlimited. Since: 0.1. See: setrlimit(2). */
SCOW_API void scow_container_config_add_ulimit(scow_container_config *config, const char *name, int64_t soft, int64_t hard);

/** scow_container_config_set_oom_score_adj() - -1000 to 1000; 0: as the caller's. Since: 0.1. See: proc(5). */
SCOW_API void scow_container_config_set_oom_score_adj(scow_container_config *config, int score);

/**
 * scow_container_config_set_scheduler() - policy of its program, and of those that are executed in it
 * @policy:   "other", "batch", "idle", "fifo" or "rr", also as "SCHED_FIFO"; NULL for the caller's
 * @nice:     -20 to 19, for other and batch
 * @priority: 1 to 99, for fifo and rr; else 0
 * @flags:    comma-separated: reset-on-fork, keep-policy, keep-params; NULL for none
 * Since: 0.1.  See: sched_setattr(2).
 */
SCOW_API void scow_container_config_set_scheduler(scow_container_config *config, const char *policy, int nice, unsigned int priority,
						  const char *flags);

/** scow_container_config_set_scheduler_deadline() - the policy SCHED_DEADLINE; @flags: also reclaim, dl-overrun. Since: 0.1. See: sched(7). */
SCOW_API void scow_container_config_set_scheduler_deadline(scow_container_config *config, uint64_t runtime_ns, uint64_t deadline_ns,
							   uint64_t period_ns, const char *flags);

/** scow_container_config_set_io_priority() - @io_class: "rt", "be" or "idle", NULL for the caller's; @level: 0 (first) to 7. Since: 0.1. See: ioprio_set(2). */
SCOW_API void scow_container_config_set_io_priority(scow_container_config *config, const char *io_class, unsigned int level);

/**
 * scow_container_config_set_memory_policy() - which memory nodes it is given memory of
 * @mode:  "default", "preferred", "bind", "interleave", "local", "preferred-many", "weighted-interleave", also as "MPOL_BIND"; NULL
 *         for the caller's
 * @nodes: "0-1"; NULL where the mode takes none
 * @flags: comma-separated: static-nodes, relative-nodes, numa-balancing; NULL for none
 * Since: 0.1.  See: set_mempolicy(2).
 */
SCOW_API void scow_container_config_set_memory_policy(scow_container_config *config, const char *mode, const char *nodes,
						      const char *flags);

/** scow_container_config_set_exec_cpus() - CPUs on which programs executed in it begin, as "0-2,4"; they may leave them. NULL for any. Since: 0.1. */
SCOW_API void scow_container_config_set_exec_cpus(scow_container_config *config, const char *cpus);

/** scow_container_config_set_rdt_class() - a class of cache and memory bandwidth, a directory of /sys/fs/resctrl. Since: 0.1. See: the kernel's resctrl. */
SCOW_API void scow_container_config_set_rdt_class(scow_container_config *config, const char *name);

/** scow_container_config_set_cgroup_parent() - cgroup path under which its own is made; default: the caller's own. Since: 0.1. */
SCOW_API void scow_container_config_set_cgroup_parent(scow_container_config *config, const char *path);

/* ---- security ---- */

/** scow_container_config_add_capability() - "NET_ADMIN", "CAP_NET_ADMIN" or "ALL". Since: 0.1. See: capabilities(7). */
SCOW_API void scow_container_config_add_capability(scow_container_config *config, const char *capability);

/** scow_container_config_drop_capability() - the same; drops win over the default set, adds over "ALL" dropped. Since: 0.1. */
SCOW_API void scow_container_config_drop_capability(scow_container_config *config, const char *capability);

/** scow_container_config_set_seccomp() - a profile in Docker's JSON format, "unconfined", or NULL for the default one. Since: 0.1. See: seccomp(2). */
SCOW_API void scow_container_config_set_seccomp(scow_container_config *config, const char *profile);

/** scow_container_config_set_no_new_privileges() - 1: set-uid programs and file capabilities do nothing. Since: 0.1. */
SCOW_API void scow_container_config_set_no_new_privileges(scow_container_config *config, int on);

/** scow_container_config_set_unmasked_paths() - 1: nothing of /proc and /sys is hidden or read-only (`systempaths=unconfined`). Since: 0.1. */
SCOW_API void scow_container_config_set_unmasked_paths(scow_container_config *config, int on);

/** scow_container_config_set_privileged() - 1: all capabilities and devices, no seccomp, no masks. Since: 0.1. */
SCOW_API void scow_container_config_set_privileged(scow_container_config *config, int privileged);

/** scow_container_config_add_device() - a device node of the host; @target NULL: same path; @access "rwm" or less, NULL: all. Since: 0.1. */
SCOW_API void scow_container_config_add_device(scow_container_config *config, const char *source, const char *target, const char *access);

/**
 * scow_container_config_add_cdi_device() - a device by its vendor's name for it
 * @name: "vendor.com/class=name", of a document of the Container Device Interface in the engine's directories
 *
 * Looked up at each start: nodes, mounts, variables and groups that the document lists are the container's. The start
 * returns SCOW_E_NOT_FOUND where no document has it, SCOW_E_INVALID where one cannot be read, and SCOW_E_UNSUPPORTED where
 * it asks for what this version does not do (network devices, resource control, hooks after the end).
 * Since: 0.1.  See: the CDI specification; scow_engine_options_set_cdi_dirs().
 */
SCOW_API void scow_container_config_add_cdi_device(scow_container_config *config, const char *name);

/**
 * scow_container_config_add_gpus() - NVIDIA's GPUs: the CDI devices nvidia.com/gpu=all, =0 to =N-1, or =ID
 * @count:        how many; -1 for all; 0 with @ids
 * @ids:          numbers or UUIDs, NULL-terminated; NULL with @count
 * @capabilities: NULL-terminated, or NULL; only noted: the device's document gives all that it can do
 * Since: 0.1.
 */
SCOW_API void scow_container_config_add_gpus(scow_container_config *config, int count, const char *const *ids,
					     const char *const *capabilities);

/** scow_container_config_add_device_rule() - "c 1:3 rwm", "b 8:* r", as Docker's --device-cgroup-rule. Since: 0.1. */
SCOW_API void scow_container_config_add_device_rule(scow_container_config *config, const char *rule);

/** scow_container_config_set_sysctl() - one of a namespace of its own, as "net.ipv4.ip_forward". Since: 0.1. */
SCOW_API void scow_container_config_set_sysctl(scow_container_config *config, const char *name, const char *value);

/**
 * scow_container_config_set_storage_option() - where what it writes is kept, and how much it may be
 * @name:  "size": bytes, with k, m, g, t or p for units of 1024. On the disk it takes a store on ext4 or XFS with project quotas, and
 *         the container sees ENOSPC (XFS) or EDQUOT (ext4) beyond; or "backing": "disk", or "tmpfs": in memory, of @size or half of it.
 *         With "tmpfs" what it wrote is gone with its process, and each start begins with the image: for throw-away containers,
 *         which start faster so. It counts as the container's memory; copying and exporting work while it runs, commit does not
 * Unknown names: SCOW_E_UNSUPPORTED; so is, at create, what the host cannot do, with what is missing. Since: 0.1.
 */
SCOW_API void scow_container_config_set_storage_option(scow_container_config *config, const char *name, const char *value);

typedef enum scow_namespace {
	SCOW_NAMESPACE_PID = 0, SCOW_NAMESPACE_NETWORK = 1, SCOW_NAMESPACE_IPC = 2, SCOW_NAMESPACE_UTS = 3,
	SCOW_NAMESPACE_CGROUP = 4, SCOW_NAMESPACE_USER = 5, SCOW_NAMESPACE_TIME = 6
} scow_namespace;

/**
 * scow_container_config_set_namespace() - where one of its namespaces comes from
 * @mode: "private" (of its own), "host", "container:NAME" (shared with a running container) or
 *        "path:/proc/..." (an open one). For the network: "none" is a private one with only `lo`;
 *        else the name of a network, which scow_container_config_add_network() says better. For user also "auto" (as "private"), "auto:size=N" and, for a plain user,
 *        "keep-id" or "keep-id:uid=N,gid=N" (his own id is the same, or that, inside).
 *
 * Default: private for all but user (host for root, private for a plain user) and time (host); network: as scow_container_config_add_network() says.
 * A shared ipc namespace has the other's queues and System V segments; /dev/shm stays each container's own, but for "host".
 * Since: 0.1.  See: namespaces(7).
 */
SCOW_API void scow_container_config_set_namespace(scow_container_config *config, scow_namespace kind, const char *mode);

/**
 * scow_container_config_add_uid_map() - ids of its user namespace, which is then "private"
 * @inside:  the first id in the container; one map must begin with 0
 * @outside: the first on the host; for a plain user a position in what he has: 0 himself, from 1 on his range in /etc/subuid
 * @count:   how many
 *
 * Without maps a private user namespace of root's has 65536 ids that no other container has: of the ranges that /etc/subuid and
 * /etc/subgid give to "scow" or "containers", else from 1879048192 on. Without group maps the groups are mapped as the users.
 * Since: 0.1.  See: user_namespaces(7).
 */
SCOW_API void scow_container_config_add_uid_map(scow_container_config *config, uint32_t inside, uint32_t outside, uint32_t count);

/** scow_container_config_add_gid_map() - the same for groups. Since: 0.1. */
SCOW_API void scow_container_config_add_gid_map(scow_container_config *config, uint32_t inside, uint32_t outside, uint32_t count);

/**
 * scow_container_config_from_json() - settings from a document
 * @json: an object with the fields of Docker's container-create request (Hostname, Env, Cmd, HostConfig, ...)
 * @out:  owned
 *
 * Returns: 0, SCOW_E_INVALID (the path of the bad field is in the message), SCOW_E_UNSUPPORTED (a field
 * that this version cannot honour), SCOW_E_NO_MEMORY.  Threads: any.  Since: 0.1.
 */
SCOW_API int scow_container_config_from_json(const char *json, scow_container_config **out, scow_error **error);

/** scow_container_config_to_json() - the reverse. @out: owned, scow_free(). Returns: 0, or the config's kept error. Since: 0.1. */
SCOW_API int scow_container_config_to_json(const scow_container_config *config, char **out, scow_error **error);

#ifdef __cplusplus
}
#endif
#endif
