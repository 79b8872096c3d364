/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A tar stream into a tree that others use, by way of plant.c. libarchive parses, in memory; it also undoes a compression.
 *
 * As in unpack.c names are bytes: a thread-local "C" locale keeps libarchive from converting them.
 */
#include <errno.h>
#include <locale.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "archive/archive-internal.h"
#include "archive/plant.h"

#define XATTRS_MAX 64

struct extract {
	struct plant *plant;
	struct archive *archive;
	unpack_read_fn read;
	void *userdata;
	int status; /* of @read */
	scow_error *error;
	bool any;
	char name[UNPACK_MAX_PATH + 1], target[UNPACK_MAX_PATH + 1];
	struct tarwriter_xattr xattrs[XATTRS_MAX];
};

static la_ssize_t on_read(struct archive *archive, void *userdata, const void **data)
{
	struct extract *x = userdata;
	ssize_t n = x->status < 0 ? -1 : x->read(x->userdata, data, &x->error);

	if (n >= 0)
		return n;
	if (x->status == 0)
		x->status = (int) n;
	la.archive_set_error(archive, EIO, "the stream failed");
	return ARCHIVE_FATAL;
}

static int failure(struct extract *x, scow_error **error)
{
	const char *reason = la.archive_error_string(x->archive);
	char text[200];

	if (x->status < 0) {
		if (error)
			*error = take_ptr(&x->error);
		return x->status;
	}
	name_printable(reason ? reason : "no reason given", text, sizeof(text));
	return error_set(error, x->any ? SCOW_E_CORRUPT : SCOW_E_INVALID, "%s: %s", x->any ? "damaged tar" : "not a tar archive", text);
}

static int write_data(struct extract *x, struct archive_entry *raw, int fd, scow_error **error)
{
	int64_t end = 0, size = la.archive_entry_size_is_set(raw) ? la.archive_entry_size(raw) : 0, offset;
	const void *data;
	size_t n;
	int r;

	while ((r = la.archive_read_data_block(x->archive, &data, &n, &offset)) == ARCHIVE_OK) {
		for (const char *p = data; n;) {
			ssize_t done = offset < 0 ? (errno = EFBIG, -1) : pwrite(fd, p, n, offset);

			if (done < 0 && errno == EINTR)
				continue;
			if (done < 0)
				return error_errno(error, errno, "pwrite", "write its contents");
			p += done;
			n -= (size_t) done;
			offset += done;
		}
		end = offset > end ? offset : end;
	}
	if (r != ARCHIVE_EOF)
		return failure(x, error);
	if (size > end && ftruncate(fd, size) < 0)
		return error_errno(error, errno, "ftruncate", "make it as large as it says");
	return 0;
}

static void read_xattrs(struct extract *x, struct archive_entry *raw, struct tarwriter_entry *out)
{
	const char *name;
	const void *value;
	size_t size;

	la.archive_entry_xattr_reset(raw);
	while (out->n_xattrs < XATTRS_MAX && la.archive_entry_xattr_next(raw, &name, &value, &size) == ARCHIVE_OK)
		/* Overlayfs's own would hide or redirect; others' labels are the host's business. */
		if (name &&
		    (strcmp(name, "security.capability") == 0 || (str_has_prefix(name, "user.") && !str_has_prefix(name, "user.overlay."))))
			x->xattrs[out->n_xattrs++] = (struct tarwriter_xattr){ name, value, size };
	out->xattrs = x->xattrs;
}

