/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A container's cgroup, whichever kind the host has: makes the directories and hands out what the spawn needs.
 * Limits and figures are the drivers' (cgroup_v1.c, cgroup_v2.c); its end is in cgroup_end.c.
 *
 * Invariants:
 * 1. Either every directory and every limit of a cgroup is there, or cgroup_create() fails and leaves none.
 * 2. Nothing here follows a name out of the cgroup file systems: container and parent names are plain components.
 */
#include "runtime/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>

#include "base/cancel.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "runtime/cgroup-internal.h"

void cgroup_sleep_ms(unsigned int ms)
{
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = (long) (ms % 1000) * 1000000 };

	nanosleep(&time, NULL);
}

/* ---- files ---- */

static bool file_path(const struct cgroup *cgroup, const char *file, char buf[PATH_MAX])
{
	return (size_t) snprintf(buf, PATH_MAX, "%s/%s", cgroup->path, file) < PATH_MAX;
}

static int controller_fd(const struct cgroup *cgroup, enum cgroup_controller controller)
{
	int index = cgroup->dir_of[controller];

	return index < 0 ? -1 : cgroup->dirs[index].at_fd;
}

int cgroup_try_set(struct cgroup *cgroup, enum cgroup_controller controller, const char *file, const char *value)
{
	int fd = controller_fd(cgroup, controller);
	char path[PATH_MAX];

	if (fd < 0)
		return -ENODEV;
	return file_path(cgroup, file, path) ? file_write_at(fd, path, value) : -ENAMETOOLONG;
}

bool cgroup_has_file(const struct cgroup *cgroup, enum cgroup_controller controller, const char *file)
{
	int fd = controller_fd(cgroup, controller);
	char path[PATH_MAX];

	return fd >= 0 && file_path(cgroup, file, path) && faccessat(fd, path, F_OK, 0) == 0;
}

int cgroup_no_controller(const struct cgroup *cgroup, enum cgroup_controller controller, const char *what, scow_error **error)
{
	const struct cgroup_base *base = cgroup->base;
	const char *name = cgroup_controller_name(base->mode, controller), *why = base->missing[controller];
	int r;

	if (cgroup->enable_errno[controller] && !why)
		r = error_errno_status(error, SCOW_E_UNSUPPORTED, cgroup->enable_errno[controller], "write",
				       "set %s: enable the %s controller for cgroup '%s'", what, name, cgroup->path);
	else
		r = error_set(error, SCOW_E_UNSUPPORTED, "set %s: the cgroup controller %s cannot be used: %s", what, name,
			      base->reason ? base->reason
			      : why        ? why
					   : "it is not available here");
	if (base->rootless)
		error_hint(error, r, "%s",
			   base->mode == CGROUP_V2
				   ? "let systemd delegate it (Delegate=yes for user@.service), or run without this limit"
				   : "a plain user needs cgroup v2 with delegation for limits; run as root, or without this limit");
	return r;
}

/* Which status a refused write is: the kernel lacks the file, forbids it, or does not take the value. */
static scow_status write_status(int errnum)
{
	if (errnum == ENOENT || errnum == EOPNOTSUPP)
		return SCOW_E_UNSUPPORTED;
	return errnum == EACCES || errnum == EPERM || errnum == EROFS ? SCOW_E_DENIED : SCOW_E_INVALID;
}

int cgroup_set(struct cgroup *cgroup, enum cgroup_controller controller, const char *file, const char *value, scow_error **error)
{
	int r;

	if (controller_fd(cgroup, controller) < 0)
		return cgroup_no_controller(cgroup, controller, file, error);
	r = cgroup_try_set(cgroup, controller, file, value);
	return r == 0 ? 0
		      : error_errno_status(error, write_status(-r), -r, "write", "write '%s' to %s of cgroup '%s' (controller %s)", value,
					   file, cgroup->path, cgroup_controller_name(cgroup->base->mode, controller));
}

int cgroup_set_u64(struct cgroup *cgroup, enum cgroup_controller controller, const char *file, uint64_t value, scow_error **error)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	return cgroup_set(cgroup, controller, file, text, error);
}

