/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* HTTP by our rules: redirects and what goes along, limits, stalls, cancel, addresses; signals stay as they were. */
#include "peer.h"

#include <signal.h>

#include "base/cancel.h"
#include "registry/http.h"
#include "registry/url.h"

#define OK(body) "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " body

struct result {
	int r;
	long status;
	enum http_failure failure;
	bool elsewhere;
	char body[256];
	char message[512];
};

static struct result fetch(const struct http_options *options, const char *url, const char *authorization)
{
	_cleanup_(http_client_freep) struct http_client *client = NULL;
	_cleanup_(http_transfer_freep) struct http_transfer *transfer = NULL;
	struct http_request request = { .url = url, .authorization = authorization, .accept = "text/x", .limit = 100 };
	const struct http_response *response = NULL;
	struct result result = { 0 };
	scow_error *error = NULL;

	assert_int_equal(http_client_new(options, &client, NULL), 0);
	result.r = http_fetch(client, &request, &transfer, &response, &result.failure, &error);
	snprintf(result.message, sizeof result.message, "%s", scow_error_message(error));
	if (result.r == 0) {
		result.status = response->status;
		result.elsewhere = response->elsewhere;
		snprintf(result.body, sizeof result.body, "%s", response->body.data ? response->body.data : "");
	}
	scow_error_unref(error);
	return result;
}

static struct result fetch_from(struct peer *peer, const struct http_options *options, const char *host, const char *authorization)
{
	char url[128];

	snprintf(url, sizeof url, "http://%s:%d/v2/", host, peer->port);
	return fetch(options, url, authorization);
}

static void test_plain(void **state)
{
	static const char *const answers[] = { OK("5\r\nContent-Type: a/b; charset=x\r\n\r\nhello"), NULL };
	struct http_options options = { .trusts_local = true };
	struct result result;
	struct peer peer;

	(void) state;
	peer_start(&peer, answers);
	result = fetch_from(&peer, &options, "127.0.0.1", "Basic eA==");
	assert_int_equal(result.r, 0);
	assert_int_equal(result.status, 200);
	assert_string_equal(result.body, "hello");
	peer_stop(&peer);
	assert_non_null(strstr(peer.requests[0], "Authorization: Basic eA==\r\n"));
	assert_non_null(strstr(peer.requests[0], "Accept: text/x\r\n"));
	assert_non_null(strstr(peer.requests[0], "Accept-Encoding: identity\r\n"));
}

/* The same host keeps the credentials; "localhost" is another host than 127.0.0.1. */
static void test_redirects(void **state)
{
	static const char *const answers[] = { "HTTP/1.1 307 X\r\nConnection: close\r\nLocation: /again\r\nContent-Length: 3\r\n\r\nabc",
					       "HTTP/1.1 302 X\r\nConnection: close\r\nLocation: http://localhost:%P/other\r\n\r\n",
					       "HTTP/1.1 301 X\r\nConnection: close\r\nLocation: http://127.0.0.1:%P/back\r\n\r\n",
					       OK("2\r\n\r\nok"), NULL };
	struct http_options options = { .trusts_local = true };
	struct result result;
	struct peer peer;

	(void) state;
	peer_start(&peer, answers);
	result = fetch_from(&peer, &options, "127.0.0.1", "Bearer secret");
	peer_stop(&peer);
	assert_int_equal(result.r, 0);
	assert_string_equal(result.body, "ok");
	assert_true(result.elsewhere);
	assert_non_null(strstr(peer.requests[0], "Bearer secret"));
	assert_non_null(strstr(peer.requests[1], "GET /again "));
	assert_non_null(strstr(peer.requests[1], "Bearer secret"));
	assert_non_null(strstr(peer.requests[2], "GET /other "));
	assert_null(strstr(peer.requests[2], "secret"));
	/* Not even where the second host sends us back. */
	assert_null(strstr(peer.requests[3], "secret"));
}

static void test_redirect_loop(void **state)
{
#define AROUND "HTTP/1.1 302 X\r\nConnection: close\r\nLocation: /\r\n\r\n"
	static const char *const answers[] = { AROUND, AROUND, AROUND, AROUND, AROUND, AROUND, AROUND,
					       AROUND, AROUND, AROUND, AROUND, AROUND, NULL };
	struct http_options options = { .trusts_local = true };
	struct result result;
	struct peer peer;

	(void) state;
	peer_start(&peer, answers);
	result = fetch_from(&peer, &options, "127.0.0.1", NULL);
	peer_stop(&peer);
	assert_int_equal(result.r, SCOW_E_NETWORK);
	assert_int_equal(peer.n_requests, 11);
	assert_non_null(strstr(result.message, "redirects more than 10 times"));
}

