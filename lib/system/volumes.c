/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Volumes where containers are concerned: list, remove, prune, and how much room they take. Before one is said to be in use, and before any
 * is chosen to be removed, what has ended is brought to rest.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/iter.h"
#include "base/json.h"
#include "base/str.h"
#include "container/size.h"
#include "container/sweep.h"
#include "image/image.h"
#include "system/prune.h"
#include "system/volumes.h"
#include "volume/volume-internal.h"

static bool labels_fit(const struct filters *filters, const struct volume *volume)
{
	_cleanup_json_ cJSON *labels = cJSON_Parse(volume->labels);

	return filters_allow_labels(filters, labels);
}

static int count_users(struct db_work *work, const char *name, int64_t *users, scow_error **error)
{
	sqlite3_stmt *row;
	int r = db_query(work, &row, error, "SELECT count(*) FROM mounts WHERE volume = ?", "t", name);

	if (r > 0)
		*users = db_int(row, 0);
	return r < 0 ? r : 0;
}

/* ---- list ---- */

static int is_chosen(struct db_work *work, const struct filters *filters, const struct volume *volume, scow_error **error)
{
	int64_t users = 0;
	int r;

	if (!filters_contain(filters, "name", volume->name) || !filters_allow(filters, "driver", volume->driver) ||
	    !labels_fit(filters, volume))
		return 0;
	if (!filters_have(filters, "dangling"))
		return 1;
	r = count_users(work, volume->name, &users, error);
	if (r < 0)
		return r;
	return filters_allow_bool(filters, "dangling", !users);
}

static void unref(void *item)
{
	scow_volume_unref(item);
}

static int collect(scow_engine *engine, const struct filters *filters, scow_iter *list, scow_error **error)
{
	_cleanup_arena_ struct arena arena = { 0 };
	_cleanup_db_ struct db_work work = { 0 };
	struct volume **all = NULL;
	int r;

	db_lock(engine->db, &work);
	r = volume_read_all(&work, &arena, &all, error);
	for (size_t i = 0; r == 0 && all[i]; i++) {
		scow_volume *volume;
		const int chosen = is_chosen(&work, filters, all[i], error);

		if (chosen > 0)
			r = volume_handle(engine, all[i], &volume, error);
		if (chosen > 0 && r == 0)
			r = iter_add(list, volume, error);
		r = chosen < 0 ? chosen : r;
	}
	return r;
}

int scow_volume_list(scow_engine *engine, const char *text, scow_iter **out, scow_error **error)
{
	static const char *const known[] = { "name", "driver", "label", "dangling", NULL };
	_cleanup_filters_ struct filters filters = { NULL };
	_cleanup_(scow_iter_unrefp) scow_iter *list = NULL;
	int r = engine_check(engine, error);

	if (r == 0 && !out)
		r = error_set(error, SCOW_E_INVALID, "no place for the list was given");
	if (r == 0)
		r = filters_parse(text, known, &filters, error);
	if (r == 0)
		r = iter_new(ITER_VOLUMES, unref, &list, error);
	if (r == 0)
		r = collect(engine, &filters, list, error);
	if (r == 0)
		*out = take_ptr(&list);
	return r;
}

/* ---- remove ---- */

int scow_volume_remove(scow_volume *volume, unsigned int flags, scow_error **error)
{
	const bool force = flags & SCOW_REMOVE_FORCE;
	scow_error *failure = NULL;
	int r = volume_check(volume, error);

	if (r < 0)
		return r;
	r = volume_remove(volume->engine, volume->name, force, &failure);
	if (r == SCOW_E_BUSY && container_sweep(volume->engine, NULL) == 0) {
		error_clear(&failure);
		r = volume_remove(volume->engine, volume->name, force, &failure);
	}
	if (r == 0)
		volume->gone = true;
	error_wrap(&failure, r, "remove volume '%s'", volume->name);
	if (r < 0 && error)
		*error = take_ptr(&failure);
	scow_error_unref(failure);
	return r;
}

