/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Builds tar streams byte by byte, malformed ones included, and a directory to unpack them in. */
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/unpack.h"

struct tar {
	unsigned char *data;
	size_t size;
};

static inline void tar_bytes(struct tar *tar, const void *data, size_t size)
{
	size_t padded = (size + 511) / 512 * 512;

	tar->data = realloc(tar->data, tar->size + padded + 1);
	memset(tar->data + tar->size, 0, padded);
	if (size)
		memcpy(tar->data + tar->size, data, size);
	tar->size += padded;
}

struct tar_entry {
	const char *name;
	char type; /* '0' file, '1' hard link, '2' symlink, '3' char, '4' block, '5' directory, '6' fifo */
	unsigned int mode, uid, gid;
	long mtime;
	const char *link;
	const char *data;
	size_t size; /* 0: strlen(data) */
	unsigned int dev_major, dev_minor;
	const char *uname;
	const unsigned char *raw_size; /* 12 bytes in place of the size field */
};

/* Long names are cut: give them by tar_pax or tar_gnu_name. */
static inline void tar_add(struct tar *tar, const struct tar_entry *e)
{
	unsigned char block[512] = { 0 };
	size_t size = e->size ? e->size : e->data ? strlen(e->data) : 0;
	unsigned int sum = 0;

	memcpy(block, e->name, strnlen(e->name, 100));
	snprintf((char *) block + 100, 8, "%07o", e->mode);
	snprintf((char *) block + 108, 8, "%07o", e->uid);
	snprintf((char *) block + 116, 8, "%07o", e->gid);
	snprintf((char *) block + 124, 12, "%011lo", (unsigned long) size);
	if (e->raw_size)
		memcpy(block + 124, e->raw_size, 12);
	snprintf((char *) block + 136, 12, "%011lo", (unsigned long) e->mtime);
	memset(block + 148, ' ', 8);
	block[156] = (unsigned char) e->type;
	if (e->link)
		memcpy(block + 157, e->link, strnlen(e->link, 100));
	memcpy(block + 257, "ustar\00000", 8);
	if (e->uname)
		memcpy(block + 265, e->uname, strnlen(e->uname, 31));
	snprintf((char *) block + 329, 8, "%07o", e->dev_major);
	snprintf((char *) block + 337, 8, "%07o", e->dev_minor);
	for (int i = 0; i < 512; i++)
		sum += block[i];
	snprintf((char *) block + 148, 8, "%06o", sum);
	block[155] = ' ';
	tar_bytes(tar, block, 512);
	if (e->data)
		tar_bytes(tar, e->data, size);
}

#define TAR_ADD(tar, ...) tar_add(tar, &(struct tar_entry){ __VA_ARGS__ })

/* A pax header for the next entry: one record, or more when called in @records form "key=value", ..., NULL. */
static inline void tar_pax(struct tar *tar, ...)
{
	char *text = NULL;
	size_t size = 0;
	const char *record;
	va_list args;

	va_start(args, tar);
	while ((record = va_arg(args, const char *))) {
		size_t n = strlen(record) + 3, digits = 1, len;

		for (len = n; len >= 10; len /= 10)
			digits++;
		len = n - 1 + digits;
		if (snprintf(NULL, 0, "%zu", len) != (int) digits)
			len++;
		text = realloc(text, size + len + 1);
		size += (size_t) snprintf(text + size, len + 1, "%zu %s\n", len, record);
	}
	va_end(args);
	TAR_ADD(tar, .name = "PaxHeaders/x", .type = 'x', .mode = 0644, .data = text, .size = size);
	free(text);
}

static inline void tar_gnu_name(struct tar *tar, const char *name, char type)
{
	TAR_ADD(tar, .name = "././@LongLink", .type = type, .data = name, .size = strlen(name) + 1);
}

static inline void tar_file(struct tar *tar, const char *name, const char *data)
{
	TAR_ADD(tar, .name = name, .type = '0', .mode = 0644, .mtime = 1000000000, .data = data);
}

static inline void tar_dir(struct tar *tar, const char *name)
{
	TAR_ADD(tar, .name = name, .type = '5', .mode = 0755, .mtime = 1000000000);
}

static inline void tar_symlink(struct tar *tar, const char *name, const char *target)
{
	TAR_ADD(tar, .name = name, .type = '2', .mode = 0777, .mtime = 1000000000, .link = target);
}

static inline void tar_hard_link(struct tar *tar, const char *name, const char *target)
{
	TAR_ADD(tar, .name = name, .type = '1', .mode = 0644, .mtime = 1000000000, .link = target);
}

static inline void tar_end(struct tar *tar)
{
	static const unsigned char zeros[1024];

	tar_bytes(tar, zeros, sizeof(zeros));
}

/* Gives the stream in steps, so that every boundary is crossed. */
struct tar_reader {
	const struct tar *tar;
	size_t offset, step;
};

static inline ssize_t tar_read(void *userdata, const void **data, scow_error **error)
{
	struct tar_reader *reader = userdata;
	size_t n = reader->tar->size - reader->offset;

	(void) error;
	if (n > reader->step)
		n = reader->step;
	*data = reader->tar->data + reader->offset;
	reader->offset += n;
	return (ssize_t) n;
}

static inline void fake_engine(struct scow_engine *engine)
{
	memset(engine, 0, sizeof(*engine));
	engine->pid = getpid();
	engine->facts.uid = geteuid();
	engine->facts.gid = getegid();
	engine->facts.rootless = geteuid() != 0;
	engine->root_fd = engine->layers_fd = engine->blobs_fd = engine->containers_fd = engine->tmp_fd = -1;
	engine->helper_fd = engine->guard_fd = engine->owner_fd = -1;
	pthread_mutex_init(&engine->lock, NULL);
}

static inline int tree_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void) st;
	(void) type;
	(void) ftw;
	return remove(path);
}

static inline void tree_remove(const char *path)
{
	nftw(path, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
