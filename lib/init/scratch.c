/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Binds whose changes are thrown away (":O"): an overlay of what is bound, with a directory of the container's own above it, which is
 * emptied before each run.
 *
 * What is below is a stranger's tree, opened and checked by mounts.c; it is given to the kernel by the number of its descriptor. With
 * ids of a user namespace that is joined later, both are idmapped: the one below as its bind would be, the one above as the container's
 * own directories are (userns.c).
 */
#include "init/init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>

static int open_directory(int dir, const char *path, int flags)
{
	return (int) must(sys(SYS_openat, dir, path, flags | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), "open");
}

/* Empty, with what an overlay needs. */
static int prepare(const struct wire_step *step, const char *place)
{
	static const char *const names[] = { "diff", "work", "below" };
	int dir;

	doing("make a place for changes in", place, NULL, NULL);
	if (step->flags & WIRE_COVERED)
		idmap_cover(place, 0);
	dir = open_directory(AT_FDCWD, place, O_RDONLY);
	tree_clear(dir);
	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		must(sys(SYS_mkdirat, dir, names[i], 0755), "mkdirat");
	return dir;
}

/* The kernel makes an overlay only of what is mounted in our namespace, which goes again. */
static int idmap_below(int dir, int below, uint64_t slot)
{
	int tree = (int) must(sys(SYS_open_tree, below, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH), "open_tree");

	idmap(tree, slot, false);
	must(sys(SYS_move_mount, tree, "", dir, "below", MOVE_MOUNT_F_EMPTY_PATH), "move_mount");
	sys(SYS_close, tree);
	sys(SYS_close, below);
	return open_directory(dir, "below", O_PATH);
}

/* The top of an overlay is the upper directory's: it looks like what it covers. An owner that is not mapped stays root. */
static void take_after(int dir, int below)
{
	struct stat status;

	must(sys(SYS_newfstatat, below, "", &status, AT_EMPTY_PATH), "fstat");
	sys(SYS_fchownat, dir, "diff", status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW);
	must(sys(SYS_fchmodat, dir, "diff", status.st_mode & 07777), "fchmodat");
}

int scratch_make(const struct wire_step *step, const char *place, int below)
{
	/* What is below may have any attributes: none of them is to mean anything but here. */
	static const char *const options[][2] = {
		{ "source", "overlay" }, { "upperdir", "diff" },         { "workdir", "work" },
		{ "metacopy", "off" },   { "redirect_dir", "nofollow" }, { "index", "off" },
	};
	char path[40];
	int dir = prepare(step, place), context, tree;

	if (step->flags & WIRE_IDMAPPED)
		below = idmap_below(dir, below, step->number[3]);
	take_after(dir, below);
	doing("overlay", plan_text(&init.plan, step, 0), "at", plan_text(&init.plan, step, 1));
	text_add_number(text_add(path, path + sizeof(path), "/proc/self/fd/"), path + sizeof(path), (uint64_t) below);
	must(sys(SYS_fchdir, dir), "fchdir");
	context = (int) must(sys(SYS_fsopen, "overlay", FSOPEN_CLOEXEC), "fsopen");
	must(sys(SYS_fsconfig, context, FSCONFIG_SET_STRING, "lowerdir", path, 0), "fsconfig lowerdir");
	if (step->flags & WIRE_USERXATTR)
		must(sys(SYS_fsconfig, context, FSCONFIG_SET_FLAG, "userxattr", 0, 0), "fsconfig userxattr");
	for (unsigned int i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		must(sys(SYS_fsconfig, context, FSCONFIG_SET_STRING, options[i][0], options[i][1], 0), "fsconfig");
	must(sys(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, 0, 0, 0), "fsconfig create");
	tree = (int) must(sys(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0), "fsmount");
	sys(SYS_close, context);
	sys(SYS_close, below);
	sys(SYS_close, dir);
	return tree;
}
