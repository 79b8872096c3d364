/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Image configs: what the engine takes from them, and what strangers may not put in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "image/manifest.h"

#define D1 "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define ROOTFS "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" D1 "\"]}"
#define PLATFORM "\"os\":\"linux\",\"architecture\":\"amd64\","

static int parse(const char *text, struct image_config *out, scow_error **error)
{
	return image_config_parse(text, strlen(text), out, error);
}

static void test_full(void **state)
{
	struct image_config c;

	(void) state;
	assert_int_equal(parse("{\"created\":\"2024-01-31T12:00:01.123456789+01:00\",\"os\":\"linux\",\"architecture\":\"arm64\",\"variant\":\"v8\","
			       "\"config\":{\"User\":\"1000:100\",\"WorkingDir\":\"/srv\",\"StopSignal\":\"SIGINT\",\"Env\":[\"PATH=/bin\",\"A=b=c\"],"
			       "\"Entrypoint\":[\"/entry\",\"\"],\"Cmd\":[],\"Labels\":{\"a\":\"1\",\"b\":\"\"},\"Volumes\":{\"/data\":{}},"
			       "\"ExposedPorts\":{\"80/tcp\":{},\"53/udp\":{}}}," ROOTFS "}", &c, NULL), 0);
	assert_int_equal(c.created, 1706698801);
	assert_string_equal(c.platform.architecture, "arm64");
	assert_string_equal(c.user, "1000:100");
	assert_string_equal(c.workdir, "/srv");
	assert_string_equal(c.stop_signal, "SIGINT");
	assert_int_equal(c.n_env, 2);
	assert_string_equal(c.env[1], "A=b=c");
	assert_null(c.env[2]);
	assert_int_equal(c.n_entrypoint, 2);
	assert_string_equal(c.entrypoint[1], "");
	assert_non_null(c.cmd); /* [] is not null: it resets what is inherited */
	assert_int_equal(c.n_cmd, 0);
	assert_int_equal(c.n_labels, 4);
	assert_string_equal(c.labels[2], "b");
	assert_int_equal(c.n_volumes, 1);
	assert_string_equal(c.volumes[0], "/data");
	assert_int_equal(c.n_exposed_ports, 2);
	assert_int_equal(c.n_diff_ids, 1);
	assert_string_equal(c.diff_ids[0], D1);
	image_config_done(&c);
}

static void test_sparse(void **state)
{
	struct image_config c;
	struct platform here;

	(void) state;
	/* null wherever Go writes it, no platform, Go's zero time. */
	assert_int_equal(parse("{\"created\":\"0001-01-01T00:00:00Z\",\"config\":{\"User\":\"\",\"Env\":null,\"Entrypoint\":null,\"Cmd\":null,"
			       "\"Labels\":null,\"Volumes\":null},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":null}}", &c, NULL), 0);
	assert_int_equal(c.created, 0);
	assert_null(c.user);
	assert_null(c.entrypoint);
	assert_null(c.cmd);
	assert_null(c.env);
	assert_int_equal(c.n_diff_ids, 0);
	assert_int_equal(platform_parse(NULL, &here, NULL), 0);
	assert_string_equal(c.platform.architecture, here.architecture);
	image_config_done(&c);
	assert_int_equal(parse("{" PLATFORM ROOTFS "}", &c, NULL), 0);
	assert_null(c.workdir);
	image_config_done(&c);
}

static void test_times(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} table[] = {
		{ "1970-01-01T00:00:01Z", 1 },		 { "2000-03-01T00:00:00Z", 951868800 }, { "2000-03-01T00:00:00.999Z", 951868800 },
		{ "2000-03-01T01:30:00+01:30", 951868800 }, { "2000-02-29T22:00:00-02:00", 951868800 }, { "yesterday", 0 }, { "", 0 },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct image_config c;
		char text[256];

		snprintf(text, sizeof(text), "{\"created\":\"%s\"," ROOTFS "}", table[i].text);
		assert_int_equal(parse(text, &c, NULL), 0);
		assert_int_equal(c.created, table[i].seconds);
		image_config_done(&c);
	}
}

