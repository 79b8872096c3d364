/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Moments as people write them after --since and --until. */
#include "cli.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS INT64_C(1000000000)

/* Up to nine digits after a point; 0 if there is none. */
static int64_t take_fraction(const char **at)
{
	int64_t value = 0, scale = NS / 10;

	if (**at != '.')
		return 0;
	for (++*at; isdigit((unsigned char) **at); ++*at, scale /= 10)
		value += (**at - '0') * scale;
	return value;
}

/* "Z", "+01:00" or "" at the end of a date: seconds east of Greenwich, or *local. */
static bool take_zone(const char *at, long *offset, bool *local)
{
	unsigned int hours, minutes;
	char sign, rest;

	*offset = 0;
	*local = !*at;
	if (!*at || strcmp(at, "Z") == 0 || strcmp(at, "z") == 0)
		return true;
	if (sscanf(at, "%c%2u:%2u%c", &sign, &hours, &minutes, &rest) != 3 || (sign != '+' && sign != '-') || hours > 23 || minutes > 59)
		return false;
	*offset = (long) (hours * 60 + minutes) * (sign == '-' ? -60 : 60);
	return true;
}

/* "2026-01-02", "2026-01-02T03:04", "2026-01-02T03:04:05.6+01:00". Without a zone it is local time. */
static bool parse_date(const char *text, int64_t *ns)
{
	static const char *const forms[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d" };
	int64_t fraction = 0;
	const char *end = NULL;
	struct tm tm;
	long offset;
	bool local;

	for (size_t i = 0; !end && i < sizeof forms / sizeof *forms; i++) {
		memset(&tm, 0, sizeof tm);
		end = strptime(text, forms[i], &tm);
		if (end && i == 0)
			fraction = take_fraction(&end);
	}
	if (!end || !take_zone(end, &offset, &local))
		return false;
	tm.tm_isdst = -1;
	*ns = (int64_t) (local ? mktime(&tm) : timegm(&tm) - offset) * NS + fraction;
	return true;
}

/* "1136073600", "1136073600.000000001" */
static bool parse_seconds(const char *text, int64_t *ns)
{
	const char *at = text;
	int64_t seconds = 0;

	for (; isdigit((unsigned char) *at) && seconds < INT32_MAX * INT64_C(4); at++)
		seconds = seconds * 10 + (*at - '0');
	if (at == text)
		return false;
	*ns = seconds * NS + take_fraction(&at);
	return !*at;
}

/* Go's: "10m", "1h30m", "1.5s", "-5m" for the future. */
static bool parse_duration(const char *text, int64_t *ns)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = { { "ns", 1 }, { "us", 1e3 }, { "\xc2\xb5s", 1e3 }, { "ms", 1e6 }, { "s", 1e9 }, { "m", 60e9 }, { "h", 3600e9 } };
	bool minus = *text == '-';
	double total = 0;

	text += minus;
	if (!*text)
		return false;
	while (*text) {
		char *end;
		double value;
		size_t i, size;

		if (!isdigit((unsigned char) *text) && *text != '.')
			return false;
		value = strtod(text, &end);
		if (end == text)
			return false;
		size = strcspn(end, "0123456789.");
		for (i = 0; i < sizeof units / sizeof *units; i++)
			if (strlen(units[i].name) == size && strncmp(units[i].name, end, size) == 0)
				break;
		if (i == sizeof units / sizeof *units)
			return false;
		total += value * units[i].ns;
		text = end + size;
	}
	if (total > 9e18)
		return false;
	*ns = (int64_t) (minus ? -total : total);
	return true;
}

int64_t wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * NS + now.tv_nsec;
}

/* A date, seconds since 1970, or how long ago, in Docker's forms. */
static bool parse_when(const char *text, int64_t *ns)
{
	if (parse_date(text, ns) || parse_seconds(text, ns))
		return true;
	if (!parse_duration(text, ns))
		return false;
	*ns = wall_ns() - *ns;
	return true;
}

bool option_when(const struct cli *cli, const char *name, const char *text, int64_t *ns)
{
	if (!text || !*text || parse_when(text, ns)) {
		/* 0 would be no bound. */
		if (text && *text && *ns <= 0)
			*ns = 1;
		return true;
	}
	complain_usage(cli, "--%s: '%s' is no moment: give a date as 2026-01-02T03:04:05Z, seconds since 1970, or a duration as 10m", name,
		       text);
	return false;
}

void time_format(char out[TIME_TEXT], int64_t ns, bool local)
{
	time_t seconds = (time_t) (ns / NS);
	char date[32], zone[8] = "Z";
	struct tm tm;

	if (local)
		localtime_r(&seconds, &tm);
	else
		gmtime_r(&seconds, &tm);
	strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
	/* "+0100" as "+01:00". */
	if (local && tm.tm_gmtoff) {
		strftime(zone, sizeof zone, "%z", &tm);
		memmove(zone + 4, zone + 3, 3);
		zone[3] = ':';
	}
	snprintf(out, TIME_TEXT, "%s.%09lld%s", date, (long long) (ns % NS), zone);
}
