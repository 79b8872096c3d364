/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* References: what is taken, its full and its short form; what is refused, and why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <scow/scow.h>

#include "image/reference.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST "sha256:" HEX
#define A63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A128 A63 "a" A63 "a"

static const struct {
	const char *text, *domain, *path, *tag, *digest, *full, *familiar;
} good[] = {
	{ "ubuntu", "docker.io", "library/ubuntu", NULL, NULL, "docker.io/library/ubuntu:latest", "ubuntu:latest" },
	{ "ubuntu:24.04", "docker.io", "library/ubuntu", "24.04", NULL, "docker.io/library/ubuntu:24.04", "ubuntu:24.04" },
	{ "library/ubuntu", "docker.io", "library/ubuntu", NULL, NULL, "docker.io/library/ubuntu:latest", "ubuntu:latest" },
	{ "docker.io/ubuntu", "docker.io", "library/ubuntu", NULL, NULL, "docker.io/library/ubuntu:latest", "ubuntu:latest" },
	{ "docker.io/library/ubuntu:x", "docker.io", "library/ubuntu", "x", NULL, "docker.io/library/ubuntu:x", "ubuntu:x" },
	{ "index.docker.io/ubuntu", "docker.io", "library/ubuntu", NULL, NULL, "docker.io/library/ubuntu:latest", "ubuntu:latest" },
	{ "index.docker.io/a/b", "docker.io", "a/b", NULL, NULL, "docker.io/a/b:latest", "a/b:latest" },
	{ "user/app", "docker.io", "user/app", NULL, NULL, "docker.io/user/app:latest", "user/app:latest" },
	{ "a/b/c:t", "docker.io", "a/b/c", "t", NULL, "docker.io/a/b/c:t", "a/b/c:t" },
	{ "library/a/b", "docker.io", "library/a/b", NULL, NULL, "docker.io/library/a/b:latest", "library/a/b:latest" },
	{ "localhost", "docker.io", "library/localhost", NULL, NULL, "docker.io/library/localhost:latest", "localhost:latest" },
	{ "localhost:5000", "docker.io", "library/localhost", "5000", NULL, "docker.io/library/localhost:5000", "localhost:5000" },
	{ "localhost/a", "localhost", "a", NULL, NULL, "localhost/a:latest", "localhost/a:latest" },
	{ "localhost:5000/a", "localhost:5000", "a", NULL, NULL, "localhost:5000/a:latest", "localhost:5000/a:latest" },
	{ "localhost:5000/a/b:tag", "localhost:5000", "a/b", "tag", NULL, "localhost:5000/a/b:tag", "localhost:5000/a/b:tag" },
	{ "localhosts/a", "docker.io", "localhosts/a", NULL, NULL, "docker.io/localhosts/a:latest", "localhosts/a:latest" },
	{ "127.0.0.1:5000/x", "127.0.0.1:5000", "x", NULL, NULL, "127.0.0.1:5000/x:latest", "127.0.0.1:5000/x:latest" },
	{ "127.0.0.1/x", "127.0.0.1", "x", NULL, NULL, "127.0.0.1/x:latest", "127.0.0.1/x:latest" },
	{ "[::1]:5000/x:y", "[::1]:5000", "x", "y", NULL, "[::1]:5000/x:y", "[::1]:5000/x:y" },
	{ "[2001:db8::1]/x", "[2001:db8::1]", "x", NULL, NULL, "[2001:db8::1]/x:latest", "[2001:db8::1]/x:latest" },
	{ "quay.io/a/b@" DIGEST, "quay.io", "a/b", NULL, DIGEST, "quay.io/a/b@" DIGEST, "quay.io/a/b@" DIGEST },
	{ "quay.io/a/b:c@" DIGEST, "quay.io", "a/b", "c", DIGEST, "quay.io/a/b:c@" DIGEST, "quay.io/a/b:c@" DIGEST },
	{ "ubuntu@" DIGEST, "docker.io", "library/ubuntu", NULL, DIGEST, "docker.io/library/ubuntu@" DIGEST, "ubuntu@" DIGEST },
	{ "ubuntu:1@" DIGEST, "docker.io", "library/ubuntu", "1", DIGEST, "docker.io/library/ubuntu:1@" DIGEST, "ubuntu:1@" DIGEST },
	{ "host:5000/a@" DIGEST, "host:5000", "a", NULL, DIGEST, "host:5000/a@" DIGEST, "host:5000/a@" DIGEST },
	{ "Foo/bar", "Foo", "bar", NULL, NULL, "Foo/bar:latest", "Foo/bar:latest" },
	{ "EXAMPLE.COM/a", "EXAMPLE.COM", "a", NULL, NULL, "EXAMPLE.COM/a:latest", "EXAMPLE.COM/a:latest" },
	{ "ex-ample.com/a", "ex-ample.com", "a", NULL, NULL, "ex-ample.com/a:latest", "ex-ample.com/a:latest" },
	{ "xn--n3h.com/a", "xn--n3h.com", "a", NULL, NULL, "xn--n3h.com/a:latest", "xn--n3h.com/a:latest" },
	{ "a_b", "docker.io", "library/a_b", NULL, NULL, "docker.io/library/a_b:latest", "a_b:latest" },
	{ "a__b", "docker.io", "library/a__b", NULL, NULL, "docker.io/library/a__b:latest", "a__b:latest" },
	{ "a.b", "docker.io", "library/a.b", NULL, NULL, "docker.io/library/a.b:latest", "a.b:latest" },
	{ "a---b", "docker.io", "library/a---b", NULL, NULL, "docker.io/library/a---b:latest", "a---b:latest" },
	{ "0", "docker.io", "library/0", NULL, NULL, "docker.io/library/0:latest", "0:latest" },
	{ "a:_b", "docker.io", "library/a", "_b", NULL, "docker.io/library/a:_b", "a:_b" },
	{ "a:V1.0-RC_1", "docker.io", "library/a", "V1.0-RC_1", NULL, "docker.io/library/a:V1.0-RC_1", "a:V1.0-RC_1" },
	{ "a:" A128, "docker.io", "library/a", A128, NULL, "docker.io/library/a:" A128, "a:" A128 },
	{ "docker.io/a.b/c", "docker.io", "a.b/c", NULL, NULL, "docker.io/a.b/c:latest", "docker.io/a.b/c:latest" },
	{ "a" HEX, "docker.io", "library/a" HEX, NULL, NULL, "docker.io/library/a" HEX ":latest", "a" HEX ":latest" },
	{ HEX ":x", "docker.io", "library/" HEX, "x", NULL, "docker.io/library/" HEX ":x", HEX ":x" },
	{ "x/" HEX, "docker.io", "x/" HEX, NULL, NULL, "docker.io/x/" HEX ":latest", "x/" HEX ":latest" },
	{ "gcr.io/p/" A63 A63, "gcr.io", "p/" A63 A63, NULL, NULL, "gcr.io/p/" A63 A63 ":latest", "gcr.io/p/" A63 A63 ":latest" },
};

