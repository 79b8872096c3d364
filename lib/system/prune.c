/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Removing what is not used. Each removal is the ordinary one, without force: what came into use since it was chosen stays, and is
 * no failure.
 */
#include <stdlib.h>
#include <string.h>

#include "base/iter.h"
#include "base/json.h"
#include "base/str.h"
#include "container/filters.h"
#include "container/size.h"
#include "image/image.h"
#include "store/journal.h"

#include <scow/system.h>

/* Keeps the first failure; those that mean "it is used", or "it is gone", are none. */
static void note(int r, scow_error **failure, int *first, scow_error **error)
{
	if (r < 0 && r != SCOW_E_STATE && r != SCOW_E_BUSY && r != SCOW_E_NOT_FOUND && *first == 0) {
		*first = r;
		if (error) {
			*error = *failure;
			*failure = NULL;
		}
	}
	error_clear(failure);
}

static int finish(scow_engine *engine, const char *type, cJSON *report, uint64_t bytes, char **out, scow_error **error)
{
	_cleanup_free_ char *attributes = strf("{\"reclaimed\":\"%llu\"}", (unsigned long long) bytes);
	_cleanup_db_ struct db_work work = { 0 };

	if (!attributes || !cJSON_AddNumberToObject(report, "SpaceReclaimed", (double) bytes) || (out && !(*out = json_print(report))))
		return error_oom(error);
	/* What was removed is removed: the event is all that may be missing. */
	if (db_begin(engine->db, &work, NULL) < 0 || journal_add(&work, type, "prune", "", attributes, NULL) < 0 ||
	    db_commit(&work, NULL) < 0)
		engine_log(engine, SCOW_LOG_WARNING, "the pruning of %ss is not in the journal", type);
	return 0;
}

/* ---- containers ---- */

static int labels_of(scow_engine *engine, const char *id, cJSON **out)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *s;
	const char *text = NULL;
	int r;

	*out = NULL;
	db_lock(engine->db, &work);
	r = db_query(&work, &s, NULL, "SELECT labels FROM containers WHERE id = ?", "t", id);
	if (r > 0)
		text = db_text(s, 0);
	if (text && *text)
		*out = cJSON_Parse(text);
	return r;
}

static bool container_chosen(scow_engine *engine, scow_container *container, const struct filters *filters, int64_t until)
{
	_cleanup_json_ cJSON *labels = NULL;
	int state = scow_container_state_now(container, NULL);

	return container->created < until &&
	       (state == SCOW_CONTAINER_CREATED || state == SCOW_CONTAINER_EXITED || state == SCOW_CONTAINER_DEAD) &&
	       labels_of(engine, container->id, &labels) > 0 && filters_allow_labels(filters, labels);
}

static int prune_containers(scow_engine *engine, const struct filters *filters, int64_t until, cJSON *deleted, uint64_t *bytes,
			    scow_error **error)
{
	_cleanup_(scow_iter_unrefp) scow_iter *iter = NULL;
	scow_container *container;
	int first = scow_container_list(engine, SCOW_LIST_ALL, &iter, error);

	while (iter && (container = scow_iter_next_container(iter))) {
		scow_error *failure = NULL;
		uint64_t size = 0;
		int r;

		if (!container_chosen(engine, container, filters, until))
			continue;
		(void) container_written(engine, container->id, &size, NULL);
		r = scow_container_remove(container, SCOW_REMOVE_VOLUMES, &failure);
		if (r == 0) {
			*bytes += size;
			if (!cJSON_AddItemToArray(deleted, cJSON_CreateString(container->id)))
				r = error_oom(&failure);
		}
		note(r, &failure, &first, error);
	}
	return first;
}

int scow_engine_prune_containers(scow_engine *engine, const char *text, char **report, scow_error **error)
{
	static const char *const known[] = { "until", "label", "label!", NULL };
	_cleanup_filters_ struct filters filters = { NULL };
	_cleanup_json_ cJSON *root = cJSON_CreateObject();
	cJSON *deleted = root ? cJSON_AddArrayToObject(root, "ContainersDeleted") : NULL;
	uint64_t bytes = 0;
	int64_t until;
	int r = engine_check(engine, error);

	if (r == 0)
		r = filters_parse(text, known, &filters, error);
	if (r == 0)
		r = filters_until(&filters, &until, error);
	if (r == 0 && !deleted)
		r = error_oom(error);
	if (r == 0)
		r = prune_containers(engine, &filters, until, deleted, &bytes, error);
	return r < 0 ? r : finish(engine, "container", root, bytes, report, error);
}

/* ---- images ---- */

