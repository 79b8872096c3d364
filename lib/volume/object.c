/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Volumes as handles: create, get, what a handle knows, and the document of all that there is to say. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/fault.h"
#include "base/json.h"
#include "base/str.h"
#include "store/lock.h"
#include "volume/volume-internal.h"

int volume_check(scow_volume *volume, scow_error **error)
{
	if (!volume)
		return error_set(error, SCOW_E_INVALID, "no volume was given");
	return engine_check(volume->engine, error);
}

static void handle_free(scow_volume *volume)
{
	scow_engine_unref(volume->engine);
	free(volume->name);
	free(volume->driver);
	free(volume->mountpoint);
	free(volume);
}

int volume_handle(scow_engine *engine, const struct volume *volume, scow_volume **out, scow_error **error)
{
	_cleanup_arena_ struct arena arena = { 0 };
	scow_volume *handle = calloc(1, sizeof(*handle));
	struct volume_source source = { .path = NULL };

	if (!handle)
		return error_oom(error);
	atomic_init(&handle->refs, 1);
	handle->engine = scow_engine_ref(engine);
	handle->name = strdup(volume->name);
	handle->driver = strdup(volume->driver);
	handle->created = volume->created;
	handle->ephemeral = volume->ephemeral;
	if (volume_source(engine, volume, &arena, &source, NULL) == 0 && source.path)
		handle->mountpoint = strdup(source.path);
	if (!handle->name || !handle->driver || (source.path && !handle->mountpoint)) {
		handle_free(handle);
		return error_oom(error);
	}
	*out = handle;
	return 0;
}

/* ---- create ---- */

static int make(scow_engine *engine, const struct volume_wish *wish, scow_volume **out, scow_error **error)
{
	_cleanup_arena_ struct arena arena = { 0 };
	_cleanup_db_ struct db_work work = { 0 };
	struct volume *volume;
	int held = VOLUME_REMOVING, r = 0;

	while (r == 0 && held == VOLUME_REMOVING) {
		r = volume_await(engine, wish->name, error);
		if (r == 0)
			r = db_begin(engine->db, &work, error);
		held = r == 0 ? volume_hold(&work, engine, wish, error) : r;
		if (held == VOLUME_REMOVING)
			db_end(&work);
	}
	r = r < 0 ? r : held < 0 ? held : volume_read(&work, wish->name, &arena, &volume, error);
	FAULT_POINT("volume.inserted");
	if (r == 0)
		r = db_commit(&work, error);
	if (r == 0)
		r = volume_handle(engine, volume, out, error);
	if (r < 0)
		return r;
	(*out)->created_here = held == VOLUME_MADE;
	return 0;
}

/* What is not known as a volume's yet: whether it can be one. */
static int check_new(scow_engine *engine, const struct volume_wish *wish, scow_error **error)
{
	const struct volume draft = { .name = wish->name, .driver = wish->driver ? wish->driver : VOLUME_LOCAL, .options = wish->options };
	_cleanup_arena_ struct arena arena = { 0 };
	_cleanup_json_ cJSON *options = cJSON_Parse(wish->options);
	struct volume_source source;
	const cJSON *item;
	int r;

	cJSON_ArrayForEach(item, options) if (str_eq(draft.driver, VOLUME_LOCAL) && !str_eq(item->string, "type") &&
					      !str_eq(item->string, "device") && !str_eq(item->string, "o") &&
					      !str_eq(item->string, "size"))
		return error_set(error, SCOW_E_INVALID, "'%s' is not an option of the driver 'local': type, device, o and size are",
				 item->string);
	r = str_eq(draft.driver, VOLUME_LOCAL) && options ? volume_check_size(engine, &draft, error) : 0;
	return r < 0 ? r : volume_source(engine, &draft, &arena, &source, error);
}

static int create(scow_engine *engine, const char *name, const scow_volume_config *config, scow_volume **out, scow_error **error)
{
	_cleanup_free_ char *options = volume_pairs_json(config->options, config->n_options);
	_cleanup_free_ char *labels = volume_pairs_json(config->labels, config->n_labels);
	struct volume_wish wish = {
		.name = name, .driver = config->driver, .options = options, .labels = labels, .ephemeral = config->ephemeral
	};
	char made[65];
	int r = options && labels ? 0 : error_oom(error);

	if (!name) {
		random_hex(made, 32);
		wish.name = made;
		wish.anonymous = true;
	}
	if (r == 0)
		r = check_new(engine, &wish, error);
	if (r == 0 && wish.ephemeral)
		r = owner_register(engine, error);
	if (r == 0)
		r = volume_prepare(engine, &wish, error);
	if (r == 0)
		r = make(engine, &wish, out, error);
	return r < 0 ? error_wrap(error, r, "create volume '%s'", wish.name) : 0;
}

