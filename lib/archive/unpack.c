/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The stream side: libarchive gives one entry after the other, each is checked and handed to unpack_entry.c.
 *
 * Names are bytes. libarchive would convert those of pax headers to the locale's charset (and normalise them), so
 * it runs in a thread-local "C" locale, in which whatever is not ASCII stays as it came (with a warning that we expect).
 * It stops at the tar's end mark; the diff id covers the padding after it as well, so the rest is read here.
 */
#include "archive/unpack.h"

#include <errno.h>
#include <locale.h>
#include <sys/xattr.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "archive/archive-internal.h"
#include "base/lib.h"

#define MAX_WARNINGS 16
#define WHITEOUT ".wh."
#define WHITEOUT_META ".wh..wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"

struct libarchive la;

#define ARCHIVE_SYMBOL(function) { #function, &la.function },
static const struct lib_symbol archive_symbols[] = { ARCHIVE_FUNCTIONS(ARCHIVE_SYMBOL) };
static struct lib archive_lib = { "libarchive.so.13", "layers", archive_symbols, ARRAY_SIZE(archive_symbols), 0 };

int archive_load(scow_error **error)
{
	return lib_load(&archive_lib, error);
}

const char *name_printable(const char *name, char *out, size_t size)
{
	size_t n = 0;

	for (; *name && n + 8 < size; name++) {
		unsigned char c = (unsigned char) *name;

		if (c >= 0x20 && c < 0x7f && c != '\\')
			out[n++] = (char) c;
		else
			n += (size_t) snprintf(out + n, size - n, "\\x%02x", c);
	}
	snprintf(out + n, size - n, "%s", *name ? "..." : "");
	return out;
}

void unpack_warn(struct unpacker *u, const char *format, ...)
{
	char line[400];
	va_list args;

	if (u->n_warnings++ >= MAX_WARNINGS)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	str_printf(&u->warnings, "%s%s", u->warnings.size ? "\n" : "", line);
}

int unpack_errno(scow_error **error, int errnum, const char *syscall, const char *what)
{
	if (errnum == ENAMETOOLONG || errnum == ELOOP || errnum == ENOTDIR || errnum == EXDEV || errnum == EINVAL || errnum == EFBIG)
		return error_errno_status(error, SCOW_E_CORRUPT, errnum, syscall, "%s", what);
	return error_errno(error, errnum, syscall, "%s", what);
}

int unpack_clean_name(const char *name, char out[UNPACK_MAX_PATH + 1], scow_error **error)
{
	size_t size = 0, n;

	if (!name || !*name)
		return error_set(error, SCOW_E_CORRUPT, "the name is empty");
	for (;; name += n) {
		name += strspn(name, "/");
		n = strcspn(name, "/");
		if (n == 0)
			break;
		if (n == 1 && name[0] == '.')
			continue;
		if (n == 2 && name[0] == '.' && name[1] == '.')
			return error_set(error, SCOW_E_CORRUPT, "the name leads out of the layer by '..'");
		if (size + n + 1 > UNPACK_MAX_PATH)
			return error_set(error, SCOW_E_CORRUPT, "the name is longer than %d bytes", UNPACK_MAX_PATH);
		if (size)
			out[size++] = '/';
		memcpy(out + size, name, n);
		size += n;
	}
	out[size] = 0;
	return 0;
}

char *unpack_split(char *path, const char **parent)
{
	char *slash = strrchr(path, '/');

	if (!slash) {
		*parent = "";
		return path;
	}
	*slash = 0;
	*parent = path;
	return slash + 1;
}

static la_ssize_t read_callback(struct archive *archive, void *userdata, const void **data)
{
	struct unpacker *u = userdata;
	ssize_t n = u->read_status < 0 ? -1 : u->read_end ? 0 : u->read(u->read_data, data, &u->read_error);

	if (n < 0) {
		if (u->read_status == 0)
			u->read_status = (int) n;
		la.archive_set_error(archive, EIO, "the stream failed");
		return ARCHIVE_FATAL;
	}
	u->read_end = n == 0;
	return n;
}

int unpack_archive_error(struct unpacker *u, scow_error **error)
{
	const char *reason = la.archive_error_string(u->archive);
	char text[200];

	if (la.archive_errno(u->archive) == ENOMEM)
		return error_oom(error);
	name_printable(reason ? reason : "no reason given", text, sizeof(text));
	return error_set(error, SCOW_E_CORRUPT, "the tar stream is corrupt: %s", text);
}

