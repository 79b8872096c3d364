/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Blobs: files named by the digest of their bytes.
 *
 * 1. The rename and the row happen inside one write transaction, and so do the removal of a row and of its file: the
 *    database's write lock is what keeps a collector from deleting a file that somebody has just published again.
 * 2. A crash between them leaves a file without a row (swept) or a row without its file (blob_exists looks at both).
 * 3. No fsync here: what a power cut may have hurt is known by boot_id and synced, and checked by store/recover.c.
 */
#include "store/blob.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "store/db.h"
#include "store/lock.h"

static int check(const char *digest, scow_error **error)
{
	if (digest && digest_is_valid(digest))
		return 0;
	return error_set(error, SCOW_E_INVALID, "'%.100s' is not a sha256 digest", digest ? digest : "");
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t) t.tv_sec * 1000000000 + t.tv_nsec;
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

int blob_put(scow_engine *engine, const void *data, size_t size, char digest_out[DIGEST_STRING], scow_error **error)
{
	struct blob_writer writer;
	int r = digest_bytes(data, size, digest_out, error);

	if (r < 0)
		return r;
	r = blob_exists(engine, digest_out, error);
	if (r != 0)
		return r < 0 ? r : 0;
	r = blob_writer_new(engine, &writer, error);
	if (r < 0)
		return r;
	memcpy(writer.digest, digest_out, DIGEST_STRING);
	r = fd_write_all(writer.fd, data, size);
	if (r < 0) {
		r = error_errno(error, -r, "write", "write the blob '%s'", digest_out);
		blob_writer_close(engine, &writer, false);
		return r;
	}
	return blob_writer_publish(engine, &writer, size, error);
}

/* Opens and locks ROOT/tmp/@name: waits for whoever else writes it. fd or a status. */
static int open_locked(scow_engine *engine, const char *name, scow_error **error)
{
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

int blob_writer_open(scow_engine *engine, const char *digest, struct blob_writer *out, scow_error **error)
{
	off_t end;
	int r = check(digest, error);

	*out = (struct blob_writer){ .fd = -1 };
	if (r < 0)
		return r;
	memcpy(out->digest, digest, DIGEST_STRING);
	snprintf(out->tmp_name, sizeof(out->tmp_name), "blob-%s", digest_hex(digest));
	out->fd = open_locked(engine, out->tmp_name, error);
	if (out->fd < 0)
		return out->fd;
	/* Only now: whoever held the lock may have published it. */
	r = blob_exists(engine, digest, error);
	if (r != 0) {
		blob_writer_close(engine, out, false);
		return r;
	}
	end = lseek(out->fd, 0, SEEK_END);
	if (end < 0) {
		r = error_errno(error, errno, "lseek", "read '%s/tmp/%s'", engine->root, out->tmp_name);
		blob_writer_close(engine, out, false);
		return r;
	}
	out->offset = (uint64_t) end;
	return 0;
}

int blob_writer_new(scow_engine *engine, struct blob_writer *out, scow_error **error)
{
	char random[33];

	*out = (struct blob_writer){ .fd = -1 };
	random_hex(random, 16);
	snprintf(out->tmp_name, sizeof(out->tmp_name), "spool-%s", random);
	out->fd = open_locked(engine, out->tmp_name, error);
	return out->fd < 0 ? out->fd : 0;
}

static int publish(scow_engine *engine, const struct blob_writer *writer, uint64_t size, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	int r = check(writer->digest, error);

	if (r == 0)
		r = db_begin(engine->db, &work, error);
	if (r < 0)
		return r;
	if (renameat(engine->tmp_fd, writer->tmp_name, engine->blobs_fd, digest_hex(writer->digest)) < 0)
		return error_errno(error, errno, "renameat", "publish the blob '%s'", writer->digest);
	/* Where there was one, its file is now ours, and so is what we know about its safety. */
	r = db_exec(&work, error,
		    "INSERT INTO blobs(digest, size, created, boot_id) VALUES(?1, ?2, ?3, ?4) ON CONFLICT(digest) DO UPDATE SET "
		    "size = excluded.size, created = excluded.created, boot_id = excluded.boot_id, synced = 0, released = 0",
		    "tiit", writer->digest, (int64_t) size, now_ns(), engine->facts.boot_id);
	return r < 0 ? r : db_commit(&work, error);
}

int blob_writer_publish(scow_engine *engine, struct blob_writer *writer, uint64_t size, scow_error **error)
{
	int r = publish(engine, writer, size, error);

	if (r < 0)
		unlinkat(engine->tmp_fd, writer->tmp_name, 0);
	close(take_fd(&writer->fd));
	return r;
}

void blob_writer_close(scow_engine *engine, struct blob_writer *writer, bool keep)
{
	int saved = errno;

	if (writer->fd < 0)
		return;
	if (!keep)
		unlinkat(engine->tmp_fd, writer->tmp_name, 0);
	close(take_fd(&writer->fd));
	errno = saved;
}

int blob_drop(scow_engine *engine, const char *digest, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *row;
	int r = check(digest, error);

	if (r == 0)
		r = db_begin(engine->db, &work, error);
	if (r < 0)
		return r;
	r = db_query(&work, &row, error, "SELECT 1 FROM image_blobs WHERE blob = ?1 LIMIT 1", "t", digest);
	if (r != 0)
		return r;
	r = db_exec(&work, error, "DELETE FROM blobs WHERE digest = ?1", "t", digest);
	if (r < 0)
		return r;
	if (unlinkat(engine->blobs_fd, digest_hex(digest), 0) < 0 && errno != ENOENT)
		return error_errno(error, errno, "unlinkat", "delete the blob '%s'", digest);
	return db_commit(&work, error);
}