int scow_volume_create(scow_engine *engine, const char *name, const scow_volume_config *config, scow_volume **out, scow_error **error)
{
	static const scow_volume_config defaults;
	_cleanup_(scow_volume_unrefp) scow_volume *volume = NULL;
	int r = engine_check(engine, error);

	if (r == 0 && name)
		r = volume_check_name(name, error);
	if (!config)
		config = &defaults;
	if (r == 0)
		r = volume_config_check(config, error);
	if (r == 0 && config->ephemeral && !out)
		r = error_set(error, SCOW_E_INVALID, "an ephemeral volume goes with its handle, and no place for that was given");
	if (r == 0)
		r = create(engine, name, config, &volume, error);
	if (r == 0 && out)
		*out = take_ptr(&volume);
	return r;
}

/* ---- handles ---- */

scow_volume *scow_volume_ref(scow_volume *volume)
{
	if (volume)
		atomic_fetch_add_explicit(&volume->refs, 1, memory_order_relaxed);
	return volume;
}

scow_volume *scow_volume_unref(scow_volume *volume)
{
	int saved = errno;

	if (!volume || atomic_fetch_sub_explicit(&volume->refs, 1, memory_order_acq_rel) != 1)
		return NULL;
	if (volume->ephemeral && volume->created_here && !volume->gone && volume->engine->pid == getpid()) {
		scow_error *failure = NULL;

		/* One that a container has goes with the first sweep after that one's end. */
		if (volume_remove(volume->engine, volume->name, false, &failure) < 0)
			engine_log(volume->engine, SCOW_LOG_INFO, "volume '%s' stays for now: %s", volume->name,
				   scow_error_message(failure));
		scow_error_unref(failure);
	}
	handle_free(volume);
	errno = saved;
	return NULL;
}

int scow_volume_get(scow_engine *engine, const char *name, scow_volume **out, scow_error **error)
{
	_cleanup_arena_ struct arena arena = { 0 };
	_cleanup_db_ struct db_work work = { 0 };
	struct volume *volume;
	int r = engine_check(engine, error);

	if (r == 0 && (!name || !out))
		r = error_set(error, SCOW_E_INVALID, "no %s was given", name ? "place for the volume" : "name");
	if (r < 0)
		return r;
	db_lock(engine->db, &work);
	r = volume_read(&work, name, &arena, &volume, error);
	db_end(&work);
	return r < 0 ? r : volume_handle(engine, volume, out, error);
}

const char *scow_volume_name(const scow_volume *volume)
{
	return volume ? volume->name : NULL;
}

const char *scow_volume_driver_name(const scow_volume *volume)
{
	return volume ? volume->driver : NULL;
}

const char *scow_volume_mountpoint(const scow_volume *volume)
{
	return volume ? volume->mountpoint : NULL;
}

int64_t scow_volume_created(const scow_volume *volume)
{
	return volume ? volume->created / 1000000000 : 0;
}

/* ---- the document ---- */

static bool put(cJSON *object, const char *name, const char *value)
{
	return cJSON_AddStringToObject(object, name, value) != NULL;
}

/* null where there are none, as Docker has it. */
static bool put_map(cJSON *object, const char *name, const char *json)
{
	cJSON *map = cJSON_Parse(json);

	if (map && !map->child) {
		cJSON_Delete(map);
		return cJSON_AddNullToObject(object, name) != NULL;
	}
	if (map && cJSON_AddItemToObject(object, name, map))
		return true;
	cJSON_Delete(map);
	return false;
}

int volume_json(scow_engine *engine, const struct volume *volume, char **out, scow_error **error)
{
	_cleanup_json_ cJSON *root = cJSON_CreateObject();
	_cleanup_arena_ struct arena arena = { 0 };
	const time_t seconds = (time_t) (volume->created / 1000000000);
	struct volume_source source = { .path = NULL };
	char created[32];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%SZ", &tm);
	(void) !volume_source(engine, volume, &arena, &source, NULL);
	if (!root || !put(root, "CreatedAt", created) || !put(root, "Driver", volume->driver) || !put_map(root, "Labels", volume->labels) ||
	    !put(root, "Mountpoint", source.path ? source.path : "") || !put(root, "Name", volume->name) ||
	    !put_map(root, "Options", volume->options) || !put(root, "Scope", "local") ||
	    (volume->anonymous && !cJSON_AddTrueToObject(root, "Anonymous")))
		return error_oom(error);
	*out = json_print(root);
	return *out ? 0 : error_oom(error);
}

int scow_volume_inspect_json(scow_volume *volume, char **out, scow_error **error)
{
	_cleanup_arena_ struct arena arena = { 0 };
	_cleanup_db_ struct db_work work = { 0 };
	struct volume *read;
	int r = volume_check(volume, error);

	if (r == 0 && !out)
		r = error_set(error, SCOW_E_INVALID, "no place for the document was given");
	if (r < 0)
		return r;
	db_lock(volume->engine->db, &work);
	r = volume_read(&work, volume->name, &arena, &read, error);
	db_end(&work);
	return r < 0 ? r : volume_json(volume->engine, read, out, error);
}
