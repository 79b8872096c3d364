/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /dev: device nodes (made, or bound from the host where a user namespace may not make them), links,
 * and the terminal. The terminal belongs to the container's own devpts; its slave is used through the
 * descriptor that the kernel gives for the master (TIOCGPTPEER), never by its name, which the image
 * might have made a link (CVE-2025-52565).
 */
#include "init/init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <sys/stat.h>
#include <sys/vfs.h>

struct window {
	unsigned short rows, columns, x, y;
};

static void bind_device(const char *source, int dir, const char *name)
{
	long tree = must(sys(SYS_open_tree, AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC), "open_tree");
	unsigned int mode = fd_mode((int) tree);
	long fd;

	if (!S_ISCHR(mode) && !S_ISBLK(mode))
		fail("fstat", -ENODEV);
	fd = sys(SYS_openat, dir, name, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	/* What is there was mounted there on purpose. */
	if (fd == -EEXIST) {
		sys(SYS_close, tree);
		return;
	}
	must(fd, "open");
	must(sys(SYS_move_mount, tree, "", fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH), "move_mount");
	sys(SYS_close, fd);
	sys(SYS_close, tree);
}

void step_device(const struct wire_step *step)
{
	const char *path = plan_text(&init.plan, step, 0), *source = plan_text(&init.plan, step, 1), *name;
	int dir;
	long r;

	doing("make the device", path, NULL, NULL);
	dir = (int) must(root_parent(path, &name), "open");
	if (source) {
		bind_device(source, dir, name);
		return;
	}
	r = sys(SYS_mknodat, dir, name, step->number[0], step->number[1]);
	if (r == -EEXIST)
		return;
	must(r, "mknodat");
	if (step->number[2] || step->number[3])
		must(sys(SYS_fchownat, dir, name, step->number[2], step->number[3], AT_SYMLINK_NOFOLLOW), "fchownat");
}

void step_dev_links(const struct wire_step *step)
{
	static const char *const links[][2] = {
		{ "/proc/self/fd", "fd" },       { "/proc/self/fd/0", "stdin" }, { "/proc/self/fd/1", "stdout" },
		{ "/proc/self/fd/2", "stderr" }, { "/proc/kcore", "core" },      { "pts/ptmx", "ptmx" },
	};
	const char *name;
	int dir;

	(void) step;
	doing("make the links in", "/dev", NULL, NULL);
	dir = (int) must(root_parent("/dev/fd", &name), "open");
	for (unsigned int i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		long r = sys(SYS_symlinkat, links[i][0], dir, links[i][1]);

		if (r != -EEXIST)
			must(r, "symlinkat");
	}
}

static int open_master(void)
{
	struct open_how how = { .flags = O_RDWR | O_NOCTTY | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS };
	struct statfs fs;
	int unlocked = 0, master = (int) must(sys(SYS_openat2, init.root, "/dev/pts/ptmx", &how, sizeof(how)), "open");

	must(sys(SYS_fstatfs, master, &fs), "fstatfs");
	if (fs.f_type != DEVPTS_SUPER_MAGIC)
		fail("fstatfs", -ENODEV);
	must(sys(SYS_ioctl, master, TIOCSPTLCK, &unlocked), "ioctl TIOCSPTLCK");
	return master;
}

static void bind_console(int slave)
{
	const char *name;
	int dir = (int) must(root_parent("/dev/console", &name), "open");
	long tree, target = sys(SYS_openat, dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (target == -ENOENT)
		target = sys(SYS_openat, dir, name, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	must(target, "open");
	tree = must(sys(SYS_open_tree, slave, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH), "open_tree");
	must(sys(SYS_move_mount, tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH), "move_mount");
	sys(SYS_close, tree);
	sys(SYS_close, target);
}

void step_terminal(const struct wire_step *step)
{
	struct window window = { .rows = (unsigned short) step->number[0], .columns = (unsigned short) step->number[1] };
	int master, slave;

	doing("open a terminal in", "/dev/pts", NULL, NULL);
	master = open_master();
	slave = (int) must(sys(SYS_ioctl, master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC), "ioctl TIOCGPTPEER");
	/* Before the program runs, or its first prompt is for a window of 0 by 0. */
	if (window.rows || window.columns)
		must(sys(SYS_ioctl, master, TIOCSWINSZ, &window), "ioctl TIOCSWINSZ");
	if (!(step->flags & WIRE_NO_CONSOLE)) {
		doing("bind the terminal at", "/dev/console", NULL, NULL);
		bind_console(slave);
	}
	report_fd(WIRE_TERMINAL_FD, master);
	sys(SYS_close, master);
	for (int fd = 0; fd < 3; fd++)
		must(sys(SYS_dup3, slave, fd, 0), "dup3");
	sys(SYS_close, slave);
}
