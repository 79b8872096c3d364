/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the supervisor's health checks have found: it keeps the last few in a file, which stays when the container has ended, as Docker's
 * figures do, until the next start.
 */
#include "container/health-report.h"

#include <stdlib.h>
#include <string.h>

#include "container/text.h"
#include "runtime/supervisor.h"

static const char *const names[] = {
	[WIRE_HEALTH_NONE] = "none",
	[WIRE_HEALTH_STARTING] = "starting",
	[WIRE_HEALTH_HEALTHY] = "healthy",
	[WIRE_HEALTH_UNHEALTHY] = "unhealthy",
};

const char *health_name(unsigned int status)
{
	return names[status < ARRAY_SIZE(names) ? status : WIRE_HEALTH_NONE];
}

const char *container_health(scow_engine *engine, const char *id)
{
	_cleanup_free_ struct wire_health *health = supervisor_health(engine, id, NULL);

	return health_name(health ? health->status : WIRE_HEALTH_NONE);
}

static bool add_result(cJSON *log, const struct wire_health_result *result)
{
	_cleanup_free_ char *output = strndup(result->output, result->output_size);
	char started[TIME_TEXT], ended[TIME_TEXT];
	cJSON *entry = cJSON_CreateObject();

	time_text(result->started, started);
	time_text(result->ended, ended);
	if (!cJSON_AddItemToArray(log, entry)) {
		cJSON_Delete(entry);
		return false;
	}
	return output && cJSON_AddStringToObject(entry, "Start", started) && cJSON_AddStringToObject(entry, "End", ended) &&
	       cJSON_AddNumberToObject(entry, "ExitCode", result->exit_code) && cJSON_AddStringToObject(entry, "Output", output);
}

bool container_add_health(scow_engine *engine, const char *id, cJSON *state)
{
	_cleanup_free_ struct wire_health *found = supervisor_health(engine, id, NULL);
	cJSON *health, *log;
	bool ok;

	if (!found)
		return true;
	health = cJSON_AddObjectToObject(state, "Health");
	ok = health && cJSON_AddStringToObject(health, "Status", health_name(found->status)) &&
	     cJSON_AddNumberToObject(health, "FailingStreak", found->failing_streak);
	log = ok ? cJSON_AddArrayToObject(health, "Log") : NULL;
	for (uint32_t i = 0; log && ok && i < found->n_results; i++)
		ok = add_result(log, &found->results[i]);
	return ok && log;
}
