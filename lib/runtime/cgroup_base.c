/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What cgroups this host has, and where the calling process sits in them: read once per engine from
 * /proc/self/mountinfo and /proc/self/cgroup, never assumed to be at /sys/fs/cgroup. Several v1 controllers may be
 * mounted together (one hierarchy then); name=systemd and a v2 hierarchy without controllers carry no limits and
 * are left alone. A controller that cannot be used keeps the reason, for the errors of those who ask for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/str.h"
#include "runtime/cgroup-internal.h"

#define PROC_LIMIT (16u << 20)

static const char *const v1_names[CG_COUNT] = {
	[CG_MEMORY] = "memory",   [CG_PIDS] = "pids",     [CG_CPU] = "cpu",         [CG_CPUACCT] = "cpuacct",
	[CG_BLKIO] = "blkio",     [CG_CPUSET] = "cpuset", [CG_DEVICES] = "devices", [CG_FREEZER] = "freezer",
	[CG_HUGETLB] = "hugetlb", [CG_RDMA] = "rdma",     [CG_MISC] = "misc",
};

const char *cgroup_controller_name(enum cgroup_mode mode, enum cgroup_controller controller)
{
	return mode == CGROUP_V2 && controller == CG_BLKIO ? "io" : v1_names[controller];
}

static void hierarchy_done(struct cgroup_hierarchy *hierarchy)
{
	free(hierarchy->mount);
	free(hierarchy->own);
	cleanup_fd(&hierarchy->own_fd);
	cleanup_fd(&hierarchy->root_fd);
}

void cgroup_base_free(struct cgroup_base *base)
{
	if (!base)
		return;
	for (size_t i = 0; i < base->n_hierarchies; i++)
		hierarchy_done(&base->hierarchies[i]);
	for (size_t i = 0; i < CG_COUNT; i++)
		free(base->missing[i]);
	free(base->reason);
	pthread_mutex_destroy(&base->lock);
	free(base);
}
DEFINE_CLEANUP(struct cgroup_base *, cgroup_base_free)

/* One line of mountinfo, cut up in place. */
struct mount_line {
	char *root, *point, *type, *options;
};

/* Undoes "\040" for the blanks in a path. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' && from[2] <= '7' && from[3] >= '0' &&
		    from[3] <= '7') {
			*to = (char) ((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = 0;
}

/* See: proc(5), mountinfo: "36 35 98:0 /root /point rw - type source options". */
static bool mount_line_parse(char *line, struct mount_line *out)
{
	char *tail = strstr(line, " - "), *save = NULL, *fields[5];

	if (!tail)
		return false;
	*tail = 0;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		fields[i] = strtok_r(i ? NULL : line, " ", &save);
		if (!fields[i])
			return false;
	}
	out->root = fields[3];
	out->point = fields[4];
	out->type = strtok_r(tail + 3, " ", &save);
	if (!out->type || !strtok_r(NULL, " ", &save)) /* the source says nothing */
		return false;
	out->options = strtok_r(NULL, " ", &save);
	if (!out->options)
		return false;
	unescape(out->root);
	unescape(out->point);
	return true;
}

/* Which of our controllers a comma-separated list names. */
static unsigned int controllers_of(const char *list)
{
	unsigned int found = 0;

	while (*list) {
		size_t size = strcspn(list, ",\n ");

		for (size_t i = 0; i < CG_COUNT; i++)
			if (strlen(v1_names[i]) == size && strncmp(v1_names[i], list, size) == 0)
				found |= CG_BIT(i);
		list += size + (list[size] != 0);
	}
	return found;
}

/* The process's path in the hierarchy with @controllers (0: v2) from the text of /proc/self/cgroup; malloc'ed or NULL. */
static char *own_path(const char *text, unsigned int controllers)
{
	for (const char *line = text; *line;) {
		size_t size = strcspn(line, "\n");
		const char *first = memchr(line, ':', size);
		const char *second = first ? memchr(first + 1, ':', size - (size_t) (first + 1 - line)) : NULL;

		if (second) {
			_cleanup_free_ char *list = strndup(first + 1, (size_t) (second - first - 1));

			if (list && (controllers ? (controllers_of(list) & controllers) != 0 : !*list))
				return strndup(second + 1, size - (size_t) (second + 1 - line));
		}
		line += size + (line[size] != 0);
	}
	return strdup("/");
}

