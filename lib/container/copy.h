/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Places in a container's tree, and Docker's rules of what goes where: between copy.c (streams) and copy-host.c (files of the host). */
#pragma once

#include "archive/plant.h"
#include "container/root.h"

/* Something found in a tree. */
struct place {
	int dir_fd; /* its directory */
	char *base; /* its name there; of the root and of a directory that was entered: "." */
	char *path; /* clean and absolute, as it was asked for or a link has led */
	char *name; /* what a copy of it is called: the last part as it was asked for; "." for the contents of a directory */
	struct stat st;
};
#define PLACE_INIT                                                                                                                         \
	{                                                                                                                                  \
		.dir_fd = -1                                                                                                               \
	}
void place_done(struct place *place);
#define _cleanup_place_ _cleanup_(place_done)

/*
 * Finds @path. A link at its end is followed with @follow, or if a slash or "/." comes after it. SCOW_E_NOT_FOUND; SCOW_E_INVALID: a
 * slash after what is no directory.
 */
int place_find(const struct root *root, const char *path, bool follow, struct place *out, scow_error **error) _must_check_;

/* How docker cp names what it copies. */
struct aim {
	bool exists, directory; /* what is at the target */
	const char *path;       /* of the target; a slash at its end wants a directory */
};
/*
 * @below: the directory to copy into, malloc'ed; @top: what the source is called there, malloc'ed, "" for contents. SCOW_E_INVALID: a
 * directory onto a file, or a file where a directory is wanted.
 */
int aim_take(const struct aim *aim, const char *source_name, bool source_is_directory, char **below, char **top,
	     scow_error **error) _must_check_;
/* A slash, or "/.", at the end. */
bool path_wants_directory(const char *path);

/* SCOW_E_DENIED: the directory @path is on a read-only mount; said before anything is unpacked. */
int copy_check_writable(const struct root *root, const char *path, scow_error **error) _must_check_;
