/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mounts inside the new root: file systems, binds, the cgroup view, and what is hidden or read-only.
 *
 * A place is opened first (root_target) and mounted on through its descriptor: a new file system by mount(2) on "." after
 * fchdir, which is one call where the descriptor API needs five; a bind by move_mount. So what is checked is what is used
 * (CVE-2021-30465). proc and sysfs are only ever put on a directory that no link led to (CVE-2019-19921, CVE-2023-27561).
 */
#include "init/init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sys/stat.h>

#define TREE_FLAGS (OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)
/* MS_REC, MS_PRIVATE and so on travel with the plan; this is all that is looked at here. */
#define PROPAGATION_TYPES (MS_UNBINDABLE | MS_PRIVATE | MS_SLAVE | MS_SHARED)

static uint64_t mount_attrs(uint64_t flags)
{
	static const struct {
		uint32_t flag, attr;
	} table[] = {
		{ MS_RDONLY, MOUNT_ATTR_RDONLY },           { MS_NOSUID, MOUNT_ATTR_NOSUID },   { MS_NODEV, MOUNT_ATTR_NODEV },
		{ MS_NOEXEC, MOUNT_ATTR_NOEXEC },           { MS_NOATIME, MOUNT_ATTR_NOATIME }, { MS_NODIRATIME, MOUNT_ATTR_NODIRATIME },
		{ MS_STRICTATIME, MOUNT_ATTR_STRICTATIME },
	};
	uint64_t attrs = 0;

	for (unsigned int i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (flags & table[i].flag)
			attrs |= table[i].attr;
	return attrs;
}

static void set_attr(int mount, uint64_t attrs, uint64_t propagation, bool recursive)
{
	struct mount_attr attr = { .attr_set = attrs, .propagation = propagation };

	/* A time stamp policy replaces the one that is there. */
	if (attrs & MOUNT_ATTR__ATIME)
		attr.attr_clr = MOUNT_ATTR__ATIME;
	must(sys(SYS_mount_setattr, mount, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr, sizeof(attr)), "mount_setattr");
}

static long attach(int mount, int target)
{
	return sys(SYS_move_mount, mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

/* proc by descriptor, and that is kept: what is written below /proc afterwards goes through it, not through a path. */
static long mount_proc(const char *data, uint64_t flags, int target)
{
	char option[128];
	long context = sys(SYS_fsopen, "proc", FSOPEN_CLOEXEC), r;

	if (context < 0)
		return context;
	while (data && *data) {
		const char *end = text_find(data, ',');
		char *value;

		if ((size_t) (end - data) >= sizeof(option))
			return -EINVAL;
		memcpy(option, data, (size_t) (end - data));
		option[end - data] = 0;
		value = (char *) text_find(option, '=');
		if (*value)
			*value++ = 0;
		else
			value = NULL;
		r = sys(SYS_fsconfig, context, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, option, value, 0);
		if (r < 0)
			return r;
		data = *end ? end + 1 : end;
	}
	r = sys(SYS_fsconfig, context, FSCONFIG_SET_STRING, "source", "proc", 0);
	if (r == 0)
		r = sys(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, 0, 0, 0);
	if (r < 0)
		return r;
	r = sys(SYS_fsmount, context, FSMOUNT_CLOEXEC, mount_attrs(flags));
	sys(SYS_close, context);
	if (r < 0)
		return r;
	init.proc = (int) r;
	return attach(init.proc, target);
}

/*
 * Where a plain user may not mount a file system of its own (a sysfs inside somebody's container, a proc without a pid namespace),
 * the host's shows no more than the host does.
 */
static long bind_host(const char *path, uint64_t attrs, int target)
{
	long r, tree = sys(SYS_open_tree, AT_FDCWD, path, TREE_FLAGS | AT_RECURSIVE);
	struct mount_attr attr = { .attr_set = attrs };

	if (tree < 0)
		return tree;
	r = sys(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr));
	if (r == 0)
		r = attach((int) tree, target);
	sys(SYS_close, tree);
	return r;
}

void step_mount(const struct wire_step *step)
{
	const char *type = plan_text(&init.plan, step, 0), *source = plan_text(&init.plan, step, 1);
	const char *path = plan_text(&init.plan, step, 2), *data = plan_text(&init.plan, step, 3);
	bool is_proc, is_sysfs;
	int target;
	long r;

	doing("mount", type, "at", path);
	if (!type || !path)
		fail("decode", -EINVAL);
	is_proc = text_equal(type, "proc");
	is_sysfs = text_equal(type, "sysfs");
	target = (int) must(root_target(path, true), "open");
	if (is_proc || is_sysfs) {
		struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS };

		sys(SYS_close, target);
		target = (int) must(sys(SYS_openat2, init.root, path, &how, sizeof(how)), "open");
	}
	if (is_proc) {
		r = mount_proc(data, step->number[0], target);
	} else {
		must(sys(SYS_fchdir, target), "fchdir");
		r = sys(SYS_mount, source ? source : type, ".", type, step->number[0], data);
	}
	if (r == -EPERM && is_proc && (step->flags & WIRE_USER_NS))
		r = bind_host("/proc", mount_attrs(step->number[0]), target);
	if (r == -EPERM && is_sysfs && (step->flags & WIRE_USER_NS))
		r = bind_host("/sys", MOUNT_ATTR_RDONLY, target);
	sys(SYS_close, target);
	if ((step->flags & WIRE_OPTIONAL) && (r == -EPERM || r == -ENODEV || r == -EINVAL || r == -EACCES))
		return;
	must(r, "mount");
	root_parent_forget();
	if (step->number[1]) {
		target = (int) must(root_open(path, O_PATH), "open");
		set_attr(target, 0, step->number[1] & PROPAGATION_TYPES, false);
		sys(SYS_close, target);
	}
}

/* The -v habit: a source that is missing becomes a directory of root's. */
static void make_source(const char *path)
{
	char name[4096];
	size_t n = text_length(path);

	if (n >= sizeof(name))
		fail("mkdir", -ENAMETOOLONG);
	for (size_t i = 1; i <= n; i++) {
		if (path[i] && path[i] != '/')
			continue;
		memcpy(name, path, i);
		name[i] = 0;
		sys(SYS_mkdirat, AT_FDCWD, name, 0755);
	}
}

/* What leads out of @dir ends in it: the tree may be a container's, which swaps links while we look. */
static int open_below(int dir, const char *path)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	long fd = -EAGAIN;

	for (int i = 0; i < 128 && (fd == -EAGAIN || fd == -EINTR); i++)
		fd = sys(SYS_openat2, dir, path, &how, sizeof(how));
	return (int) must(fd, "open");
}

