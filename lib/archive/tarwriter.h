/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tar streams, the other way round: entries go in, bytes come out. The same entries make the same bytes, whatever is installed: ids of
 * layers depend on them. The format is ustar, and pax (POSIX.1-2001) where that has no room for something. See: pax(1), tar(5).
 */
#pragma once

#include <stdint.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"

/* 0, or a negative status with an error, which then ends the writing. */
typedef int (*tarwriter_fn)(void *userdata, const void *data, size_t size, scow_error **error);

struct tarwriter_xattr {
	const char *name;
	const void *value;
	size_t size;
};

struct tarwriter_entry {
	const char *name; /* without a leading slash; of a directory a slash is put at its end */
	mode_t mode;      /* with the type */
	uint32_t uid, gid;
	struct timespec mtime;
	uint64_t size;    /* of a regular file: so many bytes follow */
	const char *link; /* what a symbolic link says; NULL else */
	const char *hard; /* the name of an entry before: this one is another link to it; NULL else */
	dev_t device;
	const struct tarwriter_xattr *xattrs; /* sorted by name */
	size_t n_xattrs;
};

struct tarwriter;

int tarwriter_open(tarwriter_fn write, void *userdata, struct tarwriter **out, scow_error **error) _must_check_;
/* SCOW_E_STATE: the entry before has not all its bytes. */
int tarwriter_entry(struct tarwriter *writer, const struct tarwriter_entry *entry, scow_error **error) _must_check_;
/* Bytes of the entry. More than it has are SCOW_E_STATE. */
int tarwriter_data(struct tarwriter *writer, const void *data, size_t size, scow_error **error) _must_check_;
/* As many zeros of it: a hole. */
int tarwriter_zeros(struct tarwriter *writer, uint64_t size, scow_error **error) _must_check_;
/* What the entry still lacks, as zeros: its file has become shorter meanwhile. */
int tarwriter_fill(struct tarwriter *writer, scow_error **error) _must_check_;
/* The end of the archive. Frees nothing. */
int tarwriter_finish(struct tarwriter *writer, scow_error **error) _must_check_;
uint64_t tarwriter_size(const struct tarwriter *writer); /* bytes so far */
void tarwriter_free(struct tarwriter *writer);
DEFINE_CLEANUP(struct tarwriter *, tarwriter_free)
