/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is done to containers that exist: pause, unpause, restart, rename, update, top. */
#include "limit_options.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- pause and unpause ---- */

static int pause_one(scow_container *container, void *data, scow_error **error)
{
	(void) data;
	return scow_container_pause(container, error);
}

static int pause_all(struct cli *cli, void *target, int argc, char **argv)
{
	(void) target;
	return each_container(cli, argc, argv, EACH_PRINT_NAME, pause_one, NULL);
}

static int unpause_one(scow_container *container, void *data, scow_error **error)
{
	(void) data;
	return scow_container_unpause(container, error);
}

static int unpause_all(struct cli *cli, void *target, int argc, char **argv)
{
	(void) target;
	return each_container(cli, argc, argv, EACH_PRINT_NAME, unpause_one, NULL);
}

/* ---- restart ---- */

struct restart_options {
	struct number seconds;
};
static const struct option restart_table[] = {
	{ "timeout", 't', OPTION_NUMBER, "int", "Seconds to wait before killing; -1 for ever", offsetof(struct restart_options, seconds) },
	{ "time", 0, OPTION_NUMBER, "int", NULL, offsetof(struct restart_options, seconds) },
	{ NULL },
};

static int restart_one(scow_container *container, void *data, scow_error **error)
{
	const struct number *seconds = data;

	return scow_container_restart(container, !seconds->set ? -2 : seconds->value < 0 ? -1 : (int) seconds->value * 1000, error);
}

static int restart_all(struct cli *cli, void *target, int argc, char **argv)
{
	return each_container(cli, argc, argv, EACH_PRINT_NAME, restart_one, &((struct restart_options *) target)->seconds);
}

/* ---- rename ---- */

static int rename_one(scow_container *container, void *data, scow_error **error)
{
	return scow_container_rename(container, data, error);
}

static int rename_container(struct cli *cli, void *target, int argc, char **argv)
{
	(void) target;
	(void) argc;
	return each_container(cli, 1, argv, 0, rename_one, argv[1]);
}

/* ---- update ---- */

static const struct option update_table[] = {
	ROW_BLKIO_WEIGHT,
	ROW_BLKIO_WEIGHT_DEVICE,
	ROW_CPU_PERIOD,
	ROW_CPU_QUOTA,
	ROW_CPU_RT_PERIOD,
	ROW_CPU_RT_RUNTIME,
	ROW_CPU_SHARES,
	ROW_CPUS,
	ROW_CPUSET_CPUS,
	ROW_CPUSET_MEMS,
	ROWS_DEVICE_RATES,
	ROW_MEMORY,
	ROW_MEMORY_RESERVATION,
	ROW_MEMORY_SWAP,
	ROW_MEMORY_SWAPPINESS,
	ROW_PIDS_LIMIT,
	LIMIT("restart", 0, OPTION_TEXT, "string", "Restart policy (no|on-failure[:N]|always|unless-stopped)", restart),
	{ NULL },
};

static int update_one(scow_container *container, void *data, scow_error **error)
{
	return scow_container_update(container, data, error);
}

/* No flag was given: each leaves something in its struct, which begins as zeros. */
static bool is_empty(const void *options, size_t size)
{
	for (const char *p = options, *end = p + size; p < end; p++)
		if (*p)
			return false;
	return true;
}

static int update(struct cli *cli, void *target, int argc, char **argv)
{
	SCOW_AUTO(scow_container_config) *changes = scow_container_config_new();
	const struct run_options *options = target;
	unsigned int retries = 0;
	scow_restart policy;

	if (is_empty(options, sizeof(*options))) {
		complain_usage(cli, "you must provide one or more flags when using this command");
		return 1;
	}
	if (!limits_configure(changes, options))
		return 1;
	if (options->restart) {
		if (!parse_restart(options->restart, &policy, &retries))
			return 1;
		scow_container_config_set_restart(changes, policy, retries);
	}
	return each_container(cli, argc, argv, EACH_PRINT_NAME, update_one, changes);
}

/* ---- top ---- */

/* A line of columns for a table; the last one as long as it likes. */
static const char *join(const cJSON *cells)
{
	const char *line = "";
	const cJSON *cell;

	cJSON_ArrayForEach(cell, cells)
	{
		line = keep_format("%s%s%s", line, *line ? "\t" : "", cJSON_IsString(cell) ? cell->valuestring : "");
	}
	return line;
}

