/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Images as rows: what registry/pull and image/transfer record, and what containers read. */
#pragma once

#include "engine/engine.h"
#include "image/manifest.h"
#include "image/reference.h"

#include <scow/image.h>

DEFINE_CLEANUP(scow_image *, scow_image_unref)

struct image_record {
	const char *id;                /* config digest */
	const char *config;            /* its bytes */
	size_t config_size;
	const char *manifest_digest;   /* blob that is in the store */
	const char *top_chain_id;      /* NULL without layers; published already */
	const char *const *blobs;      /* digests: manifest, config, kept layers */
	size_t n_blobs;
	const char *tag;               /* full reference to move here, or NULL */
	const char *digest_reference;  /* "repo@sha256:..." to add, or NULL */
	const char *action;            /* the event of its appearance: NULL "pull" or "load"; "": none. Its name is a "tag" then */
};
/* One transaction: the image appears whole, with its names. SCOW_E_BUSY (retry) if a layer was collected meanwhile. @out may be NULL. */
int image_record(scow_engine *engine, const struct image_record *record, scow_image **out, scow_error **error) _must_check_;

/* Parsed config of an image; the handle's own, made on first use. */
int image_config_of(scow_image *image, const struct image_config **out, scow_error **error) _must_check_;
const char *image_top_layer(const scow_image *image); /* chain id or NULL */
scow_engine *image_engine(const scow_image *image);
const char *image_given_name(const scow_image *image); /* what it was got or pulled by: short reference or id */

