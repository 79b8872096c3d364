/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * References by hand: domain "/" path [":" tag] ["@" digest], as distribution/reference has them.
 *
 * 1. What comes before the first slash is a domain if it is "localhost", holds a dot, a colon or an upper-case
 *    letter; else the whole is a path on docker.io, and a path of one component there belongs to library/.
 * 2. Sixty-four hex digits are an image id, never a name: "run <id>" must not become a pull.
 * 3. Only sha256 digests are taken: the store knows no other.
 */
#include "image/reference.h"

#include <ctype.h>
#include <string.h>

#include <scow/image.h>

#include "base/digest.h"
#include "base/str.h"

#define DEFAULT_DOMAIN "docker.io"
#define LEGACY_DOMAIN "index.docker.io"
#define OFFICIAL "library/"
#define PATH_MAX_BYTES 255
#define TAG_MAX_BYTES 128
/* Far beyond any valid reference; keeps messages about nonsense short. */
#define TEXT_MAX_BYTES 1024

/* Bytes of a piece that is not NUL-terminated. */
struct piece {
	const char *text;
	size_t size;
};

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
	return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

static bool has_upper(struct piece p)
{
	for (size_t i = 0; i < p.size; i++)
		if (p.text[i] >= 'A' && p.text[i] <= 'Z')
			return true;
	return false;
}

/* Length of a separator at @p within a path component: one dot, one or two underscores, any number of dashes. */
static size_t separator(const char *p, const char *end)
{
	size_t n = 0;

	if (*p == '.')
		return 1;
	if (*p == '_')
		return end - p > 1 && p[1] == '_' ? 2 : 1;
	while (p + n < end && p[n] == '-')
		n++;
	return n;
}

static const char *check_path_component(const char *p, const char *end)
{
	if (p == end)
		return "a path component is empty";
	for (;;) {
		const char *start = p;
		size_t n;

		while (p < end && is_lower_alnum(*p))
			p++;
		if (p == start)
			return "path components start and end with a lower-case letter or digit, and separators are one of . _ __ -";
		if (p == end)
			return NULL;
		n = separator(p, end);
		if (!n)
			return "a path holds a character other than a-z, 0-9, '.', '_', '-' and '/'";
		p += n;
	}
}

/* NULL if @path is well formed, else the reason. */
static const char *check_path(struct piece path)
{
	const char *p = path.text, *end = path.text + path.size;

	if (!path.size)
		return "it has no name";
	if (has_upper(path))
		return "the repository name must be lower case";
	if (path.size > PATH_MAX_BYTES)
		return "the repository name is longer than 255 characters";
	for (;;) {
		const char *slash = memchr(p, '/', (size_t) (end - p));
		const char *reason = check_path_component(p, slash ? slash : end);

		if (reason || !slash)
			return reason;
		p = slash + 1;
	}
}

static const char *check_host_name(const char *p, const char *end)
{
	for (const char *start = p;; p++) {
		if (p < end && *p != '.') {
			if (!is_alnum(*p) && *p != '-')
				return "the registry's host name holds a character other than letters, digits, '.' and '-'";
			continue;
		}
		if (p == start)
			return "a part of the registry's host name is empty";
		if (*start == '-' || p[-1] == '-')
			return "a part of the registry's host name starts or ends with '-'";
		if (p == end)
			return NULL;
		start = p + 1;
	}
}

static const char *check_port(const char *p, const char *end)
{
	if (p == end)
		return "the registry's port is empty";
	for (; p < end; p++)
		if (*p < '0' || *p > '9')
			return "the registry's port is not a number";
	return NULL;
}

