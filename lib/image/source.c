/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Archives as files by name.
 *
 * 1. Nothing of an archive's names reaches the disk: an entry is spooled as "0", "1", ... and found by its name in a
 *    table. A link of the archive (`docker save` wrote shared layers as links) leads to another entry of the table only.
 * 2. The spool directory stands under flock(2): a crash leaves it to the sweep.
 * 3. Nothing is verified here: who reads a file knows what digest it must have.
 */
#include "image/source.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/codec.h"
#include "archive/tarstream.h"
#include "base/cancel.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

#define MAX_ENTRIES 65536
#define MAX_NAME 1024
#define MAX_LINKS 8
#define CHUNK (128u << 10)
/* A chunk of compressed bytes is fed in such pieces: what they inflate to is held in memory. */
#define FEED 4096u

/* ---- the stream: descriptor, outer compression ---- */

struct stream {
	int fd;
	const scow_cancel *cancel;
	char *in; /* CHUNK bytes */
	size_t n_in, at_in;
	bool end;
	struct codec *codec; /* NULL: plain */
	struct str out;      /* inflated, not yet taken */
};

static void stream_done(struct stream *stream)
{
	codec_free(stream->codec);
	free(stream->in);
	str_done(&stream->out);
}

/* Fills the input buffer. 0 at the end of the file. */
static ssize_t refill(struct stream *stream, scow_error **error)
{
	for (;;) {
		ssize_t n;

		if (stream->cancel) {
			int r = cancel_poll(stream->cancel, stream->fd, POLLIN, -1, error);

			if (r < 0)
				return r;
		}
		n = read(stream->fd, stream->in, CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			int r = cancel_poll(stream->cancel, stream->fd, POLLIN, -1, error);

			if (r < 0)
				return r;
			continue;
		}
		if (n < 0)
			return error_errno(error, errno, "read", "read the archive");
		stream->n_in = (size_t) n;
		stream->at_in = 0;
		stream->end = n == 0;
		return n;
	}
}

static int keep(void *userdata, const void *data, size_t size, scow_error **error)
{
	struct stream *stream = userdata;

	str_add_bytes(&stream->out, data, size);
	return stream->out.failed ? error_oom(error) : 0;
}

static ssize_t next_inflated(struct stream *stream, const void **data, scow_error **error)
{
	str_reset(&stream->out);
	while (!stream->out.size) {
		size_t n;
		int r;

		if (stream->at_in == stream->n_in) {
			ssize_t got = stream->end ? 0 : refill(stream, error);

			if (got < 0)
				return got;
			if (got == 0)
				return codec_finish(stream->codec, error);
		}
		n = stream->n_in - stream->at_in < FEED ? stream->n_in - stream->at_in : FEED;
		r = codec_feed(stream->codec, stream->in + stream->at_in, n, error);
		if (r < 0)
			return r;
		stream->at_in += n;
	}
	*data = stream->out.data;
	return (ssize_t) stream->out.size;
}

static ssize_t next_bytes(void *userdata, const void **data, scow_error **error)
{
	struct stream *stream = userdata;
	size_t n;

	if (stream->codec)
		return next_inflated(stream, data, error);
	if (stream->at_in == stream->n_in) {
		ssize_t got = stream->end ? 0 : refill(stream, error);

		if (got <= 0)
			return got;
	}
	n = stream->n_in - stream->at_in;
	*data = stream->in + stream->at_in;
	stream->at_in = stream->n_in;
	return (ssize_t) n;
}

static int stream_open(struct stream *stream, scow_error **error)
{
	enum codec_kind kind;
	ssize_t n;

	stream->in = malloc(CHUNK);
	if (!stream->in)
		return error_oom(error);
	/* One read may bring too little to tell by: ask for the first bytes until they are there. */
	n = refill(stream, error);
	while (n > 0 && stream->n_in < 8) {
		int r = cancel_poll(stream->cancel, stream->fd, POLLIN, -1, error);

		if (r < 0)
			return r;
		n = read(stream->fd, stream->in + stream->n_in, CHUNK - stream->n_in);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return error_errno(error, errno, "read", "read the archive");
		stream->n_in += n > 0 ? (size_t) n : 0;
		n = n < 0 ? 1 : n;
	}
	if (n < 0)
		return (int) n;
	if (!stream->n_in)
		return error_set(error, SCOW_E_INVALID, "the archive is empty");
	kind = codec_sniff(stream->in, stream->n_in);
	return kind == CODEC_NONE ? 0 : codec_new(kind, keep, stream, &stream->codec, error);
}

/* ---- names ---- */