static const struct {
	const char *text, *reason;
} bad[] = {
	{ "", "empty" },
	{ HEX, "image id" },
	{ "Ubuntu", "lower case" },
	{ "UBUNTU:latest", "lower case" },
	{ "docker.io/Library/ubuntu", "lower case" },
	{ "a/B", "lower case" },
	{ ":tag", "no name" },
	{ "@" DIGEST, "no name" },
	{ "ubuntu:", "tag is empty" },
	{ "ubuntu:a:b", "a tag holds" },
	{ "ubuntu:-a", "a tag holds" },
	{ "ubuntu:.a", "a tag holds" },
	{ "ubuntu:a+b", "a tag holds" },
	{ "ubuntu:" A128 "a", "longer than 128" },
	{ "a/b@sha256", "no algorithm" },
	{ "a@", "no algorithm" },
	{ "a@sha256:abc", "64 lower-case" },
	{ "a@sha256:" HEX "0", "64 lower-case" },
	{ "a@sha256:ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef0123456789", "64 lower-case" },
	{ "a@sha512:" HEX HEX, "only sha256" },
	{ "a@" DIGEST "@" DIGEST, "64 lower-case" },
	{ "a//b", "component is empty" },
	{ "/a", "component is empty" },
	{ "a/", "component is empty" },
	{ "localhost/", "no name" },
	{ "-a", "start and end" },
	{ "a-", "start and end" },
	{ "a..b", "start and end" },
	{ "a___b", "start and end" },
	{ "a._b", "start and end" },
	{ "a b", "character other" },
	{ "a\nb", "character other" },
	{ "a\033[31m", "character other" },
	{ "../a", "host name is empty" },
	{ "./a", "host name is empty" },
	{ "a.b/../c", "start and end" },
	{ "\xc3\xa4pfel", "start and end" },
	{ "https://ubuntu", "port is empty" },
	{ "host:/a", "port is empty" },
	{ "host:x/a", "not a number" },
	{ "-host.com/a", "starts or ends with '-'" },
	{ "host-.com/a", "starts or ends with '-'" },
	{ "host..com/a", "part of the registry's host name is empty" },
	{ "a_b.com/c", "character other" },
	{ ":5000/a", "host name is empty" },
	{ "[::1/a", "not closed" },
	{ "[:g:]/a", "hex digits" },
	{ "[::1]x/a", "other than a port" },
	{ "[::1]:/a", "port is empty" },
	{ "gcr.io/" A128 A128, "longer than 255" },
};

