/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Project quotas.
 *
 * A project id is a number on inodes that others may use, too: another store, another engine, xfs_quota. So ours are drawn at random
 * from the upper half, and one that has a limit or takes room already is passed over.
 * Quotas are set by descriptor (quotactl_fd(2), Linux 5.14), so the device need not be known. See: xfs_quota(8), ext4(5) prjquota.
 */
#include "store/quota.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/quota.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/str.h"

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif
#define FIRST_PROJECT 0x40000000u
#define KERNEL_QUOTACTL_FD (5 << 16 | 14)
#define SIZE_MAX_EXACT (INT64_C(1) << 53) /* what a JSON number carries */

uint64_t quota_size(const char *text)
{
	static const char units[] = "kmgtp";
	const char *unit;
	double size;
	char *end;

	if (!isdigit((unsigned char) *text) || text[strspn(text, "0123456789.kKmMgGtTpPiIbB")])
		return 0;
	size = strtod(text, &end);
	unit = *end ? strchr(units, tolower((unsigned char) *end)) : NULL;
	for (const char *p = units; unit && p <= unit; p++)
		size *= 1024;
	end += unit != NULL;
	end += unit && (*end == 'i' || *end == 'I');
	end += *end == 'b' || *end == 'B';
	return !*end && size >= 1 && size <= (double) SIZE_MAX_EXACT ? (uint64_t) size : 0;
}

static int quotactl_by_fd(int fd, unsigned int command, uint32_t id, void *data)
{
	return syscall(SYS_quotactl_fd, fd, QCMD(command, PRJQUOTA), id, data) < 0 ? -errno : 0;
}

int quota_check(scow_engine *engine, int fd, const char *what, scow_error **error)
{
	struct fs_quota_statv state = { .qs_version = FS_QSTATV_VERSION1 };
	const char *reason = NULL, *hint;
	struct statfs fs;
	bool ext4;
	int r;

	if (fstatfs(fd, &fs) < 0)
		return error_errno(error, errno, "fstatfs", "look at the file system of '%s'", engine->root);
	ext4 = fs.f_type == EXT4_SUPER_MAGIC;
	hint = ext4 ? "unmount it, 'tune2fs -O project,quota' its device, and mount it with the option prjquota"
		    : "mount it with the option prjquota ('/' by rootflags= on the kernel's command line)";
	if (engine->facts.rootless) {
		reason = "only the host's root may set quotas";
		hint = "run as root, or limit what is in memory: backing=tmpfs";
	} else if (engine->facts.kernel < KERNEL_QUOTACTL_FD) {
		reason = "it needs Linux 5.14 or newer";
		hint = "backing=tmpfs has a size on every kernel";
	} else if (!ext4 && fs.f_type != XFS_SUPER_MAGIC) {
		reason = "the file system of the store is neither ext4 nor XFS, which have project quotas";
		hint = "put the store on one of these, or use backing=tmpfs";
	} else {
		r = quotactl_by_fd(fd, Q_XGETQSTATV, 0, &state);
		if (r < 0 || !(state.qs_flags & FS_QUOTA_PDQ_ACCT))
			reason = ext4 ? "the ext4 of the store is mounted without prjquota"
				      : "the XFS of the store is mounted without prjquota";
		else if (!(state.qs_flags & FS_QUOTA_PDQ_ENFD))
			reason = "the file system of the store counts projects, but is mounted without prjquota, which limits them";
	}
	if (!reason)
		return 0;
	return error_hint(error, error_set(error, SCOW_E_UNSUPPORTED, "%s cannot be: %s", what, reason), "%s", hint);
}

/* 1: nobody has it, 0: somebody does. */
static int is_free(int fd, uint32_t project)
{
	struct if_dqblk found = { 0 };
	int r = quotactl_by_fd(fd, Q_GETQUOTA, project, &found);

	if (r == -ENOENT || r == -ESRCH)
		return 1;
	return r < 0 ? r
		     : !found.dqb_curspace && !found.dqb_curinodes && !found.dqb_bhardlimit && !found.dqb_bsoftlimit &&
			       !found.dqb_ihardlimit;
}

static int set_limit(int fd, uint32_t project, uint64_t bytes)
{
	struct if_dqblk limit = { .dqb_bhardlimit = (bytes + 1023) / 1024, .dqb_valid = QIF_BLIMITS };

	return quotactl_by_fd(fd, Q_SETQUOTA, project, &limit);
}

/* Inside a transaction: the project that @owner's @name has; 0: none. */
static uint32_t quota_project(struct db_work *work, enum quota_owner owner, const char *name)
{
	sqlite3_stmt *row;
	int r = db_query(work, &row, NULL,
			 owner == QUOTA_VOLUME ? "SELECT id FROM projects WHERE volume = ?1"
					       : "SELECT id FROM projects WHERE container = ?1",
			 "t", name);

	return r > 0 ? (uint32_t) db_int(row, 0) : 0;
}

/* A number that nobody has, noted. */
static int draw(struct db_work *work, enum quota_owner owner, const char *name, int fd, uint32_t *out, scow_error **error)
{
	const char *container = owner == QUOTA_CONTAINER ? name : NULL, *volume = owner == QUOTA_VOLUME ? name : NULL;

	for (int i = 0; i < 100; i++) {
		char digits[9];
		int r;

		random_hex(digits, 4);
		*out = (uint32_t) strtoul(digits, NULL, 16) | FIRST_PROJECT;
		if (*out == UINT32_MAX)
			continue;
		r = is_free(fd, *out);
		if (r < 0)
			return error_errno(error, -r, "quotactl_fd", "look at a project quota");
		if (r > 0)
			r = db_exec(work, error,
				    "INSERT INTO projects (id, container, volume) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO NOTHING", "itt",
				    (int64_t) *out, container, volume);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	return error_set(error, SCOW_E_LIMIT, "no project id is free");
}

int quota_take(struct db_work *work, enum quota_owner owner, const char *name, int fd, uint64_t bytes, uint32_t *project,
	       scow_error **error)
{
	int r = 0;

	*project = quota_project(work, owner, name);
	if (!*project)
		r = draw(work, owner, name, fd, project, error);
	if (r < 0)
		return r;
	r = set_limit(fd, *project, bytes);
	return r < 0 ? error_errno(error, -r, "quotactl_fd", "limit what may be written") : 0;
}

int quota_mark(int dir_fd, const char *name, uint32_t project, scow_error **error)
{
	_cleanup_fd_ int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct fsxattr attributes;

	if (fd < 0 || ioctl(fd, FS_IOC_FSGETXATTR, &attributes) < 0)
		return error_errno(error, errno, "ioctl FS_IOC_FSGETXATTR", "limit what is written in '%s'", name);
	attributes.fsx_projid = project;
	attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
	if (ioctl(fd, FS_IOC_FSSETXATTR, &attributes) < 0)
		return error_errno(error, errno, "ioctl FS_IOC_FSSETXATTR", "limit what is written in '%s'", name);
	return 0;
}

void quota_release(struct db_work *work, enum quota_owner owner, const char *name, int fd)
{
	const uint32_t project = quota_project(work, owner, name);

	/* A limit that stays does no harm: its number is passed over from now on. */
	if (project)
		(void) !set_limit(fd, project, 0);
}
