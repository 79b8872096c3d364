/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The container's description, third part: what happens while nobody watches, in containers that are started detached. Restart policy,
 * health check and log; the rules for their values are Docker's.
 */
#include "container/config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "container/config-internal.h"
#include "container/log-attributes.h"

#define LOG_FILES_MAX 1000 /* every rotation renames all of them */

/* ---- restart ---- */

const char *restart_name(scow_restart policy)
{
	static const char *const names[] = { "no", "on-failure", "always", "unless-stopped" };

	return (unsigned int) policy < ARRAY_SIZE(names) ? names[policy] : "no";
}

void scow_container_config_set_restart(scow_container_config *config, scow_restart policy, unsigned int max_retries)
{
	if (!config)
		return;
	if ((unsigned int) policy > SCOW_RESTART_UNLESS_STOPPED)
		return REFUSE(config, "%d is no policy", (int) policy);
	if (max_retries && policy != SCOW_RESTART_ON_FAILURE)
		return REFUSE(config, "a number of retries goes with 'on-failure' only");
	if (max_retries > INT32_MAX)
		return REFUSE(config, "%u retries are too many", max_retries);
	config->restart = policy;
	config->restart_retries = max_retries;
	config->has_restart = true;
}

/* ---- health ---- */

void scow_container_config_set_health(scow_container_config *config, const char *const *test, unsigned int interval_ms,
				      unsigned int timeout_ms, unsigned int start_period_ms, unsigned int start_interval_ms,
				      unsigned int retries)
{
	size_t n = 0;

	if (!config)
		return;
	while (test && test[n])
		n++;
	if (n && !health_test_is_valid(test, n))
		return REFUSE(config, "'%s'%s is not a test: 'NONE', 'CMD' and its words, or 'CMD-SHELL' and a script", test[0],
			      n == 1 ? " alone" : "");
	if (retries > INT32_MAX)
		return REFUSE(config, "%u retries are too many", retries);
	config->health = (struct health){
		.test = n ? arena_strv(&config->arena, test, n) : NULL,
		.n_test = n,
		.interval_ms = interval_ms,
		.timeout_ms = timeout_ms,
		.start_period_ms = start_period_ms,
		.start_interval_ms = start_interval_ms,
		.retries = retries,
	};
}

/* ---- log ---- */

void scow_container_config_set_log_driver(scow_container_config *config, const char *driver)
{
	if (!config)
		return;
	if (driver && !str_eq(driver, "json-file") && !str_eq(driver, "none")) {
		scow_error *error = NULL;

		error_hint(&error, error_set(&error, SCOW_E_UNSUPPORTED, "'%.80s' is not a log driver of this version", driver),
			   "use 'json-file' or 'none'");
		return config_refuse_error(config, __func__, &error);
	}
	config_set_string(config, &config->log_driver, str_eq(driver, "json-file") ? NULL : driver);
}

/* As Docker reads sizes of logs: "10m" is 10,000,000 bytes. 0 where it is none. */
static uint64_t size_parse(const char *text)
{
	static const char units[] = "kmgtp";
	const char *unit;
	double size;
	char *end;

	if (!isdigit((unsigned char) *text) || text[strspn(text, "0123456789.kKmMgGtTpPiIbB ")])
		return 0;
	size = strtod(text, &end);
	end += *end == ' ';
	unit = *end ? strchr(units, tolower((unsigned char) *end)) : NULL;
	for (const char *p = units; unit && p <= unit; p++)
		size *= 1000;
	end += unit != NULL;
	end += *end == 'i' || *end == 'I';
	end += *end == 'b' || *end == 'B';
	return !*end && size >= 1 && size <= (double) CONFIG_NUMBER_MAX ? (uint64_t) size : 0;
}

static bool flag_parse(const char *text, bool *out)
{
	static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" }, *const no[] = {
		"0", "f", "F", "false", "FALSE", "False"
	};

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		*out = str_eq(text, yes[i]);
		if (*out || str_eq(text, no[i]))
			return true;
	}
	return false;
}

