/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The part of a plan by which a container gets a user namespace from one who has rights outside of it: what is done by those before it
 * is joined. That is the host's root; or a plain user who wants other maps than the usual one (which is the container's own user
 * namespace otherwise): he is root of a user namespace with the usual map, and the container's is made inside that; one of his that has networks is made inside of
 * the user namespace that has the bridges (the path of a new SPEC_NS_USER), which is joined first.
 *
 * 1. The namespace is made, and one for each bind with a map of its own.
 * 2. In a mount namespace that goes again: sources of binds are opened, the overlay is made of idmapped layers; nothing is attached.
 * 3. Namespaces of others are joined, then the new one, and scow-init goes on in a child, in namespaces that the new one owns.
 */
#pragma once

#include "runtime/plan.h"

/* It has such a one. */
bool plan_maps_ids(const struct spec *spec, const struct plan_facts *facts);
/* What holds inside, where plan_maps_ids(). */
struct plan_facts plan_mapped_facts(const struct spec *spec, const struct plan_facts *facts);
/* The id on the host of @inside; UINT32_MAX: none. */
uint32_t plan_mapped_id(const struct id_range *map, unsigned int count, uint32_t inside);

/* What only the host's root may change; the WIRE_USERNS step that follows, for the map or none. */
struct wire_step *plan_add_rights(struct job *job, const struct spec *spec);
/* Before anything else: the namespaces, and settings that only the host's root may change. */
int plan_add_maps(struct job *job, const struct spec *spec, const struct plan_namespaces *namespaces, scow_error **error) _must_check_;
/* Binds that have a map of their own, without a user namespace: only these. */
void plan_add_bind_maps(struct job *job, const struct spec *spec);
/* Of the bind @mount the user namespace's slot; -1: it is not idmapped. */
int plan_map_slot(const struct spec *spec, const struct spec_mount *mount);
