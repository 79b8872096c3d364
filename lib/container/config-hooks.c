/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The container's description, part of hooks: the setters, and the reading of OCI's "hooks" object, which is HostConfig.Hooks in the
 * config's document. What becomes of them at a start is in hooks.c.
 */
#include "container/config-json.h"

#include <scow/hook.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "container/config-internal.h"

const char *hook_stage_name(unsigned int stage)
{
	static const char *const names[CONFIG_HOOK_STAGES] = {
		"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop",
	};

	return stage < CONFIG_HOOK_STAGES ? names[stage] : NULL;
}

static size_t vector_size(const char *const *words)
{
	size_t n = 0;

	while (words && words[n])
		n++;
	return n;
}

void scow_container_config_add_hook(scow_container_config *config, scow_hook_stage stage, const char *path, const char *const *args,
				    const char *const *env, unsigned int timeout_ms)
{
	struct spec_hook *hook;

	if (!config)
		return;
	if (!hook_stage_name((unsigned int) stage))
		return REFUSE(config, "%d is no stage of a hook", (int) stage);
	/* As it is: a link in it is the caller's to have followed. */
	if (!path || *path != '/' || text_has_control(path))
		return REFUSE(config, "'%s' is not an absolute path", path ? path : "");
	for (size_t i = 0; env && env[i]; i++)
		if (!strchr(env[i], '=') || env[i][0] == '=')
			return REFUSE(config, "'%s' of the environment of '%s' is no NAME=value", env[i], path);
	hook = arena_append(&config->arena, &config->hooks, &config->n_hooks, sizeof(*hook));
	if (!hook)
		return;
	*hook = (struct spec_hook){
		.stage = (unsigned int) stage,
		.path = arena_strdup(&config->arena, path),
		.args = args ? arena_strv(&config->arena, args, vector_size(args)) : NULL,
		.n_args = vector_size(args),
		.env = env ? arena_strv(&config->arena, env, vector_size(env)) : NULL,
		.n_env = vector_size(env),
		.timeout_ms = timeout_ms,
	};
}

void scow_container_config_add_annotation(scow_container_config *config, const char *name, const char *value)
{
	if (!config)
		return;
	if (!name || !*name || text_has_control(name))
		return REFUSE(config, "'%s' is not the name of an annotation", name ? name : "");
	config_put_pair(config, &config->annotations, &config->n_annotations, name, value ? value : "");
}

void scow_container_config_set_hook_callback(scow_container_config *config, scow_hook_fn hook, void *userdata)
{
	if (!config)
		return;
	config->hook = hook;
	config->hook_data = userdata;
}

/* ---- from JSON ---- */

/* Seconds; a fraction is ours. */
static bool read_timeout(const cJSON *item, unsigned int *ms)
{
	double value = item && cJSON_IsNumber(item) ? item->valuedouble * 1000 : 0;

	*ms = 0;
	if (!item || cJSON_IsNull(item))
		return true;
	if (!(value >= 1) || value > UINT32_MAX)
		return false;
	*ms = (unsigned int) llround(value);
	return true;
}

static void read_hook(struct reader *reader, unsigned int stage, const cJSON *item)
{
	const cJSON *args = cJSON_GetObjectItemCaseSensitive(item, "args"), *env = cJSON_GetObjectItemCaseSensitive(item, "env");
	const cJSON *path = cJSON_GetObjectItemCaseSensitive(item, "path");
	_cleanup_free_ const char **arg_words = NULL, **env_words = NULL;
	unsigned int timeout_ms;

	if (!cJSON_IsString(path))
		return reader_refuse(reader, SCOW_E_INVALID, "expected an array of objects with a 'path'");
	if (!read_timeout(cJSON_GetObjectItemCaseSensitive(item, "timeout"), &timeout_ms))
		return reader_refuse(reader, SCOW_E_INVALID, "expected a 'timeout' of more than 0 seconds");
	if (args && !cJSON_IsNull(args) && !(arg_words = vector_read(reader, args)))
		return;
	if (env && !cJSON_IsNull(env) && !(env_words = vector_read(reader, env)))
		return;
	scow_container_config_add_hook(reader->config, (scow_hook_stage) stage, path->valuestring, arg_words, env_words, timeout_ms);
}

void read_hooks(struct reader *reader, const cJSON *item)
{
	const cJSON *list, *hook;

	if (!cJSON_IsObject(item))
		return reader_refuse(reader, SCOW_E_INVALID, "expected an object");
	cJSON_ArrayForEach(list, item)
	{
		unsigned int stage = 0;

		while (hook_stage_name(stage) && !str_eq(hook_stage_name(stage), list->string))
			stage++;
		snprintf(reader->path, sizeof(reader->path), "HostConfig.Hooks.%.80s", list->string);
		if (is_empty(list))
			continue;
		if (!hook_stage_name(stage))
			return reader_refuse(reader, SCOW_E_INVALID, "there is no such stage");
		if (!cJSON_IsArray(list))
			return reader_refuse(reader, SCOW_E_INVALID, "expected an array of objects with a 'path'");
		cJSON_ArrayForEach(hook, list) read_hook(reader, stage, hook);
	}
}
