/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the library and its deputy (engine/deputy.h) say to each other, over a socket of packets: a request, then its answer.
 *
 *	struct deputy_request | path | path2 (both NUL-terminated, counted with it) | blob
 *	struct deputy_answer | blob
 *
 * Descriptors come along with the request: the directory that each path is relative to, or the thing itself where the path is empty.
 */
#pragma once

#include <stdint.h>

#define DEPUTY_BLOB_MAX (64u << 10) /* of an extended attribute: XATTR_SIZE_MAX */
#define DEPUTY_TEXT_MAX 4096u
#define DEPUTY_PACKET_MAX (sizeof(struct deputy_request) + 2 * DEPUTY_TEXT_MAX + DEPUTY_BLOB_MAX)

enum deputy_op {
	DEPUTY_OPEN,      /* flags; numbers: mode, RESOLVE_*. The descriptor comes with the answer */
	DEPUTY_MKDIR,     /* numbers: mode */
	DEPUTY_MKNOD,     /* numbers: mode with type, device */
	DEPUTY_SYMLINK,   /* path2 is what it says */
	DEPUTY_LINK,      /* flags */
	DEPUTY_UNLINK,    /* flags */
	DEPUTY_CHOWN,     /* flags; numbers: uid, gid */
	DEPUTY_CHMOD,     /* of the descriptor; numbers: mode */
	DEPUTY_TIMES,     /* flags; times */
	DEPUTY_SET_XATTR, /* of the descriptor; path2 is its name */
	DEPUTY_GET_XATTR,
	DEPUTY_LIST_XATTRS,
	DEPUTY_OPS
};

struct deputy_request {
	uint32_t op, flags;
	uint64_t number[2];
	int64_t times[4]; /* seconds and nanoseconds of access, then of change */
	uint32_t path_size, path2_size, blob_size;
};

struct deputy_answer {
	int32_t result; /* as the system call's: -errno on failure */
	uint32_t blob_size;
};

_Static_assert(sizeof(struct deputy_request) == 72 && sizeof(struct deputy_answer) == 8, "the same bytes on both sides");
