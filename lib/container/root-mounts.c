/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Binds, volumes and images in the tree of a container that does not run: what is at a path is what the container would find there.
 *
 * 1. They are mounted with the tree, by the errand that mounts it, and go with its descriptor. As at a start each place is found by
 *    descriptor inside the tree, and made where it is missing.
 * 2. A tmpfs of the container's own is not among them: it is not there while nothing runs.
 * 3. Ids in the tree are those that the container has; of what belongs to the host's ids (binds) they are shown so.
 */
#include "container/root-mounts.h"

#include "base/str.h"
#include "container/build.h"
#include "container/id-map.h"

/* The maps that it starts with; of a namespace that it shares nobody knows them now. */
static int find_ids(scow_container *container, const scow_container_config *config, struct spec *spec, scow_error **error)
{
	struct id_maps maps = { 0 };
	int r;

	/* A plain user's files have his ids on the disk either way. */
	if (container->engine->facts.rootless)
		return 0;
	r = id_maps_of(container->engine, container->id, config, &spec->arena, &maps, error);
	if (r == 0)
		id_maps_put(&maps, spec);
	return r;
}

static void drop_tmpfs(struct spec *spec, const scow_container_config *config)
{
	size_t n = 0;

	for (size_t i = 0; i < spec->n_mounts; i++) {
		bool own = false;

		for (size_t k = 0; k < config->n_mounts && !own; k++)
			own = config->mounts[k].kind == MOUNT_TMPFS && str_eq(config->mounts[k].target, spec->mounts[i].target);
		/* Who sees the tree is alone: there is nobody to share mounts with. */
		spec->mounts[i].propagation = 0;
		if (!own)
			spec->mounts[n++] = spec->mounts[i];
	}
	spec->n_mounts = n;
}

int root_mounts_add(scow_container *container, struct spec *spec, struct volumes *held, scow_error **error)
{
	scow_engine *engine = container->engine;
	struct build b = {
		.engine = engine, .id = container->id, .spec = spec, .held = held, .rootless = engine->facts.rootless, .still = true
	};
	int r = container_config_of(container, &b.config, error);

	if (r == 0)
		r = container_image_of(container, &b.image, error);
	if (r == 0)
		r = volumes_open(container, b.image, b.config, held, error);
	if (r == 0)
		r = find_ids(container, b.config, spec, error);
	if (r < 0)
		return r;
	spec->user = b.config->user ? b.config->user : b.image ? b.image->user : NULL;
	spec->read_only_root = b.config->read_only;
	r = build_mounts(&b, error);
	if (r == 0)
		drop_tmpfs(spec, b.config);
	return r;
}
