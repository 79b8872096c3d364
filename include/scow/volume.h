/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Volumes: directories that outlive containers.
 *
 * A named volume stays until it is removed; an anonymous one goes with the container that it was made for, if that is
 * ephemeral or removed with SCOW_REMOVE_VOLUMES. An empty volume takes, the first time that a container is made with it, what the
 * image has at the place where it is mounted.
 *
 * Who supplies the directory is the volume's driver: "local" (a directory of the store, or any mount(2) by its options), or one that
 * the program adds by scow_engine_add_volume_driver().
 *
 * Threads: volumes may be used from any thread, concurrently. Configs and drivers: one thread at a time.
 */
#ifndef SCOW_VOLUME_H
#define SCOW_VOLUME_H

#include <scow/engine.h>
#include <scow/iter.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct scow_volume scow_volume;
typedef struct scow_volume_config scow_volume_config;
typedef struct scow_volume_driver scow_volume_driver;

/* ---- describing ---- */

/** scow_volume_config_new() - a "local" one without options. Returns: owned, or NULL without memory. Since: 0.1. */
SCOW_API scow_volume_config *scow_volume_config_new(void);

/** scow_volume_config_unref() - free it; NULL is allowed. Returns: NULL. Since: 0.1. */
SCOW_API scow_volume_config *scow_volume_config_unref(scow_volume_config *config);

/** scow_volume_config_set_driver() - "local" (the default), or one that was added to the engine. Since: 0.1. */
SCOW_API void scow_volume_config_set_driver(scow_volume_config *config, const char *driver);

/** scow_volume_config_set_option() - local: "type", "device" and "o", as for mount(8); "size" of a directory, by project quota. Since: 0.1. */
SCOW_API void scow_volume_config_set_option(scow_volume_config *config, const char *name, const char *value);

/** scow_volume_config_add_label() - metadata. Since: 0.1. */
SCOW_API void scow_volume_config_add_label(scow_volume_config *config, const char *name, const char *value);

/** scow_volume_config_set_ephemeral() - 1: it goes with the last handle of the program that made it, or with that program. Since: 0.1. */
SCOW_API void scow_volume_config_set_ephemeral(scow_volume_config *config, int ephemeral);

/* ---- volumes ---- */

/**
 * scow_volume_create() - make a volume, or find it
 * @name:   "[a-zA-Z0-9][a-zA-Z0-9_.-]+"; NULL: an anonymous one, with 64 hex digits for its name
 * @config: borrowed; NULL for the defaults
 * @out:    owned, scow_volume_unref(); may be NULL
 *
 * One that exists already with the same driver and options is found, as in Docker.
 *
 * Returns: 0, SCOW_E_INVALID (name; config: the setter is named), SCOW_E_EXISTS (with other settings), SCOW_E_NOT_FOUND (driver),
 * SCOW_E_UNSUPPORTED, SCOW_E_NO_SPACE, or what the driver says.  Threads: any.  Since: 0.1.
 */
SCOW_API int scow_volume_create(scow_engine *engine, const char *name, const scow_volume_config *config, scow_volume **out,
				scow_error **error);

/** scow_volume_get() - by its name. @out: owned. Returns: 0, SCOW_E_NOT_FOUND. Threads: any. Since: 0.1. */
SCOW_API int scow_volume_get(scow_engine *engine, const char *name, scow_volume **out, scow_error **error);

/**
 * scow_volume_list() - those that Docker's filters choose, in order of their names
 * @filters: NULL, or as JSON {"dangling":["true"],"label":["a=b"]}: name, driver, label, dangling
 * @out:     owned; scow_iter_next_volume()
 *
 * Returns: 0, SCOW_E_INVALID (filters), SCOW_E_CORRUPT, SCOW_E_NO_MEMORY.  Threads: any.  Since: 0.1.
 */
SCOW_API int scow_volume_list(scow_engine *engine, const char *filters, scow_iter **out, scow_error **error);

/** scow_volume_ref() - take another reference. Returns: @volume. Threads: any. Since: 0.1. */
SCOW_API scow_volume *scow_volume_ref(scow_volume *volume);

/** scow_volume_unref() - give one back; NULL is allowed. An ephemeral one goes with its last handle. Returns: NULL. Since: 0.1. */
SCOW_API scow_volume *scow_volume_unref(scow_volume *volume);

/** scow_volume_name() - its name. Returns: borrowed, as long as @volume. Since: 0.1. */
SCOW_API const char *scow_volume_name(const scow_volume *volume);

