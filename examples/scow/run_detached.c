/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The flags of run and create that tell what happens while nobody watches: restarts, health checks, the log. */
#include "cli.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static bool bad(const char *flag, const char *value, const char *why)
{
	complain("invalid argument \"%s\" for \"--%s\" flag: %s", value, flag, why);
	return false;
}

/* The unit at @p, in milliseconds; 0: none of Go's that a millisecond is not too coarse for. */
static double unit_ms(const char *p, size_t *length)
{
	static const struct {
		const char *name;
		double ms;
	} units[] = { { "ms", 1 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 } };

	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		*length = strlen(units[i].name);
		if (starts_with(p, units[i].name))
			return units[i].ms;
	}
	return 0;
}

/* "1m30s", "500ms", as Go writes times; false if it is none, or negative, or finer than a millisecond. */
static bool parse_duration_ms(const char *text, unsigned int *ms)
{
	const char *p = text;
	double total = 0;

	*ms = 0;
	if (strcmp(text, "0") == 0)
		return true;
	do {
		double number, unit;
		size_t length;
		char *end;

		if (!isdigit((unsigned char) *p) && !(*p == '.' && isdigit((unsigned char) p[1])))
			return false;
		if (strspn(p, "0123456789.") > 20)
			return false;
		number = strtod(p, &end);
		/* "0x10" and "1e3" are numbers to strtod, not to Go. */
		if ((size_t) (end - p) != strspn(p, "0123456789.") || !(unit = unit_ms(end, &length)))
			return false;
		total += number * unit;
		p = end + length;
	} while (*p);
	if (total > UINT_MAX || total != (double) (unsigned int) total)
		return false;
	*ms = (unsigned int) total;
	return true;
}

/* ---- restart ---- */

bool parse_restart(const char *text, scow_restart *policy, unsigned int *max_retries)
{
	static const char *const names[] = { "no", "on-failure", "always", "unless-stopped" };
	const char *count, *name = keep_split(text, ':', &count);
	int64_t number = 0;

	*max_retries = 0;
	if (count && (!parse_number(count, &number) || number < 0 || number > INT_MAX))
		return bad("restart", text, "the number of retries must be a whole number that is not negative");
	*max_retries = (unsigned int) number;
	for (unsigned int i = 0; i < sizeof names / sizeof *names; i++) {
		*policy = (scow_restart) i;
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return bad("restart", text, "no, on-failure[:max], always and unless-stopped are known");
}

static bool configure_restart(scow_container_config *config, const char *text)
{
	scow_restart policy;
	unsigned int retries;

	if (!text || !*text)
		return true;
	if (!parse_restart(text, &policy, &retries))
		return false;
	scow_container_config_set_restart(config, policy, retries);
	return true;
}

/* ---- health ---- */

static bool configure_health(scow_container_config *config, const struct run_options *options)
{
	const struct {
		const char *flag, *text;
	} times[] = {
		{ "health-interval", options->health_interval },
		{ "health-timeout", options->health_timeout },
		{ "health-start-period", options->health_start_period },
		{ "health-start-interval", options->health_start_interval },
	};
	const bool tests = options->health_cmd && *options->health_cmd;
	unsigned int ms[4] = { 0 };
	int64_t retries = options->health_retries.value;
	bool given = tests || retries;

	for (size_t i = 0; i < 4; i++) {
		if (times[i].text && !parse_duration_ms(times[i].text, &ms[i]))
			return bad(times[i].flag, times[i].text, "write it as 500ms, 5s or 1m30s: 0, or a millisecond and more");
		given = given || ms[i];
	}
	if (retries < 0 || retries > INT_MAX)
		return bad("health-retries", keep_format("%lld", (long long) retries), "it must not be negative");
	if (options->no_healthcheck && given) {
		complain("--no-healthcheck conflicts with --health-* options");
		return false;
	}
	if (options->no_healthcheck)
		scow_container_config_set_health(config, (const char *const[]){ "NONE", NULL }, 0, 0, 0, 0, 0);
	else if (given)
		scow_container_config_set_health(config, tests ? (const char *const[]){ "CMD-SHELL", options->health_cmd, NULL } : NULL,
						 ms[0], ms[1], ms[2], ms[3], (unsigned int) retries);
	return true;
}

bool detached_configure(scow_container_config *config, const struct run_options *options)
{
	if (options->log_driver && *options->log_driver)
		scow_container_config_set_log_driver(config, options->log_driver);
	for (size_t i = 0; i < options->log_options.count; i++) {
		const char *value, *name = keep_split(options->log_options.items[i], '=', &value);

		if (!value)
			return bad("log-opt", options->log_options.items[i], "write it as NAME=VALUE");
		scow_container_config_add_log_option(config, name, value);
	}
	return configure_restart(config, options->restart) && configure_health(config, options);
}
