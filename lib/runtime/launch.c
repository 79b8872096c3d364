/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a spec to a running program: the facts that the plan rests on, descriptors in their places, and the
 * failures that a user meets daily (no such command, no such user) said in their words.
 */
#include "runtime/launch.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "engine/trace.h"
#include "runtime/plan.h"

#define TTY_GROUP 5
#define LATE_FLAGS (CLONE_NEWCGROUP | 0x80 /* CLONE_NEWTIME */) /* scow-init makes these */

int launch_facts(scow_engine *engine, struct plan_facts *out, scow_error **error)
{
	struct facts *facts = &engine->facts;
	const struct cgroup_base *base;
	int r;

	*out = (struct plan_facts){ .user_ns = facts->rootless,
				    .tty_group = !facts->rootless,
				    .old_overlay = facts->kernel < (6 << 16 | 5) };
	r = cgroup_base_get(engine, &base, error);
	if (r < 0)
		return r;
	out->cgroup_v2_only = cgroup_base_mode(base) == CGROUP_V2;
	if (!facts->rootless)
		return 0;
	pthread_mutex_lock(&engine->lock);
	r = facts_probe_ids(facts, error);
	pthread_mutex_unlock(&engine->lock);
	if (r < 0)
		return r;
	out->single_id = facts->single_id_reason != NULL;
	for (unsigned int i = 0; i < facts->n_gid_map; i++)
		if (TTY_GROUP >= facts->gid_map[i].inside && TTY_GROUP - facts->gid_map[i].inside < facts->gid_map[i].count)
			out->tty_group = true;
	return 0;
}

static void add_fd(struct job_process *process, int fd, int target)
{
	if (fd >= 0)
		process->fds[process->n_fds++] = (struct spawn_fd){ fd, target };
}

static void place_descriptors(const struct launch *launch, const struct plan_namespaces *namespaces, int null_fd,
			      struct job_process *process)
{
	for (int i = 0; i < 3; i++)
		add_fd(process, launch->spec->terminal || launch->fds[i] < 0 ? null_fd : launch->fds[i], i);
	for (int i = 0; i < SPEC_NS_COUNT && !launch->exec; i++)
		add_fd(process, namespaces->join_fds[i], WIRE_FD_NS + i);
	if (launch->exec)
		add_fd(process, launch->exec->pidfd, WIRE_FD_NS);
	else if (launch->spec->names)
		add_fd(process, launch->spec->names_fd, WIRE_FD_DIR);
	for (size_t i = 0; i < launch->spec->n_fds; i++)
		add_fd(process, launch->spec->fds[i].fd, WIRE_FD_PASS + (int) i);
}

static bool needs_null(const struct launch *launch)
{
	return launch->spec->terminal || launch->fds[0] < 0 || launch->fds[1] < 0 || launch->fds[2] < 0;
}

static int explain_exec(const char *command, int errnum, int r, scow_error **error)
{
	bool missing = errnum == ENOENT || errnum == ENOTDIR;

	if (!missing && errnum != EACCES && errnum != ENOEXEC && errnum != EISDIR && errnum != ELIBBAD && errnum != EPERM)
		return r;
	error_clear(error);
	if (missing && !strchr(command, '/'))
		return error_set(error, SCOW_E_COMMAND_NOT_FOUND, "exec: \"%s\": executable file not found in $PATH", command);
	return error_errno_status(error, missing ? SCOW_E_COMMAND_NOT_FOUND : SCOW_E_NOT_EXECUTABLE, errnum, "execve", "exec: \"%s\"",
				  command);
}

static const char *file_system_name(long magic)
{
	static const struct {
		long magic;
		const char *name;
	} names[] = {
		{ 0x794c7630, "overlay" }, { 0x6969, "nfs" },  { 0x65735546, "fuse" }, { 0x01021994, "tmpfs" }, { 0x9fa0, "proc" },
		{ 0x62656572, "sysfs" },   { 0xef53, "ext4" }, { 0x58465342, "xfs" },  { 0x9123683e, "btrfs" }, { 0x2fc12fc1, "zfs" },
		{ 0x01021997, "9p" },      { 0x517b, "smb" },  { 0xff534d42, "cifs" }, { 0xf15f, "ecryptfs" },  { 0x1cd1, "devpts" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].magic == magic)
			return names[i].name;
	return "unknown";
}

/* The file system of the mount that @message is about, else that of the container's root. */
static const char *idmapped_file_system(const struct spec *spec, const char *message)
{
	struct statfs fs;

	for (size_t i = 0; i < spec->n_mounts; i++) {
		const struct spec_mount *mount = &spec->mounts[i];

		if ((mount->idmapped || mount->uid_map) && strstr(message, mount->source) && statfs(mount->source, &fs) == 0)
			return file_system_name((long) fs.f_type);
	}
	return spec->layers_fd >= 0 && fstatfs(spec->layers_fd, &fs) == 0 ? file_system_name((long) fs.f_type) : "unknown";
}

static int explain_idmap(const struct facts *facts, const struct spec *spec, int errnum, scow_error **error)
{
	_cleanup_free_ char *message = error && *error ? strdup(scow_error_message(*error)) : NULL;
	char *reason = message ? strrchr(message, ':') : NULL;

	/* The errno's text comes again at the end. */
	if (reason)
		*reason = 0;
	error_clear(error);
	return error_hint(
		error,
		error_errno_status(error, SCOW_E_UNSUPPORTED, errnum, "mount_setattr",
				   "%s: Linux %u.%u cannot make an idmapped mount of this %s file system", message ? message : "start",
				   facts->kernel >> 16, facts->kernel & 0xffff, idmapped_file_system(spec, message ? message : "")),
		"use another file system for it (ext4, xfs and btrfs can, overlay and nfs cannot), Linux 5.19 or later, or no user "
		"namespace");
}

