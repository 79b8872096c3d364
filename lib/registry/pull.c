/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * scow_image_pull(): from a reference to a recorded image.
 *
 * 1. The manifest's digest is computed over the bytes as they came; Docker-Content-Digest is not believed.
 *    What was asked for by digest must have that digest, and what a descriptor names its size as well.
 * 2. Documents that the store has are read from it: a pull of what is there asks for one manifest.
 * 3. The image is recorded after all its layers, in one transaction. A layer that is collected in
 *    between (somebody removed its last image) makes the whole begin again.
 */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "engine/engine.h"
#include "image/image.h"
#include "registry/download.h"
#include "registry/options.h"
#include "store/blob.h"

#define CONFIG_MAX_BYTES (8u << 20)
#define MAX_RESTARTS 3

static const char accept_types[] = "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, "
				   "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";

struct pull {
	scow_engine *engine;
	const scow_pull_options *options;
	struct platform platform;
	struct reference reference;
	char *name; /* short form, for messages */
	struct session *session;
	struct document top; /* as the registry served it */
	char top_digest[DIGEST_STRING];
	struct document manifest; /* the image's own, where top is an index */
	char manifest_digest[DIGEST_STRING];
	struct document config;
	char config_digest[DIGEST_STRING];
	char top_chain_id[DIGEST_STRING];
	struct manifest parsed;
	struct image_config parsed_config;
};

static void pull_done(struct pull *pull)
{
	session_close(pull->session);
	reference_done(&pull->reference);
	free(pull->name);
	document_done(&pull->top);
	document_done(&pull->manifest);
	document_done(&pull->config);
	manifest_done(&pull->parsed);
	image_config_done(&pull->parsed_config);
}

/* A document that a descriptor names: from the store or the registry, verified. */
static int get_document(struct pull *pull, const char *place, const struct descriptor *descriptor, size_t limit, const char *what,
			struct document *out, scow_error **error)
{
	_cleanup_free_ char *path = strf("%s/%s", place, descriptor->digest);
	char digest[DIGEST_STRING];
	int r;

	if (!path)
		return error_oom(error);
	if (descriptor->size > limit)
		return error_set(error, SCOW_E_CORRUPT, "%s is said to have %llu bytes; the most is %zu", what,
				 (unsigned long long) descriptor->size, limit);
	r = blob_exists(pull->engine, descriptor->digest, error);
	if (r < 0)
		return r;
	if (r > 0) {
		r = blob_read(pull->engine, descriptor->digest, limit, &out->data, &out->size, NULL);
		if (r == 0)
			return 0;
	}
	r = session_document(pull->session, path, accept_types, (size_t) descriptor->size, what, out, error);
	if (r < 0)
		return r;
	if (out->size != descriptor->size)
		return error_set(error, SCOW_E_CORRUPT, "%s is said to have %llu bytes, and has %zu", what,
				 (unsigned long long) descriptor->size, out->size);
	r = digest_bytes(out->data, out->size, digest, error);
	if (r < 0)
		return r;
	if (strcmp(digest, descriptor->digest) != 0)
		return error_set(error, SCOW_E_CORRUPT, "%s should be '%s', and is '%s'", what, descriptor->digest, digest);
	return 0;
}

/* The media type a document is taken for: what the registry says, unless that is no manifest's (text/plain has been seen). */
static const char *manifest_type(const struct document *document)
{
	return document->media_type && strstr(document->media_type, "application/vnd.") ? document->media_type : NULL;
}

static int get_top(struct pull *pull, scow_error **error)
{
	const struct reference *reference = &pull->reference;
	_cleanup_free_ char *path = strf("manifests/%s", reference->digest ? reference->digest : reference->tag);
	_cleanup_free_ char *what = strf("manifest '%s'", pull->name);
	int r;

	if (!path || !what)
		return error_oom(error);
	r = session_document(pull->session, path, accept_types, MANIFEST_MAX_BYTES, what, &pull->top, error);
	if (r < 0)
		return r;
	r = digest_bytes(pull->top.data, pull->top.size, pull->top_digest, error);
	if (r < 0)
		return r;
	if (reference->digest && strcmp(reference->digest, pull->top_digest) != 0)
		return error_set(error, SCOW_E_CORRUPT, "%s: the registry gives '%s' for '%s'", what, pull->top_digest, reference->digest);
	return manifest_parse(pull->top.data, pull->top.size, manifest_type(&pull->top), &pull->parsed, error);
}

