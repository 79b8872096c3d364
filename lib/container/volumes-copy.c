/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copy-up: an empty volume takes what the image has at its place, with owner, mode and attributes of the place itself.
 *
 * 1. One at a time for a volume, by its work lock; who comes second finds it filled.
 * 2. A mark beside the volume's directory is there as long as the copy is not complete: after a crash the next one begins again.
 * 3. The image's tree is mounted for us alone, with a directory for changes that goes again: nothing is seen of it on the host. Its
 *    links are a stranger's, and so is all in a volume that somebody else uses meanwhile: archive/walk.h, archive/plant.h.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/plant.h"
#include "base/digest.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/str.h"
#include "container/root.h"
#include "container/volumes.h"
#include "engine/userns.h"
#include "image/layer.h"
#include "runtime/tree.h"
#include "store/lock.h"

#define MARK "_copying"

struct tree {
	int root_fd, dir_fd;
	struct deputy *deputy;
	char name[WORK_DIRECTORY_NAME];
	char **lowers; /* NULL: not looked up yet */
	size_t n_lowers;
};

static void tree_close(scow_engine *engine, struct tree *tree)
{
	cleanup_fd(&tree->root_fd);
	deputy_end(tree->deputy);
	strv_free(tree->lowers);
	if (tree->dir_fd < 0)
		return;
	if (userns_remove_tree(engine, engine->tmp_fd, tree->name, NULL) < 0)
		engine_log(engine, SCOW_LOG_INFO, "'tmp/%s' stays for the next sweep", tree->name);
	cleanup_fd(&tree->dir_fd);
}

/* The image's layers, under a directory that nobody writes to. Locked, so that no sweep takes it for dead. */
static int tree_open(scow_container *container, struct tree *tree, scow_error **error)
{
	scow_engine *engine = container->engine;
	struct spec spec = { .layers_fd = engine->layers_fd, .container_fd = -1 };
	int r = work_directory_make(engine, "seed-", tree->name, &tree->dir_fd, error);

	if (r < 0)
		return r;
	r = dir_make_at(tree->dir_fd, "diff", 0755);
	if (r == 0)
		r = dir_make_at(tree->dir_fd, "work", 0755);
	if (r < 0)
		return error_errno(error, -r, "mkdir", "make 'tmp/%s'", tree->name);
	spec.lowers = tree->lowers;
	spec.n_lowers = tree->n_lowers;
	spec.container_fd = tree->dir_fd;
	return tree_mount(engine, &spec, &tree->root_fd, &tree->deputy, error);
}

/* Where no layer has anything of the first part of a path, nothing is there: most volumes are so, and need no mount to know it. */
static bool may_be_there(scow_engine *engine, const struct tree *tree, const char *target)
{
	const int length = (int) strcspn(target + 1, "/");

	for (size_t i = 0; i < tree->n_lowers; i++) {
		_cleanup_free_ char *path = strf("%s/%.*s", tree->lowers[i], length, target + 1);
		struct stat st;

		if (!path || fstatat(engine->layers_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT)
			return true;
	}
	return false;
}

static bool is_empty_dir(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), found = 0;
	_cleanup_dir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir) {
		cleanup_fd(&fd);
		return false;
	}
	while ((entry = readdir(dir)) && !found)
		found = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	return !found;
}

/* What the place itself is like: owner, attributes, mode, in the order in which one does not undo another. */
static int copy_top(struct facts *facts, struct deputy *deputy, int from, int to, scow_error **error)
{
	const struct root ids = { .maps = { facts->uid_map, facts->gid_map, facts->n_uid_map, facts->n_gid_map } }, plain = { .fd = -1 };
	const struct root *root = facts->rootless ? &ids : &plain;
	char names[4096], value[4096];
	struct stat st;
	ssize_t n, size;
	int r;

	if (fstat(from, &st) < 0)
		return error_errno(error, errno, "fstat", "look at the place");
	r = deputy_chown(deputy, to, "", root_uid(root, st.st_uid), root_gid(root, st.st_gid), AT_EMPTY_PATH);
	if (r < 0)
		return error_errno(error, -r, "fchownat", "give the volume its owner");
	n = deputy_list_xattrs(deputy, from, names, sizeof(names));
	for (const char *name = names; n > 0 && name < names + n; name += strlen(name) + 1) {
		if (strstr(name, ".overlay.") || (!str_has_prefix(name, "user.") && !str_has_prefix(name, "system.posix_acl_")))
			continue;
		size = deputy_get_xattr(deputy, from, name, value, sizeof(value));
		/* A file system without them is no reason not to have the volume. */
		if (size >= 0)
			(void) deputy_set_xattr(deputy, to, name, value, (size_t) size);
	}
	r = deputy_chmod(deputy, to, st.st_mode & 07777);
	return r < 0 ? error_errno(error, -r, "fchmod", "give the volume its mode") : 0;
}

