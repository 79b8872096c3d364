/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The part of a plan that mounts things in the root, at a start or later. Sources are opened in the mount namespace that has them; where
 * that is another than the container's they are kept as trees that are attached to nothing, and attached once it is joined.
 */
#include "runtime/plan-mounts.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "runtime/plan-userns.h"

static struct wire_step *text_step(struct job *job, enum wire_kind kind, uint32_t flags, const char *text)
{
	struct wire_step *step = job_step(job, kind, flags);

	job_text(job, step, 0, text);
	return step;
}

/* scow-init has to find it again in its own mount namespace. */
int plan_path_of(int fd, char path[PATH_MAX], scow_error **error)
{
	char link[40];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, PATH_MAX - 1);
	if (n < 0)
		return error_errno(error, errno, "readlink", "find the path of the container's root: is /proc mounted?");
	path[n] = 0;
	return 0;
}

/* devpts is refused with a group that does not exist in the user namespace. */
static char *without_tty_group(const char *data)
{
	char *copy = strdup(data), *option = copy ? strstr(copy, ",gid=5") : NULL;

	if (option && (!option[6] || option[6] == ','))
		memmove(option, option + 6, strlen(option + 6) + 1);
	return copy;
}

static int add_file_system(struct job *job, const struct spec_mount *mount, const struct plan_facts *facts, uint32_t flags,
			   scow_error **error)
{
	_cleanup_free_ char *changed = NULL;
	const char *data = mount->data;
	struct wire_step *step;

	if (data && strcmp(mount->type, "devpts") == 0 && !facts->tty_group) {
		data = changed = without_tty_group(data);
		if (!changed)
			return error_oom(error);
	}
	step = text_step(job, WIRE_MOUNT, flags | (mount->optional ? WIRE_OPTIONAL : 0), mount->type);
	job_text(job, step, 1, mount->source);
	job_text(job, step, 2, mount->target);
	job_text(job, step, 3, data && *data ? data : NULL);
	step->number[0] = mount->flags & ~(unsigned long) (MS_BIND | MS_REC);
	step->number[1] = mount->propagation & ~(unsigned long) MS_PRIVATE & ~(unsigned long) MS_REC ? mount->propagation : 0;
	return 0;
}

/* @source: the mount's, or of layers the directory that they are in. @changes: where those are that are thrown away. */
static void add_tree(struct job *job, const struct spec *spec, const struct spec_mount *mount, enum wire_kind kind, uint32_t flags,
		     bool slave, const char *source, const char *changes)
{
	const struct wire_identity identity = { mount->dev, mount->ino };
	struct wire_step *step;
	int slot = plan_map_slot(spec, mount);

	flags |= (mount->create_source ? WIRE_CREATE_SOURCE : 0) | (mount->recursive_read_only ? WIRE_READ_ONLY_ALL : 0);
	flags |= slot >= 0 ? WIRE_IDMAPPED : 0;
	step = text_step(job, kind, flags, source);
	job_text(job, step, 3, changes);
	step->number[2] = (uint64_t) (mount - spec->mounts);
	step->number[3] = slot >= 0 ? (uint64_t) slot : 0;
	job_text(job, step, 1, mount->target);
	job_text(job, step, 2, mount->subpath);
	job_vector(job, step, 0, mount->lowers, mount->n_lowers, 0);
	if (mount->ino)
		job_blob(job, step, &identity, sizeof(identity));
	step->number[0] = mount->flags;
	step->number[1] = mount->propagation;
	/* Where nothing is a slave all is private already, and a clone as well. */
	if (!mount->propagation || (mount->propagation & MS_PRIVATE))
		step->number[1] = slave ? MS_PRIVATE | MS_REC : 0;
}

static int add_source(struct job *job, const struct spec *spec, const struct spec_mount *mount, const struct plan_facts *facts,
		      enum wire_kind kind, uint32_t flags, bool slave, scow_error **error)
{
	_cleanup_free_ char *changes = NULL;
	char path[PATH_MAX];
	int r = mount->n_lowers  ? plan_path_of(spec->layers_fd, path, error)
		: mount->scratch ? plan_path_of(spec->container_fd, path, error)
				 : 0;

	if (r < 0)
		return r;
	if (mount->scratch && !(changes = strf("%s/%s", path, mount->scratch)))
		return error_oom(error);
	if ((mount->n_lowers || changes) && facts->user_ns && (!facts->mapped || facts->nested))
		flags |= WIRE_USERXATTR;
	/* Else the container's directory is covered by the step that mounts the root. */
	if (changes && facts->mapped && !facts->nested && spec->overlay_tmpfs)
		flags |= WIRE_COVERED;
	add_tree(job, spec, mount, kind, flags, slave, mount->n_lowers ? path : mount->source, changes);
	return 0;
}

static int add_bind(struct job *job, const struct spec *spec, const struct spec_mount *mount, const struct plan_facts *facts,
		    uint32_t flags, bool slave, scow_error **error)
{
	struct wire_step *step;

	if (!(flags & WIRE_PREPARED))
		return add_source(job, spec, mount, facts, WIRE_BIND, flags, slave, error);
	step = text_step(job, WIRE_BIND, flags, mount->source);
	job_text(job, step, 1, mount->target);
	step->number[2] = (uint64_t) (mount - spec->mounts);
	return 0;
}

