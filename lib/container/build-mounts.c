/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The mounts of a spec: the default ones as the namespaces and privileges need them, then the user's, sorted so that a mount comes
 * before what is mounted below it. A user's mount takes the place of a default one on the same target.
 *
 * In a user namespace, proc and sysfs can only be mounted new for namespaces that it owns: otherwise the host's are bound.
 */
#include "container/build.h"

#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#include "base/str.h"
#include "container/scratch.h"

static bool is_held(const struct build *b, const char *target)
{
	for (size_t i = 0; b->held && i < b->held->n; i++)
		if (str_eq(b->held->items[i].target, target))
			return true;
	return false;
}

static const struct config_mount *user_mount(const struct build *b, const char *target)
{
	for (size_t i = 0; i < b->config->n_mounts; i++)
		if (str_eq(b->config->mounts[i].target, target))
			return &b->config->mounts[i];
	for (size_t i = 0; i < b->n_device_mounts; i++)
		if (str_eq(b->device_mounts[i].target, target))
			return &b->device_mounts[i];
	return NULL;
}

static void bind_host(struct spec_mount *mount, unsigned long flags)
{
	*mount = (struct spec_mount){
		.kind = SPEC_MOUNT_BIND,
		.source = mount->target,
		.target = mount->target,
		.flags = flags,
		.recursive_read_only = (flags & MS_REC) && (flags & MS_RDONLY),
	};
}

/* A default mount, changed for this container. False: it has none of it. */
static bool adapt_default(const struct build *b, struct spec_mount *mount)
{
	const bool privileged = b->config->privileged;
	const unsigned long quiet = MS_NOSUID | MS_NOEXEC | MS_NODEV;

	if (user_mount(b, mount->target) || is_held(b, mount->target) ||
	    (str_has_prefix(mount->target, "/dev/") && (user_mount(b, "/dev") || is_held(b, "/dev"))))
		return false;
	if (str_eq(mount->target, "/dev/shm") || str_eq(mount->target, "/dev/mqueue")) {
		if (b->choices[SCOW_NAMESPACE_IPC].mode == NAMESPACE_IPC_NONE)
			return !str_eq(mount->target, "/dev/shm");
		if (!build_shares_host(b, SPEC_NS_IPC))
			return true;
		bind_host(mount, quiet);
		return access(mount->source, F_OK) == 0;
	}
	if (str_eq(mount->target, "/proc")) {
		if (b->user_ns && build_shares_host(b, SPEC_NS_PID))
			bind_host(mount, quiet | MS_REC);
	} else if (str_eq(mount->target, "/sys")) {
		if (b->user_ns && build_shares_host(b, SPEC_NS_NETWORK))
			bind_host(mount, quiet | MS_REC | (privileged ? 0 : MS_RDONLY));
		else if (privileged)
			mount->flags &= ~(unsigned long) MS_RDONLY;
	} else if (str_eq(mount->target, "/sys/fs/cgroup") && privileged) {
		mount->flags &= ~(unsigned long) MS_RDONLY;
	}
	return true;
}

/*
 * Nothing but a procfs may be where a container's /proc is, and below it only a few files that lie about the machine: a
 * forged one would hand scow-init's own writes to somebody else (CVE-2019-16884, CVE-2019-19921).
 */
static int check_proc(const struct config_mount *mount, scow_error **error)
{
	static const char *const files[] = {
		"cpuinfo", "diskstats", "loadavg", "meminfo", "slabinfo", "stat", "swaps", "uptime", "net/dev"
	};
	struct statfs fs;

	if (str_eq(mount->target, "/proc")) {
		if (mount->kind == MOUNT_BIND && statfs(mount->source, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC)
			return 0;
		return error_set(error, SCOW_E_INVALID, "mount on '/proc': only a proc file system may be there");
	}
	if (!str_has_prefix(mount->target, "/proc/"))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(files) && mount->kind == MOUNT_BIND; i++)
		if (str_eq(mount->target + strlen("/proc/"), files[i]))
			return 0;
	return error_set(error, SCOW_E_INVALID, "mount on '%s': it is inside /proc", mount->target);
}