bool cgroup_read_text(const struct cgroup *cgroup, enum cgroup_controller controller, const char *file, char *buf, size_t size)
{
	int at_fd = controller_fd(cgroup, controller);
	_cleanup_fd_ int fd = -1;
	char path[PATH_MAX];
	ssize_t n;

	if (at_fd < 0 || !file_path(cgroup, file, path))
		return false;
	fd = openat(at_fd, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, buf, size - 1); /* one read: the kernel makes the whole text at the first */
	if (n < 0)
		return false;
	buf[n] = 0;
	return true;
}

uint64_t cgroup_read_u64(const struct cgroup *cgroup, enum cgroup_controller controller, const char *file)
{
	char text[64];

	return cgroup_read_text(cgroup, controller, file, text, sizeof(text)) ? strtoull(text, NULL, 10) : 0;
}

uint64_t cgroup_find_u64(const char *text, const char *key)
{
	size_t size = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, size) == 0 && line[size] == ' ')
			return strtoull(line + size, NULL, 10);
		if (!*line)
			break;
	}
	return 0;
}

int cgroup_await(const struct cgroup *cgroup, enum cgroup_controller controller, const char *file, const char *text, unsigned int wait_ms)
{
	uint64_t deadline = clock_us() + wait_ms * UINT64_C(1000);
	char now[256];

	for (unsigned int pause = 1;; pause = pause < 16 ? pause * 2 : pause) {
		if (!cgroup_read_text(cgroup, controller, file, now, sizeof(now)))
			return -ENOENT;
		if (strstr(now, text))
			return 0;
		if (clock_us() >= deadline)
			return -ETIMEDOUT;
		cgroup_sleep_ms(pause);
	}
}

/* ---- arithmetic ---- */

int cgroup_swap_total(const struct spec_resources *resources, int64_t *total, bool *is_explicit, scow_error **error)
{
	int64_t asked = resources->has_memory_swap ? resources->memory_swap_bytes : 0;

	*is_explicit = asked > 0;
	*total = asked < 0 ? -1 : asked;
	if (asked > 0 && !resources->memory_bytes)
		return error_set(error, SCOW_E_INVALID, "a memory and swap limit of %" PRId64 " bytes needs a memory limit too", asked);
	if (asked > 0 && (uint64_t) asked < resources->memory_bytes)
		return error_set(error, SCOW_E_INVALID,
				 "the memory and swap limit of %" PRId64 " bytes is below the memory limit of %" PRIu64 " bytes", asked,
				 resources->memory_bytes);
	if (asked == 0 && resources->memory_bytes)
		*total = resources->memory_bytes > INT64_MAX / 2 ? -1 : (int64_t) resources->memory_bytes * 2;
	return 0;
}

/* runtime-spec's conversion since 2024: 1024 shares are weight 100, and both ends keep their meaning. */
unsigned int cgroup_weight_of_shares(uint64_t shares)
{
	double l, weight;

	if (shares <= 2)
		return 1;
	if (shares >= 262144)
		return 10000;
	l = log2((double) shares);
	weight = pow(10, (l * l + 125 * l) / 612.0 - 7.0 / 34.0);
	return (unsigned int) ceil(weight - 1e-9);
}

/* ---- making ---- */

