/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit/unit.h"

#include "base/cleanup.h"
#include "container/create.h"

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static size_t count(const char *const *words)
{
	size_t n = 0;

	while (words && words[n])
		n++;
	return n;
}

static void assert_words(char **words, size_t n, const char *const *expected)
{
	assert_int_equal(n, count(expected));
	for (size_t i = 0; i < n; i++)
		assert_string_equal(words[i], expected[i]);
	assert_null(words[n]);
}

static const char *const nothing[] = { NULL };

/* Docker's table. NULL: not given; "nothing": given and empty. */
static void test_args(void **state)
{
	const struct {
		const char *const *image_entrypoint, *const *image_cmd, *const *entrypoint, *const *command,
												    *const *args; /* NULL: no command */
	} cases[] = {
		{ NULL, WORDS("sh"), NULL, NULL, WORDS("sh") },
		{ WORDS("e"), WORDS("c"), NULL, NULL, WORDS("e", "c") },
		{ WORDS("e"), WORDS("c"), NULL, WORDS("u"), WORDS("e", "u") },
		{ WORDS("e"), WORDS("c"), WORDS("v"), NULL, WORDS("v") },
		{ WORDS("e"), WORDS("c"), WORDS("v"), WORDS("u"), WORDS("v", "u") },
		{ WORDS("e"), WORDS("c"), WORDS(""), NULL, NULL },
		{ WORDS("e"), WORDS("c"), WORDS(""), WORDS("u"), WORDS("u") },
		{ WORDS("e"), WORDS("c"), nothing, NULL, WORDS("c") },
		{ WORDS("e"), WORDS("c"), NULL, nothing, WORDS("e", "c") },
		{ WORDS("e"), NULL, NULL, NULL, WORDS("e") },
		{ NULL, NULL, NULL, NULL, NULL },
		{ WORDS(""), NULL, NULL, NULL, NULL },
		/* a shell form CMD under an exec form ENTRYPOINT is two lists after each other, not one command line */
		{ WORDS("e"), WORDS("/bin/sh", "-c", "x y"), NULL, NULL, WORDS("e", "/bin/sh", "-c", "x y") },
		{ WORDS("e", ""), NULL, NULL, WORDS("", "a"), WORDS("e", "", "", "a") },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct image_config image = {
			.entrypoint = (char **) cases[i].image_entrypoint,
			.n_entrypoint = count(cases[i].image_entrypoint),
			.cmd = (char **) cases[i].image_cmd,
			.n_cmd = count(cases[i].image_cmd),
		};
		scow_container_config *config = scow_container_config_new();
		struct arena arena = { 0 };
		struct merged merged;
		scow_error *error = NULL;
		int r;

		scow_container_config_set_entrypoint(config, cases[i].entrypoint);
		scow_container_config_set_command(config, cases[i].command);
		r = config_merge(&image, config, "h", &arena, &merged, &error);
		if (cases[i].args) {
			assert_ok(r);
			assert_words(merged.args, merged.n_args, cases[i].args);
		} else {
			assert_int_equal(r, SCOW_E_INVALID);
			assert_string_equal(scow_error_message(error), "no command specified");
		}
		scow_error_unref(error);
		scow_container_config_unref(config);
		arena_done(&arena);
	}
}

static void check_env(scow_container_config *config, const char *const *image_env, const char *const *expected)
{
	struct image_config image = { .env = (char **) image_env, .n_env = count(image_env) };
	struct arena arena = { 0 };
	struct merged merged;

	scow_container_config_set_command(config, WORDS("x"));
	assert_ok(config_merge(&image, config, "host", &arena, &merged, NULL));
	assert_words(merged.env, merged.n_env, expected);
	scow_container_config_unref(config);
	arena_done(&arena);
}

static void test_env(void **state)
{
	scow_container_config *config = scow_container_config_new();

	(void) state;
	check_env(config, NULL, WORDS(PATH, "HOSTNAME=host"));

	config = scow_container_config_new();
	scow_container_config_set_tty(config, 1);
	scow_container_config_set_env(config, "B", "user");
	scow_container_config_set_env(config, "C", "");
	check_env(config, WORDS("A=image", "B=image", "PATH=/image", "D="),
		  WORDS("PATH=/image", "HOSTNAME=host", "TERM=xterm", "B=user", "C=", "A=image", "D="));

	/* Without a value: taken away, the image's and the default. */
	config = scow_container_config_new();
	scow_container_config_set_env(config, "A", NULL);
	scow_container_config_set_env(config, "PATH", NULL);
	scow_container_config_set_env(config, "NEVER", NULL);
	check_env(config, WORDS("A=image", "PATH=/image", "B=1"), WORDS("HOSTNAME=host", "B=1"));

	/* The user's own TERM and HOSTNAME, in their places; an image's words that are no variables are left out. */
	config = scow_container_config_new();
	scow_container_config_set_tty(config, 1);
	scow_container_config_set_env(config, "TERM", "vt100");
	scow_container_config_set_env(config, "HOSTNAME", "mine");
	scow_container_config_set_env(config, "HOME", "/h");
	check_env(config, WORDS("NOTHING", "=x", "A=1", "A=2", "AB=3"),
		  WORDS(PATH, "HOSTNAME=mine", "TERM=vt100", "HOME=/h", "A=2", "AB=3"));
}

