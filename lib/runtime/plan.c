/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A spec as the steps that scow-init takes, in the order in which they work:
 *
 * 1. Namespaces, then the root, then what is mounted and made in it: all by the host's rights, before the pivot.
 * 2. Read-only and masked paths after all mounts, so that no mount uncovers them; masks last, for the same reason.
 * 3. The user is looked up in the finished root, whose /etc/passwd may itself be a mount.
 * 4. After the pivot the host is out of reach. Limits come late: a small limit on open files must not stop the set-up.
 * 5. The go byte, then what cannot be taken back: credentials, filter, program.
 *
 * A program that is executed in a running container (plan_compile_exec) joins what 1 to 4 have made, and takes the rest of the way.
 */
#include "runtime/plan.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "runtime/hooks.h"
#include "runtime/plan-scheduling.h"
#include "runtime/plan-mounts.h"
#include "runtime/plan-userns.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

static const uint64_t clone_flag[SPEC_NS_COUNT] = {
	[SPEC_NS_PID] = CLONE_NEWPID,  [SPEC_NS_NETWORK] = CLONE_NEWNET,   [SPEC_NS_IPC] = CLONE_NEWIPC,   [SPEC_NS_UTS] = CLONE_NEWUTS,
	[SPEC_NS_MOUNT] = CLONE_NEWNS, [SPEC_NS_CGROUP] = CLONE_NEWCGROUP, [SPEC_NS_USER] = CLONE_NEWUSER, [SPEC_NS_TIME] = CLONE_NEWTIME,
};
/* Made by scow-init: the root of a cgroup namespace is where its maker is; clone3 knows no time namespaces. */
#define LATE_FLAGS ((uint64_t) (CLONE_NEWCGROUP | CLONE_NEWTIME))

int plan_namespaces_open(const struct spec *spec, const struct plan_facts *facts, struct plan_namespaces *out, scow_error **error)
{
	*out = (struct plan_namespaces){ .clone_flags = CLONE_NEWNS };
	for (int i = 0; i < SPEC_NS_COUNT; i++)
		out->join_fds[i] = -1;
	if (facts->user_ns && spec->namespaces[SPEC_NS_USER].mode != SPEC_NS_JOIN && !spec->namespaces[SPEC_NS_USER].path)
		out->clone_flags |= CLONE_NEWUSER;
	for (int i = 0; i < SPEC_NS_COUNT; i++) {
		const struct spec_namespace *namespace = &spec->namespaces[i];

		if (namespace->mode == SPEC_NS_NEW && i == SPEC_NS_USER && plan_maps_ids(spec, facts))
			out->enters = true; /* scow-init makes it, and then all others in it */
		else if (namespace->mode == SPEC_NS_NEW)
			out->clone_flags |= clone_flag[i];
		if (namespace->mode != SPEC_NS_JOIN && !(i == SPEC_NS_USER && namespace->path))
			continue;
		out->join_fds[i] = namespace->path ? open(namespace->path, O_RDONLY | O_CLOEXEC) : -1;
		if (out->join_fds[i] < 0) {
			int saved = namespace->path ? errno : ENOENT;

			plan_namespaces_close(out);
			return error_errno(error, saved, "open", "join the namespace '%s'", namespace->path ? namespace->path : "");
		}
		if (i == SPEC_NS_PID || i == SPEC_NS_USER)
			out->enters = true;
	}
	return 0;
}

void plan_namespaces_close(struct plan_namespaces *namespaces)
{
	for (int i = 0; i < SPEC_NS_COUNT; i++)
		cleanup_fd(&namespaces->join_fds[i]);
}

static struct wire_step *add_number(struct job *job, enum wire_kind kind, uint32_t flags, uint64_t number)
{
	struct wire_step *step = job_step(job, kind, flags);

	step->number[0] = number;
	return step;
}

static struct wire_step *add_text(struct job *job, enum wire_kind kind, uint32_t flags, const char *text)
{
	struct wire_step *step = job_step(job, kind, flags);

	job_text(job, step, 0, text);
	return step;
}

static void add_join(struct job *job, const struct spec *spec, const struct plan_namespaces *namespaces, int i)
{
	struct wire_step *step;

	if (namespaces->join_fds[i] < 0)
		return;
	step = add_number(job, WIRE_JOIN, 0, (uint64_t) WIRE_FD_NS + (uint64_t) i);
	step->number[1] = clone_flag[i];
	job_text(job, step, 0, spec->namespaces[i].path);
}

