/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * User namespaces of a plain user: id maps, and errands with their rights.
 *
 * One id may be mapped by the process itself, once setgroups is denied (or a program could shed groups that deny it something).
 * More take newuidmap and newgidmap, which are setuid root and check /etc/subuid; the two run at the same time.
 * See: user_namespaces(7), newuidmap(1).
 */
#include "engine/userns.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"
#include "engine/job.h"

#define NUMBER_ROOM 12

static int probe(scow_engine *engine, scow_error **error)
{
	int r;

	pthread_mutex_lock(&engine->lock);
	r = facts_probe_ids(&engine->facts, error);
	pthread_mutex_unlock(&engine->lock);
	return r;
}

static int write_file(pid_t pid, const char *name, const char *text, scow_error **error)
{
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	r = file_write_at(AT_FDCWD, path, text);
	return r < 0 ? error_errno(error, -r, "write", "write the id map '%s'", path) : 0;
}

static int write_map(pid_t pid, const char *name, const struct id_range *map, unsigned int count, scow_error **error)
{
	char text[ID_RANGES_MAX * 3 * NUMBER_ROOM];
	int used = 0;

	for (unsigned int i = 0; i < count; i++)
		used += snprintf(text + used, sizeof(text) - (size_t) used, "%u %u %u\n", map[i].inside, map[i].outside, map[i].count);
	return write_file(pid, name, text, error);
}

struct mapper {
	pid_t pid;
	int pidfd;
	int errors_fd; /* what it says */
};

static void mapper_done(struct mapper *mapper)
{
	if (mapper->pidfd >= 0)
		close(mapper->pidfd);
	if (mapper->errors_fd >= 0)
		close(mapper->errors_fd);
}

static int mapper_start(struct mapper *mapper, char *program, pid_t pid, const struct id_range *map, unsigned int count, scow_error **error)
{
	char numbers[1 + ID_RANGES_MAX * 3][NUMBER_ROOM], *argv[3 + ID_RANGES_MAX * 3] = { program };
	unsigned int n = 0;
	_cleanup_fd_ int write_end = -1;
	struct spawn_fd fd = { .target = STDERR_FILENO };
	struct spawn spawn = { .exec_fd = -1, .path = program, .argv = argv, .fds = &fd, .n_fds = 1, .cgroup_fd = -1 };
	int pair[2];

	snprintf(numbers[n++], NUMBER_ROOM, "%d", pid);
	for (unsigned int i = 0; i < count; i++) {
		snprintf(numbers[n++], NUMBER_ROOM, "%u", map[i].inside);
		snprintf(numbers[n++], NUMBER_ROOM, "%u", map[i].outside);
		snprintf(numbers[n++], NUMBER_ROOM, "%u", map[i].count);
	}
	for (unsigned int i = 0; i < n; i++)
		argv[i + 1] = numbers[i];
	if (pipe2(pair, O_CLOEXEC) < 0)
		return error_errno(error, errno, "pipe2", "run '%s'", program);
	mapper->errors_fd = pair[0];
	fd.fd = write_end = pair[1];
	return spawn_process(&spawn, &mapper->pid, &mapper->pidfd, error);
}

