/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * HTTP for the registry client: several requests at once on the calling thread, with limits, cancel and
 * redirects by our own rules.
 *
 * A client belongs to one thread. http_fetch() is one request from start to end; the others let a caller
 * keep several transfers going: http_start(), then http_step() until http_finished().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <scow/cancel.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "registry/header.h"

struct http_client;
struct http_transfer;

struct http_options {
	scow_cancel *cancel;     /* borrowed, may be NULL */
	bool insecure;           /* unverified TLS, and redirects from https to http */
	bool trusts_local;       /* the registry itself is on loopback: it may send us to local addresses */
	unsigned int connect_ms; /* 0: 30 s */
	unsigned int stall_s;    /* 0: 60 s without bytes */
};

struct http_response {
	long status;
	char *content_type;     /* without parameters, or NULL */
	int64_t content_length; /* -1: not said */
	bool has_range;         /* a valid Content-Range */
	uint64_t range_first, range_last, range_total;
	struct challenge *challenges; /* of all WWW-Authenticate headers */
	size_t n_challenges;
	unsigned int retry_after_s; /* 0: not said */
	bool elsewhere;             /* a redirect led to another host: this is not the registry's own answer */
	struct str body;            /* of a document; of a failed request its first 64 KiB */
	char *location;             /* internal: of a redirect */
	struct arena arena;
};

#define HTTP_PAUSE 1

/*
 * Takes bytes of a successful (2xx) body. 0: taken. HTTP_PAUSE: nothing was taken, give it again after http_resume().
 * Negative with an error: ends the transfer, which then has that error.
 */
typedef int (*http_body_fn)(void *userdata, const struct http_response *response, const void *data, size_t size, scow_error **error);

struct http_request {
	const char *url;
	const char *authorization; /* the header's value, or NULL; stays with the first host */
	const char *accept;        /* or NULL */
	const char *form;          /* POST this form, or NULL: GET */
	uint64_t range_from;       /* more than 0: ask for the bytes from there on */
	size_t limit;              /* without @body: most bytes of the document (more: SCOW_E_CORRUPT) */
	http_body_fn body;
	void *userdata;
	bool foreign; /* the URL is a peer's word (a token realm): no local addresses */
};

/* Why a transfer without an HTTP answer failed: what may be tried next. */
enum http_failure {
	HTTP_FATAL,       /* no use in trying again */
	HTTP_BROKEN,      /* cut or stalled: again, from where it was */
	HTTP_UNREACHABLE, /* name, route or port */
	HTTP_NOT_TLS,     /* no TLS is spoken there */
	HTTP_NOT_PLAIN    /* something that is not HTTP: TLS, perhaps */
};

int http_client_new(const struct http_options *options, struct http_client **out, scow_error **error) _must_check_;
/* All transfers must be freed before. Ends libcurl's threads. */
void http_client_free(struct http_client *client);
DEFINE_CLEANUP(struct http_client *, http_client_free)

/* The request's strings are copied. */
int http_start(struct http_client *client, const struct http_request *request, struct http_transfer **out, scow_error **error) _must_check_;
/* Waits up to @timeout_ms for anything to happen, and does what is ready. SCOW_E_CANCELED, or a failure of libcurl itself. */
int http_step(struct http_client *client, int timeout_ms, scow_error **error) _must_check_;
bool http_finished(const struct http_transfer *transfer);
/* Of a finished one: 0 with an answer of any status, or the failure. */
int http_result(struct http_transfer *transfer, const struct http_response **out, enum http_failure *failure,
		scow_error **error) _must_check_;
void http_resume(struct http_transfer *transfer);
void http_transfer_free(struct http_transfer *transfer);
DEFINE_CLEANUP(struct http_transfer *, http_transfer_free)

/* Start, step to the end, result. @out: free it, whatever was returned. */
int http_fetch(struct http_client *client, const struct http_request *request, struct http_transfer **out,
	       const struct http_response **response, enum http_failure *failure, scow_error **error) _must_check_;
/* name=value appended to a form or query, escaped, with "&" before all but the first. SCOW_E_NO_MEMORY. */
int http_form_add(struct str *form, const char *name, const char *value, scow_error **error) _must_check_;
