/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The part of Go's templates that people write after --format: fields, variables, range, if, with, parentheses and pipes, over a JSON
 * document. No definitions of templates, no comments, and an else has no if of its own.
 *
 *	{{.State.ExitCode}}  {{json .Config.Env}}  {{range .Mounts}}{{.Source}} {{end}}  {{if .State.OOMKilled}}oom{{end}}
 *	{{range $port, $bound := .NetworkSettings.Ports}}{{$port}} at {{(index $bound 0).HostPort}}{{end}}
 */
#include "template.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* What is given to one function, besides what a pipe brings. */
enum { ARGUMENTS = 8 };

enum ending { END_OF_TEXT, END_OF_BLOCK, END_BY_ELSE };

/* ---- expressions ---- */

static const cJSON *pipeline(struct render *render, const cJSON *dot, const char **p);

static void set_variable(struct render *render, const char *name, const cJSON *value)
{
	struct variable *variable = keep_alloc(sizeof(*variable));

	*variable = (struct variable){ name, value, render->variables };
	render->variables = variable;
}

/* ".a.b" of @value. */
static const cJSON *fields(struct render *render, const cJSON *value, const char *path, const char *whole)
{
	while (value && *path == '.' && path[1]) {
		char *name = keep_format("%.*s", (int) strcspn(path + 1, "."), path + 1);

		value = cJSON_GetObjectItemCaseSensitive(value, name);
		if (!value)
			return render_fail(render, keep_format("there is no field '%s' (in '%s')", name, whole));
		path += 1 + strlen(name);
	}
	return value;
}

static const cJSON *look_up(struct render *render, const cJSON *dot, const char *path)
{
	const char *name = keep_format("%.*s", (int) strcspn(path, "."), path);

	if (*path != '$')
		return fields(render, dot, path, path);
	if (!name[1])
		return fields(render, render->root, path + 1, path);
	for (const struct variable *variable = render->variables; variable; variable = variable->next)
		if (strcmp(variable->name, name) == 0)
			return fields(render, variable->value, path + strlen(name), path);
	return render_fail(render, keep_format("undefined variable '%s'", name));
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
			return render_fail(render, "unterminated text");
		return render_keep(render, cJSON_CreateString(keep_format("%.*s", (int) n - 2, word + 1)));
	}
	number = strtod(word, &end);
	if (!*end)
		return render_keep(render, cJSON_CreateNumber(number));
	if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0)
		return render_keep(render, cJSON_CreateBool(*word == 't'));
	return template_call(render, word, NULL, 0);
}

/* Docker's methods, as {{.Label "a"}}: a member of an object that rows have for it. In a title row the field is a text. */
static const cJSON *call_field(struct render *render, const cJSON *dot, const char *field, const cJSON *argument)
{
	const cJSON *object = look_up(render, dot, field), *found;

	if (!object || cJSON_IsString(object))
		return object;
	found = cJSON_IsString(argument) ? cJSON_GetObjectItemCaseSensitive(object, argument->valuestring) : NULL;
	return found ? found : render_keep(render, cJSON_CreateString(""));
}

/* Cuts the next word off, texts kept whole; NULL at the end, a pipe or a parenthesis. */
static char *next_word(const char **p)
{
	const char *start = *p += strspn(*p, " \t\n"), *end = start;

	if (*end == '"' || *end == '`') {
		for (end++; *end && *end != *start; end++)
			;
		end += *end != 0;
	} else {
		end += strcspn(end, " \t\n|\"`()");
	}
	*p = end;
	return end == start ? NULL : keep_format("%.*s", (int) (end - start), start);
}

/* "(index .a 0).b" from behind the opening parenthesis. */
static const cJSON *in_parentheses(struct render *render, const cJSON *dot, const char **p)
{
	const cJSON *value = pipeline(render, dot, p);
	const char *path;

	if (!value)
		return NULL;
	if (**p != ')')
		return render_fail(render, "a parenthesis is not closed");
	path = keep_format("%.*s", (int) strcspn(*p + 1, " \t\n|()"), *p + 1);
	*p += 1 + strlen(path);
	return fields(render, value, path, path);
}

/* The next value of a command; NULL at its end, or with the problem told. */
static const cJSON *next_value(struct render *render, const cJSON *dot, const char **p)
{
	char *word;

	*p += strspn(*p, " \t\n");
	if (**p == '(')
		return ++*p, in_parentheses(render, dot, p);
	word = next_word(p);
	return word ? operand(render, dot, word) : NULL;
}

/* "json .Config", "(index .a 0).b", ".Label \"a\"": with @last, what the pipe brings, as the last argument. */
static const cJSON *command(struct render *render, const cJSON *dot, const char **p, const cJSON *last)
{
	const cJSON *args[ARGUMENTS + 1];
	char *name = NULL;
	size_t n = 0;

	*p += strspn(*p, " \t\n");
	if (**p != '(' && !(name = next_word(p)))
		return render_fail(render, "an action is empty");
	if (!name)
		return next_value(render, dot, p);
	while (n < ARGUMENTS && (args[n] = next_value(render, dot, p)))
		n++;
	if (render->problem)
		return NULL;
	if (last)
		args[n++] = last;
	if (*name == '.' && n == 1)
		return call_field(render, dot, name, args[0]);
	return n || isalpha((unsigned char) *name) ? template_call(render, name, args, n) : operand(render, dot, name);
}

