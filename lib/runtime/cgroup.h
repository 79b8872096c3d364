/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One interface over cgroup v1, hybrid and v2. A container's cgroup is a child of the calling process's
 * own (v1: in each hierarchy; v2: of the nearest one that may have children), so that a limit on the
 * host program holds for its containers too; or of the parent that the config names.
 *
 * A limit that was asked for and cannot be applied is an error that names the controller and why.
 */
#pragma once

#include "engine/engine.h"
#include "runtime/spec.h"

enum cgroup_mode { CGROUP_NONE, CGROUP_V1, CGROUP_HYBRID, CGROUP_V2 };

/* What was found on this host; made once per engine. */
struct cgroup_base;
int cgroup_base_get(scow_engine *engine, const struct cgroup_base **out, scow_error **error) _must_check_;
enum cgroup_mode cgroup_base_mode(const struct cgroup_base *base);
/* "memory,cpu,pids" and, for each controller that cannot be used, why: for info. Adds to @object. */
struct cJSON;
int cgroup_base_describe(const struct cgroup_base *base, struct cJSON *object, scow_error **error) _must_check_;

struct cgroup; /* one container's */

/*
 * Makes it with its limits. A rootless engine without delegation gets a cgroup that is nothing (no error) if
 * @resources asks for nothing.
 */
int cgroup_create(scow_engine *engine, const char *parent, const char *name, const struct spec_resources *resources, struct cgroup **out,
		  scow_error **error) _must_check_;
/*
 * Where this engine makes cgroups, and in them @name, as text for a container's row: malloc'ed. The cgroup of another process may be
 * elsewhere, even in the same store.
 */
int cgroup_location(scow_engine *engine, const char *name, char **out, scow_error **error) _must_check_;
/*
 * The same cgroup in a process that did not make it: to kill, read, change or remove. Missing is not an error.
 * @location: from cgroup_location(), or a name alone, which then is looked for where this engine makes its own
 */
int cgroup_open(scow_engine *engine, const char *parent, const char *location, struct cgroup **out, scow_error **error) _must_check_;
void cgroup_free(struct cgroup *cgroup); /* the handle only */
DEFINE_CLEANUP(struct cgroup *, cgroup_free)

int cgroup_into_fd(const struct cgroup *cgroup);                       /* v2: for CLONE_INTO_CGROUP; else -1 */
const int *cgroup_join_fds(const struct cgroup *cgroup, size_t *count); /* v1: tasks files, open for writing */
void cgroup_close_join_fds(struct cgroup *cgroup);                      /* after the spawn */

struct cgroup_usage {
	uint64_t cpu_user_us, cpu_system_us, memory_peak_bytes, pids_peak, io_read_bytes, io_write_bytes, oom_kills;
};
int cgroup_read_usage(struct cgroup *cgroup, struct cgroup_usage *out);
/*
 * Rewrites the limits that @resources names, and no others, of a cgroup that has processes; -1 for no limit of pids or of memory and
 * swap. Device rules stay. After a failure some may be changed.
 */
int cgroup_update(struct cgroup *cgroup, const struct spec_resources *resources, scow_error **error) _must_check_;
/* Adds pids_stats, blkio_stats, cpu_stats and memory_stats as Docker has them. @host_memory: the limit where there is none. */
int cgroup_stats(struct cgroup *cgroup, uint64_t host_memory, struct cJSON *root, scow_error **error) _must_check_;
/* Every process in it and below it, in ascending order: malloc'ed, NULL for none. */
int cgroup_pids(struct cgroup *cgroup, pid_t **out, size_t *count, scow_error **error) _must_check_;
/* Kills every process in it, also those that left PID 1's tree: cgroup.kill, or freeze, kill, thaw. */
int cgroup_kill(struct cgroup *cgroup, scow_error **error);
/* SCOW_E_UNSUPPORTED: nobody can. */
int cgroup_can_freeze(struct cgroup *cgroup, scow_error **error) _must_check_;
int cgroup_freeze(struct cgroup *cgroup, bool frozen, scow_error **error);
/* Removes it; a cgroup that is still busy is retried for up to a second. Missing is success. */
int cgroup_remove(struct cgroup *cgroup, scow_error **error);
/* Whether @file ("memory.high") is a setting of a cgroup v2 controller that may be written for a container. */
bool cgroup_is_setting(const char *file);
/* For SPEC_MOUNT_CGROUP and the cgroup namespace: nothing more is needed than the mode. */