/* Where @path is below a mount of @root, without a leading slash. A path outside of it (a cgroup namespace's "/..") is the mount itself. */
static char *below_root(const char *root, const char *path)
{
	size_t size = str_eq(root, "/") ? 0 : strlen(root);

	if (strncmp(path, root, size) != 0 || (path[size] != '/' && path[size] != 0) || strstr(path, "/.."))
		return strdup("");
	path += size;
	return strdup(path + strspn(path, "/"));
}

static int hierarchy_open(struct cgroup_hierarchy *hierarchy, long magic)
{
	struct statfs fs;

	hierarchy->root_fd = open(hierarchy->mount, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (hierarchy->root_fd < 0)
		return -errno;
	/* Something else may be mounted over it. */
	if (fstatfs(hierarchy->root_fd, &fs) < 0 || fs.f_type != magic)
		return -ENOENT;
	hierarchy->own_fd = openat(hierarchy->root_fd, *hierarchy->own ? hierarchy->own : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return hierarchy->own_fd < 0 ? -errno : 0;
}

/* Takes a mount into the base; a second mount of the same thing is passed over, and one that cannot be used. */
static int add_mount(struct cgroup_base *base, const struct mount_line *line, const char *self, unsigned int controllers,
		     scow_error **error)
{
	struct cgroup_hierarchy *hierarchy = &base->hierarchies[base->n_hierarchies];
	_cleanup_free_ char *own = NULL;
	int r;

	for (size_t i = 0; i < base->n_hierarchies; i++)
		if (controllers == 0 || (base->hierarchies[i].controllers & controllers))
			return 0;
	own = own_path(self, controllers);
	if (!own)
		return error_oom(error);
	*hierarchy = (struct cgroup_hierarchy){ .controllers = controllers, .own_fd = -1, .root_fd = -1 };
	hierarchy->mount = strdup(line->point);
	hierarchy->own = below_root(line->root, own);
	base->n_hierarchies++;
	if (!hierarchy->mount || !hierarchy->own)
		return error_oom(error);
	r = hierarchy_open(hierarchy, controllers ? CGROUP_SUPER_MAGIC : CGROUP2_SUPER_MAGIC);
	/* Want of descriptors passes: it must not be remembered as a host without cgroups. */
	if (r == -EMFILE || r == -ENFILE || r == -ENOMEM)
		return error_errno(error, -r, "open", "open '%s'", line->point);
	if (r < 0)
		hierarchy_done(&base->hierarchies[--base->n_hierarchies]);
	return 0;
}

/* Takes every mount of v1 controllers, or the one of v2. */
static int scan_mounts(struct cgroup_base *base, const char *mounts, const char *self, bool v2, bool *saw_v2, scow_error **error)
{
	_cleanup_free_ char *text = strdup(mounts);
	char *save = NULL;
	int r;

	if (!text)
		return error_oom(error);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		struct mount_line mount;
		unsigned int controllers = 0;

		if (!strstr(line, " - cgroup") || !mount_line_parse(line, &mount))
			continue;
		*saw_v2 = *saw_v2 || str_eq(mount.type, "cgroup2");
		if (!str_eq(mount.type, v2 ? "cgroup2" : "cgroup"))
			continue;
		if (!v2)
			controllers = controllers_of(mount.options);
		if ((!v2 && !controllers) || base->n_hierarchies == CG_COUNT)
			continue;
		r = add_mount(base, &mount, self, controllers, error);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A v1 hierarchy in whose cgroup we may not make children is of no use. */
static void v1_drop_unwritable(struct cgroup_base *base)
{
	for (size_t i = 0; i < base->n_hierarchies; i++) {
		struct cgroup_hierarchy *hierarchy = &base->hierarchies[i];
		const char *why;

		if (faccessat(hierarchy->own_fd, ".", W_OK, AT_EACCESS) == 0)
			continue;
		why = strerrordesc_np(errno);
		for (size_t c = 0; c < CG_COUNT; c++)
			if (hierarchy->controllers & CG_BIT(c))
				base->missing[c] = strf("cgroup '%s/%s' is not writable by uid %u (%s)", hierarchy->mount, hierarchy->own,
							base->uid, why ? why : "unknown");
		hierarchy->controllers = 0;
	}
}

static int v1_finish(struct cgroup_base *base, bool saw_v2)
{
	unsigned int usable = 0;

	base->mode = saw_v2 ? CGROUP_HYBRID : CGROUP_V1;
	v1_drop_unwritable(base);
	for (size_t i = 0; i < base->n_hierarchies; i++)
		usable |= base->hierarchies[i].controllers;
	for (size_t c = 0; c < CG_COUNT; c++)
		if (!(usable & CG_BIT(c)) && !base->missing[c])
			base->missing[c] = strf("the %s controller is not mounted", v1_names[c]);
	if (!usable)
		base->reason = strf("none of the cgroup v1 hierarchies is writable by uid %u", base->uid);
	return 0;
}

/* A v1 mount of, say, the freezer alone beside a full v2 does not make this a v1 host: such mounts are forgotten. */
static bool v1_carries_limits(struct cgroup_base *base)
{
	unsigned int controllers = 0;

	for (size_t i = 0; i < base->n_hierarchies; i++)
		controllers |= base->hierarchies[i].controllers;
	if (controllers & (CG_BIT(CG_MEMORY) | CG_BIT(CG_PIDS) | CG_BIT(CG_CPU)))
		return true;
	while (base->n_hierarchies)
		hierarchy_done(&base->hierarchies[--base->n_hierarchies]);
	return false;
}

static int probe(struct cgroup_base *base, scow_error **error)
{
	_cleanup_free_ char *mounts = NULL, *self = NULL;
	bool saw_v2 = false;
	int r;

	r = file_read_at(AT_FDCWD, "/proc/self/mountinfo", PROC_LIMIT, &mounts, NULL);
	if (r < 0)
		return error_errno(error, -r, "open", "read '/proc/self/mountinfo'");
	r = file_read_at(AT_FDCWD, "/proc/self/cgroup", PROC_LIMIT, &self, NULL);
	if (r < 0 && r != -ENOENT) /* a kernel without cgroups has none */
		return error_errno(error, -r, "open", "read '/proc/self/cgroup'");
	if (self) {
		r = scan_mounts(base, mounts, self, false, &saw_v2, error);
		if (r < 0)
			return r;
		if (v1_carries_limits(base))
			return v1_finish(base, saw_v2);
		r = scan_mounts(base, mounts, self, true, &saw_v2, error);
		if (r < 0)
			return r;
	}
	if (base->n_hierarchies) {
		base->mode = CGROUP_V2;
		return cgroup_v2_probe(base, error);
	}
	base->mode = CGROUP_NONE;
	base->reason = strdup("no cgroup file system is mounted");
	for (size_t c = 0; c < CG_COUNT; c++)
		base->missing[c] = strdup("no cgroup file system is mounted");
	return 0;
}

int cgroup_base_get(scow_engine *engine, const struct cgroup_base **out, scow_error **error)
{
	_cleanup_(cgroup_base_freep) struct cgroup_base *base = NULL;
	int r = 0;

	pthread_mutex_lock(&engine->lock);
	if (!engine->cgroup_base) {
		base = calloc(1, sizeof(*base));
		if (base) {
			pthread_mutex_init(&base->lock, NULL);
			base->rootless = engine->facts.rootless;
			base->uid = engine->facts.uid;
			r = probe(base, error);
		} else {
			r = error_oom(error);
		}
		if (r == 0) {
			engine->cgroup_base_free = cgroup_base_free;
			engine->cgroup_base = take_ptr(&base);
		}
	}
	*out = engine->cgroup_base;
	pthread_mutex_unlock(&engine->lock);
	return r < 0 ? error_wrap(error, r, "look for cgroups") : 0;
}

enum cgroup_mode cgroup_base_mode(const struct cgroup_base *base)
{
	return base->mode;
}

int cgroup_base_describe(const struct cgroup_base *base, struct cJSON *object, scow_error **error)
{
	static const char *const modes[] = { [CGROUP_NONE] = "none", [CGROUP_V1] = "v1", [CGROUP_HYBRID] = "hybrid", [CGROUP_V2] = "v2" };
	_cleanup_str_ struct str usable = { 0 };
	cJSON *missing;

	for (size_t c = 0; c < CG_COUNT; c++)
		if (!base->missing[c])
			str_printf(&usable, "%s%s", usable.size ? "," : "", cgroup_controller_name(base->mode, c));
	if (usable.failed || !cJSON_AddStringToObject(object, "Mode", modes[base->mode]) ||
	    !cJSON_AddStringToObject(object, "Controllers", usable.size ? usable.data : "") ||
	    (base->reason && !cJSON_AddStringToObject(object, "Unusable", base->reason)))
		return error_oom(error);
	missing = cJSON_AddObjectToObject(object, "Missing");
	if (!missing)
		return error_oom(error);
	for (size_t c = 0; c < CG_COUNT; c++)
		if (base->missing[c] && !cJSON_AddStringToObject(missing, cgroup_controller_name(base->mode, c), base->missing[c]))
			return error_oom(error);
	return 0;
}
