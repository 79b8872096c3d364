/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Volumes for other rooms.
 *
 * 1. A row and its directory appear in one transaction: the directory first, which is empty, so that one without a row means nothing.
 * 2. Who removes one marks its row, deletes the directory, then the row: what a crash leaves is finished by volume_sweep(). A marked
 *    one is to be found by nobody; who wants to make one of that name waits.
 * 3. Rows of `mounts` refer to it: as long as there is one, it is not removed.
 */
#pragma once

#include <scow/volume.h>

#include "base/arena.h"
#include "store/db.h"

#define VOLUME_LOCAL "local"
#define VOLUME_NAME_MAX 255

struct volume {
	const char *name, *driver;
	const char *options, *labels; /* JSON objects of strings */
	int64_t created;              /* ns */
	bool anonymous, ephemeral, removing;
	const char *owner; /* of an ephemeral one, or who is removing it; else NULL */
};

/* "[a-zA-Z0-9][a-zA-Z0-9_.-]+" */
bool volume_name_is_valid(const char *name);
int volume_check_name(const char *name, scow_error **error) _must_check_;

/* SCOW_E_NOT_FOUND, also for one that is being removed. */
int volume_read(struct db_work *work, const char *name, struct arena *arena, struct volume **out, scow_error **error) _must_check_;
/* A NULL-terminated array, by name. */
int volume_read_all(struct db_work *work, struct arena *arena, struct volume ***out, scow_error **error) _must_check_;
int volume_not_found(const char *name, scow_error **error);
/* An option's value in @arena, or NULL. */
const char *volume_option(const struct volume *volume, struct arena *arena, const char *name);

/* ---- making ---- */

struct volume_wish {
	const char *name;             /* random_hex(32) for an anonymous one */
	const char *driver;           /* NULL: "local", or whatever it is that is there */
	const char *options, *labels; /* JSON objects; NULL: none */
	bool anonymous, ephemeral;
};
enum volume_held {
	VOLUME_FOUND,
	VOLUME_MADE,
	VOLUME_REMOVING, /* end the transaction, volume_await(), begin again */
};
/* Inside a transaction: it is there from now on. SCOW_E_EXISTS: with other settings. */
int volume_hold(struct db_work *work, scow_engine *engine, const struct volume_wish *wish, scow_error **error) _must_check_;
/* Before that, and outside of any: what the driver has to say to a new one. 0; SCOW_E_NOT_FOUND: no such driver. */
int volume_prepare(scow_engine *engine, const struct volume_wish *wish, scow_error **error) _must_check_;
/* Waits until @name is not being removed any more. */
int volume_await(scow_engine *engine, const char *name, scow_error **error) _must_check_;

/* ---- where its files are ---- */

enum volume_kind {
	VOLUME_DIRECTORY, /* @path, ours */
	VOLUME_BIND,      /* @path, somebody else's */
	VOLUME_MOUNT,     /* @type, @device, @data: mounted by each container */
	VOLUME_DRIVEN     /* by its driver */
};
struct volume_source {
	enum volume_kind kind;
	const char *path, *type, *device, *data;
	unsigned long flags; /* MS_* */
	bool recursive;
};
/* What the options of a local one mean; strings in @arena. SCOW_E_INVALID. */
int volume_source(scow_engine *engine, const struct volume *volume, struct arena *arena, struct volume_source *out,
		  scow_error **error) _must_check_;
/* ROOT/volumes; a descriptor to close. */
int volume_store_open(scow_engine *engine, scow_error **error);
/* The directory itself, ours or that of a bind; a power cut may have taken it. */
int volume_open(scow_engine *engine, const struct volume *volume, const struct volume_source *source, scow_error **error);

/* ---- its end ---- */

/* SCOW_E_BUSY, SCOW_E_NOT_FOUND. @force: also where the driver fails. */
int volume_remove(scow_engine *engine, const char *name, bool force, scow_error **error) _must_check_;
/* Inside the transaction that deletes @container: marks its anonymous volumes that nobody else has; then volume_clear(). */
int volume_mark_anonymous(struct db_work *work, scow_engine *engine, const char *container, bool *marked, scow_error **error) _must_check_;
/* Removes what this engine has marked. Failures go to the log. */
void volume_clear(scow_engine *engine);
/* What dead programs left: ephemeral ones, and removals half done. */
int volume_sweep(scow_engine *engine, scow_error **error) _must_check_;

/* ---- events ---- */

int volume_event(struct db_work *work, const char *action, const char *name, const char *driver, scow_error **error) _must_check_;
/* "mount" or "unmount", of all that @container has. */
int volume_events(struct db_work *work, const char *action, const char *container, scow_error **error) _must_check_;

/* ---- drivers.c ---- */

/* With a reference; NULL: there is none of that name. */
scow_volume_driver *volume_driver_find(scow_engine *engine, const char *name);
DEFINE_CLEANUP(scow_volume_driver *, scow_volume_driver_unref)
DEFINE_CLEANUP(scow_volume *, scow_volume_unref)
/* @path: of the directory that it gives, in @arena; @dev, @ino: which one it is. */
struct volume_place {
	const char *path;
	uint64_t dev, ino;
};
int volume_driver_mount(scow_engine *engine, const struct volume *volume, const char *container, struct arena *arena,
			struct volume_place *out, scow_error **error) _must_check_;
/* @container's mounts that a driver has been asked for: it does not use them any more. Those of absent drivers wait for them. */
void volume_drivers_unmount(scow_engine *engine, const char *container);

/* ---- for lists ---- */

struct scow_volume_config;
int volume_handle(scow_engine *engine, const struct volume *volume, scow_volume **out, scow_error **error) _must_check_;
/* Bytes and users; -1 bytes where nobody can tell. */
int volume_usage(scow_engine *engine, const struct volume *volume, int64_t *bytes, int64_t *users, scow_error **error) _must_check_;
int volume_json(scow_engine *engine, const struct volume *volume, char **out, scow_error **error) _must_check_;
