/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The manifest of a tree. Times of directories are not in it: they say when something was made there, and nothing is lost with them. Of
 * overlayfs's own attributes only the opaque mark counts; the others are what a copy-up left behind, and differ from time to time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "archive/unpack.h"
#include "base/checksum.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/fd.h"
#include "base/str.h"
#include "system/check.h"

#define DEPTH_MAX 256
#define CHUNK (256u << 10)
#define NAMES_MAX (64u << 10)

struct walk {
	struct str *out;
	struct str path;
	struct digest_ctx *digest;
	char *buffer; /* CHUNK */
	uint64_t sums;
	bool unread;
	struct linked {
		ino_t ino;
		uint64_t sum;
	} * linked; /* of files with several names, once for each */
	size_t n_linked;
};

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Sorted, malloc'ed, NULL-terminated. */
static int read_names(int dir_fd, char ***out, size_t *count)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_dir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	char **names = NULL;
	size_t n = 0;

	if (!dir) {
		int saved = errno;

		if (fd >= 0)
			close(fd);
		return -saved;
	}
	while ((errno = 0, entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (!strv_push(&names, &n, strdup(entry->d_name))) {
			errno = ENOMEM;
			break;
		}
	}
	if (errno) {
		int saved = errno;

		strv_free(names);
		return -saved;
	}
	if (n)
		qsort(names, n, sizeof(*names), compare);
	*out = names;
	*count = n;
	return 0;
}

static bool counts(const char *name)
{
	const char *rest = str_has_prefix(name, "trusted.overlay.") ? name + 16 : str_has_prefix(name, "user.overlay.") ? name + 13 : NULL;

	return (!rest || strcmp(rest, "opaque") == 0) && (!str_has_prefix(name, "security.") || strcmp(name, "security.capability") == 0);
}

/* Names in their order, then one digest of all. */
static int add_attributes(struct walk *walk, int dir_fd, const char *name)
{
	_cleanup_free_ char *list = NULL;
	char path[64 + NAME_MAX], digest[DIGEST_STRING];
	const char *sorted[256];
	size_t n = 0;
	ssize_t size;

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir_fd, name);
	size = llistxattr(path, walk->buffer, NAMES_MAX);
	if (size <= 0)
		return 0;
	list = malloc((size_t) size);
	if (!list)
		return -ENOMEM;
	memcpy(list, walk->buffer, (size_t) size);
	for (const char *p = list; p < list + size && n < ARRAY_SIZE(sorted); p += strlen(p) + 1)
		if (counts(p))
			sorted[n++] = p;
	if (!n)
		return 0;
	qsort(sorted, n, sizeof(*sorted), compare);
	for (size_t i = 0; i < n; i++) {
		size = lgetxattr(path, sorted[i], walk->buffer, CHUNK);
		digest_update(walk->digest, sorted[i], strlen(sorted[i]) + 1);
		digest_update(walk->digest, &size, sizeof(size));
		if (size > 0)
			digest_update(walk->digest, walk->buffer, (size_t) size);
	}
	digest_final(walk->digest, digest);
	str_printf(walk->out, " x%.16s", digest_hex(digest));
	return 0;
}

