/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a container's changes are kept, and how many they may be: --storage-opt size=BYTES, backing=disk|tmpfs.
 *
 * On the disk a size is a project quota of the store's file system (ext4, XFS): the upper and work directories and all that is made in them
 * have a project id of their own, which no other container of the store has. In memory it is the size of the tmpfs, which
 * scow-init makes in the container's mount namespace and which ends with it: nothing is there while the container does not run.
 */
#pragma once

#include "container/container.h"

struct storage {
	bool tmpfs;
	uint64_t bytes; /* 0: no limit; of a tmpfs: the kernel's, half of the memory */
};

void storage_of(const scow_container_config *config, struct storage *out);
/* Whether this host can do it: SCOW_E_UNSUPPORTED with what is missing. */
int storage_check(scow_engine *engine, const scow_container_config *config, scow_error **error) _must_check_;
/* Before each start: limits "diff" and "work" of ROOT/containers/@id, which are empty at the first; later they are limited already. */
int storage_limit(scow_engine *engine, const char *id, int dir_fd, uint64_t bytes, scow_error **error) _must_check_;
/* The same, as its config says. */
int storage_prepare(scow_container *container, int dir_fd, scow_error **error) _must_check_;
/* What is made in @name, beside "diff", counts as what is in that. */
int storage_share_limit(int dir_fd, const char *name, scow_error **error) _must_check_;
/* SCOW_E_STATE where what it wrote is in memory only, so that nobody else can read or change it. */
int storage_on_disk(scow_container *container, scow_error **error) _must_check_;
