/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a 401 to an Authorization header.
 *
 * 1. Nothing is sent before the registry asks, and credential files are read only then.
 * 2. A Bearer challenge leads to a token server: anonymous without credentials, Basic with a password,
 *    POST (oauth2) with an identity token. Tokens are kept per (realm, service, scope), and renewed a
 *    little before their end, or when a 401 says so in the middle of a pull.
 * 3. A password goes over plain http only where the pull may speak plain http at all.
 */
#include "registry/auth.h"

#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/json.h"
#include "registry/url.h"

#define TOKEN_DOCUMENT_MAX (1u << 20)
#define DEFAULT_LIFE_S 60
#define RENEW_BEFORE_US 5000000u
#define MAX_TOKENS 16

struct token {
	char *realm, *service, *scope; /* @scope: what the challenge asked for, blanks between several */
	char *wanted;                  /* the scope that our requests know it by */
	char *header;                  /* "Bearer ..." */
	uint64_t expires_us;
};

struct auth {
	char *domain, *path;
	bool plain_tokens;
	bool looked; /* for credentials in files */
	struct credentials credentials;
	char *basic; /* once the registry asked for Basic */
	struct token tokens[MAX_TOKENS];
	size_t n_tokens;
};

int auth_new(const struct auth_options *options, struct auth **out, scow_error **error)
{
	_cleanup_(auth_freep) struct auth *auth = calloc(1, sizeof *auth);
	int r;

	if (!auth)
		return error_oom(error);
	auth->domain = strdup(options->domain);
	auth->path = strdup(options->path);
	if (!auth->domain || !auth->path)
		return error_oom(error);
	auth->plain_tokens = options->plain_tokens;
	if (options->user) {
		r = credentials_set(&auth->credentials, CREDENTIALS_PASSWORD, options->user, strlen(options->user), options->password,
				    error);
		if (r < 0)
			return r;
		auth->looked = true;
	}
	*out = take_ptr(&auth);
	return 0;
}

static void token_done(struct token *token)
{
	free(token->realm);
	free(token->service);
	free(token->scope);
	free(token->wanted);
	free(token->header);
	memset(token, 0, sizeof *token);
}

void auth_free(struct auth *auth)
{
	if (!auth)
		return;
	for (size_t i = 0; i < auth->n_tokens; i++)
		token_done(&auth->tokens[i]);
	credentials_done(&auth->credentials);
	free(auth->basic);
	free(auth->domain);
	free(auth->path);
	free(auth);
}

static int look_up(struct auth *auth, scow_error **error)
{
	int r;

	if (auth->looked)
		return 0;
	r = credentials_find(auth->domain, auth->path, &auth->credentials, error);
	if (r < 0)
		return r;
	auth->looked = true;
	return 0;
}

int auth_refused(struct auth *auth, scow_error **error)
{
	const struct credentials *c = &auth->credentials;
	int r;

	if (c->kind == CREDENTIALS_HELPER) {
		r = error_set(error, SCOW_E_UNSUPPORTED, "'%s' wants credentials, which the program 'docker-credential-%s' keeps ('%s')",
			      auth->domain, c->user, c->source);
		return error_hint(error, r, "this library runs no programs: give them with scow_pull_options_set_credentials");
	}
	r = error_set(error, SCOW_E_AUTH,
		      c->kind == CREDENTIALS_NONE ? "'%s' wants credentials for '%s'" : "'%s' does not accept our credentials for '%s'",
		      auth->domain, auth->path);
	return error_hint(error, r,
			  "log in to the registry, and check the repository's name: registries answer so, too, where there is none");
}

/* The token server's URL with service, scopes and account, for a GET. */
static int token_url(const struct auth *auth, const struct token *token, char **out, scow_error **error)
{
	_cleanup_str_ struct str query = { 0 };
	_cleanup_free_ char *scopes = strdup(token->scope);
	char *rest = NULL;
	int r = 0;

	if (!scopes)
		return error_oom(error);
	if (token->service)
		r = http_form_add(&query, "service", token->service, error);
	for (char *scope = strtok_r(scopes, " ", &rest); r == 0 && scope; scope = strtok_r(NULL, " ", &rest))
		r = http_form_add(&query, "scope", scope, error);
	if (r == 0 && auth->credentials.kind == CREDENTIALS_PASSWORD)
		r = http_form_add(&query, "account", auth->credentials.user, error);
	if (r < 0)
		return r;
	*out = strf("%s%s%s", token->realm, strchr(token->realm, '?') ? "&" : "?", query.data ? query.data : "");
	return *out ? 0 : error_oom(error);
}

