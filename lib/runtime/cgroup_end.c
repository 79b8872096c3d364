/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The end of a cgroup: every process in it is killed, also those that left the container's first process and those in
 * cgroups that the container made inside its own; then the directories go, with the parents that were made for them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/cancel.h"
#include "base/fd.h"
#include "base/str.h"
#include "runtime/cgroup-internal.h"

#define REMOVE_WAIT_MS 1000
#define KILL_WAIT_MS 5000
#define DEPTH_MAX 64

typedef void (*visit_fn)(int dir_fd, const char *name, void *data);

/* Children first. @visit gets each cgroup as a name in its parent. */
static void walk(int dir_fd, const char *name, unsigned int depth, visit_fn visit, void *data)
{
	_cleanup_dir_ DIR *dir = NULL;
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct dirent *entry;

	if (fd < 0)
		return;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return;
	}
	while (depth < DEPTH_MAX && (entry = readdir(dir)))
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			walk(fd, entry->d_name, depth + 1, visit, data);
	visit(dir_fd, name, data);
}

static void visit_rmdir(int dir_fd, const char *name, void *data)
{
	(void) data;
	(void) unlinkat(dir_fd, name, AT_REMOVEDIR);
}

void cgroup_remove_tree(int at_fd, const char *path)
{
	walk(at_fd, path, 0, visit_rmdir, NULL);
}

struct signal_walk {
	int signal;
	size_t seen;
};

static void visit_signal(int dir_fd, const char *name, void *data)
{
	struct signal_walk *signal_walk = data;
	_cleanup_free_ char *text = NULL, *path = strf("%s/cgroup.procs", name);

	if (!path || file_read_at(dir_fd, path, 64u << 20, &text, NULL) < 0)
		return;
	for (char *at = text; *at;) {
		long pid = strtol(at, &at, 10);

		/* 0: a process of a pid namespace that we cannot see. */
		if (pid > 0)
			(void) kill((pid_t) pid, signal_walk->signal);
		signal_walk->seen++;
		at += *at == '\n';
	}
}

struct pid_walk {
	pid_t *pids;
	size_t count, room;
	bool failed;
};

static void visit_list(int dir_fd, const char *name, void *data)
{
	struct pid_walk *pid_walk = data;
	_cleanup_free_ char *text = NULL, *path = strf("%s/cgroup.procs", name);

	if (!path || file_read_at(dir_fd, path, 64u << 20, &text, NULL) < 0)
		return;
	for (char *at = text; *at; at += *at == '\n') {
		long pid = strtol(at, &at, 10);

		if (pid_walk->count == pid_walk->room) {
			size_t room = pid_walk->room ? pid_walk->room * 2 : 32;
			pid_t *grown = realloc(pid_walk->pids, room * sizeof(*grown));

			pid_walk->failed = pid_walk->failed || !grown;
			if (!grown)
				return;
			pid_walk->pids = grown;
			pid_walk->room = room;
		}
		if (pid > 0) /* 0: a process of a pid namespace that we cannot see */
			pid_walk->pids[pid_walk->count++] = (pid_t) pid;
	}
}

static int compare_pids(const void *a, const void *b)
{
	pid_t left = *(const pid_t *) a, right = *(const pid_t *) b;

	return left < right ? -1 : left > right;
}

int cgroup_pids(struct cgroup *cgroup, pid_t **out, size_t *count, scow_error **error)
{
	struct pid_walk pid_walk = { .pids = NULL };

	*out = NULL;
	*count = 0;
	if (!cgroup->n_dirs)
		return 0;
	walk(cgroup->dirs[cgroup->dir_of[CG_FREEZER] >= 0 ? cgroup->dir_of[CG_FREEZER] : 0].at_fd, cgroup->path, 0, visit_list, &pid_walk);
	if (pid_walk.failed) {
		free(pid_walk.pids);
		return error_oom(error);
	}
	if (pid_walk.count)
		qsort(pid_walk.pids, pid_walk.count, sizeof(*pid_walk.pids), compare_pids);
	*out = pid_walk.pids;
	*count = pid_walk.count;
	return 0;
}

/*
 * Without cgroup.kill: a fork bomb would outrun a loop of kills, so it is frozen first. What is frozen dies only when thawed (v1),
 * and what a thawed parent forked meanwhile is caught by the next turn.
 */
