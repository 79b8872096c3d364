/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What takes room in a store, as Docker's /system/df tells it. Layers are counted by their rows, once each: an image's size is that
 * of its stack, and its shared size that of the layers in the stacks of others.
 */
#include <stdlib.h>
#include <string.h>

#include "base/iter.h"
#include "base/json.h"
#include "base/str.h"
#include "container/size.h"
#include "image/image.h"
#include "system/volumes.h"

#include <scow/system.h>

static bool add_number(cJSON *object, const char *name, double value)
{
	return cJSON_AddNumberToObject(object, name, value) != NULL;
}

static bool add_text(cJSON *object, const char *name, const char *value)
{
	return cJSON_AddStringToObject(object, name, value ? value : "") != NULL;
}

/* An object of the list, or NULL without memory. */
static cJSON *add_object(cJSON *list)
{
	cJSON *object = cJSON_CreateObject();

	if (cJSON_AddItemToArray(list, object))
		return object;
	cJSON_Delete(object);
	return NULL;
}

/* ---- images ---- */

/* The sizes of every image, by one query: {id: [own, shared]}. */
static int read_sizes(scow_engine *engine, cJSON *sizes, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *s;
	int r;

	db_lock(engine->db, &work);
	r = db_query(&work, &s, error,
		     "WITH RECURSIVE stack(image, layer) AS (SELECT id, top_layer FROM images WHERE top_layer IS NOT NULL UNION ALL "
		     "SELECT image, parent FROM stack JOIN layers ON chain_id = layer WHERE parent IS NOT NULL), "
		     "users(layer, n) AS (SELECT layer, count(*) FROM stack GROUP BY layer) "
		     "SELECT image, sum(size), sum(CASE WHEN n > 1 THEN size ELSE 0 END) FROM stack JOIN users USING (layer) "
		     "JOIN layers ON chain_id = stack.layer GROUP BY image",
		     "");
	for (; r > 0; r = db_step(&work, s, error)) {
		const double pair[] = { (double) db_int(s, 1), (double) db_int(s, 2) };
		cJSON *item = cJSON_CreateDoubleArray(pair, 2);

		if (!cJSON_AddItemToObject(sizes, db_text(s, 0), item)) {
			cJSON_Delete(item);
			return error_oom(error);
		}
	}
	return r;
}

static double pair_item(const cJSON *sizes, const char *id, int index)
{
	const cJSON *item = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(sizes, id), index);

	return item ? item->valuedouble : 0;
}

/* How many containers use it. */
static int count_users(scow_engine *engine, const char *id, int64_t *count, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *s;
	int r;

	db_lock(engine->db, &work);
	r = db_query(&work, &s, error, "SELECT count(*) FROM containers WHERE image = ?", "t", id);
	if (r > 0)
		*count = db_int(s, 0);
	return r < 0 ? r : 0;
}

static bool add_names(cJSON *object, scow_image *image)
{
	cJSON *tags = cJSON_AddArrayToObject(object, "RepoTags"), *digests = cJSON_AddArrayToObject(object, "RepoDigests");
	bool ok = tags && digests;

	for (size_t i = 0; ok && i < scow_image_tag_count(image); i++)
		ok = cJSON_AddItemToArray(tags, cJSON_CreateString(scow_image_tag_at(image, i)));
	for (size_t i = 0; ok && i < scow_image_digest_count(image); i++)
		ok = cJSON_AddItemToArray(digests, cJSON_CreateString(scow_image_digest_at(image, i)));
	return ok;
}

static bool add_image_labels(cJSON *object, scow_image *image)
{
	const struct image_config *config;
	cJSON *labels;
	bool ok;

	if (image_config_of(image, &config, NULL) < 0 || !config->n_labels)
		return cJSON_AddNullToObject(object, "Labels") != NULL;
	labels = cJSON_AddObjectToObject(object, "Labels");
	ok = labels != NULL;
	for (size_t i = 0; ok && i + 1 < config->n_labels; i += 2)
		ok = add_text(labels, config->labels[i], config->labels[i + 1]);
	return ok;
}

static int add_image(scow_engine *engine, scow_image *image, const cJSON *sizes, cJSON *list, scow_error **error)
{
	const char *id = scow_image_id(image);
	cJSON *object = add_object(list);
	int64_t users = 0;
	int r = count_users(engine, id, &users, error);

	if (r < 0)
		return r;
	if (!object || !add_text(object, "Id", id) || !add_text(object, "ParentId", "") || !add_names(object, image) ||
	    !add_number(object, "Created", (double) scow_image_created(image)) || !add_number(object, "Size", pair_item(sizes, id, 0)) ||
	    !add_number(object, "SharedSize", pair_item(sizes, id, 1)) || !add_number(object, "VirtualSize", pair_item(sizes, id, 0)) ||
	    !add_number(object, "Containers", (double) users) || !add_image_labels(object, image))
		return error_oom(error);
	return 0;
}

