/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The image handle, for the files that give it its public face. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/digest.h"
#include "image/image.h"
#include "store/db.h"

struct names {
	char **items;
	size_t count;
};

/* What the row said when the handle was made; nothing of it changes. */
struct scow_image {
	atomic_uint refs;
	scow_engine *engine;
	char id[DIGEST_STRING];
	char *manifest, *top_layer, *platform;
	char *given;           /* what it was got by */
	char *config_text;
	uint64_t size;
	int64_t created, added; /* seconds; ns of the last time it got a name */
	struct names tags, digests; /* short forms */
	struct names loaded;   /* short forms: what an archive gave it */
	pthread_mutex_t lock;  /* the lazily parsed config */
	bool parsed;
	struct image_config config;
};

enum found_by { FOUND_NOTHING, FOUND_BY_REFERENCE, FOUND_BY_ID };

/*
 * Docker's order: exact id, reference, prefix of an id. Fills in the id, and the full reference where that was it.
 * FOUND_NOTHING makes no error; SCOW_E_INVALID for what is neither, or an ambiguous prefix.
 */
int image_find(struct db_work *work, const char *name, char id[DIGEST_STRING], char **reference, scow_error **error) _must_check_;
/* A handle by exact id; @given: what image_given_name() says, or NULL for the id. */
int image_get_by_id(scow_engine *engine, const char *id, const char *given, scow_image **out, scow_error **error) _must_check_;
/* Gives @full to the image, taking it from whoever has it. */
int image_set_name(struct db_work *work, const char *id, const char *full, bool is_digest, scow_error **error);
/* Notes in @work what happened to the image; @full: the reference that it is about, or NULL; @config NULL: read from the row. */
int image_event(struct db_work *work, const char *action, const char *id, const char *full, const struct image_config *config,
		scow_error **error) _must_check_;
/* The short form of a stored reference; NULL without memory. */
char *image_short_name(const char *full);
int image_not_found(const char *name, scow_error **error);
int image_check(const scow_image *image, scow_error **error) _must_check_;
void image_unref_item(void *item); /* scow_image_unref() for an iterator */
