/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Endpoints that may only be so fast: a token bucket at either end of their link. */
#pragma once

#include <cjson/cJSON.h>

#include "network/network.h"

#define OPTION_RATE "scow.rate."
#define OPTION_RATE_IN "scow.rate.in"
#define OPTION_RATE_OUT "scow.rate.out"
#define RATE_MIN_BITS UINT64_C(8000)
#define RATE_MAX_BITS UINT64_C(1000000000000)
#define RATE_WANTED "is not a rate such as 512kbit or 10mbit, from 8kbit to 1000gbit"

/* "10mbit", as tc(8) writes them: bit, kbit, mbit, gbit, by thousands. */
bool rate_parse(const char *text, uint64_t *bytes_per_second);
/* What its own options (NULL: none) and its network's say. */
int shape_read(struct endpoint *endpoint, const cJSON *options, struct arena *arena, scow_error **error) _must_check_;
/* That it can be done there: SCOW_E_UNSUPPORTED. */
int shape_check(const struct endpoint *endpoint, scow_error **error) _must_check_;
/* After its link has been made. */
void shape_batches(const struct endpoint *endpoint, struct batch *host, struct batch *inside);