/* The part @path of a tree that is mounted nowhere, or of a directory. */
static int clone_below(int dir, const char *path, int flags)
{
	int fd = open_below(dir, path);
	long tree = sys(SYS_open_tree, fd, "", flags | AT_EMPTY_PATH);

	if (tree == -EINVAL && !(flags & AT_RECURSIVE))
		tree = sys(SYS_open_tree, fd, "", flags | AT_EMPTY_PATH | AT_RECURSIVE);
	must(tree, "open_tree");
	sys(SYS_close, fd);
	sys(SYS_close, dir);
	return (int) tree;
}

/* An image's files: its only layer, or an overlay of them, that nobody can write to. */
static int image_tree(const struct wire_step *step, const char *layers, char **lowers)
{
	const char *subpath = plan_text(&init.plan, step, 2);
	int context, tree;

	must(sys(SYS_chdir, layers), "chdir");
	if (!lowers[1]) {
		tree = (int) must(sys(SYS_open_tree, AT_FDCWD, lowers[0], TREE_FLAGS), "open_tree");
	} else {
		context = (int) must(sys(SYS_fsopen, "overlay", FSOPEN_CLOEXEC), "fsopen");
		for (char **lower = lowers; *lower; lower++)
			must(sys(SYS_fsconfig, context, FSCONFIG_SET_STRING, "lowerdir+", *lower, 0), "fsconfig lowerdir+");
		must(sys(SYS_fsconfig, context, FSCONFIG_SET_STRING, "source", "overlay", 0), "fsconfig source");
		if (step->flags & WIRE_USERXATTR)
			must(sys(SYS_fsconfig, context, FSCONFIG_SET_FLAG, "userxattr", 0, 0), "fsconfig userxattr");
		must(sys(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, 0, 0, 0), "fsconfig create");
		tree = (int) must(sys(SYS_fsmount, context, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY), "fsmount");
		sys(SYS_close, context);
	}
	return subpath ? clone_below(tree, subpath, TREE_FLAGS) : tree;
}

