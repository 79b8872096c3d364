/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a container has written, beside what its image has: for diff and commit. Their cost follows the change, as long as nobody looks
 * at the image as a whole.
 */
#pragma once

#include "archive/pack.h"
#include "container/container.h"
#include "engine/deputy.h"

struct lower {
	struct stat st;
	size_t layer; /* counted from the top */
};

struct upper {
	scow_container *container;
	int fd; /* O_PATH of its upper directory; -1: it has written nothing */
	struct deputy *deputy;
	char **layers; /* directories below ROOT/layers, top first */
	size_t n_layers;
	/* The directory that was looked into last, and the layers that have a part in it. */
	char *here;
	size_t *parts, n_parts;
};

#define UPPER_INIT                                                                                                                         \
	{                                                                                                                                  \
		.fd = -1                                                                                                                   \
	}
int upper_open(scow_container *container, struct upper *out, scow_error **error) _must_check_;
void upper_close(struct upper *upper);
#define _cleanup_upper_ _cleanup_(upper_close)

/* What the layers below have at @path, "a/b": 1 and @out, or 0 for nothing. */
int upper_below(struct upper *upper, const char *path, struct lower *out, scow_error **error);
/* The names that they have in the directory @path, sorted; strv_free(). */
int upper_names_below(struct upper *upper, const char *path, char ***out, scow_error **error) _must_check_;
/* Whether the entry differs, as Docker judges: kind and mode, owner, device, capabilities; of what is no directory also size and time. */
bool upper_differs(const struct upper *upper, const struct walk_entry *entry, const struct lower *below);
/* Something that a start put there for what is mounted over it: no change of the container's. */
bool upper_is_mount_point(const struct walk_entry *entry);
/* Whether overlayfs has marked the directory as hiding what is below. */
bool upper_is_opaque(const struct upper *upper, const struct walk_entry *entry);
/* A character device 0:0. */
bool upper_is_whiteout(const struct stat *st);