static int top_one(scow_container *container, void *data, scow_error **error)
{
	struct table table = { .format = NULL, .aligned = true };
	char *document = NULL;
	const cJSON *row;
	cJSON *json;
	int r = scow_container_top_json(container, &document, error);

	(void) data;
	if (r < 0)
		return r;
	json = cJSON_Parse(document);
	scow_free(document);
	list_add(&table.rows, printable(join(cJSON_GetObjectItemCaseSensitive(json, "Titles")), stdout, true));
	cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(json, "Processes"))
	{
		list_add(&table.rows, printable(join(row), stdout, true));
	}
	cJSON_Delete(json);
	table_print(&table);
	return 0;
}

/* What the host's ps says to such options; NULL after telling why not. */
static char *ask_ps(char **options)
{
	posix_spawn_file_actions_t actions;
	char *text = NULL;
	struct list words = { .count = 0 };
	int fds[2], status = 1, failed;
	pid_t pid;

	list_add(&words, "ps");
	for (; *options; options++)
		list_add(&words, *options);
	if (pipe2(fds, O_CLOEXEC) < 0) {
		complain("make a pipe: %s", strerror(errno));
		return NULL;
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
	failed = posix_spawnp(&pid, "ps", &actions, NULL, (char **) (uintptr_t) words.items, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(fds[1]);
	if (failed) {
		complain("run this host's 'ps', which options need: %s", strerror(failed));
	} else {
		text = read_whole(keep_format("/proc/self/fd/%d", fds[0]), NULL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	close(fds[0]);
	return !failed && status == 0 ? text : NULL;
}

/* The n-th word of a line, counted from 0; "" where it has not so many. */
static const char *nth_word(const char *line, int n)
{
	const char *p = line + strspn(line, " ");

	for (; n > 0; n--) {
		p += strcspn(p, " ");
		p += strspn(p, " ");
	}
	return keep_format("%.*s", (int) strcspn(p, " "), p);
}

static bool has_process(const cJSON *processes, const char *pid)
{
	const cJSON *row;

	cJSON_ArrayForEach(row, processes)
	{
		const char *text = cJSON_GetStringValue(cJSON_GetArrayItem(row, 1));

		if (text && strcmp(text, pid) == 0)
			return true;
	}
	return false;
}

struct ps_call {
	char **options;
	bool failed; /* which was told */
};

/* As docker: the lines of ps that are about processes of the container. */
static int top_by_ps(scow_container *container, void *data, scow_error **error)
{
	struct ps_call *call = data;
	char *document = NULL, *text, *line, *rest = NULL;
	int r = scow_container_top_json(container, &document, error), column = 0;
	cJSON *json;

	if (r < 0)
		return r;
	json = cJSON_Parse(document);
	scow_free(document);
	text = ask_ps(call->options);
	line = text ? strtok_r(text, "\n", &rest) : NULL;
	while (line && *nth_word(line, column) && strcmp(nth_word(line, column), "PID") != 0)
		column++;
	call->failed = !line || !*nth_word(line, column);
	if (line && call->failed)
		complain("there is no column PID in what ps says");
	for (bool title = true; line && !call->failed; line = strtok_r(NULL, "\n", &rest), title = false)
		if (title || has_process(cJSON_GetObjectItemCaseSensitive(json, "Processes"), nth_word(line, column)))
			puts(printable(line, stdout, false));
	cJSON_Delete(json);
	return 0;
}

static int top(struct cli *cli, void *target, int argc, char **argv)
{
	struct ps_call call = { .options = argv + 1 };
	int code = each_container(cli, 1, argv, 0, argc > 1 ? top_by_ps : top_one, &call);

	(void) target;
	return code ? code : call.failed;
}

const struct command lifecycle_commands[] = {
	{ "pause", "container pause", "CONTAINER [CONTAINER...]", "Pause all processes of containers", NULL, 0, 1, -1, false, pause_all },
	{ "unpause", "container unpause", "CONTAINER [CONTAINER...]", "Let paused containers go on", NULL, 0, 1, -1, false, unpause_all },
	{ "restart", "container restart", "[OPTIONS] CONTAINER [CONTAINER...]", "Restart containers", restart_table,
	  sizeof(struct restart_options), 1, -1, false, restart_all },
	{ "rename", "container rename", "CONTAINER NEW_NAME", "Rename a container", NULL, 0, 2, 2, false, rename_container },
	{ "update", "container update", "[OPTIONS] CONTAINER [CONTAINER...]", "Change limits of containers", update_table,
	  sizeof(struct run_options), 1, -1, false, update },
	{ "top", "container top", "CONTAINER [PS_OPTIONS]", "Show the processes of a container", NULL, 0, 1, -1, true, top },
	{ NULL },
};
