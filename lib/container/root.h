/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The file tree of a container, running or not, by a descriptor.
 *
 * 1. Of one that runs it is what its PID 1 sees, with all that is mounted in it.
 * 2. Else it is its layers and what it wrote, mounted for us alone, with its volumes and binds (root-mounts.h).
 * 3. Whoever wrote the tree is hostile: paths in it are walked by path_open_in() or deputy_open(..., RESOLVE_IN_ROOT) only, and what is
 *    found is used by descriptor.
 */
#pragma once

#include "container/container.h"
#include "container/id-map.h"
#include "engine/deputy.h"

struct root {
	int fd;                /* O_PATH directory */
	struct deputy *deputy; /* who reads and writes here: may be DEPUTY_SELF */
	bool live;             /* of one that runs */
	struct arena arena;
	struct id_maps maps; /* between the ids of stat and the container's: root_uid(), root_gid() */
	bool driven;         /* drivers of volumes have mounted some for us */
	int lock_fd;         /* of one that does not run: it is not started meanwhile, by nobody */
	scow_container *container;
};

/* What one that does not run has mounted in it; one that runs is as it is. */
enum root_view { ROOT_WITH_MOUNTS, ROOT_ALONE };
/* SCOW_E_NOT_FOUND; SCOW_E_STATE: it is being removed, or between two runs. */
int root_open(scow_container *container, enum root_view view, struct root *out, scow_error **error) _must_check_;
void root_close(struct root *root);
#define _cleanup_root_ _cleanup_(root_close)
#define ROOT_INIT                                                                                                                          \
	{                                                                                                                                  \
		.fd = -1, .lock_fd = -1                                                                                                    \
	}

/* What @id of a stat is in the container, which is also what deputy_chown() takes; 65534 for one that is not mapped there. */
uint32_t root_uid(const struct root *root, uint32_t id);
uint32_t root_gid(const struct root *root, uint32_t id);

/* For a start, once it has claimed the row: waits for those who have mounted the tree. */
int root_await(scow_container *container, scow_error **error) _must_check_;

/* ---- what its root stands on ---- */

struct root_layers {
	int dir_fd; /* ROOT/containers/ID, with "diff" and "work" */
	bool made_dir;
	char **lowers; /* top first; strv_free() */
	size_t n_lowers;
};
/* Makes the directory where it is missing; also after a failure root_layers_done(). */
int root_layers_open(scow_container *container, struct root_layers *out, scow_error **error) _must_check_;
void root_layers_done(struct root_layers *layers);
