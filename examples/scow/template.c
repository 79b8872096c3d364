/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The part of Go's templates that people write after --format: fields, range, if, and Docker's functions,
 * over a JSON document. No variables, no parentheses, no definitions.
 *
 *	{{.State.ExitCode}}  {{json .Config.Env}}  {{range .Mounts}}{{.Source}} {{end}}  {{if .State.OOMKilled}}oom{{end}}
 */
#include "cli.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct text {
	char *data;
	size_t size, room;
};

struct render {
	struct text out;
	const cJSON *root;
	cJSON *made; /* values that functions gave: an array that owns them */
	const char *problem;
};

enum ending { END_OF_TEXT, END_OF_BLOCK, END_BY_ELSE };

static void put(struct text *text, const char *data, size_t size)
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

static void put_text(struct text *text, const char *data)
{
	put(text, data, strlen(data));
}

static const char *number_text(double number)
{
	return number == (double) (int64_t) number ? keep_format("%lld", (long long) number) : keep_format("%.10g", number);
}

/* As Go prints it: lists as [a b], objects as map[k:v]. */
static void put_value(struct text *out, const cJSON *value)
{
	const cJSON *item;

	if (cJSON_IsString(value)) {
		put_text(out, value->valuestring);
	} else if (cJSON_IsNumber(value)) {
		put_text(out, number_text(value->valuedouble));
	} else if (cJSON_IsBool(value)) {
		put_text(out, cJSON_IsTrue(value) ? "true" : "false");
	} else if (cJSON_IsArray(value) || cJSON_IsObject(value)) {
		put_text(out, cJSON_IsObject(value) ? "map[" : "[");
		cJSON_ArrayForEach(item, value)
		{
			if (item != value->child)
				put_text(out, " ");
			if (item->string && cJSON_IsObject(value))
				put_text(out, keep_format("%s:", item->string));
			put_value(out, item);
		}
		put_text(out, "]");
	} else {
		put_text(out, "<no value>");
	}
}

static const char *value_text(const cJSON *value)
{
	struct text out = { 0 };

	put_text(&out, "");
	put_value(&out, value);
	return out.data;
}

static const cJSON *make(struct render *render, cJSON *value)
{
	cJSON_AddItemToArray(render->made, value);
	return value;
}

static const cJSON *fail(struct render *render, const char *problem)
{
	if (!render->problem)
		render->problem = problem;
	return NULL;
}

static bool truth(const cJSON *value)
{
	if (cJSON_IsString(value))
		return value->valuestring[0];
	if (cJSON_IsNumber(value))
		return value->valuedouble < 0 || value->valuedouble > 0;
	if (cJSON_IsArray(value) || cJSON_IsObject(value))
		return value->child;
	return cJSON_IsTrue(value);
}

/* ---- expressions ---- */

static const cJSON *look_up(struct render *render, const cJSON *dot, const char *path)
{
	const char *whole = path;

	if (*path == '$') {
		dot = render->root;
		path++;
	}
	while (*path == '.' && path[1]) {
		char *name = keep_format("%.*s", (int) strcspn(path + 1, "."), path + 1);

		dot = cJSON_GetObjectItemCaseSensitive(dot, name);
		if (!dot)
			return fail(render, keep_format("there is no field '%s' (in '%s')", name, whole));
		path += 1 + strlen(name);
	}
	return dot;
}

/* One word of an action: a field, a number, or a quoted text. */
static const cJSON *operand(struct render *render, const cJSON *dot, const char *word)
{
	size_t n = strlen(word);
	double number;
	char *end;

	if (*word == '.' || *word == '$')
		return look_up(render, dot, word);
	if (*word == '"' || *word == '`') {
		if (n < 2 || word[n - 1] != *word)
			return fail(render, "unterminated text");
		return make(render, cJSON_CreateString(keep_format("%.*s", (int) n - 2, word + 1)));
	}
	number = strtod(word, &end);
	if (!*end)
		return make(render, cJSON_CreateNumber(number));
	if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0)
		return make(render, cJSON_CreateBool(*word == 't'));
	return fail(render, keep_format("function '%s' not defined", word));
}

static const cJSON *change_case(struct render *render, const char *text, int (*change)(int))
{
	char *copy = keep_text(text);

	for (char *p = copy; *p; p++)
		*p = (char) change((unsigned char) *p);
	return make(render, cJSON_CreateString(copy));
}

