/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes entries where others may interfere.
 *
 * 1. The directory of an entry is found from the root each time that it is another than before, by one openat2() that cannot leave
 *    the root; what is made in it is made by one name, exclusively, and from then on used by its descriptor.
 * 2. Owner, attributes, mode, time: in this order, since a change of owner clears set-id bits and capabilities.
 * 3. Directories are open to their owner until the end, when they get their own mode and time.
 */
#include "archive/plant.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "archive/plant-internal.h"
#include "base/str.h"

#define LAST_NAME (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)

static int failed(const char *name, int errnum, const char *call, const char *what, scow_error **error)
{
	char printable[400];

	return error_errno(error, errnum, call, "%s '%s'", what, name_printable(name, printable, sizeof(printable)));
}

int plant_open(const struct plant_options *options, struct plant **out, scow_error **error)
{
	struct plant *plant = calloc(1, sizeof(*plant));

	if (!plant)
		return error_oom(error);
	plant->options = *options;
	plant->here_fd = plant->other_fd = -1;
	plant->resolve = options->follow ? RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS : LAST_NAME;
	*out = plant;
	return 0;
}

void plant_free(struct plant *plant)
{
	if (!plant)
		return;
	cleanup_fd(&plant->here_fd);
	cleanup_fd(&plant->other_fd);
	arena_done(&plant->arena);
	free(plant->buffer);
	free(plant);
}

/* ---- where ---- */

static int open_dir(const struct plant *plant, const char *path, int flags)
{
	return deputy_open(plant->options.deputy, plant->options.root_fd, *path ? path : ".", flags | O_DIRECTORY, 0, plant->resolve);
}