/* The step's name and errno say it all for an engineer; these two are for everybody. */
int launch_explain(const struct facts *facts, const struct spec *spec, const struct wire_report *report, int r, scow_error **error)
{
	if (!report->error)
		return r;
	/* An id that is not mapped does not exist. */
	if (report->step == WIRE_CREDENTIALS && report->error == EINVAL && facts->rootless)
		return error_hint(error, r, "%s",
				  facts->single_id_reason ? facts->single_id_reason
							  : "give this user a larger range in /etc/subuid and /etc/subgid");
	if (report->step == WIRE_SCHEDULER && report->error == EPERM)
		return error_hint(error, r,
				  "a real-time policy needs CAP_SYS_NICE over the host and, on cgroup v1, time for it "
				  "(set_cpu_realtime, --cpu-rt-runtime)");
	if (strncmp(report->call, "idmap", sizeof(report->call)) == 0 && (report->error == EINVAL || report->error == EPERM))
		return explain_idmap(facts, spec, report->error, error);
	if (report->step == WIRE_CREDENTIALS && report->error == EINVAL && spec->n_uid_map)
		return error_hint(error, r, "the user namespace has no such user or group: give it more ids");
	if (report->step == WIRE_EXEC)
		return explain_exec(spec->args[0], report->error, r, error);
	if (report->step == WIRE_USER && report->error == ESRCH) {
		error_clear(error);
		if (strncmp(report->call, "group", sizeof(report->call)) == 0)
			return error_set(error, SCOW_E_INVALID,
					 "unable to find a group of user '%s': no matching entries in the image's /etc/group", spec->user);
		return error_set(error, SCOW_E_INVALID, "unable to find user '%s': no matching entries in the image's /etc/passwd",
				 spec->user);
	}
	return r;
}

static int run(scow_engine *engine, struct launch *launch, const struct plan_namespaces *namespaces, struct job *job, scow_error **error)
{
	_cleanup_fd_ int null_fd = -1;
	struct job_process process = {
		.clone_flags = namespaces->clone_flags & (namespaces->enters ? CLONE_NEWUSER : ~(uint64_t) LATE_FLAGS),
		.cgroup_fd = launch->cgroup ? cgroup_into_fd(launch->cgroup) : -1,
		.guard_key = launch->guard_key,
		.tree = launch->exec ? launch->exec->tree : NULL,
		.enters = namespaces->enters,
		.keep = !launch->exec || !namespaces->enters ? JOB_OWN : launch->exec->orphan ? JOB_ORPHAN : JOB_KEPT,
		.go = true,
		.born = launch->born,
		.born_data = launch->born_data,
		.ready = launch->spec->waits_ready ? launch->ready : NULL,
		.ready_data = launch->ready_data,
		.trace = launch->trace,
	};
	int r;

	if (launch->cgroup)
		process.join_procs_fds = cgroup_join_fds(launch->cgroup, &process.n_join_procs_fds);
	if (needs_null(launch)) {
		null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (null_fd < 0)
			return error_errno(error, errno, "open", "open /dev/null");
	}
	place_descriptors(launch, namespaces, null_fd, &process);
	trace_phase(launch->trace, "plan");
	r = job_run(engine, job, &process, error);
	trace_phase(launch->trace, "launch");
	if (r < 0)
		return error_at(error, launch_explain(&engine->facts, launch->spec, &process.report, r, error), "start", launch->spec->id);
	launch->pid = process.pid;
	launch->pidfd = process.pidfd;
	launch->keeper_fd = process.keeper_fd;
	launch->terminal_fd = process.terminal_fd;
	return 0;
}

static int start_exec(scow_engine *engine, struct launch *launch, const struct plan_facts *facts, struct job *job, scow_error **error)
{
	const struct plan_exec exec = {
		.fd = WIRE_FD_NS,
		.namespaces = launch->exec->namespaces,
		.orphan = launch->exec->orphan,
		.waits = true,
	};
	const struct plan_namespaces none = { .enters = plan_exec_enters(&exec) };
	int r = plan_compile_exec(launch->spec, facts, &exec, job, error);

	return r < 0 ? r : run(engine, launch, &none, job, error);
}

int launch_start(scow_engine *engine, struct launch *launch, scow_error **error)
{
	_cleanup_job_ struct job job = { 0 };
	struct plan_namespaces namespaces;
	struct plan_facts facts;
	int r;

	launch->pid = launch->pidfd = launch->keeper_fd = launch->terminal_fd = -1;
	if (trace_is_on(launch->trace))
		job_step(&job, WIRE_TRACE, 0);
	r = launch_facts(engine, &facts, error);
	if (r < 0)
		return r;
	if (launch->exec)
		return start_exec(engine, launch, &facts, &job, error);
	r = plan_namespaces_open(launch->spec, &facts, &namespaces, error);
	if (r < 0)
		return r;
	r = plan_compile(launch->spec, &facts, &namespaces, &job, error);
	if (r == 0)
		r = run(engine, launch, &namespaces, &job, error);
	plan_namespaces_close(&namespaces);
	return r;
}
