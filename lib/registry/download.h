/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The layers of one image: fetched in parallel, unpacked as they arrive, published from the bottom up. */
#pragma once

#include <scow/registry.h>

#include "image/manifest.h"
#include "registry/session.h"

struct download {
	scow_engine *engine;
	struct session *session;
	scow_cancel *cancel;            /* or NULL */
	scow_pull_progress_fn progress; /* or NULL */
	void *progress_data;
	unsigned int parallel;
	const struct manifest *manifest;
	const struct image_config *config; /* as many diff ids as the manifest has layers */
};

/* @top_chain_id: "" without layers. SCOW_E_BUSY: a layer that was there has gone; begin again. */
int download_layers(const struct download *download, char top_chain_id[DIGEST_STRING], scow_error **error) _must_check_;
