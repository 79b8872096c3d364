/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What lies between one HTTP request and "give me that manifest".
 *
 * The scheme: https, and nothing else for a registry out there. With --insecure https is tried first and
 * plain http after it, as Docker does. On loopback it is the other way round (except for port 443):
 * such registries nearly always speak plain HTTP, so the first request costs nothing; a TLS server
 * answers it with an alert, with silence or with a 400 that says so, and then https is spoken. No
 * credentials are lost by that: none are sent before the registry has asked for them.
 *
 * Trying again: a cut, a stall, a 5xx or a 429 (for as long as Retry-After says, a minute at most); a 401
 * once with a new token. What the registry said of it is part of the error.
 */
#include "registry/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/json.h"
#include "registry/url.h"

#define MAX_RETRY_AFTER_S 60

static const unsigned int backoff_ms[] = { 200, 500, 1000, 2000, 4000 };

struct session {
	struct http_client *client;
	struct auth *auth;
	scow_cancel *cancel;
	char *domain, *host, *path, *scope;
	bool https;
	bool settled; /* the scheme has been seen to work, or there is no choice */
	unsigned int switches;
	bool explicit_port;
};

static const char *port_of(const char *domain)
{
	const char *bracket = strrchr(domain, ']');
	const char *colon = strrchr(bracket ? bracket : domain, ':');

	return colon ? colon + 1 : NULL;
}

int session_open(const struct session_options *options, struct session **out, scow_error **error)
{
	const struct reference *reference = options->reference;
	bool loopback = host_is_loopback(reference->domain);
	const char *port = port_of(reference->domain);
	struct http_options http = { .cancel = options->cancel, .insecure = options->insecure, .trusts_local = loopback };
	struct auth_options auth = { .domain = reference->domain,
				     .path = reference->path,
				     .user = options->user,
				     .password = options->password,
				     .plain_tokens = loopback || options->insecure };
	_cleanup_(session_closep) struct session *session = calloc(1, sizeof *session);
	int r;

	if (!session)
		return error_oom(error);
	session->cancel = options->cancel;
	session->domain = strdup(reference->domain);
	session->host = strdup(strcmp(reference->domain, "docker.io") == 0 ? "registry-1.docker.io" : reference->domain);
	session->path = strdup(reference->path);
	session->scope = strf("repository:%s:pull", reference->path);
	if (!session->domain || !session->host || !session->path || !session->scope)
		return error_oom(error);
	session->explicit_port = port != NULL;
	session->https = !loopback || (port && strcmp(port, "443") == 0);
	session->settled = !loopback && !options->insecure;
	r = http_client_new(&http, &session->client, error);
	if (!r)
		r = auth_new(&auth, &session->auth, error);
	if (r < 0)
		return r;
	*out = take_ptr(&session);
	return 0;
}

void session_close(struct session *session)
{
	if (!session)
		return;
	auth_free(session->auth);
	http_client_free(session->client);
	free(session->domain);
	free(session->host);
	free(session->path);
	free(session->scope);
	free(session);
}

struct http_client *session_client(struct session *session)
{
	return session->client;
}

void attempt_done(struct attempt *attempt)
{
	free(attempt->authorization);
	memset(attempt, 0, sizeof *attempt);
}

int session_start(struct session *session, struct attempt *attempt, const char *what, const struct http_request *request,
		  struct http_transfer **out, scow_error **error)
{
	_cleanup_free_ char *url = strf("%s://%s/v2/%s/%s", session->https ? "https" : "http", session->host, session->path, what);
	struct http_request full = *request;
	const char *authorization;
	int r;

	if (!url)
		return error_oom(error);
	r = auth_header(session->auth, session->client, session->scope, &authorization, error);
	if (r < 0)
		return r;
	free(attempt->authorization);
	attempt->authorization = authorization ? strdup(authorization) : NULL;
	if (authorization && !attempt->authorization)
		return error_oom(error);
	full.url = url;
	full.authorization = attempt->authorization;
	return http_start(session->client, &full, out, error);
}

/* The first {"code", "message"} of the registry's own words, made fit for print. "" where there is none. */
static void registry_words(const struct str *body, char *out, size_t size)
{
	_cleanup_json_ cJSON *root = NULL;
	const cJSON *errors = NULL, *first;
	const char *code = NULL, *message = NULL;
	_cleanup_free_ char *text = NULL;

	out[0] = '\0';
	if (!body->size || json_parse(body->data, body->size, "error", &root, NULL) < 0 || json_array(root, "errors", &errors, NULL) < 0)
		return;
	first = cJSON_GetArrayItem(errors, 0);
	if (!first || json_string(first, "code", &code, NULL) < 0 || json_string(first, "message", &message, NULL) < 0)
		return;
	text = strf(": %s%s%s", code ? code : "", code && message ? ", " : "", message ? message : "");
	if (text && (code || message))
		text_clean(text, strlen(text), out, size);
}

/* SESSION_RETRY after a pause, or @r where it was tried often enough. */
static int later(struct attempt *attempt, unsigned int retry_after_s, int r)
{
	unsigned int wait_ms;

	if (attempt->failures >= ARRAY_SIZE(backoff_ms))
		return r;
	wait_ms = backoff_ms[attempt->failures++];
	if (retry_after_s > MAX_RETRY_AFTER_S)
		retry_after_s = MAX_RETRY_AFTER_S;
	attempt->wait_ms = retry_after_s * 1000 > wait_ms ? retry_after_s * 1000 : wait_ms;
	return SESSION_RETRY;
}