static void note_propagation(struct spec *spec, unsigned long propagation)
{
	/* Mounts can only come from the host, or go there, if the container's root lets them through. */
	if (propagation & MS_SHARED)
		spec->root_propagation = MS_SHARED | MS_REC;
	else if ((propagation & MS_SLAVE) && !spec->root_propagation)
		spec->root_propagation = MS_SLAVE | MS_REC;
}

/* Without what is mounted below it, which no overlay shows. */
static void fill_scratch(const struct build *b, struct spec_mount *out)
{
	out->flags &= ~(unsigned long) MS_REC;
	/* What the last run has changed there is as good as gone. */
	if (b->still)
		out->flags |= MS_RDONLY;
	else
		out->scratch = scratch_name(&b->spec->arena, out->target);
}

static int fill_user_mount(struct build *b, const struct config_mount *wish, struct spec_mount *out, scow_error **error)
{
	struct arena *arena = &b->spec->arena;
	struct bind_options options;
	int r = check_proc(wish, error);

	if (r < 0)
		return r;
	*out = (struct spec_mount){ .target = arena_strdup(arena, wish->target) };
	if (wish->kind == MOUNT_TMPFS) {
		out->kind = SPEC_MOUNT_FS;
		out->type = "tmpfs";
		out->source = "tmpfs";
		return tmpfs_options_parse(wish->options, arena, &out->flags, &out->data, error);
	}
	r = bind_options_parse(wish->options, &options, error);
	if (r < 0)
		return r;
	out->kind = SPEC_MOUNT_BIND;
	out->source = arena_strdup(arena, wish->source);
	out->flags = options.flags | (options.nonrecursive ? 0 : MS_REC) | (options.read_only ? MS_RDONLY : 0);
	out->recursive_read_only = options.read_only && !options.nonrecursive && !options.ro_nonrecursive;
	if (options.overlay)
		fill_scratch(b, out);
	out->create_source = options.create;
	out->propagation = options.propagation;
	note_propagation(b->spec, options.propagation);
	return options.idmap || options.own ? build_idmap(b, &options, out, error) : build_idmap_still(b, out, error);
}

/* A file system of the container's own. */
static void fill_file_system(const struct held *held, struct arena *arena, struct spec_mount *out)
{
	out->kind = SPEC_MOUNT_FS;
	out->type = arena_strdup(arena, held->from.type);
	out->source = arena_strdup(arena, held->from.device);
	out->data = arena_strdup(arena, held->from.data);
	out->flags |= held->from.flags;
}

static int fill_volume(struct build *b, const struct held *held, const struct bind_options *options, struct spec_mount *out,
		       scow_error **error)
{
	struct arena *arena = &b->spec->arena;

	if (held->from.kind == VOLUME_MOUNT) {
		fill_file_system(held, arena, out);
		if (options->overlay)
			return error_set(error, SCOW_E_UNSUPPORTED, "mount on '%s': no overlay ('O') over a file system that is mounted for it alone",
					 held->target);
		if (held->subpath)
			return error_set(error, SCOW_E_UNSUPPORTED, "mount on '%s': no subpath of a volume that is mounted for it alone",
					 held->target);
		return 0;
	}
	out->source = arena_strdup(arena, held->from.kind == VOLUME_DRIVEN ? held->place.path : held->from.path);
	out->flags |= held->from.flags;
	if (options->overlay)
		fill_scratch(b, out);
	out->dev = held->place.dev;
	out->ino = held->place.ino;
	/* Ours have the ids of containers on the disk. */
	out->idmapped = held->from.kind == VOLUME_DIRECTORY && b->user_ns && !b->rootless;
	if (options->idmap || options->own)
		return build_idmap(b, options, out, error);
	return held->from.kind == VOLUME_DIRECTORY ? 0 : build_idmap_still(b, out, error);
}

