/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libcurl's multi interface behind our rules.
 *
 * 1. libcurl follows no redirect by itself: here each hop is checked (another host gets no credentials,
 *    https does not become http, a remote peer does not lead to this host's own addresses).
 * 2. libcurl runs with all signals blocked on this thread: its resolver threads inherit that mask, and
 *    a write to a dead TLS peer cannot raise SIGPIPE in the program.
 * 3. No content decoding, no netrc, no cookies: the bytes are the registry's.
 */
#include "registry/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/cancel.h"
#include "registry/curl.h"
#include "registry/url.h"

#define MAX_REDIRECTS 10
#define MAX_ERROR_BODY (64u << 10)
#define BUFFER_BYTES (512L << 10)
#define DOCUMENT_TIMEOUT_MS 120000L

struct http_client {
	const struct curl_api *curl;
	CURLM *multi;
	struct http_options options;
	char *home; /* host of the first request: the registry, which may be where it likes */
	int home_port;
};

struct http_transfer {
	struct http_client *client;
	CURL *easy;
	struct curl_slist *headers;
	struct url url;
	char *authorization, *accept, *form;
	struct http_request request;
	struct http_response response;
	unsigned int redirects;
	bool attached, finished, paused;
	bool check_address; /* of the socket about to be made */
	bool refused_address;
	enum http_failure failure;
	scow_error *error;
	char message[CURL_ERROR_SIZE];
};

int http_client_new(const struct http_options *options, struct http_client **out, scow_error **error)
{
	const struct curl_api *curl = curl_api_get(error);
	struct http_client *client;

	if (!curl)
		return SCOW_E_UNSUPPORTED;
	client = calloc(1, sizeof *client);
	if (!client)
		return error_oom(error);
	client->curl = curl;
	client->options = *options;
	client->multi = curl->multi_init();
	if (!client->multi) {
		free(client);
		return error_oom(error);
	}
	*out = client;
	return 0;
}

void http_client_free(struct http_client *client)
{
	struct curl_quiet quiet;

	if (!client)
		return;
	curl_quiet_begin(&quiet);
	(void) client->curl->multi_cleanup(client->multi);
	curl_quiet_end(&quiet);
	free(client->home);
	free(client);
}

/* Ready for the next answer; that we were sent elsewhere stays true. */
static void response_reset(struct http_response *response)
{
	struct str body = response->body;
	bool elsewhere = response->elsewhere;

	arena_done(&response->arena);
	str_reset(&body);
	memset(response, 0, sizeof *response);
	response->body = body;
	response->elsewhere = elsewhere;
	response->content_length = -1;
}

/* The value of @name, if the header line is of that name. */
static char *header_value(struct arena *arena, const char *line, size_t size, const char *name)
{
	size_t length = strlen(name);

	if (size <= length || strncasecmp(line, name, length) != 0 || line[length] != ':')
		return NULL;
	line += length + 1;
	size -= length + 1;
	while (size && (*line == ' ' || *line == '\t')) {
		line++;
		size--;
	}
	while (size && strchr("\r\n \t", line[size - 1]))
		size--;
	return size && size <= HEADER_MAX_BYTES ? arena_strndup(arena, line, size) : NULL;
}

static size_t on_header(char *line, size_t one, size_t size, void *userdata)
{
	struct http_transfer *t = userdata;
	struct http_response *response = &t->response;
	char *value;

	(void) one;
	if (size >= 5 && strncasecmp(line, "HTTP/", 5) == 0) {
		response_reset(response); /* also after "100 Continue" */
		return size;
	}
	value = header_value(&response->arena, line, size, "Content-Type");
	if (value) {
		value[strcspn(value, "; \t")] = '\0';
		response->content_type = value;
	}
	value = header_value(&response->arena, line, size, "Content-Range");
	if (value)
		response->has_range = content_range_parse(value, &response->range_first, &response->range_last, &response->range_total);
	value = header_value(&response->arena, line, size, "WWW-Authenticate");
	if (value)
		(void) challenges_parse(&response->arena, value, &response->challenges, &response->n_challenges);
	value = header_value(&response->arena, line, size, "Location");
	if (value)
		response->location = value;
	return size;
}

static void read_status(struct http_transfer *t)
{
	curl_off_t number = -1;

	if (t->response.status)
		return;
	(void) t->client->curl->easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &t->response.status);
	(void) t->client->curl->easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &number);
	t->response.content_length = number;
	number = 0;
	(void) t->client->curl->easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &number);
	t->response.retry_after_s = number > 0 && number < 1000000 ? (unsigned int) number : number > 0 ? 1000000u : 0u;
}

