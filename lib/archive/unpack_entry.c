/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes what an entry describes, in the directory we are in (unpack_place.c), and gives it its metadata.
 *
 * Order: owner, then xattrs, then mode, then time. A change of owner clears setuid bits and security.capability;
 * user xattrs want a file that its owner may write. One fstat of each new file says what is left to do: that is
 * cheaper than to do all, and right under any umask, default ACL and set-group-id parent.
 *
 * A plain user cannot give files away: what the archive gives to others than 0:0 is recorded, and stays ours until
 * unpack_finish.c hands it over. Directories stay open to us until then, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "archive/archive-internal.h"
#include "base/checksum.h"
#include "base/path.h"

#define CAPABILITY "security.capability"

static bool is_ours(const struct unpacker *u, const struct entry *entry)
{
	return !u->rootless || (entry->uid == 0 && entry->gid == 0);
}

static void note_replaced(struct unpacker *u)
{
	u->replaced |= u->n_owners || u->n_modes;
}

/* Takes away what an earlier entry made under this name. */
static int make_room(struct unpacker *u, const char *base, scow_error **error)
{
	int r = 0;

	note_replaced(u);
	u->stats->replaced = u->stats->sums_lost = true;
	if (unlinkat(u->here_fd, base, 0) < 0) {
		if (errno == EISDIR || errno == EPERM)
			r = path_remove_tree(u->here_fd, base);
		else if (errno != ENOENT)
			r = -errno;
	}
	return r < 0 ? error_errno(error, -r, "unlinkat", "replace what an earlier entry made") : 0;
}

/* What waits for unpack_finish.c: only for a plain user. */
static int record_owner(struct unpacker *u, const struct entry *entry, const void *capability, size_t capability_size, scow_error **error)
{
	struct userns_owner *owner;
	const char *path;
	void *copy = NULL;

	path = place_record(u, entry->base, error);
	if (!path)
		return SCOW_E_NO_MEMORY;
	owner = arena_append(&u->arena, &u->owners, &u->n_owners, sizeof(*owner));
	if (capability) {
		copy = arena_alloc(&u->arena, capability_size);
		if (copy)
			memcpy(copy, capability, capability_size);
	}
	if (!owner || (capability && !copy))
		return error_oom(error);
	u->recorded += sizeof(*owner) + capability_size;
	*owner = (struct userns_owner){ path,       entry->uid,
					entry->gid, entry->type == S_IFLNK ? (uint32_t) -1 : entry->mode,
					copy,       capability ? capability_size : 0 };
	return 0;
}

static int record_mode(struct unpacker *u, const struct entry *entry, scow_error **error)
{
	struct deferred_mode *deferred;
	const char *path = place_record(u, entry->base, error);

	if (!path)
		return SCOW_E_NO_MEMORY;
	deferred = arena_append(&u->arena, &u->modes, &u->n_modes, sizeof(*deferred));
	if (!deferred)
		return error_oom(error);
	*deferred = (struct deferred_mode){ path, entry->mode };
	return 0;
}

enum xattr_fate { XATTR_SET, XATTR_SKIP, XATTR_REFUSE };

static enum xattr_fate xattr_fate(const struct unpacker *u, const char *name)
{
	/* Overlayfs's own would redirect, hide or rewrite what lower layers hold. */
	if (str_has_prefix(name, "trusted.overlay.") || str_has_prefix(name, "user.overlay."))
		return XATTR_REFUSE;
	if (str_has_prefix(name, "trusted."))
		return u->rootless ? XATTR_REFUSE : XATTR_SET;
	/* Labels of the host's security modules are the host's business. */
	if (str_has_prefix(name, "security."))
		return strcmp(name, CAPABILITY) == 0 ? XATTR_SET : XATTR_SKIP;
	return XATTR_SET;
}

