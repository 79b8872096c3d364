/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values in templates, and the functions that Docker has for them, with those of Go's that go with JSON. */
#include "template.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

void text_put(struct text *text, const char *data, size_t size)
{
	if (text->size + size + 1 > text->room) {
		char *larger = keep_alloc(text->room = (text->size + size + 1) * 2);

		memcpy(larger, text->data ? text->data : "", text->size);
		text->data = larger;
	}
	memcpy(text->data + text->size, data, size);
	text->size += size;
	text->data[text->size] = 0;
}

void text_put_string(struct text *text, const char *data)
{
	text_put(text, data, strlen(data));
}

static const char *number_text(double number)
{
	return number == (double) (int64_t) number ? keep_format("%lld", (long long) number) : keep_format("%.10g", number);
}

void text_put_value(struct text *out, const cJSON *value)
{
	const cJSON *item;

	if (cJSON_IsString(value)) {
		text_put_string(out, value->valuestring);
	} else if (cJSON_IsNumber(value)) {
		text_put_string(out, number_text(value->valuedouble));
	} else if (cJSON_IsBool(value)) {
		text_put_string(out, cJSON_IsTrue(value) ? "true" : "false");
	} else if (cJSON_IsArray(value) || cJSON_IsObject(value)) {
		text_put_string(out, cJSON_IsObject(value) ? "map[" : "[");
		cJSON_ArrayForEach(item, value)
		{
			if (item != value->child)
				text_put_string(out, " ");
			if (item->string && cJSON_IsObject(value))
				text_put_string(out, keep_format("%s:", item->string));
			text_put_value(out, item);
		}
		text_put_string(out, "]");
	} else {
		text_put_string(out, "<no value>");
	}
}

static const char *value_text(const cJSON *value)
{
	struct text out = { 0 };

	text_put_string(&out, "");
	text_put_value(&out, value);
	return out.data;
}

const cJSON *render_keep(struct render *render, cJSON *value)
{
	cJSON_AddItemToArray(render->made, value);
	return value;
}

const cJSON *render_fail(struct render *render, const char *problem)
{
	if (!render->problem)
		render->problem = problem;
	return NULL;
}

bool value_is_true(const cJSON *value)
{
	if (cJSON_IsString(value))
		return value->valuestring[0];
	if (cJSON_IsNumber(value))
		return value->valuedouble < 0 || value->valuedouble > 0;
	if (cJSON_IsArray(value) || cJSON_IsObject(value))
		return value->child;
	return cJSON_IsTrue(value);
}

/* ---- functions ---- */

static const cJSON *change_case(struct render *render, const char *text, int (*change)(int))
{
	char *copy = keep_text(text);

	for (char *p = copy; *p; p++)
		*p = (char) change((unsigned char) *p);
	return render_keep(render, cJSON_CreateString(copy));
}

static const cJSON *join(struct render *render, const cJSON *list, const char *separator)
{
	struct text out = { 0 };
	const cJSON *item;

	text_put_string(&out, "");
	cJSON_ArrayForEach(item, list)
	{
		if (item != list->child)
			text_put_string(&out, separator);
		text_put_value(&out, item);
	}
	return render_keep(render, cJSON_CreateString(out.data));
}

static const cJSON *split(struct render *render, const char *text, const char *separator)
{
	size_t size = strlen(separator);
	cJSON *list = cJSON_CreateArray();
	const char *end;

	for (; size && (end = strstr(text, separator)); text = end + size)
		cJSON_AddItemToArray(list, cJSON_CreateString(keep_format("%.*s", (int) (end - text), text)));
	cJSON_AddItemToArray(list, cJSON_CreateString(text));
	return render_keep(render, list);
}

/* Every word with a capital. */
static const cJSON *title(struct render *render, const char *text)
{
	char *copy = keep_text(text);

	for (char *p = copy; *p; p++)
		if (p == copy || isspace((unsigned char) p[-1]))
			*p = (char) toupper((unsigned char) *p);
	return render_keep(render, cJSON_CreateString(copy));
}

/* The first so many characters. */
static const cJSON *truncate_text(struct render *render, const char *text, double limit)
{
	const char *end = text;
	int left = limit >= INT_MAX ? INT_MAX : limit > 0 ? (int) limit : 0;

	for (; *end && left; left--)
		for (end++; ((unsigned char) *end & 0xc0) == 0x80; end++)
			;
	return render_keep(render, cJSON_CreateString(keep_format("%.*s", (int) (end - text), text)));
}

/* Blanks around what is not empty. */
static const cJSON *pad(struct render *render, const char *text, double before, double after)
{
	const bool some = *text && before >= 0 && after >= 0 && before < 1000 && after < 1000;

	return render_keep(render,
			   cJSON_CreateString(keep_format("%*s%s%*s", some ? (int) before : 0, "", text, some ? (int) after : 0, "")));
}

