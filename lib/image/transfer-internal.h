/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between transfer.c, which puts one image into the store, and transfer-index.c, which finds out what an archive holds. */
#pragma once

#include <scow/cancel.h>

#include "base/iter.h"
#include "image/image.h"
#include "image/source.h"

struct scow_load_options {
	char *platform, *reference;
	scow_cancel *cancel;
	bool failed; /* a setter had no memory */
};

struct load {
	scow_engine *engine;
	const scow_load_options *options;
	struct platform platform;
	char *fallback_name; /* full reference from the options, until an image takes it */
	struct source source;
	scow_iter *images;
};

/* One image of the archive, before anything of it was verified but the documents' digests. */
struct candidate {
	char *manifest;      /* bytes; NULL: none in a docker-archive, one is made */
	size_t manifest_size;
	char *config;
	size_t config_size;
	char config_digest[DIGEST_STRING];
	struct candidate_layer {
		char *file;          /* in the source */
		const char *digest;  /* borrowed from @parsed, or NULL: not known */
		uint64_t size;       /* or UINT64_MAX */
	} *layers;
	size_t n_layers;
	char **names;        /* full references */
	size_t n_names;
	struct manifest parsed;
};

void candidate_done(struct candidate *candidate);
#define _cleanup_candidate_ __attribute__((cleanup(candidate_done)))
int candidate_name(struct candidate *candidate, const char *full, scow_error **error) _must_check_;

/* Unpacks, publishes, records, and adds the handle to @load->images. */
int load_candidate(struct load *load, const struct candidate *candidate, scow_error **error) _must_check_;
/* All images of a source. */
int load_layout(struct load *load, scow_error **error) _must_check_;
int load_docker(struct load *load, scow_error **error) _must_check_;

/* manifest.json of a `docker save` archive. Strings live in the arena. */
struct docker_archive {
	struct arena arena;
	struct docker_image {
		const char *config;
		char **tags, **layers;
		size_t n_tags, n_layers;
	} *images;
	size_t n_images;
};
int docker_archive_parse(const char *text, size_t size, struct docker_archive *out, scow_error **error) _must_check_;
void docker_archive_done(struct docker_archive *archive);
