/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between layer_sink.c, which makes a tree, and layer.c, which puts it into the store. */
#pragma once

#include "engine/userns.h"
#include "image/layer.h"

struct layer_row {
	char chain_id[DIGEST_STRING];
	const char *parent, *diff_id, *blob;
	uint64_t size;
	const char *sums; /* of unpack_stats, LAYER_SUMS; or NULL */
};

/* ROOT/tmp/<name> becomes the layer. 1: it is there already (ours stays in tmp). SCOW_E_BUSY: its parent was collected. */
int layer_publish(scow_engine *engine, const char *tmp_name, const struct layer_row *row, scow_error **error) _must_check_;

#define LAYER_TMP_NAME 32
/* A new directory ROOT/tmp/<name> under a flock that @fd holds. */
int layer_directory_make(scow_engine *engine, char name[LAYER_TMP_NAME], int *fd, scow_error **error) _must_check_;

/*
 * Makes the hard links of ROOT/tmp/<name> that unpack_layer() left in @stats, to what the layers from @parent down have. What is copied
 * up for that is added to @bytes. SCOW_E_CORRUPT: there is no such file.
 */
int layer_links(scow_engine *engine, const char *tmp_name, const char *parent, const struct unpack_stats *stats, uint64_t *bytes,
		scow_error **error) _must_check_;
