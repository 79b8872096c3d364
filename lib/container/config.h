/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a scow_container_config holds: the user's wishes only, before the image's settings are merged in.
 * Values are checked and brought into one form when they are set: paths are clean, capabilities "CAP_X", bind options in a
 * fixed order. The first bad value is kept in @error and named by the setter (or the JSON field) that got it.
 */
#pragma once

#include <scow/container.h>
#include <scow/hook.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "container/scheduling.h"
#include "image/manifest.h"
#include "network/endpoint-config.h"
#include "network/port-spec.h"
#include "runtime/spec.h"

DEFINE_CLEANUP(scow_container_config *, scow_container_config_unref)

#define CONFIG_NAMESPACES 7                  /* kinds in scow_namespace */
#define CONFIG_NUMBER_MAX (INT64_C(1) << 53) /* what a JSON number carries exactly */
#define CONFIG_HOST_GATEWAY "host-gateway"      /* an added host that is the host itself */
#define CONFIG_MEMORY_MIN (UINT64_C(6) << 20)

struct config_pair {
	const char *name, *value; /* env: value NULL removes the image's */
};
enum config_mount_kind { MOUNT_BIND, MOUNT_TMPFS, MOUNT_VOLUME, MOUNT_IMAGE }; /* also in rows */
/* What only matters when the volume is made. */
struct config_volume {
	const char *driver; /* NULL: as the container's */
	struct config_pair *labels; size_t n_labels;
	struct config_pair *options; size_t n_options;
};
struct config_mount {
	enum config_mount_kind kind;
	const char *source, *target, *options; /* options NULL: the defaults. source of a volume: its name, NULL for an anonymous one */
	const char *subpath;                   /* of a volume or an image; plain, or NULL */
	bool no_copy;
	struct config_volume volume;
};
struct config_volumes_from {
	const char *container;
	bool read_only;
};
struct config_device {
	const char *source, *target, *access; /* target and access are always set */
};
struct config_ulimit {
	int resource;
	int64_t soft, hard; /* -1: unlimited */
};
struct config_io_limit {
	scow_io_limit kind;
	const char *device;
	uint64_t rate;
};

struct config_device_request {
	bool is_cdi;          /* @ids are "vendor.com/class=name"; else they are GPUs' */
	int count;            /* GPUs; -1: all */
	const char **ids; size_t n_ids;
	const char **capabilities; size_t n_capabilities;
};
struct config_io_weight {
	const char *device;
	unsigned int weight;
};
struct config_hugepages {
	const char *page_size; /* "2MB" */
	uint64_t bytes;
};
struct config_rdma {
	const char *device;
	int64_t handles, objects; /* -1: no limit */
};

struct config_endpoint {
	const char *network;
	struct endpoint_settings settings;
};

