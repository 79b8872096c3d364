/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON written in one pass, without a tree: what is at its default is left out, so that little is written for little. */
#include "container/config-writer.h"

#include <string.h>

void writer_separate(struct writer *w)
{
	if (w->comma)
		str_add_char(&w->out, ',');
	w->comma = true;
}

static void add_escape(struct str *out, const char *at)
{
	static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
	const char *found = strchr(plain, *at);

	/* The reader refuses "\u0000" without asking whether its backslash is one: do not write such bytes for a text that has them. */
	if (*at == '\\' && str_has_prefix(at + 1, "u0000"))
		str_add(out, "\\u005c");
	else if (found)
		str_add_bytes(out, (char[]){ '\\', letters[found - plain] }, 2);
	else
		str_printf(out, "\\u%04x", (unsigned int) (unsigned char) *at);
}

static void add_escaped(struct str *out, const char *text)
{
	const char *start = text, *at = text;

	for (; *at; at++) {
		if ((unsigned char) *at >= ' ' && *at != '"' && *at != '\\')
			continue;
		str_add_bytes(out, start, (size_t) (at - start));
		add_escape(out, at);
		start = at + 1;
	}
	str_add_bytes(out, start, (size_t) (at - start));
}

void writer_quoted(struct writer *w, const char *text)
{
	str_add_char(&w->out, '"');
	add_escaped(&w->out, text);
	str_add_char(&w->out, '"');
}

void writer_member(struct writer *w, const char *name)
{
	writer_separate(w);
	str_add_char(&w->out, '"');
	str_add(&w->out, name);
	str_add_bytes(&w->out, "\":", 2);
}

void writer_open(struct writer *w, const char *name, char bracket)
{
	if (name)
		writer_member(w, name);
	else
		writer_separate(w);
	str_add_char(&w->out, bracket);
	w->comma = false;
}

void writer_close(struct writer *w, char bracket)
{
	str_add_char(&w->out, bracket);
	w->comma = true;
}

void writer_string(struct writer *w, const char *name, const char *value)
{
	if (!value)
		return;
	writer_member(w, name);
	writer_quoted(w, value);
}

void writer_true(struct writer *w, const char *name, bool value)
{
	if (!value)
		return;
	writer_member(w, name);
	str_add(&w->out, "true");
}

void writer_number(struct writer *w, const char *name, int64_t value)
{
	writer_member(w, name);
	str_printf(&w->out, "%lld", (long long) value);
}

void writer_count(struct writer *w, const char *name, uint64_t value)
{
	if (value)
		writer_number(w, name, (int64_t) value);
}

void writer_element(struct writer *w, const char *value)
{
	writer_separate(w);
	writer_quoted(w, value);
}

void writer_vector(struct writer *w, const char *name, const char *const *values, size_t n)
{
	writer_open(w, name, '[');
	for (size_t i = 0; i < n; i++)
		writer_element(w, values[i]);
	writer_close(w, ']');
}

void writer_strings(struct writer *w, const char *name, const char *const *values, size_t n)
{
	if (n)
		writer_vector(w, name, values, n);
}

void writer_map(struct writer *w, const char *name, const struct config_pair *pairs, size_t n)
{
	if (!n)
		return;
	writer_open(w, name, '{');
	for (size_t i = 0; i < n; i++) {
		writer_separate(w);
		writer_quoted(w, pairs[i].name);
		str_add_char(&w->out, ':');
		writer_quoted(w, pairs[i].value);
	}
	writer_close(w, '}');
}

void writer_joined(struct writer *w, const char *first, char between, const char *second)
{
	writer_separate(w);
	str_add_char(&w->out, '"');
	add_escaped(&w->out, first);
	if (second) {
		str_add_char(&w->out, between);
		add_escaped(&w->out, second);
	}
	str_add_char(&w->out, '"');
}

void writer_open_once(struct writer *w, const char *name, char bracket, bool *open)
{
	if (!*open)
		writer_open(w, name, bracket);
	*open = true;
}
