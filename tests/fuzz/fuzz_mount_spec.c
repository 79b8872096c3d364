/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* -v and --mount as they are written: what is taken has one document, which is read to the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "container/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(void (*set)(scow_container_config *, const char *), const char *text)
{
	_cleanup_(scow_container_config_unrefp) scow_container_config *config = scow_container_config_new(), *copy = NULL;
	_cleanup_free_ char *json = NULL, *again = NULL;

	set(config, text);
	/* A document is UTF-8; a command line need not be. */
	if (config_check(config, NULL) < 0 || scow_container_config_to_json(config, &json, NULL) < 0)
		return;
	if (scow_container_config_from_json(json, &copy, NULL) < 0 || scow_container_config_to_json(copy, &again, NULL) < 0 ||
	    strcmp(json, again) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = strndup((const char *) data, size);

	if (!text)
		return 0;
	check(scow_container_config_add_volume_spec, text);
	check(scow_container_config_add_mount, text);
	check(scow_container_config_add_volumes_from, text);
	return 0;
}
