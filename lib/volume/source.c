/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the options of a local volume mean: "type", "device" and "o", as mount(8) takes them. Without any it is a directory of the store;
 * with "bind" among "o", another one of the host. All else is a file system that scow-init mounts for each container, in the container's
 * mount namespace: never on the host. So each container has a tmpfs volume of its own, which is not what Docker does (doc/volumes.md).
 */
#include <string.h>
#include <sys/mount.h>

#include "base/str.h"
#include "volume/volume-internal.h"

static const struct {
	const char *name;
	unsigned long set, clear;
} flags[] = {
	{ "defaults", 0, 0 },
	{ "rw", 0, MS_RDONLY },
	{ "ro", MS_RDONLY, 0 },
	{ "suid", 0, MS_NOSUID },
	{ "nosuid", MS_NOSUID, 0 },
	{ "dev", 0, MS_NODEV },
	{ "nodev", MS_NODEV, 0 },
	{ "exec", 0, MS_NOEXEC },
	{ "noexec", MS_NOEXEC, 0 },
	{ "async", 0, MS_SYNCHRONOUS },
	{ "sync", MS_SYNCHRONOUS, 0 },
	{ "dirsync", MS_DIRSYNC, 0 },
	{ "atime", 0, MS_NOATIME },
	{ "noatime", MS_NOATIME, 0 },
	{ "diratime", 0, MS_NODIRATIME },
	{ "nodiratime", MS_NODIRATIME, 0 },
	{ "relatime", MS_RELATIME, 0 },
	{ "norelatime", 0, MS_RELATIME },
	{ "strictatime", MS_STRICTATIME, 0 },
	{ "nostrictatime", 0, MS_STRICTATIME },
};

static bool take_flag(const char *option, struct volume_source *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (!str_eq(option, flags[i].name))
			continue;
		out->flags = (out->flags & ~flags[i].clear) | flags[i].set;
		return true;
	}
	return false;
}

/* True if it is to be a bind. */
static bool read_options(char *text, struct str *data, struct volume_source *out)
{
	bool bind = false;
	char *rest = text, *option;

	while ((option = strsep(&rest, ","))) {
		if (str_eq(option, "bind") || str_eq(option, "rbind")) {
			bind = true;
			out->recursive = *option == 'r';
		} else if (*option && !take_flag(option, out)) {
			if (data->size)
				str_add_char(data, ',');
			str_add(data, option);
		}
	}
	return bind;
}

static int refuse(const struct volume *volume, scow_error **error, const char *what)
{
	return error_at(error, error_set(error, SCOW_E_INVALID, "volume '%s': %s", volume->name, what), NULL, volume->name);
}

static int check(scow_engine *engine, const struct volume *volume, const struct volume_source *source, scow_error **error)
{
	if (source->kind == VOLUME_BIND && (!source->device || source->device[0] != '/'))
		return refuse(volume, error, "option 'device': a bind needs the absolute path of a directory");
	if (source->kind != VOLUME_MOUNT)
		return 0;
	if (!source->type)
		return refuse(volume, error, "option 'type': the type of the file system is missing");
	if (!source->device)
		return refuse(volume, error, "option 'device': it is missing");
	if (engine->facts.rootless && !str_eq(source->type, "tmpfs"))
		return error_set(error, SCOW_E_UNSUPPORTED, "volume '%s': a plain user cannot mount a file system of type '%s'",
				 volume->name, source->type);
	return 0;
}

int volume_source(scow_engine *engine, const struct volume *volume, struct arena *arena, struct volume_source *out, scow_error **error)
{
	_cleanup_str_ struct str data = { 0 };
	char *options;
	bool bind;
	int r;

	*out = (struct volume_source){ .kind = VOLUME_DRIVEN };
	if (!str_eq(volume->driver, VOLUME_LOCAL))
		return 0;
	out->type = volume_option(volume, arena, "type");
	out->device = volume_option(volume, arena, "device");
	options = (char *) volume_option(volume, arena, "o");
	bind = options && read_options(options, &data, out);
	out->kind = bind || str_eq(out->type, "bind") ? VOLUME_BIND : out->type || out->device || options ? VOLUME_MOUNT : VOLUME_DIRECTORY;
	if (data.size)
		out->data = arena_strdup(arena, data.data);
	r = check(engine, volume, out, error);
	if (r < 0)
		return r;
	out->path = out->kind == VOLUME_BIND        ? out->device
		    : out->kind == VOLUME_DIRECTORY ? arena_printf(arena, "%s/volumes/%s/_data", engine->root, volume->name)
						    : NULL;
	return arena_failed(arena) || data.failed ? error_oom(error) : 0;
}
