/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Blobs: files named by the digest of their bytes.
 *
 * 1. The rename and the row happen inside one write transaction: the database's write lock is what keeps a collector from deleting
 *    a file that somebody has just published again.
 * 2. A crash between them leaves a file without a row (swept) or a row without its file (blob_exists looks at both).
 * 3. No fsync here: what a power cut may have hurt is known by boot_id and synced, and checked by store/recover.c.
 */
#include "store/blob.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "store/db.h"
#include "store/lock.h"

#define SPOOL_NAME 48

static int check(const char *digest, scow_error **error)
{
	if (digest && digest_is_valid(digest))
		return 0;
	return error_set(error, SCOW_E_INVALID, "'%.100s' is not a sha256 digest", digest ? digest : "");
}

int blob_exists(scow_engine *engine, const char *digest, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *row;
	int r = check(digest, error);

	if (r < 0)
		return r;
	db_lock(engine->db, &work);
	r = db_query(&work, &row, error, "SELECT 1 FROM blobs WHERE digest = ?1", "t", digest);
	db_end(&work);
	if (r <= 0)
		return r;
	return faccessat(engine->blobs_fd, digest_hex(digest), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int blob_open(scow_engine *engine, const char *digest, scow_error **error)
{
	int fd, r = check(digest, error);

	if (r < 0)
		return r;
	fd = openat(engine->blobs_fd, digest_hex(digest), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_errno(error, errno, "openat", "open the blob '%s'", digest);
	return fd;
}

int blob_read(scow_engine *engine, const char *digest, size_t limit, char **out, size_t *size, scow_error **error)
{
	_cleanup_fd_ int fd = blob_open(engine, digest, error);
	_cleanup_free_ char *data = NULL;
	char found[DIGEST_STRING];
	size_t n;
	int r;

	if (fd < 0)
		return fd;
	r = fd_read_file(fd, limit, &data, &n);
	if (r == -EFBIG)
		return error_set(error, SCOW_E_CORRUPT, "the blob '%s' is larger than %zu bytes", digest, limit);
	if (r < 0)
		return error_errno(error, -r, "read", "read the blob '%s'", digest);
	r = digest_bytes(data, n, found, error);
	if (r < 0)
		return r;
	if (!str_eq(found, digest))
		return error_hint(error,
				  error_set(error, SCOW_E_CORRUPT, "the blob '%s' in the store has other contents ('%s')", digest, found),
				  "remove the image and pull it again");
	*out = take_ptr(&data);
	if (size)
		*size = n;
	return 0;
}

/* Made under a name of its own in ROOT/tmp, and locked: a sweep leaves what somebody writes alone. fd or a status. */
static int spool_open(scow_engine *engine, char name[SPOOL_NAME], scow_error **error)
{
	char random[33];

	random_hex(random, 16);
	snprintf(name, SPOOL_NAME, "spool-%s", random);
	for (;;) {
		struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
		_cleanup_fd_ int fd = openat(engine->tmp_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

		if (fd < 0)
			return error_errno(error, errno, "openat", "make '%s/tmp/%s'", engine->root, name);
		while (fcntl(fd, F_OFD_SETLKW, &lock) < 0)
			if (errno != EINTR)
				return error_errno(error, errno, "fcntl", "lock '%s/tmp/%s'", engine->root, name);
		if (lock_is_named(engine->tmp_fd, name, fd))
			return take_fd(&fd);
	}
}

static int publish(scow_engine *engine, const char *name, const char *digest, size_t size, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	int r = db_begin(engine->db, &work, error);

	if (r < 0)
		return r;
	if (renameat(engine->tmp_fd, name, engine->blobs_fd, digest_hex(digest)) < 0)
		return error_errno(error, errno, "renameat", "publish the blob '%s'", digest);
	/* Where there was one, its file is now ours, and so is what we know about its safety. */
	r = db_exec(&work, error,
		    "INSERT INTO blobs(digest, size, created, boot_id) VALUES(?1, ?2, ?3, ?4) ON CONFLICT(digest) DO UPDATE SET "
		    "size = excluded.size, created = excluded.created, boot_id = excluded.boot_id, synced = 0, released = 0",
		    "tiit", digest, (int64_t) size, now_ns(), engine->facts.boot_id);
	return r < 0 ? r : db_commit(&work, error);
}

int blob_put(scow_engine *engine, const void *data, size_t size, char digest_out[DIGEST_STRING], scow_error **error)
{
	_cleanup_fd_ int fd = -1;
	char name[SPOOL_NAME];
	int r = digest_bytes(data, size, digest_out, error);

	if (r < 0)
		return r;
	r = blob_exists(engine, digest_out, error);
	if (r != 0)
		return r < 0 ? r : 0;
	fd = spool_open(engine, name, error);
	if (fd < 0)
		return fd;
	r = fd_write_all(fd, data, size);
	if (r < 0)
		r = error_errno(error, -r, "write", "write the blob '%s'", digest_out);
	else
		r = publish(engine, name, digest_out, size, error);
	if (r < 0)
		unlinkat(engine->tmp_fd, name, 0);
	return r;
}
