/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a container has changed, as `docker diff` tells it: A for what its image has not, C for what differs, and for each directory with
 * a change in it, D for what is gone, once for a whole tree.
 *
 * Only the upper directory is walked, and the image looked up where that has something.
 */
#include <scow/files.h>

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "container/upper.h"

struct change {
	char kind; /* 'A', 'C', 'D' */
	char *path;
};

struct changes {
	struct upper *upper;
	struct change *items;
	size_t count;
	struct arena arena;
	/* Names of directories that hide what the image has in theirs, which is looked at when the walk has told what is there again. */
	char **opaque;
	size_t n_opaque;
	bool made_etc; /* the image has no /etc: a start has made it for what is mounted there, which alone is no change */
};

static int add(struct changes *changes, char kind, const char *path, scow_error **error)
{
	struct change *change = arena_append(&changes->arena, &changes->items, &changes->count, sizeof(*change));

	if (!change)
		return error_oom(error);
	*change = (struct change){ kind, arena_strdup(&changes->arena, path) };
	return change->path ? 0 : error_oom(error);
}

static int note_opaque(struct changes *changes, const char *path, scow_error **error)
{
	char **slot = arena_append(&changes->arena, &changes->opaque, &changes->n_opaque, sizeof(*slot));

	if (!slot || !(*slot = arena_strdup(&changes->arena, path)))
		return error_oom(error);
	return 0;
}

/* Also where it is one above that hides. Those come first. */
static bool is_hiding(const struct changes *changes, const struct walk_entry *entry)
{
	for (size_t i = changes->n_opaque; i-- > 0;) {
		size_t size = strlen(changes->opaque[i]);

		if (str_has_prefix(entry->path, changes->opaque[i]) && entry->path[size] == '/')
			return true;
	}
	return upper_is_opaque(changes->upper, entry);
}

static int on_entry(void *data, const struct walk_entry *entry, scow_error **error)
{
	struct changes *changes = data;
	struct upper *upper = changes->upper;
	struct lower below;
	int r;

	if (!*entry->path)
		return 0;
	r = upper_below(upper, entry->path, &below, error);
	if (r < 0)
		return r;
	if (upper_is_whiteout(&entry->st))
		return r ? add(changes, 'D', entry->path, error) : 0;
	if (!r && upper_is_mount_point(entry))
		return WALK_SKIP;
	if (!r && str_eq(entry->path, "etc") && S_ISDIR(entry->st.st_mode)) {
		changes->made_etc = true;
		return 0;
	}
	if (!r)
		return add(changes, 'A', entry->path, error);
	r = upper_differs(upper, entry, &below) ? add(changes, 'C', entry->path, error) : 0;
	if (r == 0 && S_ISDIR(entry->st.st_mode) && S_ISDIR(below.st.st_mode) && is_hiding(changes, entry))
		r = note_opaque(changes, entry->path, error);
	return r;
}

/* What the image has in it, and the container has not made anew. */
static int add_hidden(struct changes *changes, const char *directory, scow_error **error)
{
	char **names;
	int r = upper_names_below(changes->upper, directory, &names, error);

	if (r < 0)
		return r;
	for (size_t i = 0; names[i] && r == 0; i++) {
		_cleanup_free_ char *path = strf("%s/%s", directory, names[i]);
		struct lower below;
		struct stat st;
		int there, here;

		if (!path) {
			r = error_oom(error);
			break;
		}
		there = upper_below(changes->upper, path, &below, error);
		here = there > 0 ? deputy_stat(changes->upper->deputy, changes->upper->fd, path, &st) : 0;
		if (there < 0)
			r = there;
		else if (there && (here == -ENOENT || here == -ENOTDIR))
			r = add(changes, 'D', path, error);
	}
	strv_free(names);
	return r;
}

static int compare_changes(const void *a, const void *b)
{
	return strcmp(((const struct change *) a)->path, ((const struct change *) b)->path);
}

/* Each directory above a change is one. */
static int add_parents(struct changes *changes, scow_error **error)
{
	size_t count = changes->count;
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++) {
		_cleanup_free_ char *path = strdup(changes->items[i].path);
		char *slash;

		if (!path)
			return error_oom(error);
		while (r == 0 && (slash = strrchr(path, '/'))) {
			*slash = 0;
			r = add(changes, changes->made_etc && str_eq(path, "etc") ? 'A' : 'C', path, error);
		}
	}
	return r;
}

/* Sorted, each path once: 'A' before 'C' of the same. */
static void settle(struct changes *changes)
{
	size_t kept = 0;

	if (!changes->count)
		return;
	qsort(changes->items, changes->count, sizeof(*changes->items), compare_changes);
	for (size_t i = 0; i < changes->count; i++) {
		struct change *last = kept ? &changes->items[kept - 1] : NULL;

		if (!last || strcmp(last->path, changes->items[i].path) != 0)
			changes->items[kept++] = changes->items[i];
		else if (changes->items[i].kind == 'A')
			last->kind = 'A';
	}
	changes->count = kept;
}

static int find_changes(struct changes *changes, scow_error **error)
{
	const struct walk_options options = { .deputy = changes->upper->deputy };
	int r;

	if (changes->upper->fd < 0)
		return 0;
	r = walk_tree(&options, changes->upper->fd, on_entry, changes, error);
	for (size_t i = 0; i < changes->n_opaque && r == 0; i++)
		r = add_hidden(changes, changes->opaque[i], error);
	if (r == 0)
		r = add_parents(changes, error);
	settle(changes);
	return r;
}

static int to_json(const struct changes *changes, char **out, scow_error **error)
{
	_cleanup_json_ cJSON *array = cJSON_CreateArray();
	bool ok = array != NULL;

	for (size_t i = 0; ok && i < changes->count; i++) {
		const struct change *change = &changes->items[i];
		_cleanup_free_ char *path = strf("/%s", change->path);
		cJSON *item = cJSON_CreateObject();

		ok = path && item && cJSON_AddItemToArray(array, item) && cJSON_AddStringToObject(item, "Path", path) &&
		     cJSON_AddNumberToObject(item, "Kind",
					     change->kind == 'C'   ? 0
					     : change->kind == 'A' ? 1
								   : 2);
	}
	*out = ok ? json_print(array) : NULL;
	return *out ? 0 : error_oom(error);
}

int scow_container_changes_json(scow_container *container, char **out, scow_error **error)
{
	_cleanup_upper_ struct upper upper = UPPER_INIT;
	struct changes changes = { .upper = &upper };
	struct container_row row;
	int r = container_check(container, error);

	if (r == 0 && !out)
		r = error_set(error, SCOW_E_INVALID, "no place for the document was given");
	if (r == 0)
		r = container_row_read(container->engine, container->id, &row, error);
	if (r == 0)
		r = upper_open(container, &upper, error);
	if (r == 0)
		r = find_changes(&changes, error);
	if (r == 0)
		r = to_json(&changes, out, error);
	arena_done(&changes.arena);
	return r < 0 && container ? error_wrap(error, r, "changes of container '%s'", container->name) : r;
}
