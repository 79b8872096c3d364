/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What every container gets unless it says otherwise: Docker's file systems, devices, hidden and read-only paths.
 * See: runtime-spec config-linux.md "Default Filesystems", "Default Devices".
 */
#include "runtime/spec.h"

#include <sys/mount.h>

#include "base/cleanup.h"

#define FLAGS_PLAIN (MS_NOSUID | MS_NOEXEC | MS_NODEV)

static const struct spec_mount default_mounts[] = {
	{ .type = "proc", .source = "proc", .target = "/proc", .flags = FLAGS_PLAIN },
	{ .type = "tmpfs", .source = "tmpfs", .target = "/dev", .flags = MS_NOSUID | MS_STRICTATIME, .data = "mode=755,size=65536k" },
	{ .type = "devpts",
	  .source = "devpts",
	  .target = "/dev/pts",
	  .flags = MS_NOSUID | MS_NOEXEC,
	  .data = "newinstance,ptmxmode=0666,mode=0620,gid=5" },
	{ .type = "sysfs", .source = "sysfs", .target = "/sys", .flags = FLAGS_PLAIN | MS_RDONLY },
	{ .kind = SPEC_MOUNT_CGROUP, .type = "cgroup", .source = "cgroup", .target = "/sys/fs/cgroup", .flags = FLAGS_PLAIN | MS_RDONLY },
	{ .type = "mqueue", .source = "mqueue", .target = "/dev/mqueue", .flags = FLAGS_PLAIN, .optional = true },
};

static const struct {
	const char *path;
	unsigned int minor, major;
} default_devices[] = {
	{ "/dev/null", 3, 1 }, { "/dev/zero", 5, 1 },   { "/dev/full", 7, 1 },
	{ "/dev/tty", 0, 5 },  { "/dev/random", 8, 1 }, { "/dev/urandom", 9, 1 },
};

static const char *const masked_paths[] = {
	"/proc/acpi",
	"/proc/asound",
	"/proc/interrupts",
	"/proc/kcore",
	"/proc/keys",
	"/proc/latency_stats",
	"/proc/sched_debug",
	"/proc/scsi",
	"/proc/timer_list",
	"/proc/timer_stats",
	"/sys/devices/virtual/powercap",
	"/sys/firmware",
};

static const char *const readonly_paths[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger" };

static void add_mount(struct spec *spec, const struct spec_mount *mount)
{
	struct spec_mount *slot = arena_append(&spec->arena, &spec->mounts, &spec->n_mounts, sizeof(*mount));

	if (slot)
		*slot = *mount;
}

int spec_add_defaults(struct spec *spec, bool rootless, uint64_t shm_bytes, scow_error **error)
{
	struct spec_mount shm = { .type = "tmpfs", .source = "shm", .target = "/dev/shm", .flags = FLAGS_PLAIN };
	bool own_network = spec->namespaces[SPEC_NS_NETWORK].mode == SPEC_NS_NEW;

	for (size_t i = 0; i < ARRAY_SIZE(default_mounts); i++) {
		struct spec_mount mount = default_mounts[i];

		/* A sysfs shows the network of who mounts it, so it takes a right over that; the host's is bound where there is none. */
		if (rootless && !own_network && i == 3)
			mount = (struct spec_mount){ .kind = SPEC_MOUNT_BIND,
						     .source = "/sys",
						     .target = "/sys",
						     .flags = MS_BIND | MS_REC | FLAGS_PLAIN | MS_RDONLY,
						     .recursive_read_only = true };
		add_mount(spec, &mount);
	}
	shm.data = arena_printf(&spec->arena, "mode=1777,size=%llu", (unsigned long long) (shm_bytes ? shm_bytes : 64u << 20));
	add_mount(spec, &shm);
	for (size_t i = 0; i < ARRAY_SIZE(default_devices); i++) {
		struct spec_device *device = arena_append(&spec->arena, &spec->devices, &spec->n_devices, sizeof(*device));

		if (device)
			*device = (struct spec_device){ .path = default_devices[i].path,
							.type = 'c',
							.major = default_devices[i].major,
							.minor = default_devices[i].minor,
							.mode = 0666,
							.bind_source = rootless ? default_devices[i].path : NULL };
	}
	spec->default_dev_links = true;
	spec->masked_paths = masked_paths;
	spec->n_masked_paths = ARRAY_SIZE(masked_paths);
	spec->readonly_paths = readonly_paths;
	spec->n_readonly_paths = ARRAY_SIZE(readonly_paths);
	return arena_failed(&spec->arena) ? error_oom(error) : 0;
}

void spec_done(struct spec *spec)
{
	arena_done(&spec->arena);
	*spec = (struct spec){ .layers_fd = -1, .container_fd = -1 };
}
