/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tar streams into and out of a container, as Docker's /archive does it, and what is at a path.
 *
 * A path is cleaned as text first ("/a/../b" is "/b"), then its directory is found by one openat2() inside the container's root, and the
 * last part in that directory. Nothing of the container runs, and none of its libraries is loaded.
 */
#include "container/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <scow/files.h>

#include "base/json.h"
#include "base/path.h"
#include "base/str.h"
#include "container/event.h"
#include "container/export.h"
#include "container/text.h"

#define IN_ROOT (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
#define LINKS_MAX 40
#define CHUNK (256u << 10)

void place_done(struct place *place)
{
	cleanup_fd(&place->dir_fd);
	place->dir_fd = -1;
	free(place->base);
	free(place->path);
	free(place->name);
	*place = (struct place) PLACE_INIT;
}

bool path_wants_directory(const char *path)
{
	return str_has_suffix(path, "/") || str_has_suffix(path, "/.");
}

static int failed(const struct root *root, int errnum, const char *path, scow_error **error)
{
	char printable[400];

	return error_errno(error, errnum, "openat2", "find '%s' in container '%s'", name_printable(path, printable, sizeof(printable)),
			   root->container->name);
}

/* What a directory holds, by way of itself. */
static int enter(const struct root *root, struct place *place, scow_error **error)
{
	int fd = deputy_open(root->deputy, root->fd, place->path, O_PATH | O_DIRECTORY, 0, IN_ROOT);

	if (fd < 0)
		return failed(root, -fd, place->path, error);
	cleanup_fd(&place->dir_fd);
	place->dir_fd = fd;
	free(place->base);
	place->base = strdup(".");
	if (!place->base)
		return error_oom(error);
	return fstat(fd, &place->st) < 0 ? failed(root, errno, place->path, error) : 0;
}

/* place->path, by its directory and last part. */
static int look(const struct root *root, struct place *place, scow_error **error)
{
	const char *slash = strrchr(place->path, '/');
	_cleanup_free_ char *parent = strndup(place->path, slash == place->path ? 1 : (size_t) (slash - place->path));
	int fd, r;

	if (!slash[1])
		return enter(root, place, error);
	if (!parent)
		return error_oom(error);
	fd = deputy_open(root->deputy, root->fd, parent, O_PATH | O_DIRECTORY, 0, IN_ROOT);
	if (fd < 0)
		return failed(root, -fd, place->path, error);
	cleanup_fd(&place->dir_fd);
	place->dir_fd = fd;
	free(place->base);
	place->base = strdup(slash + 1);
	if (!place->base)
		return error_oom(error);
	r = deputy_stat(root->deputy, fd, place->base, &place->st);
	return r < 0 ? failed(root, -r, place->path, error) : 0;
}

/* Where the link at place->path leads, as text: a clean absolute path. */
static int read_target(const struct root *root, const struct place *place, char **out, scow_error **error)
{
	_cleanup_fd_ int fd = deputy_open(root->deputy, place->dir_fd, place->base, O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_MAGICLINKS);
	const char *slash = strrchr(place->path, '/');
	_cleanup_free_ char *joined = NULL;
	char target[4097];
	ssize_t n = fd < 0 ? -1 : readlinkat(fd, "", target, sizeof(target) - 1);

	if (n < 0)
		return failed(root, fd < 0 ? -fd : errno, place->path, error);
	target[n] = 0;
	joined = target[0] == '/' ? strdup(target) : strf("%.*s/%s", (int) (slash - place->path), place->path, target);
	*out = joined ? path_clean(joined) : NULL;
	return *out ? 0 : error_oom(error);
}

static int follow_links(const struct root *root, struct place *place, scow_error **error)
{
	int r = 0;

	for (int i = 0; r == 0 && S_ISLNK(place->st.st_mode); i++) {
		char *target = NULL;

		if (i == LINKS_MAX)
			return failed(root, ELOOP, place->path, error);
		r = read_target(root, place, &target, error);
		if (r < 0)
			return r;
		free(place->path);
		place->path = target;
		r = look(root, place, error);
	}
	return r;
}

