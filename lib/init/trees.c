/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Errands of a plain user's engine that need root in its user namespace: giving files to mapped ids, and removing trees that
 * mapped ids own. WIRE_FD_DIR is the directory; nothing below it is reached through a link.
 */
#include "init/init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>

#define DEPTH_MAX 64 /* directories kept open on the way down */

struct entry {
	uint64_t ino, off;
	unsigned short size;
	unsigned char type;
	char name[];
};

static void set_capability(int fd, const struct wire_step *step)
{
	/* By way of the descriptor's own name: an O_PATH one has no attributes to write, and /proc may be anything. */
	must(sys(SYS_fsetxattr, fd, "security.capability", plan_blob(&init.plan, step), step->blob_size, 0), "fsetxattr");
}

void step_chown(const struct wire_step *step)
{
	struct open_how how = { .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	const char *path = plan_text(&init.plan, step, 0);
	uint32_t mode = (uint32_t) step->number[2];
	int fd;

	doing("give to its owner:", path ? path : ".", NULL, NULL);
	if (mode == UINT32_MAX) {
		/* A link cannot be opened through NO_SYMLINKS unless it is the last name, which O_NOFOLLOW allows. */
		how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
	}
	fd = (int) must(sys(SYS_openat2, WIRE_FD_DIR, path ? path : ".", &how, sizeof(how)), "open");
	must(sys(SYS_fchownat, fd, "", step->number[0], step->number[1], AT_EMPTY_PATH), "fchown");
	sys(SYS_close, fd);
	if (mode == UINT32_MAX)
		return;
	/* Giving it away cleared set-id bits and file capabilities; a special file is reopened by nobody, so chmod goes by name. */
	how.flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	fd = (int) sys(SYS_openat2, WIRE_FD_DIR, path ? path : ".", &how, sizeof(how));
	if (fd == -ENXIO || fd == -ENODEV)
		return;
	must(fd, "open");
	must(sys(SYS_fchmod, fd, mode & 07777), "fchmod");
	if (step->blob_size)
		set_capability(fd, step);
	sys(SYS_close, fd);
}

/* Deeper than the descriptors kept: moves what it finds there to the top, so that no depth is too deep. */
static void remove_below(int top, int dir, int depth);

static void remove_entry(int top, int dir, const char *name, unsigned char type, int depth)
{
	static uint32_t moved;
	long r = -EISDIR;
	int fd;

	if (type != 4 /* DT_DIR */)
		r = sys(SYS_unlinkat, dir, name, 0);
	if (r == 0 || r == -ENOENT)
		return;
	if (r != -EISDIR && r != -EPERM)
		fail("unlinkat", r);
	if (depth == DEPTH_MAX) {
		char unique[40];
		const char *end = unique + sizeof(unique);

		text_add_number(text_add(unique, end, ".scow-removing-"), end, moved++);
		must(sys(SYS_renameat2, dir, name, top, unique, 0), "renameat2");
		return;
	}
	fd = (int) must(sys(SYS_openat, dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), "open");
	remove_below(top, fd, depth + 1);
	sys(SYS_close, fd);
	must(sys(SYS_unlinkat, dir, name, AT_REMOVEDIR), "unlinkat");
}

static void remove_below(int top, int dir, int depth)
{
	char buffer[2048] __attribute__((aligned(8)));
	bool again;

	/* Removing while reading may skip names, so it is read until there are none. */
	do {
		long n;

		again = false;
		must(sys(SYS_lseek, dir, 0, 0), "lseek");
		while ((n = must(sys(SYS_getdents64, dir, buffer, sizeof(buffer)), "getdents64")) > 0) {
			for (long at = 0; at < n;) {
				struct entry *entry = (struct entry *) (buffer + at);

				at += entry->size;
				if (text_equal(entry->name, ".") || text_equal(entry->name, ".."))
					continue;
				again = true;
				remove_entry(top, dir, entry->name, entry->type, depth);
			}
		}
	} while (again);
}

void tree_clear(int dir)
{
	remove_below(dir, dir, 0);
}

void step_remove(const struct wire_step *step)
{
	const char *name = plan_text(&init.plan, step, 0);
	long r, fd;

	doing("remove the tree", name, NULL, NULL);
	r = sys(SYS_unlinkat, WIRE_FD_DIR, name, 0);
	if (r == 0 || r == -ENOENT)
		return;
	fd = must(sys(SYS_openat, WIRE_FD_DIR, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), "open");
	remove_below((int) fd, (int) fd, 0);
	must(sys(SYS_unlinkat, WIRE_FD_DIR, name, AT_REMOVEDIR), "unlinkat");
}
