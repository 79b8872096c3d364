/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Documents of the Container Device Interface: reading one. A vendor's tool writes them and root puts them there, but a typing error must
 * not become a container without its device: every field is known and of its type, and the error names file and path of the field.
 * Fields need the version of the document that brought them.
 */
#include "container/cdi.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "base/yaml.h"

#define ITEMS_MAX 4096
#define VERSION(major, minor) ((major) << 8 | (minor))
#define VERSION_LAST VERSION(1, 1)

struct reading {
	const char *file;
	struct arena *arena;
	unsigned int version;
	char path[256]; /* of the field that is being read */
	scow_error **error;
};

struct member {
	const char *name;
	int (*read)(struct reading *reading, const cJSON *item, const struct member *member, void *into);
	size_t offset;
	unsigned int since; /* the version that brought it; 0: always there */
	const struct member *members;
	size_t n_members, size; /* of an object, or of each of a list */
	size_t count_offset;
};

static int refuse(const struct reading *reading, const char *reason)
{
	return error_set(reading->error, SCOW_E_INVALID, "CDI document '%s': %s: %s", reading->file,
			 *reading->path ? reading->path : "all of it", reason);
}

/* Adds a step to the path; what it was before is its first *size bytes. */
static size_t enter(struct reading *reading, const char *name, size_t index)
{
	size_t size = strlen(reading->path);

	if (name)
		snprintf(reading->path + size, sizeof(reading->path) - size, "%s%.64s", size ? "." : "", name);
	else
		snprintf(reading->path + size, sizeof(reading->path) - size, "[%zu]", index);
	return size;
}

static int read_object(struct reading *reading, const cJSON *object, const struct member *members, size_t n, void *into)
{
	const cJSON *item;

	if (!cJSON_IsObject(object))
		return refuse(reading, "expected an object");
	cJSON_ArrayForEach(item, object)
	{
		size_t before = enter(reading, item->string, 0);
		const struct member *member = NULL;
		char reason[64];
		int r = 0;

		for (size_t i = 0; i < n && !member; i++)
			if (str_eq(members[i].name, item->string))
				member = &members[i];
		if (!member)
			return refuse(reading, "there is no such field");
		if (member->since > reading->version) {
			snprintf(reason, sizeof(reason), "it needs a cdiVersion of %u.%u.0 or later", member->since >> 8,
				 member->since & 0xff);
			return refuse(reading, reason);
		}
		if (!cJSON_IsNull(item))
			r = member->read(reading, item, member, (char *) into + member->offset);
		if (r < 0)
			return r;
		reading->path[before] = 0;
	}
	return 0;
}

/* ---- kinds of fields ---- */

static int read_text(struct reading *reading, const cJSON *item, const struct member *member, void *into)
{
	(void) member;
	if (!cJSON_IsString(item))
		return refuse(reading, "expected a string");
	if (!*item->valuestring || strlen(item->valuestring) >= 4096)
		return refuse(reading, "expected a text that is not empty, and shorter than 4096 bytes");
	*(const char **) into = arena_strdup(reading->arena, item->valuestring);
	return arena_failed(reading->arena) ? error_oom(reading->error) : 0;
}

static int read_path(struct reading *reading, const cJSON *item, const struct member *member, void *into)
{
	int r = read_text(reading, item, member, into);

	return r == 0 && *item->valuestring != '/' ? refuse(reading, "expected an absolute path") : r;
}

static int read_number(struct reading *reading, const cJSON *item, const struct member *member, void *into)
{
	(void) member;
	if (!cJSON_IsNumber(item) || item->valuedouble < 0 || item->valuedouble > UINT32_MAX ||
	    item->valuedouble != (double) (int64_t) item->valuedouble)
		return refuse(reading, "expected a whole number of 32 bits");
	*(int64_t *) into = (int64_t) item->valuedouble;
	return 0;
}

static int read_texts(struct reading *reading, const cJSON *item, const struct member *member, void *into)
{
	struct cdi_texts *texts = into;
	const cJSON *child;

	if (!cJSON_IsArray(item))
		return refuse(reading, "expected an array of strings");
	cJSON_ArrayForEach(child, item)
	{
		size_t before = enter(reading, NULL, texts->n);
		const char **slot = texts->n < ITEMS_MAX ? arena_append(reading->arena, &texts->items, &texts->n, sizeof(*slot)) : NULL;
		int r;

		if (!slot)
			return arena_failed(reading->arena) ? error_oom(reading->error) : refuse(reading, "they are too many");
		r = read_text(reading, child, member, slot);
		if (r < 0)
			return r;
		reading->path[before] = 0;
	}
	return 0;
}