static int add_sum(struct walk *walk, const struct stat *st, uint64_t sum)
{
	struct linked *grown;

	if (!st->st_size)
		return 0;
	if (st->st_nlink == 1) {
		walk->sums += sum;
		return 0;
	}
	grown = realloc(walk->linked, (walk->n_linked + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	walk->linked = grown;
	grown[walk->n_linked++] = (struct linked){ st->st_ino, sum };
	return 0;
}

static int compare_linked(const void *a, const void *b)
{
	const struct linked *x = a, *y = b;

	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

/* A file counts once, however many names it has. */
static uint64_t all_sums(struct walk *walk)
{
	uint64_t sums = walk->sums;

	if (walk->n_linked)
		qsort(walk->linked, walk->n_linked, sizeof(*walk->linked), compare_linked);
	for (size_t i = 0; i < walk->n_linked; i++)
		if (!i || walk->linked[i].ino != walk->linked[i - 1].ino)
			sums += walk->linked[i].sum;
	return sums;
}

static int add_contents(struct walk *walk, int dir_fd, const char *name, const struct stat *st)
{
	_cleanup_fd_ int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char digest[DIGEST_STRING];
	struct checksum sum;
	ssize_t n;

	if (fd < 0 && errno == EACCES) {
		walk->unread = true;
		str_add(walk->out, " -");
		return 0;
	}
	if (fd < 0)
		return -errno;
	checksum_begin(&sum);
	while ((n = fd_read_full(fd, walk->buffer, CHUNK)) > 0) {
		digest_update(walk->digest, walk->buffer, (size_t) n);
		checksum_add(&sum, walk->buffer, (size_t) n);
	}
	digest_final(walk->digest, digest);
	str_printf(walk->out, " %s", digest_hex(digest));
	return n < 0 ? (int) n : add_sum(walk, st, checksum_end(&sum));
}

static int add_target(struct walk *walk, int dir_fd, const char *name)
{
	char printable[4 * 4096 + 8];
	ssize_t n = readlinkat(dir_fd, name, walk->buffer, CHUNK - 1);

	if (n < 0)
		return -errno;
	walk->buffer[n] = 0;
	str_printf(walk->out, " %s", name_printable(walk->buffer, printable, sizeof(printable)));
	return 0;
}

static int add_tree(struct walk *walk, int dir_fd, unsigned int depth);

static int add_directory(struct walk *walk, int dir_fd, const char *name, unsigned int depth)
{
	_cleanup_fd_ int fd = dir_open_at(dir_fd, name);

	if (fd == -EACCES) {
		walk->unread = true;
		return 0;
	}
	return fd < 0 ? fd : add_tree(walk, fd, depth + 1);
}

static int add_entry(struct walk *walk, int dir_fd, const char *name, unsigned int depth)
{
	char printable[4 * 4096 + 8];
	struct stat st;
	int r;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	str_printf(walk->out, "/%s\t%06o %u:%u", name_printable(walk->path.data, printable, sizeof(printable)), (unsigned int) st.st_mode,
		   (unsigned int) st.st_uid, (unsigned int) st.st_gid);
	if (S_ISREG(st.st_mode))
		str_printf(walk->out, " %lld %lld.%09ld l%lu", (long long) st.st_size, (long long) st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
			   (unsigned long) st.st_nlink);
	else if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		str_printf(walk->out, " %u:%u", major(st.st_rdev), minor(st.st_rdev));
	r = add_attributes(walk, dir_fd, name);
	if (r == 0 && S_ISREG(st.st_mode))
		r = add_contents(walk, dir_fd, name, &st);
	else if (r == 0 && S_ISLNK(st.st_mode))
		r = add_target(walk, dir_fd, name);
	str_add_char(walk->out, '\n');
	if (r == 0 && S_ISDIR(st.st_mode))
		r = add_directory(walk, dir_fd, name, depth);
	return r;
}

static int add_tree(struct walk *walk, int dir_fd, unsigned int depth)
{
	size_t size = walk->path.size, count = 0;
	char **names = NULL;
	int r = depth > DEPTH_MAX ? -ELOOP : read_names(dir_fd, &names, &count);

	for (size_t i = 0; i < count && r == 0; i++) {
		str_printf(&walk->path, "%s%s", size ? "/" : "", names[i]);
		r = walk->path.failed || walk->out->failed ? -ENOMEM : add_entry(walk, dir_fd, names[i], depth);
		walk->path.size = size;
		if (walk->path.data)
			walk->path.data[size] = 0;
	}
	strv_free(names);
	return r;
}

int tree_manifest(int dir_fd, struct str *out, uint64_t *sums, bool *known)
{
	struct walk walk = { .out = out, .buffer = malloc(CHUNK) };
	int r = !walk.buffer || digest_new(&walk.digest, NULL) < 0 ? -ENOMEM : add_tree(&walk, dir_fd, 0);

	*sums = all_sums(&walk);
	*known = !walk.unread;
	free(walk.linked);
	digest_free(walk.digest);
	free(walk.buffer);
	str_done(&walk.path);
	return r == 0 && out->failed ? -ENOMEM : r;
}