static int take_document(struct http_transfer *t, const char *data, size_t size)
{
	bool good = t->response.status / 100 == 2;
	size_t limit = good ? t->request.limit : MAX_ERROR_BODY;
	struct str *body = &t->response.body;

	if (size > limit - body->size && good)
		return error_set(&t->error, SCOW_E_CORRUPT, "'%s' sends more than %zu bytes", t->url.text, limit);
	if (size > limit - body->size)
		size = limit - body->size;
	str_add_bytes(body, data, size);
	return body->failed ? error_oom(&t->error) : 0;
}

static size_t on_body(char *data, size_t one, size_t size, void *userdata)
{
	struct http_transfer *t = userdata;
	int r;

	(void) one;
	read_status(t);
	if (t->response.status / 100 == 2 && t->request.body)
		r = t->request.body(t->request.userdata, &t->response, data, size, &t->error);
	else if (t->response.status / 100 == 3)
		r = 0;
	else
		r = take_document(t, data, size);
	if (r == HTTP_PAUSE) {
		t->paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	return r < 0 ? 0 : size;
}

static curl_socket_t on_socket(void *userdata, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct http_transfer *t = userdata;

	(void) purpose;
	if (t->check_address && address_is_local(&address->addr)) {
		t->refused_address = true;
		return CURL_SOCKET_BAD;
	}
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* With a proxy the address is the proxy's, and it is the proxy that connects. */
static bool proxy_is_set(void)
{
	static const char *const names[] = { "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (getenv(names[i]))
			return true;
	return false;
}

static bool add_header(struct http_transfer *t, const char *name, const char *value)
{
	_cleanup_free_ char *line = strf("%s: %s", name, value);
	struct curl_slist *list = line ? t->client->curl->slist_append(t->headers, line) : NULL;

	if (!list)
		return false;
	t->headers = list;
	return true;
}

/* What does not change from hop to hop. */
static void set_fixed_options(struct http_transfer *t)
{
	const struct http_options *options = &t->client->options;
	CURLcode (*set)(CURL *, CURLoption, ...) = t->client->curl->easy_setopt;

	set(t->easy, CURLOPT_PRIVATE, t);
	set(t->easy, CURLOPT_NOSIGNAL, 1L);
	set(t->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	/*
	 * Long bodies go by HTTP/1.1, one connection each: on a shared HTTP/2 connection a stream that is paused (a full sink)
	 * holds up the others, or makes libcurl keep what arrives for it.
	 */
	set(t->easy, CURLOPT_HTTP_VERSION, (long) (t->request.body ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2TLS));
	set(t->easy, CURLOPT_ERRORBUFFER, t->message);
	set(t->easy, CURLOPT_USERAGENT, "scow/0.1");
	set(t->easy, CURLOPT_BUFFERSIZE, t->request.body ? BUFFER_BYTES : 16384L);
	set(t->easy, CURLOPT_CONNECTTIMEOUT_MS, (long) (options->connect_ms ? options->connect_ms : 30000));
	set(t->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
	set(t->easy, CURLOPT_LOW_SPEED_TIME, (long) (options->stall_s ? options->stall_s : 60));
	if (!t->request.body)
		set(t->easy, CURLOPT_TIMEOUT_MS, DOCUMENT_TIMEOUT_MS);
	set(t->easy, CURLOPT_HEADERFUNCTION, on_header);
	set(t->easy, CURLOPT_HEADERDATA, t);
	set(t->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	set(t->easy, CURLOPT_WRITEFUNCTION, on_body);
	set(t->easy, CURLOPT_WRITEDATA, t);
	set(t->easy, CURLOPT_OPENSOCKETFUNCTION, on_socket);
	set(t->easy, CURLOPT_OPENSOCKETDATA, t);
	if (options->insecure) {
		set(t->easy, CURLOPT_SSL_VERIFYPEER, 0L);
		set(t->easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
}

/* Whether t->url is a peer's word that may not lead to this host. */
static bool must_be_remote(const struct http_transfer *t)
{
	const struct http_client *client = t->client;

	if (client->options.trusts_local || (!t->request.foreign && !t->redirects))
		return false;
	return !client->home || strcmp(client->home, t->url.host) != 0 || client->home_port != t->url.port;
}

/* Points the handle at t->url. */
static int set_hop(struct http_transfer *t, scow_error **error)
{
	CURLcode (*set)(CURL *, CURLoption, ...) = t->client->curl->easy_setopt;
	bool remote = must_be_remote(t);
	char range[32];
	bool ok;

	t->check_address = remote && !proxy_is_set();
	if (remote && host_is_local_literal(t->url.host))
		return error_set(error, SCOW_E_DENIED, "the registry sends us to '%s', an address of this host", t->url.host);
	t->client->curl->slist_free_all(t->headers);
	t->headers = NULL;
	ok = add_header(t, "Accept", t->accept ? t->accept : "*/*") && add_header(t, "Accept-Encoding", "identity");
	if (t->authorization)
		ok = ok && add_header(t, "Authorization", t->authorization);
	if (t->request.range_from) {
		snprintf(range, sizeof range, "%llu-", (unsigned long long) t->request.range_from);
		ok = ok && set(t->easy, CURLOPT_RANGE, range) == CURLE_OK;
	}
	if (t->form)
		ok = ok && set(t->easy, CURLOPT_POSTFIELDS, t->form) == CURLE_OK;
	ok = ok && set(t->easy, CURLOPT_HTTPHEADER, t->headers) == CURLE_OK && set(t->easy, CURLOPT_URL, t->url.text) == CURLE_OK;
	/* As every client does: what is on this host is not asked of a proxy. */
	ok = ok && set(t->easy, CURLOPT_NOPROXY, host_is_loopback(t->url.host) ? "*" : NULL) == CURLE_OK;
	if (!ok)
		return error_oom(error);
	response_reset(&t->response);
	t->message[0] = '\0';
	if (t->client->curl->multi_add_handle(t->client->multi, t->easy) != CURLM_OK)
		return error_oom(error);
	t->attached = true;
	return 0;
}

int http_start(struct http_client *client, const struct http_request *request, struct http_transfer **out, scow_error **error)
{
	_cleanup_(http_transfer_freep) struct http_transfer *t = calloc(1, sizeof *t);
	int r;

	if (!t)
		return error_oom(error);
	t->client = client;
	t->request = *request;
	t->failure = HTTP_FATAL;
	r = url_parse(NULL, request->url, &t->url, error);
	if (r < 0)
		return r;
	t->easy = client->curl->easy_init();
	if (!t->easy || !str_assign(&t->authorization, request->authorization) || !str_assign(&t->accept, request->accept) ||
	    !str_assign(&t->form, request->form))
		return error_oom(error);
	if (!client->home && !request->foreign) {
		client->home = strdup(t->url.host);
		client->home_port = t->url.port;
		if (!client->home)
			return error_oom(error);
	}
	set_fixed_options(t);
	r = set_hop(t, error);
	if (r < 0)
		return r;
	*out = take_ptr(&t);
	return 0;
}

static void detach(struct http_transfer *t)
{
	if (t->attached)
		(void) t->client->curl->multi_remove_handle(t->client->multi, t->easy);
	t->attached = false;
}

void http_transfer_free(struct http_transfer *t)
{
	struct curl_quiet quiet;

	if (!t)
		return;
	curl_quiet_begin(&quiet);
	detach(t);
	if (t->easy)
		t->client->curl->easy_cleanup(t->easy);
	t->client->curl->slist_free_all(t->headers);
	curl_quiet_end(&quiet);
	url_done(&t->url);
	free(t->authorization);
	free(t->accept);
	free(t->form);
	arena_done(&t->response.arena);
	str_done(&t->response.body);
	scow_error_unref(t->error);
	free(t);
}

static int tls_failure(struct http_transfer *t, CURLcode code, const char *reason)
{
	int r = error_set(&t->error, SCOW_E_NETWORK, "TLS with '%s': %s", t->url.host, reason);

	if (code == CURLE_SSL_CONNECT_ERROR) {
		t->failure = HTTP_NOT_TLS;
		return error_hint(&t->error, r,
				  "if the registry speaks plain HTTP, allow it with --insecure (scow_pull_options_set_insecure)");
	}
	return error_hint(&t->error, r, "install the registry's CA certificate, or do without it by --insecure");
}

/* A transfer without an answer: libcurl's code becomes a status, a message and what may be tried next. */
static int map_failure(struct http_transfer *t, CURLcode code)
{
	const char *reason = t->message[0] ? t->message : t->client->curl->easy_strerror(code);
	const char *host = t->url.host;
	bool silent = t->response.status == 0 && !t->response.arena.chunks;

	switch ((int) code) {
	case CURLE_OUT_OF_MEMORY:
		return error_oom(&t->error);
	case CURLE_COULDNT_RESOLVE_HOST:
		t->failure = HTTP_UNREACHABLE;
		return error_hint(&t->error, error_set(&t->error, SCOW_E_NETWORK, "resolve '%s': name not known", host),
				  "check the spelling of the registry's name, and the DNS of this host");
	case CURLE_COULDNT_CONNECT:
		if (t->refused_address)
			return error_set(&t->error, SCOW_E_DENIED, "the registry sends us to '%s', an address of this host", host);
		t->failure = HTTP_UNREACHABLE;
		return error_set(&t->error, SCOW_E_NETWORK, "connect to '%s' port %d: %s", host, t->url.port, reason);
	case CURLE_OPERATION_TIMEDOUT:
		t->failure = HTTP_BROKEN;
		return error_set(&t->error, SCOW_E_TIMEOUT, "'%s' does not answer: %s", host, reason);
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
		return tls_failure(t, code, reason);
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
		t->failure = HTTP_NOT_PLAIN;
		return error_set(&t->error, SCOW_E_NETWORK, "'%s' port %d does not speak HTTP", host, t->url.port);
	case CURLE_GOT_NOTHING:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
		t->failure = silent && !t->url.https ? HTTP_NOT_PLAIN : HTTP_BROKEN;
		break;
	case CURLE_PARTIAL_FILE:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		t->failure = HTTP_BROKEN;
		break;
	default:
		break;
	}
	return error_set(&t->error, SCOW_E_NETWORK, "'%s' broke off: %s", host, reason);
}

/* The next hop of a redirect. 0, or a failure in t->error. */
static int follow(struct http_transfer *t)
{
	_cleanup_url_ struct url next = { 0 };
	int r;

	if (++t->redirects > MAX_REDIRECTS)
		return error_set(&t->error, SCOW_E_NETWORK, "'%s' redirects more than %d times", t->url.host, MAX_REDIRECTS);
	r = url_parse(t->url.text, t->response.location, &next, &t->error);
	if (r < 0)
		return error_wrap(&t->error, r, "redirect by '%s'", t->url.host);
	if (t->url.https && !next.https && !t->client->options.insecure)
		return error_hint(&t->error,
				  error_set(&t->error, SCOW_E_DENIED, "'%s' redirects from https to http ('%s')", t->url.host, next.host),
				  "only --insecure allows that");
	if (!url_same_origin(&t->url, &next)) {
		free(take_ptr(&t->authorization));
		t->response.elsewhere = true;
	}
	url_done(&t->url);
	t->url = next;
	memset(&next, 0, sizeof next);
	return set_hop(t, &t->error);
}

static bool is_redirect(const struct http_transfer *t)
{
	long status = t->response.status;

	return t->response.location && !t->form && (status == 301 || status == 302 || status == 303 || status == 307 || status == 308);
}

static void on_done(struct http_transfer *t, CURLcode code)
{
	detach(t);
	read_status(t);
	if (t->error) {
		/* by a callback */
	} else if (code != CURLE_OK) {
		(void) map_failure(t, code);
	} else if (is_redirect(t)) {
		if (follow(t) == 0)
			return;
	}
	t->finished = true;
}

/* Lets libcurl work, and collects what has ended. Returns how many transfers did. */
static int perform(struct http_client *client, scow_error **error)
{
	struct curl_quiet quiet;
	int running, left, ended = 0;
	CURLMcode code;
	CURLMsg *message;

	curl_quiet_begin(&quiet);
	code = client->curl->multi_perform(client->multi, &running);
	while (code == CURLM_OK && (message = client->curl->multi_info_read(client->multi, &left))) {
		struct http_transfer *t = NULL;
		CURLcode result = message->data.result;

		(void) client->curl->easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **) &t);
		on_done(t, result);
		ended++;
	}
	curl_quiet_end(&quiet);
	if (code != CURLM_OK)
		return error_set(error, SCOW_E_FAILED, "libcurl: %s", client->curl->multi_strerror(code));
	return ended;
}

int http_step(struct http_client *client, int timeout_ms, scow_error **error)
{
	struct curl_waitfd extra = { .fd = cancel_fd(client->options.cancel), .events = CURL_WAIT_POLLIN };
	CURLMcode code;
	int r;

	if (client->options.cancel && scow_cancel_triggered(client->options.cancel))
		return error_set(error, SCOW_E_CANCELED, "canceled");
	/* Waiting comes first: what a callback pauses is then seen by the caller before the next wait. New transfers are due at once. */
	code = client->curl->multi_poll(client->multi, &extra, extra.fd >= 0 ? 1 : 0, timeout_ms, NULL);
	if (code != CURLM_OK)
		return error_set(error, SCOW_E_FAILED, "libcurl: %s", client->curl->multi_strerror(code));
	r = perform(client, error);
	return r < 0 ? r : 0;
}

bool http_finished(const struct http_transfer *transfer)
{
	return transfer->finished;
}

int http_result(struct http_transfer *t, const struct http_response **out, enum http_failure *failure, scow_error **error)
{
	*out = &t->response;
	*failure = t->failure;
	if (!t->error)
		return 0;
	int r = (int) scow_error_status(t->error);

	if (error && !*error)
		*error = take_ptr(&t->error);
	return r;
}

void http_resume(struct http_transfer *t)
{
	struct curl_quiet quiet;

	if (!t->paused || t->finished)
		return;
	t->paused = false;
	curl_quiet_begin(&quiet);
	(void) t->client->curl->easy_pause(t->easy, CURLPAUSE_CONT);
	curl_quiet_end(&quiet);
}

int http_fetch(struct http_client *client, const struct http_request *request, struct http_transfer **out,
	       const struct http_response **response, enum http_failure *failure, scow_error **error)
{
	int r;

	*out = NULL;
	*failure = HTTP_FATAL;
	r = http_start(client, request, out, error);
	while (r == 0 && !(*out)->finished)
		r = http_step(client, 1000, error);
	return r < 0 ? r : http_result(*out, response, failure, error);
}

int http_form_add(struct str *form, const char *name, const char *value, scow_error **error)
{
	const struct curl_api *curl = curl_api_get(error);
	char *escaped;

	if (!curl)
		return SCOW_E_UNSUPPORTED;
	escaped = curl->easy_escape(NULL, value, 0);
	if (!escaped)
		return error_oom(error);
	str_printf(form, "%s%s=%s", form->size ? "&" : "", name, escaped);
	curl->free(escaped);
	return form->failed ? error_oom(error) : 0;
}
