/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The languages of -v ("SOURCE:TARGET:OPTIONS") and --mount ("type=bind,src=/a,dst=/b,readonly"), as Docker has them. A source of -v
 * that begins with '/' is a path, and is made where it is missing; any other is the name of a volume.
 */
#include "container/mount-spec.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "container/config-internal.h"
#include "volume/volume.h"

#define PARTS 3

/* ---- -v ---- */

static bool is_mode(const char *text)
{
	return str_eq(text, "ro") || str_eq(text, "rw") || str_eq(text, "z") || str_eq(text, "Z") || str_eq(text, "nocopy");
}

static void add_named(scow_container_config *config, const char *setter, const char *source, const char *target, const char *options)
{
	if (*source == '.' || *source == '~')
		return REFUSE_AS(config, setter, "'%s': a path of the host must be absolute", source);
	if (!volume_name_is_valid(source))
		return REFUSE_AS(
			config, setter,
			"'%s' includes invalid characters for a volume name, only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed; to mount a "
			"directory of the host, use its absolute path",
			source);
	config_add_volume(config, setter, source, target, options, NULL);
}

void scow_container_config_add_volume_spec(scow_container_config *config, const char *text)
{
	_cleanup_free_ char *copy = strdup(text ? text : ""), *create = NULL;
	char *part[PARTS] = { NULL }, *at = copy;
	size_t n = 0;

	if (!config)
		return;
	if (!copy) {
		config->arena.failed = true;
		return;
	}
	while (n < PARTS && (part[n] = strsep(&at, ":")))
		if (!*part[n++])
			return REFUSE(config, "invalid volume specification: '%s': empty section between colons", text);
	if (at)
		return REFUSE(config, "invalid volume specification: '%s': too many colons", text);
	if (n == 1)
		return config_add_volume(config, __func__, NULL, part[0], NULL, NULL);
	if (n == 2 && is_mode(part[1]))
		return REFUSE(config, "invalid volume specification: '%s': a mode needs a source before it", text);
	if (*part[0] != '/')
		return add_named(config, __func__, part[0], part[1], part[2]);
	create = strf("%s%screate", part[2] ? part[2] : "", part[2] ? "," : "");
	if (create)
		scow_container_config_add_bind(config, part[0], part[1], create);
	else
		config->arena.failed = true;
}

/* ---- --mount ---- */

struct mount_spec {
	scow_container_config *config;
	const char *type, *source, *target;
	struct str options;
	struct config_volume volume;
	bool has_bind, has_volume, has_tmpfs, has_image;
};

/* The next of comma-separated values; in quotes it may hold commas, and "" for a quote. NULL at the end, or (@bad) for what is neither. */
static char *next_field(char **rest, bool *bad)
{
	char *at = *rest, *to, *start;

	if (!at)
		return NULL;
	if (*at != '"') {
		start = strsep(rest, ",");
		*bad = strchr(start, '"') != NULL;
		return start;
	}
	start = to = ++at;
	while (*at && !(*at == '"' && at[1] != '"')) {
		at += *at == '"';
		*to++ = *at++;
	}
	*bad = *at != '"' || (at[1] && at[1] != ',');
	*rest = *at && at[1] == ',' ? at + 2 : NULL;
	*to = 0;
	return start;
}

static void add_option(struct mount_spec *spec, const char *name, const char *value)
{
	if (spec->options.size)
		str_add_char(&spec->options, ',');
	str_add(&spec->options, name);
	str_add(&spec->options, value);
}

/* "true", "1", and nothing at all; -1: neither yes nor no. */
static int truth(const char *value)
{
	if (!value || str_eq(value, "true") || str_eq(value, "1") || str_eq(value, "True") || str_eq(value, "TRUE") || str_eq(value, "t"))
		return 1;
	return str_eq(value, "false") || str_eq(value, "0") || str_eq(value, "False") || str_eq(value, "FALSE") || str_eq(value, "f") ? 0
																      : -1;
}

static bool put_pair(struct mount_spec *spec, struct config_pair **pairs, size_t *n, char *text)
{
	char *equals = strchr(text, '=');

	if (equals)
		*equals++ = 0;
	if (*text)
		config_put_pair(spec->config, pairs, n, text, equals ? equals : "");
	return *text != 0;
}

static bool set_recursive(struct mount_spec *spec, const char *value)
{
	if (str_eq(value, "disabled"))
		add_option(spec, "bind-nonrecursive", "");
	else if (str_eq(value, "writable"))
		add_option(spec, "ro-nonrecursive", "");
	else
		return str_eq(value, "enabled") || str_eq(value, "readonly");
	return true;
}

/* Words that need no value: what each puts into the options, and whose they are. */
static const struct {
	const char *key, *option;
	size_t mark;
} switches[] = {
	{ "readonly", "ro", 0 },
	{ "ro", "ro", 0 },
	{ "idmap", "idmap", 0 },
	{ "overlay", "O", 0 },
	{ "U", "U", 0 },
	{ "chown", "U", 0 },
	{ "bind-nonrecursive", "bind-nonrecursive", offsetof(struct mount_spec, has_bind) },
	{ "bind-create-src", "create", offsetof(struct mount_spec, has_bind) },
	{ "volume-nocopy", "nocopy", offsetof(struct mount_spec, has_volume) },
};

/* 1 taken, 0 not one of these, -1 a bad value. */
static int take_switch(struct mount_spec *spec, const char *key, const char *value)
{
	for (size_t i = 0; i < ARRAY_SIZE(switches); i++) {
		const int on = truth(value);

		if (!str_eq(key, switches[i].key))
			continue;
		if (switches[i].mark)
			*(bool *) ((char *) spec + switches[i].mark) = true;
		if (on > 0)
			add_option(spec, switches[i].option, "");
		return on < 0 ? -1 : 1;
	}
	return 0;
}

