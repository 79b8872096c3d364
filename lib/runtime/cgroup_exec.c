/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The cgroup of a program that joins a running container: a child of the container's, so that the container's limits, its pause and
 * its end reach it. See exec.h for where it has a directory of its own.
 *
 * What a program leaves running when it ends is moved up before its cgroup goes: to Docker it is the container's from then on.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/str.h"
#include "runtime/cgroup-internal.h"
#include "runtime/exec.h"

#define MOVE_ROUNDS 100

/* Of the container's directories: those in which the program has one of its own. */
static unsigned int needed_controllers(const struct cgroup *container, const struct spec_resources *limits)
{
	/* To kill it, and to tell what it used. */
	unsigned int needed = (container->dir_of[CG_FREEZER] >= 0 ? CG_BIT(CG_FREEZER) : CG_BIT(CG_PIDS)) | CG_BIT(CG_CPUACCT);

	if (limits->has_pids_max)
		needed |= CG_BIT(CG_PIDS);
	if (limits->memory_bytes)
		needed |= CG_BIT(CG_MEMORY);
	return needed;
}

static bool dir_has(const struct cgroup *cgroup, size_t index, unsigned int controllers)
{
	for (size_t c = 0; c < CG_COUNT; c++)
		if (cgroup->dir_of[c] == (int) index && (controllers & CG_BIT(c)))
			return true;
	return false;
}

static int take_dir(struct cgroup *cgroup, const struct cgroup *container, size_t index, scow_error **error)
{
	struct cgroup_dir *dir = &cgroup->dirs[cgroup->n_dirs];

	*dir = container->dirs[index];
	if (dir->open_fd >= 0) {
		dir->open_fd = fcntl(dir->open_fd, F_DUPFD_CLOEXEC, 3);
		if (dir->open_fd < 0)
			return error_errno(error, errno, "fcntl", "open cgroup '%s'", container->path);
		dir->at_fd = dir->open_fd;
	}
	for (size_t c = 0; c < CG_COUNT; c++)
		if (container->dir_of[c] == (int) index)
			cgroup->dir_of[c] = (int) cgroup->n_dirs;
	cgroup->n_dirs++;
	return 0;
}

/* "a/b/file" into @path; @name may be NULL. */
static const char *path_in(char path[PATH_MAX], const struct cgroup *cgroup, const char *name, const char *file)
{
	int n = snprintf(path, PATH_MAX, "%s%s%s/%s", cgroup->path, name ? "/" : "", name ? name : "", file);

	return n < PATH_MAX ? path : "";
}

/* ---- v1 ---- */

/* A tasks file for each hierarchy: its own where it has a directory, the container's in the others. */
static int open_tasks(struct cgroup *cgroup, const struct cgroup *container, const bool *own, const char *name, scow_error **error)
{
	for (size_t i = 0; i < container->n_dirs; i++) {
		char path[PATH_MAX];
		int fd = openat(container->dirs[i].at_fd, path_in(path, container, own[i] ? name : NULL, "tasks"), O_WRONLY | O_CLOEXEC);

		/* A container that has not asked for a cpuset, or such, has none. */
		if (fd < 0 && errno == ENOENT && !own[i] && !dir_has(container, i, ~CG_ON_DEMAND))
			continue;
		if (fd < 0)
			return error_errno(error, errno, "open", "open '%s/%s'", container->dirs[i].hierarchy->mount, path);
		cgroup->join_fds[cgroup->n_join_fds++] = fd;
	}
	return 0;
}

