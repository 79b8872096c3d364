/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Docker's filters, read. */
#include "container/filters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "container/container.h"

#define SECOND INT64_C(1000000000)

static bool is_values(const cJSON *item)
{
	const cJSON *value;

	if (!cJSON_IsArray(item) && !cJSON_IsObject(item))
		return false;
	cJSON_ArrayForEach(value, item)
	{
		if (cJSON_IsArray(item) && !cJSON_IsString(value))
			return false;
	}
	return true;
}

static int check_name(const cJSON *item, const char *const *allowed, scow_error **error)
{
	_cleanup_str_ struct str known = { 0 };

	for (size_t i = 0; allowed[i]; i++) {
		if (str_eq(item->string, allowed[i]))
			return is_values(item) ? 0
					       : error_set(error, SCOW_E_INVALID, "filter '%s' is neither a list of strings nor an object",
							   item->string);
		str_printf(&known, "%s%s", i ? ", " : "", allowed[i]);
	}
	return error_hint(error, error_set(error, SCOW_E_INVALID, "'%s' is not a filter here", item->string), "filters are %s",
			  known.data ? known.data : "none");
}

int filters_parse(const char *text, const char *const *allowed, struct filters *out, scow_error **error)
{
	const cJSON *item;
	int r;

	out->document = NULL;
	if (!text || !*text)
		return 0;
	r = json_parse(text, strlen(text), "filters", &out->document, error);
	if (r < 0) {
		error_clear(error);
		return error_set(error, SCOW_E_INVALID, "the filters are no JSON document");
	}
	if (cJSON_IsObject(out->document)) {
		cJSON_ArrayForEach(item, out->document)
		{
			if (r == 0)
				r = check_name(item, allowed, error);
		}
	} else if (!cJSON_IsNull(out->document)) {
		r = error_set(error, SCOW_E_INVALID, "the filters are no JSON object");
	}
	if (r < 0)
		filters_done(out);
	return r;
}

void filters_done(struct filters *filters)
{
	cJSON_Delete(filters->document);
	filters->document = NULL;
}

const char *filters_value(const struct filters *filters, const char *name, size_t index)
{
	const cJSON *values = cJSON_GetObjectItemCaseSensitive(filters->document, name);
	const cJSON *value = cJSON_GetArrayItem(values, (int) index);

	if (!value)
		return NULL;
	return cJSON_IsObject(values) ? value->string : value->valuestring;
}

bool filters_have(const struct filters *filters, const char *name)
{
	return filters_value(filters, name, 0) != NULL;
}

static bool allow(const struct filters *filters, const char *name, const char *value, bool (*fits)(const char *value, const char *wanted))
{
	const char *wanted;

	for (size_t i = 0; (wanted = filters_value(filters, name, i)); i++)
		if (fits(value, wanted))
			return true;
	return !filters_have(filters, name);
}

static bool has_part(const char *value, const char *wanted)
{
	return strstr(value, wanted) != NULL;
}

bool filters_allow(const struct filters *filters, const char *name, const char *value)
{
	return allow(filters, name, value, str_eq);
}

bool filters_contain(const struct filters *filters, const char *name, const char *value)
{
	return allow(filters, name, value, has_part);
}

bool filters_begin(const struct filters *filters, const char *name, const char *value)
{
	return allow(filters, name, value, str_has_prefix);
}

bool filters_allow_bool(const struct filters *filters, const char *name, bool value)
{
	return filters_allow(filters, name, value ? "true" : "false") || filters_allow(filters, name, value ? "1" : "0");
}

static bool has_label(const cJSON *labels, const char *wanted)
{
	const char *equals = strchr(wanted, '=');
	_cleanup_free_ char *name = equals ? strndup(wanted, (size_t) (equals - wanted)) : strdup(wanted);
	const cJSON *item = name ? cJSON_GetObjectItemCaseSensitive(labels, name) : NULL;

	return cJSON_IsString(item) && (!equals || str_eq(item->valuestring, equals + 1));
}

bool filters_allow_labels(const struct filters *filters, const cJSON *labels)
{
	const char *wanted;

	for (size_t i = 0; (wanted = filters_value(filters, "label", i)); i++)
		if (!has_label(labels, wanted))
			return false;
	for (size_t i = 0; (wanted = filters_value(filters, "label!", i)); i++)
		if (has_label(labels, wanted))
			return false;
	return true;
}

/* ---- until ---- */

/* "1h30m", "1.5h", "10s", "300ms". */
static bool read_duration(const char *text, int64_t *ns)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = { { "ms", 1e6 }, { "us", 1e3 }, { "ns", 1 }, { "h", 3600e9 }, { "m", 60e9 }, { "s", 1e9 } };
	double sum = 0;

	for (size_t i; *text; text += strlen(units[i].name)) {
		char *end;
		double value;

		if (strspn(text, "0123456789.") == 0)
			return false;
		value = strtod(text, &end);
		text = end;
		for (i = 0; i < ARRAY_SIZE(units) && !str_has_prefix(text, units[i].name); i++)
			;
		if (i == ARRAY_SIZE(units))
			return false;
		sum += value * units[i].ns;
	}
	if (sum <= 0 || sum > 9e18)
		return false;
	*ns = now_ns() - (int64_t) sum;
	return true;
}

/* RFC 3339, from the whole down to the date; without a zone it is UTC. */
static bool read_date(const char *text, int64_t *ns)
{
	static const char *const formats[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d" };
	int hours, minutes;
	char sign;

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		struct tm tm = { 0 };
		const char *end = strptime(text, formats[i], &tm);

		if (!end)
			continue;
		if (*end == '.')
			end += 1 + strspn(end + 1, "0123456789");
		*ns = utc_seconds(&tm) * SECOND;
		if (!*end || str_eq(end, "Z"))
			return true;
		if (sscanf(end, "%c%2d:%2d", &sign, &hours, &minutes) != 3 || (sign != '+' && sign != '-') || strlen(end) != 6)
			return false;
		*ns -= (sign == '+' ? 1 : -1) * (hours * 60 + minutes) * 60 * SECOND;
		return true;
	}
	return false;
}

int filters_until(const struct filters *filters, int64_t *ns, scow_error **error)
{
	const char *text = filters_value(filters, "until", 0);
	char *end;
	double seconds;

	*ns = INT64_MAX;
	if (!text)
		return 0;
	if (filters_value(filters, "until", 1))
		return error_set(error, SCOW_E_INVALID, "more than one 'until' was given");
	if (read_duration(text, ns) || read_date(text, ns))
		return 0;
	seconds = strtod(text, &end);
	if (!*text || *end || seconds < 0 || seconds > 9e9)
		return error_set(error, SCOW_E_INVALID, "'%s' is no time: write '24h', '2026-01-31T12:00:00Z' or seconds since 1970", text);
	*ns = (int64_t) (seconds * 1e9);
	return 0;
}
