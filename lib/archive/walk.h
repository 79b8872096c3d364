/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A tree that somebody else may be changing, one entry after the other, sorted by name, directories before what is in them.
 *
 * Each step is by descriptor and follows no link: what is seen is below the top, whatever is swapped meanwhile.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include <scow/cancel.h>

#include "engine/deputy.h"

#define WALK_PATH_MAX 4096
#define WALK_SKIP 1 /* of a visit: what is in this directory is left out */

struct walk_entry {
	const char *path; /* below the top, which is "" itself */
	const char *name; /* its name in @dir_fd; of a top without a name "." */
	int dir_fd;       /* the directory that it is in */
	int fd;           /* O_PATH: the entry, a link itself included */
	struct stat st;
};

struct walk_options {
	struct deputy *deputy;
	const scow_cancel *cancel; /* or NULL */
	const char *top;           /* a name in the directory that is given: the top, which may be a file. NULL: the directory */
};

typedef int (*walk_fn)(void *data, const struct walk_entry *entry, scow_error **error);

/*
 * Visits the top and all below. What vanishes before it is looked at is left out. SCOW_E_BUSY: a directory was moved away from under the
 * walk; SCOW_E_LIMIT: a path of more than WALK_PATH_MAX; SCOW_E_CANCELED; and what @visit returns.
 */
int walk_tree(const struct walk_options *options, int top_fd, walk_fn visit, void *data, scow_error **error) _must_check_;
/* SCOW_E_CANCELED once the token is triggered. */
int walk_canceled(const scow_cancel *cancel, scow_error **error) _must_check_;