static void mark_parent(int at_fd, const char *path)
{
	_cleanup_fd_ int fd = openat(at_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* Without a mark it is only not removed later. */
	if (fd >= 0 && fsetxattr(fd, CG_MARK, "1", 1, 0) < 0)
		(void) fsetxattr(fd, CG_MARK_USER, "1", 1, 0);
}

/* One level of a path. 0 made, 1 was there, -errno. */
int cgroup_make_level(const struct cgroup_dir *dir, const char *path)
{
	if (mkdirat(dir->at_fd, path, 0755) < 0)
		return errno == EEXIST ? 1 : -errno;
	return dir->hierarchy->controllers & CG_BIT(CG_CPUSET) ? cgroup_v1_fill_cpuset(dir->at_fd, path) : 0;
}

static int make_parents(const struct cgroup_dir *dir, const char *path)
{
	_cleanup_free_ char *prefix = strdup(path);

	if (!prefix)
		return -ENOMEM;
	for (char *slash = strchr(prefix, '/'); slash; slash = strchr(slash + 1, '/')) {
		int r;

		*slash = 0;
		r = cgroup_make_level(dir, prefix);
		if (r < 0)
			return r;
		if (r == 0)
			mark_parent(dir->at_fd, prefix);
		*slash = '/';
	}
	return 0;
}

static int make_dir(struct cgroup *cgroup, const struct cgroup_dir *dir, scow_error **error)
{
	int r = -ENOENT;

	/* A parent may be removed by whoever emptied it, between our making it and using it. */
	for (int attempt = 0; attempt < 5 && r == -ENOENT; attempt++) {
		r = cgroup->named_parent ? make_parents(dir, cgroup->path) : 0;
		if (r == 0)
			r = cgroup_make_level(dir, cgroup->path);
		if (r == 1) { /* left by a crash, if it is empty */
			cgroup_remove_tree(dir->at_fd, cgroup->path);
			r = cgroup_make_level(dir, cgroup->path);
		}
	}
	if (r == 1)
		return error_set(error, SCOW_E_BUSY, "make cgroup '%s' in '%s': it exists and has processes", cgroup->path,
				 dir->hierarchy->mount);
	return r == 0 ? 0 : error_errno(error, -r, "mkdir", "make cgroup '%s' in '%s'", cgroup->path, dir->hierarchy->mount);
}

static int make_dirs(struct cgroup *cgroup, scow_error **error)
{
	size_t total = cgroup->n_dirs;

	for (cgroup->n_dirs = 0; cgroup->n_dirs < total; cgroup->n_dirs++) { /* what is made so far is what a failure removes */
		int r = make_dir(cgroup, &cgroup->dirs[cgroup->n_dirs], error);

		if (r < 0)
			return r;
	}
	return 0;
}

/* "a/b/c" from any spelling of @parent; SCOW_E_INVALID where it leads upwards. */
static int parent_path(const char *parent, const char *name, char **out, scow_error **error)
{
	_cleanup_free_ char *clean = NULL;

	for (const char *at = parent; *at;) {
		size_t size = strcspn(at, "/");

		if (size == 2 && at[0] == '.' && at[1] == '.')
			return error_set(error, SCOW_E_INVALID, "cgroup parent '%s' leads upwards", parent);
		at += size + (at[size] != 0);
	}
	clean = path_clean(parent);
	if (!clean)
		return error_oom(error);
	*out = str_eq(clean, "/") ? strdup(name) : strf("%s/%s", clean + 1, name);
	if (!*out)
		return error_oom(error);
	/* Room for the names of the kernel's files is checked once, here. */
	return strlen(*out) < PATH_MAX - 128 ? 0 : error_set(error, SCOW_E_INVALID, "cgroup parent '%.64s...' is too long", parent);
}

static int cgroup_new(scow_engine *engine, const char *parent, const char *name, struct cgroup **out, scow_error **error)
{
	_cleanup_(cgroup_freep) struct cgroup *cgroup = NULL;
	const struct cgroup_base *base;
	int r;

	if (!path_is_plain(name) || strchr(name, '/') || strlen(name) > NAME_MAX)
		return error_set(error, SCOW_E_INVALID, "'%s' is no name for a cgroup", name);
	r = cgroup_base_get(engine, &base, error);
	if (r < 0)
		return r;
	cgroup = calloc(1, sizeof(*cgroup));
	if (!cgroup)
		return error_oom(error);
	cgroup->base = base;
	cgroup->into_fd = -1;
	cgroup->named_parent = parent && *parent;
	r = parent_path(cgroup->named_parent ? parent : "/", name, &cgroup->path, error);
	if (r < 0)
		return r;
	for (size_t c = 0; c < CG_COUNT; c++)
		cgroup->dir_of[c] = -1;
	*out = take_ptr(&cgroup);
	return 0;
}

/* v1: a hierarchy of controllers that few ask for (a cpuset costs two reads and two writes) is taken where they are in @needed. */
static void take_dirs(struct cgroup *cgroup, unsigned int needed)
{
	const struct cgroup_base *base = cgroup->base;

	for (size_t i = 0; i < base->n_hierarchies; i++) {
		const struct cgroup_hierarchy *hierarchy = &base->hierarchies[i];
		unsigned int controllers = hierarchy->controllers;

		if (base->mode != CGROUP_V2 && !(controllers & (needed | ~CG_ON_DEMAND)))
			continue;
		for (size_t c = 0; c < CG_COUNT; c++)
			if (controllers & CG_BIT(c))
				cgroup->dir_of[c] = (int) cgroup->n_dirs;
		cgroup->dirs[cgroup->n_dirs++] = (struct cgroup_dir){
			.hierarchy = hierarchy,
			.at_fd = cgroup->named_parent ? hierarchy->root_fd : hierarchy->own_fd,
			.open_fd = -1,
		};
	}
}

static int open_join_fds(struct cgroup *cgroup, scow_error **error)
{
	char path[PATH_MAX];

	if (cgroup->base->mode == CGROUP_V2) {
		cgroup->into_fd = openat(cgroup->dirs[0].at_fd, cgroup->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		return cgroup->into_fd >= 0 ? 0 : error_errno(error, errno, "open", "open cgroup '%s'", cgroup->path);
	}
	/*
	 * Not cgroup.procs: for a lone thread that moves itself by "tasks" the kernel (5.12) takes no lock over all thread groups, and
	 * that lock waits for a grace period of RCU, 15 ms on an idle machine.
	 */
	if (!file_path(cgroup, "tasks", path))
		return error_set(error, SCOW_E_INVALID, "cgroup path '%.64s...' is too long", cgroup->path);
	for (size_t i = 0; i < cgroup->n_dirs; i++) {
		int fd = openat(cgroup->dirs[i].at_fd, path, O_WRONLY | O_CLOEXEC);

		if (fd < 0)
			return error_errno(error, errno, "open", "open '%s/%s'", cgroup->dirs[i].hierarchy->mount, path);
		cgroup->join_fds[cgroup->n_join_fds++] = fd;
	}
	return 0;
}

static int make_and_limit(struct cgroup *cgroup, const struct spec_resources *resources, scow_error **error)
{
	int r = make_dirs(cgroup, error);

	if (r < 0)
		return r;
	if (cgroup->base->mode == CGROUP_V2) {
		cgroup_v2_enable(cgroup, resources);
		r = open_join_fds(cgroup, error); /* the device program is attached to this descriptor */
		return r < 0 ? r : cgroup_apply(cgroup, resources, true, error);
	}
	r = cgroup_apply(cgroup, resources, true, error);
	return r < 0 ? r : open_join_fds(cgroup, error);
}

int cgroup_create(scow_engine *engine, const char *parent, const char *name, const struct spec_resources *resources, struct cgroup **out,
		  scow_error **error)
{
	_cleanup_(cgroup_freep) struct cgroup *cgroup = NULL;
	const struct cgroup_base *base;
	bool nothing;
	int r;

	r = cgroup_new(engine, parent, name, &cgroup, error);
	if (r < 0)
		return r;
	base = cgroup->base;
	nothing = base->n_hierarchies == 0 || (base->reason && !cgroup->named_parent);
	if (!nothing) {
		take_dirs(cgroup, cgroup_needs(resources));
		r = make_and_limit(cgroup, resources, error);
	} else if (!base->rootless || cgroup_needs(resources)) { /* device rules guard nothing that a plain user could reach */
		r = error_set(error, SCOW_E_UNSUPPORTED, "no cgroup can be made: %s", base->reason);
		error_hint(error, r, "%s",
			   base->rootless ? "limits for a plain user need cgroup v2 with delegation; leave them out, or run as root"
					  : "mount the cgroup file systems writable, or name a parent cgroup in the container's config");
	}
	if (r < 0) {
		cgroup_close_join_fds(cgroup);
		(void) cgroup_remove(cgroup, NULL);
		error_at(error, r, "make cgroup", name);
		return r;
	}
	*out = take_ptr(&cgroup);
	return 0;
}

/* Points @dir to where the location says that the cgroup is. False: it is nowhere in that hierarchy. */
static bool relocate(struct cgroup *cgroup, struct cgroup_dir *dir, const char *location)
{
	const struct cgroup_hierarchy *hierarchy = dir->hierarchy;
	_cleanup_free_ char *own = cgroup_location_own(location, cgroup->base, hierarchy);

	if (!own || str_eq(own, hierarchy->own))
		return true;
	dir->open_fd = openat(hierarchy->root_fd, *own ? own : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	dir->at_fd = dir->open_fd;
	if (cgroup->base->mode == CGROUP_V2)
		cgroup->own = take_ptr(&own);
	return dir->open_fd >= 0;
}

static void drop_dir(struct cgroup *cgroup, size_t index)
{
	for (size_t c = 0; c < CG_COUNT; c++) {
		if (cgroup->dir_of[c] == (int) index)
			cgroup->dir_of[c] = -1;
		else if (cgroup->dir_of[c] > (int) index)
			cgroup->dir_of[c]--;
	}
	memmove(&cgroup->dirs[index], &cgroup->dirs[index + 1], (--cgroup->n_dirs - index) * sizeof(*cgroup->dirs));
}

int cgroup_open(scow_engine *engine, const char *parent, const char *location, struct cgroup **out, scow_error **error)
{
	_cleanup_(cgroup_freep) struct cgroup *cgroup = NULL;
	_cleanup_free_ char *name = cgroup_location_name(location);
	int r = name ? cgroup_new(engine, parent, name, &cgroup, error) : error_oom(error);

	if (r < 0)
		return r;
	if (!cgroup->base->reason || cgroup->named_parent || strchr(location, '\n'))
		take_dirs(cgroup, ~0u);
	for (size_t i = cgroup->named_parent ? 0 : cgroup->n_dirs; i > 0; i--) /* from the end: some are dropped */
		if (!relocate(cgroup, &cgroup->dirs[i - 1], location))
			drop_dir(cgroup, i - 1);
	*out = take_ptr(&cgroup);
	return 0;
}

void cgroup_free(struct cgroup *cgroup)
{
	if (!cgroup)
		return;
	cgroup_close_join_fds(cgroup);
	for (size_t i = 0; i < cgroup->n_dirs; i++)
		cleanup_fd(&cgroup->dirs[i].open_fd);
	free(cgroup->own);
	free(cgroup->path);
	free(cgroup);
}

/* ---- for the spawn ---- */

int cgroup_into_fd(const struct cgroup *cgroup)
{
	return cgroup->into_fd;
}

const int *cgroup_join_fds(const struct cgroup *cgroup, size_t *count)
{
	*count = cgroup->n_join_fds;
	return cgroup->join_fds;
}

void cgroup_close_join_fds(struct cgroup *cgroup)
{
	while (cgroup->n_join_fds)
		cleanup_fd(&cgroup->join_fds[--cgroup->n_join_fds]);
	cleanup_fd(&cgroup->into_fd);
	cgroup->into_fd = -1;
}

/* ---- afterwards ---- */

int cgroup_read_usage(struct cgroup *cgroup, struct cgroup_usage *out)
{
	*out = (struct cgroup_usage){ 0 };
	if (cgroup->n_dirs && cgroup->base->mode == CGROUP_V2)
		cgroup_v2_usage(cgroup, out);
	else if (cgroup->n_dirs)
		cgroup_v1_usage(cgroup, out);
	return 0;
}

int cgroup_can_freeze(struct cgroup *cgroup, scow_error **error)
{
	return cgroup->n_dirs ? 0 : cgroup_no_controller(cgroup, CG_FREEZER, "pause", error);
}

int cgroup_freeze(struct cgroup *cgroup, bool frozen, scow_error **error)
{
	/* Where there is no cgroup nothing is frozen. */
	if (!cgroup->n_dirs)
		return frozen ? cgroup_can_freeze(cgroup, error) : 0;
	return cgroup->base->mode == CGROUP_V2 ? cgroup_v2_freeze(cgroup, frozen, error) : cgroup_v1_freeze(cgroup, frozen, error);
}
