/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Joining the namespaces of another container.
 *
 * 1. A namespace is opened first, and its owner verified after that: if it still is the process that the row
 *    names, then so it was at the opening, and what we hold stays that namespace whatever becomes of the process.
 * 2. Who shares a network also sees the names that were given to it, so the other's /etc files are taken over. They are
 *    read inside its root only (a link in it must not lead to a file of the host), and copied: a later change
 *    in one is not seen in the other.
 */
#include "container/join.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/path.h"
#include "container/container.h"
#include "container/create.h"
#include "container/id-map.h"

#define ETC_FILE_MAX (256 * 1024)

static const struct {
	enum spec_ns kind;
	const char *file;
} namespaces[] = {
	{ SPEC_NS_PID, "pid" },       { SPEC_NS_NETWORK, "net" }, { SPEC_NS_IPC, "ipc" },   { SPEC_NS_UTS, "uts" },
	{ SPEC_NS_CGROUP, "cgroup" }, { SPEC_NS_USER, "user" },   { SPEC_NS_TIME, "time" },
};

void join_init(struct join *join)
{
	for (int i = 0; i < SPEC_NS_COUNT; i++)
		join->fds[i] = -1;
}

void join_done(struct join *join)
{
	for (int i = 0; i < SPEC_NS_COUNT; i++)
		cleanup_fd(&join->fds[i]);
}

static int not_running(const char *name, scow_error **error)
{
	return error_hint(error, error_at(error, error_set(error, SCOW_E_STATE, "container '%s' does not run", name), NULL, name),
			  "start it first: its namespaces live as long as it does");
}

/* Opens something of the container's PID 1 below /proc/PID, for certain its own. */
static int open_of(scow_engine *engine, const char *name, const char *what, int flags, scow_container **other, scow_error **error)
{
	_cleanup_(scow_container_unrefp) scow_container *container = NULL;
	_cleanup_fd_ int fd = -1, pidfd = -1;
	struct container_row row;
	char path[64];
	int errnum, r;

	r = scow_container_get(engine, name, &container, error);
	if (r == 0)
		r = container_row_read(engine, container->id, &row, error);
	if (r < 0)
		return r;
	if (!container_runs(row.state) || !row.pid)
		return not_running(name, error);
	snprintf(path, sizeof(path), "/proc/%d/%s", row.pid, what);
	fd = open(path, flags | O_CLOEXEC);
	errnum = errno;
	pidfd = container_pidfd(engine, &row);
	if (pidfd < 0)
		return not_running(name, error);
	if (fd < 0)
		return error_errno(error, errnum, "open", "open '%s' of container '%s'", what, name);
	if (other)
		*other = take_ptr(&container);
	return take_fd(&fd);
}

static int share_maps(scow_engine *engine, const char *name, struct spec *spec, scow_error **error)
{
	_cleanup_(scow_container_unrefp) scow_container *other = NULL;
	_cleanup_fd_ int proof = open_of(engine, name, "ns/user", O_RDONLY, &other, error);
	int r = proof < 0 ? proof : scow_container_pid(other, error);

	if (r < 0)
		return r;
	return r ? id_maps_into(r, spec, error) : not_running(name, error);
}

/* One of the other's files into the spec; what is not there, or is no plain file, is left out. */
static int take_file(int root_fd, const char *path, struct spec *spec, scow_error **error)
{
	_cleanup_fd_ int fd = path_open_in(root_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	_cleanup_free_ char *text = NULL;
	struct spec_file *file;
	struct stat st;
	size_t size;
	char *copy;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || fd_read_file(fd, ETC_FILE_MAX, &text, &size) < 0)
		return 0;
	copy = arena_alloc(&spec->arena, size + 1);
	file = arena_append(&spec->arena, &spec->files, &spec->n_files, sizeof(*file));
	if (!copy || !file)
		return error_oom(error);
	memcpy(copy, text, size);
	*file = (struct spec_file){ .path = path, .content = copy, .size = size, .mode = 0644 };
	return 0;
}

static int share_names(scow_engine *engine, const scow_container_config *config, const char *name, struct spec *spec, scow_error **error)
{
	_cleanup_(scow_container_unrefp) scow_container *other = NULL;
	const scow_container_config *theirs;
	_cleanup_fd_ int root_fd = -1;
	char hostname[13];
	int r;

	root_fd = open_of(engine, name, "root", O_PATH | O_DIRECTORY, &other, error);
	if (root_fd < 0)
		return root_fd;
	r = container_config_of(other, &theirs, error);
	if (r < 0)
		return r;
	snprintf(hostname, sizeof(hostname), "%.12s", other->id);
	if (!config->hostname)
		spec->hostname = arena_strdup(&spec->arena, theirs->hostname ? theirs->hostname : hostname);
	if (!config->domainname && theirs->domainname)
		spec->domainname = arena_strdup(&spec->arena, theirs->domainname);
	if (arena_failed(&spec->arena))
		return error_oom(error);
	r = take_file(root_fd, "/etc/hostname", spec, error);
	if (r == 0)
		r = take_file(root_fd, "/etc/hosts", spec, error);
	if (r == 0)
		r = take_file(root_fd, "/etc/resolv.conf", spec, error);
	return r;
}

int join_containers(scow_engine *engine, const scow_container_config *config, struct spec *spec, struct join *join, scow_error **error)
{
	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++) {
		enum spec_ns kind = namespaces[i].kind;
		struct spec_namespace *ns = &spec->namespaces[kind];
		const char *name;
		char what[16];
		int r;

		if (ns->mode != SPEC_NS_JOIN || ns->path)
			continue;
		name = spec_joined_container(config, kind);
		if (!name)
			return error_set(error, SCOW_E_INVALID, "no container is named whose %s namespace is to be joined",
					 namespaces[i].file);
		snprintf(what, sizeof(what), "ns/%s", namespaces[i].file);
		join->fds[kind] = open_of(engine, name, what, O_RDONLY, NULL, error);
		if (join->fds[kind] < 0)
			return join->fds[kind];
		ns->path = arena_printf(&spec->arena, "/proc/self/fd/%d", join->fds[kind]);
		if (!ns->path)
			return error_oom(error);
		r = kind == SPEC_NS_NETWORK ? share_names(engine, config, name, spec, error) : 0;
		if (kind == SPEC_NS_USER && !engine->facts.rootless)
			r = share_maps(engine, name, spec, error);
		if (r < 0)
			return r;
	}
	return 0;
}