static void test_refuses(void **state)
{
	static const struct {
		const char *text, *reason;
	} table[] = {
		{ "{}", "rootfs: it is missing" },
		{ "[]", "expected an object" },
		{ "{" ROOTFS ",\"os\":7}", "os: expected a string" },
		{ "{" ROOTFS ",\"architecture\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}", "too long" },
		{ "{\"rootfs\":{\"diff_ids\":[\"sha256:xyz\"]}}", "diff_ids[0]: 'sha256:xyz' is not" },
		{ "{\"rootfs\":{\"diff_ids\":[7]}}", "array of strings" },
		{ "{" ROOTFS ",\"config\":{\"Env\":\"A=b\"}}", "Env: expected an array" },
		{ "{" ROOTFS ",\"config\":{\"Cmd\":[1]}}", "Cmd: expected an array of strings" },
		{ "{" ROOTFS ",\"config\":{\"Labels\":{\"a\":1}}}", "Labels: expected strings" },
		{ "{" ROOTFS ",\"config\":{\"Volumes\":[]}}", "Volumes: expected an object" },
		{ "{" ROOTFS ",\"config\":[]}", "config: expected an object" },
		/* cJSON ends the string at the NUL: the user would be another than the one that tools show. */
		{ "{" ROOTFS ",\"config\":{\"User\":\"root\\u0000x\"}}", "NUL" },
		{ "{" ROOTFS ",\"config\":{\"WorkingDir\":\"/a\\u0000\"}}", "NUL" },
		{ "{" ROOTFS ",\"config\":{\"Env\":[\"A=\\u0000\"]}}", "NUL" },
		{ "{" ROOTFS ",\"config\":{\"Labels\":{\"\\u0000\":\"a\"}}}", "NUL" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct image_config c;
		scow_error *error = NULL;

		if (parse(table[i].text, &c, &error) != SCOW_E_CORRUPT || !strstr(scow_error_message(error), table[i].reason))
			fail_msg("%s: %s", table[i].text, scow_error_message(error));
		scow_error_unref(error);
	}
}

static void test_control_characters_are_bytes(void **state)
{
	struct image_config c;

	(void) state;
	assert_int_equal(parse("{" ROOTFS ",\"config\":{\"User\":\"a\\nroot\",\"Env\":[\"A=\\u001b[31m%s%n\"],\"Labels\":{\"x\\r\\n\":\"\\t\"}}}", &c,
			       NULL), 0);
	assert_string_equal(c.user, "a\nroot");
	assert_string_equal(c.env[0], "A=\033[31m%s%n");
	assert_string_equal(c.labels[0], "x\r\n");
	image_config_done(&c);
}

static void test_health(void **state)
{
	struct image_config c;

	(void) state;
	assert_int_equal(parse("{" PLATFORM ROOTFS ",\"config\":{\"Healthcheck\":{\"Test\":[\"CMD\",\"/check\"],\"Interval\":1500000001,"
			       "\"Timeout\":1,\"StartPeriod\":-5,\"StartInterval\":0,\"Retries\":2}}}", &c, NULL), 0);
	assert_int_equal(c.health.n_test, 2);
	assert_string_equal(c.health.test[1], "/check");
	assert_int_equal(c.health.interval_ms, 1501);
	assert_int_equal(c.health.timeout_ms, 1);
	assert_int_equal(c.health.start_period_ms, 0);
	assert_int_equal(c.health.retries, 2);
	image_config_done(&c);
	/* A form that nobody knows is no test; what is no array is refused. */
	assert_int_equal(parse("{" PLATFORM ROOTFS ",\"config\":{\"Healthcheck\":{\"Test\":[\"HTTP\",\"/\"],\"Retries\":-2}}}", &c, NULL), 0);
	assert_int_equal(c.health.n_test, 0);
	assert_int_equal(c.health.retries, 0);
	image_config_done(&c);
	assert_int_equal(parse("{" PLATFORM ROOTFS ",\"config\":{\"Healthcheck\":{\"Test\":\"x\"}}}", &c, NULL), SCOW_E_CORRUPT);
	assert_int_equal(parse("{" PLATFORM ROOTFS ",\"config\":{\"Healthcheck\":{\"Interval\":\"30s\"}}}", &c, NULL), SCOW_E_CORRUPT);
	assert_int_equal(parse("{" PLATFORM ROOTFS ",\"config\":{\"Healthcheck\":null}}", &c, NULL), 0);
	image_config_done(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full),	cmocka_unit_test(test_sparse),			     cmocka_unit_test(test_times),
		cmocka_unit_test(test_refuses), cmocka_unit_test(test_control_characters_are_bytes),
		cmocka_unit_test(test_health),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