/* Of Go's verbs those that print any value: %s, %v and %d alike, %q in quotes. */
static const cJSON *print_formatted(struct render *render, const char *format, const cJSON **args, size_t n)
{
	struct text out = { 0 };
	size_t next = 0;

	text_put_string(&out, "");
	for (const char *p = format; *p; p++) {
		if (*p != '%') {
			text_put(&out, p, 1);
		} else if (*++p == '%') {
			text_put_string(&out, "%");
		} else if (!*p || !strchr("svdq", *p) || next >= n) {
			return render_fail(
				render,
				keep_format("cannot apply 'printf' to '%s': %%s, %%v, %%d and %%q, and as many values, are known", format));
		} else {
			const char *quote = *p == 'q' ? "\"" : "";

			text_put_string(&out, quote);
			text_put_value(&out, args[next++]);
			text_put_string(&out, quote);
		}
	}
	return render_keep(render, cJSON_CreateString(out.data));
}

static const cJSON *length(struct render *render, const cJSON *value)
{
	return render_keep(render,
			   cJSON_CreateNumber(cJSON_IsString(value) ? (double) strlen(value->valuestring) : cJSON_GetArraySize(value)));
}

static const cJSON *as_json(struct render *render, const cJSON *value)
{
	char *text = cJSON_PrintUnformatted(value);
	const cJSON *result = render_keep(render, cJSON_CreateString(text ? text : ""));

	free(text);
	return result;
}

/* Functions of one text and what is beside it. NULL: none of them. */
static const cJSON *call_on_text(struct render *render, const char *name, const cJSON **args, size_t n)
{
	const char *text = cJSON_GetStringValue(args[0]);

	if (!text)
		return NULL;
	if (strcmp(name, "upper") == 0 && n == 1)
		return change_case(render, text, toupper);
	if (strcmp(name, "lower") == 0 && n == 1)
		return change_case(render, text, tolower);
	if (strcmp(name, "title") == 0 && n == 1)
		return title(render, text);
	if (strcmp(name, "printf") == 0)
		return print_formatted(render, text, args + 1, n - 1);
	if (strcmp(name, "split") == 0 && n == 2 && cJSON_IsString(args[1]))
		return split(render, text, args[1]->valuestring);
	if (strcmp(name, "truncate") == 0 && n == 2 && cJSON_IsNumber(args[1]))
		return truncate_text(render, text, args[1]->valuedouble);
	if (strcmp(name, "pad") == 0 && n == 3 && cJSON_IsNumber(args[1]) && cJSON_IsNumber(args[2]))
		return pad(render, text, args[1]->valuedouble, args[2]->valuedouble);
	return NULL;
}

const cJSON *template_call(struct render *render, const char *name, const cJSON **args, size_t n)
{
	const cJSON *found = n ? call_on_text(render, name, args, n) : NULL;

	if (found || render->problem)
		return found;
	if (strcmp(name, "json") == 0 && n == 1)
		return as_json(render, args[0]);
	if (strcmp(name, "len") == 0 && n == 1)
		return length(render, args[0]);
	if ((strcmp(name, "and") == 0 || strcmp(name, "or") == 0) && n) {
		/* The first that decides, as in Go. */
		for (size_t i = 0; i < n; i++)
			if (i == n - 1 || value_is_true(args[i]) == (*name == 'o'))
				return args[i];
	}
	if (strcmp(name, "not") == 0 && n == 1)
		return render_keep(render, cJSON_CreateBool(!value_is_true(args[0])));
	if ((strcmp(name, "eq") == 0 || strcmp(name, "ne") == 0) && n == 2)
		return render_keep(render, cJSON_CreateBool(cJSON_Compare(args[0], args[1], 1) == (*name == 'e')));
	if (strcmp(name, "println") == 0 && n == 1)
		return render_keep(render, cJSON_CreateString(keep_format("%s\n", value_text(args[0]))));
	if (strcmp(name, "join") == 0 && n == 2 && cJSON_IsString(args[1]))
		return join(render, args[0], args[1]->valuestring);
	if (strcmp(name, "index") == 0 && n >= 2) {
		for (size_t i = 1; i < n; i++)
			args[0] = cJSON_IsString(args[i])   ? cJSON_GetObjectItemCaseSensitive(args[0], args[i]->valuestring)
				  : cJSON_IsNumber(args[i]) ? cJSON_GetArrayItem(args[0], (int) args[i]->valuedouble)
							    : NULL;
		return args[0] ? args[0] : render_keep(render, cJSON_CreateNull());
	}
	if (!n)
		return render_fail(render, keep_format("function '%s' not defined", name));
	return render_fail(render, keep_format("cannot apply '%s' to that", name));
}
