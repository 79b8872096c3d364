/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The container's description: devices by name, and GPUs, which are such devices. They are kept as Docker has them, as requests; what
 * they stand for is looked up at each start (cdi.h).
 */
#include "container/config.h"

#include <string.h>

#include "base/str.h"
#include "container/cdi.h"
#include "container/config-internal.h"
#include "container/options.h"

#define GPUS_MAX 64

void scow_container_config_add_cdi_device(scow_container_config *config, const char *name)
{
	struct config_device_request *request = NULL;

	if (!config)
		return;
	if (!name || !cdi_is_device_name(name))
		return REFUSE(config, "'%.120s' is not the name of a device such as 'vendor.com/class=name'", name ? name : "");
	for (size_t i = 0; i < config->n_device_requests && !request; i++)
		if (config->device_requests[i].is_cdi)
			request = &config->device_requests[i];
	if (!request)
		request = arena_append(&config->arena, &config->device_requests, &config->n_device_requests, sizeof(*request));
	if (!request)
		return;
	request->is_cdi = true;
	config_add_string(config, &request->ids, &request->n_ids, name);
}

/* A number, or a UUID as "GPU-..." or "MIG-...": what may follow the '=' of a device's name. */
static bool gpu_id_is_valid(const char *id)
{
	_cleanup_free_ char *name = strf("nvidia.com/gpu=%s", id);

	return name && cdi_is_device_name(name);
}

void scow_container_config_add_gpus(scow_container_config *config, int count, const char *const *ids, const char *const *capabilities)
{
	struct config_device_request request = { .count = count };
	struct config_device_request *slot;

	if (!config)
		return;
	if (count < -1 || count > GPUS_MAX)
		return REFUSE(config, "%d is not a number of GPUs: -1 is all of them", count);
	if (ids && *ids && count)
		return REFUSE(config, "either a number of GPUs or their ids, not both");
	if (!count && !(ids && *ids))
		return REFUSE(config, "neither a number of GPUs nor their ids were given");
	for (; ids && *ids; ids++) {
		if (!gpu_id_is_valid(*ids))
			return REFUSE(config, "'%.80s' is not the id of a GPU", *ids);
		config_add_string(config, &request.ids, &request.n_ids, *ids);
	}
	/* The document of a GPU gives all that it can do. */
	config_add_string(config, &request.capabilities, &request.n_capabilities, "gpu");
	for (; capabilities && *capabilities; capabilities++) {
		if (!name_is_clean(*capabilities))
			return REFUSE(config, "'%.80s' is not a capability of a GPU", *capabilities);
		if (!str_eq(*capabilities, "gpu"))
			config_add_string(config, &request.capabilities, &request.n_capabilities, *capabilities);
	}
	slot = arena_append(&config->arena, &config->device_requests, &config->n_device_requests, sizeof(*slot));
	if (slot)
		*slot = request;
}
