/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Removing what is not used: what the kinds share (prune.h), and containers and images. Networks and volumes are where their lists are.
 */
#include <stdlib.h>
#include <string.h>

#include "base/iter.h"
#include "base/json.h"
#include "base/str.h"
#include "container/size.h"
#include "image/image.h"
#include "store/journal.h"
#include "system/images.h"
#include "system/prune.h"

#include <scow/system.h>

/* ---- of all kinds ---- */

int prune_begin(struct prune *prune, scow_engine *engine, const struct prune_kind *kind, const char *filters, scow_error **error)
{
	int r = engine_check(engine, error);

	prune->engine = engine;
	prune->kind = kind;
	if (r == 0)
		r = filters_parse(filters, kind->filters, &prune->filters, error);
	if (r == 0)
		r = filters_until(&prune->filters, &prune->until, error);
	if (r < 0)
		return r;
	prune->report = cJSON_CreateObject();
	prune->deleted = prune->report ? cJSON_AddArrayToObject(prune->report, kind->deleted) : NULL;
	return prune->deleted ? 0 : error_oom(error);
}

void prune_note(struct prune *prune, int r, const char *name, scow_error **failure)
{
	if (r == 0 && name && !cJSON_AddItemToArray(prune->deleted, cJSON_CreateString(name)))
		r = error_oom(failure);
	if (r < 0 && r != SCOW_E_STATE && r != SCOW_E_BUSY && r != SCOW_E_NOT_FOUND && !prune->failure)
		prune->failure = take_ptr(failure);
	error_clear(failure);
}

int prune_finish(struct prune *prune, char **report, scow_error **error)
{
	_cleanup_free_ char *attributes = strf("{\"reclaimed\":\"%llu\"}", (unsigned long long) prune->bytes);
	struct db_work work = { 0 };
	int r;

	if (prune->failure)
		return error_kept(prune->failure, error);
	if (!attributes || (prune->kind->frees && !cJSON_AddNumberToObject(prune->report, "SpaceReclaimed", (double) prune->bytes)) ||
	    (report && !(*report = json_print(prune->report))))
		return error_oom(error);
	/* What was removed is removed: the event is all that may be missing. */
	r = db_begin(prune->engine->db, &work, NULL);
	if (r == 0)
		r = journal_add(&work, prune->kind->type, "prune", "", attributes, NULL);
	if (r >= 0)
		r = db_commit(&work, NULL);
	/* The log is the caller's, and may ask us something. */
	db_end(&work);
	if (r < 0)
		engine_log(prune->engine, SCOW_LOG_WARNING, "the pruning of %ss is not in the journal", prune->kind->type);
	return 0;
}

void prune_done(struct prune *prune)
{
	filters_done(&prune->filters);
	cJSON_Delete(prune->report);
	scow_error_unref(prune->failure);
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

static bool container_chosen(const struct prune *prune, scow_container *container)
{
	_cleanup_json_ cJSON *labels = NULL;
	int state = scow_container_state_now(container, NULL);

	return container->created < prune->until &&
	       (state == SCOW_CONTAINER_CREATED || state == SCOW_CONTAINER_EXITED || state == SCOW_CONTAINER_DEAD) &&
	       labels_of(prune->engine, container->id, &labels) > 0 && filters_allow_labels(&prune->filters, labels);
}

int scow_engine_prune_containers(scow_engine *engine, const char *filters, char **report, scow_error **error)
{
	static const char *const known[] = { "until", "label", "label!", NULL };
	static const struct prune_kind kind = { "container", "ContainersDeleted", known, true };
	_cleanup_(scow_iter_unrefp) scow_iter *iter = NULL;
	_cleanup_prune_ struct prune prune = { NULL };
	scow_container *container;
	int r = prune_begin(&prune, engine, &kind, filters, error);

	if (r == 0)
		r = scow_container_list(engine, SCOW_LIST_ALL, &iter, error);
	while (r == 0 && (container = scow_iter_next_container(iter))) {
		scow_error *failure = NULL;
		uint64_t size = 0;
		int removed;

		if (!container_chosen(&prune, container))
			continue;
		(void) container_written(engine, container->id, &size, NULL);
		removed = scow_container_remove(container, SCOW_REMOVE_VOLUMES, &failure);
		prune.bytes += removed == 0 ? size : 0;
		prune_note(&prune, removed, container->id, &failure);
	}
	return r < 0 ? r : prune_finish(&prune, report, error);
}

/* ---- images ---- */

static bool is_used(scow_engine *engine, const char *id)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *s;

	db_lock(engine->db, &work);
	return db_query(&work, &s, NULL, "SELECT 1 FROM containers WHERE image = ?1 UNION ALL SELECT 1 FROM mounts WHERE image = ?1 LIMIT 1", "t", id) != 0;
}

static bool image_chosen(const struct prune *prune, scow_image *image, bool all)
{
	return (all || !scow_image_tag_count(image)) && !is_used(prune->engine, scow_image_id(image)) &&
	       (prune->until == INT64_MAX || scow_image_created(image) < prune->until / 1000000000) &&
	       image_labels_fit(&prune->filters, image);
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

int scow_image_prune(scow_engine *engine, int all, const char *filters, char **report, scow_error **error)
{
	static const char *const known[] = { "until", "label", "label!", "dangling", NULL };
	static const struct prune_kind kind = { "image", "ImagesDeleted", known, true };
	_cleanup_(scow_iter_unrefp) scow_iter *iter = NULL;
	_cleanup_prune_ struct prune prune = { NULL };
	uint64_t before, after;
	bool dangling;
	scow_image *image;
	int r = prune_begin(&prune, engine, &kind, filters, error);

	if (r == 0)
		r = filters_dangling(&prune.filters, &dangling, error);
	/* It says the same as the argument, and wins. */
	if (r > 0)
		all = !dangling;
	if (r >= 0)
		r = scow_image_list(engine, NULL, &iter, error);
	if (r < 0)
		return r;
	before = stored_bytes(engine);
	while ((image = scow_iter_next_image(iter))) {
		scow_error *failure = NULL;

		if (image_chosen(&prune, image, all))
			prune_note(&prune, remove_image(engine, image, prune.deleted, &failure), NULL, &failure);
	}
	after = stored_bytes(engine);
	prune.bytes = before > after ? before - after : 0;
	return prune_finish(&prune, report, error);
}
