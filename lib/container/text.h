/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Times as Docker writes them. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define TIME_TEXT 40

/* RFC 3339 with nanoseconds, in UTC. 0 is the zero time of Go, which Docker shows for "never". */
void time_text(int64_t ns, char out[TIME_TEXT]);
/* How long, as Docker rounds it: "About a minute". */
void duration_text(int64_t ns, char *out, size_t size);