static unsigned int files_parse(const char *text)
{
	unsigned long long number;

	return str_to_u64(text, &number) && number <= LOG_FILES_MAX ? (unsigned int) number : 0;
}

static bool is_log_option(const char *name)
{
	static const char *const names[] = { "max-size", "max-file", "compress", "labels", "env", "tag", "mode", "max-buffer-size" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (str_eq(name, names[i]))
			return true;
	return false;
}

void scow_container_config_add_log_option(scow_container_config *config, const char *name, const char *value)
{
	bool flag;

	if (!config)
		return;
	if (!value)
		value = "";
	if (str_eq(name, "max-size") && !size_parse(value))
		return REFUSE(config, "max-size: '%.40s' is not a size such as '10m'", value);
	if (str_eq(name, "max-file") && !files_parse(value))
		return REFUSE(config, "max-file: '%.40s' is not a number of 1 to %d files", value, LOG_FILES_MAX);
	if (str_eq(name, "compress") && !flag_parse(value, &flag))
		return REFUSE(config, "compress: '%.40s' is neither true nor false", value);
	if (str_eq(name, "mode") && !str_eq(value, "blocking") && !str_eq(value, "non-blocking"))
		return REFUSE(config, "mode: '%.40s' is neither blocking nor non-blocking", value);
	if (str_eq(name, "max-buffer-size") && !size_parse(value))
		return REFUSE(config, "max-buffer-size: '%.40s' is not a size such as '4m'", value);
	if (str_eq(name, "tag") && !log_tag_is_valid(value))
		return REFUSE(config,
			      "tag: '%.80s' has fields other than {{.ID}}, FullID, Name, ImageID, ImageFullID, ImageName, DaemonName",
			      value);
	if (!is_log_option(name)) {
		scow_error *error = NULL;

		error_hint(&error, error_set(&error, SCOW_E_UNSUPPORTED, "'%.80s' is not an option of a log", name ? name : ""),
			   "there are max-size, max-file, compress, labels, env, tag, mode and max-buffer-size");
		return config_refuse_error(config, __func__, &error);
	}
	config_put_pair(config, &config->log_options, &config->n_log_options, name, value);
}

void config_log_settings(const scow_container_config *config, struct log_settings *out)
{
	*out = (struct log_settings){ .none = str_eq(config->log_driver, "none"), .max_files = 1 };
	for (size_t i = 0; i < config->n_log_options; i++) {
		const struct config_pair *option = &config->log_options[i];

		if (str_eq(option->name, "max-size"))
			out->max_bytes = size_parse(option->value);
		else if (str_eq(option->name, "max-file"))
			out->max_files = files_parse(option->value);
		else if (str_eq(option->name, "compress"))
			(void) flag_parse(option->value, &out->compress);
		else if (str_eq(option->name, "mode"))
			out->non_blocking = str_eq(option->value, "non-blocking");
		else if (str_eq(option->name, "labels"))
			out->labels = option->value;
		else if (str_eq(option->name, "env"))
			out->env = option->value;
		else if (str_eq(option->name, "tag"))
			out->tag = *option->value ? option->value : NULL;
	}
}

int config_check_detached(const scow_container_config *config, scow_error **error)
{
	struct log_settings log;

	if (config->ephemeral && config->restart != SCOW_RESTART_NO)
		return error_hint(error, error_set(error, SCOW_E_INVALID, "a container that is removed when it exits cannot be restarted"),
				  "leave out the restart policy, or the removal");
	config_log_settings(config, &log);
	if (log.none && config->n_log_options)
		return error_set(error, SCOW_E_INVALID, "the log driver 'none' has no option '%s'", config->log_options[0].name);
	if (log.compress && (log.max_files < 2 || !log.max_bytes))
		return error_hint(error, error_set(error, SCOW_E_INVALID, "a log of one file is not compressed"),
				  "set max-size, and max-file to 2 or more");
	return 0;
}
