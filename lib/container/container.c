/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Containers as handles: create, get, and what a handle remembers of its row.
 *
 * What cannot change (id, name, image, arguments) is in the handle; what can is read from the row each time,
 * for other processes change it, too. A name is taken by the INSERT itself, never by looking first.
 */
#include "container/container.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/fault.h"
#include "base/json.h"
#include "base/str.h"
#include "container/create.h"
#include "container/id-map.h"
#include "container/listing.h"
#include "container/sweep.h"
#include "container/event.h"
#include "container/networks.h"
#include "container/volumes.h"
#include "container/storage.h"
#include "engine/trace.h"
#include "store/lock.h"

#define NAME_ATTEMPTS 16

static scow_container *handle_new(scow_engine *engine)
{
	scow_container *container = calloc(1, sizeof(*container));

	if (!container)
		return NULL;
	atomic_init(&container->refs, 1);
	container->engine = scow_engine_ref(engine);
	pthread_mutex_init(&container->lock, NULL);
	container->leash_fd = -1;
	return container;
}

struct former {
	struct former *next;
	char *name;
	scow_container_config *config;
};

static void former_free(struct former *former)
{
	while (former) {
		struct former *next = former->next;

		free(former->name);
		scow_container_config_unref(former->config);
		free(former);
		former = next;
	}
}

scow_container *scow_container_ref(scow_container *container)
{
	if (container)
		atomic_fetch_add_explicit(&container->refs, 1, memory_order_relaxed);
	return container;
}

scow_container *scow_container_unref(scow_container *container)
{
	int saved = errno;

	if (!container || atomic_fetch_sub_explicit(&container->refs, 1, memory_order_acq_rel) != 1)
		return NULL;
	cleanup_fd(&container->leash_fd);
	if (container->ephemeral && container->created_here && !container->gone && container->engine->pid == getpid())
		container_discard(container);
	former_free(container->former);
	scow_container_config_unref(container->config);
	free(container->config_text);
	scow_image_unref(container->image);
	pthread_mutex_destroy(&container->lock);
	free(container->name);
	free(container->image_name);
	free(container->image_id);
	free(container->top_layer);
	free(container->args);
	free(container->command);
	free(container->status_text);
	listing_free(container->listed);
	scow_engine_unref(container->engine);
	free(container);
	errno = saved;
	return NULL;
}

int container_check(scow_container *container, scow_error **error)
{
	if (!container)
		return error_set(error, SCOW_E_INVALID, "no container was given");
	return engine_check(container->engine, error);
}

/* The arguments as one line for tables, those with blanks in quotes, as Docker shows them. */
static char *command_line(const cJSON *args)
{
	_cleanup_str_ struct str line = { 0 };
	const cJSON *item;

	cJSON_ArrayForEach(item, args)
	{
		const char *text = cJSON_IsString(item) ? item->valuestring : "", *quote = line.size && strchr(text, ' ') ? "'" : "";

		str_printf(&line, "%s%s%s%s", line.size ? " " : "", quote, text, quote);
	}
	return str_take(&line);
}

/* ---- create ---- */

/* What goes into a row, apart from what the handle has. */
struct draft {
	char *config; /* JSON */
	char *labels; /* JSON, merged; NULL: none */
	const char *name, *owner, *cgroup;
	const scow_container_config *networks; /* on which it is */
	int state;
	uint32_t ids; /* that its user namespace gets */
	const struct volumes *volumes;
};

static int conflict(struct db_work *work, const scow_container *container, const char *name, scow_error **error)
{
	sqlite3_stmt *s;
	int r = db_query(work, &s, error, "SELECT 1 FROM images WHERE id = ?", "t", container->image_id);

	if (r < 0)
		return r;
	if (r == 0)
		return error_set(error, SCOW_E_NOT_FOUND, "the image '%s' was removed", container->image_name);
	r = db_query(work, &s, error, "SELECT id FROM containers WHERE name = ?", "t", name);
	if (r < 0)
		return r;
	r = error_set(error, SCOW_E_EXISTS, "the name '%s' is in use by container %.12s", name, r ? db_text(s, 0) : "?");
	error_at(error, r, NULL, name);
	return error_hint(error, r, "remove that container, or choose another name");
}

/* 1 inserted, 0 the name is taken or the image gone, or a status. */
static int try_insert(struct db_work *work, const scow_container *container, const struct draft *draft, const char *name,
		      scow_error **error)
{
	return db_exec(work, error,
		       "INSERT OR IGNORE INTO containers (id, name, image, image_name, top_layer, config, args, labels, state, owner, "
		       "ephemeral, cgroup, created) SELECT ?, ?, id, ?, top_layer, ?, ?, ?, ?, ?, ?, ?, ? FROM images WHERE id = ?",
		       "ttttttititit", container->id, name, container->image_name, draft->config, container->args,
		       draft->labels ? draft->labels : "", (int64_t) draft->state, draft->owner, (int64_t) container->ephemeral,
		       draft->cgroup, container->created, container->image_id);
}