static const cJSON *join(struct render *render, const cJSON *list, const char *separator)
{
	struct text out = { 0 };
	const cJSON *item;

	put_text(&out, "");
	cJSON_ArrayForEach(item, list)
	{
		if (item != list->child)
			put_text(&out, separator);
		put_value(&out, item);
	}
	return make(render, cJSON_CreateString(out.data));
}

static const cJSON *length(struct render *render, const cJSON *value)
{
	return make(render, cJSON_CreateNumber(cJSON_IsString(value) ? (double) strlen(value->valuestring) : cJSON_GetArraySize(value)));
}

static const cJSON *as_json(struct render *render, const cJSON *value)
{
	char *text = cJSON_PrintUnformatted(value);
	const cJSON *result = make(render, cJSON_CreateString(text ? text : ""));

	free(text);
	return result;
}

static const cJSON *call(struct render *render, const char *name, const cJSON **args, size_t n)
{
	const cJSON *found;

	if (strcmp(name, "json") == 0 && n == 1)
		return as_json(render, args[0]);
	if (strcmp(name, "len") == 0 && n == 1)
		return length(render, args[0]);
	if (strcmp(name, "not") == 0 && n == 1)
		return make(render, cJSON_CreateBool(!truth(args[0])));
	if ((strcmp(name, "eq") == 0 || strcmp(name, "ne") == 0) && n == 2)
		return make(render, cJSON_CreateBool(cJSON_Compare(args[0], args[1], 1) == (*name == 'e')));
	if (strcmp(name, "upper") == 0 && n == 1 && cJSON_IsString(args[0]))
		return change_case(render, args[0]->valuestring, toupper);
	if (strcmp(name, "lower") == 0 && n == 1 && cJSON_IsString(args[0]))
		return change_case(render, args[0]->valuestring, tolower);
	if (strcmp(name, "println") == 0 && n == 1)
		return make(render, cJSON_CreateString(keep_format("%s\n", value_text(args[0]))));
	if (strcmp(name, "join") == 0 && n == 2 && cJSON_IsString(args[1]))
		return join(render, args[0], args[1]->valuestring);
	if (strcmp(name, "index") == 0 && n == 2) {
		found = cJSON_IsString(args[1]) ? cJSON_GetObjectItemCaseSensitive(args[0], args[1]->valuestring)
						: cJSON_GetArrayItem(args[0], (int) cJSON_GetNumberValue(args[1]));
		return found ? found : make(render, cJSON_CreateNull());
	}
	return fail(render, keep_format("cannot apply '%s' to that", name));
}

/* Cuts the next word off *rest, quotes kept whole; NULL at the end or at a '|'. */
static char *next_word(const char **rest)
{
	const char *p = *rest + strspn(*rest, " \t\n"), *start = p;

	if (*p == '"' || *p == '`') {
		for (p++; *p && *p != *start; p++)
			;
		p += *p != 0;
	} else {
		p += strcspn(p, " \t\n|\"`");
	}
	*rest = p;
	return p == start ? NULL : keep_format("%.*s", (int) (p - start), start);
}

/* "json .Config", ".Names | upper", "index .Labels \"a\"". */
static const cJSON *evaluate(struct render *render, const cJSON *dot, const char *action)
{
	const cJSON *value = NULL, *args[4];
	const char *rest = action;

	do {
		char *name = next_word(&rest), *word;
		size_t n = 0;

		if (!name)
			return fail(render, "an action is empty");
		while ((word = next_word(&rest)) && n < 3) {
			args[n] = operand(render, dot, word);
			if (!args[n++])
				return NULL;
		}
		if (value)
			args[n++] = value;
		value = n || isalpha((unsigned char) *name) ? call(render, name, args, n) : operand(render, dot, name);
		if (!value)
			return NULL;
		rest += strspn(rest, " \t\n");
	} while (*rest++ == '|');
	return value;
}

/* ---- blocks ---- */

static enum ending block(struct render *render, const char **p, const cJSON *dot, bool shown);

/* What follows an else, or the end of the block was seen already. */
static void finish_block(struct render *render, const char **p, const cJSON *dot, enum ending ending, bool shown)
{
	if (ending == END_BY_ELSE)
		ending = block(render, p, dot, shown);
	if (ending == END_OF_TEXT)
		fail(render, "'end' is missing");
}

static void if_block(struct render *render, const char **p, const cJSON *dot, const char *condition, bool shown)
{
	const cJSON *value = shown ? evaluate(render, dot, condition) : NULL;
	bool yes = value && truth(value);

	finish_block(render, p, dot, block(render, p, dot, shown && yes), shown && !yes);
}

