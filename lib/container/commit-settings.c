/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A container's settings as those of an image: the image's and the user's, merged as for a start, without what the start adds (HOSTNAME,
 * TERM, a PATH that nobody set). As Docker's: ONBUILD and SHELL are the image's own, and do not come along.
 */
#include "container/commit.h"

#include <string.h>

#include "base/str.h"
#include "container/create.h"
#include "container/published.h"

static bool put(cJSON *object, const char *name, cJSON *item)
{
	if (item && cJSON_AddItemToObject(object, name, item))
		return true;
	cJSON_Delete(item);
	return false;
}

static bool put_text(cJSON *object, const char *name, const char *text)
{
	return !text || !*text || cJSON_AddStringToObject(object, name, text);
}

/* None for none. */
static bool put_strings(cJSON *object, const char *name, char *const *strings, size_t count)
{
	return !strings || !count || put(object, name, cJSON_CreateStringArray((const char *const *) strings, (int) count));
}

static bool names(const scow_container_config *config, const char *entry, size_t size)
{
	for (size_t i = 0; i < config->n_env; i++)
		if (strlen(config->env[i].name) == size && memcmp(config->env[i].name, entry, size) == 0)
			return true;
	return false;
}

static bool add_string(cJSON *array, const char *text)
{
	cJSON *item = text ? cJSON_CreateString(text) : NULL;

	return item && cJSON_AddItemToArray(array, item);
}

cJSON *settings_env(const scow_container_config *config, const struct image_config *image)
{
	cJSON *env = cJSON_CreateArray();
	bool ok = env != NULL;

	for (size_t i = 0; i < config->n_env && ok; i++) {
		_cleanup_free_ char *entry = config->env[i].value ? strf("%s=%s", config->env[i].name, config->env[i].value) : NULL;

		ok = !config->env[i].value || add_string(env, entry);
	}
	for (size_t i = 0; i < image->n_env && ok; i++)
		ok = names(config, image->env[i], strcspn(image->env[i], "=")) || add_string(env, image->env[i]);
	if (ok)
		return env;
	cJSON_Delete(env);
	return NULL;
}

static bool put_env(cJSON *out, const scow_container_config *config, const struct image_config *image)
{
	cJSON *env = settings_env(config, image);
	bool none = env && !env->child;

	if (none)
		cJSON_Delete(env);
	return none || put(out, "Env", env);
}

static bool put_command(cJSON *out, const scow_container_config *config, const struct image_config *image)
{
	bool resets = config->has_entrypoint && (!config->n_entrypoint || !*config->entrypoint[0]);

	if (!config->has_entrypoint && !put_strings(out, "Entrypoint", image->entrypoint, image->n_entrypoint))
		return false;
	if (config->has_entrypoint && !resets && !put_strings(out, "Entrypoint", config->entrypoint, config->n_entrypoint))
		return false;
	if (config->has_command)
		return put_strings(out, "Cmd", config->command, config->n_command);
	return config->has_entrypoint || put_strings(out, "Cmd", image->cmd, image->n_cmd);
}

static bool put_sets(cJSON *out, const scow_container_config *config, const struct image_config *image, const struct merged *merged)
{
	cJSON *exposed = exposed_json(image, config), *labels = merged->n_labels ? cJSON_AddObjectToObject(out, "Labels") : NULL;
	cJSON *volumes = image->n_volumes ? cJSON_AddObjectToObject(out, "Volumes") : NULL;
	bool ok = true;

	if (exposed && exposed->child)
		ok = put(out, "ExposedPorts", exposed);
	else
		cJSON_Delete(exposed);
	for (size_t i = 0; i < merged->n_labels && ok; i++)
		ok = cJSON_AddStringToObject(labels, merged->labels[i].name, merged->labels[i].value);
	for (size_t i = 0; i < image->n_volumes && ok; i++)
		ok = cJSON_AddObjectToObject(volumes, image->volumes[i]);
	return ok;
}

static bool put_health(cJSON *out, const struct health *health)
{
	const struct {
		const char *name;
		double value;
	} numbers[] = { { "Interval", (double) health->interval_ms * 1e6 },
			{ "Timeout", (double) health->timeout_ms * 1e6 },
			{ "StartPeriod", (double) health->start_period_ms * 1e6 },
			{ "StartInterval", (double) health->start_interval_ms * 1e6 },
			{ "Retries", health->retries } };
	cJSON *object;
	bool ok;

	if (!health->n_test)
		return true;
	object = cJSON_AddObjectToObject(out, "Healthcheck");
	ok = object && put_strings(object, "Test", health->test, health->n_test);
	for (size_t i = 0; i < ARRAY_SIZE(numbers) && ok; i++)
		ok = numbers[i].value == 0 || cJSON_AddNumberToObject(object, numbers[i].name, numbers[i].value);
	return ok;
}

static char *join(char *const *words, size_t count)
{
	struct str line = { 0 };

	for (size_t i = 0; i < count; i++)
		str_printf(&line, "%s%s", i ? " " : "", words[i]);
	return str_take(&line);
}

static cJSON *settings_json(const scow_container_config *config, const struct image_config *image, const struct merged *merged)
{
	cJSON *out = cJSON_CreateObject();
	const char *workdir = config->workdir && *config->workdir ? config->workdir : image->workdir;

	if (out && put_text(out, "User", merged->user) && put_env(out, config, image) && put_command(out, config, image) &&
	    put_sets(out, config, image, merged) && put_text(out, "WorkingDir", workdir) &&
	    put_text(out, "StopSignal", merged->stop_signal) && put_health(out, &merged->health_said))
		return out;
	cJSON_Delete(out);
	return NULL;
}

int commit_settings(scow_container *container, cJSON **out, char **command, scow_error **error)
{
	const scow_container_config *config;
	const struct image_config *image;
	struct merged merged = { 0 };
	struct arena arena = { 0 };
	int r = container_config_of(container, &config, error);

	if (r == 0)
		r = container_image_of(container, &image, error);
	if (r == 0)
		r = config_merge(image, config, NULL, &arena, &merged, error);
	if (r == 0) {
		*out = settings_json(config, image, &merged);
		*command = config->has_command ? join(config->command, config->n_command) : join(image->cmd, image->n_cmd);
		r = *out && *command ? 0 : error_oom(error);
	}
	arena_done(&arena);
	return r;
}