int place_find(const struct root *root, const char *path, bool follow, struct place *out, scow_error **error)
{
	const char *slash;
	int r;

	*out = (struct place) PLACE_INIT;
	if (!path || path[0] != '/')
		return error_set(error, SCOW_E_INVALID, "'%.200s' is no absolute path", path ? path : "");
	out->path = path_clean(path);
	slash = out->path ? strrchr(out->path, '/') : NULL;
	out->name = !slash ? NULL : str_has_suffix(path, "/.") || !slash[1] ? strdup(".") : strdup(slash + 1);
	if (!out->name)
		return error_oom(error);
	r = look(root, out, error);
	if (r < 0 || !path_wants_directory(path))
		return r < 0 || !follow ? r : follow_links(root, out, error);
	/* The kernel follows: "/link/" is the directory that the link leads to. */
	if (!S_ISDIR(out->st.st_mode) && !S_ISLNK(out->st.st_mode))
		return error_set(error, SCOW_E_INVALID, "'%.200s' in container '%s' is not a directory", out->path, root->container->name);
	return enter(root, out, error);
}

/* ---- rules ---- */

int aim_take(const struct aim *aim, const char *source_name, bool source_is_directory, char **below, char **top, scow_error **error)
{
	_cleanup_free_ char *clean = path_clean(aim->path);
	const char *slash = clean ? strrchr(clean, '/') : NULL;

	if (aim->exists && !aim->directory && source_is_directory)
		return error_set(error, SCOW_E_INVALID, "cannot copy a directory to '%.200s', which is a file", aim->path);
	if (aim->exists && !aim->directory && path_wants_directory(aim->path))
		return error_set(error, SCOW_E_INVALID, "'%.200s' is not a directory", aim->path);
	if (!aim->exists && !source_is_directory && path_wants_directory(aim->path))
		return error_set(error, SCOW_E_NOT_FOUND, "no such directory: '%.200s'", aim->path);
	if (!clean)
		return error_oom(error);
	if (aim->exists && aim->directory) {
		*below = strdup(clean);
		*top = strdup(str_eq(source_name, ".") ? "" : source_name);
	} else {
		*below = slash == clean ? strdup("/") : strndup(clean, (size_t) (slash - clean));
		*top = strdup(slash + 1);
	}
	return *below && *top ? 0 : error_oom(error);
}

int copy_check_writable(const struct root *root, const char *path, scow_error **error)
{
	_cleanup_fd_ int fd = deputy_open(root->deputy, root->fd, path, O_PATH | O_DIRECTORY, 0, IN_ROOT);
	struct statvfs fs;

	if (fd < 0 || fstatvfs(fd, &fs) < 0 || !(fs.f_flag & ST_RDONLY))
		return 0;
	return error_set(error, SCOW_E_DENIED, "'%.200s' in container '%s' is on a file system that is marked read-only", path,
			 root->container->name);
}

/* ---- in ---- */

struct stream {
	int fd;
	char *buffer;
};

static ssize_t read_stream(void *data, const void **out, scow_error **error)
{
	struct stream *stream = data;
	ssize_t n;

	while ((n = read(stream->fd, stream->buffer, CHUNK)) < 0 && errno == EINTR)
		;
	*out = stream->buffer;
	return n < 0 ? error_errno(error, errno, "read", "read the archive") : n;
}

static int drain(struct stream *stream)
{
	ssize_t n;

	/* Who writes it should not be ended by SIGPIPE for the zeros after its end. */
	do
		n = read(stream->fd, stream->buffer, CHUNK);
	while (n > 0 || (n < 0 && errno == EINTR));
	return 0;
}

static int unpack_at(scow_container *container, const struct root *root, const char *path, int fd, unsigned int flags, scow_error **error)
{
	_cleanup_free_ char *below = path_clean(path), *buffer = malloc(CHUNK);
	_cleanup_(plant_freep) struct plant *plant = NULL;
	struct stream stream = { fd, buffer };
	const struct plant_options options = {
		.engine = container->engine,
		.deputy = root->deputy,
		.root_fd = root->fd,
		.below = below ? below + 1 : "",
		.follow = true,
		.give = true,
		.one_owner = !(flags & SCOW_COPY_OWNERS),
	};
	int r = below && buffer ? plant_open(&options, &plant, error) : error_oom(error);

	if (r == 0)
		r = extract_tar(plant, read_stream, &stream, error);
	return r < 0 ? r : drain(&stream);
}

int scow_container_copy_in(scow_container *container, const char *path, int fd, unsigned int flags, scow_error **error)
{
	_cleanup_root_ struct root root = ROOT_INIT;
	_cleanup_place_ struct place place = PLACE_INIT;
	int r = container_check(container, error);

	if (r < 0)
		return r;
	if (flags & ~(unsigned int) SCOW_COPY_OWNERS)
		return error_set(error, SCOW_E_INVALID, "unknown flags 0x%x", flags);
	r = root_open(container, ROOT_WITH_MOUNTS, &root, error);
	if (r == 0)
		r = place_find(&root, path, true, &place, error);
	if (r == 0 && !S_ISDIR(place.st.st_mode))
		r = error_set(error, SCOW_E_INVALID, "'%.200s' is not a directory", path);
	if (r == 0)
		r = copy_check_writable(&root, place.path, error);
	if (r == 0)
		r = unpack_at(container, &root, place.path, fd, flags, error);
	if (r < 0)
		return error_wrap(error, r, "copy into container '%s'", container->name);
	container_announce(container->engine, container->id, "extract-to-dir", NULL);
	return 0;
}

