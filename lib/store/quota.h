/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Project quotas: a limit for what a container writes, or for what is in a volume, on the store's file system (ext4, XFS).
 *
 * Whoever has a limit has a project id of its own (table projects); the inodes of its directories carry that, and so does what is made in
 * them. The row goes with its owner's.
 */
#pragma once

#include "engine/engine.h"
#include "store/db.h"

#define QUOTA_SIZE_MIN (UINT64_C(64) << 10)

enum quota_owner { QUOTA_CONTAINER, QUOTA_VOLUME };

/* "10G", "512MiB", "1048576": units of 1024, as of --memory. 0: none of these. */
uint64_t quota_size(const char *text);
/* Whether they can be on the file system of @fd: SCOW_E_UNSUPPORTED with what is missing; @what is it that cannot be. */
int quota_check(scow_engine *engine, int fd, const char *what, scow_error **error) _must_check_;
/* Inside a transaction: the project of @owner's @name, whose row is there, with this limit. */
int quota_take(struct db_work *work, enum quota_owner owner, const char *name, int fd, uint64_t bytes, uint32_t *project,
	       scow_error **error) _must_check_;
/* The directory @name, and what is made in it from now on, belongs to @project. */
int quota_mark(int dir_fd, const char *name, uint32_t project, scow_error **error) _must_check_;
/* Inside the transaction that deletes the owner's row: the limit goes. */
void quota_release(struct db_work *work, enum quota_owner owner, const char *name, int fd);
