/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The Container Device Interface: what a vendor's document says that a container needs for a device of its.
 * See: the CDI specification, up to 1.1.0.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "engine/engine.h"

struct cdi_texts {
	const char **items; size_t n;
};
struct cdi_numbers {
	int64_t *items; size_t n;
};
struct cdi_node {
	const char *path, *host_path, *type, *permissions;
	int64_t major, minor, mode, uid, gid; /* -1: as the host's node has it */
};
struct cdi_mount {
	const char *host_path, *container_path, *type;
	struct cdi_texts options;
};
struct cdi_hook {
	const char *name, *path;
	struct cdi_texts args, env;
	int64_t timeout_s; /* -1: none */
};
struct cdi_edits {
	struct cdi_texts env;
	struct cdi_node *nodes; size_t n_nodes;
	struct cdi_mount *mounts; size_t n_mounts;
	struct cdi_hook *hooks; size_t n_hooks;
	struct cdi_numbers gids;
	const char *unsupported; /* the first field that only a container with it misses */
};
struct cdi_device {
	const char *name;
	struct cdi_edits edits;
};
struct cdi_spec {
	const char *file, *version, *kind; /* "vendor.com/class" */
	struct cdi_device *devices; size_t n_devices;
	struct cdi_edits edits; /* of all */
};

/* "vendor.com/class=name"; a path of a device never is. */
bool cdi_is_device_name(const char *text);
/* All of it in @arena. @file: YAML, unless its name ends in ".json". SCOW_E_INVALID: it and the path of the field are in the message. */
int cdi_parse(const char *text, size_t size, const char *file, struct arena *arena, struct cdi_spec *out, scow_error **error) _must_check_;

/*
 * Finds the devices in the engine's directories, and calls @apply for the edits of each, and once before them for those of the document
 * they are in. SCOW_E_NOT_FOUND, SCOW_E_INVALID (a document that may have it cannot be read), SCOW_E_UNSUPPORTED (of this
 * engine), or what @apply returns.
 */
int cdi_each(scow_engine *engine, const char *const *names, size_t n, struct arena *arena,
	     int (*apply)(void *data, const struct cdi_spec *spec, const struct cdi_edits *edits, scow_error **error), void *data,
	     scow_error **error) _must_check_;
