/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From wishes to rows, and from rows to what a start mounts.
 *
 * Who decides what is at a place, as with Docker: the config; else the last of "volumes from"; else the image, for which an anonymous
 * volume is made. An image's paths are a stranger's text: they are cleaned here, and walked inside the container's root by scow-init.
 */
#include "container/volumes.h"

#include <string.h>

#include "base/digest.h"
#include "base/json.h"
#include "base/path.h"
#include "base/str.h"
#include "container/options.h"
#include "image/layer.h"

void volumes_done(struct volumes *volumes)
{
	for (size_t i = 0; i < volumes->n; i++)
		strv_free(volumes->items[i].lowers);
	arena_done(&volumes->arena);
	*volumes = (struct volumes){ .n = 0 };
}

static struct held *find(const struct volumes *volumes, const char *target)
{
	for (size_t i = 0; i < volumes->n; i++)
		if (str_eq(volumes->items[i].target, target))
			return &volumes->items[i];
	return NULL;
}

static struct held *add(struct volumes *volumes)
{
	return arena_append(&volumes->arena, &volumes->items, &volumes->n, sizeof(struct held));
}

static bool is_read_only(const char *options)
{
	struct bind_options parsed;

	return bind_options_parse(options, &parsed, NULL) == 0 && parsed.read_only;
}

/* ---- wishes ---- */

static const char *pairs_json(struct arena *arena, const struct config_pair *pairs, size_t n)
{
	_cleanup_json_ cJSON *object = cJSON_CreateObject();
	_cleanup_free_ char *text = NULL;
	bool ok = object != NULL;

	if (!n)
		return NULL;
	for (size_t i = 0; ok && i < n; i++)
		ok = cJSON_AddStringToObject(object, pairs[i].name, pairs[i].value) != NULL;
	text = ok ? json_print(object) : NULL;
	if (!text)
		arena->failed = true;
	return arena_strdup(arena, text);
}

static const char *new_name(struct arena *arena)
{
	char name[65];

	random_hex(name, 32);
	return arena_strdup(arena, name);
}

static void wish_volume(struct volumes *out, const scow_container_config *config, const struct config_mount *mount, struct held *held)
{
	struct arena *arena = &out->arena;
	const char *driver = mount->volume.driver ? mount->volume.driver : mount->source ? NULL : config->volume_driver;

	held->volume_name = mount->source ? arena_strdup(arena, mount->source) : new_name(arena);
	held->wish = (struct volume_wish){
		.name = held->volume_name,
		.driver = arena_strdup(arena, driver ? driver : config->volume_driver),
		.options = pairs_json(arena, mount->volume.options, mount->volume.n_options),
		.labels = pairs_json(arena, mount->volume.labels, mount->volume.n_labels),
		.anonymous = !mount->source,
	};
}

static int wish_image(scow_engine *engine, struct volumes *out, struct held *held, scow_error **error)
{
	scow_image *image = NULL;
	int r = scow_image_get(engine, held->source, &image, error);

	if (r == 0) {
		held->image_id = arena_strdup(&out->arena, scow_image_id(image));
		held->read_only = true;
	}
	scow_image_unref(image);
	return r;
}

/* A volume or an image of the config. */
static int wish(scow_engine *engine, struct volumes *out, const scow_container_config *config, const struct config_mount *mount,
		scow_error **error)
{
	struct held *held = add(out);

	if (!held)
		return error_oom(error);
	held->kind = mount->kind;
	held->target = arena_strdup(&out->arena, mount->target);
	held->options = arena_strdup(&out->arena, mount->options);
	held->subpath = arena_strdup(&out->arena, mount->subpath);
	held->source = arena_strdup(&out->arena, mount->source);
	held->no_copy = mount->no_copy;
	held->read_only = is_read_only(mount->options);
	if (mount->kind == MOUNT_IMAGE)
		return wish_image(engine, out, held, error);
	wish_volume(out, config, mount, held);
	return 0;
}

static bool config_has(const scow_container_config *config, const char *target)
{
	for (size_t i = 0; i < config->n_mounts; i++)
		if (str_eq(config->mounts[i].target, target))
			return true;
	return false;
}

/* ---- volumes from ---- */

