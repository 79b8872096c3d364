/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Layers that are made here as directories, from a container's upper one or from a tree of the host.
 *
 * ROOT/tmp/layer-<hex> is ours as long as its lock is held: the sweep deletes those whose lock it can take.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/plant.h"
#include "base/fd.h"
#include "image/layer-internal.h"
#include "store/lock.h"

int layer_directory_make(scow_engine *engine, char name[LAYER_TMP_NAME], int *out, scow_error **error)
{
	return work_directory_make(engine, "layer-", name, out, error);
}

int layer_tree_make(scow_engine *engine, struct layer_tree *out, scow_error **error)
{
	*out = (struct layer_tree) LAYER_TREE_INIT;
	return layer_directory_make(engine, out->name, &out->fd, error);
}

int layer_tree_publish(scow_engine *engine, struct layer_tree *tree, const char *parent_chain_id, const char *diff_id, uint64_t size,
		       char chain_id[DIGEST_STRING], scow_error **error)
{
	struct layer_row row = { .parent = parent_chain_id, .diff_id = diff_id, .size = size };
	int r = layer_chain_id(parent_chain_id, diff_id, row.chain_id, error);

	if (r == 0)
		r = layer_publish(engine, tree->name, &row, error);
	if (r == 0)
		tree->name[0] = 0;
	if (r >= 0)
		memcpy(chain_id, row.chain_id, DIGEST_STRING);
	layer_tree_done(engine, tree);
	return r;
}

void layer_tree_done(scow_engine *engine, struct layer_tree *tree)
{
	if (*tree->name)
		(void) !userns_remove_tree(engine, engine->tmp_fd, tree->name, NULL);
	tree->name[0] = 0;
	cleanup_fd(&tree->fd);
	tree->fd = -1;
}

/* ---- filling ---- */

struct filling {
	struct plant *plant;
	struct pack_tar tar;
	struct digest_ctx *digest;
	size_t entries;
	uint64_t size; /* of regular files, holes included: what the check after a power cut adds up */
};

static void filling_done(struct filling *filling)
{
	plant_free(filling->plant);
	tarwriter_free(filling->tar.writer);
	digest_free(filling->digest);
}

static int hash(void *data, const void *bytes, size_t size, scow_error **error)
{
	struct filling *filling = data;

	(void) error;
	digest_update(filling->digest, bytes, size);
	return 0;
}

/* The tar is made of the copy: what is written to the file meanwhile cannot make the two differ. */
static int fill_file(struct filling *filling, const struct tarwriter_entry *entry, int from, scow_error **error)
{
	struct tarwriter_entry copied = *entry;
	struct stat st;
	int fd, r = plant_file(filling->plant, entry, &fd, error);

	if (r < 0)
		return r;
	r = plant_copy(filling->plant, from, fd, error);
	if (r == 0 && fstat(fd, &st) < 0)
		r = error_errno(error, errno, "fstat", "copy a file");
	if (r == 0) {
		copied.size = (uint64_t) st.st_size;
		filling->size += copied.size;
		r = pack_tar_entry(&filling->tar, PACK_ENTRY, &copied, fd, error);
	}
	if (r == 0)
		return plant_file_end(filling->plant, entry, fd, error);
	close(fd);
	return r;
}

static int fill_entry(void *data, enum pack_kind kind, const struct tarwriter_entry *entry, int fd, scow_error **error)
{
	struct filling *filling = data;
	int r;

	filling->entries++;
	if (kind == PACK_ENTRY && fd >= 0)
		return fill_file(filling, entry, fd, error);
	r = plant_entry(filling->plant, kind, entry, -1, error);
	return r < 0 ? r : pack_tar_entry(&filling->tar, kind, entry, -1, error);
}

static int fill(struct filling *filling, const struct pack_source *source, int top_fd, scow_error **error)
{
	const struct pack_sink sink = { fill_entry, filling };
	int r = pack_tree(source, top_fd, &sink, error);

	if (r == 0)
		r = plant_finish(filling->plant, error);
	return r < 0 ? r : tarwriter_finish(filling->tar.writer, error);
}

int layer_tree_fill(scow_engine *engine, struct layer_tree *tree, const struct pack_source *source, int top_fd, struct layer_made *out,
		    scow_error **error)
{
	_cleanup_(filling_done) struct filling filling = { .tar.cancel = source->walk.cancel };
	const struct plant_options options = {
		.engine = engine,
		.deputy = source->walk.deputy,
		.root_fd = tree->fd,
		.below = "",
		.give = true,
		.top_too = source->with_top,
		.capabilities = true,
		.opaque_xattr = engine->facts.rootless ? UNPACK_OPAQUE_USER : UNPACK_OPAQUE_ROOT,
		.cancel = source->walk.cancel,
	};
	int r = plant_open(&options, &filling.plant, error);

	if (r == 0 && fchmod(tree->fd, 0755) < 0)
		r = error_errno(error, errno, "fchmod", "set the mode of the layer's root");
	if (r == 0)
		r = digest_new(&filling.digest, error);
	if (r == 0)
		r = tarwriter_open(hash, &filling, &filling.tar.writer, error);
	if (r == 0)
		r = fill(&filling, source, top_fd, error);
	if (r < 0)
		return r;
	*out = (struct layer_made){ .size = filling.size, .tar_size = tarwriter_size(filling.tar.writer), .empty = !filling.entries };
	digest_final(filling.digest, out->diff_id);
	return 0;
}