/* "./a//b/" -> "a/b", relative to the directory of @base where that is given. NULL: leads out, or too long. */
static char *clean_name(const char *base, const char *name)
{
	char out[MAX_NAME + 1];
	size_t size = 0, n;
	const char *slash = base ? strrchr(base, '/') : NULL;

	if (*name == '/' || strlen(name) > MAX_NAME)
		return NULL;
	if (slash) {
		size = (size_t) (slash - base);
		memcpy(out, base, size);
	}
	for (; *name; name += n) {
		name += strspn(name, "/");
		n = strcspn(name, "/");
		if (!n || (n == 1 && *name == '.'))
			continue;
		if (n == 2 && name[0] == '.' && name[1] == '.') {
			if (!base || !size)
				return NULL;
			while (size && out[--size] != '/')
				;
			continue;
		}
		if (size + n + 1 > MAX_NAME)
			return NULL;
		if (size)
			out[size++] = '/';
		memcpy(out + size, name, n);
		size += n;
	}
	out[size] = 0;
	return strdup(out);
}

/* An archive's name for a message: without what would steer a terminal. */
static const char *show(const char *name, char shown[200])
{
	size_t n = 0;

	for (; *name && n < 199; name++)
		shown[n++] = (unsigned char) *name < 0x20 || *name == 0x7f ? '?' : *name;
	shown[n] = 0;
	return shown;
}

static int bad_entry(scow_error **error, const char *name, const char *reason)
{
	char shown[200];

	show(name, shown);
	return error_at(error, error_set(error, SCOW_E_CORRUPT, "archive entry '%s': %s", shown, reason), "read the archive", shown);
}

static int compare_entries(const void *a, const void *b)
{
	return strcmp(((const struct source_entry *) a)->name, ((const struct source_entry *) b)->name);
}

static const struct source_entry *find(const struct source *source, const char *name)
{
	const struct source_entry key = { .name = (char *) name };

	return source->n_entries ? bsearch(&key, source->entries, source->n_entries, sizeof(key), compare_entries) : NULL;
}

/* ---- spooling ---- */

