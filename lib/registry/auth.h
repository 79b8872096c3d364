/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Authentication to one registry: challenges, tokens, credentials. Belongs to one pull, one thread.
 * See: distribution's token and oauth2 specifications.
 */
#pragma once

#include "registry/credentials.h"
#include "registry/http.h"

struct auth;

struct auth_options {
	const char *domain;          /* "docker.io", "host:5000" */
	const char *path;            /* repository */
	const char *user, *password; /* given for this pull, or NULL: look in the files when they are wanted */
	bool plain_tokens;           /* a token realm may be plain http: loopback, or insecure */
};

int auth_new(const struct auth_options *options, struct auth **out, scow_error **error) _must_check_;
void auth_free(struct auth *auth);
DEFINE_CLEANUP(struct auth *, auth_free)

/*
 * The Authorization value for a request on @scope ("repository:library/ubuntu:pull"): borrowed until the next call of
 * auth_*; NULL to send none. A token that is about to expire is replaced first.
 */
int auth_header(struct auth *auth, struct http_client *client, const char *scope, const char **out, scow_error **error) _must_check_;
/*
 * A request with @used (the header it had, or NULL) was answered 401 by @response. 0: ask again with a new auth_header();
 * SCOW_E_AUTH: what we have is not enough; SCOW_E_UNSUPPORTED: only a credential helper could help.
 */
int auth_answer(struct auth *auth, struct http_client *client, const char *scope, const char *used, const struct http_response *response,
		scow_error **error) _must_check_;
/* The error for a request that was refused even so. Returns its status. */
int auth_refused(struct auth *auth, scow_error **error);