static int kill_by_pid(struct cgroup *cgroup, scow_error **error)
{
	int index = cgroup->dir_of[CG_FREEZER] >= 0 ? cgroup->dir_of[CG_FREEZER] : 0;
	const struct cgroup_dir *dir = &cgroup->dirs[index];
	uint64_t deadline = clock_us() + KILL_WAIT_MS * UINT64_C(1000);

	for (unsigned int pause = 1;; pause = pause < 32 ? pause * 2 : pause) {
		struct signal_walk signal_walk = { .signal = SIGKILL };

		walk(dir->at_fd, cgroup->path, 0, visit_signal, &signal_walk);
		if (!signal_walk.seen)
			return 0;
		if (clock_us() >= deadline)
			return error_set(error, SCOW_E_TIMEOUT, "cgroup '%s' still has %zu processes after %d ms of killing", cgroup->path,
					 signal_walk.seen, KILL_WAIT_MS);
		if (cgroup->dir_of[CG_FREEZER] >= 0 && cgroup_freeze(cgroup, true, NULL) == 0)
			walk(dir->at_fd, cgroup->path, 0, visit_signal, &signal_walk);
		if (cgroup->dir_of[CG_FREEZER] >= 0)
			(void) cgroup_freeze(cgroup, false, NULL);
		cgroup_sleep_ms(pause);
	}
}

int cgroup_kill(struct cgroup *cgroup, scow_error **error)
{
	int r;

	if (!cgroup->n_dirs)
		return 0;
	if (cgroup->base->mode != CGROUP_V2 || cgroup_try_set(cgroup, CG_FREEZER, "cgroup.kill", "1") == -ENOENT) /* before 5.14, or gone */
		return kill_by_pid(cgroup, error);
	r = cgroup_await(cgroup, CG_FREEZER, "cgroup.events", "populated 0", KILL_WAIT_MS);
	return r == -ETIMEDOUT ? error_set(error, SCOW_E_TIMEOUT, "cgroup '%s' still has processes %d ms after the kill", cgroup->path,
					   KILL_WAIT_MS)
			       : 0;
}

static bool is_marked(int at_fd, const char *path)
{
	_cleanup_fd_ int fd = openat(at_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char value[2];

	return fd >= 0 && (fgetxattr(fd, CG_MARK, value, sizeof(value)) > 0 || fgetxattr(fd, CG_MARK_USER, value, sizeof(value)) > 0);
}

/* Parents that were made for a container go when the last one below them goes. */
static void remove_parents(const struct cgroup *cgroup, const struct cgroup_dir *dir)
{
	_cleanup_free_ char *prefix = strdup(cgroup->path);
	char *slash;

	while (prefix && (slash = strrchr(prefix, '/'))) {
		*slash = 0;
		if (!is_marked(dir->at_fd, prefix) || unlinkat(dir->at_fd, prefix, AT_REMOVEDIR) < 0)
			return;
	}
}

/* 0 or -errno. */
static int remove_dir(const struct cgroup *cgroup, const struct cgroup_dir *dir, uint64_t deadline)
{
	for (unsigned int pause = 1;; pause = pause < 32 ? pause * 2 : pause) {
		if (unlinkat(dir->at_fd, cgroup->path, AT_REMOVEDIR) == 0 || errno == ENOENT)
			break;
		if (errno != EBUSY)
			return -errno;
		/* Cgroups that the container made inside, or a process that is not quite gone. */
		cgroup_remove_tree(dir->at_fd, cgroup->path);
		if (faccessat(dir->at_fd, cgroup->path, F_OK, 0) < 0 && errno == ENOENT)
			break;
		if (clock_us() >= deadline)
			return -EBUSY;
		cgroup_sleep_ms(pause);
	}
	if (cgroup->named_parent)
		remove_parents(cgroup, dir);
	return 0;
}

/* Made without a cpuset of its own, it may have been given one since (cgroup_update.c), by a process other than this. */
static int remove_late(const struct cgroup *cgroup, uint64_t deadline)
{
	const struct cgroup_base *base = cgroup->base;
	int result = 0;

	if (base->mode == CGROUP_V2 || !cgroup->n_dirs || cgroup->dir_of[CG_CPUSET] >= 0)
		return 0;
	for (size_t i = 0; i < base->n_hierarchies && result == 0; i++) {
		const struct cgroup_hierarchy *hierarchy = &base->hierarchies[i];
		struct cgroup_dir dir = {
			.hierarchy = hierarchy,
			.at_fd = cgroup->named_parent ? hierarchy->root_fd : hierarchy->own_fd,
			.open_fd = -1,
		};

		if (hierarchy->controllers == CG_BIT(CG_CPUSET))
			result = remove_dir(cgroup, &dir, deadline);
	}
	return result;
}

int cgroup_remove(struct cgroup *cgroup, scow_error **error)
{
	uint64_t deadline = clock_us() + REMOVE_WAIT_MS * UINT64_C(1000);
	int result = 0;

	for (size_t i = 0; i < cgroup->n_dirs; i++) {
		int r = remove_dir(cgroup, &cgroup->dirs[i], deadline);

		if (r < 0 && result == 0)
			result = error_errno(error, -r, "rmdir", "remove cgroup '%s' in '%s'", cgroup->path,
					     cgroup->dirs[i].hierarchy->mount);
	}
	if (remove_late(cgroup, deadline) < 0 && result == 0)
		result = error_set(error, SCOW_E_BUSY, "remove cgroup '%s' of the cpuset controller", cgroup->path);
	return result;
}