/** scow_volume_driver_name() - whose it is: "local", ... Returns: borrowed. Since: 0.1. */
SCOW_API const char *scow_volume_driver_name(const scow_volume *volume);

/** scow_volume_mountpoint() - its directory on this host; NULL where there is none outside of containers. Returns: borrowed. Since: 0.1. */
SCOW_API const char *scow_volume_mountpoint(const scow_volume *volume);

/** scow_volume_created() - seconds since 1970. Since: 0.1. */
SCOW_API int64_t scow_volume_created(const scow_volume *volume);

/** scow_volume_inspect_json() - everything, in the shape of `docker volume inspect` (one object). @out: owned. Returns: 0, SCOW_E_NOT_FOUND. Since: 0.1. */
SCOW_API int scow_volume_inspect_json(scow_volume *volume, char **out, scow_error **error);

/**
 * scow_volume_remove() - take it away, with all that is in it
 * @flags: SCOW_REMOVE_FORCE: also where its driver fails or is not there; or 0
 *
 * Returns: 0, SCOW_E_BUSY (containers have it, running or not: one is named), SCOW_E_NOT_FOUND, or what the driver says.
 * Threads: any.  Since: 0.1.
 */
SCOW_API int scow_volume_remove(scow_volume *volume, unsigned int flags, scow_error **error);

/**
 * scow_volume_prune() - remove those that no container has
 * @all:     1: also named ones; 0: anonymous ones only
 * @filters: NULL, or label, label!, all
 * @report:  NULL, or owned, scow_free(): {"VolumesDeleted":[names],"SpaceReclaimed":bytes}
 *
 * Returns: 0, SCOW_E_INVALID (filters), or the first failure, after trying all.  Threads: any.  Since: 0.1.
 */
SCOW_API int scow_volume_prune(scow_engine *engine, int all, const char *filters, char **report, scow_error **error);

/* ---- drivers ---- */

/**
 * scow_volume_fn - one thing that a driver does to a volume
 * @options: the volume's, as a JSON object of strings
 * @error:   for what went wrong: scow_error_set_message()
 *
 * Called on the thread that is inside a call of this library, never with a lock held. Returns: 0 or a negative scow_status.
 */
typedef int (*scow_volume_fn)(const char *name, const char *options, void *userdata, scow_error **error);

/**
 * scow_volume_mount_fn - give a container the volume
 * @id:   who asks: the same is given to unmount
 *
 * Returns: a descriptor of the directory (O_PATH will do; the library closes it), or a negative scow_status.
 */
typedef int (*scow_volume_mount_fn)(const char *name, const char *options, const char *id, void *userdata, scow_error **error);

/** scow_volume_unmount_fn - container @id does not use it any more. Failures are logged. */
typedef void (*scow_volume_unmount_fn)(const char *name, const char *options, const char *id, void *userdata);

/** scow_volume_driver_new() - one that does nothing and can mount nothing. Returns: owned, or NULL without memory. Since: 0.1. */
SCOW_API scow_volume_driver *scow_volume_driver_new(const char *name, void *userdata);

/** scow_volume_driver_unref() - free it; NULL is allowed. An engine that has it keeps a reference. Returns: NULL. Since: 0.1. */
SCOW_API scow_volume_driver *scow_volume_driver_unref(scow_volume_driver *driver);

/** scow_volume_driver_set_create() - called once, before the volume is there. Since: 0.1. */
SCOW_API void scow_volume_driver_set_create(scow_volume_driver *driver, scow_volume_fn create);

/** scow_volume_driver_set_mount() - called at each start of a container; needed. Since: 0.1. */
SCOW_API void scow_volume_driver_set_mount(scow_volume_driver *driver, scow_volume_mount_fn mount);

/** scow_volume_driver_set_unmount() - called when a container that had it has ended, once for each mount. Since: 0.1. */
SCOW_API void scow_volume_driver_set_unmount(scow_volume_driver *driver, scow_volume_unmount_fn unmount);

/** scow_volume_driver_set_remove() - called once, before the volume is gone. Since: 0.1. */
SCOW_API void scow_volume_driver_set_remove(scow_volume_driver *driver, scow_volume_fn remove);

/** scow_engine_add_volume_driver() - volumes of this driver can now be used by @engine. Returns: 0, SCOW_E_EXISTS, SCOW_E_INVALID. Threads: any. Since: 0.1. */
SCOW_API int scow_engine_add_volume_driver(scow_engine *engine, scow_volume_driver *driver, scow_error **error);

#ifdef __cplusplus
}
#endif
#endif