static int copy_tree(scow_engine *engine, const struct tree *tree, int from, int to, scow_error **error)
{
	struct facts *facts = &engine->facts;
	const struct plant_options to_options = { .engine = engine, .deputy = tree->deputy, .root_fd = to, .below = "", .give = true };
	struct pack_source source = {
		.engine = engine,
		.walk = { .deputy = tree->deputy },
		.top = "",
	};
	_cleanup_(plant_freep) struct plant *plant = NULL;
	struct pack_sink sink = { .entry = plant_entry };
	int r;

	if (facts->rootless) {
		source.uids = facts->uid_map;
		source.gids = facts->gid_map;
		source.n_uids = facts->n_uid_map;
		source.n_gids = facts->n_gid_map;
	}
	r = plant_open(&to_options, &plant, error);
	sink.data = plant;
	if (r == 0)
		r = pack_tree(&source, from, &sink, error);
	if (r == 0)
		r = plant_finish(plant, error);
	return r < 0 ? r : copy_top(facts, tree->deputy, from, to, error);
}

/* One volume, and where it takes from. */
struct seed {
	const struct held *held;
	bool marks; /* it has a directory of ours beside which a mark can be */
	char *mark; /* below @store */
	int store, to, from;
};

static void seed_done(struct seed *seed)
{
	cleanup_fd(&seed->store);
	cleanup_fd(&seed->to);
	cleanup_fd(&seed->from);
	free(seed->mark);
}

/* Empty, or its copy is not complete: somebody is at it, or died. */
static bool is_wanting(const struct seed *seed)
{
	return is_empty_dir(seed->to) || (seed->marks && faccessat(seed->store, seed->mark, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
}

/* 1: the image has something for it; 0, or a status. */
static int find_source(scow_container *container, struct tree *tree, struct seed *seed, scow_error **error)
{
	int r = 0;

	if (!tree->lowers)
		r = layer_stack(container->engine, container->top_layer, &tree->lowers, &tree->n_lowers, error);
	if (r < 0 || !may_be_there(container->engine, tree, seed->held->target))
		return r;
	r = tree->root_fd < 0 ? tree_open(container, tree, error) : 0;
	if (r < 0)
		return r;
	seed->from = deputy_open(tree->deputy, tree->root_fd, seed->held->target, O_PATH | O_DIRECTORY | O_CLOEXEC, 0,
				 RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
	if (seed->from == -ENOENT || seed->from == -ENOTDIR)
		return 0;
	return seed->from < 0 ? error_errno(error, -seed->from, "openat2", "open '%s' in the image", seed->held->target) : 1;
}

/* Under the volume's lock. */
static int fill_locked(scow_engine *engine, const struct tree *tree, const struct seed *seed, scow_error **error)
{
	_cleanup_fd_ int mark_fd = -1;
	int r;

	if (!is_wanting(seed))
		return 0;
	if (seed->marks) {
		mark_fd = openat(seed->store, seed->mark, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (mark_fd < 0)
			return error_errno(error, errno, "open", "mark the copy");
	}
	FAULT_POINT("volume.copying");
	r = copy_tree(engine, tree, seed->from, seed->to, error);
	FAULT_POINT("volume.copied");
	if (r == 0 && seed->marks && unlinkat(seed->store, seed->mark, 0) < 0)
		return error_errno(error, errno, "unlink", "unmark the copy");
	return r;
}

static int seed_open(scow_engine *engine, struct held *held, struct arena *arena, struct seed *seed, scow_error **error)
{
	int r = volume_source(engine, held->volume, arena, &held->from, error);

	if (r < 0 || !held->from.path)
		return r;
	seed->marks = held->from.kind == VOLUME_DIRECTORY;
	seed->mark = strf("%s/" MARK, held->volume->name);
	if (!seed->mark)
		return error_oom(error);
	seed->store = volume_store_open(engine, error);
	if (seed->store < 0)
		return seed->store;
	seed->to = volume_open(engine, held->volume, &held->from, error);
	return seed->to < 0 ? seed->to : 1;
}

static int fill(scow_container *container, struct tree *tree, struct held *held, struct arena *arena, scow_error **error)
{
	_cleanup_(seed_done) struct seed seed = { .held = held, .store = -1, .to = -1, .from = -1 };
	scow_engine *engine = container->engine;
	char name[128];
	int lock, r = seed_open(engine, held, arena, &seed, error);

	/* Without the lock first: most have nothing to wait for. */
	if (r > 0)
		r = is_wanting(&seed) ? find_source(container, tree, &seed, error) : 0;
	if (r > 0) {
		snprintf(name, sizeof(name), "volume-%.100s", held->volume->name);
		lock = work_lock(engine, name, NULL, error);
		if (lock < 0)
			return lock;
		r = fill_locked(engine, tree, &seed, error);
		work_unlock(engine, name, lock);
	}
	return r < 0 ? error_wrap(error, r, "copy what the image has at '%s' into volume '%s'", held->target, held->volume->name) : 0;
}

int volumes_copy_up(scow_container *container, scow_error **error)
{
	struct tree tree = { .root_fd = -1, .dir_fd = -1 };
	_cleanup_volumes_ struct volumes volumes = { .n = 0 };
	struct db_work work = { 0 };
	int r;

	if (!container->top_layer)
		return 0;
	db_lock(container->engine->db, &work);
	r = volumes_read(&work, container->id, &volumes, error);
	db_end(&work);
	for (size_t i = 0; i < volumes.n && r == 0; i++)
		if (volumes.items[i].kind == MOUNT_VOLUME && !volumes.items[i].no_copy && !volumes.items[i].subpath)
			r = fill(container, &tree, &volumes.items[i], &volumes.arena, error);
	tree_close(container->engine, &tree);
	return r;
}
