/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The snapshot behind every list call. */
#include "base/iter.h"

#include <stdlib.h>

struct scow_iter {
	enum iter_kind kind;
	void **items;
	size_t count, at;
	void (*unref)(void *item);
};

int iter_new(enum iter_kind kind, void **items, size_t count, void (*unref)(void *item), scow_iter **out, scow_error **error)
{
	scow_iter *iter = calloc(1, sizeof(*iter));

	if (!iter) {
		for (size_t i = 0; i < count; i++)
			unref(items[i]);
		free(items);
		return error_oom(error);
	}
	*iter = (scow_iter){ .kind = kind, .items = items, .count = count, .unref = unref };
	*out = iter;
	return 0;
}

static void *next(scow_iter *iter, enum iter_kind kind)
{
	return iter && iter->kind == kind && iter->at < iter->count ? iter->items[iter->at++] : NULL;
}

struct scow_image *scow_iter_next_image(scow_iter *iter)
{
	return next(iter, ITER_IMAGES);
}

struct scow_container *scow_iter_next_container(scow_iter *iter)
{
	return next(iter, ITER_CONTAINERS);
}

struct scow_network *scow_iter_next_network(scow_iter *iter)
{
	return next(iter, ITER_NETWORKS);
}

struct scow_volume *scow_iter_next_volume(scow_iter *iter)
{
	return next(iter, ITER_VOLUMES);
}

size_t scow_iter_count(const scow_iter *iter)
{
	return iter ? iter->count : 0;
}

scow_iter *scow_iter_unref(scow_iter *iter)
{
	if (!iter)
		return NULL;
	for (size_t i = 0; i < iter->count; i++)
		iter->unref(iter->items[i]);
	free(iter->items);
	free(iter);
	return NULL;
}
