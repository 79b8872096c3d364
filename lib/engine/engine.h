/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The context that every noun holds.
 *
 * Locks, in the order in which they may be taken:
 * 1. engine->lock: handle tables, lazily made descriptors. Never held across a callback, a spawn, or I/O on the network.
 * 2. db->lock (store/db.h): one SQLite connection. Held for one transaction.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include <scow/engine.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "engine/facts.h"

struct db;

struct scow_engine {
	atomic_uint refs;
	void (*close)(scow_engine *engine); /* system/open.c: at the last reference */
	pid_t pid;              /* who opened it: after a fork only unref is allowed */
	char *root;             /* absolute path */
	int root_fd;            /* O_PATH would not do: it is fsynced */
	int layers_fd;          /* ROOT/layers: one directory a layer */
	int blobs_fd;           /* ROOT/blobs/sha256 (ROOT is an OCI image layout) */
	int containers_fd;      /* ROOT/containers: one directory a container */
	int tmp_fd;             /* ROOT/tmp: half-made things; swept */
	struct facts facts;
	char **cdi_dirs;        /* container/cdi.h; NULL: the default ones */
	struct db *db;
	scow_log_fn log;
	void *log_data;
	scow_trace_fn trace;    /* engine/trace.h */
	void *trace_data;
	atomic_uint_fast64_t spans; /* ids given out */
	pthread_mutex_t lock;
	int helper_fd;          /* sealed memfd of scow-init, made on first use; engine/helper.h */
	int guard_fd;           /* engine/guard.h: control socket, or -1 before the first owned container */
	int guard_pidfd;        /* its process; valid while guard_fd is */
	int *strays;            /* pidfds; engine/strays.h */
	size_t n_strays;
	atomic_int filter_fd;   /* a netfilter socket that nobody uses just now, or -1: network/nft.c */
	int owner_fd;           /* locked ROOT/owners/<owner_id>, or -1: store/lock.h */
	char owner_id[33];
	struct cgroup_base *cgroup_base; /* runtime/cgroup.h: probed on first use */
	void (*cgroup_base_free)(struct cgroup_base *);
	struct seccomp_cache *seccomp_cache; /* runtime/seccomp.h: made on first use */
	void (*seccomp_cache_free)(struct seccomp_cache *);
	struct volume_drivers *volume_drivers; /* volume/drivers.c; under lock */
	void (*volume_drivers_free)(struct volume_drivers *);
	struct joined *joined;   /* container/joined.c: the same of programs put into running containers; under lock */
	struct running *running; /* container/start.c: what this engine started and has not seen the end of; under lock */
};

DEFINE_CLEANUP(scow_engine *, scow_engine_unref)

/* Every public entry calls this first: SCOW_E_STATE in a forked child, SCOW_E_INVALID for NULL. */
int engine_check(scow_engine *engine, scow_error **error) _must_check_;
void engine_log(scow_engine *engine, int level, const char *format, ...) _printf_(3, 4);
