/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a walk sees becomes entries: links by inode, attributes that belong to the file and not to the host or to overlayfs, ids as
 * they are in the container.
 *
 * A directory that counts only if something in it does is kept back until then: its entry must come before, or who unpacks
 * makes a directory of his own, with another owner and mode.
 */
#include "archive/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "archive/unpack.h"
#include "base/arena.h"
#include "base/str.h"

#define OVERFLOW_ID 65534u
#define XATTR_NAMES_MAX 65536
#define XATTR_VALUE_MAX 65536
#define XATTRS_MAX 256
#define WHITEOUT ".wh."

/* What overlayfs says of an entry of its upper directory. */
struct marks {
	bool opaque, whiteout, redirect, metacopy;
};

struct held {
	struct arena arena;
	struct tarwriter_entry entry;
	bool opaque;
	const char *path; /* in the walk */
};

struct link {
	dev_t dev;
	ino_t ino;
	const char *name; /* in the result; NULL: an empty slot */
};

struct pack {
	const struct pack_source *source;
	const struct pack_sink *sink;
	struct held *held; /* directories above the present one that were not given out yet, outermost first */
	size_t n_held, held_room;
	struct link *links; /* a table of open addresses */
	size_t n_links, links_room;
	struct arena names;
	char list[XATTR_NAMES_MAX];
	char value[XATTR_VALUE_MAX];
};

static int refuse(const struct walk_entry *entry, const char *why, scow_error **error)
{
	char printable[400];

	return error_set(error, SCOW_E_UNSUPPORTED, "'/%s' %s", name_printable(entry->path, printable, sizeof(printable)), why);
}

