/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Image settings and the user's wishes become the spec of a process: merge.c, build-*.c. */
#pragma once

#include "container/config.h"
#include "engine/engine.h"
#include "image/manifest.h"
#include "runtime/spec.h"

/* The settings after merging, as Docker merges them; strings live in @arena, which outlives it. */
struct merged {
	char **args; size_t n_args;      /* entrypoint + command, at least one; NULL-terminated */
	char **env; size_t n_env;        /* "NAME=value": PATH, HOSTNAME, TERM, the user's, the image's; NULL-terminated */
	const char *workdir, *user, *stop_signal; /* workdir absolute, user "" for root, stop_signal NULL where nobody said */
	struct config_pair *labels; size_t n_labels;
	struct health health_said; /* the user's fields, else the image's: what inspect shows */
	struct health health;      /* what is to be done: all fields set; n_test 0 for no checks at all */
};
/* SCOW_E_INVALID "no command specified". @hostname for HOSTNAME, or NULL. */
int config_merge(const struct image_config *image, const scow_container_config *config, const char *hostname, struct arena *arena,
		 struct merged *out, scow_error **error) _must_check_;

/*
 * The whole spec but for the root (lowers, layers_fd, container_fd) and the window, which start.c fills. @engine decides rootless; @id is
 * the container's, 64 digits. On failure @out is empty.
 *
 * Namespaces "container:NAME" are left as JOIN with path NULL: start.c finds spec_joined_container() and sets the path. Where the
 * network is shared so, it also sets hostname and domainname from the other one and shares its /etc files (none are in @out).
 */
struct attachment;
struct volumes;
/* As spec_build(), for a container on networks, with volumes: @attachment, @held, or NULL. */
int spec_build_on(scow_engine *engine, const char *id, const struct image_config *image, const scow_container_config *config,
		  const struct attachment *attachment, const struct volumes *held, struct spec *out, scow_error **error) _must_check_;
int spec_build(scow_engine *engine, const char *id, const struct image_config *image, const scow_container_config *config, struct spec *out,
	       scow_error **error) _must_check_;
/* What of a spec cannot be had on this host, or does not go together, and will not be otherwise at its start: for create. */
int spec_check(scow_engine *engine, const char *id, const scow_container_config *config, scow_error **error) _must_check_;
/*
 * Whose namespace is joined where spec_build() left a JOIN without a path; else NULL. A plain user's container that shares any
 * namespace with another must be in that one's user namespace, so that SPEC_NS_USER then names it too.
 */
const char *spec_joined_container(const scow_container_config *config, enum spec_ns ns);
