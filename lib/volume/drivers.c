/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Volumes that a program supplies: its callbacks, by name, in the engine.
 *
 * 1. No lock is held while a callback runs; a driver is referenced meanwhile.
 * 2. A driver gives a descriptor, but what becomes of it is a path: scow-init opens that in the container's mount namespace, and
 *    looks whether it is still the same directory. So a supervisor can do the same at each restart, without a descriptor of anybody's.
 * 3. What was mounted is noted in the row (`mounts.driven`) before the container starts, and unmounted once its end is recorded; by who
 *    records that, or, if it has no such driver, by the next engine that gets it.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/str.h"
#include "volume/volume-internal.h"

struct volume_drivers {
	scow_volume_driver **items;
	size_t n;
};

scow_volume_driver *scow_volume_driver_new(const char *name, void *userdata)
{
	scow_volume_driver *driver = calloc(1, sizeof(*driver));

	if (!driver)
		return NULL;
	atomic_init(&driver->refs, 1);
	driver->userdata = userdata;
	driver->name = strdup(name ? name : "");
	if (!driver->name) {
		free(driver);
		return NULL;
	}
	return driver;
}

scow_volume_driver *scow_volume_driver_unref(scow_volume_driver *driver)
{
	if (driver && atomic_fetch_sub_explicit(&driver->refs, 1, memory_order_acq_rel) == 1) {
		free(driver->name);
		free(driver);
	}
	return NULL;
}

void scow_volume_driver_set_create(scow_volume_driver *driver, scow_volume_fn create)
{
	if (driver)
		driver->create = create;
}

void scow_volume_driver_set_mount(scow_volume_driver *driver, scow_volume_mount_fn mount)
{
	if (driver)
		driver->mount = mount;
}

void scow_volume_driver_set_unmount(scow_volume_driver *driver, scow_volume_unmount_fn unmount)
{
	if (driver)
		driver->unmount = unmount;
}

void scow_volume_driver_set_remove(scow_volume_driver *driver, scow_volume_fn remove)
{
	if (driver)
		driver->remove = remove;
}

/* ---- the table ---- */

static void drivers_free(struct volume_drivers *drivers)
{
	for (size_t i = 0; i < drivers->n; i++)
		scow_volume_driver_unref(drivers->items[i]);
	free(drivers->items);
	free(drivers);
}

/* Under the lock. */
static scow_volume_driver *find(const struct volume_drivers *drivers, const char *name)
{
	for (size_t i = 0; drivers && i < drivers->n; i++)
		if (str_eq(drivers->items[i]->name, name))
			return drivers->items[i];
	return NULL;
}

scow_volume_driver *volume_driver_find(scow_engine *engine, const char *name)
{
	scow_volume_driver *driver;

	pthread_mutex_lock(&engine->lock);
	driver = find(engine->volume_drivers, name);
	if (driver)
		atomic_fetch_add_explicit(&driver->refs, 1, memory_order_relaxed);
	pthread_mutex_unlock(&engine->lock);
	return driver;
}

/* Under the lock: 0 or a status. */
static int add(scow_engine *engine, scow_volume_driver *driver, scow_error **error)
{
	scow_volume_driver **items;

	if (!engine->volume_drivers) {
		engine->volume_drivers = calloc(1, sizeof(*engine->volume_drivers));
		engine->volume_drivers_free = drivers_free;
	}
	if (!engine->volume_drivers)
		return error_oom(error);
	if (find(engine->volume_drivers, driver->name))
		return error_set(error, SCOW_E_EXISTS, "the engine has a volume driver '%s' already", driver->name);
	items = realloc(engine->volume_drivers->items, (engine->volume_drivers->n + 1) * sizeof(*items));
	if (!items)
		return error_oom(error);
	engine->volume_drivers->items = items;
	items[engine->volume_drivers->n++] = driver;
	atomic_fetch_add_explicit(&driver->refs, 1, memory_order_relaxed);
	return 0;
}

int scow_engine_add_volume_driver(scow_engine *engine, scow_volume_driver *driver, scow_error **error)
{
	int r = engine_check(engine, error);

	if (r == 0 && !driver)
		r = error_set(error, SCOW_E_INVALID, "no volume driver was given");
	if (r == 0)
		r = volume_check_name(driver->name, NULL) < 0
			    ? error_set(error, SCOW_E_INVALID, "'%s' is not a name for a volume driver", driver->name)
			    : 0;
	if (r == 0 && str_eq(driver->name, VOLUME_LOCAL))
		r = error_set(error, SCOW_E_EXISTS, "the driver '%s' is always there", VOLUME_LOCAL);
	if (r == 0 && !driver->mount)
		r = error_set(error, SCOW_E_INVALID, "the volume driver '%s' cannot mount anything", driver->name);
	if (r < 0)
		return r;
	pthread_mutex_lock(&engine->lock);
	r = add(engine, driver, error);
	pthread_mutex_unlock(&engine->lock);
	if (r == 0)
		volume_drivers_unmount(engine, NULL);
	return r;
}

/* ---- what they do ---- */

/* Whether it is there already: then the driver has made it. */
static int is_there(scow_engine *engine, const char *name, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *row;

	db_lock(engine->db, &work);
	return db_query(&work, &row, error, "SELECT 1 FROM volumes WHERE name = ? AND removing = 0", "t", name);
}