struct scow_container_config {
	struct arena arena;
	scow_error *error;             /* the first bad value */
	const char *field;             /* while a JSON document is read: the path of the field, for errors in place of the setter's name */
	const char *name, *workdir, *user, *hostname, *domainname, *stop_signal, *cgroup_parent, *seccomp, *cpuset_cpus, *cpuset_mems;
	char **command; size_t n_command; bool has_command;
	char **entrypoint; size_t n_entrypoint; bool has_entrypoint; /* { "" }: the image's is reset */
	struct config_pair *env; size_t n_env;
	struct config_pair *labels; size_t n_labels;
	struct config_pair *sysctls; size_t n_sysctls;
	struct config_pair *storage; size_t n_storage;         /* storage.h */
	struct config_endpoint *endpoints; size_t n_endpoints; /* config-network.c */
	const char **links; size_t n_links; /* while a document is read: of its HostConfig, for the first network */
	struct port_spec *ports; size_t n_ports;               /* published, by container port; config-ports.c */
	struct port_range *exposed; size_t n_exposed;
	bool publish_all;
	const char **dns; size_t n_dns;           /* addresses */
	const char **dns_search; size_t n_dns_search;
	const char **dns_options; size_t n_dns_options;
	struct config_pair *extra_hosts; size_t n_extra_hosts; /* name, address or CONFIG_HOST_GATEWAY; a name may have several */
	struct config_pair *annotations; size_t n_annotations; /* metadata for hooks */
	const char **groups; size_t n_groups;
	const char **cap_add; size_t n_cap_add;   /* "CAP_NET_ADMIN" or "ALL" */
	const char **cap_drop; size_t n_cap_drop;
	struct config_mount *mounts; size_t n_mounts;
	struct config_volumes_from *volumes_from; size_t n_volumes_from;
	const char *volume_driver;                /* of volumes that are made for it; NULL: "local" */
	struct config_device *devices; size_t n_devices;
	const char **device_rules; size_t n_device_rules;
	struct config_device_request *device_requests; size_t n_device_requests;
	struct config_ulimit *ulimits; size_t n_ulimits;
	struct spec_hook *hooks; size_t n_hooks; /* in the order in which they were added */
	scow_hook_fn hook; void *hook_data;      /* not stored */
	struct config_io_limit *io_limits; size_t n_io_limits;
	struct config_io_weight *io_weights; size_t n_io_weights;
	struct config_hugepages *hugepages; size_t n_hugepages;
	struct config_rdma *rdma; size_t n_rdma;
	struct config_pair *cgroup_settings; size_t n_cgroup_settings; /* files of cgroup v2 */
	const char *namespaces[CONFIG_NAMESPACES]; /* by scow_namespace; NULL: default */
	struct id_range *uid_maps, *gid_maps;      /* of its user namespace; without @gid_maps the groups are mapped as the users */
	size_t n_uid_maps, n_gid_maps;
	bool ephemeral, tty, open_stdin, stdin_once, init, read_only, no_new_privileges, unmasked_paths, privileged;
	int stop_timeout_ms; bool has_stop_timeout;
	uint64_t shm_bytes, memory_bytes, memory_reservation_bytes, cpu_millis, cpu_shares;
	uint64_t cpu_period_us, cpu_rt_period_us, cpu_rt_runtime_us;
	int64_t cpu_quota_us; /* -1: no limit */
	int64_t memory_swap_bytes; bool has_memory_swap;
	unsigned int memory_swappiness; bool has_memory_swappiness;
	bool oom_kill_disable;
	struct config_scheduler scheduler;
	struct config_memory_policy memory_policy;
	const char *io_class; unsigned int io_level; /* class NULL: none was asked for */
	const char *exec_cpus, *rdt_class;
	int64_t pids_max; bool has_pids_max;
	unsigned int io_weight;
	int oom_score_adj; bool has_oom_score_adj;
	scow_restart restart; bool has_restart; /* has: also for SCOW_RESTART_NO, which update() must see */
	unsigned int restart_retries;           /* with SCOW_RESTART_ON_FAILURE; 0: no limit */
	struct health health;                   /* the user's part */
	const char *log_driver;                 /* NULL: "json-file" */
	struct config_pair *log_options; size_t n_log_options;
};

/* The log's options, read. */
struct log_settings {
	bool none;
	uint64_t max_bytes;     /* of one file; 0: no limit */
	unsigned int max_files; /* 1 or more */
	bool compress;          /* the older ones */
	bool non_blocking;      /* a full disk loses entries, and does not hold the program up */
	const char *labels, *env, *tag; /* as given; or NULL */
};
const char *restart_name(scow_restart policy); /* "unless-stopped" */
void config_log_settings(const scow_container_config *config, struct log_settings *out);

/*
 * What create calls first: the kept error, want of memory, and what only shows when all is set (swap without memory, more CPUs than
 * this host has). Returns 0 or a status.
 */
int config_check(const scow_container_config *config, scow_error **error) _must_check_;
/* The same without the look at this host: for a config that was stored. */
int config_check_stored(const scow_container_config *config, scow_error **error) _must_check_;

/* Their part that is about detached containers, config-detached.c. */
int config_check_detached(const scow_container_config *config, scow_error **error) _must_check_;

#define CONFIG_HOOK_STAGES 6
/* As OCI writes it; NULL past the last. */
const char *hook_stage_name(unsigned int stage);

/* Keeps the first bad value's reason; @setter is a public setter's full name. */
void config_refuse(scow_container_config *config, scow_status status, const char *setter, const char *format, ...) _printf_(4, 5);
/* For a parser's error: its message under the setter's name. Drops @error. */
void config_refuse_error(scow_container_config *config, const char *setter, scow_error **error);
/* Sets or replaces a pair. */
void config_put_pair(scow_container_config *config, struct config_pair **pairs, size_t *count, const char *name, const char *value);

/* "SIGTERM", "term", "15": its number, or -1. */
int signal_parse(const char *text);
