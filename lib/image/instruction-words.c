/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* As a shell reads words, without its globs and commands. In single quotes nothing is expanded. */
#include "image/instruction-words.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define DEPTH_MAX 8 /* ${A:-${B:-...}} */

void words_done(struct words *words)
{
	strv_free(words->items);
	*words = (struct words){ 0 };
}

static const char *variable(const cJSON *config, const char *name, size_t size)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(
					 config, "Env")) if (cJSON_IsString(item) && strncmp(item->valuestring, name, size) == 0 &&
							     item->valuestring[size] == '=') return item->valuestring +
		size + 1;
	return "";
}

static int expand(const cJSON *config, const char *text, size_t size, unsigned int depth, struct str *out, scow_error **error);

static size_t name_size(const char *text)
{
	size_t n = 0;

	while (isalnum((unsigned char) text[n]) || text[n] == '_')
		n++;
	return n;
}

/* @at is behind "${". Sets what comes after its end. */
static int expand_braces(const cJSON *config, const char *at, unsigned int depth, struct str *out, const char **rest, scow_error **error)
{
	size_t n = name_size(at), end = n;
	const char *value = variable(config, at, n);
	int level = 1;

	for (; at[end] && level; end++)
		level += at[end] == '{' ? 1 : at[end] == '}' ? -1 : 0;
	if (level || !n || depth > DEPTH_MAX)
		return error_set(error, SCOW_E_INVALID, "'${%.100s' has no end, or no name", at);
	*rest = at + end--;
	if (end == n) {
		str_add(out, value);
		return 0;
	}
	if (at[n] != ':' || (at[n + 1] != '-' && at[n + 1] != '+'))
		return error_set(error, SCOW_E_INVALID, "'${%.*s}' is not understood: only :- and :+ are", (int) end, at);
	if ((at[n + 1] == '-') == !*value)
		return expand(config, at + n + 2, end - n - 2, depth + 1, out, error);
	if (at[n + 1] == '-')
		str_add(out, value);
	return 0;
}

static int expand_dollar(const cJSON *config, const char **at, const char *end, unsigned int depth, struct str *out, scow_error **error)
{
	size_t n;

	if (*at < end && **at == '{')
		return expand_braces(config, *at + 1, depth, out, at, error);
	n = *at < end ? name_size(*at) : 0;
	if (!n)
		str_add_char(out, '$');
	else
		str_add(out, variable(config, *at, n));
	*at += n;
	return 0;
}

static int expand(const cJSON *config, const char *text, size_t size, unsigned int depth, struct str *out, scow_error **error)
{
	const char *end = text + size;
	char quote = 0;
	int r = 0;

	while (text < end && r == 0) {
		char c = *text++;

		if (quote ? c == quote : c == '"' || c == '\'')
			quote = quote ? 0 : c;
		else if (c == '\\' && text < end && quote != '\'' && (!quote || strchr("\"$\\", *text)))
			str_add_char(out, *text++);
		else if (c == '$' && quote != '\'')
			r = expand_dollar(config, &text, end, depth, out, error);
		else
			str_add_char(out, c);
	}
	if (r == 0 && quote)
		return error_set(error, SCOW_E_INVALID, "a quote (%c) has no end", quote);
	return r;
}

int words_expand(const cJSON *config, const char *text, char **out, scow_error **error)
{
	_cleanup_str_ struct str word = { 0 };
	int r = expand(config, text, strlen(text), 0, &word, error);

	if (r < 0)
		return r;
	*out = str_take(&word);
	return *out ? 0 : error_oom(error);
}

/* Up to the next blank that nothing protects. */
static size_t word_size(const char *text)
{
	size_t n = 0, braces = 0;
	char quote = 0;

	for (; text[n] && (quote || braces || !isspace((unsigned char) text[n])); n++) {
		if (text[n] == '\\' && text[n + 1] && quote != '\'')
			n++;
		else if (quote ? text[n] == quote : text[n] == '"' || text[n] == '\'')
			quote = quote ? 0 : text[n];
		else if (!quote && text[n] == '$' && text[n + 1] == '{')
			braces++;
		else if (braces && text[n] == '}')
			braces--;
	}
	return n;
}

int words_read(const cJSON *config, const char *text, struct words *out, scow_error **error)
{
	int r = 0;

	*out = (struct words){ .items = calloc(1, sizeof(char *)) };
	if (!out->items)
		return error_oom(error);
	while (r == 0) {
		_cleanup_free_ char *word = NULL;
		char **grown;
		size_t n;

		while (isspace((unsigned char) *text))
			text++;
		n = word_size(text);
		if (!n)
			break;
		word = strndup(text, n);
		grown = realloc(out->items, (out->count + 2) * sizeof(*grown));
		if (grown) {
			out->items = grown;
			grown[out->count] = grown[out->count + 1] = NULL;
		}
		if (!word || !grown)
			return error_oom(error);
		r = words_expand(config, word, &grown[out->count], error);
		out->count += r == 0;
		text += n;
	}
	return r;
}
