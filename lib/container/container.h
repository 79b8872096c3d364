/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The container handle and its rows, for this room. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include <scow/container.h>

#include "engine/engine.h"
#include "image/image.h"
#include "runtime/process.h"

DEFINE_CLEANUP(scow_container *, scow_container_unref)

struct config; /* container/config.h */

struct scow_container {
	atomic_uint refs;
	scow_engine *engine;
	char id[65];
	char *name, *image_name, *image_id, *command, *top_layer;
	int64_t created;                 /* ns */
	bool ephemeral;
	bool created_here;               /* by this handle: an ephemeral one goes with its last reference */
	scow_container_config *config;   /* parsed from the row on first use, or as created */
	pthread_mutex_t lock;
	char *status_text;
};
