/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * HostConfig.DeviceRequests, as Docker's clients send them for `--gpus` and for devices of the Container Device Interface:
 * {"Driver":"cdi","DeviceIDs":["vendor.com/class=name"]}, or {"Count":-1,"Capabilities":[["gpu"]]}.
 */
#include "container/config-json.h"

#include <string.h>

#include "base/str.h"

static bool strings_of(struct reader *reader, const cJSON *item, const char ***out)
{
	*out = NULL;
	if (!item || is_empty(item))
		return true;
	*out = vector_read(reader, item);
	return *out != NULL;
}

/* An "or" of "and"s; of GPUs there is one kind. */
static bool capabilities_of(struct reader *reader, const cJSON *item, const char ***out)
{
	bool is_gpu = false;

	*out = NULL;
	if (!cJSON_IsArray(item) || cJSON_GetArraySize(item) != 1) {
		reader_refuse(reader, SCOW_E_UNSUPPORTED, "expected Capabilities of one list, as [[\"gpu\"]]");
		return false;
	}
	if (!strings_of(reader, item->child, out))
		return false;
	for (size_t i = 0; *out && (*out)[i]; i++)
		is_gpu = is_gpu || str_eq((*out)[i], "gpu");
	if (!is_gpu)
		reader_refuse(reader, SCOW_E_UNSUPPORTED, "only devices with the capability \"gpu\" can be asked for by number");
	return is_gpu;
}

static void read_request(struct reader *reader, const cJSON *object)
{
	const char *driver = json_member_string(object, "Driver");
	const cJSON *options = cJSON_GetObjectItemCaseSensitive(object, "Options");
	const cJSON *count_item = cJSON_GetObjectItemCaseSensitive(object, "Count");
	const cJSON *capabilities_item = cJSON_GetObjectItemCaseSensitive(object, "Capabilities");
	_cleanup_free_ const char **ids = NULL, **capabilities = NULL;
	int64_t count = 0;

	if (!cJSON_IsObject(object) || (count_item && !cJSON_IsNull(count_item) && !number_read(count_item, &count)))
		return reader_refuse(reader, SCOW_E_INVALID, "expected an object with a Count or DeviceIDs");
	if (options && !is_empty(options))
		return reader_refuse(reader, SCOW_E_UNSUPPORTED, "Options are for drivers, and there are none");
	if (!strings_of(reader, cJSON_GetObjectItemCaseSensitive(object, "DeviceIDs"), &ids))
		return;
	if (str_eq(driver, "cdi")) {
		if (count || (capabilities_item && !is_empty_within(capabilities_item)))
			return reader_refuse(reader, SCOW_E_INVALID, "the driver cdi takes DeviceIDs alone");
		for (size_t i = 0; ids && ids[i]; i++)
			scow_container_config_add_cdi_device(reader->config, ids[i]);
		return;
	}
	if (driver && *driver && !str_eq(driver, "nvidia"))
		return config_refuse(reader->config, SCOW_E_UNSUPPORTED, reader->path,
				     "there is no driver '%.80s': cdi and nvidia are known", driver);
	if (count < -1 || count > 1000000)
		count = 1000000;
	if (capabilities_of(reader, capabilities_item, &capabilities))
		scow_container_config_add_gpus(reader->config, (int) count, ids, capabilities);
}

void read_device_requests(struct reader *reader, const cJSON *item)
{
	const cJSON *child;

	if (!cJSON_IsArray(item))
		return reader_refuse(reader, SCOW_E_INVALID, "expected an array");
	cJSON_ArrayForEach(child, item) read_request(reader, child);
}