int volume_prepare(scow_engine *engine, const struct volume_wish *wish, scow_error **error)
{
	_cleanup_(scow_volume_driver_unrefp) scow_volume_driver *driver = NULL;
	int r;

	if (!wish->driver || str_eq(wish->driver, VOLUME_LOCAL))
		return 0;
	driver = volume_driver_find(engine, wish->driver);
	if (!driver)
		return error_hint(error, error_set(error, SCOW_E_NOT_FOUND, "there is no volume driver '%s'", wish->driver),
				  "'local' is always there; a program adds its own by scow_engine_add_volume_driver()");
	if (!driver->create)
		return 0;
	r = volume_await(engine, wish->name, error);
	if (r == 0)
		r = is_there(engine, wish->name, error);
	if (r != 0)
		return r < 0 ? r : 0;
	return driver->create(wish->name, wish->options ? wish->options : "{}", driver->userdata, error);
}

/* Where the directory is, for one who shares our mount namespace or has a copy of it. */
static int find_place(int fd, struct arena *arena, struct volume_place *out, scow_error **error)
{
	char link[40], path[PATH_MAX];
	struct stat st, named;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0 || fstat(fd, &st) < 0)
		return error_errno(error, errno, n < 0 ? "readlink" : "fstat", "look at the directory");
	path[n] = 0;
	if (!S_ISDIR(st.st_mode))
		return error_set(error, SCOW_E_INVALID, "it is no directory");
	if (path[0] != '/' || stat(path, &named) < 0 || named.st_dev != st.st_dev || named.st_ino != st.st_ino)
		return error_set(error, SCOW_E_UNSUPPORTED, "the directory has no path in this mount namespace");
	*out = (struct volume_place){ arena_strdup(arena, path), st.st_dev, st.st_ino };
	return out->path ? 0 : error_oom(error);
}

static int note(scow_engine *engine, const char *container, const char *name, bool driven, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	int r = db_begin(engine->db, &work, error);

	if (r == 0)
		r = db_exec(&work, error, "UPDATE mounts SET driven = ? WHERE container = ? AND volume = ?", "itt", (int64_t) driven,
			    container, name);
	return r < 0 ? r : db_commit(&work, error);
}

int volume_driver_mount(scow_engine *engine, const struct volume *volume, const char *container, struct arena *arena,
			struct volume_place *out, scow_error **error)
{
	_cleanup_(scow_volume_driver_unrefp) scow_volume_driver *driver = volume_driver_find(engine, volume->driver);
	scow_error *failure = NULL;
	_cleanup_fd_ int fd = -1;
	int r;

	if (!driver)
		return error_set(error, SCOW_E_NOT_FOUND, "volume '%s': there is no volume driver '%s' here", volume->name, volume->driver);
	r = note(engine, container, volume->name, true, error);
	if (r < 0)
		return r;
	fd = driver->mount(volume->name, volume->options, container, driver->userdata, &failure);
	r = fd < 0 ? fd : find_place(fd, arena, out, &failure);
	if (r < 0 && fd < 0)
		(void) !note(engine, container, volume->name, false, NULL);
	if (r < 0 && !failure)
		error_set(&failure, (scow_status) r, "it did not say why");
	if (r < 0)
		error_wrap(&failure, r, "mount volume '%s' by its driver '%s'", volume->name, volume->driver);
	if (r < 0 && error)
		*error = take_ptr(&failure);
	scow_error_unref(failure);
	return r;
}

struct left {
	char container[65];
	const char *volume, *driver, *options;
};

/* One mount that nobody uses; its container is not running. 1, 0 or a status. */
static int next_left(scow_engine *engine, const char *container, const struct left *after, struct arena *arena, struct left *out)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *row;
	int r;

	db_lock(engine->db, &work);
	r = db_query(&work, &row, NULL,
		     "SELECT m.container, v.name, v.driver, v.options FROM mounts m JOIN volumes v ON v.name = m.volume "
		     "JOIN containers c ON c.id = m.container WHERE m.driven = 1 AND "
		     "CASE WHEN ?1 IS NULL THEN c.state NOT IN (1, 2, 3) ELSE m.container = ?1 END AND (m.container, v.name) > (?2, ?3) "
		     "ORDER BY m.container, v.name LIMIT 1",
		     "ttt", container, after->container, after->volume);
	if (r <= 0)
		return r;
	snprintf(out->container, sizeof(out->container), "%s", db_text(row, 0));
	out->volume = arena_strdup(arena, db_text(row, 1));
	out->driver = arena_strdup(arena, db_text(row, 2));
	out->options = arena_strdup(arena, db_text(row, 3));
	return arena_failed(arena) ? -1 : 1;
}

void volume_drivers_unmount(scow_engine *engine, const char *container)
{
	struct left at = { .volume = "" }, next;
	struct arena arena = { 0 };

	/* Only an engine that has drivers can do anything. */
	pthread_mutex_lock(&engine->lock);
	const bool none = !engine->volume_drivers || !engine->volume_drivers->n;
	pthread_mutex_unlock(&engine->lock);
	while (!none && next_left(engine, container, &at, &arena, &next) > 0) {
		_cleanup_(scow_volume_driver_unrefp) scow_volume_driver *driver = volume_driver_find(engine, next.driver);

		at = next;
		if (!driver)
			continue;
		if (driver->unmount)
			driver->unmount(next.volume, next.options, next.container, driver->userdata);
		if (note(engine, next.container, next.volume, false, NULL) < 0)
			engine_log(engine, SCOW_LOG_WARNING, "volume '%s': that it was unmounted is not recorded", next.volume);
	}
	arena_done(&arena);
}
