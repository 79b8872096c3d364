/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Setters of what is mounted: binds, tmpfs, volumes, images. Each place has one mount; what comes from an image or another container
 * gives way to those that are here (volumes.c). The languages in which command lines write them are in mount-spec.c.
 */
#include <string.h>

#include "base/path.h"
#include "base/str.h"
#include "container/config-internal.h"
#include "container/mount-spec.h"
#include "container/options.h"
#include "volume/volume.h"

/* A place inside that nothing is mounted on yet, in its clean form; NULL after refusing. */
static const char *mount_target(scow_container_config *config, const char *setter, const char *target)
{
	const char *clean = config_clean_path(config, setter, target);

	if (!clean)
		return NULL;
	if (str_eq(clean, "/"))
		return REFUSE_AS(config, setter, "nothing can be mounted over the root of a container"), NULL;
	for (size_t i = 0; i < config->n_mounts; i++)
		if (str_eq(config->mounts[i].target, clean))
			return REFUSE_AS(config, setter, "two mounts on '%s'", clean), NULL;
	return clean;
}

static void put(scow_container_config *config, const struct config_mount *mount)
{
	struct config_mount *slot = arena_append(&config->arena, &config->mounts, &config->n_mounts, sizeof(*slot));

	if (slot)
		*slot = *mount;
}

void scow_container_config_add_tmpfs(scow_container_config *config, const char *target, const char *options)
{
	struct config_mount mount = { .kind = MOUNT_TMPFS };
	scow_error *error = NULL;
	unsigned long flags;
	const char *data;

	if (!config || !(mount.target = mount_target(config, __func__, target)))
		return;
	if (tmpfs_options_parse(options, &config->arena, &flags, &data, &error) < 0)
		return config_refuse_error(config, __func__, &error);
	if (options && *options)
		config_set_string(config, &mount.options, options);
	put(config, &mount);
}

void scow_container_config_add_bind(scow_container_config *config, const char *source, const char *target, const char *options)
{
	struct config_mount mount = { .kind = MOUNT_BIND };
	struct bind_options parsed;
	scow_error *error = NULL;

	if (!config)
		return;
	if (!(mount.source = config_clean_path(config, __func__, source)) || !(mount.target = mount_target(config, __func__, target)))
		return;
	if (bind_options_parse(options, &parsed, &error) < 0)
		return config_refuse_error(config, __func__, &error);
	mount.options = bind_options_format(&parsed, &config->arena);
	put(config, &mount);
}

/* ---- volumes and images ---- */

/* Relative, and below what it is of; NULL after refusing. */
static const char *clean_subpath(scow_container_config *config, const char *setter, const char *subpath)
{
	_cleanup_free_ char *clean = path_clean(subpath);
	int depth = 0;

	if (*subpath == '/')
		return REFUSE_AS(config, setter, "subpath '%s' must be relative", subpath), NULL;
	for (const char *at = subpath; *at; at += strspn(at, "/")) {
		const size_t n = strcspn(at, "/");

		if (n == 2 && strncmp(at, "..", 2) == 0)
			depth--;
		else if (n != 1 || *at != '.')
			depth++;
		if (depth < 0)
			return REFUSE_AS(config, setter, "subpath '%s' leads out of what it is a part of", subpath), NULL;
		at += n;
	}
	if (!clean) {
		config->arena.failed = true;
		return NULL;
	}
	return arena_strdup(&config->arena, clean + 1);
}

/* The words that only volumes know are taken out of @options; what is left is for bind_options_parse(). */
static char *take_words(scow_container_config *config, const char *setter, const char *options, struct config_mount *mount)
{
	_cleanup_free_ char *copy = strdup(options ? options : "");
	_cleanup_str_ struct str rest = { 0 };
	char *at = copy, *word;

	while (copy && (word = strsep(&at, ","))) {
		if (str_eq(word, "nocopy")) {
			mount->no_copy = true;
		} else if (str_eq(word, "copy")) {
			mount->no_copy = false;
		} else if (str_has_prefix(word, "subpath=")) {
			const char *subpath = clean_subpath(config, setter, word + strlen("subpath="));

			mount->subpath = subpath && *subpath ? subpath : NULL;
		} else if (*word) {
			if (rest.size)
				str_add_char(&rest, ',');
			str_add(&rest, word);
		}
	}
	if (!copy)
		config->arena.failed = true;
	return str_take(&rest);
}

void config_add_volume(scow_container_config *config, const char *setter, const char *name, const char *target, const char *options,
		       const struct config_volume *volume)
{
	struct config_mount mount = { .kind = MOUNT_VOLUME };
	_cleanup_free_ char *rest = NULL;
	struct bind_options parsed;
	scow_error *error = NULL;

	if (name && *name && volume_check_name(name, &error) < 0)
		return config_refuse_error(config, setter, &error);
	if (!(mount.target = mount_target(config, setter, target)))
		return;
	rest = take_words(config, setter, options, &mount);
	if (!rest) {
		config->arena.failed = true;
		return;
	}
	if (bind_options_parse(rest, &parsed, &error) < 0)
		return config_refuse_error(config, setter, &error);
	if (parsed.create || parsed.nonrecursive || parsed.ro_nonrecursive)
		return REFUSE_AS(config, setter, "'%s': an option that only a bind has", rest);
	mount.options = bind_options_format(&parsed, &config->arena);
	if (name && *name)
		mount.source = arena_strdup(&config->arena, name);
	if (volume)
		mount.volume = *volume;
	put(config, &mount);
}

void scow_container_config_add_volume(scow_container_config *config, const char *name, const char *target, const char *options)
{
	if (config)
		config_add_volume(config, __func__, name, target, options, NULL);
}

void scow_container_config_add_image_mount(scow_container_config *config, const char *reference, const char *target, const char *options)
{
	struct config_mount mount = { .kind = MOUNT_IMAGE };
	_cleanup_free_ char *rest = NULL;

	if (!config)
		return;
	if (!reference || !*reference)
		return REFUSE(config, "no image was given");
	if (!(mount.target = mount_target(config, __func__, target)))
		return;
	rest = take_words(config, __func__, options, &mount);
	if (rest && *rest && !str_eq(rest, "ro"))
		return REFUSE(config, "'%s' is not an option of an image, which is read-only: subpath=PATH is", rest);
	mount.source = arena_strdup(&config->arena, reference);
	put(config, &mount);
}

void scow_container_config_add_volumes_from(scow_container_config *config, const char *text)
{
	const char *colon = text ? strchr(text, ':') : NULL;
	struct config_volumes_from *slot;
	bool read_only = false;

	if (!config)
		return;
	if (!text || !*text || colon == text)
		return REFUSE(config, "no container was given");
	if (colon) {
		_cleanup_free_ char *words = strdup(colon + 1);
		char *at = words, *word;

		while (words && (word = strsep(&at, ","))) {
			if (str_eq(word, "ro"))
				read_only = true;
			else if (!str_eq(word, "rw") && !str_eq(word, "z") && !str_eq(word, "Z"))
				return REFUSE(config, "'%s': the mode after the colon is ro or rw", text);
		}
	}
	slot = arena_append(&config->arena, &config->volumes_from, &config->n_volumes_from, sizeof(*slot));
	if (slot)
		*slot = (struct config_volumes_from){ arena_strndup(&config->arena, text, colon ? (size_t) (colon - text) : strlen(text)),
						      read_only };
}

void scow_container_config_set_volume_driver(scow_container_config *config, const char *driver)
{
	if (config)
		config_set_string(config, &config->volume_driver, driver && *driver && !str_eq(driver, VOLUME_LOCAL) ? driver : NULL);
}