/* ---- out ---- */

int scow_container_copy_out(scow_container *container, const char *path, int fd, unsigned int flags, scow_error **error)
{
	_cleanup_root_ struct root root = ROOT_INIT;
	_cleanup_place_ struct place place = PLACE_INIT;
	struct pack_source source = { .with_top = true };
	int r = container_check(container, error);

	if (r < 0)
		return r;
	if (flags & ~(unsigned int) SCOW_COPY_FOLLOW)
		return error_set(error, SCOW_E_INVALID, "unknown flags 0x%x", flags);
	r = root_open(container, ROOT_WITH_MOUNTS, &root, error);
	if (r == 0)
		r = place_find(&root, path, flags & SCOW_COPY_FOLLOW, &place, error);
	if (r == 0) {
		source.engine = container->engine;
		source.walk = (struct walk_options){ .deputy = root.deputy, .top = place.base };
		source.uids = root.maps.uids;
		source.gids = root.maps.gids;
		source.n_uids = root.maps.n_uids;
		source.n_gids = root.maps.n_gids;
		source.top = place.name;
		r = export_tree(&source, place.dir_fd, fd, error);
	}
	if (r < 0)
		return error_wrap(error, r, "copy out of container '%s'", container->name);
	container_announce(container->engine, container->id, "archive-path", NULL);
	return 0;
}

/* ---- what it is ---- */

/* As Go's os.FileMode has it. */
static uint32_t go_mode(mode_t mode)
{
	static const struct {
		mode_t type;
		uint32_t bits;
	} types[] = { { S_IFDIR, 1u << 31 }, { S_IFLNK, 1u << 27 }, { S_IFBLK, 1u << 26 }, { S_IFCHR, 1u << 26 | 1u << 21 },
		      { S_IFIFO, 1u << 25 }, { S_IFSOCK, 1u << 24 } };
	uint32_t out = mode & 0777;

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if ((mode & S_IFMT) == types[i].type)
			out |= types[i].bits;
	return out | (mode & S_ISUID ? 1u << 23 : 0) | (mode & S_ISGID ? 1u << 22 : 0) | (mode & S_ISVTX ? 1u << 20 : 0);
}

static int describe(const struct root *root, struct place *place, char **out, scow_error **error)
{
	_cleanup_json_ cJSON *object = cJSON_CreateObject();
	struct stat st = place->st;
	char time[TIME_TEXT];
	int r = 0;

	time_text((int64_t) st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec, time);
	if (!object || !cJSON_AddStringToObject(object, "name", str_eq(place->path, "/") ? "/" : strrchr(place->path, '/') + 1) ||
	    !cJSON_AddNumberToObject(object, "size", (double) st.st_size) ||
	    !cJSON_AddNumberToObject(object, "mode", go_mode(st.st_mode)) || !cJSON_AddStringToObject(object, "mtime", time))
		return error_oom(error);
	if (S_ISLNK(st.st_mode)) {
		_cleanup_free_ char *first = NULL;

		/* A link that leads nowhere still says where it leads. */
		r = read_target(root, place, &first, error);
		if (r < 0)
			return r;
		r = follow_links(root, place, NULL);
		if (!cJSON_AddStringToObject(object, "linkTarget", r < 0 ? first : place->path))
			return error_oom(error);
	} else if (!cJSON_AddStringToObject(object, "linkTarget", "")) {
		return error_oom(error);
	}
	*out = json_print(object);
	return *out ? 0 : error_oom(error);
}

int scow_container_path_json(scow_container *container, const char *path, char **out, scow_error **error)
{
	_cleanup_root_ struct root root = ROOT_INIT;
	_cleanup_place_ struct place place = PLACE_INIT;
	int r = container_check(container, error);

	if (r == 0 && !out)
		r = error_set(error, SCOW_E_INVALID, "no place for the document was given");
	if (r == 0)
		r = root_open(container, ROOT_WITH_MOUNTS, &root, error);
	if (r == 0)
		r = place_find(&root, path, false, &place, error);
	return r < 0 ? r : describe(&root, &place, out, error);
}