static int make_v1(struct cgroup *cgroup, const struct cgroup *container, const char *name, const struct spec_resources *limits,
		   bool wants_own, scow_error **error)
{
	unsigned int needed = wants_own ? needed_controllers(container, limits) : 0;
	bool own[CG_COUNT] = { false };
	int r;

	for (size_t i = 0; i < container->n_dirs; i++) {
		if (!dir_has(container, i, needed))
			continue;
		if (mkdirat(container->dirs[i].at_fd, cgroup->path, 0755) < 0)
			return error_errno(error, errno, "mkdir", "make cgroup '%s' in '%s'", cgroup->path,
					   container->dirs[i].hierarchy->mount);
		own[i] = true;
		r = take_dir(cgroup, container, i, error);
		if (r == 0 && dir_has(container, i, CG_BIT(CG_CPUSET)))
			r = cgroup_v1_fill_cpuset(container->dirs[i].at_fd, cgroup->path);
		if (r < 0)
			return r;
	}
	r = cgroup_apply(cgroup, limits, true, error);
	return r < 0 ? r : open_tasks(cgroup, container, own, name, error);
}

/* ---- v2 ---- */

/* The processes in one cgroup go to another: how many there were, or -errno. */
static int move_all(int at_fd, const char *from, const char *to)
{
	_cleanup_free_ char *pids = NULL;
	char *save = NULL;
	int moved = 0, r = file_read_at(at_fd, from, 64u << 20, &pids, NULL);

	if (r < 0)
		return r;
	for (char *pid = strtok_r(pids, "\n", &save); pid; pid = strtok_r(NULL, "\n", &save), moved++) {
		r = file_write_at(at_fd, to, pid);
		if (r < 0 && r != -ESRCH)
			return r;
	}
	return moved;
}

/* 0, or -errno: a fork lands where its parent is, so each round leaves fewer behind. */
static int move_until_empty(int at_fd, const char *from, const char *to)
{
	int r = 1;

	for (int round = 0; round < MOVE_ROUNDS && r > 0; round++)
		r = move_all(at_fd, from, to);
	return r > 0 ? -EBUSY : r;
}

static int make_room(const struct cgroup *container)
{
	char dir[PATH_MAX], from[PATH_MAX], to[PATH_MAX];
	int at_fd = container->dirs[0].at_fd;

	if (mkdirat(at_fd, path_in(dir, container, NULL, CGROUP_MAIN), 0755) < 0 && errno != EEXIST)
		return -errno;
	return move_until_empty(at_fd, path_in(from, container, NULL, "cgroup.procs"), path_in(to, container, CGROUP_MAIN, "cgroup.procs"));
}

static bool is_handed_down(const struct cgroup *container, const char *controller)
{
	_cleanup_free_ char *text = NULL;
	char file[PATH_MAX];
	size_t size = strlen(controller);

	if (file_read_at(container->dirs[0].at_fd, path_in(file, container, NULL, "cgroup.subtree_control"), 4096, &text, NULL) < 0)
		return false;
	for (char *at = text; (at = strstr(at, controller)); at += size)
		if ((at == text || at[-1] == ' ') && strchr(" \n", at[size]))
			return true;
	return false;
}

/* Room first: with processes in it "+pids" alone would be taken, and make a threaded cgroup of it, whose children are of no use to us. */
static int hand_down(const struct cgroup *container, enum cgroup_controller controller, const char *enable, scow_error **error)
{
	char file[PATH_MAX];
	int r = 0;

	if (container->dir_of[controller] < 0)
		return cgroup_no_controller(container, controller, "a limit of its own", error);
	if (is_handed_down(container, enable + 1))
		return 0;
	path_in(file, container, NULL, "cgroup.subtree_control");
	for (int round = 0; round < 3 && (round == 0 || r == -EBUSY); round++) {
		r = make_room(container);
		r = r < 0 ? r : file_write_at(container->dirs[0].at_fd, file, enable);
	}
	return r < 0 ? error_errno(error, -r, "write", "give children of cgroup '%s' the %s controller", container->path, enable + 1) : 0;
}

static int make_v2(struct cgroup *cgroup, const struct cgroup *container, const struct spec_resources *limits, scow_error **error)
{
	int r = limits->has_pids_max ? hand_down(container, CG_PIDS, "+pids", error) : 0;

	if (r == 0 && limits->memory_bytes)
		r = hand_down(container, CG_MEMORY, "+memory", error);
	if (r < 0)
		return r;
	if (mkdirat(container->dirs[0].at_fd, cgroup->path, 0755) < 0)
		return error_errno(error, errno, "mkdir", "make cgroup '%s'", cgroup->path);
	r = take_dir(cgroup, container, 0, error);
	if (r < 0)
		return r;
	cgroup->into_fd = openat(cgroup->dirs[0].at_fd, cgroup->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cgroup->into_fd < 0)
		return error_errno(error, errno, "open", "open cgroup '%s'", cgroup->path);
	return cgroup_apply(cgroup, limits, true, error);
}

