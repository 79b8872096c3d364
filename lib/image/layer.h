/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Layers: unpacked once by chain id, shared by all images that stand on them.
 *
 * 1. A layer is unpacked under ROOT/tmp, renamed to ROOT/layers/<24 hex of the chain id>, then recorded.
 * 2. Two who want one layer take its work lock: the second finds it done.
 * 3. ROOT/tmp/layer-<hex> is held by flock(2) on the directory while somebody works on it. A directory of ROOT/layers
 *    without a row is what a crash left: it may be taken away only inside db_begin, since rename and row are one transaction.
 */
#pragma once

#include <inttypes.h>

#include "archive/unpack.h"
#include "base/digest.h"
#include "base/str.h"
#include "image/manifest.h"
#include "store/blob.h"

/* sha256(parent + " " + diff_id), or diff_id for the lowest (@parent NULL). */
int layer_chain_id(const char *parent, const char *diff_id, char out[DIGEST_STRING], scow_error **error) _must_check_;
/* How the column `sums` writes those of unpack_stats. */
#define LAYER_SUMS "%016" PRIx64
/* 1 present, 0 not, or a status. */
int layer_exists(scow_engine *engine, const char *chain_id, scow_error **error);

/*
 * The pipeline, in push style, for pull and load alike: compressed bytes go in; digest, inflate, diff id and unpack
 * run on threads of its own (all signals blocked, joined by finish or abort).
 */
struct layer_sink;
struct layer_sink_options {
	const char *blob_digest;   /* expected "sha256:..." of the compressed bytes, or NULL (docker-archive: not known) */
	uint64_t blob_size;        /* expected, or UINT64_MAX */
	const char *diff_id;       /* expected; NULL: layer_sink_diff_id() tells it */
	enum codec_kind codec;     /* or found from the first bytes when @sniff */
	bool sniff;
};
int layer_sink_open(scow_engine *engine, const struct layer_sink_options *options, struct layer_sink **out, scow_error **error) _must_check_;
/* Blocks while the pipeline is full (bounded memory: at most 4 MiB in flight). Returns the pipeline's failure early if it has one. */
int layer_sink_write(struct layer_sink *sink, const void *data, size_t size, scow_error **error) _must_check_;
/* How many bytes layer_sink_write would take now without blocking (SIZE_MAX once the pipeline has failed: the write reports it). */
size_t layer_sink_room(struct layer_sink *sink);
/*
 * Declares the end, waits for the pipeline, checks size, digest and diff id. The unpacked tree is then in ROOT/tmp,
 * to be published once its parent is there.
 */
int layer_sink_finish(struct layer_sink *sink, scow_error **error) _must_check_;
/* Once it is finished; borrowed. */
const char *layer_sink_diff_id(const struct layer_sink *sink);
/* Moves it into place under its chain id and records it. Outcome 1: somebody else had published it; ours is deleted. Frees the sink. */
int layer_sink_publish(struct layer_sink *sink, const char *parent_chain_id, const char *blob_digest, scow_error **error) _must_check_;
/* Stops the threads, deletes what there is, frees the sink. NULL is allowed. */
void layer_sink_abort(struct layer_sink *sink);
DEFINE_CLEANUP(struct layer_sink *, layer_sink_abort)

/*
 * A layer that is not unpacked but made here, as a directory: by who commits or imports. It is a half-made one until it is published.
 */
struct layer_tree {
	char name[32]; /* in ROOT/tmp; "" once it is elsewhere */
	int fd;        /* the directory, locked */
};
#define LAYER_TREE_INIT \
	{                                                                                                                                  \
		.fd = -1                                                                                                                   \
	}
int layer_tree_make(scow_engine *engine, struct layer_tree *out, scow_error **error) _must_check_;
/* @diff_id: of the tar that packing it yields. @size: of the contents. Outcome 1: there is such a layer, ours is deleted. As layer_sink_publish(). */
int layer_tree_publish(scow_engine *engine, struct layer_tree *tree, const char *parent_chain_id, const char *diff_id, uint64_t size,
		       char chain_id[DIGEST_STRING], scow_error **error) _must_check_;
/*
 * What @source has, as a layer: copied into @tree, by shared blocks where the file system can, and its tar is the copy's, which nobody
 * changes any more. With @empty there was nothing, and no layer is needed.
 */
struct pack_source;
struct layer_made {
	char diff_id[DIGEST_STRING];
	uint64_t size, tar_size; /* of contents; of the tar */
	bool empty;
};
int layer_tree_fill(scow_engine *engine, struct layer_tree *tree, const struct pack_source *source, int top_fd, struct layer_made *out,
		    scow_error **error) _must_check_;
/* Deletes it, if it was not published. */
void layer_tree_done(scow_engine *engine, struct layer_tree *tree);

/* Names of the layer directories from the top to the lowest: what overlay wants as lowerdir. @out: NULL-terminated, strv_free(). */
int layer_stack(scow_engine *engine, const char *top_chain_id, char ***out, size_t *count, scow_error **error) _must_check_;
/*
 * Deletes layers that no image and no container stands on, then blobs of no image. Inside no transaction. What is younger
 * than ten minutes and never had an image stays, for the pull that made it; what an image had goes with it at once.
 */
int layer_collect(scow_engine *engine, scow_error **error) _must_check_;

/* 1: a container that runs stands on it. */
int layer_in_use(scow_engine *engine, const char *chain_id, scow_error **error);
