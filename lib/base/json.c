/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Documents from strangers: bounded in size and depth, no NUL hidden in a string (cJSON's strings end
 * there, so "root\u0000x" would be read as "root"), errors with the field's name.
 */
#include "base/json.h"

#include <math.h>
#include <string.h>

/* Depth is checked on the text: cJSON's own limit is 1,000, deeper than our recursions want to go. */
static bool too_deep(const char *text, size_t size)
{
	bool in_string = false;
	unsigned int depth = 0;

	for (size_t i = 0; i < size; i++) {
		char c = text[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '[' || c == '{') {
			if (++depth > JSON_MAX_DEPTH)
				return true;
		} else if ((c == ']' || c == '}') && depth) {
			depth--;
		}
	}
	return false;
}

int json_parse(const char *text, size_t size, const char *what, cJSON **out, scow_error **error)
{
	const char *end = NULL, *at;
	cJSON *item;

	if (size > JSON_MAX_BYTES)
		return error_set(error, SCOW_E_CORRUPT, "%s: a document of %zu bytes is too large", what, size);
	if (memchr(text, 0, size) || memmem(text, size, "\\u0000", 6))
		return error_set(error, SCOW_E_CORRUPT, "%s: NUL character in JSON", what);
	if (too_deep(text, size))
		return error_set(error, SCOW_E_CORRUPT, "%s: JSON nested deeper than %d", what, JSON_MAX_DEPTH);
	item = cJSON_ParseWithLengthOpts(text, size, &end, 0);
	if (!item)
		return error_set(error, SCOW_E_CORRUPT, "%s: malformed JSON at byte %zu", what, end ? (size_t) (end - text) : 0);
	for (at = end; at < text + size; at++) {
		if (!strchr(" \t\r\n", *at)) {
			cJSON_Delete(item);
			return error_set(error, SCOW_E_CORRUPT, "%s: garbage after the JSON at byte %zu", what, (size_t) (at - text));
		}
	}
	*out = item;
	return 0;
}

static const cJSON *member(const cJSON *object, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

	return item && !cJSON_IsNull(item) ? item : NULL;
}

static int wrong(const char *name, const char *expected, scow_error **error)
{
	return error_set(error, SCOW_E_CORRUPT, "%s: expected %s", name, expected);
}

int json_string(const cJSON *object, const char *name, const char **out, scow_error **error)
{
	const cJSON *item = member(object, name);

	if (item && !cJSON_IsString(item))
		return wrong(name, "a string", error);
	*out = item ? item->valuestring : NULL;
	return 0;
}

int json_i64(const cJSON *object, const char *name, int64_t *out, scow_error **error)
{
	const cJSON *item = member(object, name);

	if (!item)
		return 0;
	/* cJSON keeps numbers as doubles: beyond 2^53 they are not exact, and 2^63 does not fit. */
	if (!cJSON_IsNumber(item) || item->valuedouble != floor(item->valuedouble) || fabs(item->valuedouble) > 9007199254740992.0 * 512)
		return wrong(name, "a whole number", error);
	*out = (int64_t) item->valuedouble;
	return 0;
}

int json_object(const cJSON *object, const char *name, const cJSON **out, scow_error **error)
{
	const cJSON *item = member(object, name);

	if (item && !cJSON_IsObject(item))
		return wrong(name, "an object", error);
	*out = item;
	return 0;
}

int json_array(const cJSON *object, const char *name, const cJSON **out, scow_error **error)
{
	const cJSON *item = member(object, name);

	if (item && !cJSON_IsArray(item))
		return wrong(name, "an array", error);
	*out = item;
	return 0;
}

int json_strings(const cJSON *object, const char *name, const cJSON **out, scow_error **error)
{
	const cJSON *array, *item;
	int r = json_array(object, name, &array, error);

	if (r < 0)
		return r;
	cJSON_ArrayForEach(item, array)
		if (!cJSON_IsString(item))
			return wrong(name, "an array of strings", error);
	*out = array;
	return 0;
}

bool json_add_strings(cJSON *object, const char *name, char *const *strv)
{
	cJSON *array;

	if (!strv)
		return cJSON_AddNullToObject(object, name) != NULL;
	array = cJSON_AddArrayToObject(object, name);
	if (!array)
		return false;
	for (; *strv; strv++) {
		cJSON *item = cJSON_CreateString(*strv);

		if (!item || !cJSON_AddItemToArray(array, item)) {
			cJSON_Delete(item);
			return false;
		}
	}
	return true;
}

char *json_print(const cJSON *item)
{
	return cJSON_PrintUnformatted(item);
}