static int read_env(struct reading *reading, const cJSON *item, const struct member *member, void *into)
{
	const struct cdi_texts *texts = into;
	int r = read_texts(reading, item, member, into);

	for (size_t i = 0; r == 0 && i < texts->n; i++) {
		const char *equals = strchr(texts->items[i], '=');

		if (!equals || equals == texts->items[i]) {
			enter(reading, NULL, i);
			return refuse(reading, "expected NAME=value");
		}
	}
	return r;
}

static int read_gids(struct reading *reading, const cJSON *item, const struct member *member, void *into)
{
	struct cdi_numbers *numbers = into;
	const cJSON *child;

	if (!cJSON_IsArray(item))
		return refuse(reading, "expected an array of numbers");
	cJSON_ArrayForEach(child, item)
	{
		int64_t *slot = numbers->n < ITEMS_MAX ? arena_append(reading->arena, &numbers->items, &numbers->n, sizeof(*slot)) : NULL;
		int r;

		if (!slot)
			return arena_failed(reading->arena) ? error_oom(reading->error) : refuse(reading, "they are too many");
		r = read_number(reading, child, member, slot);
		if (r < 0)
			return r;
	}
	return 0;
}

/* What the document says to people. */
static int read_annotations(struct reading *reading, const cJSON *item, const struct member *member, void *into)
{
	const cJSON *child;

	(void) member;
	(void) into;
	if (!cJSON_IsObject(item))
		return refuse(reading, "expected an object of strings");
	cJSON_ArrayForEach(child, item)
	{
		size_t before = enter(reading, child->string, 0);

		if (!cJSON_IsString(child) || !*child->string)
			return refuse(reading, "expected a string with a name");
		reading->path[before] = 0;
	}
	return 0;
}

static int read_members(struct reading *reading, const cJSON *item, const struct member *member, void *into)
{
	return read_object(reading, item, member->members, member->n_members, into);
}

/* Objects of member->size bytes, of which -1 is the number that was not given. */
static int read_list(struct reading *reading, const cJSON *item, const struct member *member, void *into)
{
	char *base = (char *) into - member->offset;
	size_t *count = (size_t *) (void *) (base + member->count_offset);
	const cJSON *child;

	if (!cJSON_IsArray(item))
		return refuse(reading, "expected an array of objects");
	cJSON_ArrayForEach(child, item)
	{
		size_t before = enter(reading, NULL, *count);
		void *slot = *count < ITEMS_MAX ? arena_append(reading->arena, into, count, member->size) : NULL;
		int r;

		if (!slot)
			return arena_failed(reading->arena) ? error_oom(reading->error) : refuse(reading, "they are too many");
		for (size_t i = 0; i < member->n_members; i++)
			if (member->members[i].read == read_number)
				*(int64_t *) (void *) ((char *) slot + member->members[i].offset) = -1;
		r = read_object(reading, child, member->members, member->n_members, slot);
		if (r < 0)
			return r;
		reading->path[before] = 0;
	}
	return 0;
}

/* A part that is for others: whoever asks for the device hears of it. */
static int read_unsupported(struct reading *reading, const cJSON *item, const struct member *member, void *into)
{
	(void) member;
	if (item->child)
		*(const char **) into = arena_strdup(reading->arena, reading->path);
	return arena_failed(reading->arena) ? error_oom(reading->error) : 0;
}

/* ---- the document ---- */

#define FIELD(name, read, type, field, since)                                                                                              \
	{                                                                                                                                  \
		name, read, offsetof(type, field), since, NULL, 0, 0, 0                                                                    \
	}
