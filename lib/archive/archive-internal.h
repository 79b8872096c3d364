/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the three parts of the unpacker share: unpack.c reads entries and decides, unpack_place.c knows where we are
 * in the tree, unpack_entry.c makes things, unpack_finish.c does what must wait for the last entry.
 */
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

#include "archive/unpack.h"
#include "base/arena.h"
#include "base/str.h"
#include "engine/userns.h"

#define ARCHIVE_FUNCTIONS(X) \
	X(archive_read_new) \
	X(archive_read_free) \
	X(archive_read_support_format_tar) \
	X(archive_read_support_format_empty) \
	X(archive_read_support_filter_gzip) \
	X(archive_read_support_filter_bzip2) \
	X(archive_read_support_filter_xz) \
	X(archive_read_support_filter_zstd) \
	X(archive_read_open) \
	X(archive_read_next_header) \
	X(archive_read_data_block) \
	X(archive_error_string) \
	X(archive_errno) \
	X(archive_set_error) \
	X(archive_entry_pathname) \
	X(archive_entry_hardlink) \
	X(archive_entry_symlink) \
	X(archive_entry_filetype) \
	X(archive_entry_mode) \
	X(archive_entry_uid) \
	X(archive_entry_gid) \
	X(archive_entry_size) \
	X(archive_entry_size_is_set) \
	X(archive_entry_mtime) \
	X(archive_entry_mtime_nsec) \
	X(archive_entry_rdevmajor) \
	X(archive_entry_rdevminor) \
	X(archive_entry_xattr_reset) \
	X(archive_entry_xattr_next)

#define ARCHIVE_MEMBER(function) __typeof__(function) *function;
struct libarchive {
	ARCHIVE_FUNCTIONS(ARCHIVE_MEMBER)
};
/* Filled by archive_load(), which unpack_layer() and extract_tar() begin with. */
extern struct libarchive la;
int archive_load(scow_error **error) _must_check_;

/* An entry, checked. */
struct entry {
	struct archive_entry *raw;
	char *base;      /* last component; "" for the root itself */
	mode_t type;     /* S_IF*; 0 for a hard link */
	mode_t mode;     /* 07777 */
	uint32_t uid, gid;
	struct timespec mtime;
};

struct deferred_mode {
	const char *path;
	mode_t mode;
};

struct unpacker {
	scow_engine *engine;
	int root_fd;
	bool rootless;
	const char *opaque_xattr;
	struct archive *archive;
	struct unpack_stats *stats;

	unpack_read_fn read;
	void *read_data;
	scow_error *read_error; /* of @read, kept while libarchive passes the failure on */
	int read_status;
	bool read_end;

	/* The directory we are in: real components only, no link, no ".."; "" is the root. */
	char here[UNPACK_MAX_PATH + 1];
	int here_fd;
	struct timespec here_mtime; /* to give back when we leave */
	bool here_dirty;

	/* What waits for the end. */
	struct arena arena;
	size_t recorded; /* bytes, so that an archive cannot take all memory */
	char **whiteouts; /* full paths without ".wh." */
	size_t n_whiteouts;
	struct userns_owner *owners;
	size_t n_owners;
	struct deferred_mode *modes;
	size_t n_modes;
	bool replaced; /* an entry took the place of one that may be recorded: from now on all are */
	struct str warnings;
	size_t n_warnings;
	struct str lower_links; /* path and target, each with its NUL */

	char scratch[UNPACK_MAX_PATH + 1]; /* the entry's name, cleaned */
	char target[UNPACK_MAX_PATH + 1];  /* a hard link's target, cleaned */
};

void unpack_warn(struct unpacker *u, const char *format, ...) _printf_(2, 3);
/* What libarchive complains of. */
int unpack_archive_error(struct unpacker *u, scow_error **error);
/* SCOW_E_CORRUPT for names and shapes that only a malformed archive causes, else by errno. */
int unpack_errno(scow_error **error, int errnum, const char *syscall, const char *what);
/* Without leading, doubled and trailing slashes and "."; SCOW_E_CORRUPT for "..", too long or empty of name. */
int unpack_clean_name(const char *name, char out[UNPACK_MAX_PATH + 1], scow_error **error) _must_check_;
/* "" and @path, or its parent and last component: cuts @path. */
char *unpack_split(char *path, const char **parent);

/* Goes to a directory, making what is missing as 0755 root; links on the way are followed inside the root only. */
int place_enter(struct unpacker *u, const char *path, scow_error **error) _must_check_;
/* Goes to the subdirectory @base of where we are, open as @fd (taken), whose time is to be @mtime. */
int place_descend(struct unpacker *u, const char *base, int fd, const struct timespec *mtime, scow_error **error) _must_check_;
/* Gives the directory we are in its time back. */
int place_leave(struct unpacker *u, scow_error **error) _must_check_;
/* A borrowed or new (then also in @close_fd) descriptor of an existing directory; -errno. */
int place_look(struct unpacker *u, const char *path, int *close_fd);
/* Path of @base here, in the arena. NULL with an error. */
const char *place_record(struct unpacker *u, const char *base, scow_error **error);

int entry_make(struct unpacker *u, const struct entry *entry, scow_error **error) _must_check_;
int entry_root(struct unpacker *u, const struct entry *entry, scow_error **error) _must_check_;

int finish_whiteouts(struct unpacker *u, scow_error **error) _must_check_;
int finish_ownership(struct unpacker *u, scow_error **error) _must_check_;