static int describe(struct extract *x, struct archive_entry *raw, struct tarwriter_entry *out, scow_error **error)
{
	la_int64_t uid = la.archive_entry_uid(raw), gid = la.archive_entry_gid(raw);
	const char *hard = la.archive_entry_hardlink(raw);
	int r = unpack_clean_name(la.archive_entry_pathname(raw), x->name, error);

	if (r < 0)
		return r;
	if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
		return error_set(error, SCOW_E_CORRUPT, "the owner %lld:%lld is out of range", (long long) uid, (long long) gid);
	*out = (struct tarwriter_entry){
		.name = *x->name ? x->name : ".",
		.mode = la.archive_entry_filetype(raw) | (la.archive_entry_mode(raw) & 07777),
		.uid = (uint32_t) uid,
		.gid = (uint32_t) gid,
		.mtime = { .tv_sec = la.archive_entry_mtime(raw), .tv_nsec = la.archive_entry_mtime_nsec(raw) },
		.link = la.archive_entry_symlink(raw),
		.device = makedev((unsigned int) la.archive_entry_rdevmajor(raw), (unsigned int) la.archive_entry_rdevminor(raw)),
	};
	if (hard) {
		r = unpack_clean_name(hard, x->target, error);
		if (r == 0 && !*x->target)
			r = error_set(error, SCOW_E_CORRUPT, "a hard link to the top");
		out->hard = x->target;
		return r;
	}
	if (!(out->mode & S_IFMT) || S_ISSOCK(out->mode))
		return error_set(error, SCOW_E_CORRUPT, "its kind is not one of a tar's");
	if (S_ISLNK(out->mode) && (!out->link || !*out->link))
		return error_set(error, SCOW_E_CORRUPT, "a symbolic link to nowhere");
	read_xattrs(x, raw, out);
	return 0;
}

static int take_entry(struct extract *x, struct archive_entry *raw, scow_error **error)
{
	struct tarwriter_entry entry;
	int fd, r = describe(x, raw, &entry, error);

	if (r < 0)
		return r;
	if (entry.hard || !S_ISREG(entry.mode))
		return plant_entry(x->plant, PACK_ENTRY, &entry, -1, error);
	if (!*x->name)
		return error_set(error, SCOW_E_CORRUPT, "the top is not a directory");
	r = plant_file(x->plant, &entry, &fd, error);
	if (r < 0)
		return r;
	r = write_data(x, raw, fd, error);
	if (r == 0)
		return plant_file_end(x->plant, &entry, fd, error);
	close(fd);
	return r;
}

static int take_all(struct extract *x, scow_error **error)
{
	struct archive_entry *raw;
	char printable[400];
	int code, r;

	while ((code = la.archive_read_next_header(x->archive, &raw)) != ARCHIVE_EOF) {
		const char *name;

		/* A warning: a name that the C locale cannot show, which keeps its bytes. */
		if (code != ARCHIVE_OK && code != ARCHIVE_WARN)
			return failure(x, error);
		x->any = true;
		r = take_entry(x, raw, error);
		name = la.archive_entry_pathname(raw);
		if (r < 0)
			return error_wrap(error, r, "entry '%s'", name_printable(name ? name : "", printable, sizeof(printable)));
	}
	return plant_finish(x->plant, error);
}

static int open_archive(struct extract *x, scow_error **error)
{
	x->archive = la.archive_read_new();
	if (!x->archive)
		return error_oom(error);
	if (la.archive_read_support_format_tar(x->archive) != ARCHIVE_OK || la.archive_read_support_format_empty(x->archive) != ARCHIVE_OK)
		return failure(x, error);
	/* One that it was built without it would run as a program: that is no way for us. */
	if (la.archive_read_support_filter_gzip(x->archive) != ARCHIVE_OK ||
	    la.archive_read_support_filter_bzip2(x->archive) != ARCHIVE_OK || la.archive_read_support_filter_xz(x->archive) != ARCHIVE_OK ||
	    la.archive_read_support_filter_zstd(x->archive) != ARCHIVE_OK)
		return error_set(error, SCOW_E_UNSUPPORTED, "this libarchive lacks a compression");
	if (la.archive_read_open(x->archive, x, NULL, on_read, NULL) != ARCHIVE_OK)
		return failure(x, error);
	return 0;
}

int extract_tar(struct plant *plant, unpack_read_fn read, void *userdata, scow_error **error)
{
	_cleanup_free_ struct extract *x = calloc(1, sizeof(*x));
	locale_t plain, previous;
	int r = x ? archive_load(error) : error_oom(error);

	if (r < 0)
		return r;
	x->plant = plant;
	x->read = read;
	x->userdata = userdata;
	plain = newlocale(LC_ALL_MASK, "C", (locale_t) 0);
	if (!plain)
		return error_oom(error);
	previous = uselocale(plain);
	r = open_archive(x, error);
	if (r == 0)
		r = take_all(x, error);
	if (x->archive)
		la.archive_read_free(x->archive);
	uselocale(previous);
	freelocale(plain);
	scow_error_unref(x->error);
	return r;
}
