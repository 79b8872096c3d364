/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The image's settings and the user's, as Docker merges them:
 * - the image's CMD counts only where the user gave neither entrypoint nor command;
 * - an entrypoint of one empty string takes the image's away, and its CMD with it;
 * - variables: PATH, HOSTNAME and TERM first, then the user's, then those of the image that the user did not name; a variable without
 *   a value is taken away, PATH too;
 * - user, directory and stop signal: the image's only where the user set none; labels: both, the user's win;
 * - the health check: field by field, an image's interval goes with the user's test; what nobody said is Docker's default.
 * HOME is found by scow-init, which knows the container's passwd.
 */
#include "container/create.h"

#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/str.h"

#define HEALTH_INTERVAL_MS 30000
#define HEALTH_TIMEOUT_MS 30000
#define HEALTH_START_INTERVAL_MS 5000
#define HEALTH_RETRIES 3
#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static int merge_args(const struct image_config *image, const scow_container_config *config, struct arena *arena, struct merged *out,
		      scow_error **error)
{
	char **entrypoint = config->entrypoint, **command = config->command;
	size_t n_entrypoint = config->n_entrypoint, n_command = config->n_command;

	if (!n_entrypoint) {
		if (!n_command) {
			command = image->cmd;
			n_command = command ? image->n_cmd : 0;
		}
		if (!config->has_entrypoint) {
			entrypoint = image->entrypoint;
			n_entrypoint = entrypoint ? image->n_entrypoint : 0;
		}
	}
	if (n_entrypoint == 1 && !*entrypoint[0])
		n_entrypoint = 0;
	if (!n_entrypoint && !n_command)
		return error_hint(error, error_set(error, SCOW_E_INVALID, "no command specified"),
				  "the image has none of its own: give one");
	out->n_args = n_entrypoint + n_command;
	out->args = arena_alloc(arena, (out->n_args + 1) * sizeof(*out->args));
	if (!out->args)
		return error_oom(error);
	for (size_t i = 0; i < out->n_args; i++)
		out->args[i] = arena_strdup(arena, i < n_entrypoint ? entrypoint[i] : command[i - n_entrypoint]);
	return 0;
}

static bool is_variable(const char *entry, const char *name, size_t size)
{
	return strncmp(entry, name, size) == 0 && (entry[size] == '=' || !entry[size]);
}

/* Sets, replaces in its place, or (no @entry) takes away. */
static void put_variable(struct merged *out, const char *name, size_t size, char *entry)
{
	for (size_t i = 0; i < out->n_env; i++) {
		if (!is_variable(out->env[i], name, size))
			continue;
		if (entry) {
			out->env[i] = entry;
			return;
		}
		memmove(&out->env[i], &out->env[i + 1], (out->n_env - i) * sizeof(*out->env));
		out->n_env--;
		return;
	}
	if (entry)
		out->env[out->n_env++] = entry;
}

static bool user_names(const scow_container_config *config, const char *entry, size_t size)
{
	for (size_t i = 0; i < config->n_env; i++)
		if (strlen(config->env[i].name) == size && memcmp(config->env[i].name, entry, size) == 0)
			return true;
	return false;
}

static int merge_env(const struct image_config *image, const scow_container_config *config, const char *hostname, struct arena *arena,
		     struct merged *out, scow_error **error)
{
	out->env = arena_alloc(arena, (image->n_env + config->n_env + 4) * sizeof(*out->env));
	if (!out->env)
		return error_oom(error);
	put_variable(out, "PATH", strlen("PATH"), arena_strdup(arena, DEFAULT_PATH));
	if (hostname)
		put_variable(out, "HOSTNAME", strlen("HOSTNAME"), arena_printf(arena, "HOSTNAME=%s", hostname));
	if (config->tty)
		put_variable(out, "TERM", strlen("TERM"), arena_strdup(arena, "TERM=xterm"));
	for (size_t i = 0; i < config->n_env; i++) {
		const struct config_pair *pair = &config->env[i];

		put_variable(out, pair->name, strlen(pair->name),
			     pair->value ? arena_printf(arena, "%s=%s", pair->name, pair->value) : NULL);
	}
	for (size_t i = 0; i < image->n_env; i++) {
		const char *entry = image->env[i];
		size_t size = strcspn(entry, "=");

		/* An image may hold "NAME" or "=value", which are not variables. */
		if (size && entry[size] && !user_names(config, entry, size))
			put_variable(out, entry, size, arena_strdup(arena, entry));
	}
	return 0;
}

