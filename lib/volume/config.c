/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A volume's description: setters that copy. What an option means is the driver's to say, when the volume is made. The first bad value
 * is kept and reported there.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "volume/volume-internal.h"

scow_volume_config *scow_volume_config_new(void)
{
	return calloc(1, sizeof(scow_volume_config));
}

scow_volume_config *scow_volume_config_unref(scow_volume_config *config)
{
	if (!config)
		return NULL;
	scow_error_unref(config->error);
	arena_done(&config->arena);
	free(config);
	return NULL;
}

static void put_pair(scow_volume_config *config, const char *setter, struct volume_pair **pairs, size_t *n, const char *name,
		     const char *value)
{
	struct volume_pair *pair = NULL;

	if (!name || !*name)
		return error_keep(&config->error, SCOW_E_INVALID, setter + strlen("scow_volume_config_"), "no name was given");
	for (size_t i = 0; i < *n && !pair; i++)
		if (str_eq((*pairs)[i].name, name))
			pair = &(*pairs)[i];
	if (!pair)
		pair = arena_append(&config->arena, pairs, n, sizeof(**pairs));
	if (pair)
		*pair = (struct volume_pair){ arena_strdup(&config->arena, name), arena_strdup(&config->arena, value ? value : "") };
}

void scow_volume_config_set_driver(scow_volume_config *config, const char *driver)
{
	if (config)
		config->driver = driver && *driver ? arena_strdup(&config->arena, driver) : NULL;
}

void scow_volume_config_set_option(scow_volume_config *config, const char *name, const char *value)
{
	if (config)
		put_pair(config, __func__, &config->options, &config->n_options, name, value);
}

void scow_volume_config_add_label(scow_volume_config *config, const char *name, const char *value)
{
	if (config)
		put_pair(config, __func__, &config->labels, &config->n_labels, name, value);
}

void scow_volume_config_set_ephemeral(scow_volume_config *config, int ephemeral)
{
	if (config)
		config->ephemeral = ephemeral;
}

int volume_config_check(const scow_volume_config *config, scow_error **error)
{
	return arena_failed(&config->arena) ? error_oom(error) : error_kept(config->error, error);
}

char *volume_pairs_json(const struct volume_pair *pairs, size_t n)
{
	_cleanup_json_ cJSON *object = cJSON_CreateObject();
	bool ok = object != NULL;

	for (size_t i = 0; ok && i < n; i++)
		ok = cJSON_AddStringToObject(object, pairs[i].name, pairs[i].value) != NULL;
	return ok ? json_print(object) : NULL;
}