/* Takes over @from's, unless the config has something else there. */
static int take(struct volumes *out, const scow_container_config *config, const struct held *from, bool read_only, scow_error **error)
{
	struct held *held = find(out, from->target);
	struct arena *arena = &out->arena;

	if (config_has(config, from->target))
		return 0;
	if (!held)
		held = add(out);
	if (!held)
		return error_oom(error);
	*held = (struct held){
		.kind = from->kind,
		.target = arena_strdup(arena, from->target),
		.options = arena_strdup(arena, from->options),
		.subpath = arena_strdup(arena, from->subpath),
		.source = arena_strdup(arena, from->source),
		.volume_name = arena_strdup(arena, from->volume_name),
		.image_id = arena_strdup(arena, from->image_id),
		.no_copy = true,
		.read_only = from->read_only || read_only,
	};
	if (held->read_only && !from->read_only && from->kind != MOUNT_IMAGE)
		held->options = from->options ? arena_printf(arena, "ro,%s", from->options) : "ro";
	return 0;
}

static int take_all(scow_engine *engine, struct volumes *out, const scow_container_config *config, const struct config_volumes_from *from,
		    scow_error **error)
{
	_cleanup_(scow_container_unrefp) scow_container *other = NULL;
	_cleanup_volumes_ struct volumes theirs = { .n = 0 };
	const scow_container_config *settings;
	struct db_work work = { 0 };
	int r = scow_container_get(engine, from->container, &other, error);

	if (r == 0)
		r = container_config_of(other, &settings, error);
	if (r < 0)
		return r;
	db_lock(engine->db, &work);
	r = volumes_read(&work, other->id, &theirs, error);
	db_end(&work);
	for (size_t i = 0; i < theirs.n && r == 0; i++)
		r = take(out, config, &theirs.items[i], from->read_only, error);
	for (size_t i = 0; i < settings->n_mounts && r == 0; i++) {
		const struct config_mount *mount = &settings->mounts[i];
		const struct held bind = {
			.kind = MOUNT_BIND,
			.target = mount->target,
			.source = mount->source,
			.options = mount->options,
			.read_only = is_read_only(mount->options),
		};

		if (mount->kind == MOUNT_BIND)
			r = take(out, config, &bind, from->read_only, error);
	}
	return r;
}

/* ---- of the image ---- */

static int add_image_volumes(struct volumes *out, const struct image_config *image, const scow_container_config *config, scow_error **error)
{
	for (size_t i = 0; image && i < image->n_volumes; i++) {
		_cleanup_free_ char *target = path_clean(image->volumes[i]);
		const struct config_mount mount = { .kind = MOUNT_VOLUME, .target = target };
		struct held *held;

		if (!target)
			return error_oom(error);
		if (str_eq(target, "/"))
			return error_set(error, SCOW_E_INVALID, "the image asks for a volume on '%s', which is the root",
					 image->volumes[i]);
		if (config_has(config, target) || find(out, target))
			continue;
		held = add(out);
		if (!held)
			return error_oom(error);
		held->kind = MOUNT_VOLUME;
		held->target = arena_strdup(&out->arena, target);
		wish_volume(out, config, &mount, held);
	}
	return 0;
}

/* Whether there can be any rows. */
static bool volumes_expected(const struct image_config *image, const scow_container_config *config)
{
	bool any = config->n_volumes_from || (image && image->n_volumes);

	for (size_t i = 0; i < config->n_mounts && !any; i++)
		any = config->mounts[i].kind == MOUNT_VOLUME || config->mounts[i].kind == MOUNT_IMAGE;
	return any;
}

/* What has to be made is made by its driver, or could be. */
static int prepare(scow_engine *engine, const struct volumes *out, scow_error **error)
{
	int r = 0;

	for (size_t i = 0; i < out->n && r == 0; i++) {
		if (!out->items[i].wish.name)
			continue;
		r = volume_await(engine, out->items[i].wish.name, error);
		if (r == 0)
			r = volume_prepare(engine, &out->items[i].wish, error);
	}
	return r == 0 && arena_failed(&out->arena) ? error_oom(error) : r;
}

int volumes_plan(scow_engine *engine, const struct image_config *image, const scow_container_config *config, struct volumes *out,
		 scow_error **error)
{
	int r = 0;

	if (!volumes_expected(image, config))
		return 0;
	for (size_t i = 0; i < config->n_volumes_from && r == 0; i++)
		r = take_all(engine, out, config, &config->volumes_from[i], error);
	for (size_t i = 0; i < config->n_mounts && r == 0; i++)
		if (config->mounts[i].kind == MOUNT_VOLUME || config->mounts[i].kind == MOUNT_IMAGE)
			r = wish(engine, out, config, &config->mounts[i], error);
	if (r == 0)
		r = add_image_volumes(out, image, config, error);
	return r < 0 ? r : prepare(engine, out, error);
}