static int check_ids(struct entry *entry, scow_error **error)
{
	la_int64_t uid = la.archive_entry_uid(entry->raw), gid = la.archive_entry_gid(entry->raw);

	/* 2^32 - 1 means "leave as is" to chown(2). */
	if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
		return error_set(error, SCOW_E_CORRUPT, "the owner %lld:%lld is out of range", (long long) uid, (long long) gid);
	entry->uid = (uint32_t) uid;
	entry->gid = (uint32_t) gid;
	return 0;
}

static int record_whiteout(struct unpacker *u, const char *parent, const char *name, scow_error **error)
{
	char **slot;
	char *path;

	if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return error_set(error, SCOW_E_CORRUPT, "a whiteout of '%s'", name);
	u->recorded += strlen(parent) + strlen(name) + 2 + sizeof(*slot);
	slot = arena_append(&u->arena, &u->whiteouts, &u->n_whiteouts, sizeof(*slot));
	path = *parent ? arena_printf(&u->arena, "%s/%s", parent, name) : arena_strdup(&u->arena, name);
	if (!slot || !path)
		return error_oom(error);
	*slot = path;
	return 0;
}

static int mark_opaque(struct unpacker *u, const char *parent, scow_error **error)
{
	int r = place_enter(u, parent, error);

	if (r < 0)
		return r;
	if (fsetxattr(u->here_fd, u->opaque_xattr, "y", 1, 0) < 0)
		return error_errno(error, errno, "fsetxattr", "mark the directory opaque by '%s'", u->opaque_xattr);
	return 0;
}

/* Whiteouts are names, whatever their type. 1: it was one; 0: an ordinary entry. */
static int take_whiteout(struct unpacker *u, const char *parent, const char *base, scow_error **error)
{
	int r;

	for (const char *p = parent; *p; p += strcspn(p, "/"), p += *p == '/') {
		if (str_has_prefix(p, WHITEOUT_META))
			return 1; /* aufs's own book-keeping */
		if (str_has_prefix(p, WHITEOUT))
			return error_set(error, SCOW_E_CORRUPT, "it lies below a whiteout");
	}
	if (!str_has_prefix(base, WHITEOUT))
		return 0;
	if (strcmp(base, WHITEOUT_OPAQUE) == 0)
		r = mark_opaque(u, parent, error);
	else if (str_has_prefix(base, WHITEOUT_META))
		r = 0;
	else
		r = record_whiteout(u, parent, base + strlen(WHITEOUT), error);
	return r < 0 ? r : 1;
}

static int take_entry(struct unpacker *u, struct archive_entry *raw, scow_error **error)
{
	struct entry entry = {
		.raw = raw,
		.type = la.archive_entry_filetype(raw),
		.mode = la.archive_entry_mode(raw) & 07777,
		.mtime = { .tv_sec = la.archive_entry_mtime(raw), .tv_nsec = la.archive_entry_mtime_nsec(raw) },
	};
	const char *parent;
	int r = unpack_clean_name(la.archive_entry_pathname(raw), u->scratch, error);

	if (r < 0)
		return r;
	entry.base = unpack_split(u->scratch, &parent);
	if (la.archive_entry_hardlink(raw))
		entry.type = 0;
	else if (!entry.type)
		entry.type = S_IFMT; /* none that we know */
	r = take_whiteout(u, parent, entry.base, error);
	if (r != 0)
		return r < 0 ? r : 0;
	r = check_ids(&entry, error);
	if (r < 0)
		return r;
	if (!*entry.base)
		return entry_root(u, &entry, error);
	r = place_enter(u, parent, error);
	return r < 0 ? r : entry_make(u, &entry, error);
}

static int check_limits(struct unpacker *u, scow_error **error)
{
	if (++u->stats->entries > UNPACK_MAX_ENTRIES)
		return error_set(error, SCOW_E_LIMIT, "the layer has more than %u entries", UNPACK_MAX_ENTRIES);
	if (u->recorded > (256u << 20))
		return error_set(error, SCOW_E_LIMIT, "the layer's whiteouts and owners take more than 256 MiB to remember");
	return 0;
}

