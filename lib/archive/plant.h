/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Entries become files below a directory that somebody else may be changing: a container's root, a directory of the host, a layer.
 *
 * Nothing is made or changed outside of the root, wherever links in it lead. What is in the way is replaced, but a directory
 * never by something else, nor something else by a directory.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "archive/pack.h"
#include "archive/unpack.h"

struct plant_options {
	scow_engine *engine; /* told of attributes that cannot be kept; or NULL */
	struct deputy *deputy;
	int root_fd;
	const char *below; /* where names begin, below the root: "" the root itself */
	bool follow;       /* links on the way are followed, inside the root; else they are refused */
	bool give;         /* to the entry's owner, or (@one_owner) all to @uid and @gid; else they stay ours */
	bool one_owner;
	uint32_t uid, gid;
	bool top_too;      /* an entry for the top changes it */
	bool capabilities; /* one that cannot be set is a failure; else it is told of */
	bool harmless;     /* what was another's and becomes ours: set-id bits and capabilities would be of our rights, and devices are left out */
	const char *opaque_xattr; /* overlayfs's mark: the tree is a layer, and whiteouts are made. Else they are left out */
	const scow_cancel *cancel;
	int (*progress)(void *data, uint64_t bytes, scow_error **error); /* as in pack_tar */
	void *data;
};

struct plant;

int plant_open(const struct plant_options *options, struct plant **out, scow_error **error) _must_check_;
/* As a pack_sink: data is copied, by sharing its blocks where the file system can. SCOW_E_INVALID: something is in the way. */
int plant_entry(void *plant, enum pack_kind kind, const struct tarwriter_entry *entry, int fd, scow_error **error) _must_check_;
/* A regular file whose data the caller writes into @fd, before plant_file_end(), which closes it. */
int plant_file(struct plant *plant, const struct tarwriter_entry *entry, int *fd, scow_error **error) _must_check_;
int plant_file_end(struct plant *plant, const struct tarwriter_entry *entry, int fd, scow_error **error) _must_check_;
/* All of @from, holes as holes. */
int plant_copy(struct plant *plant, int from, int to, scow_error **error) _must_check_;
/* Gives directories their modes and times, which had to wait for what is in them. */
int plant_finish(struct plant *plant, scow_error **error) _must_check_;
void plant_free(struct plant *plant);
DEFINE_CLEANUP(struct plant *, plant_free)

/*
 * The entries of a tar stream, compressed or not, up to its end. SCOW_E_CORRUPT: a damaged one, or an entry that leads out by "..";
 * SCOW_E_INVALID: no tar at all.
 */
int extract_tar(struct plant *plant, unpack_read_fn read, void *userdata, scow_error **error) _must_check_;
