/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Adding a mount to a container, and taking one away, running or not.
 *
 * 1. The row first: a volume is held, and the settings have the mount, before anything is mounted; a failure takes both back.
 * 2. One that runs gets it by an errand (runtime/mount.h), and what its supervisor starts again by its policy by mount-later.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "base/path.h"
#include "base/str.h"
#include "container/build.h"
#include "container/event.h"
#include "container/id-map.h"
#include "container/live.h"
#include "container/mount-later.h"
#include "container/scratch.h"
#include "container/volumes.h"
#include "runtime/mount.h"

struct change {
	scow_container *container;
	struct container_row row;
	scow_container_config *wish, *now; /* the one mount; all settings */
	struct volumes held;
	struct mount_place place;
	bool noted; /* for its supervisor */
};

static void change_done(struct change *change)
{
	scow_container_config_unref(change->wish);
	scow_container_config_unref(change->now);
	volumes_done(&change->held);
	cleanup_fd(&change->place.pidfd);
	cleanup_fd(&change->place.user_fd);
}

#define CHANGE_INIT(c)                                                                                                                     \
	{                                                                                                                                  \
		.container = (c), .place = {.pidfd = -1, .user_fd = -1 }                                                                   \
	}

static bool maps_ids(const scow_container_config *config)
{
	struct namespace_choice choice;
	const char *user = config->namespaces[SCOW_NAMESPACE_USER];

	if (config->n_uid_maps || config->n_gid_maps)
		return true;
	return namespace_parse(SCOW_NAMESPACE_USER, user, &choice, NULL) == 0 && choice.mode != NAMESPACE_DEFAULT &&
	       choice.mode != NAMESPACE_HOST;
}

/* The process is verified after its namespace was opened: then it was that one's all the time. */
static int find_place(struct change *change, scow_error **error)
{
	scow_engine *engine = change->container->engine;
	struct stat theirs, ours;
	char path[64];

	if (!container_runs(change->row.state) || !change->row.pid) {
		/* Between two runs: as it will be. */
		change->place.own_user = engine->facts.rootless || maps_ids(change->now);
		return 0;
	}
	snprintf(path, sizeof(path), "/proc/%d/ns/user", change->row.pid);
	change->place.user_fd = open(path, O_RDONLY | O_CLOEXEC);
	change->place.pidfd = container_pidfd(engine, &change->row);
	if (change->place.pidfd < 0)
		return container_not_running(change->container, &change->row, error);
	if (change->place.user_fd < 0 || fstat(change->place.user_fd, &theirs) < 0 || stat("/proc/self/ns/user", &ours) < 0)
		return error_errno(error, errno, "open", "open '%s'", path);
	change->place.own_user = theirs.st_ino != ours.st_ino;
	if (!change->place.own_user || engine->facts.rootless)
		cleanup_fd(&change->place.user_fd), change->place.user_fd = -1;
	return 0;
}

/* A copy of the settings that is ours to change, and with them what runs. */
static int begin(struct change *change, scow_error **error)
{
	const scow_container_config *config;
	_cleanup_free_ char *text = NULL;
	int r = container_row_settled(change->container, &change->row, error);

	if (r == 0)
		r = container_config_of(change->container, &config, error);
	if (r == 0)
		r = scow_container_config_to_json(config, &text, error);
	if (r == 0)
		r = scow_container_config_from_json(text, &change->now, error);
	return r < 0 ? r : find_place(change, error);
}

/* Settings and the row of what is held, in one; @target: the row goes. */
static int store(struct change *change, const char *target, scow_error **error)
{
	scow_engine *engine = change->container->engine;
	const char *id = change->container->id;
	_cleanup_db_ struct db_work work = { 0 };
	_cleanup_free_ char *text = NULL;
	int r = scow_container_config_to_json(change->now, &text, error);

	if (r == 0)
		r = db_begin(engine->db, &work, error);
	if (r == 0)
		r = db_exec(&work, error, "UPDATE containers SET config = ? WHERE id = ?", "tt", text, id);
	if (r == 0)
		return container_not_found(change->container->name, error);
	if (r > 0)
		r = target ? db_exec(&work, error, "DELETE FROM mounts WHERE container = ? AND target = ?", "tt", id, target)
			   : volumes_insert(&work, engine, id, &change->held, error);
	if (r >= 0)
		r = container_event(&work, id, "update", NULL, error);
	return r < 0 ? r : db_commit(&work, error);
}

/* ---- mount ---- */

static int build(struct change *change, const struct config_mount *mount, struct spec *spec, scow_error **error)
{
	scow_engine *engine = change->container->engine;
	struct build b = {
		.engine = engine,
		.id = change->container->id,
		.config = change->now,
		.spec = spec,
		.rootless = engine->facts.rootless,
		.user_ns = change->place.own_user,
	};
	struct spec_mount *slot = arena_append(&spec->arena, &spec->mounts, &spec->n_mounts, sizeof(*slot));
	int r = slot ? 0 : error_oom(error);

	spec->layers_fd = engine->layers_fd;
	if (r == 0)
		r = build_mount(&b, mount, change->held.n ? &change->held.items[0] : NULL, slot, error);
	if (r == 0 && (slot->uid_map || ((slot->n_lowers || slot->scratch) && change->place.user_fd >= 0)))
		r = error_set(error, SCOW_E_UNSUPPORTED, "mount on '%s': not while the container runs", mount->target);
	return r == 0 && arena_failed(&spec->arena) ? error_oom(error) : r;
}