/* Most are names that the C locale cannot show, which keep their bytes. Others (a malformed pax record) lose something. */
static void header_warning(struct unpacker *u, struct archive_entry *raw)
{
	const char *reason = la.archive_error_string(u->archive), *name = la.archive_entry_pathname(raw);
	char text[200], printable[200];

	if (!reason || strstr(reason, "convert"))
		return;
	unpack_warn(u, "'%s': %s", name_printable(name ? name : "", printable, sizeof(printable)),
		    name_printable(reason, text, sizeof(text)));
}

static int unpack_entries(struct unpacker *u, scow_error **error)
{
	struct archive_entry *raw;
	char printable[256];
	int r;

	while ((r = la.archive_read_next_header(u->archive, &raw)) != ARCHIVE_EOF) {
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
			return unpack_archive_error(u, error);
		if (r == ARCHIVE_WARN)
			header_warning(u, raw);
		r = check_limits(u, error);
		if (r == 0)
			r = take_entry(u, raw, error);
		if (r < 0) {
			const char *name = la.archive_entry_pathname(raw);

			return error_wrap(error, r, "entry '%s'", name_printable(name ? name : "", printable, sizeof(printable)));
		}
	}
	return 0;
}

static int drain(struct unpacker *u, scow_error **error)
{
	const void *data;
	ssize_t n;

	while (!u->read_end) {
		n = u->read(u->read_data, &data, error);
		if (n < 0)
			return (int) n;
		u->read_end = n == 0;
	}
	return 0;
}

static int unpack_all(struct unpacker *u, scow_error **error)
{
	int r;

	/* What the root is where the archive says nothing of it. */
	if (fchmod(u->root_fd, 0755) < 0)
		return error_errno(error, errno, "fchmod", "set the mode of the layer's root");
	u->archive = la.archive_read_new();
	if (!u->archive)
		return error_oom(error);
	if (la.archive_read_support_format_tar(u->archive) != ARCHIVE_OK ||
	    la.archive_read_support_format_empty(u->archive) != ARCHIVE_OK ||
	    la.archive_read_open(u->archive, u, NULL, read_callback, NULL) != ARCHIVE_OK)
		return unpack_archive_error(u, error);
	r = unpack_entries(u, error);
	if (r == 0)
		r = drain(u, error);
	if (r == 0)
		r = finish_whiteouts(u, error);
	if (r == 0)
		r = place_leave(u, error);
	if (r == 0)
		r = finish_ownership(u, error);
	return r;
}

int unpack_layer(scow_engine *engine, int dir_fd, unpack_read_fn read, void *userdata, struct unpack_stats *stats, scow_error **error)
{
	_cleanup_free_ struct unpacker *u = calloc(1, sizeof(*u)); /* 12 KiB of names: not for a small thread's stack */
	locale_t plain, previous;
	int r;

	*stats = (struct unpack_stats){ 0 };
	r = u ? archive_load(error) : error_oom(error);
	if (r < 0)
		return r;
	u->engine = engine;
	u->root_fd = dir_fd;
	u->rootless = engine->facts.rootless;
	u->opaque_xattr = u->rootless ? UNPACK_OPAQUE_USER : UNPACK_OPAQUE_ROOT;
	u->read = read;
	u->read_data = userdata;
	u->stats = stats;
	u->here_fd = -1;
	plain = newlocale(LC_ALL_MASK, "C", (locale_t) 0);
	if (!plain)
		return error_oom(error);
	previous = uselocale(plain);
	r = unpack_all(u, error);
	if (r < 0 && u->read_status < 0) {
		/* libarchive's complaint was only that the stream had failed: say why. */
		error_clear(error);
		if (error)
			*error = take_ptr(&u->read_error);
		r = u->read_status;
	}
	if (u->archive)
		la.archive_read_free(u->archive);
	uselocale(previous);
	freelocale(plain);
	cleanup_fd(&u->here_fd);
	scow_error_unref(u->read_error);
	arena_done(&u->arena);
	if (u->warnings.size)
		stats->warnings = str_take(&u->warnings);
	str_done(&u->warnings);
	stats->lower_links_size = u->lower_links.size;
	if (r == 0 && u->lower_links.size)
		stats->lower_links = str_take(&u->lower_links);
	str_done(&u->lower_links);
	return r;
}