/* A registry that is not on loopback (here: only said to be none) must not lead us to this host. */
static void test_local_addresses(void **state)
{
	static const char *const targets[] = { "http://127.0.0.1:1/",     "http://localhost:1/", "http://[::1]:1/",
					       "http://169.254.169.254/", "http://0.0.0.0/",     "http://[::ffff:127.0.0.1]/",
					       "http://[fe80::1]/",       "http://2130706433/",  "http://127.1/",
					       "http://0x7f.0.0.1/" };
	struct http_options options = { .insecure = true };

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		char answer[256];
		const char *const answers[] = { answer, NULL };
		struct result result;
		struct peer peer;

		snprintf(answer, sizeof answer, "HTTP/1.1 302 X\r\nConnection: close\r\nLocation: %s\r\n\r\n", targets[i]);
		peer_start(&peer, answers);
		result = fetch_from(&peer, &options, "127.0.0.1", NULL);
		peer_stop(&peer);
		if (result.r != SCOW_E_DENIED)
			fail_msg("'%s': %d %s", targets[i], result.r, result.message);
	}
}

/* A name that only the resolver knows to be ours: caught when the socket is made. */
static void test_local_name(void **state)
{
	static const char *const answers[] = { "HTTP/1.1 302 X\r\nConnection: close\r\nLocation: http://127.0.0.1.:1/\r\n\r\n", NULL };
	struct http_options options = { .insecure = true };
	struct result result;
	struct peer peer;

	(void) state;
	peer_start(&peer, answers);
	result = fetch_from(&peer, &options, "127.0.0.1", NULL);
	peer_stop(&peer);
	assert_true(result.r == SCOW_E_DENIED || result.r == SCOW_E_NETWORK);
}

static void test_bad_locations(void **state)
{
	static const char *const targets[] = { "ftp://example.com/", "file:///etc/passwd", "http://user:pw@example.com/", "gopher://x/" };
	struct http_options options = { .trusts_local = true };

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		char answer[256];
		const char *const answers[] = { answer, NULL };
		struct result result;
		struct peer peer;

		snprintf(answer, sizeof answer, "HTTP/1.1 302 X\r\nConnection: close\r\nLocation: %s\r\n\r\n", targets[i]);
		peer_start(&peer, answers);
		result = fetch_from(&peer, &options, "127.0.0.1", NULL);
		peer_stop(&peer);
		if (result.r != SCOW_E_INVALID)
			fail_msg("'%s': %d %s", targets[i], result.r, result.message);
	}
}

static void test_limits_and_cuts(void **state)
{
	static const struct {
		const char *answer;
		int r;
		enum http_failure failure;
	} cases[] = {
		{ OK("200\r\n\r\n0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
		     "01234567890123456789"),
		  SCOW_E_CORRUPT, HTTP_FATAL },
		{ OK("20\r\n\r\n0123456789"), SCOW_E_NETWORK, HTTP_BROKEN },
		{ "", SCOW_E_NETWORK, HTTP_NOT_PLAIN },
		{ "\x15\x03\x01\x00\x02\x02\x46", SCOW_E_NETWORK, HTTP_NOT_PLAIN },
	};
	struct http_options options = { .trusts_local = true };

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *const answers[] = { cases[i].answer, NULL };
		struct result result;
		struct peer peer;

		peer_start(&peer, answers);
		result = fetch_from(&peer, &options, "127.0.0.1", NULL);
		peer_stop(&peer);
		if (result.r != cases[i].r || result.failure != cases[i].failure)
			fail_msg("case %zu: %d, %d: %s", i, result.r, (int) result.failure, result.message);
	}
}

static void test_stall(void **state)
{
	static const char *const answers[] = { "hang", NULL };
	struct http_options options = { .trusts_local = true, .stall_s = 1 };
	struct result result;
	struct peer peer;

	(void) state;
	peer_start(&peer, answers);
	result = fetch_from(&peer, &options, "127.0.0.1", NULL);
	peer_stop(&peer);
	assert_int_equal(result.r, SCOW_E_TIMEOUT);
	assert_int_equal(result.failure, HTTP_BROKEN);
}

