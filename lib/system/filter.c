/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What Docker's event filters mean:
 * - type, scope: exactly that; event: the action, or its part before ":" ("exec_start: sh -c ...", "health_status: healthy");
 * - container, network, volume, daemon: the beginning of the id or name, of an event of that type;
 * - image: id or reference, with or without the tag, of an image's event or of a container made of it;
 * - label: "name" or "name=value"; of several, all are wanted.
 */
#include "system/filter.h"

#include <string.h>

#include "base/str.h"

static bool equals(const char *text, const char *value)
{
	return strcmp(text, value) == 0;
}

static bool action_is(const char *action, const char *value)
{
	size_t n = strlen(value);

	return strncmp(action, value, n) == 0 && (!action[n] || action[n] == ':');
}

/* @name with its tag or digest, or without. */
static bool image_is(const char *name, const char *value)
{
	const char *slash = strrchr(name, '/'), *end = strpbrk(slash ? slash : name, ":@");
	size_t n = end ? (size_t) (end - name) : strlen(name);

	return equals(name, value) || (strncmp(name, value, n) == 0 && !value[n]);
}

static const char *attribute(const cJSON *attributes, const char *name)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(attributes, name));

	return text ? text : "";
}

static bool label_is(const cJSON *attributes, const char *value)
{
	const char *equal = strchr(value, '=');
	_cleanup_free_ char *name = equal ? strndup(value, (size_t) (equal - value)) : strdup(value);
	const char *found = name ? cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(attributes, name)) : NULL;

	return found && (!equal || equals(found, equal + 1));
}

static bool one_matches(const char *key, const char *value, const struct journal_entry *entry, const cJSON *attributes)
{
	if (equals(key, "type"))
		return equals(entry->type, value);
	if (equals(key, "event"))
		return action_is(entry->action, value);
	if (equals(key, "scope"))
		return equals(value, "local");
	if (equals(key, "label"))
		return label_is(attributes, value);
	if (equals(key, "image"))
		return (equals(entry->type, "image") && image_is(entry->object, value)) ||
		       image_is(attribute(attributes, equals(entry->type, "image") ? "name" : "image"), value);
	return equals(entry->type, key) && (str_has_prefix(entry->object, value) || str_has_prefix(attribute(attributes, "name"), value));
}

/* The values of a filter stand in an array, or are the names of an object. */
static const char *value_of(const cJSON *item)
{
	return cJSON_IsString(item) ? item->valuestring : item->string;
}

static bool values_match(const cJSON *values, const struct journal_entry *entry, const cJSON *attributes)
{
	bool all = equals(values->string, "label"), any = false;
	const cJSON *item;

	cJSON_ArrayForEach(item, values)
	{
		bool matches = one_matches(values->string, value_of(item), entry, attributes);

		if (all && !matches)
			return false;
		any |= matches;
	}
	return any || !values->child;
}

bool event_filter_matches(const cJSON *filter, const struct journal_entry *entry, const cJSON *attributes)
{
	const cJSON *values;

	cJSON_ArrayForEach(values, filter) if (!values_match(values, entry, attributes)) return false;
	return true;
}

static int check(const cJSON *values, scow_error **error)
{
	static const char *const known[] = { "container", "daemon", "event", "image", "label", "network", "scope", "type", "volume" };
	const cJSON *item;
	bool found = false;

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		found |= equals(values->string, known[i]);
	if (!found)
		return error_hint(error, error_set(error, SCOW_E_INVALID, "'%s' is not a filter of events", values->string),
				  "container, daemon, event, image, label, network, scope, type and volume are");
	if (!cJSON_IsArray(values) && !cJSON_IsObject(values))
		return error_set(error, SCOW_E_INVALID, "filter '%s': expected an array of strings", values->string);
	cJSON_ArrayForEach(item, values)
	{
		if (cJSON_IsArray(values) && !cJSON_IsString(item))
			return error_set(error, SCOW_E_INVALID, "filter '%s': expected an array of strings", values->string);
	}
	return 0;
}

int event_filter_parse(const char *text, cJSON **out, scow_error **error)
{
	_cleanup_json_ cJSON *filter = NULL;
	const cJSON *values;
	int r;

	*out = NULL;
	if (!text || !*text)
		return 0;
	if (json_parse(text, strlen(text), "filters", &filter, NULL) < 0 || !cJSON_IsObject(filter))
		return error_set(error, SCOW_E_INVALID, "the filters are no JSON object: '%.100s'", text);
	cJSON_ArrayForEach(values, filter)
	{
		r = check(values, error);
		if (r < 0)
			return r;
	}
	*out = take_ptr(&filter);
	return 0;
}
