/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opening and closing an engine: the root's directories, the database, the sweep.
 *
 *   ROOT/oci-layout, blobs/  an OCI image layout that other tools can read
 *   ROOT/layers/NAME         unpacked layers        ROOT/containers/ID  what containers wrote
 *   ROOT/owners/ID           who is alive           ROOT/tmp            half-made things
 *   ROOT/cache               what can be made again ROOT/state.db       everything else
 *
 * A root that somebody else owns or may write to is refused: its files would decide what runs here.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "container/sweep.h"
#include "network/network.h"
#include "network/nft.h"
#include "engine/engine.h"
#include "engine/guard.h"
#include "engine/options.h"
#include "engine/strays.h"
#include "store/db.h"
#include "store/lock.h"
#include "store/recover.h"
#include "volume/volume.h"

static int default_root(const struct facts *facts, char **out, scow_error **error)
{
	const char *data = secure_getenv("XDG_DATA_HOME"), *home = secure_getenv("HOME");

	if (!facts->rootless)
		*out = strdup("/var/lib/scow");
	else if (data && *data == '/')
		*out = strf("%s/scow", data);
	else if (home && *home == '/')
		*out = strf("%s/.local/share/scow", home);
	else
		return error_hint(error, error_set(error, SCOW_E_INVALID, "no place for the store: neither XDG_DATA_HOME nor HOME is set"),
				  "set one of them, or give a root");
	return 0;
}

