/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /etc/hosts, hostname and resolv.conf: files in a small tmpfs of the container's mount namespace, each bound over its path. So they
 * cost no disk, are no part of what the container changed, and go with the namespace.
 */
#include "init/init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>

static struct {
	int mount; /* the tmpfs; -1 before the first file */
	bool attached;
	uint64_t count;
} files = { .mount = -1 };

int tmpfs_make(const char *size, const char *option, const char *value, unsigned int attrs)
{
	long context = must(sys(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC), "fsopen"), mount;

	must(sys(SYS_fsconfig, context, FSCONFIG_SET_STRING, "source", "tmpfs", 0), "fsconfig");
	if (size)
		must(sys(SYS_fsconfig, context, FSCONFIG_SET_STRING, "size", size, 0), "fsconfig size");
	must(sys(SYS_fsconfig, context, FSCONFIG_SET_STRING, option, value, 0), "fsconfig");
	must(sys(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, 0, 0, 0), "fsconfig create");
	mount = must(sys(SYS_fsmount, context, FSMOUNT_CLOEXEC, attrs), "fsmount");
	sys(SYS_close, context);
	return (int) mount;
}

static void write_file(int fd, const unsigned char *data, size_t size)
{
	while (size) {
		long n = must(sys(SYS_write, fd, data, size), "write");

		data += n;
		size -= (size_t) n;
	}
}

static int clone_file(const char *name)
{
	const uint32_t flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
	long tree = sys(SYS_open_tree, files.mount, name, flags);

	/* Before 6.15 only what is mounted somewhere can be cloned: for the time of our work that is the root's own "/dev". */
	if (tree == -EINVAL && !files.attached) {
		int place = (int) must(root_target("/dev", true), "open");

		must(sys(SYS_move_mount, files.mount, "", place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH), "move_mount");
		sys(SYS_close, place);
		root_parent_forget();
		files.attached = true;
		tree = sys(SYS_open_tree, files.mount, name, flags);
	}
	return (int) must(tree, "open_tree");
}

static void files_done(void)
{
	if (files.attached) {
		must(sys(SYS_fchdir, files.mount), "fchdir");
		must(sys(SYS_umount2, ".", 2 /* MNT_DETACH */), "umount");
	}
	sys(SYS_close, files.mount);
	files.mount = -1;
}

void step_file(const struct wire_step *step)
{
	const char *path = plan_text(&init.plan, step, 0);
	char name[24];
	int fd, tree, target;

	doing("write", path, NULL, NULL);
	if (!path)
		fail("decode", -EINVAL);
	if (files.mount < 0)
		files.mount = tmpfs_make("1m", "mode", "755", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	text_add_number(name, name + sizeof(name), files.count++);
	fd = (int) must(sys(SYS_openat, files.mount, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, step->number[0]), "open");
	must(sys(SYS_fchmod, fd, step->number[0]), "fchmod");
	write_file(fd, plan_blob(&init.plan, step), step->blob_size);
	sys(SYS_close, fd);
	tree = clone_file(name);
	target = (int) must(root_target(path, false), "open");
	must(sys(SYS_move_mount, tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH), "move_mount");
	sys(SYS_close, tree);
	sys(SYS_close, target);
	root_parent_forget();
	if (step->number[1])
		files_done();
}