/* From an index to the manifest for our platform. */
static int choose(struct pull *pull, scow_error **error)
{
	struct manifest index = pull->parsed;
	const struct descriptor *chosen;
	_cleanup_free_ char *what = NULL;
	int r;

	if (index.kind == MANIFEST_IMAGE) {
		memcpy(pull->manifest_digest, pull->top_digest, DIGEST_STRING);
		return 0;
	}
	memset(&pull->parsed, 0, sizeof pull->parsed);
	r = manifest_choose(&index, &pull->platform, &chosen, error);
	if (r == 0) {
		what = strf("manifest '%s'", chosen->digest);
		memcpy(pull->manifest_digest, chosen->digest, DIGEST_STRING);
		r = what ? get_document(pull, "manifests", chosen, MANIFEST_MAX_BYTES, what, &pull->manifest, error) : error_oom(error);
	}
	if (r == 0)
		r = manifest_parse(pull->manifest.data, pull->manifest.size, chosen->media_type, &pull->parsed, error);
	if (r == 0 && pull->parsed.kind != MANIFEST_IMAGE)
		r = error_set(error, SCOW_E_UNSUPPORTED, "an index within an index");
	manifest_done(&index);
	return r;
}

/* Said of an image that is not one of several: asked for another, or just found to be for another. */
static int check_platform(struct pull *pull, scow_error **error)
{
	char wanted[160], found[160];

	if (platform_rank(&pull->platform, &pull->parsed_config.platform) >= 0)
		return 0;
	platform_format(&pull->platform, wanted, sizeof wanted);
	platform_format(&pull->parsed_config.platform, found, sizeof found);
	if (pull->options->platform)
		return error_set(error, SCOW_E_UNSUPPORTED, "the image is for %s, not for %s", found, wanted);
	engine_log(pull->engine, SCOW_LOG_WARNING, "image '%s' is for %s; this host is %s", pull->name, found, wanted);
	return 0;
}

static int get_config(struct pull *pull, scow_error **error)
{
	const struct manifest *manifest = &pull->parsed;
	_cleanup_free_ char *what = strf("config '%s'", manifest->config.digest);
	int r;

	if (!what)
		return error_oom(error);
	r = get_document(pull, "blobs", &manifest->config, CONFIG_MAX_BYTES, what, &pull->config, error);
	if (!r)
		r = image_config_parse(pull->config.data, pull->config.size, &pull->parsed_config, error);
	if (r < 0)
		return r;
	memcpy(pull->config_digest, manifest->config.digest, DIGEST_STRING);
	if (pull->parsed_config.n_diff_ids != manifest->n_layers)
		return error_set(error, SCOW_E_CORRUPT, "the config names %zu layers, the manifest %zu", pull->parsed_config.n_diff_ids,
				 manifest->n_layers);
	for (size_t i = 0; i < manifest->n_layers; i++) {
		enum codec_kind codec;

		if (!manifest_layer_codec(manifest->layers[i].media_type, &codec))
			return error_set(error, SCOW_E_UNSUPPORTED, "layer '%s' is of type '%s', which is not fetched from a registry",
					 manifest->layers[i].digest, manifest->layers[i].media_type ? manifest->layers[i].media_type : "");
	}
	return check_platform(pull, error);
}

static int record(struct pull *pull, scow_image **out, scow_error **error)
{
	const struct document *manifest = pull->manifest.data ? &pull->manifest : &pull->top;
	/* As in Docker: "name:tag@digest" is pulled by its digest, and the tag is decoration. */
	bool tagged = pull->reference.tag && !pull->reference.digest;
	_cleanup_free_ char *tag = tagged ? reference_tagged(&pull->reference) : NULL;
	_cleanup_free_ char *by_digest = reference_by_digest(&pull->reference, pull->top_digest);
	const char *blobs[] = { pull->manifest_digest, pull->config_digest };
	struct image_record row = { .id = pull->config_digest,
				    .config = pull->config.data,
				    .config_size = pull->config.size,
				    .manifest_digest = pull->manifest_digest,
				    .top_chain_id = pull->top_chain_id[0] ? pull->top_chain_id : NULL,
				    .blobs = blobs,
				    .n_blobs = ARRAY_SIZE(blobs),
				    .tag = tag,
				    .digest_reference = by_digest };
	char digest[DIGEST_STRING];
	int r;

	if ((tagged && !tag) || !by_digest)
		return error_oom(error);
	r = blob_put(pull->engine, manifest->data, manifest->size, digest, error);
	if (!r)
		r = blob_put(pull->engine, pull->config.data, pull->config.size, digest, error);
	if (!r)
		r = image_record(pull->engine, &row, out, error);
	return r;
}

