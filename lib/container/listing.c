/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a list sees of its containers: the state, its words, the ports, the labels.
 *
 * 1. One query has all rows, another all ports; an image that several containers are made of is looked at once. Besides those, a
 *    container that a supervisor keeps costs the reading of its state file, and any other one nothing.
 * 2. The sweep before the list has found all owners alive. So nobody is asked again, but for those whose supervisor says that all is
 *    over: these are brought to rest as anybody who asks for one brings it.
 */
#include "container/listing.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "container/detached.h"
#include "container/published.h"

void listing_free(struct listing *listing)
{
	if (!listing)
		return;
	free(listing->status);
	free(listing->ports);
	free(listing->labels);
	free(listing);
}

void listing_look(scow_engine *engine, sqlite3_stmt *s, int first, const char *id, struct container_row *row, bool *unsettled)
{
	container_row_fill(s, first, row);
	*unsettled = detached_is(row) && container_runs(row->state) && detached_look(engine, id, row);
}

int listing_keep(scow_container *container, sqlite3_stmt *s, int first, const struct container_row *row, bool unsettled, scow_error **error)
{
	struct listing *listing = container->listed = calloc(1, sizeof(*listing));
	const char *labels = db_text(s, first + LISTING_LABELS);

	if (!listing)
		return error_oom(error);
	*listing = (struct listing){
		.state = row->state,
		.status = container_status_of(row),
		.labels = strdup(labels && *labels ? labels : "{}"),
		.unsettled = unsettled,
		.leased = db_int(s, first + LISTING_LABELS + 1) != 0,
		.exposes = db_int(s, first + LISTING_LABELS + 2) != 0,
	};
	return listing->status && listing->labels ? 0 : error_oom(error);
}

/* ---- ports ---- */

/* A row of the ports, and whose. */
struct bound {
	const char *container;
	struct port_binding binding;
};

struct finish {
	scow_engine *engine;
	bool all;
	struct arena arena;
	struct bound *bound; /* by container, each container's in the order of ports_read() */
	size_t n_bound;
	scow_image **images; /* that were looked at */
	size_t n_images;
};

static void finish_done(struct finish *finish)
{
	for (size_t i = 0; i < finish->n_images; i++)
		scow_image_unref(finish->images[i]);
	arena_done(&finish->arena);
}

static int read_bound(struct finish *finish, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *s;
	int r;

	db_lock(finish->engine->db, &work);
	/* One at an address of the container's own takes none of the host's. */
	r = db_query(&work, &s, error,
		     "SELECT p.container, p.protocol, p.address, p.port, p.target, EXISTS (SELECT 1 FROM endpoints e WHERE "
		     "e.container = p.container AND (e.ip4 = p.address OR e.ip6 = p.address)) FROM ports p "
		     "ORDER BY p.container, p.target, p.protocol, length(p.address), p.address, p.port",
		     "");
	for (; r > 0; r = db_step(&work, s, error)) {
		struct bound *bound = arena_append(&finish->arena, &finish->bound, &finish->n_bound, sizeof(*bound));

		if (!bound || !(bound->container = arena_strdup(&finish->arena, db_text(s, 0))))
			return error_oom(error);
		bound->binding.protocol = (int) db_int(s, 1);
		bound->binding.host_port = db_int(s, 5) ? 0 : (uint16_t) db_int(s, 3);
		bound->binding.port = (uint16_t) db_int(s, 4);
		if (!address_from_hex(db_text(s, 2), &bound->binding.host))
			return error_set(error, SCOW_E_CORRUPT, "state.db: a port of container '%.12s'", bound->container);
	}
	return r;
}

static const struct bound *find_bound(const struct finish *finish, const char *id)
{
	size_t low = 0, high = finish->n_bound;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (strcmp(finish->bound[middle].container, id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return finish->bound + low;
}

static int image_of(struct finish *finish, scow_container *container, const struct image_config **out, scow_error **error)
{
	scow_image **place;
	int r;

	for (size_t i = 0; i < finish->n_images; i++)
		if (str_eq(scow_image_id(finish->images[i]), container->image_id))
			return image_config_of(finish->images[i], out, error);
	place = arena_append(&finish->arena, &finish->images, &finish->n_images, sizeof(scow_image *));
	if (!place)
		return error_oom(error);
	r = scow_image_get(finish->engine, container->image_id, place, error);
	if (r < 0)
		finish->n_images--;
	return r < 0 ? r : image_config_of(*place, out, error);
}

static int add_ports(struct finish *finish, scow_container *container, scow_error **error)
{
	struct listing *listing = container->listed;
	const struct bound *bound = find_bound(finish, container->id), *end = finish->bound + finish->n_bound;
	/* A plain user's may publish without an address. */
	const bool has_bound = bound < end && str_eq(bound->container, container->id);
	_cleanup_json_ cJSON *root = (listing->leased || has_bound) && container_runs(listing->state) ? cJSON_CreateObject() : NULL;
	const scow_container_config *config = NULL;
	const struct image_config *image = NULL;
	int r = 0;

	if (root) {
		for (; bound < end && str_eq(bound->container, container->id); bound++)
			if (!published_add(root, &bound->binding))
				return error_oom(error);
		r = image_of(finish, container, &image, error);
		if (r == 0 && listing->exposes)
			r = container_config_of(container, &config, error);
		if (r == 0 && !exposed_add(root, image, config))
			r = error_oom(error);
	}
	if (r < 0)
		return r;
	listing->ports = root && root->child ? json_print(root) : strdup("{}");
	return listing->ports ? 0 : error_oom(error);
}

/* ---- the list ---- */

/* 1: it stays in the list. */
static int settle(struct finish *finish, scow_container *container, scow_error **error)
{
	struct listing *listing = container->listed;
	struct container_row row;
	scow_error *failure = NULL;
	int r = container_row_read(finish->engine, container->id, &row, &failure);

	if (r < 0) {
		if (r != SCOW_E_NOT_FOUND && error)
			*error = take_ptr(&failure);
		scow_error_unref(failure);
		return r == SCOW_E_NOT_FOUND ? 0 : r;
	}
	free(listing->status);
	listing->state = row.state;
	listing->status = container_status_of(&row);
	if (!listing->status)
		return error_oom(error);
	return finish->all || container_runs(row.state);
}

static int finish_one(void *item, const void *data, scow_error **error)
{
	struct finish *finish = *(struct finish *const *) data;
	scow_container *container = item;
	int r = container->listed->unsettled ? settle(finish, container, error) : 1;

	if (r > 0) {
		int added = add_ports(finish, container, error);

		return added < 0 ? added : r;
	}
	return r;
}

int listing_finish(scow_engine *engine, scow_iter *list, bool all, scow_error **error)
{
	__attribute__((cleanup(finish_done))) struct finish finish = { .engine = engine, .all = all };
	struct finish *const data = &finish;
	int r = read_bound(&finish, error);

	return r < 0 ? r : iter_sift(list, finish_one, &data, error);
}

const char *scow_container_listed(const scow_container *container, scow_listed what)
{
	const struct listing *listing = container ? container->listed : NULL;

	if (!listing)
		return NULL;
	switch (what) {
	case SCOW_LISTED_STATE:
		return container_state_name(listing->state);
	case SCOW_LISTED_STATUS:
		return listing->status;
	case SCOW_LISTED_PORTS:
		return listing->ports;
	case SCOW_LISTED_LABELS:
		return listing->labels;
	}
	return NULL;
}
