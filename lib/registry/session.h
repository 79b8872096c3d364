/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One repository of one registry: which scheme it speaks, who we are to it, and when to try again. */
#pragma once

#include "image/reference.h"
#include "registry/auth.h"
#include "registry/http.h"

struct session;

struct session_options {
	const struct reference *reference;
	const char *user, *password; /* or NULL */
	bool insecure;
	scow_cancel *cancel; /* borrowed, may be NULL */
};

int session_open(const struct session_options *options, struct session **out, scow_error **error) _must_check_;
void session_close(struct session *session);
DEFINE_CLEANUP(struct session *, session_close)
struct http_client *session_client(struct session *session);

/* A request that is tried until it succeeds or there is no sense in it. All zeros at first. */
struct attempt {
	unsigned int failures; /* in a row; back-off grows with them */
	unsigned int wait_ms;  /* before the next try */
	bool renewed;          /* a 401 was answered already */
	char *authorization;   /* of the running try */
};
void attempt_done(struct attempt *attempt);

#define SESSION_RETRY 1

/* Starts GET /v2/<repository>/@what ("blobs/sha256:..."). @request: all but url and authorization. */
int session_start(struct session *session, struct attempt *attempt, const char *what, const struct http_request *request,
		  struct http_transfer **out, scow_error **error) _must_check_;
/*
 * Judges a finished try. 0: a 2xx answer, in @response. SESSION_RETRY: start again after attempt->wait_ms, having freed
 * @transfer. Else the failure, worded for the user. @what names the thing in it ("manifest 'ubuntu:latest'").
 */
int session_judge(struct session *session, struct attempt *attempt, struct http_transfer *transfer, const char *what,
		  const struct http_response **response, scow_error **error) _must_check_;

struct document {
	char *media_type; /* or NULL */
	char *data;       /* NUL-terminated */
	size_t size;
};
void document_done(struct document *document);
#define _cleanup_document_ __attribute__((cleanup(document_done)))

/* Fetches a document of at most @limit bytes, trying again where that may help. */
int session_document(struct session *session, const char *path, const char *accept, size_t limit, const char *what, struct document *out,
		     scow_error **error) _must_check_;
