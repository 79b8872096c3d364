/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* -v, --mount, --tmpfs and --volumes-from: the library reads them; what starts with '.' or '~' is made a path of the host first. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The library takes absolute paths, and says what is wrong with a volume's name. */
static const char *host_path(const char *source)
{
	char *base = NULL, *path;

	if (source[0] == '~' && (!source[1] || source[1] == '/') && getenv("HOME"))
		return keep_format("%s%s", getenv("HOME"), source + 1);
	if (source[0] != '.')
		return source;
	base = getcwd(NULL, 0);
	path = keep_format("%s/%s", base ? base : "", source);
	free(base);
	return path;
}

static bool configure_volume(scow_container_config *config, const char *text)
{
	const char *rest, *source = keep_split(text, ':', &rest);

	if (rest && (*source == '.' || *source == '~'))
		text = keep_format("%s:%s", host_path(source), rest);
	scow_container_config_add_volume_spec(config, text);
	return true;
}

static bool configure_tmpfs(scow_container_config *config, const char *text)
{
	const char *options, *target = keep_split(text, ':', &options);

	scow_container_config_add_tmpfs(config, target, options);
	return true;
}

/* A relative source of a bind is completed, as Docker's client does. */
static bool configure_mount(scow_container_config *config, const char *text)
{
	static const char *const names[] = { "source=", "src=" };
	const char *at = NULL, *end;

	for (size_t i = 0; i < sizeof names / sizeof *names && !at; i++)
		for (const char *found = text; !at && (found = strstr(found, names[i])); found++)
			if ((found == text || found[-1] == ',') && (found[strlen(names[i])] == '.' || found[strlen(names[i])] == '~'))
				at = found + strlen(names[i]);
	if (at && strstr(text, "type=bind")) {
		end = at + strcspn(at, ",");
		text = keep_format("%.*s%s%s", (int) (at - text), text, host_path(keep_format("%.*s", (int) (end - at), at)), end);
	}
	scow_container_config_add_mount(config, text);
	return true;
}

static bool configure_from(scow_container_config *config, const char *text)
{
	scow_container_config_add_volumes_from(config, text);
	return true;
}

bool mounts_configure(scow_container_config *config, const struct run_options *options)
{
	static const struct {
		size_t offset;
		bool (*configure)(scow_container_config *config, const char *text);
	} kinds[] = {
		{ offsetof(struct run_options, volumes), configure_volume },
		{ offsetof(struct run_options, mounts), configure_mount },
		{ offsetof(struct run_options, tmpfs), configure_tmpfs },
		{ offsetof(struct run_options, volumes_from), configure_from },
	};

	scow_container_config_set_volume_driver(config, options->volume_driver);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		const struct list *list = (const struct list *) ((const char *) options + kinds[i].offset);

		for (size_t k = 0; k < list->count; k++)
			if (!kinds[i].configure(config, list->items[k]))
				return false;
	}
	return true;
}
