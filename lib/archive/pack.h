/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A tree by descriptors as entries, for a tar stream (pack_tar) or another tree (archive/plant.h): the same tree gives the same
 * entries, in the same order.
 */
#pragma once

#include "archive/tarwriter.h"
#include "archive/walk.h"
#include "engine/engine.h"

enum pack_kind {
	PACK_ENTRY,
	PACK_WHITEOUT, /* its name hides what is below it in lower layers; nothing else of the entry counts */
	PACK_OPAQUE,   /* the directory of that name, which came just before, hides all that lower layers have in theirs */
};

/* Where entries go. @fd: of a regular file, readable, at its start; else -1. It stays the caller's. */
struct pack_sink {
	int (*entry)(void *data, enum pack_kind kind, const struct tarwriter_entry *entry, int fd, scow_error **error);
	void *data;
};

enum pack_keep {
	PACK_KEEP,
	PACK_LEAVE_OUT, /* and all that is in it */
	PACK_IF_FILLED, /* a directory: if anything in it is kept */
};

struct pack_source {
	scow_engine *engine; /* told of what is left out; or NULL */
	struct walk_options walk;
	/* What ids of a stat are in the result; without: as they are. */
	const struct id_range *uids, *gids;
	unsigned int n_uids, n_gids;
	const char *top; /* what the top is called in the result: "" leaves names as they are below it */
	bool with_top;   /* an entry for the top, too */
	/*
	 * It is the upper directory of an overlay: whiteouts and opaque directories become what they are. SCOW_E_UNSUPPORTED, with its
	 * name, for what only the mount can tell (redirect_dir, metacopy), and for a name that would be a whiteout in a layer.
	 */
	bool overlay;
	bool layer; /* the same for names only: it becomes one, but is no upper directory */
	/* PACK_KEEP if NULL. */
	int (*keep)(void *data, const struct walk_entry *entry, enum pack_keep *out, scow_error **error);
	void *keep_data;
};

int pack_tree(const struct pack_source *source, int top_fd, const struct pack_sink *sink, scow_error **error) _must_check_;

/*
 * A sink that is a tar stream. A file's size is what its header says: one that grows meanwhile is cut, one that shrinks is filled up.
 * @progress: hears of bytes that were read, and ends the work by a negative status; or NULL.
 */
struct pack_tar {
	struct tarwriter *writer;
	const scow_cancel *cancel;
	int (*progress)(void *data, uint64_t bytes, scow_error **error);
	void *data;
};
int pack_tar_entry(void *pack_tar, enum pack_kind kind, const struct tarwriter_entry *entry, int fd, scow_error **error) _must_check_;