static int add_images(scow_engine *engine, cJSON *root, scow_error **error)
{
	_cleanup_(scow_iter_unrefp) scow_iter *iter = NULL;
	_cleanup_json_ cJSON *sizes = cJSON_CreateObject();
	cJSON *list = cJSON_AddArrayToObject(root, "Images");
	scow_image *image;
	int r;

	if (!sizes || !list)
		return error_oom(error);
	r = read_sizes(engine, sizes, error);
	if (r == 0)
		r = scow_image_list(engine, NULL, &iter, error);
	while (r == 0 && (image = scow_iter_next_image(iter)))
		r = add_image(engine, image, sizes, list, error);
	return r;
}

/* ---- containers ---- */

static int read_labels(scow_engine *engine, const char *id, cJSON **out, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	const char *text = NULL;
	sqlite3_stmt *s;
	int r;

	db_lock(engine->db, &work);
	r = db_query(&work, &s, error, "SELECT labels FROM containers WHERE id = ?", "t", id);
	if (r > 0)
		text = db_text(s, 0);
	*out = text && *text ? cJSON_Parse(text) : cJSON_CreateObject();
	return r < 0 ? r : *out ? 0 : error_oom(error);
}

static int add_container(scow_engine *engine, scow_container *container, cJSON *list, scow_error **error)
{
	_cleanup_free_ char *slashed = strf("/%s", scow_container_name(container));
	uint64_t written = 0, below = 0;
	struct container_row row;
	cJSON *object, *names, *labels;
	int r = container_row_read(engine, scow_container_id(container), &row, NULL);

	if (r < 0)
		return 0; /* removed meanwhile */
	/* What cannot be seen is not counted. */
	(void) container_written(engine, scow_container_id(container), &written, NULL);
	{
		_cleanup_db_ struct db_work work = { 0 };

		db_lock(engine->db, &work);
		r = container_image_size(&work, container->top_layer, &below, error);
	}
	if (r < 0)
		return r;
	object = add_object(list);
	names = object ? cJSON_AddArrayToObject(object, "Names") : NULL;
	if (!slashed || !names || !cJSON_AddItemToArray(names, cJSON_CreateString(slashed)) ||
	    !add_text(object, "Id", scow_container_id(container)) || !add_text(object, "Image", scow_container_image_name(container)) ||
	    !add_text(object, "ImageID", scow_container_image_id(container)) ||
	    !add_text(object, "Command", scow_container_command(container)) ||
	    !add_number(object, "Created", (double) scow_container_created(container)) || !cJSON_AddArrayToObject(object, "Ports") ||
	    !add_number(object, "SizeRw", (double) written) || !add_number(object, "SizeRootFs", (double) (written + below)) ||
	    !add_text(object, "State", container_state_name(row.state)) ||
	    !add_text(object, "Status", scow_container_status_text(container)) || !cJSON_AddArrayToObject(object, "Mounts"))
		return error_oom(error);
	r = read_labels(engine, scow_container_id(container), &labels, error);
	if (r < 0)
		return r;
	if (cJSON_AddItemToObject(object, "Labels", labels))
		return 0;
	cJSON_Delete(labels);
	return error_oom(error);
}

static int add_containers(scow_engine *engine, cJSON *root, scow_error **error)
{
	_cleanup_(scow_iter_unrefp) scow_iter *iter = NULL;
	cJSON *list = cJSON_AddArrayToObject(root, "Containers");
	scow_container *container;
	int r = list ? scow_container_list(engine, SCOW_LIST_ALL, &iter, error) : error_oom(error);

	while (r == 0 && (container = scow_iter_next_container(iter)))
		r = add_container(engine, container, list, error);
	return r;
}

/* ---- all ---- */

static int add_totals(scow_engine *engine, cJSON *root, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *s;
	int r;

	db_lock(engine->db, &work);
	r = db_query(&work, &s, error, "SELECT (SELECT coalesce(sum(size), 0) FROM layers), (SELECT coalesce(sum(size), 0) FROM blobs)",
		     "");
	if (r < 0)
		return r;
	return add_number(root, "LayersSize", (double) db_int(s, 0)) && add_number(root, "BlobsSize", (double) db_int(s, 1))
		       ? 0
		       : error_oom(error);
}

int scow_engine_df_json(scow_engine *engine, char **out, scow_error **error)
{
	_cleanup_json_ cJSON *root = cJSON_CreateObject();
	cJSON *volumes;
	int r = engine_check(engine, error);

	if (r == 0 && !out)
		r = error_set(error, SCOW_E_INVALID, "no place for the document was given");
	if (r == 0)
		r = root ? add_totals(engine, root, error) : error_oom(error);
	if (r == 0)
		r = add_images(engine, root, error);
	if (r == 0)
		r = add_containers(engine, root, error);
	if (r < 0)
		return r;
	volumes = cJSON_AddArrayToObject(root, "Volumes");
	r = volumes ? volumes_usage(engine, volumes, error) : error_oom(error);
	if (r < 0)
		return r;
	if (!cJSON_AddArrayToObject(root, "BuildCache") ||
	    !add_number(root, "BuilderSize", 0) || !(*out = json_print(root)))
		return error_oom(error);
	return 0;
}
