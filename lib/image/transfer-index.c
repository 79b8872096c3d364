/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which images an archive holds, and by what names.
 *
 * OCI: index.json lists manifests and indexes; containerd and docker annotate them with a full name, podman and skopeo
 * put a full name, umoci and plain skopeo a bare tag into org.opencontainers.image.ref.name. A bare tag names nothing
 * here. Of several manifests under one name, each for another platform, the best for the wanted one is taken.
 *
 * docker-archive: manifest.json lists paths of configs and layers. Paths are looked up in the archive, nowhere else.
 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "image/transfer-internal.h"

#define MAX_IMAGES 1024
#define MAX_NESTING 4

/* ---- names ---- */

/* What an annotation names; NULL in @out for a bare tag and for what is no reference. */
static int name_of(const struct load *load, const char *text, char **out, scow_error **error)
{
	_cleanup_reference_ struct reference parsed = { 0 };

	*out = NULL;
	if (!text || (!strchr(text, ':') && !strchr(text, '/')))
		return 0;
	if (reference_parse(text, &parsed, NULL) < 0 || parsed.digest) {
		engine_log(load->engine, SCOW_LOG_WARNING, "the archive gives an image a name that is no reference; it stays without it");
		return 0;
	}
	if (reference_default_tag(&parsed, error) < 0 || !(*out = reference_tagged(&parsed)))
		return error_oom(error);
	return 0;
}

static int name_candidate(struct load *load, const char *annotation, struct candidate *candidate, scow_error **error)
{
	_cleanup_free_ char *name = NULL;
	int r = name_of(load, annotation, &name, error);

	if (r < 0)
		return r;
	if (!name)
		name = take_ptr(&load->fallback_name);
	return name ? candidate_name(candidate, name, error) : 0;
}

/* ---- OCI layout ---- */

static int read_document(struct load *load, const struct descriptor *descriptor, char **out, size_t *size, scow_error **error)
{
	char name[80];
	int r;

	source_blob_name(descriptor->digest, name);
	r = source_read(&load->source, name, descriptor->digest, MANIFEST_MAX_BYTES, out, size, error);
	if (r == 0 && *size != descriptor->size)
		r = error_set(error, SCOW_E_CORRUPT, "archive entry '%s': it is said to have %llu bytes, and has %zu", name,
			      (unsigned long long) descriptor->size, *size);
	return r;
}

static int take_layers(struct candidate *candidate, scow_error **error)
{
	const struct manifest *manifest = &candidate->parsed;

	candidate->layers = calloc(manifest->n_layers + 1, sizeof(*candidate->layers));
	if (!candidate->layers)
		return error_oom(error);
	for (size_t i = 0; i < manifest->n_layers; i++) {
		const struct descriptor *layer = &manifest->layers[i];
		enum codec_kind codec;
		char name[80];

		if (!manifest_layer_codec(layer->media_type, &codec))
			return error_set(error, SCOW_E_UNSUPPORTED, "layer '%s' is of the type '%.100s'", layer->digest, layer->media_type);
		source_blob_name(layer->digest, name);
		candidate->layers[i] = (struct candidate_layer){ strdup(name), layer->digest, layer->size };
		if (!candidate->layers[i].file)
			return error_oom(error);
		candidate->n_layers++;
	}
	return 0;
}

/* One image by its manifest, whose bytes are taken. */
static int load_manifest(struct load *load, char *text, size_t size, const char *annotation, struct manifest *parsed, scow_error **error)
{
	_cleanup_candidate_ struct candidate candidate = { .manifest = text, .manifest_size = size, .parsed = *parsed };
	int r;

	*parsed = (struct manifest){ 0 };
	snprintf(candidate.config_digest, sizeof(candidate.config_digest), "%s", candidate.parsed.config.digest);
	r = read_document(load, &candidate.parsed.config, &candidate.config, &candidate.config_size, error);
	if (r == 0)
		r = take_layers(&candidate, error);
	if (r == 0)
		r = name_candidate(load, annotation, &candidate, error);
	return r < 0 ? r : load_candidate(load, &candidate, error);
}

