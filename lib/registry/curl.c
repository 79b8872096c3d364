/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libcurl by dlopen: it brings 30 libraries of its own, which only a pull needs.
 *
 * curl_global_init() is once per process, and curl_global_cleanup() is never called: the program around
 * us may use libcurl as well, and both count on the same global state.
 */
#include "registry/curl.h"

#include <pthread.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/lib.h"

static struct curl_api api;

static const struct lib_symbol symbols[] = {
	{ "curl_global_init", &api.global_init },
	{ "curl_easy_init", &api.easy_init },
	{ "curl_easy_cleanup", &api.easy_cleanup },
	{ "curl_easy_setopt", &api.easy_setopt },
	{ "curl_easy_getinfo", &api.easy_getinfo },
	{ "curl_easy_pause", &api.easy_pause },
	{ "curl_easy_strerror", &api.easy_strerror },
	{ "curl_easy_escape", &api.easy_escape },
	{ "curl_free", &api.free },
	{ "curl_slist_append", &api.slist_append },
	{ "curl_slist_free_all", &api.slist_free_all },
	{ "curl_multi_init", &api.multi_init },
	{ "curl_multi_cleanup", &api.multi_cleanup },
	{ "curl_multi_add_handle", &api.multi_add_handle },
	{ "curl_multi_remove_handle", &api.multi_remove_handle },
	{ "curl_multi_perform", &api.multi_perform },
	{ "curl_multi_poll", &api.multi_poll },
	{ "curl_multi_info_read", &api.multi_info_read },
	{ "curl_multi_strerror", &api.multi_strerror },
	{ "curl_url", &api.url },
	{ "curl_url_cleanup", &api.url_cleanup },
	{ "curl_url_set", &api.url_set },
	{ "curl_url_get", &api.url_get },
};

static struct lib library = {
	.soname = "libcurl.so.4",
	.purpose = "registries",
	.symbols = symbols,
	.n_symbols = ARRAY_SIZE(symbols),
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode init_result;

static void init_once(void)
{
	init_result = api.global_init(CURL_GLOBAL_DEFAULT);
}

const struct curl_api *curl_api_get(scow_error **error)
{
	if (lib_load(&library, error) < 0)
		return NULL;
	pthread_once(&once, init_once);
	if (init_result != CURLE_OK) {
		(void) error_set(error, SCOW_E_FAILED, "initialise libcurl: %s", api.easy_strerror(init_result));
		return NULL;
	}
	return &api;
}

void curl_quiet_begin(struct curl_quiet *quiet)
{
	sigset_t all, pending;

	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGILL);
	sigpending(&pending);
	quiet->had_pipe = sigismember(&pending, SIGPIPE) == 1;
	pthread_sigmask(SIG_SETMASK, &all, &quiet->before);
}

void curl_quiet_end(struct curl_quiet *quiet)
{
	static const struct timespec now = { 0, 0 };
	sigset_t pipe_only, pending;

	sigpending(&pending);
	if (!quiet->had_pipe && sigismember(&pending, SIGPIPE) == 1) {
		sigemptyset(&pipe_only);
		sigaddset(&pipe_only, SIGPIPE);
		(void) sigtimedwait(&pipe_only, NULL, &now);
	}
	pthread_sigmask(SIG_SETMASK, &quiet->before, NULL);
}
