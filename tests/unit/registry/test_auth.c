/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a 401 to a token: what is asked of the token server, what is kept, when it is renewed, when it is given up. */
#include "peer.h"

#include "registry/session.h"

#define JSON(text) "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n" text
#define DENY(challenge) "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\nWWW-Authenticate: " challenge "\r\n\r\n"
#define BEARER "Bearer realm=\"http://127.0.0.1:%P/token?x=1\",service=\"the service\",scope=\"repository:a/b:pull repository:c:pull,push\""

/* What config.json holds; %d is the peer's port. NULL: there is none. */
static const char *entry;

struct outcome {
	int r;
	char message[512];
	char hint[512];
	char data[64];
};

static void set_config(const struct scratch *scratch, int port)
{
	_cleanup_fd_ int fd = openat(scratch->fd, "config.json", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	const char *mark = strstr(entry, "%d");

	assert_true(dprintf(fd, "%.*s%d%s", (int) (mark - entry), entry, port, mark + 2) > 0);
	setenv("DOCKER_CONFIG", scratch->path, 1);
}

/* Asks one peer, which is registry and token server in turn, for a manifest. */
static struct outcome ask(struct peer *peer, const char *const *answers, const char *user, const char *password)
{
	struct outcome outcome = { 0 };
	_cleanup_document_ struct document document = { 0 };
	_cleanup_(session_closep) struct session *session = NULL;
	_cleanup_reference_ struct reference reference = { 0 };
	struct session_options options = { .reference = &reference, .user = user, .password = password };
	struct scratch scratch = scratch_new();
	scow_error *error = NULL;
	char name[64];

	peer_start(peer, answers);
	if (entry)
		set_config(&scratch, peer->port);
	snprintf(name, sizeof name, "127.0.0.1:%d/a/b:t", peer->port);
	assert_int_equal(reference_parse(name, &reference, NULL), 0);
	assert_int_equal(session_open(&options, &session, NULL), 0);
	outcome.r = session_document(session, "manifests/t", "x/y", 1000, "manifest 'a/b:t'", &document, &error);
	snprintf(outcome.message, sizeof outcome.message, "%s", scow_error_message(error));
	snprintf(outcome.hint, sizeof outcome.hint, "%s", scow_error_hint(error) ? scow_error_hint(error) : "");
	snprintf(outcome.data, sizeof outcome.data, "%s", document.data ? document.data : "");
	scow_error_unref(error);
	peer_stop(peer);
	unsetenv("DOCKER_CONFIG");
	scratch_done(&scratch);
	return outcome;
}

static int no_files(void **state)
{
	(void) state;
	setenv("HOME", "/nonexistent", 1);
	unsetenv("DOCKER_CONFIG");
	unsetenv("REGISTRY_AUTH_FILE");
	unsetenv("XDG_RUNTIME_DIR");
	return 0;
}

static void test_no_auth(void **state)
{
	static const char *const answers[] = { JSON("document"), NULL };
	struct peer peer;

	(void) state;
	assert_string_equal(ask(&peer, answers, "user", "secret").data, "document");
	assert_int_equal(peer.n_requests, 1);
	assert_null(strstr(peer.requests[0], "Authorization"));
	assert_non_null(strstr(peer.requests[0], "GET /v2/a/b/manifests/t HTTP/1.1\r\n"));
}

static void test_anonymous_token(void **state)
{
	static const char *const answers[] = { DENY(BEARER), JSON("{\"token\":\"T1\"}"), JSON("document"), NULL };
	struct peer peer;

	(void) state;
	assert_string_equal(ask(&peer, answers, NULL, NULL).data, "document");
	assert_non_null(strstr(peer.requests[1], "GET /token?x=1&service=the%20service&scope=repository%3Aa%2Fb%3Apull&"
						 "scope=repository%3Ac%3Apull%2Cpush HTTP/1.1"));
	assert_null(strstr(peer.requests[1], "Authorization"));
	assert_non_null(strstr(peer.requests[2], "Authorization: Bearer T1\r\n"));
}

static void test_token_with_password(void **state)
{
	static const char *const answers[] = { DENY(BEARER), JSON("{\"access_token\":\"T2\",\"expires_in\":300}"), JSON("document"), NULL };
	struct peer peer;

	(void) state;
	assert_string_equal(ask(&peer, answers, "user", "pa:ss").data, "document");
	assert_non_null(strstr(peer.requests[1], "&account=user"));
	assert_non_null(strstr(peer.requests[1], "Authorization: Basic dXNlcjpwYTpzcw==\r\n"));
	assert_non_null(strstr(peer.requests[2], "Authorization: Bearer T2\r\n"));
}

static void test_basic(void **state)
{
	static const char *const answers[] = { DENY("Negotiate, Basic realm=\"x, y\""), JSON("document"), NULL };
	struct peer peer;

	(void) state;
	assert_string_equal(ask(&peer, answers, "user", "pa:ss").data, "document");
	assert_non_null(strstr(peer.requests[1], "Authorization: Basic dXNlcjpwYTpzcw==\r\n"));
}

/* The answer to a request with credentials is final: asked once more, and no further. */
static void test_refused(void **state)
{
	static const char *const basic[] = { DENY("Basic realm=\"x\""), DENY("Basic realm=\"x\""), NULL };
	static const char *const bearer[] = { DENY(BEARER), JSON("{\"token\":\"T\"}"), DENY(BEARER), NULL };
	static const char *const server[] = { DENY(BEARER), DENY("Basic realm=\"x\""), NULL };
	static const char *const silent[] = { DENY("Basic realm=\"x\""), NULL };
	static const char *const odd[] = { DENY("Kerberos"), NULL };
	struct outcome outcome;
	struct peer peer;

	(void) state;
	outcome = ask(&peer, basic, "user", "wrong");
	assert_int_equal(outcome.r, SCOW_E_AUTH);
	assert_non_null(strstr(outcome.message, "does not accept our credentials for 'a/b'"));
	assert_null(strstr(outcome.message, "wrong"));
	assert_int_equal(ask(&peer, bearer, "user", "wrong").r, SCOW_E_AUTH);
	assert_int_equal(ask(&peer, server, "user", "wrong").r, SCOW_E_AUTH);
	outcome = ask(&peer, silent, NULL, NULL);
	assert_int_equal(outcome.r, SCOW_E_AUTH);
	assert_non_null(strstr(outcome.message, "wants credentials for 'a/b'"));
	assert_non_null(strstr(outcome.hint, "log in"));
	assert_int_equal(ask(&peer, odd, "user", "x").r, SCOW_E_AUTH);
}

static void test_no_token(void **state)
{
	static const char *const answers[][3] = { { DENY(BEARER), JSON("{}"), NULL },
						  { DENY(BEARER), JSON("{\"token\":\"a\\nb\"}"), NULL },
						  { DENY("Bearer service=x"), NULL } };
	static const char *const garbage[] = { DENY(BEARER), JSON("<html>"), NULL };
	struct peer peer;

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
		assert_int_equal(ask(&peer, answers[i], NULL, NULL).r, SCOW_E_AUTH);
	assert_int_equal(ask(&peer, garbage, NULL, NULL).r, SCOW_E_CORRUPT);
}

static void test_identity_token(void **state)
{
	static const char *const answers[] = { DENY(BEARER), JSON("{\"access_token\":\"T3\"}"), JSON("document"), NULL };
	struct peer peer;

	(void) state;
	entry = "{\"auths\":{\"127.0.0.1:%d\":{\"auth\":\"dXNlcjpwYTpzcw==\",\"identitytoken\":\"re fresh\"}}}";
	assert_string_equal(ask(&peer, answers, NULL, NULL).data, "document");
	entry = NULL;
	assert_non_null(strstr(peer.requests[1], "POST /token?x=1 HTTP/1.1\r\n"));
	assert_non_null(strstr(peer.requests[1], "grant_type=refresh_token&service=the%20service&client_id=scow&scope="));
	assert_non_null(strstr(peer.requests[1], "&refresh_token=re%20fresh"));
	assert_null(strstr(peer.requests[1], "Authorization"));
	assert_non_null(strstr(peer.requests[2], "Authorization: Bearer T3\r\n"));
}

static void test_password_from_file(void **state)
{
	static const char *const answers[] = { DENY("Basic realm=\"x\""), JSON("document"), NULL };
	struct peer peer;

	(void) state;
	entry = "{\"auths\":{\"127.0.0.1:%d\":{\"auth\":\"dXNlcjpwYTpzcw==\"}}}";
	assert_string_equal(ask(&peer, answers, NULL, NULL).data, "document");
	assert_non_null(strstr(peer.requests[1], "Authorization: Basic dXNlcjpwYTpzcw==\r\n"));
	/* What is given for the pull comes first. */
	assert_string_equal(ask(&peer, answers, "a", "").data, "document");
	assert_non_null(strstr(peer.requests[1], "Authorization: Basic YTo=\r\n"));
	entry = NULL;
}

static void test_helper(void **state)
{
	static const char *const basic[] = { DENY("Basic realm=\"x\""), NULL };
	static const char *const server[] = { DENY(BEARER), DENY("Basic realm=\"x\""), NULL };
	static const char *const public[] = { DENY(BEARER), JSON("{\"token\":\"T\"}"), JSON("document"), NULL };
	struct outcome outcome;
	struct peer peer;

	(void) state;
	entry = "{\"credsStore\":\"desktop\", \"unused\":%d}";
	outcome = ask(&peer, basic, NULL, NULL);
	assert_int_equal(outcome.r, SCOW_E_UNSUPPORTED);
	assert_non_null(strstr(outcome.message, "docker-credential-desktop"));
	assert_non_null(strstr(outcome.hint, "scow_pull_options_set_credentials"));
	assert_int_equal(ask(&peer, server, NULL, NULL).r, SCOW_E_UNSUPPORTED);
	/* What everybody may have needs no helper. */
	assert_string_equal(ask(&peer, public, NULL, NULL).data, "document");
	entry = NULL;
}

/* What the registry says goes into the message, and nothing of it into the terminal. */
static void test_registry_words(void **state)
{
	static const char *const unknown[] = {
		"HTTP/1.1 404 X\r\nConnection: close\r\n\r\n{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"no "
		"\\u001b[31msuch\"}]}",
		NULL
	};
	static const char *const denied[] = { "HTTP/1.1 403 X\r\nConnection: close\r\n\r\n{\"errors\":[{\"code\":\"DENIED\"}]}", NULL };
	struct outcome outcome;
	struct peer peer;

	(void) state;
	outcome = ask(&peer, unknown, NULL, NULL);
	assert_int_equal(outcome.r, SCOW_E_NOT_FOUND);
	assert_non_null(strstr(outcome.message, "MANIFEST_UNKNOWN, no ?[31msuch"));
	assert_int_equal(ask(&peer, denied, NULL, NULL).r, SCOW_E_AUTH);
}

static void test_back_off(void **state)
{
	static const char *const answers[] = { "HTTP/1.1 503 X\r\nConnection: close\r\n\r\n",
					       "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\ndoc",
					       "HTTP/1.1 429 X\r\nConnection: close\r\nRetry-After: 1\r\n\r\n", JSON("document"), NULL };
	struct peer peer;

	(void) state;
	assert_string_equal(ask(&peer, answers, NULL, NULL).data, "document");
	assert_int_equal(peer.n_requests, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_auth),
		cmocka_unit_test(test_anonymous_token),
		cmocka_unit_test(test_token_with_password),
		cmocka_unit_test(test_basic),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_no_token),
		cmocka_unit_test(test_identity_token),
		cmocka_unit_test(test_password_from_file),
		cmocka_unit_test(test_helper),
		cmocka_unit_test(test_registry_words),
		cmocka_unit_test(test_back_off),
	};

	return cmocka_run_group_tests(tests, no_files, NULL);
}
