/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A vendor's CDI document: what is taken is whole, what is refused has a reason that names the file. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "container/cdi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = { 0 };
	scow_error *error = NULL;
	struct cdi_spec spec;

	if (cdi_parse((const char *) data, size, "/fuzz.json", &arena, &spec, &error) < 0) {
		if (!error || !strstr(scow_error_message(error), "/fuzz.json"))
			abort();
	} else {
		if (error || !spec.n_devices || !strchr(spec.kind, '/'))
			abort();
		for (size_t i = 0; i < spec.n_devices; i++)
			for (size_t k = 0; k < spec.devices[i].edits.n_nodes; k++)
				if (!spec.devices[i].name || spec.devices[i].edits.nodes[k].path[0] != '/')
					abort();
	}
	scow_error_unref(error);
	arena_done(&arena);
	return 0;
}