static int download_and_record(struct pull *pull, scow_image **out, scow_error **error)
{
	const scow_pull_options *options = pull->options;
	struct download download = { .engine = pull->engine,
				     .session = pull->session,
				     .cancel = options->cancel,
				     .progress = options->progress,
				     .progress_data = options->progress_data,
				     .parallel = options->parallel,
				     .manifest = &pull->parsed,
				     .config = &pull->parsed_config };
	int r;

	for (unsigned int n = 0;; n++) {
		r = download_layers(&download, pull->top_chain_id, error);
		if (!r)
			r = record(pull, out, error);
		if (r != SCOW_E_BUSY || n == MAX_RESTARTS)
			return r;
		error_clear(error);
	}
}

static int pull_image(struct pull *pull, scow_image **out, scow_error **error)
{
	const scow_pull_options *options = pull->options;
	struct session_options session = { .reference = &pull->reference,
					   .user = options->user,
					   .password = options->password,
					   .insecure = options->insecure,
					   .cancel = options->cancel };
	int r = session_open(&session, &pull->session, error);

	if (!r)
		r = get_top(pull, error);
	if (!r)
		r = choose(pull, error);
	if (!r)
		r = get_config(pull, error);
	return r ? r : download_and_record(pull, out, error);
}

/* 1 and the image, if the store has it and the policy is content with that; 0 to ask the registry. */
static int find_local(struct pull *pull, scow_image **out, scow_error **error)
{
	_cleanup_free_ char *full = NULL;
	struct platform platform;
	scow_image *image = NULL;
	int r;

	if (pull->options->policy == SCOW_PULL_ALWAYS)
		return 0;
	full = pull->reference.digest ? reference_by_digest(&pull->reference, pull->reference.digest) : reference_full(&pull->reference);
	if (!full)
		return error_oom(error);
	r = scow_image_get(pull->engine, full, &image, error);
	if (r == 0 && pull->options->platform &&
	    (platform_parse(scow_image_platform(image), &platform, NULL) < 0 || platform_rank(&pull->platform, &platform) < 0)) {
		scow_image_unref(image);
		r = error_set(error, SCOW_E_NOT_FOUND, "the store's image is for another platform");
	}
	if (r == 0) {
		*out = image;
		return 1;
	}
	if (r != SCOW_E_NOT_FOUND || pull->options->policy == SCOW_PULL_NEVER)
		return r;
	error_clear(error);
	return 0;
}

int scow_image_pull(scow_engine *engine, const char *reference, const scow_pull_options *options, scow_image **out, scow_error **error)
{
	static const scow_pull_options defaults = { .parallel = PULL_PARALLEL_DEFAULT };
	_cleanup_(pull_done) struct pull pull = { .engine = engine, .options = options ? options : &defaults };
	scow_image *image = NULL;
	int r = engine_check(engine, error);

	if (r < 0)
		return r;
	r = pull_options_check(pull.options, &pull.platform, error);
	if (!r)
		r = reference_parse(reference, &pull.reference, error);
	if (!r)
		r = reference_default_tag(&pull.reference, error);
	if (r < 0)
		return r;
	pull.name = reference_short(&pull.reference);
	if (!pull.name)
		return error_oom(error);
	r = find_local(&pull, &image, error);
	if (r == 0)
		r = pull_image(&pull, &image, error);
	if (r < 0)
		return error_at(error, error_wrap(error, r, "pull '%s'", pull.name), NULL, pull.name);
	if (out)
		*out = image;
	else
		scow_image_unref(image);
	return 0;
}
