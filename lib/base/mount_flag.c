/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The options of mount(8) that every file system has: what each sets, and what it takes back. */
#include "base/mount_flag.h"

#include <string.h>
#include <sys/mount.h>

#include "base/cleanup.h"

static const struct {
	const char *name;
	unsigned long set, clear;
} options[] = {
	{ "defaults", 0, 0 },
	{ "ro", MS_RDONLY, 0 },
	{ "rw", 0, MS_RDONLY },
	{ "exec", 0, MS_NOEXEC },
	{ "noexec", MS_NOEXEC, 0 },
	{ "suid", 0, MS_NOSUID },
	{ "nosuid", MS_NOSUID, 0 },
	{ "dev", 0, MS_NODEV },
	{ "nodev", MS_NODEV, 0 },
	{ "sync", MS_SYNCHRONOUS, 0 },
	{ "async", 0, MS_SYNCHRONOUS },
	{ "dirsync", MS_DIRSYNC, 0 },
	{ "atime", 0, MS_NOATIME },
	{ "noatime", MS_NOATIME, 0 },
	{ "diratime", 0, MS_NODIRATIME },
	{ "nodiratime", MS_NODIRATIME, 0 },
	{ "relatime", MS_RELATIME, 0 },
	{ "norelatime", 0, MS_RELATIME },
	{ "strictatime", MS_STRICTATIME, 0 },
	{ "nostrictatime", 0, MS_STRICTATIME },
};

bool mount_flag(const char *option, size_t size, unsigned long *flags)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if (strlen(options[i].name) != size || memcmp(options[i].name, option, size) != 0)
			continue;
		*flags = (*flags & ~options[i].clear) | options[i].set;
		return true;
	}
	return false;
}
