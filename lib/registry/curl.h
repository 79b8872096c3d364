/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libcurl's functions, loaded on first use. */
#pragma once

#include <curl/curl.h>
#include <signal.h>
#include <stdbool.h>

#include "base/error.h"

struct curl_api {
	CURLcode (*global_init)(long flags);
	CURL *(*easy_init)(void);
	void (*easy_cleanup)(CURL *easy);
	CURLcode (*easy_setopt)(CURL *easy, CURLoption option, ...);
	CURLcode (*easy_getinfo)(CURL *easy, CURLINFO info, ...);
	CURLcode (*easy_pause)(CURL *easy, int bits);
	const char *(*easy_strerror)(CURLcode code);
	char *(*easy_escape)(CURL *easy, const char *text, int length);
	void (*free)(void *p);
	struct curl_slist *(*slist_append)(struct curl_slist *list, const char *text);
	void (*slist_free_all)(struct curl_slist *list);
	CURLM *(*multi_init)(void);
	CURLMcode (*multi_cleanup)(CURLM *multi);
	CURLMcode (*multi_add_handle)(CURLM *multi, CURL *easy);
	CURLMcode (*multi_remove_handle)(CURLM *multi, CURL *easy);
	CURLMcode (*multi_perform)(CURLM *multi, int *running);
	CURLMcode (*multi_poll)(CURLM *multi, struct curl_waitfd fds[], unsigned int count, int timeout_ms, int *ready);
	CURLMsg *(*multi_info_read)(CURLM *multi, int *left);
	const char *(*multi_strerror)(CURLMcode code);
	CURLU *(*url)(void);
	void (*url_cleanup)(CURLU *url);
	CURLUcode (*url_set)(CURLU *url, CURLUPart part, const char *text, unsigned int flags);
	CURLUcode (*url_get)(const CURLU *url, CURLUPart part, char **text, unsigned int flags);
};

/* The table with libcurl initialised, or NULL with an error (SCOW_E_UNSUPPORTED: not installed). */
const struct curl_api *curl_api_get(scow_error **error) _must_check_;

/* libcurl is entered with signals blocked; a SIGPIPE that came of it is swallowed. */
struct curl_quiet {
	sigset_t before;
	bool had_pipe;
};
void curl_quiet_begin(struct curl_quiet *quiet);
void curl_quiet_end(struct curl_quiet *quiet);
