/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is mounted, in the words of `docker inspect`. */
#include "container/volumes.h"

#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "container/options.h"

static bool put(cJSON *object, const char *name, const char *value)
{
	return cJSON_AddStringToObject(object, name, value ? value : "") != NULL;
}

static cJSON *add_object(cJSON *array)
{
	cJSON *object = cJSON_CreateObject();

	if (object && cJSON_AddItemToArray(array, object))
		return object;
	cJSON_Delete(object);
	return NULL;
}

static const char *propagation(const char *options)
{
	struct bind_options parsed = { 0 };

	return bind_options_parse(options, &parsed, NULL) == 0 && parsed.propagation_name ? parsed.propagation_name : "rprivate";
}

/* The options as Docker shows them: without what only says how the source is found. */
static char *shown_options(const char *options)
{
	_cleanup_str_ struct str out = { 0 };

	for (const char *p = options ? options : ""; *p;) {
		size_t size = strcspn(p, ",");

		if (size != strlen("create") || strncmp(p, "create", size) != 0)
			str_printf(&out, "%s%.*s", out.size ? "," : "", (int) size, p);
		p += size + (p[size] == ',');
	}
	return out.size || out.failed ? str_take(&out) : strdup("");
}

static bool add_config_mount(cJSON *array, const struct config_mount *mount)
{
	const bool tmpfs = mount->kind == MOUNT_TMPFS;
	struct bind_options options = { 0 };
	_cleanup_free_ char *mode = shown_options(tmpfs ? NULL : mount->options);
	cJSON *item = add_object(array);

	if (!mode)
		return false;
	if (!tmpfs && bind_options_parse(mount->options, &options, NULL) < 0)
		return false;
	return item && put(item, "Type", tmpfs ? "tmpfs" : "bind") && put(item, "Source", mount->source) &&
	       put(item, "Destination", mount->target) && put(item, "Mode", mode) &&
	       cJSON_AddBoolToObject(item, "RW", !options.read_only) && put(item, "Propagation", tmpfs ? "" : propagation(mount->options));
}

static int add_held(scow_engine *engine, cJSON *array, struct held *held, struct arena *arena, scow_error **error)
{
	static const char *const types[] = { "bind", "tmpfs", "volume", "image" };
	cJSON *item = add_object(array);
	const char *source = held->source;
	bool ok = item && put(item, "Type", types[held->kind]);

	if (held->kind == MOUNT_VOLUME) {
		/* One that cannot be used any more has a row still. */
		(void) !volume_source(engine, held->volume, arena, &held->from, NULL);
		source = held->from.path;
		ok = ok && put(item, "Name", held->volume->name);
	} else if (held->kind == MOUNT_IMAGE) {
		ok = ok && put(item, "Name", held->image_id);
	}
	ok = ok && put(item, "Source", source) && put(item, "Destination", held->target) &&
	     (held->kind != MOUNT_VOLUME || put(item, "Driver", held->volume->driver)) && put(item, "Mode", held->options) &&
	     cJSON_AddBoolToObject(item, "RW", !held->read_only) &&
	     put(item, "Propagation", held->kind == MOUNT_BIND ? propagation(held->options) : "");
	return ok ? 0 : error_oom(error);
}

int volumes_json(scow_engine *engine, const char *id, const scow_container_config *config, cJSON *array, scow_error **error)
{
	_cleanup_volumes_ struct volumes volumes = { .n = 0 };
	struct db_work work = { 0 };
	int r;

	for (size_t i = 0; i < config->n_mounts; i++)
		if ((config->mounts[i].kind == MOUNT_BIND || config->mounts[i].kind == MOUNT_TMPFS) &&
		    !add_config_mount(array, &config->mounts[i]))
			return error_oom(error);
	db_lock(engine->db, &work);
	r = volumes_read(&work, id, &volumes, error);
	db_end(&work);
	for (size_t i = 0; i < volumes.n && r == 0; i++)
		r = add_held(engine, array, &volumes.items[i], &volumes.arena, error);
	return r;
}