/* The other scheme, where both are allowed; and back again, since a registry may also have been cut off at its first word. */
static bool switch_scheme(struct session *session, struct attempt *attempt)
{
	if (session->settled)
		return false;
	session->https = !session->https;
	session->settled = ++session->switches == 2;
	attempt->wait_ms = 0;
	return true;
}

static int judge_failure(struct session *session, struct attempt *attempt, enum http_failure failure, int r)
{
	switch (failure) {
	case HTTP_NOT_TLS:
		return switch_scheme(session, attempt) ? SESSION_RETRY : r;
	case HTTP_NOT_PLAIN:
		return switch_scheme(session, attempt) ? SESSION_RETRY : later(attempt, 0, r);
	case HTTP_UNREACHABLE:
		if (!session->explicit_port && switch_scheme(session, attempt))
			return SESSION_RETRY;
		/* A registry that never answered is not there; one that did may come back. */
		return attempt->failures ? later(attempt, 0, r) : r;
	case HTTP_BROKEN:
		/* A stall has been waited for already: one more try. */
		if (r == SCOW_E_TIMEOUT)
			attempt->failures += ARRAY_SIZE(backoff_ms) - 2;
		return later(attempt, 0, r);
	case HTTP_FATAL:
		break;
	}
	return r;
}

/* A TLS server's answer to plain HTTP. */
static bool wants_https(const struct session *session, const struct http_response *response)
{
	return !session->settled && !session->https && response->status == 400 && response->body.data &&
	       strstr(response->body.data, "HTTPS");
}

static int judge_status(struct session *session, struct attempt *attempt, const struct http_response *response, const char *what,
			scow_error **error)
{
	char words[256];
	int r;

	registry_words(&response->body, words, sizeof words);
	if (response->status == 404 && !response->elsewhere)
		return error_set(error, SCOW_E_NOT_FOUND, "'%s' has no %s%s", session->domain, what, words);
	if (response->status == 403 && !response->elsewhere)
		return error_hint(error, error_set(error, SCOW_E_AUTH, "'%s' denies %s%s", session->domain, what, words),
				  "log in with an account that may pull it");
	if (response->status == 429) {
		r = error_set(error, SCOW_E_LIMIT, "'%s' answers 429, too many requests, for %s%s", session->domain, what, words);
		return later(attempt, response->retry_after_s,
			     error_hint(error, r, "wait, or log in: registries allow more to those they know"));
	}
	r = error_set(error, SCOW_E_NETWORK, "%s answers %ld for %s%s",
		      response->elsewhere ? "a host that the registry redirects to" : session->domain, response->status, what, words);
	if (response->status >= 500 || response->status == 408 || response->elsewhere)
		return later(attempt, response->retry_after_s, r);
	return r;
}

int session_judge(struct session *session, struct attempt *attempt, struct http_transfer *transfer, const char *what,
		  const struct http_response **response, scow_error **error)
{
	scow_error *failed = NULL;
	enum http_failure failure;
	int r = http_result(transfer, response, &failure, &failed);

	/* What we sent was accepted: should it be cut and the token run out, that is a new story. */
	if ((*response)->status / 100 == 2)
		attempt->renewed = false;
	if (r < 0) {
		r = judge_failure(session, attempt, failure, r);
	} else if (wants_https(session, *response) && switch_scheme(session, attempt)) {
		r = SESSION_RETRY;
	} else {
		session->settled = true;
		if ((*response)->status / 100 == 2)
			return 0;
		if ((*response)->status == 401 && !(*response)->elsewhere) {
			r = attempt->renewed ? auth_refused(session->auth, &failed)
					     : auth_answer(session->auth, session->client, session->scope, attempt->authorization,
							   *response, &failed);
			attempt->renewed = true;
			attempt->wait_ms = 0;
			r = r < 0 ? r : SESSION_RETRY;
		} else {
			r = judge_status(session, attempt, *response, what, &failed);
		}
	}
	if (r < 0 && error)
		*error = take_ptr(&failed);
	error_clear(&failed);
	return r;
}

void document_done(struct document *document)
{
	free(document->media_type);
	free(document->data);
	memset(document, 0, sizeof *document);
}

static int take_document(const struct http_response *response, struct document *out, scow_error **error)
{
	out->media_type = response->content_type ? strdup(response->content_type) : NULL;
	out->data = malloc(response->body.size + 1);
	out->size = response->body.size;
	if (!out->data || (response->content_type && !out->media_type))
		return error_oom(error);
	if (out->size)
		memcpy(out->data, response->body.data, out->size);
	out->data[out->size] = '\0';
	return 0;
}

static int try_document(struct session *session, struct attempt *attempt, const char *path, const struct http_request *request,
			const char *what, struct document *out, scow_error **error)
{
	_cleanup_(http_transfer_freep) struct http_transfer *transfer = NULL;
	const struct http_response *response;
	int r = session_start(session, attempt, path, request, &transfer, error);

	while (r == 0 && !http_finished(transfer))
		r = http_step(session->client, 1000, error);
	if (!r)
		r = session_judge(session, attempt, transfer, what, &response, error);
	return r ? r : take_document(response, out, error);
}

int session_document(struct session *session, const char *path, const char *accept, size_t limit, const char *what, struct document *out,
		     scow_error **error)
{
	struct http_request request = { .accept = accept, .limit = limit };
	struct attempt attempt = { 0 };
	int r;

	for (;;) {
		r = try_document(session, &attempt, path, &request, what, out, error);
		if (r != SESSION_RETRY)
			break;
		r = attempt.wait_ms ? cancel_poll(session->cancel, -1, 0, (int) attempt.wait_ms, error) : 0;
		if (r < 0)
			break;
	}
	attempt_done(&attempt);
	return r < 0 ? error_wrap(error, r, "get %s", what) : 0;
}
