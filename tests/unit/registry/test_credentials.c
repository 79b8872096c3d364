/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* config.json and auth.json: whose entry wins, what it says, and which files are looked at. */
#include "../unit.h"

#include <sys/stat.h>

#include "base/cleanup.h"
#include "registry/credentials.h"

static const struct {
	const char *text, *domain, *path;
	enum credentials_kind kind;
	const char *user, *secret;
} cases[] = {
	/* user:pa:ss */
	{ "{\"auths\":{\"r.example\":{\"auth\":\"dXNlcjpwYTpzcw==\"}}}", "r.example", "a", CREDENTIALS_PASSWORD, "user", "pa:ss" },
	/* the same with NULs at its end */
	{ "{\"auths\":{\"r.example\":{\"auth\":\"dXNlcjpwYTpzcwAA\"}}}", "r.example", "a", CREDENTIALS_PASSWORD, "user", "pa:ss" },
	{ "{\"auths\":{\"r.example\":{\"auth\":\"dXNlcjo=\"}}}", "r.example", "a", CREDENTIALS_PASSWORD, "user", "" },
	{ "{\"auths\":{\"r.example\":{\"username\":\"u\",\"password\":\"p\"}}}", "r.example", "a", CREDENTIALS_PASSWORD, "u", "p" },
	{ "{\"auths\":{\"https://r.example:5000/v2/\":{\"username\":\"u\",\"password\":\"p\"}}}", "r.example:5000", "a",
	  CREDENTIALS_PASSWORD, "u", "p" },
	{ "{\"auths\":{\"R.Example\":{\"username\":\"u\",\"password\":\"p\"}}}", "r.example", "a", CREDENTIALS_PASSWORD, "u", "p" },
	{ "{\"auths\":{\"r.example:5000\":{\"username\":\"u\",\"password\":\"p\"}}}", "r.example", "a", CREDENTIALS_NONE, NULL, NULL },
	{ "{\"auths\":{\"r.example.evil\":{\"username\":\"u\",\"password\":\"p\"}}}", "r.example", "a", CREDENTIALS_NONE, NULL, NULL },
	{ "{\"auths\":{\"https://index.docker.io/v1/\":{\"auth\":\"dXNlcjpwYTpzcw==\"}}}", "docker.io", "library/a", CREDENTIALS_PASSWORD,
	  "user", "pa:ss" },
	{ "{\"auths\":{\"docker.io\":{\"auth\":\"dXNlcjpwYTpzcw==\"}}}", "docker.io", "library/a", CREDENTIALS_PASSWORD, "user", "pa:ss" },
	{ "{\"auths\":{\"https://index.docker.io/v1/\":{\"auth\":\"dXNlcjpwYTpzcw==\"}}}", "index.example", "a", CREDENTIALS_NONE, NULL,
	  NULL },
	/* repositories: the longest that fits */
	{ "{\"auths\":{\"q.io\":{\"username\":\"host\"},\"q.io/org\":{\"username\":\"org\"},\"q.io/org/app\":{\"username\":\"app\"}}}",
	  "q.io", "org/app", CREDENTIALS_PASSWORD, "app", "" },
	{ "{\"auths\":{\"q.io\":{\"username\":\"host\"},\"q.io/org\":{\"username\":\"org\"}}}", "q.io", "org/app", CREDENTIALS_PASSWORD,
	  "org", "" },
	{ "{\"auths\":{\"q.io\":{\"username\":\"host\"},\"q.io/org\":{\"username\":\"org\"}}}", "q.io", "organ/app", CREDENTIALS_PASSWORD,
	  "host", "" },
	/* tokens */
	{ "{\"auths\":{\"r.example\":{\"auth\":\"dXNlcjpwYTpzcw==\",\"identitytoken\":\"refresh\"}}}", "r.example", "a",
	  CREDENTIALS_IDENTITY, "", "refresh" },
	{ "{\"auths\":{\"r.example\":{\"username\":\"<token>\",\"password\":\"refresh\"}}}", "r.example", "a", CREDENTIALS_IDENTITY,
	  "<token>", "refresh" },
	{ "{\"auths\":{\"r.example\":{\"registrytoken\":\"t\"}}}", "r.example", "a", CREDENTIALS_BEARER, "", "t" },
	/* helpers come first, and the one for the host before the one for all */
	{ "{\"credsStore\":\"all\",\"auths\":{\"r.example\":{\"username\":\"u\"}}}", "r.example", "a", CREDENTIALS_HELPER, "all", "" },
	{ "{\"credHelpers\":{\"r.example\":\"one\"},\"credsStore\":\"all\"}", "r.example", "a", CREDENTIALS_HELPER, "one", "" },
	{ "{\"credHelpers\":{\"other\":\"one\"},\"auths\":{\"r.example\":{\"username\":\"u\"}}}", "r.example", "a", CREDENTIALS_PASSWORD,
	  "u", "" },
	{ "{\"auths\":{\"r.example\":{}}}", "r.example", "a", CREDENTIALS_NONE, NULL, NULL },
	{ "{}", "r.example", "a", CREDENTIALS_NONE, NULL, NULL },
};