/* ---- both ---- */

static int make(struct cgroup *cgroup, const struct cgroup *container, const char *name, bool own, const struct spec_resources *limits,
		scow_error **error)
{
	if (!container->n_dirs) {
		if (limits->has_pids_max || limits->memory_bytes)
			return cgroup_no_controller(container, limits->has_pids_max ? CG_PIDS : CG_MEMORY, "a limit of its own", error);
		return 0;
	}
	if (container->base->mode == CGROUP_V2)
		return make_v2(cgroup, container, limits, error);
	return make_v1(cgroup, container, name, limits, own, error);
}

int cgroup_create_exec(struct cgroup *container, const char *name, bool own, const struct spec_resources *limits, struct cgroup **out,
		       scow_error **error)
{
	_cleanup_(cgroup_freep) struct cgroup *cgroup = calloc(1, sizeof(*cgroup));
	int r;

	if (!cgroup)
		return error_oom(error);
	cgroup->base = container->base;
	cgroup->into_fd = -1;
	for (size_t c = 0; c < CG_COUNT; c++)
		cgroup->dir_of[c] = -1;
	cgroup->path = strf("%s/%s", container->path, name);
	if (!cgroup->path)
		return error_oom(error);
	r = make(cgroup, container, name, own, limits, error);
	if (r < 0) {
		cgroup_close_join_fds(cgroup);
		(void) cgroup_remove(cgroup, NULL);
		return error_at(error, r, "make cgroup", name);
	}
	*out = take_ptr(&cgroup);
	return 0;
}

/* What is still in it goes to the container's cgroup, which is above it, or beside it as "main". */
static void move_up(const struct cgroup *cgroup, const struct cgroup_dir *dir)
{
	char from[PATH_MAX], to[PATH_MAX];
	int above = (int) (strrchr(cgroup->path, '/') - cgroup->path);

	path_in(from, cgroup, NULL, "cgroup.procs");
	snprintf(to, sizeof(to), "%.*s/cgroup.procs", above, cgroup->path);
	if (move_until_empty(dir->at_fd, from, to) == 0 || cgroup->base->mode != CGROUP_V2)
		return;
	snprintf(to, sizeof(to), "%.*s/" CGROUP_MAIN "/cgroup.procs", above, cgroup->path);
	(void) move_until_empty(dir->at_fd, from, to);
}

int cgroup_dissolve(struct cgroup *cgroup, scow_error **error)
{
	bool left = false;

	for (size_t i = 0; i < cgroup->n_dirs; i++) {
		const struct cgroup_dir *dir = &cgroup->dirs[i];

		if (unlinkat(dir->at_fd, cgroup->path, AT_REMOVEDIR) == 0 || errno == ENOENT)
			continue;
		move_up(cgroup, dir);
		left = true;
	}
	return left ? cgroup_remove(cgroup, error) : 0;
}

int cgroup_tree_fd(const struct cgroup *cgroup, bool *lists)
{
	char path[PATH_MAX];
	int fd = -1;

	*lists = cgroup->base->mode != CGROUP_V2;
	if (!cgroup->n_dirs)
		return -1;
	if (!*lists)
		fd = openat(cgroup->dirs[0].at_fd, path_in(path, cgroup, NULL, "cgroup.kill"), O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	*lists = true; /* or before Linux 5.14 */
	return openat(cgroup->dirs[0].at_fd, path_in(path, cgroup, NULL, "cgroup.procs"), O_RDONLY | O_CLOEXEC);
}

bool cgroup_is_nothing(const struct cgroup *cgroup)
{
	return !cgroup->n_dirs;
}
