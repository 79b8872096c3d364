/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Removal by Docker's rules.
 *
 * By reference: that name goes. While other names are left, that is all. With the last one the image goes, too; a
 * container that uses it forbids that, unless forced: then the name goes and the image stays, dangling.
 * By id: all names and the image go; several names, or a container, forbid it unless forced; a running container
 * forbids it whatever the flags.
 * The rows of a container refer to its image's: an image that a container uses loses its names at most.
 */
#include "image/image-internal.h"

#include <stdio.h>
#include <string.h>

#include <scow/container.h>

#include "base/json.h"
#include "base/str.h"
#include "image/layer.h"

struct name_row {
	char *full;
	bool is_digest;
};

struct removal {
	char id[DIGEST_STRING];
	char *reference; /* it was named by this one; NULL: by id */
	struct name_row *names;
	size_t n_names, n_tags;
	char **layers; /* chain ids, NULL-terminated: to tell which went */
	size_t n_layers;
	char container[65], container_name[128];
	bool used, running;
	cJSON *report;
};

static void removal_done(struct removal *removal)
{
	for (size_t i = 0; i < removal->n_names; i++)
		free(removal->names[i].full);
	free(removal->names);
	free(removal->reference);
	strv_free(removal->layers);
	cJSON_Delete(removal->report);
}

static int read_names(struct db_work *work, struct removal *removal, scow_error **error)
{
	sqlite3_stmt *row;
	int r = db_query(work, &row, error, "SELECT reference, is_digest FROM tags WHERE image = ?1 ORDER BY is_digest, reference", "t",
			 removal->id);

	for (; r > 0; r = db_step(work, row, error)) {
		struct name_row *grown = realloc(removal->names, (removal->n_names + 1) * sizeof(*grown));

		if (!grown)
			return error_oom(error);
		removal->names = grown;
		grown[removal->n_names] = (struct name_row){ strdup(db_text(row, 0)), db_int(row, 1) != 0 };
		if (!grown[removal->n_names++].full)
			return error_oom(error);
		removal->n_tags += !db_int(row, 1);
	}
	return r;
}

static int read_user(struct db_work *work, struct removal *removal, scow_error **error)
{
	sqlite3_stmt *row;
	int r = db_query(
		work, &row, error,
		"SELECT id, name, state IN (?2, ?3, ?4) AS runs FROM containers WHERE image = ?1 OR id IN "
		"(SELECT container FROM mounts WHERE image = ?1) ORDER BY runs DESC, created LIMIT 1",
		"tiii", removal->id, (int64_t) SCOW_CONTAINER_RUNNING, (int64_t) SCOW_CONTAINER_PAUSED,
		(int64_t) SCOW_CONTAINER_RESTARTING);

	if (r <= 0)
		return r;
	removal->used = true;
	removal->running = db_int(row, 2) != 0;
	snprintf(removal->container, sizeof(removal->container), "%s", db_text(row, 0));
	snprintf(removal->container_name, sizeof(removal->container_name), "%s", db_text(row, 1));
	return 0;
}

static int read_layers(struct db_work *work, struct removal *removal, scow_error **error)
{
	sqlite3_stmt *row;
	int r = db_query(work, &row, error,
			 "WITH RECURSIVE chain(id, below) AS (SELECT chain_id, parent FROM layers WHERE chain_id = (SELECT top_layer FROM "
			 "images WHERE "
			 "id = ?1) UNION ALL SELECT chain_id, parent FROM layers, chain WHERE chain_id = below) SELECT id FROM chain",
			 "t", removal->id);

	for (; r > 0; r = db_step(work, row, error))
		if (!strv_push(&removal->layers, &removal->n_layers, strdup(db_text(row, 0))))
			return error_oom(error);
	return r;
}

static int report(struct removal *removal, const char *what, const char *name, scow_error **error)
{
	cJSON *item = cJSON_CreateObject();

	if (!item || !cJSON_AddStringToObject(item, what, name) || !cJSON_AddItemToArray(removal->report, item)) {
		cJSON_Delete(item);
		return error_oom(error);
	}
	return 0;
}

static int untag(struct db_work *work, struct removal *removal, const char *full, scow_error **error)
{
	_cleanup_free_ char *name = image_short_name(full);
	int r = db_exec(work, error, "DELETE FROM tags WHERE reference = ?1 AND image = ?2", "tt", full, removal->id);

	if (r >= 0)
		r = image_event(work, "untag", removal->id, full, NULL, error);
	if (r < 0)
		return r;
	return name ? report(removal, "Untagged", name, error) : error_oom(error);
}

static bool same_repository(const char *a, const char *b)
{
	_cleanup_reference_ struct reference x = { 0 }, y = { 0 };

	return reference_parse(a, &x, NULL) == 0 && reference_parse(b, &y, NULL) == 0 && str_eq(x.domain, y.domain) &&
	       str_eq(x.path, y.path);
}

/* One name in effect: a single tag, with the digests of its own repository; or digests of one repository alone. */
static bool has_one_name(const struct removal *removal)
{
	if (removal->n_tags > 1)
		return false;
	for (size_t i = 1; i < removal->n_names; i++)
		if (!same_repository(removal->names[0].full, removal->names[i].full))
			return false;
	return true;
}