static int refresh_form(const struct auth *auth, const struct token *token, struct str *form, scow_error **error)
{
	int r = http_form_add(form, "grant_type", "refresh_token", error);

	if (r == 0 && token->service)
		r = http_form_add(form, "service", token->service, error);
	if (r == 0)
		r = http_form_add(form, "client_id", "scow", error);
	if (r == 0)
		r = http_form_add(form, "scope", token->scope, error);
	if (r == 0)
		r = http_form_add(form, "refresh_token", auth->credentials.secret, error);
	return r;
}

/* {"token" or "access_token", "expires_in"}: into @token. */
static int read_token(const struct auth *auth, const struct str *body, struct token *token, scow_error **error)
{
	_cleanup_json_ cJSON *root = NULL;
	const char *text = NULL;
	int64_t life_s = DEFAULT_LIFE_S;
	int r = json_parse(body->data ? body->data : "", body->size, "the token server's answer", &root, error);

	if (!r)
		r = json_string(root, "token", &text, error);
	if (!r && (!text || !*text))
		r = json_string(root, "access_token", &text, error);
	if (!r)
		r = json_i64(root, "expires_in", &life_s, error);
	if (r < 0)
		return error_wrap(error, r, "token for '%s'", auth->domain);
	if (!text || !*text || text[strcspn(text, "\r\n")])
		return error_set(error, SCOW_E_AUTH, "the token server of '%s' gave no token", auth->domain);
	/* The specification's least life; servers have been seen to give less, or nothing. */
	life_s = life_s < DEFAULT_LIFE_S ? DEFAULT_LIFE_S : life_s > 86400 ? 86400 : life_s;
	free(token->header);
	token->header = strf("Bearer %s", text);
	token->expires_us = clock_us() + (uint64_t) life_s * 1000000u;
	return token->header ? 0 : error_oom(error);
}

static int request_token(struct auth *auth, struct http_client *client, struct token *token, bool anonymous, long *status,
			 scow_error **error)
{
	_cleanup_(http_transfer_freep) struct http_transfer *transfer = NULL;
	_cleanup_free_ char *url = NULL, *basic = NULL;
	_cleanup_str_ struct str form = { 0 };
	struct http_request request = { .accept = "application/json", .limit = TOKEN_DOCUMENT_MAX, .foreign = true };
	const struct http_response *response;
	enum http_failure failure;
	int r;

	if (!anonymous && auth->credentials.kind == CREDENTIALS_IDENTITY) {
		r = refresh_form(auth, token, &form, error);
		request.url = token->realm;
		request.form = form.data;
	} else {
		r = token_url(auth, token, &url, error);
		request.url = url;
	}
	if (r < 0)
		return r;
	if (!anonymous && auth->credentials.kind == CREDENTIALS_PASSWORD) {
		basic = credentials_basic(auth->credentials.user, auth->credentials.secret);
		if (!basic)
			return error_oom(error);
		request.authorization = basic;
	}
	r = http_fetch(client, &request, &transfer, &response, &failure, error);
	if (r < 0)
		return error_wrap(error, r, "token for '%s'", auth->domain);
	*status = response->status;
	return response->status == 200 ? read_token(auth, &response->body, token, error) : 0;
}

/* A new token into @token. */
static int fetch_token(struct auth *auth, struct http_client *client, struct token *token, scow_error **error)
{
	_cleanup_url_ struct url realm = { 0 };
	long status = 0;
	int r = url_parse(NULL, token->realm, &realm, error);

	if (r < 0)
		return error_wrap(error, r, "token server of '%s'", auth->domain);
	if (!realm.https && !auth->plain_tokens)
		return error_set(error, SCOW_E_DENIED, "'%s' names a token server without https ('%s')", auth->domain, realm.host);
	r = look_up(auth, error);
	if (r < 0)
		return r;
	if (auth->credentials.kind == CREDENTIALS_BEARER) {
		free(token->header);
		token->header = strf("Bearer %s", auth->credentials.secret);
		token->expires_us = UINT64_MAX;
		return token->header ? 0 : error_oom(error);
	}
	r = request_token(auth, client, token, false, &status, error);
	if (r < 0 || status == 200)
		return r;
	if (status == 400 || status == 401 || status == 403)
		return auth_refused(auth, error);
	if (status == 429)
		return error_set(error, SCOW_E_LIMIT, "the token server of '%s' answers 429: too many requests", auth->domain);
	return error_set(error, SCOW_E_NETWORK, "the token server of '%s' answers %ld", auth->domain, status);
}

