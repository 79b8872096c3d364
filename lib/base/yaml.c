/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A reader that goes from line to line, for no scalar has more than one. A node begins somewhere in a line, at a column, which is what all
 * its other lines have to begin at; "- a: 1" is a mapping that begins at the column of its "a".
 */
#include "base/yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define DEPTH_MAX 32
#define MEMBERS_MAX 1024 /* of one mapping: each is looked for among the others */

struct yaml {
	const char *what, *end;
	const char *next;  /* the line after this one */
	const char *at;    /* what of this line was not read yet: never blank, nor a comment */
	size_t column;     /* of that */
	unsigned int line; /* from 1 */
	bool done;         /* nothing is left */
	unsigned int depth;
	scow_error **error;
};

static _printf_(2, 3) int refuse(struct yaml *y, const char *format, ...)
{
	_cleanup_free_ char *reason = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&reason, format, args) < 0)
		reason = NULL;
	va_end(args);
	return reason ? error_set(y->error, SCOW_E_CORRUPT, "%s: line %u: %s", y->what, y->line, reason) : error_oom(y->error);
}

/* ---- lines ---- */

static const char *line_end(const struct yaml *y)
{
	const char *end = y->next;

	/* Of the last line there may be no end. */
	if (end > y->at && end[-1] == '\n')
		end--;
	if (end > y->at && end[-1] == '\r')
		end--;
	return end;
}

static bool is_at(const char *at, const char *end, const char *mark)
{
	size_t n = strlen(mark);

	return (size_t) (end - at) >= n && memcmp(at, mark, n) == 0 && (at + n == end || at[n] == ' ');
}

static void step(struct yaml *y, size_t n)
{
	y->at += n;
	y->column += n;
}

static int check_bytes(struct yaml *y)
{
	for (const char *at = y->at; at < line_end(y); at++)
		if ((unsigned char) *at < ' ' || *at == 0x7f)
			return refuse(y, *at == '\t' ? "a tab" : "a control character");
	return 0;
}

/* Past blanks. True where nothing but a comment is left of the line. */
static bool skip_blanks(struct yaml *y)
{
	const char *end = line_end(y);

	while (y->at < end && *y->at == ' ')
		step(y, 1);
	return y->at == end || *y->at == '#';
}

/* To the next line that has something. */
static int next_line(struct yaml *y)
{
	int r = 0;

	do {
		const char *newline;

		y->at = y->next;
		if (y->at == y->end) {
			y->done = true;
			return 0;
		}
		newline = memchr(y->at, '\n', (size_t) (y->end - y->at));
		y->next = newline ? newline + 1 : y->end;
		y->column = 0;
		y->line++;
		r = check_bytes(y);
	} while (r == 0 && skip_blanks(y));
	return r;
}

/* Behind a value: nothing else may be in its line. */
static int end_line(struct yaml *y)
{
	const char *before = y->at;

	/* A comment begins behind a blank. */
	if (!skip_blanks(y) || (y->at < line_end(y) && y->at == before))
		return refuse(y, "'%.*s' is one thing too much", (int) (line_end(y) - y->at < 40 ? line_end(y) - y->at : 40), y->at);
	return next_line(y);
}

/* ---- scalars ---- */

static int escape_length(char c)
{
	return c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
}

static void add_utf8(struct str *out, unsigned long c)
{
	if (c < 0x80) {
		str_add_char(out, (char) c);
		return;
	}
	if (c < 0x800) {
		str_add_char(out, (char) (0xc0 | c >> 6));
	} else {
		if (c < 0x10000) {
			str_add_char(out, (char) (0xe0 | c >> 12));
		} else {
			str_add_char(out, (char) (0xf0 | c >> 18));
			str_add_char(out, (char) (0x80 | (c >> 12 & 0x3f)));
		}
		str_add_char(out, (char) (0x80 | (c >> 6 & 0x3f)));
	}
	str_add_char(out, (char) (0x80 | (c & 0x3f)));
}

