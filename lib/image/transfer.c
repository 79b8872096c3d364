/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * scow_image_load(): images from an archive into the store.
 *
 * 1. Every byte is verified before anything of its image can be seen: documents against their digests, layers against
 *    the digest that the manifest gives and the diff id that the config gives, while they are unpacked.
 * 2. All layers of an image are unpacked under ROOT/tmp first, then published from the lowest up, then the image is
 *    recorded: an image that is not whole leaves nothing.
 * 3. Compressed layers are not kept, as a pull does not keep them; the manifest and the config are.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cancel.h"
#include "base/fd.h"
#include "base/iter.h"
#include "base/json.h"
#include "base/str.h"
#include "image/image-internal.h"
#include "image/layer.h"
#include "image/transfer-internal.h"
#include "store/blob.h"

#define CHUNK (256u << 10)
#define MAX_RESTARTS 3

/* ---- options ---- */

scow_load_options *scow_load_options_new(void)
{
	return calloc(1, sizeof(scow_load_options));
}

scow_load_options *scow_load_options_unref(scow_load_options *options)
{
	if (options) {
		free(options->platform);
		free(options->reference);
		scow_cancel_unref(options->cancel);
		free(options);
	}
	return NULL;
}

void scow_load_options_set_platform(scow_load_options *options, const char *platform)
{
	if (options)
		options->failed |= !str_assign(&options->platform, platform);
}

void scow_load_options_set_reference(scow_load_options *options, const char *reference)
{
	if (options)
		options->failed |= !str_assign(&options->reference, reference);
}

void scow_load_options_set_cancel(scow_load_options *options, scow_cancel *cancel)
{
	if (options)
		cancel_assign(&options->cancel, cancel);
}

static int check_options(struct load *load, scow_error **error)
{
	const scow_load_options *options = load->options;
	_cleanup_reference_ struct reference reference = { 0 };
	int r;

	if (options->failed)
		return error_oom(error);
	r = platform_parse(options->platform, &load->platform, error);
	if (r < 0 || !options->reference)
		return error_wrap(error, r, "set_platform");
	r = reference_parse(options->reference, &reference, error);
	if (r == 0 && reference.digest)
		r = error_set(error, SCOW_E_INVALID, "'%s' has a digest, which is not ours to give", options->reference);
	if (r == 0)
		r = reference_default_tag(&reference, error);
	if (r < 0)
		return error_wrap(error, r, "set_reference");
	load->fallback_name = reference_tagged(&reference);
	return load->fallback_name ? 0 : error_oom(error);
}

/* ---- candidates ---- */

void candidate_done(struct candidate *candidate)
{
	for (size_t i = 0; i < candidate->n_layers; i++)
		free(candidate->layers[i].file);
	free(candidate->layers);
	free(candidate->manifest);
	free(candidate->config);
	strv_free(candidate->names);
	manifest_done(&candidate->parsed);
	*candidate = (struct candidate){ 0 };
}

int candidate_name(struct candidate *candidate, const char *full, scow_error **error)
{
	return strv_push(&candidate->names, &candidate->n_names, strdup(full)) ? 0 : error_oom(error);
}

/* ---- one image ---- */

struct unpacked {
	char (*chains)[DIGEST_STRING];
	struct layer_sink **sinks; /* NULL: the store had that layer */
	size_t count;
};

static void unpacked_done(struct unpacked *unpacked)
{
	for (size_t i = 0; unpacked->sinks && i < unpacked->count; i++)
		layer_sink_abort(unpacked->sinks[i]);
	free(unpacked->sinks);
	free(unpacked->chains);
}

static int feed(struct load *load, int fd, struct layer_sink *sink, scow_error **error)
{
	_cleanup_free_ char *buffer = malloc(CHUNK);

	if (!buffer)
		return error_oom(error);
	for (;;) {
		ssize_t n;
		int r;

		if (load->options->cancel && scow_cancel_triggered(load->options->cancel))
			return error_set(error, SCOW_E_CANCELED, "canceled");
		n = fd_read_full(fd, buffer, CHUNK);
		if (n < 0)
			return error_errno(error, (int) -n, "read", "read a layer");
		if (n == 0)
			return layer_sink_finish(sink, error);
		r = layer_sink_write(sink, buffer, (size_t) n, error);
		if (r < 0)
			return r;
	}
}