/* In what runs, and in what its supervisor starts again. */
static int mount_live(struct change *change, const struct config_mount *mount, scow_error **error)
{
	struct spec spec = { .layers_fd = -1, .container_fd = -1 };
	_cleanup_fd_ int dir_fd = -1;
	int r = build(change, mount, &spec, error);

	if (r == 0 && scratch_wanted(&spec))
		r = scratch_open(change->container, &spec, &dir_fd, error);
	spec.container_fd = dir_fd;
	if (r == 0 && change->row.supervisor) {
		r = later_put(change->container, mount->target, &spec, error);
		change->noted = r == 0;
		FAULT_POINT("mount.noted");
	}
	if (r == 0 && change->place.pidfd >= 0)
		r = mount_into(change->container->engine, &change->place, &spec, error);
	arena_done(&spec.arena);
	return r;
}

static int resolve(struct change *change, scow_error **error)
{
	struct db_work work = { 0 };
	struct held *held = &change->held.items[0];
	int r = 0;

	if (held->kind == MOUNT_VOLUME) {
		db_lock(change->container->engine->db, &work);
		r = volume_read(&work, held->volume_name, &change->held.arena, &held->volume, error);
		db_end(&work);
	}
	return r < 0 ? r : volumes_resolve(change->container->engine, change->container->id, held, &change->held.arena, error);
}

static void take_back(struct change *change, const char *target)
{
	scow_error *failure = NULL;

	change->now->n_mounts--;
	if ((change->noted && later_put(change->container, target, NULL, &failure) < 0) || store(change, target, &failure) < 0)
		engine_log(change->container->engine, SCOW_LOG_WARNING, "container %.12s: a mount that failed stays in its settings: %s",
			   change->container->id, scow_error_message(failure));
	scow_error_unref(failure);
}

static int add(struct change *change, const char *text, scow_error **error)
{
	scow_container *container = change->container;
	const struct config_mount *mount;
	int r = begin(change, error);

	if (r < 0)
		return r;
	scow_container_config_add_mount(change->now, text);
	r = config_check_stored(change->now, error);
	if (r < 0)
		return r;
	mount = &change->now->mounts[change->now->n_mounts - 1];
	if (mount->kind == MOUNT_VOLUME || mount->kind == MOUNT_IMAGE)
		r = volumes_plan_one(container->engine, change->now, mount, &change->held, error);
	if (r == 0)
		r = store(change, NULL, error);
	if (r < 0)
		return r;
	FAULT_POINT("mount.stored");
	if (change->held.n && mount->kind == MOUNT_VOLUME)
		r = volumes_copy_up(container, error);
	if (r == 0 && (change->place.pidfd >= 0 || change->row.supervisor)) {
		r = change->held.n ? resolve(change, error) : 0;
		if (r == 0)
			r = mount_live(change, mount, error);
	}
	if (r < 0)
		take_back(change, mount->target);
	return r;
}

int scow_container_mount(scow_container *container, const char *text, scow_error **error)
{
	_cleanup_(change_done) struct change change = CHANGE_INIT(container);
	int lock, r = container_check(container, error);

	if (r < 0)
		return r;
	lock = container_lock(container, error);
	r = lock < 0 ? lock : add(&change, text, error);
	if (lock >= 0)
		container_unlock(container, lock);
	return r < 0 ? error_wrap(error, r, "mount in container '%s'", container->name) : 0;
}

/* ---- unmount ---- */

static int take_away(struct change *change, const char *target, scow_error **error)
{
	_cleanup_free_ char *clean = target ? path_clean(target) : NULL;
	scow_container_config *now;
	size_t at = 0;
	int r = clean ? begin(change, error) : error_set(error, SCOW_E_INVALID, "no target was given");

	if (r < 0)
		return r;
	now = change->now;
	while (at < now->n_mounts && !str_eq(now->mounts[at].target, clean))
		at++;
	if (at == now->n_mounts)
		return error_set(error, SCOW_E_NOT_FOUND, "its settings have no mount on '%s'", clean);
	if (change->place.pidfd >= 0)
		r = unmount_from(change->container->engine, &change->place, clean, error);
	if (r == 0 && change->row.supervisor)
		r = later_put(change->container, clean, NULL, error);
	if (r < 0)
		return r;
	FAULT_POINT("mount.gone");
	memmove(&now->mounts[at], &now->mounts[at + 1], (now->n_mounts - at - 1) * sizeof(*now->mounts));
	now->n_mounts--;
	return store(change, clean, error);
}

int scow_container_unmount(scow_container *container, const char *target, scow_error **error)
{
	_cleanup_(change_done) struct change change = CHANGE_INIT(container);
	int lock, r = container_check(container, error);

	if (r < 0)
		return r;
	lock = container_lock(container, error);
	r = lock < 0 ? lock : take_away(&change, target, error);
	if (lock >= 0)
		container_unlock(container, lock);
	return r < 0 ? error_wrap(error, r, "unmount in container '%s'", container->name) : 0;
}
