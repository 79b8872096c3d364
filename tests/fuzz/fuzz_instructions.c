/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* --change: whatever is said, the settings stay an object that can be written and read again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/instructions.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_json_ cJSON *config = cJSON_Parse("{\"Env\":[\"A=b\",\"PATH=/bin\"],\"Labels\":{\"x\":\"y\"},\"WorkingDir\":\"/w\"}");
	_cleanup_free_ char *text = strndup((const char *) data, size);
	scow_error *error = NULL;
	char *line, *rest = text;
	int r = 0;

	while (text && r == 0 && (line = strsep(&rest, "\n")))
		r = instruction_apply(config, line, &error);
	if ((r < 0) != (error != NULL))
		abort();
	scow_error_unref(error);
	if (!cJSON_IsObject(config))
		abort();
	{
		_cleanup_free_ char *printed = json_print(config);
		_cleanup_json_ cJSON *again = printed ? cJSON_Parse(printed) : NULL;

		if (printed && !again)
			abort();
	}
	return 0;
}
