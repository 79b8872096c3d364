/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Storage options: where what a container writes is kept, and how much of it. */
#include "container/storage.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/str.h"
#include "container/config-internal.h"
#include "container/create.h"
#include "store/quota.h"

#define OPTION_SIZE "the storage option 'size'"
#define KERNEL_TMPFS_XATTRS (6 << 16 | 6)

void scow_container_config_set_storage_option(scow_container_config *config, const char *name, const char *value)
{
	if (!config)
		return;
	if (!name || !value)
		return REFUSE(config, "'%s' has no value", name ? name : "");
	if (str_eq(name, "size")) {
		if (quota_size(value) < QUOTA_SIZE_MIN)
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
			out->bytes = quota_size(config->storage[i].value);
		else
			out->tmpfs = str_eq(config->storage[i].value, "tmpfs");
	}
}

int storage_check(scow_engine *engine, const scow_container_config *config, scow_error **error)
{
	struct storage storage;

	storage_of(config, &storage);
	if (storage.tmpfs && engine->facts.rootless && engine->facts.kernel < KERNEL_TMPFS_XATTRS)
		return error_set(
			error, SCOW_E_UNSUPPORTED,
			"the storage option 'backing=tmpfs' cannot be: a plain user's overlay on a tmpfs needs Linux 6.6 or newer");
	return storage.bytes && !storage.tmpfs ? quota_check(engine, engine->containers_fd, OPTION_SIZE, error) : 0;
}

/* "work" is marked last: whoever died before that has left a container without its limit. */
static bool is_limited(int dir_fd)
{
	_cleanup_fd_ int fd = openat(dir_fd, "work", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct fsxattr attributes;

	return fd >= 0 && ioctl(fd, FS_IOC_FSGETXATTR, &attributes) == 0 && attributes.fsx_projid;
}

int storage_limit(scow_engine *engine, const char *id, int dir_fd, uint64_t bytes, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	uint32_t project = 0;
	int r;

	if (is_limited(dir_fd))
		return 0;
	r = quota_check(engine, dir_fd, OPTION_SIZE, error);
	if (r == 0)
		r = db_begin(engine->db, &work, error);
	if (r == 0)
		r = quota_take(&work, QUOTA_CONTAINER, id, dir_fd, bytes, &project, error);
	if (r == 0)
		r = db_commit(&work, error);
	if (r == 0)
		r = quota_mark(dir_fd, "diff", project, error);
	return r < 0 ? r : quota_mark(dir_fd, "work", project, error);
}

int storage_share_limit(int dir_fd, const char *name, scow_error **error)
{
	_cleanup_fd_ int fd = openat(dir_fd, "diff", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct fsxattr attributes;

	/* A file system without projects has no limits either. */
	if (fd < 0 || ioctl(fd, FS_IOC_FSGETXATTR, &attributes) < 0 || !attributes.fsx_projid)
		return 0;
	return quota_mark(dir_fd, name, attributes.fsx_projid, error);
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
