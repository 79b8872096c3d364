/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Image configs: every string that comes out is counted right and ends. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t total;

static void check_strings(char **strings, size_t count)
{
	if (!strings) {
		if (count)
			abort();
		return;
	}
	for (size_t i = 0; i < count; i++)
		total += strlen(strings[i]);
	if (strings[count])
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image_config config;
	char platform[256];

	if (image_config_parse((const char *) data, size, &config, NULL) < 0)
		return 0;
	check_strings(config.env, config.n_env);
	check_strings(config.cmd, config.n_cmd);
	check_strings(config.entrypoint, config.n_entrypoint);
	check_strings(config.labels, config.n_labels);
	check_strings(config.volumes, config.n_volumes);
	check_strings(config.exposed_ports, config.n_exposed_ports);
	for (size_t i = 0; i < config.n_diff_ids; i++)
		if (!digest_is_valid(config.diff_ids[i]))
			abort();
	platform_format(&config.platform, platform, sizeof platform);
	image_config_done(&config);
	return 0;
}
