/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which addresses are in use, by whom; and subnets that are free. */
#pragma once

#include "network/network.h"

struct subnet_use {
	struct prefix prefix;
	const char *by; /* "the network 'bridge'" */
};
/* Starts as all zeros. */
struct subnet_uses {
	struct arena arena;
	struct subnet_use *items; size_t n;
};
void subnet_uses_done(struct subnet_uses *uses);
#define _cleanup_subnet_uses_ __attribute__((cleanup(subnet_uses_done)))

/* Adds the host's addresses and routes; the pools of all networks. */
int subnet_uses_host(struct netns *ns, struct subnet_uses *uses, scow_error **error) _must_check_;
int subnet_uses_store(struct db_work *work, struct subnet_uses *uses, scow_error **error) _must_check_;
/* Who uses some of it, or NULL. */
const char *subnet_used_by(const struct subnet_uses *uses, const struct prefix *prefix);

/* SCOW_E_LIMIT: nothing is left. */
int subnet_choose4(const struct subnet_uses *uses, struct pool *out, scow_error **error) _must_check_;
int subnet_choose6(struct db_work *work, const struct subnet_uses *uses, struct pool *out, scow_error **error) _must_check_;