static const cJSON *pipeline(struct render *render, const cJSON *dot, const char **p)
{
	const cJSON *value = NULL;

	do {
		value = command(render, dot, p, value);
		if (!value)
			return NULL;
		*p += strspn(*p, " \t\n");
	} while (**p == '|' && (*p)++);
	return value;
}

static const cJSON *evaluate(struct render *render, const cJSON *dot, const char *action)
{
	const cJSON *value = pipeline(render, dot, &action);

	return value && *action ? render_fail(render, keep_format("cannot read '%s'", action)) : value;
}

/* Cuts "$a, $b := " off *p. How many there were. */
static int declared(const char **p, const char *names[2])
{
	const char *rest = *p;
	int n = 0;

	while (n < 2 && *rest == '$') {
		size_t size = strcspn(rest, " \t\n,:|.");

		names[n++] = keep_format("%.*s", (int) size, rest);
		rest += size + strspn(rest + size, " \t\n,");
	}
	if (!n || !starts_with(rest, ":="))
		return 0;
	*p = rest + 2 + strspn(rest + 2, " \t\n");
	return n;
}

/* ---- blocks ---- */

static enum ending block(struct render *render, const char **p, const cJSON *dot, bool shown);

/* What follows an else, or the end of the block was seen already. */
static void finish_block(struct render *render, const char **p, const cJSON *dot, enum ending ending, bool shown)
{
	if (ending == END_BY_ELSE)
		ending = block(render, p, dot, shown);
	if (ending == END_OF_TEXT)
		render_fail(render, "'end' is missing");
}

/* @with: what is inside is about the value. */
static void if_block(struct render *render, const char **p, const cJSON *dot, const char *condition, bool with, bool shown)
{
	const cJSON *value;
	const char *names[2];
	struct variable *outer = render->variables;
	int n = declared(&condition, names);
	bool yes;

	value = shown ? evaluate(render, dot, condition) : NULL;
	yes = value && value_is_true(value);
	if (n == 1 && value)
		set_variable(render, names[0], value);
	finish_block(render, p, dot, block(render, p, with && yes ? value : dot, shown && yes), shown && !yes);
	render->variables = outer;
}

static void set_range_variables(struct render *render, const char *names[2], int n, const cJSON *item, int index)
{
	if (n == 2)
		set_variable(render, names[0],
			     render_keep(render, item->string ? cJSON_CreateString(item->string) : cJSON_CreateNumber(index)));
	if (n)
		set_variable(render, names[n - 1], item);
}

static void range_block(struct render *render, const char **p, const cJSON *dot, const char *list, bool shown)
{
	const char *names[2], *start = *p;
	struct variable *outer = render->variables;
	int n = declared(&list, names), index = 0;
	const cJSON *value = shown ? evaluate(render, dot, list) : NULL, *item;
	enum ending ending = END_OF_TEXT;

	cJSON_ArrayForEach(item, value)
	{
		*p = start;
		set_range_variables(render, names, n, item, index++);
		ending = block(render, p, item, true);
		render->variables = outer;
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
		render_fail(render, "unclosed action");
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

/* Its value; or "$x := ...", which has none to show. */
static void show(struct render *render, const cJSON *dot, const char *action)
{
	const char *names[2];
	int n = declared(&action, names);
	const cJSON *value = evaluate(render, dot, action);

	if (value && n)
		set_variable(render, names[0], value);
	else if (value)
		text_put_value(&render->out, value);
}

static enum ending block(struct render *render, const char **p, const cJSON *dot, bool shown)
{
	while (**p && !render->problem) {
		const char *open = strstr(*p, "{{");
		size_t plain = open ? (size_t) (open - *p) : strlen(*p);
		char *action;

		if (shown)
			text_put(&render->out, *p, plain);
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
			if_block(render, p, dot, action + 3, false, shown);
		} else if (starts_with(action, "with ")) {
			if_block(render, p, dot, action + 5, true, shown);
		} else if (starts_with(action, "range ")) {
			range_block(render, p, dot, action + 6, shown);
		} else if (shown) {
			show(render, dot, action);
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

	text_put(&render.out, "", 0);
	if (block(&render, &p, value, true) != END_OF_TEXT)
		render_fail(&render, "'end' or 'else' without a beginning");
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
			text_put(&out, p, 1);
			if (*p == '\\' && quoted && p[1])
				text_put(&out, ++p, 1);
			else
				quoted = quoted && *p != '"';
		} else if (*p == '"') {
			quoted = true;
			text_put(&out, p, 1);
		} else if (*p == ':') {
			text_put_string(&out, ": ");
		} else if (!isspace((unsigned char) *p)) {
			const char *next = p + 1 + strspn(p + 1, " \t\r\n");
			bool opens = *p == '{' || *p == '[', closes = *p == '}' || *p == ']';

			if (opens && (*next == '}' || *next == ']')) {
				text_put(&out, p, 1);
				text_put(&out, p = next, 1);
				continue;
			}
			depth += opens - closes;
			if (!closes)
				text_put(&out, p, 1);
			text_put_string(&out, keep_format("\n%*s", depth * 4, ""));
			if (closes)
				text_put(&out, p, 1);
		}
	}
	return out.data ? out.data : keep_text("");
}
