/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A document in YAML: what is taken is a tree that JSON can say, what is refused has a reason that names its line. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_json_ cJSON *document = NULL;
	scow_error *error = NULL;

	if (yaml_parse((const char *) data, size, "it", &document, &error) < 0) {
		if (document || !error || !strstr(scow_error_message(error), "it: line "))
			abort();
	} else {
		_cleanup_free_ char *text = json_print(document);

		if (error || !text)
			abort();
	}
	scow_error_unref(error);
	return 0;
}
