/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* manifest.json of a docker-archive (first byte even), and the tar that it comes in (odd): entries, names, links, holes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "archive/tarstream.h"
#include "image/transfer-internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct bytes {
	const uint8_t *data;
	size_t size;
};

static ssize_t give(void *userdata, const void **data, scow_error **error)
{
	struct bytes *bytes = userdata;
	/* In pieces: a header or a block may be cut anywhere. */
	size_t n = bytes->size < 700 ? bytes->size : 700;

	(void) error;
	*data = bytes->data;
	bytes->data += n;
	bytes->size -= n;
	return (ssize_t) n;
}

static void feed_tar(const uint8_t *data, size_t size)
{
	_cleanup_(tarstream_closep) struct tarstream *tar = NULL;
	struct bytes bytes = { data, size };
	struct tarstream_entry entry;
	size_t total = 0;

	if (tarstream_open(give, &bytes, &tar, NULL) < 0)
		return;
	while (tarstream_next(tar, &entry, NULL) > 0) {
		const void *block;
		ssize_t n;

		if (!entry.name || (entry.type == TARSTREAM_LINK) != (entry.target != NULL))
			abort();
		while ((n = tarstream_data(tar, &block, NULL)) > 0)
			total += (size_t) n;
		if (n < 0)
			return;
	}
	if (total > size)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct docker_archive archive;

	if (!size)
		return 0;
	if (data[0] & 1) {
		feed_tar(data + 1, size - 1);
		return 0;
	}
	if (docker_archive_parse((const char *) data + 1, size - 1, &archive, NULL) < 0)
		return 0;
	for (size_t i = 0; i < archive.n_images; i++)
		if (!archive.images[i].config)
			abort();
	docker_archive_done(&archive);
	return 0;
}
