/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Times as Docker writes them: in documents, and in the words of its lists. */
#include "container/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#define SECOND INT64_C(1000000000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

void time_text(int64_t ns, char out[TIME_TEXT])
{
	time_t seconds = (time_t) (ns / SECOND);
	struct tm tm;

	if (ns <= 0 || !gmtime_r(&seconds, &tm)) {
		snprintf(out, TIME_TEXT, "0001-01-01T00:00:00Z");
		return;
	}
	snprintf(out, TIME_TEXT, "%04u-%02u-%02uT%02u:%02u:%02u.%09uZ", (unsigned int) (tm.tm_year + 1900) % 10000,
		 (unsigned int) (tm.tm_mon + 1) % 100, (unsigned int) tm.tm_mday % 100, (unsigned int) tm.tm_hour % 100,
		 (unsigned int) tm.tm_min % 100, (unsigned int) tm.tm_sec % 100, (unsigned int) (ns % SECOND));
}

void duration_text(int64_t ns, char *out, size_t size)
{
	int64_t seconds = ns / SECOND, minutes = ns / MINUTE, hours = (ns + HOUR / 2) / HOUR;

	if (seconds < 1)
		snprintf(out, size, "Less than a second");
	else if (seconds == 1)
		snprintf(out, size, "1 second");
	else if (seconds < 60)
		snprintf(out, size, "%" PRId64 " seconds", seconds);
	else if (minutes == 1)
		snprintf(out, size, "About a minute");
	else if (minutes < 60)
		snprintf(out, size, "%" PRId64 " minutes", minutes);
	else if (hours == 1)
		snprintf(out, size, "About an hour");
	else if (hours < 48)
		snprintf(out, size, "%" PRId64 " hours", hours);
	else if (hours < 24 * 7 * 2)
		snprintf(out, size, "%" PRId64 " days", hours / 24);
	else if (hours < 24 * 30 * 2)
		snprintf(out, size, "%" PRId64 " weeks", hours / 24 / 7);
	else if (hours < 24 * 365 * 2)
		snprintf(out, size, "%" PRId64 " months", hours / 24 / 30);
	else
		snprintf(out, size, "%" PRId64 " years", hours / 24 / 365);
}
