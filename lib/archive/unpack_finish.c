/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What has to wait for the last entry. A whiteout hides lower layers only, so a name that the same layer makes stays,
 * whichever comes first; if it is a directory, it hides the lower one whole. Then a plain user's files go to their owners.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "archive/archive-internal.h"
#include "base/path.h"

static int hide(struct unpacker *u, const char *base, scow_error **error)
{
	_cleanup_fd_ int fd = -1;

	if (mknodat(u->here_fd, base, S_IFCHR, makedev(0, 0)) == 0) {
		u->here_dirty = true;
		return 0;
	}
	if (errno == EPERM)
		return error_hint(error, error_errno(error, errno, "mknodat", "make a whiteout"),
				  "Linux 5.8 or newer is needed for this as a plain user");
	if (errno != EEXIST)
		return unpack_errno(error, errno, "mknodat", "make a whiteout");
	fd = openat(u->here_fd, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && fsetxattr(fd, u->opaque_xattr, "y", 1, 0) < 0)
		return error_errno(error, errno, "fsetxattr", "mark the directory opaque by '%s'", u->opaque_xattr);
	return 0;
}

int finish_whiteouts(struct unpacker *u, scow_error **error)
{
	char printable[256];

	for (size_t i = 0; i < u->n_whiteouts; i++) {
		const char *parent, *base = unpack_split(u->whiteouts[i], &parent);
		int r = place_enter(u, parent, error);

		if (r == 0)
			r = hide(u, base, error);
		if (r < 0)
			return error_wrap(error, r, "whiteout of '%s'", name_printable(base, printable, sizeof(printable)));
	}
	return 0;
}

static int compare_owners(const void *a, const void *b)
{
	const struct userns_owner *const *x = a, *const *y = b;
	int r = strcmp((*x)->path, (*y)->path);

	return r ? r : *x < *y ? -1 : 1;
}

static int compare_path(const void *key, const void *element)
{
	return strcmp(key, ((const struct userns_owner *) element)->path);
}

/* Where entries replaced others, only the last record of a path counts, and only if something is there. */
static int drop_stale(struct unpacker *u, scow_error **error)
{
	const struct userns_owner **sorted = arena_alloc(&u->arena, u->n_owners * sizeof(struct userns_owner *) + 1);
	struct userns_owner *kept = arena_alloc(&u->arena, u->n_owners * sizeof(*kept) + 1);
	size_t n = 0, n_modes = 0;

	if (!sorted || !kept)
		return error_oom(error);
	for (size_t i = 0; i < u->n_owners; i++)
		sorted[i] = &u->owners[i];
	qsort(sorted, u->n_owners, sizeof(struct userns_owner *), compare_owners);
	for (size_t i = 0; i < u->n_owners; i++) {
		_cleanup_fd_ int fd = -1;

		if (i + 1 < u->n_owners && strcmp(sorted[i]->path, sorted[i + 1]->path) == 0)
			continue;
		fd = path_open_beneath(u->root_fd, sorted[i]->path, O_PATH | O_NOFOLLOW, 0);
		if (fd >= 0)
			kept[n++] = *sorted[i];
	}
	u->owners = kept;
	u->n_owners = n;
	for (size_t i = 0; i < u->n_modes; i++)
		if (!bsearch(u->modes[i].path, kept, n, sizeof(*kept), compare_path))
			u->modes[n_modes++] = u->modes[i];
	u->n_modes = n_modes;
	return 0;
}

int finish_ownership(struct unpacker *u, scow_error **error)
{
	char printable[256];
	int r = 0;

	if (u->replaced)
		r = drop_stale(u, error);
	if (r == 0 && u->n_owners)
		r = userns_chown(u->engine, u->root_fd, u->owners, u->n_owners, error);
	/* From the last: archives name children after their parents, and a closed directory is not passed again. */
	for (size_t i = u->n_modes; i-- > 0 && r == 0;) {
		_cleanup_fd_ int fd = path_open_beneath(u->root_fd, u->modes[i].path, O_RDONLY | O_DIRECTORY, 0);

		if (fd >= 0 && fchmod(fd, u->modes[i].mode) < 0)
			r = error_errno(error, errno, "fchmod", "set the mode of '%s'",
					name_printable(u->modes[i].path, printable, sizeof(printable)));
	}
	return r;
}
