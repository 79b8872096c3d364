/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Manifests and indexes, as any of the types that a registry may call them (the first byte), and the choice from an index. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_descriptor(const struct descriptor *descriptor)
{
	enum codec_kind codec;

	if (!digest_is_valid(descriptor->digest))
		abort();
	(void) manifest_layer_codec(descriptor->media_type, &codec);
}

static void check_index(const struct manifest *index)
{
	static const char *const wanted[] = { NULL, "linux/arm/v7", "linux/arm64/v9.1", "linux/s390x" };

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		const struct descriptor *chosen = NULL;
		struct platform platform;

		if (platform_parse(wanted[i], &platform, NULL) == 0 && manifest_choose(index, &platform, &chosen, NULL) == 0 && !chosen)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const types[] = { NULL, "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json",
					     "application/vnd.docker.distribution.manifest.v2+json; charset=utf-8", "text/plain" };
	_cleanup_manifest_ struct manifest manifest = { 0 };

	if (!size || manifest_parse((const char *) data + 1, size - 1, types[data[0] % ARRAY_SIZE(types)], &manifest, NULL) < 0)
		return 0;
	if (manifest.kind == MANIFEST_INDEX) {
		for (size_t i = 0; i < manifest.n_manifests; i++)
			check_descriptor(&manifest.manifests[i]);
		check_index(&manifest);
		return 0;
	}
	check_descriptor(&manifest.config);
	for (size_t i = 0; i < manifest.n_layers; i++)
		check_descriptor(&manifest.layers[i]);
	return 0;
}
