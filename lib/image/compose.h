/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An image that is made here: its config, history and manifest, from what it stands on, a new layer, and settings. */
#pragma once

#include "base/json.h"
#include "image/image.h"
#include "image/layer.h"

struct compose {
	scow_image *base;               /* or NULL: from nothing */
	const cJSON *settings;          /* the "config" object */
	const struct layer_made *layer; /* on top of @base's; or NULL: no new one */
	const char *top_chain_id;       /* of all; NULL: no layer at all */
	const char *author, *message, *created_by; /* each may be NULL */
	struct platform platform;       /* without @base */
	const char *reference;          /* a full one, or NULL */
	const char *action;             /* the event: image_record's */
};
int compose_image(scow_engine *engine, const struct compose *compose, scow_image **out, scow_error **error) _must_check_;
/* "name[:tag]" to the full form, malloc'ed; NULL for NULL. SCOW_E_INVALID, also for one with a digest. */
int compose_reference(const char *text, char **full, scow_error **error) _must_check_;
