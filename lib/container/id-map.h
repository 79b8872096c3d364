/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which ids a container's user namespace maps.
 *
 * Root's container has its own range of the host's ids, which no other container of this store has: it is taken in the transaction that
 * makes the row, stays the same over all starts, and goes with the row. The files of layers and of what the container wrote have the
 * container's ids on the disk (idmapped mounts, runtime/plan-userns.h): who reads or writes them on the host has nothing to shift.
 */
#pragma once

#include "container/config.h"
#include "container/options.h"
#include "engine/engine.h"
#include "store/db.h"

#define ID_MAPS_MAX 64
/* Where neither scow nor containers have a range in /etc/subuid: ids that systemd leaves unused, behind those of its containers. */
#define ID_POOL_FIRST 1879048192u
#define ID_POOL_SIZE (4094u * 65536u)

struct id_maps {
	struct id_range *uids, *gids;
	unsigned int n_uids, n_gids; /* 0: the host's ids, or a plain user's usual map */
};

/* "auto", "auto:size=N", "keep-id", "keep-id:uid=N,gid=N". SCOW_E_INVALID. */
int userns_parse(const char *text, struct namespace_choice *out, scow_error **error) _must_check_;
/* What is wrong with the maps of @config in themselves, and with its mode. */
int id_maps_check(const scow_container_config *config, scow_error **error) _must_check_;

/* How many ids the new container of @config needs from the pool; 0: none. */
uint32_t id_range_wanted(scow_engine *engine, const scow_container_config *config);
/* Takes @size ids for @id, whose row is there, in the same transaction. SCOW_E_LIMIT: there are no more. */
int id_range_take(scow_engine *engine, struct db_work *work, const char *id, uint32_t size, scow_error **error) _must_check_;
/* The maps that container @id of @config starts with, in @arena. */
int id_maps_of(scow_engine *engine, const char *id, const scow_container_config *config, struct arena *arena, struct id_maps *out,
	       scow_error **error) _must_check_;
/* Who a plain user is inside, with "keep-id": user and group. */
void id_kept(scow_engine *engine, const struct namespace_choice *choice, uint32_t kept[2]);
void id_maps_put(const struct id_maps *maps, struct spec *spec);
/* Into the spec: those of a process that runs, as /proc/PID/uid_map and gid_map have them. */
int id_maps_into(pid_t pid, struct spec *spec, scow_error **error) _must_check_;
