/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The container's description: which ids its user namespace maps. What the maps must be together (no overlaps, an id 0) is checked when
 * the config is used, id-map.c; their text is podman's, "inside:outside:count".
 */
#include "container/config.h"

#include <stdio.h>

#include "container/config-internal.h"
#include "container/config-json.h"

static void add(scow_container_config *config, const char *setter, struct id_range **maps, size_t *count, uint32_t inside, uint32_t outside,
		uint32_t ids)
{
	struct id_range *slot;

	if (!ids)
		return REFUSE_AS(config, setter, "a map of no ids");
	slot = arena_append(&config->arena, maps, count, sizeof(*slot));
	if (slot)
		*slot = (struct id_range){ inside, outside, ids };
}

void scow_container_config_add_uid_map(scow_container_config *config, uint32_t inside, uint32_t outside, uint32_t count)
{
	if (config)
		add(config, __func__, &config->uid_maps, &config->n_uid_maps, inside, outside, count);
}

void scow_container_config_add_gid_map(scow_container_config *config, uint32_t inside, uint32_t outside, uint32_t count)
{
	if (config)
		add(config, __func__, &config->gid_maps, &config->n_gid_maps, inside, outside, count);
}

static void read_maps(struct reader *reader, const cJSON *item, const char *name,
		      void (*add_map)(scow_container_config *, uint32_t, uint32_t, uint32_t))
{
	const cJSON *maps = cJSON_GetObjectItemCaseSensitive(item, name), *map;

	cJSON_ArrayForEach(map, maps)
	{
		unsigned int inside, outside, count;
		char end;

		if (!cJSON_IsString(map) || sscanf(map->valuestring, "%10u:%10u:%10u%c", &inside, &outside, &count, &end) != 3)
			return reader_refuse(reader, SCOW_E_INVALID, "expected maps as \"inside:outside:count\"");
		add_map(reader->config, inside, outside, count);
	}
}

void id_mappings_read(struct reader *reader, const cJSON *item)
{
	if (!cJSON_IsObject(item))
		return reader_refuse(reader, SCOW_E_INVALID, "expected an object");
	read_maps(reader, item, "UidMap", scow_container_config_add_uid_map);
	read_maps(reader, item, "GidMap", scow_container_config_add_gid_map);
}