static struct token *token_for(struct auth *auth, const char *scope)
{
	for (size_t i = 0; i < auth->n_tokens; i++)
		if (strcmp(auth->tokens[i].wanted, scope) == 0)
			return &auth->tokens[i];
	return NULL;
}

int auth_header(struct auth *auth, struct http_client *client, const char *scope, const char **out, scow_error **error)
{
	struct token *token = token_for(auth, scope);
	int r;

	*out = auth->basic;
	if (!token)
		return 0;
	if (token->header && token->expires_us - RENEW_BEFORE_US < clock_us()) {
		r = fetch_token(auth, client, token, error);
		if (r < 0)
			return r;
	}
	*out = token->header;
	return 0;
}

static int answer_basic(struct auth *auth, const char *used, scow_error **error)
{
	int r = look_up(auth, error);

	if (r < 0)
		return r;
	if (auth->credentials.kind != CREDENTIALS_PASSWORD || (used && auth->basic && strcmp(used, auth->basic) == 0))
		return auth_refused(auth, error);
	if (!auth->basic)
		auth->basic = credentials_basic(auth->credentials.user, auth->credentials.secret);
	return auth->basic ? 0 : error_oom(error);
}

/* Keeps what the challenge says: its service, and all its scopes. */
static int token_describe(struct token *token, const struct challenge *challenge, const char *scope, scow_error **error)
{
	const char *realm = challenge_get(challenge, "realm"), *service = challenge_get(challenge, "service");
	const char *asked = challenge_get(challenge, "scope");

	token_done(token);
	token->wanted = strdup(scope);
	token->realm = strdup(realm ? realm : "");
	token->service = service && *service ? strdup(service) : NULL;
	token->scope = strdup(asked && *asked ? asked : scope);
	if (!token->wanted || !token->realm || !token->scope || (service && *service && !token->service))
		return error_oom(error);
	return *token->realm ? 0 : error_set(error, SCOW_E_AUTH, "a Bearer challenge without a realm");
}

/* Same realm, service and scopes as an earlier challenge: its token serves. */
static struct token *token_like(struct auth *auth, const struct token *other)
{
	for (size_t i = 0; i < auth->n_tokens; i++) {
		struct token *token = &auth->tokens[i];

		if (token != other && token->header && str_eq(token->realm, other->realm) && str_eq(token->service, other->service) &&
		    str_eq(token->scope, other->scope))
			return token;
	}
	return NULL;
}

static int answer_bearer(struct auth *auth, struct http_client *client, const struct challenge *challenge, const char *scope,
			 const char *used, scow_error **error)
{
	struct token *token = token_for(auth, scope), *twin;
	int r;

	/* Another request has renewed it since. */
	if (token && token->header && !str_eq(used, token->header))
		return 0;
	/* A fixed token does not get better by asking again. */
	if (token && used && auth->credentials.kind == CREDENTIALS_BEARER)
		return auth_refused(auth, error);
	if (!token) {
		if (auth->n_tokens == MAX_TOKENS)
			return error_set(error, SCOW_E_AUTH, "'%s' asks for too many tokens", auth->domain);
		token = &auth->tokens[auth->n_tokens++];
	}
	r = token_describe(token, challenge, scope, error);
	if (r < 0) {
		if (!token->wanted)
			auth->n_tokens--;
		return r;
	}
	twin = token_like(auth, token);
	if (twin && !str_eq(used, twin->header)) {
		token->header = strdup(twin->header);
		token->expires_us = twin->expires_us;
		return token->header ? 0 : error_oom(error);
	}
	return fetch_token(auth, client, token, error);
}

int auth_answer(struct auth *auth, struct http_client *client, const char *scope, const char *used, const struct http_response *response,
		scow_error **error)
{
	const struct challenge *bearer = challenge_find(response->challenges, response->n_challenges, "Bearer");

	if (bearer)
		return answer_bearer(auth, client, bearer, scope, used, error);
	if (challenge_find(response->challenges, response->n_challenges, "Basic"))
		return answer_basic(auth, used, error);
	if (response->n_challenges)
		return error_set(error, SCOW_E_AUTH, "'%s' asks for '%s', which is not supported", auth->domain,
				 response->challenges[0].scheme);
	return error_set(error, SCOW_E_AUTH, "'%s' answers 401 without saying what it wants", auth->domain);
}