static int unpack(struct load *load, const struct candidate_layer *layer, const char *diff_id, struct layer_sink **out, scow_error **error)
{
	struct layer_sink_options options = { .blob_digest = layer->digest, .blob_size = layer->size, .diff_id = diff_id, .sniff = true };
	_cleanup_(layer_sink_abortp) struct layer_sink *sink = NULL;
	uint64_t size;
	_cleanup_fd_ int fd = source_file(&load->source, layer->file, &size, error);
	int r;

	if (fd < 0)
		return fd;
	r = layer_sink_open(load->engine, &options, &sink, error);
	if (r == 0)
		r = feed(load, fd, sink, error);
	if (r < 0)
		return error_wrap(error, r, "layer '%.100s'", layer->file);
	*out = take_ptr(&sink);
	return 0;
}

static int unpack_all(struct load *load, const struct candidate *candidate, const struct image_config *config, struct unpacked *out,
		      scow_error **error)
{
	out->count = config->n_diff_ids;
	out->chains = calloc(out->count + 1, sizeof(*out->chains));
	out->sinks = calloc(out->count + 1, sizeof(struct layer_sink *));
	if (!out->chains || !out->sinks)
		return error_oom(error);
	for (size_t i = 0; i < out->count; i++) {
		int r = layer_chain_id(i ? out->chains[i - 1] : NULL, config->diff_ids[i], out->chains[i], error);

		if (r == 0)
			r = layer_exists(load->engine, out->chains[i], error);
		if (r == 0)
			r = unpack(load, &candidate->layers[i], config->diff_ids[i], &out->sinks[i], error);
		if (r < 0)
			return r;
	}
	return 0;
}

static int publish_all(struct unpacked *unpacked, scow_error **error)
{
	for (size_t i = 0; i < unpacked->count; i++) {
		int r;

		if (!unpacked->sinks[i])
			continue;
		r = layer_sink_publish(take_ptr(&unpacked->sinks[i]), i ? unpacked->chains[i - 1] : NULL, NULL, error);
		if (r < 0)
			return r;
	}
	return 0;
}

/* What a docker-archive's layer file is: plain tar, or compressed by somebody. */
static int describe_layer(struct load *load, const struct candidate_layer *layer, const char *diff_id, cJSON *layers, scow_error **error)
{
	static const char *const types[] = { [CODEC_NONE] = "application/vnd.oci.image.layer.v1.tar",
					     [CODEC_GZIP] = "application/vnd.oci.image.layer.v1.tar+gzip",
					     [CODEC_ZSTD] = "application/vnd.oci.image.layer.v1.tar+zstd",
					     [CODEC_XZ] = "application/vnd.oci.image.layer.v1.tar+xz",
					     [CODEC_BZIP2] = "application/vnd.oci.image.layer.v1.tar+bzip2" };
	_cleanup_free_ char *buffer = malloc(CHUNK);
	char digest[DIGEST_STRING];
	enum codec_kind kind;
	uint64_t size;
	_cleanup_fd_ int fd = source_file(&load->source, layer->file, &size, error);
	cJSON *item;
	ssize_t n;

	if (fd < 0)
		return fd;
	if (!buffer || (n = fd_read_full(fd, buffer, CHUNK)) < 0)
		return error_oom(error);
	kind = codec_sniff(buffer, (size_t) n);
	snprintf(digest, sizeof(digest), "%s", diff_id);
	if (kind != CODEC_NONE) {
		struct digest_ctx *ctx;
		int r = digest_new(&ctx, error);

		if (r < 0)
			return r;
		for (; n > 0; n = fd_read_full(fd, buffer, CHUNK))
			digest_update(ctx, buffer, (size_t) n);
		digest_final(ctx, digest);
		digest_free(ctx);
		if (n < 0)
			return error_errno(error, (int) -n, "read", "read the layer '%.100s'", layer->file);
	}
	item = cJSON_CreateObject();
	if (item && cJSON_AddStringToObject(item, "mediaType", types[kind]) && cJSON_AddStringToObject(item, "digest", digest) &&
	    cJSON_AddNumberToObject(item, "size", (double) size) && cJSON_AddItemToArray(layers, item))
		return 0;
	cJSON_Delete(item);
	return error_oom(error);
}