static const char *check_domain(struct piece domain)
{
	const char *p = domain.text, *end = domain.text + domain.size, *colon;

	if (!domain.size)
		return "the registry's host name is empty";
	if (*p == '[') {
		const char *close = memchr(p, ']', domain.size);

		if (!close || close == p + 1)
			return "the IPv6 address of the registry is not closed by ']'";
		for (p++; p < close; p++)
			if (!isxdigit((unsigned char) *p) && *p != ':')
				return "the IPv6 address of the registry holds something else than hex digits and ':'";
		if (close + 1 == end)
			return NULL;
		return close[1] == ':' ? check_port(close + 2, end) : "something other than a port follows the registry's IPv6 address";
	}
	colon = memchr(p, ':', domain.size);
	if (colon) {
		const char *reason = check_port(colon + 1, end);

		if (reason)
			return reason;
	}
	return check_host_name(p, colon ? colon : end);
}

static const char *check_tag(struct piece tag)
{
	if (!tag.size)
		return "the tag is empty";
	if (tag.size > TAG_MAX_BYTES)
		return "the tag is longer than 128 characters";
	for (size_t i = 0; i < tag.size; i++) {
		char c = tag.text[i];

		if (is_alnum(c) || c == '_' || (i && (c == '.' || c == '-')))
			continue;
		return "a tag holds letters, digits, '_', '.' and '-' only, and does not start with '.' or '-'";
	}
	return NULL;
}

static const char *check_digest(const char *digest)
{
	if (!strchr(digest, ':'))
		return "the digest has no algorithm (sha256:...)";
	if (!str_has_prefix(digest, "sha256:"))
		return "only sha256 digests are supported";
	return digest_is_valid(digest) ? NULL : "a sha256 digest has 64 lower-case hex digits";
}

static bool is_identifier(const char *text)
{
	size_t n = strspn(text, "0123456789abcdef");

	return n == DIGEST_HEX && !text[n];
}

/* Rule 1 of the head: splits at the first slash. @domain.text is NULL where there is none. */
static void split_domain(const char *text, struct piece *domain, const char **rest)
{
	const char *slash = strchr(text, '/');
	struct piece first = { text, slash ? (size_t) (slash - text) : 0 };

	*domain = (struct piece){ NULL, 0 };
	*rest = text;
	if (!slash)
		return;
	if (memchr(text, '.', first.size) || memchr(text, ':', first.size) || has_upper(first) ||
	    (first.size == strlen("localhost") && !memcmp(text, "localhost", first.size))) {
		*domain = first;
		*rest = slash + 1;
	}
}

static bool is_docker(struct piece domain)
{
	if (!domain.text)
		return true;
	return (domain.size == strlen(DEFAULT_DOMAIN) && !memcmp(domain.text, DEFAULT_DOMAIN, domain.size)) ||
	       (domain.size == strlen(LEGACY_DOMAIN) && !memcmp(domain.text, LEGACY_DOMAIN, domain.size));
}

static int refuse(scow_error **error, const char *text, const char *reason)
{
	int r = error_set(error, SCOW_E_INVALID, "invalid reference '%.*s': %s", TEXT_MAX_BYTES / 4, text, reason);

	if (strstr(text, "://"))
		return error_hint(error, r, "leave out the scheme: HOST[:PORT]/NAME[:TAG]");
	return r;
}

/* The pieces of @text, checked; borrowed from it. @digest: NUL-terminated, or NULL. */
static const char *dissect(const char *text, struct piece *domain, struct piece *path, struct piece *tag, const char **digest)
{
	const char *rest, *at, *colon, *reason;
	size_t size;

	split_domain(text, domain, &rest);
	at = strchr(rest, '@');
	size = at ? (size_t) (at - rest) : strlen(rest);
	colon = memchr(rest, ':', size);
	*path = (struct piece){ rest, colon ? (size_t) (colon - rest) : size };
	*tag = (struct piece){ NULL, 0 };
	*digest = NULL;
	if (domain->text) {
		reason = check_domain(*domain);
		if (reason)
			return reason;
	}
	reason = check_path(*path);
	if (reason)
		return reason;
	if (colon) {
		*tag = (struct piece){ colon + 1, size - path->size - 1 };
		reason = check_tag(*tag);
		if (reason)
			return reason;
	}
	if (at) {
		*digest = at + 1;
		return check_digest(*digest);
	}
	return NULL;
}