static void test_cases(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_credentials_ struct credentials c = { 0 };

		if (credentials_parse(cases[i].text, strlen(cases[i].text), "file", cases[i].domain, cases[i].path, &c, NULL) < 0 ||
		    c.kind != cases[i].kind)
			fail_msg("%s: kind %d", cases[i].text, (int) c.kind);
		if (!cases[i].user)
			continue;
		assert_string_equal(c.user, cases[i].user);
		assert_string_equal(c.secret, cases[i].secret);
		assert_string_equal(c.source, "file");
	}
}

static void test_malformed(void **state)
{
	static const char *const bad[] = { "{",
					   "[",
					   "{\"auths\":[]}",
					   "{\"auths\":{\"r.example\":{\"auth\":\"!!\"}}}",
					   "{\"auths\":{\"r.example\":{\"auth\":\"dXNlcg==\"}}}",
					   "{\"auths\":{\"r.example\":{\"auth\":5}}}",
					   "{\"credsStore\":{}}" };

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_credentials_ struct credentials c = { 0 };
		scow_error *error = NULL;

		assert_int_equal(credentials_parse(bad[i], strlen(bad[i]), "the-file", "r.example", "a", &c, &error), SCOW_E_CORRUPT);
		assert_non_null(strstr(scow_error_message(error), "the-file"));
		/* A secret has no business in a message. */
		assert_null(strstr(scow_error_message(error), "dXNlcg"));
		scow_error_unref(error);
	}
}

static void test_basic(void **state)
{
	static const char *const pairs[][3] = { { "Aladdin", "open sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==" },
						{ "user", "pa:ss", "Basic dXNlcjpwYTpzcw==" },
						{ "a", "", "Basic YTo=" },
						{ "", "ab", "Basic OmFi" } };

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		_cleanup_free_ char *header = credentials_basic(pairs[i][0], pairs[i][1]);

		assert_string_equal(header, pairs[i][2]);
	}
}

static void write_file(const struct scratch *scratch, const char *name, const char *user)
{
	_cleanup_fd_ int fd = openat(scratch->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(dprintf(fd, "{\"auths\":{\"r.example\":{\"username\":\"%s\",\"password\":\"p\"}}}", user) > 0);
}

static void assert_found(const char *user)
{
	_cleanup_credentials_ struct credentials c = { 0 };

	assert_int_equal(credentials_find("r.example", "a", &c, NULL), 0);
	if (!user)
		assert_int_equal(c.kind, CREDENTIALS_NONE);
	else
		assert_string_equal(c.user, user);
}

static void test_files(void **state)
{
	struct scratch scratch = scratch_new();
	char path[128];

	(void) state;
	setenv("HOME", scratch.path, 1);
	setenv("XDG_RUNTIME_DIR", scratch.path, 1);
	unsetenv("DOCKER_CONFIG");
	unsetenv("REGISTRY_AUTH_FILE");
	assert_found(NULL);

	assert_int_equal(mkdirat(scratch.fd, "containers", 0700), 0);
	write_file(&scratch, "containers/auth.json", "runtime");
	assert_found("runtime");

	write_file(&scratch, "named.json", "named");
	snprintf(path, sizeof path, "%s/named.json", scratch.path);
	setenv("REGISTRY_AUTH_FILE", path, 1);
	assert_found("named");

	assert_int_equal(mkdirat(scratch.fd, ".docker", 0700), 0);
	write_file(&scratch, ".docker/config.json", "home");
	assert_found("home");

	snprintf(path, sizeof path, "%s/elsewhere", scratch.path);
	setenv("DOCKER_CONFIG", path, 1);
	assert_found("named");
	assert_int_equal(mkdirat(scratch.fd, "elsewhere", 0700), 0);
	write_file(&scratch, "elsewhere/config.json", "config");
	assert_found("config");
	scratch_done(&scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_basic),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