/* The manifest that a docker-archive does not have. */
static int make_manifest(struct load *load, const struct candidate *candidate, const struct image_config *config, char **out,
			 scow_error **error)
{
	_cleanup_json_ cJSON *root = cJSON_CreateObject();
	cJSON *descriptor, *layers;

	if (!root || !cJSON_AddNumberToObject(root, "schemaVersion", 2) ||
	    !cJSON_AddStringToObject(root, "mediaType", "application/vnd.oci.image.manifest.v1+json") ||
	    !(descriptor = cJSON_AddObjectToObject(root, "config")) ||
	    !cJSON_AddStringToObject(descriptor, "mediaType", "application/vnd.oci.image.config.v1+json") ||
	    !cJSON_AddStringToObject(descriptor, "digest", candidate->config_digest) ||
	    !cJSON_AddNumberToObject(descriptor, "size", (double) candidate->config_size) ||
	    !(layers = cJSON_AddArrayToObject(root, "layers")))
		return error_oom(error);
	for (size_t i = 0; i < candidate->n_layers; i++) {
		int r = describe_layer(load, &candidate->layers[i], config->diff_ids[i], layers, error);

		if (r < 0)
			return r;
	}
	*out = json_print(root);
	return *out ? 0 : error_oom(error);
}

static int note_names(scow_image *image, const struct candidate *candidate, scow_error **error)
{
	image->loaded.items = calloc(candidate->n_names + 1, sizeof(*image->loaded.items));
	if (!image->loaded.items)
		return error_oom(error);
	for (size_t i = 0; i < candidate->n_names; i++) {
		char *name = image_short_name(candidate->names[i]);

		if (!name)
			return error_oom(error);
		image->loaded.items[image->loaded.count++] = name;
	}
	return 0;
}

static int record(struct load *load, const struct candidate *candidate, const char *manifest, size_t manifest_size, const char *top,
		  scow_image **out, scow_error **error)
{
	char manifest_digest[DIGEST_STRING], config_digest[DIGEST_STRING];
	const char *blobs[] = { manifest_digest, config_digest };
	struct image_record row = { .id = candidate->config_digest,
				    .config = candidate->config,
				    .config_size = candidate->config_size,
				    .manifest_digest = manifest_digest,
				    .top_chain_id = top,
				    .blobs = blobs,
				    .n_blobs = ARRAY_SIZE(blobs),
				    .tag = candidate->n_names ? candidate->names[0] : NULL };
	_cleanup_(scow_image_unrefp) scow_image *image = NULL;
	int r = blob_put(load->engine, manifest, manifest_size, manifest_digest, error);

	if (r == 0)
		r = blob_put(load->engine, candidate->config, candidate->config_size, config_digest, error);
	if (r == 0)
		r = image_record(load->engine, &row, &image, error);
	for (size_t i = 1; r == 0 && i < candidate->n_names; i++)
		r = scow_image_tag(image, candidate->names[i], error);
	/* A handle is a snapshot: take it again with all its names. */
	if (r == 0 && candidate->n_names > 1) {
		_cleanup_free_ char *given = strdup(image_given_name(image));

		if (!given)
			return error_oom(error);
		image = scow_image_unref(image);
		r = image_get_by_id(load->engine, candidate->config_digest, given, &image, error);
	}
	if (r == 0)
		r = note_names(image, candidate, error);
	if (r == 0)
		*out = take_ptr(&image);
	return r;
}