static int merge_workdir(const struct image_config *image, const scow_container_config *config, struct arena *arena, struct merged *out,
			 scow_error **error)
{
	const char *path = config->workdir ? config->workdir : image->workdir;
	_cleanup_free_ char *absolute = NULL, *clean = NULL;

	out->workdir = "/";
	if (!path || !*path || str_eq(path, "/"))
		return 0;
	/* Dockerfile's WORKDIR starts at "/", so that a relative one in an image is below it. */
	if (!(absolute = strf("/%s", path)) || !(clean = path_clean(absolute)))
		return error_oom(error);
	out->workdir = arena_strdup(arena, clean);
	return 0;
}

static int merge_labels(const struct image_config *image, const scow_container_config *config, struct arena *arena, struct merged *out,
			scow_error **error)
{
	size_t n = image->n_labels / 2;

	if (!n && !config->n_labels)
		return 0;
	out->labels = arena_alloc(arena, (n + config->n_labels) * sizeof(*out->labels));
	if (!out->labels)
		return error_oom(error);
	for (size_t i = 0; i < config->n_labels; i++)
		out->labels[out->n_labels++] = config->labels[i];
	for (size_t i = 0; i < n; i++) {
		const struct config_pair label = { image->labels[2 * i], image->labels[2 * i + 1] };
		bool named = false;

		for (size_t j = 0; j < config->n_labels && !named; j++)
			named = str_eq(config->labels[j].name, label.name);
		if (!named)
			out->labels[out->n_labels++] = label;
	}
	for (size_t i = 0; i < out->n_labels; i++) {
		out->labels[i].name = arena_strdup(arena, out->labels[i].name);
		out->labels[i].value = arena_strdup(arena, out->labels[i].value);
	}
	return 0;
}

static int merge_health(const struct health *image, const struct health *user, struct arena *arena, struct merged *out, scow_error **error)
{
	const struct health *test = user->n_test ? user : image;
	struct health *health = &out->health_said;

	*health = (struct health){
		.n_test = test->n_test,
		.interval_ms = user->interval_ms ? user->interval_ms : image->interval_ms,
		.timeout_ms = user->timeout_ms ? user->timeout_ms : image->timeout_ms,
		.start_period_ms = user->start_period_ms ? user->start_period_ms : image->start_period_ms,
		.start_interval_ms = user->start_interval_ms ? user->start_interval_ms : image->start_interval_ms,
		.retries = user->retries ? user->retries : image->retries,
	};
	if (!health->n_test)
		return 0;
	health->test = arena_strv(arena, (const char *const *) test->test, test->n_test);
	if (!health->test)
		return error_oom(error);
	if (str_eq(health->test[0], "NONE"))
		return 0;
	out->health = *health;
	health = &out->health;
	health->interval_ms = health->interval_ms ? health->interval_ms : HEALTH_INTERVAL_MS;
	health->timeout_ms = health->timeout_ms ? health->timeout_ms : HEALTH_TIMEOUT_MS;
	health->start_interval_ms = health->start_interval_ms ? health->start_interval_ms : HEALTH_START_INTERVAL_MS;
	health->retries = health->retries ? health->retries : HEALTH_RETRIES;
	return 0;
}

static const char *first_set(const char *user, const char *image)
{
	return user && *user ? user : image && *image ? image : NULL;
}

int config_merge(const struct image_config *image, const scow_container_config *config, const char *hostname, struct arena *arena,
		 struct merged *out, scow_error **error)
{
	const char *user = first_set(config->user, image->user);
	int r;

	*out = (struct merged){ .n_args = 0 };
	r = merge_args(image, config, arena, out, error);
	if (r == 0)
		r = merge_env(image, config, hostname, arena, out, error);
	if (r == 0)
		r = merge_workdir(image, config, arena, out, error);
	if (r == 0)
		r = merge_labels(image, config, arena, out, error);
	if (r == 0)
		r = merge_health(&image->health, &config->health, arena, out, error);
	if (r < 0)
		return r;
	out->user = user ? arena_strdup(arena, user) : "";
	out->stop_signal = arena_strdup(arena, first_set(config->stop_signal, image->stop_signal));
	return arena_failed(arena) ? error_oom(error) : 0;
}
