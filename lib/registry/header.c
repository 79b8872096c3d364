/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Parsers of header values.
 *
 * WWW-Authenticate is the awkward one: commas separate challenges, parameters of one challenge, and
 * words inside a quoted value (scope="repository:a:pull,push"). A name that is followed by "=" belongs
 * to the challenge before it; one that is not begins a new challenge. See: RFC 9110, 11.6.1.
 */
#include "registry/header.h"

#include <string.h>
#include <strings.h>

static bool is_token(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static const char *skip_blanks(const char *p)
{
	return p + strspn(p, " \t");
}

static const char *skip_token(const char *p)
{
	while (is_token(*p))
		p++;
	return p;
}

/* token68 ("Basic dXNlcg=="): letters, then "=" only, then a comma or the end. Its end, or NULL where it is none. */
static const char *skip_token68(const char *p)
{
	const char *start = p;

	while (is_token(*p) || *p == '/')
		p++;
	if (p == start)
		return NULL;
	p += strspn(p, "=");
	p = skip_blanks(p);
	return !*p || *p == ',' ? p : NULL;
}

/* A quoted or bare value. Returns what follows it, or NULL. */
static const char *parse_value(struct arena *arena, const char *p, char **out)
{
	const char *end;
	char *to;

	if (*p != '"') {
		/* Registries in the wild leave URLs unquoted: take all up to the comma. */
		end = p + strcspn(p, ", \t\"");
		*out = arena_strndup(arena, p, (size_t) (end - p));
		return *out && *end != '"' ? end : NULL;
	}
	*out = to = arena_alloc(arena, strlen(p));
	if (!to)
		return NULL;
	for (p++; *p && *p != '"'; p++) {
		if (*p == '\\' && p[1])
			p++;
		*to++ = *p;
	}
	return *p == '"' ? p + 1 : NULL;
}

/* name = value, added to @challenge. Returns what follows, or NULL. */
static const char *parse_parameter(struct arena *arena, const char *p, struct challenge *challenge)
{
	const char *end = skip_token(p);
	char **name, **value;

	if (challenge->n_parameters >= 2 * (size_t) HEADER_MAX_PARAMETERS)
		return NULL;
	name = arena_append(arena, &challenge->parameters, &challenge->n_parameters, sizeof(char *));
	if (!name)
		return NULL;
	*name = arena_strndup(arena, p, (size_t) (end - p));
	value = arena_append(arena, &challenge->parameters, &challenge->n_parameters, sizeof(char *));
	if (!value) {
		challenge->n_parameters--;
		return NULL;
	}
	p = parse_value(arena, skip_blanks(skip_blanks(end) + 1), value);
	if (!p)
		challenge->n_parameters -= 2;
	return p;
}

static bool parameter_follows(const char *p)
{
	const char *end = skip_token(p);

	return end > p && *skip_blanks(end) == '=';
}

bool challenges_parse(struct arena *arena, const char *value, struct challenge **list, size_t *count)
{
	struct challenge *current = NULL;
	const char *p = value, *end;

	if (strlen(value) > HEADER_MAX_BYTES)
		return false;
	for (;;) {
		p += strspn(p, " \t,");
		if (!*p)
			return current != NULL;
		if (current && parameter_follows(p)) {
			p = parse_parameter(arena, p, current);
		} else {
			end = skip_token(p);
			if (end == p || *count >= HEADER_MAX_CHALLENGES || (*end && !strchr(" \t,", *end)))
				return false;
			current = arena_append(arena, list, count, sizeof **list);
			if (!current)
				return false;
			current->scheme = arena_strndup(arena, p, (size_t) (end - p));
			p = skip_blanks(end);
			end = skip_token68(p);
			p = end ? end : p;
		}
		if (!p)
			return false;
		p = skip_blanks(p);
		/* After a scheme its first parameter follows without a comma. */
		if (*p && *p != ',' && !parameter_follows(p))
			return false;
	}
}

const char *challenge_get(const struct challenge *challenge, const char *name)
{
	for (size_t i = 0; i + 1 < challenge->n_parameters; i += 2)
		if (challenge->parameters[i] && strcasecmp(challenge->parameters[i], name) == 0)
			return challenge->parameters[i + 1];
	return NULL;
}

const struct challenge *challenge_find(const struct challenge *list, size_t count, const char *scheme)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].scheme && strcasecmp(list[i].scheme, scheme) == 0)
			return &list[i];
	return NULL;
}

/* Decimal digits without sign or blanks, at least one, no overflow. Returns what follows, or NULL. */
static const char *parse_number(const char *p, uint64_t *out)
{
	const char *start = p;

	for (*out = 0; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(*out, 10u, out) || __builtin_add_overflow(*out, (uint64_t) (*p - '0'), out))
			return NULL;
	return p > start ? p : NULL;
}

bool content_range_parse(const char *value, uint64_t *first, uint64_t *last, uint64_t *total)
{
	const char *p = skip_blanks(value);

	if (strncasecmp(p, "bytes", 5) != 0 || (p[5] != ' ' && p[5] != '\t'))
		return false;
	p = parse_number(skip_blanks(p + 5), first);
	if (!p || *p != '-')
		return false;
	p = parse_number(p + 1, last);
	if (!p || *p != '/')
		return false;
	p++;
	if (*p == '*') {
		*total = UINT64_MAX;
		p++;
	} else {
		p = parse_number(p, total);
		if (!p)
			return false;
	}
	p += strspn(p, " \t\r\n");
	return !*p && *first <= *last && (*total == UINT64_MAX || *last < *total);
}

void text_clean(const char *text, size_t length, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < length && n + 1 < size; i++) {
		unsigned char c = (unsigned char) text[i];

		out[n++] = c >= 0x20 && c < 0x7f ? (char) c : (char) (c == '\n' || c == '\t' || c == '\r' ? ' ' : '?');
	}
	while (n && out[n - 1] == ' ')
		n--;
	out[n] = '\0';
}
