/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Health checks: the test of image and settings becomes a program that the supervisor runs again and again. */
#include "container/health-plan.h"

#include "base/str.h"
#include "container/exec.h"

#define SHELL "/bin/sh"

/* "CMD" and words, or "CMD-SHELL" and a script. */
static scow_process_config *command_of(const struct health *health)
{
	const char *script[] = { SHELL, "-c", health->n_test > 1 ? health->test[1] : "", NULL };

	if (str_eq(health->test[0], "CMD-SHELL"))
		return scow_process_config_new(script);
	return scow_process_config_new((const char *const *) health->test + 1);
}

static unsigned int milliseconds(int64_t ms)
{
	return ms < 1 ? 1 : ms > INT32_MAX ? INT32_MAX : (unsigned int) ms;
}

int health_prepare(scow_container *container, const struct image_config *image, const scow_container_config *config,
		   struct supervisor_start *start, struct spec *spec, scow_error **error)
{
	_cleanup_(scow_process_config_unrefp) scow_process_config *command = NULL;
	_cleanup_arena_ struct arena arena = { 0 };
	struct merged merged = { 0 };
	const struct health *health = &merged.health;
	int r = config_merge(image, config, NULL, &arena, &merged, error);

	if (r < 0 || !health->n_test)
		return r;
	start->health_interval_ms = milliseconds(health->interval_ms);
	start->health_timeout_ms = milliseconds(health->timeout_ms);
	start->health_start_period_ms = health->start_period_ms > 0 ? milliseconds(health->start_period_ms) : 0;
	start->health_start_interval_ms = milliseconds(health->start_interval_ms);
	start->health_retries = health->retries;
	command = command_of(health);
	if (!command)
		return error_oom(error);
	r = spec_build_exec(container->engine, container->id, image, config, command, spec, error);
	if (r < 0)
		return error_wrap(error, r, "prepare the health check");
	start->health = spec;
	return 0;
}
