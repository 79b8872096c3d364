/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * User namespaces that root makes for its containers, and idmapped mounts by them.
 *
 * A namespace is born with a child that does nothing else, gets its maps from us, and is kept by descriptor. What needs the rights of
 * the host is done before it is joined: the root is mounted, the sources of binds are opened, all by the host's root and in a mount
 * namespace of our own. On the disk the container's files have the container's ids: the directories of layers and of changes are
 * covered by idmapped clones of themselves, and the overlay is made of those; no file is ever chowned.
 * See: mount_setattr(2) "ID-mapped mounts", user_namespaces(7).
 */
#include "init/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define MAPS_MAX 64
#define TREES_MAX 1024

static int maps[MAPS_MAX];   /* namespaces by slot; 0: none, no descriptor of ours has that number */
static int trees[TREES_MAX]; /* mounts that are prepared: descriptor + 1, since an errand has no streams and so a descriptor 0 */

static void write_map(int pid, const char *name, const char *text)
{
	char path[64];
	const char *end = path + sizeof(path);
	long fd;

	text_add(text_add(text_add_number(text_add(path, end, "/proc/"), end, (uint64_t) pid), end, "/"), end, name);
	fd = must(sys(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC), "open");
	must(sys(SYS_write, fd, text, text_length(text)), "write");
	sys(SYS_close, fd);
}

/* It waits for its end, or for ours: then the pipe ends. Returns its pidfd: we may be in another pid namespace than /proc is. */
static int bear_child(int wait_fd, int our_fd)
{
	int pidfd = -1;
	struct clone_args args = {
		.flags = CLONE_NEWUSER | CLONE_PIDFD,
		.pidfd = (uint64_t) (uintptr_t) &pidfd,
		.exit_signal = SIGCHLD,
	};
	char byte;

	if (must(sys(SYS_clone3, &args, sizeof(args)), "clone3"))
		return pidfd;
	sys(SYS_close, our_fd);
	sys(SYS_read, wait_fd, &byte, 1);
	finish(0);
}

static int make_namespace(const char *uid_map, const char *gid_map)
{
	char path[64];
	const char *end = path + sizeof(path);
	int pipe[2], fd, pidfd, pid;

	must(sys(SYS_pipe2, pipe, O_CLOEXEC), "pipe2");
	/* Who has come into a user namespace is seen by nobody, its children included, and their maps could not be written. */
	sys(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
	pidfd = bear_child(pipe[0], pipe[1]);
	pid = run_pid_of(pidfd);
	if (!pid)
		fail("open", -ESRCH);
	write_map(pid, "uid_map", uid_map);
	write_map(pid, "gid_map", gid_map);
	text_add(text_add_number(text_add(path, end, "/proc/"), end, (uint64_t) pid), end, "/ns/user");
	fd = (int) must(sys(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC), "open");
	sys(SYS_close, pipe[0]);
	sys(SYS_close, pipe[1]);
	while (sys(SYS_waitid, P_PIDFD, pidfd, 0, WEXITED | __WALL, 0) == -EINTR)
		;
	sys(SYS_close, pidfd);
	return fd;
}

/* The pipes that root made are its root's: "> /dev/stdout" opens them again. The group, too, or it could not pass them on to a user. */
static void give_pipes(uint64_t uid, uint64_t gid)
{
	struct stat status;

	for (int fd = 0; fd < 3; fd++)
		if (sys(SYS_newfstatat, fd, "", &status, AT_EMPTY_PATH) == 0 && S_ISFIFO(status.st_mode))
			sys(SYS_fchown, fd, uid, gid);
}

void step_userns(const struct wire_step *step)
{
	const char *uid_map = plan_text(&init.plan, step, 0), *gid_map = plan_text(&init.plan, step, 1);

	doing("make a user namespace", NULL, NULL, NULL);
	if (step->number[0] >= MAPS_MAX)
		fail("decode", -E2BIG);
	if (step->flags & WIRE_OWN_STDIO)
		give_pipes(step->number[2], step->number[3]);
	maps[step->number[0]] = uid_map && gid_map ? make_namespace(uid_map, gid_map) : (int) step->number[1];
}

int userns_fd(uint64_t slot)
{
	if (slot >= MAPS_MAX || !maps[slot])
		fail("decode", -EBADF);
	return maps[slot];
}

void tree_keep(uint64_t index, int mount)
{
	if (index >= TREES_MAX)
		fail("decode", -E2BIG);
	trees[index] = mount + 1;
}

int tree_take(uint64_t index)
{
	int mount = index < TREES_MAX ? trees[index] : 0;

	if (!mount)
		fail("decode", -EBADF);
	trees[index] = 0;
	return mount - 1;
}

/* @recursive: what is mounted below it, too. */
void idmap(int mount, uint64_t slot, bool recursive)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t) userns_fd(slot) };

	must(sys(SYS_mount_setattr, mount, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr, sizeof(attr)), "idmap");
}

void idmap_cover(const char *path, uint64_t slot)
{
	int mount = (int) must(sys(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC), "open_tree");

	doing("show with the ids of the container:", path, NULL, NULL);
	idmap(mount, slot, false);
	must(sys(SYS_move_mount, mount, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH), "move_mount");
	sys(SYS_close, mount);
}

/*
 * An overlay makes its own files as who mounts it, which must be an id that the idmapped mounts know; and it reads and writes
 * trusted.* by that one's capabilities, which a change of the id would take away.
 */
void idmap_mounter(uint64_t uid, uint64_t gid)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	sys(SYS_setfsgid, gid);
	sys(SYS_setfsuid, uid);
	must(sys(SYS_capget, &header, data), "capget");
	data[0].effective = data[0].permitted;
	data[1].effective = data[1].permitted;
	must(sys(SYS_capset, &header, data), "capset");
}

/* Root came in from outside, and is nobody here. */
void userns_become_root(void)
{
	/* Denied where only one id is mapped; then there are no groups to shed. */
	if (sys(SYS_getegid) != 0) {
		sys(SYS_setgroups, 0, 0);
		must(sys(SYS_setresgid, 0, 0, 0), "setresgid");
	}
	if (sys(SYS_geteuid) != 0)
		must(sys(SYS_setresuid, 0, 0, 0), "setresuid");
}