int volumes_plan_one(scow_engine *engine, const scow_container_config *config, const struct config_mount *mount, struct volumes *out,
		     scow_error **error)
{
	int r = wish(engine, out, config, mount, error);

	return r < 0 ? r : prepare(engine, out, error);
}

/* ---- rows ---- */

static int volumes_insert_one(struct db_work *work, scow_engine *engine, const char *id, const struct held *held, scow_error **error)
{
	int r = held->wish.name ? volume_hold(work, engine, &held->wish, error) : 0;

	if (r == VOLUME_REMOVING)
		return error_set(error, SCOW_E_BUSY, "volume '%s' is being removed", held->wish.name);
	if (r >= 0)
		r = db_exec(work, error,
			    "INSERT INTO mounts (container, target, kind, volume, image, source, options, subpath, read_only, no_copy) "
			    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			    "ttitttttii", id, held->target, (int64_t) held->kind, held->volume_name, held->image_id,
			    held->source ? held->source : "", held->options, held->subpath, (int64_t) held->read_only,
			    (int64_t) held->no_copy);
	return r < 0 ? r : 0;
}

int volumes_insert(struct db_work *work, scow_engine *engine, const char *id, const struct volumes *volumes, scow_error **error)
{
	int r = 0;

	for (size_t i = 0; i < volumes->n && r == 0; i++)
		r = volumes_insert_one(work, engine, id, &volumes->items[i], error);
	return r;
}

int volumes_read(struct db_work *work, const char *id, struct volumes *out, scow_error **error)
{
	struct arena *arena = &out->arena;
	sqlite3_stmt *row;
	int r = db_query(work, &row, error,
			 "SELECT target, kind, volume, image, source, options, subpath, read_only, no_copy FROM mounts WHERE container = ? "
			 "ORDER BY target",
			 "t", id);

	for (; r > 0; r = db_step(work, row, error)) {
		struct held *held = add(out);

		if (!held)
			return error_oom(error);
		*held = (struct held){
			.target = arena_strdup(arena, db_text(row, 0)),
			.kind = (enum config_mount_kind) db_int(row, 1),
			.volume_name = arena_strdup(arena, db_text(row, 2)),
			.image_id = arena_strdup(arena, db_text(row, 3)),
			.source = arena_strdup(arena, db_text(row, 4)),
			.options = arena_strdup(arena, db_text(row, 5)),
			.subpath = arena_strdup(arena, db_text(row, 6)),
			.read_only = db_int(row, 7) != 0,
			.no_copy = db_int(row, 8) != 0,
		};
	}
	for (size_t i = 0; i < out->n && r == 0; i++)
		if (out->items[i].volume_name)
			r = volume_read(work, out->items[i].volume_name, arena, &out->items[i].volume, error);
	return r == 0 && arena_failed(arena) ? error_oom(error) : r;
}

/* ---- a start ---- */

static int resolve_image(scow_engine *engine, struct held *held, scow_error **error)
{
	scow_image *image = NULL;
	const char *top;
	int r = scow_image_get(engine, held->image_id, &image, error);

	if (r < 0)
		return r;
	top = image_top_layer(image);
	r = top ? layer_stack(engine, top, &held->lowers, &held->n_lowers, error) : 0;
	scow_image_unref(image);
	if (r == 0 && !held->n_lowers)
		return error_set(error, SCOW_E_INVALID, "the image '%s' has no files", held->source);
	return r;
}

int volumes_resolve(scow_engine *engine, const char *id, struct held *held, struct arena *arena, scow_error **error)
{
	_cleanup_fd_ int fd = -1;
	int r;

	if (held->kind == MOUNT_IMAGE)
		return resolve_image(engine, held, error);
	if (held->kind != MOUNT_VOLUME)
		return 0;
	r = volume_source(engine, held->volume, arena, &held->from, error);
	if (r == 0 && held->from.kind == VOLUME_DRIVEN)
		return volume_driver_mount(engine, held->volume, id, arena, &held->place, error);
	if (r == 0 && held->from.path) {
		fd = volume_open(engine, held->volume, &held->from, error);
		r = fd < 0 ? fd : 0;
	}
	return r;
}

int volumes_open(scow_container *container, const struct image_config *image, const scow_container_config *config, struct volumes *out,
		 scow_error **error)
{
	struct db_work work = { 0 };
	int r;

	if (!volumes_expected(image, config))
		return 0;
	db_lock(container->engine->db, &work);
	r = volumes_read(&work, container->id, out, error);
	db_end(&work);
	for (size_t i = 0; i < out->n && r == 0; i++)
		r = volumes_resolve(container->engine, container->id, &out->items[i], &out->arena, error);
	return r;
}
