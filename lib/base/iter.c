/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The snapshot behind every list call. */
#include "base/iter.h"

#include <stdlib.h>

struct scow_iter {
	enum iter_kind kind;
	void **items;
	size_t count, room, at;
	void (*unref)(void *item);
};

int iter_new(enum iter_kind kind, void (*unref)(void *item), scow_iter **out, scow_error **error)
{
	scow_iter *iter = calloc(1, sizeof(*iter));

	if (!iter)
		return error_oom(error);
	*iter = (scow_iter){ .kind = kind, .unref = unref };
	*out = iter;
	return 0;
}

int iter_add(scow_iter *iter, void *item, scow_error **error)
{
	if (iter->count == iter->room) {
		const size_t room = iter->room ? iter->room * 2 : 16;
		void **grown = realloc(iter->items, room * sizeof(*grown));

		if (!grown) {
			iter->unref(item);
			return error_oom(error);
		}
		iter->items = grown;
		iter->room = room;
	}
	iter->items[iter->count++] = item;
	return 0;
}

int iter_sift(scow_iter *iter, int (*fits)(void *item, const void *data, scow_error **error), const void *data, scow_error **error)
{
	size_t kept = 0;
	int r = 0;

	for (size_t i = 0; i < iter->count; i++) {
		const int fit = r < 0 ? 1 : fits(iter->items[i], data, error);

		r = fit < 0 ? fit : r;
		if (fit)
			iter->items[kept++] = iter->items[i];
		else
			iter->unref(iter->items[i]);
	}
	iter->count = kept;
	return r;
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
