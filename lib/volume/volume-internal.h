/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The handles of this room. */
#pragma once

#include <stdatomic.h>

#include "volume/volume.h"

struct volume_pair {
	const char *name, *value;
};

struct scow_volume_config {
	struct arena arena;
	scow_error *error; /* of the first bad value */
	const char *driver;
	struct volume_pair *options; size_t n_options;
	struct volume_pair *labels; size_t n_labels;
	bool ephemeral;
};
/* The kept error, or want of memory. */
int volume_config_check(const scow_volume_config *config, scow_error **error) _must_check_;
/* malloc'ed JSON; NULL without memory. */
char *volume_pairs_json(const struct volume_pair *pairs, size_t n);

struct scow_volume {
	atomic_uint refs;
	scow_engine *engine;
	char *name, *driver, *mountpoint; /* mountpoint NULL: none on the host */
	int64_t created;                  /* ns */
	bool ephemeral, created_here;
	atomic_bool gone;
};
/* Whether this store can have its limit, if it wants one; @volume may be a draft. */
int volume_check_size(scow_engine *engine, const struct volume *volume, scow_error **error) _must_check_;
int volume_check(scow_volume *volume, scow_error **error) _must_check_;

struct scow_volume_driver {
	atomic_uint refs;
	char *name;
	void *userdata;
	scow_volume_fn create, remove;
	scow_volume_mount_fn mount;
	scow_volume_unmount_fn unmount;
};
