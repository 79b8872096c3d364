/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files between the host and a container, tree to tree, without a tar stream in between: so blocks are shared where the file system can.
 *
 * The host's paths are the caller's and taken as any program takes them. What is below them on the way out is not: no link is followed
 * there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <scow/files.h>

#include "base/path.h"
#include "base/str.h"
#include "container/copy.h"
#include "container/event.h"

struct told {
	scow_copy_fn progress;
	void *userdata;
	uint64_t bytes;
};

static int tell(void *data, uint64_t bytes, scow_error **error)
{
	struct told *told = data;

	told->bytes += bytes;
	if (told->progress && told->progress(told->bytes, told->userdata) != 0)
		return error_set(error, SCOW_E_CANCELED, "canceled");
	return 0;
}

/* ---- the host's side ---- */

/* A source on the host: its directory, and its name there. */
static int host_find(const char *source, bool follow, struct place *out, scow_error **error)
{
	_cleanup_free_ char *real = NULL, *clean = NULL, *absolute = NULL, *cwd = NULL, *parent = NULL;
	const char *slash;

	if (!source || !*source)
		return error_set(error, SCOW_E_INVALID, "no file of the host was given");
	cwd = source[0] == '/' ? strdup("") : getcwd(NULL, 0);
	absolute = cwd ? strf("%s/%s", cwd, source) : NULL;
	clean = absolute ? path_clean(absolute) : NULL;
	if (!clean)
		return error_errno(error, errno, "getcwd", "find '%s'", source);
	slash = strrchr(clean, '/');
	out->name = str_has_suffix(source, "/.") || str_eq(source, ".") || !slash[1] ? strdup(".") : strdup(slash + 1);
	/* A slash after a link means what it leads to. */
	real = follow || path_wants_directory(source) ? realpath(clean, NULL) : strdup(clean);
	if (!real || !out->name)
		return error_errno(error, errno, "realpath", "find '%s'", source);
	slash = strrchr(real, '/');
	parent = slash == real ? strdup("/") : strndup(real, (size_t) (slash - real));
	out->base = strdup(slash[1] ? slash + 1 : ".");
	out->path = take_ptr(&real);
	if (!parent || !out->base)
		return error_oom(error);
	out->dir_fd = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (out->dir_fd < 0 || fstatat(out->dir_fd, out->base, &out->st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(error, errno, "stat", "find '%s'", source);
	if (path_wants_directory(source) && !S_ISDIR(out->st.st_mode))
		return error_set(error, SCOW_E_INVALID, "'%s' is not a directory", source);
	return 0;
}

/* A target on the host: its directory is opened, and @aim says what is there. */
static int host_aim(const char *target, char **path, struct aim *aim, scow_error **error)
{
	_cleanup_free_ char *cwd = NULL, *real = NULL;
	struct stat st;

	if (!target || !*target)
		return error_set(error, SCOW_E_INVALID, "no target on the host was given");
	cwd = target[0] == '/' ? strdup("") : getcwd(NULL, 0);
	real = realpath(target, NULL);
	if (!real && errno != ENOENT)
		return error_errno(error, errno, "realpath", "find '%s'", target);
	/* What does not exist is made under its own name, in a directory that does. */
	*path = !cwd ? NULL : real ? strf("%s%s", real, path_wants_directory(target) ? "/" : "") : strf("%s/%s", cwd, target);
	if (!*path)
		return error_oom(error);
	*aim = (struct aim){ .exists = real && stat(real, &st) == 0, .path = *path };
	aim->directory = aim->exists && S_ISDIR(st.st_mode);
	if (aim->exists && !aim->directory && !S_ISREG(st.st_mode))
		return error_set(error, SCOW_E_INVALID, "'%s' must be a directory or a regular file", target);
	return 0;
}

/* ---- the container's ---- */

/* What is at @path, or, of a link that leads nowhere yet, would be. */
static int container_aim(const struct root *root, const char *path, struct place *place, struct aim *aim, scow_error **error)
{
	scow_error *failure = NULL;
	int r = place_find(root, path, true, place, &failure);

	*aim = (struct aim){ .exists = r == 0, .path = path };
	if (r == SCOW_E_NOT_FOUND) {
		scow_error_unref(failure);
		/* "d/" where there is no d: a directory may be made under that name. */
		aim->path = path;
		return 0;
	}
	if (r < 0) {
		if (error)
			*error = take_ptr(&failure);
		scow_error_unref(failure);
		return r;
	}
	aim->directory = S_ISDIR(place->st.st_mode);
	if (!aim->directory && !S_ISREG(place->st.st_mode))
		return error_set(error, SCOW_E_INVALID, "'%.200s' in the container must be a directory or a regular file", path);
	aim->path = place->path;
	return 0;
}

static int expect_target(const struct root *root, const char *below, scow_error **error)
{
	_cleanup_place_ struct place place = PLACE_INIT;
	int r = place_find(root, below, true, &place, error);

	if (r == 0 && !S_ISDIR(place.st.st_mode))
		return error_set(error, SCOW_E_INVALID, "'%.200s' in the container is not a directory", below);
	return r < 0 ? r : copy_check_writable(root, below, error);
}

/* ---- both ---- */

/* @source->name has become @top; "" for the contents of a directory. */
static int copy_tree(struct pack_source *source, const struct place *from, const struct plant_options *options, scow_error **error)
{
	_cleanup_(plant_freep) struct plant *plant = NULL;
	struct pack_sink sink = { plant_entry, NULL };
	int r = plant_open(options, &plant, error);

	sink.data = plant;
	source->walk.top = from->base;
	source->with_top = *source->top != 0;
	if (r == 0)
		r = pack_tree(source, from->dir_fd, &sink, error);
	return r < 0 ? r : plant_finish(plant, error);
}

static int put_at(scow_container *container, const struct root *root, const char *host, const char *path, unsigned int flags,
		  struct told *told, scow_error **error)
{
	_cleanup_place_ struct place from = PLACE_INIT, to = PLACE_INIT;
	_cleanup_free_ char *below = NULL, *top = NULL;
	struct pack_source source = { .engine = container->engine };
	struct plant_options options = { .engine = container->engine,
					 .deputy = root->deputy,
					 .root_fd = root->fd,
					 .follow = true,
					 .give = true,
					 .one_owner = !(flags & SCOW_COPY_OWNERS),
					 .progress = tell,
					 .data = told };
	struct aim aim;
	int r = host_find(host, flags & SCOW_COPY_FOLLOW, &from, error);

	if (r == 0)
		r = container_aim(root, path, &to, &aim, error);
	if (r == 0)
		r = aim_take(&aim, from.name, S_ISDIR(from.st.st_mode), &below, &top, error);
	if (r == 0)
		r = expect_target(root, below, error);
	if (r < 0)
		return r;
	source.top = top;
	options.below = below + 1;
	return copy_tree(&source, &from, &options, error);
}

static int get_at(scow_container *container, const struct root *root, const char *path, const char *target, unsigned int flags,
		  struct told *told, scow_error **error)
{
	_cleanup_free_ char *host = NULL, *below = NULL, *top = NULL;
	_cleanup_place_ struct place from = PLACE_INIT;
	_cleanup_fd_ int fd = -1;
	struct pack_source source = { .engine = container->engine,
				      .walk.deputy = root->deputy,
				      .uids = root->maps.uids,
				      .gids = root->maps.gids,
				      .n_uids = root->maps.n_uids,
				      .n_gids = root->maps.n_gids };
	const bool give = flags & SCOW_COPY_OWNERS && geteuid() == 0;
	struct plant_options options = {
		.engine = container->engine, .below = "", .give = give, .harmless = !give, .progress = tell, .data = told
	};
	struct aim aim;
	int r = place_find(root, path, flags & SCOW_COPY_FOLLOW, &from, error);

	if (r == 0)
		r = host_aim(target, &host, &aim, error);
	if (r == 0)
		r = aim_take(&aim, from.name, S_ISDIR(from.st.st_mode), &below, &top, error);
	if (r < 0)
		return r;
	fd = open(below, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(error, errno, "open", "copy to '%s'", target);
	source.top = top;
	options.root_fd = fd;
	return copy_tree(&source, &from, &options, error);
}

static int copy(scow_container *container, bool in, const char *from, const char *to, unsigned int flags, struct told *told,
		scow_error **error)
{
	_cleanup_root_ struct root root = ROOT_INIT;
	int r = container_check(container, error);

	if (r < 0)
		return r;
	if (flags & ~(unsigned int) (SCOW_COPY_OWNERS | SCOW_COPY_FOLLOW))
		return error_set(error, SCOW_E_INVALID, "unknown flags 0x%x", flags);
	r = root_open(container, ROOT_WITH_MOUNTS, &root, error);
	if (r == 0)
		r = in ? put_at(container, &root, from, to, flags, told, error) : get_at(container, &root, from, to, flags, told, error);
	if (r < 0)
		return error_wrap(error, r, "copy %s container '%s'", in ? "into" : "out of", container->name);
	container_announce(container->engine, container->id, in ? "extract-to-dir" : "archive-path", NULL);
	return 0;
}

int scow_container_copy_from_host(scow_container *container, const char *source, const char *path, unsigned int flags,
				  scow_copy_fn progress, void *userdata, scow_error **error)
{
	struct told told = { progress, userdata, 0 };

	return copy(container, true, source, path, flags, &told, error);
}

int scow_container_copy_to_host(scow_container *container, const char *path, const char *target, unsigned int flags, scow_copy_fn progress,
				void *userdata, scow_error **error)
{
	struct told told = { progress, userdata, 0 };

	return copy(container, false, path, target, flags, &told, error);
}
