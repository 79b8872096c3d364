/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lists of containers, with Docker's filters. One query reads all rows; what a filter needs from elsewhere (the image that is an
 * ancestor, the container before which others were made) is looked up once, before it. What is kept of each row is in listing.c.
 */
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/iter.h"
#include "base/json.h"
#include "base/str.h"
#include "container/container.h"
#include "container/filters.h"
#include "container/health-report.h"
#include "container/listing.h"
#include "container/published.h"
#include "container/sweep.h"
#include "container/volumes.h"

static const char *const known[] = { "status", "name", "id", "label", "label!", "ancestor", "before", "since", "exited", "health", "network", "publish", "expose", "volume",
				    NULL };

struct patterns {
	regex_t *items;
	size_t count;
};

struct ancestor {
	const char *name, *id, *top_layer; /* as given; of the image, or NULL if there is none */
};

struct selection {
	struct arena arena;
	struct filters filters;
	struct patterns names, ids;
	struct ancestor *ancestors;
	size_t n_ancestors;
	int64_t before, since; /* creation times */
	bool all;
};

/* ---- the filters, prepared ---- */

static int add_patterns(struct selection *selection, const char *name, struct patterns *out, scow_error **error)
{
	const char *value;

	for (size_t i = 0; (value = filters_value(&selection->filters, name, i)); i++) {
		regex_t *pattern = arena_append(&selection->arena, &out->items, &out->count, sizeof(*pattern));

		if (!pattern)
			return error_oom(error);
		if (regcomp(pattern, value, REG_EXTENDED | REG_NOSUB) != 0) {
			out->count--;
			return error_set(error, SCOW_E_INVALID, "filter %s: '%s' is no regular expression", name, value);
		}
	}
	return 0;
}

static int add_ancestors(scow_engine *engine, struct selection *selection, scow_error **error)
{
	const char *name;

	for (size_t i = 0; (name = filters_value(&selection->filters, "ancestor", i)); i++) {
		_cleanup_(scow_image_unrefp) scow_image *image = NULL;
		struct ancestor *item = arena_append(&selection->arena, &selection->ancestors, &selection->n_ancestors, sizeof(*item));

		if (!item)
			return error_oom(error);
		item->name = name;
		/* No such image is no ancestor of anything. */
		if (scow_image_get(engine, name, &image, NULL) < 0)
			continue;
		item->id = arena_strdup(&selection->arena, scow_image_id(image));
		item->top_layer = arena_strdup(&selection->arena, image_top_layer(image));
	}
	return arena_failed(&selection->arena) ? error_oom(error) : 0;
}

/* The narrowest of the times at which the containers named were made. */
static int read_neighbours(scow_engine *engine, struct selection *selection, scow_error **error)
{
	static const char *const kinds[] = { "before", "since" };
	const char *name;

	for (size_t kind = 0; kind < ARRAY_SIZE(kinds); kind++)
		for (size_t i = 0; (name = filters_value(&selection->filters, kinds[kind], i)); i++) {
			_cleanup_(scow_container_unrefp) scow_container *container = NULL;
			int r = scow_container_get(engine, name, &container, error);

			if (r < 0)
				return error_wrap(error, r, "filter %s", kinds[kind]);
			if (kind == 0 && container->created < selection->before)
				selection->before = container->created;
			if (kind == 1 && container->created > selection->since)
				selection->since = container->created;
		}
	return 0;
}

static int check_values(struct selection *selection, scow_error **error)
{
	static const char *const of_ports[] = { "publish", "expose" };
	static const char *const healths[] = { "none", "starting", "healthy", "unhealthy" };
	struct port_range range;
	const char *value;
	long long number;

	for (size_t i = 0; (value = filters_value(&selection->filters, "status", i)); i++) {
		bool found = false;

		for (int state = SCOW_CONTAINER_CREATED; state <= SCOW_CONTAINER_DEAD; state++)
			found = found || str_eq(value, container_state_name(state));
		if (!found)
			return error_set(error, SCOW_E_INVALID, "filter status: '%s' is no state of a container", value);
	}
	for (size_t i = 0; (value = filters_value(&selection->filters, "exited", i)); i++)
		if (!str_to_i64(value, &number))
			return error_set(error, SCOW_E_INVALID, "filter exited: '%s' is no exit code", value);
	for (size_t kind = 0; kind < ARRAY_SIZE(of_ports); kind++) {
		for (size_t i = 0; (value = filters_value(&selection->filters, of_ports[kind], i)); i++) {
			int r = port_range_parse(value, &range, error);

			if (r < 0)
				return error_wrap(error, r, "filter %s", of_ports[kind]);
		}
	}
	for (size_t i = 0; (value = filters_value(&selection->filters, "health", i)); i++) {
		bool found = false;

		for (size_t k = 0; k < ARRAY_SIZE(healths); k++)
			found = found || str_eq(value, healths[k]);
		if (!found)
			return error_set(error, SCOW_E_INVALID, "filter health: '%s' is none of none, starting, healthy, unhealthy", value);
	}
	return 0;
}