/* From a descriptor down to an image: an index leads to its best manifest. */
static int load_descriptor(struct load *load, const struct descriptor *descriptor, const char *annotation, scow_error **error)
{
	struct descriptor at = *descriptor;
	_cleanup_manifest_ struct manifest parsed = { 0 };

	for (int depth = 0; depth < MAX_NESTING; depth++) {
		_cleanup_manifest_ struct manifest next = { 0 };
		_cleanup_free_ char *text = NULL;
		const struct descriptor *chosen;
		size_t size;
		int r = read_document(load, &at, &text, &size, error);

		if (r == 0)
			r = manifest_parse(text, size, at.media_type, &next, error);
		if (r < 0)
			return error_wrap(error, r, "archive entry 'blobs/sha256/%s'", digest_hex(at.digest));
		if (next.kind == MANIFEST_IMAGE)
			return load_manifest(load, take_ptr(&text), size, annotation, &next, error);
		r = manifest_choose(&next, &load->platform, &chosen, error);
		if (r < 0)
			return r;
		at = *chosen;
		/* @at's strings live in what was just parsed. */
		manifest_done(&parsed);
		parsed = next;
		next = (struct manifest){ 0 };
	}
	return error_set(error, SCOW_E_CORRUPT, "the archive's indexes are nested deeper than %d", MAX_NESTING);
}

static bool has_platform(const struct descriptor *descriptor)
{
	return descriptor->platform.architecture[0];
}

/* Not for us: for another platform, or another of the same name fits better. */
static bool is_passed_over(const struct load *load, const struct manifest *index, size_t at)
{
	const struct descriptor *item = &index->manifests[at];
	int rank;

	if (!has_platform(item))
		return false;
	rank = platform_rank(&load->platform, &item->platform);
	if (rank < 0)
		return true;
	for (size_t i = 0; i < index->n_manifests; i++) {
		const struct descriptor *other = &index->manifests[i];
		int other_rank;

		if (i == at || !has_platform(other) || !str_eq(item->reference_name, other->reference_name))
			continue;
		other_rank = platform_rank(&load->platform, &other->platform);
		if (other_rank >= 0 && other_rank < rank)
			return true;
	}
	return false;
}

int load_layout(struct load *load, scow_error **error)
{
	_cleanup_manifest_ struct manifest index = { 0 };
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r = source_read(&load->source, "index.json", NULL, MANIFEST_MAX_BYTES, &text, &size, error);

	if (r == 0)
		r = manifest_parse(text, size, "application/vnd.oci.image.index.v1+json", &index, error);
	if (r < 0)
		return error_wrap(error, r, "index.json");
	if (index.n_manifests > MAX_IMAGES)
		return error_set(error, SCOW_E_CORRUPT, "index.json: more than %d images", MAX_IMAGES);
	if (!index.n_manifests)
		return error_set(error, SCOW_E_INVALID, "index.json names no image");
	for (size_t i = 0; i < index.n_manifests; i++) {
		if (is_passed_over(load, &index, i))
			continue;
		r = load_descriptor(load, &index.manifests[i], index.manifests[i].reference_name, error);
		if (r < 0)
			return r;
	}
	if (!scow_iter_count(load->images)) {
		const struct descriptor *none;

		return manifest_choose(&index, &load->platform, &none, error); /* says what there is */
	}
	return 0;
}

/* ---- docker-archive ---- */

static int copy_strings(const cJSON *object, const char *name, struct arena *arena, char ***out, size_t *count, scow_error **error)
{
	const cJSON *array, *item;
	int r = json_strings(object, name, &array, error);

	if (r < 0)
		return r;
	if (cJSON_GetArraySize(array) > MANIFEST_MAX_LAYERS)
		return error_set(error, SCOW_E_CORRUPT, "%s: more than %d", name, MANIFEST_MAX_LAYERS);
	cJSON_ArrayForEach(item, array)
	{
		char **to = arena_append(arena, out, count, sizeof(char *));

		if (!to)
			return error_oom(error);
		*to = arena_strdup(arena, item->valuestring);
	}
	return 0;
}