int plan_add_mounts(struct job *job, const struct spec *spec, const struct plan_facts *facts, bool slave, scow_error **error)
{
	uint32_t flags = facts->user_ns ? WIRE_USER_NS : 0;

	for (size_t i = 0; i < spec->n_mounts; i++) {
		const struct spec_mount *mount = &spec->mounts[i];
		struct wire_step *step;
		int r;

		if (!mount->target || mount->target[0] != '/')
			return error_set(error, SCOW_E_INVALID, "a mount target must be an absolute path: '%s'",
					 mount->target ? mount->target : "");
		if (!mount->target[strspn(mount->target, "/")])
			return error_set(error, SCOW_E_INVALID, "a mount target cannot be the root itself");
		switch (mount->kind) {
		case SPEC_MOUNT_FS:
			r = add_file_system(job, mount, facts, flags, error);
			if (r < 0)
				return r;
			break;
		case SPEC_MOUNT_BIND:
			r = add_bind(job, spec, mount, facts, flags | (facts->mapped ? WIRE_PREPARED : 0), slave, error);
			if (r < 0)
				return r;
			break;
		case SPEC_MOUNT_CGROUP:
			step = text_step(job, WIRE_CGROUP, flags, mount->target);
			step->number[0] = mount->flags;
			step->number[1] = facts->cgroup_v2_only;
			break;
		}
	}
	return 0;
}

int plan_add_sources(struct job *job, const struct spec *spec, const struct plan_facts *facts, bool slave, bool overlays,
		     scow_error **error)
{
	int r = 0;

	for (size_t i = 0; i < spec->n_mounts && r == 0; i++)
		if (spec->mounts[i].kind == SPEC_MOUNT_BIND && (spec->mounts[i].n_lowers || spec->mounts[i].scratch) == overlays)
			r = add_source(job, spec, &spec->mounts[i], facts, WIRE_TREE, facts->nested ? WIRE_USER_NS : 0, slave, error);
	return r;
}

static void join(struct job *job, unsigned int fd, uint64_t namespaces)
{
	struct wire_step *step = job_step(job, WIRE_JOIN, 0);

	step->number[0] = WIRE_FD_NS + fd;
	step->number[1] = namespaces;
}

static int open_all(const struct spec *spec, const struct plan_facts *facts, uint32_t flags, struct job *job, scow_error **error)
{
	int r = 0;

	for (size_t i = 0; i < spec->n_mounts && r == 0; i++)
		if (spec->mounts[i].kind == SPEC_MOUNT_BIND)
			r = add_source(job, spec, &spec->mounts[i], facts, WIRE_TREE, flags, true, error);
	return r;
}

static int mount_all(const struct spec *spec, const struct plan_facts *facts, uint32_t flags, struct job *job, scow_error **error)
{
	int r = 0;

	for (size_t i = 0; i < spec->n_mounts && r == 0; i++) {
		if (spec->mounts[i].kind == SPEC_MOUNT_BIND)
			r = add_bind(job, spec, &spec->mounts[i], facts, flags | WIRE_PREPARED, true, error);
		else
			r = add_file_system(job, &spec->mounts[i], facts, flags, error);
	}
	return r;
}

int plan_compile_mount(const struct spec *spec, const struct plan_facts *facts, bool owns_ids, struct job *job, scow_error **error)
{
	uint32_t flags = facts->user_ns ? WIRE_USER_NS : 0;
	struct wire_step *step;
	int r;

	/* A plain user sees the host's mounts in a namespace of his own, as at a start. */
	if (facts->user_ns) {
		join(job, 0, CLONE_NEWUSER);
		job_step(job, WIRE_UNSHARE, 0)->number[0] = CLONE_NEWNS;
		job_step(job, WIRE_PROPAGATION, 0)->number[0] = MS_REC | MS_PRIVATE;
	}
	if (owns_ids) {
		step = job_step(job, WIRE_USERNS, 0);
		step->number[1] = WIRE_FD_NS + 2;
	}
	r = open_all(spec, facts, flags, job, error);
	join(job, 1, CLONE_NEWNS | (owns_ids ? CLONE_NEWUSER : 0));
	return r < 0 ? r : mount_all(spec, facts, flags, job, error);
}

int plan_compile_later(const struct spec *spec, const struct plan_facts *facts, const char *replaced, struct job *job, scow_error **error)
{
	uint32_t flags = facts->user_ns ? WIRE_USER_NS : 0;
	int r;

	if (replaced)
		text_step(job, WIRE_UNMOUNT, 0, replaced);
	r = spec ? open_all(spec, facts, flags, job, error) : 0;
	return r < 0 || !spec ? r : mount_all(spec, facts, flags, job, error);
}

void plan_compile_unmount(const char *target, bool own, struct job *job)
{
	join(job, 1, CLONE_NEWNS | (own ? CLONE_NEWUSER : 0));
	text_step(job, WIRE_UNMOUNT, 0, target);
}
