/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * timegm() takes the process's lock of time zones, looks at its environment and reads the zone's file: a library does none of that for a
 * date in UTC.
 */
#include "base/clock.h"

int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t utc_seconds(const struct tm *tm)
{
	/* In years that begin in March the odd day is the last. 1970 began with the 719469th day of the Gregorian calendar's. */
	const int64_t month = (tm->tm_mon + 10) % 12, year = tm->tm_year + INT64_C(1900) - (tm->tm_mon < 2);
	const int64_t days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + tm->tm_mday - 719469;

	return ((days * 24 + tm->tm_hour) * 60 + tm->tm_min) * 60 + tm->tm_sec;
}
