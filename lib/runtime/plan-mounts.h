/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a plan mounts: plan.c calls these; runtime/mount.h for a container that runs. */
#pragma once

#include <limits.h>

#include "runtime/plan.h"

/* Where a descriptor's file is: scow-init has to find it again in its own mount namespace. */
int plan_path_of(int fd, char path[PATH_MAX], scow_error **error) _must_check_;
/* @slave: mounts of this namespace get the host's, unless they are told not to. */
int plan_add_mounts(struct job *job, const struct spec *spec, const struct plan_facts *facts, bool slave, scow_error **error) _must_check_;
/* Binds as trees that are attached to nothing: those that are overlays, of layers or for changes, or the others. */
int plan_add_sources(struct job *job, const struct spec *spec, const struct plan_facts *facts, bool slave, bool overlays,
		     scow_error **error) _must_check_;

/*
 * The mounts of @spec, and nothing else, into a container that runs. In scow-init WIRE_FD_NS and the next are a pidfd of its PID 1, and
 * (@owns_ids: root's container with a user namespace of its own) the one after that is that namespace.
 */
int plan_compile_mount(const struct spec *spec, const struct plan_facts *facts, bool owns_ids, struct job *job,
		       scow_error **error) _must_check_;
/* As steps of WIRE_LATER. @replaced: a target where something is unmounted first, or NULL; @spec may be NULL then. */
int plan_compile_later(const struct spec *spec, const struct plan_facts *facts, const char *replaced, struct job *job,
		       scow_error **error) _must_check_;
/* @own: its user namespace is another than ours. */
void plan_compile_unmount(const char *target, bool own, struct job *job);
