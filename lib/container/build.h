/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files that build a spec share: build-spec.c calls the others. */
#pragma once

#include <sys/stat.h>

#include "container/create.h"
#include "container/options.h"
#include "container/volumes.h"

/* A device as it will be, before it is looked at what that takes. */
struct build_node {
	const char *source, *target, *access;
	struct stat st;
};

struct build {
	scow_engine *engine;
	const char *id;
	const struct image_config *image;
	const scow_container_config *config;
	struct spec *spec;
	bool rootless;
	const struct attachment *attachment; /* its networks; NULL: on none */
	const struct volumes *held;          /* its volumes and images; NULL: none */
	bool checks; /* only: nothing is to come of it */
	bool still;  /* mounts of a tree in which nothing runs, with the ids that its files have on the disk: root-mounts.h */
	bool user_ns; /* it is root, if at all, in a user namespace only */
	struct build_node *nodes; size_t n_nodes;                   /* of devices by name, build-cdi.c */
	struct config_mount *device_mounts; size_t n_device_mounts; /* the same */
	struct namespace_choice choices[CONFIG_NAMESPACES]; /* as asked for; what came of them is in spec->namespaces */
};

int build_mounts(struct build *b, scow_error **error) _must_check_;
/* One mount: @held, or, where that is NULL, @wish. */
int build_mount(struct build *b, const struct config_mount *wish, const struct held *held, struct spec_mount *out, scow_error **error)
	_must_check_;
/* The options "idmap" and "U" of a bind, whose source is in @mount. */
int build_idmap(struct build *b, const struct bind_options *options, struct spec_mount *mount, scow_error **error) _must_check_;
/* Where they are neither, in a tree that is still: as the container would see them. */
int build_idmap_still(struct build *b, struct spec_mount *mount, scow_error **error) _must_check_;
/* First of these three: finds devices by name. */
int build_cdi(struct build *b, scow_error **error) _must_check_;
int build_devices(struct build *b, scow_error **error) _must_check_;
int build_resources(struct build *b, scow_error **error) _must_check_;
int build_scheduling(struct build *b, scow_error **error) _must_check_;
int build_sysctls(struct build *b, scow_error **error) _must_check_;
/* build-names.c: malloc'ed text. @before: what comes before the container's own names; NULL: the usual. */
int build_hosts(const struct build *b, const char *before, char **out, scow_error **error) _must_check_;
int build_resolv(const struct build *b, char **out, scow_error **error) _must_check_;
int build_files(struct build *b, scow_error **error) _must_check_;

static inline bool build_owns(const struct build *b, enum spec_ns ns)
{
	return b->spec->namespaces[ns].mode == SPEC_NS_NEW;
}
static inline bool build_shares_host(const struct build *b, enum spec_ns ns)
{
	return b->spec->namespaces[ns].mode == SPEC_NS_HOST;
}
