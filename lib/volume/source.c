/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the options of a local volume mean: "type", "device" and "o", as mount(8) takes them. Without any it is a directory of the store;
 * with "bind" among "o", another one of the host. All else is a file system that scow-init mounts for each container, in the container's
 * mount namespace: never on the host. So each container has a tmpfs volume of its own, which is not what Docker does (doc/volumes.md).
 */
#include <string.h>

#include "base/mount_flag.h"
#include "base/str.h"
#include "volume/volume-internal.h"

/* True if it is to be a bind. */
static bool read_options(char *text, struct str *data, struct volume_source *out)
{
	bool bind = false;
	char *rest = text, *option;

	while ((option = strsep(&rest, ","))) {
		if (str_eq(option, "bind") || str_eq(option, "rbind")) {
			bind = true;
			out->recursive = *option == 'r';
		} else if (*option && !mount_flag(option, strlen(option), &out->flags)) {
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
