/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directories for changes that are thrown away. */
#include "container/scratch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/digest.h"
#include "base/fd.h"
#include "container/storage.h"

#define DIRECTORY "scratch"
#define NAME_DIGITS 24

const char *scratch_name(struct arena *arena, const char *target)
{
	char digest[DIGEST_STRING];

	if (digest_bytes(target, strlen(target), digest, NULL) < 0) {
		arena->failed = true;
		return NULL;
	}
	return arena_printf(arena, DIRECTORY "/%.*s", NAME_DIGITS, digest_hex(digest));
}

bool scratch_wanted(const struct spec *spec)
{
	for (size_t i = 0; i < spec->n_mounts; i++)
		if (spec->mounts[i].scratch)
			return true;
	return false;
}

static int make(int dir_fd, const char *name, scow_error **error)
{
	return mkdirat(dir_fd, name, 0700) < 0 && errno != EEXIST
		       ? error_errno(error, errno, "mkdir", "make a directory for changes that are thrown away")
		       : 0;
}

int scratch_prepare(int dir_fd, const struct spec *spec, scow_error **error)
{
	int r;

	if (!scratch_wanted(spec))
		return 0;
	r = make(dir_fd, DIRECTORY, error);
	if (r == 0)
		r = storage_share_limit(dir_fd, DIRECTORY, error);
	for (size_t i = 0; i < spec->n_mounts && r == 0; i++)
		if (spec->mounts[i].scratch)
			r = make(dir_fd, spec->mounts[i].scratch, error);
	return r;
}

int scratch_open(scow_container *container, const struct spec *spec, int *dir_fd, scow_error **error)
{
	const int containers_fd = container->engine->containers_fd;

	/* One that writes to memory has none yet. */
	if (mkdirat(containers_fd, container->id, 0700) < 0 && errno != EEXIST)
		return error_errno(error, errno, "mkdir", "make 'containers/%s'", container->id);
	*dir_fd = dir_open_at(containers_fd, container->id);
	if (*dir_fd < 0)
		return error_errno(error, -*dir_fd, "open", "open 'containers/%s'", container->id);
	return scratch_prepare(*dir_fd, spec, error);
}
