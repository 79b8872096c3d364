/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a scow_container_config holds, for create.c: the user's wishes only, before the image's settings are merged in.
 * The first bad value is kept in @error and named by the setter that got it.
 */
#pragma once

#include <scow/container.h>

#include "base/arena.h"
#include "runtime/spec.h"

struct config_pair {
	const char *name, *value; /* env: value NULL removes the image's */
};
struct config_mount {
	bool tmpfs;
	const char *source, *target, *options;
};
struct config_device {
	const char *source, *target, *access;
};
struct config_ulimit {
	int resource;
	int64_t soft, hard;
};
struct config_io_limit {
	scow_io_limit kind;
	const char *device;
	uint64_t rate;
};

struct scow_container_config {
	struct arena arena;
	scow_error *error;             /* the first bad value */
	const char *name, *workdir, *user, *hostname, *domainname, *stop_signal, *cgroup_parent, *seccomp, *cpuset_cpus, *cpuset_mems;
	char **command; size_t n_command; bool has_command;
	char **entrypoint; size_t n_entrypoint; bool has_entrypoint;
	struct config_pair *env; size_t n_env;
	struct config_pair *labels; size_t n_labels;
	struct config_pair *sysctls; size_t n_sysctls;
	const char **groups; size_t n_groups;
	const char **cap_add; size_t n_cap_add;
	const char **cap_drop; size_t n_cap_drop;
	struct config_mount *mounts; size_t n_mounts;
	struct config_device *devices; size_t n_devices;
	const char **device_rules; size_t n_device_rules;
	struct config_ulimit *ulimits; size_t n_ulimits;
	struct config_io_limit *io_limits; size_t n_io_limits;
	const char *namespaces[7];     /* by scow_namespace; NULL: default */
	bool ephemeral, tty, open_stdin, init, read_only, no_new_privileges, unmasked_paths, privileged;
	int stop_timeout_ms; bool has_stop_timeout;
	uint64_t shm_bytes, memory_bytes, memory_reservation_bytes, cpu_millis, cpu_shares;
	int64_t memory_swap_bytes; bool has_memory_swap;
	int64_t pids_max; bool has_pids_max;
	unsigned int io_weight;
	int oom_score_adj; bool has_oom_score_adj;
};

/* "SIGTERM", "term", "15": its number, or -1. */
int signal_parse(const char *text);
