/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * config.json and auth.json.
 *
 * Within a file credHelpers[host] comes before credsStore, and that before auths. Keys are hosts, but
 * also URLs ("https://index.docker.io/v1/", which is docker.io), and in auth.json repositories, where the
 * longest that fits wins. "auth" is base64 of user:password; the password may hold colons, and the
 * whole may end in NULs, which old clients wrote.
 */
#include "registry/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/str.h"

#define FILE_MAX_BYTES (1u << 20)

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void credentials_done(struct credentials *credentials)
{
	free(credentials->user);
	if (credentials->secret)
		explicit_bzero(credentials->secret, strlen(credentials->secret));
	free(credentials->secret);
	free(credentials->source);
	memset(credentials, 0, sizeof *credentials);
}

int credentials_set(struct credentials *credentials, enum credentials_kind kind, const char *user, size_t user_size, const char *secret,
		    scow_error **error)
{
	char *new_user = strndup(user ? user : "", user ? user_size : 0);
	char *new_secret = strdup(secret ? secret : "");

	if (!new_user || !new_secret) {
		free(new_user);
		free(new_secret);
		return error_oom(error);
	}
	credentials_done(credentials);
	credentials->kind = kind;
	credentials->user = new_user;
	credentials->secret = new_secret;
	return 0;
}

char *credentials_basic(const char *user, const char *secret)
{
	_cleanup_free_ char *plain = strf("%s:%s", user, secret);
	_cleanup_str_ struct str out = { 0 };
	size_t size;

	if (!plain)
		return NULL;
	size = strlen(plain);
	str_add(&out, "Basic ");
	for (size_t i = 0; i < size; i += 3) {
		uint32_t group = (uint32_t) (unsigned char) plain[i] << 16;

		if (i + 1 < size)
			group |= (uint32_t) (unsigned char) plain[i + 1] << 8;
		if (i + 2 < size)
			group |= (unsigned char) plain[i + 2];
		str_add_char(&out, alphabet[group >> 18]);
		str_add_char(&out, alphabet[group >> 12 & 63]);
		str_add_char(&out, i + 1 < size ? alphabet[group >> 6 & 63] : '=');
		str_add_char(&out, i + 2 < size ? alphabet[group & 63] : '=');
	}
	explicit_bzero(plain, size);
	return str_take(&out);
}

/* Into @out, which has room for strlen(@text) + 1 bytes; URL-safe letters are taken too. False on anything that is not base64. */
static bool base64_decode(const char *text, char *out, size_t *size)
{
	uint32_t bits = 0;
	unsigned int have = 0;

	*size = 0;
	for (; *text && *text != '='; text++) {
		char c = *text == '-' ? '+' : *text == '_' ? '/' : *text;
		const char *at = strchr(alphabet, c);

		if (!at)
			return false;
		bits = bits << 6 | (uint32_t) (at - alphabet);
		have += 6;
		if (have >= 8) {
			have -= 8;
			out[(*size)++] = (char) (bits >> have & 255);
		}
	}
	out[*size] = '\0';
	return text[strspn(text, "=")] == '\0';
}

/* "auth": user ":" password, NULs at the end cut off. */
static int parse_auth(const char *auth, const char *source, struct credentials *out, scow_error **error)
{
	_cleanup_free_ char *plain = malloc(strlen(auth) + 1);
	size_t size;
	char *colon;
	int r;

	if (!plain)
		return error_oom(error);
	if (!base64_decode(auth, plain, &size))
		return error_set(error, SCOW_E_CORRUPT, "'%s': an auth that is not base64", source);
	colon = memchr(plain, ':', size);
	if (!colon)
		return error_set(error, SCOW_E_CORRUPT, "'%s': an auth without a colon", source);
	while (*(colon + 1) == '\0' && colon + 1 < plain + size)
		colon++; /* NULs only: an empty password */
	*colon = '\0';
	r = credentials_set(out, CREDENTIALS_PASSWORD, plain, strlen(plain), colon + 1, error);
	explicit_bzero(plain, size);
	return r;
}

static int parse_entry(const cJSON *entry, const char *source, struct credentials *out, scow_error **error)
{
	const char *auth = NULL, *user = NULL, *password = NULL, *identity = NULL, *token = NULL;
	int r = json_string(entry, "auth", &auth, error);

	if (!r)
		r = json_string(entry, "username", &user, error);
	if (!r)
		r = json_string(entry, "password", &password, error);
	if (!r)
		r = json_string(entry, "identitytoken", &identity, error);
	if (!r)
		r = json_string(entry, "registrytoken", &token, error);
	if (r < 0)
		return error_wrap(error, r, "'%s'", source);
	if (token && *token)
		return credentials_set(out, CREDENTIALS_BEARER, NULL, 0, token, error);
	if (identity && *identity)
		return credentials_set(out, CREDENTIALS_IDENTITY, NULL, 0, identity, error);
	if (auth && *auth) {
		r = parse_auth(auth, source, out, error);
	} else if (user && *user) {
		r = credentials_set(out, CREDENTIALS_PASSWORD, user, strlen(user), password, error);
	}
	/* What credential helpers and some logins put for "the secret is a refresh token". */
	if (r == 0 && out->kind == CREDENTIALS_PASSWORD && strcmp(out->user, "<token>") == 0)
		out->kind = CREDENTIALS_IDENTITY;
	return r;
}