#define LIST(name, type, field, since, members, size)                                                                                      \
	{                                                                                                                                  \
		name, read_list, offsetof(type, field), since, members, ARRAY_SIZE(members), size, offsetof(type, n_##field)               \
	}

static const struct member node_members[] = {
	FIELD("path", read_path, struct cdi_node, path, 0),
	FIELD("hostPath", read_path, struct cdi_node, host_path, VERSION(0, 5)),
	FIELD("type", read_text, struct cdi_node, type, 0),
	FIELD("major", read_number, struct cdi_node, major, 0),
	FIELD("minor", read_number, struct cdi_node, minor, 0),
	FIELD("fileMode", read_number, struct cdi_node, mode, 0),
	FIELD("permissions", read_text, struct cdi_node, permissions, 0),
	FIELD("uid", read_number, struct cdi_node, uid, 0),
	FIELD("gid", read_number, struct cdi_node, gid, 0),
};

static const struct member mount_members[] = {
	FIELD("hostPath", read_text, struct cdi_mount, host_path, 0),
	FIELD("containerPath", read_path, struct cdi_mount, container_path, 0),
	FIELD("type", read_text, struct cdi_mount, type, VERSION(0, 4)),
	FIELD("options", read_texts, struct cdi_mount, options, 0),
};

static const struct member hook_members[] = {
	FIELD("hookName", read_text, struct cdi_hook, name, 0),       FIELD("path", read_path, struct cdi_hook, path, 0),
	FIELD("args", read_texts, struct cdi_hook, args, 0),          FIELD("env", read_env, struct cdi_hook, env, 0),
	FIELD("timeout", read_number, struct cdi_hook, timeout_s, 0),
};

static const struct member edit_members[] = {
	FIELD("env", read_env, struct cdi_edits, env, 0),
	LIST("deviceNodes", struct cdi_edits, nodes, 0, node_members, sizeof(struct cdi_node)),
	LIST("mounts", struct cdi_edits, mounts, 0, mount_members, sizeof(struct cdi_mount)),
	LIST("hooks", struct cdi_edits, hooks, 0, hook_members, sizeof(struct cdi_hook)),
	FIELD("additionalGids", read_gids, struct cdi_edits, gids, VERSION(0, 7)),
	FIELD("intelRdt", read_unsupported, struct cdi_edits, unsupported, VERSION(0, 7)),
	FIELD("netDevices", read_unsupported, struct cdi_edits, unsupported, VERSION(1, 1)),
};

#define EDITS(type)                                                                                                                        \
	{                                                                                                                                  \
		"containerEdits", read_members, offsetof(type, edits), 0, edit_members, ARRAY_SIZE(edit_members), 0, 0                     \
	}

static const struct member device_members[] = {
	FIELD("name", read_text, struct cdi_device, name, 0),
	{ "annotations", read_annotations, 0, VERSION(0, 6), NULL, 0, 0, 0 },
	EDITS(struct cdi_device),
};

static const struct member spec_members[] = {
	FIELD("cdiVersion", read_text, struct cdi_spec, version, 0),
	FIELD("kind", read_text, struct cdi_spec, kind, 0),
	{ "annotations", read_annotations, 0, VERSION(0, 6), NULL, 0, 0, 0 },
	LIST("devices", struct cdi_spec, devices, 0, device_members, sizeof(struct cdi_device)),
	EDITS(struct cdi_spec),
};

/* ---- names ---- */

/* @size bytes of letters, digits and @more, with a letter or digit at both ends. */
static bool name_is_valid(const char *text, size_t size, const char *more, bool letter_first)
{
	if (!size || size > 255 || !isalnum((unsigned char) text[0]) || !isalnum((unsigned char) text[size - 1]) ||
	    (letter_first && !isalpha((unsigned char) text[0])))
		return false;
	for (size_t i = 0; i < size; i++)
		if (!isalnum((unsigned char) text[i]) && !strchr(more, text[i]))
			return false;
	return true;
}

/* "vendor.com/class" of @size bytes. */
static bool kind_is_valid(const char *kind, size_t size)
{
	const char *slash = memchr(kind, '/', size);
	size_t vendor = slash ? (size_t) (slash - kind) : 0;

	return slash && name_is_valid(kind, vendor, "_-.", true) && name_is_valid(slash + 1, size - vendor - 1, "_-.", true);
}

bool cdi_is_device_name(const char *text)
{
	const char *equals = strchr(text, '=');

	return equals && kind_is_valid(text, (size_t) (equals - text)) && name_is_valid(equals + 1, strlen(equals + 1), "_-.:", false);
}

/* ---- checks of the whole ---- */

static int check_edits(struct reading *reading, const struct cdi_edits *edits)
{
	static const char types[] = "bcup";
	size_t before;

	for (size_t i = 0; i < edits->n_nodes; i++) {
		const struct cdi_node *node = &edits->nodes[i];

		before = enter(reading, "deviceNodes", 0);
		enter(reading, NULL, i);
		if (!node->path)
			return refuse(reading, "it has no path");
		if (node->type && (!strchr(types, *node->type) || node->type[1]))
			return refuse(reading, "its type is none of b, c, u and p");
		if (node->permissions && node->permissions[strspn(node->permissions, "rwm")])
			return refuse(reading, "its permissions are not r, w and m");
		if (node->mode > 07777)
			return refuse(reading, "its fileMode is more than 07777");
		reading->path[before] = 0;
	}
	for (size_t i = 0; i < edits->n_mounts; i++) {
		before = enter(reading, "mounts", 0);
		enter(reading, NULL, i);
		if (!edits->mounts[i].host_path || !edits->mounts[i].container_path)
			return refuse(reading, "it needs a hostPath and a containerPath");
		reading->path[before] = 0;
	}
	for (size_t i = 0; i < edits->n_hooks; i++) {
		before = enter(reading, "hooks", 0);
		enter(reading, NULL, i);
		if (!edits->hooks[i].name || !edits->hooks[i].path)
			return refuse(reading, "it needs a hookName and a path");
		reading->path[before] = 0;
	}
	return 0;
}

static bool edits_are_empty(const struct cdi_edits *edits)
{
	return !edits->env.n && !edits->n_nodes && !edits->n_mounts && !edits->n_hooks && !edits->gids.n && !edits->unsupported;
}

static int check_devices(struct reading *reading, const struct cdi_spec *spec)
{
	for (size_t i = 0; i < spec->n_devices; i++) {
		const struct cdi_device *device = &spec->devices[i];
		size_t before = enter(reading, "devices", 0);
		int r;

		enter(reading, NULL, i);
		if (!device->name || !name_is_valid(device->name, strlen(device->name), "_-.:", reading->version < VERSION(0, 5)))
			return refuse(reading, "its name is none that the version of this document allows");
		for (size_t k = 0; k < i; k++)
			if (str_eq(spec->devices[k].name, device->name))
				return refuse(reading, "another device has the same name");
		if (edits_are_empty(&device->edits))
			return refuse(reading, "it has no containerEdits");
		enter(reading, "containerEdits", 0);
		r = check_edits(reading, &device->edits);
		if (r < 0)
			return r;
		reading->path[before] = 0;
	}
	return 0;
}

static int check(struct reading *reading, const struct cdi_spec *spec)
{
	const char *slash = spec->kind ? strchr(spec->kind, '/') : NULL;
	int r;

	enter(reading, "kind", 0);
	if (!spec->kind || !kind_is_valid(spec->kind, strlen(spec->kind)))
		return refuse(reading, "it is not of the form vendor.com/class");
	if (reading->version < VERSION(0, 6) && strchr(slash, '.'))
		return refuse(reading, "a dot in the class needs a cdiVersion of 0.6.0 or later");
	reading->path[0] = 0;
	if (!spec->n_devices)
		return refuse(reading, "it has no devices");
	r = check_devices(reading, spec);
	if (r < 0)
		return r;
	enter(reading, "containerEdits", 0);
	return check_edits(reading, &spec->edits);
}

/* "0.6.0", with or without a "v". */
static int read_version(struct reading *reading, const cJSON *document)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(document, "cdiVersion");
	const char *text = cJSON_IsString(item) ? item->valuestring : "";
	unsigned int major, minor, patch;
	int end = 0, r = 0;

	enter(reading, "cdiVersion", 0);
	text += *text == 'v';
	if (!isdigit((unsigned char) *text) || strlen(text) > 16 || sscanf(text, "%u.%u.%u%n", &major, &minor, &patch, &end) != 3 ||
	    text[end])
		r = refuse(reading, "expected a version such as 0.6.0");
	else if (major > 1 || minor > 255 || VERSION(major, minor) > VERSION_LAST || VERSION(major, minor) < VERSION(0, 1))
		r = refuse(reading, "this library knows versions 0.1.0 to 1.1.0");
	else
		reading->version = VERSION(major, minor);
	if (r == 0)
		reading->path[0] = 0;
	return r;
}

int cdi_parse(const char *text, size_t size, const char *file, struct arena *arena, struct cdi_spec *out, scow_error **error)
{
	struct reading reading = { .file = file, .arena = arena, .error = error };
	_cleanup_json_ cJSON *document = NULL;
	scow_error *malformed = NULL;
	int r;

	*out = (struct cdi_spec){ .file = arena_strdup(arena, file) };
	r = str_has_suffix(file, ".json") ? json_parse(text, size, "it", &document, &malformed)
					  : yaml_parse(text, size, "it", &document, &malformed);
	if (r < 0) {
		r = scow_error_status(malformed) == SCOW_E_NO_MEMORY
			    ? error_oom(error)
			    : error_set(error, SCOW_E_INVALID, "CDI document '%s': %s", file, scow_error_message(malformed));
		scow_error_unref(malformed);
		return r;
	}
	if (!cJSON_IsObject(document))
		return refuse(&reading, "expected an object");
	r = read_version(&reading, document);
	if (r == 0)
		r = read_object(&reading, document, spec_members, ARRAY_SIZE(spec_members), out);
	if (r == 0)
		r = check(&reading, out);
	return r < 0 ? r : arena_failed(arena) ? error_oom(error) : 0;
}