int reference_parse(const char *text, struct reference *out, scow_error **error)
{
	_cleanup_reference_ struct reference result = { 0 };
	struct piece domain, path, tag;
	const char *digest, *reason;
	bool official;

	*out = (struct reference){ 0 };
	if (!text || !*text)
		return error_set(error, SCOW_E_INVALID, "invalid reference '': it is empty");
	if (strnlen(text, TEXT_MAX_BYTES + 1) > TEXT_MAX_BYTES)
		return refuse(error, text, "it is too long");
	if (is_identifier(text))
		return refuse(error, text, "64 hex digits are an image id, not a name");
	reason = dissect(text, &domain, &path, &tag, &digest);
	if (reason)
		return refuse(error, text, reason);

	official = is_docker(domain) && !memchr(path.text, '/', path.size);
	if (official && path.size + strlen(OFFICIAL) > PATH_MAX_BYTES)
		return refuse(error, text, "the repository name is longer than 255 characters");
	result.domain = is_docker(domain) ? strdup(DEFAULT_DOMAIN) : strndup(domain.text, domain.size);
	result.path = strf("%s%.*s", official ? OFFICIAL : "", (int) path.size, path.text);
	if (!result.domain || !result.path)
		return error_oom(error);
	if (tag.text && !(result.tag = strndup(tag.text, tag.size)))
		return error_oom(error);
	if (digest && !(result.digest = strdup(digest)))
		return error_oom(error);
	*out = result;
	result = (struct reference){ 0 };
	return 0;
}

int reference_default_tag(struct reference *reference, scow_error **error)
{
	if (reference->tag || reference->digest)
		return 0;
	reference->tag = strdup("latest");
	return reference->tag ? 0 : error_oom(error);
}

void reference_done(struct reference *reference)
{
	free(reference->domain);
	free(reference->path);
	free(reference->tag);
	free(reference->digest);
	*reference = (struct reference){ 0 };
}

static char *format(const char *domain, const char *path, const char *tag, const char *digest)
{
	return strf("%s%s%s%s%s%s%s", domain, *domain ? "/" : "", path, tag ? ":" : "", tag ? tag : "", digest ? "@" : "",
		    digest ? digest : "");
}

char *reference_full(const struct reference *r)
{
	return format(r->domain, r->path, r->tag, r->digest);
}

char *reference_tagged(const struct reference *r)
{
	return format(r->domain, r->path, r->tag, NULL);
}

char *reference_by_digest(const struct reference *r, const char *digest)
{
	return format(r->domain, r->path, NULL, digest);
}

/* docker.io/a.b/c must not become "a.b/c", which names another registry. */
static bool looks_like_domain(const char *path)
{
	struct piece domain;
	const char *rest;

	split_domain(path, &domain, &rest);
	return domain.text != NULL;
}

char *reference_short(const struct reference *r)
{
	const char *domain = r->domain, *path = r->path;

	if (str_eq(domain, DEFAULT_DOMAIN) && !looks_like_domain(path)) {
		domain = "";
		if (str_has_prefix(path, OFFICIAL) && !strchr(path + strlen(OFFICIAL), '/'))
			path += strlen(OFFICIAL);
	}
	return format(domain, path, r->tag, r->digest);
}

static int convert(const char *text, char *(*form)(const struct reference *r), char **out, scow_error **error)
{
	_cleanup_reference_ struct reference parsed = { 0 };
	int r;

	if (!out)
		return error_set(error, SCOW_E_INVALID, "no place for the result was given");
	*out = NULL;
	r = reference_parse(text, &parsed, error);
	if (r < 0)
		return r;
	r = reference_default_tag(&parsed, error);
	if (r < 0)
		return r;
	*out = form(&parsed);
	return *out ? 0 : error_oom(error);
}

int scow_reference_normalize(const char *reference, char **out, scow_error **error)
{
	return convert(reference, reference_full, out, error);
}

int scow_reference_familiar(const char *reference, char **out, scow_error **error)
{
	return convert(reference, reference_short, out, error);
}