static void test_good(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_reference_ struct reference r = { 0 };
		scow_error *error = NULL;
		char *full = NULL, *familiar = NULL, *again = NULL;

		if (reference_parse(good[i].text, &r, &error) < 0)
			fail_msg("'%s': %s", good[i].text, scow_error_message(error));
		assert_string_equal(r.domain, good[i].domain);
		assert_string_equal(r.path, good[i].path);
		assert_int_equal(!r.tag, !good[i].tag);
		if (r.tag)
			assert_string_equal(r.tag, good[i].tag);
		assert_int_equal(!r.digest, !good[i].digest);
		if (r.digest)
			assert_string_equal(r.digest, good[i].digest);
		assert_int_equal(scow_reference_normalize(good[i].text, &full, NULL), 0);
		assert_string_equal(full, good[i].full);
		assert_int_equal(scow_reference_familiar(good[i].text, &familiar, NULL), 0);
		assert_string_equal(familiar, good[i].familiar);
		/* Both forms lead back to the same name. */
		assert_int_equal(scow_reference_normalize(familiar, &again, NULL), 0);
		assert_string_equal(again, full);
		scow_free(full);
		scow_free(familiar);
		scow_free(again);
	}
}

static void test_bad(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_reference_ struct reference r = { 0 };
		scow_error *error = NULL;

		if (reference_parse(bad[i].text, &r, &error) != SCOW_E_INVALID)
			fail_msg("'%s' was taken", bad[i].text);
		if (!strstr(scow_error_message(error), bad[i].reason))
			fail_msg("'%s': %s", bad[i].text, scow_error_message(error));
		scow_error_unref(error);
	}
}

static void test_forms(void **state)
{
	_cleanup_reference_ struct reference r = { 0 };
	_cleanup_free_ char *tagged = NULL, *by_digest = NULL, *full = NULL;

	(void) state;
	assert_int_equal(reference_parse("ubuntu:1@" DIGEST, &r, NULL), 0);
	tagged = reference_tagged(&r);
	by_digest = reference_by_digest(&r, DIGEST);
	full = reference_full(&r);
	assert_string_equal(tagged, "docker.io/library/ubuntu:1");
	assert_string_equal(by_digest, "docker.io/library/ubuntu@" DIGEST);
	assert_string_equal(full, "docker.io/library/ubuntu:1@" DIGEST);
	assert_int_equal(reference_default_tag(&r, NULL), 0);
	assert_string_equal(r.tag, "1");
}

static void test_scheme_hint(void **state)
{
	_cleanup_reference_ struct reference r = { 0 };
	scow_error *error = NULL;

	(void) state;
	assert_int_equal(reference_parse("https://registry.example/a", &r, &error), SCOW_E_INVALID);
	assert_non_null(strstr(scow_error_hint(error), "leave out the scheme"));
	scow_error_unref(error);
	assert_int_equal(reference_parse(NULL, &r, NULL), SCOW_E_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_scheme_hint),
	};

	assert_true(ARRAY_SIZE(good) + ARRAY_SIZE(bad) >= 60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
