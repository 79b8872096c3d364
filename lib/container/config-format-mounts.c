/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is mounted, as Docker's documents have it. Binds are those of -v: they say "create", which Mounts do not, and name volumes; a
 * colon in a path does not fit into them. Volumes are anonymous ones without options. All else is in Mounts.
 */
#include "container/config-writer.h"

#include <string.h>

#include "base/str.h"
#include "container/options.h"

static bool has_colon(const struct config_mount *mount)
{
	return (mount->source && strchr(mount->source, ':')) || strchr(mount->target, ':');
}

static bool is_plain_anonymous(const struct config_mount *mount)
{
	return mount->kind == MOUNT_VOLUME && !mount->source && !mount->options && !mount->subpath && !mount->no_copy &&
	       !mount->volume.driver && !mount->volume.n_labels && !mount->volume.n_options;
}

static bool fits_binds(const struct config_mount *mount, const struct bind_options *options)
{
	if (mount->kind == MOUNT_VOLUME)
		return mount->source && !mount->subpath && !has_colon(mount) && !mount->volume.driver && !mount->volume.n_labels &&
		       !mount->volume.n_options;
	return mount->kind == MOUNT_BIND && options->create && !has_colon(mount);
}

static void put_bind(struct writer *w, const struct config_mount *mount, struct bind_options options)
{
	_cleanup_str_ struct str text = { 0 };
	struct arena arena = { 0 };
	const char *more;

	options.create = false; /* as the form itself says */
	more = bind_options_format(&options, &arena);
	str_add(&text, mount->target);
	if (more || mount->no_copy)
		str_add_char(&text, ':');
	str_add(&text, more ? more : "");
	if (mount->no_copy)
		str_add(&text, more ? ",nocopy" : "nocopy");
	w->out.failed = w->out.failed || text.failed || arena_failed(&arena);
	if (!w->out.failed)
		writer_joined(w, mount->source, ':', text.data);
	arena_done(&arena);
}

static void put_bind_options(struct writer *w, const struct bind_options *options)
{
	if (!options->propagation_name && !options->nonrecursive && !options->create && !options->ro_nonrecursive)
		return;
	writer_open(w, "BindOptions", '{');
	writer_string(w, "Propagation", options->propagation_name);
	writer_true(w, "NonRecursive", options->nonrecursive);
	writer_true(w, "CreateMountpoint", options->create);
	writer_true(w, "ReadOnlyNonRecursive", options->ro_nonrecursive);
	writer_close(w, '}');
}

static void put_volume_options(struct writer *w, const struct config_mount *mount)
{
	const struct config_volume *volume = &mount->volume;

	writer_open(w, mount->kind == MOUNT_IMAGE ? "ImageOptions" : "VolumeOptions", '{');
	writer_true(w, "NoCopy", mount->no_copy);
	writer_string(w, "Subpath", mount->subpath);
	writer_map(w, "Labels", volume->labels, volume->n_labels);
	if (volume->driver || volume->n_options) {
		writer_open(w, "DriverConfig", '{');
		writer_string(w, "Name", volume->driver);
		writer_map(w, "Options", volume->options, volume->n_options);
		writer_close(w, '}');
	}
	writer_close(w, '}');
}

static void put_mount(struct writer *w, const struct config_mount *mount, const struct bind_options *options)
{
	static const char *const types[] = { "bind", "tmpfs", "volume", "image" };
	struct bind_options rest = { .flags = options->flags, .relabel = options->relabel, .idmap = options->idmap, .own = options->own,
				     .overlay = options->overlay };
	struct arena arena = { 0 };
	const char *more;

	/* A volume's propagation has no field of its own. */
	if (mount->kind == MOUNT_VOLUME)
		rest.propagation_name = options->propagation_name;
	more = bind_options_format(&rest, &arena);
	writer_open(w, NULL, '{');
	writer_string(w, "Type", types[mount->kind]);
	writer_string(w, "Source", mount->source);
	writer_string(w, "Target", mount->target);
	writer_true(w, "ReadOnly", options->read_only);
	writer_string(w, "Options", more);
	if (mount->kind == MOUNT_BIND)
		put_bind_options(w, options);
	else
		put_volume_options(w, mount);
	writer_close(w, '}');
	w->out.failed = w->out.failed || arena_failed(&arena);
	arena_done(&arena);
}

void writer_volumes(struct writer *w, const scow_container_config *config)
{
	bool open = false;

	for (size_t i = 0; i < config->n_mounts; i++) {
		if (!is_plain_anonymous(&config->mounts[i]))
			continue;
		writer_open_once(w, "Volumes", '{', &open);
		writer_separate(w);
		writer_quoted(w, config->mounts[i].target);
		str_add(&w->out, ":{}");
	}
	if (open)
		writer_close(w, '}');
}

/* @fitting: those that fit into Binds; else those that do not. */
static void put_some(struct writer *w, const scow_container_config *config, bool fitting)
{
	bool open = false;

	for (size_t i = 0; i < config->n_mounts; i++) {
		const struct config_mount *mount = &config->mounts[i];
		struct bind_options options = { 0 };

		if (mount->kind == MOUNT_TMPFS || is_plain_anonymous(mount) || bind_options_parse(mount->options, &options, NULL) < 0 ||
		    fits_binds(mount, &options) != fitting)
			continue;
		writer_open_once(w, fitting ? "Binds" : "Mounts", '[', &open);
		if (fitting)
			put_bind(w, mount, options);
		else
			put_mount(w, mount, &options);
	}
	if (open)
		writer_close(w, ']');
}

static void put_tmpfs(struct writer *w, const scow_container_config *config)
{
	bool open = false;

	for (size_t i = 0; i < config->n_mounts; i++) {
		const struct config_mount *mount = &config->mounts[i];

		if (mount->kind != MOUNT_TMPFS)
			continue;
		writer_open_once(w, "Tmpfs", '{', &open);
		writer_separate(w);
		writer_quoted(w, mount->target);
		str_add_char(&w->out, ':');
		writer_quoted(w, mount->options ? mount->options : "");
	}
	if (open)
		writer_close(w, '}');
}

void writer_mounts(struct writer *w, const scow_container_config *config)
{
	bool open = false;

	put_some(w, config, true);
	put_some(w, config, false);
	put_tmpfs(w, config);
	for (size_t i = 0; i < config->n_volumes_from; i++) {
		writer_open_once(w, "VolumesFrom", '[', &open);
		if (config->volumes_from[i].read_only)
			writer_joined(w, config->volumes_from[i].container, ':', "ro");
		else
			writer_element(w, config->volumes_from[i].container);
	}
	if (open)
		writer_close(w, ']');
	writer_string(w, "VolumeDriver", config->volume_driver);
}