/* ---- how much ---- */

/* What is on the disk; -1 where nobody can tell, or may not look. */
static int64_t measure(scow_engine *engine, const struct volume *volume)
{
	_cleanup_arena_ struct arena arena = { 0 };
	struct volume_source source;
	_cleanup_fd_ int fd = -1;
	uint64_t bytes = 0;

	if (volume_source(engine, volume, &arena, &source, NULL) < 0 || source.kind != VOLUME_DIRECTORY)
		return -1;
	fd = open(source.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || tree_bytes(fd, &bytes) < 0)
		return -1;
	return (int64_t) bytes;
}

static int add_volume(scow_engine *engine, const struct volume *volume, cJSON *list, scow_error **error)
{
	_cleanup_free_ char *text = NULL;
	struct db_work work = { 0 };
	cJSON *object, *usage;
	int64_t users = 0;
	int r;

	db_lock(engine->db, &work);
	r = count_users(&work, volume->name, &users, error);
	db_end(&work);
	if (r == 0)
		r = volume_json(engine, volume, &text, error);
	if (r < 0)
		return r;
	object = cJSON_Parse(text);
	if (!object || !cJSON_AddItemToArray(list, object)) {
		cJSON_Delete(object);
		return error_oom(error);
	}
	usage = cJSON_AddObjectToObject(object, "UsageData");
	return usage && cJSON_AddNumberToObject(usage, "Size", (double) measure(engine, volume)) &&
			       cJSON_AddNumberToObject(usage, "RefCount", (double) users)
		       ? 0
		       : error_oom(error);
}

static int read_all(scow_engine *engine, struct arena *arena, struct volume ***out, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };

	db_lock(engine->db, &work);
	return volume_read_all(&work, arena, out, error);
}

int volumes_usage(scow_engine *engine, cJSON *list, scow_error **error)
{
	_cleanup_arena_ struct arena arena = { 0 };
	struct volume **all = NULL;
	int r = read_all(engine, &arena, &all, error);

	for (size_t i = 0; r == 0 && all[i]; i++)
		r = add_volume(engine, all[i], list, error);
	return r;
}

/* ---- prune ---- */

static void prune_one(struct prune *prune, const struct volume *volume)
{
	struct db_work work = { 0 };
	scow_error *failure = NULL;
	int64_t users = 0, size = 0;
	int r;

	db_lock(prune->engine->db, &work);
	r = count_users(&work, volume->name, &users, &failure);
	db_end(&work);
	if (r == 0 && users)
		return;
	if (r == 0) {
		size = measure(prune->engine, volume);
		r = volume_remove(prune->engine, volume->name, false, &failure);
	}
	if (r == 0 && size > 0)
		prune->bytes += (uint64_t) size;
	prune_note(prune, r, volume->name, &failure);
}

int scow_volume_prune(scow_engine *engine, int all, const char *filters, char **report, scow_error **error)
{
	static const char *const known[] = { "label", "label!", "all", NULL };
	static const struct prune_kind kind = { "volume", "VolumesDeleted", known, true };
	_cleanup_arena_ struct arena arena = { 0 };
	_cleanup_prune_ struct prune prune = { NULL };
	struct volume **volumes = NULL;
	const char *wanted;
	int r = prune_begin(&prune, engine, &kind, filters, error);

	if (r == 0 && (wanted = filters_value(&prune.filters, "all", 0)))
		all = str_eq(wanted, "true") || str_eq(wanted, "1");
	if (r == 0)
		r = container_sweep(engine, error);
	if (r == 0)
		r = read_all(engine, &arena, &volumes, error);
	for (size_t i = 0; r == 0 && volumes[i]; i++)
		if ((all || volumes[i]->anonymous) && labels_fit(&prune.filters, volumes[i]))
			prune_one(&prune, volumes[i]);
	return r < 0 ? r : prune_finish(&prune, report, error);
}
