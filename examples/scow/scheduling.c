/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The flags that say how a container's programs are scheduled: --scheduler, --io-priority, --memory-policy. */
#include "cli.h"

#include <string.h>

static bool bad(const char *flag, const char *value, const char *why)
{
	complain("invalid argument \"%s\" for \"--%s\" flag: %s", value, flag, why);
	return false;
}

/* "fifo,priority=10,flags=reset-on-fork+keep-policy", "deadline,runtime=10ms,...": times in nanoseconds. */
static bool configure_scheduler(scow_container_config *config, const char *text)
{
	enum { NICE, PRIORITY, RUNTIME, DEADLINE, PERIOD, N_NUMBERS };
	static const char *const names[N_NUMBERS] = { "nice", "priority", "runtime", "deadline", "period" };
	int64_t numbers[N_NUMBERS] = { 0 };
	const char *rest, *policy = keep_split(text, ',', &rest);
	char *flags = NULL;

	while (rest) {
		const char *value, *name = keep_split(keep_split(rest, ',', &rest), '=', &value);
		size_t i = 0;

		if (value && strcmp(name, "flags") == 0) {
			flags = keep_text(value);
			for (char *plus = flags; (plus = strchr(plus, '+'));)
				*plus = ',';
			continue;
		}
		while (i < N_NUMBERS && strcmp(name, names[i]) != 0)
			i++;
		if (i == N_NUMBERS || !value || !parse_number(value, &numbers[i]) || (i != NICE && numbers[i] < 0))
			return bad("scheduler", text,
				   "write it as POLICY[,nice=N][,priority=N][,runtime=NS,deadline=NS,period=NS][,flags=A+B]");
	}
	if (numbers[RUNTIME] || numbers[DEADLINE] || numbers[PERIOD])
		scow_container_config_set_scheduler_deadline(config, (uint64_t) numbers[RUNTIME], (uint64_t) numbers[DEADLINE],
							     (uint64_t) numbers[PERIOD], flags);
	else
		scow_container_config_set_scheduler(config, policy,
						    numbers[NICE] > 1000 || numbers[NICE] < -1000 ? 1000 : (int) numbers[NICE],
						    numbers[PRIORITY] > 1000 ? 1000 : (unsigned int) numbers[PRIORITY], flags);
	return true;
}

static bool configure_io_priority(scow_container_config *config, const char *text)
{
	const char *level_text, *name = keep_split(text, ':', &level_text);
	int64_t level = 0;

	if (level_text && (!parse_number(level_text, &level) || level < 0 || level > 7))
		return bad("io-priority", text, "the level is 0 (first) to 7");
	scow_container_config_set_io_priority(config, name, (unsigned int) level);
	return true;
}

bool scheduling_configure(scow_container_config *config, const struct run_options *options)
{
	if (options->memory_policy) {
		const char *rest, *mode = keep_split(options->memory_policy, ':', &rest), *flags = NULL;
		const char *nodes = rest ? keep_split(rest, ':', &flags) : NULL;

		scow_container_config_set_memory_policy(config, mode, nodes, flags);
	}
	if (options->scheduler && !configure_scheduler(config, options->scheduler))
		return false;
	return !options->io_priority || configure_io_priority(config, options->io_priority);
}
