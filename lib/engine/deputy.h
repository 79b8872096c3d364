/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * File system calls with the rights of a container's root.
 *
 * A plain user may not read or write what mapped ids own; root of his user namespace may. So a deputy (init/deputy.c) sits in that
 * namespace, and carries out one call after the other on descriptors that it is given. What it opens, it hands over: reading, writing
 * and listing are done here. Everywhere else the call is made here: DEPUTY_SELF.
 *
 * Ids are those of the deputy's user namespace. One thread at a time.
 */
#pragma once

#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "engine/job.h"

struct deputy;
#define DEPUTY_SELF ((struct deputy *) NULL)

/*
 * Has @job's plan carried out, as the last step of which the process stays as a deputy. @root_fd: what the plan made its root, a mount
 * that is attached to nothing and lives as long as the descriptor; or -1.
 */
int deputy_start(scow_engine *engine, struct job *job, struct job_process *process, struct deputy **out, int *root_fd,
		 scow_error **error) _must_check_;
void deputy_end(struct deputy *deputy);
DEFINE_CLEANUP(struct deputy *, deputy_end)

/*
 * As the system calls, relative to @dir, or with "" (and AT_EMPTY_PATH, or O_PATH where that will do) @dir itself. 0 (a descriptor, a
 * size) or -errno; -EPIPE: the deputy is dead. @resolve: RESOLVE_*; links and mounts are followed as it says.
 */
int deputy_open(struct deputy *deputy, int dir, const char *path, int flags, mode_t mode, uint64_t resolve);
int deputy_mkdir(struct deputy *deputy, int dir, const char *name, mode_t mode);
int deputy_mknod(struct deputy *deputy, int dir, const char *name, mode_t mode, dev_t device);
int deputy_symlink(struct deputy *deputy, const char *target, int dir, const char *name);
int deputy_link(struct deputy *deputy, int dir, const char *name, int to_dir, const char *to_name, int flags);
int deputy_unlink(struct deputy *deputy, int dir, const char *name, int flags);
int deputy_chown(struct deputy *deputy, int dir, const char *name, uid_t uid, gid_t gid, int flags);
int deputy_times(struct deputy *deputy, int dir, const char *name, const struct timespec times[2], int flags);
/* Of @fd itself, which may be O_PATH; a link's own attributes, too. */
int deputy_chmod(struct deputy *deputy, int fd, mode_t mode);
int deputy_set_xattr(struct deputy *deputy, int fd, const char *name, const void *value, size_t size);
/* These two with @size 0: how much there is. */
ssize_t deputy_get_xattr(struct deputy *deputy, int fd, const char *name, void *value, size_t size);
ssize_t deputy_list_xattrs(struct deputy *deputy, int fd, char *names, size_t size);
/* stat of @name without following it; O_PATH of it does the rest. */
int deputy_stat(struct deputy *deputy, int dir, const char *name, struct stat *out);
