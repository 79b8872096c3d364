/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The file of later mounts: a block for each target that was changed since the start, the latest last. A target that had a mount at the
 * start is known by its first change, which takes that away.
 */
#include "container/mount-later.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/fd.h"
#include "base/str.h"
#include "runtime/mount.h"

/* The file without the block of @key: into @rest. @replaces: what that one did, or as it is. */
static bool take_out(const char *text, size_t size, const char *key, struct str *rest, bool *replaces)
{
	for (size_t at = 0; at < size;) {
		struct wire_later later;

		if (size - at < sizeof(later))
			return false;
		memcpy(&later, text + at, sizeof(later));
		if (later.magic != WIRE_LATER_MAGIC || later.size > size - at - sizeof(later))
			return false;
		if (memcmp(later.target, key, sizeof(later.target)) == 0)
			*replaces = later.replaces;
		else
			str_add_bytes(rest, text + at, sizeof(later) + later.size);
		at += sizeof(later) + later.size;
	}
	return true;
}

static int add_block(scow_engine *engine, const char *target, const char *key, const struct spec *spec, bool replaces, struct str *text,
		     scow_error **error)
{
	struct wire_later later = { .magic = WIRE_LATER_MAGIC, .replaces = replaces };
	static const char padding[8];
	_cleanup_free_ void *bytes = NULL;
	size_t size = 0, pad;
	int r;

	r = mount_later(engine, spec, replaces ? target : NULL, &bytes, &size, error);
	if (r < 0)
		return r;
	pad = (sizeof(padding) - size % sizeof(padding)) % sizeof(padding);
	later.size = (uint32_t) (size + pad);
	memcpy(later.target, key, sizeof(later.target));
	str_add_bytes(text, &later, sizeof(later));
	str_add_bytes(text, bytes, size);
	str_add_bytes(text, padding, pad);
	return 0;
}

static int publish(int dir_fd, const struct str *text, scow_error **error)
{
	int r;

	if (!text->size) {
		later_clear(dir_fd);
		return 0;
	}
	if (text->failed)
		return error_oom(error);
	if (text->size > WIRE_LATER_BYTES_MAX)
		return error_set(error, SCOW_E_LIMIT, "too many changes of its mounts since it was started");
	r = file_publish_at(dir_fd, WIRE_LATER_NAME, text->data, text->size, 0600);
	return r < 0 ? error_errno(error, -r, "rename", "write down the container's mounts") : 0;
}

int later_put(scow_container *container, const char *target, const struct spec *spec, scow_error **error)
{
	_cleanup_fd_ int dir_fd = dir_open_at(container->engine->containers_fd, container->id);
	_cleanup_str_ struct str text = { 0 };
	_cleanup_free_ char *old = NULL;
	char key[DIGEST_STRING];
	bool replaces = !spec;
	size_t size = 0;
	int r;

	if (dir_fd < 0)
		return error_errno(error, -dir_fd, "open", "open 'containers/%s'", container->id);
	r = digest_bytes(target, strlen(target), key, error);
	if (r < 0)
		return r;
	r = file_read_at(dir_fd, WIRE_LATER_NAME, WIRE_LATER_BYTES_MAX, &old, &size);
	if (r < 0 && r != -ENOENT)
		return error_errno(error, -r, "read", "read 'containers/%s/" WIRE_LATER_NAME "'", container->id);
	if (r >= 0 && !take_out(old, size, digest_hex(key), &text, &replaces))
		return error_set(error, SCOW_E_CORRUPT, "'containers/%s/" WIRE_LATER_NAME "' is damaged", container->id);
	r = spec || replaces ? add_block(container->engine, target, digest_hex(key), spec, replaces, &text, error) : 0;
	return r < 0 ? r : publish(dir_fd, &text, error);
}

void later_clear(int dir_fd)
{
	(void) unlinkat(dir_fd, WIRE_LATER_NAME, 0);
}
