/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Volumes out of and into their rows, and what is told of them in the journal. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/str.h"
#include "store/journal.h"
#include "store/quota.h"
#include "volume/volume-internal.h"

#define VOLUME_COLUMNS "name, driver, options, labels, created, anonymous, ephemeral, removing, owner"

bool volume_name_is_valid(const char *name)
{
	static const char more[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

	return name && *name && !strchr("_.-", *name) && !name[strspn(name, more)] && name[1] && strlen(name) <= VOLUME_NAME_MAX;
}

int volume_check_name(const char *name, scow_error **error)
{
	if (volume_name_is_valid(name))
		return 0;
	return error_hint(
		error,
		error_set(error, SCOW_E_INVALID, "'%s' is not a name for a volume: only [a-zA-Z0-9][a-zA-Z0-9_.-]+ is", name ? name : ""),
		"to mount a directory of the host, give its absolute path");
}

static int from_row(sqlite3_stmt *row, struct arena *arena, struct volume **out, scow_error **error)
{
	struct volume *volume = arena_alloc(arena, sizeof(*volume));

	if (!volume)
		return error_oom(error);
	volume->name = arena_strdup(arena, db_text(row, 0));
	volume->driver = arena_strdup(arena, db_text(row, 1));
	volume->options = arena_strdup(arena, db_text(row, 2));
	volume->labels = arena_strdup(arena, db_text(row, 3));
	volume->created = db_int(row, 4);
	volume->anonymous = db_int(row, 5) != 0;
	volume->ephemeral = db_int(row, 6) != 0;
	volume->removing = db_int(row, 7) != 0;
	volume->owner = arena_strdup(arena, db_text(row, 8));
	*out = volume;
	return arena_failed(arena) ? error_oom(error) : 0;
}

int volume_not_found(const char *name, scow_error **error)
{
	int r = error_at(error, error_set(error, SCOW_E_NOT_FOUND, "no such volume: '%s'", name), NULL, name);

	return error_hint(error, r, "list them with 'scow volume ls'; create it with 'scow volume create %s'", name);
}

int volume_read(struct db_work *work, const char *name, struct arena *arena, struct volume **out, scow_error **error)
{
	sqlite3_stmt *row;
	int r = db_query(work, &row, error, "SELECT " VOLUME_COLUMNS " FROM volumes WHERE name = ? AND removing = 0", "t", name);

	if (r <= 0)
		return r < 0 ? r : volume_not_found(name, error);
	return from_row(row, arena, out, error);
}

int volume_read_all(struct db_work *work, struct arena *arena, struct volume ***out, scow_error **error)
{
	size_t n = 0;
	sqlite3_stmt *row;
	int r = db_query(work, &row, error, "SELECT " VOLUME_COLUMNS " FROM volumes WHERE removing = 0 ORDER BY name", "");

	*out = NULL;
	for (; r > 0; r = db_step(work, row, error)) {
		struct volume **slot = arena_append(arena, out, &n, sizeof(*slot));

		if (!slot)
			return error_oom(error);
		if (from_row(row, arena, slot, error) < 0)
			return SCOW_E_NO_MEMORY;
	}
	if (r == 0 && !arena_append(arena, out, &n, sizeof(**out)))
		return error_oom(error);
	return r;
}

const char *volume_option(const struct volume *volume, struct arena *arena, const char *name)
{
	_cleanup_json_ cJSON *options = cJSON_Parse(volume->options);
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(options, name);

	return cJSON_IsString(value) && *value->valuestring ? arena_strdup(arena, value->valuestring) : NULL;
}

/* ---- making ---- */

/* Whether all that is wished for is so already. */
static bool same_options(const char *have, const char *want)
{
	_cleanup_json_ cJSON *a = cJSON_Parse(have), *b = want ? cJSON_Parse(want) : NULL;

	return !b || !b->child || cJSON_Compare(a, b, true);
}

static int check_same(const struct volume *volume, const struct volume_wish *wish, scow_error **error)
{
	int r = 0;

	if (wish->driver && !str_eq(wish->driver, volume->driver))
		r = error_set(error, SCOW_E_EXISTS, "a volume '%s' exists already, of the driver '%s'", volume->name, volume->driver);
	else if (!same_options(volume->options, wish->options))
		r = error_set(error, SCOW_E_EXISTS, "a volume '%s' exists already, with other options", volume->name);
	return r < 0 ? error_at(error, r, NULL, volume->name) : VOLUME_FOUND;
}

int volume_store_open(scow_engine *engine, scow_error **error)
{
	int fd = dir_open_at(engine->root_fd, "volumes");

	if (fd == -ENOENT && (fd = dir_make_at(engine->root_fd, "volumes", 0711)) == 0)
		fd = dir_open_at(engine->root_fd, "volumes");
	return fd < 0 ? error_errno(error, -fd, "open", "open '%s/volumes'", engine->root) : fd;
}

/* The mode must not depend on the host's umask. */
static int make_dir(int dir_fd, const char *name, mode_t mode)
{
	int r = dir_make_at(dir_fd, name, mode);

	return r == 0 && fchmodat(dir_fd, name, mode, 0) < 0 ? -errno : r;
}

static int make_directory(scow_engine *engine, const char *name, scow_error **error)
{
	_cleanup_fd_ int store = volume_store_open(engine, error), dir = -1;
	int r;

	if (store < 0)
		return store;
	r = make_dir(store, name, 0711);
	if (r == 0) {
		dir = dir_open_at(store, name);
		r = dir < 0 ? dir : make_dir(dir, "_data", 0755);
	}
	return r < 0 ? error_errno(error, -r, "mkdir", "make 'volumes/%s'", name) : 0;
}

#define OPTION_SIZE "the volume option 'size'"

int volume_check_size(scow_engine *engine, const struct volume *volume, scow_error **error)
{
	_cleanup_arena_ struct arena arena = { 0 };
	const char *size = volume_option(volume, &arena, "size");

	if (!size)
		return 0;
	if (volume_option(volume, &arena, "type") || volume_option(volume, &arena, "device") || volume_option(volume, &arena, "o"))
		return error_hint(error, error_set(error, SCOW_E_INVALID, "option 'size': it is for directories of the store"),
				  "a tmpfs has its own among its options: o=size=%s", size);
	if (quota_size(size) < QUOTA_SIZE_MIN)
		return error_set(error, SCOW_E_INVALID, "option 'size': '%s' is no size of 64 KiB or more, such as 10G", size);
	return quota_check(engine, engine->containers_fd, OPTION_SIZE, error);
}

/* What is in it, all together. */
static int limit(struct db_work *work, scow_engine *engine, const struct volume *volume, scow_error **error)
{
	_cleanup_arena_ struct arena arena = { 0 };
	_cleanup_fd_ int store = -1, dir = -1;
	const char *size = volume_option(volume, &arena, "size");
	uint32_t project;
	int r;

	if (!size || !str_eq(volume->driver, VOLUME_LOCAL))
		return 0;
	r = volume_check_size(engine, volume, error);
	if (r < 0)
		return r;
	store = volume_store_open(engine, error);
	if (store < 0)
		return store;
	dir = dir_open_at(store, volume->name);
	if (dir < 0)
		return error_errno(error, -dir, "open", "open 'volumes/%s'", volume->name);
	r = quota_take(work, QUOTA_VOLUME, volume->name, dir, quota_size(size), &project, error);
	return r < 0 ? r : quota_mark(dir, "_data", project, error);
}

static int insert(struct db_work *work, scow_engine *engine, const struct volume_wish *wish, scow_error **error)
{
	const char *driver = wish->driver ? wish->driver : VOLUME_LOCAL;
	int r;

	r = str_eq(driver, VOLUME_LOCAL) ? make_directory(engine, wish->name, error) : 0;
	if (r == 0)
		r = db_exec(work, error,
			    "INSERT INTO volumes (name, driver, options, labels, created, anonymous, ephemeral, owner) "
			    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
			    "ttttiiit", wish->name, driver, wish->options ? wish->options : "{}", wish->labels ? wish->labels : "{}",
			    now_ns(), (int64_t) wish->anonymous, (int64_t) wish->ephemeral,
			    wish->ephemeral ? engine->owner_id : NULL);
	if (r > 0)
		r = limit(work, engine,
			  &(struct volume){ .name = wish->name, .driver = driver, .options = wish->options ? wish->options : "{}" }, error);
	if (r >= 0)
		r = volume_event(work, "create", wish->name, driver, error);
	return r < 0 ? r : VOLUME_MADE;
}

int volume_hold(struct db_work *work, scow_engine *engine, const struct volume_wish *wish, scow_error **error)
{
	struct arena arena = { 0 };
	struct volume *volume;
	sqlite3_stmt *row;
	int r = db_query(work, &row, error, "SELECT " VOLUME_COLUMNS " FROM volumes WHERE name = ?", "t", wish->name);

	if (r == 0)
		return insert(work, engine, wish, error);
	if (r > 0)
		r = from_row(row, &arena, &volume, error);
	if (r == 0)
		r = volume->removing ? (int) VOLUME_REMOVING : check_same(volume, wish, error);
	arena_done(&arena);
	return r;
}

static int make_again(scow_engine *engine, const struct volume *volume, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	int r = make_directory(engine, volume->name, error);

	if (r == 0)
		r = db_begin(engine->db, &work, error);
	if (r == 0)
		r = limit(&work, engine, volume, error);
	return r < 0 ? r : db_commit(&work, error);
}

int volume_open(scow_engine *engine, const struct volume *volume, const struct volume_source *source, scow_error **error)
{
	int fd = open(source->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT && source->kind == VOLUME_DIRECTORY) {
		int r = make_again(engine, volume, error);

		if (r < 0)
			return r;
		fd = open(source->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	return fd < 0 ? error_errno(error, errno, "open", "open '%s' of volume '%s'", source->path, volume->name) : fd;
}

/* ---- events ---- */

int volume_event(struct db_work *work, const char *action, const char *name, const char *driver, scow_error **error)
{
	_cleanup_json_ cJSON *attributes = cJSON_CreateObject();
	_cleanup_free_ char *text = NULL;

	if (attributes && cJSON_AddStringToObject(attributes, "driver", driver))
		text = json_print(attributes);
	return text ? journal_add(work, "volume", action, name, text, error) : error_oom(error);
}

int volume_events(struct db_work *work, const char *action, const char *container, scow_error **error)
{
	const bool mount = str_eq(action, "mount");
	sqlite3_stmt *row;
	int r = db_query(work, &row, error,
			 "SELECT v.name, v.driver, m.target, m.read_only FROM mounts m JOIN volumes v ON v.name = m.volume "
			 "WHERE m.container = ? ORDER BY m.target",
			 "t", container);

	for (; r > 0; r = db_step(work, row, error)) {
		_cleanup_json_ cJSON *attributes = cJSON_CreateObject();
		_cleanup_free_ char *text = NULL;

		if (attributes && cJSON_AddStringToObject(attributes, "container", container) &&
		    cJSON_AddStringToObject(attributes, "driver", db_text(row, 1)) &&
		    (!mount || (cJSON_AddStringToObject(attributes, "destination", db_text(row, 2)) &&
				cJSON_AddStringToObject(attributes, "propagation", "") &&
				cJSON_AddStringToObject(attributes, "read/write", db_int(row, 3) ? "false" : "true"))))
			text = json_print(attributes);
		r = text ? journal_add(work, "volume", action, db_text(row, 0), text, error) : error_oom(error);
		if (r < 0)
			return r;
	}
	return r;
}