static void test_workdir(void **state)
{
	static const struct {
		const char *image, *user, *result;
	} cases[] = {
		{ NULL, NULL, "/" },
		{ "", NULL, "/" },
		{ "/srv", NULL, "/srv" },
		{ "srv", NULL, "/srv" },
		{ "/srv", "/x", "/x" },
		{ "a/../../b", NULL, "/b" },
		{ "/proc/self/fd/7/", NULL, "/proc/self/fd/7" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct image_config image = { .workdir = (char *) cases[i].image };
		scow_container_config *config = scow_container_config_new();
		struct arena arena = { 0 };
		struct merged merged;

		scow_container_config_set_command(config, WORDS("x"));
		scow_container_config_set_workdir(config, cases[i].user);
		assert_ok(config_merge(&image, config, "h", &arena, &merged, NULL));
		assert_string_equal(merged.workdir, cases[i].result);
		scow_container_config_unref(config);
		arena_done(&arena);
	}
}

static void test_others(void **state)
{
	const char *labels[] = { "a", "image", "b", "image" };
	struct image_config image = {
		.user = (char *) "www", .stop_signal = (char *) "SIGQUIT", .labels = (char **) labels, .n_labels = 4
	};
	scow_container_config *config = scow_container_config_new();
	struct arena arena = { 0 };
	struct merged merged;

	(void) state;
	scow_container_config_set_command(config, WORDS("x"));
	assert_ok(config_merge(&image, config, NULL, &arena, &merged, NULL));
	assert_string_equal(merged.user, "www");
	assert_string_equal(merged.stop_signal, "SIGQUIT");
	assert_int_equal(merged.n_labels, 2);
	assert_words(merged.env, merged.n_env, WORDS(PATH));

	scow_container_config_set_user(config, "0:0");
	scow_container_config_set_stop_signal(config, "INT");
	scow_container_config_add_label(config, "b", "user");
	scow_container_config_add_label(config, "c", "user");
	assert_ok(config_merge(&image, config, NULL, &arena, &merged, NULL));
	assert_string_equal(merged.user, "0:0");
	assert_string_equal(merged.stop_signal, "INT");
	assert_int_equal(merged.n_labels, 3);
	assert_string_equal(merged.labels[0].value, "user");
	assert_string_equal(merged.labels[2].name, "a");
	scow_container_config_unref(config);
	arena_done(&arena);
}

/* Field by field: the image's interval goes with the user's test, and the reverse. */
static void test_health(void **state)
{
	static const char *const image_test[] = { "CMD", "check", "it", NULL };
	struct image_config image = { .health = { .test = (char **) image_test, .n_test = 3, .interval_ms = 100, .start_period_ms = 7 } };
	static const char *const command[] = { "true", NULL };
	scow_container_config *config = scow_container_config_new();
	struct merged merged;
	struct arena arena = { 0 };

	(void) state;
	image.cmd = (char **) command;
	image.n_cmd = 1;
	assert_ok(config_merge(&image, config, NULL, &arena, &merged, NULL));
	assert_words(merged.health.test, merged.health.n_test, WORDS("CMD", "check", "it"));
	assert_int_equal(merged.health.interval_ms, 100);
	assert_int_equal(merged.health.timeout_ms, 30000);
	assert_int_equal(merged.health.start_period_ms, 7);
	assert_int_equal(merged.health.start_interval_ms, 5000);
	assert_int_equal(merged.health.retries, 3);
	assert_int_equal(merged.health_said.timeout_ms, 0);
	assert_int_equal(merged.health_said.interval_ms, 100);

	scow_container_config_set_health(config, NULL, 0, 9, 0, 0, 1);
	assert_ok(config_merge(&image, config, NULL, &arena, &merged, NULL));
	assert_words(merged.health.test, merged.health.n_test, WORDS("CMD", "check", "it"));
	assert_int_equal(merged.health.interval_ms, 100);
	assert_int_equal(merged.health.timeout_ms, 9);
	assert_int_equal(merged.health.retries, 1);

	scow_container_config_set_health(config, WORDS("CMD-SHELL", "x"), 5, 0, 0, 0, 0);
	assert_ok(config_merge(&image, config, NULL, &arena, &merged, NULL));
	assert_words(merged.health.test, merged.health.n_test, WORDS("CMD-SHELL", "x"));
	assert_int_equal(merged.health.interval_ms, 5);

	scow_container_config_set_health(config, WORDS("NONE"), 0, 0, 0, 0, 0);
	assert_ok(config_merge(&image, config, NULL, &arena, &merged, NULL));
	assert_int_equal(merged.health.n_test, 0);
	assert_words(merged.health_said.test, merged.health_said.n_test, WORDS("NONE"));

	image.health = (struct health){ 0 };
	scow_container_config_set_health(config, NULL, 5, 0, 0, 0, 0);
	assert_ok(config_merge(&image, config, NULL, &arena, &merged, NULL));
	assert_int_equal(merged.health.n_test, 0);
	scow_container_config_unref(config);
	arena_done(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_args),   cmocka_unit_test(test_env),    cmocka_unit_test(test_workdir),
		cmocka_unit_test(test_others), cmocka_unit_test(test_health),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
