/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What containers take on the disk: the sizes of the files that each wrote, by a walk of its upper directory, and of the layers
 * below, by their rows. A file with several links counts once.
 *
 * Another user's container of a store shared by mapped ids may have directories that this one may not read.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "container/size.h"

#define DEPTH_MAX 200 /* descriptors: what is deeper counts for nothing */

struct walk {
	double bytes; /* a file's share in each of its links */
	int failure;  /* the first errno */
};

static void add_tree(int dir_fd, const char *name, unsigned int depth, struct walk *walk);

static void add_entry(int dir_fd, const struct dirent *entry, unsigned int depth, struct walk *walk)
{
	struct stat st;

	if (fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT && !walk->failure)
			walk->failure = errno;
		return;
	}
	if (S_ISDIR(st.st_mode))
		add_tree(dir_fd, entry->d_name, depth + 1, walk);
	else if (S_ISREG(st.st_mode))
		walk->bytes += (double) st.st_size / (double) (st.st_nlink ? st.st_nlink : 1);
}

static void add_tree(int dir_fd, const char *name, unsigned int depth, struct walk *walk)
{
	_cleanup_dir_ DIR *dir = NULL;
	struct dirent *entry;
	int fd = depth < DEPTH_MAX ? dir_open_at(dir_fd, name) : -ENOENT;

	if (fd >= 0)
		dir = fdopendir(fd);
	if (!dir) {
		if (fd >= 0)
			close(fd);
		else if (fd != -ENOENT && !walk->failure)
			walk->failure = -fd;
		return;
	}
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' || (entry->d_name[1] && (entry->d_name[1] != '.' || entry->d_name[2])))
			add_entry(fd, entry, depth, walk);
}

int tree_bytes(int dir_fd, uint64_t *bytes)
{
	struct walk walk = { .bytes = 0 };

	add_tree(dir_fd, ".", 0, &walk);
	*bytes = (uint64_t) (walk.bytes + 0.5);
	return -walk.failure;
}

int container_written(scow_engine *engine, const char *id, uint64_t *bytes, scow_error **error)
{
	struct walk walk = { .bytes = 0 };
	char path[80];

	snprintf(path, sizeof(path), "%s/diff", id);
	add_tree(engine->containers_fd, path, 0, &walk);
	*bytes = (uint64_t) (walk.bytes + 0.5);
	return walk.failure ? error_errno(error, walk.failure, "open", "measure what container '%.12s' wrote", id) : 0;
}

int container_image_size(struct db_work *work, const char *top_layer, uint64_t *bytes, scow_error **error)
{
	sqlite3_stmt *s;
	int r = db_query(work, &s, error,
			 "WITH RECURSIVE below(id) AS (SELECT ? UNION ALL SELECT parent FROM layers JOIN below ON chain_id = id "
			 "WHERE parent IS NOT NULL) SELECT coalesce(sum(size), 0) FROM layers JOIN below ON chain_id = id",
			 "t", top_layer);

	if (r < 0)
		return r;
	*bytes = r ? (uint64_t) db_int(s, 0) : 0;
	return 0;
}

int scow_container_size(scow_container *container, uint64_t *written, uint64_t *total, scow_error **error)
{
	uint64_t own = 0, below = 0;
	struct container_row row;
	int r = container_check(container, error);

	if (r == 0)
		r = container_row_read(container->engine, container->id, &row, error);
	if (r == 0)
		r = container_written(container->engine, container->id, &own, error);
	if (r == 0 && total) {
		_cleanup_db_ struct db_work work = { 0 };

		db_lock(container->engine->db, &work);
		r = container_image_size(&work, container->top_layer, &below, error);
	}
	if (r < 0)
		return r;
	if (written)
		*written = own;
	if (total)
		*total = own + below;
	return 0;
}