/* Makes what is missing of @path, 0755 and the root's. What exists is walked as everywhere; what does not has no links in it. */
static int make_dirs(const struct plant *plant, const char *path)
{
	struct deputy *deputy = plant->options.deputy;
	char prefix[WALK_PATH_MAX + 1];
	size_t at = 0, size = strlen(path);
	int fd = -ENOENT, r;

	memcpy(prefix, path, size + 1);
	for (at = size; fd == -ENOENT;) {
		while (at && prefix[at] != '/')
			at--;
		prefix[at] = 0;
		fd = open_dir(plant, prefix, O_PATH);
		if (!at)
			break;
	}
	while (fd >= 0 && at < size) {
		_cleanup_fd_ int above = fd;
		char name[NAME_MAX + 1];
		size_t n;

		at += path[at] == '/';
		n = strcspn(path + at, "/");
		if (n > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(name, path + at, n);
		name[n] = 0;
		at += n;
		r = deputy_mkdir(deputy, above, name, 0755);
		fd = r < 0 && r != -EEXIST ? r : deputy_open(deputy, above, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, LAST_NAME);
		if (r == 0 && fd >= 0 && plant->options.give)
			r = deputy_chown(deputy, fd, "", plant->options.one_owner ? plant->options.uid : 0,
					 plant->options.one_owner ? plant->options.gid : 0, AT_EMPTY_PATH);
	}
	return fd;
}

/* The directory of @name, and the last part. The descriptor is kept in @path and @fd for the next time. */
static int find_parent(const struct plant *plant, const char *name, char *path, int *fd, const char **base, scow_error **error)
{
	const char *below = plant->options.below, *slash = strrchr(name, '/');
	char wanted[WALK_PATH_MAX + 1];
	int n = snprintf(wanted, sizeof(wanted), "%s%s%.*s", below, *below && slash ? "/" : "", slash ? (int) (slash - name) : 0, name),
	    opened;

	*base = slash ? slash + 1 : name;
	if (n < 0 || n > WALK_PATH_MAX)
		return failed(name, ENAMETOOLONG, NULL, "find a place for", error);
	if (*fd >= 0 && strcmp(wanted, path) == 0)
		return 0;
	opened = open_dir(plant, wanted, O_PATH);
	if (opened == -ENOENT)
		opened = make_dirs(plant, wanted);
	if (opened < 0)
		return failed(name, -opened, "openat2", "find a place for", error);
	if (*fd >= 0)
		close(*fd);
	*fd = opened;
	memcpy(path, wanted, (size_t) n + 1);
	return 0;
}

static int go_to_parent(struct plant *plant, const char *name, const char **base, scow_error **error)
{
	return find_parent(plant, name, plant->here, &plant->here_fd, base, error);
}

/* Takes away what is in the way. 1: a directory, which a directory may keep. */
static int clear_place(struct plant *plant, const char *name, const char *base, bool directory, scow_error **error)
{
	char printable[400];
	struct stat st;
	int r = deputy_stat(plant->options.deputy, plant->here_fd, base, &st);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return failed(name, -r, "fstatat", "look at", error);
	if (S_ISDIR(st.st_mode) && directory)
		return 1;
	name_printable(name, printable, sizeof(printable));
	if (directory)
		return error_set(error, SCOW_E_INVALID, "cannot overwrite non-directory '%s' with directory", printable);
	if (S_ISDIR(st.st_mode))
		return error_set(error, SCOW_E_INVALID, "cannot overwrite directory '%s' with non-directory", printable);
	r = deputy_unlink(plant->options.deputy, plant->here_fd, base, 0);
	return r < 0 && r != -ENOENT ? failed(name, -r, "unlinkat", "replace", error) : 0;
}

/* ---- what it is ---- */

/* An extended attribute that cannot be kept is told of; without its capabilities a program does not do its work. */
static int set_xattrs(struct plant *plant, const struct tarwriter_entry *entry, int fd, scow_error **error)
{
	char printable[400];

	for (size_t i = 0; i < entry->n_xattrs; i++) {
		const struct tarwriter_xattr *xattr = &entry->xattrs[i];
		bool capability = str_eq(xattr->name, "security.capability");
		int r;

		if (capability && plant->options.harmless)
			continue;
		r = deputy_set_xattr(plant->options.deputy, fd, xattr->name, xattr->value, xattr->size);
		if (r == 0)
			continue;
		if ((r != -EPERM && r != -EOPNOTSUPP && r != -EACCES) || (capability && plant->options.capabilities))
			return failed(entry->name, -r, "setxattr", "set the extended attributes of", error);
		if (plant->options.engine)
			engine_log(plant->options.engine, SCOW_LOG_INFO, "'%s': the extended attribute '%s' is left out",
				   name_printable(entry->name, printable, sizeof(printable)), xattr->name);
	}
	return 0;
}

static int set_owner(const struct plant *plant, const struct tarwriter_entry *entry, int fd, scow_error **error)
{
	const struct plant_options *options = &plant->options;
	uint32_t uid = options->one_owner ? options->uid : entry->uid, gid = options->one_owner ? options->gid : entry->gid;
	char printable[400];
	int r;

	if (!options->give)
		return 0;
	r = deputy_chown(options->deputy, fd, "", uid, gid, AT_EMPTY_PATH);
	if (r == -EINVAL || r == -EOVERFLOW)
		return error_hint(error,
				  error_errno_status(error, SCOW_E_DENIED, -r, "fchownat", "give '%s' to %u:%u, which no id is mapped to",
						     name_printable(entry->name, printable, sizeof(printable)), uid, gid),
				  "give this user a larger range in /etc/subuid and /etc/subgid");
	return r < 0 ? failed(entry->name, -r, "fchownat", "give to its owner", error) : 0;
}

static int set_time(const struct plant *plant, const struct tarwriter_entry *entry, int fd, scow_error **error)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_NOW }, entry->mtime };
	int r = deputy_times(plant->options.deputy, fd, "", times, AT_EMPTY_PATH);

	return r < 0 ? failed(entry->name, -r, "utimensat", "set the time of", error) : 0;
}

static mode_t mode_of(const struct plant *plant, const struct tarwriter_entry *entry)
{
	return entry->mode & (plant->options.harmless ? 01777 : 07777);
}

static int finish_one(struct plant *plant, const struct tarwriter_entry *entry, int fd, scow_error **error)
{
	int r = set_owner(plant, entry, fd, error);

	if (r == 0)
		r = set_xattrs(plant, entry, fd, error);
	if (r == 0 && !S_ISLNK(entry->mode)) {
		r = deputy_chmod(plant->options.deputy, fd, mode_of(plant, entry));
		r = r < 0 ? failed(entry->name, -r, "fchmod", "set the mode of", error) : 0;
	}
	return r == 0 ? set_time(plant, entry, fd, error) : r;
}