static void prove(const struct wire_step *step, int tree)
{
	const struct wire_identity *wanted = (const void *) plan_blob(&init.plan, step);
	struct stat status;

	if (step->blob_size != sizeof(*wanted))
		return;
	must(sys(SYS_newfstatat, tree, "", &status, AT_EMPTY_PATH), "fstat");
	if (status.st_dev != wanted->dev || status.st_ino != wanted->ino)
		fail("open_tree", -ESTALE);
}

/* What an overlay is made of: a part of a directory that may be a container's, as in clone_below(). */
static int open_directory(const struct wire_step *step, const char *source, const char *subpath)
{
	long fd = sys(SYS_openat, AT_FDCWD, source, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int below;

	if (fd == -ENOENT && (step->flags & WIRE_CREATE_SOURCE)) {
		make_source(source);
		fd = sys(SYS_openat, AT_FDCWD, source, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	must(fd, "open");
	prove(step, (int) fd);
	if (!subpath)
		return (int) fd;
	below = open_below((int) fd, subpath);
	sys(SYS_close, fd);
	return below;
}

static int open_source(const struct wire_step *step, const char *source)
{
	const char *subpath = plan_text(&init.plan, step, 2), *changes = plan_text(&init.plan, step, 3);
	char **lowers = plan_vector(&init.plan, step, 0);
	int flags = TREE_FLAGS | (step->number[0] & MS_REC ? AT_RECURSIVE : 0);
	long tree;

	if (lowers && *lowers)
		return image_tree(step, source, lowers);
	if (changes)
		return scratch_make(step, changes, open_directory(step, source, subpath));
	if (subpath) {
		tree = must(sys(SYS_openat, AT_FDCWD, source, O_PATH | O_DIRECTORY | O_CLOEXEC), "open");
		prove(step, (int) tree);
		return clone_below((int) tree, subpath, flags);
	}
	tree = sys(SYS_open_tree, AT_FDCWD, source, flags);
	if (tree == -ENOENT && (step->flags & WIRE_CREATE_SOURCE)) {
		make_source(source);
		tree = sys(SYS_open_tree, AT_FDCWD, source, flags);
	}
	/* In a user namespace a mount may not be parted from what the host has mounted below it: it would uncover what that hides. */
	if (tree == -EINVAL && (step->flags & WIRE_USER_NS))
		tree = sys(SYS_open_tree, AT_FDCWD, source, flags | AT_RECURSIVE);
	must(tree, "open_tree");
	prove(step, (int) tree);
	return (int) tree;
}

/* With the attributes that it is to have, and mounted nowhere yet. */
static int make_tree(const struct wire_step *step)
{
	const char *source = plan_text(&init.plan, step, 0), *path = plan_text(&init.plan, step, 1);
	uint64_t attrs = mount_attrs(step->number[0]);
	int tree;

	doing("bind", source, "at", path);
	if (!source || !path)
		fail("decode", -EINVAL);
	tree = open_source(step, source);
	if ((step->flags & WIRE_IDMAPPED) && !plan_text(&init.plan, step, 3))
		idmap(tree, step->number[3], step->number[0] & MS_REC);
	/* Flags that are locked in a user namespace stay, because nothing is cleared. */
	if (step->flags & WIRE_READ_ONLY_ALL)
		set_attr(tree, MOUNT_ATTR_RDONLY, 0, true);
	if (attrs)
		set_attr(tree, attrs, 0, false);
	if (step->number[1])
		set_attr(tree, 0, step->number[1] & PROPAGATION_TYPES, step->number[1] & MS_REC);
	return tree;
}

void step_tree(const struct wire_step *step)
{
	tree_keep(step->number[2], make_tree(step));
}

void step_bind(const struct wire_step *step)
{
	const char *path = plan_text(&init.plan, step, 1);
	int target, tree = step->flags & WIRE_PREPARED ? tree_take(step->number[2]) : make_tree(step);
	bool directory;

	doing("bind", plan_text(&init.plan, step, 0), "at", path);
	if (!path)
		fail("decode", -EINVAL);
	directory = S_ISDIR(fd_mode(tree));
	target = (int) must(root_target(path, directory), "open");
	/* The kernel would say EINVAL, as it does of a dozen other things. */
	if (S_ISDIR(fd_mode(target)) != directory)
		fail("move_mount", directory ? -ENOTDIR : -EISDIR);
	must(attach(tree, target), "move_mount");
	sys(SYS_close, target);
	sys(SYS_close, tree);
	root_parent_forget();
}

/* By the directory that it is in and its last name, which is not followed: that serves files, too. */
void step_unmount(const struct wire_step *step)
{
	const char *path = plan_text(&init.plan, step, 0);
	char directory[4096];
	size_t n, start;
	int dir;

	doing("unmount", path, NULL, NULL);
	n = path ? text_length(path) : 0;
	for (start = n; start && path[start - 1] != '/'; start--)
		;
	if (!start || start == n || start >= sizeof(directory))
		fail("decode", -EINVAL);
	memcpy(directory, path, start);
	directory[start] = 0;
	dir = (int) must(root_open(directory, O_PATH | O_DIRECTORY), "open");
	must(sys(SYS_fchdir, dir), "fchdir");
	must(sys(SYS_umount2, path + start, 2 | 8 /* MNT_DETACH | UMOUNT_NOFOLLOW */), "umount");
	sys(SYS_close, dir);
}

/* One v1 hierarchy: "cpu,cpuacct" gets a directory of that name and links for its parts, "name=systemd" the bare name. */
static void mount_hierarchy(int dir, char *controllers, uint64_t flags)
{
	const char *name = text_starts(controllers, "name=") ? controllers + 5 : controllers;
	char options[128];
	const char *end = options + sizeof(options);
	long fd;

	text_add(text_add(options, end, name == controllers ? "" : "none,"), end, controllers);
	must(sys(SYS_mkdirat, dir, name, 0755), "mkdirat");
	fd = must(sys(SYS_openat, dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), "open");
	must(sys(SYS_fchdir, fd), "fchdir");
	sys(SYS_close, fd);
	/* A hierarchy that this user namespace may not see stays an empty directory. */
	sys(SYS_mount, "cgroup", ".", "cgroup", flags, options);
	if (!*text_find(name, ','))
		return;
	for (char *part = controllers; *part;) {
		char *comma = (char *) text_find(part, ',');
		bool last = !*comma;

		*comma = 0;
		sys(SYS_symlinkat, options, dir, part);
		part = last ? comma : comma + 1;
	}
}

/* "NUMBER:CONTROLLERS:PATH" each line; no controllers at all is v2. */
static void mount_hierarchies(int dir, uint64_t flags)
{
	static char text[8192];
	int fd = (int) must(sys(SYS_openat, AT_FDCWD, "/proc/self/cgroup", O_RDONLY | O_CLOEXEC), "open");
	long n = must(sys(SYS_read, fd, text, sizeof(text) - 1), "read");

	sys(SYS_close, fd);
	text[n] = 0;
	for (char *line = text; *line;) {
		char *end = (char *) text_find(line, '\n'), *controllers = (char *) text_find(line, ':');
		bool last = !*end;

		*end = 0;
		if (*controllers) {
			char *path = (char *) text_find(++controllers, ':');

			*path = 0;
			if (*controllers)
				mount_hierarchy(dir, controllers, flags);
		}
		line = last ? end : end + 1;
	}
}

void step_cgroup(const struct wire_step *step)
{
	const char *path = plan_text(&init.plan, step, 0);
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	int target;
	long r;

	doing("mount the cgroup file systems at", path, NULL, NULL);
	target = (int) must(root_target(path, true), "open");
	must(sys(SYS_fchdir, target), "fchdir");
	sys(SYS_close, target);
	if (step->number[1]) {
		r = sys(SYS_mount, "cgroup", ".", "cgroup2", step->number[0], 0);
		/* Without a delegated cgroup a plain user has none to show. */
		if (r < 0 && !(step->flags & WIRE_USER_NS))
			fail("mount", r);
		return;
	}
	must(sys(SYS_mount, "tmpfs", ".", "tmpfs", step->number[0] & ~(uint64_t) MS_RDONLY, "mode=755,size=64k"), "mount");
	target = (int) must(root_open(path, O_PATH | O_DIRECTORY), "open");
	mount_hierarchies(target, step->number[0]);
	if (step->number[0] & MS_RDONLY)
		must(sys(SYS_mount_setattr, target, "", AT_EMPTY_PATH, &attr, sizeof(attr)), "mount_setattr");
	sys(SYS_close, target);
}

void step_read_only(const struct wire_step *step)
{
	const char *path = plan_text(&init.plan, step, 0);
	long target, tree;

	doing("make read-only:", path, NULL, NULL);
	target = root_open(path, O_PATH);
	if (target == -ENOENT)
		return;
	must(target, "open");
	tree = must(sys(SYS_open_tree, target, "", TREE_FLAGS | AT_EMPTY_PATH | AT_RECURSIVE), "open_tree");
	set_attr((int) tree, MOUNT_ATTR_RDONLY, 0, true);
	must(attach((int) tree, (int) target), "move_mount");
	sys(SYS_close, tree);
	sys(SYS_close, target);
}

/*
 * One file system for all masked directories: making one costs more than all the rest of a mask. The first place gets it as it is;
 * the others get clones, which older kernels make of attached mounts only.
 */
static long empty_dir(void)
{
	if (init.empty_dir < 0) {
		init.empty_dir =
			tmpfs_make("0", "nr_inodes", "1", MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
		return init.empty_dir;
	}
	return must(sys(SYS_open_tree, init.empty_dir, "", TREE_FLAGS | AT_EMPTY_PATH), "open_tree");
}

/* The host's, and proved: a container's own /dev/null may have been replaced (CVE-2025-31133). */
static int null_device(void)
{
	struct stat status;

	if (init.null_device < 0) {
		init.null_device = (int) must(sys(SYS_openat, AT_FDCWD, "/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC), "open");
		must(sys(SYS_newfstatat, init.null_device, "", &status, AT_EMPTY_PATH), "fstat");
		if (!S_ISCHR(status.st_mode) || status.st_rdev != NULL_DEVICE)
			fail("fstat", -ENODEV);
	}
	return init.null_device;
}

void step_mask(const struct wire_step *step)
{
	const char *path = plan_text(&init.plan, step, 0);
	long target, tree;

	doing("mask", path, NULL, NULL);
	target = root_open(path, O_PATH);
	if (target == -ENOENT || target == -ENOTDIR)
		return;
	must(target, "open");
	if (S_ISDIR(fd_mode((int) target)))
		tree = empty_dir();
	else
		tree = must(sys(SYS_open_tree, null_device(), "", TREE_FLAGS | AT_EMPTY_PATH), "open_tree");
	must(attach((int) tree, (int) target), "move_mount");
	if (tree != init.empty_dir)
		sys(SYS_close, tree);
	sys(SYS_close, target);
}
