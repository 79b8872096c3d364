/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a scow_process_config holds. Its values are those of a container's settings and so are kept in such: one place checks them,
 * keeps the first bad one, and names the setter.
 */
#include <stdlib.h>

#include "container/config-internal.h"
#include "container/exec.h"

scow_process_config *scow_process_config_new(const char *const *command)
{
	scow_process_config *config = calloc(1, sizeof(*config));

	if (!config)
		return NULL;
	config->settings = scow_container_config_new();
	if (!config->settings) {
		free(config);
		return NULL;
	}
	scow_container_config_set_command(config->settings, command);
	return config;
}

scow_process_config *scow_process_config_unref(scow_process_config *config)
{
	if (!config)
		return NULL;
	scow_container_config_unref(config->settings);
	free(config);
	return NULL;
}

void scow_process_config_set_env(scow_process_config *config, const char *name, const char *value)
{
	if (config)
		scow_container_config_set_env(config->settings, name, value);
}

void scow_process_config_set_user(scow_process_config *config, const char *user)
{
	if (config)
		scow_container_config_set_user(config->settings, user);
}

void scow_process_config_set_workdir(scow_process_config *config, const char *path)
{
	if (config)
		scow_container_config_set_workdir(config->settings, path);
}

void scow_process_config_set_tty(scow_process_config *config, int tty)
{
	if (config)
		scow_container_config_set_tty(config->settings, tty);
}

void scow_process_config_set_privileged(scow_process_config *config, int privileged)
{
	if (config)
		scow_container_config_set_privileged(config->settings, privileged);
}

void scow_process_config_set_pids_max(scow_process_config *config, uint64_t pids)
{
	if (!config)
		return;
	if (pids > (uint64_t) CONFIG_NUMBER_MAX)
		return config_refuse(config->settings, SCOW_E_INVALID, "set_pids_max", "%llu is not a number of processes",
				     (unsigned long long) pids);
	scow_container_config_set_pids_max(config->settings, (int64_t) pids);
}

void scow_process_config_set_memory_bytes(scow_process_config *config, uint64_t bytes)
{
	if (config)
		scow_container_config_set_memory_bytes(config->settings, bytes);
}

void scow_process_config_set_deadline_ms(scow_process_config *config, unsigned int deadline_ms)
{
	if (config)
		config->deadline_ms = deadline_ms;
}

void scow_process_config_set_detached(scow_process_config *config, int detached)
{
	if (config)
		config->detached = detached;
}

int process_config_check(const scow_process_config *config, scow_error **error)
{
	int r;

	if (!config)
		return error_set(error, SCOW_E_INVALID, "no settings of a process were given");
	r = config_check_stored(config->settings, error);
	if (r < 0)
		return r;
	if (!config->settings->n_command)
		return error_set(error, SCOW_E_INVALID, "no command specified");
	if (config->detached && config->settings->tty)
		return error_set(error, SCOW_E_INVALID, "a detached process cannot have a terminal: nobody would hold its other end");
	if (config->detached && config->deadline_ms)
		return error_set(error, SCOW_E_INVALID, "a detached process cannot have a deadline: nobody would keep it");
	return 0;
}