static int insert_row(scow_container *container, const struct draft *draft, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	char made[NAME_MAX_MADE];
	const char *name = draft->name;
	int r;

	r = db_begin(container->engine->db, &work, error);
	if (r < 0)
		return r;
	for (unsigned int attempt = 0; attempt < (draft->name ? 1 : NAME_ATTEMPTS); attempt++) {
		if (!draft->name) {
			name_make(made, attempt);
			name = made;
		}
		r = try_insert(&work, container, draft, name, error);
		if (r != 0)
			break;
	}
	if (r == 0)
		return conflict(&work, container, name, error);
	if (r > 0 && draft->ids)
		r = id_range_take(container->engine, &work, container->id, draft->ids, error);
	if (r >= 0)
		r = networks_insert(&work, container->engine, container->id, draft->networks, error);
	if (r >= 0)
		r = volumes_insert(&work, container->engine, container->id, draft->volumes, error);
	if (r >= 0)
		r = container_event(&work, container->id, "create", NULL, error);
	if (r < 0)
		return error_wrap(error, r, "create container '%s'", name);
	container->name = strdup(name);
	if (!container->name)
		return error_oom(error);
	return db_commit(&work, error);
}

static int print_labels(const struct merged *merged, char **out, scow_error **error)
{
	_cleanup_json_ cJSON *labels = NULL;
	bool ok;

	if (!merged->n_labels)
		return 0;
	labels = cJSON_CreateObject();
	ok = labels != NULL;
	for (size_t i = 0; ok && i < merged->n_labels; i++)
		ok = cJSON_AddStringToObject(labels, merged->labels[i].name, merged->labels[i].value) != NULL;
	*out = ok ? json_print(labels) : NULL;
	return *out ? 0 : error_oom(error);
}

/* What is merged from image and config, and kept in the row. */
static int fill_merged(scow_container *container, const struct image_config *image, const scow_container_config *config, char **labels,
		       scow_error **error)
{
	_cleanup_arena_ struct arena arena = { 0 };
	_cleanup_json_ cJSON *args = NULL;
	struct merged merged = { 0 };
	char hostname[13];
	int r;

	memcpy(hostname, container->id, 12);
	hostname[12] = 0;
	r = config_merge(image, config, config->hostname ? config->hostname : hostname, &arena, &merged, error);
	if (r < 0)
		return r;
	args = cJSON_CreateStringArray((const char *const *) merged.args, (int) merged.n_args);
	container->args = args ? json_print(args) : NULL;
	container->command = args ? command_line(args) : NULL;
	if (!container->args || !container->command)
		return error_oom(error);
	return print_labels(&merged, labels, error);
}

static int fill_handle(scow_container *container, scow_image *image, const scow_container_config *config, char **labels, scow_error **error)
{
	const struct image_config *image_config;
	const char *top_layer = image_top_layer(image);
	int r;

	random_hex(container->id, 32);
	container->created = now_ns();
	container->ephemeral = config->ephemeral;
	container->hook = config->hook;
	container->hook_data = config->hook_data;
	container->image = scow_image_ref(image);
	container->image_id = strdup(scow_image_id(image));
	container->image_name = strdup(image_given_name(image));
	container->top_layer = top_layer ? strdup(top_layer) : NULL;
	if (!container->image_id || !container->image_name || (top_layer && !container->top_layer))
		return error_oom(error);
	r = image_config_of(image, &image_config, error);
	return r < 0 ? r : fill_merged(container, image_config, config, labels, error);
}

/* Its volumes get what the image has for them; or it is gone again. */
static int seed(scow_container *container, scow_error **error)
{
	scow_error *failure = NULL;
	int r = volumes_copy_up(container, &failure);

	if (r < 0 && container_erase(container->engine, container->id, NULL, NULL) < 0)
		engine_log(container->engine, SCOW_LOG_WARNING, "container %.12s, which could not be made, stays", container->id);
	if (r < 0 && error)
		*error = take_ptr(&failure);
	scow_error_unref(failure);
	return r < 0 ? error_wrap(error, r, "create container '%s'", container->name) : 0;
}

