/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A config from a stranger's JSON: what is taken is written, read again and written the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <scow/container.h>
#include <scow/version.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scow_container_config *config = NULL, *again = NULL;
	char *text = malloc(size + 1), *json = NULL, *second = NULL;
	scow_error *error = NULL;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (scow_container_config_from_json(text, &config, &error) < 0) {
		if (!error || config)
			abort();
	} else {
		if (scow_container_config_to_json(config, &json, &error) < 0 || scow_container_config_from_json(json, &again, &error) < 0 ||
		    scow_container_config_to_json(again, &second, &error) < 0 || strcmp(json, second) != 0)
			abort();
	}
	scow_error_unref(error);
	scow_container_config_unref(config);
	scow_container_config_unref(again);
	scow_free(json);
	scow_free(second);
	free(text);
	return 0;
}