static int fill_held(struct build *b, const struct held *held, struct spec_mount *out, scow_error **error)
{
	const struct config_mount place = { .kind = held->kind, .source = held->source, .target = held->target, .options = held->options };
	struct arena *arena = &b->spec->arena;
	struct bind_options options;
	int r = check_proc(&place, error);

	if (r == 0)
		r = bind_options_parse(held->options, &options, error);
	if (r < 0)
		return r;
	if (held->kind == MOUNT_BIND)
		return fill_user_mount(b, &place, out, error);
	*out = (struct spec_mount){
		.kind = SPEC_MOUNT_BIND,
		.target = arena_strdup(arena, held->target),
		.subpath = arena_strdup(arena, held->subpath),
		.flags = options.flags | (held->read_only ? MS_RDONLY : 0),
		.propagation = options.propagation,
	};
	if (held->kind == MOUNT_VOLUME) {
		note_propagation(b->spec, options.propagation);
		return fill_volume(b, held, &options, out, error);
	}
	out->source = arena_strdup(arena, held->source);
	out->lowers = arena_strv(arena, (const char *const *) held->lowers, held->n_lowers);
	out->n_lowers = held->n_lowers;
	return 0;
}

int build_mount(struct build *b, const struct config_mount *wish, const struct held *held, struct spec_mount *out, scow_error **error)
{
	return held ? fill_held(b, held, out, error) : fill_user_mount(b, wish, out, error);
}

static unsigned int depth(const char *path)
{
	unsigned int n = 0;

	for (; *path; path++)
		n += *path == '/';
	return n;
}

/* Stable, and quick for what is nearly sorted. */
static void sort_by_depth(struct spec_mount *mounts, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		const struct spec_mount moved = mounts[i];
		const unsigned int moved_depth = depth(moved.target);
		size_t at = i;

		for (; at > 0 && depth(mounts[at - 1].target) > moved_depth; at--)
			mounts[at] = mounts[at - 1];
		mounts[at] = moved;
	}
}

int build_mounts(struct build *b, scow_error **error)
{
	const struct config_mount *dev = user_mount(b, "/dev");
	const size_t n_held = b->held ? b->held->n : 0;
	struct spec *spec = b->spec;
	struct spec_mount *mounts = arena_alloc(&spec->arena, (spec->n_mounts + b->config->n_mounts + b->n_device_mounts + n_held) * sizeof(*mounts));
	size_t n = 0;

	if (!mounts)
		return error_oom(error);
	for (size_t i = 0; i < spec->n_mounts; i++) {
		mounts[n] = spec->mounts[i];
		if (adapt_default(b, &mounts[n]))
			n++;
	}
	for (size_t i = 0; i < b->config->n_mounts; i++) {
		const struct config_mount *mount = &b->config->mounts[i];
		const bool own = mount->kind == MOUNT_BIND || mount->kind == MOUNT_TMPFS;
		const int r = own ? fill_user_mount(b, mount, &mounts[n++], error) : 0;

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < n_held; i++) {
		const int r = fill_held(b, &b->held->items[i], &mounts[n++], error);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < b->n_device_mounts; i++) {
		const struct config_mount *mount = &b->device_mounts[i];
		int r = 0;

		if (user_mount(b, mount->target) != mount)
			r = error_set(error, SCOW_E_INVALID, "two mounts on '%s', one of them a device's", mount->target);
		else
			r = fill_user_mount(b, mount, &mounts[n++], error);
		if (r < 0)
			return r;
	}
	if (arena_failed(&spec->arena))
		return error_oom(error);
	sort_by_depth(mounts, n);
	spec->mounts = mounts;
	spec->n_mounts = n;
	if (dev && dev->kind == MOUNT_BIND) { /* the host's own directory: nothing is made in it */
		spec->n_devices = 0;
		spec->default_dev_links = false;
	}
	return 0;
}
