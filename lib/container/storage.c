/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Storage options and project quotas.
 *
 * A project id is a number on inodes that others may use, too: another store, another engine, xfs_quota. So ours are drawn at random
 * from the upper half, and one that has a limit or takes room already is passed over.
 * Quotas are set by descriptor (quotactl_fd(2), Linux 5.14), so the device need not be known. See: xfs_quota(8), ext4(5) prjquota.
 */
#include "container/storage.h"

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

#include "base/str.h"
#include "container/config-internal.h"
#include "container/create.h"

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif
#define SIZE_MIN (UINT64_C(64) << 10)
#define FIRST_PROJECT 0x40000000u
#define KERNEL_QUOTACTL_FD (5 << 16 | 14)
#define KERNEL_TMPFS_XATTRS (6 << 16 | 6)

/* "10G", "512MiB", "1048576": units of 1024, as of --memory. 0: none of these. */
static uint64_t parse_size(const char *text)
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
	return !*end && size >= 1 && size <= (double) CONFIG_NUMBER_MAX ? (uint64_t) size : 0;
}

void scow_container_config_set_storage_option(scow_container_config *config, const char *name, const char *value)
{
	if (!config)
		return;
	if (!name || !value)
		return REFUSE(config, "'%s' has no value", name ? name : "");
	if (str_eq(name, "size")) {
		if (parse_size(value) < SIZE_MIN)
			return REFUSE(config, "'size=%s' is no size of 64 KiB or more, such as 10G", value);
	} else if (str_eq(name, "backing")) {
		if (!str_eq(value, "disk") && !str_eq(value, "tmpfs"))
			return REFUSE(config, "'backing=%s' is neither disk nor tmpfs", value);
	} else {
		return config_refuse(config, SCOW_E_UNSUPPORTED, __func__, "there is no storage option '%s': size and backing are known",
				     name);
	}
	config_put_pair(config, &config->storage, &config->n_storage, name, value);
}

void storage_of(const scow_container_config *config, struct storage *out)
{
	*out = (struct storage){ .bytes = 0 };
	for (size_t i = 0; i < config->n_storage; i++) {
		if (str_eq(config->storage[i].name, "size"))
			out->bytes = parse_size(config->storage[i].value);
		else
			out->tmpfs = str_eq(config->storage[i].value, "tmpfs");
	}
}

static int quotactl_by_fd(int fd, unsigned int command, uint32_t id, void *data)
{
	return syscall(SYS_quotactl_fd, fd, QCMD(command, PRJQUOTA), id, data) < 0 ? -errno : 0;
}

/* Project quotas are counted and enforced on the file system of @fd. */
static int check_quotas(scow_engine *engine, int fd, scow_error **error)
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
	return error_hint(error, error_set(error, SCOW_E_UNSUPPORTED, "the storage option 'size' cannot be: %s", reason), "%s", hint);
}

