/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a list call returns: a snapshot, walked once.
 *
 * Threads: one thread at a time.
 */
#ifndef SCOW_ITER_H
#define SCOW_ITER_H

#include <stddef.h>
#include <scow/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct scow_iter scow_iter;
struct scow_image;
struct scow_container;
struct scow_network;
struct scow_volume;

/** scow_iter_next_image() - the next image. Returns: borrowed as long as @iter; NULL at the end, or if it holds no images. Since: 0.1. */
SCOW_API struct scow_image *scow_iter_next_image(scow_iter *iter);

/** scow_iter_next_container() - the next container. Returns: borrowed as long as @iter; NULL at the end. Since: 0.1. */
SCOW_API struct scow_container *scow_iter_next_container(scow_iter *iter);

/** scow_iter_next_network() - the next network. Returns: borrowed as long as @iter; NULL at the end. Since: 0.1. */
SCOW_API struct scow_network *scow_iter_next_network(scow_iter *iter);

/** scow_iter_next_volume() - the next volume. Returns: borrowed as long as @iter; NULL at the end. Since: 0.1. */
SCOW_API struct scow_volume *scow_iter_next_volume(scow_iter *iter);

/** scow_iter_count() - how many there are in all. Since: 0.1. */
SCOW_API size_t scow_iter_count(const scow_iter *iter);

/** scow_iter_unref() - free it; NULL is allowed. Returns: NULL. Since: 0.1. */
SCOW_API scow_iter *scow_iter_unref(scow_iter *iter);

#ifdef __cplusplus
}
#endif
#endif