static void add_namespaces(struct job *job, const struct spec *spec, const struct plan_facts *facts,
			   const struct plan_namespaces *namespaces)
{
	uint64_t late = namespaces->clone_flags & LATE_FLAGS;

	/* The user namespace gives the right to the others, so it is first, and what is made is made in it. Root has that right outside. */
	if (!facts->mapped)
		add_join(job, spec, namespaces, SPEC_NS_USER);
	for (int i = 0; i < SPEC_NS_COUNT; i++)
		if (i != SPEC_NS_USER)
			add_join(job, spec, namespaces, i);
	if (facts->mapped)
		add_number(job, WIRE_JOIN, WIRE_SLOT, 0)->number[1] = CLONE_NEWUSER;
	if (namespaces->enters)
		add_number(job, WIRE_ENTER, 0, namespaces->clone_flags & ~LATE_FLAGS & ~(uint64_t) CLONE_NEWUSER);
	if (late)
		add_number(job, WIRE_UNSHARE, 0, late);
}

/* A bind that wants the host's later mounts needs ours to stay its slave. */
static bool needs_slave(const struct spec *spec)
{
	for (size_t i = 0; i < spec->n_mounts; i++)
		if (spec->mounts[i].propagation & (MS_SLAVE | MS_SHARED))
			return true;
	return spec->root_propagation & (MS_SLAVE | MS_SHARED);
}

static int add_root(struct job *job, const struct spec *spec, const struct plan_facts *facts, scow_error **error)
{
	char layers[PATH_MAX], container[PATH_MAX], size[24];
	uint32_t flags = facts->old_overlay ? WIRE_BY_MOUNT : 0;
	struct wire_step *step;
	int r;

	if (spec->layers_fd < 0) {
		if (!spec->root_path)
			return error_set(error, SCOW_E_INVALID, "a container needs a root file system");
		add_text(job, WIRE_ROOT_BIND, facts->mapped ? WIRE_KEPT : 0, spec->root_path);
		return 0;
	}
	/* The kernel has no overlay of a single layer, and mount points have to be made: so there is an upper always. */
	if ((spec->container_fd < 0 && !spec->overlay_tmpfs) || !spec->n_lowers)
		return error_set(error, SCOW_E_INVALID, "a root of layers needs at least one, and a directory for changes");
	r = plan_path_of(spec->layers_fd, layers, error);
	if (r == 0 && !spec->overlay_tmpfs)
		r = plan_path_of(spec->container_fd, container, error);
	if (r < 0)
		return r;
	/* A plain user cannot idmap: what root owns in the layers is his, and so shows as whoever he is inside. */
	if (facts->user_ns && (!facts->mapped || facts->nested))
		flags |= WIRE_USERXATTR;
	else if (facts->mapped)
		flags |= WIRE_IDMAPPED;
	flags |= facts->mapped ? WIRE_KEPT : 0;
	flags |= spec->overlay_volatile && !spec->overlay_tmpfs ? WIRE_VOLATILE : 0;
	step = job_step(job, WIRE_OVERLAY, flags);
	if (facts->mapped) {
		step->number[1] = plan_mapped_id(spec->uid_map, spec->n_uid_map, 0);
		step->number[2] = plan_mapped_id(spec->gid_map, spec->n_gid_map, 0);
	}
	job_text(job, step, 0, layers);
	snprintf(size, sizeof(size), "%llu", (unsigned long long) spec->overlay_tmpfs_bytes);
	job_text(job, step, 1, spec->overlay_tmpfs ? NULL : container);
	job_text(job, step, 2, spec->overlay_tmpfs ? size : NULL);
	job_vector(job, step, 0, spec->lowers, spec->n_lowers, 0);
	return 0;
}

static void add_names(struct job *job, const struct spec *spec)
{
	struct wire_step *step = job_step(job, WIRE_NAMES, 0);

	step->number[0] = WIRE_FD_DIR;
	step->number[1] = UINT64_MAX;
	job_blob(job, step, spec->names, spec->names_size);
}

/* After the mounts: a bind of all of /etc must not hide them. */
static void add_files(struct job *job, const struct spec *spec)
{
	for (size_t i = 0; i < spec->n_files; i++) {
		const struct spec_file *file = &spec->files[i];
		struct wire_step *step = add_text(job, WIRE_FILE, 0, file->path);

		job_blob(job, step, file->content, file->size);
		step->number[0] = file->mode & 0777;
		step->number[1] = i + 1 == spec->n_files;
	}
}

