/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Image settings and the user's wishes become the spec of a process. */
#pragma once

#include "container/config.h"
#include "image/manifest.h"
#include "runtime/spec.h"

/* The settings after merging, as Docker merges them; strings live in @arena, which outlives it. */
struct merged {
	char **args; size_t n_args;      /* entrypoint + command, at least one */
	char **env; size_t n_env;        /* "NAME=value": user's first, then the image's, then PATH, HOSTNAME, TERM */
	const char *workdir, *user, *stop_signal;
	struct config_pair *labels; size_t n_labels;
};
/* SCOW_E_INVALID "no command specified". @hostname for HOSTNAME. */
int config_merge(const struct image_config *image, const scow_container_config *config, const char *hostname, struct arena *arena,
		 struct merged *out, scow_error **error) _must_check_;

/*
 * The whole spec but for the root (lowers, layers_fd, container_fd), which start.c fills. Namespaces "container:NAME" are left as
 * JOIN with path NULL and resolved by start.c. @engine decides rootless; @id is the container's.
 */
int spec_build(scow_engine *engine, const char *id, const struct image_config *image, const scow_container_config *config, struct spec *out,
	       scow_error **error) _must_check_;