static void *cancel_soon(void *userdata)
{
	usleep(50000);
	scow_cancel_trigger(userdata);
	return NULL;
}

static void test_cancel(void **state)
{
	static const char *const answers[] = { "hang", NULL };
	_cleanup_(scow_cancel_unrefp) scow_cancel *cancel = NULL;
	struct http_options options = { .trusts_local = true };
	uint64_t before = clock_us();
	struct result result;
	struct peer peer;
	pthread_t thread;

	(void) state;
	assert_int_equal(scow_cancel_new(&cancel, NULL), 0);
	options.cancel = cancel;
	peer_start(&peer, answers);
	assert_int_equal(pthread_create(&thread, NULL, cancel_soon, cancel), 0);
	result = fetch_from(&peer, &options, "127.0.0.1", NULL);
	pthread_join(thread, NULL);
	peer_stop(&peer);
	assert_int_equal(result.r, SCOW_E_CANCELED);
	assert_true(clock_us() - before < 1000000);
}

static void test_unreachable(void **state)
{
	struct http_options options = { .trusts_local = true };
	struct result result;

	(void) state;
	result = fetch(&options, "http://127.0.0.1:1/", NULL);
	assert_int_equal(result.r, SCOW_E_NETWORK);
	assert_int_equal(result.failure, HTTP_UNREACHABLE);
	result = fetch(&options, "http://no-such-host.invalid/", NULL);
	assert_int_equal(result.r, SCOW_E_NETWORK);
	assert_int_equal(result.failure, HTTP_UNREACHABLE);
	assert_non_null(strstr(result.message, "no-such-host.invalid"));
}

static void test_signals_unchanged(void **state)
{
	static const char *const answers[] = { OK("2\r\n\r\nok"), NULL };
	struct http_options options = { .trusts_local = true };
	sigset_t before, after;
	struct peer peer;

	(void) state;
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	peer_start(&peer, answers);
	assert_int_equal(fetch_from(&peer, &options, "localhost", NULL).r, 0);
	peer_stop(&peer);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	for (int n = 1; n < 65; n++)
		assert_int_equal(sigismember(&before, n), sigismember(&after, n));
}

static void test_hosts(void **state)
{
	static const char *const loopback[] = { "localhost", "LOCALHOST:5000", "127.0.0.1", "127.9.9.9:80", "::1", "[::1]", "[::1]:5000" };
	static const char *const others[] = { "docker.io", "localhost.example",  "127.0.0.1.example:5000",
					      "10.0.0.1",  "[2001:db8::1]:5000", "128.0.0.1" };

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(loopback); i++)
		if (!host_is_loopback(loopback[i]))
			fail_msg("'%s' is loopback", loopback[i]);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (host_is_loopback(others[i]))
			fail_msg("'%s' is not loopback", others[i]);
	assert_true(host_is_local_literal("169.254.169.254"));
	assert_true(host_is_local_literal("64:ff9b::7f00:1"));
	assert_false(host_is_local_literal("192.168.1.1"));
	assert_false(host_is_local_literal("example.com"));
}

static void test_urls(void **state)
{
	_cleanup_url_ struct url a = { 0 }, b = { 0 };

	(void) state;
	assert_int_equal(url_parse("https://Host.example/v2/x?y", "../blob#frag", &a, NULL), 0);
	assert_string_equal(a.text, "https://Host.example/blob");
	assert_string_equal(a.host, "host.example");
	assert_int_equal(a.port, 443);
	assert_int_equal(url_parse(NULL, "https://host.example:443/z", &b, NULL), 0);
	assert_true(url_same_origin(&a, &b));
	url_done(&b);
	assert_int_equal(url_parse(NULL, "http://[::1]:5000/z", &b, NULL), 0);
	assert_string_equal(b.host, "::1");
	assert_int_equal(b.port, 5000);
	assert_false(url_same_origin(&a, &b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_redirects),
		cmocka_unit_test(test_redirect_loop),
		cmocka_unit_test(test_local_addresses),
		cmocka_unit_test(test_local_name),
		cmocka_unit_test(test_bad_locations),
		cmocka_unit_test(test_limits_and_cuts),
		cmocka_unit_test(test_stall),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_unreachable),
		cmocka_unit_test(test_signals_unchanged),
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_urls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
