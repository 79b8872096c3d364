/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The walk keeps a stack of directories, not the processor's: a tree may be as deep as its maker liked.
 *
 * Only the deepest KEPT directories stay open. On the way back up a closed one is opened again as ".." and has to be the one that it
 * was: else somebody has moved the tree, and "up" would lead out of it.
 */
#include "archive/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/unpack.h"
#include "base/arena.h"

#define KEPT 32

struct level {
	struct arena arena;
	char **names; /* sorted */
	size_t n_names, next;
	size_t path_size; /* of the walk's path, when we are here */
	int fd;           /* readable; or -1: to be opened again */
	dev_t dev;
	ino_t ino;
};

struct walk {
	const struct walk_options *options;
	walk_fn visit;
	void *data;
	struct level *levels;
	size_t depth, room;
	char path[WALK_PATH_MAX + 1];
};

static int failed(const struct walk *walk, int errnum, const char *call, const char *what, scow_error **error)
{
	char printable[400];

	return error_errno(error, errnum, call, "%s '%s'", what,
			   name_printable(*walk->path ? walk->path : "/", printable, sizeof(printable)));
}

int walk_canceled(const scow_cancel *cancel, scow_error **error)
{
	return cancel && scow_cancel_triggered(cancel) ? error_set(error, SCOW_E_CANCELED, "canceled") : 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

static void level_done(struct level *level)
{
	arena_done(&level->arena);
	cleanup_fd(&level->fd);
	level->fd = -1;
}

static int read_names(struct level *level)
{
	/* A descriptor of its own: closedir() takes it. */
	int fd = fcntl(level->fd, F_DUPFD_CLOEXEC, 0);
	_cleanup_dir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		cleanup_fd(&fd);
		return -errno;
	}
	while ((errno = 0, entry = readdir(dir))) {
		char **slot;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		slot = arena_append(&level->arena, &level->names, &level->n_names, sizeof(*slot));
		if (slot)
			*slot = arena_strdup(&level->arena, entry->d_name);
	}
	if (errno)
		return -errno;
	if (arena_failed(&level->arena))
		return -ENOMEM;
	if (level->n_names)
		qsort(level->names, level->n_names, sizeof(*level->names), compare_names);
	return 0;
}

/* Goes into the directory @name of @dir_fd, which was seen as @seen. 0, or -errno: it is gone, or no directory any more. */
static int enter(struct walk *walk, int dir_fd, const char *name, const struct stat *seen)
{
	struct level *level;
	struct stat st;
	int r;

	if (walk->depth == walk->room) {
		size_t room = walk->room ? walk->room * 2 : 16;
		struct level *grown = realloc(walk->levels, room * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		walk->levels = grown;
		walk->room = room;
	}
	level = &walk->levels[walk->depth];
	*level = (struct level){ .path_size = strlen(walk->path) };
	level->fd = deputy_open(walk->options->deputy, dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, RESOLVE_NO_MAGICLINKS);
	if (level->fd < 0)
		return level->fd;
	walk->depth++;
	if (fstat(level->fd, &st) < 0)
		return -errno;
	if (st.st_dev != seen->st_dev || st.st_ino != seen->st_ino) {
		level_done(&walk->levels[--walk->depth]);
		return -ENOENT;
	}
	level->dev = st.st_dev;
	level->ino = st.st_ino;
	r = read_names(level);
	if (r == 0 && walk->depth > KEPT) {
		struct level *above = &walk->levels[walk->depth - 1 - KEPT];

		cleanup_fd(&above->fd);
		above->fd = -1;
	}
	return r;
}

/* Back to the directory above, which may have to be opened again. */
static int leave(struct walk *walk, scow_error **error)
{
	struct level *level = &walk->levels[walk->depth - 1], *above = walk->depth > 1 ? level - 1 : NULL;
	struct stat st;
	int r = 0;

	if (above && above->fd < 0) {
		above->fd =
			deputy_open(walk->options->deputy, level->fd, "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, RESOLVE_NO_MAGICLINKS);
		if (above->fd < 0)
			r = failed(walk, -above->fd, "open", "go back up from", error);
		else if (fstat(above->fd, &st) < 0)
			r = failed(walk, errno, "fstat", "go back up from", error);
		else if (st.st_dev != above->dev || st.st_ino != above->ino)
			r = error_hint(error, error_set(error, SCOW_E_BUSY, "the tree was moved while it was read"), "try again");
	}
	level_done(level);
	walk->depth--;
	return r;
}

static int open_entry(const struct walk *walk, int dir_fd, const char *name, struct walk_entry *entry)
{
	/* The last name is never followed: O_PATH with O_NOFOLLOW is of the link itself. */
	entry->fd = deputy_open(walk->options->deputy, dir_fd, name, O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_MAGICLINKS);
	if (entry->fd < 0)
		return entry->fd;
	return fstat(entry->fd, &entry->st) < 0 ? -errno : 0;
}

static int visit(struct walk *walk, int dir_fd, const char *name, scow_error **error)
{
	struct walk_entry entry = { .path = walk->path, .name = name, .dir_fd = dir_fd, .fd = -1 };
	int r = walk_canceled(walk->options->cancel, error);

	if (r < 0)
		return r;
	r = open_entry(walk, dir_fd, name, &entry);
	if (r == -ENOENT)
		return 0;
	r = r < 0 ? failed(walk, -r, "open", "look at", error) : walk->visit(walk->data, &entry, error);
	cleanup_fd(&entry.fd);
	if (r != 0 || !S_ISDIR(entry.st.st_mode))
		return r < 0 ? r : 0;
	r = enter(walk, dir_fd, name, &entry.st);
	/* Gone, or replaced since: then there is nothing in it any more. */
	if (r == -ENOENT || r == -ENOTDIR || r == -ELOOP)
		return 0;
	return r < 0 ? failed(walk, -r, "open", "read the directory", error) : 0;
}

static int step(struct walk *walk, scow_error **error)
{
	struct level *level = &walk->levels[walk->depth - 1];
	const char *name;
	char printable[400];

	walk->path[level->path_size] = 0;
	if (level->next == level->n_names)
		return leave(walk, error);
	name = level->names[level->next++];
	if (level->path_size + strlen(name) + 1 > WALK_PATH_MAX)
		return error_set(error, SCOW_E_LIMIT, "a path of more than %d bytes: '%s/...'", WALK_PATH_MAX,
				 name_printable(walk->path, printable, sizeof(printable)));
	snprintf(walk->path + level->path_size, sizeof(walk->path) - level->path_size, "%s%s", level->path_size ? "/" : "", name);
	return visit(walk, level->fd, name, error);
}

int walk_tree(const struct walk_options *options, int top_fd, walk_fn visit_it, void *data, scow_error **error)
{
	_cleanup_free_ struct walk *walk = calloc(1, sizeof(*walk));
	int r;

	if (!walk)
		return error_oom(error);
	walk->options = options;
	walk->visit = visit_it;
	walk->data = data;
	r = visit(walk, top_fd, options->top ? options->top : ".", error);
	while (r == 0 && walk->depth)
		r = step(walk, error);
	while (walk->depth)
		level_done(&walk->levels[--walk->depth]);
	free(walk->levels);
	return r;
}