int storage_check(scow_engine *engine, const scow_container_config *config, scow_error **error)
{
	struct storage storage;

	storage_of(config, &storage);
	if (storage.tmpfs && engine->facts.rootless && engine->facts.kernel < KERNEL_TMPFS_XATTRS)
		return error_set(
			error, SCOW_E_UNSUPPORTED,
			"the storage option 'backing=tmpfs' cannot be: a plain user's overlay on a tmpfs needs Linux 6.6 or newer");
	return storage.bytes && !storage.tmpfs ? check_quotas(engine, engine->containers_fd, error) : 0;
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

/* A project id of its own, noted in the container's row of projects. */
static int take_project(scow_engine *engine, const char *id, int fd, uint32_t *out, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *row;
	int r = db_begin(engine->db, &work, error);

	if (r == 0)
		r = db_query(&work, &row, error, "SELECT id FROM projects WHERE container = ?1", "t", id);
	if (r > 0)
		*out = (uint32_t) db_int(row, 0);
	if (r != 0)
		return r < 0 ? r : 0;
	for (int i = 0; i < 100; i++) {
		char digits[9];

		random_hex(digits, 4);
		*out = (uint32_t) strtoul(digits, NULL, 16) | FIRST_PROJECT;
		if (*out == UINT32_MAX)
			continue;
		r = is_free(fd, *out);
		if (r < 0)
			return error_errno(error, -r, "quotactl_fd", "look at a project quota");
		if (r > 0)
			r = db_exec(&work, error, "INSERT INTO projects (container, id) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING", "ti",
				    id, (int64_t) *out);
		if (r != 0)
			return r < 0 ? r : db_commit(&work, error);
	}
	return error_set(error, SCOW_E_LIMIT, "no project id is free");
}

static int set_limit(int fd, uint32_t project, uint64_t bytes)
{
	struct if_dqblk limit = { .dqb_bhardlimit = (bytes + 1023) / 1024, .dqb_valid = QIF_BLIMITS };

	return quotactl_by_fd(fd, Q_SETQUOTA, project, &limit);
}

/* What is made in it from now on belongs to the project, too. */
static int mark(int dir_fd, const char *name, uint32_t project)
{
	_cleanup_fd_ int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct fsxattr attributes;

	if (fd < 0 || ioctl(fd, FS_IOC_FSGETXATTR, &attributes) < 0)
		return -errno;
	attributes.fsx_projid = project;
	attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
	return ioctl(fd, FS_IOC_FSSETXATTR, &attributes) < 0 ? -errno : 0;
}

/* "work" is marked last: whoever died before that has left a start without its limit. */
static bool is_limited(int dir_fd)
{
	_cleanup_fd_ int fd = openat(dir_fd, "work", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct fsxattr attributes;

	return fd >= 0 && ioctl(fd, FS_IOC_FSGETXATTR, &attributes) == 0 && attributes.fsx_projid >= FIRST_PROJECT;
}

int storage_limit(scow_engine *engine, const char *id, int dir_fd, uint64_t bytes, scow_error **error)
{
	uint32_t project = 0;
	int r;

	if (is_limited(dir_fd))
		return 0;
	r = check_quotas(engine, dir_fd, error);
	if (r == 0)
		r = take_project(engine, id, dir_fd, &project, error);
	if (r < 0)
		return r;
	r = set_limit(dir_fd, project, bytes);
	if (r < 0)
		return error_errno(error, -r, "quotactl_fd", "limit what the container may write");
	r = mark(dir_fd, "diff", project);
	if (r == 0)
		r = mark(dir_fd, "work", project);
	return r < 0 ? error_errno(error, -r, "ioctl FS_IOC_FSSETXATTR", "limit what the container may write") : 0;
}

int storage_share_limit(int dir_fd, const char *name, scow_error **error)
{
	_cleanup_fd_ int fd = openat(dir_fd, "diff", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct fsxattr attributes;
	int r;

	/* A file system without projects has no limits either. */
	if (fd < 0 || ioctl(fd, FS_IOC_FSGETXATTR, &attributes) < 0 || !attributes.fsx_projid)
		return 0;
	r = mark(dir_fd, name, attributes.fsx_projid);
	return r < 0 ? error_errno(error, -r, "ioctl FS_IOC_FSSETXATTR", "limit what the container may write") : 0;
}

int storage_prepare(scow_container *container, int dir_fd, scow_error **error)
{
	const scow_container_config *config;
	struct storage storage;
	int r = container_config_of(container, &config, error);

	if (r < 0)
		return r;
	storage_of(config, &storage);
	return storage.bytes && !storage.tmpfs ? storage_limit(container->engine, container->id, dir_fd, storage.bytes, error) : 0;
}

void storage_release(struct db_work *work, scow_engine *engine, const char *id)
{
	sqlite3_stmt *row;

	/* A limit that stays does no harm: its number is passed over from now on. */
	if (db_query(work, &row, NULL, "SELECT id FROM projects WHERE container = ?1", "t", id) > 0)
		(void) !set_limit(engine->containers_fd, (uint32_t) db_int(row, 0), 0);
}

int storage_on_disk(scow_container *container, scow_error **error)
{
	const scow_container_config *config;
	struct storage storage;
	int r = container_config_of(container, &config, error);

	if (r < 0)
		return r;
	storage_of(config, &storage);
	if (!storage.tmpfs)
		return 0;
	return error_hint(error,
			  error_set(error, SCOW_E_STATE,
				    "container '%s' keeps what it writes in memory (backing=tmpfs), where only its own processes are",
				    container->name),
			  "copy from it or export it while it runs");
}