/* A tag was the last of its repository here: the repository's digests go with it. */
static bool goes_too(const struct removal *removal, const struct name_row *name)
{
	if (str_eq(name->full, removal->reference))
		return true;
	if (!name->is_digest || !same_repository(name->full, removal->reference) || strchr(removal->reference, '@'))
		return false;
	for (size_t i = 0; i < removal->n_tags; i++)
		if (!str_eq(removal->names[i].full, removal->reference) && same_repository(removal->names[i].full, removal->reference))
			return false;
	return true;
}

static int refuse_used(const struct removal *removal, const char *name, scow_error **error)
{
	int r = error_set(error, SCOW_E_BUSY, "cannot remove the image '%s': %s container %.12s (%s) uses it", name,
			  removal->running ? "the running" : "the", removal->container, removal->container_name);

	error_at(error, r, NULL, removal->container);
	return error_hint(error, r, removal->running ? "stop and remove the container first" : "remove the container first, or force");
}

static int delete_image(struct db_work *work, struct removal *removal, scow_error **error)
{
	int r = image_event(work, "delete", removal->id, NULL, NULL, error);

	if (r == 0)
		r = db_exec(work, error, "DELETE FROM images WHERE id = ?1", "t", removal->id);
	return r < 0 ? r : report(removal, "Deleted", removal->id, error);
}

/* Outcome 1: the image itself went. */
static int remove_reference(struct db_work *work, struct removal *removal, const char *name, bool force, scow_error **error)
{
	size_t going = 0;
	int r = 0;

	for (size_t i = 0; i < removal->n_names; i++)
		going += goes_too(removal, &removal->names[i]);
	if (going == removal->n_names && removal->used && !force)
		return refuse_used(removal, name, error);
	for (size_t i = 0; r == 0 && i < removal->n_names; i++)
		if (goes_too(removal, &removal->names[i]))
			r = untag(work, removal, removal->names[i].full, error);
	if (r < 0 || going < removal->n_names || removal->used)
		return r;
	r = delete_image(work, removal, error);
	return r < 0 ? r : 1;
}

static int remove_id(struct db_work *work, struct removal *removal, const char *name, bool force, scow_error **error)
{
	int r = 0;

	if (removal->running || (removal->used && !force))
		return refuse_used(removal, name, error);
	if (!has_one_name(removal) && !force)
		return error_hint(error,
				  error_set(error, SCOW_E_BUSY, "cannot remove the image '%s': it has %zu names", name, removal->n_names),
				  "remove it by its names, or force");
	for (size_t i = 0; r == 0 && i < removal->n_names; i++)
		r = untag(work, removal, removal->names[i].full, error);
	if (r < 0 || removal->used)
		return r;
	r = delete_image(work, removal, error);
	return r < 0 ? r : 1;
}

static int remove_rows(scow_engine *engine, const char *name, bool force, struct removal *removal, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	int found, r = db_begin(engine->db, &work, error), gone;

	if (r < 0)
		return r;
	found = image_find(&work, name, removal->id, &removal->reference, error);
	if (found <= 0)
		return found < 0 ? found : image_not_found(name, error);
	if ((r = read_names(&work, removal, error)) < 0 || (r = read_user(&work, removal, error)) < 0 ||
	    (r = read_layers(&work, removal, error)) < 0)
		return r;
	gone = found == FOUND_BY_REFERENCE ? remove_reference(&work, removal, name, force, error)
					   : remove_id(&work, removal, name, force, error);
	if (gone < 0)
		return gone;
	r = db_commit(&work, error);
	return r < 0 ? r : gone;
}

/* Which of its layers went with it, in the report from the top down. */
static int report_layers(scow_engine *engine, struct removal *removal, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };

	db_lock(engine->db, &work);
	for (size_t i = 0; i < removal->n_layers; i++) {
		sqlite3_stmt *row;
		int r = db_query(&work, &row, error, "SELECT 1 FROM layers WHERE chain_id = ?1", "t", removal->layers[i]);

		if (r == 0)
			r = report(removal, "Deleted", removal->layers[i], error);
		if (r < 0)
			return r;
	}
	return 0;
}

int scow_image_remove(scow_engine *engine, const char *name, unsigned int flags, char **report_out, scow_error **error)
{
	_cleanup_(removal_done) struct removal removal = { 0 };
	int r = engine_check(engine, error), gone;

	if (r < 0)
		return r;
	if (!name)
		return error_set(error, SCOW_E_INVALID, "no name of an image was given");
	if (flags & ~(unsigned int) SCOW_REMOVE_FORCE)
		return error_set(error, SCOW_E_INVALID, "unknown flags %#x for the removal of an image", flags);
	removal.report = cJSON_CreateArray();
	if (!removal.report)
		return error_oom(error);
	gone = remove_rows(engine, name, flags & SCOW_REMOVE_FORCE, &removal, error);
	if (gone < 0)
		return gone;
	if (gone) {
		r = layer_collect(engine, error);
		if (r == 0)
			r = report_layers(engine, &removal, error);
		if (r < 0)
			return error_wrap(error, r, "remove the image '%s'", name);
	}
	if (!report_out)
		return 0;
	*report_out = json_print(removal.report);
	return *report_out ? 0 : error_oom(error);
}