int plant_file(struct plant *plant, const struct tarwriter_entry *entry, int *fd, scow_error **error)
{
	const char *base;
	int r = go_to_parent(plant, entry->name, &base, error);

	for (int i = 0; r == 0; i++) {
		*fd = deputy_open(plant->options.deputy, plant->here_fd, base, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, LAST_NAME);
		if (*fd >= 0)
			break;
		if (*fd != -EEXIST || i > 0)
			return failed(entry->name, -*fd, "open", "make", error);
		r = clear_place(plant, entry->name, base, false, error);
	}
	return r;
}

int plant_file_end(struct plant *plant, const struct tarwriter_entry *entry, int fd, scow_error **error)
{
	int r = finish_one(plant, entry, fd, error);

	close(fd);
	return r;
}

static int make_file(struct plant *plant, const struct tarwriter_entry *entry, int from, scow_error **error)
{
	int fd, r = plant_file(plant, entry, &fd, error);
	char printable[400];

	if (r < 0)
		return r;
	if (from >= 0)
		r = plant_copy(plant, from, fd, error);
	if (r == 0)
		return plant_file_end(plant, entry, fd, error);
	close(fd);
	return error_wrap(error, r, "'%s'", name_printable(entry->name, printable, sizeof(printable)));
}

static int note_directory(struct plant *plant, const struct tarwriter_entry *entry, scow_error **error)
{
	struct plant_directory *directory;

	plant->noted += strlen(entry->name) + sizeof(*directory);
	if (plant->noted > PLANT_NOTED_MAX)
		return error_set(error, SCOW_E_LIMIT, "the directories take more than %u MiB to remember", PLANT_NOTED_MAX >> 20);
	directory = arena_append(&plant->arena, &plant->directories, &plant->n_directories, sizeof(*directory));
	if (!directory)
		return error_oom(error);
	*directory = (struct plant_directory){ arena_strdup(&plant->arena, entry->name), mode_of(plant, entry), entry->mtime };
	/* A layer's top that is not its owner's to write could not be moved into place. */
	if (strcmp(entry->name, ".") == 0)
		directory->mode |= 0700;
	return directory->name ? 0 : error_oom(error);
}

static int make_directory(struct plant *plant, const struct tarwriter_entry *entry, scow_error **error)
{
	struct deputy *deputy = plant->options.deputy;
	_cleanup_fd_ int fd = -1;
	const char *base;
	int r = go_to_parent(plant, entry->name, &base, error);

	if (r < 0)
		return r;
	r = deputy_mkdir(deputy, plant->here_fd, base, 0700);
	if (r == -EEXIST) {
		r = clear_place(plant, entry->name, base, true, error);
		if (r < 0)
			return r;
		r = 0;
	}
	if (r == 0)
		fd = deputy_open(deputy, plant->here_fd, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, LAST_NAME);
	if (r < 0 || fd < 0)
		return failed(entry->name, r < 0 ? -r : -fd, "mkdirat", "make the directory", error);
	r = set_owner(plant, entry, fd, error);
	if (r == 0)
		r = set_xattrs(plant, entry, fd, error);
	return r == 0 ? note_directory(plant, entry, error) : r;
}

static int make_named(const struct plant *plant, const struct tarwriter_entry *entry, const char *base)
{
	struct deputy *deputy = plant->options.deputy;

	if (S_ISLNK(entry->mode))
		return deputy_symlink(deputy, entry->link ? entry->link : "", plant->here_fd, base);
	return deputy_mknod(deputy, plant->here_fd, base, (entry->mode & S_IFMT) | 0600, entry->device);
}

/* A link, a device, a pipe. */
static int make_other(struct plant *plant, const struct tarwriter_entry *entry, scow_error **error)
{
	const bool is_device = S_ISCHR(entry->mode) || S_ISBLK(entry->mode);
	_cleanup_fd_ int fd = -1;
	char printable[400];
	const char *base;
	struct stat st;
	int r = go_to_parent(plant, entry->name, &base, error), made = -EEXIST;

	if (is_device && plant->options.harmless)
		made = -EPERM;
	for (int i = 0; r == 0 && made == -EEXIST && i < 2; i++) {
		made = make_named(plant, entry, base);
		if (made == -EEXIST && i == 0)
			r = clear_place(plant, entry->name, base, false, error);
	}
	if (r < 0)
		return r;
	if (made == -EPERM && is_device) {
		if (plant->options.engine)
			engine_log(plant->options.engine, SCOW_LOG_WARNING, "'%s': a device cannot be made here; it is left out",
				   name_printable(entry->name, printable, sizeof(printable)));
		return 0;
	}
	if (made < 0)
		return failed(entry->name, -made, "mknodat", "make", error);
	fd = deputy_open(plant->options.deputy, plant->here_fd, base, O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_MAGICLINKS);
	/* Somebody was quicker: it is not ours to change any more. */
	if (fd < 0 || fstat(fd, &st) < 0 || (st.st_mode & S_IFMT) != (entry->mode & S_IFMT))
		return failed(entry->name, fd < 0 ? -fd : EEXIST, "open", "make", error);
	return finish_one(plant, entry, fd, error);
}

