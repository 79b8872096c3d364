/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* -v, --mount and --tmpfs. What starts with '/', '.' or '~' is a path of the host; other sources name volumes. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool bad(const char *flag, const char *value, const char *why)
{
	complain("invalid argument \"%s\" for \"--%s\" flag: %s", value, flag, why);
	return false;
}

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

/* SOURCE:TARGET[:OPTIONS]; a missing source becomes a directory, as people expect of -v. */
static bool configure_volume(scow_container_config *config, const char *text)
{
	const char *rest, *options, *target, *source = keep_split(text, ':', &rest);

	if (!rest || !*rest)
		return bad("volume", text, "anonymous volumes are not supported by this version: write SOURCE:TARGET");
	target = keep_split(rest, ':', &options);
	if (!*source || !*target)
		return bad("volume", text, "invalid spec: empty section between colons");
	scow_container_config_add_bind(config, host_path(source), target,
				       options && *options ? keep_format("%s,create", options) : "create");
	return true;
}

static bool configure_tmpfs(scow_container_config *config, const char *text)
{
	const char *options, *target = keep_split(text, ':', &options);

	scow_container_config_add_tmpfs(config, target, options);
	return true;
}

/* ---- --mount: a line of comma-separated values, "quoted" where one holds a comma ---- */

static bool split_fields(const char *text, struct list *fields)
{
	while (*text) {
		char *field = keep_alloc(strlen(text) + 1), *out = field;

		if (*text == '"') {
			for (text++; *text && (*text != '"' || text[1] == '"'); text++) {
				text += *text == '"';
				*out++ = *text;
			}
			if (*text++ != '"' || (*text && *text != ','))
				return false;
		} else {
			while (*text && *text != ',')
				*out++ = *text++;
		}
		list_add(fields, field);
		if (*text == ',' && !*++text)
			return false;
	}
	return fields->count > 0;
}

struct mount {
	const char *type, *source, *target;
	const char *options; /* grows: ",ro,noexec" */
};

static void add_option(struct mount *mount, const char *option)
{
	mount->options = keep_format("%s,%s", mount->options, option);
}

static bool is_true(const char *value)
{
	return !value || strcmp(value, "true") == 0 || strcmp(value, "1") == 0;
}

/* How far read-only reaches into the mounts below the source. */
static bool add_recursive(struct mount *mount, const char *value)
{
	if (strcmp(value, "disabled") == 0)
		add_option(mount, "bind-nonrecursive");
	else if (strcmp(value, "writable") == 0)
		add_option(mount, "ro-nonrecursive");
	else if (strcmp(value, "enabled") != 0 && strcmp(value, "readonly") != 0)
		return false;
	return true;
}

static bool take_field(struct mount *mount, const char *key, const char *value)
{
	bool has = value != NULL;

	if (strcmp(key, "readonly") == 0 || strcmp(key, "ro") == 0) {
		if (is_true(value))
			add_option(mount, "ro");
		return true;
	}
	if (strcmp(key, "bind-nonrecursive") == 0) {
		if (is_true(value))
			add_option(mount, "bind-nonrecursive");
		return true;
	}
	if (strcmp(key, "idmap") == 0 || strcmp(key, "U") == 0 || strcmp(key, "chown") == 0) {
		if (is_true(value))
			add_option(mount, *key == 'i' ? "idmap" : "U");
		return true;
	}
	if (has && strcmp(key, "type") == 0)
		mount->type = value;
	else if (has && (strcmp(key, "source") == 0 || strcmp(key, "src") == 0))
		mount->source = value;
	else if (has && (strcmp(key, "target") == 0 || strcmp(key, "dst") == 0 || strcmp(key, "destination") == 0))
		mount->target = value;
	else if (has && strcmp(key, "bind-propagation") == 0)
		add_option(mount, value);
	else if (has && strcmp(key, "bind-recursive") == 0)
		return add_recursive(mount, value);
	else if (has && strcmp(key, "tmpfs-size") == 0)
		add_option(mount, keep_format("size=%s", value));
	else if (has && strcmp(key, "tmpfs-mode") == 0)
		add_option(mount, keep_format("mode=%s", value));
	else
		return false;
	return true;
}

static bool configure_mount(scow_container_config *config, const char *text)
{
	struct mount mount = { .type = "volume", .options = "" };
	struct list fields = { 0 };

	if (!split_fields(text, &fields))
		return bad("mount", text, "it is no list of key=value");
	for (size_t i = 0; i < fields.count; i++) {
		const char *value, *key = keep_split(fields.items[i], '=', &value);

		if (!take_field(&mount, key, value))
			return bad("mount", text, keep_format("unexpected '%s'", fields.items[i]));
	}
	if (!mount.target)
		return bad("mount", text, "target is required");
	mount.options += *mount.options == ',';
	if (strcmp(mount.type, "tmpfs") == 0) {
		if (mount.source)
			return bad("mount", text, "a tmpfs has no source");
		/* Docker's defaults for a tmpfs stay where the user only adds to them. */
		scow_container_config_add_tmpfs(config, mount.target, *mount.options ? mount.options : NULL);
		return true;
	}
	if (strcmp(mount.type, "bind") != 0)
		return bad("mount", text, keep_format("type '%s' is not supported by this version: bind or tmpfs", mount.type));
	if (!mount.source)
		return bad("mount", text, "source is required for type bind");
	scow_container_config_add_bind(config, host_path(mount.source), mount.target, *mount.options ? mount.options : NULL);
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
	};

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		const struct list *list = (const struct list *) ((const char *) options + kinds[i].offset);

		for (size_t k = 0; k < list->count; k++)
			if (!kinds[i].configure(config, list->items[k]))
				return false;
	}
	return true;
}
