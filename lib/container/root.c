/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opening the tree: through the process that lives in it, or by mounting it.
 *
 * 1. The root of PID 1 is opened first and the process verified after that, as in join.c: then it was that process's all the time.
 * 2. A start and a mount of ours must not meet: overlayfs promises nothing for an upper directory with two users. Who mounts makes the
 *    tree's lock, and reads the row after that; who starts has claimed the row, and looks for the lock after that. So one sees
 *    the other, and a start without a mount pays for one look.
 */
#include "container/root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "container/live.h"
#include "container/root-mounts.h"
#include "container/storage.h"
#include "image/layer.h"
#include "runtime/tree.h"
#include "store/lock.h"

#define OVERFLOW_ID 65534u
#define LOCK_NAME 40

static int make_dir(const struct root_layers *layers, const char *id, const char *name, scow_error **error)
{
	/* The mode is that of "/" in the container, and the host's umask must not have a say in it. */
	if (mkdirat(layers->dir_fd, name, 0755) < 0 && errno != EEXIST)
		return error_errno(error, errno, "mkdir", "make 'containers/%s/%s'", id, name);
	if (fchmodat(layers->dir_fd, name, 0755, 0) < 0)
		return error_errno(error, errno, "chmod", "make 'containers/%s/%s'", id, name);
	return 0;
}