/* Behind a backslash. */
static int read_escape(struct yaml *y, struct str *out)
{
	static const char from[] = "abtnvfre\"/\\ ", to[] = "\a\b\t\n\v\f\r\x1b\"/\\ ";
	const char *found = y->at < line_end(y) ? strchr(from, *y->at) : NULL;
	int digits = y->at < line_end(y) ? escape_length(*y->at) : 0;
	char text[9] = "", *end;
	unsigned long c;

	if (found && *found) {
		str_add_char(out, to[found - from]);
		step(y, 1);
		return 0;
	}
	if (!digits || line_end(y) - y->at <= digits)
		return refuse(y, "an escape that is none");
	memcpy(text, y->at + 1, (size_t) digits);
	c = strtoul(text, &end, 16);
	if (text[strspn(text, "0123456789abcdefABCDEF")] || !c || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return refuse(y, "'\\%c%s' is no character", *y->at, text);
	add_utf8(out, c);
	step(y, (size_t) digits + 1);
	return 0;
}

static int read_quoted(struct yaml *y, struct str *out)
{
	const char quote = *y->at, *end = line_end(y);
	int r = 0;

	step(y, 1);
	while (r == 0 && y->at < end) {
		const char c = *y->at;

		step(y, 1);
		if (c == '\\' && quote == '"') {
			r = read_escape(y, out);
		} else if (c != quote) {
			str_add_char(out, c);
		} else if (quote == '\'' && y->at < end && *y->at == quote) {
			str_add_char(out, c);
			step(y, 1);
		} else {
			return 0;
		}
	}
	return r < 0 ? r : refuse(y, "a quote has no end in its line");
}

/* A plain one ends before ": " and " #". */
static size_t plain_size(const struct yaml *y)
{
	const char *end = line_end(y), *at;

	for (at = y->at; at < end; at++)
		if ((*at == ':' && (at + 1 == end || at[1] == ' ')) || (*at == '#' && at > y->at && at[-1] == ' '))
			break;
	while (at > y->at && at[-1] == ' ')
		at--;
	return (size_t) (at - y->at);
}

/* What begins with a sign that means something. */
static int check_plain(struct yaml *y)
{
	static const struct {
		char sign;
		const char *what;
	} signs[] = {
		{ '&', "an anchor" },
		{ '*', "an alias" },
		{ '!', "a tag" },
		{ '|', "a text of several lines" },
		{ '%', "a directive" },
		{ '>', "a text of several lines" },
		{ '[', "a list in one line" },
		{ '{', "a mapping in one line" },
		{ ']', "a ']'" },
		{ '}', "a '}'" },
		{ ',', "a ','" },
		{ '@', "an '@'" },
		{ '`', "a '`'" },
		{ '#', "a '#'" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(signs); i++)
		if (*y->at == signs[i].sign)
			return refuse(y, "%s is not understood here: quote it, if it is a text", signs[i].what);
	if (is_at(y->at, line_end(y), "?") || is_at(y->at, line_end(y), "-") || is_at(y->at, line_end(y), ":"))
		return refuse(y, "a '%c' is not understood here", *y->at);
	return 0;
}

static bool is_one_of(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(text, *words) == 0)
			return true;
	return false;
}

static bool has_only(const char *text, const char *digits)
{
	return *text && !text[strspn(text, digits)];
}

/* "1.5", ".5", "5.", "1e3". */
static bool is_fraction(const char *digits)
{
	static const char decimal[] = "0123456789";
	size_t whole = strspn(digits, decimal), part = digits[whole] == '.' ? strspn(digits + whole + 1, decimal) : 0;
	const char *rest = digits + whole + (digits[whole] == '.') + part;

	if (!whole && !part)
		return false;
	if (*rest == 'e' || *rest == 'E') {
		rest++;
		return has_only(rest + (*rest == '+' || *rest == '-'), decimal);
	}
	return digits[whole] == '.' && !*rest;
}

/* 1: @out is the number; 0: it is none; or a status. */
static int read_number(struct yaml *y, const char *text, double *out)
{
	const bool minus = *text == '-';
	const char *digits = text + (minus || *text == '+');
	int base = 0;

	if (str_has_prefix(digits, "0x") && has_only(digits + 2, "0123456789abcdefABCDEF"))
		base = 16;
	else if (str_has_prefix(digits, "0o") && has_only(digits + 2, "01234567"))
		base = 8;
	else if (*digits == '0' && has_only(digits, "01234567") && digits[1])
		base = 8;
	else if (has_only(digits, "0123456789"))
		base = 10;
	if (base && strlen(digits) > 15)
		return refuse(y, "'%.40s' is too large: quote it, if it is a text", text);
	if (base) {
		*out = (double) strtoull(digits + (digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'o') ? 2 : 0), NULL, base);
		*out = minus ? -*out : *out;
		return 1;
	}
	if (is_fraction(digits))
		return refuse(y, "'%.40s' is a fraction: quote it, if it is a text", text);
	return 0;
}

