/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * --trace: where the time of a command goes, as OpenTelemetry's JSON, one span a line, which its collectors read (otlpjsonfile) and
 * `jq` too. Lines are appended, so that the commands of a script come into one file.
 */
#include "cli.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

struct trace_file {
	FILE *file;
	unsigned char id[16]; /* of the trace: one command */
};

static void add_hex(cJSON *span, const char *name, const unsigned char *bytes, size_t size)
{
	char text[33];

	for (size_t i = 0; i < size; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	cJSON_AddStringToObject(span, name, text);
}

static void add_id(cJSON *span, const char *name, uint64_t id)
{
	char text[17];

	snprintf(text, sizeof text, "%016" PRIx64, id);
	cJSON_AddStringToObject(span, name, text);
}

/* JSON has no numbers of 64 bits: they are strings. */
static void add_number(cJSON *span, const char *name, int64_t number)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRId64, number);
	cJSON_AddStringToObject(span, name, text);
}

/* {"a":"b","c":1} to [{"key":"a","value":{"stringValue":"b"}},{"key":"c","value":{"intValue":"1"}}] */
static void add_attributes(cJSON *span, const char *attributes)
{
	cJSON *from = cJSON_Parse(attributes), *to = cJSON_AddArrayToObject(span, "attributes"), *item;

	cJSON_ArrayForEach(item, from)
	{
		cJSON *attribute = cJSON_CreateObject(), *value = cJSON_AddObjectToObject(attribute, "value");

		cJSON_AddStringToObject(attribute, "key", item->string);
		if (cJSON_IsNumber(item))
			add_number(value, "intValue", (int64_t) item->valuedouble);
		else
			cJSON_AddStringToObject(value, "stringValue", cJSON_IsString(item) ? item->valuestring : "");
		cJSON_AddItemToArray(to, attribute);
	}
	cJSON_Delete(from);
}

static cJSON *add_in_array(cJSON *object, const char *name)
{
	cJSON *item = cJSON_CreateObject();

	cJSON_AddItemToArray(cJSON_AddArrayToObject(object, name), item);
	return item;
}

static void write_span(uint64_t number, uint64_t parent, const char *name, int64_t begin, int64_t end, const char *attributes,
		       void *userdata)
{
	struct trace_file *trace = userdata;
	cJSON *root = cJSON_CreateObject(), *resources = add_in_array(root, "resourceSpans"), *scope, *span;
	char *text;

	add_attributes(cJSON_AddObjectToObject(resources, "resource"), "{\"service.name\":\"scow\"}");
	scope = add_in_array(resources, "scopeSpans");
	cJSON_AddStringToObject(cJSON_AddObjectToObject(scope, "scope"), "name", "libscow");
	span = add_in_array(scope, "spans");
	add_hex(span, "traceId", trace->id, sizeof trace->id);
	add_id(span, "spanId", number);
	if (parent)
		add_id(span, "parentSpanId", parent);
	cJSON_AddStringToObject(span, "name", name);
	cJSON_AddNumberToObject(span, "kind", 1);
	add_number(span, "startTimeUnixNano", begin);
	add_number(span, "endTimeUnixNano", end);
	add_attributes(span, attributes);
	text = cJSON_PrintUnformatted(root);
	if (text)
		fprintf(trace->file, "%s\n", text);
	cJSON_free(text);
	cJSON_Delete(root);
}

bool trace_to(scow_engine_options *options, const char *path)
{
	struct trace_file *trace = keep_alloc(sizeof *trace);

	trace->file = fopen(path, "ae");
	if (!trace->file || getrandom(trace->id, sizeof trace->id, 0) != (ssize_t) sizeof trace->id) {
		complain("cannot write '%s': %s", path, strerror(errno));
		return false;
	}
	/* A line at once: several commands may write to it. */
	setvbuf(trace->file, NULL, _IOLBF, 4096);
	scow_engine_options_set_trace(options, write_span, trace);
	return true;
}