static int try_load(struct load *load, const struct candidate *candidate, const struct image_config *config, scow_image **out,
		    scow_error **error)
{
	_cleanup_(unpacked_done) struct unpacked unpacked = { 0 };
	_cleanup_free_ char *made = NULL;
	int r = 0;

	if (!candidate->manifest)
		r = make_manifest(load, candidate, config, &made, error);
	if (r == 0)
		r = unpack_all(load, candidate, config, &unpacked, error);
	if (r == 0)
		r = publish_all(&unpacked, error);
	if (r < 0)
		return r;
	return record(load, candidate, made ? made : candidate->manifest, made ? strlen(made) : candidate->manifest_size,
		      unpacked.count ? unpacked.chains[unpacked.count - 1] : NULL, out, error);
}

static int check_platform(const struct load *load, const struct platform *found, scow_error **error)
{
	char wanted_text[160], found_text[160];

	if (platform_rank(&load->platform, found) >= 0)
		return 0;
	platform_format(&load->platform, wanted_text, sizeof(wanted_text));
	platform_format(found, found_text, sizeof(found_text));
	if (load->options->platform)
		return error_set(error, SCOW_E_UNSUPPORTED, "the image is for %s, not for %s", found_text, wanted_text);
	engine_log(load->engine, SCOW_LOG_WARNING, "an image for %s was loaded; this host is %s", found_text, wanted_text);
	return 0;
}

int load_candidate(struct load *load, const struct candidate *candidate, scow_error **error)
{
	_cleanup_image_config_ struct image_config config = { 0 };
	scow_image *image = NULL;
	int r;

	r = image_config_parse(candidate->config, candidate->config_size, &config, error);
	if (r == 0)
		r = check_platform(load, &config.platform, error);
	if (r < 0)
		return r;
	if (config.n_diff_ids != candidate->n_layers)
		return error_set(error, SCOW_E_CORRUPT, "the image's config names %zu layers, the archive %zu", config.n_diff_ids,
				 candidate->n_layers);
	/* BUSY: a layer that the store had, or that we had published, was collected before the image stood on it. */
	for (unsigned int n = 0;; n++) {
		r = try_load(load, candidate, &config, &image, error);
		if (r != SCOW_E_BUSY || n == MAX_RESTARTS)
			break;
		error_clear(error);
	}
	return r < 0 ? r : iter_add(load->images, image, error);
}

/* ---- public ---- */

static void load_done(struct load *load)
{
	scow_iter_unref(load->images);
	free(load->fallback_name);
	source_done(&load->source);
}

static int load_all(struct load *load, int fd, scow_error **error)
{
	int r = source_open(load->engine, fd, load->options->cancel, &load->source, error);

	if (r < 0)
		return r;
	/* Present-day `docker save` writes both: the index says more, and its digests cover everything. */
	if (source_has(&load->source, "index.json"))
		return load_layout(load, error);
	if (source_has(&load->source, "manifest.json"))
		return load_docker(load, error);
	return error_hint(error,
			  error_set(error, SCOW_E_INVALID, "neither index.json nor manifest.json is in it: not an archive of images"),
			  "give an OCI archive or layout, or what `docker save` wrote");
}

int scow_image_load(scow_engine *engine, int fd, const scow_load_options *options, scow_iter **out, scow_error **error)
{
	static const scow_load_options defaults = { 0 };
	_cleanup_(load_done) struct load load = { .engine = engine, .options = options ? options : &defaults, .source.dir_fd = -1 };
	int r = engine_check(engine, error);

	if (r == 0 && fd < 0)
		r = error_set(error, SCOW_E_INVALID, "no descriptor of an archive was given");
	if (r == 0)
		r = check_options(&load, error);
	if (r == 0)
		r = iter_new(ITER_IMAGES, image_unref_item, &load.images, error);
	if (r == 0)
		r = load_all(&load, fd, error);
	if (r < 0)
		return error_wrap(error, r, "load");
	if (out)
		*out = take_ptr(&load.images);
	return 0;
}