static int insert(scow_engine *engine, scow_image *image, const scow_container_config *config, bool claimed, struct trace *trace,
		  scow_container **out, scow_error **error)
{
	_cleanup_(scow_container_unrefp) scow_container *container = NULL;
	_cleanup_free_ char *json = NULL, *labels = NULL, *cgroup = NULL;
	_cleanup_volumes_ struct volumes volumes = { .n = 0 };
	const struct image_config *image_config;
	struct draft draft = { .state = SCOW_CONTAINER_CREATED };
	int r;

	r = config_check(config, error);
	if (r < 0)
		return r;
	container = handle_new(engine);
	if (!container)
		return error_oom(error);
	r = fill_handle(container, image, config, &labels, error);
	/* One that is started at once is told by its start. */
	if (r == 0 && !claimed)
		r = spec_check(engine, container->id, config, error);
	if (r == 0 && config->n_storage)
		r = storage_check(engine, config, error);
	if (r == 0 && (claimed || container->ephemeral))
		r = owner_register(engine, error);
	if (r == 0)
		r = scow_container_config_to_json(config, &json, error);
	if (r == 0 && claimed)
		r = container_cgroup_location(engine, container->id, &cgroup, error);
	if (r == 0)
		r = networks_ensure(engine, config, error);
	if (r == 0)
		r = image_config_of(image, &image_config, error);
	if (r == 0)
		r = volumes_plan(engine, image_config, config, &volumes, error);
	if (r < 0)
		return r;
	trace_phase(trace, "settings");
	draft.volumes = &volumes;
	draft.config = json;
	draft.networks = config;
	draft.labels = labels;
	draft.cgroup = cgroup ? cgroup : "";
	draft.name = config->name;
	draft.ids = id_range_wanted(engine, config);
	draft.owner = claimed || container->ephemeral ? engine->owner_id : NULL;
	if (claimed)
		draft.state = container_next_state(ACTION_START);
	r = insert_row(container, &draft, error);
	/* By one that is over, perhaps, and has not been cleared away. */
	if (r == SCOW_E_EXISTS) {
		error_clear(error);
		r = container_sweep(engine, error);
		if (r == 0)
			r = insert_row(container, &draft, error);
	}
	if (r < 0)
		return r;
	trace_phase(trace, "record");
	FAULT_POINT("create.inserted");
	if (volumes.n)
		r = seed(container, error);
	if (r < 0)
		return r;
	container->created_here = true;
	*out = take_ptr(&container);
	return 0;
}

int container_insert(scow_engine *engine, scow_image *image, const scow_container_config *config, bool claimed, scow_container **out,
		     scow_error **error)
{
	_cleanup_(scow_container_config_unrefp) scow_container_config *defaults = NULL;
	struct trace trace;
	int r = engine_check(engine, error);

	if (r < 0)
		return r;
	if (!image || !out)
		return error_set(error, SCOW_E_INVALID, "no %s was given", image ? "place for the container" : "image");
	if (image_engine(image) != engine)
		return error_set(error, SCOW_E_INVALID, "the image '%s' belongs to another engine", scow_image_id(image));
	if (!config) {
		config = defaults = scow_container_config_new();
		if (!config)
			return error_oom(error);
	}
	trace_begin(&trace, engine, "create", 0);
	r = insert(engine, image, config, claimed, &trace, out, error);
	trace_end(&trace, r < 0 ? NULL : (*out)->id, r);
	return r;
}

int scow_container_create(scow_engine *engine, scow_image *image, const scow_container_config *config, scow_container **out,
			  scow_error **error)
{
	return container_insert(engine, image, config, false, out, error);
}

/* ---- get ---- */

int container_from_row(scow_engine *engine, sqlite3_stmt *s, scow_container **out, scow_error **error)
{
	_cleanup_(scow_container_unrefp) scow_container *container = handle_new(engine);
	_cleanup_json_ cJSON *args = NULL;
	const char *top_layer = db_text(s, 4);
	int r;

	if (!container)
		return error_oom(error);
	snprintf(container->id, sizeof(container->id), "%s", db_text(s, 0));
	container->name = strdup(db_text(s, 1));
	container->image_id = strdup(db_text(s, 2));
	container->image_name = strdup(db_text(s, 3));
	container->top_layer = top_layer ? strdup(top_layer) : NULL;
	container->args = strdup(db_text(s, 5));
	container->created = db_int(s, 6);
	container->ephemeral = db_int(s, 7) != 0;
	if (!container->name || !container->image_id || !container->image_name || !container->args || (top_layer && !container->top_layer))
		return error_oom(error);
	r = json_parse(container->args, strlen(container->args), "arguments of a container", &args, error);
	if (r < 0)
		return r;
	container->command = command_line(args);
	if (!container->command)
		return error_oom(error);
	*out = take_ptr(&container);
	return 0;
}

