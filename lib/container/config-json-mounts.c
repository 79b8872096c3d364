/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Docker's Mounts, and Volumes of a config's document: each becomes the call of a setter, with its options in that one's language.
 * See config-json.c for the rules.
 */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "container/config-internal.h"
#include "container/config-json.h"
#include "container/mount-spec.h"

/* One of Docker's Mounts, collected. */
struct mount_reading {
	const char *type, *source, *target;
	struct str options;
	struct config_volume volume;
	scow_container_config *config;
};

static void add_option(struct mount_reading *mount, const char *format, const char *text)
{
	if (mount->options.size)
		str_add_char(&mount->options, ',');
	str_printf(&mount->options, "%s%s", format, text);
}

static bool read_bind_options(struct mount_reading *mount, const cJSON *object)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, object)
	{
		if (is_empty(item))
			continue;
		if (str_eq(item->string, "Propagation") && cJSON_IsString(item))
			add_option(mount, "", item->valuestring);
		else if (str_eq(item->string, "NonRecursive"))
			add_option(mount, "", "bind-nonrecursive");
		else if (str_eq(item->string, "ReadOnlyNonRecursive"))
			add_option(mount, "", "ro-nonrecursive");
		else if (str_eq(item->string, "CreateMountpoint"))
			add_option(mount, "", "create");
		else if (!str_eq(item->string, "ReadOnlyForceRecursive")) /* which it is, or the start fails */
			return false;
	}
	return true;
}

static bool read_tmpfs_options(struct mount_reading *mount, const cJSON *object)
{
	const cJSON *item, *pair;
	char number[24];
	int64_t value;

	cJSON_ArrayForEach(item, object)
	{
		if (is_empty(item))
			continue;
		if (str_eq(item->string, "Options") && cJSON_IsArray(item)) {
			cJSON_ArrayForEach(pair, item)
			{
				const cJSON *name = cJSON_GetArrayItem(pair, 0), *text = cJSON_GetArrayItem(pair, 1);

				if (!cJSON_IsString(name) || (text && !cJSON_IsString(text)))
					return false;
				add_option(mount, "", name->valuestring);
				if (text)
					str_printf(&mount->options, "=%s", text->valuestring);
			}
			continue;
		}
		if (!number_read(item, &value) || value < 0)
			return false;
		if (str_eq(item->string, "SizeBytes"))
			snprintf(number, sizeof(number), "%lld", (long long) value);
		else if (str_eq(item->string, "Mode"))
			snprintf(number, sizeof(number), "%llo", (long long) value);
		else
			return false;
		add_option(mount, str_eq(item->string, "Mode") ? "mode=" : "size=", number);
	}
	return true;
}

/* An object of strings. */
static bool read_pairs(struct mount_reading *mount, const cJSON *object, struct config_pair **pairs, size_t *n)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, object)
	{
		if (!cJSON_IsString(item))
			return false;
		config_put_pair(mount->config, pairs, n, item->string, item->valuestring);
	}
	return true;
}

static bool read_driver(struct mount_reading *mount, const cJSON *object)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, object)
	{
		if (is_empty(item))
			continue;
		if (str_eq(item->string, "Name") && cJSON_IsString(item))
			config_set_string(mount->config, &mount->volume.driver, item->valuestring);
		else if (!str_eq(item->string, "Options") || !read_pairs(mount, item, &mount->volume.options, &mount->volume.n_options))
			return false;
	}
	return true;
}

/* Of a volume or an image. */
static bool read_volume_options(struct mount_reading *mount, const cJSON *object)
{
	const cJSON *item;
	bool good = true;

	cJSON_ArrayForEach(item, object)
	{
		if (is_empty(item))
			continue;
		if (str_eq(item->string, "NoCopy"))
			add_option(mount, "", "nocopy");
		else if (str_eq(item->string, "Subpath") && cJSON_IsString(item))
			add_option(mount, "subpath=", item->valuestring);
		else if (str_eq(item->string, "Labels"))
			good = good && read_pairs(mount, item, &mount->volume.labels, &mount->volume.n_labels);
		else if (str_eq(item->string, "DriverConfig"))
			good = good && read_driver(mount, item);
		else
			return false;
	}
	return good;
}

static bool mount_member(struct mount_reading *mount, const cJSON *item)
{
	const struct {
		const char *name, **to;
	} strings[] = { { "Type", &mount->type }, { "Source", &mount->source }, { "Target", &mount->target } };

	if (is_empty(item) || str_eq(item->string, "Consistency"))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
		if (str_eq(item->string, strings[i].name) && cJSON_IsString(item)) {
			*strings[i].to = item->valuestring;
			return true;
		}
	}
	if (str_eq(item->string, "ReadOnly"))
		add_option(mount, "", "ro");
	else if (str_eq(item->string, "Options") && cJSON_IsString(item))
		add_option(mount, "", item->valuestring);
	else if (str_eq(item->string, "BindOptions"))
		return read_bind_options(mount, item);
	else if (str_eq(item->string, "TmpfsOptions"))
		return read_tmpfs_options(mount, item);
	else if (str_eq(item->string, "VolumeOptions") || str_eq(item->string, "ImageOptions"))
		return read_volume_options(mount, item);
	else
		return false;
	return true;
}

static void read_mount(struct reader *reader, const cJSON *object)
{
	struct mount_reading mount = { .config = reader->config };
	_cleanup_free_ char *options = NULL;
	const cJSON *item;
	bool good = true;

	cJSON_ArrayForEach(item, object) good = good && mount_member(&mount, item);
	options = str_take(&mount.options);
	if (!options)
		reader->config->arena.failed = true;
	else if (!good)
		reader_refuse(reader, SCOW_E_UNSUPPORTED, "an option of a mount that this version does not have");
	else if (str_eq(mount.type, "bind"))
		scow_container_config_add_bind(reader->config, mount.source ? mount.source : "", mount.target, options);
	else if (str_eq(mount.type, "tmpfs"))
		scow_container_config_add_tmpfs(reader->config, mount.target, options);
	else if (str_eq(mount.type, "volume"))
		config_add_volume(reader->config, "scow_container_config_add_volume", mount.source, mount.target, options, &mount.volume);
	else if (str_eq(mount.type, "image"))
		scow_container_config_add_image_mount(reader->config, mount.source, mount.target, options);
	else
		config_refuse(reader->config, SCOW_E_UNSUPPORTED, reader->path, "this version has no mounts of type '%s'",
			      mount.type ? mount.type : "");
}

void read_mounts(struct reader *reader, const cJSON *item)
{
	const cJSON *child;

	if (!cJSON_IsArray(item))
		return reader_refuse(reader, SCOW_E_INVALID, "expected an array");
	cJSON_ArrayForEach(child, item) read_mount(reader, child);
}

/* {"/target":{}}: anonymous volumes. */
void read_volumes(struct reader *reader, const cJSON *item)
{
	const cJSON *child;

	if (!cJSON_IsObject(item))
		return reader_refuse(reader, SCOW_E_INVALID, "expected an object");
	cJSON_ArrayForEach(child, item) scow_container_config_add_volume(reader->config, NULL, child->string, NULL);
}