static int read_plain(struct yaml *y, cJSON **out)
{
	static const char *const nulls[] = { "null", "Null", "NULL", "~", NULL };
	static const char *const yes[] = { "true", "True", "TRUE", NULL }, *const no[] = { "false", "False", "FALSE", NULL };
	const size_t size = plain_size(y);
	_cleanup_free_ char *text = strndup(y->at, size);
	double number = 0;
	int r = check_plain(y);

	if (r < 0)
		return r;
	if (!text)
		return error_oom(y->error);
	r = read_number(y, text, &number);
	if (r < 0)
		return r;
	*out = r                        ? cJSON_CreateNumber(number)
	       : is_one_of(text, nulls) ? cJSON_CreateNull()
	       : is_one_of(text, yes)   ? cJSON_CreateTrue()
	       : is_one_of(text, no)    ? cJSON_CreateFalse()
					: cJSON_CreateString(text);
	step(y, size);
	return *out ? 0 : error_oom(y->error);
}

/* And the rest of its line. */
static int read_scalar(struct yaml *y, cJSON **out)
{
	_cleanup_str_ struct str text = { 0 };
	int r = 0;

	*out = NULL;
	if (is_at(y->at, line_end(y), "[]") || is_at(y->at, line_end(y), "{}")) {
		*out = *y->at == '[' ? cJSON_CreateArray() : cJSON_CreateObject();
		step(y, 2);
	} else if (*y->at == '"' || *y->at == '\'') {
		r = read_quoted(y, &text);
		str_add(&text, "");
		if (r == 0 && !text.failed)
			*out = cJSON_CreateString(text.data);
	} else {
		r = read_plain(y, out);
	}
	if (r == 0 && !*out)
		r = error_oom(y->error);
	if (r == 0)
		r = end_line(y);
	if (r < 0) {
		cJSON_Delete(*out);
		*out = NULL;
	}
	return r;
}

/* ---- nodes ---- */

static int read_node(struct yaml *y, cJSON **out);

static bool is_mark(const struct yaml *y, const char *mark)
{
	return !y->done && !y->column && is_at(y->at, line_end(y), mark);
}

static bool has_ended(const struct yaml *y)
{
	return y->done || is_mark(y, "---") || is_mark(y, "...");
}

static bool is_item(const struct yaml *y)
{
	return is_at(y->at, line_end(y), "-");
}

/* Whether a key is here, quoted or not: what is read is not moved. */
static bool is_key(const struct yaml *y)
{
	const char *end = line_end(y), *at = y->at;
	const char quote = *at;

	if (quote != '"' && quote != '\'') {
		at += plain_size(y);
	} else {
		for (at++; at < end && *at != quote; at++)
			at += *at == '\\' && quote == '"' && at + 1 < end;
		at += at < end;
	}
	while (at < end && *at == ' ')
		at++;
	return at < end && *at == ':' && (at + 1 == end || at[1] == ' ');
}

/* Up to what is behind its colon. */
static int read_key(struct yaml *y, const cJSON *object, struct str *key)
{
	int r = 0;

	if (*y->at == '"' || *y->at == '\'') {
		r = read_quoted(y, key);
	} else {
		const size_t size = plain_size(y);

		r = check_plain(y);
		if (r == 0 && size == 2 && memcmp(y->at, "<<", 2) == 0)
			r = refuse(y, "a merge is not understood here");
		str_add_bytes(key, y->at, size);
		step(y, size);
	}
	if (r < 0)
		return r;
	str_add(key, "");
	if (key->failed)
		return error_oom(y->error);
	if (cJSON_GetObjectItemCaseSensitive(object, key->data))
		return refuse(y, "'%.60s' is there twice", key->data);
	skip_blanks(y);
	if (y->at == line_end(y) || *y->at != ':')
		return refuse(y, "there is no ':' behind '%.60s'", key->data);
	step(y, 1);
	return 0;
}

