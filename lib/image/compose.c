/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The documents of an image that was not pulled: the config says what it is made of, its digest is the image's id.
 *
 * The manifest names the new layer by its plain tar: no blob of it is kept (doc/storage.md), it is packed again when it is wanted, and
 * packing gives the same bytes.
 */
#include "image/compose.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "image/image-internal.h"
#include "store/blob.h"

static bool put_text(cJSON *object, const char *name, const char *text)
{
	return !text || !*text || cJSON_AddStringToObject(object, name, text);
}

static cJSON *copy_or_array(const cJSON *from, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(from, name);

	return cJSON_IsArray(item) ? cJSON_Duplicate(item, true) : cJSON_CreateArray();
}

static bool add_item(cJSON *object, const char *name, cJSON *item)
{
	if (item && cJSON_AddItemToObject(object, name, item))
		return true;
	cJSON_Delete(item);
	return false;
}

static void time_now(char out[48])
{
	struct timespec now;
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = strftime(out, 24, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, 48 - n, ".%09ldZ", now.tv_nsec);
}

static bool add_history(cJSON *config, const struct compose *compose, const cJSON *base, const char *now)
{
	cJSON *history = copy_or_array(base, "history"), *entry = cJSON_CreateObject();

	if (!add_item(config, "history", history)) {
		cJSON_Delete(entry);
		return false;
	}
	if (!entry || !cJSON_AddItemToArray(history, entry)) {
		cJSON_Delete(entry);
		return false;
	}
	return put_text(entry, "created", now) && put_text(entry, "author", compose->author) &&
	       put_text(entry, "created_by", compose->created_by) && put_text(entry, "comment", compose->message) &&
	       (compose->layer || cJSON_AddTrueToObject(entry, "empty_layer"));
}

static bool add_platform(cJSON *config, const struct compose *compose, const cJSON *base)
{
	static const char *const members[] = { "architecture", "os", "os.version", "os.features", "variant" };

	if (!base)
		return put_text(config, "architecture", compose->platform.architecture) && put_text(config, "os", compose->platform.os) &&
		       put_text(config, "variant", compose->platform.variant);
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		const cJSON *item = cJSON_GetObjectItemCaseSensitive(base, members[i]);

		if (item && !add_item(config, members[i], cJSON_Duplicate(item, true)))
			return false;
	}
	return true;
}

static bool add_root(cJSON *config, const struct compose *compose, const cJSON *base)
{
	cJSON *root = cJSON_AddObjectToObject(config, "rootfs"), *ids, *id;

	if (!root || !cJSON_AddStringToObject(root, "type", "layers"))
		return false;
	ids = copy_or_array(cJSON_GetObjectItemCaseSensitive(base, "rootfs"), "diff_ids");
	if (!add_item(root, "diff_ids", ids))
		return false;
	if (!compose->layer)
		return true;
	id = cJSON_CreateString(compose->layer->diff_id);
	return id && cJSON_AddItemToArray(ids, id);
}

static char *make_config(const struct compose *compose, const cJSON *base)
{
	_cleanup_json_ cJSON *config = cJSON_CreateObject();
	char now[48];

	time_now(now);
	if (config && put_text(config, "created", now) && put_text(config, "author", compose->author) &&
	    add_platform(config, compose, base) && add_item(config, "config", cJSON_Duplicate(compose->settings, true)) &&
	    add_root(config, compose, base) && add_history(config, compose, base, now))
		return json_print(config);
	return NULL;
}

static bool add_descriptor(cJSON *item, const char *type, const char *digest, uint64_t size)
{
	return item && cJSON_AddStringToObject(item, "mediaType", type) && cJSON_AddStringToObject(item, "digest", digest) &&
	       cJSON_AddNumberToObject(item, "size", (double) size);
}

static char *make_manifest(const struct compose *compose, const cJSON *base, const char *config_digest, size_t config_size)
{
	_cleanup_json_ cJSON *root = cJSON_CreateObject();
	cJSON *layers = copy_or_array(base, "layers"), *item;

	if (!root || !cJSON_AddNumberToObject(root, "schemaVersion", 2) ||
	    !cJSON_AddStringToObject(root, "mediaType", "application/vnd.oci.image.manifest.v1+json") ||
	    !add_descriptor(cJSON_AddObjectToObject(root, "config"), "application/vnd.oci.image.config.v1+json", config_digest,
			    config_size)) {
		cJSON_Delete(layers);
		return NULL;
	}
	if (!add_item(root, "layers", layers))
		return NULL;
	item = compose->layer ? cJSON_CreateObject() : NULL;
	if (compose->layer &&
	    (!item || !cJSON_AddItemToArray(layers, item) ||
	     !add_descriptor(item, "application/vnd.oci.image.layer.v1.tar", compose->layer->diff_id, compose->layer->tar_size)))
		return NULL;
	return json_print(root);
}

static int read_base(scow_engine *engine, const struct compose *compose, cJSON **config, cJSON **manifest, scow_error **error)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r;

	if (!compose->base)
		return 0;
	r = json_parse(compose->base->config_text, strlen(compose->base->config_text), "image config", config, error);
	if (r == 0)
		r = blob_read(engine, compose->base->manifest, MANIFEST_MAX_BYTES, &text, &size, error);
	return r < 0 ? r : json_parse(text, size, "image manifest", manifest, error);
}

int compose_image(scow_engine *engine, const struct compose *compose, scow_image **out, scow_error **error)
{
	_cleanup_json_ cJSON *base_config = NULL, *base_manifest = NULL;
	_cleanup_free_ char *config = NULL, *manifest = NULL;
	char config_digest[DIGEST_STRING], manifest_digest[DIGEST_STRING];
	const char *blobs[] = { manifest_digest, config_digest };
	struct image_record record = { .id = config_digest,
				       .manifest_digest = manifest_digest,
				       .top_chain_id = compose->top_chain_id,
				       .blobs = blobs,
				       .n_blobs = ARRAY_SIZE(blobs),
				       .tag = compose->reference,
				       .action = compose->action };
	int r = read_base(engine, compose, &base_config, &base_manifest, error);

	if (r < 0)
		return r;
	config = make_config(compose, base_config);
	if (!config)
		return error_oom(error);
	r = blob_put(engine, config, strlen(config), config_digest, error);
	if (r < 0)
		return r;
	manifest = make_manifest(compose, base_manifest, config_digest, strlen(config));
	if (!manifest)
		return error_oom(error);
	r = blob_put(engine, manifest, strlen(manifest), manifest_digest, error);
	record.config = config;
	record.config_size = strlen(config);
	return r < 0 ? r : image_record(engine, &record, out, error);
}

int compose_reference(const char *text, char **full, scow_error **error)
{
	_cleanup_reference_ struct reference reference = { 0 };
	int r;

	*full = NULL;
	if (!text || !*text)
		return 0;
	r = reference_parse(text, &reference, error);
	if (r == 0 && reference.digest)
		r = error_set(error, SCOW_E_INVALID, "'%s' has a digest, which is not ours to give", text);
	if (r == 0)
		r = reference_default_tag(&reference, error);
	if (r < 0)
		return r;
	*full = reference_tagged(&reference);
	return *full ? 0 : error_oom(error);
}
