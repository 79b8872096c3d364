/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What scow_pull_options holds; read by pull.c only. */
#pragma once

#include <stdbool.h>

#include <scow/registry.h>

#include "base/cleanup.h"
#include "image/manifest.h"

#define PULL_PARALLEL_DEFAULT 3
#define PULL_PARALLEL_MAX 16

struct scow_pull_options {
	scow_pull_progress_fn progress;
	void *progress_data;
	scow_pull_policy policy;
	char *platform;        /* or NULL */
	char *user, *password; /* or NULL */
	bool insecure;
	unsigned int parallel;
	scow_cancel *cancel;
	bool failed; /* a setter ran out of memory */
};

/* SCOW_E_INVALID or SCOW_E_NO_MEMORY for the first bad value, named by its setter. @platform: what was asked for, or the host's. */
int pull_options_check(const scow_pull_options *options, struct platform *platform, scow_error **error) _must_check_;