/* What is behind "-" or "key:": @column is of the one or the other. */
static int read_value(struct yaml *y, size_t column, bool of_item, cJSON **out)
{
	int r;

	if (!skip_blanks(y))
		return of_item || !(is_key(y) || is_item(y)) ? read_node(y, out) : refuse(y, "a second key, or an item, in one line");
	r = next_line(y);
	if (r < 0)
		return r;
	/* A list may be no deeper than the key that it is of. */
	if (!has_ended(y) && (y->column > column || (!of_item && y->column == column && is_item(y))))
		return read_node(y, out);
	*out = cJSON_CreateNull();
	return *out ? 0 : error_oom(y->error);
}

static int read_items(struct yaml *y, cJSON *array)
{
	const size_t column = y->column;

	while (!has_ended(y) && y->column == column && is_item(y)) {
		cJSON *item = NULL;
		int r;

		step(y, 1);
		r = read_value(y, column, true, &item);
		if (r < 0)
			return r;
		cJSON_AddItemToArray(array, item);
	}
	return 0;
}

static int read_members(struct yaml *y, cJSON *object)
{
	const size_t column = y->column;
	unsigned int count = 0;

	while (!has_ended(y) && y->column == column && !is_item(y)) {
		_cleanup_str_ struct str key = { 0 };
		cJSON *value = NULL;
		int r = count++ == MEMBERS_MAX ? refuse(y, "more than %d keys", MEMBERS_MAX)
			: is_key(y)            ? read_key(y, object, &key)
					       : refuse(y, "expected KEY: VALUE");

		if (r == 0)
			r = read_value(y, column, false, &value);
		if (r < 0)
			return r;
		if (!cJSON_AddItemToObject(object, key.data, value)) {
			cJSON_Delete(value);
			return error_oom(y->error);
		}
	}
	return 0;
}

static int read_node(struct yaml *y, cJSON **out)
{
	const size_t column = y->column;
	int r;

	if (!is_item(y) && !is_key(y))
		return read_scalar(y, out);
	if (y->depth == DEPTH_MAX)
		return refuse(y, "deeper than %d levels", DEPTH_MAX);
	y->depth++;
	*out = is_item(y) ? cJSON_CreateArray() : cJSON_CreateObject();
	r = !*out ? error_oom(y->error) : cJSON_IsArray(*out) ? read_items(y, *out) : read_members(y, *out);
	y->depth--;
	if (r == 0 && !y->done && y->column > column)
		r = refuse(y, "it is indented more than what it could belong to");
	if (r < 0) {
		cJSON_Delete(*out);
		*out = NULL;
	}
	return r;
}

/* ---- the document ---- */

static int read_document(struct yaml *y, cJSON **out)
{
	int r = next_line(y);

	if (r == 0 && is_mark(y, "---")) {
		step(y, 3);
		r = skip_blanks(y) ? next_line(y) : refuse(y, "something behind '---'");
	}
	if (r == 0 && y->done)
		r = refuse(y, "there is nothing in it");
	if (r == 0)
		r = read_node(y, out);
	if (r < 0)
		return r;
	if (is_mark(y, "...")) {
		step(y, 3);
		r = end_line(y);
	}
	if (r == 0 && is_mark(y, "---"))
		r = refuse(y, "a second document");
	if (r == 0 && !y->done)
		r = refuse(y, "it does not belong to what is above");
	return r;
}

int yaml_parse(const char *text, size_t size, const char *what, cJSON **out, scow_error **error)
{
	static const char byte_order_mark[] = "\xef\xbb\xbf";
	struct yaml y = { .what = what, .next = text, .end = text + size, .error = error };
	_cleanup_json_ cJSON *document = NULL;
	int r;

	*out = NULL;
	if (size > JSON_MAX_BYTES)
		return error_set(error, SCOW_E_CORRUPT, "%s: more than %u MiB", what, JSON_MAX_BYTES >> 20);
	if (size >= 3 && memcmp(text, byte_order_mark, 3) == 0)
		y.next += 3;
	r = read_document(&y, &document);
	if (r == 0)
		*out = take_ptr(&document);
	return r;
}