static int parse_docker(const cJSON *root, struct docker_archive *out, scow_error **error)
{
	const cJSON *item;

	if (!cJSON_IsArray(root))
		return error_set(error, SCOW_E_CORRUPT, "expected an array");
	if (cJSON_GetArraySize(root) > MAX_IMAGES)
		return error_set(error, SCOW_E_CORRUPT, "more than %d images", MAX_IMAGES);
	cJSON_ArrayForEach(item, root)
	{
		struct docker_image *image = arena_append(&out->arena, &out->images, &out->n_images, sizeof(*image));
		const char *config;
		int r;

		if (!image)
			return error_oom(error);
		if (!cJSON_IsObject(item))
			return error_set(error, SCOW_E_CORRUPT, "expected objects");
		if ((r = json_string(item, "Config", &config, error)) < 0 ||
		    (r = copy_strings(item, "RepoTags", &out->arena, &image->tags, &image->n_tags, error)) < 0 ||
		    (r = copy_strings(item, "Layers", &out->arena, &image->layers, &image->n_layers, error)) < 0)
			return r;
		if (!config)
			return error_set(error, SCOW_E_CORRUPT, "Config: it is missing");
		image->config = arena_strdup(&out->arena, config);
	}
	return arena_failed(&out->arena) ? error_oom(error) : 0;
}

int docker_archive_parse(const char *text, size_t size, struct docker_archive *out, scow_error **error)
{
	_cleanup_json_ cJSON *root = NULL;
	int r;

	*out = (struct docker_archive){ 0 };
	r = json_parse(text, size, "manifest.json", &root, error);
	if (r < 0)
		return r;
	r = error_wrap(error, parse_docker(root, out, error), "manifest.json");
	if (r < 0)
		docker_archive_done(out);
	return r;
}

void docker_archive_done(struct docker_archive *archive)
{
	arena_done(&archive->arena);
	*archive = (struct docker_archive){ 0 };
}

/* Configs are named by their digest, with or without ".json" and in whatever folder: then it must be theirs. */
static int check_config_name(const char *name, const char *digest, scow_error **error)
{
	const char *base = strrchr(name, '/');
	size_t n;

	base = base ? base + 1 : name;
	n = strspn(base, "0123456789abcdef");
	if (n != DIGEST_HEX || (base[n] && !str_eq(base + n, ".json")))
		return 0;
	if (!strncmp(base, digest_hex(digest), DIGEST_HEX))
		return 0;
	return error_set(error, SCOW_E_CORRUPT, "archive entry '%.200s': its digest does not match", name);
}

static int load_docker_image(struct load *load, const struct docker_image *image, scow_error **error)
{
	_cleanup_candidate_ struct candidate candidate = { 0 };
	int r = source_read(&load->source, image->config, NULL, MANIFEST_MAX_BYTES, &candidate.config, &candidate.config_size, error);

	if (r == 0)
		r = digest_bytes(candidate.config, candidate.config_size, candidate.config_digest, error);
	if (r == 0)
		r = check_config_name(image->config, candidate.config_digest, error);
	if (r < 0)
		return r;
	candidate.layers = calloc(image->n_layers + 1, sizeof(*candidate.layers));
	if (!candidate.layers)
		return error_oom(error);
	for (; candidate.n_layers < image->n_layers; candidate.n_layers++) {
		struct candidate_layer *layer = &candidate.layers[candidate.n_layers];

		*layer = (struct candidate_layer){ strdup(image->layers[candidate.n_layers]), NULL, UINT64_MAX };
		if (!layer->file)
			return error_oom(error);
	}
	for (size_t i = 0; i < image->n_tags; i++) {
		_cleanup_free_ char *name = NULL;

		r = name_of(load, image->tags[i], &name, error);
		if (r == 0 && name)
			r = candidate_name(&candidate, name, error);
		if (r < 0)
			return r;
	}
	if (!candidate.n_names)
		r = name_candidate(load, NULL, &candidate, error);
	return r < 0 ? r : load_candidate(load, &candidate, error);
}

int load_docker(struct load *load, scow_error **error)
{
	_cleanup_(docker_archive_done) struct docker_archive archive = { 0 };
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r = source_read(&load->source, "manifest.json", NULL, MANIFEST_MAX_BYTES, &text, &size, error);

	if (r == 0)
		r = docker_archive_parse(text, size, &archive, error);
	if (r == 0 && !archive.n_images)
		r = error_set(error, SCOW_E_INVALID, "manifest.json names no image");
	for (size_t i = 0; r == 0 && i < archive.n_images; i++)
		r = load_docker_image(load, &archive.images[i], error);
	return r;
}
