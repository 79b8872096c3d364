/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The new root: mounting it, paths inside it, and moving into it.
 *
 * It is mounted over "/" of our mount namespace and used by descriptor. Until the pivot the process's own root stays the
 * host's (a lookup of "/" starts below what is mounted over it), so that sources of binds are still found.
 *
 * Whoever wrote the root may have put links anywhere: every path in it is walked by openat2(RESOLVE_IN_ROOT), and what is
 * found is used by descriptor. No path is looked up twice.
 */
#include "init/init.h"
#include "init/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sys/stat.h>

static struct {
	char path[256];
	int fd;
} parent = { .fd = -1 };

static int open_how(int dir, const char *path, int flags, uint64_t resolve)
{
	struct open_how how = { .flags = (uint64_t) (unsigned int) (flags | O_CLOEXEC), .resolve = resolve };
	long fd = -EAGAIN;

	/* EAGAIN: a rename somewhere raced with a "..". */
	for (int i = 0; i < 128 && (fd == -EAGAIN || fd == -EINTR); i++)
		fd = sys(SYS_openat2, dir, path, &how, sizeof(how));
	return (int) fd;
}

int root_open(const char *path, int flags)
{
	return open_how(init.root, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

unsigned int fd_mode(int fd)
{
	struct stat status;

	must(sys(SYS_newfstatat, fd, "", &status, AT_EMPTY_PATH), "fstat");
	return status.st_mode;
}

/* Beyond what exists nothing can be a link, so "." and ".." have no meaning there but mischief. */
static int make_missing(int dir, const char *rest)
{
	char name[256];

	for (;;) {
		size_t n;
		int next;
		long r;

		while (*rest == '/')
			rest++;
		if (!*rest)
			return dir;
		n = (size_t) (text_find(rest, '/') - rest);
		if (n >= sizeof(name))
			return -ENAMETOOLONG;
		memcpy(name, rest, n);
		name[n] = 0;
		rest += n;
		if (text_equal(name, ".") || text_equal(name, ".."))
			return -EINVAL;
		r = sys(SYS_mkdirat, dir, name, 0755);
		if (r < 0 && r != -EEXIST)
			return (int) r;
		next = (int) sys(SYS_openat, dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		sys(SYS_close, dir);
		if (next < 0)
			return next;
		dir = next;
	}
}

/* O_PATH fd or -errno. */
static int make_dirs(const char *path)
{
	char prefix[4096];
	size_t n = text_length(path);
	int fd = root_open(path, O_PATH | O_DIRECTORY);

	if (fd != -ENOENT)
		return fd;
	if (n >= sizeof(prefix))
		return -ENAMETOOLONG;
	memcpy(prefix, path, n + 1);
	/* The longest part that is there, then the rest below it. */
	while (fd == -ENOENT && n) {
		while (n && path[n - 1] == '/')
			n--;
		while (n && path[n - 1] != '/')
			n--;
		prefix[n] = 0;
		fd = root_open(n ? prefix : "/", O_PATH | O_DIRECTORY);
	}
	return fd < 0 ? fd : make_missing(fd, path + n);
}

int root_parent(const char *path, const char **name)
{
	size_t n = text_length(path), start;

	for (start = n; start && path[start - 1] != '/'; start--)
		;
	*name = path + start;
	if (start == n || start >= sizeof(parent.path))
		return start == n ? -EINVAL : -ENAMETOOLONG;
	if (parent.fd >= 0 && memcmp(parent.path, path, start) == 0 && !parent.path[start])
		return parent.fd;
	root_parent_forget();
	memcpy(parent.path, path, start);
	parent.path[start] = 0;
	parent.fd = make_dirs(start ? parent.path : "/");
	return parent.fd;
}

void root_parent_forget(void)
{
	if (parent.fd >= 0)
		sys(SYS_close, parent.fd);
	parent.fd = -1;
}

int root_target(const char *path, bool directory)
{
	const char *name;
	int dir, fd = root_open(path, O_PATH);

	if (fd != -ENOENT)
		return fd;
	if (directory)
		return make_dirs(path);
	dir = root_parent(path, &name);
	if (dir < 0)
		return dir;
	fd = (int) sys(SYS_openat, dir, name, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	return fd;
}

int proc_open(const char *path, int flags)
{
	if (init.proc < 0) {
		long context = sys(SYS_fsopen, "proc", FSOPEN_CLOEXEC), r = context;

		if (r >= 0)
			r = sys(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, 0, 0, 0);
		if (r >= 0)
			r = sys(SYS_fsmount, context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
		if (context >= 0)
			sys(SYS_close, context);
		if (r < 0)
			return (int) r;
		init.proc = (int) r;
	}
	/* "self" is a link of the kernel's own, so the pid's directory is asked for where it is needed: we see ourselves as PID 1 or
	 * otherwise. */
	return open_how(init.proc, path, flags, RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS);
}

void step_propagation(const struct wire_step *step)
{
	doing("separate the mounts from the host's", NULL, NULL, NULL);
	must(sys(SYS_mount, 0, "/", 0, step->number[0], 0), "mount");
}

static void attach_root(int mount)
{
	must(sys(SYS_move_mount, mount, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH), "move_mount");
	init.root = mount;
}

static void keep_root(const struct wire_step *step, int mount)
{
	if (step->flags & WIRE_KEPT)
		init.root = mount;
	else
		attach_root(mount);
}

/* A comma ends an option, and a backslash protects it. */
static char *add_escaped(char *at, const char *end, const char *s)
{
	char one[3] = "\\";

	for (; *s; s++) {
		bool special = *s == ',' || *s == ':' || *s == '\\';

		one[special] = *s;
		one[special + 1] = 0;
		at = text_add(at, end, one);
		one[0] = '\\';
	}
	return at;
}

/*
 * By name, not by the library's descriptors: those belong to its mount namespace, and the kernel makes an overlay only of what is
 * mounted in ours.
 */
static void enter(const char *path)
{
	doing("open the directory", path, NULL, NULL);
	if (!path)
		fail("decode", -EINVAL);
	must(sys(SYS_chdir, path), "chdir");
}

/* More than this, and their names do not go into a page. */
#define NAMED_LOWERS_MAX 100

/*
 * Before 6.5 all the layers have to fit into one page of options: by names relative to the directory that we are in; if there are too many
 * for that, by the shortest names there are, those of descriptors, relative to /proc/self/fd.
 */
static char *add_lowers(char *at, const char *end, char **lowers, const char *directory)
{
	size_t count = 0;

	while (lowers[count])
		count++;
	for (size_t i = 0; i < count; i++) {
		if (i)
			at = text_add(at, end, ":");
		doing("add a layer to the root", lowers[i], NULL, NULL);
		if (count <= NAMED_LOWERS_MAX)
			at = text_add(at, end, lowers[i]);
		else
			at = text_add_number(at, end, (uint64_t) must(sys(SYS_openat, AT_FDCWD, lowers[i], O_PATH | O_CLOEXEC), "open"));
	}
	if (count > NAMED_LOWERS_MAX)
		enter("/proc/self/fd");
	doing("mount the overlay root in", directory, NULL, NULL);
	return at;
}

/*
 * The upper directory in memory. The kernel takes one only that is mounted in our namespace, so it is put over @place for the moment: the
 * overlay keeps a mount of its own. Its descriptor.
 */
static int memory_upper(const char *place, const char *size)
{
	int mount;

	doing("make a tmpfs for the container's changes", NULL, NULL, NULL);
	mount = tmpfs_make(text_equal(size, "0") ? NULL : size, "mode", "0700", 0);
	must(sys(SYS_move_mount, mount, "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH), "move_mount");
	must(sys(SYS_mkdirat, mount, "diff", 0755), "mkdirat");
	must(sys(SYS_mkdirat, mount, "work", 0755), "mkdirat");
	must(sys(SYS_fchmodat, mount, "diff", 0755), "fchmodat");
	return mount;
}

static void forget_memory(int memory, const char *place)
{
	if (memory < 0)
		return;
	must(sys(SYS_umount2, place, 2 /* MNT_DETACH */), "umount");
	sys(SYS_close, memory);
}

static void overlay_by_mount(const struct wire_step *step, const char *container)
{
	static char options[4096];
	const char *end = options + sizeof(options);
	char *at = add_lowers(text_add(options, end, "lowerdir="), end, plan_vector(&init.plan, step, 0), container);

	at = add_escaped(text_add(at, end, ",upperdir="), end, container);
	at = add_escaped(text_add(at, end, "/diff,workdir="), end, container);
	at = text_add(at, end, "/work");
	if (step->flags & WIRE_VOLATILE)
		at = text_add(at, end, ",volatile");
	if (step->flags & WIRE_USERXATTR)
		at = text_add(at, end, ",userxattr");
	at = text_add(at, end, ",metacopy=off,redirect_dir=nofollow,index=off");
	if (at + 1 == end)
		fail("mount", -E2BIG);
	must(sys(SYS_mount, "overlay", "/", "overlay", 0, options), "mount");
	/* "/" leads below what was just mounted over it, ".." of the root does not. */
	if (step->flags & WIRE_KEPT) {
		init.root = (int) must(sys(SYS_open_tree, AT_FDCWD, "/..", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC), "open_tree");
		/* The container's mount namespace would have a copy of it, which it could not get rid of. */
		must(sys(SYS_umount2, "/..", 2 /* MNT_DETACH */), "umount");
	} else {
		init.root = (int) must(sys(SYS_openat, AT_FDCWD, "/..", O_PATH | O_DIRECTORY | O_CLOEXEC), "open");
	}
}

static void cover(const struct wire_step *step, unsigned int text)
{
	const char *path = plan_text(&init.plan, step, text);

	doing("open the directory", path, NULL, NULL);
	if (!path)
		fail("decode", -EINVAL);
	idmap_cover(path, step->number[0]);
}

void step_overlay(const struct wire_step *step)
{
	/*
	 * Whatever the module's defaults are: an upper directory holds whole files and directories under their own names, which is what
	 * reading it back (commit, diff) and using it as a layer rest on.
	 */
	static const struct {
		const char *option, *value;
	} plain[] = { { "metacopy", "off" }, { "redirect_dir", "nofollow" }, { "index", "off" } };
	char **lowers = plan_vector(&init.plan, step, 0);
	const char *layers = plan_text(&init.plan, step, 0), *container = plan_text(&init.plan, step, 1),
		   *size = plan_text(&init.plan, step, 2);
	int context, mount, memory = -1;

	if (step->flags & WIRE_IDMAPPED) {
		cover(step, 0);
		if (!size)
			cover(step, 1);
		idmap_mounter(step->number[1], step->number[2]);
	}
	enter(layers);
	if (size)
		memory = memory_upper(container = layers, size);
	doing("mount the overlay root", NULL, NULL, NULL);
	if (step->flags & WIRE_BY_MOUNT) {
		overlay_by_mount(step, container);
		forget_memory(memory, layers);
		return;
	}
	context = (int) must(sys(SYS_fsopen, "overlay", FSOPEN_CLOEXEC), "fsopen");
	for (char **lower = lowers; *lower; lower++) {
		doing("add a layer to the root", *lower, NULL, NULL);
		must(sys(SYS_fsconfig, context, FSCONFIG_SET_STRING, "lowerdir+", *lower, 0), "fsconfig lowerdir+");
	}
	if (size)
		must(sys(SYS_fchdir, memory), "fchdir");
	else
		enter(container);
	doing("mount the overlay root in", size ? "memory" : container, NULL, NULL);
	must(sys(SYS_fsconfig, context, FSCONFIG_SET_STRING, "source", "overlay", 0), "fsconfig source");
	must(sys(SYS_fsconfig, context, FSCONFIG_SET_STRING, "upperdir", "diff", 0), "fsconfig upperdir");
	must(sys(SYS_fsconfig, context, FSCONFIG_SET_STRING, "workdir", "work", 0), "fsconfig workdir");
	if (step->flags & WIRE_VOLATILE)
		must(sys(SYS_fsconfig, context, FSCONFIG_SET_FLAG, "volatile", 0, 0), "fsconfig volatile");
	if (step->flags & WIRE_USERXATTR) {
		must(sys(SYS_fsconfig, context, FSCONFIG_SET_FLAG, "userxattr", 0, 0), "fsconfig userxattr");
	} else {
		/* Some kernels have them on by default, and what they leave in the upper directory no layer can hold (archive/pack.c). */
		sys(SYS_fsconfig, context, FSCONFIG_SET_STRING, "redirect_dir", "off", 0);
		sys(SYS_fsconfig, context, FSCONFIG_SET_STRING, "metacopy", "off", 0);
	}
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		must(sys(SYS_fsconfig, context, FSCONFIG_SET_STRING, plain[i].option, plain[i].value, 0), "fsconfig");
	must(sys(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, 0, 0, 0), "fsconfig create");
	mount = (int) must(sys(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0), "fsmount");
	sys(SYS_close, context);
	forget_memory(memory, layers);
	keep_root(step, mount);
}

void step_root_bind(const struct wire_step *step)
{
	const char *path = plan_text(&init.plan, step, 0);

	doing("use as the root", path, NULL, NULL);
	keep_root(step,
		  (int) must(sys(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (step->number[0] ? 0 : AT_RECURSIVE)),
			     "open_tree"));
}

void step_root_attach(const struct wire_step *step)
{
	(void) step;
	doing("mount the root", NULL, NULL, NULL);
	attach_root(init.root);
}

void step_root_clone(const struct wire_step *step)
{
	(void) step;
	doing("part the tree from this mount namespace", NULL, NULL, NULL);
	root_parent_forget();
	init.root = (int) must(sys(SYS_open_tree, init.root, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE),
			       "open_tree");
}

void step_root_read_only(const struct wire_step *step)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

	(void) step;
	doing("make the root read-only", NULL, NULL, NULL);
	must(sys(SYS_mount_setattr, init.root, "", AT_EMPTY_PATH, &attr, sizeof(attr)), "mount_setattr");
}

void step_make_dir(const struct wire_step *step)
{
	const char *path = plan_text(&init.plan, step, 0);
	long fd;

	doing("make the working directory", path, NULL, NULL);
	fd = must(make_dirs(path), "mkdirat");
	sys(SYS_close, fd);
}

void step_pivot(const struct wire_step *step)
{
	long old = -1;

	doing("move into the new root", NULL, NULL, NULL);
	if (step->number[0] & MS_SHARED)
		old = must(sys(SYS_openat, AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC), "open");
	must(sys(SYS_fchdir, init.root), "fchdir");
	/* The old root is put over the new one, and taken off: no directory for it is needed. */
	must(sys(SYS_pivot_root, ".", "."), "pivot_root");
	/* Its mounts may still be peers of the host's, which must not go with them. */
	if (old >= 0) {
		must(sys(SYS_fchdir, old), "fchdir");
		must(sys(SYS_mount, 0, ".", 0, MS_SLAVE | MS_REC, 0), "mount");
		must(sys(SYS_fchdir, init.root), "fchdir");
	}
	must(sys(SYS_umount2, ".", 2 /* MNT_DETACH */), "umount2");
	must(sys(SYS_chdir, "/"), "chdir");
	init.root = AT_FDCWD;
	init.proc = -1;
	root_parent_forget();
	/* From here on no descriptor leads to the host any more, but those that the program is given (CVE-2024-21626). */
	if (step->number[1])
		must(sys(SYS_close_range, WIRE_FD_SOCKET + 1, WIRE_FD_PASS - 1, 0), "close_range");
	must(close_from(step->number[1] ? WIRE_FD_PASS + (unsigned int) step->number[1] : WIRE_FD_SOCKET + 1), "close_range");
	if (step->number[0])
		must(sys(SYS_mount, 0, "/", 0, step->number[0], 0), "mount");
}