static int set_xattr(struct unpacker *u, const struct entry *entry, int fd, const char *name, const void *value, size_t size)
{
	char path[64 + NAME_MAX];

	if (fd >= 0)
		return fsetxattr(fd, name, value, size, 0) < 0 ? -errno : 0;
	/* Neither links nor devices are opened; procfs leads to the directory, and the last step follows nothing. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", u->here_fd, entry->base);
	return lsetxattr(path, name, value, size, 0) < 0 ? -errno : 0;
}

/* @fd: of the file, or -1. @capability: set to that xattr's value where it must wait for the owner. */
static int set_xattrs(struct unpacker *u, const struct entry *entry, int fd, const void **capability, size_t *capability_size,
		      scow_error **error)
{
	const char *name;
	const void *value;
	char printable[120], base[200];
	size_t size;

	la.archive_entry_xattr_reset(entry->raw);
	while (la.archive_entry_xattr_next(entry->raw, &name, &value, &size) == ARCHIVE_OK) {
		enum xattr_fate fate = name ? xattr_fate(u, name) : XATTR_SKIP;
		int r;

		if (fate == XATTR_SKIP)
			continue;
		name_printable(name, printable, sizeof(printable));
		if (fate == XATTR_SET && u->rootless && strcmp(name, CAPABILITY) == 0) {
			*capability = value;
			*capability_size = size;
			continue;
		}
		r = fate == XATTR_SET ? set_xattr(u, entry, fd, name, value, size) : -EPERM;
		/* A lost attribute is told of; a lost capability breaks the program that has it. */
		if ((r == -EPERM || r == -EOPNOTSUPP) && strcmp(name, CAPABILITY) != 0)
			unpack_warn(u, "'%s': the extended attribute '%s' is left out", name_printable(entry->base, base, sizeof(base)),
				    printable);
		else if (r < 0)
			return error_errno(error, -r, "setxattr", "set the extended attribute '%s'", printable);
	}
	return 0;
}

/* Owner, xattrs and mode of an open file or directory. */
static int set_metadata(struct unpacker *u, const struct entry *entry, int fd, scow_error **error)
{
	const void *capability = NULL;
	size_t capability_size = 0;
	bool keep_open = u->rootless && entry->type == S_IFDIR && (entry->mode & 0700) != 0700;
	mode_t mode = entry->mode, have;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return error_errno(error, errno, "fstat", "look at the new file");
	have = st.st_mode & 07777;
	if (!u->rootless && (st.st_uid != entry->uid || st.st_gid != entry->gid)) {
		if (fchown(fd, entry->uid, entry->gid) < 0)
			return error_errno(error, errno, "fchown", "give it to %u:%u", entry->uid, entry->gid);
		have = 010000; /* unknown */
	}
	r = set_xattrs(u, entry, fd, &capability, &capability_size, error);
	if (r < 0)
		return r;
	if (!is_ours(u, entry))
		mode &= 0777; /* not set-user-id us */
	if (keep_open)
		mode |= 0700;
	if (mode != have && fchmod(fd, mode) < 0)
		return error_errno(error, errno, "fchmod", "set its mode");
	/* A record also of what is ours where it replaces something that was to be given away. */
	if (u->rootless && *entry->base && (!is_ours(u, entry) || capability || u->replaced))
		return record_owner(u, entry, capability, capability_size, error);
	return keep_open ? record_mode(u, entry, error) : 0;
}

static int write_data(struct unpacker *u, const struct entry *entry, int fd, scow_error **error)
{
	int64_t written_end = 0, size = la.archive_entry_size_is_set(entry->raw) ? la.archive_entry_size(entry->raw) : 0, offset;
	struct checksum sum;
	const void *data;
	size_t n;
	int r;

	if (size < 0)
		return error_set(error, SCOW_E_CORRUPT, "its size is negative");
	checksum_begin(&sum);
	while ((r = la.archive_read_data_block(u->archive, &data, &n, &offset)) == ARCHIVE_OK) {
		u->stats->sums_lost |= offset != written_end;
		checksum_add(&sum, data, n);
		for (const char *p = data; n;) {
			ssize_t done = offset < 0 ? (errno = EFBIG, -1) : pwrite(fd, p, n, offset);

			if (done < 0 && errno == EINTR)
				continue;
			if (done < 0)
				return unpack_errno(error, errno, "pwrite", "write its contents");
			p += done;
			n -= (size_t) done;
			offset += done;
		}
		if (offset > written_end)
			written_end = offset;
	}
	if (r != ARCHIVE_EOF)
		return unpack_archive_error(u, error);
	u->stats->sums_lost |= size != written_end;
	u->stats->bytes += (uint64_t) size;
	if (written_end)
		u->stats->sums += checksum_end(&sum);
	if (size != written_end && ftruncate(fd, size) < 0)
		return unpack_errno(error, errno, "ftruncate", "make it as large as it says");
	return 0;
}

static int make_file(struct unpacker *u, const struct entry *entry, scow_error **error)
{
	struct timespec times[2] = { entry->mtime, entry->mtime };
	mode_t mode = (entry->mode & 0777) | (u->rootless ? 0600 : 0);
	_cleanup_fd_ int fd = -1;
	int r;

	for (int i = 0; i < 2 && fd < 0; i++) {
		fd = openat(u->here_fd, entry->base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
		if (fd < 0 && (errno != EEXIST || i > 0))
			return unpack_errno(error, errno, "openat", "make the file");
		if (fd < 0) {
			r = make_room(u, entry->base, error);
			if (r < 0)
				return r;
		}
	}
	r = write_data(u, entry, fd, error);
	if (r == 0)
		r = set_metadata(u, entry, fd, error);
	if (r == 0 && futimens(fd, times) < 0)
		r = error_errno(error, errno, "futimens", "set its time");
	return r;
}

/* A directory over a directory keeps what is in it. */
static int make_directory(struct unpacker *u, const struct entry *entry, scow_error **error)
{
	_cleanup_fd_ int fd = -1;
	struct stat st;
	int r;

	for (int i = 0; mkdirat(u->here_fd, entry->base, (entry->mode & 0777) | 0700) < 0; i++) {
		if (errno != EEXIST || i > 0)
			return unpack_errno(error, errno, "mkdirat", "make the directory");
		if (fstatat(u->here_fd, entry->base, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)) {
			note_replaced(u);
			break;
		}
		r = make_room(u, entry->base, error);
		if (r < 0)
			return r;
	}
	fd = openat(u->here_fd, entry->base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_errno(error, errno, "openat", "open the directory");
	r = set_metadata(u, entry, fd, error);
	return r < 0 ? r : place_descend(u, entry->base, take_fd(&fd), &entry->mtime, error);
}

/* Links and devices: by name, never followed. */
static int set_named_metadata(struct unpacker *u, const struct entry *entry, scow_error **error)
{
	struct timespec times[2] = { entry->mtime, entry->mtime };
	const void *capability = NULL;
	size_t capability_size = 0;
	struct stat st;
	int r;

	if (fstatat(u->here_fd, entry->base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(error, errno, "fstatat", "look at it");
	if (!u->rootless && (st.st_uid != entry->uid || st.st_gid != entry->gid) &&
	    fchownat(u->here_fd, entry->base, entry->uid, entry->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(error, errno, "fchownat", "give it to %u:%u", entry->uid, entry->gid);
	r = set_xattrs(u, entry, -1, &capability, &capability_size, error);
	if (r < 0)
		return r;
	/* We made it a moment ago in a directory that nobody else can reach: it is no link. */
	if (entry->type != S_IFLNK && (st.st_mode & 07777) != entry->mode && fchmodat(u->here_fd, entry->base, entry->mode, 0) < 0)
		return error_errno(error, errno, "fchmodat", "set its mode");
	if (utimensat(u->here_fd, entry->base, times, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(error, errno, "utimensat", "set its time");
	if (u->rootless && (!is_ours(u, entry) || u->replaced))
		return record_owner(u, entry, NULL, 0, error);
	return 0;
}

static int make_symlink(struct unpacker *u, const struct entry *entry, scow_error **error)
{
	const char *target = la.archive_entry_symlink(entry->raw);
	int r;

	if (!target || !*target)
		return error_set(error, SCOW_E_CORRUPT, "a symbolic link to nowhere");
	for (int i = 0; symlinkat(target, u->here_fd, entry->base) < 0; i++) {
		if (errno != EEXIST || i > 0)
			return unpack_errno(error, errno, "symlinkat", "make the link");
		r = make_room(u, entry->base, error);
		if (r < 0)
			return r;
	}
	return set_named_metadata(u, entry, error);
}

static int make_node(struct unpacker *u, const struct entry *entry, scow_error **error)
{
	unsigned int major_id = (unsigned int) la.archive_entry_rdevmajor(entry->raw),
		     minor_id = (unsigned int) la.archive_entry_rdevminor(entry->raw);
	char printable[256];
	int r;

	name_printable(entry->base, printable, sizeof(printable));
	if (entry->type == S_IFCHR && major_id == 0 && minor_id == 0) {
		/* To overlayfs this is a whiteout, which in an archive is spelt '.wh.'. */
		unpack_warn(u, "'%s': a device 0:0 is left out", printable);
		return 0;
	}
	if (u->rootless && entry->type != S_IFIFO) {
		unpack_warn(u, "'%s': device nodes cannot be made by a plain user; it is left out", printable);
		return 0;
	}
	for (int i = 0; mknodat(u->here_fd, entry->base, entry->type | (entry->mode & 0777), makedev(major_id, minor_id)) < 0; i++) {
		if (errno != EEXIST || i > 0)
			return unpack_errno(error, errno, "mknodat", "make the device");
		r = make_room(u, entry->base, error);
		if (r < 0)
			return r;
	}
	return set_named_metadata(u, entry, error);
}

/*
 * The target is in a layer below, if anywhere: only who knows those can link to it (image/layer_links.c). Until then a whiteout stands
 * here, so that a link of the same name below does not show, and an entry that comes later takes the place as usual.
 */
static int link_to_lower(struct unpacker *u, const struct entry *entry, scow_error **error)
{
	const char *path = place_record(u, entry->base, error);
	char cleaned[UNPACK_MAX_PATH + 1];
	int r = path ? unpack_clean_name(la.archive_entry_hardlink(entry->raw), cleaned, error) : SCOW_E_NO_MEMORY;

	if (r < 0)
		return r;

	for (int i = 0; mknodat(u->here_fd, entry->base, S_IFCHR, makedev(0, 0)) < 0; i++) {
		if (errno != EEXIST || i > 0)
			return unpack_errno(error, errno, "mknodat", "keep its place");
		r = make_room(u, entry->base, error);
		if (r < 0)
			return r;
	}
	str_add_bytes(&u->lower_links, path, strlen(path) + 1);
	str_add_bytes(&u->lower_links, cleaned, strlen(cleaned) + 1);
	return u->lower_links.failed ? error_oom(error) : 0;
}

/* Such a place. */
static bool is_kept_place(const struct unpacker *u, int dir_fd, const char *base)
{
	struct stat st;

	return u->lower_links.size && fstatat(dir_fd, base, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISCHR(st.st_mode) && !st.st_rdev;
}

/* The target is found inside the root; a link as the target is linked to itself, never through. */
static int make_hard_link(struct unpacker *u, const struct entry *entry, scow_error **error)
{
	_cleanup_fd_ int close_fd = -1;
	const char *parent, *base;
	char printable[256];
	int target_fd, r;

	name_printable(la.archive_entry_hardlink(entry->raw), printable, sizeof(printable));
	r = unpack_clean_name(la.archive_entry_hardlink(entry->raw), u->target, error);
	if (r == 0 && !*u->target)
		r = error_set(error, SCOW_E_CORRUPT, "the root cannot be linked to");
	if (r < 0)
		return error_wrap(error, r, "the hard link's target '%s'", printable);
	base = unpack_split(u->target, &parent);
	target_fd = place_look(u, parent, &close_fd);
	if (target_fd == u->here_fd && strcmp(base, entry->base) == 0)
		return 0;
	if (target_fd >= 0 && is_kept_place(u, target_fd, base))
		return link_to_lower(u, entry, error);
	for (int i = 0; target_fd >= 0 && linkat(target_fd, base, u->here_fd, entry->base, 0) < 0; i++) {
		if (errno != EEXIST || i > 0) {
			target_fd = -errno;
			break;
		}
		r = make_room(u, entry->base, error);
		if (r < 0)
			return r;
	}
	if (target_fd == -ENOENT)
		return link_to_lower(u, entry, error);
	if (target_fd == -EPERM || target_fd == -ELOOP)
		return error_set(error, SCOW_E_CORRUPT, "the hard link's target '%s' is not a file", printable);
	return target_fd < 0 ? error_errno(error, -target_fd, "linkat", "link it to '%s'", printable) : 0;
}

int entry_make(struct unpacker *u, const struct entry *entry, scow_error **error)
{
	if (entry->type != S_IFDIR)
		u->here_dirty = true;
	switch (entry->type) {
	case 0:
		return make_hard_link(u, entry, error);
	case S_IFREG:
		return make_file(u, entry, error);
	case S_IFDIR:
		u->here_dirty = true;
		return make_directory(u, entry, error);
	case S_IFLNK:
		return make_symlink(u, entry, error);
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
		return make_node(u, entry, error);
	default:
		return error_set(error, SCOW_E_CORRUPT, "its type %o is not one of a layer", (unsigned int) entry->type);
	}
}

/* "./": the root's own metadata. */
int entry_root(struct unpacker *u, const struct entry *entry, scow_error **error)
{
	struct entry root = *entry;
	int r;

	if (entry->type != S_IFDIR)
		return error_set(error, SCOW_E_CORRUPT, "the root is not a directory");
	/* A plain user keeps it: a directory that is not its owner's to write cannot be moved into place. */
	if (u->rootless) {
		root.uid = root.gid = 0;
		root.mode |= 0700;
	}
	r = place_enter(u, "", error);
	if (r == 0)
		r = set_metadata(u, &root, u->here_fd, error);
	u->here_mtime = entry->mtime;
	u->here_dirty = true;
	return r;
}