static void range_block(struct render *render, const char **p, const cJSON *dot, const char *list, bool shown)
{
	const cJSON *value = shown ? evaluate(render, dot, list) : NULL, *item;
	const char *start = *p;
	enum ending ending = END_OF_TEXT;

	cJSON_ArrayForEach(item, value)
	{
		*p = start;
		ending = block(render, p, item, true);
	}
	if (ending == END_OF_TEXT)
		ending = block(render, p, dot, false);
	finish_block(render, p, dot, ending, shown && value && !value->child);
}

/* The text between {{ and }}, moving *p past it; with {{- and -}} the blanks around it go. */
static char *next_action(struct render *render, const char **p, bool shown)
{
	const char *start = *p + 2, *end = strstr(start, "}}");

	if (!end) {
		fail(render, "unclosed action");
		*p += strlen(*p);
		return NULL;
	}
	*p = end + 2;
	if (start[0] == '-' && start[1] == ' ') {
		while (shown && render->out.size && isspace((unsigned char) render->out.data[render->out.size - 1]))
			render->out.data[--render->out.size] = 0;
		start++;
	}
	if (end > start && end[-1] == '-') {
		end--;
		*p += strspn(*p, " \t\n");
	}
	start += strspn(start, " \t\n");
	while (end > start && isspace((unsigned char) end[-1]))
		end--;
	return keep_format("%.*s", end > start ? (int) (end - start) : 0, start);
}

static enum ending block(struct render *render, const char **p, const cJSON *dot, bool shown)
{
	while (**p && !render->problem) {
		const char *open = strstr(*p, "{{");
		size_t plain = open ? (size_t) (open - *p) : strlen(*p);
		const cJSON *value;
		char *action;

		if (shown)
			put(&render->out, *p, plain);
		*p += plain;
		if (!open)
			break;
		action = next_action(render, p, shown);
		if (!action)
			break;
		if (strcmp(action, "end") == 0)
			return END_OF_BLOCK;
		if (strcmp(action, "else") == 0)
			return END_BY_ELSE;
		if (starts_with(action, "if ")) {
			if_block(render, p, dot, action + 3, shown);
		} else if (starts_with(action, "range ")) {
			range_block(render, p, dot, action + 6, shown);
		} else if (shown) {
			value = evaluate(render, dot, action);
			if (value)
				put_value(&render->out, value);
		}
	}
	return END_OF_TEXT;
}

/* On a shell's command line \t and \n come as two characters. */
static char *with_escapes(const char *template)
{
	char *text = keep_text(template), *out = text;

	for (const char *p = template; *p; p++) {
		bool escape = *p == '\\' && (p[1] == 't' || p[1] == 'n');

		*out++ = !escape ? *p : p[1] == 't' ? '\t' : '\n';
		p += escape;
	}
	*out = 0;
	return text;
}

char *template_render(const char *template, const cJSON *value, const char **problem)
{
	struct render render = { .root = value, .made = cJSON_CreateArray() };
	const char *p = with_escapes(template);

	put(&render.out, "", 0);
	if (block(&render, &p, value, true) != END_OF_TEXT)
		fail(&render, "'end' or 'else' without a beginning");
	cJSON_Delete(render.made);
	*problem = render.problem;
	return render.problem ? NULL : render.out.data;
}

char *json_indent(const char *json)
{
	struct text out = { 0 };
	bool quoted = false;
	int depth = 0;

	for (const char *p = json; *p; p++) {
		if (quoted || !strchr("{}[],: \t\r\n\"", *p)) {
			put(&out, p, 1);
			if (*p == '\\' && quoted && p[1])
				put(&out, ++p, 1);
			else
				quoted = quoted && *p != '"';
		} else if (*p == '"') {
			quoted = true;
			put(&out, p, 1);
		} else if (*p == ':') {
			put_text(&out, ": ");
		} else if (!isspace((unsigned char) *p)) {
			const char *next = p + 1 + strspn(p + 1, " \t\r\n");
			bool opens = *p == '{' || *p == '[', closes = *p == '}' || *p == ']';

			if (opens && (*next == '}' || *next == ']')) {
				put(&out, p, 1);
				put(&out, p = next, 1);
				continue;
			}
			depth += opens - closes;
			if (!closes)
				put(&out, p, 1);
			put_text(&out, keep_format("\n%*s", depth * 4, ""));
			if (closes)
				put(&out, p, 1);
		}
	}
	return out.data ? out.data : keep_text("");
}
