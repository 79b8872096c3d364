/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What this host and this user may do: found once, when the engine opens; nothing else probes. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct id_range {
	uint32_t inside, outside, count;
};

#define ID_RANGES_MAX 16

struct facts {
	uid_t uid;
	gid_t gid;
	bool rootless;          /* no CAP_SYS_ADMIN over the initial mount namespace: user namespaces are used */
	bool nested;            /* in a user namespace already: root of it owns no device, and no cgroup's device rules */
	unsigned int kernel;    /* major << 16 | minor */
	_Atomic uint64_t bounding; /* facts_bounding()'s; 0: not asked yet */
	char boot_id[37];
	/*
	 * What a user namespace of ours maps. Rootless: 0 -> uid, 1.. -> /etc/subuid; only 0 where there is no range. Root of
	 * somebody's user namespace: all that is mapped there.
	 */
	struct id_range uid_map[ID_RANGES_MAX], gid_map[ID_RANGES_MAX];
	unsigned int n_uid_map, n_gid_map;
	bool map_by_helper;     /* newuidmap and newgidmap are needed (more than the own id is mapped) */
	char *single_id_reason; /* why only one id is mapped, for errors; or NULL. Owned. */
	char *newuidmap, *newgidmap; /* paths, owned, or NULL */
	bool ids_probed;
};

/* Fills in all but the id maps. */
int facts_probe(struct facts *facts, scow_error **error) _must_check_;
/* The id maps of a rootless engine: reads /etc/subuid, looks for the helpers. Once; later calls return at once. Caller holds engine->lock. */
int facts_probe_ids(struct facts *facts, scow_error **error) _must_check_;
/* Appends the ranges of a subuid file that name the user, inside ids counting up from 1. @uid: UINT32_MAX for a name only. */
void facts_subordinate(const char *path, const char *name, uid_t uid, struct id_range *map, unsigned int *count);
/* The capabilities that this process can hand on, a bit each: some forty system calls, at the first start only. */
uint64_t facts_bounding(struct facts *facts);
void facts_done(struct facts *facts);
