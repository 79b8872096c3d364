/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Manifests and indexes of both dialects into one struct.
 *
 * 1. A document that could be read both as an image and as an index is refused, and so is one whose own media type
 *    contradicts the one it was served with: two readers of one digest must not see two images (CVE-2021-41190).
 * 2. Every digest is checked for form and every size for sign here; nobody checks them again.
 * 3. Attestations (BuildKit stores provenance as manifests for "unknown/unknown") are never chosen.
 */
#include "image/manifest.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"

enum media { MEDIA_OTHER, MEDIA_IMAGE, MEDIA_INDEX, MEDIA_SCHEMA1 };

static enum media media_kind(const char *media_type)
{
	static const struct {
		const char *name;
		enum media kind;
	} table[] = {
		{ "application/vnd.oci.image.manifest.v1+json", MEDIA_IMAGE },
		{ "application/vnd.docker.distribution.manifest.v2+json", MEDIA_IMAGE },
		{ "application/vnd.oci.image.index.v1+json", MEDIA_INDEX },
		{ "application/vnd.docker.distribution.manifest.list.v2+json", MEDIA_INDEX },
		{ "application/vnd.docker.distribution.manifest.v1+json", MEDIA_SCHEMA1 },
		{ "application/vnd.docker.distribution.manifest.v1+prettyjws", MEDIA_SCHEMA1 },
	};
	size_t size = media_type ? strcspn(media_type, "; \t") : 0;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (strlen(table[i].name) == size && !strncmp(media_type, table[i].name, size))
			return table[i].kind;
	return MEDIA_OTHER;
}

static bool is_config_type(const char *media_type)
{
	return !media_type || !*media_type || str_eq(media_type, "application/vnd.oci.image.config.v1+json") ||
	       str_eq(media_type, "application/vnd.docker.container.image.v1+json") || str_eq(media_type, "application/octet-stream");
}

static int bad(scow_error **error, const char *what, const char *why)
{
	return error_set(error, SCOW_E_CORRUPT, "manifest: %s: %s", what, why);
}

static void copy_name(char *out, size_t size, const char *text)
{
	/* A name that is cut would match what it is not. */
	if (text && strlen(text) >= size)
		text = "unknown";
	if (text)
		memcpy(out, text, strlen(text) + 1);
	else
		*out = 0;
}

static int parse_platform(const cJSON *item, struct platform *out, scow_error **error)
{
	const cJSON *object;
	const char *os, *architecture, *variant, *version;
	int r;

	r = json_object(item, "platform", &object, error);
	if (r < 0 || !object)
		return r;
	if ((r = json_string(object, "os", &os, error)) < 0 || (r = json_string(object, "architecture", &architecture, error)) < 0 ||
	    (r = json_string(object, "variant", &variant, error)) < 0 || (r = json_string(object, "os.version", &version, error)) < 0)
		return r;
	copy_name(out->os, sizeof(out->os), os);
	copy_name(out->architecture, sizeof(out->architecture), architecture);
	copy_name(out->variant, sizeof(out->variant), variant);
	copy_name(out->os_version, sizeof(out->os_version), version);
	return 0;
}

static int parse_annotations(const cJSON *item, struct arena *arena, struct descriptor *out, scow_error **error)
{
	const cJSON *object;
	const char *type, *name = NULL;
	int r;

	r = json_object(item, "annotations", &object, error);
	if (r < 0 || !object)
		return r;
	r = json_string(object, "vnd.docker.reference.type", &type, error);
	if (r < 0)
		return r;
	if (type) {
		copy_name(out->platform.os, sizeof(out->platform.os), "unknown");
		copy_name(out->platform.architecture, sizeof(out->platform.architecture), "unknown");
	}
	/* containerd's is a full name; the standard one often is a tag alone. */
	r = json_string(object, "io.containerd.image.name", &name, error);
	if (r == 0 && !name)
		r = json_string(object, "org.opencontainers.image.ref.name", &name, error);
	out->reference_name = arena_strdup(arena, name);
	return r;
}