static int failed(const struct walk_entry *entry, int errnum, const char *call, const char *what, scow_error **error)
{
	char printable[400];

	return error_errno(error, errnum, call, "%s '/%s'", what, name_printable(entry->path, printable, sizeof(printable)));
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

/* ---- extended attributes ---- */

static int compare_xattrs(const void *a, const void *b)
{
	const struct tarwriter_xattr *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void note_mark(struct marks *marks, const char *name, const char *value, ssize_t size)
{
	if (str_eq(name, "opaque"))
		marks->opaque |= size == 1 && value[0] == 'y';
	else if (str_eq(name, "whiteout"))
		marks->whiteout = true;
	else if (str_eq(name, "redirect"))
		marks->redirect = true;
	else if (str_eq(name, "metacopy"))
		marks->metacopy = true;
}

/* The part after "trusted.overlay." or "user.overlay."; or NULL. */
static const char *overlay_name(const char *name)
{
	static const char *const prefixes[] = { "trusted.overlay.", "user.overlay." };

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (str_has_prefix(name, prefixes[i]))
			return name + strlen(prefixes[i]);
	return NULL;
}

static bool is_kept(const char *name)
{
	return str_eq(name, "security.capability") || str_has_prefix(name, "user.");
}

static int add_xattr(struct pack *pack, struct arena *arena, const char *name, ssize_t size, struct tarwriter_entry *out)
{
	struct tarwriter_xattr *xattr = arena_append(arena, &out->xattrs, &out->n_xattrs, sizeof(*xattr));
	void *copy = arena_alloc(arena, (size_t) size + 1);

	if (!xattr || !copy)
		return -ENOMEM;
	memcpy(copy, pack->value, (size_t) size);
	*xattr = (struct tarwriter_xattr){ arena_strdup(arena, name), copy, (size_t) size };
	return xattr->name ? 0 : -ENOMEM;
}

/* What vanishes while it is read was not there. */
static int read_xattrs(struct pack *pack, const struct walk_entry *entry, struct arena *arena, struct tarwriter_entry *out,
		       struct marks *marks, scow_error **error)
{
	struct deputy *deputy = pack->source->walk.deputy;
	ssize_t total = deputy_list_xattrs(deputy, entry->fd, pack->list, sizeof(pack->list) - 1);
	int r = 0;

	if (total == -EOPNOTSUPP || total == -ENOTSUP || total == -ENOENT)
		return 0;
	if (total < 0)
		return failed(entry, (int) -total, "listxattr", "read the attributes of", error);
	pack->list[total] = 0;
	for (const char *name = pack->list; name < pack->list + total && r == 0; name += strlen(name) + 1) {
		const char *overlay = overlay_name(name);
		ssize_t size;

		if (!(overlay && pack->source->overlay) && (overlay || !is_kept(name)))
			continue;
		size = deputy_get_xattr(deputy, entry->fd, name, pack->value, sizeof(pack->value));
		if (size == -ENODATA || size == -EOPNOTSUPP)
			continue;
		if (size < 0)
			return failed(entry, (int) -size, "getxattr", "read the attributes of", error);
		if (overlay)
			note_mark(marks, overlay, pack->value, size);
		else if (out->n_xattrs < XATTRS_MAX)
			r = add_xattr(pack, arena, name, size, out);
	}
	if (out->n_xattrs > 1)
		qsort((void *) out->xattrs, out->n_xattrs, sizeof(*out->xattrs), compare_xattrs);
	return r < 0 ? error_oom(error) : 0;
}

/* ---- hard links ---- */

static size_t slot_of(const struct link *links, size_t room, dev_t dev, ino_t ino)
{
	size_t at = (size_t) ((uint64_t) ino * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t) dev) & (room - 1);

	while (links[at].name && (links[at].ino != ino || links[at].dev != dev))
		at = (at + 1) & (room - 1);
	return at;
}

static bool grow_links(struct pack *pack)
{
	size_t room = pack->links_room ? pack->links_room * 2 : 64;
	struct link *grown;

	if (pack->n_links * 2 < pack->links_room)
		return true;
	grown = calloc(room, sizeof(*grown));
	if (!grown)
		return false;
	for (size_t i = 0; i < pack->links_room; i++)
		if (pack->links[i].name)
			grown[slot_of(grown, room, pack->links[i].dev, pack->links[i].ino)] = pack->links[i];
	free(pack->links);
	pack->links = grown;
	pack->links_room = room;
	return true;
}

/* The name under which the inode was given out before; else NULL, and it is @name from now on. */
static int find_link(struct pack *pack, const struct stat *st, const char *name, const char **first, scow_error **error)
{
	struct link *link;

	*first = NULL;
	if (st->st_nlink < 2)
		return 0;
	if (!grow_links(pack))
		return error_oom(error);
	link = &pack->links[slot_of(pack->links, pack->links_room, st->st_dev, st->st_ino)];
	if (link->name) {
		*first = link->name;
		return 0;
	}
	*link = (struct link){ st->st_dev, st->st_ino, arena_strdup(&pack->names, name) };
	pack->n_links++;
	return link->name ? 0 : error_oom(error);
}

/* ---- entries ---- */

static int read_link(const struct walk_entry *entry, struct arena *arena, struct tarwriter_entry *out, scow_error **error)
{
	char target[WALK_PATH_MAX + 1];
	ssize_t n = readlinkat(entry->fd, "", target, sizeof(target) - 1);

	if (n < 0)
		return failed(entry, errno, "readlinkat", "read the link", error);
	target[n] = 0;
	out->link = arena_strdup(arena, target);
	return out->link ? 0 : error_oom(error);
}

static char *name_of(const struct pack *pack, const struct walk_entry *entry, struct arena *arena)
{
	const char *top = pack->source->top;

	if (!*entry->path)
		return arena_strdup(arena, *top ? top : ".");
	return *top ? arena_printf(arena, "%s/%s", top, entry->path) : arena_strdup(arena, entry->path);
}

/* All but its data, and its name among links. */
static int describe(struct pack *pack, const struct walk_entry *entry, struct arena *arena, struct tarwriter_entry *out,
		    struct marks *marks, scow_error **error)
{
	const struct pack_source *source = pack->source;
	const struct stat *st = &entry->st;

	*out = (struct tarwriter_entry){
		.name = name_of(pack, entry, arena),
		.mode = st->st_mode,
		.uid = map_back(source->uids, source->n_uids, st->st_uid),
		.gid = map_back(source->gids, source->n_gids, st->st_gid),
		.mtime = st->st_mtim,
		.size = S_ISREG(st->st_mode) ? (uint64_t) st->st_size : 0,
		.device = st->st_rdev,
	};
	if (!out->name)
		return error_oom(error);
	if (S_ISLNK(st->st_mode)) {
		int r = read_link(entry, arena, out, error);

		return r < 0 ? r : read_xattrs(pack, entry, arena, out, marks, error);
	}
	return read_xattrs(pack, entry, arena, out, marks, error);
}

static int give(struct pack *pack, enum pack_kind kind, const struct tarwriter_entry *entry, int fd, scow_error **error)
{
	return pack->sink->entry(pack->sink->data, kind, entry, fd, error);
}

/* Directories that were kept back, now that something in them counts. */
static int give_held(struct pack *pack, scow_error **error)
{
	int r = 0;

	for (size_t i = 0; i < pack->n_held; i++) {
		struct held *held = &pack->held[i];

		if (r == 0)
			r = give(pack, PACK_ENTRY, &held->entry, -1, error);
		if (r == 0 && held->opaque)
			r = give(pack, PACK_OPAQUE, &held->entry, -1, error);
		arena_done(&held->arena);
	}
	pack->n_held = 0;
	return r;
}

/* Those that the walk has left meanwhile had nothing in them. */
static void drop_held(struct pack *pack, const char *path)
{
	while (pack->n_held) {
		struct held *last = &pack->held[pack->n_held - 1];
		size_t size = strlen(last->path);

		if (!size || (str_has_prefix(path, last->path) && path[size] == '/'))
			return;
		arena_done(&last->arena);
		pack->n_held--;
	}
}

/* Takes the arena. */
static int hold(struct pack *pack, const struct walk_entry *entry, struct arena *arena, const struct tarwriter_entry *described,
		bool opaque, scow_error **error)
{
	const char *path = arena_strdup(arena, entry->path);

	if (pack->n_held == pack->held_room) {
		size_t room = pack->held_room ? pack->held_room * 2 : 16;
		struct held *grown = realloc(pack->held, room * sizeof(*grown));

		if (!grown)
			return error_oom(error);
		pack->held = grown;
		pack->held_room = room;
	}
	if (!path)
		return error_oom(error);
	pack->held[pack->n_held++] = (struct held){ *arena, *described, opaque, path };
	*arena = (struct arena){ 0 };
	return 0;
}

/* The file that was looked at, and not what has taken its name since. -1: it is gone. */
static int open_file(const struct pack *pack, const struct walk_entry *entry, struct stat *st, int *fd, scow_error **error)
{
	char self[40];

	*fd = -1;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", entry->fd);
	/* By its descriptor: a device that has taken the file's name would act on being opened. A plain user's tree has none. */
	if (!pack->source->walk.deputy)
		*fd = open(self, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	else
		*fd = deputy_open(pack->source->walk.deputy, entry->dir_fd, entry->name, O_RDONLY | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0,
				  RESOLVE_NO_MAGICLINKS);
	if (*fd < 0)
		*fd = pack->source->walk.deputy ? *fd : -errno;
	if (*fd == -ENOENT || *fd == -ELOOP) {
		*fd = -1;
		return 0;
	}
	if (*fd < 0)
		return failed(entry, -*fd, "open", "read", error);
	if (fstat(*fd, st) < 0)
		return failed(entry, errno, "fstat", "read", error);
	if (st->st_ino != entry->st.st_ino || !S_ISREG(st->st_mode)) {
		close(*fd);
		*fd = -1;
	}
	return 0;
}

static int give_file(struct pack *pack, const struct walk_entry *entry, struct tarwriter_entry *out, scow_error **error)
{
	_cleanup_fd_ int fd = -1;
	struct stat st;
	int r = 0;

	if (S_ISREG(entry->st.st_mode)) {
		r = open_file(pack, entry, &st, &fd, error);
		if (r < 0 || fd < 0)
			return r;
		out->size = (uint64_t) st.st_size;
	}
	r = find_link(pack, &entry->st, out->name, &out->hard, error);
	if (r == 0)
		r = give_held(pack, error);
	return r < 0 ? r : give(pack, PACK_ENTRY, out, out->hard ? -1 : fd, error);
}

static int give_directory(struct pack *pack, const struct walk_entry *entry, struct arena *arena, const struct tarwriter_entry *out,
			  bool opaque, enum pack_keep keep, scow_error **error)
{
	int r;

	if (!*entry->path && !pack->source->with_top)
		return 0;
	if (keep == PACK_IF_FILLED && !opaque)
		return hold(pack, entry, arena, out, opaque, error);
	r = give_held(pack, error);
	if (r == 0)
		r = give(pack, PACK_ENTRY, out, -1, error);
	return r == 0 && opaque ? give(pack, PACK_OPAQUE, out, -1, error) : r;
}

static bool is_whiteout(const struct pack *pack, const struct walk_entry *entry, const struct marks *marks)
{
	if (!pack->source->overlay)
		return false;
	return (S_ISCHR(entry->st.st_mode) && entry->st.st_rdev == makedev(0, 0)) ||
	       (marks->whiteout && S_ISREG(entry->st.st_mode) && !entry->st.st_size);
}

static int check(const struct pack *pack, const struct walk_entry *entry, const struct marks *marks, scow_error **error)
{
	if ((pack->source->overlay || pack->source->layer) && str_has_prefix(entry->name, WHITEOUT))
		return refuse(entry, "has a name that in a layer hides another", error);
	if (marks->redirect)
		return refuse(entry, "was renamed by overlayfs's redirect_dir, which only its mount understands", error);
	if (marks->metacopy)
		return refuse(entry, "has its data in a lower layer by overlayfs's metacopy, which only its mount understands", error);
	return 0;
}

static int give_entry(struct pack *pack, const struct walk_entry *entry, struct arena *arena, enum pack_keep keep, scow_error **error)
{
	struct tarwriter_entry out;
	struct marks marks = { 0 };
	char printable[400];
	int r = describe(pack, entry, arena, &out, &marks, error);

	if (r == 0)
		r = check(pack, entry, &marks, error);
	if (r < 0)
		return r;
	if (is_whiteout(pack, entry, &marks)) {
		r = give_held(pack, error);
		return r < 0 ? r : give(pack, PACK_WHITEOUT, &out, -1, error);
	}
	if (S_ISDIR(entry->st.st_mode))
		return give_directory(pack, entry, arena, &out, marks.opaque, keep, error);
	if (!S_ISSOCK(entry->st.st_mode))
		return give_file(pack, entry, &out, error);
	if (pack->source->engine)
		engine_log(pack->source->engine, SCOW_LOG_INFO, "'%s': a socket is left out",
			   name_printable(entry->path, printable, sizeof(printable)));
	return 0;
}

static int on_entry(void *data, const struct walk_entry *entry, scow_error **error)
{
	struct pack *pack = data;
	enum pack_keep keep = PACK_KEEP;
	struct arena arena = { 0 };
	int r = 0;

	drop_held(pack, entry->path);
	if (pack->source->keep)
		r = pack->source->keep(pack->source->keep_data, entry, &keep, error);
	if (r < 0 || keep == PACK_LEAVE_OUT)
		return r < 0 ? r : WALK_SKIP;
	r = give_entry(pack, entry, &arena, keep, error);
	arena_done(&arena);
	return r;
}

int pack_tree(const struct pack_source *source, int top_fd, const struct pack_sink *sink, scow_error **error)
{
	_cleanup_free_ struct pack *pack = calloc(1, sizeof(*pack));
	int r;

	if (!pack)
		return error_oom(error);
	pack->source = source;
	pack->sink = sink;
	r = walk_tree(&source->walk, top_fd, on_entry, pack, error);
	while (pack->n_held)
		arena_done(&pack->held[--pack->n_held].arena);
	free(pack->held);
	free(pack->links);
	arena_done(&pack->names);
	return r;
}