static int spool_file(struct source *source, struct tarstream *tar, const char *spool, const char *name, scow_error **error)
{
	_cleanup_fd_ int fd = openat(source->dir_fd, spool, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	char shown[200];
	const void *data;
	ssize_t n;
	int r;

	if (fd < 0)
		return error_errno(error, errno, "openat", "make '%s/tmp/%s/%s'", source->engine->root, source->spool_name, spool);
	while ((n = tarstream_data(tar, &data, error)) > 0) {
		r = fd_write_all(fd, data, (size_t) n);
		if (r < 0)
			return error_errno(error, -r, "write", "spool the archive entry '%s'", show(name, shown));
	}
	return n < 0 ? error_wrap(error, (int) n, "archive entry '%s'", show(name, shown)) : 0;
}

static int add_entry(struct source *source, struct tarstream *tar, const struct tarstream_entry *from, scow_error **error)
{
	struct source_entry *grown, *entry;
	char *name;

	if (from->type == TARSTREAM_DIRECTORY)
		return 0;
	if (from->type == TARSTREAM_OTHER)
		return bad_entry(error, from->name, "neither a file nor a link");
	if (source->n_entries == MAX_ENTRIES)
		return error_set(error, SCOW_E_CORRUPT, "the archive has more than %d entries", MAX_ENTRIES);
	name = clean_name(NULL, from->name);
	if (!name || !*name) {
		free(name);
		return bad_entry(error, from->name, "its name leads out of the archive, or is too long");
	}
	if (!(source->n_entries & (source->n_entries - 1))) {
		grown = realloc(source->entries, (source->n_entries ? 2 * source->n_entries : 1) * sizeof(*grown));
		if (!grown) {
			free(name);
			return error_oom(error);
		}
		source->entries = grown;
	}
	entry = &source->entries[source->n_entries++];
	*entry = (struct source_entry){ .name = name };
	if (from->type == TARSTREAM_LINK) {
		entry->target = clean_name(from->hard ? NULL : name, from->target);
		return entry->target ? 0 : bad_entry(error, from->name, "a link that leads out of the archive");
	}
	entry->spool = strf("%zu", source->n_entries - 1);
	return entry->spool ? spool_file(source, tar, entry->spool, name, error) : error_oom(error);
}

static int same_contents(const struct source *source, const struct source_entry *a, const struct source_entry *b)
{
	_cleanup_free_ char *x = malloc(CHUNK), *y = malloc(CHUNK);
	_cleanup_fd_ int fd_a = -1, fd_b = -1;
	ssize_t n, m;

	if (!a->spool || !b->spool)
		return str_eq(a->target, b->target);
	fd_a = openat(source->dir_fd, a->spool, O_RDONLY | O_CLOEXEC);
	fd_b = openat(source->dir_fd, b->spool, O_RDONLY | O_CLOEXEC);
	if (!x || !y || fd_a < 0 || fd_b < 0)
		return 0;
	do {
		n = fd_read_full(fd_a, x, CHUNK);
		m = fd_read_full(fd_b, y, CHUNK);
	} while (n > 0 && n == m && !memcmp(x, y, (size_t) n));
	return n == 0 && m == 0;
}

/* Two readers of an archive could take either of two entries with one name: both must be the same. */
static int check_unique(const struct source *source, scow_error **error)
{
	for (size_t i = 1; i < source->n_entries; i++)
		if (str_eq(source->entries[i].name, source->entries[i - 1].name) &&
		    !same_contents(source, &source->entries[i], &source->entries[i - 1]))
			return bad_entry(error, source->entries[i].name, "it is there twice, with other contents");
	return 0;
}

static int spool(struct source *source, int fd, scow_error **error)
{
	_cleanup_(stream_done) struct stream stream = { .fd = fd, .cancel = source->cancel };
	_cleanup_(tarstream_closep) struct tarstream *tar = NULL;
	struct tarstream_entry entry;
	const void *rest;
	ssize_t n;
	int r = stream_open(&stream, error);

	if (r == 0)
		r = work_directory_make(source->engine, "load-", source->spool_name, &source->dir_fd, error);
	if (r == 0)
		r = tarstream_open(next_bytes, &stream, &tar, error);
	while (r == 0 && (r = tarstream_next(tar, &entry, error)) > 0)
		r = add_entry(source, tar, &entry, error);
	if (r < 0)
		return r;
	/* To the very end: a cut compressed stream shows only there, and who writes into a pipe wants to finish. */
	while ((n = next_bytes(&stream, &rest, error)) > 0)
		;
	if (n < 0)
		return (int) n;
	if (source->n_entries)
		qsort(source->entries, source->n_entries, sizeof(*source->entries), compare_entries);
	return check_unique(source, error);
}

int source_open(scow_engine *engine, int fd, const scow_cancel *cancel, struct source *out, scow_error **error)
{
	struct stat st;
	int r;

	*out = (struct source){ .engine = engine, .cancel = cancel, .dir_fd = -1 };
	if (fstat(fd, &st) < 0)
		return error_errno_status(error, SCOW_E_INVALID, errno, "fstat", "look at the archive");
	if (S_ISDIR(st.st_mode)) {
		out->dir_fd = fd;
		return 0;
	}
	out->spooled = true;
	r = spool(out, fd, error);
	if (r < 0)
		source_done(out);
	return r;
}

void source_done(struct source *source)
{
	int saved = errno;

	for (size_t i = 0; i < source->n_entries; i++) {
		free(source->entries[i].name);
		free(source->entries[i].target);
		free(source->entries[i].spool);
	}
	free(source->entries);
	if (source->spooled && source->dir_fd >= 0) {
		path_remove_tree(source->engine->tmp_fd, source->spool_name);
		close(source->dir_fd);
	}
	*source = (struct source){ .dir_fd = -1 };
	errno = saved;
}

/* ---- reading ---- */

bool source_has(const struct source *source, const char *name)
{
	if (source->spooled)
		return find(source, name) != NULL;
	return faccessat(source->dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int open_spooled(const struct source *source, const char *name, scow_error **error)
{
	_cleanup_free_ char *clean = clean_name(NULL, name);
	const struct source_entry *entry = clean ? find(source, clean) : NULL;
	int fd;

	for (int i = 0; entry && entry->target; i++) {
		if (i == MAX_LINKS)
			return bad_entry(error, name, "its links go in a circle");
		entry = find(source, entry->target);
	}
	if (!entry)
		return bad_entry(error, name, "it is missing");
	fd = openat(source->dir_fd, entry->spool, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? error_errno(error, errno, "openat", "open the spooled entry '%.100s'", name) : fd;
}

int source_file(const struct source *source, const char *name, uint64_t *size, scow_error **error)
{
	_cleanup_fd_ int fd = -1;
	struct stat st;

	if (source->spooled) {
		fd = open_spooled(source, name, error);
		if (fd < 0)
			return fd;
	} else {
		/* A directory that others may write to: no links, and no waiting for a FIFO. */
		fd = path_open_beneath(source->dir_fd, name, O_RDONLY | O_NONBLOCK, 0);
		if (fd == -ENOENT)
			return bad_entry(error, name, "it is missing");
		if (fd < 0)
			return error_errno(error, -fd, "openat2", "open '%.200s' of the layout", name);
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return bad_entry(error, name, "not a file");
	*size = (uint64_t) st.st_size;
	return take_fd(&fd);
}

int source_read(const struct source *source, const char *name, const char *digest, size_t limit, char **out, size_t *size,
		scow_error **error)
{
	uint64_t file_size;
	_cleanup_fd_ int fd = source_file(source, name, &file_size, error);
	_cleanup_free_ char *data = NULL;
	char found[DIGEST_STRING];
	int r;

	if (fd < 0)
		return fd;
	r = fd_read_file(fd, limit, &data, size);
	if (r == -EFBIG)
		return bad_entry(error, name, "it is too large for what it should be");
	if (r < 0)
		return error_errno(error, -r, "read", "read '%.200s'", name);
	if (digest) {
		r = digest_bytes(data, *size, found, error);
		if (r < 0)
			return r;
		if (!str_eq(found, digest))
			return bad_entry(error, name, "its digest does not match");
	}
	*out = take_ptr(&data);
	return 0;
}

void source_blob_name(const char *digest, char out[80])
{
	snprintf(out, 80, "blobs/sha256/%.64s", digest_hex(digest));
}