static void add_devices(struct job *job, const struct spec *spec)
{
	for (size_t i = 0; i < spec->n_devices; i++) {
		const struct spec_device *device = &spec->devices[i];
		struct wire_step *step = add_text(job, WIRE_DEVICE, 0, device->path);

		job_text(job, step, 1, device->bind_source);
		step->number[0] = (device->mode & 07777) | (device->type == 'b' ? S_IFBLK : S_IFCHR);
		/* The kernel's 32-bit form of a device number, which mknod takes. */
		step->number[1] = (uint32_t) makedev(device->major, device->minor);
		step->number[2] = device->uid;
		step->number[3] = device->gid;
	}
	if (spec->default_dev_links)
		job_step(job, WIRE_DEV_LINKS, 0);
	if (spec->terminal)
		add_number(job, WIRE_TERMINAL, 0, spec->rows)->number[1] = spec->columns;
}

static const char *rlimit_name(int resource)
{
	static const char *const names[] = {
		[RLIMIT_AS] = "as",           [RLIMIT_CORE] = "core",         [RLIMIT_CPU] = "cpu",
		[RLIMIT_DATA] = "data",       [RLIMIT_FSIZE] = "fsize",       [RLIMIT_LOCKS] = "locks",
		[RLIMIT_MEMLOCK] = "memlock", [RLIMIT_MSGQUEUE] = "msgqueue", [RLIMIT_NICE] = "nice",
		[RLIMIT_NOFILE] = "nofile",   [RLIMIT_NPROC] = "nproc",       [RLIMIT_RSS] = "rss",
		[RLIMIT_RTPRIO] = "rtprio",   [RLIMIT_RTTIME] = "rttime",     [RLIMIT_SIGPENDING] = "sigpending",
		[RLIMIT_STACK] = "stack",
	};

	return resource >= 0 && (size_t) resource < ARRAY_SIZE(names) ? names[resource] : "?";
}

static void add_settings(struct job *job, const struct spec *spec, const struct plan_facts *facts)
{
	for (size_t i = 0; i < spec->n_sysctls; i++)
		job_text(job, add_text(job, WIRE_SYSCTL, spec->sysctls[i].optional ? WIRE_OPTIONAL : 0, spec->sysctls[i].name), 1,
			 spec->sysctls[i].value);
	if (spec->has_oom_score_adj && !facts->mapped)
		add_number(job, WIRE_OOM_SCORE, 0, (uint64_t) (int64_t) spec->oom_score_adj);
	if (spec->make_cwd && spec->cwd && strcmp(spec->cwd, "/") != 0)
		add_text(job, WIRE_MAKE_DIR, 0, spec->cwd);
	for (size_t i = 0; i < spec->n_readonly_paths; i++)
		add_text(job, WIRE_READ_ONLY, 0, spec->readonly_paths[i]);
	for (size_t i = 0; i < spec->n_masked_paths; i++)
		add_text(job, WIRE_MASK, 0, spec->masked_paths[i]);
	if (spec->read_only_root)
		job_step(job, WIRE_ROOT_READ_ONLY, 0);
}

static void add_credentials(struct job *job, const struct spec *spec, const struct plan_facts *facts)
{
	uint32_t flags = facts->user_ns && facts->single_id ? WIRE_NO_SETGROUPS : 0;
	struct wire_step *step;

	flags |= spec->no_new_privileges ? WIRE_NO_NEW_PRIVS : 0;
	flags |= spec->n_seccomp ? WIRE_FILTERED : 0;
	step = add_number(job, WIRE_CREDENTIALS, flags, spec->cap_bounding);
	step->number[1] = spec->cap_ambient;
	if (!spec->n_seccomp)
		return;
	step = add_number(job, WIRE_SECCOMP, 0, spec->seccomp_flags);
	job_blob(job, step, spec->seccomp, spec->n_seccomp * sizeof(*spec->seccomp));
}

static void add_user(struct job *job, const struct spec *spec)
{
	struct wire_step *step = add_text(job, WIRE_USER, 0, spec->user);

	job_vector(job, step, 0, spec->groups, spec->n_groups, 0);
}

static void add_directory(struct job *job, const struct spec *spec)
{
	if (spec->cwd && strcmp(spec->cwd, "/") != 0)
		add_text(job, WIRE_CHDIR, 0, spec->cwd);
}

/* Their places until then are WIRE_FD_PASS and on. */
static void add_passed(struct job *job, const struct spec *spec)
{
	uint32_t numbers[WIRE_PASS_MAX];

	if (!spec->n_fds)
		return;
	for (size_t i = 0; i < spec->n_fds; i++)
		numbers[i] = (uint32_t) spec->fds[i].number;
	job_blob(job, job_step(job, WIRE_FDS, 0), numbers, spec->n_fds * sizeof(*numbers));
}