/* The key without scheme and final slashes; the length of it in @size. */
static const char *key_core(const char *key, size_t *size)
{
	if (strncasecmp(key, "https://", 8) == 0)
		key += 8;
	else if (strncasecmp(key, "http://", 7) == 0)
		key += 7;
	*size = strlen(key);
	while (*size && key[*size - 1] == '/')
		--*size;
	return key;
}

/*
 * How well a key fits: 0 not, else the longer the better. Keys are "host", "host/v1", "host/v2" or "host/a/repository".
 */
static size_t key_fits(const char *key, const char *domain, const char *path)
{
	size_t size, host, rest;
	const char *core = key_core(key, &size);
	bool hub = strcmp(domain, "docker.io") == 0;

	host = strcspn(core, "/");
	host = host < size ? host : size;
	if (!(strlen(domain) == host && strncasecmp(core, domain, host) == 0) &&
	    !(hub && ((host == 15 && strncasecmp(core, "index.docker.io", 15) == 0) ||
		      (host == 20 && strncasecmp(core, "registry-1.docker.io", 20) == 0))))
		return 0;
	if (host == size)
		return 1;
	rest = size - host - 1;
	core += host + 1;
	if (rest == 2 && (strncmp(core, "v1", 2) == 0 || strncmp(core, "v2", 2) == 0))
		return 2;
	return strncmp(core, path, rest) == 0 && (path[rest] == '\0' || path[rest] == '/') ? 2 + rest : 0;
}

static const cJSON *best_entry(const cJSON *object, const char *domain, const char *path)
{
	const cJSON *entry, *best = NULL;
	size_t best_fit = 0;

	cJSON_ArrayForEach(entry, object)
	{
		size_t fit = entry->string ? key_fits(entry->string, domain, path) : 0;

		if (fit > best_fit) {
			best = entry;
			best_fit = fit;
		}
	}
	return best;
}

int credentials_parse(const char *text, size_t size, const char *source, const char *domain, const char *path, struct credentials *out,
		      scow_error **error)
{
	_cleanup_json_ cJSON *root = NULL;
	const cJSON *helpers = NULL, *auths = NULL, *entry;
	const char *store = NULL;
	int r = json_parse(text, size, source, &root, error);

	if (r < 0)
		return r;
	r = json_object(root, "credHelpers", &helpers, error);
	if (!r)
		r = json_string(root, "credsStore", &store, error);
	if (!r)
		r = json_object(root, "auths", &auths, error);
	if (r < 0)
		return error_wrap(error, r, "'%s'", source);
	entry = best_entry(helpers, domain, path);
	if (cJSON_IsString(entry))
		store = entry->valuestring;
	if (store && *store) {
		r = credentials_set(out, CREDENTIALS_HELPER, store, strlen(store), NULL, error);
	} else {
		entry = best_entry(auths, domain, path);
		r = cJSON_IsObject(entry) ? parse_entry(entry, source, out, error) : 0;
	}
	if (r < 0 || out->kind == CREDENTIALS_NONE)
		return r;
	out->source = strdup(source);
	return out->source ? 0 : error_oom(error);
}

static char *home_directory(void)
{
	const char *home = getenv("HOME");
	struct passwd entry, *found = NULL;
	char room[4096];

	if (home && *home)
		return strdup(home);
	if (getpwuid_r(getuid(), &entry, room, sizeof room, &found) == 0 && found && found->pw_dir)
		return strdup(found->pw_dir);
	return strdup("/");
}

/* The n-th file's path, or NULL where the environment does not name one. */
static char *file_at(unsigned int n)
{
	_cleanup_free_ char *home = NULL;
	const char *from;

	switch (n) {
	case 0:
		from = getenv("DOCKER_CONFIG");
		if (from && *from)
			return strf("%s/config.json", from);
		home = home_directory();
		return home ? strf("%s/.docker/config.json", home) : NULL;
	case 1:
		from = getenv("REGISTRY_AUTH_FILE");
		return from && *from ? strdup(from) : NULL;
	default:
		from = getenv("XDG_RUNTIME_DIR");
		return from && *from ? strf("%s/containers/auth.json", from) : NULL;
	}
}

int credentials_find(const char *domain, const char *path, struct credentials *out, scow_error **error)
{
	for (unsigned int n = 0; n < 3 && out->kind == CREDENTIALS_NONE; n++) {
		_cleanup_free_ char *file = file_at(n);
		_cleanup_free_ char *text = NULL;
		size_t size;
		int r;

		if (!file)
			continue;
		r = file_read_at(AT_FDCWD, file, FILE_MAX_BYTES, &text, &size);
		if (r == -ENOENT || r == -ENOTDIR || r == -EACCES)
			continue;
		if (r < 0)
			return error_errno(error, -r, "read", "read credentials '%s'", file);
		if (!size)
			continue;
		r = credentials_parse(text, size, file, domain, path, out, error);
		if (r < 0)
			return r;
	}
	return 0;
}