/* One row by an id's prefix: 1 and the row, 0 none, or SCOW_E_INVALID for more than one. */
static int query_prefix(struct db_work *work, sqlite3_stmt **s, const char *prefix, scow_error **error)
{
	char first[65], past[66];
	size_t size = strlen(prefix);
	int r;

	if (size >= sizeof(first) || strspn(prefix, "0123456789abcdef") != size)
		return 0;
	snprintf(first, sizeof(first), "%s", prefix);
	snprintf(past, sizeof(past), "%sg", prefix);
	r = db_query(work, s, error, "SELECT count(*) FROM containers WHERE id >= ? AND id < ?", "tt", first, past);
	if (r < 0)
		return r;
	if (db_int(*s, 0) > 1)
		return error_hint(
			error, error_set(error, SCOW_E_INVALID, "'%s' is the beginning of %d container ids", prefix, (int) db_int(*s, 0)),
			"give more digits of the id");
	return db_query(work, s, error, "SELECT " CONTAINER_COLUMNS " FROM containers WHERE id >= ? AND id < ?", "tt", first, past);
}

int scow_container_get(scow_engine *engine, const char *name, scow_container **out, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *s;
	int r = engine_check(engine, error);

	if (r < 0)
		return r;
	if (name && *name == '/')
		name++;
	if (!name || !*name || !out)
		return error_set(error, SCOW_E_INVALID, "no %s was given", out ? "name of a container" : "place for the container");
	db_lock(engine->db, &work);
	r = db_query(&work, &s, error, "SELECT " CONTAINER_COLUMNS " FROM containers WHERE id = ?", "t", name);
	if (r == 0)
		r = db_query(&work, &s, error, "SELECT " CONTAINER_COLUMNS " FROM containers WHERE name = ?", "t", name);
	if (r == 0)
		r = query_prefix(&work, &s, name, error);
	if (r < 0)
		return r;
	return r ? container_from_row(engine, s, out, error) : container_not_found(name, error);
}

/* ---- what the handle keeps ---- */

/* Under the lock. */
static int retire_locked(scow_container *container, char *name, scow_container_config *config, scow_error **error)
{
	struct former *former;

	if (!name && !config)
		return 0;
	former = calloc(1, sizeof(*former));
	if (!former)
		return error_oom(error);
	*former = (struct former){ .next = container->former, .name = name, .config = config };
	container->former = former;
	return 0;
}

int container_retire(scow_container *container, char *name, scow_container_config *config, scow_error **error)
{
	int r;

	pthread_mutex_lock(&container->lock);
	r = retire_locked(container, name, config, error);
	pthread_mutex_unlock(&container->lock);
	return r;
}

static int read_config_text(scow_container *container, char **out, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *s;
	int r;

	db_lock(container->engine->db, &work);
	r = db_query(&work, &s, error, "SELECT config FROM containers WHERE id = ?", "t", container->id);
	if (r <= 0)
		return r < 0 ? r : container_not_found(container->id, error);
	*out = strdup(db_text(s, 0));
	return *out ? 0 : error_oom(error);
}

/* Parses the row's settings, unless those that are here are the same. */
static int load_config(scow_container *container, scow_error **error)
{
	_cleanup_(scow_container_config_unrefp) scow_container_config *config = NULL;
	_cleanup_free_ char *json = NULL;
	int r = read_config_text(container, &json, error);

	if (r < 0 || (container->config && str_eq(json, container->config_text)))
		return r;
	r = scow_container_config_from_json(json, &config, error);
	if (r == 0)
		r = retire_locked(container, NULL, container->config, error);
	if (r < 0)
		return r;
	container->config = take_ptr(&config);
	free(container->config_text);
	container->config_text = take_ptr(&json);
	return 0;
}

int container_config_of(scow_container *container, const scow_container_config **out, scow_error **error)
{
	int r;

	pthread_mutex_lock(&container->lock);
	r = load_config(container, error);
	/* Of one that is removed meanwhile, what was known stays. */
	if (r == SCOW_E_NOT_FOUND && container->config) {
		error_clear(error);
		r = 0;
	}
	*out = container->config;
	pthread_mutex_unlock(&container->lock);
	return r < 0 ? error_wrap(error, r, "read the settings of container '%.12s'", container->id) : 0;
}

int container_image_of(scow_container *container, const struct image_config **out, scow_error **error)
{
	int r = 0;

	pthread_mutex_lock(&container->lock);
	if (!container->image)
		r = scow_image_get(container->engine, container->image_id, &container->image, error);
	if (r == 0)
		r = image_config_of(container->image, out, error);
	pthread_mutex_unlock(&container->lock);
	return r;
}

const char *scow_container_id(const scow_container *container)
{
	return container ? container->id : NULL;
}

const char *scow_container_name(const scow_container *container)
{
	return container ? container->name : NULL;
}

const char *scow_container_image_name(const scow_container *container)
{
	return container ? container->image_name : NULL;
}

const char *scow_container_image_id(const scow_container *container)
{
	return container ? container->image_id : NULL;
}

const char *scow_container_command(const scow_container *container)
{
	return container ? container->command : NULL;
}

int64_t scow_container_created(const scow_container *container)
{
	return container ? container->created / 1000000000 : 0;
}