/* 1 taken, 0 no such key, -1 a bad value. */
static int take_value(struct mount_spec *spec, const char *key, char *value)
{
	struct config_volume *volume = &spec->volume;
	struct arena *arena = &spec->config->arena;

	if (str_eq(key, "type"))
		spec->type = value;
	else if (str_eq(key, "source") || str_eq(key, "src"))
		spec->source = value;
	else if (str_eq(key, "target") || str_eq(key, "dst") || str_eq(key, "destination"))
		spec->target = value;
	else if (str_eq(key, "consistency"))
		return 1;
	else if (str_eq(key, "bind-propagation") && (spec->has_bind = true))
		add_option(spec, value, "");
	else if (str_eq(key, "bind-recursive") && (spec->has_bind = true))
		return set_recursive(spec, value) ? 1 : -1;
	else if (str_eq(key, "volume-label") && (spec->has_volume = true))
		return put_pair(spec, &volume->labels, &volume->n_labels, value) ? 1 : -1;
	else if (str_eq(key, "volume-opt") && (spec->has_volume = true))
		return put_pair(spec, &volume->options, &volume->n_options, value) ? 1 : -1;
	else if (str_eq(key, "volume-driver") && (spec->has_volume = true))
		volume->driver = arena_strdup(arena, value);
	else if (str_eq(key, "volume-subpath") && (spec->has_volume = true))
		add_option(spec, "subpath=", value);
	else if (str_eq(key, "image-subpath") && (spec->has_image = true))
		add_option(spec, "subpath=", value);
	else if (str_eq(key, "tmpfs-size") && (spec->has_tmpfs = true))
		add_option(spec, "size=", value);
	else if (str_eq(key, "tmpfs-mode") && (spec->has_tmpfs = true))
		add_option(spec, "mode=", value);
	else
		return 0;
	return 1;
}

static bool take_field(struct mount_spec *spec, char *field, const char *setter)
{
	char *value = strchr(field, '=');
	int taken;

	if (value)
		*value++ = 0;
	for (char *c = field; *c; c++)
		*c = *c >= 'A' && *c <= 'Z' && !str_eq(field, "U") ? (char) (*c + 'a' - 'A') : *c;
	taken = take_switch(spec, field, value);
	if (taken == 0 && !value)
		return REFUSE_AS(spec->config, setter, "invalid field '%s' must be a key=value pair", field), false;
	if (taken == 0 && strchr(value, ',') && !str_eq(field, "source") && !str_eq(field, "src") && !str_eq(field, "target") &&
	    !str_eq(field, "dst") && !str_eq(field, "destination") && !str_eq(field, "volume-label") && !str_eq(field, "volume-opt"))
		taken = -1;
	if (taken == 0)
		taken = take_value(spec, field, value);
	if (taken < 0)
		return REFUSE_AS(spec->config, setter, "invalid value for %s: %s", field, value ? value : ""), false;
	if (taken == 0)
		return REFUSE_AS(spec->config, setter, "unexpected key '%s' in '%s=%s'", field, field, value), false;
	return true;
}

/* What belongs to another type than the one that it is. */
static const char *foreign(const struct mount_spec *spec)
{
	if (spec->has_bind && !str_eq(spec->type, "bind"))
		return "bind";
	if (spec->has_volume && !str_eq(spec->type, "volume"))
		return "volume";
	if (spec->has_image && !str_eq(spec->type, "image"))
		return "image";
	return spec->has_tmpfs && !str_eq(spec->type, "tmpfs") ? "tmpfs" : NULL;
}

static void apply(struct mount_spec *spec, const char *setter)
{
	scow_container_config *config = spec->config;
	const char *options = spec->options.size ? spec->options.data : NULL, *other = foreign(spec);

	if (!spec->target)
		return REFUSE_AS(config, setter, "target is required");
	if (other)
		return REFUSE_AS(config, setter, "cannot mix '%s-*' options with mount type '%s'", other, spec->type);
	if (str_eq(spec->type, "volume"))
		return config_add_volume(config, setter, spec->source, spec->target, options, &spec->volume);
	if (str_eq(spec->type, "tmpfs")) {
		if (spec->source && *spec->source)
			return REFUSE_AS(config, setter, "a tmpfs has no source");
		return scow_container_config_add_tmpfs(config, spec->target, options);
	}
	if (!str_eq(spec->type, "bind") && !str_eq(spec->type, "image"))
		return config_refuse(config, SCOW_E_INVALID, setter, "'%s' is not a type of mount: bind, volume, tmpfs and image are",
				     spec->type);
	if (!spec->source || !*spec->source)
		return REFUSE_AS(config, setter, "source is required when specifying mount type %s", spec->type);
	if (str_eq(spec->type, "bind"))
		return scow_container_config_add_bind(config, spec->source, spec->target, options);
	scow_container_config_add_image_mount(config, spec->source, spec->target, options);
}

void scow_container_config_add_mount(scow_container_config *config, const char *text)
{
	struct mount_spec spec = { .config = config, .type = "volume" };
	_cleanup_free_ char *copy = strdup(text ? text : "");
	char *rest = copy, *field;
	bool bad = false, good = true;

	if (!config)
		return;
	if (!copy) {
		config->arena.failed = true;
		return;
	}
	if (!*copy)
		return REFUSE(config, "value is empty");
	while (good && (field = next_field(&rest, &bad)))
		good = bad ? (REFUSE(config, "'%s': a quote in the wrong place", text), false) : take_field(&spec, field, __func__);
	if (spec.options.failed)
		config->arena.failed = true;
	else if (good)
		apply(&spec, __func__);
	str_done(&spec.options);
}