static int make_hard_link(struct plant *plant, const struct tarwriter_entry *entry, scow_error **error)
{
	const char *base, *other;
	int r = go_to_parent(plant, entry->name, &base, error), made = -EEXIST;

	if (r == 0)
		r = find_parent(plant, entry->hard, plant->other, &plant->other_fd, &other, error);
	for (int i = 0; r == 0 && made == -EEXIST && i < 2; i++) {
		made = deputy_link(plant->options.deputy, plant->other_fd, other, plant->here_fd, base, 0);
		if (made == -EEXIST && i == 0)
			r = clear_place(plant, entry->name, base, false, error);
	}
	return r < 0 ? r : made < 0 ? failed(entry->name, -made, "linkat", "link", error) : 0;
}

/* ---- a layer's ---- */

static int make_mark(struct plant *plant, enum pack_kind kind, const char *name, scow_error **error)
{
	_cleanup_fd_ int fd = -1;
	const char *base;
	int r = go_to_parent(plant, name, &base, error);

	if (r < 0 || !plant->options.opaque_xattr)
		return r;
	if (kind == PACK_WHITEOUT) {
		r = deputy_mknod(plant->options.deputy, plant->here_fd, base, S_IFCHR, makedev(0, 0));
		return r < 0 ? failed(name, -r, "mknodat", "make a whiteout of", error) : 0;
	}
	fd = deputy_open(plant->options.deputy, plant->here_fd, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, LAST_NAME);
	if (fd < 0)
		return failed(name, -fd, "open", "mark as opaque", error);
	r = deputy_set_xattr(plant->options.deputy, fd, plant->options.opaque_xattr, "y", 1);
	return r < 0 ? failed(name, -r, "setxattr", "mark as opaque", error) : 0;
}

int plant_entry(void *data, enum pack_kind kind, const struct tarwriter_entry *entry, int fd, scow_error **error)
{
	struct plant *plant = data;
	int r = walk_canceled(plant->options.cancel, error);

	if (r < 0)
		return r;
	if (kind != PACK_ENTRY)
		return make_mark(plant, kind, entry->name, error);
	if (strcmp(entry->name, ".") == 0 || !*entry->name)
		return plant->options.top_too && S_ISDIR(entry->mode) ? note_directory(plant, entry, error) : 0;
	if (entry->hard)
		return make_hard_link(plant, entry, error);
	switch (entry->mode & S_IFMT) {
	case S_IFREG:
		return make_file(plant, entry, fd, error);
	case S_IFDIR:
		return make_directory(plant, entry, error);
	default:
		return make_other(plant, entry, error);
	}
}

/* From the last, so that a directory that its owner may not enter is done after those in it. */
int plant_finish(struct plant *plant, scow_error **error)
{
	int r = 0;

	for (size_t i = plant->n_directories; i-- > 0 && r == 0;) {
		const struct plant_directory *directory = &plant->directories[i];
		const struct tarwriter_entry entry = { .name = directory->name, .mtime = directory->mtime };
		bool top = strcmp(directory->name, ".") == 0;
		char path[WALK_PATH_MAX + 1];
		_cleanup_fd_ int fd = -1;

		snprintf(path, sizeof(path), "%s%s%s", plant->options.below, *plant->options.below && !top ? "/" : "",
			 top ? "" : directory->name);
		fd = open_dir(plant, path, O_RDONLY);
		/* Somebody has taken it away, or made it something else. */
		if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
			continue;
		if (fd < 0)
			return failed(directory->name, -fd, "open", "set the mode of", error);
		r = deputy_chmod(plant->options.deputy, fd, directory->mode);
		r = r < 0 ? failed(directory->name, -r, "fchmod", "set the mode of", error) : set_time(plant, &entry, fd, error);
	}
	return r;
}