static int make_with_parents(const char *path)
{
	_cleanup_free_ char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	for (char *slash = copy + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = 0;
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return mkdir(copy, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static int open_root(scow_engine *engine, scow_error **error)
{
	const char *path = engine->root;
	struct stat st;
	int r;

	engine->root_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (engine->root_fd < 0 && errno == ENOENT) {
		r = make_with_parents(path);
		if (r < 0)
			return error_errno(error, -r, "mkdir", "make the root '%s'", path);
		engine->root_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (engine->root_fd < 0)
		return error_errno(error, errno, "open", "open the root '%s'", path);
	if (fstat(engine->root_fd, &st) < 0)
		return error_errno(error, errno, "fstat", "look at the root '%s'", path);
	if (st.st_uid != engine->facts.uid)
		return error_hint(error,
				  error_set(error, SCOW_E_DENIED, "the root '%s' belongs to user %u, not to user %u", path, st.st_uid,
					    engine->facts.uid),
				  "use a root of your own");
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return error_hint(error, error_set(error, SCOW_E_DENIED, "others may write to the root '%s'", path), "chmod go-w '%s'",
				  path);
	return 0;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* Opens one of the root's directories, making it where it is not there yet. */
static int open_part(scow_engine *engine, const char *name, int *out, scow_error **error)
{
	int fd = dir_open_at(engine->root_fd, name), r;

	if (fd == -ENOENT) {
		r = dir_make_at(engine->root_fd, name, 0700);
		if (r < 0)
			return error_errno(error, -r, "mkdir", "make '%s/%s'", engine->root, name);
		fd = dir_open_at(engine->root_fd, name);
	}
	if (fd < 0)
		return error_errno(error, -fd, "open", "open '%s/%s'", engine->root, name);
	if (out)
		*out = fd;
	else
		close(fd);
	return 0;
}

static int open_parts(scow_engine *engine, scow_error **error)
{
	static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
	int fd, r;

	r = open_part(engine, "layers", &engine->layers_fd, error);
	if (r < 0)
		return r;
	r = open_part(engine, "containers", &engine->containers_fd, error);
	if (r < 0)
		return r;
	r = open_part(engine, "tmp", &engine->tmp_fd, error);
	if (r < 0)
		return r;
	fd = dir_open_at(engine->root_fd, "blobs/sha256");
	if (fd == -ENOENT) {
		/* A new root: the rest of it, too. */
		r = open_part(engine, "blobs", NULL, error);
		if (r == 0)
			r = open_part(engine, "owners", NULL, error);
		if (r < 0)
			return r;
		r = file_publish_at(engine->root_fd, "oci-layout", layout, sizeof(layout) - 1, 0600);
		if (r < 0)
			return error_errno(error, -r, "write", "write '%s/oci-layout'", engine->root);
		/* SQLite gives its other files this one's mode. Nobody has it open yet: closing it drops no lock of this process. */
		fd = openat(engine->root_fd, "state.db", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		close_fd(fd);
		return open_part(engine, "blobs/sha256", &engine->blobs_fd, error);
	}
	if (fd < 0)
		return error_errno(error, -fd, "open", "open '%s/blobs/sha256'", engine->root);
	engine->blobs_fd = fd;
	return 0;
}

static void engine_close(scow_engine *engine)
{
	/* In a forked child: descriptors only. SQLite's and the guard's state belong to the parent. */
	if (engine->pid == getpid()) {
		guard_dismiss(engine);
		db_close(engine->db);
		guard_reap(engine);
		owner_unregister(engine);
	} else {
		close_fd(engine->guard_fd);
		close_fd(engine->guard_pidfd);
		close_fd(engine->owner_fd);
	}
	if (engine->cgroup_base)
		engine->cgroup_base_free(engine->cgroup_base);
	if (engine->volume_drivers)
		engine->volume_drivers_free(engine->volume_drivers);
	if (engine->seccomp_cache)
		engine->seccomp_cache_free(engine->seccomp_cache);
	close_fd(engine->layers_fd);
	close_fd(engine->containers_fd);
	close_fd(engine->tmp_fd);
	close_fd(engine->blobs_fd);
	close_fd(engine->helper_fd);
	if (engine->pid == getpid())
		nft_leave(engine);
	close_fd(engine->filter_fd);
	close_fd(engine->root_fd);
	strays_done(engine);
	facts_done(&engine->facts);
	strv_free(engine->cdi_dirs);
	pthread_mutex_destroy(&engine->lock);
	free(engine->root);
	free(engine);
}

static scow_engine *engine_new(const scow_engine_options *options)
{
	scow_engine *engine = calloc(1, sizeof(*engine));

	if (!engine)
		return NULL;
	atomic_init(&engine->refs, 1);
	engine->close = engine_close;
	engine->pid = getpid();
	engine->root_fd = engine->layers_fd = engine->blobs_fd = engine->containers_fd = engine->tmp_fd = -1;
	engine->helper_fd = engine->guard_fd = engine->guard_pidfd = engine->owner_fd = -1;
	engine->filter_fd = -1;
	engine->log = options ? options->log : NULL;
	engine->log_data = options ? options->log_data : NULL;
	engine->trace = options ? options->trace : NULL;
	engine->trace_data = options ? options->trace_data : NULL;
	pthread_mutex_init(&engine->lock, NULL);
	return engine;
}

int scow_engine_open(const scow_engine_options *options, scow_engine **out, scow_error **error)
{
	_cleanup_(scow_engine_unrefp) scow_engine *engine = NULL;
	_cleanup_free_ char *db_path = NULL;
	int r;

	if (!out)
		return error_set(error, SCOW_E_INVALID, "no place for the engine was given");
	if (options && options->failed)
		return error_oom(error);
	if (options && options->root && options->root[0] != '/')
		return error_set(error, SCOW_E_INVALID, "set_root: '%s' is not an absolute path", options->root);
	engine = engine_new(options);
	if (!engine)
		return error_oom(error);
	if (options && options->cdi_dirs && !(engine->cdi_dirs = strv_copy((const char *const *) options->cdi_dirs)))
		return error_oom(error);
	r = facts_probe(&engine->facts, error);
	if (r == 0 && options && options->root)
		engine->root = strdup(options->root);
	else if (r == 0)
		r = default_root(&engine->facts, &engine->root, error);
	if (r == 0)
		r = engine->root ? open_root(engine, error) : error_oom(error);
	if (r == 0)
		r = open_parts(engine, error);
	if (r == 0)
		r = (db_path = strf("%s/state.db", engine->root)) ? 0 : error_oom(error);
	if (r == 0)
		r = db_open(db_path, &engine->db, error);
	if (r == 0)
		r = recover_store(engine, error);
	if (r == 0)
		r = container_sweep(engine, error);
	if (r == 0)
		r = network_sweep(engine, error);
	if (r == 0)
		r = volume_sweep(engine, error);
	if (r < 0)
		return error_wrap(error, r, "open the engine");
	*out = take_ptr(&engine);
	return 0;
}
