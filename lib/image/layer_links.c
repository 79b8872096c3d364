/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hard links to files that only a layer below has.
 *
 * A link is one file with two names, so both have to be in one layer: the target is copied up into ours, with its directories, their
 * owners, modes, attributes and times. Overlayfs does just that when a link is made in it: the half-made layer is mounted as the upper
 * one over those that it will stand on, in a mount namespace of a scow-init's, and each link is made there. For a plain user a
 * deputy makes them, who may read what mapped ids own.
 *
 * For the while the layer is ROOT/tmp/link-<hex>/diff, beside the "work" that the kernel wants; the sweep takes both, should we die.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "engine/deputy.h"
#include "image/layer-internal.h"
#include "store/lock.h"

#define RESOLVE (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)

struct stage {
	scow_engine *engine;
	const char *layer;              /* its name in ROOT/tmp */
	char name[WORK_DIRECTORY_NAME]; /* the directory that holds it meanwhile; "" before it is made */
	int fd;                         /* of that, locked */
	bool moved;
	int root_fd; /* the mount */
	struct deputy *deputy;
	uint64_t *bytes; /* of contents that came into the layer */
};

static void stage_done(struct stage *stage)
{
	cleanup_fd(&stage->root_fd);
	deputy_end(stage->deputy);
	if (stage->moved)
		(void) !renameat2(stage->fd, "diff", stage->engine->tmp_fd, stage->layer, RENAME_NOREPLACE);
	if (*stage->name)
		(void) !userns_remove_tree(stage->engine, stage->engine->tmp_fd, stage->name, NULL);
	cleanup_fd(&stage->fd);
}

static int make_stage(struct stage *stage, scow_error **error)
{
	scow_engine *engine = stage->engine;

	int r = work_directory_make(engine, "link-", stage->name, &stage->fd, error);

	if (r < 0)
		return r;
	if (mkdirat(stage->fd, "work", 0755) < 0 || renameat2(engine->tmp_fd, stage->layer, stage->fd, "diff", RENAME_NOREPLACE) < 0)
		return error_errno(error, errno, NULL, "make '%s/tmp/%s'", engine->root, stage->name);
	stage->moved = true;
	return 0;
}

static int mount_stage(struct stage *stage, char **lowers, size_t n_lowers, scow_error **error)
{
	scow_engine *engine = stage->engine;
	bool rootless = engine->facts.rootless;
	struct job_process process = { .clone_flags = CLONE_NEWNS | (rootless ? CLONE_NEWUSER : 0), .cgroup_fd = -1 };
	_cleanup_free_ char *layers = strf("%s/layers", engine->root), *directory = strf("%s/tmp/%s", engine->root, stage->name);
	_cleanup_job_ struct job job = { 0 };
	uint32_t flags = WIRE_KEPT | (rootless ? WIRE_USERXATTR : 0) | (engine->facts.kernel < (6 << 16 | 5) ? WIRE_BY_MOUNT : 0);
	struct wire_step *step;

	if (!layers || !directory)
		return error_oom(error);
	job_step(&job, WIRE_PROPAGATION, 0)->number[0] = MS_REC | MS_PRIVATE;
	step = job_step(&job, WIRE_OVERLAY, flags);
	job_text(&job, step, 0, layers);
	job_text(&job, step, 1, directory);
	job_vector(&job, step, 0, lowers, n_lowers, 0);
	return deputy_start(engine, &job, &process, &stage->deputy, &stage->root_fd, error);
}

/* The directory of @path, and the last component. A descriptor or a negative errno. */
static int open_parent(struct stage *stage, const char *path, const char **base)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *parent = slash ? strndup(path, (size_t) (slash - path)) : strdup(".");

	*base = slash ? slash + 1 : path;
	return parent ? deputy_open(stage->deputy, stage->root_fd, parent, O_PATH | O_DIRECTORY, 0, RESOLVE) : -ENOMEM;
}

static int make_link(struct stage *stage, const char *path, const char *target)
{
	const char *base, *target_base;
	_cleanup_fd_ int dir = open_parent(stage, path, &base), target_dir = -1;
	struct timespec times[2];
	struct stat st, file;
	int r;

	if (dir < 0 || fstat(dir, &st) < 0)
		return dir < 0 ? dir : -errno;
	target_dir = open_parent(stage, target, &target_base);
	r = target_dir < 0 ? target_dir : deputy_link(stage->deputy, target_dir, target_base, dir, base, 0);
	if (r == -EEXIST)
		return 0; /* a later entry of the layer has the name */
	if (r == 0)
		r = deputy_stat(stage->deputy, dir, base, &file);
	if (r < 0)
		return r;
	/* Two names: it has just come up. More: it was ours. */
	if (S_ISREG(file.st_mode) && file.st_nlink == 2)
		*stage->bytes += (uint64_t) file.st_size;
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	return deputy_times(stage->deputy, dir, "", times, AT_EMPTY_PATH);
}

static int make_links(struct stage *stage, const char *links, size_t size, scow_error **error)
{
	const char *end = links + size;

	while (links < end) {
		const char *path = links, *target = path + strlen(path) + 1;
		char name[256], printable[256];
		int r = make_link(stage, path, target);

		links = target + strlen(target) + 1;
		name_printable(path, name, sizeof(name));
		name_printable(target, printable, sizeof(printable));
		if (r == -ENOENT || r == -EPERM || r == -ENOTDIR || r == -ELOOP)
			return error_set(error, SCOW_E_CORRUPT, "entry '%s': the hard link's target '%s' is %s", name, printable,
					 r == -EPERM ? "not a file" : "neither in the same layer nor in those below");
		if (r < 0)
			return error_errno(error, -r, "linkat", "entry '%s': link it to '%s'", name, printable);
	}
	return 0;
}

int layer_links(scow_engine *engine, const char *tmp_name, const char *parent, const struct unpack_stats *stats, uint64_t *bytes,
		scow_error **error)
{
	_cleanup_(stage_done) struct stage stage = { .engine = engine, .layer = tmp_name, .fd = -1, .root_fd = -1, .bytes = bytes };
	const char *links = stats->lower_links;
	char **lowers = NULL, name[256];
	size_t n_lowers = 0;
	int r;

	if (!parent)
		return error_set(error, SCOW_E_CORRUPT, "the hard link '%s' has no target in its layer, and there is none below",
				 name_printable(links, name, sizeof(name)));
	r = layer_stack(engine, parent, &lowers, &n_lowers, error);
	if (r == 0)
		r = make_stage(&stage, error);
	if (r == 0)
		r = mount_stage(&stage, lowers, n_lowers, error);
	if (r == 0)
		r = make_links(&stage, links, stats->lower_links_size, error);
	strv_free(lowers);
	return r;
}