int root_layers_open(scow_container *container, struct root_layers *out, scow_error **error)
{
	scow_engine *engine = container->engine;
	int r = 0;

	*out = (struct root_layers){ .dir_fd = -1 };
	if (container->top_layer)
		r = layer_stack(engine, container->top_layer, &out->lowers, &out->n_lowers, error);
	if (r < 0)
		return r;
	if (mkdirat(engine->containers_fd, container->id, 0700) == 0)
		out->made_dir = true;
	else if (errno != EEXIST)
		return error_errno(error, errno, "mkdir", "make 'containers/%s'", container->id);
	out->dir_fd = dir_open_at(engine->containers_fd, container->id);
	if (out->dir_fd < 0)
		return error_errno(error, -out->dir_fd, "open", "open 'containers/%s'", container->id);
	/* One without the last of it was left by somebody who died over its making. */
	if (!out->made_dir && faccessat(out->dir_fd, "work", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	r = make_dir(out, container->id, "diff", error);
	return r < 0 ? r : make_dir(out, container->id, "work", error);
}

void root_layers_done(struct root_layers *layers)
{
	cleanup_fd(&layers->dir_fd);
	layers->dir_fd = -1;
	strv_free(layers->lowers);
	layers->lowers = NULL;
}

static void root_forget(struct root *root)
{
	cleanup_fd(&root->fd);
	root->fd = -1;
	deputy_end(root->deputy);
	root->deputy = DEPUTY_SELF;
	arena_done(&root->arena);
	root->maps = (struct id_maps){ 0 };
	root->live = false;
}

/* No user namespace of its own, if ours is the host's. */
static bool is_everything(const struct id_range *map, unsigned int count)
{
	return count == 1 && map[0].inside == 0 && map[0].outside == 0 && map[0].count == UINT32_MAX;
}

/* 1; 0: it has ended meanwhile. */
static int open_live(struct root *root, const struct container_row *row, scow_error **error)
{
	scow_engine *engine = root->container->engine;
	struct spec ids = { .layers_fd = -1, .container_fd = -1 };
	_cleanup_fd_ int pidfd = -1;
	char path[64];
	int errnum, r;

	snprintf(path, sizeof(path), "/proc/%d/root", row->pid);
	root->fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	errnum = errno;
	r = id_maps_into(row->pid, &ids, NULL);
	pidfd = container_pidfd(engine, row);
	root->arena = ids.arena;
	if (!is_everything(ids.uid_map, ids.n_uid_map))
		root->maps = (struct id_maps){ ids.uid_map, ids.gid_map, ids.n_uid_map, ids.n_gid_map };
	root->live = true;
	if (pidfd < 0)
		return 0;
	if (root->fd < 0 || r < 0)
		return error_errno(error, root->fd < 0 ? errnum : EIO, "open", "open the root of container '%s'", root->container->name);
	r = engine->facts.rootless || root->maps.n_uids ? tree_join(engine, pidfd, &root->deputy, error) : 0;
	return r < 0 ? r : 1;
}

static void lock_name(const scow_container *container, char out[LOCK_NAME])
{
	snprintf(out, LOCK_NAME, "tree-%.24s", container->id);
}

static bool has_driven(const struct volumes *held)
{
	for (size_t i = 0; i < held->n; i++)
		if (held->items[i].from.kind == VOLUME_DRIVEN)
			return true;
	return false;
}

/* With the ids that the files have on the disk: the container's own for root, the user's for a plain one. */
static int mount_layers(struct root *root, enum root_view view, struct spec *spec, scow_error **error)
{
	scow_engine *engine = root->container->engine;
	_cleanup_volumes_ struct volumes held = { .n = 0 };
	struct root_layers layers;
	int r = root_layers_open(root->container, &layers, error);

	if (r == 0)
		r = storage_prepare(root->container, layers.dir_fd, error);
	spec->container_fd = layers.dir_fd;
	spec->lowers = layers.lowers;
	spec->n_lowers = layers.n_lowers;
	if (r == 0 && view == ROOT_WITH_MOUNTS)
		r = root_mounts_add(root->container, spec, &held, error);
	root->driven = has_driven(&held);
	if (r == 0)
		r = tree_mount(engine, spec, &root->fd, &root->deputy, error);
	root_layers_done(&layers);
	return r;
}

static int mount_it(struct root *root, enum root_view view, scow_error **error)
{
	struct facts *facts = &root->container->engine->facts;
	struct spec spec = { .layers_fd = root->container->engine->layers_fd, .container_fd = -1 };
	int r = mount_layers(root, view, &spec, error);

	arena_done(&spec.arena);
	if (r == 0 && facts->rootless)
		root->maps = (struct id_maps){ facts->uid_map, facts->gid_map, facts->n_uid_map, facts->n_gid_map };
	return r;
}

static int open_still(struct root *root, enum root_view view, scow_error **error)
{
	scow_container *container = root->container;
	struct container_row row;
	char name[LOCK_NAME];
	int r;

	lock_name(container, name);
	root->lock_fd = work_lock(container->engine, name, NULL, error);
	if (root->lock_fd < 0)
		return root->lock_fd;
	r = container_row_settled(container, &row, error);
	if (r < 0)
		return r;
	if (container_runs(row.state) && row.pid) {
		work_unlock(container->engine, name, take_fd(&root->lock_fd));
		return 0;
	}
	r = storage_on_disk(container, error);
	if (r < 0)
		return r;
	if (container_runs(row.state) || row.state == SCOW_CONTAINER_REMOVING)
		return error_hint(error, error_set(error, SCOW_E_STATE, "container '%s' is between two states", container->name),
				  "try again, or stop it first");
	r = mount_it(root, view, error);
	return r < 0 ? r : 1;
}

/* One or the other; it may begin or end to run between two looks. */
static int find_root(struct root *root, enum root_view view, scow_error **error)
{
	struct container_row row;
	int r = container_row_settled(root->container, &row, error);

	while (r == 0) {
		if (container_runs(row.state) && row.pid)
			r = open_live(root, &row, error);
		if (r != 0)
			break;
		root_forget(root);
		r = open_still(root, view, error);
		if (r == 0)
			r = container_row_settled(root->container, &row, error);
		else
			break;
	}
	return r < 0 ? r : 0;
}

int root_open(scow_container *container, enum root_view view, struct root *out, scow_error **error)
{
	int r;

	*out = (struct root) ROOT_INIT;
	out->container = scow_container_ref(container);
	r = find_root(out, view, error);
	if (r < 0)
		root_close(out);
	return r;
}

void root_close(struct root *root)
{
	char name[LOCK_NAME];

	root_forget(root);
	if (root->driven)
		volume_drivers_unmount(root->container->engine, root->container->id);
	if (root->lock_fd >= 0) {
		lock_name(root->container, name);
		work_unlock(root->container->engine, name, take_fd(&root->lock_fd));
	}
	root->container = scow_container_unref(root->container);
}

int root_await(scow_container *container, scow_error **error)
{
	char name[LOCK_NAME], path[LOCK_NAME + 8];
	int fd;

	lock_name(container, name);
	snprintf(path, sizeof(path), "lock-%s", name);
	if (faccessat(container->engine->tmp_fd, path, F_OK, 0) < 0)
		return 0;
	fd = work_lock(container->engine, name, NULL, error);
	if (fd < 0)
		return fd;
	work_unlock(container->engine, name, fd);
	return 0;
}

static uint32_t map_back(const struct id_range *map, unsigned int count, uint32_t id)
{
	if (!count)
		return id;
	for (unsigned int i = 0; i < count; i++)
		if (id >= map[i].outside && id - map[i].outside < map[i].count)
			return map[i].inside + (id - map[i].outside);
	return OVERFLOW_ID;
}

uint32_t root_uid(const struct root *root, uint32_t id)
{
	return map_back(root->maps.uids, root->maps.n_uids, id);
}

uint32_t root_gid(const struct root *root, uint32_t id)
{
	return map_back(root->maps.gids, root->maps.n_gids, id);
}
