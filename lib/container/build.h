/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files that build a spec share: build-spec.c calls the others. */
#pragma once

#include "container/create.h"
#include "container/options.h"

struct build {
	scow_engine *engine;
	const char *id;
	const struct image_config *image;
	const scow_container_config *config;
	struct spec *spec;
	bool rootless;
	struct namespace_choice choices[CONFIG_NAMESPACES]; /* as asked for; what came of them is in spec->namespaces */
};

int build_mounts(struct build *b, scow_error **error) _must_check_;
int build_devices(struct build *b, scow_error **error) _must_check_;
int build_resources(struct build *b, scow_error **error) _must_check_;
int build_sysctls(struct build *b, scow_error **error) _must_check_;
int build_files(struct build *b, scow_error **error) _must_check_;

static inline bool build_owns(const struct build *b, enum spec_ns ns)
{
	return b->spec->namespaces[ns].mode == SPEC_NS_NEW;
}
static inline bool build_shares_host(const struct build *b, enum spec_ns ns)
{
	return b->spec->namespaces[ns].mode == SPEC_NS_HOST;
}