static int selection_read(scow_engine *engine, unsigned int flags, const char *text, struct selection *out, scow_error **error)
{
	int r = filters_parse(text, known, &out->filters, error);

	out->before = INT64_MAX;
	out->since = INT64_MIN;
	if (r == 0)
		r = check_values(out, error);
	if (r == 0)
		r = add_patterns(out, "name", &out->names, error);
	if (r == 0)
		r = add_patterns(out, "id", &out->ids, error);
	if (r == 0)
		r = add_ancestors(engine, out, error);
	if (r == 0)
		r = read_neighbours(engine, out, error);
	/* Who asks for a state, an exit code or neighbours means those that do not run, too. */
	out->all = (flags & SCOW_LIST_ALL) || filters_have(&out->filters, "status") || filters_have(&out->filters, "exited") ||
		   filters_have(&out->filters, "before") || filters_have(&out->filters, "since");
	return r;
}

static void selection_done(struct selection *selection)
{
	for (size_t i = 0; i < selection->names.count; i++)
		regfree(&selection->names.items[i]);
	for (size_t i = 0; i < selection->ids.count; i++)
		regfree(&selection->ids.items[i]);
	filters_done(&selection->filters);
	arena_done(&selection->arena);
}

/* ---- a row against them ---- */

/* Columns of the query, after those of a handle. */
enum { ROW_LISTING = CONTAINER_COLUMN_COUNT, ROW_LABELS = ROW_LISTING + LISTING_LABELS };

static bool match(const struct patterns *patterns, const char *text)
{
	for (size_t i = 0; i < patterns->count; i++)
		if (regexec(&patterns->items[i], text, 0, NULL, 0) == 0)
			return true;
	return patterns->count == 0;
}

static bool match_name(const struct patterns *patterns, const char *name)
{
	_cleanup_free_ char *slashed = patterns->count ? strf("/%s", name) : NULL;

	return match(patterns, name) || (slashed && match(patterns, slashed));
}

static bool match_exit(const struct selection *selection, const struct container_row *row)
{
	const char *value;
	long long code;

	for (size_t i = 0; (value = filters_value(&selection->filters, "exited", i)); i++)
		if (str_to_i64(value, &code) && row->started && !container_runs(row->state) && row->exit_code == code)
			return true;
	return !filters_have(&selection->filters, "exited");
}

static bool match_labels(const struct selection *selection, const char *text)
{
	_cleanup_json_ cJSON *labels = NULL;

	if (!filters_have(&selection->filters, "label") && !filters_have(&selection->filters, "label!"))
		return true;
	labels = text && *text ? cJSON_Parse(text) : NULL;
	return filters_allow_labels(&selection->filters, labels);
}

/* 1: made of that image, or of one that stands on it. */
static int match_ancestor(struct db_work *work, const struct selection *selection, sqlite3_stmt *row, scow_error **error)
{
	const char *image = db_text(row, 2), *name = db_text(row, 3), *top_layer = db_text(row, 4);
	sqlite3_stmt *s;

	for (size_t i = 0; i < selection->n_ancestors; i++) {
		const struct ancestor *ancestor = &selection->ancestors[i];
		int r;

		if (str_eq(ancestor->id, image) || (!ancestor->id && str_eq(ancestor->name, name)))
			return 1;
		if (!ancestor->top_layer || !top_layer)
			continue;
		r = db_query(work, &s, error,
			     "WITH RECURSIVE below(id) AS (SELECT ? UNION ALL SELECT parent FROM layers JOIN below ON chain_id = id "
			     "WHERE parent IS NOT NULL) SELECT 1 FROM below WHERE id = ?",
			     "tt", top_layer, ancestor->top_layer);
		if (r != 0)
			return r;
	}
	return selection->n_ancestors == 0;
}

/* 1: it is on one of those networks, by name or the beginning of the id; "none" and "host" are in its config alone. */
static int match_network(struct db_work *work, const struct selection *selection, sqlite3_stmt *row, scow_error **error)
{
	const char *value;
	sqlite3_stmt *s;

	for (size_t i = 0; (value = filters_value(&selection->filters, "network", i)); i++) {
		int r = db_query(work, &s, error,
				 "SELECT 1 FROM endpoints e JOIN networks n ON n.id = e.network WHERE e.container = ?1 AND "
				 "(n.name = ?2 OR substr(n.id, 1, length(?2)) = ?2) UNION ALL "
				 "SELECT 1 FROM containers WHERE id = ?1 AND ?2 IN ('none', 'host') AND "
				 "instr(config, '\"NetworkMode\":\"' || ?2 || '\"') > 0 LIMIT 1",
				 "tt", db_text(row, 0), value);

		if (r != 0)
			return r;
	}
	return !filters_have(&selection->filters, "network");
}

