/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's clock, and dates without a look at the process's time zone. */
#pragma once

#include <stdint.h>
#include <time.h>

/* Nanoseconds since 1970. */
int64_t now_ns(void);
/* Seconds since 1970 of a date in UTC, as timegm(3), whose fields are in their ranges. */
int64_t utc_seconds(const struct tm *tm);
