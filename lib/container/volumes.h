/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a container mounts that others refer to, too: volumes, images, and what it has from other containers.
 *
 * Create looks at config, image and other containers, and writes rows (`mounts`): from then on a volume or an image that is in one is
 * not removed, and an anonymous volume has its name. A start reads these; binds and tmpfs are in the config alone.
 */
#pragma once

#include "container/container.h"
#include "volume/volume.h"

struct held {
	enum config_mount_kind kind;
	const char *target, *options, *subpath;
	const char *source;       /* of a bind; of an image the reference */
	const char *volume_name, *image_id;
	bool no_copy, read_only;
	struct volume_wish wish;  /* create */
	struct volume *volume;    /* from here on: of a row */
	struct volume_source from;
	struct volume_place place; /* of a driver's */
	char **lowers;            /* of an image; strv_free() */
	size_t n_lowers;
};

struct volumes {
	struct arena arena;
	struct held *items; size_t n;
};
void volumes_done(struct volumes *volumes);
#define _cleanup_volumes_ _cleanup_(volumes_done)

/* What create is to write. Drivers make their volumes; nothing else has happened yet. */
int volumes_plan(scow_engine *engine, const struct image_config *image, const scow_container_config *config, struct volumes *out,
		 scow_error **error) _must_check_;
/* SCOW_E_BUSY: a volume is being removed at this moment; try again. */
int volumes_insert(struct db_work *work, scow_engine *engine, const char *id, const struct volumes *volumes, scow_error **error)
	_must_check_;
/* Of one more mount, of a container that is there. */
int volumes_plan_one(scow_engine *engine, const scow_container_config *config, const struct config_mount *mount, struct volumes *out,
		     scow_error **error) _must_check_;
/* Empty volumes get what the image has where they are mounted. volumes-copy.c */
int volumes_copy_up(scow_container *container, scow_error **error) _must_check_;

/* The rows. */
int volumes_read(struct db_work *work, const char *id, struct volumes *out, scow_error **error) _must_check_;
/* For a start: also where each comes from; drivers are asked. */
int volumes_open(scow_container *container, const struct image_config *image, const scow_container_config *config, struct volumes *out,
		 scow_error **error) _must_check_;
/* One of them, resolved. */
int volumes_resolve(scow_engine *engine, const char *id, struct held *held, struct arena *arena, scow_error **error) _must_check_;

/* Where an end is recorded, before that: the events. row.c */
int volumes_leave(struct db_work *work, const char *id, scow_error **error) _must_check_;

/* Docker's Mounts. volumes-json.c */
struct cJSON;
int volumes_json(scow_engine *engine, const char *id, const scow_container_config *config, struct cJSON *array, scow_error **error)
	_must_check_;