static void add_program(struct job *job, const struct spec *spec, const struct plan_facts *facts)
{
	struct wire_step *step;

	add_passed(job, spec);
	step = add_number(job, WIRE_SESSION, spec->terminal ? WIRE_TTY : 0, spec->has_umask ? (uint64_t) spec->umask : 022);
	job_text(job, step, 0, spec->id);
	for (size_t i = 0; i < spec->n_rlimits; i++) {
		const struct spec_rlimit *limit = &spec->rlimits[i];

		step = add_number(job, WIRE_RLIMIT, limit->best_effort ? WIRE_OPTIONAL : 0, (uint64_t) limit->resource);
		step->number[1] = limit->soft;
		step->number[2] = limit->hard;
		job_text(job, step, 0, rlimit_name(limit->resource));
	}
	plan_add_scheduling(job, spec);
	add_credentials(job, spec, facts);
	hooks_compile(job, &spec->hooks, WIRE_STAGE_START_CONTAINER, 0);
	step = job_step(job, WIRE_EXEC, spec->listens ? WIRE_LISTEN : 0);
	job_vector(job, step, 0, spec->args, spec->n_args, 0);
	job_vector(job, step, 1, spec->env, spec->n_env, 1);
}

static int check(const struct spec *spec, scow_error **error)
{
	if (!spec->n_args || !spec->args[0][0])
		return error_set(error, SCOW_E_INVALID, "no command specified");
	if (spec->n_fds > WIRE_PASS_MAX)
		return error_set(error, SCOW_E_LIMIT, "more than %d descriptors to pass on", WIRE_PASS_MAX);
	if (spec->n_seccomp > BPF_MAXINSNS)
		return error_set(error, SCOW_E_LIMIT, "a seccomp filter of %zu instructions: the kernel takes %d", spec->n_seccomp,
				 BPF_MAXINSNS);
	return 0;
}

bool plan_exec_enters(const struct plan_exec *exec)
{
	return exec->orphan || (exec->namespaces & (CLONE_NEWPID | CLONE_NEWUSER));
}

int plan_compile_exec(const struct spec *spec, const struct plan_facts *facts, const struct plan_exec *exec, struct job *job,
		      scow_error **error)
{
	struct wire_step *step;
	int r = check(spec, error);

	if (r < 0)
		return r;
	plan_add_resource_class(job, spec);
	/* By the host's /proc, and by our own rights: once the namespaces are joined the file is nobody's that we are. */
	if (spec->has_oom_score_adj)
		add_number(job, WIRE_OOM_SCORE, WIRE_HOST_PROC, (uint64_t) (int64_t) spec->oom_score_adj);
	if (plan_maps_ids(spec, facts))
		(void) plan_add_rights(job, spec);
	step = add_number(job, WIRE_JOIN, 0, (uint64_t) exec->fd);
	step->number[1] = exec->namespaces;
	if (plan_exec_enters(exec))
		job_step(job, WIRE_ENTER, 0);
	if (spec->terminal)
		add_number(job, WIRE_TERMINAL, WIRE_NO_CONSOLE, spec->rows)->number[1] = spec->columns;
	add_user(job, spec);
	add_directory(job, spec);
	if (exec->waits)
		job_step(job, WIRE_GO, 0);
	add_program(job, spec, facts);
	return 0;
}

/* What is done in a mount namespace of root's own, whose mounts nobody sees: the sources and the root, ready to be attached. */
static int add_preparations(struct job *job, const struct spec *spec, const struct plan_facts *facts, bool slave, scow_error **error)
{
	int r;

	add_number(job, WIRE_UNSHARE, 0, CLONE_NEWNS);
	if (!(spec->root_propagation & MS_SHARED) && slave)
		add_number(job, WIRE_PROPAGATION, 0, MS_REC | MS_SLAVE);
	r = plan_add_sources(job, spec, facts, slave || (spec->root_propagation & MS_SHARED), false, error);
	if (r < 0)
		return r;
	if (spec->later_mounts)
		add_number(job, WIRE_LATER, 0, 0);
	/* Or the host would get what covers its directories. */
	add_number(job, WIRE_PROPAGATION, 0, MS_REC | MS_PRIVATE);
	r = add_root(job, spec, facts, error);
	/* By layers as they are for the root, and as who mounts that: with the ids of the container. */
	return r < 0 ? r : plan_add_sources(job, spec, facts, false, true, error);
}

