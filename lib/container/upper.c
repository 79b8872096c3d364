/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The upper directory and the layers under it, looked at as overlayfs does: a name is what the topmost layer says of it, a
 * whiteout says that there is none, an opaque directory that those below have no part in it.
 *
 * Layers are found by path from ROOT/layers: nobody changes them, and no part of a path that was found to be a directory is a link.
 */
#include "container/upper.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "base/str.h"
#include "container/storage.h"
#include "image/layer.h"
#include "runtime/tree.h"

#define BELOW (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)
#define CAPABILITY_MAX 128

/* Docker has them in a layer of its own between the image and what was written, which neither diff nor commit shows. */
static const char *const mount_points[] = { "dev", "etc/hostname", "etc/hosts", "etc/resolv.conf", "proc", "sys" };

bool upper_is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

bool upper_is_mount_point(const struct walk_entry *entry)
{
	for (size_t i = 0; i < ARRAY_SIZE(mount_points); i++)
		if (str_eq(entry->path, mount_points[i]))
			return S_ISDIR(entry->st.st_mode) ? !strchr(entry->path, '/') : S_ISREG(entry->st.st_mode) && !entry->st.st_size;
	return false;
}

int upper_open(scow_container *container, struct upper *out, scow_error **error)
{
	char path[80];
	int r;

	*out = (struct upper){ .container = scow_container_ref(container), .fd = -1 };
	r = storage_on_disk(container, error);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/diff", container->id);
	if (faccessat(container->engine->containers_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	r = tree_deputy(container->engine, &out->deputy, error);
	if (r < 0)
		return r;
	out->fd = deputy_open(out->deputy, container->engine->containers_fd, path, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, BELOW);
	if (out->fd < 0 && out->fd != -ENOENT)
		return error_errno(error, -out->fd, "open", "open what container '%s' wrote", container->name);
	return container->top_layer ? layer_stack(container->engine, container->top_layer, &out->layers, &out->n_layers, error) : 0;
}

void upper_close(struct upper *upper)
{
	cleanup_fd(&upper->fd);
	upper->fd = -1;
	deputy_end(upper->deputy);
	upper->deputy = DEPUTY_SELF;
	strv_free(upper->layers);
	free(upper->here);
	free(upper->parts);
	upper->container = scow_container_unref(upper->container);
}

static bool path_of(const struct upper *upper, size_t layer, const char *directory, const char *name, char path[WALK_PATH_MAX + 64])
{
	int n = snprintf(path, WALK_PATH_MAX + 64, "%s%s%s%s%s", upper->layers[layer], *directory ? "/" : "", directory, *name ? "/" : "",
			 name);

	return n > 0 && n < WALK_PATH_MAX + 64;
}

static int look(const struct upper *upper, size_t layer, const char *directory, const char *name, struct stat *out)
{
	char path[WALK_PATH_MAX + 64];
	_cleanup_fd_ int fd = -1;

	if (!path_of(upper, layer, directory, name, path))
		return -ENOENT;
	fd = deputy_open(upper->deputy, upper->container->engine->layers_fd, path, O_PATH | O_NOFOLLOW, 0, BELOW);
	if (fd < 0)
		return fd;
	return fstat(fd, out) < 0 ? -errno : 0;
}

static const char *opaque_name(const struct upper *upper)
{
	return upper->container->engine->facts.rootless ? UNPACK_OPAQUE_USER : UNPACK_OPAQUE_ROOT;
}

static bool fd_is_opaque(const struct upper *upper, int fd)
{
	char value[8];

	return deputy_get_xattr(upper->deputy, fd, opaque_name(upper), value, sizeof(value)) == 1 && value[0] == 'y';
}

bool upper_is_opaque(const struct upper *upper, const struct walk_entry *entry)
{
	return fd_is_opaque(upper, entry->fd);
}

static bool layer_is_opaque(const struct upper *upper, size_t layer, const char *directory, const char *name)
{
	char path[WALK_PATH_MAX + 64];
	_cleanup_fd_ int fd = -1;

	if (!path_of(upper, layer, directory, name, path))
		return false;
	fd = deputy_open(upper->deputy, upper->container->engine->layers_fd, path, O_PATH | O_NOFOLLOW, 0, BELOW);
	return fd >= 0 && fd_is_opaque(upper, fd);
}

/* What of the layers in @parts have @name in @directory: the topmost, and (@next, if it is one) all that have a part in that directory. */
static int find_among(struct upper *upper, const size_t *parts, size_t n_parts, const char *directory, const char *name, struct lower *out,
		      size_t *next, size_t *n_next, scow_error **error)
{
	bool found = false;

	*n_next = 0;
	for (size_t i = 0; i < n_parts; i++) {
		struct stat st;
		int r = look(upper, parts[i], directory, name, &st);

		if (r == -ENOENT || r == -ENOTDIR)
			continue;
		if (r < 0)
			return error_errno(error, -r, "open", "look at '/%s%s%s' in a layer", directory, *directory ? "/" : "", name);
		if (upper_is_whiteout(&st) || (found && !S_ISDIR(st.st_mode)))
			break;
		if (!found)
			*out = (struct lower){ st, parts[i] };
		found = true;
		if (!S_ISDIR(st.st_mode))
			break;
		next[(*n_next)++] = parts[i];
		if (i + 1 < n_parts && layer_is_opaque(upper, parts[i], directory, name))
			break;
	}
	return found;
}

/* From the root to @path: which layers have a part in that directory. */
static int go_to(struct upper *upper, const char *path, scow_error **error)
{
	_cleanup_free_ size_t *parts = calloc(upper->n_layers + 1, sizeof(*parts)), *next = calloc(upper->n_layers + 1, sizeof(*next));
	_cleanup_free_ char *directory = strdup(path), *name = strdup(path);
	size_t n_parts = upper->n_layers, n_next, at = 0;
	struct lower found;

	if (!parts || !next || !directory || !name)
		return error_oom(error);
	for (size_t i = 0; i < n_parts; i++)
		parts[i] = i;
	while (path[at] && n_parts) {
		size_t n = strcspn(path + at, "/"), *swap = parts;
		int r;

		memcpy(name, path + at, n);
		name[n] = 0;
		directory[at ? at - 1 : 0] = 0;
		r = find_among(upper, parts, n_parts, directory, name, &found, next, &n_next, error);
		if (r < 0)
			return r;
		memcpy(directory, path, strlen(path) + 1);
		parts = next;
		next = swap;
		n_parts = n_next;
		at += n + (path[at + n] == '/');
	}
	free(upper->here);
	free(upper->parts);
	upper->here = take_ptr(&directory);
	upper->parts = take_ptr(&parts);
	upper->n_parts = n_parts;
	return 0;
}

int upper_below(struct upper *upper, const char *path, struct lower *out, scow_error **error)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	_cleanup_free_ char *directory = strndup(path, slash ? (size_t) (slash - path) : 0);
	_cleanup_free_ size_t *next = calloc(upper->n_layers + 1, sizeof(*next));
	size_t n_next;
	int r = 0;

	if (!directory || !next)
		return error_oom(error);
	if (!upper->here || strcmp(upper->here, directory) != 0)
		r = go_to(upper, directory, error);
	return r < 0 ? r : find_among(upper, upper->parts, upper->n_parts, directory, base, out, next, &n_next, error);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

static int add_names(const struct upper *upper, size_t layer, const char *path, char ***names, size_t *count)
{
	char full[WALK_PATH_MAX + 64];
	_cleanup_dir_ DIR *dir = NULL;
	struct dirent *entry;
	int fd;

	if (!path_of(upper, layer, path, "", full))
		return 0;
	fd = deputy_open(upper->deputy, upper->container->engine->layers_fd, full, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, BELOW);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		cleanup_fd(&fd);
		return fd < 0 ? fd : -errno;
	}
	while ((entry = readdir(dir))) {
		if (str_eq(entry->d_name, ".") || str_eq(entry->d_name, ".."))
			continue;
		if (!strv_push(names, count, strdup(entry->d_name)))
			return -ENOMEM;
	}
	return 0;
}

int upper_names_below(struct upper *upper, const char *path, char ***out, scow_error **error)
{
	char **names = calloc(1, sizeof(*names));
	size_t count = 0, kept = 0;
	int r = names ? go_to(upper, path, error) : error_oom(error);

	for (size_t i = 0; r == 0 && i < upper->n_parts; i++) {
		r = add_names(upper, upper->parts[i], path, &names, &count);
		if (r < 0)
			r = error_errno(error, -r, "open", "list '/%s' in a layer", path);
	}
	if (count)
		qsort(names, count, sizeof(*names), compare_names);
	for (size_t i = 0; i < count; i++) {
		if (kept && strcmp(names[i], names[kept - 1]) == 0)
			free(names[i]);
		else
			names[kept++] = names[i];
	}
	if (names)
		names[kept] = NULL;
	if (r == 0)
		*out = take_ptr(&names);
	strv_free(names);
	return r;
}

/* ---- differences ---- */

static ssize_t capability_of(const struct upper *upper, int fd, char value[CAPABILITY_MAX])
{
	return fd < 0 ? fd : deputy_get_xattr(upper->deputy, fd, "security.capability", value, CAPABILITY_MAX);
}

static bool same_capability(const struct upper *upper, const struct walk_entry *entry, size_t layer)
{
	char path[WALK_PATH_MAX + 64], now[CAPABILITY_MAX], before[CAPABILITY_MAX];
	_cleanup_fd_ int fd = -1;
	ssize_t n = capability_of(upper, entry->fd, now), m;

	if (!path_of(upper, layer, entry->path, "", path))
		return true;
	fd = deputy_open(upper->deputy, upper->container->engine->layers_fd, path, O_PATH | O_NOFOLLOW, 0, BELOW);
	m = capability_of(upper, fd, before);
	if (n < 0 || m < 0)
		return n < 0 && m < 0;
	return n == m && memcmp(now, before, (size_t) n) == 0;
}

/* A time without a part of a second is one of an archive that had no room for it. */
static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && (a->tv_nsec == b->tv_nsec || !a->tv_nsec || !b->tv_nsec);
}

bool upper_differs(const struct upper *upper, const struct walk_entry *entry, const struct lower *below)
{
	const struct stat *now = &entry->st, *before = &below->st;

	if (now->st_mode != before->st_mode || now->st_uid != before->st_uid || now->st_gid != before->st_gid ||
	    now->st_rdev != before->st_rdev)
		return true;
	if (S_ISDIR(now->st_mode))
		return false;
	if (now->st_size != before->st_size || !same_time(&now->st_mtim, &before->st_mtim))
		return true;
	return S_ISREG(now->st_mode) && !same_capability(upper, entry, below->layer);
}
