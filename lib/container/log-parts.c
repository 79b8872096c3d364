/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The files of a log: ROOT/containers/ID/log.json, which the supervisor writes, and log.json.1, .2, ..., which it was renamed to when it
 * was full; the highest number is the oldest. Some are compressed: log.json.1.gz, which says of which inode it was made.
 */
#include "container/log-parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/str.h"
#include "container/log-packed.h"

#define PACKED ".gz"
#define SCANS_MAX 10

void parts_done(struct parts *parts)
{
	for (size_t i = 0; i < parts->count; i++)
		cleanup_fd(&parts->items[i].fd);
	free(parts->items);
	*parts = (struct parts){ 0 };
}

/* "log.json", "log.json.7", "log.json.7.gz" */
static bool parse_name(const char *name, struct part *part)
{
	unsigned long long value = 0;
	char number[16];
	size_t size;

	if (!str_has_prefix(name, LOG_NAME))
		return false;
	name += strlen(LOG_NAME);
	*part = (struct part){ .number = 0 };
	if (!*name)
		return true;
	size = strcspn(name + 1, ".");
	part->packed = str_eq(name + 1 + size, PACKED);
	if (*name != '.' || size >= sizeof(number) || (name[1 + size] && !part->packed))
		return false;
	memcpy(number, name + 1, size);
	number[size] = 0;
	if (!str_to_u64(number, &value) || value == 0 || value > 100000)
		return false;
	part->number = (unsigned int) value;
	return true;
}

static int oldest_first(const void *a, const void *b)
{
	const struct part *x = a, *y = b;

	if (x->number == y->number)
		return (int) x->packed - (int) y->packed;
	return x->number < y->number ? 1 : -1;
}

/* 1: opened; 0: it is not there any more. */
static int open_part(int dir_fd, const char *name, struct part *part, scow_error **error)
{
	struct stat st;

	part->fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (part->fd < 0)
		return errno == ENOENT ? 0 : error_errno(error, errno, "open", "open '%s'", name);
	if (fstat(part->fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(part->fd);
		return error_set(error, SCOW_E_CORRUPT, "'%s' is not a file", name);
	}
	part->dev = st.st_dev;
	part->ino = part->packed ? log_packed_inode(part->fd) : 0;
	if (!part->ino)
		part->ino = st.st_ino;
	part->size = st.st_size;
	return 1;
}

/* What is compressed is there twice for a moment: the one that it was made of, which comes first, will do. */
static void drop_twins(struct parts *parts)
{
	size_t kept = 0;

	for (size_t i = 0; i < parts->count; i++) {
		if (kept && parts->items[i].packed && parts->items[kept - 1].number == parts->items[i].number)
			cleanup_fd(&parts->items[i].fd);
		else
			parts->items[kept++] = parts->items[i];
	}
	parts->count = kept;
}

static int scan_once(int dir_fd, struct parts *out, scow_error **error)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
	_cleanup_dir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	struct part part;

	if (!dir) {
		r = errno;
		cleanup_fd(&fd);
		/* It was removed. */
		return r == ENOENT ? 0 : error_errno(error, r, "opendir", "look for the files of a log");
	}
	while ((entry = readdir(dir))) {
		struct part *grown;

		if (!parse_name(entry->d_name, &part))
			continue;
		r = open_part(dir_fd, entry->d_name, &part, error);
		if (r < 0)
			return r;
		if (r == 0)
			continue;
		grown = realloc(out->items, (out->count + 1) * sizeof(*grown));
		if (!grown) {
			close(part.fd);
			return error_oom(error);
		}
		out->items = grown;
		out->items[out->count++] = part;
	}
	if (out->count)
		qsort(out->items, out->count, sizeof(*out->items), oldest_first);
	drop_twins(out);
	return 0;
}

static bool same_parts(const struct parts *a, const struct parts *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (a->items[i].number != b->items[i].number || a->items[i].ino != b->items[i].ino || a->items[i].dev != b->items[i].dev)
			return false;
	return true;
}

/* Twice the same: then nothing was being renamed while we looked. */
int parts_scan(int dir_fd, struct parts *out, scow_error **error)
{
	int r = scan_once(dir_fd, out, error);

	for (unsigned int i = 0; r == 0 && i < SCANS_MAX; i++) {
		_cleanup_parts_ struct parts before = *out;

		*out = (struct parts){ 0 };
		r = scan_once(dir_fd, out, error);
		if (r == 0 && same_parts(&before, out))
			return 0;
	}
	parts_done(out);
	return r < 0 ? r : 1;
}

void parts_drop(struct parts *parts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		cleanup_fd(&parts->items[i].fd);
	parts->count -= count;
	if (count)
		memmove(parts->items, parts->items + count, parts->count * sizeof(*parts->items));
}

int parts_follow(int dir_fd, struct parts *parts, scow_error **error)
{
	_cleanup_parts_ struct parts found = { 0 };
	const struct part *known = &parts->items[parts->count - 1];
	struct part *grown;
	size_t first = 0;
	int r = parts_scan(dir_fd, &found, error);

	if (r != 0)
		return r;
	for (size_t i = 0; i < found.count; i++)
		if (found.items[i].ino == known->ino && found.items[i].dev == known->dev)
			first = i + 1;
	parts_drop(&found, first);
	grown = realloc(parts->items, (parts->count + found.count) * sizeof(*grown));
	if (!grown)
		return error_oom(error);
	parts->items = grown;
	if (found.count)
		memcpy(grown + parts->count, found.items, found.count * sizeof(*grown));
	parts->count += found.count;
	found.count = 0;
	return 0;
}

int part_unpack(scow_engine *engine, struct part *part, scow_error **error)
{
	struct stat st;
	int fd;

	if (!part->packed)
		return 0;
	fd = log_unpack(engine, part->fd, error);
	if (fd < 0)
		return fd;
	close(part->fd);
	part->fd = fd;
	part->packed = false;
	part->size = fstat(fd, &st) == 0 ? st.st_size : 0;
	return 0;
}