/* Up to a mount namespace that is the container's. */
static int add_beginning(struct job *job, const struct spec *spec, const struct plan_facts *facts, const struct plan_namespaces *namespaces,
			 bool slave, scow_error **error)
{
	int r;

	if (facts->mapped) {
		r = plan_add_maps(job, spec, namespaces, error);
		if (r == 0)
			r = add_preparations(job, spec, facts, slave, error);
		if (r < 0)
			return r;
		add_namespaces(job, spec, facts, namespaces);
		add_number(job, WIRE_PROPAGATION, 0, MS_REC | MS_PRIVATE);
		return 0;
	}
	plan_add_bind_maps(job, spec);
	add_namespaces(job, spec, facts, namespaces);
	/* What the host is to see of a bind must stay its peer until then: only "/", on which the new root is put, is parted. */
	add_number(job, WIRE_PROPAGATION, 0, spec->root_propagation & MS_SHARED ? MS_PRIVATE : MS_REC | (slave ? MS_SLAVE : MS_PRIVATE));
	return 0;
}

/* The links are made while the rest is, so this comes as late as it can. */
static void add_network(struct job *job, const struct spec *spec)
{
	if (spec->networked)
		job_blob(job, job_step(job, WIRE_NETLINK, 0), spec->network, spec->network_size);
}

static int compile(const struct spec *spec, const struct plan_facts *facts, const struct plan_namespaces *namespaces, struct job *job,
		   scow_error **error)
{
	bool slave = needs_slave(spec);
	int r;

	plan_add_resource_class(job, spec);
	r = add_beginning(job, spec, facts, namespaces, slave, error);
	if (r < 0)
		return r;
	if (spec->hostname && spec->namespaces[SPEC_NS_UTS].mode == SPEC_NS_NEW)
		add_text(job, WIRE_HOSTNAME, 0, spec->hostname);
	if (spec->domainname && spec->namespaces[SPEC_NS_UTS].mode == SPEC_NS_NEW)
		add_text(job, WIRE_DOMAINNAME, 0, spec->domainname);
	if (spec->namespaces[SPEC_NS_NETWORK].mode == SPEC_NS_NEW)
		job_step(job, WIRE_LOOPBACK, 0);
	if (spec->named)
		add_names(job, spec);
	if (facts->mapped)
		job_step(job, WIRE_ROOT_ATTACH, 0);
	else
		r = add_root(job, spec, facts, error);
	if (r < 0)
		return r;
	r = plan_add_mounts(job, spec, facts, slave, error);
	if (r < 0)
		return r;
	if (spec->later_mounts && !facts->mapped)
		add_number(job, WIRE_LATER, 0, 0);
	if (spec->later_mounts)
		add_number(job, WIRE_LATER, 0, 1);
	add_files(job, spec);
	add_devices(job, spec);
	/* What they put into the root or its namespaces is then made read-only or masked as the rest. */
	if (spec->waits_ready) {
		job_step(job, WIRE_READY, 0);
		add_network(job, spec);
	}
	hooks_compile(job, &spec->hooks, WIRE_STAGE_CREATE_CONTAINER, 0);
	add_settings(job, spec, facts);
	add_user(job, spec);
	add_number(job, WIRE_PIVOT, 0, spec->root_propagation & ~(unsigned long) (MS_PRIVATE | MS_REC) ? spec->root_propagation : 0)
		->number[1] = spec->n_fds;
	add_directory(job, spec);
	job_step(job, WIRE_GO, 0);
	if (!spec->waits_ready)
		add_network(job, spec);
	if (spec->init)
		job_step(job, WIRE_INIT, 0);
	add_program(job, spec, facts);
	return 0;
}

int plan_compile_tree(const struct spec *spec, const struct plan_facts *facts, struct job *job, scow_error **error)
{
	size_t before;
	int r;

	plan_add_bind_maps(job, spec);
	add_number(job, WIRE_PROPAGATION, 0, MS_REC | MS_PRIVATE);
	before = job->steps.size;
	r = add_root(job, spec, facts, error);
	if (r < 0 || job->steps.failed)
		return r;
	/* Older kernels mount nothing in a tree that is not mounted itself. */
	if (!spec->n_mounts)
		((struct wire_step *) (void *) (job->steps.data + before))->flags |= WIRE_KEPT;
	else
		r = plan_add_mounts(job, spec, facts, false, error);
	if (spec->read_only_root)
		job_step(job, WIRE_ROOT_READ_ONLY, 0);
	if (spec->n_mounts)
		job_step(job, WIRE_ROOT_CLONE, 0);
	return r;
}

int plan_compile(const struct spec *spec, const struct plan_facts *facts, const struct plan_namespaces *namespaces, struct job *job,
		 scow_error **error)
{
	struct plan_facts inside = plan_maps_ids(spec, facts) ? plan_mapped_facts(spec, facts) : *facts;
	int r = check(spec, error);

	return r < 0 ? r : compile(spec, &inside, namespaces, job, error);
}