/* 1: it is to be listed, 0: not, or a status. */
static int matches(scow_engine *engine, struct db_work *work, const struct selection *selection, sqlite3_stmt *s,
		   const struct container_row *row, scow_error **error)
{
	int r;

	if (row->created >= selection->before || row->created <= selection->since)
		return 0;
	if (!selection->filters.document)
		return 1;
	if (!filters_allow(&selection->filters, "status", container_state_name(row->state)) || !match(&selection->ids, db_text(s, 0)) ||
	    !match_name(&selection->names, db_text(s, 1)) || !match_exit(selection, row) || !match_labels(selection, db_text(s, ROW_LABELS)))
		return 0;
	if (filters_have(&selection->filters, "health") &&
	    !filters_allow(&selection->filters, "health", container_health(engine, db_text(s, 0))))
		return 0;
	r = match_network(work, selection, s, error);
	return r <= 0 ? r : match_ancestor(work, selection, s, error);
}

static void unref_item(void *item)
{
	scow_container_unref(item);
}

static int collect(scow_engine *engine, const struct selection *selection, scow_iter *list, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *s;
	int r;

	db_lock(engine->db, &work);
	/* 1, 2, 3: running, paused, restarting. */
	r = db_query(&work, &s, error,
		     "SELECT " CONTAINER_COLUMNS ", " LISTING_COLUMNS " FROM containers WHERE ? OR state IN (1, 2, 3) "
		     "ORDER BY created DESC, id",
		     "i", (int64_t) selection->all);
	for (; r > 0; r = db_step(&work, s, error)) {
		scow_container *container = NULL;
		struct container_row row;
		bool unsettled;

		listing_look(engine, s, ROW_LISTING, db_text(s, 0), &row, &unsettled);
		r = matches(engine, &work, selection, s, &row, error);
		if (r == 0)
			continue;
		if (r > 0)
			r = container_from_row(engine, s, &container, error);
		if (r == 0)
			r = iter_add(list, container, error);
		if (r == 0)
			r = listing_keep(container, s, ROW_LISTING, &row, unsettled, error);
		if (r < 0)
			return r;
	}
	return r;
}

/* Ports are not in a container's row. */
static int ports_fit(void *container, const void *filters, scow_error **error)
{
	return published_fits(container, filters, error);
}

/* Nor are mounts: by the volume's name, the source, or the place in the container. */
static int mounts_fit(void *item, const void *data, scow_error **error)
{
	static const char *const names[] = { "Name", "Source", "Destination" };
	_cleanup_json_ cJSON *mounts = cJSON_CreateArray();
	const scow_container_config *config;
	scow_container *container = item;
	const cJSON *mount;
	int r = mounts ? container_config_of(container, &config, error) : error_oom(error);

	if (r == 0)
		r = volumes_json(container->engine, container->id, config, mounts, error);
	if (r < 0)
		return r;
	cJSON_ArrayForEach(mount, mounts)
	{
		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(mount, names[i]));

			if (text && filters_allow(data, "volume", text))
				return 1;
		}
	}
	return 0;
}

int scow_container_list_filtered(scow_engine *engine, unsigned int flags, const char *filters, scow_iter **out, scow_error **error)
{
	_cleanup_(selection_done) struct selection selection = { .all = false };
	_cleanup_(scow_iter_unrefp) scow_iter *list = NULL;
	int r = engine_check(engine, error);

	if (r < 0)
		return r;
	if (!out)
		return error_set(error, SCOW_E_INVALID, "no place for the list was given");
	r = container_sweep(engine, error);
	if (r == 0)
		r = selection_read(engine, flags, filters, &selection, error);
	if (r == 0)
		r = iter_new(ITER_CONTAINERS, unref_item, &list, error);
	if (r == 0)
		r = collect(engine, &selection, list, error);
	if (r == 0)
		r = listing_finish(engine, list, selection.all && !filters_have(&selection.filters, "status"), error);
	if (r == 0 && (filters_have(&selection.filters, "publish") || filters_have(&selection.filters, "expose")))
		r = iter_sift(list, ports_fit, &selection.filters, error);
	if (r == 0 && filters_have(&selection.filters, "volume"))
		r = iter_sift(list, mounts_fit, &selection.filters, error);
	if (r == 0)
		*out = take_ptr(&list);
	return r;
}

int scow_container_list(scow_engine *engine, unsigned int flags, scow_iter **out, scow_error **error)
{
	return scow_container_list_filtered(engine, flags, NULL, out, error);
}