static bool is_used(scow_engine *engine, const char *id)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *s;

	db_lock(engine->db, &work);
	return db_query(&work, &s, NULL, "SELECT 1 FROM containers WHERE image = ?1 UNION ALL SELECT 1 FROM mounts WHERE image = ?1 LIMIT 1", "t", id) != 0;
}

static bool image_chosen(scow_engine *engine, scow_image *image, bool all, const struct filters *filters, int64_t until)
{
	_cleanup_json_ cJSON *labels = cJSON_CreateObject();
	const struct image_config *config;

	if ((!all && scow_image_tag_count(image)) || is_used(engine, scow_image_id(image)) || image_config_of(image, &config, NULL) < 0 ||
	    !labels)
		return false;
	for (size_t i = 0; i + 1 < config->n_labels; i += 2)
		if (!cJSON_AddStringToObject(labels, config->labels[i], config->labels[i + 1]))
			return false;
	return (until == INT64_MAX || scow_image_created(image) < until / 1000000000) && filters_allow_labels(filters, labels);
}

static int remove_name(scow_engine *engine, const char *name, cJSON *deleted, scow_error **error)
{
	_cleanup_json_ cJSON *lines = NULL;
	char *report = NULL;
	cJSON *line;
	int r = scow_image_remove(engine, name, 0, &report, error);

	if (r < 0)
		return r;
	lines = cJSON_Parse(report);
	free(report);
	while ((line = lines ? cJSON_DetachItemFromArray(lines, 0) : NULL))
		if (!cJSON_AddItemToArray(deleted, line)) {
			cJSON_Delete(line);
			return error_oom(error);
		}
	return 0;
}

/* Name by name: the last one takes the image along, unless a container has come to use it. */
static int remove_image(scow_engine *engine, scow_image *image, cJSON *deleted, scow_error **error)
{
	size_t tags = scow_image_tag_count(image), names = tags + scow_image_digest_count(image);
	int r = 0;

	if (!names)
		return remove_name(engine, scow_image_id(image), deleted, error);
	for (size_t i = 0; i < names && r == 0; i++)
		r = remove_name(engine, i < tags ? scow_image_tag_at(image, i) : scow_image_digest_at(image, i - tags), deleted, error);
	return r;
}

static uint64_t stored_bytes(scow_engine *engine)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *s;

	db_lock(engine->db, &work);
	if (db_query(&work, &s, NULL, "SELECT (SELECT coalesce(sum(size), 0) FROM layers) + (SELECT coalesce(sum(size), 0) FROM blobs)",
		     "") <= 0)
		return 0;
	return (uint64_t) db_int(s, 0);
}

static int prune_images(scow_engine *engine, bool all, const struct filters *filters, int64_t until, cJSON *deleted, scow_error **error)
{
	_cleanup_(scow_iter_unrefp) scow_iter *iter = NULL;
	scow_image *image;
	int first = scow_image_list(engine, NULL, &iter, error);

	while (iter && (image = scow_iter_next_image(iter))) {
		scow_error *failure = NULL;

		if (image_chosen(engine, image, all, filters, until))
			note(remove_image(engine, image, deleted, &failure), &failure, &first, error);
	}
	return first;
}

/* "dangling" says the same as the argument, and wins. */
static int read_dangling(const struct filters *filters, bool *all, scow_error **error)
{
	const char *value = filters_value(filters, "dangling", 0);

	if (!value)
		return 0;
	if (!str_eq(value, "true") && !str_eq(value, "false") && !str_eq(value, "1") && !str_eq(value, "0"))
		return error_set(error, SCOW_E_INVALID, "filter dangling: '%s' is neither true nor false", value);
	*all = value[0] == 'f' || value[0] == '0';
	return 0;
}

int scow_image_prune(scow_engine *engine, int all, const char *text, char **report, scow_error **error)
{
	static const char *const known[] = { "until", "label", "label!", "dangling", NULL };
	_cleanup_filters_ struct filters filters = { NULL };
	_cleanup_json_ cJSON *root = cJSON_CreateObject();
	cJSON *deleted = root ? cJSON_AddArrayToObject(root, "ImagesDeleted") : NULL;
	bool every = all != 0;
	uint64_t before, after;
	int64_t until = 0;
	int r = engine_check(engine, error);

	if (r == 0)
		r = filters_parse(text, known, &filters, error);
	if (r == 0)
		r = filters_until(&filters, &until, error);
	if (r == 0)
		r = read_dangling(&filters, &every, error);
	if (r == 0 && !deleted)
		r = error_oom(error);
	if (r < 0)
		return r;
	before = stored_bytes(engine);
	r = prune_images(engine, every, &filters, until, deleted, error);
	after = stored_bytes(engine);
	return r < 0 ? r : finish(engine, "image", root, before > after ? before - after : 0, report, error);
}