static int parse_descriptor(const cJSON *item, const char *what, struct arena *arena, struct descriptor *out, scow_error **error)
{
	const char *media_type, *digest;
	int64_t size = -1;
	int r;

	if (!cJSON_IsObject(item))
		return bad(error, what, "expected a descriptor");
	if ((r = json_string(item, "mediaType", &media_type, error)) < 0 || (r = json_string(item, "digest", &digest, error)) < 0 ||
	    (r = json_i64(item, "size", &size, error)) < 0)
		return error_wrap(error, r, "manifest: %s", what);
	if (!digest || !digest_is_valid(digest))
		return error_set(error, digest && str_has_prefix(digest, "sha512:") ? SCOW_E_UNSUPPORTED : SCOW_E_CORRUPT,
				 "manifest: %s: '%.100s' is not a sha256 digest", what, digest ? digest : "");
	if (size < 0)
		return bad(error, what, "its size is missing or negative");
	out->media_type = arena_strdup(arena, media_type ? media_type : "");
	out->digest = arena_strdup(arena, digest);
	out->size = (uint64_t) size;
	r = parse_platform(item, &out->platform, error);
	if (r == 0)
		r = parse_annotations(item, arena, out, error);
	return error_wrap(error, r, "manifest: %s", what);
}

static int parse_list(const cJSON *root, const char *name, struct arena *arena, struct descriptor **out, size_t *count, scow_error **error)
{
	const cJSON *array, *item;
	int r = json_array(root, name, &array, error);

	if (r < 0)
		return error_wrap(error, r, "manifest");
	if (cJSON_GetArraySize(array) > MANIFEST_MAX_LAYERS)
		return error_set(error, SCOW_E_CORRUPT, "manifest: more than %d %s", MANIFEST_MAX_LAYERS, name);
	cJSON_ArrayForEach(item, array)
	{
		struct descriptor *descriptor = arena_append(arena, out, count, sizeof(**out));
		char what[48];

		if (!descriptor)
			return error_oom(error);
		snprintf(what, sizeof(what), "%s[%zu]", name, *count - 1);
		r = parse_descriptor(item, what, arena, descriptor, error);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Rule 1 of the head. */
static int decide_kind(const cJSON *root, const char *served_as, enum manifest_kind *out, scow_error **error)
{
	bool image = cJSON_GetObjectItemCaseSensitive(root, "layers") || cJSON_GetObjectItemCaseSensitive(root, "config");
	bool index = cJSON_GetObjectItemCaseSensitive(root, "manifests") != NULL;
	enum media served = media_kind(served_as), own;
	const char *own_type;
	int64_t version = 0;
	int r;

	if ((r = json_string(root, "mediaType", &own_type, error)) < 0 || (r = json_i64(root, "schemaVersion", &version, error)) < 0)
		return error_wrap(error, r, "manifest");
	own = media_kind(own_type);
	if (version == 1 || own == MEDIA_SCHEMA1 || served == MEDIA_SCHEMA1)
		return error_hint(
			error, error_set(error, SCOW_E_UNSUPPORTED, "manifest: it has schema version 1, which Docker has given up in 2017"),
			"push the image again with a present-day tool");
	if (version != 2)
		return bad(error, "schemaVersion", "expected 2");
	if (own_type && own == MEDIA_OTHER)
		return error_set(error, SCOW_E_UNSUPPORTED, "manifest: media type '%.100s' is neither an image nor an index", own_type);
	if (image && index)
		return bad(error, "it is ambiguous", "both 'manifests' and 'layers' or 'config'");
	if (served != MEDIA_OTHER && own != MEDIA_OTHER && served != own)
		return error_set(error, SCOW_E_CORRUPT, "manifest: it was served as '%.100s' and says '%.100s'", served_as, own_type);
	if (own == MEDIA_OTHER)
		own = served != MEDIA_OTHER ? served : index ? MEDIA_INDEX : MEDIA_IMAGE;
	if ((own == MEDIA_INDEX && image) || (own == MEDIA_IMAGE && index))
		return bad(error, "it is ambiguous", "its media type and its members do not go together");
	*out = own == MEDIA_INDEX ? MANIFEST_INDEX : MANIFEST_IMAGE;
	return 0;
}

static int parse_image(const cJSON *root, struct manifest *out, scow_error **error)
{
	const cJSON *config = cJSON_GetObjectItemCaseSensitive(root, "config");
	int r;

	if (!config)
		return bad(error, "config", "it is missing");
	r = parse_descriptor(config, "config", &out->arena, &out->config, error);
	if (r < 0)
		return r;
	if (!is_config_type(out->config.media_type))
		return error_set(error, SCOW_E_UNSUPPORTED, "not a container image: its config is a '%.100s'", out->config.media_type);
	if (out->config.size > MANIFEST_MAX_BYTES)
		return error_set(error, SCOW_E_CORRUPT, "manifest: a config of %llu bytes is too large",
				 (unsigned long long) out->config.size);
	return parse_list(root, "layers", &out->arena, &out->layers, &out->n_layers, error);
}

int manifest_parse(const char *text, size_t size, const char *media_type, struct manifest *out, scow_error **error)
{
	_cleanup_manifest_ struct manifest result = { 0 };
	_cleanup_json_ cJSON *root = NULL;
	int r;

	*out = (struct manifest){ 0 };
	if (size > MANIFEST_MAX_BYTES)
		return error_set(error, SCOW_E_CORRUPT, "manifest: a document of %zu bytes is too large", size);
	r = json_parse(text, size, "manifest", &root, error);
	if (r < 0)
		return r;
	if (!cJSON_IsObject(root))
		return error_set(error, SCOW_E_CORRUPT, "manifest: expected an object");
	r = decide_kind(root, media_type, &result.kind, error);
	if (r < 0)
		return r;
	if (result.kind == MANIFEST_INDEX)
		r = parse_list(root, "manifests", &result.arena, &result.manifests, &result.n_manifests, error);
	else
		r = parse_image(root, &result, error);
	if (r < 0)
		return r;
	if (arena_failed(&result.arena))
		return error_oom(error);
	*out = result;
	result = (struct manifest){ 0 };
	return 0;
}

void manifest_done(struct manifest *manifest)
{
	arena_done(&manifest->arena);
	*manifest = (struct manifest){ 0 };
}

bool manifest_layer_codec(const char *media_type, enum codec_kind *out)
{
	static const struct {
		const char *name;
		enum codec_kind codec;
	} table[] = {
		{ "application/vnd.oci.image.layer.v1.tar+gzip", CODEC_GZIP },
		{ "application/vnd.docker.image.rootfs.diff.tar.gzip", CODEC_GZIP },
		{ "application/vnd.oci.image.layer.v1.tar+zstd", CODEC_ZSTD },
		{ "application/vnd.docker.image.rootfs.diff.tar.zstd", CODEC_ZSTD },
		{ "application/vnd.oci.image.layer.v1.tar", CODEC_NONE },
		{ "application/vnd.docker.image.rootfs.diff.tar", CODEC_NONE },
		/* Written by some old builders for plain and for gzip'ed layers of either kind. */
		{ "application/vnd.docker.image.rootfs.diff.tar+gzip", CODEC_GZIP },
		{ "application/vnd.docker.image.rootfs.diff.tar+zstd", CODEC_ZSTD },
		/* Nobody's standard: what 'load' calls the layers of archives that somebody has compressed so. */
		{ "application/vnd.oci.image.layer.v1.tar+xz", CODEC_XZ },
		{ "application/vnd.oci.image.layer.v1.tar+bzip2", CODEC_BZIP2 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (str_eq(table[i].name, media_type)) {
			*out = table[i].codec;
			return true;
		}
	}
	return false;
}

/* What an index offers, for the error. */
static void list_platforms(const struct manifest *index, struct str *out)
{
	for (size_t i = 0; i < index->n_manifests; i++) {
		char text[128];

		if (str_eq(index->manifests[i].platform.os, "unknown") || !index->manifests[i].platform.architecture[0])
			continue;
		platform_format(&index->manifests[i].platform, text, sizeof(text));
		if (out->size > 1000) {
			str_add(out, ", ...");
			return;
		}
		str_printf(out, "%s%s", out->size ? ", " : "", text);
	}
}

int manifest_choose(const struct manifest *index, const struct platform *wanted, const struct descriptor **out, scow_error **error)
{
	_cleanup_str_ struct str offered = { 0 };
	const struct descriptor *best = NULL, *silent = NULL;
	int best_rank = -1;
	char text[128];

	for (size_t i = 0; i < index->n_manifests; i++) {
		const struct descriptor *item = &index->manifests[i];
		int rank;

		/* Without a platform it may be anything: only where nothing else fits. */
		if (!item->platform.os[0] && !item->platform.architecture[0]) {
			if (!silent)
				silent = item;
			continue;
		}
		rank = platform_rank(wanted, &item->platform);
		if (rank >= 0 && (!best || rank < best_rank)) {
			best = item;
			best_rank = rank;
		}
	}
	*out = best ? best : silent;
	if (*out)
		return 0;
	platform_format(wanted, text, sizeof(text));
	list_platforms(index, &offered);
	if (offered.failed)
		return error_oom(error);
	return error_hint(error, error_set(error, SCOW_E_UNSUPPORTED, "no image for the platform %s", text), "there is: %s",
			  offered.size ? offered.data : "none");
}