static int mapper_finish(struct mapper *mapper, const char *program, scow_error **error)
{
	char text[512];
	ssize_t n = fd_read_full(mapper->errors_fd, text, sizeof(text) - 1);
	int status, r = spawn_wait(mapper->pidfd, &status, error);

	if (r < 0)
		return r;
	/* -1: the host took the status. Then the kernel tells, when the ids are used. */
	if (status == -1 || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
		return 0;
	text[n > 0 ? n : 0] = 0;
	text[strcspn(text, "\n")] = 0;
	return error_hint(error, error_set(error, SCOW_E_DENIED, "map ids with '%s': %s", program, *text ? text : "it failed"),
			  "check this user's ranges in /etc/subuid and /etc/subgid");
}

static int map_by_helpers(const struct facts *facts, pid_t pid, scow_error **error)
{
	_cleanup_(mapper_done) struct mapper users = { .pidfd = -1, .errors_fd = -1 }, groups = { .pidfd = -1, .errors_fd = -1 };
	int r = mapper_start(&users, facts->newuidmap, pid, facts->uid_map, facts->n_uid_map, error), s;

	if (r < 0)
		return r;
	r = mapper_start(&groups, facts->newgidmap, pid, facts->gid_map, facts->n_gid_map, error);
	s = mapper_finish(&users, facts->newuidmap, r < 0 ? NULL : error);
	if (r < 0)
		return r;
	r = mapper_finish(&groups, facts->newgidmap, s < 0 ? NULL : error);
	return s < 0 ? s : r;
}

int userns_write_maps(scow_engine *engine, pid_t pid, scow_error **error)
{
	const struct facts *facts = &engine->facts;
	int r = probe(engine, error);

	if (r < 0)
		return r;
	if (!facts->n_uid_map)
		return error_set(error, SCOW_E_UNSUPPORTED, "a user namespace for root needs an id map");
	if (facts->map_by_helper)
		return map_by_helpers(facts, pid, error);
	r = write_map(pid, "uid_map", facts->uid_map, facts->n_uid_map, error);
	/* Who maps many may set groups; who maps one could only shed those that deny him something. */
	if (r == 0 && facts->single_id_reason)
		r = write_file(pid, "setgroups", "deny", error);
	if (r == 0)
		r = write_map(pid, "gid_map", facts->gid_map, facts->n_gid_map, error);
	return r;
}

static bool is_mapped(const struct id_range *map, unsigned int count, uint32_t id)
{
	for (unsigned int i = 0; i < count; i++)
		if (id >= map[i].inside && id - map[i].inside < map[i].count)
			return true;
	return false;
}

static int add_owner(struct job *job, const struct facts *facts, const struct userns_owner *owner, scow_error **error)
{
	struct wire_step *step;

	if (!is_mapped(facts->uid_map, facts->n_uid_map, owner->uid) || !is_mapped(facts->gid_map, facts->n_gid_map, owner->gid))
		return error_hint(error,
				  error_set(error, SCOW_E_DENIED, "'%s' belongs to %u:%u, which no id of this user is mapped to",
					    owner->path, owner->uid, owner->gid),
				  "give this user a larger range in /etc/subuid and /etc/subgid");
	step = job_step(job, WIRE_CHOWN, 0);
	job_text(job, step, 0, owner->path);
	job_blob(job, step, owner->capability, owner->capability_size);
	step->number[0] = owner->uid;
	step->number[1] = owner->gid;
	step->number[2] = owner->mode;
	return 0;
}

static int run_errand(scow_engine *engine, struct job *job, int dir_fd, scow_error **error)
{
	struct job_process process = { .clone_flags = CLONE_NEWUSER, .cgroup_fd = -1, .n_fds = 1 };
	int r;

	process.fds[0] = (struct spawn_fd){ dir_fd, WIRE_FD_DIR };
	r = job_run(engine, job, &process, error);
	if (r < 0)
		return r;
	r = spawn_wait(process.pidfd, NULL, error);
	close(process.pidfd);
	return r;
}

int userns_chown(scow_engine *engine, int root_fd, const struct userns_owner *owners, size_t count, scow_error **error)
{
	_cleanup_job_ struct job job = { 0 };
	int r = probe(engine, error);

	if (r < 0)
		return r;
	if (!count || engine->facts.single_id_reason)
		return 0;
	for (size_t i = 0; i < count; i++) {
		r = add_owner(&job, &engine->facts, &owners[i], error);
		if (r < 0)
			return r;
	}
	return run_errand(engine, &job, root_fd, error);
}

int userns_remove_tree(scow_engine *engine, int dir_fd, const char *name, scow_error **error)
{
	_cleanup_job_ struct job job = { 0 };
	int r = path_remove_tree(dir_fd, name);

	if (r == 0)
		return 0;
	if ((r != -EACCES && r != -EPERM) || !engine->facts.rootless)
		return error_errno(error, -r, "unlinkat", "remove '%s'", name);
	job_text(&job, job_step(&job, WIRE_REMOVE, 0), 0, name);
	r = run_errand(engine, &job, dir_fd, error);
	return r < 0 ? error_wrap(error, r, "remove '%s'", name) : 0;
}
